"""Queries from outside: single things and lists, pages, filters, positions, and that they show what the ledger says."""

import csv
import io
import json
import random
import subprocess
import threading
import time
import unittest
import uuid

from integration.cluster.process import wait_until
from integration.harness import BINARY, ENVIRONMENT, Client, ProcessError, at
from integration.house_case import AnswerCase, House
from integration.people import Person, fresh_address, keep_accounts
from integration.proof import Proof

house = House()
SLOT_FIELDS = {"id", "exam_id", "exam_version", "starts_at", "ends_at", "hard_end_at", "lead_time_minutes", "buffer_minutes",
               "capacity", "taken_count", "free_count", "waiting_count", "state", "left_count", "version", "changed_at"}
RESERVATION_FIELDS = {"id", "slot_id", "exam_id", "student_id", "state", "starts_at", "ends_at", "free_again_at", "expires_at",
                      "needs_replacement", "replacement_reason", "version", "changed_at"}
EXAM_FIELDS = {"id", "owner_id", "withdrawn", "version", "changed_at", "published_number", "published_hash",
               *(f"{stage}_{name}" for stage in ("draft", "published") for name in (
                   "title", "duration_minutes", "lead_time_minutes", "buffer_minutes", "items", "maximum_mark"))}


def setUpModule():
    house.start(keys=True, tokens=True)


def seen(position, **headers):
    """Headers of a query that shows no less than this position."""
    return {"Pw-Min-Position": position, "Prefer": "wait=10", **headers}


class World:
    """An exam with slots of a tenant's own, and a student with a seat in the first."""

    def __init__(self, slot_count):
        self.tenant = house.stack.tenant(house.node, "Pages")
        self.teacher, self.admin = self.tenant.teacher.client(house.node), self.tenant.admin.client(house.node)
        self.exam = self.tenant.exam(house.node)
        self.slots = [self.open(day // 2) for day in range(slot_count)]  # Always two at the same time.
        self.student = self.tenant.student()
        answer = self.student.client(house.node).command(f"/slots/{self.slots[0]['id']}/reservations")
        self.seat, self.position = answer.json["id"], answer.position

    def open(self, days):
        starts_at = at(days=10 + days)[:11] + "09:00:00Z"
        answer = self.teacher.command("/slots", {"exam_id": self.exam, "starts_at": starts_at, "capacity": 5})
        return {"id": answer.json["id"], "starts_at": starts_at, "position": answer.position}

    def order(self, slots=None):
        return [slot["id"] for slot in sorted(slots or self.slots, key=lambda slot: (slot["starts_at"], slot["id"]))]


class ThingTest(AnswerCase):
    @classmethod
    def setUpClass(cls):
        cls.world = World(2)

    def paths(self):
        return {f"/exams/{self.world.exam}": EXAM_FIELDS, f"/slots/{self.world.slots[0]['id']}": SLOT_FIELDS,
                f"/reservations/{self.world.seat}": RESERVATION_FIELDS}

    def test_a_thing(self):
        for path, fields in self.paths().items():
            with self.subTest(path):
                shown = self.expect(self.world.admin.get(path, headers=seen(self.world.position)), 200)
                self.assertEqual(shown.json.keys(), fields)
                self.assertEqual(shown.headers["ETag"], f'"{shown.json["version"]}"')
                self.assertEqual(shown.headers["Content-Type"], "application/json")
                self.assertEqual(shown.position.split(":")[0], self.world.position.split(":")[0])
                self.assertEqual(shown.json["id"], path.split("/")[2])

    def test_what_a_slot_says(self):
        first, second = (self.world.admin.get(f"/slots/{slot['id']}",
                                              headers=seen(self.world.position)).json for slot in self.world.slots)
        self.assertEqual((first["taken_count"], first["free_count"], first["capacity"]), (1, 4, 5))
        self.assertEqual((second["taken_count"], second["free_count"]), (0, 5))
        self.assertEqual((first["starts_at"], first["ends_at"]), (self.world.slots[0]["starts_at"],
                                                                  first["starts_at"].replace("T09", "T10")))

    def test_head(self):
        for path in (*self.paths(), "/slots", "/exams"):
            with self.subTest(path):
                shown = self.world.admin.get(path, headers=seen(self.world.position))
                head = self.world.admin.call("HEAD", path)
                self.assertEqual((head.status, head.body), (200, b""))
                for name in ("ETag", "Content-Type", "Content-Length", "Cache-Control", "X-Content-Type-Options", "Pw-Position"):
                    self.assertEqual(head.headers[name], shown.headers[name], name)
        missing = self.world.admin.call("HEAD", f"/exams/{uuid.uuid4()}")
        self.assertEqual((missing.status, missing.body), (404, b""))

    def test_if_none_match(self):
        for path in (f"/exams/{self.world.exam}", f"/reservations/{self.world.seat}", "/slots", "/reservations?limit=1"):
            tag = self.world.admin.get(path, headers=seen(self.world.position)).headers["ETag"]
            self.assertEqual(tag.startswith("W/"), path.count("/") == 1)
            for wanted, status in ((tag, 304), ("*", 304), (f'"x", {tag}', 304), (tag.removeprefix("W/"), 304), ('"x"', 200),
                                   (f'"{tag}"', 200)):
                with self.subTest(path=path, wanted=wanted):
                    answer = self.expect(self.world.admin.get(path, headers={"If-None-Match": wanted}), status)
                    self.assertEqual(answer.headers["ETag"], tag)
                    self.assertEqual(answer.body == b"", status == 304)
        # A slot's seats change without its version: whoever asks is always told.
        path = f"/slots/{self.world.slots[0]['id']}"
        self.expect(self.world.admin.get(path, headers={"If-None-Match": '"1"'}), 200)

    def test_what_is_not_there(self):
        for path in ("/exams", "/slots", "/reservations"):
            for thing in (uuid.uuid4(), uuid.UUID(int=0), "x"):
                self.expect(self.world.admin.get(f"{path}/{thing}"), 404, "not-found")
        self.assertEqual(self.world.admin.get(f"/students/{uuid.uuid4()}/calendar").json, {"items": [], "next": None})
        self.expect(self.world.admin.get("/students/x/calendar"), 404, "not-found")
        self.expect(self.world.admin.get(f"/exams/{self.world.exam}?x=1"), 400, "invalid", ["/x"])
        self.expect(self.world.admin.get(f"/exams/{self.world.exam}?limit=1"), 400, "invalid", ["/limit"])

    def test_a_calendar(self):
        own = self.world.student.client(house.node)
        entry = {"reservation_id": self.world.seat, "slot_id": self.world.slots[0]["id"], "exam_id": self.world.exam}
        for client, path in ((own, "/calendar"), (self.world.admin, f"/students/{self.world.student.id}/calendar")):
            listed = self.expect(client.get(path, headers=seen(self.world.position)), 200).json["items"]
            self.assertEqual([{name: item[name] for name in entry} for item in listed], [entry])
            self.assertEqual(listed[0].keys(), entry.keys() | {"starts_at", "ends_at", "free_again_at"})
        other = self.world.tenant.student().client(house.node)
        for path in ("/calendar", "/reservations"):
            self.assertEqual(other.get(path).json["items"], [])
        self.expect(other.get(f"/reservations/{self.world.seat}"), 404, "not-found")


class PagesTest(AnswerCase):
    @classmethod
    def setUpClass(cls):
        cls.world = World(23)

    def walk(self, world, path, between=lambda: None):
        """All items of a list by the links of its pages, which stand on their own."""
        client = Client(house.node.api, world.tenant.admin.token)
        base, items, target = f"/v1/tenants/{world.tenant.id}", [], path
        while target is not None:
            answer = self.expect(client.get((base if target is path else "") + target, headers=seen(world.position)), 200)
            self.assertEqual(answer.json.keys(), {"items", "next"})
            items.append(answer.json["items"])
            link, target = answer.headers["Link"], None
            self.assertEqual(link is None, answer.json["next"] is None)
            if link is not None:
                self.assertRegex(link, r'^<[^>]+>; rel="next"$')
                self.assertIn(answer.json["next"], link)
                target = link[1:link.index(">")]
                between()
        return items

    def test_pages_of_every_size(self):
        for limit in (1, 2, 3, 7, 22, 23, 24, 500):
            pages = self.walk(self.world, f"/slots?limit={limit}&exam_id={self.world.exam}")
            self.assertEqual([slot["id"] for page in pages for slot in page], self.world.order())
            self.assertEqual([len(page) for page in pages[:-1]], [limit] * (len(pages) - 1))
            self.assertLessEqual(len(pages[-1]), limit)
            self.assertGreater(len(pages[-1]), 0)

    def test_without_a_limit_50(self):
        world = World(51)
        pages = self.walk(world, "/slots")
        self.assertEqual([len(page) for page in pages], [50, 1])

    def test_links_keep_the_filters(self):
        exam = self.world.tenant.exam(house.node, title="Other")
        other = [self.world.tenant.slot(house.node, exam, starts_at=at(days=3)) for _ in range(2)]
        pages = self.walk(self.world, f"/slots?exam_id={self.world.exam}&limit=5&from=2020-01-01T00%3A00%3A00%2B01%3A00")
        ids = [slot["id"] for page in pages for slot in page]
        self.assertEqual(ids, self.world.order())
        self.assertFalse(set(other) & set(ids))

    def test_pages_while_rows_are_inserted(self):
        world = World(14)
        before, days = set(world.order()), iter(range(-8, 40))

        def insert():
            for day in (next(days), next(days)):
                world.position = world.open(day)["position"]

        pages = self.walk(world, "/slots?limit=2", insert)
        ids = [slot["id"] for page in pages for slot in page]
        self.assertEqual(len(ids), len(set(ids)))
        self.assertLessEqual(before, set(ids))
        starts = [slot["starts_at"] for page in pages for slot in page]
        self.assertEqual(starts, sorted(starts))

    def test_filters(self):
        get, first, last = self.world.admin.get, self.world.slots[0], self.world.slots[-1]
        hour = first["starts_at"].replace("Z", "%2B00:00")
        for query, wanted in (
            (f"exam_id={self.world.exam}", 23), (f"exam_id={uuid.uuid4()}", 0),
            (f"from={first['starts_at']}&to={first['starts_at']}", 0),
            (f"from={hour}&exam_id={self.world.exam}", 23), (f"to={first['starts_at']}&exam_id={self.world.exam}", 0),
            (f"from={last['starts_at']}&exam_id={self.world.exam}", 1), (f"to={last['starts_at']}&exam_id={self.world.exam}", 22),
        ):
            with self.subTest(query):
                answer = self.expect(get(f"/slots?limit=500&{query}", headers=seen(self.world.position)), 200)
                self.assertEqual(len(answer.json["items"]), wanted)
        for query, wanted in (("state=confirmed", 1), ("state=cancelled", 0), (f"slot_id={first['id']}", 1),
                              (f"slot_id={last['id']}", 0),
                              (f"student_id={self.world.student.id}&state=confirmed&exam_id={self.world.exam}", 1),
                              (f"student_id={uuid.uuid4()}", 0)):
            with self.subTest(query):
                self.assertEqual(len(self.expect(get(f"/reservations?{query}"), 200).json["items"]), wanted)
        self.assertGreaterEqual(len(get(f"/exams?owner_id={self.world.tenant.teacher.id}").json["items"]), 1)
        self.assertEqual(get(f"/exams?owner_id={uuid.uuid4()}").json["items"], [])

    def test_what_is_no_parameter(self):
        cursor = self.world.admin.get("/slots?limit=1", headers=seen(self.world.position)).json["next"]
        self.assertEqual(len(self.world.admin.get(f"/slots?after={cursor}&limit=1").json["items"]), 1)
        wrong = {"limit": ("0", "501", "-1", "+1", "1.0", "x", "", "1e2", "9999", "99999999999999999999", "%20", "1%20", "１"),
                 "after": ("", "x", cursor[:-1], cursor + "A", cursor[1:] + "!", "A" * 34, "_" * 34, cursor.swapcase(),
                           "%27%20OR%201=1"),
                 "exam_id": ("", "x", str(uuid.UUID(int=0)), "'"), "from": ("", "now", "2040-01-01", "2040-01-01T00:00:00+01:00",
                                                                            "0"),
                 "to": ("2040-01-01T00:00:00",)}
        for name, values in wrong.items():
            for value in values:
                with self.subTest(name=name, value=value):
                    self.expect(self.world.admin.get(f"/slots?{name}={value}".replace("１", "%EF%BC%91")), 400, "invalid",
                                [f"/{name}"])
        for path, pointers in (
            ("/slots?limit=0&after=x&exam_id=1&from=2&to=3&x=4", ["/limit", "/after", "/exam_id", "/from", "/to", "/x"]),
            ("/slots?limit=1&limit=1", ["/limit"]), (f"/slots?exam_id={self.world.exam}&exam_id={self.world.exam}", ["/exam_id"]),
            (f"/slots?after={cursor}&after={cursor}", ["/after"]), ("/slots?state=confirmed", ["/state"]),
            ("/slots?Limit=1", ["/Limit"]),
            (f"/reservations?after={cursor}", ["/after"]), (f"/exams?after={cursor}", ["/after"]),
            ("/reservations?state=", ["/state"]),
            ("/reservations?state=Confirmed", ["/state"]), ("/reservations?state=1&student_id=x", ["/state", "/student_id"]),
            ("/slots?=1", ["/"]),
            ("/slots?" + "%C3%BC" * 60 + "=1", ["/" + "ü" * 32 + "..."]), ("/slots?a%2Fb~c", ["/a~1b~0c"]),
            ("/slots?%22%5C%0A", ['/"\\\n']),
        ):
            with self.subTest(path[:70]):
                self.expect(self.world.admin.get(path), 400, "invalid", pointers)
        self.expect(self.world.teacher.get(f"/exams?owner_id={self.world.tenant.teacher.id}"), 400, "invalid", ["/owner_id"])
        self.expect(self.world.admin.get("/slots?" + "&".join(f"a{i}" for i in range(17))), 400, "malformed")


class LocationTest(AnswerCase):
    def test_each_location_is_served(self):
        """Of every command that makes something, at the listener that answered it; the document knows which have one."""
        tenant = house.stack.tenant(house.node, "Locations")
        keep_accounts(house.node, tenant)
        person, student = Person(house.node, tenant, ["student"]), tenant.student().client(house.node)
        teacher, internal = tenant.teacher.client(house.node), house.node.internal()
        guest = Client(house.node.api, base=f"/v1/tenants/{tenant.id}")
        exam, someone = tenant.exam(house.node), {"email": fresh_address(), "name": "Bob", "roles": ["student"]}
        opened = teacher.command("/slots", {"exam_id": exam, "starts_at": at(days=9), "capacity": 2})
        made = {
            "item_draft": teacher.command("/items", {"title": "Essay", "kind": "essay", "prompt": "Why?", "scoring": "by-people", "maximum_mark": 5}),
            "exam_draft": teacher.command("/exams", {"title": "Algebra", "duration_minutes": 60}),
            "slot_open": opened,
            "reservation_reserve": student.command(f"/slots/{opened.json['id']}/reservations"),
            "reservation_hold": tenant.student().client(house.node).command(f"/slots/{opened.json['id']}/holds"),
            "reservation_join_waitlist": tenant.student().client(house.node).command(f"/slots/{opened.json['id']}/waitlist"),
            "user_register": tenant.admin.client(house.node).command("/users", someone),
            "session_open": guest.command("/sessions", {"email": person.email, "password": person.password}),
            "accommodation_grant": tenant.admin.client(house.node).command(f"/students/{person.id}/accommodations", {
                "factor_percent": 125, "valid_from": at(days=1), "valid_until": at(days=99)}),
        }
        by_operator = {
            "tenant_create": internal.command("/tenants", {"name": "Linz", "time_zone": "Europe/Vienna", "language": "de"}),
            "user_register": internal.command(f"/tenants/{tenant.id}/users", someone | {"email": fresh_address()}),
        }
        for answers, words, client in ((made, [], Client(house.node.api, tenant.admin.token)),
                                       (by_operator, ["--internal"], Client(house.node.admin, house.stack.cluster_key))):
            described = self.described(*words)
            self.assertEqual(answers.keys(), described.keys())
            for name, answer in answers.items():
                with self.subTest(name):
                    self.expect(answer, 201)
                    self.assertEqual("Location" in answer.headers, described[name])
                    if described[name]:
                        shown = self.expect(client.get(answer.headers["Location"], headers=seen(answer.position)), 200)
                        self.assertEqual(shown.json["id"], answer.json["id"])
        self.assertEqual(sum(self.described().values()), 8)

    def described(self, *words):
        """{operation: whether its 201 has a Location}, as the document of a listener has it."""
        printed = subprocess.run([BINARY, "openapi", *words], env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True)
        paths = json.loads(printed.stdout)["paths"]
        operations = [operation for path in paths.values() for operation in path.values()]
        return {operation["operationId"]: "Location" in operation["responses"]["201"]["headers"]
                for operation in operations if "201" in operation["responses"]}


class CsvCase(AnswerCase):
    """A list as CSV says what it says as JSON, and all of it."""

    AS_CSV = {"Accept": "text/csv"}

    def setUp(self):
        super().setUp()
        self.admin = self.tenant.admin.client(house.node)

    def shown(self, items):
        """Items of JSON as cells of CSV."""
        def cell(value):
            if isinstance(value, list):
                return " ".join(value) if value and isinstance(value[0], str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)
            text = "" if value is None else json.dumps(value) if isinstance(value, (bool, int)) else value
            return f"'{text}" if isinstance(value, str) and text[:1] in ("=", "@", "+", "-") else text
        return [{name: cell(value) for name, value in item.items()} for item in items]

    def rows(self, path, **headers):
        answer = self.expect(self.admin.get(path, headers=self.AS_CSV | headers), 200)
        self.assertEqual(answer.headers["Content-Type"], "text/csv; charset=utf-8; header=present")
        self.assertEqual((answer.headers["ETag"], answer.headers["Cache-Control"]), (None, "private, no-store"))
        text = answer.body.decode()
        self.assertEqual(text.count("\n"), text.count("\r\n"))
        return answer, list(csv.DictReader(io.StringIO(text, newline="")))


class PeopleCsvTest(CsvCase):
    """Every list that an admin may read has every kind of value in some column."""

    @classmethod
    def setUpClass(cls):
        cls.tenant = house.stack.tenant(house.node, "People as CSV")
        keep_accounts(house.node, cls.tenant)
        admin, guest = cls.tenant.admin.client(house.node), Client(house.node.api, base=f"/v1/tenants/{cls.tenant.id}")
        ann = Person(house.node, cls.tenant, ["student", "proctor"], name='=cmd|"Änn", Auer')
        eve = Person(house.node, cls.tenant, ["grader"], password=None, name="Eve", email=f"+{fresh_address()}")
        gone = Person(house.node, cls.tenant, ["student"], name="-gone")
        session = ann.sign_in(house.node, label='@work, "desk"')
        slots = [cls.tenant.slot(house.node, cls.tenant.exam(house.node, title=f"Exam {number}")) for number in range(2)]
        student, other = (cls.tenant.student().client(house.node) for _ in range(2))
        seat = student.command(f"/slots/{slots[0]}/reservations").json["id"]
        answers = [
            session.client(house.node).command("/me/set-preferences", {"language": "de", "time_zone": "Europe/Vienna"}),
            guest.command("/refresh-session", {"refresh_token": session.refresh}),
            guest.command("/sessions", {"email": ann.email, "password": ann.password}),
            admin.command(f"/users/{eve.id}/deactivate", {"reason": "Left"}),
            admin.command(f"/users/{gone.id}/erase"),
            other.command(f"/slots/{slots[1]}/reservations"),
            student.command(f"/reservations/{seat}/cancel"),
        ]
        if any(answer.status not in (200, 201) for answer in answers):
            raise ProcessError(f"the set-up was answered {answers}")
        cls.position = answers[-1].position

    def test_lists_say_the_same_in_both_forms(self):
        for path, count in (("/users", 3), ("/slots", 2), ("/reservations", 2), ("/sessions", 2), ("/exams", 2)):
            with self.subTest(path):
                items = self.admin.all(path, headers=seen(self.position))
                _, rows = self.rows(path, **seen(self.position))
                self.assertEqual(len(items), count)
                self.assertEqual(rows, self.shown(items))
                self.assertEqual(list(rows[0]), list(items[0]), "columns in the order of JSON's members")

    def test_what_each_kind_of_value_looks_like(self):
        people = {row["name"] or row["state"]: row for row in self.rows("/users", **seen(self.position))[1]}
        ann, eve, gone = people["'=cmd|\"Änn\", Auer"], people["Eve"], people["erased"]
        self.assertEqual(ann["roles"].split(" "), ["student", "proctor"])
        self.assertEqual((ann["has_password"], eve["has_password"]), ("true", "false"))
        self.assertEqual((ann["state"], eve["state"], ann["language"], eve["language"]), ("active", "deactivated", "de", ""))
        self.assertTrue(eve["email"].startswith("'+"))
        self.assertEqual((gone["email"], gone["name"], gone["time_zone"]), ("", "", ""))
        self.assertRegex(ann["changed_at"], r"^\d{4}-\d\d-\d\dT[0-9:.]+Z$")
        sessions = {row["label"]: row for row in self.rows("/sessions")[1]}
        self.assertEqual(sessions.keys(), {"'@work, \"desk\"", ""})
        self.assertEqual(sessions[""]["refreshed_at"], "")
        self.assertNotEqual(sessions["'@work, \"desk\""]["refreshed_at"], "")
        self.assertEqual({row["state"] for row in self.rows("/reservations")[1]}, {"confirmed", "cancelled"})
        self.assertEqual({row["free_count"] for row in self.rows("/slots")[1]}, {"29", "30"})


class CsvTest(CsvCase):
    ROWS = 1100  # More than two pages of the most that one page may have.

    @classmethod
    def setUpClass(cls):
        cls.tenant = house.stack.tenant(house.node, "CSV")
        teacher = cls.tenant.teacher.client(house.node)
        titles = ["=HYPERLINK(1)", "@a", "+1", "-1", 'say "no", twice', "Ünïcode", " padded", "'quoted"]
        for number in range(cls.ROWS):
            cls.position = teacher.command("/exams", {"title": (titles + [f"Exam {number}"])[min(number, len(titles))],
                                                      "duration_minutes": 60}).position

    def test_the_whole_list(self):
        items = self.admin.all("/exams", headers=seen(self.position))
        answer, rows = self.rows("/exams", **seen(self.position))
        self.assertEqual(len(rows), self.ROWS)
        self.assertEqual(rows, self.shown(items))
        self.assertEqual((answer.headers["Transfer-Encoding"], answer.headers["Link"]), ("chunked", None))
        self.assertEqual(answer.headers["Content-Disposition"], 'attachment; filename="exams.csv"')
        self.assertGreaterEqual(int(answer.position.split(":")[1]), int(self.position.split(":")[1]))

    def test_a_page(self):
        _, rows = self.rows("/exams?limit=7", **seen(self.position))
        first = self.admin.get("/exams?limit=7").json
        self.assertEqual(rows, self.shown(first["items"]))
        answer, rows = self.rows(f"/exams?after={first['next']}&limit=3")
        self.assertEqual(rows, self.shown(self.admin.get(f"/exams?after={first['next']}&limit=3").json["items"]))
        link = answer.headers["Link"]
        self.assertIn('rel="next"', link)
        following = Client(house.node.api, self.tenant.admin.token).get(link[1:link.index(">")], headers=self.AS_CSV)
        self.assertEqual(following.status, 200)

    def test_filters_and_nothing(self):
        _, rows = self.rows(f"/exams?owner_id={uuid.uuid4()}")
        self.assertEqual(rows, [])
        _, rows = self.rows("/slots")
        self.assertEqual(rows, [])
        self.expect(self.admin.get("/exams?owner_id=x", headers=self.AS_CSV), 400, "invalid", ["/owner_id"])

    def test_which_form(self):
        for accept, kind in (("text/csv, application/json", "application/json"), ("text/csv, */*;q=0.5", "text/csv"),
                             ("application/json;q=0.1, text/*", "text/csv"), ("*/*", "application/json"),
                             ("text/csv;q=0, */*", "application/json")):
            with self.subTest(accept):
                answer = self.expect(self.admin.get("/exams?limit=1", headers={"Accept": accept}), 200)
                self.assertEqual(answer.headers["Content-Type"].split(";")[0], kind)
        exam = self.admin.get("/exams?limit=1").json["items"][0]["id"]
        self.expect(self.admin.get(f"/exams/{exam}", headers=self.AS_CSV), 406, "not-acceptable")
        head = self.admin.call("HEAD", "/exams", headers=self.AS_CSV)
        self.assertEqual((head.status, head.body), (200, b""))

    def test_a_part_is_never_taken_for_the_whole(self):
        """The cluster dies while many read: each has all rows, a refusal, or a connection that ends too early."""
        ended, whole, refused, cut = threading.Event(), [], [], []

        def read():
            while not ended.is_set():
                client = self.tenant.admin.client(house.node)
                try:
                    answer = client.get("/exams", headers=self.AS_CSV)
                    (whole if answer.status == 200 else refused).append(answer)
                except OSError as error:
                    cut.append(error)
                client.close()
        readers = [threading.Thread(target=read) for _ in range(4)]
        for reader in readers:
            reader.start()
        try:
            wait_until("read", lambda: len(whole) > 8, 60)
            house.stack.galera.kill(1)
            wait_until("refused", lambda: refused, 60)
        finally:
            ended.set()
            for reader in readers:
                reader.join()
            house.stack.galera.restart(1)
        self.assertEqual({len(answer.body) for answer in whole}, {len(whole[0].body)})
        self.assertEqual({answer.status for answer in refused}, {503})
        print(f"{len(whole)} whole, {len(cut)} cut off, {len(refused)} refused")
        wait_until("served again", lambda: self.admin.get("/exams?limit=1").status == 200, 60)


class PositionsTest(AnswerCase):
    @classmethod
    def setUpClass(cls):
        cls.world = World(1)

    def get(self, position, wait=None):
        headers = {"Pw-Min-Position": position} | ({"Prefer": f"wait={wait}"} if wait is not None else {})
        return self.world.admin.get("/slots", headers=headers)

    def test_one_reads_what_one_wrote(self):
        for _ in range(30):
            slot = self.world.open(100)
            self.assertEqual(self.world.admin.get(f"/slots/{slot['id']}", headers=seen(slot["position"])).status, 200)
            self.assertIn(slot["id"], [each["id"] for each in self.world.admin.all("/slots", headers=seen(slot["position"]))])

    def test_refusals_and_what_changes_nothing_can_be_waited_for(self):
        slot = self.world.slots[0]["id"]
        for answer in (self.world.student.client(house.node).post(f"/slots/{slot}/reservations"),
                       self.world.teacher.post(f"/slots/{slot}/change-capacity", {"capacity": 5})):
            shown = self.expect(self.world.admin.get(f"/slots/{slot}", headers=seen(answer.position)), 200)
            self.assertGreaterEqual(int(shown.position.split(":")[1]), int(answer.position.split(":")[1]))

    def test_forms_of_a_position(self):
        partition, offset, head = self.world.open(101)["position"].split(":")
        other = (int(partition) + 1) % house.stack.partitions
        for position in (f"{partition}:{offset}", f"{partition}:{offset}:{head}", f"{partition}:0", f"{other}:999999999",
                         f"{partition}:{offset}, {other}:5:00000000",
                         f"{other}:7,{partition}:{offset}:{head}", f"{partition}:0:00000000",
                         f"{partition}:1,{partition}:{offset}"):
            with self.subTest(position):
                self.expect(self.get(position, 10), 200)
        wrong = f"{(int(head[0], 16) + 1) % 16:x}{head[1:]}"
        answer = self.expect(self.get(f"{partition}:{offset}:{wrong}", 10), 409, "position-diverged")
        self.assertEqual(answer.position, f"{partition}:{offset}:{head}")
        for position in ("", "x", partition, f"{partition}:", f":{offset}", f"{partition}:{offset}:",
                         f"{partition}:{offset}:{head[:-1]}", f"{partition}:{offset}:{head}0",
                         f"{partition}:{offset}:{head[:-1]}g", f"-1:{offset}", f"{partition}:-1", f"{partition}:{offset}:{head}:0",
                         f"{partition} :{offset}",
                         f"99:{offset}", f"4:{offset}", f"{partition}:{'9' * 30}", f"4294967296:{offset}", f"{partition}:0x10",
                         f"{partition}:{offset};", ",", f"{partition}:{offset},",
                         ",".join([f"{partition}:1"] * 65), f"+{partition}:{offset}"):
            with self.subTest(position):
                self.expect(self.get(position), 400, "malformed")

    def test_a_position_that_does_not_come(self):
        partition, offset, _ = self.world.open(102)["position"].split(":")
        for wait, least in ((0, 0), (1, 1), (None, 2)):
            began = time.monotonic()
            answer = self.expect(self.get(f"{partition}:{int(offset) + 1000}", wait), 503, "read-model-behind")
            self.assertGreaterEqual(time.monotonic() - began, least)
            self.assertEqual(answer.headers["Retry-After"], "1")
            self.assertEqual(answer.position.split(":")[0], partition)
        self.expect(self.world.admin.get(f"/slots/{uuid.uuid4()}", headers={"Pw-Min-Position": f"{partition}:{int(offset) + 9}",
                                                                            "Prefer": "respond-async, wait=0"}),
                    503, "read-model-behind")


class AgreementTest(AnswerCase):
    def test_after_a_random_workload_everything_agrees(self):
        seed = random.randrange(10**9)
        with self.subTest(seed=seed):
            tenants = [house.stack.tenant(house.node, f"Random {number}") for number in range(2)]
            statuses = [self.run_tenant(random.Random(seed + number), tenant) for number, tenant in enumerate(tenants)]
            for counts in statuses:
                self.assertGreater(counts.get(201, 0), 30)
                self.assertGreater(counts.get(409, 0), 10)
            proof = Proof(house.stack)
            bookings = proof.check_bookings()
            proof.check_people()
            proof.check_read_models(house.node, [house.tenant, *tenants])
            for tenant in tenants:
                shown = [row["id"] for row in tenant.admin.client(house.node).all("/reservations?state=confirmed")]
                self.assertLessEqual(set(shown), bookings.reservations.keys())

    def run_tenant(self, chance, tenant):
        teachers = [tenant.teacher.client(house.node), house.client(tenant.token(str(uuid.UUID(int=chance.getrandbits(128))),
                                                                                 ["teacher"]), tenant)]
        students = [tenant.student().client(house.node) for _ in range(8)]
        exams, slots, seats, counts = [], [], [], {}

        def draft():
            return {"title": f"Exam {chance.random()}", "duration_minutes": chance.randrange(30, 120),
                    "lead_time_minutes": chance.choice((0, 1440)),
                    "buffer_minutes": chance.choice((0, 30))}

        def ask(client, path, body, kept):
            answer = client.command(path, body)
            counts[answer.status] = counts.get(answer.status, 0) + 1
            if answer.status == 201:
                kept.append(answer.json["id"])

        def starts_at():
            return at(days=chance.randrange(1, 4), hours=chance.randrange(3))

        for _ in range(3):
            for teacher in teachers:
                ask(teacher, "/exams", draft(), exams)
        for _ in range(320):
            what, teacher, student = chance.random(), chance.choice(teachers), chance.choice(students)
            if what < 0.10:
                ask(teacher, f"/exams/{chance.choice(exams)}/publish", {}, [])
            elif what < 0.15:
                ask(teacher, f"/exams/{chance.choice(exams)}/revise-draft", draft(), [])
            elif what < 0.30 or not slots:
                ask(teacher, "/slots", {"exam_id": chance.choice(exams), "starts_at": starts_at(),
                                        "capacity": chance.randrange(1, 5)}, slots)
            elif what < 0.38:
                ask(teacher, f"/slots/{chance.choice(slots)}/change-capacity", {"capacity": chance.randrange(1, 6)}, [])
            elif what < 0.80 or not seats:
                ask(student, f"/slots/{chance.choice(slots)}/reservations", {}, seats)
            else:
                ask(student, f"/reservations/{chance.choice(seats)}/cancel", {}, [])
        return counts


if __name__ == "__main__":
    unittest.main()
