"""What must be true of a ledger, of what clients were answered, and of the read models: after any fault, and at any time.

    proof = Proof(stack)               # reads the whole ledger with the independent reader, and has `audit verify` agree
    proof.check_answers(load)          # every answer is on record once, as it was given; nothing else is
    proof.check_read_models(node, world.tenants)

Everything is recomputed here from the ledger's bytes (integration/reader, docs/ledger.md, docs/EVENTS.md); our C is only asked
whether it finds the same heads. A check that fails raises AssertionError and names what differs.
"""

import collections
import datetime
import time
import uuid

from integration.reader.bookings import check_bookings
from integration.reader.decisions import decisions_as_dicts, stop_text
from integration.reader.inboxes import REASONS, Inboxes
from integration.reader.ledger import COMMIT, LEADER, uuid_text
from integration.reader.people import check_people

CATCH_UP_SECONDS = 60
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
NOT_OF_CANCELLED = ("capacity", "taken_count", "held_count", "offered_count", "waiting_count")  # Sums leave these out.
MOVES = ("reservation_rescheduled", "reservation_rescheduled_by_staff")
NEEDS_NOTHING = {"needs_replacement": False, "replacement_reason": None}
WITH_SEAT = ("confirmed", "held", "offered", "attended", "no-show")
HISTORIES_MAX = 40  # Of a tenant, the longest: each is a list of its own to ask for.
DRAFT = ("title", "duration_minutes", "lead_time_minutes", "buffer_minutes", "items", "maximum_mark")
ITEM = ("title", "kind", "prompt", "choices", "scoring", "answers", "maximum_mark", "penalty_max")
ANSWER = ("choice", "response", "mark", "penalty")


class Proof:
    """The ledger as it is now, read from offset 0 and verified: a stop or a finding fails at once."""

    def __init__(self, stack):
        self.accepted = self.void = 0
        self.decided = []  # All decisions, each partition's in the order of the log, as integration/reader/decisions.py has them.
        self.commits, self.heads, kept = [], {}, []
        self.leaders = set()  # (partition, height, node id, incarnation) of each leader record
        for reader, offset, _ in stack.read_ledger():
            if offset is None:
                self._end(reader)
                kept.append(f"head {uuid_text(reader.ledger.ledger_id)} {reader.partition} {reader.head.offset} "
                            f"{reader.head.height} {reader.head.hash}\n")
            elif reader.record is not None:
                self._take(reader)
        self.by_command = collections.defaultdict(list)
        for decision in self.decided:
            self.by_command[decision["boundary"], decision["actor"], decision["command"]].append(decision)

        self._audit(stack, "".join(kept))

    def _audit(self, stack, heads):
        """`audit verify` reads the same ledger, grown by now perhaps, and finds these heads in it."""
        file = stack.dir / "heads-of-the-reader"
        file.write_text(heads)
        ran = stack.run("audit", "verify", "--expect", str(file), check=False)
        _need(ran.returncode == 0, f"audit verify ended with {ran.returncode}: {ran.stdout[-2000:]}{ran.stderr[-2000:]}")

    def _take(self, reader):
        self.decided += decisions_as_dicts(reader)
        if reader.record.kind == LEADER:
            self.leaders.add((reader.partition, *reader.record[1:2], *reader.record[3:]))
        elif reader.record.kind == COMMIT:
            self.commits.append(reader.record)

    def _end(self, reader):
        _need(reader.stop is None, f"the reader {reader.stop and stop_text(reader)}")
        _need(not reader.findings, f"partition {reader.partition}: {reader.findings[:5]}")
        self.heads[reader.partition] = reader.position()
        self.accepted, self.void = self.accepted + reader.accepted, self.void + reader.void

    # --- Answers.

    def check_answers(self, load):
        """Each command that was answered is decided once, in the record that its position names, as it was answered."""
        _need(not load.wrong, f"answers that no client should see: {load.wrong[:5]}")
        _need(not load.open, f"commands that never got an answer: {list(load.open)[:5]}")
        for command in load.decided:
            found = self.by_command[command.tenant.id, command.by.id, command.key]
            _need(len(found) == 1, f"{command} is decided {len(found)} times")
            on_record = found[0]
            _need((on_record["problem"], on_record["position"]) == (command.problem, command.position),
                  f"{command} is on record as {on_record}")
            if command.status < 400:
                said = (on_record["stream"], on_record["version"])
                _need(said == (command.id, command.version), f"{command} is on record as {on_record}")
                _need(on_record["kind"] == "commit" or command.status == 200, f"{command} made nothing: {on_record}")

    def check_nobody_else(self, world, loads):
        """What the world's students have on record was sent by one of these loads."""
        students = {student.id for place in world.tenants for student in place.students}
        sent = {key for load in loads for key in load.sent} | {key for place in world.tenants for key in place.asked}
        surplus = [decision for decision in self.decided if decision["actor"] in students and decision["command"] not in sent]
        _need(not surplus, f"{len(surplus)} decisions that nobody asked for: {surplus[:3]}")

    def check_bookings(self):
        """No seat was sold twice, at no time: integration/reader/bookings.py has the rules."""
        return check_bookings(self.decided)

    def check_inboxes(self):
        """Students have read what they were told, and nobody else has: integration/reader/inboxes.py. Returns what each was told."""
        inboxes = Inboxes()
        for decision in self.decided:
            inboxes.take(decision)
        _need(not inboxes.broken, f"what nobody could read was read: {inboxes.broken[:5]}")
        return inboxes

    def check_people(self):
        """Nobody had what another one has, or what they may not have: integration/reader/people.py has the rules."""
        return check_people(self.decided)

    # --- Read models.

    def check_read_models(self, node, tenants, seconds=CATCH_UP_SECONDS):
        """Every read model comes by itself to where the ledger is now, and shows what follows from it."""
        end, inboxes = time.monotonic() + seconds, self.check_inboxes()
        for tenant in tenants:
            folded = Folded(self.commits, uuid.UUID(tenant.id).bytes)
            position = self.heads[tenant.partition]
            client = tenant.admin.client(node)
            folded.inboxes = inboxes.of(tenant.id)
            for path, wanted in folded.pages():
                shown = _all_at(client, path, position, end)
                _same(f"{path} of tenant {tenant.id}", shown, wanted, _key_of(path))
            client.close()


class Folded:
    """The rows of one tenant's read models, as its commits say."""

    def __init__(self, commits, tenant):
        self.exams, self.slots, self.reservations, self.accommodations = {}, {}, {}, {}
        self.items, self.item_versions, self.exam_versions = {}, collections.defaultdict(list), collections.defaultdict(list)
        self.inboxes = {}
        self.steps = collections.defaultdict(list)
        for commit in commits:
            for event in commit.events if commit.boundary == tenant else ():
                at_us, key = commit.decided_at_us, uuid_text(event.stream)
                getattr(self, "_" + event.type, lambda *_: None)(key, event, at_us, *map(_readable, event.payload))
                if key in self.reservations:
                    self.steps[key].append(self._step_of(key, event, at_us))

    def pages(self):
        """(path of a list, its items in any order) of every list that an admin can ask for."""
        yield "/exams", list(self.exams.values())
        for key in sorted(self.exam_versions, key=lambda key: (-len(self.exam_versions[key]), key))[:HISTORIES_MAX]:
            yield f"/exams/{key}/versions", self.exam_versions[key]
        yield "/items", [row | self._newest_of(key) for key, row in self.items.items()]
        for key in sorted(self.items, key=lambda key: (-len(self.item_versions[key]), key))[:HISTORIES_MAX]:
            yield f"/items/{key}/versions", self.item_versions[key]
        for row in self.reservations.values():
            slot = self.slots[row["slot_id"]]
            slot["waiting_count"] += row["state"] == "waiting"
            slot["left_count"] += slot["state"] == "cancelled" and row["state"] in ("confirmed", "held", "waiting", "offered")
        yield "/slots", list(self.slots.values())
        yield "/reservations", list(self.reservations.values())
        yield "/accommodations", list(self.accommodations.values())
        yield from self._fill_pages()
        for key in sorted(self.steps, key=lambda key: (-len(self.steps[key]), key))[:HISTORIES_MAX]:
            yield f"/reservations/{key}/history", self.steps[key]
        for student in {row["student_id"] for row in self.reservations.values()}:
            yield f"/students/{student}/calendar", [
                {"reservation_id": row["id"]} | {name: row[name] for name in
                                                 ("slot_id", "exam_id", "starts_at", "ends_at", "free_again_at")}
                for row in self.reservations.values() if row["student_id"] == student and row["state"] in ("confirmed", "held", "attended", "no-show")]

        for student, told in self.inboxes.items():
            yield f"/students/{student}/inbox", told

    def _fill_pages(self):
        """How full slots are, and the sums over them by exam and by UTC day."""
        states = collections.defaultdict(collections.Counter)
        for row in self.reservations.values():
            states[row["slot_id"]][row["state"]] += 1
        rows = [self._fill_of(slot, states[slot["id"]]) for slot in self.slots.values()]
        yield "/fill/slots", rows
        yield "/fill/exams", _sums(rows, "exam_id", lambda row: row["exam_id"])
        yield "/fill/days", _sums(rows, "day", lambda row: str(_moment(row["starts_at"]).date()))

    def _fill_of(self, slot, states):
        taken = sum(states[state] for state in WITH_SEAT)
        return {"slot_id": slot["id"]} | {name: slot[name] for name in ("exam_id", "starts_at", "state", "capacity")} | {
            "taken_count": taken, "free_count": slot["capacity"] - taken if slot["state"] == "open" else 0,
            "held_count": states["held"], "offered_count": states["offered"], "waiting_count": states["waiting"],
            "attended_count": states["attended"], "no_show_count": states["no-show"]}

    def _step_of(self, key, event, at_us):
        payload = [_readable(value) for value in event.payload]
        return {"version": event.stream_version, "event": event.type, "at": at_us} | {
            name: self.reservations[key][name] for name in ("state", "slot_id", "starts_at", "ends_at", "expires_at")} | {
            "from_slot_id": payload[6] if event.type in MOVES else None,
            "reason": payload[REASONS[event.type]] if event.type in REASONS else None}

    def _newest_of(self, key):
        """Of an item, what its newest version asks: what the list of items shows of it."""
        newest = self.item_versions[key][-1]
        return {name: newest[name] for name in (*ITEM, "key_number", "content_hash")}

    def _item_drafted(self, key, event, at_us, *payload):
        self.items[key] = {"id": key, "owner_id": payload[8], "retired": False}
        self._item_changed(key, event, at_us)
        self._item_version(key, at_us, payload[:8], payload[9])

    def _item_revised(self, key, event, at_us, *payload):
        self._item_changed(key, event, at_us)
        _need(payload[8] == self.items[key]["newest_number"] + 1, f"item {key}: version {payload[8]} is not the next")
        self._item_version(key, at_us, payload[:8], payload[9])

    def _item_version(self, key, at_us, content, content_hash):
        number = len(self.item_versions[key]) + 1
        row = dict(zip(ITEM, content)) | {"id": key, "version_number": number, "key_number": 1, "content_hash": content_hash, "changed_at": at_us}
        row |= {"choices": [{"label": label} for label, in row["choices"]], "answers": [dict(zip(ANSWER, answer)) for answer in row["answers"]]}
        self.item_versions[key].append(row)
        self.items[key]["newest_number"] = number

    def _item_retired(self, key, event, at_us, *_):
        self.items[key]["retired"] = True
        self._item_changed(key, event, at_us)

    def _item_key_corrected(self, key, event, at_us, number, key_number, answers, *_):
        self.item_versions[key][number - 1] |= {"key_number": key_number, "answers": [dict(zip(ANSWER, answer)) for answer in answers]}
        self._item_changed(key, event, at_us)

    def _item_changed(self, key, event, at_us):
        self.items[key] |= {"version": event.stream_version, "changed_at": at_us}

    def _exam_drafted(self, key, event, at_us, title, duration, lead, buffer, owner):
        self.exams[key] = {"id": key, "owner_id": owner, "withdrawn": False, "draft_items": [], "draft_maximum_mark": 0} | dict.fromkeys(
            ["published_number", *("published_" + name for name in DRAFT), "published_hash"])
        self._exam_draft_revised(key, event, at_us, title, duration, lead, buffer)

    def _exam_draft_revised(self, key, event, at_us, *draft):
        self._draft_changed(key, event, at_us, zip(DRAFT, draft))

    def _exam_rules_set(self, key, event, at_us, *rules):
        self._draft_changed(key, event, at_us, zip(DRAFT[2:], rules))

    def _exam_items_bound(self, key, event, at_us, items, _hash, maximum):
        named = [{"item_id": _readable(item), "version_number": number} for item, number in items]
        self._draft_changed(key, event, at_us, zip(DRAFT[4:], (named, maximum)))

    def _draft_changed(self, key, event, at_us, changes):
        self.exams[key] |= {f"draft_{name}": value for name, value in changes}
        self.exams[key] |= {"version": event.stream_version, "changed_at": at_us}

    def _exam_withdrawn(self, key, event, at_us, *_):
        self.exams[key] |= {"withdrawn": True, "version": event.stream_version, "changed_at": at_us}

    def _exam_version_published(self, key, event, at_us, number, content_hash):
        row = self.exams[key]
        row |= {f"published_{name}": row[f"draft_{name}"] for name in DRAFT}
        row |= {"published_number": number, "published_hash": content_hash, "version": event.stream_version, "changed_at": at_us}
        self.exam_versions[key].append({name: row[f"published_{name}"] for name in DRAFT} | {
            "id": key, "version_number": number, "content_hash": content_hash, "changed_at": at_us})

    def _slot_opened(self, key, event, at_us, exam, exam_version, starts_at, ends_at, lead, buffer, capacity):
        self.slots[key] = {
            "id": key, "exam_id": exam, "exam_version": exam_version, "starts_at": starts_at, "ends_at": ends_at, "hard_end_at": None,
            "lead_time_minutes": lead, "buffer_minutes": buffer, "capacity": capacity, "taken_count": 0, "free_count": capacity,
            "waiting_count": 0, "state": "open", "left_count": 0, "version": event.stream_version, "changed_at": at_us}

    def _slot_capacity_changed(self, key, event, at_us, capacity):
        self.slots[key] |= {"capacity": capacity, "version": event.stream_version}
        self._take_seats(key, 0, at_us)

    def _slot_hard_end_set(self, key, event, at_us, _exam, hard_end_at):
        self.slots[key] |= {"hard_end_at": hard_end_at, "version": event.stream_version, "changed_at": at_us}

    def _accommodation_granted(self, key, event, at_us, student, *content):
        names = ("factor_percent", "fixed_minutes", "rest_break_minutes", "valid_from", "valid_until")
        self.accommodations[key] = {"id": key, "student_id": student, "state": "granted", **dict(zip(names, content)),
                                    "version": event.stream_version, "changed_at": at_us}

    _accommodation_revised = _accommodation_granted

    def _accommodation_revoked(self, key, event, at_us, _student):
        self.accommodations[key] |= {"state": "revoked", "version": event.stream_version, "changed_at": at_us}

    def _reservation_sitting_changed(self, key, event, at_us, slot, _exam, _student, _starts_at, ends_at, free_again_at):
        self._refit(key, event, at_us, slot, ends_at=ends_at, free_again_at=free_again_at)

    def _reservation_needs_replacement_marked(self, key, event, at_us, slot, _exam, _student, why):
        self._refit(key, event, at_us, slot, needs_replacement=True, replacement_reason=why)

    def _reservation_replacement_cleared(self, key, event, at_us, slot, *_):
        self._refit(key, event, at_us, slot)

    def _refit(self, key, event, at_us, slot, **what):
        self.reservations[key] |= {"version": event.stream_version, "changed_at": at_us} | NEEDS_NOTHING | what
        self._take_seats(slot, 0, at_us)

    def _reservation_reserved(self, key, event, at_us, slot, exam, student, starts_at, ends_at, free_again_at):
        self.reservations[key] = {
            "id": key, "slot_id": slot, "exam_id": exam, "student_id": student, "state": "confirmed", "starts_at": starts_at,
            "ends_at": ends_at, "free_again_at": free_again_at, "expires_at": None, **NEEDS_NOTHING, "version": event.stream_version,
            "changed_at": at_us}
        self._take_seats(slot, 1, at_us)

    def _reservation_held(self, key, event, at_us, *fields):
        self._reservation_reserved(key, event, at_us, *fields[:6])
        self.reservations[key] |= {"state": "held", "expires_at": fields[6]}

    def _reservation_hold_confirmed(self, key, event, at_us, slot, *_):
        self._step(key, event, at_us, "confirmed", slot)

    def _reservation_hold_expired(self, key, event, at_us, slot, *_):
        self._step(key, event, at_us, "expired", slot, -1)

    def _reservation_cancelled(self, key, event, at_us, slot, *_):
        self._step(key, event, at_us, "cancelled", slot, -1)

    def _reservation_cancelled_by_staff(self, key, event, at_us, slot, *_):
        self._step(key, event, at_us, "cancelled", slot, 0 if self.reservations[key]["state"] == "waiting" else -1)

    _reservation_cancelled_with_slot = _reservation_cancelled_by_staff

    def _slot_proctor_assigned(self, key, event, at_us, *_):
        self.slots[key] |= {"version": event.stream_version}
        self._take_seats(key, 0, at_us)

    _slot_proctor_released = _slot_reminder_set = _slot_reminded = _slot_proctor_assigned

    def _reservation_reminded(self, key, event, at_us, slot, *_):
        self._step(key, event, at_us, "confirmed", slot)

    def _reservation_marked_attended(self, key, event, at_us, slot, *_):
        self._step(key, event, at_us, "attended", slot)

    def _reservation_marked_no_show(self, key, event, at_us, slot, *_):
        self._step(key, event, at_us, "no-show", slot)

    def _slot_closed(self, key, event, at_us, *_):
        self.slots[key] |= {"state": "closed", "version": event.stream_version}
        self._take_seats(key, 0, at_us)

    def _slot_cancelled(self, key, event, at_us, *_):
        self.slots[key] |= {"state": "cancelled", "version": event.stream_version}
        self._take_seats(key, 0, at_us)

    def _reservation_rescheduled(self, key, event, at_us, slot, _exam, _student, starts_at, ends_at, free_again_at, from_slot, *_):
        self._step(key, event, at_us, "confirmed", from_slot, -1)
        self.reservations[key] |= NEEDS_NOTHING | {"slot_id": slot, "starts_at": starts_at, "ends_at": ends_at,
                                                   "free_again_at": free_again_at}
        self._take_seats(slot, 1, at_us)

    _reservation_rescheduled_by_staff = _reservation_rescheduled

    def _reservation_waitlist_joined(self, key, event, at_us, slot, exam, student):
        seats = self.slots[slot]
        self._reservation_reserved(key, event, at_us, slot, exam, student, seats["starts_at"], seats["ends_at"],
                                   seats["ends_at"] + seats["buffer_minutes"] * 60_000_000)
        self.reservations[key]["state"] = "waiting"
        self._take_seats(slot, -1, at_us)

    def _reservation_prioritised(self, key, event, at_us, slot, *_):
        self._step(key, event, at_us, "waiting", slot)

    def _reservation_waitlist_left(self, key, event, at_us, slot, *_):
        self._step(key, event, at_us, "left", slot)

    def _reservation_offered(self, key, event, at_us, slot, _exam, _student, expires_at):
        self._step(key, event, at_us, "offered", slot, 1)
        self.reservations[key]["expires_at"] = expires_at

    def _reservation_offer_accepted(self, key, event, at_us, slot, *_):
        self._step(key, event, at_us, "confirmed", slot)

    def _reservation_offer_declined(self, key, event, at_us, slot, *_):
        self._step(key, event, at_us, "declined", slot, -1)

    def _reservation_offer_expired(self, key, event, at_us, slot, *_):
        self._step(key, event, at_us, "lapsed", slot, -1)

    def _slot_waitlist_closed(self, key, event, at_us, *_):
        self.slots[key] |= {"version": event.stream_version}
        self._take_seats(key, 0, at_us)

    def _step(self, key, event, at_us, state, slot, seats=0):
        self.reservations[key] |= {"state": state, "expires_at": None, "version": event.stream_version, "changed_at": at_us}
        self.reservations[key] |= NEEDS_NOTHING if state not in ("confirmed", "held") else {}
        self._take_seats(slot, seats, at_us)

    def _take_seats(self, slot, count, at_us):
        row = self.slots[slot]
        row["taken_count"] += count
        row["free_count"] = row["capacity"] - row["taken_count"]
        row["changed_at"] = at_us


def _sums(rows, key, key_of):
    """One row for each value of the key: capacity and seats of what takes place, all that was counted of any."""
    sums = collections.defaultdict(collections.Counter)
    for row in rows:
        is_off = row["state"] == "cancelled"
        sums[key_of(row)].update({name: 0 if is_off and name in NOT_OF_CANCELLED else value for name, value in row.items()
                                  if name == "capacity" or name.endswith("_count")} | {"slot_count": 1, "cancelled_slot_count": int(is_off)})
    return [{key: value, **counts} for value, counts in sums.items()]


def _readable(value):
    """A field of an event as JSON shows it; moments stay numbers."""
    if isinstance(value, bytes):
        return uuid_text(value) if len(value) == 16 else value.hex()
    return value


def _all_at(client, path, position, end):
    """All items of a list, from a read model that has come to `position`; asked again until then."""
    headers = {"Pw-Min-Position": position, "Prefer": "wait=5"}
    while True:
        try:
            items, after = [], ""
            while after is not None:
                answer = client.get(f"{path}?limit=500{after}", headers=headers)
                if answer.status != 200:
                    break
                items += [_comparable(item) for item in answer.json["items"]]
                after = f"&after={answer.json['next']}" if answer.json.get("next") else None
            else:
                return items
        except OSError as error:
            answer = error
        _need(not hasattr(answer, "status") or answer.status == 503, f"GET {path}: {answer}")
        _need(time.monotonic() < end, f"GET {path}: it never came to {position}; last: {answer}")
        time.sleep(0.1)


def _comparable(item):
    """An item with its moments as microseconds."""
    return {name: _us(value) if value is not None and (name == "at" or name.endswith("_at") or name in ("valid_from", "valid_until")) else value
            for name, value in item.items()}


def _us(text):
    moment = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    return round((moment - EPOCH) / datetime.timedelta(microseconds=1))


def _moment(at_us):
    return EPOCH + datetime.timedelta(microseconds=at_us)


def _key_of(path):
    """What an item of the list is known by."""
    by_end = {"calendar": "reservation_id", "history": "version", "versions": "version_number", "inbox": "number"} | (
        {"slots": "slot_id", "exams": "exam_id", "days": "day"} if path.startswith("/fill/") else {})
    return by_end.get(path.rpartition("/")[2], "id")


def _same(what, shown, wanted, key):
    by_id = {row[key]: row for row in wanted}
    _need(len(shown) == len({row[key] for row in shown}), f"{what} shows a row twice")
    missing = by_id.keys() - {row[key] for row in shown}
    _need(not missing, f"{what} lacks {len(missing)} rows: {[by_id[row] for row in list(missing)[:3]]}")
    for row in shown:
        _need(row == by_id.get(row[key]), f"{what} shows {row}, and the ledger says {by_id.get(row[key])}")


def _need(condition, what):
    if not condition:
        raise AssertionError(what)
