"""Whether the answers about each slot are linearizable: histories written here, judged by porcupine (linear/main.go).

    report = judge(operations_of(load), directory)      # {"slots", "operations", "unknown", "violated", "undecided"}

An operation is one command from its first sending to the answer that it got at last, under its key; a 503 or a lost connection in
between is no answer. A command that was never answered stays unknown: it may have been decided at any later time, or never.
"""

import atexit
import functools
import json
import os
import subprocess

from integration.harness import ENVIRONMENT, ROOT, SCRATCH, ProcessError

SOURCE = ROOT / "integration/faults/linear"


@functools.cache
def program():
    """The Go program, built once a run; Go keeps what it has compiled before."""
    SCRATCH.mkdir(parents=True, exist_ok=True)
    binary = SCRATCH / f"linear-{os.getpid()}"
    atexit.register(binary.unlink, missing_ok=True)
    built = subprocess.run(["go", "build", "-o", str(binary), "."], cwd=SOURCE, env=ENVIRONMENT, stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if built.returncode != 0:
        raise ProcessError(f"{SOURCE} does not build:\n{built.stdout}")
    return binary


def operations_of(load):
    """What the students of a load did, repeats of answered commands left out: they are no second operation."""
    operations = []
    for command in [*load.decided, *(command for command in load.open if command.first is None)]:
        _, kind, name, *_ = command.path.split("/")
        booked = kind == "slots"
        slot = name if booked else command.place.slot_of[name]
        known = command.status is not None
        operations.append({
            "slot": slot, "capacity": command.place.capacities[slot], "student": command.student.id,
            "kind": "reserve" if booked else "cancel", "reservation": (command.id or "") if booked and known else "" if booked else name,
            "call_ns": round(command.called_at * 1e9), "return_ns": round(command.returned_at * 1e9) if known else 0,
            "result": "" if not known else command.problem or "yes"})
    return operations


def judge(operations, directory):
    file = directory / "history.jsonl"
    file.write_text("".join(json.dumps(operation) + "\n" for operation in operations))
    ran = subprocess.run([program(), file], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                         check=False)
    if ran.returncode not in (0, 1):
        raise ProcessError(f"linear ended with {ran.returncode}: {ran.stderr}")
    return json.loads(ran.stdout)
