"""What follows by itself costs those who book meanwhile: a slot is cancelled with everything in it, and holds run out."""

import datetime
import json
import statistics
import subprocess
import threading
import time

from bench.house import EXAM_MINUTES, Bookings
from bench.measures import CONNECTIONS
from integration.harness import at

CROWD = 20_000  # Students who are booked in one slot.
HOLDS_A_MINUTE, WAVE_SECONDS, WAVE_EVERY = 100_000, 6, 25  # Holds run out at that rate, in waves.
HOLDERS, HOLDS_EACH = 5_000, 6  # Students who have them.
HOLD_SECONDS = 60
SHARE = 0.5  # Of the peak.
HELD_UP_MS = 50  # The p99 of who books meanwhile may be so much more.


class Crowd(Bookings):
    """Students of a tenant that there is already, and slots of exams of their own."""

    def __init__(self, house, tenant, name, students, slots, days):
        self.house, self.path, self.ids = house, house.dir / name, house.dir / f"{name}-ids"
        self.next, self.accepted, self.refused, self.tenants = 0, 0, 0, [tenant]
        self.students = [tenant.student() for _ in range(students)]
        self.slots = []
        for i in range(slots):
            exam, starts_at = tenant.exam(house, duration_minutes=EXAM_MINUTES), at(days=days, hours=2 * i)
            self.slots.append((tenant, exam, tenant.slot(house, exam, 65_535, starts_at), starts_at))
        lines = [f"tenant {tenant.id} {' '.join(slot for _, _, slot, _ in self.slots)}"]
        self.path.write_text("\n".join(lines + [f"student 0 {student.token}" for student in self.students]) + "\n")


def cancelled_slot(table, house, bookings, peak, asked):
    """Bookings at a steady rate, alone and while a slot with CROWD booked is cancelled, in turns. Returns the plans of the crowds."""
    crowds, alone, beside, took = [], [], [], []
    admin = bookings.tenants[0].admin.client(house)
    for i in range(asked.rounds):
        crowd = Crowd(house, bookings.tenants[0], f"crowd{i}", CROWD, 1, days=100 + i)
        crowd.load(connections=CONNECTIONS, requests=CROWD, ids=True)
        crowds.append(crowd)
        tenant, exam, slot, _ = crowd.slots[0]
        cancel = threading.Timer(1, lambda: admin.command(f"/slots/{slot}/cancel", {"reason": "technical.platform"}))  # noqa: B023
        alone.append(_steady(bookings, peak, max(asked.seconds, 4)))
        cancel.start()
        beside.append(_steady(bookings, peak, max(asked.seconds, 4)))
        cancel.join()
        moments, end = [], time.monotonic() + 60
        while len(moments) < CROWD + 1 and time.monotonic() < end:  # The slot's own event, and one for each.
            moments = _moments(house, tenant, exam)
        if len(moments) < CROWD + 1:
            raise SystemExit(f"{len(moments)} of {CROWD + 1} events of a cancelled slot are on record")
        took.append((max(moments) - min(moments)).total_seconds())
    _tell(table, f"while a slot with {CROWD:,} booked is cancelled", alone, beside)
    table.add("  from its cancellation to the last reservation's record", f"{statistics.median(took):.2f} s")
    return crowds


def holds_run_out(table, house, bookings, peak, asked):
    """The same while holds run out as fast as they were made: waves of them, and as much time between."""
    tenant, alone, beside = bookings.tenants[0], [], []
    tenant.admin.client(house).command("/set-rules", {"hold_minutes": HOLD_SECONDS // 60})
    crowd = Crowd(house, tenant, "holds", HOLDERS, HOLDS_EACH, days=120)
    begun, rate = time.monotonic(), HOLDS_A_MINUTE / 60
    waves = [i * WAVE_EVERY for i in range(min(asked.rounds, int(HOLDERS * HOLDS_EACH / rate / WAVE_SECONDS)))]
    assert waves[-1] + WAVE_SECONDS < HOLD_SECONDS
    for wave in waves:
        _wait_until(begun + wave)
        crowd.load(connections=CONNECTIONS, seconds=WAVE_SECONDS, rate=rate, what="holds")
    for wave in waves:
        _wait_until(begun + wave + HOLD_SECONDS)
        beside.append(_steady(bookings, peak, WAVE_SECONDS))
        _wait_until(begun + wave + HOLD_SECONDS + WAVE_EVERY / 2)
        alone.append(_steady(bookings, peak, WAVE_SECONDS))
    expired = _count(house, tenant, "reservation_hold_expired")
    if expired != crowd.accepted:
        raise SystemExit(f"{expired} of {crowd.accepted} holds have run out on record")
    _tell(table, f"while {HOLDS_A_MINUTE:,} holds a minute run out", alone, beside)


def _wait_until(moment):
    time.sleep(max(0, moment - time.monotonic()))


def _steady(bookings, peak, seconds):
    return bookings.load(connections=CONNECTIONS, seconds=seconds, rate=SHARE * peak)


def _tell(table, what, alone, beside):
    """By the medians of the turns; the longest of all of them."""
    names = ("p50_ms", "p99_ms", "max_ms")
    alone, beside = ({name: (max if name == "max_ms" else statistics.median)(turn[name] for turn in turns) for name in names}
                     for turns in (alone, beside))
    over = beside["p99_ms"] - alone["p99_ms"]
    table.add(f"reserve at {SHARE:.0%} of the peak {what}: p50, p99, longest",
              ", ".join(f"{beside[name]:.1f}" for name in names) + " ms",
              ", ".join(f"{alone[name]:.1f}" for name in names) + " ms alone", HELD_UP_MS / max(over, 1), 1.0)


def _replayed(house, tenant, *words):
    argv = house.proctorwise("audit", "replay", "--json", "--tenant", tenant.id, *words)
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout.splitlines()


def _moments(house, tenant, exam):
    """When each event of the end of an exam's only slot was decided."""
    events = (json.loads(line) for line in _replayed(house, tenant, "--exam", exam))
    return [datetime.datetime.fromisoformat(event["decided_at"].replace("Z", "+00:00")) for event in events
            if event["event_type"] in ("slot_cancelled", "reservation_cancelled_with_slot")]


def _count(house, tenant, event_type):
    return sum(f'"event_type":"{event_type}"' in line for line in _replayed(house, tenant))
