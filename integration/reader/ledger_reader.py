#!/usr/bin/python3
"""Reads a ledger by docs/ledger.md alone. See --help, and README.md one directory up."""

import argparse
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[2])  # Where `integration` is found.

from integration.reader import vectors


def check_vectors(asked):
    """Reads every vector; the last line is `N passed, N failed`."""
    passed = failed = 0
    for vector in vectors.load(asked.directory):
        lines = vectors.differences(vector)
        passed, failed = passed + (not lines), failed + bool(lines)
        for line in lines:
            print(f"{vector['file']}: {line}")
    print(f"{passed} passed, {failed} failed")
    return 0 if passed and not failed else 1


def main():
    parser = argparse.ArgumentParser(prog="ledger_reader.py", description=__doc__)
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    verb = verbs.add_parser("vectors", help="hold this reader against the example logs of docs/vectors")
    verb.add_argument("directory")
    verb.set_defaults(run=check_vectors)
    asked = parser.parse_args()
    return asked.run(asked)


if __name__ == "__main__":
    sys.exit(main())
