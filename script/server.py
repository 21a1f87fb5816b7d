"""script/server: installs, builds, starts Kafka, Galera and ProctorWise on this machine, one or several of each; Ctrl-C stops all.
With --ledger=file the ledger lies in files, and neither Kafka nor its Java is started.

State is kept under .run/ between starts: servers' data, secrets, configuration and logs. It starts again after kill -9 of
everything. A process that a killed script/server left behind is taken over, or ended, only when it is proven to be its own.
"""

import argparse
import fcntl
import ipaddress
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
NODES_MAX = 9

EPILOG = """\
Of several nodes, the second listens on the next address after the first one's, and so on, all on the same ports. What stands
after `--` goes to every `proctorwise serve` as it is, such as `script/server -- --commands.threads=2`. Environment variables
PW_... are ProctorWise's own settings. Another --kafka size, or another --ledger, is another ledger, with read models of its own;
read models of another --galera size are filled anew from the ledger."""


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
        demo = house.load_demo() if house.demo_wanted else None
        house.greet(demo)
        house.wait()
        ended = house.wait()
        return complain(f"proctorwise {ended.id} has ended by itself\n{ended.process.log_tail()}")
    except ProcessError as error:
        return complain(error)
    except KeyboardInterrupt:
        return 0
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):  # Who presses twice still gets an orderly end.
            signal.signal(number, signal.SIG_IGN)
        say("stopping")
        house.stop()


class Node:
    """One `proctorwise serve`. The first one's files have no number: it is the one that most people start."""

    def __init__(self, directory, number, http=None, admin=None):
        from integration.cluster.process import Process

        name = "proctorwise" if number == 1 else f"proctorwise-{number}"
        self.id = f"node{number}"
        self.http, self.admin = http, admin
        self.configuration = directory / f"{name}.conf"
        self.snapshots = directory / ("snapshots" if number == 1 else f"snapshots-{number}")
        self.process = Process(directory / f"{name}.pid", self.configuration, directory / f"{name}.log")

    def await_ready(self):
        """Returns once the node says that it is ready to take commands and queries. A long ledger takes its time: while
        anything moves it is waited for, and the way is told."""
        from integration.cluster.process import ProcessError

        until, last, told = time.monotonic() + READY_SECONDS, None, time.monotonic()
        while self.admin_get("/readyz") is None:
            if self.process.pid() is None:
                raise ProcessError(f"proctorwise {self.id}: it ended\n{self.process.log_tail()}")
            lag, now = self.lag(), time.monotonic()
            if lag != last:
                until, last = now + READY_SECONDS, lag
            if now > until:
                raise ProcessError(f"proctorwise {self.id}: not ready within {READY_SECONDS} s\n{self.process.log_tail()}")
            if lag and now - told >= TELL_SECONDS:
                told = now
                say(f"read models are {lag:,.0f} records behind the ledger")
            time.sleep(0.1)

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


class House:
    """ProctorWise and what it stands on."""

    def __init__(self, asked):
        from integration.cluster.galera import Galera  # Not before script/setup has installed what it imports.
        from integration.cluster.kafka import Kafka

        self.dir, self.arguments, self.ledger = asked.dir, asked.serve, asked.ledger
        self.nodes = [Node(asked.dir, number, moved(asked.http, number - 1), moved(asked.admin, number - 1))
                      for number in range(1, asked.nodes + 1)]
        self.nodes_unused = [Node(asked.dir, number) for number in range(asked.nodes + 1, NODES_MAX + 1)]
        self.kafka = Kafka(self.kafka_dir(asked.kafka), asked.kafka, *asked.kafka_at)
        self.galera = Galera(self.galera_dir(asked.kafka if asked.ledger == "kafka" else 0, asked.galera), asked.galera, *asked.galera_at)
        self.replicas, self.demo_wanted = asked.kafka, asked.demo
        self.of_ledger = of_ledger(asked.kafka if asked.ledger == "kafka" else 0)

    def kafka_dir(self, size):
        return self.dir / ("kafka" if size == 1 else f"kafka-{size}")

    def galera_dir(self, kafka_size, size):
        """Read models belong to one ledger."""
        return self.dir / f"galera-{size}{of_ledger(kafka_size)}"

    def start(self):
        self.end_leftovers()
        if self.ledger == "kafka":
            say(f"starting Kafka, nodes: {len(self.kafka.nodes)}")
            self.kafka.start()
        say(f"starting Galera, nodes: {len(self.galera.nodes)}")
        self.galera.start()
        self.configure()
        self.administer("ledger", "create")
        self.administer("migrate")
        say(f"starting proctorwise, nodes: {len(self.nodes)}")
        for node in self.nodes:
            node.process.spawn([BINARY, "serve", "--config", node.configuration, *self.arguments], cwd=ROOT)
        for node in self.nodes:
            node.await_ready()

    def end_leftovers(self):
        """What a start of another size, killed since, has left behind."""
        from integration.cluster.galera import Galera
        from integration.cluster.kafka import Kafka

        for node in self.nodes + self.nodes_unused:
            node.process.end(DRAIN_SECONDS)
        wanted = {self.galera.dir, self.kafka.dir if self.ledger == "kafka" else None}
        clusters = [(Galera, self.galera_dir(kafka_size, size)) for kafka_size in (0, 1, 3) for size in (1, 3)]
        clusters += [(Kafka, self.kafka_dir(size)) for size in (1, 3)]
        for kind, directory in clusters:
            if directory not in wanted and (directory / "cluster.json").exists():
                kind.at(directory).stop()

    def configure(self):
        """Writes the configurations, and the secrets where there are none yet."""
        from integration.cluster.cluster import write_whole

        for name in ("ledger.secret", "cluster.key", "master.key"):
            if not (self.dir / name).exists():
                write_whole(self.dir / name, secrets.token_hex(32), mode=0o600)
        if not (self.dir / "tokens.pem").exists():
            made = subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519"], check=True, stdout=subprocess.PIPE, text=True)
            write_whole(self.dir / "tokens.pem", made.stdout, mode=0o600)
        for node in self.nodes:
            settings = {
                "ledger.kind": self.ledger,
                "ledger.dir": self.dir / "ledger",
                "kafka.bootstrap.servers": self.kafka.endpoints(),
                "snapshots.dir": node.snapshots,
                "ledger.secret_file": self.dir / "ledger.secret",
                "ledger.replication_factor": self.replicas,
                "keys.master_files": self.dir / "master.key",
                "tokens.key_files": self.dir / "tokens.pem",
                "galera.nodes": self.galera.endpoints(),
                "galera.user": "proctorwise",
                "galera.password_file": self.galera.password_file,
                "galera.database": "proctorwise",
                "http.listen": node.http,
                "admin.listen": node.admin,
                "cluster.key_file": self.dir / "cluster.key",
                "cluster.node_id": node.id,
                "cluster.nodes": ",".join(f"{each.id}={each.admin}" for each in self.nodes),
            }
            lines = "".join(f"{name} = {value}\n" for name, value in settings.items())
            write_whole(node.configuration, f"# Written by script/server at every start.\n{lines}")

    def administer(self, *words):
        """Runs `proctorwise admin WORDS`; its words are shown when it fails."""
        from integration.cluster.process import ProcessError

        done = subprocess.run([BINARY, "admin", *words, "--config", self.nodes[0].configuration], cwd=ROOT, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if done.returncode != 0:
            raise ProcessError(f"proctorwise admin {' '.join(words)} ended with {done.returncode}:\n{done.stdout.rstrip()}")

    def load_demo(self):
        """Loads the demo into this ledger, unless it is there. Returns it."""
        from script.demo import Demo

        demo = Demo(self.dir / f"demo{self.of_ledger}", self.nodes[0].http, self.nodes[0].configuration, say)
        demo.load()
        return demo

    def greet(self, demo):
        binary = BINARY.relative_to(ROOT)
        shown = os.path.relpath(self.nodes[0].configuration, ROOT)
        for node in self.nodes:
            print(f"ProctorWise listens on http://{node.http} (API) and http://{node.admin} (metrics, health, admin), "
                  f"log {os.path.relpath(node.process.log_file, ROOT)}")
        ledger = f"Kafka {self.kafka.endpoints()}" if self.ledger == "kafka" else f"ledger {os.path.relpath(self.dir / 'ledger', ROOT)}"
        first = (f"Next, in another terminal (README.md goes on from there):\n\n"
                 f"    {binary} admin tenant create --config {shown} --name Graz --time-zone Europe/Vienna --language de\n")
        print(f"{ledger}  Galera {self.galera.endpoints()}\n{demo.text if demo else first}\n"
              f"Ctrl-C stops everything; what was written stays for the next start.", flush=True)

    def wait(self):
        """Returns a node that has ended, when one has."""
        from integration.cluster.process import wait_until

        def ended():
            return [node for node in self.nodes if node.process.pid() is None]
        wait_until("ended", ended, float("inf"), every=0.5)
        return ended()[0]

    def stop(self):
        for node in self.nodes:  # All at once: none hands over to one that ends next.
            node.process.signal(signal.SIGTERM)
        ends = [(f"proctorwise {node.id}", lambda node=node: node.process.end(DRAIN_SECONDS)) for node in self.nodes]
        ends += [("Galera", self.galera.stop)] + ([("Kafka", self.kafka.stop)] if self.ledger == "kafka" else [])
        for server, end in ends:
            try:
                end()
            except Exception as error:  # Whatever it is, the next one is to be stopped all the same.
                complain(f"{server} did not stop: {error}")


def say(text):
    print(f"server: {text}", file=sys.stderr, flush=True)


def complain(text):
    print(f"script/server: {text}", file=sys.stderr, flush=True)
    return 1


def of_ledger(kafka_size):
    """How the directory of what belongs to one ledger ends. A kafka_size of 0 is the ledger in files."""
    return {0: "-of-file", 1: ""}.get(kafka_size, f"-of-kafka-{kafka_size}")


def host_port(text):
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise argparse.ArgumentTypeError(f"{text}: not HOST:PORT")
    return host, int(port)


def listen(text):
    host_port(text)
    return text


def moved(address, by):
    """The address that lies so many further on, on the same port."""
    host, port = host_port(address)
    return address if by == 0 else f"{ipaddress.IPv4Address(host) + by}:{port}"


def is_ipv4(host):
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        return False
    return True


def arguments():
    setting = os.environ.get
    parser = argparse.ArgumentParser(prog="script/server", epilog=EPILOG, description=(
        "ProctorWise on this machine, with a Kafka and a Galera of its own. Ctrl-C stops what it started; state is kept."))
    parser.add_argument("--nodes", type=int, choices=range(1, NODES_MAX + 1), default=1, metavar=f"1..{NODES_MAX}",
                        help="nodes of ProctorWise (%(default)s)")
    parser.add_argument("--ledger", choices=("kafka", "file"), default="kafka",
                        help="where the ledger lies: in Kafka, or in files, without Kafka and its Java (%(default)s)")
    parser.add_argument("--kafka", type=int, choices=(1, 3), default=1, help="brokers, and copies of the ledger (%(default)s)")
    parser.add_argument("--galera", type=int, choices=(1, 3), default=1, help="nodes of the Galera cluster (%(default)s)")
    parser.add_argument("--demo", action="store_true",
                        help="load a university in its exam weeks, through the API: 300 students, 12 exams, 40 slots; once, a repeat changes nothing")
    parser.add_argument("--http", type=listen, default=setting("PW_HTTP_LISTEN", "127.0.0.1:8080"), metavar="HOST:PORT",
                        help="where the API listens; or PW_HTTP_LISTEN (%(default)s)")
    parser.add_argument("--admin", type=listen, default=setting("PW_ADMIN_LISTEN", "127.0.0.1:9090"), metavar="HOST:PORT",
                        help="where metrics, health and admin listen; or PW_ADMIN_LISTEN (%(default)s)")
    parser.add_argument("--kafka-at", type=host_port, default="127.0.0.1:19092", metavar="HOST:PORT",
                        help="Kafka's first broker; its controller takes the next port, further brokers the next addresses (%(default)s)")
    parser.add_argument("--galera-at", type=host_port, default="127.0.0.1:13306", metavar="HOST:PORT",
                        help="Galera's first node; it also takes the three next ports, further nodes the next addresses (%(default)s)")
    parser.add_argument("--dir", type=lambda text: Path(text).resolve(), default=ROOT / ".run", metavar="DIR",
                        help="where all state is kept (.run)")
    own, _, serve_arguments = partition(sys.argv[1:], "--")
    asked = parser.parse_args(own)
    asked.serve = serve_arguments
    if asked.ledger == "file" and (asked.nodes > 1 or asked.kafka > 1):
        parser.error("a ledger in files is one machine's: it has one node, and no --kafka")
    if asked.nodes > 1 and not all(is_ipv4(host_port(address)[0]) for address in (asked.http, asked.admin)):
        parser.error("several nodes need --http and --admin with an IPv4 address, the first of theirs")
    for name in ("PW_HTTP_LISTEN", "PW_ADMIN_LISTEN"):
        os.environ.pop(name, None)  # It is in the configuration now, and would hold for every node.
    return asked


def partition(words, mark):
    """str.partition for lists."""
    at = words.index(mark) if mark in words else len(words)
    return words[:at], words[at:at + 1], words[at + 1:]


if __name__ == "__main__":
    sys.exit(main())
