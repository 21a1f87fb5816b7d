"""Several processes of ProctorWise on one ledger: those that do not know of each other, and those that do."""

import time
import unittest

from integration.faults.case import TRIES, WARM_UP, FaultCase, under_load
from integration.harness import total

TAKE_OVER_SECONDS = 75  # Who lost a race bids again after 1 s, then 2, 4, ... 30.


class LeaderFaults(FaultCase):
    def setUp(self):
        self.other = self.stack.node()
        self.addCleanup(self.other.kill)

    @under_load
    def test_two_processes_that_do_not_know_of_each_other(self, load):
        """Each takes the other for dead, and bids; one hangs while the other leads, and wakes up in the belief that it leads."""
        self.other.start(ready=False)
        load.nodes, load.silence_seconds, tries = [self.node, self.other], 3, 0
        while tries < TRIES and (0 in self.bids() or self.voids() == 0):
            self.hang_while_the_other_leads(load)
            tries += 1
        load.until_decided(WARM_UP, TAKE_OVER_SECONDS)
        self.provoked |= {"tries": tries, "bids": self.bids()}
        proof = self.prove(load, [self.node, self.other])
        self.assertGreater(self.provoked["void"], 0, "neither wrote on an old head")
        led = {incarnation for _, _, _, incarnation in proof.leaders - self.before.leaders}
        self.assertGreater(len(led), 1, "only one of them led")
        self.other.kill()

    def hang_while_the_other_leads(self, load):
        before = total(self.other.metrics(), "pw_commands_decided_total")
        load.strike(self.node.pause, wait=False)
        self.until("decided by the other",
                   lambda: total(self.other.metrics(), "pw_commands_decided_total") >= before + WARM_UP, TAKE_OVER_SECONDS)
        self.node.resume()
        load.until_decided(WARM_UP)

    def bids(self):
        return [total(node.metrics(), "pw_bids_total") for node in (self.node, self.other)]

    def voids(self):
        return max(total(node.metrics(), "pw_records_void_total") for node in (self.node, self.other))

    def test_two_that_know_of_each_other_share_and_take_over(self):
        """Each leads its share and sends on what is not its own; the second takes over when the first is killed."""
        self.node.terminate()
        names = ",".join(f"node{node.number}={node.admin}" for node in (self.node, self.other))
        for node in (self.node, self.other):
            node.configure({"cluster.nodes": names})
        self.node.start()
        try:
            self.take_over()
        finally:
            self.other.kill()
            self.node.kill()
            self.node.configure({})
            self.node.start()

    @under_load
    def take_over(self, load):
        load.until_decided(WARM_UP)
        self.other.start(ready=False)
        self.until("led by each to the half", lambda: self.leads() == [2, 2])
        load.nodes = [self.node, self.other]
        load.until_decided(2 * WARM_UP)
        forwards = [total(node.metrics(), "pw_forwards_total", result="answered") for node in (self.node, self.other)]
        led = self.other.metrics()
        if any(led.get(f'pw_partition_leading{{partition="{place.tenant.partition}"}}') == 1 for place in self.world.tenants):
            self.assertGreater(sum(forwards), 0, "neither sent anything on")  # Tenants fall where they fall.
        unanswered = load.strike(self.node.kill, at_once=True)
        began = time.monotonic()
        load.until_decided(WARM_UP, TAKE_OVER_SECONDS)
        self.until("led by the second alone", lambda: total(self.other.metrics(), "pw_partition_leading") == 4)
        self.assertGreater(unanswered, 0, "nothing was in flight")
        self.provoked |= {"unanswered": unanswered, "landed": len(load.landed), "sent on": sum(forwards),
                          "seconds until the second led": round(time.monotonic() - began, 1)}
        self.prove(load, [self.other])
        self.other.kill()
        self.node.start()

    def leads(self):
        return [total(node.metrics(), "pw_partition_leading") for node in (self.node, self.other)]


if __name__ == "__main__":
    unittest.main()
