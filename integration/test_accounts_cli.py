"""Accounts from the command line: a tenant's first admin, lost passwords, and rosters, which may be imported again whatever happened."""

import csv
import io
import json
import os
import pty
import signal
import subprocess
import unittest
import uuid

from integration.harness import BINARY, ENVIRONMENT, Client, total
from integration.house_case import AnswerCase, House

house = House()
GOOD, WRONG, USAGE, UNREACHABLE = range(4)
ID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"


def setUpModule():
    # What goes through the API meets 429 soon; the operator's own listener knows no such limit.
    house.start({"limits.token_per_second": 100, "limits.token_burst": 30}, keys=True, tokens=True)
    file = house.stack.dir / "unreachable.csv"
    file.write_text(roster([f"x{i}" for i in range(40)]))
    # It waits half a minute for its server: meanwhile the other tests run.
    house.unreachable = subprocess.Popen(
        [*words_of("users", "import", file, f"--tenant={house.tenant.id}", "--admin.listen=127.0.0.1:1")], env=ENVIRONMENT,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def words_of(*words):
    return [BINARY, "admin", *words, f"--config={house.node.config}"]


def run(*words):
    return subprocess.run(words_of(*words), cwd=house.stack.dir, env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=120, check=False)


def roster(names, roles="student"):
    return "email,name,roles\n" + "".join(f"{name}@uni-graz.example,{name.title()},{roles}\n" for name in names)


def rows_of(stdout):
    return list(csv.DictReader(io.StringIO(stdout)))


def registered(tenant):
    """The ids of the people that the ledger has of a tenant, one for each event."""
    ran = house.stack.run("audit", "replay", f"--tenant={tenant}", "--json")
    events = [json.loads(line) for line in ran.stdout.splitlines()]
    return [event["stream_id"] for event in events if event["event_type"] == "user_registered"]


class AccountsCase(AnswerCase):
    def good(self, *words):
        ran = run(*words)
        self.assertEqual(ran.returncode, GOOD, ran)
        return ran

    def tenant(self):
        """A tenant that keeps accounts, with nobody in it."""
        created = self.good("tenant", "create", "--name=Linz", "--time-zone=Europe/Vienna", "--language=de")
        self.assertEqual(created.stderr, "")
        return created.stdout.strip()

    def client(self, tenant, token=None):
        return Client(house.node.api, token, f"/v1/tenants/{tenant}")

    def file(self, text, name="roster.csv"):
        path = house.stack.dir / f"{uuid.uuid4()}-{name}"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def log_in(self, tenant, email, password):
        answer = self.client(tenant).command("/sessions", {"email": email, "password": password})
        self.expect(answer, 201)
        return answer.json["access_token"]


class PersonTest(AccountsCase):
    def create(self, tenant, email, *more):
        return run("user", "create", f"--tenant={tenant}", f"--email={email}", "--name=Ann Auer", "--role=admin", *more)

    def set_password(self, tenant, token, password="a horse of my own"):
        return self.client(tenant).command("/reset-password", {"reset_token": token, "new_password": password})

    def test_the_first_admin_of_a_tenant(self):
        tenant = self.tenant()
        ran = self.create(tenant, "ann@uni-linz.example", "--role=teacher")
        self.assertEqual(ran.returncode, GOOD, ran)
        self.assertRegex(ran.stdout, rf"^{ID}\n[\w-]{{64}}\n$")
        self.assertIn("reset-password", ran.stderr)
        user, token = ran.stdout.split()
        self.expect(self.set_password(tenant, token), 200)
        self.expect(self.set_password(tenant, token), 409, "reset-token-invalid")
        admin = self.client(tenant, self.log_in(tenant, "ANN@uni-linz.example", "a horse of my own"))
        self.expect(admin.command("/users", {"email": "bob@uni-linz.example", "name": "Bob", "roles": ["student"]}), 201)
        again = self.create(tenant, "Ann@uni-linz.example")
        self.assertEqual((again.returncode, again.stdout), (WRONG, ""))
        self.assertIn(user, again.stderr)

    def test_a_lost_password(self):
        tenant = self.tenant()
        made = json.loads(self.create(tenant, "ann@uni-linz.example", "--json").stdout)
        reset = self.good("user", "reset", f"--tenant={tenant}", f"--user={made['id']}")
        self.expect(self.set_password(tenant, made["reset_token"]), 409, "reset-token-invalid")
        self.expect(self.set_password(tenant, reset.stdout.strip()), 200)
        self.log_in(tenant, "ann@uni-linz.example", "a horse of my own")
        said = json.loads(self.good("user", "reset", f"--tenant={tenant}", f"--user={made['id']}", "--json").stdout)
        self.assertEqual(said["id"], made["id"])
        self.assertIn("reset_token", said)
        nobody = run("user", "reset", f"--tenant={tenant}", f"--user={uuid.uuid4()}")
        self.assertEqual((nobody.returncode, nobody.stdout), (WRONG, ""))

    def test_a_password_from_a_file(self):
        tenant = self.tenant()
        ran = self.create(tenant, "ann@uni-linz.example", f"--password-file={self.file('staple battery horse' + chr(10))}")
        self.assertEqual((ran.returncode, ran.stderr), (GOOD, ""))
        self.assertRegex(ran.stdout, rf"^{ID}\n$")
        self.log_in(tenant, "ann@uni-linz.example", "staple battery horse")
        for text in ("", "\n", "two\nlines\n", "x" * 300):
            with self.subTest(text):
                self.assertEqual(self.create(tenant, "bob@uni-linz.example", f"--password-file={self.file(text)}").returncode, USAGE)
        self.assertEqual(self.create(tenant, "bob@uni-linz.example", f"--password-file={self.file('short')}").returncode, WRONG)
        self.assertEqual(self.create(tenant, "bob@uni-linz.example", "--password-file=/nothing").returncode, USAGE)

    def test_a_password_from_a_terminal_is_not_shown(self):
        tenant = self.tenant()
        words = words_of("user", "create", f"--tenant={tenant}", "--email=ann@uni-linz.example", "--name=Ann", "--role=admin",
                         "--ask-password")
        ours, theirs = pty.openpty()
        process = subprocess.Popen(words, env=ENVIRONMENT, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs, text=True)
        os.close(theirs)
        shown = b""
        for question in (b"Password: ", b"The same again: "):
            while question not in shown:
                shown += os.read(ours, 1024)
            os.write(ours, b"staple battery horse\n")
        self.assertRegex(process.communicate(timeout=60)[0], rf"^{ID}\n$")
        self.assertEqual(process.returncode, GOOD)
        shown += os.read(ours, 1024)
        os.close(ours)
        self.assertNotIn(b"staple", shown)
        self.log_in(tenant, "ann@uni-linz.example", "staple battery horse")
        self.assertEqual(self.create(tenant, "bob@uni-linz.example", "--ask-password").returncode, USAGE)  # There is no terminal.

    def test_what_is_not_said_rightly(self):
        tenant = self.tenant()
        person = ["user", "create", f"--tenant={tenant}", "--email=a@x.example", "--name=A", "--role=admin"]
        for left_out in range(2, len(person)):
            self.assertEqual(run(*person[:left_out], *person[left_out + 1:]).returncode, USAGE)
        self.assertEqual(run(*person[:2], "--tenant=x", *person[3:]).returncode, USAGE)
        self.assertEqual(run(*person[:5], "--role=operator").returncode, WRONG)
        self.assertEqual(run(*person, "--password=secret").returncode, USAGE)
        self.assertEqual(run("user", "create", f"--tenant={uuid.uuid4()}", *person[3:]).returncode, WRONG)

    def test_a_tenant_that_was_there_before(self):
        tenant = house.stack.tenant(house.node, "Wien").id
        self.assertEqual(self.create(tenant, "ann@uni-linz.example").returncode, WRONG)
        for _ in range(2):
            self.assertEqual(self.good("tenant", "accounts", f"--tenant={tenant}").stdout.strip(), tenant)
        self.assertEqual(self.create(tenant, "ann@uni-linz.example").returncode, GOOD)
        self.assertEqual(run("tenant", "accounts", f"--tenant={uuid.uuid4()}").returncode, WRONG)
        self.assertEqual(run("tenant", "accounts").returncode, USAGE)


class RosterTest(AccountsCase):
    def users_import(self, tenant, file, *more):
        return run("users", "import", file, f"--tenant={tenant}", *more)

    def expect_people(self, tenant, ran, count, result):
        """Every row ended so, each as another person, and the ledger has each of them once. Returns {e-mail: id}."""
        rows = rows_of(ran.stdout)
        self.assertEqual([row["row"] for row in rows], [str(line) for line in range(2, count + 2)])
        self.assertEqual({row["result"] for row in rows}, {result}, rows)
        people = {row["email"]: row["id"] for row in rows}
        self.assertEqual(sorted(people.values()), sorted(registered(tenant)))
        self.assertEqual(len(people), count)
        return people

    def test_some_hundred_and_again(self):
        tenant, file = self.tenant(), self.file(roster([f"p{i}" for i in range(300)]))
        first = self.users_import(tenant, file)
        self.assertEqual((first.returncode, first.stderr), (GOOD, "300 created\n"))
        people = self.expect_people(tenant, first, 300, "created")
        again = self.users_import(tenant, file)
        self.assertEqual((again.returncode, again.stderr), (GOOD, "0 created, 300 exists\n"))
        self.assertEqual(self.expect_people(tenant, again, 300, "exists"), people)

    def test_as_a_spreadsheet_saves_it(self):
        text = '\ufeffname,roles,email\r\n"Müller, Jörg ""Jo""",student;proctor,JO@uni-graz.example\r\n=A1,teacher,=b@uni-graz.example\r\n'
        tenant = self.tenant()
        ran = self.users_import(tenant, self.file(text), "--json")
        self.assertEqual(ran.returncode, GOOD, ran)
        rows = [json.loads(line) for line in ran.stdout.splitlines()]
        self.assertEqual([(row["row"], row["email"], row["result"]) for row in rows],
                         [(2, "JO@uni-graz.example", "created"), (3, "=b@uni-graz.example", "created")])
        self.assertIn("\n3,'=b@uni-graz.example,", self.users_import(tenant, self.file(text)).stdout)

    def test_bad_rows_are_named_before_anything_is_sent(self):
        tenant = self.tenant()
        file = self.file(roster(["a", "b"]) + "nothing\nc,C,student\nA@uni-graz.example,A,student\nd@x.example,\x1b[2J,student\n")
        for more in ([], ["--check"]):
            ran = self.users_import(tenant, file, *more)
            self.assertEqual(ran.returncode, WRONG)
            self.assertEqual([row["row"] for row in rows_of(ran.stdout)], ["4", "5", "6", "7"])
            self.assertIn("4 of 6 rows", ran.stderr)
            self.assertNotIn("\x1b", ran.stdout + ran.stderr)
        self.assertEqual(registered(tenant), [])
        self.assertEqual(run("users", "import", self.file(roster(["a"])), "--check").returncode, GOOD)
        self.assertEqual(self.users_import(tenant, self.file(roster(["a"])), "--check").stdout, "")
        self.assertEqual(registered(tenant), [])
        for text, code in (("", WRONG), ("email;name;roles\na;b;c\n", WRONG), ("email,name,roles,password\na@x.example,A,student,x\n", WRONG)):
            self.assertEqual(self.users_import(tenant, self.file(text)).returncode, code)
        self.assertEqual(self.users_import(tenant, "/nothing.csv").returncode, USAGE)
        self.assertEqual(self.users_import("x", file).returncode, USAGE)
        for in_flight in ("0", "257", "x"):
            self.assertEqual(self.users_import(tenant, file, f"--in-flight={in_flight}").returncode, USAGE)

    def test_as_an_admin_through_the_api_which_says_not_so_fast(self):
        tenant = house.tenant
        self.good("tenant", "accounts", f"--tenant={tenant.id}")
        token = self.file(tenant.admin.token + "\n", "token")
        ran = self.users_import(tenant.id, self.file(roster([f"q{i}" for i in range(90)])), f"--token-file={token}",
                                f"--url=http://{house.node.api}/")
        self.assertEqual((ran.returncode, ran.stderr), (GOOD, "90 created\n"))
        self.expect_people(tenant.id, ran, 90, "created")
        self.assertGreater(total(house.node.metrics(), "pw_requests_limited_total", limit="token"), 0)
        wrong = self.file(tenant.student().token, "token")
        ran = self.users_import(tenant.id, self.file(roster([f"r{i}" for i in range(90)])), f"--token-file={wrong}", "--in-flight=2")
        self.assertEqual(ran.returncode, WRONG)
        rows = rows_of(ran.stdout)
        self.assertEqual({row["result"] for row in rows}, {"refused", "not-sent"})
        self.assertEqual(len(rows), 90)
        self.assertLessEqual(sum(row["result"] == "refused" for row in rows), 2)
        self.assertEqual(self.users_import(tenant.id, self.file(roster(["s"])), f"--token-file={self.file('no token')}").returncode, USAGE)

    def test_roles_of_who_is_there_already(self):
        tenant = self.tenant()
        names = [f"p{i}" for i in range(5)]
        self.users_import(tenant, self.file(roster(names)))
        teachers = self.file(roster(names, "student teacher"))
        self.assertEqual(self.users_import(tenant, teachers).returncode, GOOD)
        self.assertEqual(self.granted(tenant), [])
        for _ in range(2):
            ran = self.users_import(tenant, teachers, "--grant")
            self.assertEqual(ran.returncode, GOOD)
            self.assertEqual({(row["result"], row["detail"]) for row in rows_of(ran.stdout)}, {("exists", "has the roles of this row")})
            self.assertEqual(self.granted(tenant), [["teacher"]] * 5)

    def granted(self, tenant):
        events = [json.loads(line) for line in house.stack.run("audit", "replay", f"--tenant={tenant}", "--json").stdout.splitlines()]
        return [event["payload"]["roles"] for event in events if event["event_type"] == "user_roles_granted"]

    def begin(self, tenant, file, count):
        """An import that has reported so many rows, and goes on; `rest` has the others."""
        process = subprocess.Popen(words_of("users", "import", file, f"--tenant={tenant}", "--in-flight=4"), env=ENVIRONMENT,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        return process, "".join(process.stdout.readline() for _ in range(count + 1))

    def rest(self, process):
        """All that is left of its two outputs, when it has ended: what was read ahead is in the stream, so not by communicate()."""
        with process:
            return process.stdout.read(), process.stderr.read()

    def test_killed_in_the_middle_and_repeated(self):
        tenant, file = self.tenant(), self.file(roster([f"p{i}" for i in range(600)]))
        process, report = self.begin(tenant, file, 50)
        process.kill()
        report += self.rest(process)[0]
        report = report[:report.rindex("\n")]
        self.assertLess(len(registered(tenant)), 600)
        again = self.users_import(tenant, file)
        self.assertEqual(again.returncode, GOOD)
        rows = rows_of(again.stdout)
        self.assertEqual({row["result"] for row in rows}, {"exists", "created"})
        people = {row["email"]: row["id"] for row in rows}
        self.assertEqual(sorted(people.values()), sorted(registered(tenant)))
        self.assertEqual(len(people), 600)
        for row in rows_of(report):
            self.assertEqual(people[row["email"]], row["id"])

    def test_stopped_by_a_person(self):
        tenant, file = self.tenant(), self.file(roster([f"p{i}" for i in range(600)]))
        process, report = self.begin(tenant, file, 50)
        process.send_signal(signal.SIGINT)
        rest, said = self.rest(process)
        self.assertEqual(process.returncode, WRONG)
        self.assertIn("safe to repeat", said)
        rows = rows_of(report + rest)
        self.assertEqual(len(rows), 600)
        self.assertEqual({row["result"] for row in rows}, {"created", "not-sent"})
        self.assertEqual(sorted(row["id"] for row in rows if row["id"]), sorted(registered(tenant)))
        self.assertEqual(self.users_import(tenant, file).returncode, GOOD)
        self.assertEqual(len(registered(tenant)), 600)

    def test_while_the_node_is_killed_and_starts_again(self):
        tenant, file = self.tenant(), self.file(roster([f"p{i}" for i in range(400)]))
        process, report = self.begin(tenant, file, 50)
        house.node.kill()
        house.node.start()
        report += self.rest(process)[0]
        self.assertEqual(process.returncode, GOOD)
        self.expect_people(tenant, subprocess.CompletedProcess([], GOOD, report), 400, "created")

    def test_a_server_that_is_not_there(self):
        stdout, stderr = house.unreachable.communicate(timeout=120)
        self.assertEqual(house.unreachable.returncode, UNREACHABLE)
        self.assertIn("nobody answers", stderr)
        results = [row["result"] for row in rows_of(stdout)]
        self.assertEqual((len(results), set(results)), (40, {"unknown", "not-sent"}))


if __name__ == "__main__":
    unittest.main()
