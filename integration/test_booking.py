"""Commands from outside: a booking from the tenant to the seat and back, and what REST promises of commands."""

import datetime
import time
import unittest
import uuid

from integration.cluster.process import wait_until
from integration.harness import ANSWER_SECONDS, Client, at, uuid7
from integration.house_case import AnswerCase, House, read_whole_ledger

house = House()


def setUpModule():
    house.start()


def uuid7_at(**ahead):
    """A UUIDv7 of a moment that lies so far ahead."""
    key = uuid.UUID(uuid7()).int
    shift_ms = sum({"hours": 3_600_000, "minutes": 60_000}[unit] * count for unit, count in ahead.items())
    return str(uuid.UUID(int=key + (shift_ms << 80)))


class BookingTest(AnswerCase):
    def test_from_the_tenant_to_a_seat_and_back(self):
        answers = []

        def yes(answer, *what):
            answers.append(answer)
            return self.expect_yes(answer, *what)

        def no(answer, *what):
            answers.append(answer)
            return self.expect_no(answer, *what)

        teacher = house.as_teacher()
        exam = yes(teacher.post("/exams", {"title": "Numerik – Übung", "duration_minutes": 45, "lead_time_minutes": 60}), 201, 1,
                   "exams")
        no(teacher.post("/slots", {"exam_id": exam, "starts_at": at(days=2), "capacity": 1}), 409, "exam-not-published")
        yes(teacher.post(f"/exams/{exam}/publish"), 200, 2)
        yes(teacher.post(f"/exams/{exam}/publish", {}), 200, 2)  # Changes nothing.
        revised = {"title": "Numerik", "duration_minutes": 60, "lead_time_minutes": 60, "buffer_minutes": 15}
        yes(teacher.post(f"/exams/{exam}/revise-draft", revised), 200, 3)
        yes(teacher.post(f"/exams/{exam}/publish", {}), 200, 4)
        no(teacher.post("/slots", {"exam_id": exam, "starts_at": at(hours=-1), "capacity": 1}), 409, "slot-in-past")
        slot = yes(teacher.post("/slots", {"exam_id": exam, "starts_at": at(days=2), "capacity": 2}), 201, 2, "slots")  # Opened, and to be reminded of.

        ann, bob, eve = (house.tenant.student().client(house.node) for _ in range(3))
        seat = yes(ann.post(f"/slots/{slot}/reservations"), 201, 1, "reservations")
        booked = no(ann.post(f"/slots/{slot}/reservations"), 409, "already-booked")
        self.assertIn(seat, booked.json["detail"])
        yes(bob.post(f"/slots/{slot}/reservations", {}), 201, 1, "reservations")
        full = no(eve.post(f"/slots/{slot}/reservations"), 409, "slot-full")
        self.assertIn("2 of 2", full.json["detail"])
        no(teacher.post(f"/slots/{slot}/change-capacity", {"capacity": 1}), 409, "capacity-below-taken")
        yes(ann.post(f"/reservations/{seat}/cancel"), 200, 2)
        no(ann.post(f"/reservations/{seat}/cancel"), 409, "reservation-not-live")
        yes(eve.post(f"/slots/{slot}/reservations"), 201, 1, "reservations")
        no(ann.post(f"/slots/{slot}/reservations"), 409, "slot-full")
        yes(teacher.post(f"/slots/{slot}/change-capacity", {"capacity": 3}), 200, 3)
        again = yes(ann.post(f"/slots/{slot}/reservations"), 201, 1, "reservations")
        self.assertNotEqual(again, seat)
        self.check_on_record(answers)
        self.check_locations(answers, {exam: 4, slot: 3, seat: 2})

    def check_on_record(self, answers):
        ledger = read_whole_ledger(house.stack)
        for answer in answers:
            decided = [each for each in ledger.decisions if each["command"] == answer.headers["Idempotency-Key"]]
            self.assertEqual(len(decided), 1, answer)
            self.assertEqual((decided[0]["position"], decided[0]["problem"]), (answer.position, answer.problem))
            if answer.status < 400:
                self.assertEqual((decided[0]["stream"], decided[0]["version"]), (answer.json["id"], answer.json["version"]))
            else:
                self.assertEqual(decided[0]["detail"], answer.json.get("detail", ""))

    def check_locations(self, answers, versions):
        """Each Location shows the thing, no older than the last answer said, and with the version as ETag."""
        admin = Client(house.node.api, house.tenant.admin.token)
        for answer in answers:
            if answer.status == 201:
                headers = {"Pw-Min-Position": answers[-1].position, "Prefer": "wait=10"}
                shown = self.expect(admin.get(answer.headers["Location"], headers=headers), 200)
                version = versions.get(answer.json["id"], 1)
                self.assertEqual((shown.json["id"], shown.json["version"]), (answer.json["id"], version))
                self.assertEqual(shown.headers["ETag"], f'"{version}"')

    def test_one_student_one_calendar(self):
        exam, start = house.exam(duration_minutes=60, buffer_minutes=30), at(days=9)
        slots = [house.slot(exam, starts_at=start), house.slot(exam, starts_at=at(days=10))]
        others = [house.exam(duration_minutes=60) for _ in range(3)]
        clash = house.slot(others[0], starts_at=start)
        student = house.tenant.student().client(house.node)
        seat = self.expect_yes(student.post(f"/slots/{slots[0]}/reservations"), 201, 1)
        other_slot = self.expect_no(student.post(f"/slots/{slots[1]}/reservations"), 409, "exam-already-booked")
        self.assertIn(seat, other_slot.json["detail"])
        self.expect_no(student.post(f"/slots/{clash}/reservations"), 409, "calendar-conflict")
        # The end is exclusive, and includes the buffer: 89 minutes later is too soon, 90 is not. Offsets do not matter.
        soon = house.slot(others[1], starts_at=start.replace("Z", "-01:29"))
        later = house.slot(others[2], starts_at=start.replace("Z", "-01:30"))
        self.expect_no(student.post(f"/slots/{soon}/reservations"), 409, "calendar-conflict")
        self.expect_yes(student.post(f"/slots/{later}/reservations"), 201, 1)

    def read(self, client, path, answer):
        """What a read model shows, no older than an answer: each read model is written by a worker of its own."""
        return self.expect(client.get(path, headers={"Pw-Min-Position": answer.position, "Prefer": "wait=10"}), 200).json

    def shown(self, client, seat, answer):
        return self.read(client, f"/reservations/{seat}", answer)

    def test_a_seat_is_held_and_confirmed(self):
        slot = house.slot(capacity=1)
        ann, bob = (house.tenant.student().client(house.node) for _ in range(2))
        began = datetime.datetime.now(datetime.timezone.utc)
        held = ann.post(f"/slots/{slot}/holds")
        seat = self.expect_yes(held, 201, 1, "reservations")
        shown = self.shown(ann, seat, held)
        self.assertEqual(shown["state"], "held")
        runs_out_in = datetime.datetime.fromisoformat(shown["expires_at"].replace("Z", "+00:00")) - began
        self.assertLess(abs(runs_out_in - datetime.timedelta(minutes=10)), datetime.timedelta(seconds=ANSWER_SECONDS))
        self.assertEqual([entry["reservation_id"] for entry in self.read(ann, "/calendar", held)["items"]], [seat])
        self.expect_no(bob.post(f"/slots/{slot}/holds"), 409, "slot-full")
        self.expect_no(ann.post(f"/slots/{slot}/reservations"), 409, "already-booked")
        self.expect_no(bob.post(f"/reservations/{seat}/confirm-hold"), 404, "no-such-reservation")
        confirmed = ann.post(f"/reservations/{seat}/confirm-hold")
        self.expect_yes(confirmed, 200, 2)
        self.expect_yes(ann.post(f"/reservations/{seat}/confirm-hold"), 200, 2)
        shown = self.shown(ann, seat, confirmed)
        self.assertEqual((shown["state"], shown["expires_at"]), ("confirmed", None))
        self.expect_yes(ann.post(f"/reservations/{seat}/cancel"), 200, 3)
        seat = self.expect_yes(bob.post(f"/slots/{slot}/holds"), 201, 1)
        given_back = bob.post(f"/reservations/{seat}/cancel")
        self.expect_yes(given_back, 200, 2)
        self.expect_no(bob.post(f"/reservations/{seat}/confirm-hold"), 409, "reservation-not-live")
        self.assertEqual([row["id"] for row in house.as_admin().all("/reservations?state=held", headers={
            "Pw-Min-Position": given_back.position, "Prefer": "wait=10"})], [])

    def test_a_hold_that_nobody_confirms_runs_out(self):
        """At the start of the exam at the latest, which is a moment ahead; and no clock of a reader is asked."""
        starts_at = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=2)).isoformat().replace("+00:00", "Z")
        slot = house.slot(capacity=1, starts_at=starts_at)
        ann = house.tenant.student().client(house.node)
        held = ann.post(f"/slots/{slot}/holds")
        seat = self.expect_yes(held, 201, 1)
        self.assertEqual(self.shown(ann, seat, held)["state"], "held")
        wait_until("given back", lambda: self.shown(ann, seat, held)["state"] == "expired", 30)
        wait_until("free", lambda: self.read(house.as_admin(), f"/slots/{slot}", held)["taken_count"] == 0, 30)
        self.expect_no(ann.post(f"/reservations/{seat}/confirm-hold"), 409, "reservation-not-live")
        decided = [each for each in read_whole_ledger(house.stack).decisions if each["stream"] == seat and each["kind"] == "commit"]
        self.assertEqual([(each["role"], [event["type"] for event in each["events"]]) for each in decided],
                         [("student", ["reservation_held"]), ("system", ["reservation_hold_expired"])])
        self.assertGreaterEqual(decided[1]["decided_at_us"], decided[0]["events"][0]["payload"][6])

    def test_who_waits_is_offered_what_is_freed(self):
        slot = house.slot(house.exam(lead_time_minutes=60), capacity=1, starts_at=at(days=8))
        ann, bob, tom, eve = (house.tenant.student().client(house.node) for _ in range(4))
        self.expect_no(bob.post(f"/slots/{slot}/waitlist"), 409, "seats-are-free")
        anns = self.expect_yes(ann.post(f"/slots/{slot}/reservations"), 201, 1)
        bobs = self.expect_yes(bob.post(f"/slots/{slot}/waitlist"), 201, 1, "reservations")
        toms = self.expect_yes(tom.post(f"/slots/{slot}/waitlist"), 201, 1, "reservations")
        self.expect_no(eve.post(f"/slots/{slot}/reservations"), 409, "slot-awaited")
        self.expect_no(bob.post(f"/reservations/{bobs}/accept-offer"), 409, "not-offered")
        self.expect_yes(house.as_admin().post(f"/reservations/{toms}/prioritise", {"priority": 7}), 200, 2)
        gone = ann.post(f"/reservations/{anns}/cancel")
        self.expect_yes(gone, 200, 2)
        wait_until("offered", lambda: self.shown(tom, toms, gone)["state"] == "offered", 30)
        self.assertEqual(self.shown(bob, bobs, gone)["state"], "waiting")
        self.expect_no(eve.post(f"/slots/{slot}/holds"), 409, "slot-awaited")
        self.expect_yes(tom.post(f"/reservations/{toms}/decline-offer"), 200, 4)
        wait_until("offered", lambda: self.shown(bob, bobs, gone)["state"] == "offered", 30)
        accepted = bob.post(f"/reservations/{bobs}/accept-offer")
        self.expect_yes(accepted, 200, 3)
        self.assertEqual([entry["reservation_id"] for entry in self.read(bob, "/calendar", accepted)["items"]], [bobs])
        self.expect_yes(bob.post(f"/reservations/{bobs}/cancel"), 200, 4)
        self.expect_yes(eve.post(f"/slots/{slot}/reservations"), 201, 1)
        self.expect_no(bob.post(f"/slots/{slot}/waitlist"), 409, "not-entitled")
        self.expect_yes(tom.post(f"/slots/{slot}/waitlist"), 201, 1)

    def test_a_seat_is_moved_in_one_step(self):
        exam = house.exam(lead_time_minutes=60)
        morning, evening, full = (house.slot(exam, capacity=1, starts_at=at(days=9, hours=hours)) for hours in (0, 6, 12))
        ann, bob, tom = (house.tenant.student().client(house.node) for _ in range(3))
        seat = self.expect_yes(ann.post(f"/slots/{morning}/reservations"), 201, 1)
        self.expect_yes(tom.post(f"/slots/{full}/reservations"), 201, 1)
        waits = self.expect_yes(bob.post(f"/slots/{morning}/waitlist"), 201, 1, "reservations")
        self.expect_no(ann.post(f"/slots/{evening}/reservations"), 409, "exam-already-booked")
        self.expect_no(ann.post(f"/reservations/{seat}/reschedule", {"slot_id": full}), 409, "slot-full")
        self.expect_no(ann.post(f"/reservations/{seat}/reschedule", {"slot_id": house.slot()}), 409, "slot-of-other-exam")
        self.expect_no(bob.post(f"/reservations/{seat}/reschedule", {"slot_id": evening}), 404, "no-such-reservation")
        self.expect(ann.post(f"/reservations/{seat}/reschedule", {}), 400, "invalid", ["/slot_id"])
        moved = ann.post(f"/reservations/{seat}/reschedule", {"slot_id": evening})
        self.expect_yes(moved, 200, 2)
        self.expect_yes(ann.post(f"/reservations/{seat}/reschedule", {"slot_id": evening}), 200, 2)
        shown = self.shown(ann, seat, moved)
        there = self.read(house.as_admin(), f"/slots/{evening}", moved)
        self.assertEqual((shown["slot_id"], shown["state"], shown["starts_at"]), (evening, "confirmed", there["starts_at"]))
        self.assertEqual(there["taken_count"], 1)
        self.assertEqual([(entry["reservation_id"], entry["slot_id"]) for entry in self.read(ann, "/calendar", moved)["items"]], [(seat, evening)])
        wait_until("offered", lambda: self.shown(bob, waits, moved)["state"] == "offered", 30)

    def test_the_office_moves_a_student(self):
        """After the lead time, for a reason, into a slot that is closed to students; whoever comes first may have the seat that is left."""
        exam = house.exam(lead_time_minutes=24 * 60)
        today, full, evening = (house.slot(exam, capacity=1, starts_at=moment) for moment in (at(hours=5), at(days=9), at(days=9, hours=6)))
        student = house.tenant.student()
        ann, bob, tom = student.client(house.node), *(house.tenant.student().client(house.node) for _ in range(2))
        admin, body = house.as_admin(), {"slot_id": evening, "reason": "examinee.excused"}
        seat = self.expect_yes(ann.post(f"/slots/{today}/reservations"), 201, 1)
        self.expect_yes(bob.post(f"/slots/{full}/reservations"), 201, 1)
        self.expect_yes(house.as_teacher().post(f"/slots/{evening}/close"), 200, 3)
        self.expect_no(ann.post(f"/reservations/{seat}/reschedule", {"slot_id": evening}), 409, "cancel-too-late")
        move = f"/reservations/{seat}/reschedule-by-staff"
        self.expect(ann.post(move, body), 403, "forbidden")
        self.expect(admin.post(move, {"slot_id": evening}), 400, "invalid", ["/reason"])
        self.expect_no(admin.post(move, {**body, "slot_id": full}), 409, "slot-full")
        self.expect_no(admin.post(move, body, headers={"If-Match": '"2"'}), 412, "version-mismatch")
        moved = admin.post(move, body)
        self.expect_yes(moved, 200, 2)
        self.expect_yes(admin.post(move, body), 200, 2)
        shown = self.shown(ann, seat, moved)
        self.assertEqual((shown["slot_id"], shown["state"]), (evening, "confirmed"))
        self.assertEqual([self.read(admin, f"/slots/{slot}", moved)["taken_count"] for slot in (today, evening)], [0, 1])
        self.assertEqual([(entry["reservation_id"], entry["slot_id"]) for entry in self.read(ann, "/calendar", moved)["items"]], [(seat, evening)])
        self.expect_yes(tom.post(f"/slots/{today}/reservations"), 201, 1)
        decided = [each for each in read_whole_ledger(house.stack).decisions if each["stream"] == seat and each["kind"] == "commit"]
        self.assertEqual([(each["role"], event["type"]) for each in decided for event in each["events"]],
                         [("student", "reservation_reserved"), ("admin", "reservation_rescheduled_by_staff")])
        payload = decided[1]["events"][0]["payload"]
        self.assertEqual((str(uuid.UUID(payload[2])), str(uuid.UUID(payload[6])), payload[10]), (student.id, today, "examinee.excused"))

    def test_the_office_takes_a_seat_back(self):
        slot = house.slot(capacity=1, starts_at=at(days=8))
        ann, bob = (house.tenant.student().client(house.node) for _ in range(2))
        seat = self.expect_yes(ann.post(f"/slots/{slot}/reservations"), 201, 1)
        waits = self.expect_yes(bob.post(f"/slots/{slot}/waitlist"), 201, 1, "reservations")
        take = f"/reservations/{seat}/cancel-by-staff"
        self.expect(house.as_admin().post(take, {"reason": "because"}), 400, "invalid", ["/reason"])
        self.expect(ann.post(take, {"reason": "examinee.request"}), 403, "forbidden")
        taken = house.as_admin().post(take, {"reason": "environment.room"})
        self.expect_yes(taken, 200, 2)
        self.expect_yes(house.as_admin().post(take, {"reason": "other"}), 200, 2)
        self.assertEqual(self.shown(ann, seat, taken)["state"], "cancelled")
        self.assertEqual(self.read(ann, "/calendar", taken)["items"], [])
        wait_until("offered", lambda: self.shown(bob, waits, taken)["state"] == "offered", 30)
        decided = [each for each in read_whole_ledger(house.stack).decisions if each["stream"] == seat and each["kind"] == "commit"]
        self.assertEqual([decided[1]["role"], *((event["type"], event["payload"][3]) for event in decided[1]["events"])],
                         ["admin", ("reservation_cancelled_by_staff", "environment.room")])

    def test_a_slot_is_closed_and_cancelled(self):
        exam = house.exam(lead_time_minutes=60)
        slot, other = (house.slot(exam, capacity=2, starts_at=at(days=9, hours=hours)) for hours in (0, 6))
        ann, bob, tom = (house.tenant.student().client(house.node) for _ in range(3))
        admin, teacher = house.as_admin(), house.as_teacher()
        anns = self.expect_yes(ann.post(f"/slots/{slot}/reservations"), 201, 1)
        bobs = self.expect_yes(bob.post(f"/slots/{slot}/holds"), 201, 1)
        toms = self.expect_yes(tom.post(f"/slots/{slot}/waitlist"), 201, 1, "reservations")
        closed = teacher.post(f"/slots/{slot}/close")
        self.expect_yes(closed, 200, 3)
        self.expect_yes(teacher.post(f"/slots/{slot}/close"), 200, 3)
        shown = self.read(tom, f"/slots/{slot}", closed)
        self.assertEqual([shown[name] for name in ("state", "taken_count", "waiting_count", "left_count")], ["closed", 2, 1, 0])
        self.expect_no(house.tenant.student().client(house.node).post(f"/slots/{slot}/reservations"), 409, "slot-closed")
        self.expect_yes(bob.post(f"/reservations/{bobs}/confirm-hold"), 200, 2)
        self.expect(teacher.post(f"/slots/{slot}/cancel", {}), 400, "invalid", ["/reason"])
        off = admin.post(f"/slots/{slot}/cancel", {"reason": "environment.emergency"})
        self.expect_yes(off, 200, 4)
        self.expect_yes(ann.post(f"/slots/{other}/reservations"), 201, 1)
        self.expect_no(bob.post(f"/reservations/{bobs}/cancel"), 409, "reservation-not-live")
        self.expect_no(bob.post(f"/slots/{slot}/reservations"), 409, "slot-cancelled")
        for student, seat in ((ann, anns), (bob, bobs), (tom, toms)):
            wait_until("cancelled", lambda student=student, seat=seat: self.shown(student, seat, off)["state"] == "cancelled", 30)
        wait_until("none left", lambda: self.read(admin, f"/slots/{slot}", off)["left_count"] == 0, 30)
        shown = self.read(admin, f"/slots/{slot}", off)
        self.assertEqual([shown[name] for name in ("state", "taken_count", "waiting_count")], ["cancelled", 0, 0])
        self.assertIn(slot, [row["id"] for row in admin.all(f"/slots?state=cancelled&exam_id={exam}")])
        decided = [each for each in read_whole_ledger(house.stack).decisions
                   if each["kind"] == "commit" and each["stream"] in (anns, bobs, toms) and each["role"] == "system"]
        self.assertEqual({(each["stream"], event["type"], event["payload"][3]) for each in decided for event in each["events"]},
                         {(seat, "reservation_cancelled_with_slot", "environment.emergency") for seat in (anns, bobs, toms)})

    def test_an_exam_is_withdrawn(self):
        exam = house.exam(lead_time_minutes=60)
        slots = [house.slot(exam, capacity=2, starts_at=at(days=9, hours=hours)) for hours in (0, 6)]
        ann, teacher = house.tenant.student().client(house.node), house.as_teacher()
        seat = self.expect_yes(ann.post(f"/slots/{slots[1]}/reservations"), 201, 1)
        withdraw = f"/exams/{exam}/withdraw"
        booked = self.expect_no(teacher.post(withdraw, {"reason": "staff.schedule"}), 409, "exam-is-booked")
        self.assertIn(slots[1], booked.json["detail"])
        self.expect(teacher.post(withdraw, {"reason": "staff.schedule", "cancel_slots": "yes"}), 400, "invalid", ["/cancel_slots"])
        gone = teacher.post(withdraw, {"reason": "staff.schedule", "cancel_slots": True})
        self.expect_yes(gone, 200, 3)
        self.expect_yes(teacher.post(withdraw, {"reason": "other"}), 200, 3)
        self.expect_no(ann.post(f"/slots/{slots[0]}/reservations"), 409, "slot-cancelled")
        self.expect_no(teacher.post("/slots", {"exam_id": exam, "starts_at": at(days=3), "capacity": 5}), 409, "exam-withdrawn")
        self.expect_no(teacher.post(f"/exams/{exam}/publish"), 409, "exam-withdrawn")
        self.assertTrue(self.read(teacher, f"/exams/{exam}", gone)["withdrawn"])
        wait_until("cancelled", lambda: self.shown(ann, seat, gone)["state"] == "cancelled", 30)
        wait_until("off", lambda: {row["state"] for row in teacher.all(f"/slots?exam_id={exam}")} == {"cancelled"}, 30)

    def test_proctors_mark_who_came(self):
        starts_at = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=8)).isoformat().replace("+00:00", "Z")
        slot, other = house.slot(capacity=3, starts_at=starts_at), house.slot(starts_at=at(days=5))
        students = [house.tenant.student().client(house.node) for _ in range(2)]
        ann, bob = students
        anns, bobs = (self.expect_yes(student.post(f"/slots/{slot}/reservations"), 201, 1) for student in students)
        kim_id = str(uuid.uuid4())
        kim = house.client(house.tenant.token(kim_id, ["proctor"]))
        self.expect_no(kim.post(f"/reservations/{anns}/mark-attended"), 404, "no-such-reservation")
        self.assertEqual(kim.get(f"/slots/{slot}").status, 404)
        assigned = house.as_teacher().post(f"/slots/{slot}/assign-proctor", {"proctor_id": kim_id})
        self.expect_yes(assigned, 200, 2)
        self.expect_yes(house.as_teacher().post(f"/slots/{slot}/assign-proctor", {"proctor_id": kim_id}), 200, 2)
        self.assertEqual([row["id"] for row in self.read(kim, "/slots", assigned)["items"]], [slot])
        self.assertEqual({row["id"] for row in self.read(kim, "/reservations", assigned)["items"]}, {anns, bobs})
        self.assertEqual([row["proctor_id"] for row in self.read(house.as_teacher(), f"/slots/{slot}/proctors", assigned)["items"]], [kim_id])
        self.assertEqual([row["id"] for row in self.read(house.as_admin(), f"/slots?proctor_id={kim_id}", assigned)["items"]], [slot])
        self.expect(kim.post(f"/reservations/{bobs}/mark-no-show", {}), 400, "invalid", ["/reason"])
        away = f"/reservations/{bobs}/mark-no-show", {"reason": "examinee.absent"}
        later = self.expect_yes(ann.post(f"/slots/{other}/reservations"), 201, 1)
        self.expect_no(house.as_admin().post(f"/reservations/{later}/mark-attended"), 409, "sitting-not-begun")
        wait_until("begun", lambda: kim.post(*away).status == 200, 30)
        self.expect_yes(kim.post(f"/reservations/{anns}/mark-attended"), 200, 2)
        came = kim.post(f"/reservations/{bobs}/mark-attended")
        self.expect_yes(came, 200, 3)
        self.assertEqual(self.shown(bob, bobs, came)["state"], "attended")
        self.expect_yes(kim.post(*away), 200, 4)
        self.expect_no(ann.post(f"/reservations/{anns}/cancel"), 409, "reservation-not-live")
        shown = self.read(house.as_admin(), "/reservations?state=no-show", kim.post(*away))["items"]
        self.assertIn(bobs, [row["id"] for row in shown])
        gone = house.as_admin().post(f"/slots/{slot}/release-proctor", {"proctor_id": kim_id})
        self.expect_yes(gone, 200, 3)
        self.assertEqual(self.read(kim, "/slots", gone)["items"], [])
        self.expect_no(kim.post(f"/reservations/{anns}/mark-no-show", {"reason": "other"}), 404, "no-such-reservation")
        self.assertEqual(self.read(ann, f"/slots/{other}", gone)["state"], "open")

    def test_an_office_sets_how_long_a_seat_is_held(self):
        tenant = house.stack.tenant(house.node)
        admin, student = tenant.admin.client(house.node), tenant.student().client(house.node)
        self.expect(admin.post("/set-rules", {"hold_minutes": 1441}), 400, "invalid", ["/hold_minutes"])
        self.expect_yes(admin.post("/set-rules", {"hold_minutes": 60}), 200, 3)
        self.expect_yes(admin.post("/set-rules", {"hold_minutes": 60}), 200, 3)
        held = student.post(f"/slots/{tenant.slot(house.node, tenant.exam(house.node))}/holds")
        shown = self.shown(student, self.expect_yes(held, 201, 1), held)
        runs_out_in = datetime.datetime.fromisoformat(shown["expires_at"].replace("Z", "+00:00")) - datetime.datetime.now(datetime.timezone.utc)
        self.assertGreater(runs_out_in, datetime.timedelta(minutes=55))
        self.expect_yes(admin.post("/set-rules", {}), 200, 4)

    def test_after_the_lead_time_no_student_cancels(self):
        exam = house.exam(lead_time_minutes=24 * 60)
        slot = house.slot(exam, starts_at=at(hours=5))
        student = house.tenant.student().client(house.node)
        seat = self.expect_yes(student.post(f"/slots/{slot}/reservations"), 201, 1)
        self.expect_no(student.post(f"/reservations/{seat}/cancel"), 409, "cancel-too-late")

    def test_a_student_acts_only_for_themselves(self):
        slot = house.slot()
        ann, bob = (house.tenant.student().client(house.node) for _ in range(2))
        seat = self.expect_yes(ann.post(f"/slots/{slot}/reservations"), 201, 1)
        self.expect_no(bob.post(f"/reservations/{seat}/cancel"), 404, "no-such-reservation")
        self.expect(bob.post(f"/slots/{slot}/reservations", {"student_id": str(uuid.uuid4())}), 400, "invalid", ["/student_id"])
        self.expect_yes(ann.post(f"/reservations/{seat}/cancel"), 200, 2)

    def test_another_teachers_exam_does_not_exist(self):
        exam = house.exam()
        slot = house.slot(exam)
        other = house.client(house.tenant.token(str(uuid.uuid4()), ["teacher"]))
        draft = {"title": "Mine now", "duration_minutes": 10}
        opened = {"exam_id": exam, "starts_at": at(days=3), "capacity": 5}
        self.expect_no(other.post(f"/exams/{exam}/revise-draft", draft), 404, "no-such-exam")
        self.expect_no(other.post(f"/exams/{exam}/publish"), 404, "no-such-exam")
        self.expect_no(other.post("/slots", opened), 404, "no-such-exam")
        self.expect_no(other.post(f"/slots/{slot}/change-capacity", {"capacity": 5}), 404, "no-such-slot")
        # An admin runs the slots of every exam, also one who teaches.
        for roles in (["admin"], ["teacher", "admin"], ["student", "admin", "teacher"]):
            admin = house.client(house.tenant.token(str(uuid.uuid4()), roles))
            self.expect_yes(admin.post("/slots", opened), 201, 2, "slots")

    def test_the_defaults_of_a_draft(self):
        teacher = house.as_teacher()
        answer = teacher.post("/exams", {"title": "x", "duration_minutes": 1440})
        self.expect_yes(answer, 201, 1)
        shown = self.read(teacher, f"/exams/{answer.json['id']}", answer)
        self.assertEqual([shown[f"draft_{name}"] for name in ("title", "lead_time_minutes", "buffer_minutes")],
                         ["x", 1440, 0])
        self.assertIsNone(shown["published_number"])


class IfMatchTest(AnswerCase):
    def test_the_version_that_the_route_names(self):
        slot, teacher = house.slot(), house.as_teacher()

        def change(capacity, tag, key=None):
            return teacher.post(f"/slots/{slot}/change-capacity", {"capacity": capacity}, key=key, headers={"If-Match": tag})

        self.expect_yes(change(40, '"2"'), 200, 3)
        key = uuid7()
        stale = self.expect_no(change(41, '"1"', key), 412, "version-mismatch")
        repeated = self.expect_no(change(41, '"1"', key), 412, "version-mismatch")
        self.assertEqual(repeated.headers["Idempotency-Replayed"], "true")
        self.assertEqual(repeated.position, stale.position)
        self.assertIn(key, read_whole_ledger(house.stack).positions[stale.position])
        self.expect_yes(change(41, "*"), 200, 4)
        for tag in ('W/"3"', '"03"', '"three"', '"300000000000"', '""'):
            with self.subTest(tag):
                self.expect_no(change(42, tag), 412, "version-mismatch")
        for tag in ("3", '"3', "'3'", '"1", "3"', '"3" "3"'):
            with self.subTest(tag):
                self.expect(change(42, tag), 400, "malformed")
        student = house.tenant.student().client(house.node)  # The last id of this route is the slot's.
        self.expect_no(student.post(f"/slots/{slot}/reservations", headers={"If-Match": '"2"'}), 412, "version-mismatch")
        self.expect_yes(student.post(f"/slots/{slot}/reservations", headers={"If-Match": '"4"'}), 201, 1)

    def test_what_does_not_exist_is_404(self):
        answer = house.as_teacher().post(f"/exams/{uuid.uuid4()}/publish", headers={"If-Match": '"1"'})
        self.expect_no(answer, 404, "no-such-exam")


class IdempotencyTest(AnswerCase):
    def expect_repeat(self, first, second):
        self.assertEqual((second.status, second.position), (first.status, first.position))
        self.assertEqual({**second.json, "instance": None}, {**first.json, "instance": None})
        for name in ("ETag", "Location", "Idempotency-Key", "Content-Type"):
            self.assertEqual(second.headers[name], first.headers[name])
        self.assertNotIn("Idempotency-Replayed", first.headers)
        self.assertEqual(second.headers["Idempotency-Replayed"], "true")

    def test_a_repeat_gets_the_first_answer(self):
        slot, key, refused, unchanged = house.slot(capacity=1), uuid7(), uuid7(), uuid7()
        actors = house.tenant.student(), house.tenant.student(), house.tenant.teacher

        def ask():
            ann, bob, teacher = (actor.client(house.node) for actor in actors)
            return [ann.post(f"/slots/{slot}/reservations", {}, key=key), bob.post(f"/slots/{slot}/reservations", key=refused),
                    teacher.post(f"/slots/{slot}/change-capacity", {"capacity": 1}, key=unchanged)]

        first = ask()
        self.expect_yes(first[0], 201, 1)
        self.expect_no(first[1], 409, "slot-full")
        self.expect_yes(first[2], 200, 2)
        for one, other in zip(first, ask()):
            self.expect_repeat(one, other)
        # An older answer stays true although the world has moved on.
        cancelled = actors[0].client(house.node).post(f"/reservations/{first[0].json['id']}/cancel")
        self.expect_yes(cancelled, 200, 2)
        for one, other in zip(first, ask()):
            self.expect_repeat(one, other)
        self.assertEqual(house.node.terminate(), 0)
        house.node.start()
        for one, other in zip(first, ask()):
            self.expect_repeat(one, other)
        house.node.kill()
        house.node.start()
        for one, other in zip(first, ask()):
            self.expect_repeat(one, other)

    def test_the_key_may_be_quoted_and_of_either_case(self):
        slot, key = house.slot(), uuid7()
        student = house.tenant.student().client(house.node)
        first = student.post(f"/slots/{slot}/reservations", key=key)
        self.assertEqual(first.headers["Idempotency-Key"], key)
        for spelled in (f'"{key}"', key.upper(), f" {key} "):
            self.expect_repeat(first, student.post(f"/slots/{slot}/reservations", key=spelled))

    def test_without_a_key_the_server_makes_one(self):
        slot = house.slot()
        student = house.tenant.student().client(house.node)
        first = student.post(f"/slots/{slot}/reservations")
        key = first.headers["Idempotency-Key"]
        self.assertEqual(uuid.UUID(key).version, 7)
        self.assertLess(abs((uuid.UUID(key).int >> 80) / 1000 - time.time()), 60)
        self.expect_repeat(first, student.post(f"/slots/{slot}/reservations", key=key))

    def test_a_key_is_good_for_one_request(self):
        slot, other, key = house.slot(), house.slot(), uuid7()
        teacher, path = house.as_teacher(), f"/slots/{slot}/change-capacity"
        self.expect_yes(teacher.post(path, {"capacity": 31}, key=key), 200, 3)
        for name, answer in {
            "body": teacher.post(path, {"capacity": 32}, key=key),
            "if-match": teacher.post(path, {"capacity": 31}, key=key, headers={"If-Match": '"1"'}),
            "target": teacher.post(f"/slots/{other}/change-capacity", {"capacity": 31}, key=key),
            "route": teacher.post("/exams", {"title": "x", "duration_minutes": 5}, key=key),
        }.items():
            with self.subTest(name):
                self.expect(answer, 422, "idempotency-key-reused")
                self.assertIsNone(answer.position)  # It says nothing about the earlier request.
                self.assertNotIn("Idempotency-Replayed", answer.headers)
        spelled = b'{ "capacity":\n31 }'  # The same fields, though other bytes.
        self.assertEqual(teacher.post(path, spelled, key=key).headers["Idempotency-Replayed"], "true")

    def test_a_refused_key_is_not_free_for_another_body(self):
        slot, key = house.slot(), uuid7()
        path = f"/slots/{slot}/change-capacity"
        teacher = house.as_teacher()
        self.expect_no(teacher.post(path, {"capacity": 31}, key=key, headers={"If-Match": '"9"'}), 412, "version-mismatch")
        self.expect(teacher.post(path, {"capacity": 31}, key=key), 422, "idempotency-key-reused")

    def test_keys_are_the_actors_own(self):
        slot, key = house.slot(), uuid7()
        ann, bob = (house.tenant.student().client(house.node) for _ in range(2))
        first = ann.post(f"/slots/{slot}/reservations", key=key)
        self.expect_yes(first, 201, 1)
        second = bob.post(f"/slots/{slot}/reservations", key=key)
        self.expect_yes(second, 201, 1)
        self.assertNotEqual(second.json["id"], first.json["id"])
        self.assertNotIn("Idempotency-Replayed", second.headers)

    def test_what_is_turned_away_at_the_door_leaves_the_key_free(self):
        slot, key = house.slot(), uuid7()
        path, teacher = f"/slots/{slot}/change-capacity", house.as_teacher()
        self.expect(teacher.post(path, {"capacity": 0}, key=key), 400, "invalid", ["/capacity"])
        self.expect_yes(teacher.post(path, {"capacity": 1}, key=key), 200, 3)

    def test_the_window_of_a_key(self):
        slot = house.slot()
        for key, status, problem in (
            (uuid7_at(hours=-25), 409, "command-id-too-old"), (uuid7_at(hours=-24 * 365 * 20), 409, "command-id-too-old"),
            (uuid7_at(minutes=6), 409, "command-id-from-future"), ("ffffffff-ffff-7fff-bfff-ffffffffffff", 409,
                                                                   "command-id-from-future"),
            (uuid7_at(minutes=4), 201, None), (uuid7_at(hours=-23), 201, None),
        ):
            with self.subTest(key):
                answer = house.tenant.student().client(house.node).post(f"/slots/{slot}/reservations", key=key)
                self.expect(answer, status, problem)
                self.assertEqual(answer.position is None, status == 409)

    def test_what_is_no_key(self):
        slot, key = house.slot(), uuid7()
        student = house.tenant.student().client(house.node)
        for wrong in (str(uuid.uuid4()), str(uuid.uuid1()), "1", "", '""', key[:-1], key + "0", key.replace("-", ""), f"{{{key}}}",
                      f'"{key}', f"urn:uuid:{key}", f"{key},{key}", str(uuid.UUID(int=0)),
                      str(uuid.UUID(int=uuid.UUID(key).int & ~(3 << 62)))):
            with self.subTest(wrong):
                self.expect(student.post(f"/slots/{slot}/reservations", key=wrong), 400, "idempotency-key-invalid")


class OthersTest(AnswerCase):
    def test_another_persons_things(self):
        slot, ann, bob = house.slot(), house.tenant.student(), house.tenant.student()
        answer = ann.client(house.node).post(f"/slots/{slot}/reservations")
        seat = self.expect_yes(answer, 201, 1)
        headers = {"Pw-Min-Position": answer.position, "Prefer": "wait=10"}
        other = house.client(house.tenant.token(str(uuid.uuid4()), ["teacher"]))
        for name, client, status in (("own", ann.client(house.node), 200), ("student", bob.client(house.node), 404),
                                     ("teacher", house.as_teacher(), 200), ("other teacher", other, 404),
                                     ("admin", house.as_admin(), 200)):
            with self.subTest(name):
                self.expect(client.get(f"/reservations/{seat}", headers=headers), status, "not-found" if status == 404 else None)
                listed = [item["id"] for item in client.all(f"/reservations?slot_id={slot}", headers=headers)]
                self.assertEqual(listed, [seat] if status == 200 else [])
        for name, value in (("student_id", bob.id), ("student_id", ann.id)):
            self.expect(bob.client(house.node).get(f"/reservations?{name}={value}"), 400, "invalid", [f"/{name}"])


if __name__ == "__main__":
    unittest.main()
