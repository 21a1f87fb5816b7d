#!/usr/bin/python3
"""integration/sim/check_defects.py: does the simulation find what is wrong? Every patch in defects/ plants one defect in one line.

Builds the simulation with each in turn, in a build folder of its own (build/defects) with asserts off, so that the rules that the
judge holds against the log must find it, and not a check of the code under test. Runs fresh seeds until a rule is broken, and prints
which one, after how many seeds. Ends with 1 when a defect was not found, or a rule is broken without any.

Usage: check_defects.py [--seeds N] [--jobs N] [NAME...]
"""

import argparse
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DEFECTS = ROOT / "integration/sim/defects"
BUILD = ROOT / "build/defects"
SOURCE, OBJECTS = BUILD / "source", BUILD / "objects"


def run(argv, **options):
    """Runs a command; what it printed is shown where it fails."""
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **options)
    if done.returncode != 0:
        sys.exit(f"check_defects: {' '.join(map(str, argv))}\n{done.stdout[-3000:]}")


def copy_source():
    """A copy of what git knows or would add, with times kept: what has not changed is not built again."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    wanted = {file for file in listed.stdout.splitlines() if (ROOT / file).is_file()}
    for file in wanted:
        to = SOURCE / file
        to.parent.mkdir(parents=True, exist_ok=True)
        if not to.exists() or to.read_bytes() != (ROOT / file).read_bytes():
            shutil.copyfile(ROOT / file, to)
    for old in SOURCE.rglob("*"):
        if old.is_file() and str(old.relative_to(SOURCE)) not in wanted:
            old.unlink()


def build(name, jobs):
    """The simulation as the sources stand now, kept under a name of its own."""
    run(["cmake", "--build", OBJECTS, "--target", "sim", "-j", str(jobs)])
    shutil.copyfile(OBJECTS / "integration/sim/sim", BUILD / name)
    (BUILD / name).chmod(0o755)


def build_all(patches, jobs):
    copy_source()
    run(["cmake", "-S", SOURCE, "-B", OBJECTS, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
         "-DCMAKE_C_FLAGS=-DNDEBUG -Wno-unused -Wno-maybe-uninitialized"])
    build("none", jobs)
    for patch in patches:
        file = SOURCE / re.search(r"^\+\+\+ b/(\S+)", patch.read_text(), re.MULTILINE)[1]
        whole = file.read_bytes()
        run(["patch", "-p1", "--fuzz=0", "--no-backup-if-mismatch", "-i", patch], cwd=SOURCE)
        try:
            build(patch.stem, jobs)
        finally:
            file.write_bytes(whole)


def hunt(name, seeds):
    """Seeds, until one breaks a rule: (rule, seeds it took, what was told), or None."""
    # A tenth of a second each; a defect may make a run that never ends, which ends itself after a minute.
    done = subprocess.run([BUILD / name, "--seeds", str(seeds), "--brief"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          text=True, errors="replace", check=False)
    if done.returncode > 1:
        sys.exit(f"check_defects: {name} ended with {done.returncode}: {done.stdout[-500:]}")
    found = re.search(r"after (\d+) good runs: BROKEN (.*)\n\s*(.*)", done.stdout)
    return (found[2], int(found[1]) + 1, found[3]) if found else None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these defects")
    parser.add_argument("--seeds", type=int, default=1000, help="at most so many for each (%(default)s)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    asked = parser.parse_args()
    patches = sorted(patch for patch in DEFECTS.glob("*.patch") if not asked.names or patch.stem in asked.names)
    begin = time.monotonic()
    build_all(patches, asked.jobs)
    missed = []
    with concurrent.futures.ThreadPoolExecutor(asked.jobs) as pool:
        without = pool.submit(hunt, "none", min(asked.seeds, 100))
        hunts = {patch.stem: pool.submit(hunt, patch.stem, asked.seeds) for patch in patches}
        for name, found in hunts.items():
            rule, seeds, _ = found.result() or (None, asked.seeds, None)
            print(f"{name:<45} {f'{rule}, after {seeds} seeds' if rule else f'NOT FOUND in {seeds} seeds'}", flush=True)
            missed += [] if rule else [name]
        if without.result():
            print(f"without a defect: {without.result()[0]}: {without.result()[2]}")
            missed.append("none")
    print(f"{len(patches)} defects, {len(patches) - len([name for name in missed if name != 'none'])} found, "
          f"{time.monotonic() - begin:.0f} s")
    return 1 if missed or not patches else 0


if __name__ == "__main__":
    sys.exit(main())
