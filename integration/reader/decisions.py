"""The accepted decisions of a ledger as plain data, one dict each, which JSON can hold."""

from integration.reader.ledger import COMMIT, LEADER, uuid_text
from integration.reader.topic import read_ledger


class Stopped(Exception):
    """Some partition stopped its reader."""


def read_decisions(bootstrap, topic):
    """Yields every accepted decision of a topic, partition by partition in the order of the log. Raises Stopped at the end if a
    partition stopped; what was decided before it has been yielded then."""
    return decisions_of(read_ledger(bootstrap, topic))


def decisions_of(judged):
    """The same of what topic.read_ledger or files.read_ledger_in yields."""
    stopped = []
    for reader, offset, _ in judged:
        if reader.record is not None and offset is not None:
            yield from decisions_as_dicts(reader)
        if offset is None and reader.stop is not None:
            stopped.append(stop_text(reader))
    if stopped:
        raise Stopped("\n".join(stopped))


def stop_text(reader):
    offset, reason = reader.stop
    return f"stopped at partition {reader.partition}, offset {offset}: {reason}" + (f" ({reader.why})" if reader.why else "")


def decisions_as_dicts(reader):
    """The decisions of the record that a reader has just accepted, in their order."""
    record = reader.record
    if record.kind <= LEADER:
        return []
    common = {"partition": reader.partition, "offset": reader.head.offset, "height": reader.head.height,
              "position": reader.position(), "tenant": uuid_text(record.tenant)}
    decisions = [{
        "kind": "answer", **common,
        "boundary": uuid_text(answer.boundary),
        "actor": uuid_text(answer.actor),
        "command": uuid_text(answer.command),
        "command_name": answer.command_name,
        "decided_at_us": answer.decided_at_us,
        "stream": uuid_text(answer.stream),
        "version": answer.stream_version,
        "events": [],
        "problem": answer.problem,
        "detail": answer.detail,
    } for answer in record.answers]
    if record.kind == COMMIT:
        events = [{
            "type": event.type,
            "event_version": event.version,
            "stream_type": event.stream_type,
            "stream": uuid_text(event.stream),
            "version": event.stream_version,
            "payload": plain(event.payload),
        } for event in record.events]
        stream = events[0]["stream_type"], events[0]["stream"]
        decisions.append({
            "kind": "commit", **common,
            "boundary": uuid_text(record.boundary),
            "actor": uuid_text(record.actor),
            "role": record.role,
            "command": uuid_text(record.command),
            "correlation": uuid_text(record.correlation),
            "causation": uuid_text(record.causation),
            "decided_at_us": record.decided_at_us,
            "stream": stream[1],  # The commit's own answer: about its first event's stream, as it is after the commit.
            "version": [event["version"] for event in events if (event["stream_type"], event["stream"]) == stream][-1],
            "events": events,
            "problem": None,
            "detail": "",
        })
    return decisions


def plain(value):
    """A payload with its bins as hex."""
    if type(value) is bytes:
        return value.hex()
    return [plain(element) for element in value] if type(value) is list else value
