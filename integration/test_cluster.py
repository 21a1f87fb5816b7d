"""The local clusters come back from whatever befalls them, and never lay hands on a process that is not theirs."""

import os
import shutil
import signal
import subprocess
import tempfile
import unittest
from pathlib import Path

import pymysql
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from integration.cluster.cluster import random_address
from integration.cluster.galera import Galera
from integration.cluster.kafka import Kafka
from integration.cluster.process import Process, ProcessError, wait_until

RUN = Path(__file__).resolve().parents[1] / ".run/test"
KAFKA_PORT, GALERA_PORT = 24092, 24306


class OnDisk(unittest.TestCase):
    def setUp(self):
        RUN.mkdir(parents=True, exist_ok=True)
        self.address = random_address()
        self.dir = Path(tempfile.mkdtemp(prefix="cluster-", dir=RUN))
        self.addCleanup(shutil.rmtree, self.dir)


def kill_all(cluster):
    """kill -9 of every node, by pid, as if the machine had lost its power."""
    for node in cluster.nodes:
        os.kill(node.process.pid(), signal.SIGKILL)
    wait_until("dead", lambda: all(node.state() == "dead" for node in cluster.nodes), 10)


class KafkaTest(OnDisk):
    def cluster(self, nodes):
        kafka = Kafka(self.dir / "kafka", nodes=nodes, address=self.address, port=KAFKA_PORT)
        self.addCleanup(kafka.stop)
        return kafka

    def write(self, kafka, value, replicas):
        admin = AdminClient({"bootstrap.servers": kafka.endpoints()})
        if "kept" not in admin.list_topics(timeout=10).topics:
            admin.create_topics([NewTopic("kept", 1, replicas)])["kept"].result()
        producer = Producer({"bootstrap.servers": kafka.endpoints(), "acks": "all"})
        producer.produce("kept", value)
        self.assertEqual(producer.flush(30), 0)

    def read(self, kafka):
        consumer = Consumer({"bootstrap.servers": kafka.endpoints(), "group.id": "none", "enable.auto.commit": False})
        self.addCleanup(consumer.close)
        consumer.assign([TopicPartition("kept", 0, 0)])
        last = consumer.get_watermark_offsets(TopicPartition("kept", 0), timeout=30)[1]
        return [consumer.poll(30).value().decode() for _ in range(last)]

    def test_one_node_keeps_its_log_when_killed_and_half_formatted_data_are_formatted_again(self):
        kafka = self.cluster(nodes=1)
        (self.dir / "kafka/node1/data").mkdir(parents=True)
        (self.dir / "kafka/node1/data/meta.properties").write_text("cluster.id=")
        kafka.start()
        self.write(kafka, "first", replicas=1)
        kill_all(kafka)
        (self.dir / "kafka/node1/data/meta.properties").write_text("torn")
        kafka.start()
        self.assertEqual(self.read(kafka), ["first"])

    def test_three_nodes_lose_one_and_then_all(self):
        kafka = self.cluster(nodes=3)
        kafka.start()
        self.write(kafka, "by three", replicas=3)
        kafka.kill(2)
        self.write(kafka, "by two", replicas=3)
        kafka.restart(2)
        kafka.pause(1)
        self.assertEqual([line.split()[2] for line in kafka.status()], ["paused", "running", "running"])
        kafka.resume(1)
        kill_all(kafka)
        kafka.start()
        self.assertEqual(self.read(kafka), ["by three", "by two"])

    def test_another_size_in_the_same_directory_is_refused(self):
        self.cluster(nodes=1).start()
        with self.assertRaisesRegex(ProcessError, "holds a cluster of 1 node"):
            Kafka(self.dir / "kafka", nodes=3)
        with self.assertRaisesRegex(ProcessError, "cluster of kafka"):
            Galera(self.dir / "kafka")

    def test_a_taken_port_is_named(self):
        self.cluster(nodes=1).start()
        with self.assertRaisesRegex(ProcessError, f"{self.address}:{KAFKA_PORT}"):
            Kafka(self.dir / "second", address=self.address, port=KAFKA_PORT).start()


class GaleraTest(OnDisk):
    def cluster(self, nodes, where="galera", port=GALERA_PORT):
        galera = Galera(self.dir / where, nodes=nodes, address=self.address, port=port)
        self.addCleanup(galera.stop)
        return galera

    def ask(self, galera, number, statement):
        """One statement as the application has it: over TCP, with the password from the file."""
        node = galera.node(number)
        connection = pymysql.connect(host=node.address, port=node.port, user="proctorwise", database="proctorwise",
                                     password=galera.password_file.read_text(), autocommit=True)
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall()

    def test_one_node_keeps_its_rows_when_killed(self):
        galera = self.cluster(nodes=1)
        galera.start()
        self.assertEqual(galera.password_file.stat().st_mode & 0o777, 0o600)
        password = galera.password_file.read_text()
        self.ask(galera, 1, "CREATE TABLE kept (a INT PRIMARY KEY)")
        self.ask(galera, 1, "INSERT INTO kept VALUES (1), (2)")
        kill_all(galera)
        galera.start()
        self.assertEqual(galera.password_file.read_text(), password)
        self.assertEqual(self.ask(galera, 1, "SELECT COUNT(*) FROM kept"), ((2,),))

    def test_a_directory_that_is_closed_to_others_is_as_good_as_any(self):
        self.dir.chmod(0o700)  # As /root is, where a checkout often lies.
        galera = self.cluster(nodes=1)
        for _ in range(2):
            galera.start()
            with galera.connect(1) as connection, connection.cursor() as cursor:
                cursor.execute("CHECK TABLE mysql.proc, mysql.procs_priv")
                self.assertEqual({row[3] for row in cursor.fetchall()}, {"OK"})
            galera.stop()

    def test_three_nodes_lose_one_then_two_then_all(self):
        galera = self.cluster(nodes=3)
        galera.start()
        self.assertEqual(galera.wsrep(2)["cluster_size"], "3")
        self.ask(galera, 1, "CREATE TABLE kept (a INT PRIMARY KEY)")
        galera.kill(3)
        wait_until("two", lambda: galera.wsrep(1).get("cluster_size") == "2", 20)
        self.ask(galera, 1, "INSERT INTO kept VALUES (1)")
        galera.restart(3)
        self.assertEqual(self.ask(galera, 3, "SELECT a FROM kept"), ((1,),))

        galera.kill(1)
        galera.kill(2)
        with self.assertRaisesRegex(ProcessError, "no quorum"):
            galera.restart(1)
        galera.start()
        self.ask(galera, 2, "INSERT INTO kept VALUES (2)")

        kill_all(galera)
        for node in galera.nodes:
            self.assertIn("safe_to_bootstrap: 0", (node.dir / "data/grastate.dat").read_text())
        galera.start()
        self.assertEqual([galera.wsrep(number)["cluster_size"] for number in (1, 2, 3)], ["3", "3", "3"])
        self.assertEqual(self.ask(galera, 3, "SELECT a FROM kept ORDER BY a"), ((1,), (2,)))

    def test_two_clusters_live_side_by_side(self):
        one = self.cluster(nodes=1, where="one")
        other = self.cluster(nodes=1, where="x" * 120, port=GALERA_PORT + 10)  # No socket has a path that long.
        one.start()
        other.start()
        self.ask(one, 1, "CREATE TABLE only_here (a INT PRIMARY KEY)")
        self.assertEqual(self.ask(other, 1, "SHOW TABLES"), ())


class ProcessTest(OnDisk):
    def test_only_a_process_that_is_proven_ours_is_signalled(self):
        stranger = subprocess.Popen(["/bin/sleep", "600"])
        self.addCleanup(stranger.wait)
        self.addCleanup(stranger.kill)
        started = Path(f"/proc/{stranger.pid}/stat").read_text().split()[21]
        process = Process(self.dir / "pid", self.dir, self.dir / "log")
        for recorded in (f"{stranger.pid} {started}", f"{stranger.pid} 1", f"{os.getpid()} 1", "", "what"):
            with self.subTest(recorded):
                process.pid_file.write_text(recorded)
                self.assertIsNone(process.pid())
                process.end()
                self.assertIsNone(stranger.poll())

    def test_a_process_outlives_its_starter_and_is_ended_by_the_next(self):
        name = self.dir / "a file of ours"
        name.touch()
        Process(self.dir / "pid", self.dir, self.dir / "log").spawn(["/usr/bin/tail", "-f", name])
        again = Process(self.dir / "pid", self.dir, self.dir / "log")
        self.assertIsNotNone(again.pid())
        again.end()
        self.assertIsNone(again.pid())
        self.assertFalse((self.dir / "pid").exists())

    def test_a_process_that_becomes_another_program_is_alive_throughout(self):
        """In the middle of an exec(2) a process has no command line for a moment."""
        script, ended = self.dir / "again", self.dir / "ended"
        script.write_text(f'#!/bin/sh\n[ "$1" -gt 0 ] && exec "$0" $(($1 - 1))\ntouch {ended}; sleep 60\n')
        script.chmod(0o700)
        process = Process(self.dir / "pid", self.dir, self.dir / "log")
        self.addCleanup(process.end, patience_seconds=0)
        process.spawn([script, "2000"])
        while not ended.exists():
            self.assertIsNotNone(process.pid())

    def test_one_directory_is_not_taken_for_another_with_a_longer_name(self):
        ours, longer = self.dir / "node1", self.dir / "node10"
        longer.touch()
        Process(self.dir / "pid", longer, self.dir / "log").spawn(["/usr/bin/tail", "-f", longer])
        self.assertIsNone(Process(self.dir / "pid", ours, self.dir / "log").pid())
        Process(self.dir / "pid", longer, self.dir / "log").end()


if __name__ == "__main__":
    unittest.main()
