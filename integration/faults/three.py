"""Three nodes of ProctorWise, three brokers and three Galera nodes, each in a network namespace of its own; who hurts whom, and the
judges of what came of it.

    three = Three("matrix")                        # starts all; three.stop() ends and removes all
    with three.load() as load:                     # 500 commands a second, on slots and students of its own
        fault = Fault(three, "hang", "broker")     # the broker that leads what is asked for most
        load.strike(fault.strike)
        ...
        fault.heal()
    three.judge(load)                              # AssertionError names what does not hold
"""

import concurrent.futures
import contextlib
import json
import os
import random
import shutil
import time
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from integration.cluster.process import ProcessError, wait_until
from integration.faults.linear import judge, operations_of
from integration.faults.network import WAYS, Network
from integration.faults.people import PeopleLoad, Town
from integration.faults.people_judges import check_actions, check_hidden, check_keys, check_refreshes, check_standing
from integration.harness import ADMIN_PORT, Stack, scratch, total
from integration.load import Load, World
from integration.proof import Proof
from integration.reader.topic import read_keys

LOGS = Path(__file__).resolve().parents[2] / ".run" / "test-logs" / "faults"
PARTITIONS = 8
RATE = 500
STUDENTS_MAX, OPERATIONS_MAX = 16, 2000  # Of one exam: what the judge of histories takes.
SILENCE_SECONDS = 6  # After which a client sends its command to another node.
SETTLE_SECONDS = 60
SETTINGS = {
    "snapshots.dir": "snapshots", "snapshots.every": 1000,
    "passwords.memory_kib": 7168, "passwords.passes": 1, "limits.login_per_minute": 0,  # Sign-ins as cheap and as many as can be.
}
KINDS = ("node", "broker", "galera")
HURTS = ("kill", "hang", *WAYS)


def busy():
    """What else the machine does, for whoever reads a figure."""
    return f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"


class Three:
    def __init__(self, name, partitions=PARTITIONS):
        self.partitions, self._proof = partitions, None
        self.struck, self.between = [], 0  # The key that was new in the log when a node was hurt; how many of them no commit names.
        self._ending = contextlib.ExitStack()
        try:
            self.network = self._ending.enter_context(Network())
            prefix = self.network.prefix
            names = ",".join(f"node{number}={prefix}.{10 + number}:{ADMIN_PORT}" for number in (1, 2, 3))
            self.stack = Stack(scratch(name), prefix, 3, 3, partitions=partitions, place=self.network, keys=True,
                               settings=SETTINGS | {"cluster.nodes": names})
            self._ending.callback(self.stack.remove)
            self._ending.callback(self.stack.stop)
            self.stack.signing_key()
            self.stack.start()
            self.nodes = [self.stack.node() for _ in range(3)]
            with concurrent.futures.ThreadPoolExecutor(3) as all_at_once:
                list(all_at_once.map(lambda node: node.start(), self.nodes))
            self.new_town()
        except BaseException:
            self.stop()
            raise

    def new_town(self):
        """Other tenants, of which nothing is unknown."""
        self.settle()
        self.town = Town(self)

    def keep_logs(self, name):
        """Copies the log of each server to where it stays, in .run/test-logs/faults/NAME."""
        kept = LOGS / name
        shutil.rmtree(kept, ignore_errors=True)
        kept.mkdir(parents=True)
        for server in [*self.nodes, *self.stack.kafka.nodes, *self.stack.galera.nodes]:
            log = server.process.log_file
            shutil.copyfile(log, kept / "-".join(log.relative_to(self.stack.dir).parts))
        return kept

    def stop(self):
        self._ending.close()

    # --- Load.

    @contextlib.contextmanager
    def load(self, seed=None, rate=RATE, tenants=4, exams=8):
        """Students at work in a world of their own, until the end."""
        world = World(self.nodes[0], tenants=tenants, exams=exams, slots=2, students=STUDENTS_MAX, apart=True, begun=True)
        load = Load(world, list(self.nodes), seed or random.randrange(10**9), rate=rate, operations_max=OPERATIONS_MAX)
        load.silence_seconds = SILENCE_SECONDS
        load.start()
        try:
            yield load
        finally:
            load.stop()

    @contextlib.contextmanager
    def people(self, seed):
        """Clerks at work with the town's people, until the end."""
        people = PeopleLoad(self.town, self.nodes, seed)
        people.start()
        try:
            yield people
        finally:
            people.stop()

    # --- How it stands.

    def leaders(self):
        """{partition: the nodes that say that they lead it}; those that do not answer say nothing."""
        with concurrent.futures.ThreadPoolExecutor(3) as all_at_once:
            seen = list(all_at_once.map(lambda node: {} if node.process.paused() else node.metrics(), self.nodes))
        return {partition: [node for node, metrics in zip(self.nodes, seen)
                            if metrics.get(f'pw_partition_leading{{partition="{partition}"}}') == 1]
                for partition in range(self.partitions)}

    def settle(self, seconds=SETTLE_SECONDS):
        """Waits until all servers are in step again, each partition has one leader, and each node leads some."""
        wait_until("three brokers in step", lambda: self.brokers() == {1, 2, 3}, seconds, every=0.2)
        wait_until("three Galera nodes in step", lambda: all(
            self.stack.galera.wsrep(number).get("cluster_size") == "3" and self.stack.galera.wsrep(number).get("ready") == "ON"
            for number in (1, 2, 3)), seconds, every=0.2)
        wait_until("one leader for each partition, and each node leads", self._shared, seconds, every=0.1)

    def _shared(self):
        leaders = self.leaders().values()
        return all(len(one) == 1 for one in leaders) and len({one[0].number for one in leaders}) == 3

    def deaths(self):
        """{(who says so, who was taken for dead): how often} of nodes."""
        return {(node.number, other.number): total(metrics, "pw_peer_deaths_total", node=f"node{other.number}")
                for node in self.nodes for metrics in ([{}] if node.process.paused() else [node.metrics()]) for other in self.nodes}

    def brokers(self):
        """The brokers that the controllers hold for alive, by the first that answers."""
        for broker in self.stack.kafka.nodes:
            if broker.state() == "running":
                with contextlib.suppress(KafkaException):
                    return set(AdminClient({"bootstrap.servers": broker.endpoint, "log_level": 0}).list_topics(timeout=3).brokers)
        return set()

    def broker_that_leads_most(self):
        admin = AdminClient({"bootstrap.servers": self.stack.kafka.endpoints(), "log_level": 0})
        led = [partition.leader for partition in admin.list_topics(self.stack.topic, timeout=10).topics[self.stack.topic].partitions.values()]
        return max({1, 2, 3}, key=led.count)

    def node_that_leads_most(self):
        leaders = self.leaders()
        return max((1, 2, 3), key=lambda number: sum(any(node.number == number for node in one) for one in leaders.values()))

    def galera_node_that_is_written_through(self, seconds=1.0):
        def sent():
            return [int(self.stack.galera.wsrep(node.number).get("replicated", 0)) for node in self.stack.galera.nodes]
        before = sent()
        time.sleep(seconds)  # To see through which node of the cluster rows come.
        return 1 + max(range(3), key=lambda number: sent()[number] - before[number])

    def tell_between(self):
        """How many of the hurts of nodes so far came between a new person's key and the commit that names it."""
        if not self.struck:
            return "no node was hurt, and none between a key and its commit"
        said = f"{self.between} of {len(self.struck)} hurts of nodes came between a new key and its commit"
        return said if self.between else f"{said}: that moment was not met"

    # --- Judges.

    def judge(self, load, people=None, patience=SETTLE_SECONDS):
        """No new commands; then answers, the ledger, the keys and the read models must agree. Returns what to print."""
        load.finish(patience)
        if people is not None:
            people.finish(patience)
            if not people.sign_in_everywhere():
                raise ProcessError("nobody was left to sign in once all was healed")
        proof = Proof(self.stack)
        proof.check_answers(load)
        proof.check_nobody_else(load.world, [load])
        proof.check_bookings()
        about_people = self.judge_people(people, proof) if people is not None else {}
        said = judge(operations_of(load), self.stack.dir)
        if said["violated"] or said["undecided"]:
            kept = self.stack.dir.parent / f"violated-{load.seed}.jsonl"
            (self.stack.dir / "history.jsonl").rename(kept)
            raise AssertionError(f"not linearizable: {said}; the history is {kept}")
        rows = self.verify_projections(proof)
        yes, no = load.yes_and_no()
        before, self._proof = self._proof, proof
        return {"yes": yes, "no": no, "exams": said["exams"], "operations": said["operations"], "unknown": said["unknown"],
                "void": proof.void - (before.void if before else 0), "rows": rows,
                "leader changes": len(proof.leaders) - (len(before.leaders) if before else 0),
                "longest a request was held": f"{max((seconds for _, seconds in load.held), default=0):.1f} s"} | about_people

    def judge_people(self, people, proof):
        """What people were answered, what the ledger has of them, their keys, and what no file may show. Returns what to print."""
        if people.wrong:
            raise AssertionError(f"answers about people that were not due: {people.wrong[:5]}")
        check_actions(people.actions, proof.decided, self.town.sent)
        repeats = check_refreshes(people.actions, proof.decided)
        check_standing(self.town.people, proof.decided)
        keys = self.judge_keys(proof)
        check_hidden(self.files(), self.town.marker.encode(), self.town.shown.encode())
        self.between = sum(key in keys.orphans for key in self.struck)
        return {"actions on people": len(people.actions), "refreshes repeated": repeats, "keys": keys.living,
                "destroyed": keys.destroyed, "orphans": len(keys.orphans), "hurt between key and commit so far": self.between,
                "own words of nodes": len(people.words)}

    def judge_keys(self, proof, seconds=SETTLE_SECONDS):
        """The same of the keys, once tombstones had time to be written: those of the last moments may still be on their way."""
        master = [bytes.fromhex(self.stack.master_file.read_text())]
        end = time.monotonic() + seconds
        while True:
            try:
                return check_keys(proof.decided, list(read_keys(self.stack.kafka.endpoints(), f"{self.stack.topic}.keys")), master,
                                  self.town.people)
            except AssertionError:
                if time.monotonic() > end:
                    raise
            time.sleep(0.5)

    def files(self):
        """Whatever brokers and nodes have written."""
        yield from self.stack.dir.glob("kafka/*/data/**/*.log")
        yield from (path for node in self.nodes for path in node.dir.rglob("*") if path.is_file())

    def verify_projections(self, proof, seconds=SETTLE_SECONDS):
        """The read models come to where the ledger is now, and every node of the cluster shows what follows from it."""
        heads = {partition: int(position.split(":")[1]) for partition, position in proof.heads.items()}
        rows = 0
        for node in self.stack.galera.nodes:
            said = {}

            def current():
                ran = self.stack.run("audit", "verify-projection", "--json", f"--galera.nodes={node.endpoint}", check=False)
                if ran.returncode == 1:
                    raise AssertionError(f"galera node {node.number}: {ran.stdout}{ran.stderr}")
                if ran.returncode == 0:
                    said.update(json.loads(ran.stdout))
                return ran.returncode == 0 and all(each["offsets"][partition] >= offset for each in said["projections"]
                                                   for partition, offset in heads.items() if offset > 0)
            wait_until(f"read models current on galera node {node.number}", current, seconds, every=0.5)
            rows = sum(each["rows"] for each in said["projections"])
        return rows


class Fault:
    """One hurt of one process: `strike` it, and `heal` what it did."""

    def __init__(self, three, hurt, kind, number=None):
        self.three, self.hurt, self.kind = three, hurt, kind
        choose = {"node": three.node_that_leads_most, "broker": three.broker_that_leads_most,
                  "galera": three.galera_node_that_is_written_through}[kind]
        self.number = number or choose()
        self.cluster = {"broker": three.stack.kafka, "galera": three.stack.galera}.get(kind)
        self.node = three.nodes[self.number - 1] if kind == "node" else None
        self.address = self.node.api.rpartition(":")[0] if self.node else self.cluster.node(self.number).address

    def __str__(self):
        return f"{self.hurt} {self.kind} {self.number}"

    def strike(self):
        if self.hurt in WAYS:
            self.three.network.cut(self.address, self.hurt)
        elif self.node is not None:
            {"kill": self.node.kill, "hang": self.node.pause}[self.hurt]()
        else:
            {"kill": self.cluster.kill, "hang": self.cluster.pause}[self.hurt](self.number)

    def noticed(self):
        """Whether the others act without the one that is hurt."""
        if self.kind == "node":
            return all(one and self.node not in one for one in self.three.leaders().values())
        if self.kind == "broker":
            return self.number not in self.three.brokers()
        others = [node for node in self.three.stack.galera.nodes if node.number != self.number and node.state() == "running"]
        return any(self.three.stack.galera.wsrep(node.number).get("cluster_size") in ("1", "2") for node in others)

    def heal(self):
        if self.hurt in WAYS:
            self.three.network.heal(self.address)
        elif self.node is not None:
            {"kill": self.node.start, "hang": self.node.resume}[self.hurt]()
        elif self.hurt == "hang":
            self.cluster.resume(self.number)
        else:
            try:
                self.cluster.restart(self.number)
            except ProcessError:  # Those that are left have no quorum: all begin again from the one that knows most.
                self.cluster.start()

