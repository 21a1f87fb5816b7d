"""The judge of histories is judged: what one clerk could have answered passes, and what none could have does not."""

import tempfile
import unittest
from pathlib import Path

from integration.faults.linear import judge


def history(*rows, seats=1):
    """Rows of student, what was asked, reservation, first sent, answered, result, and more of the operation where there is more to say:
    about slot S, or a reservation, of exam X, which has a slot T, too."""
    return [{"exam": "X", "slot": "S", "seats": seats, "to": "", "to_seats": 0, "student": student, "kind": kind, "reservation": reservation,
             "capacity": 0, "priority": 0, "call_ns": sent, "return_ns": answered, "result": result} | (more[0] if more else {})
            for student, kind, reservation, sent, answered, result, *more in rows]


RESERVE, HOLD, JOIN, CANCEL = "slot-reservations", "slot-holds", "slot-waitlist", "cancel"
IN_T, TO_T = {"slot": "T"}, {"to": "T", "to_seats": 1}
ANN_SITS = ("ann", RESERVE, "a", 1, 2, "yes")
BOB_WAITS, BOB_IS_OFFERED = ("bob", JOIN, "b", 3, 4, "yes"), ("ann", CANCEL, "a", 5, 6, "yes")

GOOD = {
    "one after another": history(ANN_SITS, ("bob", RESERVE, "", 3, 4, "slot-full"), ("ann", CANCEL, "a", 5, 6, "yes"),
                                 ("bob", RESERVE, "b", 7, 8, "yes")),
    "at the same time, in either order": history(("ann", RESERVE, "a", 1, 9, "yes"), ("ann", CANCEL, "a", 10, 20, "yes"),
                                                 ("bob", RESERVE, "b", 11, 19, "yes")),
    "a second seat is refused": history(ANN_SITS, ("ann", RESERVE, "", 3, 4, "already-booked")),
    "cancelled twice": history(ANN_SITS, ("ann", CANCEL, "a", 3, 4, "yes"), ("ann", CANCEL, "a", 5, 6, "reservation-not-live")),
    "a booking without an answer took place": history(("ann", RESERVE, "", 1, 0, ""), ("bob", RESERVE, "", 3, 4, "slot-full")),
    "a booking without an answer did not": history(("ann", RESERVE, "", 1, 0, ""), ("bob", RESERVE, "b", 3, 4, "yes")),
    "a cancelling without an answer took place later": history(
        ANN_SITS, ("ann", CANCEL, "a", 3, 0, ""), ("bob", RESERVE, "", 4, 5, "slot-full"), ("bob", RESERVE, "b", 6, 7, "yes")),
    "a hold is a seat, and is confirmed": history(
        ("ann", HOLD, "a", 1, 2, "yes"), ("bob", HOLD, "", 3, 4, "slot-full"), ("ann", "confirm-hold", "a", 5, 6, "yes")),
    "who waits is offered what is given back": history(
        ANN_SITS, BOB_WAITS, BOB_IS_OFFERED, ("cyd", RESERVE, "", 7, 8, "slot-full"), ("bob", "accept-offer", "b", 9, 10, "yes")),
    "others wait before it": history(ANN_SITS, BOB_WAITS, ("cyd", RESERVE, "", 5, 6, "slot-awaited")),
    "the highest priority comes first": history(
        ANN_SITS, BOB_WAITS, ("cyd", JOIN, "c", 5, 6, "yes"), ("cyd", "prioritise", "c", 7, 8, "yes", {"priority": 1}),
        ("ann", "cancel-by-staff", "a", 9, 10, "yes"), ("bob", "accept-offer", "b", 11, 12, "not-offered"),
        ("cyd", "decline-offer", "c", 13, 14, "yes"), ("bob", "accept-offer", "b", 15, 16, "yes")),
    "who gives an offered seat back is not entitled": history(
        ANN_SITS, BOB_WAITS, BOB_IS_OFFERED, ("bob", "accept-offer", "b", 7, 8, "yes"), ("bob", CANCEL, "b", 9, 10, "yes"),
        ("ann", RESERVE, "a2", 11, 12, "yes"), ("bob", JOIN, "", 13, 14, "not-entitled")),
    "a seat moves, and what it leaves is free": history(
        ANN_SITS, ("ann", "reschedule", "a", 3, 4, "yes", TO_T), ("bob", RESERVE, "b", 5, 6, "yes"),
        ("bob", "reschedule", "b", 7, 8, "slot-full", TO_T), ("ann", RESERVE, "", 9, 10, "exam-already-booked")),
    "more seats are offered": history(ANN_SITS, BOB_WAITS, ("", "slot-change-capacity", "", 5, 6, "yes", {"capacity": 2}),
                                      ("bob", "accept-offer", "b", 7, 8, "yes"),
                                      ("", "slot-change-capacity", "", 9, 10, "capacity-below-taken", {"capacity": 1})),
    "a closed slot offers nothing": history(ANN_SITS, BOB_WAITS, ("", "slot-close", "", 4, 5, "yes"), ("ann", CANCEL, "a", 6, 7, "yes"),
                                            ("bob", "accept-offer", "b", 8, 9, "not-offered"), ("cyd", RESERVE, "", 10, 11, "slot-closed")),
    "a cancelled slot takes everything with it": history(
        ANN_SITS, BOB_WAITS, ("", "slot-cancel", "", 5, 6, "yes"), ("ann", CANCEL, "a", 7, 8, "reservation-not-live"),
        ("bob", "leave-waitlist", "b", 9, 10, "not-waiting"), ("ann", RESERVE, "a2", 11, 12, "yes", IN_T)),
}
BAD = {
    "one seat sold twice": history(ANN_SITS, ("bob", RESERVE, "b", 3, 4, "yes")),
    "sold twice at the same time": history(("ann", RESERVE, "a", 1, 9, "yes"), ("bob", RESERVE, "b", 1, 9, "yes")),
    "refused before it was full": history(("bob", RESERVE, "", 1, 2, "slot-full"), ("ann", RESERVE, "a", 3, 4, "yes")),
    "refused by a zombie, after a seat was given back": history(
        ANN_SITS, ("ann", CANCEL, "a", 3, 4, "yes"), ("bob", RESERVE, "", 5, 6, "slot-full")),
    "cancelled twice, both with yes": history(ANN_SITS, ("ann", CANCEL, "a", 3, 4, "yes"), ("ann", CANCEL, "a", 5, 6, "yes")),
    "a booking that was forgotten": history(ANN_SITS, ("ann", CANCEL, "a", 3, 4, "reservation-not-live")),
    "a problem that a slot cannot have": history(("ann", RESERVE, "", 1, 2, "calendar-conflict")),
    "sold although somebody waits": history(ANN_SITS, BOB_WAITS, BOB_IS_OFFERED, ("cyd", RESERVE, "c", 7, 8, "yes")),
    "offered to the second who waits": history(ANN_SITS, BOB_WAITS, ("cyd", JOIN, "c", 5, 6, "yes"), ("ann", CANCEL, "a", 7, 8, "yes"),
                                               ("cyd", "accept-offer", "c", 9, 10, "yes")),
    "a zombie has not heard of the offer": history(ANN_SITS, BOB_WAITS, BOB_IS_OFFERED, ("bob", "accept-offer", "b", 7, 8, "not-offered")),
    "entitled again": history(
        ANN_SITS, BOB_WAITS, BOB_IS_OFFERED, ("bob", "accept-offer", "b", 7, 8, "yes"), ("bob", CANCEL, "b", 9, 10, "yes"),
        ("ann", RESERVE, "a2", 11, 12, "yes"), ("bob", JOIN, "b2", 13, 14, "yes")),
    "a seat in both slots": history(ANN_SITS, ("ann", RESERVE, "a2", 3, 4, "yes", IN_T)),
    "moved, and the seat is still there": history(ANN_SITS, ("ann", "reschedule", "a", 3, 4, "yes", TO_T),
                                                  ("bob", RESERVE, "", 5, 6, "slot-full")),
    "sold after it was closed": history(("", "slot-close", "", 1, 2, "yes"), ("ann", RESERVE, "a", 3, 4, "yes")),
    "a cancelled slot keeps a seat": history(ANN_SITS, ("", "slot-cancel", "", 3, 4, "yes"), ("ann", CANCEL, "a", 5, 6, "yes")),
    "fewer seats than are taken": history(ANN_SITS, ("bob", RESERVE, "b", 3, 4, "yes"),
                                          ("", "slot-change-capacity", "", 5, 6, "yes", {"capacity": 1}), seats=2),
}


class LinearTest(unittest.TestCase):
    def judged(self, operations):
        with tempfile.TemporaryDirectory() as directory:
            return judge(operations, Path(directory))

    def test_what_one_clerk_could_have_answered(self):
        for name, operations in GOOD.items():
            with self.subTest(name):
                said = self.judged(operations)
                self.assertEqual((said["violated"], said["undecided"], said["operations"]), ([], [], len(operations)))

    def test_what_none_could_have(self):
        for name, operations in BAD.items():
            with self.subTest(name):
                self.assertEqual(self.judged(operations)["violated"], ["X"])

    def test_exams_are_judged_alone(self):
        bad = [operation | {"exam": "Y"} for operation in BAD["one seat sold twice"]]
        self.assertEqual(self.judged(GOOD["one after another"] + bad)["violated"], ["Y"])


if __name__ == "__main__":
    unittest.main()
