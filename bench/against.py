"""The binary that was built beside an older one: both book for one tenant, in turns, each time as a new process on an empty ledger.

Kafka is the same; the ledger is a topic of its own, gone after the turn, so that none has more behind it than the other. Who begins
changes from turn to turn, so that what drifts on the machine touches both.
"""

import shutil
import statistics
import subprocess

from confluent_kafka.admin import AdminClient

from bench.house import HOST, PROGRAMS, STUDENTS, Bookings, Served, cpu_seconds, say
from bench.measures import CONNECTIONS
from integration.cluster.process import Process, wait_until

TURNS = 5
WANTED = 0.95
READY_SECONDS = 60


class Rival(Served):
    """A node of some binary on the house's Kafka, with an empty ledger."""

    def __init__(self, house, binary, name):
        super().__init__(house.dir / name, f"{HOST}:28081", f"{HOST}:28091", binary)
        self.topic = f"bench.{name}"
        self.dir.mkdir()
        shutil.copy(house.dir / "cluster.key", self.dir)
        settings = house.settings() | {
            "ledger.topic": self.topic, "snapshots.dir": self.dir / "snapshots",
            "http.listen": self.api, "admin.listen": self.admin,
            "cluster.nodes": f"{house.settings()['cluster.node_id']}={self.admin}"}
        self.configuration.write_text("".join(f"{key} = {value}\n" for key, value in settings.items()))
        self.kafka = AdminClient({"bootstrap.servers": settings["kafka.bootstrap.servers"], "log_level": 0})
        self.process = Process(self.dir / "pid", self.configuration, self.dir / "log")

    def __enter__(self):
        created = subprocess.run(self.proctorwise("admin", "ledger", "create"), capture_output=True, text=True, check=False)
        if created.returncode != 0:
            raise SystemExit(f"{self.binary} admin ledger create failed:\n{created.stderr}")
        self.process.spawn(self.proctorwise("serve", "--run=commands"))
        wait_until(f"{self.binary} ready", self.is_ready, READY_SECONDS)
        return self

    def __exit__(self, *_):
        self.process.end()
        self.kafka.delete_topics([self.topic])[self.topic].result()
        shutil.rmtree(self.dir)

    def measure(self, seconds):
        """(bookings a second, CPU microseconds a command)"""
        bookings = Bookings(self, 1)
        bookings.load(connections=64, requests=STUDENTS)  # Every token is verified once.
        bookings.load(connections=CONNECTIONS, seconds=2)
        before = cpu_seconds(self.process.pid())
        figures = bookings.load(connections=CONNECTIONS, seconds=seconds)
        return figures["per_second"], 1e6 * (cpu_seconds(self.process.pid()) - before) / figures["answers"]


def compare(table, house, old_binary, seconds):
    binaries = {"new": PROGRAMS / "api/proctorwise", "old": old_binary}
    measured = {name: [] for name in binaries}
    for turn in range(TURNS):
        for name in sorted(binaries, reverse=turn % 2 == 1):
            with Rival(house, binaries[name], f"{name}-{turn + 1}") as rival:
                measured[name].append(rival.measure(seconds))
            rate, cost = measured[name][-1]
            say(f"turn {turn + 1} of {TURNS}: {name} binary, {rate:,.0f}/s, CPU {cost:.1f} us a command")
    rates, costs = ({name: statistics.median(each[which] for each in measured[name]) for name in binaries} for which in (0, 1))
    table.add(f"reserve/s, one tenant: median of {TURNS} turns", f"{rates['new']:,.0f}", f"{rates['old']:,.0f} old binary",
              rates["new"] / rates["old"], WANTED)
    table.add("  CPU a command", f"{costs['new']:.1f} us", f"{costs['old']:.1f} us old binary", costs["old"] / costs["new"])
