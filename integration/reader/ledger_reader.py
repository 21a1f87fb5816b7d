#!/usr/bin/python3
"""Reads a ledger by docs/ledger.md (and docs/file-ledger.md) alone, and says what it makes of it."""

import argparse
import json
import sys
import uuid
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[2])  # Where `integration` is found.

from integration.reader import vectors
from integration.reader.decisions import Stopped, decisions_as_dicts, decisions_of, stop_text
from integration.reader.files import Damaged, read_ledger_in
from integration.reader.ledger import Diverged, uuid_text
from integration.reader.outside import OutsideReader, Tampered, summary
from integration.reader.topic import Unreadable, read_ledger


def check_vectors(asked):
    passed = failed = 0
    for vector in vectors.load(asked.directory):
        lines = vectors.differences(vector)
        passed, failed = passed + (not lines), failed + bool(lines)
        for line in lines:
            print(f"{vector['file']}: {line}")
    print(f"{passed} passed, {failed} failed")
    return 0 if passed and not failed else 1


def judged(asked, ledger_id=None):
    """Every record of the log that was asked for, with its verdict."""
    if asked.dir is not None:
        return read_ledger_in(asked.dir, ledger_id, None if asked.partition is None else [asked.partition])
    return read_ledger(asked.bootstrap, asked.topic, ledger_id)


def verify(asked):
    records, readers = 0, []
    for reader, offset, _ in judged(asked, asked.ledger_id):
        records += 1
        if offset is None:
            readers.append((reader, records - 1))
            records = 0
            if not asked.json:
                print(partition_text(*readers[-1]), flush=True)
    good = all(reader.stop is None and not reader.findings for reader, _ in readers)
    if asked.json:
        print(json.dumps({
            "topic": asked.topic if asked.dir is None else asked.dir,
            "ledger_id": uuid_text(readers[0][0].ledger.ledger_id),
            "horizon_us": readers[0][0].ledger.horizon_us,
            "good": good,
            "partitions": [partition_dict(*entry) for entry in readers],
        }))
    else:
        accepted, void = sum(reader.accepted for reader, _ in readers), sum(reader.void for reader, _ in readers)
        stops, findings = sum(bool(reader.stop) for reader, _ in readers), sum(len(reader.findings) for reader, _ in readers)
        print(f"ledger {uuid_text(readers[0][0].ledger.ledger_id)}: {accepted} accepted, {void} void, {stops} stopped, "
              f"{findings} findings")
    return 0 if good else 1


def partition_dict(reader, records):
    head = reader.head
    return {
        "partition": reader.partition,
        "records": records,
        "accepted": reader.accepted,
        "void": reader.void,
        "height": head and head.height,
        "head": head and head.hash,
        "position": reader.position(),
        "stop": reader.stop and {"offset": reader.stop[0], "reason": reader.stop[1], "why": reader.why},
        "findings": [finding._asdict() for finding in reader.findings],
    }


def partition_text(reader, records):
    line = f"partition {reader.partition}: {records} records, {reader.accepted} accepted, {reader.void} void"
    lines = [f"{line}, height {reader.head.height}, head {reader.head.hash}" if reader.head else line]
    if reader.stop is not None:
        lines.append(f"  {stop_text(reader)}")
    lines += [f"  finding at offset {finding.offset}, "
              f"{'the commit' if finding.answer is None else f'answer {finding.answer}'}: {finding.finding}"
              for finding in reader.findings]
    return "\n".join(lines)


def dump(asked):
    for decision in decisions_of(judged(asked)):
        sys.stdout.write(json.dumps(decision, ensure_ascii=False, separators=(",", ":")) + "\n")
    return 0


def outside(asked):
    reader = OutsideReader()
    for path in asked.files:
        with open(path, "rb") as lines:
            try:
                for record in reader.read(lines):
                    for decision in decisions_as_dicts(reader) if asked.dump and record is not None else ():
                        sys.stdout.write(json.dumps(decision, ensure_ascii=False, separators=(",", ":")) + "\n")
            except Tampered as error:
                raise Tampered(f"{path}, {error}") from None
    if asked.expect is not None and asked.expect not in (reader.position(), reader.head and reader.head.hash):
        raise Tampered(f"{asked.files[-1]}: it ends at {reader.position()}, hash {reader.head and reader.head.hash}, not at {asked.expect}")
    if asked.expect is not None and asked.expect == reader.position():
        print("ledger_reader.py: eight digits of a hash find a download that was cut off, not a forgery: for that, keep the last line's "
              "`hash`, and expect that", file=sys.stderr)
    if not asked.dump:
        print(json.dumps(summary(reader)) if asked.json else outside_text(reader))
    return 0


def outside_text(reader):
    said = summary(reader)
    return (f"ledger {said['ledger_id']}, partition {said['partition']}, tenant {said['tenant_id']}: {said['shown']} records and "
            f"{said['hidden']} hashes from height {said['from_height']}, height {said['height']}, head {said['hash']}")


def main():
    parser = argparse.ArgumentParser(prog="ledger_reader.py", description=__doc__,
                                     epilog="Exit code: 0 good; 1 a vector fails, a partition stops or has findings, or a download is not "
                                            "what it should be; 2 unread.")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    verb = verbs.add_parser("vectors", help="holds this reader against example logs; last line `N passed, N failed`")
    verb.add_argument("directory", help="docs/vectors")
    verb.set_defaults(run=check_vectors)
    verb = verbs.add_parser("outside", help="verifies what an auditor of one tenant has downloaded from /audit/records")
    verb.add_argument("files", nargs="+", metavar="FILE", help="downloads, each going on where the one before ended")
    verb.add_argument("--expect", metavar="HEAD", help="where it must end: a hash kept elsewhere, all 64 digits; or a Pw-Position, which "
                                                     "finds what was cut off, not what was forged")
    verb.add_argument("--dump", action="store_true", help="prints one JSON line for each decision of the tenant's")
    verb.add_argument("--json", action="store_true", help="one JSON object instead of text")
    verb.set_defaults(run=outside)
    for run, what in ((verify, "checks every partition, and the promises about command ids"),
                      (dump, "prints one JSON line for each accepted decision")):
        verb = verbs.add_parser(run.__name__, help=what)
        verb.add_argument("--bootstrap", metavar="HOST:PORT", help="Kafka, and")
        verb.add_argument("--topic", help="the topic there; or")
        verb.add_argument("--dir", help="the directory of a file ledger, such as an export, and")
        verb.add_argument("--partition", type=int, metavar="N", help="only this one of it")
        verb.set_defaults(run=run)
        if run is verify:
            verb.add_argument("--json", action="store_true", help="one JSON object instead of text")
            verb.add_argument("--ledger-id", type=id_bytes, metavar="UUID", help="the ledger to expect (default: what is found)")
    asked = parser.parse_args()
    if hasattr(asked, "dir") and (asked.dir is None) == (asked.bootstrap is None or asked.topic is None):
        parser.error("either --bootstrap and --topic, or --dir")
    sys.stdout.reconfigure(encoding="utf-8")
    try:
        return asked.run(asked)
    except (Unreadable, Stopped, Diverged, Damaged, Tampered) as error:
        print(f"ledger_reader.py: {error}", file=sys.stderr)
        return 2 if isinstance(error, Unreadable) else 1


def id_bytes(text):
    return uuid.UUID(text).bytes


if __name__ == "__main__":
    sys.exit(main())
