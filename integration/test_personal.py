"""What people are called, write and keep secret lies nowhere in clear: not in Kafka's files, not in Galera's, not in snapshots, logs,
metrics, nor in what an audit prints. And who was erased is forgotten: on every node, over restarts from snapshots and from the beginning.

Every text of a person that is sent here holds one word, made up for this run, which is then looked for in every byte, as it is and in
the spellings that a program could give it. A title, which is not personal, holds another word: that one must be found, or nobody looked.
"""

import base64
import concurrent.futures
import contextlib
import secrets
import shutil
import time
import unittest

from confluent_kafka.admin import RESOURCE_TOPIC, AdminClient, ConfigResource

from integration.cluster.process import wait_until
from integration.harness import Client, uuid7
from integration.house_case import AnswerCase
from integration.people import PREFERENCES, AccountsHouse, Person, fresh_address
from integration.reader.topic import read_kafka

SECONDS = 60
PIECE_BYTES, EMPTY = 32 << 20, bytes(4096)
house = AccountsHouse()


def setUpModule():
    house.start({"log.level": "debug"})
    house.tenant = house.tenant_of_each_leader()[0]


def spellings(word):
    """The bytes that show that the word stands somewhere: as it is, in capitals, as hex, in two bytes a letter, in base64 at any offset."""
    found = {word.encode(), word.upper().encode(), word.encode().hex().encode(), word.encode("utf-16-le"), word.encode("utf-16-be")}
    for offset in range(3):
        bytes_ = bytes(offset) + word.encode()
        text = base64.b64encode(bytes_[:len(bytes_) // 3 * 3])[4 if offset else 0:]
        found |= {text, text.replace(b"+", b"-").replace(b"/", b"_")}
    return found


def found_in(file, wanted):
    """Those of the spellings that stand in the file, {bytes: what they are of}."""
    longest, tail, found = max(map(len, wanted)), b"", set()
    with contextlib.suppress(FileNotFoundError), open(file, "rb") as opened:  # Servers delete files while we look.
        while piece := opened.read(PIECE_BYTES):
            piece = tail + piece.replace(EMPTY, b"")  # Most of what servers set aside was never written to.
            found |= {what for bytes_, what in wanted.items() if bytes_ in piece}
            tail = piece[-longest:]
    return found


class Planted:
    """What was sent that nobody may find, and how it would look."""

    def __init__(self):
        self.word, self.control = (f"{kind}{secrets.token_hex(9)}" for kind in ("persona", "control"))
        self.tokens, self.count = {}, 0

    def text(self, what):
        self.count += 1
        return f"{what} {self.word} {self.count}"

    def address(self):
        self.count += 1
        return f"{self.word}.{self.count}@uni-graz.example"

    def keep(self, answer):
        """Tokens of an answer: the last part is what cannot be guessed."""
        for name in ("access_token", "refresh_token", "reset_token"):
            if answer.json and name in answer.json:
                self.tokens[answer.json[name][-40:].encode()] = name
        return answer

    def wanted(self):
        words = {bytes_: "a personal text" for bytes_ in spellings(self.word)} | {bytes_: "the title" for bytes_ in spellings(self.control)}
        return words | self.tokens | {b"$argon2": "a hash of a password"}


class PersonalTest(AnswerCase):
    @classmethod
    def setUpClass(cls):
        cls.planted = Planted()

    def test_1_nothing_is_found_of_what_people_say(self):
        for node in house.nodes:
            self.say_everything(node, house.nodes[node.number % len(house.nodes)])
        self.fill_snapshots()
        self.search()

    def test_2_who_is_erased_is_forgotten(self):
        people, keys = [], []
        for node in house.nodes:
            before = self.keys()
            people.append(Person(node, house.tenant, ["student"], email=self.planted.address(), name=self.planted.text("Ada")))
            keys.append(self.keys() - before)
        sessions = [person.sign_in(house.nodes[0]) for person in people]
        kept, *gone = people
        for person in gone:
            erased = self.admin(house.nodes[1]).command(f"/users/{person.id}/erase")
            self.expect(erased, 200)
            self.erased_at = erased.position
        self.compact()
        wait_until("the values gone", lambda: self.are_gone(keys[1:]), SECONDS * 4, every=2)
        self.assertLessEqual(keys[0], self.keys())
        self.check_erased(kept, gone, sessions)
        self.restart(lambda node: None)
        self.check_erased(kept, gone, sessions)
        self.restart(lambda node: [file.unlink() for file in (node.dir / "snapshots").iterdir()])
        self.check_erased(kept, gone, sessions)
        self.assertEqual(house.stack.run("audit", "verify").stdout.splitlines()[-1], "good")
        house.stack.run("audit", "replay", "--json")
        again = Person(house.nodes[2], house.tenant, ["student"], email=gone[0].email)
        self.assertNotEqual(again.id, gone[0].id)
        self.search()

    def test_3_two_nodes_that_register_one_person_lose_nothing(self):
        for is_repeat in (True, False):
            email, key = self.planted.address(), uuid7()
            body = {"email": email, "name": self.planted.text("Eve"), "roles": ["student"], "password": f"{self.planted.word} twice"}
            with concurrent.futures.ThreadPoolExecutor(len(house.nodes)) as at_once:
                answers = list(at_once.map(lambda node, key=key, body=body, is_repeat=is_repeat: self.admin(node).command(
                    "/users", body, key=key if is_repeat else uuid7()), house.nodes))
            made = {answer.json["id"] for answer in answers if answer.status == 201}
            self.assertEqual(len(made), 1, answers)
            others = [answer for answer in answers if answer.status != 201]
            self.assertEqual({answer.problem for answer in others}, set() if is_repeat else {"email-taken"})
            self.assertTrue(all(next(iter(made)) in answer.json["detail"] for answer in others), others)
            signed_in = self.guest(house.nodes[0]).command("/sessions", {"email": email, "password": body["password"]})
            self.expect(signed_in, 201)

    def test_4_a_kill_between_key_and_commit_loses_nobody(self):
        """Whoever was told that they are registered can sign in, on every node; whoever was told nothing is registered by a repeat."""
        people = []
        for number in range(24):
            body = {"email": self.planted.address(), "name": self.planted.text("Kay"), "roles": ["student"], "password": f"{self.planted.word} kill"}
            people.append(body)
            if number % 8 == 7:
                with concurrent.futures.ThreadPoolExecutor(8) as at_once:
                    answers = [at_once.submit(self.admin(house.nodes[1]).command, "/users", one) for one in people[-8:]]
                    house.nodes[0].kill()  # It leads, or it makes keys for who does.
                    for answer in answers:
                        self.assertEqual(answer.result().status, 201, answer.result())
                house.nodes[0].start()
        for body in people:
            answer = self.guest(house.nodes[0]).command("/sessions", {"email": body["email"], "password": body["password"]})
            self.expect(answer, 201)
        self.assertEqual(house.stack.run("audit", "verify").stdout.splitlines()[-1], "good")

    # --- What is said.

    def admin(self, node):
        return house.tenant.admin.client(node)

    def guest(self, node):
        return Client(node.api, base=f"/v1/tenants/{house.tenant.id}")

    def say_everything(self, node, other):
        """Every command that takes what is personal or secret, through this node: accepted, repeated, refused, and not even read."""
        self.say_by_hand(node, other)
        person, admin, guest = self.say_well(node, other), self.admin(node), self.guest(node)
        self.say_badly(node, person, admin, guest)

    def say_well(self, node, other):
        """As one should."""
        planted, admin, guest = self.planted, self.admin(node), self.guest(node)
        registered = {"email": planted.address(), "name": planted.text('Änn "Ö" \\ Auer'), "roles": ["student"], "password": planted.text("first")}
        key = uuid7()
        user = self.expect(admin.command("/users", registered, key=key), 201).json["id"]
        self.expect(self.admin(other).command("/users", registered, key=key), 201)
        again = self.expect(admin.command("/users", registered | {"password": planted.text("other")}, key=key), 201)
        self.assertEqual(again.headers["Idempotency-Replayed"], "true", "of a password no trace is kept, to tell it from another one")
        self.expect(admin.command("/users", registered | {"name": planted.text("Other")}, key=key), 422, "idempotency-key-reused")
        email = planted.address()
        self.expect(admin.command(f"/users/{user}/update-profile", {"email": email, "name": planted.text("Anna")}), 200)
        login = {"email": email.upper(), "password": registered["password"], "label": planted.text("Firefox")}
        session = planted.keep(self.expect(guest.command("/sessions", login, key=key), 201))
        planted.keep(self.expect(self.guest(other).command("/sessions", login, key=key), 201))
        own = Client(node.api, session.json["access_token"], f"/v1/tenants/{house.tenant.id}")
        self.expect(own.command("/me/set-preferences", PREFERENCES), 200)
        change = {"password": registered["password"], "new_password": planted.text("second")}
        self.expect(own.command("/me/change-password", change), 200)
        planted.keep(self.expect(guest.command("/refresh-session", {"refresh_token": session.json["refresh_token"]}), 200))
        token = planted.keep(self.expect(admin.command(f"/users/{user}/issue-reset-token"), 200)).json["reset_token"]
        reset = {"reset_token": token, "new_password": planted.text("third")}
        self.expect(guest.command("/reset-password", reset), 200)
        self.expect(guest.command("/reset-password", reset), 409, "reset-token-invalid")
        self.expect(admin.command(f"/users/{user}/deactivate", {"reason": planted.text("Left")}), 200)
        self.expect(guest.command("/sessions", {"email": email, "password": reset["new_password"]}), 409, "user-not-active")
        self.expect(admin.command(f"/users/{user}/reactivate", {"reason": planted.text("Back")}), 200)
        return user, email

    def say_badly(self, node, person, admin, guest):
        """Refused by a rule, by the form, by nobody who could read it."""
        planted, (user, email) = self.planted, person
        taken = {"email": email, "name": planted.text("Eve"), "roles": ["student"]}
        self.expect(admin.command("/users", taken), 409, "email-taken")
        self.expect(guest.command("/sessions", {"email": email, "password": planted.text("wrong")}), 401, "login-failed")
        self.expect(guest.command("/sessions", {"email": planted.address(), "password": planted.text("wrong")}), 401, "login-failed")
        self.expect(guest.command("/refresh-session", {"refresh_token": planted.text("no-token")}), 409, "session-ended")
        self.expect(guest.command("/reset-password", {"reset_token": planted.text("no"), "new_password": planted.text("new")}), 409,
                    "reset-token-invalid")
        nobody = "0199b3a0-0000-7000-8000-000000000001"
        self.expect(admin.command(f"/users/{nobody}/deactivate", {"reason": planted.text("Who")}), 404, "no-such-user")
        for wrong in ({"name": planted.text("x" * 200)}, {"email": planted.text("no address")}, {planted.text("unknown"): planted.text("field")},
                      {"name": f"{planted.word}\u0000"}, {"name": [planted.word]}, {"roles": [planted.word]}, {"password": planted.word[:4]},
                      {"password": "x" * 129 + planted.word}, {"name": {planted.word: planted.word}}):
            self.assertEqual(admin.post("/users", taken | wrong).status, 400, wrong)
        for broken in (b'{"name": "%s', b'{"name": "\xff%s"}', b'{"name": "\\ud800%s"}', b'{"name": "%s"}{', b"%s"):
            self.expect(admin.post("/users", broken % planted.word.encode()), 400, "malformed")
        for path in (f"/users?email={planted.word}", f"/users/{planted.word}/erase", f"/sessions/{planted.word}/revoke"):
            self.assertIn(admin.post(path, taken).status, (400, 404))
        for token in (planted.word, f"{planted.word}.{planted.word}.{planted.word}"):
            self.expect(Client(node.api, token, f"/v1/tenants/{house.tenant.id}").post("/users", taken), 401, "unauthenticated")
        self.assertEqual(admin.post("/users", taken, headers={"Idempotency-Key": planted.word}).status, 400)
        self.assertEqual(admin.post("/users", taken, headers={"If-Match": planted.word, "traceparent": planted.word}).status, 400)
        self.assertEqual(admin.post("/users", taken, headers={"Content-Type": "text/plain"}).status, 415)

    def say_by_hand(self, node, other):
        """What is not personal, and must be found."""
        teacher = house.tenant.teacher.client(other)
        self.expect(teacher.command("/exams", {"title": f"On {self.planted.control}", "duration_minutes": 60}), 201)
        internal = node.internal()
        self.expect(internal.command(f"/tenants/{house.tenant.id}/users", {
            "email": self.planted.address(), "name": self.planted.text("Ida"), "roles": ["teacher"]}), 201)

    # --- Where it is looked for.

    def fill_snapshots(self):
        def written():
            self.expect(house.tenant.teacher.client(house.nodes[0]).command("/exams", {"title": "Analysis", "duration_minutes": 60}), 201)
            return all(list((node.dir / "snapshots").glob("*.snapshot")) for node in house.nodes)
        wait_until("a snapshot on every node", written, SECONDS, every=0)

    def search(self):
        """Nothing is found anywhere but the title, which is."""
        began, prints = time.monotonic(), house.stack.dir / "prints"
        shutil.rmtree(prints, ignore_errors=True)
        prints.mkdir()
        self.print_everything(prints)
        wanted, found, bytes_ = self.planted.wanted(), {}, 0
        for file in house.stack.dir.rglob("*"):
            if file.is_file() and not file.is_symlink():
                bytes_ += file.stat().st_size
                for what in found_in(file, wanted):
                    found.setdefault(what, []).append(str(file.relative_to(house.stack.dir)))
        title = found.pop("the title", [])
        print(f"\n  {len(wanted)} spellings in {bytes_ / 1e6:.0f} MB: {time.monotonic() - began:.1f} s", flush=True)
        self.assertEqual(found, {}, "personal data lies in clear")
        snapshots = [str((node.dir / "snapshots").relative_to(house.stack.dir)) for node in house.nodes]
        for place in ("kafka", "galera", "prints/export", "prints/replay", "prints/tables", *snapshots):
            self.assertTrue(any(file.startswith(place) for file in title), f"the title is not in {place}: {title}")
        for node in house.nodes:
            self.assertIn("serves", node.process.log_file.read_text(), "a log that was searched")
            self.assertIn("pw_http_requests_total", (prints / f"metrics{node.number}").read_text())

    def print_everything(self, prints):
        """What an audit prints, what the tables hold and what monitors see, each in a file."""
        house.stack.run("audit", "export", f"--to={prints / 'export'}")
        (prints / "replay").write_text(house.stack.run("audit", "replay").stdout)
        (prints / "replay.json").write_text(house.stack.run("audit", "replay", "--json", "--answers").stdout)
        with house.stack.galera.connect(1) as connection, connection.cursor() as cursor, open(prints / "tables", "w", encoding="utf-8") as dump:
            cursor.execute("SELECT table_schema, table_name FROM information_schema.tables WHERE table_schema LIKE 'proctorwise%%'")
            for schema, table in cursor.fetchall():
                cursor.execute(f"SELECT * FROM `{schema}`.`{table}`")
                dump.writelines(f"{table} {row}\n" for row in cursor.fetchall())
        for node in house.nodes:
            (prints / f"metrics{node.number}").write_bytes(node._admin_get("/metrics").body)

    # --- Erasing.

    def keys(self):
        """The ids of the keys of which the topic has a value, read from its start (docs/keys.md, section 2)."""
        return {value[8:24] for _, _, value in read_kafka(house.stack.kafka.endpoints(), f"{house.stack.topic}.keys") if value}

    def are_gone(self, keys):
        """Kafka compacts what lies before the segment that is written to, so somebody writes another key."""
        Person(house.nodes[0], house.tenant, ["student"], password=None)
        return not set.union(*keys) & self.keys()

    def compact(self):
        """Has Kafka compact the keys as it would within two hours: the settings of docs/keys.md, section 4, but in seconds."""
        settings = {"cleanup.policy": "compact", "segment.ms": "1000", "max.compaction.lag.ms": "1000", "min.compaction.lag.ms": "0",
                    "message.timestamp.type": "LogAppendTime", "unclean.leader.election.enable": "false", "min.cleanable.dirty.ratio": "0"}
        resource = ConfigResource(RESOURCE_TOPIC, f"{house.stack.topic}.keys", set_config=settings)
        admin = AdminClient({"bootstrap.servers": house.stack.kafka.endpoints()})  # It must outlive what it promises.
        admin.alter_configs([resource])[resource].result()

    def restart(self, between):
        for node in house.nodes:
            node.kill()
        for node in house.nodes:
            between(node)
        with concurrent.futures.ThreadPoolExecutor(len(house.nodes)) as all_at_once:
            list(all_at_once.map(lambda node: node.start(), house.nodes))

    def shown(self, node, person):
        answer = self.admin(node).get(f"/users/{person.id}", headers={"Pw-Min-Position": self.erased_at, "Prefer": "wait=10"})
        self.expect(answer, 200)
        return answer.json

    def check_erased(self, kept, gone, sessions):
        for node in house.nodes:
            self.assertEqual(sessions[0].client(node).get("/slots").status, 200, "of somebody who was not erased")
            again = kept.sign_in(node)
            self.expect(again.client(node).command(f"/sessions/{again.id}/revoke"), 200)  # Somebody has eight sessions at most.
            shown = self.shown(node, kept)
            self.assertEqual((shown["state"], shown["email"]), ("active", kept.email))
            for person, session in zip(gone, sessions[1:]):
                shown = self.shown(node, person)
                self.assertEqual((shown["state"], shown["email"], shown["name"]), ("erased", None, None), "the read model")
                self.assertEqual(session.client(node).get("/slots").status, 401)
                self.expect(self.guest(node).command("/sessions", {"email": person.email, "password": person.password}), 401, "login-failed")
                profile = {"email": fresh_address(), "name": "Nobody"}
                self.expect(self.admin(node).command(f"/users/{person.id}/update-profile", profile), 409, "user-erased")


if __name__ == "__main__":
    unittest.main()
