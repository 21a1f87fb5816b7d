"""What test_booking, test_queries, test_bad_input and test_audit share: one house a module, and what any answer must look like.

    house = House()

    def setUpModule():
        house.start()                  # ended and removed when the module's tests have run

    class SomethingTest(AnswerCase):
        def test_something(self):
            self.expect(house.tenant.admin.client(house.node).get("/slots"), 200)
"""

import re
import typing
import unittest
import warnings

from integration.cluster.cluster import random_address
from integration.harness import Client, Stack, scratch
from integration.reader.decisions import decisions_as_dicts, stop_text

POSITION = re.compile(r"\d{1,10}:\d{1,19}:[0-9a-f]{8}")
TRACE_ID = re.compile(r"[0-9a-f]{32}")


class House:
    """A stack with one node that runs, and one tenant."""

    def start(self, settings=None, keys=False, tokens=False):
        network = random_address().rpartition(".")[0]
        self.stack = Stack(scratch("house"), network, settings=settings, keys=keys, tokens=tokens)
        unittest.addModuleCleanup(self.stack.remove)
        unittest.addModuleCleanup(self.stack.stop)
        self.stack.start()
        self.node = self.stack.start_node()
        self.tenant = self.stack.tenant(self.node)

    def client(self, token, tenant=None):
        """A connection with this token; paths begin after /v1/tenants/{tenant}."""
        return Client(self.node.api, token, f"/v1/tenants/{(tenant or self.tenant).id}")

    def as_admin(self):
        return self.tenant.admin.client(self.node)

    def as_teacher(self):
        return self.tenant.teacher.client(self.node)

    def exam(self, **fields):
        return self.tenant.exam(self.node, **fields)

    def slot(self, exam=None, **fields):
        return self.tenant.slot(self.node, exam or self.exam(), **fields)

    def verify(self, *words):
        """What `audit verify` says: the completed process."""
        return self.stack.run("audit", "verify", *words, check=False)


class Ledger(typing.NamedTuple):
    """What the independent reader says of a ledger."""

    positions: dict  # Position of each accepted record, as clients see it: the ids of the commands decided there.
    decisions: list
    heads: dict  # Partition: position.
    reports: dict  # Partition: its reader, at the end.


def read_whole_ledger(stack):
    positions, decisions, heads, reports = {}, [], {}, {}
    for reader, offset, _ in stack.read_ledger():
        if offset is None:
            if reader.stop is not None:
                raise AssertionError(stop_text(reader))
            heads[reader.partition], reports[reader.partition] = reader.position(), reader
        elif reader.record is not None:
            decided = decisions_as_dicts(reader)
            positions[reader.position()] = [decision["command"] for decision in decided]
            decisions += decided
    return Ledger(positions, decisions, heads, reports)


class AnswerCase(unittest.TestCase):
    def setUp(self):
        warnings.simplefilter("ignore", ResourceWarning)  # Connections end with their clients, and nodes with the stack.

    def expect(self, answer, status, problem=None, pointers=None):
        """The answer, after a look at its status and form. `problem`: its name; `pointers`: those of its errors, in any order."""
        self.assertEqual((answer.status, answer.problem), (status, problem), answer)
        self.assertEqual(answer.headers["X-Content-Type-Options"], "nosniff")
        if status >= 400:
            self._expect_problem(answer, pointers)
        elif status in (200, 201, 304):
            self.assertEqual(answer.headers["Cache-Control"], "private, no-store")
        return answer

    def _expect_problem(self, answer, pointers):
        self.assertEqual(answer.headers["Content-Type"], "application/problem+json")
        self.assertEqual(answer.headers["Cache-Control"], "private, no-store")
        self.assertLessEqual(answer.json.keys(), {"type", "title", "status", "detail", "instance", "errors"})
        self.assertEqual(answer.json["type"], f"/problems/{answer.problem}")
        self.assertEqual(answer.json["status"], answer.status)
        self.assertGreater(len(answer.json["title"]), 5)
        self.assertRegex(answer.json["instance"], TRACE_ID)
        self.assertEqual("Retry-After" in answer.headers, answer.status in (429, 503), answer)
        self.assertEqual("Allow" in answer.headers, answer.status == 405, answer)
        if answer.status == 401:
            self.assertRegex(answer.headers["WWW-Authenticate"], "^Bearer ")
        if pointers is not None:
            self.assertEqual(sorted(error["pointer"] for error in answer.json["errors"]), sorted(pointers))
            self.assertTrue(all(error["detail"] for error in answer.json["errors"]))

    def expect_yes(self, answer, status, version, new=None):
        """A command's yes: 201 for something new, of the collection `new`, else 200. Returns its id."""
        self.expect(answer, status)
        self.assertEqual(answer.headers["Content-Type"], "application/json")
        self.assertEqual(answer.json.keys(), {"id", "version", "position"})
        self.assertEqual(answer.json["version"], version)
        self.assertEqual(answer.headers["ETag"], f'"{version}"')
        self.assertEqual(answer.json["position"], answer.position)
        self.assertRegex(answer.position, POSITION)
        self.assertIn("Idempotency-Key", answer.headers)
        self.assertEqual(status == 201, "Location" in answer.headers)
        if new is not None:
            self.assertRegex(answer.headers["Location"], rf"^/v1/tenants/[0-9a-f-]{{36}}/{new}/{answer.json['id']}$")
        return answer.json["id"]

    def expect_no(self, answer, status, problem):
        """A command's refusal, which is on record."""
        self.expect(answer, status, problem)
        self.assertRegex(answer.position, POSITION)
        self.assertIn("Idempotency-Key", answer.headers)
        return answer
