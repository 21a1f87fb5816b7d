"""Whether the answers about each exam's slots are linearizable: histories written here, judged by porcupine (linear/main.go).

    report = judge(operations_of(load), directory)      # {"exams", "operations", "unknown", "violated", "undecided"}

An operation is one command from its first sending to the answer that it got at last, under its key; a 503 or a lost connection in
between is no answer. A command that was never answered stays unknown: it may have been decided at any later time, or never.

Slots of one exam are judged together, as a seat moves between them, and a student has one seat an exam. What is about a student's time
(accommodations), or about a sitting that has begun (marks), decides nothing about these slots: it is held against the ledger, with
everything else, by proof.py and reader/bookings.py. Holds and offers must not run out while a history lasts.
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
    """What was asked about slots that are to come, repeats of answered commands left out: they are no second operation."""
    return [_operation(command) for command in [*load.decided, *(command for command in load.open if command.first is None)]
            if command.about == "slots" or command.name in command.place.slot_of]


def _operation(command):
    place, known, body = command.place, command.status is not None, command.body or {}
    of_slot = command.about == "slots"
    slot = command.name if of_slot else place.slot_of[command.name]  # Of a reservation: any slot of its exam would do.
    to = body.get("slot_id", "")
    return {
        "exam": place.exam_of[slot], "slot": slot, "seats": place.capacities[slot], "to": to, "to_seats": place.capacities.get(to, 0),
        "student": command.student.id if command.student else "", "kind": command.action if not of_slot else f"slot-{command.action}",
        "reservation": command.name if not of_slot else (command.id or "") if command.student else "",
        "capacity": body.get("capacity", 0), "priority": body.get("priority", 0),
        "call_ns": round(command.called_at * 1e9), "return_ns": round(command.returned_at * 1e9) if known else 0,
        "result": "" if not known else command.problem or "yes"}


def judge(operations, directory):
    file = directory / "history.jsonl"
    file.write_text("".join(json.dumps(operation) + "\n" for operation in operations))
    ran = subprocess.run([program(), file], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                         check=False)
    if ran.returncode not in (0, 1):
        raise ProcessError(f"linear ended with {ran.returncode}: {ran.stderr}")
    return json.loads(ran.stdout)
