"""script/faults [NAME...]: real faults on three nodes of ProctorWise, three brokers and three Galera nodes, each in a network namespace.

A NAME is a case (`kill-node`, `cut-broker+hang-galera`), or `singles`, `pairs`; a measurement (`leader-kills`, ...), or `availability`.
Without any: everything, which takes two hours. `--list` prints all names. Needs root.
"""

import argparse
import os
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # Where `integration` is found.


def build():
    for argv in (["script/setup"], ["cmake", "--preset", "release"], ["cmake", "--build", "--preset", "release", "-j", str(os.cpu_count())]):
        ran = subprocess.run(argv, cwd=ROOT, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if ran.returncode != 0:
            sys.exit(f"{ran.stdout[-4000:]}\nscript/faults: {' '.join(argv)} failed")


def main():
    parser = argparse.ArgumentParser(prog="script/faults", description=__doc__.split("\n\n")[0], epilog=__doc__.split("\n\n")[1])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--list", action="store_true", help="print every name")
    parser.add_argument("--seed", type=int, help="what the clients of a case draw")
    parser.add_argument("--rounds", type=int, help="of each measurement")
    parser.add_argument("--no-build", action="store_true", help="take the release build as it is")
    asked = parser.parse_args()
    if not asked.no_build:
        build()
    from integration.faults import availability, matrix  # Not before script/setup has installed what they import.
    groups = {"singles": matrix.SINGLE, "pairs": matrix.PAIRS, "bounded": matrix.BOUNDED,
              "availability": list(availability.MEASUREMENTS)}
    known = [*matrix.CASES, *availability.MEASUREMENTS]
    if asked.list:
        print("\n".join([*groups, *known]))
        return 0
    names = [name for word in asked.names or ["singles", "pairs", "availability"] for name in groups.get(word, [word])]
    for name in names:
        if name not in known:
            parser.error(f"there is no {name}: see --list")
    return run(names, asked)


def run(names, asked):
    from integration.faults import availability, matrix
    from integration.faults.three import Three
    verdicts = {}
    for number in (signal.SIGINT, signal.SIGTERM):  # Whatever ends it, what it started ends too; a shell's `&` leaves the first ignored.
        signal.signal(number, signal.default_int_handler)
    three = Three("faults")
    try:
        for name in names:
            if name in availability.MEASUREMENTS:
                availability.MEASUREMENTS[name](three, **({"rounds": asked.rounds} if asked.rounds and name != "one-way-cuts" else {}))
                continue
            verdicts[name], _ = matrix.run_case(three, name, asked.seed)
    finally:
        three.stop()
    if verdicts:
        print(three.tell_between())
    counts = {verdict: list(verdicts.values()).count(verdict) for verdict in dict.fromkeys(verdicts.values())}
    print(", ".join(f"{count} {verdict}" for verdict, count in counts.items()) or "measured")
    return 0 if set(verdicts.values()) <= {"passed"} else 1


if __name__ == "__main__":
    sys.exit(main())
