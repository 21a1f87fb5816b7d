"""The binary that was built beside an older one: both book for one tenant, in turns, each time as a new process on an empty ledger.

Kafka is the same; the ledger is a topic of its own, gone after the turn, so that none has more behind it than the other. Who begins
changes from turn to turn, so that what drifts on the machine touches both.
"""

import re
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


NOBODY = "127.0.0.1:1"  # Where no Galera node listens.


class Rival(Served):
    """A node of some binary on the house's Kafka, with an empty ledger.

    alone  False: the other binary knows no `run`, and none writes read models because there is no Galera.
    """

    def __init__(self, house, binary, name, alone):
        super().__init__(house.dir / name, f"{HOST}:28081", f"{HOST}:28091", binary)
        self.topic = f"bench.{name}"
        self.words = ["serve", "--run=commands"] if alone else ["serve"]
        self.dir.mkdir()
        shutil.copy(house.dir / "cluster.key", self.dir)
        settings = house.settings() | {
            "ledger.topic": self.topic, "snapshots.dir": self.dir / "snapshots",
            "http.listen": self.api, "admin.listen": self.admin,
            "cluster.nodes": f"{house.settings()['cluster.node_id']}={self.admin}"}
        if not alone:
            settings["galera.nodes"] = NOBODY
        self._configure(settings)
        self.kafka = AdminClient({"bootstrap.servers": settings["kafka.bootstrap.servers"], "log_level": 0})
        self.process = Process(self.dir / "pid", self.configuration, self.dir / "log")

    def _configure(self, settings):
        """Writes those settings that the binary knows: an older one may lack some."""
        while True:
            self.configuration.write_text("".join(f"{key} = {value}\n" for key, value in settings.items()))
            asked = subprocess.run(self.proctorwise("config"), capture_output=True, text=True, check=False)
            unknown = re.search(r"there is no setting (\S+?);", asked.stderr)
            if asked.returncode == 0:
                return
            if unknown is None:
                raise SystemExit(f"{self.binary} config failed:\n{asked.stderr}")
            say(f"{self.binary} has no setting {unknown[1]}")
            del settings[unknown[1]]

    def __enter__(self):
        created = subprocess.run(self.proctorwise("admin", "ledger", "create"), capture_output=True, text=True, check=False)
        if created.returncode != 0:
            raise SystemExit(f"{self.binary} admin ledger create failed:\n{created.stderr}")
        self.process.spawn(self.proctorwise(*self.words))
        wait_until(f"{self.binary} leads", self.leads, READY_SECONDS)
        return self

    def leads(self):
        """All partitions: its read models may have no Galera, so /readyz does not tell."""
        leading = [value for name, value in self.metrics().items() if name.startswith("pw_partition_leading{")]
        return leading and all(value == 1 for value in leading)

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


def knows_parts(binary):
    shown = subprocess.run([str(binary), "config"], capture_output=True, text=True, check=False).stdout
    return any(line.startswith("run = ") for line in shown.splitlines())


def compare(table, house, old_binary, seconds):
    binaries = {"new": PROGRAMS / "api/proctorwise", "old": old_binary}
    measured = {name: [] for name in binaries}
    alone = all(knows_parts(binary) for binary in binaries.values())
    for turn in range(TURNS):
        for name in sorted(binaries, reverse=turn % 2 == 1):
            with Rival(house, binaries[name], f"{name}-{turn + 1}", alone) as rival:
                measured[name].append(rival.measure(seconds))
            rate, cost = measured[name][-1]
            say(f"turn {turn + 1} of {TURNS}: {name} binary, {rate:,.0f}/s, CPU {cost:.1f} us a command")
    rates, costs = ({name: statistics.median(each[which] for each in measured[name]) for name in binaries} for which in (0, 1))
    table.add(f"reserve/s, one tenant: median of {TURNS} turns", f"{rates['new']:,.0f}", f"{rates['old']:,.0f} old binary",
              rates["new"] / rates["old"], WANTED)
    table.add("  CPU a command", f"{costs['new']:.1f} us", f"{costs['old']:.1f} us old binary", costs["old"] / costs["new"])
