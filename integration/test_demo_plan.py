"""What `script/server --demo` is about to send: possible in any order, and the same whenever it is asked for."""

import collections
import datetime
import re
import unittest

from script.demo_plan import EXAMS, STUDENTS, WAITING, Plan


class PlanTest(unittest.TestCase):
    def setUp(self):
        self.plan = Plan(datetime.date(2026, 11, 26))

    def test_a_day_has_one_plan(self):
        self.assertEqual(self.plan.phases, Plan(datetime.date(2026, 11, 26)).phases)
        self.assertNotEqual(self.plan.phases, Plan(datetime.date(2026, 11, 27)).phases)

    def test_everybody_has_an_address_of_their_own(self):
        addresses = {person.email for person in self.plan.staff + self.plan.students}
        self.assertEqual(len(addresses), len(self.plan.staff) + STUDENTS)

    def test_no_room_has_two_slots_at_a_time(self):
        places = collections.Counter((slot.exam.room, slot.starts_at) for slot in self.plan.slots.values())
        self.assertEqual(max(places.values()), 1)
        self.assertEqual(len({exam.room for exam in EXAMS}), 12)

    def test_nobody_sits_two_slots_at_a_time(self):
        for slot in self.plan.slots.values():
            beside = [other for other in self.plan.slots.values() if other is not slot and other.session == slot.session]
            self.assertFalse(set(slot.taken) & {student for other in beside for student in other.taken})

    def test_the_full_slots_are_full_and_no_others(self):
        self.assertEqual({name for name, slot in self.plan.slots.items() if len(slot.taken) == slot.capacity}, set(WAITING))

    def test_seats_suffice_in_whichever_order_students_come(self):
        chains = dict(self.plan.phases)["bookings"]
        asked = collections.Counter(slot for chain in chains for step in chain for slot in re.findall(
            r"^/slots/<(.*)>/", step.path) + re.findall("<(.*)>", step.body.get("slot_id", "")))
        self.assertEqual({name: count for name, count in asked.items() if count > self.plan.slots[name].capacity}, {})

    def test_exams_are_on_working_days_that_are_ahead(self):
        for today in (datetime.date(2026, 1, 1) + datetime.timedelta(days=days) for days in range(0, 400, 9)):
            for day in {slot.starts_at.date() for slot in Plan(today).slots.values()}:
                self.assertLess(day.weekday(), 5)
                self.assertFalse((day.month, day.day) >= (12, 23) or (day.month, day.day) <= (1, 6), day)
                self.assertGreaterEqual(day - today, datetime.timedelta(days=21))


if __name__ == "__main__":
    unittest.main()
