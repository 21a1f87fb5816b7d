"""Many more students than seats, all at once, through the API: every seat is sold once, and everybody else is told that all are taken.

Each booking is of another student. 60,000 of them by default; a million, which takes three and a half minutes on two idle
cores:

    PW_TEST_BOOKINGS=1000000 python3 -m unittest integration.test_race
"""

import collections
import json
import os
import subprocess
import time
import unittest

from integration.cluster.process import wait_until
from integration.harness import ROOT
from integration.house_case import House
from integration.reader.bookings import check_bookings
from integration.reader.decisions import read_decisions

BOOKINGS = int(os.environ.get("PW_TEST_BOOKINGS", "60000"))
SEATS = 1000
CONNECTIONS = 64
CATCH_UP_SECONDS = 120
LOAD = ROOT / "build/release/bench/bench_load"
house = House()


def setUpModule():
    house.start()


class RaceTest(unittest.TestCase):
    def test_every_seat_is_sold_once(self):
        slot = house.slot(capacity=SEATS)
        plan = self.plan(slot)
        said = self.book(plan)
        plan.unlink()
        print(f"{BOOKINGS:,} bookings of {SEATS:,} seats by {CONNECTIONS} connections: {said['statuses']}, {said['per_second']:,.0f} a second, "
              f"p99 {said['p99_ms']:.1f} ms; load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
        self.assertEqual(said["statuses"], {"201": SEATS, "409": BOOKINGS - SEATS})
        self.check_ledger(slot)
        self.check_read_models(slot)

    def plan(self, slot):
        """Who books what, as bench_load reads it."""
        plan = house.stack.dir / "plan"
        with open(plan, "w", encoding="utf-8") as file:
            file.write(f"tenant {house.tenant.id} {slot}\n")
            file.writelines(f"student 0 {house.tenant.student().token}\n" for _ in range(BOOKINGS))
        return plan

    def book(self, plan):
        ran = subprocess.run([LOAD, "--address", house.node.api, "--plan", plan, "--connections", str(CONNECTIONS), "--requests",
                              str(BOOKINGS)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                             check=False)
        self.assertEqual(ran.returncode, 0, ran.stderr)
        return json.loads(ran.stdout)

    def check_ledger(self, slot):
        """By the independent reader: each booking is decided once, as sold or as refused because all seats are taken."""
        came, students = collections.Counter(), set()

        def counted():
            for decision in read_decisions(house.stack.kafka.endpoints(), house.stack.topic):
                if decision["kind"] == "answer" or decision["events"][0]["type"] == "reservation_reserved":
                    came[decision["problem"] or "sold"] += 1
                    students.add(decision["actor"])
                if decision["kind"] == "commit":  # Refusals change nothing.
                    yield decision
        bookings = check_bookings(counted())
        self.assertEqual(came, {"sold": SEATS, "slot-full": BOOKINGS - SEATS})
        self.assertEqual(len(students), BOOKINGS)
        self.assertEqual(bookings.slots, {slot: SEATS})

    def check_read_models(self, slot):
        began, admin = time.monotonic(), house.as_admin()
        self.addCleanup(admin.close)
        wait_until("the read model shows the sale", lambda: admin.get(f"/slots/{slot}").json["taken_count"] == SEATS, CATCH_UP_SECONDS)
        wait_until("every reservation is shown", lambda: len(admin.all(f"/reservations?slot_id={slot}")) == SEATS, CATCH_UP_SECONDS)
        print(f"the read models show it {time.monotonic() - began:.1f} s after the reader", flush=True)
        ran = house.stack.run("audit", "verify-projection", check=False)
        self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)
