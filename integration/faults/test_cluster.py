"""Three brokers, three Galera nodes: one of them dies under load, the one that matters."""

import unittest

from confluent_kafka.admin import AdminClient

from integration.faults.case import TRIES, WARM_UP, FaultCase, under_load
from integration.harness import total


class ClusterFaults(FaultCase):
    kafka_nodes = galera_nodes = 3

    @under_load
    def test_kill_9_of_the_broker_that_leads(self, load):
        before, partition = self.node.metrics(), self.world.tenants[0].tenant.partition
        leaders = [self.broker_of(partition)]  # Asked for before the strike, which is to be quick.

        def heal():
            load.until_decided(WARM_UP)
            self.assertNotEqual(self.broker_of(partition), leaders[-1])
            self.stack.kafka.restart(leaders[-1])
            leaders.append(self.broker_of(partition))
        self.strike(load, lambda: self.stack.kafka.kill(leaders[-1]), heal)
        self.provoked |= {"killed": f"broker {leaders[-2]}", "step-downs": self.step_downs(before)}
        self.prove(load)

    @under_load
    def test_kill_9_of_the_galera_node_that_is_written_through(self, load):
        before, tries = self.node.metrics(), 0
        while self.noticed(before) == (0, 0) and tries < TRIES:
            self.kill_writer(load)
            tries += 1
        redone, reconnects = self.noticed(before)
        self.assertGreater(redone + reconnects, 0, "no worker noticed")
        self.provoked |= {"tries": tries, "batches redone": redone, "reconnects": reconnects}
        self.prove(load)

    def kill_writer(self, load):
        """Kills the node that most was written through of late, waits until rows are written again, and takes it in again."""
        galera = self.stack.galera
        self.assertEqual({galera.wsrep(node.number).get("cluster_size") for node in galera.nodes}, {"3"})
        before = self.written_through()
        load.until_decided(WARM_UP)
        self.until("writing", lambda: max(self.written_through()) > max(before))
        victim = 1 + max(range(3), key=lambda number: self.written_through()[number] - before[number])
        rows = total(self.node.metrics(), "pw_projection_rows_total")
        load.strike(lambda: galera.kill(victim))
        self.until("written again", lambda: total(self.node.metrics(), "pw_projection_rows_total") > rows + WARM_UP)
        self.provoked["killed"] = f"node {victim}"
        galera.restart(victim)
        self.assertEqual(galera.wsrep(victim).get("cluster_size"), "3")

    def written_through(self):
        """How many write sets each Galera node has sent to the others."""
        return [int(self.stack.galera.wsrep(node.number)["replicated"]) for node in self.stack.galera.nodes]

    def noticed(self, before):
        now = self.node.metrics()
        return tuple(total(now, f"pw_projection_{what}_total") - total(before, f"pw_projection_{what}_total")
                     for what in ("redone", "connections"))

    def broker_of(self, partition):
        """The number of the broker that leads a partition, once there is one."""
        admin, leader = AdminClient({"bootstrap.servers": self.stack.kafka.endpoints(), "log_level": 0}), []

        def known():
            leader[:] = [admin.list_topics(self.stack.topic, timeout=10).topics[self.stack.topic].partitions[partition].leader]
            return leader[0] > 0
        self.until("led by a broker", known, 30)
        return leader[0]


if __name__ == "__main__":
    unittest.main()
