"""script/test [quick] [PART...]: builds, then runs the tests part by part, and counts.

The last line says `N passed, N failed`; the exit code is 0 only when nothing failed and every part ran something. A part's
whole output is in .run/test-logs/PART.log; what failed is also shown. To add a part, write a function and name it in PARTS.
"""

import argparse
import contextlib
import dataclasses
import fcntl
import glob
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # Where `integration` is found.

RUN = ROOT / ".run"
LOGS = RUN / "test-logs"
SCRATCH = RUN / "test"  # Every server that a test starts lives somewhere below.
PYTHON = "/usr/bin/python3"  # Debian's, which has the modules that script/setup installed.
PART_SECONDS_MAX = 25 * 60
FUZZ_SECONDS = 5

# --- The parts --------------------------------------------------------------------------------------------------------------


def check_format(part):
    """clang-format has nothing to say about any C file."""
    files = git("ls-files", "*.c", "*.h")
    part.check(["clang-format", "--dry-run", "-Werror", *files])


def check_includes(part):
    """No file includes what its room may not include."""
    part.check(["script/check-includes", "--self-test"])
    part.check(["script/check-includes"])


def model(part):
    """The ledger's protocol holds in every run of its model, and the model finds the defects planted in it."""
    part.check(["commands/model/run"])


def unit(part):
    """The C unit tests."""
    part.ctest("dev", "unit")


def contract(part):
    """The C contract tests: what every adapter of a port must do, on a real Kafka and a real Galera."""
    part.ctest("dev", "contract")


def integration(part):
    """The tests of the whole house from outside: C tests with that label, and integration/test_*.py."""
    if has_label("integration"):
        part.ctest("dev", "integration")
    part.unittests("integration/test_*.py")


def asan(part):
    """Unit and contract tests again under AddressSanitizer and UBSan, and houses that are sent everything bad, or too much."""
    part.ctest("asan", "unit")
    if has_label("contract"):
        part.ctest("asan", "contract")
    part.unittests("integration/test_bad_input.py", "asan")
    part.unittests("integration/test_limits.py", "asan")


def tsan(part):
    """The plain test programs, which have threads, under ThreadSanitizer."""
    part.ctest("tsan", "unit")


def fuzz(part):
    """Every fuzz target on its corpus and a few seconds beyond. What is found lies in .run/fuzz/."""
    part.build("asan")
    for target in sorted(ROOT.glob("build/asan/*/fuzz_*")):
        if target.is_file() and os.access(target, os.X_OK):
            corpus = ROOT / target.parent.name / "fuzz/corpus" / target.name.removeprefix("fuzz_")
            found = RUN / "fuzz" / target.name
            found.mkdir(parents=True, exist_ok=True)
            part.check([target, f"-max_total_time={FUZZ_SECONDS}", "-timeout=10", "-print_final_stats=1",
                        f"-artifact_prefix={found}/", found, *([corpus] if corpus.is_dir() else [])])


def faults(part):
    """Servers die under load: integration/faults/test_*.py, --faults times each."""
    part.unittests("integration/faults/test_*.py")


def sim(part):
    """2,000 simulated houses of 500 commands each hold what they promise under every fault, and planted defects are found."""
    part.build("release")
    part.check(["build/release/integration/sim/sim", "--seeds", "2000", "--jobs", str(os.cpu_count())])
    part.check(["integration/sim/check_defects.py"])


def tour(part):
    """The README's tour, extracted from it and run as pasted."""
    part.unittests("integration/tour.py")


@dataclasses.dataclass
class PartEntry:
    name: str
    run: callable
    quick: bool  # Part of `script/test quick`: no network, seconds.
    wanted: callable  # Whether the repository has anything for it yet; a part that is wanted and runs nothing has failed.


PARTS = [
    PartEntry("format", check_format, True, lambda: git("ls-files", "*.c", "*.h")),
    PartEntry("includes", check_includes, True, lambda: True),
    PartEntry("model", model, True, lambda: git("ls-files", "commands/model/run")),
    PartEntry("unit", unit, True, lambda: has_label("unit")),
    PartEntry("contract", contract, False, lambda: has_label("contract")),
    PartEntry("integration", integration, False, lambda: has_label("integration") or git("ls-files", "integration/test_*.py")),
    PartEntry("asan", asan, False, lambda: has_label("unit")),
    PartEntry("tsan", tsan, False, lambda: cmake_says(r"\bPLAIN\b")),
    PartEntry("fuzz", fuzz, False, lambda: cmake_says(r"^pw_fuzz\(")),
    PartEntry("faults", faults, False, lambda: git("ls-files", "integration/faults/test_*.py")),
    PartEntry("sim", sim, False, lambda: git("ls-files", "integration/sim/CMakeLists.txt")),
    PartEntry("tour", tour, False, lambda: git("ls-files", "integration/tour.py")),
]


def git(*arguments):
    """The lines that a git command prints."""
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()


def cmake_says(pattern):
    """Whether some room's CMakeLists.txt has a line with this pattern."""
    return any(re.search(pattern, (ROOT / file).read_text(), re.MULTILINE)
               for file in git("ls-files", "*/CMakeLists.txt") if (ROOT / file).exists())


def has_label(label):
    return cmake_says(rf"\bLABEL +{label}\b")


# --- What a part can do -----------------------------------------------------------------------------------------------------


class Failed(Exception):
    """A part cannot go on, and has counted that already."""


class Part:
    """One part while it runs: it collects counts, and the output of all its commands in one log."""

    def __init__(self, name, session):
        self.name, self.session = name, session
        self.log = LOGS / f"{name}.log"
        self.log.unlink(missing_ok=True)
        self.passed = self.failed = 0

    def check(self, argv, **options):
        """One command is one test: exit code 0 or not."""
        code = self.run(argv, **options)
        self.count(1 - bool(code), bool(code))
        return code

    def count(self, passed, failed):
        self.passed += passed
        self.failed += failed

    def build(self, preset):
        """Builds a preset, once in a run of this script."""
        if preset in self.session.built:
            return
        jobs = str(os.cpu_count())
        if self.run(["cmake", "--preset", preset]) or self.run(["cmake", "--build", "--preset", preset, "-j", jobs]):
            self.count(0, 1)
            raise Failed
        self.session.built.add(preset)

    def ctest(self, preset, label):
        """Builds a preset and runs its tests of a label, counting each."""
        self.build(preset)
        options, environment = [], {}
        if label != "unit":
            # They share servers, and may hurt them: one program at a time, and in it one test at a time.
            options, environment = ["-j", "1"], {"CRITERION_JOBS": "1", **self.session.servers.environment(self)}
        report = LOGS / f"{self.name}.{label}.xml"
        report.unlink(missing_ok=True)
        code = self.run(["ctest", "--preset", preset, "-L", f"^{label}$", "--no-tests=error", "--output-junit", report, *options],
                        environment=environment)
        cases = xml.etree.ElementTree.parse(report).getroot().findall("testcase") if report.exists() else []
        good = sum(case.get("status") == "run" and case.find("failure") is None for case in cases)
        bad = len(cases) - good  # One that was not run, or was skipped, has not passed.
        self.count(good, max(bad, 1 if code else 0))

    def unittests(self, pattern, preset="release"):
        """Runs the Python test modules of a pattern, one process each, against the binary of a preset."""
        self.build(preset)
        environment = {**self.session.test_environment(), "PW_TEST_BINARY": str(ROOT / "build" / preset / "api/proctorwise")}
        for file in git("ls-files", pattern):
            module = file.removesuffix(".py").replace("/", ".")
            start = self.log.stat().st_size if self.log.exists() else 0
            code = self.run([PYTHON, "-m", "unittest", "-v", module], environment=environment)
            with open(self.log, "rb") as log:
                log.seek(start)
                ran, bad = unittest_counts(log.read().decode(errors="replace"))
            bad = max(bad, 1 if code or ran == 0 else 0)
            self.count(max(ran - bad, 0), bad)

    def run(self, argv, environment=None):
        """Runs a command at the root with its output in the log. Returns its exit code."""
        argv = [str(word) for word in argv]
        with open(self.log, "ab") as log:
            log.write(f"$ {' '.join(argv)[:500]}\n".encode())
            log.flush()
            inherited = {name: value for name, value in os.environ.items() if not name.startswith("PW_")}
            child = subprocess.Popen(argv, cwd=ROOT, env={**inherited, **(environment or {})}, start_new_session=True,
                                     stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            try:
                return child.wait(PART_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                log.write(f"ended by script/test: it ran for {PART_SECONDS_MAX} s\n".encode())
                return 1
            finally:
                end_group(child)

    def show_failure(self):
        """The end of the log, and before it the lines that speak of failure."""
        text = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        rest, end = text[:-40], text[-40:]
        told = [line for line in rest if re.search(r"\*\*\*|\[FAIL\]|^(FAIL|ERROR): |error: |Assertion|^E +|SUMMARY: ", line)]
        print("\n".join(f"    | {line[:500]}" for line in [*told[-40:], *(["..."] if told else []), *end]))
        print(f"    whole log: {self.log.relative_to(ROOT)}")


def unittest_counts(output):
    """(tests run, tests that did not pass) as unittest's own last lines say; a skipped test has not passed."""
    ran = re.findall(r"^Ran (\d+) tests? in", output, re.MULTILINE)
    bad = re.findall(r"(?:failures|errors|skipped|unexpected successes)=(\d+)", output.rstrip().rpartition("\n")[2])
    return int(ran[-1]) if ran else 0, sum(map(int, bad))


def end_group(child):
    """Ends a command with all that it started in its session: first as Ctrl-C does, so that tests stop their servers."""
    for number, patience in ((signal.SIGINT, 60), (signal.SIGTERM, 10), (signal.SIGKILL, 10)):
        if child.poll() is not None:
            break
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(patience)


class Servers:
    """The Kafka (one node) and Galera (three) that all C tests share: started when a part first needs them."""

    def __init__(self):
        self.kafka = self.galera = None

    def environment(self, part):
        from integration.cluster.cluster import random_address  # Not before script/setup has installed what it imports.
        from integration.cluster.galera import Galera
        from integration.cluster.kafka import Kafka
        from integration.cluster.process import ProcessError

        try:
            if self.kafka is None:
                self.kafka = Kafka(SCRATCH / "kafka", nodes=1, address=random_address(), port=29092)
                self.kafka.start()
            if self.galera is None:
                self.galera = Galera(SCRATCH / "galera", nodes=3, address=random_address(), port=23306)
                self.galera.start()
        except ProcessError as error:
            with open(part.log, "a", encoding="utf-8") as log:
                log.write(f"{error}\n")
            part.count(0, 1)
            raise Failed from None
        return {
            "PW_TEST_KAFKA": self.kafka.endpoints(),
            "PW_TEST_KAFKA_CONTROL": str(self.kafka.dir),
            "PW_TEST_GALERA": self.galera.endpoints(),
            "PW_TEST_GALERA_CONTROL": str(self.galera.dir),
            "PW_TEST_GALERA_PASSWORD_FILE": str(self.galera.password_file),
        }


class Session:
    """One run of this script."""

    def __init__(self, fault_count):
        self.built = set()
        self.servers = Servers()
        self.fault_count = fault_count

    def test_environment(self):
        return {"PW_TEST_FAULTS": str(self.fault_count)}

    def run(self, entry):
        """Runs one part and tells how it went. Returns (passed, failed)."""
        print(f"{entry.name:<12}", end=" ", flush=True)
        if not entry.wanted():
            print("nothing to run yet")
            return 0, 0
        part, begin = Part(entry.name, self), time.monotonic()
        with contextlib.suppress(Failed):
            entry.run(part)
        if part.passed + part.failed == 0:
            part.count(0, 1)
            part.run(["echo", "This part has something to run, and ran nothing."])
        print(f"{time.monotonic() - begin:7.1f} s  {part.passed} passed, {part.failed} failed", flush=True)
        if part.failed:
            part.show_failure()
        return part.passed, part.failed


def clean_scratch():
    """Ends the servers that a test, or a run of this script that was killed, left behind, and removes what they had."""
    from integration.cluster.process import Process

    for pid_file in glob.glob(f"{SCRATCH}/**/pid", recursive=True):
        directory = Path(pid_file).parent
        Process(pid_file, directory, directory / "log").end(patience_seconds=0)
    shutil.rmtree(SCRATCH, ignore_errors=True)


def main():
    asked = arguments()
    if asked.list:
        for entry in PARTS:
            print(f"{entry.name:<12} {'quick' if entry.quick else '     '}  {entry.run.__doc__}")
        return 0
    for number in (signal.SIGINT, signal.SIGTERM):  # Set even where a shell's `&` left the first ignored.
        signal.signal(number, signal.default_int_handler)
    LOGS.mkdir(parents=True, exist_ok=True)
    with open(RUN / "test.lock", "w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("script/test: another one is running in this checkout", file=sys.stderr)
            return 2
        if subprocess.run(["script/setup"], cwd=ROOT, check=False).returncode != 0:
            print("0 passed, 1 failed")
            return 1
        clean_scratch()
        try:
            return run_parts(asked)
        except KeyboardInterrupt:
            print("\nscript/test: interrupted", file=sys.stderr)
            return 130
        finally:
            clean_scratch()


def run_parts(asked):
    session, passed, failed = Session(asked.faults), 0, 0
    for entry in PARTS:
        if entry.name in asked.parts or not asked.parts and (entry.quick or not asked.quick):
            good, bad = session.run(entry)
            passed, failed = passed + good, failed + bad
    if passed + failed == 0:
        failed = 1  # Who asks for something and gets nothing should hear of it.
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


def arguments():
    names = [entry.name for entry in PARTS]
    parser = argparse.ArgumentParser(prog="script/test", description="Builds and tests. Without arguments: everything.",
                                     epilog="Logs: .run/test-logs/PART.log. Parts: " + ", ".join(names) + ".")
    parser.add_argument("parts", nargs="*", metavar="quick|PART", help="only these parts; `quick`: those that need no network")
    parser.add_argument("--list", action="store_true", help="print the parts and what each proves")
    parser.add_argument("--faults", type=int, default=1, metavar="N", help="how often each fault is provoked (%(default)s)")
    asked = parser.parse_args()
    asked.quick = "quick" in asked.parts
    asked.parts = [name for name in asked.parts if name != "quick"]
    for name in asked.parts:
        if name not in names:
            parser.error(f"there is no part {name}: see --list")
    return asked


if __name__ == "__main__":
    sys.exit(main())
