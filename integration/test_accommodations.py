"""More time from outside: what is granted, what becomes of what is booked, and who is shown what."""

import datetime
import unittest

from integration.harness import at
from integration.house_case import AnswerCase, House
from integration.proof import Proof

house = House()
ALWAYS = {"valid_from": at(days=-1), "valid_until": at(days=400)}


def setUpModule():
    house.start()


def moment(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


class AccommodationTest(AnswerCase):
    def slot(self, exam, days, hard_end_minutes=None, capacity=5):
        """A slot at noon, some days from now; with a hard end so many minutes after its start."""
        starts_at = moment(at(days=days)[:11] + "12:00:00Z")
        body = {"exam_id": exam, "starts_at": starts_at.isoformat(), "capacity": capacity}
        if hard_end_minutes is not None:
            body["hard_end_at"] = (starts_at + datetime.timedelta(minutes=hard_end_minutes)).isoformat()
        answer = house.as_teacher().post("/slots", body)
        return self.expect_yes(answer, 201, 2 if hard_end_minutes is None else 3, "slots")  # With its reminder, which is days before.

    def grant(self, student, status=201, **content):
        return self.expect_yes(house.as_admin().post(f"/students/{student.id}/accommodations", {**ALWAYS, **content}), status, 1,
                               "accommodations")

    def shown(self, client, path, answer):
        return self.expect(client.get(path, headers={"Pw-Min-Position": answer.position, "Prefer": "wait=10"}), 200).json

    def sitting(self, client, seat, answer):
        """(minutes, version, why a replacement is needed or None) of a reservation, no older than the answer."""
        item = self.shown(client, f"/reservations/{seat}", answer)
        self.assertEqual(item["needs_replacement"], item["replacement_reason"] is not None)
        minutes = (moment(item["ends_at"]) - moment(item["starts_at"])) / datetime.timedelta(minutes=1)
        return minutes, item["version"], item["replacement_reason"]

    def test_what_is_booked_afterwards_is_longer(self):
        exam, admin, student = house.exam(duration_minutes=45, buffer_minutes=15), house.as_admin(), house.tenant.student()
        own = student.client(house.node)
        narrow, wide = self.slot(exam, 20, hard_end_minutes=60), self.slot(exam, 21, hard_end_minutes=72)
        self.grant(student, factor_percent=125, rest_break_minutes=15)  # 45 minutes become 56.25, so 57.
        refused = self.expect_no(own.post(f"/slots/{narrow}/reservations"), 409, "accommodation-does-not-fit")
        self.assertIn("12", refused.json["detail"])
        self.expect_no(own.post(f"/slots/{narrow}/holds"), 409, "accommodation-does-not-fit")
        answer = own.post(f"/slots/{wide}/reservations")
        seat = self.expect_yes(answer, 201, 1, "reservations")
        self.assertEqual(self.sitting(own, seat, answer), (72, 1, None))
        self.expect_no(own.post(f"/reservations/{seat}/reschedule", {"slot_id": narrow}), 409, "accommodation-does-not-fit")
        entry = self.shown(own, "/calendar", answer)["items"][0]
        self.assertEqual(moment(entry["free_again_at"]) - moment(entry["starts_at"]), datetime.timedelta(minutes=87))
        self.assertEqual(moment(self.shown(admin, f"/slots/{wide}", answer)["hard_end_at"]) - moment(entry["starts_at"]),
                         datetime.timedelta(minutes=72))

    def test_what_is_booked_already_follows(self):
        exam, admin, student = house.exam(), house.as_admin(), house.tenant.student()
        own, slot = student.client(house.node), self.slot(exam, 30, hard_end_minutes=90)
        seat = self.expect_yes(own.post(f"/slots/{slot}/reservations"), 201, 1)
        more = self.grant(student, factor_percent=150)
        wanted = {"factor_percent": 151, **ALWAYS}
        answer = admin.post(f"/accommodations/{more}/revise", wanted)
        self.expect_yes(answer, 200, 2)
        self.assertEqual(self.sitting(own, seat, answer), (90, 3, "hard-end"))
        listed = self.shown(admin, f"/reservations?needs_replacement=true&student_id={student.id}", answer)["items"]
        self.assertEqual([item["id"] for item in listed], [seat])
        self.assertEqual(self.shown(admin, f"/reservations?needs_replacement=false&student_id={student.id}", answer)["items"], [])
        self.expect_yes(admin.post(f"/accommodations/{more}/revise", wanted), 200, 2)  # Nothing new.
        wide = self.slot(exam, 31)
        answer = own.post(f"/reservations/{seat}/reschedule", {"slot_id": wide})
        self.expect_yes(answer, 200, 4)
        self.assertEqual(self.sitting(own, seat, answer), (91, 4, None))
        answer = admin.post(f"/accommodations/{more}/revoke")
        self.expect_yes(answer, 200, 3)
        self.assertEqual(self.sitting(own, seat, answer), (60, 5, None))
        self.expect_yes(admin.post(f"/accommodations/{more}/revoke"), 200, 3)
        self.expect_no(admin.post(f"/accommodations/{more}/revise", wanted), 409, "accommodation-over")

    def test_the_office_moves_who_needs_a_replacement(self):
        exam, admin, student = house.exam(lead_time_minutes=60 * 24 * 40), house.as_admin(), house.tenant.student()
        own, slot, narrow, wide = student.client(house.node), *(self.slot(exam, 30, hard_end_minutes=minutes) for minutes in (60, 89, 90))
        seat = self.expect_yes(own.post(f"/slots/{slot}/reservations"), 201, 1)
        self.grant(student, factor_percent=150)
        listed = admin.all(f"/reservations?needs_replacement=true&student_id={student.id}", headers={
            "Pw-Min-Position": own.post(f"/reservations/{seat}/reschedule", {"slot_id": wide}).position, "Prefer": "wait=10"})
        self.assertEqual([(item["id"], item["replacement_reason"]) for item in listed], [(seat, "hard-end")])  # It is too late for them.
        move = f"/reservations/{seat}/reschedule-by-staff"
        self.expect_no(admin.post(move, {"slot_id": narrow, "reason": "staff.schedule"}), 409, "accommodation-does-not-fit")
        answer = admin.post(move, {"slot_id": wide, "reason": "staff.schedule"})
        self.expect_yes(answer, 200, 3)
        self.assertEqual(self.sitting(own, seat, answer), (90, 3, None))
        self.assertEqual(self.shown(own, f"/reservations/{seat}", answer)["slot_id"], wide)
        self.assertEqual(self.shown(admin, f"/reservations?needs_replacement=true&student_id={student.id}", answer)["items"], [])

    def test_another_exam_of_the_day(self):
        student = house.tenant.student()
        own, slot = student.client(house.node), self.slot(house.exam(), 40)
        seat = self.expect_yes(own.post(f"/slots/{slot}/reservations"), 201, 1)
        next_exam = house.exam()
        starts_at = at(days=40)[:11] + "13:00:00Z"
        next_slot = house.slot(next_exam, starts_at=starts_at)
        next_seat = self.expect_yes(own.post(f"/slots/{next_slot}/reservations"), 201, 1)
        answer = house.as_admin().post(f"/students/{student.id}/accommodations", {"factor_percent": 100, "fixed_minutes": 1, **ALWAYS})
        more = self.expect_yes(answer, 201, 1)
        self.assertEqual(self.sitting(own, seat, answer), (60, 2, "calendar"))
        self.assertEqual(self.sitting(own, next_seat, answer), (61, 2, None))
        self.expect_yes(own.post(f"/reservations/{next_seat}/cancel"), 200, 3)
        answer = house.as_admin().post(f"/accommodations/{more}/revise", {"factor_percent": 100, "fixed_minutes": 1, **ALWAYS})
        self.expect_yes(answer, 200, 2)  # The same again: there is room now.
        self.assertEqual(self.sitting(own, seat, answer), (61, 3, None))

    def test_an_offer_is_accepted_as_long_as_is_granted(self):
        slot, first, student = self.slot(house.exam(), 50, capacity=1), house.tenant.student(), house.tenant.student()
        taken = self.expect_yes(first.client(house.node).post(f"/slots/{slot}/reservations"), 201, 1)
        own = student.client(house.node)
        place = self.expect_yes(own.post(f"/slots/{slot}/waitlist"), 201, 1)
        self.grant(student, factor_percent=200)
        answer = first.client(house.node).post(f"/reservations/{taken}/cancel")
        self.expect_yes(answer, 200, 2)
        answer = own.post(f"/reservations/{place}/accept-offer")
        self.expect_yes(answer, 200, 4)  # Offered by then; accepted, and longer than the slot says.
        self.assertEqual(self.sitting(own, place, answer), (120, 4, None))

    def test_refusals(self):
        admin, student = house.as_admin(), house.tenant.student()
        path = f"/students/{student.id}/accommodations"
        self.expect(admin.post(path, {"factor_percent": 99, "valid_from": "soon"}), 400, "invalid",
                    ["/factor_percent", "/valid_from", "/valid_until"])
        self.expect_no(admin.post(path, {"factor_percent": 125, "valid_from": at(days=2), "valid_until": at(days=1)}), 409,
                       "accommodation-never-valid")
        more = self.grant(student, factor_percent=125)
        overlaps = self.expect_no(admin.post(path, {"factor_percent": 125, **ALWAYS}), 409, "accommodation-overlaps")
        self.assertIn(more, overlaps.json["detail"])
        self.expect_no(admin.post(f"/accommodations/{student.id}/revoke"), 404, "no-such-accommodation")
        self.expect_no(house.as_teacher().post("/slots", {"exam_id": house.exam(), "starts_at": at(days=9), "capacity": 1,
                                                          "hard_end_at": at(days=9)}), 409, "hard-end-too-early")

    def test_who_is_shown_what(self):
        ann, bob, admin = house.tenant.student(), house.tenant.student(), house.as_admin()
        body = {"factor_percent": 125, "fixed_minutes": 5, "rest_break_minutes": 10, "valid_from": at(days=1), "valid_until": at(days=2)}
        first = self.expect_yes(admin.post(f"/students/{ann.id}/accommodations", body), 201, 1)
        answer = admin.post(f"/students/{ann.id}/accommodations", body | {"valid_from": at(days=3), "valid_until": at(days=4)})
        second = self.expect_yes(answer, 201, 1)
        shown = self.shown(ann.client(house.node), f"/accommodations/{first}", answer)
        self.assertEqual({name: shown[name] for name in ("student_id", "state", "factor_percent", "fixed_minutes", "rest_break_minutes")},
                         {"student_id": ann.id, "state": "granted", "factor_percent": 125, "fixed_minutes": 5, "rest_break_minutes": 10})
        self.assertEqual(moment(shown["valid_from"]), moment(body["valid_from"]))
        answer = admin.post(f"/accommodations/{second}/revoke")
        for client, query, wanted in (
            (ann.client(house.node), "", {first, second}), (bob.client(house.node), "", set()),
            (admin, f"?student_id={ann.id}", {first, second}), (admin, f"?student_id={bob.id}", set()),
            (admin, f"?student_id={ann.id}&state=revoked", {second}),
            (admin, f"?student_id={ann.id}&valid_at={body['valid_from']}", {first}),
            (admin, f"?student_id={ann.id}&valid_at={body['valid_until']}", set()),
        ):
            with self.subTest(query):
                listed = self.shown(client, f"/accommodations{query}", answer)["items"]
                self.assertEqual({item["id"] for item in listed}, wanted)
        self.expect(bob.client(house.node).get(f"/accommodations/{first}"), 404, "not-found")
        self.expect(ann.client(house.node).get(f"/accommodations?student_id={ann.id}"), 400, "invalid", ["/student_id"])

    def test_zz_all_of_it_is_on_record(self):
        """By the independent reader, and by what it makes of every list."""
        proof = Proof(house.stack)
        self.assertTrue(proof.check_bookings().slots)
        proof.check_read_models(house.node, [house.tenant])


if __name__ == "__main__":
    unittest.main()
