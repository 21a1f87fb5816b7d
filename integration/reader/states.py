"""What `audit as-of` must say, folded from the ledger's events alone."""

import base64
import datetime
import hashlib
import uuid

import msgpack

from integration.reader.inboxes import Inboxes

ROLES = ("student", "teacher", "grader", "proctor", "admin", "auditor", "analyst")
OPEN = ("confirmed", "held", "offered", "waiting")
WITH_SEAT = ("confirmed", "held", "offered", "attended", "no-show")
MINUTE_US = 60_000_000


def _sha256(data):
    return hashlib.sha256(data).digest()


class States:
    """The streams of one tenant. Takes its decisions (dicts as of `dump`) in the order of the log."""

    def __init__(self, tenant):
        self.tenant, self.streams = tenant, {}
        self.slots = {}  # id of a slot: its start and end, and when its calendar is free again
        self.sessions = {}  # id of a person: those of their live sessions, newest first
        self.inboxes = Inboxes()

    def take(self, decision):
        if decision["tenant"] != self.tenant:
            return
        self.inboxes.take(decision)
        for event in decision["events"]:
            if event["stream_type"] == "inbox":  # Its id is the student's, who may be a stream as well.
                continue
            stream = self.streams.setdefault(event["stream"], {})
            _EVENTS[event["type"]](self, event["stream"], stream, event["payload"])
            stream |= {"stream_type": event["stream_type"], "stream_id": event["stream"], "version": event["version"],
                       "last_event": event["type"], "changed_at": at(decision["decided_at_us"]),
                       "changed_position": decision["position"]}

    def shown(self, stream):
        """The members of as-of's object that are about a stream."""
        shown = self.streams[stream]
        if shown["stream_type"] == "slot":
            of_slot = [other["state"] for other in self.streams.values() if other.get("slot_id") == stream]
            shown = shown | {"waiting_count": of_slot.count("waiting"),
                             "left_count": sum(state in OPEN for state in of_slot) if shown["state"] == "cancelled" else 0}
        return shown | {"session_ids": list(self.sessions[stream])} if shown["stream_type"] == "user" else dict(shown)

    def counts(self):
        """How much there is of each; of sessions, those that live."""
        types = [stream["stream_type"] for stream in self.streams.values() if stream.get("state") != "ended"]
        counts = {f"{type_}s": types.count(type_) for type_ in ("user", "session", "exam", "slot", "reservation", "accommodation", "item")}
        return counts | {"inboxes": len(self.inboxes.of(self.tenant))}

    # --- Tenants and people

    def created(self, _id, tenant, _payload):
        tenant |= {"hold_minutes": 10, "offer_minutes": 1440, "keeps_accounts": False, "issuers": []}

    def trusted(self, _id, tenant, payload):
        tenant["issuers"].append({"issuer": payload[0], "public_key": key(payload[1])})

    def distrusted(self, _id, tenant, payload):
        gone = tenant["issuers"].index({"issuer": payload[0], "public_key": key(payload[1])})
        tenant["issuers"][gone] = tenant["issuers"][-1]
        tenant["issuers"].pop()

    def equality_key_chosen(self, _id, tenant, _payload):
        tenant["keeps_accounts"] = True

    def rules_set(self, _id, tenant, payload):
        tenant |= {"hold_minutes": payload[0], "offer_minutes": payload[1]}

    def registered(self, id_, user, payload):
        user |= {"state": "active", "roles": roles(payload[4]), "has_password": payload[5] != "", "reset_expires_at": None,
                 "key_id": uuid_of(payload[0])}
        self.sessions[id_] = []

    def unchanged(self, _id, _stream, _payload):
        """Nothing that is shown."""

    def granted(self, _id, user, payload):
        user["roles"] = roles({*user["roles"], *payload[0]})

    def revoked(self, _id, user, payload):
        user["roles"] = roles({*user["roles"]} - {*payload[0]})

    def deactivated(self, _id, user, _payload):
        user["state"] = "deactivated"

    def reactivated(self, _id, user, _payload):
        user["state"] = "active"

    def password_set(self, _id, user, _payload):
        user |= {"has_password": True, "reset_expires_at": None}

    def reset_token_issued(self, _id, user, payload):
        user["reset_expires_at"] = at(payload[1])

    def erased(self, _id, user, _payload):
        user |= {"state": "erased", "has_password": False, "reset_expires_at": None}

    def session_opened(self, id_, session, payload):
        session |= {"state": "live", "user_id": uuid_of(payload[0]), "refreshed_at": None, "expires_at": at(payload[2]),
                    "ends_at": at(payload[3])}
        self.sessions[session["user_id"]].insert(0, id_)

    def session_refreshed(self, _id, session, payload):
        session |= {"refreshed_at": at(payload[1]), "expires_at": at(payload[2])}

    def session_revoked(self, id_, session, _payload):
        self.sessions[session["user_id"]].remove(id_)
        session.clear()
        session["state"] = "ended"

    # --- Exams and slots

    def item_drafted(self, id_, item, payload):
        item |= {"owner_id": uuid_of(payload[8]), "retired": False, "versions": []}
        self.item_version(item, payload[:8], payload[9])

    def item_revised(self, _id, item, payload):
        assert payload[8] == len(item["versions"]) + 1, "not the next version"
        self.item_version(item, payload[:8], payload[9])

    def item_version(self, item, content, content_hash):
        """Its hash is computed here once more, as the table says."""
        title, kind, prompt, choices, scoring, answers, maximum, penalty = content
        lists = [_sha256(prompt.encode()), _sha256(msgpack.packb(choices)), _sha256(msgpack.packb(answers))]
        whole = msgpack.packb([1, title, kind, *lists[:2], scoring, lists[2], maximum, penalty])
        assert _sha256(whole).hex() == content_hash, "not the hash of the content"
        item["versions"].append({
            "version_number": len(item["versions"]) + 1, "kind": kind, "choice_count": len(choices), "scoring": scoring,
            "maximum_mark": maximum, "penalty_max": penalty, "content_hash": content_hash, "key_number": 1,
            "answers_hash": lists[2].hex()})

    def item_retired(self, _id, item, _payload):
        item["retired"] = True

    def item_key_corrected(self, _id, item, payload):
        version = item["versions"][payload[0] - 1]
        assert payload[1] == version["key_number"] + 1, "not the next key"
        assert _sha256(msgpack.packb(payload[2])).hex() == payload[3], "not the hash of the key"
        version |= {"key_number": payload[1], "answers_hash": payload[3]}

    def drafted(self, id_, exam, payload):
        exam |= {"owner_id": uuid_of(payload[4]), "draft_item_count": 0, "draft_maximum_mark": 0, "draft_items_hash": None}
        self.draft_revised(id_, exam, payload)
        exam |= {f"published_{name}": None for name in ("number", *_CONTENT, *_ASKED, "hash")} | {"withdrawn": False}

    def draft_revised(self, _id, exam, payload):
        exam |= {f"draft_{name}": value for name, value in zip(_CONTENT, payload[:4])}
        self.draft_hashed(exam)

    def rules_set(self, _id, exam, payload):
        exam |= {f"draft_{name}": value for name, value in zip(_CONTENT[2:], payload)}
        self.draft_hashed(exam)

    def items_bound(self, _id, exam, payload):
        """Versions that there are, of the exam's own teacher, each item once."""
        items, items_hash, maximum = payload
        bound = [self.streams[uuid_of(item)] for item, _ in items]
        assert len({item for item, _ in items}) == len(items), "an item is bound twice"
        assert all(item["owner_id"] == exam["owner_id"] for item in bound), "another teacher's item"
        assert _sha256(msgpack.packb([[bytes.fromhex(item), number] for item, number in items])).hex() == items_hash, "not the hash of the items"
        assert sum(item["versions"][number - 1]["maximum_mark"] for item, (_, number) in zip(bound, items)) == maximum, "not their sum"
        exam |= {"draft_item_count": len(items), "draft_maximum_mark": maximum, "draft_items_hash": items_hash if items else None}
        self.draft_hashed(exam)

    def draft_hashed(self, exam):
        content = [exam[f"draft_{name}"] for name in _CONTENT]
        items = exam["draft_items_hash"]
        whole = [1, *content] if items is None else [2, *content, bytes.fromhex(items)]
        exam["draft_hash"] = _sha256(msgpack.packb(whole)).hex()

    def version_published(self, _id, exam, payload):
        assert payload[1] == exam["draft_hash"], "not the hash of the draft"
        exam |= {f"published_{name}": exam[f"draft_{name}"] for name in _CONTENT + _ASKED}
        exam |= {"published_number": payload[0], "published_hash": payload[1]}

    def withdrawn(self, id_, exam, payload):
        """Its slots that start later are off, though their own events come later."""
        exam["withdrawn"] = True
        for slot_id, times in self.slots.items():
            slot = self.streams[slot_id]
            if slot["exam_id"] == id_ and times[0] > payload[1] and slot["state"] != "cancelled":
                slot |= {"state": "cancelled", "cancel_reason": payload[0]}

    def opened(self, id_, slot, payload):
        slot |= {"exam_id": uuid_of(payload[0]), "exam_version": payload[1], "starts_at": at(payload[2]), "ends_at": at(payload[3]),
                 "hard_end_at": None, "lead_time_minutes": payload[4], "buffer_minutes": payload[5], "capacity": payload[6], "taken_count": 0,
                 "joined_count": 0, "waitlist_closed": False, "state": "open", "cancel_reason": None, "reminds_at": None, "reminded": False}
        self.slots[id_] = payload[2], payload[3], payload[3] + payload[5] * MINUTE_US

    def capacity_changed(self, _id, slot, payload):
        slot["capacity"] = payload[0]

    def waitlist_closed(self, _id, slot, _payload):
        slot["waitlist_closed"] = True

    def hard_end_set(self, _id, slot, payload):
        slot["hard_end_at"] = at(payload[1])

    def reminder_set(self, _id, slot, payload):
        slot["reminds_at"] = at(payload[1])

    def slot_reminded(self, _id, slot, payload):
        slot |= {"reminded": True, "reminds_at": slot["reminds_at"] if payload[1] else None}

    def slot_closed(self, _id, slot, _payload):
        slot["state"] = "closed"

    def slot_cancelled(self, _id, slot, payload):
        slot |= {"state": "cancelled", "cancel_reason": payload[1]}

    # --- Reservations

    def _begin(self, reservation, payload, state, times, expires_at=None):
        slot, exam, student = map(uuid_of, payload[:3])
        reservation |= {"slot_id": slot, "exam_id": exam, "student_id": student, "state": state, "starts_at": at(times[0]),
                        "ends_at": at(times[1]), "free_again_at": at(times[2]), "expires_at": expires_at, "priority": 0, "turn": None,
                        "by_offer": "no", "replacement_reason": None}
        self.streams[slot]["taken_count"] += state in WITH_SEAT

    def _step(self, reservation, state, expires_at=None, priority=0):
        slot = self.streams[reservation["slot_id"]]
        slot["taken_count"] += (state in WITH_SEAT) - (reservation["state"] in WITH_SEAT)
        reservation |= {"state": state, "expires_at": expires_at, "priority": priority}
        if state not in ("confirmed", "held"):
            reservation["replacement_reason"] = None

    def reserved(self, _id, reservation, payload):
        self._begin(reservation, payload, "confirmed", payload[3:6])

    def held(self, _id, reservation, payload):
        self._begin(reservation, payload, "held", payload[3:6], at(payload[6]))

    def waitlist_joined(self, _id, reservation, payload):
        self._begin(reservation, payload, "waiting", self.slots[uuid_of(payload[0])])
        slot = self.streams[reservation["slot_id"]]
        slot["joined_count"] += 1
        reservation["turn"] = slot["joined_count"]

    def confirmed(self, _id, reservation, _payload):
        self._step(reservation, "confirmed")

    def accepted(self, _id, reservation, _payload):
        self._step(reservation, "confirmed")
        reservation["by_offer"] = "yes"

    def cancelled(self, _id, reservation, _payload):
        self._step(reservation, "cancelled")

    def cancelled_by_staff(self, _id, reservation, _payload):
        self._step(reservation, "cancelled")
        if reservation["by_offer"] == "yes":
            reservation["by_offer"] = "no"

    def attended(self, _id, reservation, _payload):
        self._step(reservation, "attended")

    def no_show(self, _id, reservation, _payload):
        self._step(reservation, "no-show")

    def hold_expired(self, _id, reservation, _payload):
        self._step(reservation, "expired")

    def left(self, _id, reservation, _payload):
        self._step(reservation, "left")

    def prioritised(self, _id, reservation, payload):
        self._step(reservation, "waiting", priority=payload[3])

    def offered(self, _id, reservation, payload):
        self._step(reservation, "offered", expires_at=at(payload[3]))

    def declined(self, _id, reservation, _payload):
        self._step(reservation, "declined")

    def lapsed(self, _id, reservation, _payload):
        self._step(reservation, "lapsed")

    def rescheduled(self, _id, reservation, payload):
        self._move(reservation, payload, "moved")

    def rescheduled_by_staff(self, _id, reservation, payload):
        self._move(reservation, payload, "no")

    def _move(self, reservation, payload, offered_seat_was):
        self.streams[reservation["slot_id"]]["taken_count"] -= 1
        reservation |= {"slot_id": uuid_of(payload[0]), "starts_at": at(payload[3]), "ends_at": at(payload[4]),
                        "free_again_at": at(payload[5])}
        self.streams[reservation["slot_id"]]["taken_count"] += 1
        reservation["replacement_reason"] = None
        if reservation["by_offer"] == "yes":
            reservation["by_offer"] = offered_seat_was

    def sitting_changed(self, _id, reservation, payload):
        reservation |= {"ends_at": at(payload[4]), "free_again_at": at(payload[5]), "replacement_reason": None}

    def replacement_marked(self, _id, reservation, payload):
        reservation["replacement_reason"] = payload[3]

    def replacement_cleared(self, _id, reservation, _payload):
        reservation["replacement_reason"] = None

    # --- Accommodations

    def granted_time(self, _id, accommodation, payload):
        accommodation |= {"student_id": uuid_of(payload[0]), "state": "granted", "factor_percent": payload[1], "fixed_minutes": payload[2],
                          "rest_break_minutes": payload[3], "valid_from": at(payload[4]), "valid_until": at(payload[5])}

    def revoked_time(self, _id, accommodation, _payload):
        accommodation["state"] = "revoked"


_CONTENT = ("title", "duration_minutes", "lead_time_minutes", "buffer_minutes")
_ASKED = ("item_count", "maximum_mark", "items_hash")
_EVENTS = {
    "tenant_created": States.created,
    "tenant_issuer_trusted": States.trusted,
    "tenant_issuer_distrusted": States.distrusted,
    "tenant_equality_key_chosen": States.equality_key_chosen,
    "tenant_rules_set": States.rules_set,
    "user_registered": States.registered,
    "user_profile_updated": States.unchanged,
    "user_roles_granted": States.granted,
    "user_roles_revoked": States.revoked,
    "user_deactivated": States.deactivated,
    "user_reactivated": States.reactivated,
    "user_password_set": States.password_set,
    "user_reset_token_issued": States.reset_token_issued,
    "user_preferences_set": States.unchanged,
    "user_key_destroyed": States.erased,
    "session_opened": States.session_opened,
    "session_refreshed": States.session_refreshed,
    "session_revoked": States.session_revoked,
    "item_drafted": States.item_drafted,
    "item_revised": States.item_revised,
    "item_retired": States.item_retired,
    "item_key_corrected": States.item_key_corrected,
    "exam_drafted": States.drafted,
    "exam_draft_revised": States.draft_revised,
    "exam_rules_set": States.rules_set,
    "exam_items_bound": States.items_bound,
    "exam_version_published": States.version_published,
    "slot_opened": States.opened,
    "slot_capacity_changed": States.capacity_changed,
    "exam_withdrawn": States.withdrawn,
    "slot_waitlist_closed": States.waitlist_closed,
    "slot_closed": States.slot_closed,
    "slot_cancelled": States.slot_cancelled,
    "slot_reminder_set": States.reminder_set,
    "slot_reminded": States.slot_reminded,
    "reservation_reminded": States.unchanged,
    "slot_proctor_assigned": States.unchanged,
    "slot_proctor_released": States.unchanged,
    "reservation_reserved": States.reserved,
    "reservation_held": States.held,
    "reservation_hold_confirmed": States.confirmed,
    "reservation_hold_expired": States.hold_expired,
    "reservation_cancelled": States.cancelled,
    "reservation_cancelled_by_staff": States.cancelled_by_staff,
    "reservation_cancelled_with_slot": States.cancelled_by_staff,
    "reservation_marked_attended": States.attended,
    "reservation_marked_no_show": States.no_show,
    "reservation_waitlist_joined": States.waitlist_joined,
    "reservation_waitlist_left": States.left,
    "reservation_prioritised": States.prioritised,
    "reservation_offered": States.offered,
    "reservation_offer_accepted": States.accepted,
    "reservation_offer_declined": States.declined,
    "reservation_offer_expired": States.lapsed,
    "reservation_rescheduled": States.rescheduled,
    "reservation_rescheduled_by_staff": States.rescheduled_by_staff,
    "reservation_sitting_changed": States.sitting_changed,
    "reservation_needs_replacement_marked": States.replacement_marked,
    "reservation_replacement_cleared": States.replacement_cleared,
    "slot_hard_end_set": States.hard_end_set,
    "accommodation_granted": States.granted_time,
    "accommodation_revised": States.granted_time,
    "accommodation_revoked": States.revoked_time,
}


def uuid_of(value):
    return str(uuid.UUID(value))


def roles(names):
    return sorted(names, key=ROLES.index)


def key(value):
    return base64.urlsafe_b64encode(bytes.fromhex(value)).decode().rstrip("=")


def at(at_us):
    """RFC 3339 as the house writes it: six digits of a second where it is not whole."""
    moment = datetime.datetime.fromtimestamp(at_us // 1_000_000, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{moment}{f'.{at_us % 1_000_000:06}' if at_us % 1_000_000 else ''}Z"
