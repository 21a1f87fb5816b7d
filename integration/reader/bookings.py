"""The promises about seats, held against the ledger's events alone, whatever decided them."""

import typing
import uuid


class Broken(AssertionError):
    """The ledger says that something happened which must not; the message lists all of it."""


class Bookings(typing.NamedTuple):
    slots: dict  # slot id: live reservations
    capacities: dict  # slot id: seats
    reservations: dict  # id of a live reservation: (slot id, student id)


def check_bookings(decisions):
    """Replays decisions (dicts as of `dump`, each tenant's in the order of the log) and raises Broken if ever a slot had more
    reservations than seats, a student two live ones for an exam, or two whose times [starts_at, free_again_at) overlap; if a hold was
    confirmed once its time was over, or ended before; or if an event does not fit what happened before it. Returns what stands at the end, every id as UUID text."""
    replay = _Replay()
    for decision in decisions:
        for event in decision["events"]:
            apply = _EVENTS.get(event["type"])
            if apply is not None:
                replay.at = f"{decision['position']} {event['type']} {event['stream']}"
                replay.at_us = decision["decided_at_us"]
                apply(replay, decision["tenant"], event["stream"], event["payload"])
    if replay.broken:
        raise Broken("\n".join(replay.broken))
    return Bookings({slot: len(seats.live) for slot, seats in replay.slots.items()},
                    {slot: seats.capacity for slot, seats in replay.slots.items()},
                    {reservation: (live.slot, live.student) for reservation, live in replay.reservations.items()})


class _Slot:
    def __init__(self, tenant, exam, capacity):
        self.tenant, self.exam, self.capacity, self.live = tenant, exam, capacity, set()


class _Reservation(typing.NamedTuple):
    tenant: str
    slot: str
    exam: str
    student: str
    starts_at: int
    free_again_at: int


class _Replay:
    def __init__(self):
        self.slots, self.reservations, self.ended = {}, {}, set()
        self.of_student = {}  # (tenant, student): ids of live reservations
        self.expires = {}  # id of a held reservation: when it runs out
        self.broken, self.at, self.at_us = [], "", 0

    def need(self, condition, what):
        if not condition:
            self.broken.append(f"{self.at}: {what}")

    def opened(self, tenant, slot, payload):
        exam, _, _, _, _, _, capacity = payload[:7]
        self.need(slot not in self.slots, "the slot was opened before")
        self.slots[slot] = _Slot(tenant, _id(exam), capacity)

    def capacity_changed(self, tenant, slot, payload):
        self.need(slot in self.slots, "there is no such slot")
        if slot in self.slots:
            self.slots[slot].capacity = payload[0]
            self._within(tenant, slot)

    def reserved(self, tenant, reservation, payload):
        slot, exam, student = map(_id, payload[:3])
        starts_at, _, free_again_at = payload[3:6]
        self.need(reservation not in self.reservations and reservation not in self.ended, "the reservation was made before")
        others = self.of_student.setdefault((tenant, student), set())
        for other in sorted(others - {reservation}):
            live = self.reservations[other]
            self.need(live.exam != exam, f"student {student} already holds {other} for exam {exam}")
            self.need(live.free_again_at <= starts_at or free_again_at <= live.starts_at,
                      f"student {student} already holds {other} at that time")
        others.add(reservation)
        self.reservations[reservation] = _Reservation(tenant, slot, exam, student, starts_at, free_again_at)
        self.need(slot in self.slots, f"there is no slot {slot}")
        over = [other for other in (self.slots[slot].live if slot in self.slots else ()) if self.expires.get(other, self.at_us + 1) <= self.at_us]
        self.need(not over, f"{over} had run out, which is not on record")
        if slot in self.slots:
            self.need(self.slots[slot].exam == exam, f"slot {slot} is for exam {self.slots[slot].exam}, not {exam}")
            self.slots[slot].live.add(reservation)
            self._within(tenant, slot)

    def held(self, tenant, reservation, payload):
        self.need(self.at_us < payload[6] <= payload[3], "it does not run out between now and the start")
        self.reserved(tenant, reservation, payload)
        self.expires[reservation] = payload[6]

    def hold_confirmed(self, tenant, reservation, payload):
        live, expires_at = self.reservations.get(reservation), self.expires.pop(reservation, None)
        self.need(live is not None and expires_at is not None, "there is no such held reservation")
        self.need(expires_at is None or self.at_us < expires_at, "its hold had run out")
        self._as_made(live, tenant, payload)

    def hold_expired(self, tenant, reservation, payload):
        expires_at = self.expires.get(reservation)
        self.need(expires_at is not None and self.at_us >= expires_at, "its hold had not run out")
        self.ended_by(tenant, reservation, payload)

    def _as_made(self, live, tenant, payload):
        said = (tenant, *map(_id, payload[:3]))
        self.need(live is None or said == live[:4], f"it was made as {live and live[:4]}, not {said}")

    def ended_by(self, tenant, reservation, payload):
        live = self.reservations.pop(reservation, None)
        self.expires.pop(reservation, None)
        self.ended.add(reservation)
        self.need(live is not None, "there is no such live reservation")
        if live is None:
            return
        self._as_made(live, tenant, payload)
        self.of_student[live.tenant, live.student].discard(reservation)
        if live.slot in self.slots:
            self.slots[live.slot].live.discard(reservation)

    def _within(self, tenant, slot):
        seats = self.slots[slot]
        self.need(seats.tenant == tenant, f"slot {slot} is another tenant's")
        self.need(len(seats.live) <= seats.capacity, f"slot {slot} has {len(seats.live)} reservations and {seats.capacity} seats")


_EVENTS = {
    "slot_opened": _Replay.opened,
    "slot_capacity_changed": _Replay.capacity_changed,
    "reservation_reserved": _Replay.reserved,
    "reservation_held": _Replay.held,
    "reservation_hold_confirmed": _Replay.hold_confirmed,
    "reservation_hold_expired": _Replay.hold_expired,
    "reservation_cancelled": _Replay.ended_by,
}


def _id(value):
    return str(uuid.UUID(value))
