"""script/bench: measures ProctorWise as script/server starts it, each figure beside its limit in the same run.

The ratio is what must hold: absolute figures drift from machine to machine, and with what else runs there. What is compared takes
turns, after a warm-up. Load generator, Kafka, Galera and ProctorWise share the machine. In the end the bench proves itself: the chain
is verified, every 2xx answer is a commit of the ledger, and bookings drawn at random are found by GET.
"""

import argparse
import dataclasses
import json
import os
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # Where `integration` is found.

PROGRAMS = ROOT / "build/release"
HOST = "127.0.70.1"  # Of its own, so that a script/server may run beside it.
API, ADMIN, BARE = f"{HOST}:28080", f"{HOST}:28090", f"{HOST}:28070"
TOPIC, BARE_TOPIC = "proctorwise.ledger", "bench.bare"
STUDENTS, SLOTS, SEATS = 10_000, 90, 65_535
CONNECTIONS = 256
LAG_RATE = 5_000
START_SECONDS = 300
FOUND = 1_000


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def run_json(*argv):
    done = subprocess.run([str(word) for word in argv], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# --- The table --------------------------------------------------------------------------------------------------------------


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
        self.rows = []

    def add(self, *fields, **named):
        self.rows.append(Row(*fields, **named))
        say("  ".join(filter(None, (self.rows[-1].what, self.rows[-1].ours, self.rows[-1].limit))))

    def show(self):
        """Prints it. True when every ratio holds."""
        print(f"\n{'':58}{'ProctorWise':>26}{'limit':>26}{'ratio':>8}{'wanted':>9}")
        for row in self.rows:
            ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
            wanted = "" if row.wanted is None else f"{'' if row.holds() else 'NOT '}{row.wanted:.2f}"
            print(f"{row.what:58}{row.ours:>26}{row.limit:>26}{ratio:>8}{wanted:>9}")
        return all(row.holds() for row in self.rows)


# --- The house --------------------------------------------------------------------------------------------------------------


class House:
    """ProctorWise with Kafka and Galera, started through script/server. It looks like a node to integration.harness."""

    def __init__(self, directory):
        self.dir, self.api, self.admin = directory, API, ADMIN
        self.server = None

    def start(self, run, ready=True):
        say(f"script/server with run={run}")
        log = open(self.dir.parent / "bench-server.log", "w", encoding="utf-8")
        self.server = subprocess.Popen(
            ["script/server", "--galera=3", f"--dir={self.dir}", f"--http={API}", f"--admin={ADMIN}", f"--kafka-at={HOST}:28092",
             f"--galera-at={HOST}:28306", "--", f"--run={run}"], cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True)
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

    def setting(self, name):
        return re.search(rf"^{re.escape(name)} = (.*)$", (self.dir / "proctorwise.conf").read_text(), re.MULTILINE)[1]

    def proctorwise(self, *words):
        return [str(PROGRAMS / "api/proctorwise"), *words, "--config", str(self.dir / "proctorwise.conf")]

    def pids(self):
        """{"proctorwise": pid, "kafka": pid}"""
        found = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
                except OSError:
                    continue
                if str(self.dir) in " ".join(words):
                    found["kafka" if "java" in words[0] else Path(words[0]).name] = int(entry.name)
        return found

    def internal(self):
        from integration.harness import Client

        return Client(ADMIN, (self.dir / "cluster.key").read_text().strip(), "/internal")

    def metrics(self):
        """{"pw_name{...}": number}"""
        from integration.harness import Client

        client = Client(ADMIN)
        try:
            lines = client.get("/metrics").body.decode().splitlines()
        except OSError:
            return {}  # Nobody answers yet.
        finally:
            client.close()
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line and line[0] != "#")}

    def is_ready(self):
        from integration.harness import Client

        client = Client(ADMIN)
        try:
            return client.get("/readyz").status == 200
        except OSError:
            return False
        finally:
            client.close()

    def total(self, name):
        return sum(value for key, value in self.metrics().items() if key.startswith(name + "{"))


class Bookings:
    """Students of some tenants, and slots for them: a plan for bench_load, of which each booking is asked for once."""

    def __init__(self, house, tenant_count):
        from integration.harness import Tenant, at

        self.house, self.path = house, house.dir / f"plan-{tenant_count}"
        self.next, self.accepted, self.refused = 0, 0, 0
        self.tenants = [Tenant(house, f"Bench {i} of {tenant_count}") for i in range(tenant_count)]
        self.students = [self.tenants[i % tenant_count].student() for i in range(STUDENTS)]
        lines = []
        for tenant in self.tenants:
            slots = [tenant.slot(house, tenant.exam(house), SEATS, at(days=30, hours=2 * i)) for i in range(SLOTS)]
            lines.append(f"tenant {tenant.id} {' '.join(slots)}")
        lines += [f"student {i % tenant_count} {student.token}" for i, student in enumerate(self.students)]
        self.path.write_text("\n".join(lines) + "\n")

    def load(self, address=API, first=None, ids=None, **options):
        """Runs bench_load. Where `first` is not told, with bookings that were not asked for yet."""
        words = [f"--{name}={value}" for name, value in options.items()]
        words = [part for word in words for part in word.split("=")]
        ids = ["--ids", ids] if ids else []
        begin = self.next if first is None else first
        figures = run_json(PROGRAMS / "bench/bench_load", "--address", address, "--plan", self.path, "--first", begin, *words, *ids)
        if address == API:
            self.next += figures["answers"] if first is None else 0
            self.accepted += figures["statuses"].get("201", 0)
            self.refused += figures["statuses"].get("409", 0)
            others = {status: count for status, count in figures["statuses"].items() if status not in ("201", "409")}
            if others:
                raise SystemExit(f"answers that are neither 201 nor 409: {others}")
        return figures


class BarePath:
    """bench_bare on the same Kafka, in a topic of its own."""

    def __init__(self, house, record, partitions):
        from confluent_kafka.admin import AdminClient, NewTopic

        servers = house.setting("kafka.bootstrap.servers")
        admin = AdminClient({"bootstrap.servers": servers, "log_level": 0})
        if BARE_TOPIC not in admin.list_topics(timeout=10).topics:
            admin.create_topics([NewTopic(BARE_TOPIC, 16, 1)])[BARE_TOPIC].result()
        self.process = subprocess.Popen(
            [PROGRAMS / "bench/bench_bare", "--listen", BARE, "--kafka", servers, "--topic", BARE_TOPIC, "--record", record,
             "--partitions", str(partitions)], stdout=subprocess.PIPE, text=True)
        self.process.stdout.readline()

    def stop(self):
        """The median of its acknowledgements in milliseconds."""
        self.process.send_signal(signal.SIGTERM)
        median = float(self.process.stdout.readline())
        self.process.wait()
        return median


def real_record(house, bookings):
    """A file with the bytes of the last record of a booking's partition."""
    from confluent_kafka import Consumer, TopicPartition

    consumer = Consumer({"bootstrap.servers": house.setting("kafka.bootstrap.servers"), "group.id": "bench",
                         "enable.auto.commit": False, "log_level": 0})
    place = TopicPartition(TOPIC, bookings.tenants[0].partition)
    place.offset = consumer.get_watermark_offsets(place, timeout=10)[1] - 1
    consumer.assign([place])
    record = consumer.poll(10).value()
    consumer.close()
    path = house.dir / "record"
    path.write_bytes(record)
    return path


# --- What is measured -------------------------------------------------------------------------------------------------------


def reserve(table, house, bookings, asked, what):
    """Bookings a second, and the bare path, in turns."""
    record, rates, bare_rates, costs = real_record(house, bookings), [], [], []
    bookings.load(connections=CONNECTIONS, seconds=2)  # Caches, compilers and connections warm up, uncounted.
    for _ in range(asked.rounds):
        bare = BarePath(house, record, len(bookings.tenants))
        bookings.load(BARE, connections=CONNECTIONS, requests=STUDENTS)
        bare_rates.append(bookings.load(BARE, connections=CONNECTIONS, seconds=asked.seconds)["per_second"])
        bare.stop()
        pids = house.pids()
        before = {name: cpu_seconds(pid) for name, pid in pids.items()}
        figures = bookings.load(connections=CONNECTIONS, seconds=asked.seconds, ids=house.dir / f"ids-{len(bookings.tenants)}")
        rates.append(figures["per_second"])
        costs.append([1e6 * (cpu_seconds(pids[name]) - before[name]) / figures["answers"] for name in ("proctorwise", "kafka")])
    rate, bare_rate = statistics.median(rates), statistics.median(bare_rates)
    table.add(f"reserve/s, {what}", f"{rate:,.0f}", f"{bare_rate:,.0f} bare path", rate / bare_rate, 0.5)
    ours, kafka = (statistics.median(column) for column in zip(*costs))
    table.add(f"  CPU a command in ProctorWise, in Kafka; p50, p99 of {CONNECTIONS}",
              f"{ours:.0f}, {kafka:.0f} us; {figures['p50_ms']:.1f}, {figures['p99_ms']:.1f} ms")


def one_connection(table, house, bookings, asked):
    record, ours, acks = real_record(house, bookings), [], []
    for _ in range(asked.rounds):
        bare = BarePath(house, record, 1)
        bookings.load(BARE, connections=1, seconds=2)
        acks.append(bare.stop())
        ours.append(bookings.load(connections=1, seconds=2)["p50_ms"])
    over = statistics.median(ours) - statistics.median(acks)
    table.add("reserve, one connection: median above Kafka's acknowledgement", f"{statistics.median(ours):.3f} ms (+{over:.3f})",
              f"{statistics.median(acks):.3f} ms bare ack", 0.25 / max(over, 0.001), 1.0)


def refusals(table, bookings):
    """Bookings that were made already: each is refused, on record, and counted apart."""
    figures = bookings.load(first=0, connections=64, requests=STUDENTS)
    table.add("refusals/s (already booked, on record)", f"{figures['per_second']:,.0f}")


def catch_up(table, house):
    """From a full ledger and empty tables to no lag; then the same rows by bare upserts."""
    began = None
    while True:
        metrics = house.metrics()
        rows = sum(value for name, value in metrics.items() if name.startswith("pw_projection_rows_total"))
        lag = sum(value for name, value in metrics.items() if name.startswith("pw_projection_lag_records"))
        now = time.monotonic()
        if began is None and rows > 0:
            began, first_rows = now, rows
        if began is not None and lag == 0 and rows > first_rows and house.is_ready():
            break
        if house.server.poll() is not None:
            raise SystemExit("script/server ended: .run/bench-server.log")
        time.sleep(0.1)
    rate = (rows - first_rows) / (now - began)
    raw = run_json(PROGRAMS / "bench/bench_upserts", "--nodes", house.setting("galera.nodes"), "--user", "proctorwise",
                   "--password-file", house.setting("galera.password_file"), "--database", "proctorwise", "reservations", "calendar")
    raw_rate = raw["rows"] / raw["seconds"]
    table.add(f"worker catching up into three Galera nodes, rows/s ({rows:,.0f})", f"{rate:,.0f}", f"{raw_rate:,.0f} bare upserts",
              rate / raw_rate, 0.5)


def lag(table, house, bookings, asked):
    """How long after its answer a booking is seen by a query, while others book at a steady rate."""
    from integration.harness import at, uuid7

    tenant, seen_ms, over = bookings.tenants[0], [], threading.Event()
    slot = tenant.slot(house, tenant.exam(house), SEATS, at(days=200))

    def probe():
        while not over.is_set():
            client = tenant.student().client(house)
            booked = client.command(f"/slots/{slot}/reservations", key=uuid7())
            bookings.accepted += 1
            answered = time.perf_counter()
            found = client.get(f"/slots/{slot}", headers={"Pw-Min-Position": booked.position, "Prefer": "wait=10"})
            if found.status != 200:
                raise SystemExit(f"the read model did not come that far: {found}")
            seen_ms.append((time.perf_counter() - answered) * 1e3)
            client.close()
            time.sleep(0.02)

    prober = threading.Thread(target=probe)
    prober.start()
    figures = bookings.load(connections=CONNECTIONS, seconds=2 * asked.seconds, rate=LAG_RATE)
    over.set()
    prober.join()
    seen_ms.sort()
    table.add(f"lag of read models at {LAG_RATE:,} commands/s: p50, p99",
              f"{seen_ms[len(seen_ms) // 2]:.0f}, {seen_ms[len(seen_ms) * 99 // 100]:.0f} ms", f"{figures['per_second']:,.0f}/s asked")
    table.add("  their answers, from the moment each was due: p50, p99", f"{figures['p50_ms']:.1f}, {figures['p99_ms']:.1f} ms")


def whole_house(table, bookings, asked):
    figures = bookings.load(connections=CONNECTIONS, seconds=asked.seconds)
    table.add("reserve/s, read models written on the same two cores", f"{figures['per_second']:,.0f}")


def replay(table, house, asked):
    """`audit verify` (read, prove, fold) beside a consumer that looks at nothing, as whole processes."""
    servers, rates, bare_rates = house.setting("kafka.bootstrap.servers"), [], []
    for _ in range(asked.rounds):
        begun = time.monotonic()
        records = run_json(PROGRAMS / "bench/bench_consume", servers, TOPIC)["records"]
        bare_rates.append(records / (time.monotonic() - begun))
        begun = time.monotonic()
        subprocess.run(house.proctorwise("audit", "verify"), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        rates.append(records / (time.monotonic() - begun))
    rate, bare_rate = statistics.median(rates), statistics.median(bare_rates)
    table.add(f"replay: verify and fold, records/s ({records:,})", f"{rate:,.0f}", f"{bare_rate:,.0f} bare consumer",
              rate / bare_rate, 0.5)


def core(table):
    done = subprocess.run([PROGRAMS / "bench/bench_core"], check=True, stdout=subprocess.PIPE, text=True)
    figures = [json.loads(line) for line in done.stdout.splitlines()]
    first = figures[0]["booking_us"]
    for line in figures:
        table.add(f"decide and evolve a booking at {line['reservations']:,} reservations", f"{line['booking_us']:.2f} us",
                  f"{first:.2f} us at {figures[0]['reservations']:,}", line["booking_us"] / first)
    table.add("bytes a live reservation, a remembered command",
              f"{figures[-1]['bytes_a_reservation']:.0f}, {figures[-1]['bytes_a_command']:.0f}",
              f"{figures[-1]['state_megabytes']:.0f} MB at {figures[-1]['reservations']:,}")


def prove(table, house, plans):
    """The run proves itself. Ends the bench where it cannot."""
    accepted = sum(plan.accepted for plan in plans)
    replayed = subprocess.Popen(house.proctorwise("audit", "replay", "--json"), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    counted = subprocess.run(["grep", "-c", '"event_type":"reservation_reserved"'], stdin=replayed.stdout, check=True,
                             stdout=subprocess.PIPE, text=True)
    if replayed.wait() != 0 or int(counted.stdout) != accepted:
        raise SystemExit(f"{accepted} bookings were answered 201, but the ledger has {counted.stdout.strip()}")
    table.add("proof: 201 answers = bookings in the ledger; refusals apart", f"{accepted:,} = {int(counted.stdout):,}",
              f"{sum(plan.refused for plan in plans):,} refused")
    found = 0
    for plan in plans:
        made = (house.dir / f"ids-{len(plan.tenants)}").read_text().splitlines()
        for line in random.sample(made, FOUND // len(plans)):
            reservation, student, _ = line.split()
            client = plan.students[int(student)].client(house)
            answer = client.get(f"/reservations/{reservation}")
            client.close()
            if answer.status != 200 or answer.json["id"] != reservation:
                raise SystemExit(f"booking {reservation} is not found: {answer}")
            found += 1
    table.add("proof: bookings drawn at random that GET finds", f"{found:,}")


def measure(table, house, asked):
    house.start("commands")
    say("tenants, slots and tokens")
    one, many = Bookings(house, 1), Bookings(house, 16)
    for plan in (one, many):
        plan.load(connections=64, requests=STUDENTS)  # Every token is verified once.
    reserve(table, house, one, asked, "one tenant (one partition)")
    reserve(table, house, many, asked, "16 tenants")
    one_connection(table, house, one, asked)
    refusals(table, one)
    replay(table, house, asked)
    house.stop()
    house.start("commands,projections,queries", ready=False)
    catch_up(table, house)
    house.await_ready()
    lag(table, house, one, asked)
    whole_house(table, one, asked)
    while house.total("pw_projection_lag_records") > 0:
        time.sleep(0.2)
    prove(table, house, (one, many))
    core(table)


def arguments():
    parser = argparse.ArgumentParser(prog="script/bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=5, help="of each measured load (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of what is compared; their median counts (%(default)s)")
    return parser.parse_args()


def main():
    asked, table = arguments(), Table()
    house = House(ROOT / ".run/bench")
    shutil.rmtree(house.dir, ignore_errors=True)
    house.dir.mkdir(parents=True)
    begun = time.monotonic()
    try:
        measure(table, house, asked)
    finally:
        house.stop()
        shutil.rmtree(house.dir, ignore_errors=True)
    good = table.show()
    print(f"\n{time.monotonic() - begun:.0f} s on {os.cpu_count()} cores; {'every ratio holds' if good else 'a ratio does not hold'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
