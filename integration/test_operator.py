"""What an operator reads of three nodes that had a busy and a bad day: every line of their logs, and every metric."""

import contextlib
import json
import re
import socket
import unittest
import uuid
import warnings

from integration.cluster.process import wait_until
from integration.harness import Client, at
from integration.house_case import AnswerCase
from integration.people import AccountsHouse, Person, keep_accounts

MEMBERS, MORE_MEMBERS = {"ts", "level", "msg", "part"}, {"partition", "trace_id"}
LEVELS = {"debug", "info", "warning", "error"}
PARTS = {"http", "commands", "projections", "queries", "keys", "peers", "node"}
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")
HEX_32 = re.compile(r"[0-9a-f]{32}")
ID = re.compile(r"[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}")
A_JWT = re.compile(r"eyJ[A-Za-z0-9_-]{8,}")
TYPES = {"counter", "gauge", "histogram", "summary"}
SECONDS = 60
# Whatever has a value for each of many things would make a metric for each: these are few, and known beforehand.
LABELS = {"answer", "door", "how", "le", "limit", "node", "partition", "pool", "projection", "result", "route", "stage", "state",
          "status", "version"}
UNITS = {"seconds", "bytes"}  # The base units; no other one has a place in a name.
OTHER_UNITS = {"us", "ms", "ns", "micros", "millis", "microseconds", "milliseconds", "minutes", "hours", "days", "kib", "mib", "kb", "mb",
               "kibibytes", "megabytes", "percent"}
house = AccountsHouse()


def setUpModule():
    warnings.simplefilter("ignore", ResourceWarning)  # Connections end with their clients.
    house.start({"log.level": "debug"})
    house.secrets = Day().live()


class Day:
    """Of everything that a node can be asked and can suffer, some. `secrets` is what no line may show."""

    def __init__(self):
        self.tenant = house.stack.tenant(house.nodes[0])
        self.secrets = {house.stack.cluster_key, self.tenant.admin.token, self.tenant.teacher.token, "a password of my own"}

    def live(self):
        keep_accounts(house.nodes[0], self.tenant)
        self.person = Person(house.nodes[0], self.tenant, ["student"], password="a password of my own")
        self.secrets |= {self.person.email, "Ann Auer"}
        for node in house.nodes:
            self.go_well(node)
            self.go_badly(node)
            self.send_what_is_no_http(node)
        self.suffer()
        return self.secrets

    def keep(self, answer):
        self.secrets |= {answer.json[name] for name in ("access_token", "refresh_token", "reset_token") if name in (answer.json or {})}
        return answer

    def go_well(self, node):
        guest, admin = Client(node.api, base=f"/v1/tenants/{self.tenant.id}"), self.tenant.admin.client(node)
        session = self.keep(guest.command("/sessions", {"email": self.person.email, "password": self.person.password}))
        self.keep(guest.command("/refresh-session", {"refresh_token": session.json["refresh_token"]}))
        self.keep(admin.command(f"/users/{self.person.id}/issue-reset-token"))
        exam = self.tenant.exam(node)
        slot = self.tenant.slot(node, exam)
        student = self.tenant.student()
        self.secrets.add(student.token)
        student.client(node).command(f"/slots/{slot}/reservations")
        for path in ("/slots", f"/slots/{slot}", "/users", "/sessions", f"/exams?owner_id={uuid.uuid4()}"):
            admin.get(path)
            admin.get(path, headers={"Accept": "text/csv"})

    def go_badly(self, node):
        guest, admin = Client(node.api, base=f"/v1/tenants/{self.tenant.id}"), self.tenant.admin.client(node)
        stranger = Client(node.api, self.tenant.admin.token[:-9] + "AAAAAAAAA", f"/v1/tenants/{self.tenant.id}")
        guest.command("/sessions", {"email": self.person.email, "password": "a password of my own, wrong"})
        guest.command("/refresh-session", {"refresh_token": "x" * 43})
        for client in (guest, stranger, admin):
            client.command("/exams", {"title": "a"})
            client.command("/exams", b"{")
            client.post(f"/slots/{uuid.uuid4()}/reservations", {}, headers={"Idempotency-Key": "x"})
            client.get("/slots?x=1")
        admin.command("/exams", b" " * 100_000)
        self.tenant.teacher.client(node).command("/slots", {"exam_id": str(uuid.uuid4()), "starts_at": at(days=1), "capacity": 1})

    def send_what_is_no_http(self, node):
        host, _, port = node.api.rpartition(":")
        token = self.tenant.admin.token
        for said in (b"\x16\x03\x01\x00\xee\x01", f"GET / HTTP/9.9\r\nAuthorization: Bearer {token}\r\n\r\n".encode(),
                     f"GET /{token} HTTP/1.1\r\nHost: x\r\nX: {'x' * 40_000}\r\n\r\n".encode(),
                     f"POST / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: {token}\r\n\r\n".encode()):
            with contextlib.suppress(OSError), socket.create_connection((host, int(port)), timeout=5) as connection:
                connection.sendall(said)
                connection.shutdown(socket.SHUT_WR)
                connection.recv(4096)

    def suffer(self):
        """A node dies, the read models are away for a while, and the node that died comes back."""
        house.nodes[2].kill()
        others = house.nodes[:2]
        wait_until("a death counted", lambda: all(
            node.metrics().get('pw_peer_deaths_total{node="node3"}', 0) > 0 for node in others), SECONDS)
        house.stack.galera.kill(1)
        admin = self.tenant.admin.client(house.nodes[0])
        wait_until("refused", lambda: admin.get("/slots").status == 503, SECONDS)
        house.stack.galera.restart(1)
        house.nodes[2].start()
        for node in others:
            node.wait_ready()


class LogTest(unittest.TestCase):
    def test_every_line_is_one_object_with_these_members(self):
        parts, levels = set(), set()
        for node in house.nodes:
            # The file has both outputs: at its start a node prints its two addresses, for people, on the other one.
            lines = [line for line in node.process.log_file.read_bytes().decode("ascii").splitlines()
                     if not re.fullmatch(r"(API   |admin ) http://[0-9.:]+(/v1)?", line)]
            self.assertGreater(len(lines), 10)
            for line in lines:
                self.assertRegex(line, r"^\{.*\}$", node.api)
                pairs = json.loads(line, object_pairs_hook=list)
                entry = dict(pairs)
                self.assertEqual(len(entry), len(pairs), line)
                self.assertLessEqual(MEMBERS, entry.keys(), line)
                self.assertLessEqual(entry.keys(), MEMBERS | MORE_MEMBERS, line)
                self.check_values(entry, line)
                parts.add(entry["part"])
                levels.add(entry["level"])
        self.assertLessEqual({"commands", "keys", "node", "projections"}, parts)
        self.assertLessEqual({"info", "warning"}, levels)

    def check_values(self, entry, line):
        self.assertRegex(entry["ts"], MOMENT, line)
        self.assertIn(entry["level"], LEVELS, line)
        self.assertIn(entry["part"], PARTS, line)
        self.assertTrue(entry["msg"], line)
        self.assertIs(type(entry.get("partition", 0)), int, line)
        self.assertRegex(entry.get("trace_id", "0" * 32), HEX_32, line)

    def test_no_line_has_what_somebody_keeps_secret(self):
        self.assertGreater(len(house.secrets), 12)
        for node in house.nodes:
            text = node.process.log_file.read_text(encoding="ascii")
            self.assertEqual([secret for secret in house.secrets if secret in text or secret[-40:] in text], [])
            self.assertIsNone(A_JWT.search(text))


class MetricsTest(AnswerCase):
    def families(self, node):
        """Of the node's /metrics {family: (type, [(name, labels, value)])}, in order, as the text format has them."""
        answer = Client(node.admin).get("/metrics")
        self.assertEqual((answer.status, answer.headers["Content-Type"]), (200, "text/plain; version=0.0.4; charset=utf-8"))
        lines, families, helped, name = answer.body.decode("ascii").splitlines(), {}, None, None
        for line in lines:
            if line.startswith("# HELP "):
                helped, text = line.removeprefix("# HELP ").split(" ", 1)
                self.assertRegex(text, r"\S.*\.$", line)
            elif line.startswith("# TYPE "):
                name, kind = line.removeprefix("# TYPE ").split(" ")
                self.assertEqual(name, helped)
                self.assertNotIn(name, families)
                self.assertIn(kind, TYPES)
                families[name] = kind, []
            else:
                sample = re.fullmatch(r'([a-z0-9_]+)(?:\{([^{}]*)\})? (-?[0-9.e+-]+)', line)
                self.assertIsNotNone(sample, line)
                labels = dict(re.findall(r'([a-z_]+)="([^"]*)"(?:,|$)', sample[2] or ""))
                families[name][1].append((sample[1], labels, float(sample[3])))
        return families

    def test_names_and_units(self):
        for node in house.nodes:
            families = self.families(node)
            self.assertGreater(len(families), 40)
            for name, (kind, samples) in families.items():
                self.assertRegex(name, r"^pw_[a-z0-9]+(_[a-z0-9]+)*$")
                self.assertEqual(name.endswith("_total"), kind == "counter", name)
                words = name.removesuffix("_total").split("_")
                self.assertFalse(OTHER_UNITS & set(words), name)
                self.assertFalse(UNITS & set(words[:-1]), f"{name}: a unit stands last")
                self.assertTrue(kind not in ("histogram", "summary") or words[-1] in UNITS, name)
                tails = {"histogram": {"_bucket", "_sum", "_count"}, "summary": {"_sum", "_count"}}.get(kind, {""})
                self.assertLessEqual({sample.removeprefix(name) for sample, _, _ in samples}, tails, name)

    def test_no_label_is_an_id(self):
        nodes = {node for each in house.nodes for name, (_, samples) in self.families(each).items()
                 for _, labels, _ in samples if self.check_labels(name, labels) for node in [labels.get("node")] if node}
        self.assertEqual(nodes, {"node1", "node2", "node3"}, "names that the configuration gives")

    def check_labels(self, name, labels):
        self.assertLessEqual(labels.keys(), LABELS, name)
        for label, value in labels.items():
            self.assertIsNone(ID.search(value), f"{name} {label}")
            self.assertIsNone(HEX_32.search(value), f"{name} {label}")
            self.assertLess(len(value), 40, f"{name} {label}")
            if label == "partition":
                self.assertLess(int(value), house.stack.partitions)
        return True


if __name__ == "__main__":
    unittest.main()
