"""The README's two tours, extracted from the file and run as pasted, in one shell, against a real script/server.

The server runs in a network namespace of its own, so that the tour's addresses are the ones in the README and clash with nothing.
A ```sh block after a tour's heading is pasted; a ```text block right after it is what that must have printed, ids, times, hashes
and positions aside. After the first tour everything is killed and script/server started again, with --demo: what was booked is still there,
and the second tour follows. Of the first, a part with three of each server.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SCRATCH = ROOT / ".run" / "test" / "tour"
NAMESPACE = "pw-tour"
START_SECONDS = 600
BLOCK_SECONDS = 120
END_MARK = "--- end of block ---"
TOUR, DEMO_TOUR = "## A tour of five minutes", "## A tour of the demo"

# Pasted after everything was killed and script/server started again.
AFTERWARDS = 'curl -s -H "Authorization: Bearer $bob" -H "Pw-Min-Position: $position" "$api/slots/$slot" | jq .taken_count'

BLOCK = re.compile(r"^```(sh|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MASKS = [
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "<id>"),
    (re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z"), "<time>"),
    (re.compile(r"\b\d+:\d+:[0-9a-f]{8}\b"), "<position>"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "<hash>"),
    (re.compile(r"\b[0-9a-f]{32}\b"), "<trace>"),
    (re.compile(r"\b[A-Za-z0-9_-]{43}\b"), "<key>"),
    (re.compile(r"[ \t]+"), " "),
]


def blocks(heading):
    """Pairs of what to paste and what it must print (None: anything)."""
    text = (ROOT / "README.md").read_text()
    tour = text[text.index(heading):]
    tour = tour[:tour.index("\n## ", 1)] if "\n## " in tour[1:] else tour
    found = [(match[1], match[2], match.start(), match.end()) for match in BLOCK.finditer(tour)]
    pairs = []
    for i, (kind, body, _, end) in enumerate(found):
        if kind == "sh":
            follows = i + 1 < len(found) and found[i + 1][0] == "text" and not tour[end:found[i + 1][2]].strip()
            pairs.append((body, found[i + 1][1] if follows else None))
    return pairs


def masked(text):
    for pattern, name in MASKS:
        text = pattern.sub(name, text)
    return [line.strip() for line in text.strip().splitlines()]


class Tour(unittest.TestCase):
    server = None

    def setUp(self):
        shutil.rmtree(SCRATCH, ignore_errors=True)
        (SCRATCH / "home").mkdir(parents=True)
        for name in ("build", "script", "integration"):
            (SCRATCH / "home" / name).symlink_to(ROOT / name)
        (SCRATCH / "home" / ".run").symlink_to(SCRATCH / "run")
        subprocess.run(["ip", "netns", "delete", NAMESPACE], check=False, stderr=subprocess.DEVNULL)
        subprocess.run(["ip", "netns", "add", NAMESPACE], check=True)
        self.addCleanup(subprocess.run, ["ip", "netns", "delete", NAMESPACE], check=False)
        subprocess.run(["ip", "-n", NAMESPACE, "link", "set", "lo", "up"], check=True)
        self.addCleanup(self.stop_server)

    def start_server(self, *options):
        with open(SCRATCH / "server.log", "a", encoding="utf-8") as log:
            self.server = subprocess.Popen(
                ["ip", "netns", "exec", NAMESPACE, ROOT / "script" / "server", "--dir", SCRATCH / "run", *options],
                stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True)

    def kill_everything(self, shell, at_least=4):
        """kill -9 for script/server and all that it started; only the shell stays."""
        listed = subprocess.run(["ip", "netns", "pids", NAMESPACE], check=True, stdout=subprocess.PIPE, text=True).stdout
        spared = {shell.pid, *map(int, Path(f"/proc/{shell.pid}/task/{shell.pid}/children").read_text().split())}
        killed = [int(pid) for pid in listed.split() if int(pid) not in spared]
        self.assertGreaterEqual(len(killed), at_least, "script/server, Kafka, Galera and ProctorWise should have run")
        for pid in killed:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.server.wait(60)
        self.server.stdout.close()

    def stop_server(self):
        if self.server is None:
            return
        if self.server.poll() is None:
            os.killpg(self.server.pid, signal.SIGINT)
        try:
            self.server.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(self.server.pid, signal.SIGKILL)
            self.fail("script/server does not end on Ctrl-C")
        finally:
            self.server.stdout.close()

    def await_greeting(self):
        deadline = time.monotonic() + START_SECONDS
        for line in self.server.stdout:
            if "Ctrl-C stops everything" in line:
                return
            self.assertLess(time.monotonic(), deadline, "script/server takes too long")
        self.fail("script/server ended:\n" + (SCRATCH / "server.log").read_text()[-3000:])

    def shell(self, seconds):
        return subprocess.Popen(["ip", "netns", "exec", NAMESPACE, "timeout", str(seconds), "bash"], cwd=SCRATCH / "home",
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def paste(self, shell, block):
        """Pastes a block into the shell; gives what it printed, errors included."""
        shell.stdin.write(f"{block}\necho; echo '{END_MARK}'\n")
        shell.stdin.flush()
        lines = []
        for line in shell.stdout:
            if line.strip() == END_MARK:
                return "".join(lines).rstrip("\n")
            lines.append(line)
        return "".join(lines) + "\n(the shell ended)"

    def follow(self, shell, pairs):
        """Pastes a tour, block by block, and holds what each prints against what the README says."""
        for block, expected in pairs:
            printed = self.paste(shell, block)
            print(f"$ {block.strip()}\n{printed}", flush=True)
            if expected is not None:
                self.assertEqual(masked(expected), masked(printed), f"after\n{block}")

    def test_tour(self):
        first, second = blocks(TOUR), blocks(DEMO_TOUR)
        self.assertGreater(len(first), 5, "README.md has lost its tour")
        self.assertGreater(len(second), 2, "README.md has lost its tour of the demo")
        self.start_server()
        self.await_greeting()
        with self.shell(BLOCK_SECONDS * len(first + second)) as shell:
            self.follow(shell, first)
            self.kill_everything(shell)
            self.start_server("--demo")
            self.await_greeting()
            self.assertEqual("1", self.paste(shell, AFTERWARDS), "what was booked before the kill is still booked")
            self.follow(shell, second)
            shell.stdin.close()

    def test_three_of_each(self):
        """The same tour, with each command sent to another node than the one before, and the end of all of them in the middle."""
        size = ("--nodes=3", "--kafka=3", "--galera=3")
        self.start_server(*size)
        self.await_greeting()
        with self.shell(BLOCK_SECONDS * 10) as shell:
            for block, _ in blocks(TOUR)[:4]:
                self.paste(shell, block.replace("http://127.0.0.1:8080", "http://127.0.0.$((1 + RANDOM % 3)):8080"))
            self.paste(shell, 'api=http://127.0.0.3:8080/v1/tenants/$tenant')
            booked = self.paste(shell, 'post "$ann" "slots/$slot/reservations" | jq -r .position')
            self.assertRegex(booked, r"^\d+:\d+:[0-9a-f]{8}$")
            self.kill_everything(shell, at_least=10)
            self.start_server(*size)
            self.await_greeting()
            self.paste(shell, f"api=http://127.0.0.2:8080/v1/tenants/$tenant; position={booked}; bob=$ann")
            self.assertEqual("1", self.paste(shell, AFTERWARDS), "what was booked before the kill is still booked")
            shell.stdin.close()


if __name__ == "__main__":
    unittest.main()
