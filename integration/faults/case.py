"""What the fault tests share: one stack a module, load while something dies, and the proof afterwards.

Each test runs as often as the environment's PW_TEST_FAULTS says (`script/test faults --faults N`). A run draws its own seed and
prints it with what it provoked; PW_TEST_SEED=N runs all with that seed. A fault that met nothing in flight is provoked again,
TRIES times at most; if it then still met nothing, the run has failed.
"""

import functools
import os
import random
import time
import unittest

from integration.cluster.cluster import random_address
from integration.cluster.process import wait_until
from integration.harness import Stack, scratch, total
from integration.load import Load, World
from integration.proof import Proof

ROUNDS = int(os.environ.get("PW_TEST_FAULTS", "1"))
TRIES = 6
WARM_UP = 150  # Commands answered before a fault, and again after it.


def under_load(test):
    """Makes `test(self, load)` a test that runs ROUNDS times, each time under a load of its own. What it provokes belongs into
    `self.provoked`; it is printed with what the clients saw."""
    @functools.wraps(test)
    def run(self):
        for number in range(ROUNDS):
            seed = int(os.environ.get("PW_TEST_SEED") or random.randrange(10**9))
            with self.subTest(seed=seed):
                self.round(test, number, seed)
    return run


class FaultCase(unittest.TestCase):
    kafka_nodes = galera_nodes = 1
    ledger = "kafka"
    settings = {"snapshots.dir": "snapshots", "snapshots.every": 100}  # In each node's own directory; so few that starts go on from them.

    @classmethod
    def setUpClass(cls):
        began = time.monotonic()
        cls.stack = Stack(scratch(cls.__name__), random_address().rpartition(".")[0], cls.kafka_nodes, cls.galera_nodes,
                          settings=cls.settings, ledger=cls.ledger)
        cls.addClassCleanup(cls.stack.remove)
        cls.addClassCleanup(cls.stack.stop)
        cls.stack.start()
        cls.node = cls.stack.start_node()
        cls.world = World(cls.node)
        cls.loads = []
        brokers = cls.kafka_nodes if cls.ledger == "kafka" else "no"
        print(f"\n{cls.__name__}: {brokers} broker(s), {cls.galera_nodes} Galera node(s) and a world of "
              f"{len(cls.world.tenants)} tenants after {time.monotonic() - began:.1f} s", flush=True)

    def round(self, test, number, seed):
        began, self.provoked = time.monotonic(), {}
        self.before = Proof(self.stack)
        load = Load(self.world, [self.node], seed)
        self.loads.append(load)
        load.start()
        try:
            test(self, load)
            self.tell(number, load, time.monotonic() - began)
        except BaseException:
            self.tell_logs()
            load.stop()
            self.mend()
            raise
        finally:
            load.stop()

    def mend(self):
        """What a test that failed left dead or hanging is brought back for the next one."""
        if self.ledger == "kafka":
            self.stack.kafka.start()
        self.stack.galera.start()
        self.node.process.end(patience_seconds=0)
        self.node.start()

    def strike(self, load, action, heal):
        """Lets something happen while a burst of requests is under way, `heal`s it, and again until some of them were hit: until
        they got no answer, or a late one."""
        for attempt in range(TRIES):
            load.until_decided(WARM_UP)
            load.strike(action, at_once=attempt % 2 == 1)
            heal()
            load.until_decided(WARM_UP)
            struck = load.struck()
            if struck["unanswered"] + struck["delayed"] > 0:
                self.provoked |= {"tries": attempt + 1, **struck, "of the unanswered on record": len(load.landed)}
                return
        self.fail(f"nothing was in flight in {TRIES} tries")

    def prove(self, load, nodes=None):
        """No new commands; then everything that must hold, holds."""
        load.finish()
        yes, no = load.yes_and_no()
        self.assertGreater(yes, 0)
        self.assertGreater(no, 0)
        proof = Proof(self.stack)
        proof.check_answers(load)
        proof.check_nobody_else(self.world, self.loads)
        proof.check_bookings()
        proof.check_people()
        for node in nodes or [self.node]:
            proof.check_read_models(node, [place.tenant for place in self.world.tenants])
        self.provoked |= {"records": proof.accepted - self.before.accepted, "void": proof.void - self.before.void,
                          "leader records": len(proof.leaders - self.before.leaders), "yes": yes, "no": no}
        return proof

    def step_downs(self, before):
        return total(self.node.metrics(), "pw_step_downs_total") - total(before, "pw_step_downs_total")

    def tell(self, number, load, seconds):
        said = ", ".join(f"{what} {value}" for what, value in self.provoked.items())
        troubles = ", ".join(f"{load.counts[what]} x {what}" for what in sorted(load.counts))
        print(f"\n  {self._testMethodName} {number + 1}/{ROUNDS}, {seconds:.1f} s, seed {load.seed}: {said}\n"
              f"    clients saw: {troubles}", flush=True)

    def tell_logs(self):
        for node in self.stack.nodes:
            print(node.process.log_tail(40), flush=True)

    def until(self, what, condition, seconds=60):
        wait_until(what, condition, seconds)

    def query(self, node=None, seconds=10):
        """The status and problem of one query, and None where nobody answers."""
        client = self.world.tenants[0].tenant.admin.client(node or self.node)
        try:
            answer = client.get("/slots", seconds=seconds)
            return answer.status, answer.problem
        except OSError:
            return None
        finally:
            client.close()

    def command(self, node=None, seconds=20):
        """The answer to one command, sent once, and None where none comes. It is a student's of no other command."""
        place = self.world.tenants[0]
        client = place.tenant.student().client(node or self.node)
        try:
            return client.post(f"/slots/{place.slots[0]}/reservations", {}, seconds=seconds)
        except OSError:
            return None
        finally:
            client.close()
