"""script/bench: measures ProctorWise as script/server starts it, each figure beside its limit in the same run.

The ratio is what must hold: absolute figures drift from machine to machine, and with what else runs there. What is compared takes
turns, after a warm-up. Load generator, Kafka, Galera and ProctorWise share the machine. With its read models the bench
proves itself in the end: the chain is verified, every 2xx answer is a commit of the ledger, and bookings drawn at random are found by GET.
"""

import argparse
import dataclasses
import os
import shutil
import signal
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)

from bench import accounts, against, followups, measures  # noqa: E402
from bench.house import STUDENTS, Bookings, House, say  # noqa: E402
from bench.peers import compare as peers  # noqa: E402


@dataclasses.dataclass
class Row:
    what: str
    ours: str
    limit: str = ""
    ratio: float | None = None
    wanted: float | None = None  # The ratio that must hold.

    def holds(self):
        return self.wanted is None or self.ratio >= self.wanted


class Table:
    def __init__(self):
        self.rows, self.notes = [], []

    def add(self, *fields, **named):
        self.rows.append(Row(*fields, **named))
        say("  ".join(filter(None, (self.rows[-1].what, self.rows[-1].ours, self.rows[-1].limit))))

    def note(self, text):
        self.notes.append(text)
        say(text)

    def show(self):
        """Prints it. True when every ratio holds."""
        lines = [("", "ProctorWise", "limit", "ratio", "wanted")]
        for row in self.rows:
            ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
            wanted = "" if row.wanted is None else f"{'' if row.holds() else 'NOT '}{row.wanted:.2f}"
            lines.append((row.what, row.ours, row.limit, ratio, wanted))
        widths = [max(map(len, column)) for column in zip(*lines)]
        print()
        for what, *cells in lines:
            print("  ".join((what.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(cells, widths[1:])))).rstrip())
        for note in self.notes:
            print(f"\n{note}")
        return all(row.holds() for row in self.rows)


def book(table, house, asked, one, peak):
    many = Bookings(house, 16)
    many.load(connections=64, requests=STUDENTS)
    measures.open_loop(table, one, peak, asked)
    measures.reserve(table, house, many, asked, "16 tenants")
    measures.one_connection(table, house, one, asked)
    measures.refusals(table, one)
    return [many]


def sign_in(table, house, asked, one, peak):
    accounts.sign_ins(table, house, one, peak, asked)
    return [accounts.fresh_tokens(table, house, peak)]


def follow_up(table, house, asked, _, peak):
    beside = Bookings(house, 1, "beside")
    beside.load(connections=64, requests=STUDENTS, ids=True)
    crowds = followups.cancelled_slot(table, house, beside, peak, asked)
    followups.holds_run_out(table, house, beside, peak, asked)
    return [beside, *crowds]


def replay(table, house, asked, *_):
    measures.replay(table, house, asked)
    return []


def compare_with_peers(table, house, asked, *_):
    return peers.compare(table, house, asked)


# Each is given the plan of the first row, and that row's bookings a second; it gives the plans of what it has booked.
PARTS = {"bookings": book, "accounts": sign_in, "follow-ups": follow_up, "replay": replay, "peers": compare_with_peers}
READ_MODELS, CORE = "read-models", "core"


def measure(table, house, asked, parts):
    plans = []
    if parts != {CORE}:
        house.start("commands")
        say("tenants, slots and tokens")
        one = Bookings(house, 1)
        one.load(connections=64, requests=STUDENTS)  # Every token is verified once.
        peak = measures.reserve(table, house, one, asked, "one tenant (one partition)")
        plans.append(one)
    for name, part in PARTS.items():
        if name in parts:
            plans += part(table, house, asked, one, peak)
    if READ_MODELS in parts:
        house.stop()
        house.start("commands,projections,queries", ready=False)
        measures.catch_up(table, house)
        house.await_ready()
        measures.lag(table, house, one, asked)
        measures.whole_house(table, one, asked)
        while house.total("pw_projection_lag_records") > 0:
            time.sleep(0.2)
        measures.prove(table, house, plans)
    if CORE in parts:
        measures.core(table)


def arguments():
    parser = argparse.ArgumentParser(prog="script/bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=5, help="of each measured load (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of what is compared; their median counts (%(default)s)")
    parser.add_argument("--only", nargs="+", metavar="PART", choices=(*PARTS, READ_MODELS, CORE),
                        help=f"measure only these: {', '.join((*PARTS, READ_MODELS, CORE))}; what was booked is proved with {READ_MODELS}")
    parser.add_argument("--peers", action="store_true",
                        help="also measure a FastAPI service and Message DB; PostgreSQL and packages from PyPI and npm are fetched")
    parser.add_argument("--against", type=binary, metavar="BINARY",
                        help="measure nothing but bookings for one tenant, beside another build of proctorwise, such as the one "
                             "before a change")
    asked = parser.parse_args()
    if asked.against and (asked.only or asked.peers):
        parser.error("--against measures nothing else")
    return asked


def binary(text):
    path = Path(text).resolve()
    if not os.access(path, os.X_OK) or path.is_dir():
        raise argparse.ArgumentTypeError(f"{text}: no program")
    return path


def main():
    asked, table = arguments(), Table()
    house = House(ROOT / ".run/bench", galera_nodes=1 if asked.against else 3)
    shutil.rmtree(house.dir, ignore_errors=True)
    house.dir.mkdir(parents=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # Whatever ends the bench, what it started ends too.
    begun = time.monotonic()
    try:
        if asked.against:
            house.start("commands")
            against.compare(table, house, asked.against, asked.seconds)
        else:
            parts = set(asked.only or {*PARTS, READ_MODELS, CORE} - {"peers"})
            measure(table, house, asked, parts | ({"peers"} if asked.peers else set()))
    finally:
        house.stop()
        shutil.rmtree(house.dir, ignore_errors=True)
    good = table.show()
    verdict = "every ratio holds" if good else "a ratio does not hold"
    print(f"\n{time.monotonic() - begun:.0f} s on {os.cpu_count()} cores; {verdict}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
