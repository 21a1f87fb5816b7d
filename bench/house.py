"""What the benchmarks stand on: ProctorWise with Kafka and Galera, students who book, and the bare path beside them."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from confluent_kafka.admin import AdminClient, NewTopic

from integration.harness import Client, Tenant, at

ROOT = Path(__file__).resolve().parents[1]
PROGRAMS = ROOT / "build/release"
HOST = "127.0.70.1"  # Of its own, so that a script/server may run beside it.
API, ADMIN, BARE = f"{HOST}:28080", f"{HOST}:28090", f"{HOST}:28070"
TOPIC, BARE_TOPIC = "proctorwise.ledger", "bench.bare"
STUDENTS, SLOTS, SEATS = 40_000, 60, 65_535
EXAM_MINUTES = 60
START_SECONDS = 300


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def run_json(*argv):
    done = subprocess.run([str(word) for word in argv], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)


def cpu_seconds(*pids):
    """What these processes have used, with all that they started: living or ended."""
    used, children = {}, {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            children.setdefault(int(fields[1]), []).append(int(entry.name))
            used[int(entry.name)] = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")

    def of(pid):
        return used.get(pid, 0) + sum(map(of, children.get(pid, ())))
    return sum(map(of, pids))


class Served:
    """A node of ProctorWise that serves. It looks like a node to integration.harness.

    dir     Where its configuration and its cluster.key lie.
    binary  The program that runs.
    """

    def __init__(self, directory, api, admin, binary=PROGRAMS / "api/proctorwise"):
        self.dir, self.api, self.admin, self.binary = directory, api, admin, binary

    @property
    def configuration(self):
        return self.dir / "proctorwise.conf"

    def settings(self):
        lines = self.configuration.read_text().splitlines()
        return dict(line.split(" = ", 1) for line in lines if " = " in line)

    def proctorwise(self, *words):
        return [str(self.binary), *words, "--config", str(self.configuration)]

    def internal(self):
        return Client(self.admin, (self.dir / "cluster.key").read_text().strip(), "/internal")

    def metrics(self):
        """{"pw_name{...}": number}; {} while nobody answers."""
        client = Client(self.admin)
        try:
            lines = client.get("/metrics").body.decode().splitlines()
        except OSError:
            return {}
        finally:
            client.close()
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line and line[0] != "#")}

    def total(self, name):
        return sum(value for key, value in self.metrics().items() if key.startswith(name + "{"))

    def is_ready(self):
        client = Client(self.admin)
        try:
            return client.get("/readyz").status == 200
        except OSError:
            return False
        finally:
            client.close()


class House(Served):
    """ProctorWise with Kafka and Galera, started through script/server."""

    def __init__(self, directory, galera_nodes=3):
        super().__init__(directory, API, ADMIN)
        self.galera_nodes, self.server = galera_nodes, None

    def start(self, run, ready=True):
        say(f"script/server with run={run}")
        log = open(self.dir.parent / "bench-server.log", "w", encoding="utf-8")
        self.server = subprocess.Popen(
            ["script/server", f"--galera={self.galera_nodes}", f"--dir={self.dir}", f"--http={API}", f"--admin={ADMIN}",
             f"--kafka-at={HOST}:28092", f"--galera-at={HOST}:28306", "--", f"--run={run}"],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True)
        if ready:
            self.await_ready()

    def await_ready(self):
        for line in self.server.stdout:
            if line.startswith("Ctrl-C"):
                return
        raise SystemExit("script/server did not start: .run/bench-server.log")

    def stop(self):
        if self.server is not None:
            self.server.send_signal(signal.SIGINT)
            self.server.wait(120)
            self.server = None

    def cpu(self):
        """{"proctorwise": seconds, "kafka": seconds, "mariadbd": seconds, ...}: what each has used, all its nodes together."""
        pids = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
                except OSError:
                    continue
                if f"{self.dir}/" in " ".join(words):
                    pids.setdefault("kafka" if "java" in words[0] else Path(words[0]).name, []).append(int(entry.name))
        return {name: cpu_seconds(*found) for name, found in pids.items()}


class Bookings:
    """Students of some tenants, and slots for them: a plan for bench_load, of which each booking is asked for once."""

    def __init__(self, house, tenant_count, name="plan"):
        self.house, self.path = house, house.dir / f"{name}-{tenant_count}"
        self.ids = house.dir / f"{name}-{tenant_count}-ids"
        self.next, self.accepted, self.refused = 0, 0, 0
        self.tenants = [Tenant(house, f"Bench {i} of {tenant_count}") for i in range(tenant_count)]
        self.students = [self.tenants[i % tenant_count].student() for i in range(STUDENTS)]
        self.slots = []  # (tenant, exam, slot, its start)
        lines = []
        for tenant in self.tenants:
            for i in range(SLOTS):
                exam, starts_at = tenant.exam(house, duration_minutes=EXAM_MINUTES), at(days=30, hours=2 * i)
                self.slots.append((tenant, exam, tenant.slot(house, exam, SEATS, starts_at), starts_at))
            lines.append(f"tenant {tenant.id} {' '.join(slot for _, _, slot, _ in self.slots[-SLOTS:])}")
        lines += [f"student {i % tenant_count} {student.token}" for i, student in enumerate(self.students)]
        self.path.write_text("\n".join(lines) + "\n")

    def load(self, address=None, first=None, ids=False, **options):
        """Runs bench_load, on the house unless told otherwise; where `first` is not told, with bookings not asked for yet."""
        begin = self.next if first is None else first
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        words += ["--ids", self.ids] if ids else []
        figures = run_json(PROGRAMS / "bench/bench_load", "--address", address or self.house.api, "--plan", self.path,
                           "--first", begin, *words)
        others = {status: count for status, count in figures["statuses"].items() if status not in ("201", "409")}
        if others or figures["answers"] == 0:
            raise SystemExit(f"answers that are neither 201 nor 409: {others or 'none at all, the plan is used up'}")
        if address is None:
            self.next += figures["answers"] if first is None else 0
            self.accepted += figures["statuses"].get("201", 0)
            self.refused += figures["statuses"].get("409", 0)
        return figures


class BarePath:
    """bench_bare on the same Kafka, in a topic of its own: for a `with`, since one that was left behind would share its address with the next."""

    def __init__(self, house, record, partitions):
        servers = house.settings()["kafka.bootstrap.servers"]
        admin = AdminClient({"bootstrap.servers": servers, "log_level": 0})
        if BARE_TOPIC not in admin.list_topics(timeout=10).topics:
            admin.create_topics([NewTopic(BARE_TOPIC, 16, 1)])[BARE_TOPIC].result()
        self.process = subprocess.Popen(
            [PROGRAMS / "bench/bench_bare", "--listen", BARE, "--kafka", servers, "--topic", BARE_TOPIC, "--record", record,
             "--partitions", str(partitions)], stdout=subprocess.PIPE, text=True)
        self.process.stdout.readline()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def stop(self):
        """The median of its acknowledgements in milliseconds."""
        self.process.send_signal(signal.SIGTERM)
        median = float(self.process.stdout.readline())
        self.process.wait()
        return median
