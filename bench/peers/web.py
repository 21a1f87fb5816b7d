"""bench/peers/service.py on the house's Galera and Kafka, under the same load as ProctorWise."""

import datetime
import json
import os
import platform
from pathlib import Path

import pymysql
from confluent_kafka.admin import AdminClient, NewTopic

from bench.house import EXAM_MINUTES, HOST, ROOT, SEATS, cpu_seconds
from bench.peers import fetch
from integration.cluster.cluster import write_whole
from integration.cluster.process import Process, wait_until
from integration.harness import Client

HERE = Path(__file__).parent
PORT, TOPIC, WORKERS = 28071, "peer.bookings", 2
READY_SECONDS = 60
SHOWN = ("fastapi", "uvicorn", "uvloop", "SQLAlchemy", "PyMySQL", "aiokafka", "PyJWT")


def times(starts_at):
    """When a sitting starts, ends, and leaves its student free again, as MariaDB takes them."""
    start = datetime.datetime.fromisoformat(starts_at).replace(tzinfo=None)
    end = start + datetime.timedelta(minutes=EXAM_MINUTES)
    return start, end, end


class Web:
    """Runs from `with` to its end; knows the tenants, slots and students of these plans."""

    name = "FastAPI"
    connections = (8, 64)  # The one that serves it better counts.

    def __init__(self, house, plans):
        self.house, self.python = house, fetch.python_with(HERE / "requirements.txt")
        settings = house.settings()
        host, _, port = settings["galera.nodes"].split(",")[0].rpartition(":")
        self.database = {"host": host, "port": int(port), "username": settings["galera.user"],
                         "password": Path(settings["galera.password_file"]).read_text()}
        self.kafka = settings["kafka.bootstrap.servers"]
        self.file = house.dir / "peer.json"
        write_whole(self.file, json.dumps({"database": self.database, "kafka": self.kafka, "topic": TOPIC,
                                           "issuer": plans[0].tenants[0].issuer}), mode=0o600)
        self.next = {plan: 0 for plan in plans}  # How many of its bookings were asked for here.
        self._fill(plans)
        self.process = Process(house.dir / "peer.pid", self.python, house.dir.parent / "bench-peer.log")

    def _connect(self):
        account = dict(self.database)
        return pymysql.connect(user=account.pop("username"), **account)

    def _fill(self, plans):
        schema = "".join(line for line in (HERE / "service.sql").read_text().splitlines(True) if not line.startswith("--"))
        with self._connect() as connection, connection.cursor() as cursor:
            for statement in filter(str.strip, schema.split(";")):
                cursor.execute(statement)
            for plan in plans:
                issuers = [(tenant.id, tenant.public_key) for tenant in plan.tenants]
                students = [(student.tenant.id, student.id) for student in plan.students]
                slots = [(tenant.id, slot, exam, *times(starts_at), SEATS) for tenant, exam, slot, starts_at in plan.slots]
                cursor.executemany("INSERT INTO issuers VALUES (%s, %s)", issuers)
                cursor.executemany("INSERT INTO students VALUES (%s, %s)", students)
                cursor.executemany("INSERT INTO slots VALUES (%s, %s, %s, %s, %s, %s, %s, 0)", slots)
            connection.commit()

    def __enter__(self):
        admin = AdminClient({"bootstrap.servers": self.kafka, "log_level": 0})
        admin.create_topics([NewTopic(TOPIC, 16, 1)])[TOPIC].result()
        self.process.spawn([self.python, "-m", "uvicorn", "bench.peers.service:app", "--host", HOST, "--port", PORT,
                            "--workers", WORKERS, "--no-access-log", "--log-level", "warning"],
                           cwd=ROOT, env=os.environ | {"BENCH_PEER": str(self.file)})
        wait_until("an answer of the peer, see .run/bench-peer.log", self._answers, READY_SECONDS)
        return self

    def __exit__(self, *_):
        self.process.end()

    def _answers(self):
        client = Client(f"{HOST}:{PORT}")
        try:
            return client.get("/healthz").status == 200
        except OSError:
            return False
        finally:
            client.close()

    def measure(self, plan, seconds, connections):
        """(requests a second, {who: CPU microseconds a request})"""
        before = {**self.house.cpu(), "service": cpu_seconds(self.process.pid())}
        figures = plan.load(f"{HOST}:{PORT}", self.next[plan], connections=connections, seconds=seconds)
        self.next[plan] += figures["answers"]
        if figures["statuses"].keys() != {"201"}:
            raise SystemExit(f"answers of the peer that are not 201: {figures['statuses']}")
        after = {**self.house.cpu(), "service": cpu_seconds(self.process.pid())}
        return figures["per_second"], {name: 1e6 * (after[key] - before[key]) / figures["answers"] for name, key in
                                       (("service", "service"), ("Galera", "mariadbd"), ("Kafka", "kafka"))}

    def settings(self):
        packages = [line.replace("==", " ") for line in (HERE / "requirements.txt").read_text().split() if line.startswith(SHOWN)]
        with self._connect() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT @@version, @@innodb_flush_log_at_trx_commit")
            version, flush = cursor.fetchone()
        return (f"Python {platform.python_version()}, {', '.join(packages)}; {WORKERS} uvicorn workers with 40 threads and 40 "
                "connections each; READ COMMITTED, locks of the student's and the slot's row; "
                f"MariaDB {version}, Galera nodes: {self.house.galera_nodes}, innodb_flush_log_at_trx_commit={flush}; "
                "Kafka acks=all, idempotent; connections of bench_load, a closed loop: the better of "
                f"{self.connections}. The plan fills slot by slot: of one tenant all wait for one row's lock, of 16 for one of 16")
