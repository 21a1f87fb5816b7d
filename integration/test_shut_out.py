"""Whoever is shut out is out everywhere: on three nodes under load, asked through each of them, by commands and by queries.

Somebody asks every node without a break while an admin shuts them out through one of the nodes. No request that was sent a second after
the admin's answer is let in; the longest that one was is printed. Nothing waits for a fixed time.
"""

import contextlib
import itertools
import threading
import time
import typing
import unittest

from integration.cluster.process import wait_until
from integration.harness import Actor, Client
from integration.house_case import AnswerCase
from integration.people import PREFERENCES, AccountsHouse, Person

PROMISED_SECONDS = 1
REFUSALS = 20  # In a row, until somebody is taken to be out.
SECONDS = 60


class Probe(typing.NamedTuple):
    """What somebody asks again and again. Whoever is let in is answered 200, or 400 as the body says nothing."""

    method: str
    path: str
    token: str
    refused: int


house = AccountsHouse()


def setUpModule():
    house.start()
    house.tenants = house.tenant_of_each_leader()


class Asking:
    """One thread that sends a probe to a node without a break, and keeps when each was sent and whether it was let in."""

    def __init__(self, node, probe):
        self.node, self.probe, self.answers, self.stopped = node, probe, [], threading.Event()
        self.in_a_row, self.strange = 0, []
        self.thread = threading.Thread(target=self._ask, daemon=True)
        self.thread.start()

    def _ask(self):
        client = Client(self.node.api, self.probe.token, f"/v1/tenants/{self.probe.path}")
        while not self.stopped.is_set():
            sent_at, answer = time.monotonic(), None
            with contextlib.suppress(OSError):
                answer = client.call(self.probe.method, "", {} if self.probe.method == "POST" else None)
            if answer is None or answer.status == 503:
                self.stopped.wait(0.01)
                continue
            if answer.status not in (200, 400, self.probe.refused):
                self.strange.append(answer)
            let_in = answer.status in (200, 400)
            self.in_a_row = 0 if let_in else self.in_a_row + 1
            self.answers.append((sent_at, let_in))
        client.close()

    def counts(self):
        """How often it was let in, and refused."""
        let_in = sum(let_in for _, let_in in self.answers)
        return let_in, len(self.answers) - let_in

    def stop(self):
        self.stopped.set()
        self.thread.join()


class ShutOutCase(AnswerCase):
    @classmethod
    def setUpClass(cls):
        cls.longest = {}

    @classmethod
    def tearDownClass(cls):
        for what, seconds in cls.longest.items():
            print(f"\n  {what}: let in for {seconds:.3f} s at most after the answer", end="", flush=True)
        print(flush=True)

    def setUp(self):
        super().setUp()
        self.quiet, self.carried = threading.Event(), 0
        self.addCleanup(self.quiet.set)
        for node in house.nodes:
            threading.Thread(target=self._load, args=(node,), daemon=True).start()

    def _load(self, node):
        """Queries and commands of others, so that no node is idle."""
        tenant = house.tenants[node.number % len(house.tenants)]
        admin, teacher = Actor(tenant, "admin").client(node), Actor(tenant, "teacher").client(node)
        while not self.quiet.is_set():
            with contextlib.suppress(OSError):
                answers = admin.get("/slots"), teacher.post("/exams", {"title": "Analysis", "duration_minutes": 60})
                self.carried += [answer.status for answer in answers] == [200, 201]

    def probes(self, tenant, tokens, path_method=None, refused=401):
        """Somebody who shows one of these tokens; by a query and by a command unless told otherwise."""
        asked = path_method or (("GET", "slots"), ("POST", "me/set-preferences"))
        return [Probe(method, f"{tenant.id}/{path}", token, refused) for token in tokens for method, path in asked]

    def shut_out(self, what, probes, act):
        """Acts while everybody asks. Fails where somebody is let in who asked more than a second after the answer."""
        asking = [Asking(node, probe) for node in house.nodes for probe in probes]
        try:
            wait_until(f"let in ({what})", lambda: all(one.answers and one.answers[-1][1] for one in asking), SECONDS, every=0.005)
            self.expect(act(), 200)
            answered_at = time.monotonic()
            wait_until(f"out ({what})", lambda: all(one.in_a_row >= REFUSALS for one in asking), SECONDS, every=0.01)
        finally:
            for one in asking:
                one.stop()
        self.assertEqual([answer for one in asking for answer in one.strange], [])
        self.assertGreater(self.carried, 0, "nobody else was served meanwhile")
        late = max((sent_at - answered_at for one in asking for sent_at, let_in in one.answers if let_in), default=0)
        self.longest[what] = max(self.longest.get(what, 0), late)
        self.assertLess(late, PROMISED_SECONDS, what)


class ShutOutTest(ShutOutCase):
    def each(self):
        """(tenant, node that is asked): each tenant's leader is another node, and so is who is asked."""
        return itertools.product(house.tenants, house.nodes)

    def admin(self, tenant, node):
        return tenant.admin.client(node)

    def test_deactivated(self):
        for tenant, node in self.each():
            person = Person(node, tenant, ["student"])
            tokens = [person.sign_in(node).access, tenant.token(person.id, ["student"])]
            self.shut_out("deactivated", self.probes(tenant, tokens), lambda: self.admin(tenant, node).command(f"/users/{person.id}/deactivate"))

    def test_erased(self):
        for tenant, node in self.each():
            person = Person(node, tenant, ["student"])
            tokens = [person.sign_in(node).access, tenant.token(person.id, ["student"])]
            self.shut_out("erased", self.probes(tenant, tokens), lambda: self.admin(tenant, node).command(f"/users/{person.id}/erase"))

    def test_a_role_is_taken(self):
        for tenant, node in self.each():
            person = Person(node, tenant, ["student", "teacher"])
            tokens = [person.sign_in(node).access, tenant.token(person.id, ["student", "teacher"])]
            probes = self.probes(tenant, tokens, (("GET", "exams"), ("POST", "exams")), refused=403)
            self.shut_out("a role is taken", probes,
                          lambda: self.admin(tenant, node).command(f"/users/{person.id}/revoke-roles", {"roles": ["teacher"]}))

    def test_a_session_is_revoked(self):
        for tenant, node in self.each():
            person = Person(node, tenant, ["student"])
            session, kept = person.sign_in(node), person.sign_in(node)
            with self.never_refused(tenant, kept.access):
                self.shut_out("a session is revoked", self.probes(tenant, [session.access]),
                              lambda: session.client(node).command(f"/sessions/{session.id}/revoke"))

    def test_a_password_is_changed(self):
        for tenant, node in self.each():
            person = Person(node, tenant, ["student"])
            session, kept = person.sign_in(node), person.sign_in(node)
            with self.never_refused(tenant, kept.access):
                self.shut_out("a password is changed", self.probes(tenant, [session.access]), lambda: kept.client(node).command(
                    "/me/change-password", {"password": person.password, "new_password": "another staple"}))

    def test_a_password_is_reset(self):
        for tenant, node in self.each():
            person = Person(node, tenant, ["student"])
            session = person.sign_in(node)
            token = self.admin(tenant, node).command(f"/users/{person.id}/issue-reset-token").json["reset_token"]
            self.shut_out("a password is reset", self.probes(tenant, [session.access]), lambda: Client(node.api).command(
                f"/v1/tenants/{tenant.id}/reset-password", {"reset_token": token, "new_password": "another staple"}))

    @contextlib.contextmanager
    def never_refused(self, tenant, token):
        """Whoever shows this token is let in by every node meanwhile, once the node has heard of them."""
        probes = [Asking(node, probe) for node in house.nodes for probe in self.probes(tenant, [token])]
        try:
            wait_until("answered", lambda: all(one.answers for one in probes), SECONDS, every=0.005)
            yield
        finally:
            for one in probes:
                one.stop()
        self.assertEqual([one.counts() for one in probes if one.counts()[1] > 0], [], "(let in, refused)")


class AbsentNodeTest(ShutOutCase):
    """A node that was away, lags or has no Kafka."""

    def setUp(self):
        super().setUp()
        self.tenant, self.away = house.tenants[0], house.nodes[2]
        self.person = Person(house.nodes[0], self.tenant, ["student"])
        self.addCleanup(self.away.resume_or_start)

    def revoke(self, session):
        self.expect(session.client(house.nodes[0]).command(f"/sessions/{session.id}/revoke"), 200)

    def test_a_node_that_slept_through_it(self):
        """From its awakening on it has the same second."""
        for _ in range(3):
            session = self.person.sign_in(house.nodes[0])
            asked = [Asking(self.away, probe) for probe in self.probes(self.tenant, [session.access])]
            wait_until("let in", lambda: all(one.answers and one.answers[-1][1] for one in asked), SECONDS, every=0.005)
            self.away.pause()
            self.revoke(session)
            self.away.resume()
            awake_at = time.monotonic()
            wait_until("out", lambda: all(one.in_a_row >= REFUSALS for one in asked), SECONDS, every=0.01)
            for one in asked:
                one.stop()
            late = max((sent_at - awake_at for one in asked for sent_at, let_in in one.answers if let_in), default=0)
            self.longest["a node slept"] = max(self.longest.get("a node slept", 0), late)
            self.assertLess(late, PROMISED_SECONDS)

    def test_a_start_from_snapshots_knows_who_is_out(self):
        """A snapshot has no session that ended before it; nor is one that lives ever refused on the way up."""
        alive = self.person.sign_in(house.nodes[0])
        for _ in range(2):
            over = self.person.sign_in(house.nodes[0])
            self.revoke(over)
            self.until_snapshots()
            self.away.kill()
            asked = [Asking(self.away, probe) for probe in self.probes(self.tenant, [over.access])]
            let_in = [Asking(self.away, probe) for probe in self.probes(self.tenant, [alive.access])]
            self.away.start()
            wait_until("asked", lambda: all(len(one.answers) >= REFUSALS for one in asked + let_in), SECONDS, every=0.01)
            for one in asked + let_in:
                one.stop()
            self.assertEqual([one.counts() for one in asked if one.counts()[0] > 0], [], "(let in, refused) whose session is over")
            self.assertEqual([one.counts() for one in let_in if one.counts()[1] > 0], [], "(let in, refused) whose session lives")

    def until_snapshots(self):
        """Something has happened since, and the node that will be away has written a snapshot of it."""
        def newest():
            return max((file.name for file in (self.away.dir / "snapshots").glob(f"{self.tenant.partition:04}*.snapshot")), default="")
        before, teacher = newest(), self.tenant.teacher.client(house.nodes[0])

        def written():
            self.expect(teacher.command("/exams", {"title": "Analysis", "duration_minutes": 60}), 201)
            return newest() > before
        wait_until("a snapshot", written, SECONDS, every=0)

    def test_without_kafka_queries_go_on_by_what_was_known(self):
        """Nobody can be shut out then either, for that is a command."""
        self.quiet.set()
        session, over = self.person.sign_in(house.nodes[0]), self.person.sign_in(house.nodes[0])
        self.revoke(over)
        for node in house.nodes:
            wait_until("known", lambda node=node: self.asked(node, session) == 200 and self.asked(node, over) == 401, SECONDS)
        house.stack.kafka.pause(1)
        self.addCleanup(house.stack.kafka.resume, 1)
        for node in house.nodes:
            self.assertEqual((self.asked(node, session), self.asked(node, over)), (200, 401))
            refused = session.client(node).post("/me/set-preferences", PREFERENCES)
            self.assertEqual(refused.status, 503, refused)
        house.stack.kafka.resume(1)
        wait_until("decided again", lambda: session.client(house.nodes[0]).post("/me/set-preferences", PREFERENCES).status == 200, SECONDS)
        self.revoke(session)
        for node in house.nodes:
            wait_until("out", lambda node=node: self.asked(node, session) == 401, SECONDS)

    def asked(self, node, session):
        client = session.client(node)
        try:
            return client.get("/slots").status
        finally:
            client.close()


if __name__ == "__main__":
    unittest.main()
