"""What `audit replay --exam` and `--student` must select, found from the ledger's events alone."""

from integration.reader.states import uuid_of


def of_exam(decisions, exam):
    """Yields (decision, event) of every event of an exam, its slots and their reservations, and (answer, None) of every answer about
    one of these streams, in the order of the log."""
    slots, streams = set(), {exam}
    for decision in decisions:
        if decision["kind"] == "answer" and decision["stream"] in streams:
            yield decision, None
        for event in decision["events"]:
            stream, payload = event["stream"], event["payload"]
            if event["type"] == "slot_opened" and uuid_of(payload[0]) == exam:
                slots.add(stream)
            if stream == exam or stream in slots or event["stream_type"] == "reservation" and uuid_of(payload[0]) in slots:
                streams.add(stream)
                yield decision, event


def about(decisions, person):
    """The same of a person: their account and sessions, their reservations, and every answer about one of these or to them."""
    streams = {person}
    for decision in decisions:
        if decision["kind"] == "answer" and (decision["actor"] == person or decision["stream"] in streams):
            yield decision, None
        for event in decision["events"]:
            place = {"reservation": 2, "session": 0}.get(event["stream_type"])
            if event["stream"] == person or place is not None and uuid_of(event["payload"][place]) == person:
                streams.add(event["stream"])
                yield decision, event
