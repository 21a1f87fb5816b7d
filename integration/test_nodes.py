"""Three nodes of ProctorWise, and a fourth that joins, on three brokers and three Galera nodes.

The tests tell one story, in the order of their names: who leads what, commands and queries through any node, a fourth node that
takes its share, restarts in turn under load, and leaders that are killed. What took how long is printed.
"""

import base64
import collections
import concurrent.futures
import math
import os
import random
import time
import unittest
import warnings

from integration.cluster.cluster import random_address
from integration.cluster.process import wait_until
from integration.faults.availability import first_answer, shown_after, writes
from integration.harness import ADMIN_PORT, ProcessError, Stack, scratch, total
from integration.load import Load, World
from integration.proof import Proof

PARTITIONS, NODES = 16, 3
SHARE_MAX = math.ceil(PARTITIONS / NODES) + 1
KILLS = int(os.environ.get("PW_TEST_KILLS", "5"))
SETTLE_SECONDS = 60


class NodesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        began = time.monotonic()
        network = random_address().rpartition(".")[0]
        names = ",".join(f"node{number}={network}.{10 + number}:{ADMIN_PORT}" for number in range(1, NODES + 2))
        cls.stack = Stack(scratch("nodes"), network, kafka_nodes=3, galera_nodes=3, partitions=PARTITIONS,
                          settings={"cluster.nodes": names})
        cls.addClassCleanup(cls.stack.remove)
        cls.addClassCleanup(cls.stack.stop)
        cls.stack.start()
        cls.nodes = [cls.stack.node() for _ in range(NODES)]
        with concurrent.futures.ThreadPoolExecutor(NODES) as all_at_once:
            list(all_at_once.map(lambda node: node.start(), cls.nodes))
        cls.loads = []
        print(f"\n{NODES} nodes on {PARTITIONS} partitions after {time.monotonic() - began:.1f} s", flush=True)

    def setUp(self):
        warnings.simplefilter("ignore", ResourceWarning)  # Connections end with their clients, and nodes with the stack.
        self.addCleanup(self.tell_logs)
        self.good = False

    def tell_logs(self):
        for node in self.stack.nodes if not self.good else []:
            print(node.process.log_tail(40), flush=True)

    # --- Who leads.

    def leaders(self):
        """{partition: the nodes that say that they lead it}."""
        found = {partition: [] for partition in range(PARTITIONS)}
        for node in self.nodes:
            metrics = node.metrics()
            for partition in found:
                if metrics.get(f'pw_partition_leading{{partition="{partition}"}}') == 1:
                    found[partition].append(node)
        return found

    def shares(self):
        """How many partitions each node leads, by its number, where every partition has one leader, else None."""
        leaders = self.leaders().values()
        return collections.Counter(one[0].number for one in leaders) if all(len(one) == 1 for one in leaders) else None

    def await_shares(self, at_most, seconds=SETTLE_SECONDS):
        """Waits until every partition has one leader and no node leads more than that. Returns the seconds it took, and the shares."""
        began, shares = time.monotonic(), None

        def shared():
            nonlocal shares
            shares = self.shares()
            return shares is not None and len(shares) == len(self.nodes) and max(shares.values()) <= at_most
        try:
            wait_until("shared out", shared, seconds, every=0.02)
        except ProcessError as error:
            self.fail(f"{error}: {shares or self.leaders()}")
        return time.monotonic() - began, dict(sorted(shares.items()))

    # --- The story.

    def test_1_every_partition_has_one_leader(self):
        seconds, shares = self.await_shares(SHARE_MAX)
        print(f"\n  shares {shares} after another {seconds:.1f} s", flush=True)
        self.good = True

    def test_2_any_node_takes_commands_and_queries(self):
        self.await_shares(math.ceil(PARTITIONS / NODES))  # So that nobody decides a repeat anew, in vain, while leaders change.
        tenants = [self.stack.tenant(node, f"Tenant {node.number}") for node in self.nodes]
        for tenant in tenants:
            exam = tenant.exam(self.nodes[0])
            slot = tenant.slot(self.nodes[1], exam, capacity=len(self.nodes))
            student, key, answers = tenant.student(), None, []
            for node in self.nodes:
                client = student.client(node)
                answers.append(client.command(f"/slots/{slot}/reservations", key=key))
                key = answers[0].headers["Idempotency-Key"]
            self.assertEqual([answer.status for answer in answers], [201] * len(self.nodes), answers)
            for name in ("Location", "ETag", "Pw-Position", "Idempotency-Key", "Content-Type", "Cache-Control"):
                self.assertEqual(len({answer.headers[name] for answer in answers}), 1, name)
            self.assertEqual([answer.headers.get("Idempotency-Replayed") for answer in answers], [None, "true", "true"])
            for node in self.nodes:
                seen = student.client(node).get(f"/slots/{slot}", headers={"Pw-Min-Position": answers[0].position})
                self.assertEqual((seen.status, seen.json["taken_count"]), (200, 1), seen)
        forwards = [total(node.metrics(), "pw_forwards_total", result="answered") for node in self.nodes]
        print(f"\n  answers that came from another node: {forwards}", flush=True)
        self.assertGreater(sum(forwards), 0)
        self.good = True

    def test_2_trust_is_taken_back_on_every_node(self):
        self.await_shares(math.ceil(PARTITIONS / NODES))
        tenant = self.stack.tenant(self.nodes[0], "Distrusting")
        clients = [tenant.teacher.client(node) for node in self.nodes]
        trusted = {"issuer": tenant.issuer, "public_key": base64.urlsafe_b64encode(tenant.public_key).rstrip(b"=").decode()}
        for client in clients:
            wait_until("trusted", lambda asked=client: asked.get("/exams").status == 200, SETTLE_SECONDS, every=0.02)
        operator = self.nodes[1].internal()
        self.assertEqual(operator.command(f"/tenants/{tenant.id}/distrust-issuer", trusted).status, 200)
        began, seconds = time.monotonic(), []
        for client in clients:
            wait_until("distrusted", lambda asked=client: asked.get("/exams").status == 401, SETTLE_SECONDS, every=0.005)
            seconds.append(time.monotonic() - began)
        self.assertEqual([client.command("/exams", {"title": "x", "duration_minutes": 60}).status for client in clients], [401] * NODES)
        print(f"\n  no node took the distrusted key's tokens {1000 * max(seconds):.0f} ms after that was answered", flush=True)
        self.good = True

    def test_3_a_fourth_node_takes_its_share(self):
        type(self).world = World(self.nodes[0], tenants=8)
        load = self.load()
        load.until_decided(300)
        fourth = self.stack.node()
        fourth.start()
        self.nodes.append(fourth)
        seconds, shares = self.await_shares(math.ceil(PARTITIONS / len(self.nodes)))
        print(f"\n  {seconds:.1f} s after it was ready the shares are {shares}", flush=True)
        self.prove(load)
        self.assertLess(seconds, 5)
        self.good = True

    def test_4_all_nodes_restart_in_turn(self):
        load = self.load()
        for node in self.nodes:
            load.until_decided(200)
            self.assertEqual(node.terminate(), 0, "it did not end in good order")
            load.until_decided(200)
            node.start()
        load.until_decided(200)
        self.prove(load)
        print(f"\n  the longest that a command was kept waiting for its answer, over three restarts: {max(load.waits, default=0):.2f} s (goal 1 s)", flush=True)
        self.good = True

    def test_5_leaders_are_killed(self):
        self.await_shares(SHARE_MAX)
        seconds, moved = [], []
        for number in range(KILLS):
            victim = random.choice([node for node in self.nodes if any(self.places_of(node))])
            places, wrote = self.places_of(victim), writes(victim)
            began = time.monotonic()
            victim.kill()
            others = [node for node in self.nodes if node is not victim]
            with concurrent.futures.ThreadPoolExecutor(len(places)) as all_at_once:
                taken = list(all_at_once.map(lambda place: first_answer(place, others, began), places))
            seconds.append(max(after for after, _ in taken))
            if wrote:
                moved.append(max(shown_after(place, random.choice(others), answer, began) for place, (_, answer) in zip(places, taken)))
            victim.start()
            self.await_shares(SHARE_MAX)
        print(f"\n  from kill -9 of a leader to the first command confirmed in each of its partitions: "
              f"{', '.join(f'{one:.2f}' for one in seconds)} s"
              f"\n  from the kill until a read model that it wrote went on: {', '.join(f'{one:.2f}' for one in moved) or 'it wrote none'} s", flush=True)
        self.good = True

    def test_6_leaders_are_killed_under_load(self):
        load = self.load()
        for _ in range(2):
            load.until_decided(200)
            victim = random.choice(self.nodes)
            load.strike(victim.kill, wait=False)
            load.until_decided(200)
            victim.start()
        load.until_decided(200)
        self.prove(load)
        self.good = True

    # --- What the story needs.

    def load(self):
        load = Load(self.world, list(self.nodes), random.randrange(10**9), connections=24)
        self.loads.append(load)
        self.addCleanup(load.stop)
        return load.start()

    def prove(self, load):
        load.finish()
        yes, no = load.yes_and_no()
        waits = sorted(load.waits, reverse=True)
        print(f"\n  seed {load.seed}: {yes} yes, {no} no; clients saw {dict(sorted(load.counts.items()))}; "
              f"longest waits after a 503 or a lost connection: {[round(wait, 2) for wait in waits[:5]]} s", flush=True)
        self.assertGreater(min(yes, no), 0)
        proof = Proof(self.stack)
        proof.check_answers(load)
        proof.check_nobody_else(self.world, self.loads)
        proof.check_bookings()
        proof.check_people()
        for node in self.nodes:
            proof.check_read_models(node, [self.world.tenants[0].tenant])

    def places_of(self, node):
        """The tenants that the node decides for."""
        leaders = self.leaders()
        return [place for place in self.world.tenants if leaders[place.tenant.partition] == [node]]


if __name__ == "__main__":
    unittest.main()
