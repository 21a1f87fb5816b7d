"""Example logs with the verdict on each record: docs/vectors/README.md says what is in such a file."""

import json
from pathlib import Path

from integration.reader.ledger import Ledger, read_log


def load(directory):
    """Every vector of a directory, by its file name."""
    return [json.loads(path.read_text(encoding="utf-8")) | {"file": path.name} for path in sorted(Path(directory).glob("*.json"))]


def log_of(vector):
    return [(record["offset"], _value(record)) for record in vector["log"]]


def _value(record):
    if "value_parts" in record:
        return b"".join(bytes.fromhex(piece) * times for piece, times in record["value_parts"])
    return None if record["value_hex"] is None else bytes.fromhex(record["value_hex"])


def read(vector):
    """What this reader makes of a vector's log: its `verdicts` and its `end`."""
    ledger_id = vector.get("ledger_id")
    ledger = Ledger(vector["partition_count"], None if ledger_id is None else bytes.fromhex(ledger_id))
    reader, verdicts = read_log(log_of(vector), ledger, vector["partition"])
    stop = reader.stop
    return [verdict._asdict() for verdict in verdicts], {
        "head": reader.head and reader.head._asdict(),
        "position": reader.position(),
        "accepted": reader.accepted,
        "void": reader.void,
        "stop": stop and {"offset": stop[0], "reason": stop[1]},
        "findings": [finding._asdict() for finding in reader.findings],
    }


def differences(vector):
    """What a vector says and this reader does not, as lines; none if they agree."""
    verdicts, end = read(vector)
    lines = []
    if vector["file"] != vector["name"] + ".json":
        lines.append(f"its name is {vector['name']}")
    if len(verdicts) != len(vector["verdicts"]):
        lines.append(f"{len(verdicts)} verdicts, not {len(vector['verdicts'])}")
    lines += [f"verdict {ours}, not {theirs}" for ours, theirs in zip(verdicts, vector["verdicts"]) if ours != theirs]
    lines += [f"end.{key} {end.get(key)}, not {vector['end'].get(key)}" for key in sorted(end.keys() | vector["end"].keys())
              if end.get(key) != vector["end"].get(key)]
    return lines
