"""A partition verified from outside, by what an auditor of one tenant downloads (docs/audit.md, `/audit/records`): no ledger at hand, and
no other tenant's records.

    with open("audit_records.ndjson", "rb") as lines:
        reader = OutsideReader()
        for record in reader.read(lines):      # of each line; None where only the hash of its body is shown
            ...decisions_as_dicts(reader)...
    reader.head, reader.next_offset            # where it ends, and where the next download goes on
"""

import base64
import hashlib
import json
import uuid

from integration.reader.ledger import (ANSWERS, COMMIT, FORMAT, GENESIS, LEADER, MAGIC, ZERO_HEAD, Head, decisions_of, parse, partition_of,
                                       uuid_text)
from integration.reader.strict import Malformed

PLACE = {"offset", "height", "prev", "hash"}


class Tampered(Exception):
    """The download is not the whole, or not what stands in one chain; the text names the first line that shows it."""


class OutsideReader:
    """Reads downloads that follow each other, each from its `begin` to its `end`. Of a first one that does not start with the genesis, the
    hash that its first record names is taken for good, and the first version of each stream: an earlier download, or a head kept elsewhere,
    says whether they are.

    Hashes do not tell whether a body is hidden that is the tenant's own. The versions of its streams do, once a later one is shown."""

    def __init__(self):
        self.ledger_id = self.tenant = self.partition = self.partition_count = None
        self.head = None  # The last record; before the first, None.
        self.record = None  # The one that was read last, where it is shown.
        self.shown = self.hidden = 0
        self.begins_at = None  # The height of the first record that was read.
        self.next_offset = None
        self._hash, self._line, self._decided_at_us = None, 0, 0
        self._versions = {}  # (Stream type, stream): that of its last event.

    def read(self, lines):
        """Yields the record of each record's line, once all that can be checked is: parsed, or None."""
        has_ended = False
        for self._line, line in enumerate(lines, 1):
            said = self._object(line)
            self._need(not has_ended, "something follows the end")
            self._need(line.endswith(b"\n"), "it is cut off")
            if self._line == 1:
                self._begin(said)
            elif said.keys() == {"end"}:
                self._end(said["end"])
                has_ended = True
            elif said.keys() != {"progress"}:
                yield self._take(said)
        self._line += 1
        self._need(has_ended, "there is no end: the download is not whole")

    def position(self):
        return self.head and f"{self.partition}:{self.head.offset}:{self.head.hash[:8]}"

    # --- Lines

    def _begin(self, said):
        self._need(said.keys() == {"begin"}, "it does not begin")
        said = said["begin"]
        begin = (_id(said["ledger_id"]), _id(said["tenant_id"]), said["partition"], said["partition_count"])
        if self.tenant is not None:
            self._need(begin == (self.ledger_id, self.tenant, self.partition, self.partition_count),
                       "it is another ledger's, partition's or tenant's than the download before")
        self.ledger_id, self.tenant, self.partition, self.partition_count = begin
        self._need(partition_of(self.tenant, self.partition_count) == self.partition, "the tenant does not lie in this partition")

    def _take(self, said):
        self._need(said.keys() in (PLACE | {"body"}, PLACE | {"body_sha256"}), f"a record has {sorted(said)}")
        prev, body = bytes.fromhex(said["prev"]), None
        if "body" in said:
            body = base64.urlsafe_b64decode(said["body"] + "=" * (-len(said["body"]) % 4))
        digest = hashlib.sha256(body).digest() if body is not None else bytes.fromhex(said["body_sha256"])
        found = hashlib.sha256(MAGIC + bytes([FORMAT]) + prev + digest).hexdigest()
        self._need(self._hash is None or prev == self._hash, "it was not decided on the record before")
        self._need(found == said["hash"], f"its hash is {found}")
        self._place(said, prev)
        self.record = None if body is None else self._parsed(body, said)
        self._need(said["height"] > 0 or (self.record is not None and self.record.kind == GENESIS), "the genesis is not shown")
        self._hash = bytes.fromhex(found)
        self.head = Head(said["offset"], said["height"], found, self._decided_at_us)
        self.shown, self.hidden = self.shown + (body is not None), self.hidden + (body is None)
        return self.record

    def _place(self, said, prev):
        offset, height = said["offset"], said["height"]
        if self.head is None:
            self.begins_at = height
            self._need((height == 0) == (prev == ZERO_HEAD) == (offset == 0), "the genesis, and nothing else, is at offset 0")
        else:
            self._need(height == self.head.height + 1, f"height {height} follows {self.head.height}")
            self._need(offset > self.head.offset, f"offset {offset} follows {self.head.offset}")

    def _parsed(self, body, said):
        try:
            record = parse(body)
        except Malformed as error:
            self._need(False, f"its body is malformed: {error}")
        self._need(record.height == said["height"], f"its body says height {record.height}")
        self._need(record.decided_at_us >= self._decided_at_us, "its time is before that of a record before")
        self._need(record.kind != LEADER, "it shows a leader")
        if record.kind == GENESIS:
            self._need((record.ledger_id, record.partition, record.partition_count) ==
                       (self.ledger_id, self.partition, self.partition_count), "the genesis is of another ledger or partition")
        if record.kind in (ANSWERS, COMMIT):
            self._need(record.tenant == self.tenant, "it shows another tenant's record")
            self._need(all(decision.boundary == self.tenant for decision in decisions_of(record)), "it shows what is another's")
        for event in record.events if record.kind == COMMIT else ():
            self._follow(event)
        self._decided_at_us = record.decided_at_us
        return record

    def _follow(self, event):
        stream = (event.stream_type, event.stream)
        unseen = 0 if self.begins_at == 0 else event.stream_version - 1
        before = self._versions.get(stream, unseen)
        self._need(event.stream_version == before + 1,
                   f"version {event.stream_version} of {event.stream_type} {uuid_text(event.stream)} follows {before}: "
                   "what is between is hidden, or never was")
        self._versions[stream] = event.stream_version

    def _end(self, said):
        if self.head is not None:
            self._need((said["offset"], said["height"], said["hash"]) == self.head[:3] and said["position"] == self.position(),
                       "it ends elsewhere than at the last record")
        self.next_offset = said["next"]

    def _object(self, line):
        try:
            said = json.loads(line)
        except ValueError:
            self._need(False, "it is no JSON")
        self._need(isinstance(said, dict), "it is no object")
        self._need("problem" not in said, f"the download was ended: {said.get('problem')}")
        return said

    def _need(self, condition, why):
        if not condition:
            raise Tampered(f"line {self._line}: {why}")


def _id(text):
    return uuid.UUID(text).bytes


def summary(reader):
    """What was verified, as plain data."""
    return {"ledger_id": uuid_text(reader.ledger_id), "tenant_id": uuid_text(reader.tenant), "partition": reader.partition,
            "from_height": reader.begins_at, "shown": reader.shown, "hidden": reader.hidden, "position": reader.position(),
            "height": reader.head and reader.head.height, "hash": reader.head and reader.head.hash, "next": reader.next_offset}
