"""The judge of histories is judged: what one clerk could have answered passes, and what none could have does not."""

import tempfile
import unittest
from pathlib import Path

from integration.faults.linear import judge


def history(*rows, capacity=1):
    """Rows of student, kind, reservation, first sent, answered, result."""
    return [{"slot": "S", "capacity": capacity, "student": student, "kind": kind, "reservation": reservation, "call_ns": sent,
             "return_ns": answered, "result": result} for student, kind, reservation, sent, answered, result in rows]


GOOD = {
    "one after another": history(("ann", "reserve", "a", 1, 2, "yes"), ("bob", "reserve", "", 3, 4, "slot-full"),
                                 ("ann", "cancel", "a", 5, 6, "yes"), ("bob", "reserve", "b", 7, 8, "yes")),
    "at the same time, in either order": history(("ann", "reserve", "a", 1, 9, "yes"), ("ann", "cancel", "a", 10, 20, "yes"),
                                                 ("bob", "reserve", "b", 11, 19, "yes")),
    "a second seat is refused": history(("ann", "reserve", "a", 1, 2, "yes"), ("ann", "reserve", "", 3, 4, "already-booked")),
    "cancelled twice": history(("ann", "reserve", "a", 1, 2, "yes"), ("ann", "cancel", "a", 3, 4, "yes"),
                               ("ann", "cancel", "a", 5, 6, "reservation-not-live")),
    "a booking without an answer took place": history(("ann", "reserve", "", 1, 0, ""), ("bob", "reserve", "", 3, 4, "slot-full")),
    "a booking without an answer did not": history(("ann", "reserve", "", 1, 0, ""), ("bob", "reserve", "b", 3, 4, "yes")),
    "a cancelling without an answer took place later": history(
        ("ann", "reserve", "a", 1, 2, "yes"), ("ann", "cancel", "a", 3, 0, ""), ("bob", "reserve", "", 4, 5, "slot-full"),
        ("bob", "reserve", "b", 6, 7, "yes")),
}
BAD = {
    "one seat sold twice": history(("ann", "reserve", "a", 1, 2, "yes"), ("bob", "reserve", "b", 3, 4, "yes")),
    "sold twice at the same time": history(("ann", "reserve", "a", 1, 9, "yes"), ("bob", "reserve", "b", 1, 9, "yes")),
    "refused before it was full": history(("bob", "reserve", "", 1, 2, "slot-full"), ("ann", "reserve", "a", 3, 4, "yes")),
    "refused by a zombie, after a seat was given back": history(
        ("ann", "reserve", "a", 1, 2, "yes"), ("ann", "cancel", "a", 3, 4, "yes"), ("bob", "reserve", "", 5, 6, "slot-full")),
    "cancelled twice, both with yes": history(("ann", "reserve", "a", 1, 2, "yes"), ("ann", "cancel", "a", 3, 4, "yes"),
                                              ("ann", "cancel", "a", 5, 6, "yes")),
    "a booking that was forgotten": history(("ann", "reserve", "a", 1, 2, "yes"), ("ann", "cancel", "a", 3, 4, "reservation-not-live")),
    "a problem that a slot cannot have": history(("ann", "reserve", "", 1, 2, "calendar-conflict")),
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
                self.assertEqual(self.judged(operations)["violated"], ["S"])

    def test_slots_are_judged_alone(self):
        bad = [operation | {"slot": "T"} for operation in BAD["one seat sold twice"]]
        self.assertEqual(self.judged(GOOD["one after another"] + bad)["violated"], ["T"])


if __name__ == "__main__":
    unittest.main()
