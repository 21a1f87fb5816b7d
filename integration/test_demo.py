"""What `script/server --demo` loads: the university that it promises, once, whatever happened to a load before."""

import collections
import json
import shutil
import subprocess
import unittest

from integration.harness import Client
from integration.house_case import AnswerCase, House
from script.demo import Demo

house = House()
# What came to pass, as a visitor finds it: each of these is in the history.
HISTORY = {
    "reservation_cancelled", "reservation_rescheduled", "reservation_hold_confirmed", "reservation_waitlist_joined", "reservation_waitlist_left",
    "reservation_prioritised", "reservation_offered", "reservation_offer_declined", "reservation_offer_accepted", "reservation_cancelled_by_staff",
    "reservation_cancelled_with_slot", "reservation_needs_replacement_marked", "slot_closed", "slot_cancelled",
    "slot_capacity_changed", "slot_hard_end_set", "exam_items_bound", "item_key_corrected", "slot_proctor_assigned", "tenant_rules_set"}


class Stop(Exception):
    """Stands for Ctrl-C, or the end of the machine."""


class Loader:
    """A demo of a directory, what it said, and at which word it is to be stopped."""

    def __init__(self, name, stop_at=None):
        self.said, self.stop_at = [], stop_at
        self.demo = Demo(house.stack.dir / name, house.node.api, house.node.config, self.say)

    def say(self, text):
        self.said.append(text)
        if text == self.stop_at:
            raise Stop

    def load(self):
        self.demo.load()
        return self

    def kept(self):
        return json.loads(self.demo.note.read_text())


def setUpModule():
    house.start(keys=True, tokens=True)
    house.demo = Loader("demo").load().demo


def office(path):
    """All rows of a list, as the office sees them."""
    client = Client(house.node.api, house.demo.token("office"), f"/v1/tenants/{house.demo.tenant}")
    try:
        return client.all(path)
    finally:
        client.close()


def events(tenant):
    lines = house.stack.run("audit", "replay", f"--tenant={tenant}", "--json").stdout.splitlines()
    return collections.Counter(json.loads(line)["event_type"] for line in lines)


def heads():
    return house.stack.run("audit", "verify").stdout


class DemoTest(AnswerCase):
    def test_what_was_promised_is_there(self):
        full = [slot for slot in office("/slots") if slot["capacity"] == slot["taken_count"]]
        self.assertEqual(len(office("/users?role=student")), 300)
        self.assertEqual([exam["published_number"] for exam in office("/exams")], [1] * 12)
        self.assertEqual(collections.Counter(slot["state"] for slot in office("/slots")), {"open": 38, "closed": 1, "cancelled": 1})
        self.assertEqual(sorted(slot["waiting_count"] for slot in full), [3, 5])
        self.assertEqual(sum(slot["waiting_count"] for slot in office("/slots")), 8)
        self.assertEqual([row["state"] for row in office("/accommodations")], ["granted"] * 6)
        self.assertEqual(len(office("/reservations?needs_replacement=true")), 1)

    def test_slots_have_who_the_plan_puts_there(self):
        seats = {house.demo.ids[name]: len(slot.taken) for name, slot in house.demo.plan.slots.items()}
        told = {slot["id"]: slot["taken_count"] for slot in office("/slots") if slot["state"] != "cancelled"}
        different = {slot: (seats[slot], count) for slot, count in told.items() if seats[slot] != count}
        self.assertEqual(different, {})

    def test_some_history(self):
        self.assertLessEqual(HISTORY, events(house.demo.tenant).keys())

    def test_whoever_reads_demo_sh_is_the_office_and_clara(self):
        script = """. "$0"; for who in "$office" "$clara"; do curl -s -H "Authorization: Bearer $who" "$api/me" | jq -r .name; done"""
        said = subprocess.run(["bash", "-c", script, house.demo.dir / "demo.sh"], check=True, stdout=subprocess.PIPE, text=True).stdout
        self.assertEqual(said.splitlines(), ["Ingrid Leitner", "Clara Hofer"])

    def test_a_repeat_changes_nothing_and_says_so(self):
        before, kept = heads(), house.demo.note.read_text()
        again = Loader("demo").load()
        self.assertEqual((heads(), again.demo.note.read_text()), (before, kept))
        self.assertEqual(len(again.said), 1)
        self.assertIn("nothing is changed", again.said[0])
        self.assertIn(house.demo.tenant, again.demo.text)

    def test_an_interrupted_load_is_taken_up(self):
        first = Loader("interrupted", "demo: waiting lists")
        with self.assertRaises(Stop):
            first.load()
        taken_up = Loader("interrupted").load()
        self.assertIn("taken up", taken_up.said[0])
        self.assertEqual(taken_up.demo.tenant, first.demo.tenant)
        self.assertEqual(events(taken_up.demo.tenant), events(house.demo.tenant))

    def test_too_late_to_take_up(self):
        with self.assertRaises(Stop):
            Loader("late", "demo: exams").load()
        late = Loader("late", "demo: exams")
        kept = late.kept()
        late.demo.note.write_text(json.dumps(kept | {"begun_ms": kept["begun_ms"] - 86_400_000}))
        with self.assertRaises(Stop):
            late.load()
        self.assertIn("begins anew", late.said[0])
        self.assertNotEqual(late.kept()["seed"], kept["seed"])

    def test_another_plan_is_not_taken_up(self):
        with self.assertRaises(Stop):
            Loader("older", "demo: exams").load()
        older = Loader("older", "demo: exams")
        kept = older.kept()
        older.demo.note.write_text(json.dumps(kept | {"plan": "0" * 64}))
        with self.assertRaises(Stop):
            older.load()
        self.assertIn("of another version", older.said[0])
        self.assertNotEqual(older.kept()["seed"], kept["seed"])

    def test_another_ledger_gets_a_demo_of_its_own(self):
        other = Loader("other", "demo: exams")
        other.demo.dir.mkdir()
        stranger = "01890a5d-ac96-774b-bcce-b302099a8057"
        shutil.copy(house.demo.issuer_key, other.demo.issuer_key)
        other.demo.note.write_text(house.demo.note.read_text().replace(house.demo.tenant, stranger))
        with self.assertRaises(Stop):
            other.load()
        self.assertIn(f"does not know tenant {stranger}", other.said[0])
        self.assertFalse(other.kept().get("loaded"))


if __name__ == "__main__":
    unittest.main()
