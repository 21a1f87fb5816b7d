"""script/server: installs, builds, starts Kafka, Galera and ProctorWise on this machine; Ctrl-C stops all three. With --ledger=file
the ledger lies in files, and neither Kafka nor its Java is started.

State is kept under .run/ between starts: servers' data, secrets, configuration and logs. It starts again after kill -9 of
everything. A process that a killed script/server left behind is taken over, or ended, only when it is proven to be its own.
"""

import argparse
import fcntl
import os
import re
import secrets
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # Where `integration` is found.

BINARY = ROOT / "build/release/api/proctorwise"
READY_SECONDS = 60  # Without any progress.
TELL_SECONDS = 5
DRAIN_SECONDS = 30  # ProctorWise itself drains for at most 20.

EPILOG = """\
What stands after `--` goes to `proctorwise serve` as it is, such as `script/server -- --commands.threads=2`. Environment
variables PW_... are ProctorWise's own settings. Read models of another --galera size are filled anew from the ledger; a
ledger of another --ledger is another one."""


def main():
    asked = arguments()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    asked.dir.mkdir(parents=True, exist_ok=True)
    with open(asked.dir / "server.lock", "w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return complain(f"another one is running on {asked.dir}")
        try:
            if not build():
                return 1
            return serve(House(asked))
        except KeyboardInterrupt:
            return 0


def build():
    """Installs what is missing and builds the release preset. What these say is shown when one fails."""
    if subprocess.run(["script/setup"], cwd=ROOT, check=False).returncode != 0:
        return False
    say("building")
    for step in (["cmake", "--preset", "release"], ["cmake", "--build", "--preset", "release"]):
        done = subprocess.run(step, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if done.returncode != 0:
            complain(f"{' '.join(step)} failed:\n{done.stdout[-4000:]}")
            return False
    return True


def serve(house):
    """Starts everything, waits for Ctrl-C or an end, stops everything."""
    from integration.cluster.process import ProcessError

    try:
        house.start()
        house.greet()
        house.wait()
        return complain(f"proctorwise has ended by itself\n{house.proctorwise.log_tail()}")
    except ProcessError as error:
        return complain(error)
    except KeyboardInterrupt:
        return 0
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):  # Who presses twice still gets an orderly end.
            signal.signal(number, signal.SIG_IGN)
        say("stopping")
        house.stop()


class House:
    """ProctorWise and what it stands on."""

    def __init__(self, asked):
        from integration.cluster.galera import Galera  # Not before script/setup has installed what it imports.
        from integration.cluster.kafka import Kafka
        from integration.cluster.process import Process

        self.dir, self.arguments = asked.dir, asked.serve
        self.http, self.admin = asked.http, asked.admin
        self.ledger = asked.ledger
        self.kafka = Kafka(self.dir / "kafka", 1, *asked.kafka)
        # Read models belong to one ledger, so each kind of it has a Galera of its own.
        mine = f"galera-{asked.galera}" if asked.ledger == "kafka" else f"galera-file-{asked.galera}"
        self.galera = Galera(self.dir / mine, asked.galera, *asked.galera_at)
        self.configuration = self.dir / "proctorwise.conf"
        self.proctorwise = Process(self.dir / "proctorwise.pid", self.configuration, self.dir / "proctorwise.log")

    def start(self):
        from integration.cluster.galera import Galera

        self.proctorwise.end(DRAIN_SECONDS)
        for kept in self.dir.glob("galera-*/cluster.json"):
            if kept.parent != self.galera.dir:
                Galera.at(kept.parent).stop()
        if self.ledger == "kafka":
            say("starting Kafka")
            self.kafka.start()
        elif (self.dir / "kafka/cluster.json").exists():
            self.kafka.stop()  # It may be left over from a start that had another --ledger.
        say(f"starting Galera, nodes: {len(self.galera.nodes)}")
        self.galera.start()
        self.configure()
        self.administer("ledger", "create")
        self.administer("migrate")
        say("starting proctorwise")
        self.proctorwise.spawn([BINARY, "serve", "--config", self.configuration, *self.arguments], cwd=ROOT)
        self.await_ready()

    def configure(self):
        """Writes the configuration, and the secrets where there are none yet."""
        from integration.cluster.cluster import write_whole

        for name in ("ledger.secret", "cluster.key"):
            if not (self.dir / name).exists():
                write_whole(self.dir / name, secrets.token_hex(32), mode=0o600)
        settings = {
            "ledger.kind": self.ledger,
            "ledger.dir": self.dir / "ledger",
            "kafka.bootstrap.servers": self.kafka.endpoints(),
            "snapshots.dir": self.dir / "snapshots",
            "ledger.secret_file": self.dir / "ledger.secret",
            "galera.nodes": self.galera.endpoints(),
            "galera.user": "proctorwise",
            "galera.password_file": self.galera.password_file,
            "galera.database": "proctorwise",
            "http.listen": self.http,
            "admin.listen": self.admin,
            "cluster.key_file": self.dir / "cluster.key",
            "cluster.node_id": "local",
        }
        lines = "".join(f"{name} = {value}\n" for name, value in settings.items())
        write_whole(self.configuration, f"# Written by script/server at every start.\n{lines}")

    def administer(self, *words):
        """Runs `proctorwise admin WORDS`; its words are shown when it fails."""
        from integration.cluster.process import ProcessError

        done = subprocess.run([BINARY, "admin", *words, "--config", self.configuration], cwd=ROOT, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if done.returncode != 0:
            raise ProcessError(f"proctorwise admin {' '.join(words)} ended with {done.returncode}:\n{done.stdout.rstrip()}")

    def await_ready(self):
        """Returns once the node says that it is ready to take commands and queries. A long ledger takes its time: while
        anything moves it is waited for, and the way is told."""
        from integration.cluster.process import ProcessError

        until, last, told = time.monotonic() + READY_SECONDS, None, time.monotonic()
        while not self.is_ready():
            if self.proctorwise.pid() is None:
                raise ProcessError(f"proctorwise: it ended\n{self.proctorwise.log_tail()}")
            lag, now = self.lag(), time.monotonic()
            if lag != last:
                until, last = now + READY_SECONDS, lag
            if now > until:
                raise ProcessError(f"proctorwise: not ready within {READY_SECONDS} s\n{self.proctorwise.log_tail()}")
            if lag and now - told >= TELL_SECONDS:
                told = now
                say(f"read models are {lag:,.0f} records behind the ledger")
            time.sleep(0.1)

    def is_ready(self):
        return self.admin_get("/readyz") is not None

    def lag(self):
        """Records that the read model which is furthest behind does not show yet, or None where nobody answers."""
        metrics = self.admin_get("/metrics")
        lags = re.findall(r"^pw_projection_lag_records{.*} (\d+)$", metrics or "", re.MULTILINE)
        return max(map(int, lags), default=0) if metrics else None

    def admin_get(self, path):
        """The body of a 200 answer, else None."""
        try:
            with urllib.request.urlopen(f"http://{self.admin}{path}", timeout=5) as answer:
                return answer.read().decode()
        except (urllib.error.URLError, OSError):
            return None

    def greet(self):
        binary = BINARY.relative_to(ROOT)
        shown = os.path.relpath(self.configuration, ROOT)
        where = f"Kafka {self.kafka.endpoints()}" if self.ledger == "kafka" else f"ledger {os.path.relpath(self.dir / 'ledger', ROOT)}"
        print(f"ProctorWise listens on http://{self.http} (API) and http://{self.admin} (metrics, health, admin).\n"
              f"{where}  Galera {self.galera.endpoints()}  log {os.path.relpath(self.proctorwise.log_file, ROOT)}\n"
              f"Next, in another terminal (README.md goes on from there):\n\n"
              f"    {binary} admin tenant create --config {shown} --name Graz --time-zone Europe/Vienna --language de\n\n"
              f"Ctrl-C stops everything; what was written stays for the next start.", flush=True)

    def wait(self):
        """Returns when proctorwise has ended."""
        from integration.cluster.process import wait_until

        wait_until("ended", lambda: self.proctorwise.pid() is None, float("inf"), every=0.5)

    def stop(self):
        ends = [("proctorwise", lambda: self.proctorwise.end(DRAIN_SECONDS)), ("Galera", self.galera.stop)]
        for server, end in ends + ([("Kafka", self.kafka.stop)] if self.ledger == "kafka" else []):
            try:
                end()
            except Exception as error:  # Whatever it is, the next one is to be stopped all the same.
                complain(f"{server} did not stop: {error}")


def say(text):
    print(f"server: {text}", file=sys.stderr, flush=True)


def complain(text):
    print(f"script/server: {text}", file=sys.stderr, flush=True)
    return 1


def host_port(text):
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise argparse.ArgumentTypeError(f"{text}: not HOST:PORT")
    return host, int(port)


def listen(text):
    host_port(text)
    return text


def arguments():
    setting = os.environ.get
    parser = argparse.ArgumentParser(prog="script/server", epilog=EPILOG, description=(
        "ProctorWise on this machine, with a Kafka and a Galera of its own. Ctrl-C stops what it started; state is kept."))
    parser.add_argument("--ledger", choices=("kafka", "file"), default="kafka",
                        help="where the ledger lies: in Kafka, or in files, without Kafka and its Java (%(default)s)")
    parser.add_argument("--galera", type=int, choices=(1, 3), default=1, help="nodes of the Galera cluster (%(default)s)")
    parser.add_argument("--http", type=listen, default=setting("PW_HTTP_LISTEN", "127.0.0.1:8080"), metavar="HOST:PORT",
                        help="where the API listens; or PW_HTTP_LISTEN (%(default)s)")
    parser.add_argument("--admin", type=listen, default=setting("PW_ADMIN_LISTEN", "127.0.0.1:9090"), metavar="HOST:PORT",
                        help="where metrics, health and admin listen; or PW_ADMIN_LISTEN (%(default)s)")
    parser.add_argument("--kafka", type=host_port, default="127.0.0.1:19092", metavar="HOST:PORT",
                        help="Kafka; its controller takes the next port (%(default)s)")
    parser.add_argument("--galera-at", type=host_port, default="127.0.0.1:13306", metavar="HOST:PORT",
                        help="Galera's first node; it also takes the three next ports, further nodes the next addresses (%(default)s)")
    parser.add_argument("--dir", type=lambda text: Path(text).resolve(), default=ROOT / ".run", metavar="DIR",
                        help="where all state is kept (.run)")
    own, _, serve_arguments = partition(sys.argv[1:], "--")
    asked = parser.parse_args(own)
    asked.serve = serve_arguments
    for name, value in (("PW_HTTP_LISTEN", asked.http), ("PW_ADMIN_LISTEN", asked.admin)):
        if name in os.environ:
            os.environ[name] = value  # A flag wins over the variable, for proctorwise too.
    return asked


def partition(words, mark):
    """str.partition for lists."""
    at = words.index(mark) if mark in words else len(words)
    return words[:at], words[at:at + 1], words[at + 1:]


if __name__ == "__main__":
    sys.exit(main())
