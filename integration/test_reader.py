"""The second reader agrees with the vectors, reads a real Kafka, and comes to a verdict whatever it is given."""

import json
import random
import shutil
import subprocess
import tempfile
import unittest
import uuid
from pathlib import Path

import msgpack
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from integration.cluster.kafka import Kafka
from integration.reader import ledger, strict, vectors
from integration.reader.bookings import Broken, check_bookings
from integration.reader.decisions import Stopped, decisions_as_dicts, read_decisions
from integration.reader.topic import Unreadable, read_kafka

ROOT = Path(__file__).resolve().parents[1]
VECTORS, RUN = ROOT / "docs/vectors", ROOT / ".run/test"
NOW, LATER = 1_790_000_000_000_000, 2_000_000_000_000_000
REASONS = {"newer-format", "malformed", "unknown-kind", "no-genesis", "second-genesis", "foreign-ledger", "height", "time",
           "unroutable"}


class VectorsTest(unittest.TestCase):
    def test_every_vector(self):
        every = vectors.load(VECTORS)
        self.assertGreater(len(every), 200)
        for vector in every:
            with self.subTest(vector["file"]):
                self.assertEqual(vectors.differences(vector), [])

    def test_a_wrong_vector_is_seen(self):
        for file, key, wrong in (("003-commit.json", "position", "9:2:a0df5403x"), ("601-repeat-commit.json", "findings", [])):
            vector = next(vector for vector in vectors.load(VECTORS) if vector["file"] == file)
            vector["end"][key] = wrong
            self.assertEqual(len(vectors.differences(vector)), 1)

    def test_murmur2(self):
        for text, number, of_16, of_7, of_1024 in (
            ("", 0x106E08D9, 9, 2, 217),
            ("a", 0xA2D0B27C, 12, 5, 636),
            ("ab", 0x12D8262A, 10, 0, 554),
            ("abc", 0x1C94221B, 11, 4, 539),
            ("abcd", 0xB11AB5F4, 4, 5, 500),
            ("00000000-0000-0000-0000-000000000000", 0x2A860B7D, 13, 3, 893),
            ("ffffffff-ffff-ffff-ffff-ffffffffffff", 0xEA8CD0F2, 2, 4, 242),
            ("01890a5d-ac96-774b-bcce-b302099a8057", 0x534D4DFD, 13, 0, 509),
            ("6ba7b810-9dad-11d1-80b4-00c04fd430c8", 0xDB9CBDC9, 9, 2, 457),
            ("0123abcd-4567-89ab-cdef-0123456789ab", 0x5FEE5B44, 4, 2, 836),
        ):
            with self.subTest(text):
                self.assertEqual(ledger.murmur2(text.encode()), number)
                for count, partition in ((16, of_16), (7, of_7), (1024, of_1024)):
                    self.assertEqual((number & 0x7FFFFFFF) % count, partition)
                    if len(text) == 36:
                        self.assertEqual(ledger.partition_of(bytes.fromhex(text.replace("-", "")), count), partition)


class Writer:
    """The values of one partition, each built on the one before; every tenant is a boundary of its own here."""

    def __init__(self, partition=0, count=1, ledger_id=b"L" * 16, horizon_us=86_400_000_000):
        self.head, self.height, self.now, self.number = bytes(32), -1, 0, 0
        self.genesis = self.write(ledger.GENESIS, ledger_id, partition, count, horizon_us)
        self.now = NOW

    def write(self, kind, *fields):
        self.height += 1
        value = b"PWL\x01" + self.head + msgpack.packb([kind, self.height, self.now, *fields])
        self.head = ledger.record_hash(value)
        return value

    def commit(self, tenant, *events):
        self.now += 1
        return self.write(ledger.COMMIT, tenant, tenant, self.command(), bytes(16), b"A" * 16, "student", b"C" * 16, None,
                          [[event[1].split("_")[0], event[0], 1, event[1], 1, event[2]] for event in events], [])

    def refusal(self, tenant, problem):
        self.now += 1
        return self.write(ledger.ANSWERS, tenant, [[tenant, b"A" * 16, self.command(), bytes(16), "reservation.reserve", self.now,
                                                    None, 0, problem, ""]])

    def command(self):
        self.number += 1
        return self.number.to_bytes(16, "big")


class LedgerTest(unittest.TestCase):
    """What one vector cannot show: several partitions, and a log that runs backwards."""

    def test_partitions_agree_on_their_ledger(self):
        for other, reason in (({}, None), ({"count": 15}, "foreign-ledger"), ({"ledger_id": b"M" * 16}, "foreign-ledger"),
                              ({"horizon_us": 1}, "foreign-ledger")):
            with self.subTest(other):
                common = ledger.Ledger(16)
                first, _ = ledger.read_log([(0, Writer(0, 16).genesis)], common, 0)
                second, _ = ledger.read_log([(0, Writer(1, **{"count": 16} | other).genesis)], common, 1)
                self.assertIsNone(first.stop)
                self.assertEqual(second.stop, reason and (0, reason))

    def test_offsets_that_do_not_grow_are_divergence(self):
        for offset in (0, 3):
            reader = ledger.PartitionReader(ledger.Ledger(16), 0)
            reader.take(0, Writer(0, 16).genesis)
            reader.take(3, b"")
            with self.assertRaisesRegex(ledger.Diverged, f"diverged at partition 0, offset {offset}"):
                reader.take(offset, b"")


class BookingsTest(unittest.TestCase):
    """What must never happen is seen when it did."""

    T, OTHER_T, EXAM, EXAM_2 = b"T" * 16, b"U" * 16, b"E" * 16, b"F" * 16
    SLOT, SLOT_2, ANN, BOB = b"S" * 16, b"Z" * 16, b"a" * 16, b"b" * 16

    def replay(self, *commits, by=None):
        """by: the role of who commanded all of it, and their id."""
        writer, decisions = Writer(), []
        reader = ledger.PartitionReader(ledger.Ledger(1), 0)
        for offset, value in enumerate([writer.genesis, *(writer.commit(tenant, *events) for tenant, *events in commits)]):
            self.assertEqual(reader.take(offset, value).verdict, "accepted")
            decisions += decisions_as_dicts(reader)
        for decision in decisions if by else ():
            decision |= {"role": by[0], "actor": str(uuid.UUID(bytes=by[1]))}
        return check_bookings(json.loads(json.dumps(decisions)))

    def opened(self, slot, exam, starts_at, capacity):
        return slot, "slot_opened", [exam, b"V" * 32, starts_at, starts_at + 90, 10, 5, capacity]

    def reserved(self, number, slot, exam, student, starts_at):
        return bytes([number]) * 16, "reservation_reserved", [slot, exam, student, starts_at, starts_at + 90, starts_at + 95]

    def held(self, number, slot, exam, student, starts_at, expires_at):
        stream, _, payload = self.reserved(number, slot, exam, student, starts_at)
        return stream, "reservation_held", [*payload, expires_at]

    def step(self, kind, number, slot, exam, student):
        return bytes([number]) * 16, f"reservation_{kind}", [slot, exam, student]

    def cancelled(self, number, slot, exam, student):
        return bytes([number]) * 16, "reservation_cancelled", [slot, exam, student]

    def test_a_day_that_keeps_every_promise(self):
        seen = self.replay(
            (self.T, self.opened(self.SLOT, self.EXAM, LATER, 1)),
            (self.T, self.opened(self.SLOT_2, self.EXAM_2, LATER + 95, 2)),
            (self.T, self.reserved(1, self.SLOT, self.EXAM, self.ANN, LATER)),
            (self.T, self.reserved(2, self.SLOT_2, self.EXAM_2, self.ANN, LATER + 95)),  # The moment she is free again.
            (self.T, self.cancelled(1, self.SLOT, self.EXAM, self.ANN), self.reserved(3, self.SLOT, self.EXAM, self.BOB, LATER)),
            (self.T, (self.SLOT, "slot_capacity_changed", [3])),
            (self.T, self.reserved(4, self.SLOT, self.EXAM, self.ANN, LATER)),
        )
        slot, slot_2, ann, bob = (str(uuid.UUID(bytes=value)) for value in (self.SLOT, self.SLOT_2, self.ANN, self.BOB))
        one, two, three, four = (str(uuid.UUID(bytes=bytes([number]) * 16)) for number in (1, 2, 3, 4))
        self.assertEqual(seen.slots, {slot: 2, slot_2: 1})
        self.assertEqual(seen.capacities, {slot: 3, slot_2: 2})
        self.assertEqual(seen.reservations, {two: (slot_2, ann), three: (slot, bob), four: (slot, ann)})
        self.assertNotIn(one, seen.reservations)

    def test_a_hold_that_runs_out_and_one_that_is_confirmed(self):
        """Commits are decided a microsecond after each other; the first at NOW + 1."""
        seen = self.replay(
            (self.T, self.opened(self.SLOT, self.EXAM, LATER, 1)),
            (self.T, self.held(1, self.SLOT, self.EXAM, self.ANN, LATER, NOW + 3)),
            (self.T, self.step("hold_expired", 1, self.SLOT, self.EXAM, self.ANN)),
            (self.T, self.held(2, self.SLOT, self.EXAM, self.BOB, LATER, NOW + 6)),
            (self.T, self.step("hold_confirmed", 2, self.SLOT, self.EXAM, self.BOB)))
        self.assertEqual(list(seen.reservations), [str(uuid.UUID(bytes=b"\2" * 16))])

    def waits(self, number, student):
        return self.T, self.step("waitlist_joined", number, self.SLOT, self.EXAM, student)

    def offered(self, number, student, expires_at):
        stream, kind, payload = self.step("offered", number, self.SLOT, self.EXAM, student)
        return self.T, (stream, kind, [*payload, expires_at])

    def slot_ends(self, how, *why):
        return self.T, (self.SLOT, f"slot_{how}", [self.EXAM, *why])

    def goes_with_slot(self, number, student, why):
        stream, kind, payload = self.step("cancelled_with_slot", number, self.SLOT, self.EXAM, student)
        return self.T, (stream, kind, [*payload, why])

    def test_a_slot_that_is_cancelled(self):
        tom = b"t" * 16
        seen = self.replay(
            (self.T, self.opened(self.SLOT, self.EXAM, LATER, 2)), (self.T, self.reserved(1, self.SLOT, self.EXAM, self.ANN, LATER)),
            (self.T, self.held(2, self.SLOT, self.EXAM, self.BOB, LATER, NOW + 6)), self.waits(3, tom),
            self.slot_ends("closed"), self.slot_ends("cancelled", "environment.power"), self.goes_with_slot(3, tom, "environment.power"),
            self.goes_with_slot(2, self.BOB, "environment.power"), self.goes_with_slot(1, self.ANN, "environment.power"))
        self.assertEqual((seen.reservations, list(seen.slots.values())), ({}, [0]))

    def test_an_exam_that_is_withdrawn(self):
        def withdrawn(at_us, why="staff.schedule"):
            return self.T, (self.EXAM, "exam_withdrawn", [why, at_us])
        booked = [(self.T, self.opened(self.SLOT, self.EXAM, LATER, 1)), (self.T, self.reserved(1, self.SLOT, self.EXAM, self.ANN, LATER))]
        self.replay(*booked, withdrawn(NOW + 3), self.goes_with_slot(1, self.ANN, "staff.schedule"), self.slot_ends("cancelled", "staff.schedule"))
        for what, *commits in (
            ("withdrawn already", withdrawn(NOW + 1), withdrawn(NOW + 2)),
            ("at another time", withdrawn(NOW + 7)),
            ("the exam is withdrawn", withdrawn(NOW + 1), booked[0]),
            ("for another reason", *booked, withdrawn(NOW + 3), self.slot_ends("cancelled", "other")),
            ("another reason", *booked, withdrawn(NOW + 3), self.goes_with_slot(1, self.ANN, "other")),
            ("closed or cancelled", booked[0], withdrawn(NOW + 2), booked[1]),
        ):
            with self.subTest(what), self.assertRaisesRegex(Broken, what):
                self.replay(*commits)

    def test_who_came(self):
        tom, soon = b"t" * 16, NOW + 3  # By then it is booked.
        full = [(self.T, self.opened(self.SLOT, self.EXAM, soon, 1)), (self.T, self.reserved(1, self.SLOT, self.EXAM, self.ANN, soon))]
        tom_proctors = (self.T, (self.SLOT, "slot_proctor_assigned", [self.EXAM, tom]))
        released = (self.T, (self.SLOT, "slot_proctor_released", [self.EXAM, tom]))
        came = (self.T, self.step("marked_attended", 1, self.SLOT, self.EXAM, self.ANN))
        again = (self.T, self.reserved(2, self.SLOT_2, self.EXAM, self.ANN, LATER))
        self.replay(*full, (self.T, self.opened(self.SLOT_2, self.EXAM, LATER, 2)), tom_proctors, came, again, by=("proctor", tom))
        self.replay(*full, came, by=("admin", self.BOB))
        for what, by, *commits in (
            ("neither proctors", ("proctor", tom), *full, came),
            ("neither proctors", ("proctor", tom), *full, tom_proctors, released, came),
            ("do not proctor", ("admin", tom), *full, tom_proctors, tom_proctors),
            ("that they proctor", ("admin", tom), *full, released),
            ("has not begun", ("admin", tom), (self.T, self.opened(self.SLOT, self.EXAM, LATER, 1)),
             (self.T, self.reserved(1, self.SLOT, self.EXAM, self.ANN, LATER)), (self.T, self.step("marked_no_show", 1, self.SLOT, self.EXAM, self.ANN))),
            ("no such booked", ("admin", tom), full[0], (self.T, self.held(1, self.SLOT, self.EXAM, self.ANN, soon, NOW + 99)), came),
            ("sits .* at that time", ("admin", tom), *full, came, (self.T, self.opened(self.SLOT_2, self.EXAM_2, soon, 2)),
             (self.T, self.reserved(2, self.SLOT_2, self.EXAM_2, self.ANN, soon))),
            ("2 reservations and 1 seats", ("admin", tom), *full, came, (self.T, self.reserved(2, self.SLOT, self.EXAM, self.BOB, soon))),
        ):
            with self.subTest(what), self.assertRaisesRegex(Broken, what):
                self.replay(*commits, by=by)

    def test_a_seat_goes_round(self):
        full = [(self.T, self.opened(self.SLOT, self.EXAM, LATER, 1)), (self.T, self.reserved(1, self.SLOT, self.EXAM, self.ANN, LATER))]
        tom, gone = b"t" * 16, (self.T, self.cancelled(1, self.SLOT, self.EXAM, self.ANN))

        def step(kind, number, student):
            return self.T, self.step(kind, number, self.SLOT, self.EXAM, student)
        first = (self.T, (b"\3" * 16, "reservation_prioritised", [self.SLOT, self.EXAM, tom, 5]))
        seen = self.replay(
            *full, self.waits(2, self.BOB), self.waits(3, tom), first, gone, self.offered(3, tom, NOW + 8),
            step("offer_expired", 3, tom), self.offered(2, self.BOB, NOW + 99), step("offer_accepted", 2, self.BOB))
        self.assertEqual(list(seen.reservations), [str(uuid.UUID(bytes=b"\2" * 16))])
        won = [*full, self.waits(2, self.BOB), gone, self.offered(2, self.BOB, NOW + 99)]
        fourth = (self.T, self.reserved(4, self.SLOT, self.EXAM, tom, LATER))
        for taken in (  # By staff, from who waits, was offered a seat, or accepted it; and they may wait again.
                [*full, self.waits(2, self.BOB), step("cancelled_by_staff", 2, self.BOB)],
                [*won, step("cancelled_by_staff", 2, self.BOB), fourth],
                [*won, step("offer_accepted", 2, self.BOB), step("cancelled_by_staff", 2, self.BOB), fourth]):
            self.replay(*taken, self.waits(5, self.BOB))
        for what, *commits in (
            ("seats were free", full[0], self.waits(2, self.BOB)),
            ("comes first", *full, self.waits(2, self.BOB), self.waits(3, tom), gone, self.offered(3, tom, NOW + 99)),
            ("comes first", *full, self.waits(2, self.BOB), self.waits(3, tom), first, gone, self.offered(2, self.BOB, NOW + 99)),
            ("no seat was free", *full, self.waits(2, self.BOB), self.offered(2, self.BOB, NOW + 99)),
            ("too late", *full, self.waits(2, self.BOB), gone, self.offered(2, self.BOB, NOW + 5)),
            ("others wait", *full, self.waits(2, self.BOB), gone, (self.T, self.reserved(4, self.SLOT, self.EXAM, tom, LATER))),
            ("had run out", *won[:-1], self.offered(2, self.BOB, NOW + 6), step("offer_accepted", 2, self.BOB)),
            ("had not run out", *won, step("offer_expired", 2, self.BOB)),
            ("nothing is offered", *full, self.waits(2, self.BOB), step("offer_accepted", 2, self.BOB)),
            ("nobody waits", *full, self.waits(2, self.BOB), step("waitlist_left", 2, tom)),
            ("not this student", *won, step("offer_accepted", 2, self.BOB), (self.T, self.cancelled(2, self.SLOT, self.EXAM, self.BOB)),
             (self.T, self.reserved(4, self.SLOT, self.EXAM, tom, LATER)), self.waits(5, self.BOB)),
            ("closed or cancelled", *full, self.slot_ends("closed"), (self.T, (self.SLOT, "slot_capacity_changed", [2])),
             (self.T, self.reserved(4, self.SLOT, self.EXAM, tom, LATER))),
            ("closed or cancelled", *full, self.slot_ends("closed"), self.waits(2, self.BOB)),
            ("closed or cancelled", *full, self.waits(2, self.BOB), self.slot_ends("closed"), gone, self.offered(2, self.BOB, NOW + 99)),
            ("that is open", *full, self.slot_ends("cancelled", "other"), self.slot_ends("closed")),
            ("the slot is cancelled", *won, self.slot_ends("cancelled", "other"), step("offer_accepted", 2, self.BOB)),
            ("another reason", *full, self.slot_ends("cancelled", "other"), self.goes_with_slot(1, self.ANN, "staff.absent")),
            ("not cancelled", *full, self.slot_ends("closed"), self.goes_with_slot(1, self.ANN, "other")),
            ("no such live", *full, self.waits(2, self.BOB), step("cancelled_by_staff", 3, tom)),
            ("had run out", *won[:-1], self.offered(2, self.BOB, NOW + 6), step("cancelled_by_staff", 2, self.BOB)),
            ("has not begun", *full, (self.T, (self.SLOT, "slot_waitlist_closed", [self.EXAM]))),
            ("something open", *full, self.waits(2, self.BOB), self.waits(3, self.BOB)),
            ("something open", *full, self.waits(2, self.ANN)),
            ("something open", *won[:1], (self.T, (self.SLOT, "slot_capacity_changed", [2])), *won[1:],
             (self.T, self.reserved(4, self.SLOT, self.EXAM, self.BOB, LATER))),
            ("for too long", *won[:-1], self.offered(2, self.BOB, LATER)),
            ("had run out", *won[:-1], self.offered(2, self.BOB, NOW + 6), step("offer_declined", 2, self.BOB)),
            ("which is not on record", *won[:1], (self.T, (self.SLOT, "slot_capacity_changed", [2])), *won[1:-1],
             self.offered(2, self.BOB, NOW + 7), (self.T, self.reserved(4, self.SLOT, self.EXAM, tom, LATER))),
            ("lead time had begun", (self.T, self.opened(self.SLOT, self.EXAM, NOW + 60_000_000, 1)),
             (self.T, self.reserved(1, self.SLOT, self.EXAM, self.ANN, NOW + 60_000_000)), gone),
            ("lead time has begun", (self.T, self.opened(self.SLOT, self.EXAM, NOW + 60_000_000, 1)),
             (self.T, self.reserved(1, self.SLOT, self.EXAM, self.ANN, NOW + 60_000_000)), self.waits(2, self.BOB)),
        ):
            with self.subTest(what, commits=len(commits)), self.assertRaisesRegex(Broken, what):
                self.replay(*commits)

    def moved(self, number, student, slot, starts_at, from_slot, from_starts_at):
        times = [time for start in (starts_at, from_starts_at) for time in (start, start + 90, start + 95)]
        return self.T, (bytes([number]) * 16, "reservation_rescheduled",
                        [slot, self.EXAM, student, *times[:3], from_slot, *times[3:]])

    def test_a_seat_is_moved(self):
        slots = [(self.T, self.opened(self.SLOT, self.EXAM, LATER, 1)), (self.T, self.opened(self.SLOT_2, self.EXAM, LATER + 500, 1))]
        ann = (self.T, self.reserved(1, self.SLOT, self.EXAM, self.ANN, LATER))
        bob = (self.T, self.reserved(2, self.SLOT, self.EXAM, self.BOB, LATER))
        moved = self.moved(1, self.ANN, self.SLOT_2, LATER + 500, self.SLOT, LATER)
        seen = self.replay(*slots, ann, moved, bob)
        one, two, slot, slot_2 = (str(uuid.UUID(bytes=value)) for value in (b"\1" * 16, b"\2" * 16, self.SLOT, self.SLOT_2))
        self.assertEqual({one: seen.reservations[one][0], two: seen.reservations[two][0]}, {one: slot_2, two: slot})
        offered = [ann, self.waits(2, self.BOB), (self.T, self.cancelled(1, self.SLOT, self.EXAM, self.ANN)),
                   self.offered(2, self.BOB, NOW + 99), (self.T, self.step("offer_accepted", 2, self.SLOT, self.EXAM, self.BOB))]
        gone = self.moved(2, self.BOB, self.SLOT_2, LATER + 500, self.SLOT, LATER)
        for what, *commits in (
            ("no such booked", moved),
            ("no such booked", (self.T, self.held(1, self.SLOT, self.EXAM, self.ANN, LATER, NOW + 99)), moved),
            ("it was _Res", ann, self.moved(1, self.BOB, self.SLOT_2, LATER + 500, self.SLOT, LATER)),
            ("it was _Res", ann, self.moved(1, self.ANN, self.SLOT, LATER, self.SLOT, LATER)),
            ("other times", ann, self.moved(1, self.ANN, self.SLOT_2, LATER + 500, self.SLOT, LATER + 1)),
            ("2 reservations and 1 seats", ann, (self.T, self.reserved(3, self.SLOT_2, self.EXAM, b"t" * 16, LATER + 500)), moved),
            ("not this student", *offered, gone, (self.T, self.reserved(3, self.SLOT, self.EXAM, b"t" * 16, LATER)),
             self.waits(4, self.BOB)),
            ("others wait", ann, (self.T, self.reserved(3, self.SLOT_2, self.EXAM, b"t" * 16, LATER + 500)),
             (self.T, self.step("waitlist_joined", 4, self.SLOT_2, self.EXAM, self.BOB)), (self.T, (self.SLOT_2, "slot_capacity_changed", [2])),
             moved),
        ):
            with self.subTest(what, commits=len(commits)), self.assertRaisesRegex(Broken, what):
                self.replay(*slots, *commits)

    def moved_by_staff(self, *what):
        tenant, (stream, kind, payload) = self.moved(*what)
        return tenant, (stream, f"{kind}_by_staff", [*payload, "examinee.excused"])

    def test_staff_moves_a_seat(self):
        tom, soon, office, student = b"t" * 16, NOW + 4, ("admin", self.BOB), ("student", self.ANN)

        def slots(starts_at, other_starts_at):
            return [(self.T, self.opened(self.SLOT, self.EXAM, starts_at, 1)), (self.T, self.opened(self.SLOT_2, self.EXAM, other_starts_at, 1))]

        began = [*slots(soon, LATER), (self.T, self.reserved(1, self.SLOT, self.EXAM, self.ANN, soon))]
        closed = (self.T, (self.SLOT_2, "slot_closed", [self.EXAM]))
        moved = self.moved_by_staff(1, self.ANN, self.SLOT_2, LATER, self.SLOT, soon)
        seen = self.replay(*began, closed, moved, by=office)  # After the start, into a closed slot.
        self.assertEqual([str(uuid.UUID(bytes=self.SLOT_2))], [slot for slot, _ in seen.reservations.values()])
        won = [*slots(LATER, LATER + 500), (self.T, self.reserved(1, self.SLOT, self.EXAM, self.ANN, LATER)), self.waits(2, self.BOB),
               (self.T, self.cancelled(1, self.SLOT, self.EXAM, self.ANN)), self.offered(2, self.BOB, NOW + 99),
               (self.T, self.step("offer_accepted", 2, self.SLOT, self.EXAM, self.BOB))]
        gone = self.moved_by_staff(2, self.BOB, self.SLOT_2, LATER + 500, self.SLOT, LATER)
        gone[1][2][9] = LATER + 90 + 5 * 60_000_000  # Who waited has the times of the slot.
        self.replay(*won, gone, (self.T, self.reserved(3, self.SLOT, self.EXAM, tom, LATER)), self.waits(4, self.BOB), by=office)
        there = (self.T, self.reserved(3, self.SLOT_2, self.EXAM, tom, LATER))
        ahead = [*slots(LATER, LATER), (self.T, self.reserved(1, self.SLOT, self.EXAM, self.ANN, LATER))]
        for what, by, *commits in (
            ("no admin", student, *began, moved),
            ("no such booked", office, *began, (self.T, self.step("marked_no_show", 1, self.SLOT, self.EXAM, self.ANN)), moved),
            ("2 reservations and 1 seats", office, *began, there, moved),
            ("others wait", office, *began, there, (self.T, self.step("waitlist_joined", 4, self.SLOT_2, self.EXAM, self.BOB)),
             (self.T, self.cancelled(3, self.SLOT_2, self.EXAM, tom)), moved),
            ("starts in the past", office, *slots(LATER, soon), (self.T, self.reserved(1, self.SLOT, self.EXAM, self.ANN, LATER)),
             self.moved_by_staff(1, self.ANN, self.SLOT_2, soon, self.SLOT, LATER)),
            ("the slot is cancelled", office, *began, (self.T, (self.SLOT_2, "slot_cancelled", [self.EXAM, "other"])), moved),
            ("lead time had begun", student, *began, self.moved(1, self.ANN, self.SLOT_2, LATER, self.SLOT, soon)),
            ("closed or cancelled", student, *ahead, closed, self.moved(1, self.ANN, self.SLOT_2, LATER, self.SLOT, LATER)),
        ):
            with self.subTest(what), self.assertRaisesRegex(Broken, what):
                self.replay(*commits, by=by)

    HOUR, HARD_END = 3_600_000_000, LATER + 2 * 3_600_000_000

    def granted(self, number, student, *content, kind="granted"):
        return bytes([number]) * 16, f"accommodation_{kind}", [student, *content]

    def sits(self, number, slot, exam, student, starts_at, minutes, kind="reserved"):
        """An hour is worked in those slots, and a quarter kept free."""
        ends_at = starts_at + minutes * 60_000_000
        return bytes([number]) * 16, f"reservation_{kind}", [slot, exam, student, starts_at, ends_at, ends_at + self.HOUR // 4]

    def marked(self, number, why):
        stream, kind, payload = self.step("needs_replacement_marked", number, self.SLOT, self.EXAM, self.ANN)
        return stream, kind, [*payload, why]

    def hours(self):
        """Two slots of an hour: the first one with a hard end an hour later, the second one an hour and three quarters after its start."""
        return [(self.T, (slot, "slot_opened", [exam, b"V" * 32, starts_at, starts_at + self.HOUR, 10, 15, 2]), *more)
                for slot, exam, starts_at, *more in (
                    (self.SLOT, self.EXAM, LATER, (self.SLOT, "slot_hard_end_set", [self.EXAM, self.HARD_END])),
                    (self.SLOT_2, self.EXAM_2, LATER + 7 * self.HOUR // 4))]

    def test_more_time(self):
        ann = (self.SLOT, self.EXAM, self.ANN, LATER)
        half_more, always = (7, self.ANN, 150, 0, 0), (0, LATER * 9)
        longer = self.sits(1, *ann, 90, kind="sitting_changed")
        next_one = (self.T, self.sits(2, self.SLOT_2, self.EXAM_2, self.ANN, LATER + 7 * self.HOUR // 4, 60))
        cleared = self.step("replacement_cleared", 1, self.SLOT, self.EXAM, self.ANN)
        for commits in (
            [(self.T, self.granted(*half_more, *always)), (self.T, self.sits(1, *ann, 90))],
            [(self.T, self.granted(7, self.ANN, 101, 5, 5, *always)), (self.T, self.sits(1, *ann, 71))],
            [(self.T, self.granted(*half_more, LATER + 1, LATER * 9)), (self.T, self.sits(1, *ann, 60))],
            [(self.T, self.granted(*half_more, 0, LATER)), (self.T, self.sits(1, *ann, 60))],
            [(self.T, self.sits(1, *ann, 60)), (self.T, self.granted(*half_more, *always), longer),
             (self.T, self.granted(7, self.ANN, kind="revoked"), self.sits(1, *ann, 60, kind="sitting_changed"))],
            [(self.T, self.sits(1, *ann, 60)), (self.T, self.granted(7, self.ANN, 201, 0, 0, *always), self.marked(1, "hard-end")),
             (self.T, self.granted(7, self.ANN, 100, 0, 0, *always, kind="revised"), cleared)],
            [(self.T, self.sits(1, *ann, 60)), next_one,
             (self.T, self.granted(7, self.ANN, 151, 0, 0, *always), self.marked(1, "calendar"),
              self.sits(2, self.SLOT_2, self.EXAM_2, self.ANN, LATER + 7 * self.HOUR // 4, 91, kind="sitting_changed"))],
        ):
            self.replay(*self.hours(), *commits)
        seated, booked = (self.T, self.sits(1, *ann, 90)), (self.T, self.sits(1, *ann, 60))
        given = (self.T, self.granted(*half_more, *always))
        for what, *commits in (
            ("is granted", given, booked), ("is granted", seated), ("is granted", booked, given),
            ("after the slot's end", (self.T, self.granted(7, self.ANN, 201, 0, 0, *always)), (self.T, self.sits(1, *ann, 121))),
            ("None is right", booked, (self.T, self.granted(*half_more, *always), longer, self.marked(1, "calendar"))),
            ("hard-end is right", booked, (self.T, self.granted(7, self.ANN, 201, 0, 0, *always))),
            ("hard-end is right", booked, (self.T, self.granted(7, self.ANN, 201, 0, 0, *always), self.marked(1, "calendar"))),
            ("runs into another", booked, next_one,
             (self.T, self.granted(7, self.ANN, 151, 0, 0, *always), self.sits(1, *ann, 91, kind="sitting_changed"))),
            ("nothing has changed", booked, (self.T, self.marked(1, "calendar"))),
            ("nothing has changed", booked, (self.T, longer)),
            ("needed no replacement", booked, (self.T, self.granted(7, self.ANN, 100, 0, 0, *always), cleared)),
            ("at that time", given, (self.T, self.granted(8, self.ANN, 100, 0, 0, 5, 6))),
            ("granted before", given, given),
            ("no such accommodation", (self.T, self.granted(7, self.ANN, 100, 0, 0, *always, kind="revised"))),
            ("no such accommodation", given, (self.T, self.granted(7, self.BOB, kind="revoked"))),
            ("can be granted", (self.T, self.granted(7, self.ANN, 401, 0, 0, *always))),
            ("can be granted", (self.T, self.granted(7, self.ANN, 100, 0, 0, 5, 5))),
            ("no such live", given, (self.T, self.granted(8, self.BOB, 100, 0, 0, *always), longer)),
            ("it was made as", booked, (self.T, self.granted(*half_more, *always), self.sits(
                1, self.SLOT, self.EXAM, self.BOB, LATER, 90, kind="sitting_changed"))),
            ("another time", booked, (self.T, self.granted(*half_more, *always), self.sits(
                1, self.SLOT, self.EXAM, self.ANN, LATER + 1, 90, kind="sitting_changed"))),
            ("nobody could sit", (self.T, (self.SLOT, "slot_hard_end_set", [self.EXAM, LATER]))),
            ("no such slot", (self.T, (b"x" * 16, "slot_hard_end_set", [self.EXAM, LATER]))),
        ):
            with self.subTest(what, commits=len(commits)), self.assertRaisesRegex(Broken, what):
                self.replay(*self.hours(), *commits)

    def test_an_offer_is_accepted_with_the_time_that_is_granted(self):
        full = [*self.hours(), (self.T, (self.SLOT, "slot_capacity_changed", [1])),
                (self.T, self.sits(1, self.SLOT, self.EXAM, self.ANN, LATER, 60))]
        gone = (self.T, self.cancelled(1, self.SLOT, self.EXAM, self.ANN))
        offered = [*full, self.waits(2, self.BOB), (self.T, self.granted(7, self.BOB, 150, 0, 0, 0, LATER * 9)), gone,
                   self.offered(2, self.BOB, NOW + 99)]
        accepted = self.step("offer_accepted", 2, self.SLOT, self.EXAM, self.BOB)
        self.replay(*offered, (self.T, accepted, self.sits(2, self.SLOT, self.EXAM, self.BOB, LATER, 90, kind="sitting_changed")))
        with self.assertRaisesRegex(Broken, "is granted"):
            self.replay(*offered, (self.T, accepted))

    def test_broken_promises_about_holds(self):
        slot = (self.T, self.opened(self.SLOT, self.EXAM, LATER, 2))
        other = (self.T, self.opened(self.SLOT_2, self.EXAM_2, LATER + 1_000, 2))

        def held(expires_at):
            return self.T, self.held(1, self.SLOT, self.EXAM, self.ANN, LATER, expires_at)

        def step(kind):
            return self.T, self.step(kind, 1, self.SLOT, self.EXAM, self.ANN)
        for what, *commits in (
            ("run out between", slot, held(NOW + 2)), ("run out between", slot, held(LATER + 1)),
            ("its hold had run out", slot, held(NOW + 3), step("hold_confirmed")),
            ("had not run out", slot, held(NOW + 4), step("hold_expired")),
            ("had not run out", slot, (self.T, self.reserved(1, self.SLOT, self.EXAM, self.ANN, LATER)), step("hold_expired")),
            ("no such held", slot, (self.T, self.reserved(1, self.SLOT, self.EXAM, self.ANN, LATER)), step("hold_confirmed")),
            ("no such held", slot, held(NOW + 9), step("hold_confirmed"), step("hold_confirmed")),
            ("not on record", slot, held(NOW + 3), (self.T, self.reserved(2, self.SLOT, self.EXAM, self.BOB, LATER))),
            ("2 reservations and 1 seats", (self.T, self.opened(self.SLOT, self.EXAM, LATER, 1)), held(NOW + 9),
             (self.T, self.reserved(2, self.SLOT, self.EXAM, self.BOB, LATER))),
            ("no such live", slot, other, held(NOW + 4), step("hold_expired"), step("cancelled")),
        ):
            with self.subTest(what, commits=len(commits)), self.assertRaisesRegex(Broken, what):
                self.replay(*commits)

    def test_broken_promises(self):
        first = (self.T, self.opened(self.SLOT, self.EXAM, 1_000, 1))
        second = (self.T, self.opened(self.SLOT_2, self.EXAM_2, 1_094, 2))
        ann = (self.T, self.reserved(1, self.SLOT, self.EXAM, self.ANN, 1_000))
        for what, *commits in (
            ("2 reservations and 1 seats", first, ann, (self.T, self.reserved(2, self.SLOT, self.EXAM, self.BOB, 1_000))),
            ("1 reservations and 0 seats", first, ann, (self.T, (self.SLOT, "slot_capacity_changed", [0]))),
            ("at that time", first, second, ann, (self.T, self.reserved(2, self.SLOT_2, self.EXAM_2, self.ANN, 1_094))),
            ("for exam", first, (self.T, self.opened(self.SLOT_2, self.EXAM, 9_000, 1)), ann,
             (self.T, self.reserved(2, self.SLOT_2, self.EXAM, self.ANN, 9_000))),
            ("is for exam", first, (self.T, self.reserved(1, self.SLOT, self.EXAM_2, self.ANN, 1_000))),
            ("was made before", first, ann, ann),
            ("was made before", first, ann, (self.T, self.cancelled(1, self.SLOT, self.EXAM, self.ANN)), ann),
            ("was opened before", first, first),
            ("no such slot", (self.T, (self.SLOT, "slot_capacity_changed", [3]))),
            ("there is no slot", ann),
            ("no such live", first, (self.T, self.cancelled(1, self.SLOT, self.EXAM, self.ANN))),
            ("it was made as", first, ann, (self.T, self.cancelled(1, self.SLOT, self.EXAM, self.BOB))),
            ("another tenant's", first, (self.OTHER_T, self.reserved(1, self.SLOT, self.EXAM, self.ANN, 1_000))),
        ):
            with self.subTest(what, commits=len(commits)), self.assertRaisesRegex(Broken, what):
                self.replay(*commits)


class KafkaTest(unittest.TestCase):
    """On a real Kafka, strangers' transactions and all."""

    @classmethod
    def setUpClass(cls):
        RUN.mkdir(parents=True, exist_ok=True)
        directory = Path(tempfile.mkdtemp(prefix="reader-", dir=RUN))
        cls.addClassCleanup(shutil.rmtree, directory)
        cls.kafka = Kafka(directory / "kafka", nodes=1, address="127.0.2.3", port=24592)
        cls.addClassCleanup(cls.kafka.stop)
        cls.kafka.start()

    def make(self, topic, partitions):
        admin = AdminClient({"bootstrap.servers": self.kafka.endpoints()})
        admin.create_topics([NewTopic(topic, partitions, 1)])[topic].result()

    def produce(self, topic, *records, abort=None):
        """Sends (partition, value) records; in a transaction if `abort` is True or False."""
        settings = {"bootstrap.servers": self.kafka.endpoints(), "acks": "all", "log_level": 0}
        producer = Producer(settings | ({} if abort is None else {"transactional.id": "stranger"}))
        if abort is not None:
            producer.init_transactions(60)
            producer.begin_transaction()
        for partition, value in records:
            producer.produce(topic, value, partition=partition)
        self.assertEqual(producer.flush(60), 0)
        if abort is not None:
            (producer.abort_transaction if abort else producer.commit_transaction)(60)

    def tool(self, *arguments):
        return subprocess.run([ROOT / "integration/reader/ledger_reader.py", *arguments], capture_output=True, encoding="utf-8",
                              check=False)

    def on_topic(self, verb, topic, *arguments):
        return self.tool(verb, "--bootstrap", self.kafka.endpoints(), "--topic", topic, *arguments)

    def test_a_ledger_with_strangers_in_it(self):
        self.make("good", 2)
        tenant = next(bytes([n]) * 16 for n in range(1, 99) if ledger.partition_of(bytes([n]) * 16, 2) == 0)
        one, two = Writer(0, 2), Writer(1, 2)
        commit = one.commit(tenant, (b"S" * 16, "slot_opened", [b"\xff" * 16, 7, "Ü", None, [True]]))
        self.produce("good", (0, one.genesis), (0, commit))
        self.produce("good", (0, b"lost"), (0, None), abort=True)
        self.produce("good", (0, refusal := one.refusal(tenant, "slot-full")), (0, refusal), (1, two.genesis))
        self.produce("good", (0, b"junk"), abort=False)  # A marker, which is no record, is the last of the log.

        records = list(read_kafka(self.kafka.endpoints(), "good"))
        self.assertEqual([(partition, value) for partition, _, value in records],
                         [(0, one.genesis), (0, commit), (0, b"lost"), (0, None), (0, refusal), (0, refusal), (0, b"junk"),
                          (1, two.genesis)])
        offsets = [offset for _, offset, _ in records]
        self.assertEqual([*offsets[:4], *offsets[6:]], [0, 1, 2, 3, 7, 0])  # The first marker is 4, 5 or 6: Kafka takes its time.

        verified = self.on_topic("verify", "good", "--json")
        self.assertEqual(verified.returncode, 0, verified.stderr)
        said = json.loads(verified.stdout)
        self.assertEqual([(entry["records"], entry["accepted"], entry["void"], entry["height"], entry["head"], entry["stop"])
                          for entry in said["partitions"]],
                         [(7, 3, 4, 2, one.head.hex(), None), (1, 1, 0, 0, two.head.hex(), None)])
        self.assertTrue(said["good"])
        expected_id = str(uuid.UUID(bytes=b"L" * 16))
        self.assertEqual(said["ledger_id"], expected_id)
        self.assertEqual(self.on_topic("verify", "good", "--ledger-id", expected_id).returncode, 0)
        self.assertEqual(self.on_topic("verify", "good", "--ledger-id", str(uuid.UUID(int=1))).returncode, 1)

        dumped = self.on_topic("dump", "good")
        self.assertEqual(dumped.returncode, 0, dumped.stderr)
        decisions = [json.loads(line) for line in dumped.stdout.splitlines()]
        self.assertEqual(decisions, list(read_decisions(self.kafka.endpoints(), "good")))
        commit, answer = decisions
        tenant_text, slot_text = str(uuid.UUID(bytes=tenant)), str(uuid.UUID(bytes=b"S" * 16))
        self.assertEqual(commit | {"kind": "commit", "tenant": tenant_text, "boundary": tenant_text, "problem": None,
                                   "command": str(uuid.UUID(int=1)), "actor": str(uuid.UUID(bytes=b"A" * 16)), "stream": slot_text,
                                   "version": 1, "events": [{"type": "slot_opened", "event_version": 1, "stream_type": "slot",
                                                             "stream": slot_text, "version": 1,
                                                             "payload": ["ff" * 16, 7, "Ü", None, [True]]}]}, commit)
        self.assertRegex(commit["position"], "^0:1:[0-9a-f]{8}$")
        self.assertEqual(answer | {"kind": "answer", "problem": "slot-full", "command": str(uuid.UUID(int=2)), "events": [],
                                   "position": f"0:{offsets[4]}:{one.head.hex()[:8]}"}, answer)

    def test_stops_and_findings_fail_an_audit(self):
        self.make("empty", 2)
        self.make("newer", 1)
        self.make("twice", 1)
        writer, tenant = Writer(0, 2), b"T" * 16
        self.produce("empty", (0, writer.genesis))
        verified = self.on_topic("verify", "empty")
        self.assertEqual(verified.returncode, 1)
        self.assertIn("stopped at partition 1, offset 0: no-genesis", verified.stdout)

        writer = Writer()
        values = [writer.genesis, writer.commit(tenant, (b"S" * 16, "slot_opened", []))]
        self.produce("newer", *((0, value) for value in values), (0, b"PWL\x02" + writer.head), (0, writer.refusal(tenant, "x")))
        dumped = self.on_topic("dump", "newer")
        self.assertEqual((dumped.returncode, len(dumped.stdout.splitlines())), (1, 1))
        self.assertIn("stopped at partition 0, offset 2: newer-format", dumped.stderr)
        with self.assertRaisesRegex(Stopped, "newer-format"):
            list(read_decisions(self.kafka.endpoints(), "newer"))

        writer.head, writer.number = ledger.record_hash(values[1]), 0
        writer.height = 1
        self.produce("twice", *((0, value) for value in values), (0, writer.refusal(tenant, "x")))
        verified = self.on_topic("verify", "twice", "--json")
        self.assertEqual(verified.returncode, 1)
        self.assertEqual(json.loads(verified.stdout)["partitions"][0]["findings"],
                         [{"offset": 2, "answer": 0, "finding": "repeat"}])

    def test_what_cannot_be_read_is_not_judged(self):
        verified = self.on_topic("verify", "nowhere")
        self.assertEqual(verified.returncode, 2)
        self.assertIn("topic nowhere", verified.stderr)
        with self.assertRaises(Unreadable):
            list(read_kafka(self.kafka.endpoints(), "nowhere"))

    def test_vectors_from_the_command_line(self):
        checked = self.tool("vectors", str(VECTORS))
        self.assertEqual(checked.returncode, 0)
        self.assertRegex(checked.stdout, r"\A\d+ passed, 0 failed\n\Z")
        self.assertEqual(self.tool("vectors", str(ROOT / "script")).returncode, 1)


class DamageTest(unittest.TestCase):
    """Random damage, always the same: verdicts, never an exception, and the same strictness as another decoder's."""

    def test_damaged_logs(self):
        generator, reasons, damaged = random.Random(20260101), set(), 0
        for vector in vectors.load(VECTORS):
            log = vectors.log_of(vector)
            if not log or sum(len(value or b"") for _, value in log) > 20_000:
                continue
            for _ in range(60):
                at = generator.randrange(len(log))
                damaged_log = list(log)
                damaged_log[at] = (log[at][0], damage(generator, log[at][1] or b"", at_least=generator.choice((0, 36))))
                reader, verdicts = ledger.read_log(damaged_log, ledger.Ledger(vector["partition_count"]), vector["partition"])
                self.assertEqual(reader.accepted, sum(verdict.verdict == "accepted" for verdict in verdicts))
                if reader.stop is not None:
                    self.assertIn(reader.stop[1], REASONS)
                    reasons.add(reader.stop[1])
                else:
                    self.assertEqual(len(verdicts), len(log))
                damaged += 1
        self.assertGreater(damaged, 10_000)
        self.assertEqual(reasons, REASONS)

    def test_strictness_is_that_of_one_spelling_per_value(self):
        generator, taken, refused = random.Random(20260102), 0, 0
        bodies = {value[36:] for vector in vectors.load(VECTORS) for _, value in vectors.log_of(vector)
                  if value is not None and 36 < len(value) <= 2_000}
        for body in sorted(bodies):
            for _ in range(100):
                damaged = damage(generator, body, at_least=0)
                expected = lenient_then_spelled_again(damaged)
                try:
                    decoded = strict.decode(damaged)
                    self.assertEqual(decoded, expected, damaged.hex())
                    self.assertEqual(msgpack.packb(decoded), damaged)  # To == alone, True is 1.
                    taken += 1
                except strict.Malformed:
                    self.assertIsNone(expected, damaged.hex())
                    refused += 1
        self.assertGreater(taken, 1_000)
        self.assertGreater(refused, 1_000)


def damage(generator, value, at_least):
    """The value with a few bits flipped, bytes set, cut, doubled or taken from elsewhere in it, none before `at_least`."""
    data = bytearray(value)
    for _ in range(generator.choice((1, 1, 1, 2, 5))):
        if len(data) <= at_least:
            return bytes(data) + bytes(generator.randrange(3))
        at = generator.randrange(at_least, len(data))
        how = generator.randrange(8)
        if how < 4:
            data[at] ^= 1 << generator.randrange(8)
        elif how == 4:
            data[at] = generator.randrange(256)
        elif how == 5:
            del data[at:at + generator.choice((1, 2, 16, len(data)))]
        elif how == 6:
            data[at:at] = data[at:at + generator.choice((1, 2, 16))]
        else:
            begin = generator.randrange(at_least, len(data))
            data[at:at + 1] = data[begin:begin + generator.randrange(20)]
    return bytes(data)


def lenient_then_spelled_again(body):
    """What Debian's msgpack reads, if it writes the very same bytes for it, and all types are allowed. Else None."""
    try:
        value = msgpack.unpackb(body, raw=False, strict_map_key=False)
        if type(value) is not list or msgpack.packb(value, use_bin_type=True) != body:
            return None
    except Exception:  # Whatever it says about damage; a map in a map's key is even a TypeError.
        return None
    return value if allowed(value, 1) else None


def allowed(value, level):
    if type(value) is list:
        return level <= 8 and all(allowed(element, level + 1) for element in value)
    if type(value) is int:
        return value < 1 << 63
    return value is None or type(value) in (bool, bytes) or type(value) is str and "\0" not in value
