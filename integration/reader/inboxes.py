"""What students are told, and what they have read of it, from the ledger's events alone."""

import collections
import uuid

UNREAD_MAX = 63  # Older ones count as read.
KINDS = {
    "reservation_reserved": "booked",
    "reservation_hold_confirmed": "booked",
    "reservation_offer_accepted": "booked",
    "reservation_cancelled": "cancelled",
    "reservation_cancelled_by_staff": "cancelled-by-staff",
    "reservation_cancelled_with_slot": "cancelled-with-slot",
    "reservation_hold_expired": "hold-expired",
    "reservation_offered": "offered",
    "reservation_offer_expired": "offer-expired",
    "reservation_rescheduled": "moved",
    "reservation_rescheduled_by_staff": "moved",
    "reservation_sitting_changed": "times-changed",
    "reservation_needs_replacement_marked": "needs-replacement",
    "reservation_replacement_cleared": "fits-again",
    "reservation_marked_no_show": "no-show",
    "reservation_reminded": "exam-near",
}
REASONS = {"reservation_cancelled_by_staff": 3, "reservation_cancelled_with_slot": 3, "reservation_marked_no_show": 3,
           "reservation_needs_replacement_marked": 3, "reservation_rescheduled_by_staff": 10}  # Which field of the event says why.


class Inboxes:
    """Takes decisions (dicts as of `dump`) in the order of the log; of as many tenants as they are about."""

    def __init__(self):
        self.told = collections.defaultdict(list)  # (tenant, student): notifications, oldest first
        self.read = collections.defaultdict(set)  # the same: numbers of those that were read
        self.times = {}  # id of a slot, or of a reservation: start and end of the sitting
        self.broken = []  # What a student cannot have read.

    def take(self, decision):
        for event in decision["events"]:
            self._note_times(event["type"], event["stream"], event["payload"])
            if event["type"] in KINDS:
                self._tell(decision, event, KINDS[event["type"]])
            elif event["type"] == "inbox_read":
                self._read(decision, (decision["tenant"], event["stream"]), *event["payload"])

    def of(self, tenant):
        """student: notifications, oldest first, each with `unread`."""
        return {student: [one | {"unread": self._is_unread((tenant, student), one["number"])} for one in told]
                for (of_tenant, student), told in self.told.items() if of_tenant == tenant}

    def _note_times(self, type_, stream, payload):
        if type_ == "slot_opened":
            self.times[stream] = payload[2:4]
        elif type_ == "reservation_waitlist_joined":
            self.times[stream] = self.times[str(uuid.UUID(payload[0]))]
        elif type_ in ("reservation_reserved", "reservation_held", "reservation_rescheduled", "reservation_rescheduled_by_staff",
                       "reservation_sitting_changed"):
            self.times[stream] = payload[3:5]

    def _tell(self, decision, event, kind):
        slot, exam, student = (str(uuid.UUID(value)) for value in event["payload"][:3])
        told = self.told[decision["tenant"], student]
        told.append({"number": len(told) + 1, "kind": kind, "reservation_id": event["stream"], "slot_id": slot, "exam_id": exam,
                     "starts_at": self.times[event["stream"]][0], "ends_at": self.times[event["stream"]][1],
                     "expires_at": event["payload"][3] if kind == "offered" else None,
                     "reason": event["payload"][REASONS[event["type"]]] if event["type"] in REASONS else None, "told_at": decision["decided_at_us"]})

    def _is_unread(self, inbox, number):
        return number not in self.read[inbox] and number + UNREAD_MAX > len(self.told[inbox])

    def _read(self, decision, inbox, number, and_older):
        numbers = set(range(1, number + 1)) if and_older else {number}
        if number > len(self.told[inbox]) or not any(self._is_unread(inbox, one) for one in numbers):
            self.broken.append(f"{decision['position']}: nothing of {number} was unread")
        if decision["actor"] != inbox[1]:
            self.broken.append(f"{decision['position']}: {decision['actor']} read what another one was told")
        self.read[inbox] |= numbers
