"""The ledger as docs/ledger.md describes it: grammar, rule of acceptance, routes, command ids. Sections are those of that page.

A `Ledger` is what its partitions have in common, a `PartitionReader` judges the records of one:

    reader = PartitionReader(Ledger(partition_count=16), partition=3)
    for offset, value in log:
        verdict = reader.take(offset, value)
        if verdict.verdict == "accepted":
            ...reader.record...
    reader.finish()
"""

import functools
import hashlib
import re
import typing
import uuid

from integration.reader.strict import Malformed, array_header, decode, unsigned

MAGIC, FORMAT, PREFIX = b"PWL", 1, 36
VALUE_BYTES_MAX = 524_288
ZERO_HEAD = bytes(32)
GENESIS, LEADER, ANSWERS, COMMIT = range(4)
PARTITIONS_MAX = 1_024
HORIZON_US_MAX = 366 * 24 * 3600 * 1_000_000
EVENTS_MAX = 1_000
DETAIL_BYTES_MAX = 512
EARLY_US = 5 * 60 * 1_000_000  # How far before the time in its command id a decision may lie.

# --- Records (section 5): immutable, ids and fingerprints as bytes ------------------------------------------------------------


class Genesis(typing.NamedTuple):
    kind: int
    height: int
    decided_at_us: int
    ledger_id: bytes
    partition: int
    partition_count: int
    horizon_us: int


class Leader(typing.NamedTuple):
    kind: int
    height: int
    decided_at_us: int
    node_id: str
    incarnation: bytes


class Answers(typing.NamedTuple):
    kind: int
    height: int
    decided_at_us: int
    tenant: bytes
    answers: list


class Commit(typing.NamedTuple):
    kind: int
    height: int
    decided_at_us: int
    tenant: bytes | None
    boundary: bytes | None
    command: bytes
    fingerprint: bytes
    actor: bytes
    role: str
    correlation: bytes
    causation: bytes | None
    events: list
    answers: list


class Event(typing.NamedTuple):
    stream_type: str
    stream: bytes
    stream_version: int
    type: str
    version: int
    payload: list


class Answer(typing.NamedTuple):
    boundary: bytes
    actor: bytes
    command: bytes
    fingerprint: bytes
    command_name: str
    decided_at_us: int
    stream: bytes | None
    stream_version: int
    problem: str | None
    detail: str


# --- The grammar (sections 3 and 5) -------------------------------------------------------------------------------------------

_NAME = re.compile(r"[a-z0-9_.-]{1,64}")


def parse(body):
    """The record that a whole body says, of a kind that format 1 has. Raises Malformed, and nothing else."""
    fields = decode(body)
    _need(fields and type(fields[0]) is int and fields[0] in _KINDS, "kind")
    kind, parser = _KINDS[fields[0]]
    _need(len(fields) == len(kind._fields), f"{len(fields)} elements")
    return parser(fields)


def _genesis(fields):
    record = Genesis(*fields)
    for name in ("kind", "height", "decided_at_us"):
        _integer(getattr(record, name), 0, 0, name)
    _id(record.ledger_id, "ledger id")
    _integer(record.partition_count, 1, PARTITIONS_MAX, "partition count")
    _integer(record.partition, 0, record.partition_count - 1, "partition")
    _integer(record.horizon_us, 1, HORIZON_US_MAX, "horizon")
    return record


def _leader(fields):
    record = Leader(*fields)
    _count(record.height, "height")
    _count(record.decided_at_us, "time")
    _need(type(record.node_id) is str and 1 <= len(record.node_id.encode()) <= 64, "node id")
    _id(record.incarnation, "incarnation")
    return record


def _answers_record(fields):
    fields[4] = _answers(fields[4])
    record = Answers(*fields)
    _count(record.height, "height")
    _count(record.decided_at_us, "time")
    _id(record.tenant, "tenant id")
    _need(record.answers, "no answers")
    _need(all(answer.decided_at_us <= record.decided_at_us for answer in record.answers), "an answer's time")
    _need(record.answers[-1].decided_at_us == record.decided_at_us, "the last answer's time")
    return record


def _commit(fields):
    events = fields[11]
    _need(type(events) is list and 1 <= len(events) <= EVENTS_MAX, "events")
    fields[11] = [_event(event) for event in events]
    fields[12] = _answers(fields[12])
    record = Commit(*fields)
    _count(record.height, "height")
    _count(record.decided_at_us, "time")
    _need((record.tenant is None) == (record.boundary is None), "only one of tenant id and boundary id is nil")
    if record.tenant is None:
        _need(not record.answers, "answers on a commit about the partition")
    else:
        _id(record.tenant, "tenant id")
        _id(record.boundary, "boundary id")
    _id(record.command, "command id")
    _fingerprint(record.fingerprint)
    _id(record.actor, "actor id")
    _name(record.role, "role")
    _id(record.correlation, "correlation id")
    if record.causation is not None:
        _id(record.causation, "causation id")
    _need(all(answer.decided_at_us <= record.decided_at_us for answer in record.answers), "an answer's time")
    return record


def _event(fields):
    _need(type(fields) is list and len(fields) == 6, "event")
    event = Event(*fields)
    _name(event.stream_type, "stream type")
    _id(event.stream, "stream id")
    _integer(event.stream_version, 1, 0xFFFF_FFFF, "stream version")
    _name(event.type, "event type")
    _integer(event.version, 1, 0xFFFF_FFFF, "event version")
    _need(type(event.payload) is list, "payload")
    return event


def _answers(entries):
    _need(type(entries) is list, "answers")
    return [_answer(entry) for entry in entries]


def _answer(fields):
    _need(type(fields) is list and len(fields) == 10, "answer")
    answer = Answer(*fields)
    _id(answer.boundary, "boundary id")
    _id(answer.actor, "actor id")
    _id(answer.command, "command id")
    _fingerprint(answer.fingerprint)
    _name(answer.command_name, "command name")
    _count(answer.decided_at_us, "time")
    if answer.stream is None:
        _integer(answer.stream_version, 0, 0, "stream version")
    else:
        _id(answer.stream, "stream id")
        _integer(answer.stream_version, 0, 0xFFFF_FFFF, "stream version")
    if answer.problem is not None:
        _name(answer.problem, "problem")
    _need(type(answer.detail) is str and len(answer.detail.encode()) <= DETAIL_BYTES_MAX, "detail")
    return answer


_KINDS = {GENESIS: (Genesis, _genesis), LEADER: (Leader, _leader), ANSWERS: (Answers, _answers_record),
          COMMIT: (Commit, _commit)}


def _need(condition, what):
    if not condition:
        raise Malformed(what)


def _integer(value, least, most, what):
    if type(value) is not int or not least <= value <= most:  # Not isinstance: a bool is an int to Python.
        raise Malformed(what)


def _count(value, what):
    if type(value) is not int or value < 0:  # The decoder lets nothing above 2^63-1 through.
        raise Malformed(what)


def _id(value, what):
    if type(value) is not bytes or len(value) != 16 or not any(value):
        raise Malformed(what)


def _fingerprint(value):
    if type(value) is not bytes or len(value) != 16:
        raise Malformed("fingerprint")


def _name(value, what):
    if type(value) is not str or not _NAME.fullmatch(value):
        raise Malformed(what)


# --- Hashes, routes, positions (sections 2, 7 and 10) -------------------------------------------------------------------------


def record_hash(value):
    return hashlib.sha256(value[:PREFIX] + hashlib.sha256(value[PREFIX:]).digest()).digest()


def murmur2(data):
    """Kafka's murmur2, as a number from 0 to 2^32-1."""
    m, mask = 0x5BD1E995, 0xFFFFFFFF
    h = 0x9747B28C ^ len(data)
    whole = len(data) & ~3
    for at in range(0, whole, 4):
        k = int.from_bytes(data[at:at + 4], "little") * m & mask
        k = (k ^ k >> 24) * m & mask
        h = (h * m & mask) ^ k
    if whole < len(data):
        h = (h ^ int.from_bytes(data[whole:], "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return h ^ h >> 15


@functools.lru_cache(maxsize=65_536)
def partition_of(boundary, partition_count):
    """The partition of a boundary, given as 16 bytes."""
    return (murmur2(uuid_text(boundary).encode()) & 0x7FFFFFFF) % partition_count


@functools.lru_cache(maxsize=65_536)
def uuid_text(value):
    """16 bytes as a UUID in lower case; None stays None."""
    return None if value is None else str(uuid.UUID(bytes=value))


# --- The rule of acceptance (sections 4 and 6) --------------------------------------------------------------------------------


class Verdict(typing.NamedTuple):
    offset: int
    verdict: str  # "accepted", "void" or "stop"
    hash: str | None = None
    height: int | None = None
    reason: str | None = None


class Head(typing.NamedTuple):
    offset: int
    height: int
    hash: str
    decided_at_us: int


class Decision(typing.NamedTuple):
    """One of the decisions of a record: that of a riding or recorded answer, or (answer None) the commit's own."""

    answer: int | None  # Index of the answer in its record.
    boundary: bytes | None
    actor: bytes
    command: bytes
    decided_at_us: int


class Finding(typing.NamedTuple):
    offset: int
    answer: int | None
    finding: str  # "early", "late" or "repeat"


class Diverged(Exception):
    """The log is not the one that was read before (section 11)."""


class Ledger:
    """What the partitions of one ledger must agree on; what is not given is taken from the first genesis read."""

    def __init__(self, partition_count, ledger_id=None):
        self.partition_count = partition_count
        self.ledger_id = ledger_id
        self.horizon_us = None

    def agrees(self, genesis, partition):
        return (genesis.partition == partition and genesis.partition_count == self.partition_count
                and self.ledger_id in (None, genesis.ledger_id) and self.horizon_us in (None, genesis.horizon_us))

    def learn(self, genesis):
        self.ledger_id, self.horizon_us = genesis.ledger_id, genesis.horizon_us


class PartitionReader:
    """A chain reader of one partition. After each take, `record` is the accepted record, or None."""

    def __init__(self, ledger, partition):
        self.ledger, self.partition = ledger, partition
        self.head = None  # The last accepted record.
        self.record = None
        self.accepted = self.void = 0
        self.stop = None  # (offset, reason)
        self.why = ""  # What was wrong, for people.
        self.findings = []
        self._hash = ZERO_HEAD
        self._last_offset = -1
        self._last_decided = {}  # (boundary, actor, command): when it was last decided

    def take(self, offset, value):
        """The verdict on the next record, or None if there is none: the reader has stopped, or the log does not begin at 0."""
        self.record = None
        if self.stop is not None:
            return None
        if offset <= self._last_offset:
            raise Diverged(f"diverged at partition {self.partition}, offset {offset}: it came after {self._last_offset}")
        if self._last_offset < 0 and offset != 0:
            self._stop(0, "no-genesis", f"the log begins at offset {offset}")
            return None
        self._last_offset = offset
        if value is None or len(value) < PREFIX or value[:3] != MAGIC or value[4:PREFIX] != self._hash:
            if offset == 0:
                self._stop(0, "no-genesis", "the record at offset 0 is void")
                return Verdict(0, "stop", reason="no-genesis")
            self.void += 1
            return Verdict(offset, "void")
        digest = record_hash(value)
        reason, record = self._check(offset, value)
        if reason is not None:
            self._stop(offset, reason, self.why)
            return Verdict(offset, "stop", digest.hex(), reason=reason)
        if record.kind == GENESIS:
            self.ledger.learn(record)
        self._hash, self.record = digest, record
        self.head = Head(offset, record.height, digest.hex(), record.decided_at_us)
        self.accepted += 1
        for decision in decisions_of(record):
            self._remember(offset, decision)
        return Verdict(offset, "accepted", self.head.hash, record.height)

    def finish(self):
        """The log has ended: one without any record has no genesis."""
        if self._last_offset < 0 and self.stop is None:
            self._stop(0, "no-genesis", "there is no record from offset 0 on")

    def position(self):
        """The last accepted record, as clients see it (section 10), or None."""
        return self.head and f"{self.partition}:{self.head.offset}:{self.head.hash[:8]}"

    def _stop(self, offset, reason, why):
        self.stop, self.why = (offset, reason), why

    def _check(self, offset, value):
        """(reason to stop, None) or (None, record) of a record that the chain accepted: the table of section 6, top down."""
        if value[3] != FORMAT:
            return self._because("newer-format", f"format {value[3]}")
        if len(value) > VALUE_BYTES_MAX:
            return self._because("malformed", f"{len(value)} bytes")
        body = value[PREFIX:]
        try:
            count, at = array_header(body, 0)
            if count == 0:
                raise Malformed("the body is an empty array")
            kind, _ = unsigned(body, at)
            if kind > COMMIT:
                return self._because("unknown-kind", f"kind {kind}")
            record = parse(body)
        except Malformed as error:
            return self._because("malformed", str(error))
        if offset == 0 and record.kind != GENESIS:
            return self._because("no-genesis", f"the record at offset 0 is of kind {record.kind}")
        if record.kind == GENESIS:
            if self.head is not None:
                return self._because("second-genesis", "")
            if not self.ledger.agrees(record, self.partition):
                return self._because("foreign-ledger", f"{uuid_text(record.ledger_id)}, partition {record.partition} of "
                                                       f"{record.partition_count}, horizon {record.horizon_us} us")
        elif record.height != self.head.height + 1:
            return self._because("height", f"{record.height} after {self.head.height}")
        elif record.decided_at_us < self.head.decided_at_us:
            return self._because("time", f"{record.decided_at_us} after {self.head.decided_at_us}")
        for decision in decisions_of(record):
            if decision.boundary is not None and partition_of(decision.boundary, self.ledger.partition_count) != self.partition:
                return self._because("unroutable", f"boundary {uuid_text(decision.boundary)}")
        return None, record

    def _because(self, reason, why):
        self.why = why
        return reason, None

    def _remember(self, offset, decision):
        """Section 8: holds a decision against the promise that a command is decided once, and in its window."""
        triple = (decision.boundary, decision.actor, decision.command)
        before, horizon_us = self._last_decided.get(triple), self.ledger.horizon_us
        command = decision.command
        windowed = command[6] >> 4 == 7 and command[8] >> 6 == 2
        found = []
        if windowed:
            at_us = int.from_bytes(command[:6], "big") * 1_000
            if decision.decided_at_us < at_us - EARLY_US:
                found.append("early")
            if decision.decided_at_us >= at_us + horizon_us:
                found.append("late")
        if before is not None and (windowed or before + horizon_us > decision.decided_at_us):
            found.append("repeat")
        self._last_decided[triple] = decision.decided_at_us
        self.findings += [Finding(offset, decision.answer, finding) for finding in found]


def decisions_of(record):
    """The decisions of a record in their order: its answers, then the commit's own."""
    if record.kind < ANSWERS:
        return []
    decisions = [Decision(index, answer.boundary, answer.actor, answer.command, answer.decided_at_us)
                 for index, answer in enumerate(record.answers)]
    if record.kind == COMMIT:
        decisions.append(Decision(None, record.boundary, record.actor, record.command, record.decided_at_us))
    return decisions


def read_log(log, ledger, partition):
    """Reads a whole log of one partition, an iterable of (offset, value). Returns (reader, verdicts)."""
    reader, verdicts = PartitionReader(ledger, partition), []
    for offset, value in log:
        verdict = reader.take(offset, value)
        if verdict is not None:
            verdicts.append(verdict)
        if reader.stop is not None:
            break
    reader.finish()
    return reader, verdicts
