"""The command line from outside: audit says what the independent reader says, whatever else is stopped; and how verbs end."""

import json
import os
import re
import subprocess
import unittest
import uuid

from confluent_kafka import Producer

from integration.harness import BINARY, ENVIRONMENT, Client, uuid7
from integration.house_case import AnswerCase, House, read_whole_ledger

house = House()
GOOD, WRONG, USAGE, UNREACHABLE = range(4)
VERBS = ("serve", "admin ledger create", "admin migrate", "admin rebuild", "admin tenant create", "admin tenant trust", "admin tenant distrust",
         "admin tenant accounts", "admin user create", "admin user reset", "admin users import", "admin trust-issuer", "admin keygen",
         "admin token", "admin keys create", "admin keys list", "admin keys rotate", "admin keys destroy", "admin import", "audit verify",
         "audit verify-projection", "audit replay", "audit as-of", "audit export", "config", "openapi", "version")


def setUpModule():
    house.start()
    house.other = house.stack.tenant(house.node, "Linz")
    for _ in range(3):
        work()
    # Some of these wait half a minute for their server: so all at once, and while the other tests run.
    galera, key = f"--galera.password_file={house.stack.galera.password_file}", f"--cluster.key_file={house.stack.dir}/cluster.key"
    house.unreachable = [
        subprocess.Popen([BINARY, *words.split()], env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, text=True)
        for words in ("audit verify --kafka.bootstrap.servers=127.0.0.1:1", "audit verify --json --kafka.bootstrap.servers=127.0.0.1:1",
                      "audit replay --kafka.bootstrap.servers=127.0.0.1:1",
                      f"audit as-of --tenant={uuid.uuid4()} --kafka.bootstrap.servers=127.0.0.1:1", "admin ledger create --kafka.bootstrap.servers=127.0.0.1:1",
                      f"admin migrate --galera.nodes=127.0.0.1:1 {galera}",
                      f"admin tenant create --name=x --time-zone=UTC --language=de --admin.listen=127.0.0.1:1 {key}")]


def work():
    """Some events, a refusal, and a command that changes nothing. Returns the last position."""
    slot, student = house.slot(capacity=1), house.tenant.student().client(house.node)
    seat = student.command(f"/slots/{slot}/reservations").json["id"]
    house.tenant.student().client(house.node).command(f"/slots/{slot}/reservations")
    house.as_teacher().command(f"/slots/{slot}/change-capacity", {"capacity": 1})
    return student.command(f"/reservations/{seat}/cancel").position


def run(*words, environment=None, config=None):
    """Runs the program as a user does: with no configuration but what is said here."""
    argv = [BINARY, *words] + ([f"--config={config}"] if config else [])
    return subprocess.run(argv, env=ENVIRONMENT | (environment or {}), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True,
                          timeout=120, check=False, cwd=house.stack.dir)


def table_heads(stdout):
    """{partition: (offset, height, hash)} of the `head` lines."""
    return {int(partition): (int(offset), int(height), digest)
            for partition, offset, height, digest in re.findall(r"^head [0-9a-f-]{36} (\d+) (\d+) (\d+) ([0-9a-f]{64})$", stdout,
                                                                re.MULTILINE)}


def kept(name, text):
    path = house.stack.dir / name
    path.write_text(text)
    return f"--expect={path}"


class ExitCase(AnswerCase):
    def expect_end(self, ran, code, *texts):
        """How a verb ended; on an error stderr says each of these texts, and stdout says nothing at all."""
        self.assertEqual(ran.returncode, code, ran)
        if code in (USAGE, UNREACHABLE):
            self.assertRegex(ran.stderr, r"^proctorwise: ")
            self.assertEqual(ran.stdout, "")
        for text in texts:
            self.assertIn(text, ran.stderr)
        return ran


class VerifyTest(ExitCase):
    def expect_agreement(self, ran):
        """`audit verify` as a table says what the independent reader says."""
        self.expect_end(ran, GOOD)
        self.assertEqual(ran.stderr, "")  # Progress is for terminals.
        reports = read_whole_ledger(house.stack).reports
        self.assertEqual(table_heads(ran.stdout), {partition: (report.head.offset, report.head.height, report.head.hash)
                                                   for partition, report in reports.items()})
        for partition, report in reports.items():
            self.assertIn(f"partition {partition}: {report.accepted} accepted, {report.void} void, height {report.head.height}\n",
                          ran.stdout)
        self.assertTrue(ran.stdout.endswith("\ngood\n"))

    def test_a_table_that_agrees_with_the_independent_reader(self):
        self.expect_agreement(house.verify())

    def test_json_says_the_same(self):
        said = json.loads(self.expect_end(house.verify("--json"), GOOD).stdout)
        ledger = read_whole_ledger(house.stack)
        self.assertEqual(said.keys(), {"good", "ledger_id", "partitions", "missing"})
        self.assertEqual((said["good"], said["missing"]), (True, []))
        self.assertEqual(uuid.UUID(said["ledger_id"]).bytes, ledger.reports[0].ledger.ledger_id)
        self.assertEqual(len(said["partitions"]), house.stack.partitions)
        for partition in said["partitions"]:
            report = ledger.reports[partition["partition"]]
            self.assertEqual((partition["accepted"], partition["void"], partition["head"]),
                             (report.accepted, report.void, report.head.hash))
            self.assertEqual(partition["findings"], {"early": 0, "late": 0, "repeat": 0})

    def test_kept_heads(self):
        table, as_json = house.verify().stdout, house.verify("--json").stdout
        position = work()
        self.assertIn(position, read_whole_ledger(house.stack).heads.values())
        for name, text in (("table", table), ("json", as_json), ("one line", re.search("^head .*$", table,
                                                                                       re.MULTILINE)[0] + "\n")):
            with self.subTest(name):
                ran = self.expect_end(house.verify(kept(name, text)), GOOD)
                self.assertTrue(ran.stdout.endswith("\ngood\n"))
                self.assertTrue(json.loads(house.verify("--json", kept(name, text)).stdout)["good"])

    def test_falsified_heads(self):
        table = house.verify().stdout
        head = re.search(rf"^head (\S+) {house.tenant.partition} (\d+) (\d+) (\S+)$", table, re.MULTILINE)
        ledger_id, offset, height, digest = head.groups()
        flipped = f"{(int(digest[0], 16) + 1) % 16:x}{digest[1:]}"
        for name, line in {
            "hash": f"{ledger_id} {house.tenant.partition} {offset} {height} {flipped}",
            "offset": f"{ledger_id} {house.tenant.partition} {int(offset) + 1} {height} {digest}",
            "height": f"{ledger_id} {house.tenant.partition} {offset} {int(height) + 1} {digest}",
            "partition": f"{ledger_id} 999 {offset} {height} {digest}",
            "ledger": f"{uuid.uuid4()} {house.tenant.partition} {offset} {height} {digest}",
            "another partition": f"{ledger_id} {(house.tenant.partition + 1) % 4} {offset} {height} {digest}",
        }.items():
            with self.subTest(name):
                ran = self.expect_end(house.verify(kept(name, table.replace(head[0], "head " + line))), WRONG)
                self.assertIn("MISSING partition ", ran.stdout)
                self.assertTrue(ran.stdout.endswith("\nNOT GOOD\n"))
                said = json.loads(house.verify("--json", kept(name, "head " + line)).stdout)
                self.assertEqual((said["good"], len(said["missing"])), (False, 1))

    def test_what_holds_no_heads(self):
        for name, text in (("empty", ""), ("nonsense", "nonsense"), ("half", "head x 1"), ("no list", "{}"), ("no JSON", "{"),
                           ("no text", "\0\xff"),
                           ("a head too short", f"head {uuid.uuid4()} 0 1 1 abcd\n"),
                           ("empty list", '{"ledger_id": "x", "partitions": []}')):
            with self.subTest(name):
                self.expect_end(house.verify(kept("no-heads", text)), USAGE, "no-heads")
        self.expect_end(house.verify("--expect=/nothing/here"), USAGE, "/nothing/here")

    def test_junk_in_the_topic_is_void(self):
        before = read_whole_ledger(house.stack)
        producer = Producer({"bootstrap.servers": house.stack.kafka.endpoints()})
        partition = house.tenant.partition
        junk = [b"", b"junk", b"PWL", b"PWL\1" + bytes(32), b"PWL\1" + bytes(32) + b"\x90", b"PWL\2" + os.urandom(900), None,
                os.urandom(300_000)]
        for value in junk:
            producer.produce(house.stack.topic, value, key=b"anything" if value else house.tenant.id.encode(), partition=partition)
        self.assertEqual(producer.flush(30), 0)
        self.expect_agreement(house.verify())
        after = read_whole_ledger(house.stack)
        self.assertEqual(after.reports[partition].void, before.reports[partition].void + len(junk))
        self.assertEqual(after.heads, before.heads)
        work()  # The node goes on, and so does what was read before.
        heads = [f"head {uuid.UUID(bytes=report.ledger.ledger_id)} {number} {' '.join(map(str, report.head[:3]))}\n"
                 for number, report in before.reports.items()]
        self.expect_agreement(house.verify(kept("before-junk", "".join(heads))))
        self.assertEqual(house.node.readyz(), 200)

    def test_galera_and_the_node_are_not_needed(self):
        self.assertEqual(house.node.terminate(), 0)
        house.stack.galera.stop(patience_seconds=0)
        try:
            self.expect_agreement(house.verify())
            self.assertGreater(len(house.stack.run("audit", "replay").stdout.splitlines()), 10)
        finally:
            house.stack.galera.start()
            house.node.start()
        shown = house.as_admin().get("/slots", headers={"Pw-Min-Position": work(), "Prefer": "wait=10"})
        self.assertEqual(shown.status, 200)

    def test_servers_that_cannot_be_reached(self):
        for process in house.unreachable:
            with self.subTest(process.args):
                stdout, stderr = process.communicate(timeout=120)
                self.expect_end(subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr), UNREACHABLE)

    def test_a_topic_that_there_is_not(self):
        ran = house.verify("--ledger.topic=nothing.here")
        self.assertIn(ran.returncode, (WRONG, USAGE))
        self.assertIn("nothing.here", ran.stderr)


class ReplayTest(ExitCase):
    def replay(self, *words):
        ran = self.expect_end(house.stack.run("audit", "replay", "--json", *words, check=False), GOOD)
        self.assertEqual(ran.stderr, "")
        return [json.loads(line) for line in ran.stdout.splitlines()]

    def wanted(self, condition=lambda decision: True):
        """The independent reader's events, in the form in which replay's lines are compared."""
        return [(decision["partition"], decision["offset"], decision["height"], decision["command"], decision["tenant"],
                 event["type"], event["stream"], event["version"])
                for decision in read_whole_ledger(house.stack).decisions if condition(decision) for event in decision["events"]]

    def said(self, lines):
        return [(line["partition"], line["offset"], line["height"], line["command_id"], line["tenant_id"], line["event_type"],
                 line["stream_id"], line["stream_version"])
                for line in lines]

    def test_every_event_in_the_order_of_the_log(self):
        lines = self.replay()
        self.assertEqual(self.said(lines), self.wanted())
        self.assertGreater(len(lines), 20)
        self.assertEqual(self.replay(), lines)
        reserved = next(line for line in lines if line["event_type"] == "reservation_reserved")
        self.assertEqual(reserved["payload"].keys(), {"slot_id", "exam_id", "student_id", "starts_at", "ends_at", "free_again_at"})
        self.assertEqual((reserved["role"], reserved["payload"]["student_id"]), ("student", reserved["actor_id"]))

    def test_filters(self):
        tenant, partition = house.tenant.id, house.tenant.partition
        end = read_whole_ledger(house.stack).reports[partition].head.offset
        for words, condition in (
            (["--tenant", tenant], lambda decision: decision["tenant"] == tenant),
            (["--tenant", house.other.id.upper()], lambda decision: decision["tenant"] == house.other.id),
            (["--tenant", str(uuid.uuid4())], lambda decision: False),
            ([f"--partition={partition}"], lambda decision: decision["partition"] == partition),
            ([f"--partition={partition}", "--from=5", f"--to={end - 3}"],
             lambda decision: decision["partition"] == partition and 5 <= decision["offset"] <= end - 3),
            ([f"--partition={partition}", f"--from={end}", f"--to={end}", "--tenant", tenant],
             lambda decision: (decision["partition"], decision["offset"], decision["tenant"]) == (partition, end, tenant)),
            (["--from", str(end + 100_000)], lambda decision: False),
        ):
            with self.subTest(words):
                self.assertEqual(self.said(self.replay(*words)), self.wanted(condition))

    def test_answers(self):
        lines = self.replay("--answers")
        answers = [line for line in lines if "problem" in line]
        wanted = [decision for decision in read_whole_ledger(house.stack).decisions if decision["kind"] == "answer"]
        self.assertEqual([(line["partition"], line["offset"], line["command_id"], line["command"], line["problem"],
                           line["detail"]) for line in answers],
                         [(each["partition"], each["offset"], each["command"], each["command_name"], each["problem"],
                           each["detail"]) for each in wanted])
        self.assertIn("slot-full", {line["problem"] for line in answers})
        self.assertIn(None, {line["problem"] for line in answers})
        self.assertEqual([line for line in lines if "problem" not in line], self.replay())

    def test_words_for_people(self):
        text = house.stack.run("audit", "replay", "--answers").stdout
        self.assertEqual(len(text.splitlines()), len(self.replay("--answers")))
        for word in ("reservation_reserved", "reservation_cancelled", "slot-full", "changes-nothing", "tenant_issuer_trusted"):
            self.assertIn(word, text)

    def test_filters_that_are_none(self):
        for words in (["--tenant=x"], ["--partition=4"], ["--partition=-1"], ["--partition=x"], ["--from=x"], ["--from=-1"],
                      ["--to="], ["--from=1e3"], ["--to=99999999999999999999"], ["--stream=x"], ["--exam="], ["--student=x"],
                      ["--since=yesterday"], ["--until=2027-02-01"], ["--since=2027-02-30T00:00:00Z"], ["--refused=1"]):
            with self.subTest(words):
                self.expect_end(house.stack.run("audit", "replay", *words, check=False), USAGE)


class CommandLineTest(ExitCase):
    def test_version(self):
        self.assertRegex(self.expect_end(run("version"), GOOD).stdout, r"^(proctorwise )?\d+\.\d+\.\d+\n$")

    def test_help_of_every_verb(self):
        for words in ([], ["--help"], ["admin", "--help"], ["audit", "--help"]):
            ran = run(*words)
            self.assertEqual(ran.returncode, GOOD if words else USAGE)
            overview = ran.stdout if words else ran.stderr
            self.assertEqual(tuple(re.findall(r"^  (\w[\w-]*(?: [\w-]+)*?)  +\S", overview, re.MULTILINE)), VERBS)
        for verb in VERBS:
            with self.subTest(verb):
                for words in ([*verb.split(), "--help"], [*verb.split(), "--nonsense", "--help"]):
                    ran = self.expect_end(run(*words), GOOD)
                    self.assertTrue(ran.stdout.startswith(f"proctorwise {verb}\n"))
                    self.assertEqual(ran.stderr, "")

    def test_what_is_no_verb(self):
        for words in (["nonsense"], ["audit"], ["audit", "nonsense"], ["admin", "tenant"], ["Audit", "verify"], ["-v"], [""]):
            with self.subTest(words):
                ran = run(*words)
                self.assertEqual((ran.returncode, ran.stdout), (USAGE, ""))
                self.assertIn(words[0], ran.stderr)

    def test_an_unknown_setting_is_told_its_nearest_name(self):
        file = house.stack.dir / "wrong.conf"
        file.write_text("# a comment\n\nledger.topik = x\n")
        for ran, near in ((run("config", "--http.lisen=x"), "http.listen"), (run("config", environment={"PW_QUERIES_THREAD": "1"}),
                                                                             "queries.threads"),
                          (run("config", config=file), "ledger.topic"), (run("audit", "verify", "--galera.node", "x"),
                                                                         "galera.nodes"),
                          (run("serve", "--galera.node=x"), "galera.nodes")):
            self.expect_end(ran, USAGE, f"did you mean {near}?")
        self.assertIn("wrong.conf, line 3", run("config", config=file).stderr)

    def test_values_that_do_not_fit(self):
        for word in ("--http.threads=0", "--http.threads=65", "--http.threads=x", "--http.threads=", "--http.threads=1.5",
                     "--http.listen=nonsense", "--http.listen=127.0.0.1:65536",
                     "--log.level=loud", "--ledger.topic=", f"--ledger.topic={'x' * 201}", "--cluster.nodes=a",
                     "--config=/nothing/here", "positional", "--", "-x", "--http.threads"):
            with self.subTest(word):
                self.expect_end(run("config", word), USAGE)
        file = house.stack.dir / "wrong.conf"
        for text in ("http.threads 2\n", "= 2\n", "http.threads = 2 # two\n", "\0\n", "log.level = info\0\n"):
            with self.subTest(text):
                file.write_text(text)
                self.expect_end(run("config", config=file), USAGE)
        self.expect_end(house.verify("--json=1"), USAGE)
        for verb in ("serve --check", "serve", "admin tenant create", "admin tenant accounts", "admin user create", "admin user reset",
                     "admin users import", "admin trust-issuer", "admin token", "admin keygen"):
            self.expect_end(run(*verb.split()), USAGE)  # Something that it needs was not said.

    def test_flags_over_environment_over_file_over_defaults(self):
        file = house.stack.dir / "some.conf"
        file.write_text("http.threads = 3\nqueries.threads=4\nlog.level = debug\n"
                        "kafka.sasl.password = hunter2\nkafka.client.id=me\n")
        environment = {"PW_QUERIES_THREADS": "5", "PW_LOG_LEVEL": "warning"}
        said = json.loads(self.expect_end(run("config", "--json", "--log.level=error", environment=environment, config=file),
                                          GOOD).stdout)
        for name, value, origin in (("http.threads", "3", "file"), ("queries.threads", "5", "environment"),
                                    ("log.level", "error", "flag"), ("commands.threads", "1", "default"),
                                    ("kafka.sasl.password", "***", "file"), ("kafka.client.id", "me", "file")):
            self.assertEqual(said[name], {"value": value, "origin": origin})
        text = run("config", "--log.level", "error", environment=environment, config=file).stdout
        self.assertIn("queries.threads = 5  # environment\n", text)
        self.assertNotIn("hunter2", text + json.dumps(said))
        self.expect_end(run("config", "--kafka.sasl.password=hunter2"), USAGE)
        self.expect_end(run("config", environment={"PW_KAFKA_SASL_PASSWORD": "hunter2"}), USAGE)

    def test_serve_check(self):
        config = house.node.config
        self.assertEqual(self.expect_end(run("serve", "--check", config=config), GOOD).stdout, "good\n")
        self.expect_end(run("serve", "--check", "--kafka.bootstrap.servers=127.0.0.1:1", config=config), UNREACHABLE)
        self.expect_end(run("serve", "--check", "--galera.nodes=127.0.0.1:1", config=config), UNREACHABLE)
        # A node that is started twice finds its addresses in use, and leaves the lead alone.
        before = house.verify().stdout
        self.expect_end(run("serve", config=config), USAGE, "cannot listen on")
        self.assertEqual(house.verify().stdout, before)
        self.assertEqual(house.node.readyz(), 200)

    def test_ledger_create_and_migrate_are_safe_to_repeat(self):
        before = house.verify().stdout
        first, second = (self.expect_end(house.stack.admin("ledger", "create"), GOOD).stdout for _ in range(2))
        self.assertEqual(first, second)
        self.expect_end(house.stack.admin("migrate"), GOOD)
        self.assertEqual(house.verify().stdout, before)

    def test_an_operators_way_to_a_token(self):
        """keygen, tenant create, trust-issuer, token: as the README's tour has it, and each safe to repeat."""
        key, config = house.stack.dir / "issuer.jwk", house.node.config
        public_key = self.expect_end(run("admin", "keygen", f"--key-file={key}"), GOOD).stdout.strip()
        self.assertRegex(public_key, r"[\w-]{43}$")
        self.assertEqual(key.stat().st_mode & 0o777, 0o600)
        self.assertNotEqual(run("admin", "keygen", f"--key-file={key}").returncode, GOOD)
        create = ["admin", "tenant", "create", "--name=Universität Wien", "--time-zone=Europe/Vienna", "--language=de-AT",
                  f"--idempotency-key={uuid7()}"]
        first, second = (self.expect_end(run(*create, config=config), GOOD, "keeps no accounts").stdout for _ in range(2))
        self.assertEqual(first, second)
        self.expect_end(run("admin", "tenant", "accounts", f"--tenant={first.strip()}", config=config), WRONG, "keys.master_files")
        tenant = str(uuid.UUID(first.strip()))
        trust = ["admin", "trust-issuer", f"--tenant={tenant}", "--issuer=https://a.example", f"--key-file={key}"]
        for _ in range(2):
            self.expect_end(run(*trust, config=config), GOOD)
        sign = ["admin", "token", f"--tenant={tenant}", "--issuer=https://a.example", f"--key-file={key}", f"--sub={uuid.uuid4()}"]
        token = self.expect_end(run(*sign, "--role=teacher", "--role=student"), GOOD).stdout.strip()
        client = Client(house.node.api, token, f"/v1/tenants/{tenant}")
        self.expect(client.get("/exams"), 200)
        self.expect(client.get("/calendar"), 200)
        self.expect_end(run(*sign, "--role=teacher", "--ttl=x"), USAGE)
        for role in ("system", "operator", "god", ""):
            self.expect_end(run(*sign, f"--role={role}"), USAGE)
        for wrong in (["--tenant=x"], [f"--tenant={uuid.uuid4()}"], ["--public-key=x"], ["--issuer="]):
            self.assertNotEqual(run(*trust, *wrong, config=config).returncode, GOOD, wrong)
        for wrong in (["--name="], ["--time-zone=Mars/"], ["--language=1"]):
            self.assertNotEqual(run(*create[:3], *create[3:6], *wrong, config=config).returncode, GOOD, wrong)
        denied = house.stack.dir / "other.key"
        denied.write_text("x" * 40)
        self.assertNotEqual(run(*create, f"--cluster.key_file={denied}", config=config).returncode, GOOD)


if __name__ == "__main__":
    unittest.main()
