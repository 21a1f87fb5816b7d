"""The promises about seats, held against the ledger's events alone, whatever decided them."""

import typing
import uuid

from integration.reader.sittings import MINUTE_US, Accommodation, Accommodations


class Broken(AssertionError):
    """The ledger says that something happened which must not; the message lists all of it."""


class Bookings(typing.NamedTuple):
    slots: dict  # slot id: live reservations
    capacities: dict  # slot id: seats
    reservations: dict  # id of a live reservation: (slot id, student id)
    replacements: dict  # id of a live reservation that needs a replacement: why


def check_bookings(decisions):
    """Replays decisions (dicts as of `dump`, each tenant's in the order of the log) and raises Broken if ever a slot had more
    reservations than seats, a student two live ones for an exam, or two whose times [starts_at, free_again_at) overlap; if a hold was
    confirmed once its time was over, or ended before; if a seat was offered to anybody but the first who waited, or to who gave one back
    before; if somebody sits longer or shorter than they are granted, or beyond a slot's hard end, and no replacement is asked for; or if an
    event does not fit what happened before it. Returns what stands at the end, every id as UUID text."""
    replay = _Replay()
    for decision in decisions:
        replay.begin(decision)
        for event in decision["events"]:
            apply = _EVENTS.get(event["type"])
            if apply is not None:
                replay.at = f"{decision['position']} {event['type']} {event['stream']}"
                replay.at_us, replay.by = decision["decided_at_us"], (decision["role"], decision["actor"])
                apply(replay, decision["tenant"], event["stream"], event["payload"])
        replay.end()
    if replay.broken:
        raise Broken("\n".join(replay.broken))
    return Bookings({slot: len(seats.live) for slot, seats in replay.slots.items()},
                    {slot: seats.capacity for slot, seats in replay.slots.items()},
                    {reservation: (live.slot, live.student) for reservation, live in replay.reservations.items()},
                    dict(replay.replacements))


class _Slot:
    def __init__(self, tenant, exam, capacity):
        self.tenant, self.exam, self.capacity, self.live = tenant, exam, capacity, set()
        self.waiting = {}  # id of a reservation that waits: its priority; in the order in which they came
        self.offered = {}  # id of a reservation with an open offer: when it runs out
        self.forfeited, self.is_closed = set(), False  # Students who gave an offered seat back; and the waiting list's end.
        self.state, self.why, self.proctors = "open", None, set()
        self.by_exam = False  # Cancelled because its exam was withdrawn, and not on record itself yet.
        self.sat = set()  # Those that were marked: who came, and who did not. They keep their seats.
        self.reminds_at = None  # When those with a booked seat are reminded; None: they are not, or were.


class _Reservation(typing.NamedTuple):
    tenant: str
    slot: str
    exam: str
    student: str
    starts_at: int
    free_again_at: int
    ends_at: int


class _Replay:
    def __init__(self):
        self.slots, self.reservations, self.ended = {}, {}, set()
        self.of_student = {}  # (tenant, student): ids of live reservations
        self.expires = {}  # id of a held reservation: when it runs out
        self.asked = {}  # id of a reservation that waited: tenant, slot, exam and student as they were when it began
        self.gone = set()  # (tenant, exam, student) of who left an offered seat for another one
        self.withdrawn_exams = set()  # (tenant, exam)
        self.sat = {}  # id of a reservation that was marked: what it was
        self.marked = {}  # (tenant, student): ids of those of them, which still block the calendar
        self.by_offer = set()  # ids of live reservations whose seat was offered
        self.accommodations = Accommodations()
        self.replacements = {}  # id of a live reservation that needs a replacement: why
        self.to_refit = set()  # (tenant, student) whose time the decision changes
        self.accepted = set()  # ids of reservations whose offer the decision accepts: their times follow
        self.causes = set()  # What a decision is made of.
        self.untold = set()  # ids of booked reservations whose slot has its students reminded, and which were not yet
        self.broken, self.at, self.at_us, self.by = [], "", 0, (None, None)

    def begin(self, decision):
        self.causes = {event["type"] for event in decision["events"]}
        self.to_refit, self.accepted = set(), set()

    def end(self):
        """Who accepted an offer sits as long as is granted; and whose time was changed does so in all that has not begun, or is marked."""
        for live in map(self.reservations.get, sorted(self.accepted)):
            if live is not None:
                self._ends_as_granted(live.tenant, live.slot, live.student, live.ends_at)
        for tenant, student in sorted(self.to_refit):
            for reservation in sorted(self.of_student.get((tenant, student), ())):
                live = self.reservations[reservation]
                if live.starts_at > self.at_us and live.slot in self.slots:
                    self._fits(reservation, live)

    def _fits(self, reservation, live):
        seats, ends_at = self.slots[live.slot], self._end_of(live.tenant, live.slot, live.student)
        free_again_at = ends_at + seats.times[1] - seats.ends_at
        others = [self.reservations[other] for other in self.of_student[live.tenant, live.student] - {reservation}]
        others += [self.sat[other] for other in self.marked.get((live.tenant, live.student), ())]
        if seats.hard_end_at is not None and ends_at > seats.hard_end_at:
            why = "hard-end"
        elif any(live.starts_at < other.free_again_at and other.starts_at < free_again_at for other in others):
            why = "calendar"
        else:
            why = None
            self.need(live.ends_at == ends_at, f"{reservation} ends at {live.ends_at}, and {ends_at} is granted")
        self.need(self.replacements.get(reservation) == why,
                  f"{reservation} is marked {self.replacements.get(reservation)}, and {why} is right")

    def _end_of(self, tenant, slot, student):
        """When that student would be done in that slot."""
        seats = self.slots[slot]
        granted = self.accommodations.valid_at(tenant, student, seats.times[0])
        return seats.ends_at if granted is None else granted.end_of(seats.times[0], seats.ends_at)

    def _ends_as_granted(self, tenant, slot, student, ends_at):
        if slot in self.slots:
            right, hard_end_at = self._end_of(tenant, slot, student), self.slots[slot].hard_end_at
            self.need(ends_at == right, f"it ends at {ends_at}, and {right} is granted")
            self.need(hard_end_at is None or ends_at <= hard_end_at, f"it ends at {ends_at}, after the slot's end at {hard_end_at}")

    def hard_end_set(self, tenant, slot, payload):
        self.need(slot in self.slots and self.slots[slot].tenant == tenant and self.slots[slot].exam == _id(payload[0]),
                  "there is no such slot")
        if slot in self.slots:
            self.need(payload[1] >= self.slots[slot].ends_at, "nobody could sit it")
            self.need(not self.slots[slot].live, "somebody has a seat")
            self.slots[slot].hard_end_at = payload[1]

    def granted(self, tenant, accommodation, payload):
        self._accommodate(tenant, payload, self.accommodations.grant(
            accommodation, tenant, _id(payload[0]), Accommodation(*payload[1:])))

    def revised(self, tenant, accommodation, payload):
        self._accommodate(tenant, payload, self.accommodations.revise(
            accommodation, tenant, _id(payload[0]), Accommodation(*payload[1:])))

    def revoked(self, tenant, accommodation, payload):
        self._accommodate(tenant, payload, self.accommodations.revoke(accommodation, tenant, _id(payload[0])))

    def _accommodate(self, tenant, payload, wrong):
        self.need(wrong is None, wrong)
        self.to_refit.add((tenant, _id(payload[0])))

    def _refitted(self, tenant, reservation, payload):
        """The live reservation whose time follows what is granted by now; or None."""
        live = self.reservations.get(reservation)
        self.need(live is not None, "there is no such live reservation")
        self.need(self.causes & _CHANGES_TIME, "nothing has changed that student's time")
        if live is not None:
            self._as_made(live, tenant, payload)
            self.need(self.at_us < live.starts_at, "the exam has begun")
        return live

    def sitting_changed(self, tenant, reservation, payload):
        live = self._refitted(tenant, reservation, payload)
        if live is None:
            return
        starts_at, ends_at, free_again_at = payload[3:6]
        others = [self.reservations[other] for other in self.of_student[live.tenant, live.student] - {reservation}]
        others += [self.sat[other] for other in self.marked.get((live.tenant, live.student), ())]
        self.need(starts_at == live.starts_at, "it starts at another time")
        self._ends_as_granted(tenant, live.slot, live.student, ends_at)
        self.need(all(other.starts_at < starts_at or free_again_at <= other.starts_at for other in others),
                  "it runs into another one of the student's")
        self.reservations[reservation] = live._replace(ends_at=ends_at, free_again_at=free_again_at)
        self.replacements.pop(reservation, None)

    def replacement_marked(self, tenant, reservation, payload):
        if self._refitted(tenant, reservation, payload) is not None:
            self.replacements[reservation] = payload[3]

    def replacement_cleared(self, tenant, reservation, payload):
        self._refitted(tenant, reservation, payload)
        self.need(self.replacements.pop(reservation, None) is not None, "it needed no replacement")

    def need(self, condition, what):
        if not condition:
            self.broken.append(f"{self.at}: {what}")

    def withdrawn(self, tenant, exam, payload):
        """Its slots that start later count as cancelled; each one's own record of that follows."""
        self.need((tenant, exam) not in self.withdrawn_exams, "the exam is withdrawn already")
        self.need(payload[1] == self.at_us, "it was withdrawn at another time than it was decided")
        self.withdrawn_exams.add((tenant, exam))
        for seats in self.slots.values():
            if (seats.tenant, seats.exam) == (tenant, exam) and seats.times[0] > payload[1] and seats.state != "cancelled":
                seats.state, seats.why, seats.by_exam = "cancelled", payload[0], True

    def opened(self, tenant, slot, payload):
        exam, _, _, _, _, _, capacity = payload[:7]
        self.need((tenant, _id(exam)) not in self.withdrawn_exams, "the exam is withdrawn")
        self.need(slot not in self.slots, "the slot was opened before")
        self.slots[slot] = _Slot(tenant, _id(exam), capacity)
        self.slots[slot].times = payload[2], payload[3] + payload[5] * MINUTE_US
        self.slots[slot].ends_at, self.slots[slot].hard_end_at = payload[3], None
        self.slots[slot].lead_at = payload[2] - payload[4] * MINUTE_US  # From then on no student cancels, and nothing is offered.

    def capacity_changed(self, tenant, slot, payload):
        self.need(slot in self.slots, "there is no such slot")
        if slot in self.slots:
            self.slots[slot].capacity = payload[0]
            self._within(tenant, slot)

    def reserved(self, tenant, reservation, payload, gives=("open",)):
        """gives: the states of a slot in which it gives a seat to whoever asks."""
        slot, exam, student = map(_id, payload[:3])
        starts_at, ends_at, free_again_at = payload[3:6]
        self.need(self.at_us < starts_at, "it starts in the past")
        self.need(reservation not in self.reservations and reservation not in self.ended, "the reservation was made before")
        others = self.of_student.setdefault((tenant, student), set())
        for other in sorted(others - {reservation}):
            live = self.reservations[other]
            self.need(live.exam != exam, f"student {student} already holds {other} for exam {exam}")
            self.need(live.free_again_at <= starts_at or free_again_at <= live.starts_at,
                      f"student {student} already holds {other} at that time")
        for other in sorted(self.marked.get((tenant, student), ())):
            sat = self.sat[other]
            self.need(sat.free_again_at <= starts_at or free_again_at <= sat.starts_at, f"student {student} sits {other} at that time")
        others.add(reservation)
        self.reservations[reservation] = _Reservation(tenant, slot, exam, student, starts_at, free_again_at, ends_at)
        self.need(slot in self.slots, f"there is no slot {slot}")
        if reservation not in self.asked and slot in self.slots:
            self.need(not self.slots[slot].waiting or self.slots[slot].is_closed, "others wait for it")
            self.need(self.slots[slot].state in gives, "the slot is closed or cancelled")
        self.need(slot not in self.slots or self.slots[slot].state != "cancelled", "the slot is cancelled")
        seats = self.slots.get(slot)
        over = [other for other in (seats.live if seats else ()) if self.expires.get(other, self.at_us + 1) <= self.at_us]
        over += [other for other, expires_at in (seats.offered.items() if seats else ()) if expires_at <= self.at_us]
        self.need(seats is None or student not in self._students_of(slot), f"student {student} has something open in this slot")
        self.need(not over, f"{over} had run out, which is not on record")
        if slot in self.slots:
            self.need(self.slots[slot].exam == exam, f"slot {slot} is for exam {self.slots[slot].exam}, not {exam}")
            if reservation not in self.accepted:
                self._ends_as_granted(tenant, slot, student, ends_at)
            self.slots[slot].live.add(reservation)
            self._within(tenant, slot)

    def waitlist_joined(self, tenant, reservation, payload):
        slot, exam, student = map(_id, payload[:3])
        self.need(reservation not in self.reservations and reservation not in self.ended, "the reservation was made before")
        self.need(slot in self.slots, f"there is no slot {slot}")
        if slot not in self.slots:
            return
        seats = self.slots[slot]
        self.need(seats.tenant == tenant and seats.exam == exam, f"slot {slot} is another tenant's, or for another exam")
        forfeited = student in seats.forfeited or (tenant, exam, student) in self.gone
        self.need(not seats.is_closed and not forfeited, "nobody may wait, or not this student")
        self.need(seats.state == "open", "the slot is closed or cancelled")
        self.need(self.at_us < seats.lead_at, "the lead time has begun")
        self.need(student not in self._students_of(slot), "the student has something open in this slot")
        self.need(seats.waiting or len(seats.live) + len(seats.offered) >= seats.capacity, "seats were free")
        seats.waiting[reservation] = 0
        self.asked[reservation] = (tenant, slot, exam, student)

    def prioritised(self, tenant, reservation, payload):
        seats = self._waits(tenant, reservation, payload)
        if seats is not None:
            seats.waiting[reservation] = payload[3]

    def waitlist_left(self, tenant, reservation, payload):
        seats = self._waits(tenant, reservation, payload)
        if seats is not None:
            del seats.waiting[reservation]
            self.ended.add(reservation)

    def offered(self, tenant, reservation, payload):
        seats = self._waits(tenant, reservation, payload)
        if seats is None:
            return
        first = max(seats.waiting, key=lambda one: seats.waiting[one])  # The first of the highest.
        self.need(first == reservation, f"{first} comes first")
        self.need(self.at_us < payload[3] <= seats.lead_at and not seats.is_closed, "it is offered too late, or for too long")
        self.need(seats.state == "open", "the slot is closed or cancelled")
        self.need(len(seats.live) + len(seats.offered) < seats.capacity, "no seat was free")
        del seats.waiting[reservation]
        seats.offered[reservation] = payload[3]

    def offer_accepted(self, tenant, reservation, payload):
        seats, expires_at = self._is_offered(tenant, reservation, payload)
        if seats is None:
            return
        self.need(self.at_us < expires_at, "its offer had run out")
        starts_at, free_again_at = seats.times
        self.accepted.add(reservation)
        self.reserved(tenant, reservation, [*payload[:3], starts_at, seats.ends_at, free_again_at])
        self.by_offer.add(reservation)

    def offer_declined(self, tenant, reservation, payload):
        seats, expires_at = self._is_offered(tenant, reservation, payload)
        self.need(seats is None or self.at_us < expires_at, "its offer had run out")
        self.ended.add(reservation)

    def offer_expired(self, tenant, reservation, payload):
        seats, expires_at = self._is_offered(tenant, reservation, payload)
        self.need(seats is None or self.at_us >= expires_at, "its offer had not run out")
        self.ended.add(reservation)

    def waitlist_closed(self, tenant, slot, payload):
        self.need(slot in self.slots and not self.slots[slot].is_closed and self.slots[slot].exam == _id(payload[0]),
                  "there is no such open waiting list")
        if slot in self.slots:
            self.need(self.at_us >= self.slots[slot].lead_at, "the lead time has not begun")
            self.slots[slot].is_closed = True

    def reminder_set(self, tenant, slot, payload):
        good = slot in self.slots and self.slots[slot].exam == _id(payload[0]) and self.slots[slot].reminds_at is None
        self.need(good and self.at_us < payload[1] < self.slots[slot].times[0], "there is no such slot without a reminder, or not then")
        if good:
            self.slots[slot].reminds_at = payload[1]

    def slot_reminded(self, tenant, slot, payload):
        seats = self.slots.get(slot)
        left = self.untold & seats.live if seats is not None and seats.exam == _id(payload[0]) else set()
        if left and not payload[1] and self.at_us >= seats.times[0]:  # Of an exam that has begun nobody is told any more.
            self.untold -= left
            return
        good = seats is not None and seats.exam == _id(payload[0]) and seats.reminds_at is not None and seats.state != "cancelled"
        self.need(good and self.at_us >= seats.reminds_at, "there is no such slot that is to be reminded of by now")
        if good:
            self.need(payload[1] == (self.at_us < seats.times[0]), "it is said to be in time, and is not, or the reverse")
            seats.reminds_at = None
            self.untold |= {one for one in seats.live if one not in self.expires} if payload[1] else set()

    def reminded(self, tenant, reservation, payload):
        live = self.reservations.get(reservation)
        self.need(live is None or self.at_us < live.starts_at, "the exam has begun")
        self.need(reservation in self.untold, "who is reminded had no seat when it was time, or was reminded before")
        self.untold.discard(reservation)
        self._as_made(live, tenant, payload)

    def proctor_assigned(self, tenant, slot, payload):
        good = slot in self.slots and self.slots[slot].exam == _id(payload[0]) and _id(payload[1]) not in self.slots[slot].proctors
        self.need(good and self.slots[slot].state != "cancelled", "there is no such slot that they do not proctor")
        if good:
            self.slots[slot].proctors.add(_id(payload[1]))

    def proctor_released(self, tenant, slot, payload):
        good = slot in self.slots and self.slots[slot].exam == _id(payload[0]) and _id(payload[1]) in self.slots[slot].proctors
        self.need(good, "there is no such slot that they proctor")
        if good:
            self.slots[slot].proctors.discard(_id(payload[1]))

    def marked_attended(self, tenant, reservation, payload):
        self._mark(tenant, reservation, payload)

    def marked_no_show(self, tenant, reservation, payload):
        self._mark(tenant, reservation, payload)

    def _mark(self, tenant, reservation, payload):
        """By the office, or a proctor of the slot; what was marked once may be marked anew."""
        seats = self.slots.get(_id(payload[0]))
        may = seats is not None and (self.by[0] == "admin" or self.by[1] in seats.proctors)
        self.need(may, "who marked it neither proctors the slot nor is an admin")
        if seats is None or reservation in seats.sat:
            return
        live = self.reservations.get(reservation)
        self.need(live is not None and reservation not in self.expires, "there is no such booked reservation")
        self.need(live is None or self.at_us >= live.starts_at, "the sitting has not begun")
        self.by_offer.discard(reservation)
        self.ended_by(tenant, reservation, payload)
        seats.sat.add(reservation)
        if live is not None:
            self.sat[reservation] = live
            self.marked.setdefault((live.tenant, live.student), set()).add(reservation)

    def slot_closed(self, tenant, slot, payload):
        self._end_slot(slot, payload, ("open",), "closed")

    def slot_cancelled(self, tenant, slot, payload):
        if slot in self.slots and self.slots[slot].by_exam:
            seats = self.slots[slot]
            self.need(seats.exam == _id(payload[0]) and seats.why == payload[1], "its exam was withdrawn for another reason")
            seats.by_exam = False
            return
        self._end_slot(slot, payload, ("open", "closed"), "cancelled")
        if slot in self.slots:
            self.slots[slot].why = payload[1]

    def _end_slot(self, slot, payload, states, state):
        good = slot in self.slots and self.slots[slot].exam == _id(payload[0]) and self.slots[slot].state in states
        self.need(good, f"there is no such slot that is {' or '.join(states)}")
        if slot in self.slots:
            self.slots[slot].state = state

    def _students_of(self, slot):
        """Who has anything open there: a seat, an offer, a place on the list."""
        seats = self.slots[slot]
        return {self.reservations[one].student for one in seats.live} | {self.asked[one][3] for one in (*seats.waiting, *seats.offered)}

    def _waits(self, tenant, reservation, payload):
        """The slot that somebody waits for, as they asked; or None."""
        said, seats = (tenant, *map(_id, payload[:3])), self.slots.get(_id(payload[0]))
        good = seats is not None and reservation in seats.waiting and self.asked[reservation] == said
        self.need(good, "nobody waits there as that reservation")
        return seats if good else None

    def _is_offered(self, tenant, reservation, payload):
        said, seats = (tenant, *map(_id, payload[:3])), self.slots.get(_id(payload[0]))
        good = seats is not None and reservation in seats.offered and self.asked[reservation] == said
        self.need(good, "nothing is offered to that reservation")
        return (seats, seats.offered.pop(reservation)) if good else (None, 0)

    def held(self, tenant, reservation, payload):
        self.need(self.at_us < payload[6] <= payload[3], "it does not run out between now and the start")
        self.reserved(tenant, reservation, payload)
        self.expires[reservation] = payload[6]

    def hold_confirmed(self, tenant, reservation, payload):
        live, expires_at = self.reservations.get(reservation), self.expires.pop(reservation, None)
        self.need(live is not None and expires_at is not None, "there is no such held reservation")
        self.need(expires_at is None or self.at_us < expires_at, "its hold had run out")
        self.need(live is None or live.slot not in self.slots or self.slots[live.slot].state != "cancelled", "the slot is cancelled")
        self._as_made(live, tenant, payload)

    def hold_expired(self, tenant, reservation, payload):
        expires_at = self.expires.get(reservation)
        self.need(expires_at is not None and self.at_us >= expires_at, "its hold had not run out")
        self.ended_by(tenant, reservation, payload)

    def cancelled(self, tenant, reservation, payload):
        live = self.reservations.get(reservation)
        if live is not None and live.slot in self.slots and reservation not in self.expires:
            self.need(self.at_us <= self.slots[live.slot].lead_at, "the lead time had begun")
        self.ended_by(tenant, reservation, payload)

    def cancelled_by_staff(self, tenant, reservation, payload):
        seats = self.slots.get(_id(payload[0]))
        expires_at = self.expires.get(reservation, seats.offered.get(reservation) if seats is not None else None)
        self.need(expires_at is None or self.at_us < expires_at, "its hold or offer had run out")
        self._taken_away(tenant, reservation, payload)

    def cancelled_with_slot(self, tenant, reservation, payload):
        seats = self.slots.get(_id(payload[0]))
        self.need(seats is not None and seats.state == "cancelled" and seats.why == payload[3], "its slot is not cancelled, or for another reason")
        self._taken_away(tenant, reservation, payload)

    def _taken_away(self, tenant, reservation, payload):
        """Whatever it is: booked, held, offered, waiting. Nobody is the worse off for having been offered that seat."""
        seats = self.slots.get(_id(payload[0]))
        if seats is not None and reservation in seats.waiting:
            self.waitlist_left(tenant, reservation, payload)
        elif seats is not None and reservation in seats.offered:
            self._is_offered(tenant, reservation, payload)
            self.ended.add(reservation)
        else:
            self.by_offer.discard(reservation)
            self.ended_by(tenant, reservation, payload)

    def rescheduled(self, tenant, reservation, payload):
        live = self.reservations.get(reservation)
        left = self.slots.get(_id(payload[6]))
        self.need(left is None or self.at_us <= left.lead_at, "the lead time had begun")
        if live is not None and reservation in self.by_offer:  # In no slot of the exam they wait again.
            self.gone.add((tenant, live.exam, live.student))
        self._move(tenant, reservation, payload)

    def rescheduled_by_staff(self, tenant, reservation, payload):
        """At any time, and into a closed slot, too; who was offered the seat has not given it back."""
        self.need(self.by[0] == "admin", "who moved it is no admin")
        self.by_offer.discard(reservation)
        self._move(tenant, reservation, payload, gives=("open", "closed"))

    def _move(self, tenant, reservation, payload, **how):
        """The old seat is given back, and the new one taken, at once."""
        slot, exam, student, from_slot = map(_id, (*payload[:3], payload[6]))
        live = self.reservations.get(reservation)
        self.need(live is not None and reservation not in self.expires, "there is no such booked reservation")
        if live is None:
            return
        self.need((tenant, from_slot, exam, student) == live[:4] and slot != from_slot, f"it was {live}")
        self.need((payload[7], payload[9]) == (live.starts_at, live.free_again_at), f"it had other times: {live}")
        self.ended_by(tenant, reservation, [payload[6], *payload[1:3]])
        self.ended.discard(reservation)
        self.by_offer.discard(reservation)
        self.asked.pop(reservation, None)  # From here on it is like any that was booked.
        self.reserved(tenant, reservation, payload, **how)

    def _as_made(self, live, tenant, payload):
        said = (tenant, *map(_id, payload[:3]))
        self.need(live is None or said == live[:4], f"it was made as {live and live[:4]}, not {said}")

    def ended_by(self, tenant, reservation, payload):
        live = self.reservations.pop(reservation, None)
        self.expires.pop(reservation, None)
        self.replacements.pop(reservation, None)
        self.untold.discard(reservation)
        self.ended.add(reservation)
        self.need(live is not None, "there is no such live reservation")
        if live is None:
            return
        self._as_made(live, tenant, payload)
        self.of_student[live.tenant, live.student].discard(reservation)
        if live.slot in self.slots:
            self.slots[live.slot].live.discard(reservation)
            if reservation in self.by_offer:
                self.slots[live.slot].forfeited.add(live.student)

    def _within(self, tenant, slot):
        seats = self.slots[slot]
        self.need(seats.tenant == tenant, f"slot {slot} is another tenant's")
        taken = len(seats.live) + len(seats.offered) + len(seats.sat)
        self.need(taken <= seats.capacity, f"slot {slot} has {taken} reservations and {seats.capacity} seats")


_EVENTS = {
    "slot_opened": _Replay.opened,
    "slot_capacity_changed": _Replay.capacity_changed,
    "reservation_reserved": _Replay.reserved,
    "reservation_held": _Replay.held,
    "reservation_hold_confirmed": _Replay.hold_confirmed,
    "reservation_hold_expired": _Replay.hold_expired,
    "reservation_cancelled": _Replay.cancelled,
    "reservation_cancelled_by_staff": _Replay.cancelled_by_staff,
    "reservation_cancelled_with_slot": _Replay.cancelled_with_slot,
    "reservation_marked_attended": _Replay.marked_attended,
    "reservation_marked_no_show": _Replay.marked_no_show,
    "slot_proctor_assigned": _Replay.proctor_assigned,
    "slot_proctor_released": _Replay.proctor_released,
    "exam_withdrawn": _Replay.withdrawn,
    "slot_closed": _Replay.slot_closed,
    "slot_cancelled": _Replay.slot_cancelled,
    "reservation_rescheduled": _Replay.rescheduled,
    "reservation_rescheduled_by_staff": _Replay.rescheduled_by_staff,
    "reservation_waitlist_joined": _Replay.waitlist_joined,
    "reservation_prioritised": _Replay.prioritised,
    "reservation_waitlist_left": _Replay.waitlist_left,
    "reservation_offered": _Replay.offered,
    "reservation_offer_accepted": _Replay.offer_accepted,
    "reservation_offer_declined": _Replay.offer_declined,
    "reservation_offer_expired": _Replay.offer_expired,
    "slot_waitlist_closed": _Replay.waitlist_closed,
    "slot_hard_end_set": _Replay.hard_end_set,
    "slot_reminder_set": _Replay.reminder_set,
    "slot_reminded": _Replay.slot_reminded,
    "reservation_reminded": _Replay.reminded,
    "accommodation_granted": _Replay.granted,
    "accommodation_revised": _Replay.revised,
    "accommodation_revoked": _Replay.revoked,
    "reservation_sitting_changed": _Replay.sitting_changed,
    "reservation_needs_replacement_marked": _Replay.replacement_marked,
    "reservation_replacement_cleared": _Replay.replacement_cleared,
}
_CHANGES_TIME = {"accommodation_granted", "accommodation_revised", "accommodation_revoked", "reservation_offer_accepted"}


def _id(value):
    return str(uuid.UUID(value))
