"""What happened to a reservation, how full slots, exams and days are, and who did not come: from outside, on the real read models."""

import collections
import csv
import datetime
import io
import unittest
import uuid
import warnings

from integration.cluster.process import wait_until
from integration.harness import Actor, Client
from integration.house_case import AnswerCase, House
from integration.proof import Proof

house = House()
DAY = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=20)).date()
COUNTS = ("capacity", "taken_count", "free_count", "held_count", "offered_count", "waiting_count", "attended_count", "no_show_count")
SUMS = ("slot_count", "cancelled_slot_count", *COUNTS)
AS_CSV = {"Accept": "text/csv"}


def setUpModule():
    warnings.simplefilter("ignore", ResourceWarning)  # Connections end with their clients.
    house.start()
    house.office = Office()


def soon(seconds):
    moment = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return moment.isoformat().replace("+00:00", "Z")


def done(answer):
    assert answer.status in (200, 201), answer
    return answer


class Office:
    """Two exams of two teachers. One sitting has begun and is marked; of the other slots each has something else in it."""

    def __init__(self):
        self.tenant = house.stack.tenant(house.node, "Fill")
        self.admin, self.teacher = self.tenant.admin.client(house.node), self.tenant.teacher.client(house.node)
        self.other = Actor(self.tenant, "teacher").client(house.node)
        self.analyst, self.auditor = (Actor(self.tenant, role).client(house.node) for role in ("analyst", "auditor"))
        self.proctor = Actor(self.tenant, "proctor")
        self.algebra, self.physics = (self.exam(teacher) for teacher in (self.teacher, self.other))
        self.students = {name: self.tenant.student() for name in ("ann", "bob", "cid", "dan", "eve", "fay", "gil", "hal")}
        self.seats = {}
        began = self.begun()
        self.planned()
        self.moved()
        self.mark(began)

    def exam(self, teacher):
        exam = done(teacher.command("/exams", {"title": "An exam", "duration_minutes": 60, "lead_time_minutes": 0})).json["id"]
        done(teacher.command(f"/exams/{exam}/publish"))
        return exam

    def open(self, exam, starts_at, capacity):
        slot = {"exam_id": exam, "starts_at": starts_at, "capacity": capacity}
        return done(self.admin.command("/slots", slot)).json["id"]

    def ask(self, name, path, body=None):
        answer = done(self.students[name].client(house.node).command(path, body))
        self.position = answer.position
        if answer.status == 201:
            self.seats[name] = answer.json["id"]

    def staff(self, client, path, body=None):
        self.position = done(client.command(path, body)).position

    def begun(self):
        slot = self.open(self.algebra, soon(8), 3)
        for name in ("ann", "bob"):
            self.ask(name, f"/slots/{slot}/reservations")
        self.staff(self.admin, f"/slots/{slot}/assign-proctor", {"proctor_id": self.proctor.id})
        return slot

    def planned(self):
        """Two slots of a day that is another one where clocks are ahead, one of the next day, and one that is called off."""
        self.full = self.open(self.algebra, f"{DAY}T09:00:00Z", 2)
        self.ask("cid", f"/slots/{self.full}/reservations")
        self.ask("dan", f"/slots/{self.full}/holds")
        self.ask("eve", f"/slots/{self.full}/waitlist")
        self.offered = self.open(self.physics, f"{DAY + datetime.timedelta(days=1)}T00:30:00+02:00", 1)
        self.ask("fay", f"/slots/{self.offered}/reservations")
        self.ask("gil", f"/slots/{self.offered}/waitlist")
        self.ask("fay", f"/reservations/{self.seats['fay']}/cancel")
        self.closed = self.open(self.physics, f"{DAY + datetime.timedelta(days=1)}T09:00:00Z", 5)
        self.staff(self.admin, f"/slots/{self.closed}/close")
        self.off = self.open(self.algebra, f"{DAY}T15:00:00Z", 7)
        self.staff(self.admin, f"/slots/{self.off}/cancel", {"reason": "environment.power"})

    def moved(self):
        """Hal books, moves, and is taken out by the office."""
        self.left, self.reached = (self.open(self.algebra, f"{DAY}T{hour}:00:00Z", 4) for hour in (11, 13))
        self.ask("hal", f"/slots/{self.left}/reservations")
        self.ask("hal", f"/reservations/{self.seats['hal']}/reschedule", {"slot_id": self.reached})
        self.staff(self.admin, f"/reservations/{self.seats['hal']}/cancel-by-staff", {"reason": "environment.room"})

    def mark(self, slot):
        proctor = self.proctor.client(house.node)
        self.began = slot
        wait_until("begun", lambda: proctor.post(f"/reservations/{self.seats['bob']}/mark-attended").status == 200, 30)
        self.staff(proctor, f"/reservations/{self.seats['bob']}/mark-no-show", {"reason": "examinee.absent"})
        self.staff(proctor, f"/reservations/{self.seats['ann']}/mark-attended")
        gils = f"/reservations/{self.seats['gil']}"
        wait_until("offered", lambda: self.see(self.admin, gils).json["state"] == "offered", 30)

    def see(self, client, path, **headers):
        return client.get(path, headers={"Pw-Min-Position": self.position, "Prefer": "wait=10", **headers})

    def all(self, client, path):
        return self.see(client, path).json["items"]


class HistoryTest(AnswerCase):
    def history(self, client, name, **headers):
        return house.office.see(client, f"/reservations/{house.office.seats[name]}/history", **headers)

    def test_what_happened_step_by_step(self):
        office = house.office
        steps = self.expect(self.history(office.admin, "hal"), 200).json["items"]
        self.assertEqual([[step[name] for name in ("version", "event", "state", "slot_id", "from_slot_id", "reason")] for step in steps], [
            [1, "reservation_reserved", "confirmed", office.left, None, None],
            [2, "reservation_rescheduled", "confirmed", office.reached, office.left, None],
            [3, "reservation_cancelled_by_staff", "cancelled", office.reached, None, "environment.room"]])
        self.assertEqual([step["starts_at"] for step in steps], [f"{DAY}T11:00:00Z", f"{DAY}T13:00:00Z", f"{DAY}T13:00:00Z"])
        self.assertEqual(steps, sorted(steps, key=lambda step: step["at"]))
        shown = office.see(office.admin, f"/reservations/{office.seats['hal']}").json
        self.assertEqual((shown["version"], shown["changed_at"]), (3, steps[-1]["at"]))

    def test_what_was_marked_anew_stays(self):
        steps = self.history(house.office.admin, "bob").json["items"]
        self.assertEqual([(step["event"], step["state"], step["reason"]) for step in steps], [
            ("reservation_reserved", "confirmed", None), ("reservation_marked_attended", "attended", None),
            ("reservation_marked_no_show", "no-show", "examinee.absent")])

    def test_a_hold_says_when_it_runs_out(self):
        step, = self.history(house.office.admin, "dan").json["items"]
        self.assertEqual((step["event"], step["state"]), ("reservation_held", "held"))
        self.assertGreater(step["expires_at"], step["at"])

    def test_who_sees_it(self):
        office, hal = house.office, house.office.students["hal"].client(house.node)
        stranger = Actor(office.tenant, "proctor").client(house.node)
        for who, client, name, count in (
            ("the student", hal, "hal", 3), ("another student", hal, "bob", 0), ("an auditor", office.auditor, "bob", 3),
            ("who proctors the slot", office.proctor.client(house.node), "bob", 3), ("another proctor", stranger, "bob", 0),
            ("who proctors another slot", office.proctor.client(house.node), "cid", 0),
        ):
            with self.subTest(who):
                self.assertEqual(len(self.expect(self.history(client, name), 200).json["items"]), count)
        for client in (office.teacher, office.analyst):
            self.expect(self.history(client, "hal"), 403, "forbidden")
        self.expect(office.see(office.admin, "/reservations/x/history"), 404, "not-found")
        self.assertEqual(office.all(office.admin, f"/reservations/{uuid.uuid4()}/history"), [])

    def test_pages_known_already_and_csv(self):
        office = house.office
        whole = self.history(office.admin, "hal")
        path = f"/reservations/{office.seats['hal']}/history"
        self.expect(office.see(office.admin, path, **{"If-None-Match": whole.headers["ETag"]}), 304)
        first = self.expect(office.see(office.admin, f"{path}?limit=2"), 200).json
        rest = self.expect(office.see(office.admin, f"{path}?limit=2&after={first['next']}"), 200).json
        self.assertEqual((first["items"] + rest["items"], rest["next"]), (whole.json["items"], None))
        text = self.expect(office.see(office.admin, path, **AS_CSV), 200).body.decode()
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
        self.assertEqual([(row["version"], row["reason"]) for row in rows], [("1", ""), ("2", ""), ("3", "environment.room")])
        self.expect(office.see(office.admin, f"{path}?state=held"), 400, "invalid", ["/state"])


class FillTest(AnswerCase):
    def counted(self):
        """What stands above, by slot."""
        office = house.office
        rows = {  # capacity, taken, free, held, offered, waiting, attended, no-show
            office.began: (3, 2, 1, 0, 0, 0, 1, 1), office.full: (2, 2, 0, 1, 0, 1, 0, 0), office.offered: (1, 1, 0, 0, 1, 0, 0, 0),
            office.closed: (5, 0, 0, 0, 0, 0, 0, 0), office.off: (7, 0, 0, 0, 0, 0, 0, 0), office.left: (4, 0, 4, 0, 0, 0, 0, 0),
            office.reached: (4, 0, 4, 0, 0, 0, 0, 0)}
        return {slot: dict(zip(COUNTS, row)) for slot, row in rows.items()}

    def summed(self, key_of, only=lambda row: True):
        """The sums over the rows of the list of slots, each key's."""
        sums = collections.defaultdict(collections.Counter)
        for row in filter(only, house.office.all(house.office.analyst, "/fill/slots")):
            counts = {name: row[name] for name in COUNTS} | {"slot_count": 1, "cancelled_slot_count": int(row["state"] == "cancelled")}
            sums[key_of(row)].update(counts | ({"capacity": 0, "taken_count": 0} if row["state"] == "cancelled" else {}))
        return {key: dict(counts) for key, counts in sums.items()}

    def shown(self, path, key, client=None):
        rows = house.office.all(client or house.office.analyst, path)
        self.assertEqual([row[key] for row in rows], sorted(row[key] for row in rows))
        return {row.pop(key): row for row in rows}

    def test_slots(self):
        office = house.office
        rows = self.expect(office.see(office.analyst, "/fill/slots"), 200).json["items"]
        self.assertEqual({row["slot_id"]: {name: row[name] for name in COUNTS} for row in rows}, self.counted())
        self.assertEqual([row["starts_at"] for row in rows], sorted(row["starts_at"] for row in rows))
        self.assertEqual(rows[0].keys(), {"slot_id", "exam_id", "starts_at", "state", *COUNTS})
        self.assertEqual({row["slot_id"]: row["state"] for row in rows}[office.off], "cancelled")

    def test_exams(self):
        shown = self.shown("/fill/exams", "exam_id")
        self.assertEqual(shown, self.summed(lambda row: row["exam_id"]))
        self.assertEqual(shown[house.office.algebra], dict(zip(SUMS, (5, 1, 13, 4, 9, 1, 0, 1, 1, 1))))
        self.assertEqual(shown[house.office.physics], dict(zip(SUMS, (2, 0, 6, 1, 0, 0, 1, 0, 0, 0))))

    def test_days_are_those_of_utc(self):
        shown = self.shown("/fill/days", "day")
        self.assertEqual(shown, self.summed(lambda row: row["starts_at"][:10]))
        self.assertEqual(shown[str(DAY)], dict(zip(SUMS, (5, 1, 11, 3, 8, 1, 1, 1, 0, 0))))
        self.assertEqual(shown[str(DAY + datetime.timedelta(days=1))]["slot_count"], 1)

    def test_filters(self):
        office, next_day = house.office, DAY + datetime.timedelta(days=1)
        day = f"from={DAY}T00:00:00Z&to={next_day}T00:00:00Z"
        for query, only in (
            (f"exam_id={office.physics}", lambda row: row["exam_id"] == office.physics), (f"exam_id={uuid.uuid4()}", lambda _: False),
            (day, lambda row: row["starts_at"][:10] == str(DAY)), ("state=cancelled", lambda row: row["state"] == "cancelled"),
            (f"state=open&{day}&exam_id={office.algebra}", lambda row: (row["state"], row["starts_at"][:10], row["exam_id"]) == (
                "open", str(DAY), office.algebra)),
        ):
            with self.subTest(query):
                self.assertEqual(self.shown(f"/fill/exams?{query}", "exam_id"), self.summed(lambda row: row["exam_id"], only))
                self.assertEqual(self.shown(f"/fill/days?{query}", "day"), self.summed(lambda row: row["starts_at"][:10], only))
                wanted = [row for row in office.all(office.analyst, "/fill/slots") if only(row)]
                self.assertEqual(office.all(office.analyst, f"/fill/slots?{query}"), wanted)
        for what in ("slots", "exams", "days"):
            self.expect(office.see(office.analyst, f"/fill/{what}?student_id={uuid.uuid4()}&state=x&from=1"), 400, "invalid",
                        ["/student_id", "/state", "/from"])

    def test_teachers_count_their_own_exams(self):
        office = house.office
        for what, key in (("slots", "slot_id"), ("exams", "exam_id"), ("days", "day")):
            for client, exam in ((office.teacher, office.algebra), (office.other, office.physics)):
                with self.subTest(what=what, exam=exam):
                    own, of_exam = (office.all(each, f"/fill/{what}{query}") for each, query in (
                        (client, ""), (office.admin, f"?exam_id={exam}")))
                    self.assertEqual(own, of_exam)
                    self.assertGreater(len(own), 0)
        self.assertEqual(office.all(office.teacher, f"/fill/days?exam_id={office.physics}"), [])
        for client in (office.auditor, office.proctor.client(house.node), office.students["ann"].client(house.node)):
            self.expect(office.see(client, "/fill/days"), 403, "forbidden")

    def test_pages_known_already_and_csv(self):
        office = house.office
        for what, key in (("slots", "slot_id"), ("exams", "exam_id"), ("days", "day")):
            with self.subTest(what):
                whole = self.expect(office.see(office.analyst, f"/fill/{what}"), 200)
                self.expect(office.see(office.analyst, f"/fill/{what}", **{"If-None-Match": whole.headers["ETag"]}), 304)
                items, target, base = [], f"/v1/tenants/{office.tenant.id}/fill/{what}?limit=1", Client(house.node.api, office.tenant.admin.token)
                while target is not None:
                    page = self.expect(base.get(target), 200)
                    self.assertEqual(len(page.json["items"]), 1)
                    items += page.json["items"]
                    link = page.headers["Link"]
                    target = link[1:link.index(">")] if link else None
                self.assertEqual(items, whole.json["items"])
                answer = self.expect(office.see(office.analyst, f"/fill/{what}", **AS_CSV), 200)
                self.assertEqual(answer.headers["Content-Disposition"], f'attachment; filename="{what[:-1]}_fill.csv"')
                rows = list(csv.DictReader(io.StringIO(answer.body.decode(), newline="")))
                self.assertEqual(rows, [{name: str(value) for name, value in item.items()} for item in items])


class NoShowTest(AnswerCase):
    """They are reservations in a state, and listed as such."""

    def test_who_did_not_come(self):
        office = house.office
        bobs, bob = office.seats["bob"], office.students["bob"].id
        starts_at = office.see(office.admin, f"/slots/{office.began}").json["starts_at"]
        until = (datetime.datetime.fromisoformat(starts_at.replace("Z", "+00:00")) + datetime.timedelta(seconds=1)).isoformat().replace(
            "+00:00", "Z")
        for query, wanted in (
            ("", [bobs]), (f"exam_id={office.algebra}", [bobs]), (f"exam_id={office.physics}", []), (f"slot_id={office.began}", [bobs]),
            (f"slot_id={office.full}", []), (f"student_id={bob}", [bobs]), (f"student_id={office.students['ann'].id}", []),
            (f"from={starts_at}&to={until}", [bobs]), (f"from={until}", []), (f"to={starts_at}", []),
            (f"exam_id={office.algebra}&slot_id={office.began}&student_id={bob}&from={starts_at}", [bobs]),
        ):
            for who, client in (("admin", office.admin), ("teacher", office.teacher), ("proctor", office.proctor.client(house.node))):
                with self.subTest(query=query, who=who):
                    rows = office.all(client, f"/reservations?state=no-show&{query}")
                    self.assertEqual([row["id"] for row in rows], wanted)
        self.assertEqual(office.all(office.other, "/reservations?state=no-show"), [])
        self.assertEqual(office.all(Actor(office.tenant, "proctor").client(house.node), "/reservations?state=no-show"), [])
        text = office.see(office.admin, "/reservations?state=no-show", **AS_CSV).body.decode()
        self.assertEqual([row["student_id"] for row in csv.DictReader(io.StringIO(text, newline=""))], [bob])


class AgreementTest(AnswerCase):
    def test_the_independent_reader_says_the_same(self):
        proof = Proof(house.stack)
        proof.check_bookings()
        proof.check_read_models(house.node, [house.office.tenant])
        ran = house.stack.run("audit", "verify-projection", "slots", "reservations", check=False)
        self.assertEqual(ran.returncode, 0, ran)


if __name__ == "__main__":
    unittest.main()
