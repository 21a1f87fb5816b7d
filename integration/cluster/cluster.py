"""A local cluster: one or three nodes of one server under one directory, and the verbs that every kind understands.

    kafka.start()      makes what is missing, starts what is not running, returns once all nodes serve and are in step
    kafka.kill(2)      kill -9, as the end of a machine;   kafka.pause(2), kafka.resume(2)   as one that hangs
    kafka.restart(2)   starts a node that was killed (or ends it first) and waits until it is back in step
    kafka.stop()       ends all nodes; the data stays for the next start

Nodes are numbered from 1. Node n listens on the n-th address from `address` on, all on the same port, so that a whole
address can be cut off. What a cluster is made of is kept in DIR/cluster.json, so that later calls need the directory alone.
A cluster can be started again whatever became of it before, kill -9 of everything included.
"""

import argparse
import contextlib
import dataclasses
import fcntl
import ipaddress
import json
import os
import random
import signal
import socket
import sys
import uuid
from pathlib import Path

from integration.cluster.process import Process, ProcessError, wait_until

PORT_SECONDS = 15
START_SECONDS = 120  # Plenty for a slow machine that does other work; a healthy start takes 5 to 15.


@dataclasses.dataclass
class Node:
    number: int
    address: str
    port: int
    dir: Path
    process: Process

    @property
    def endpoint(self):
        return f"{self.address}:{self.port}"

    def state(self):
        """`running`, `paused` or `dead`."""
        if self.process.pid() is None:
            return "dead"
        return "paused" if self.process.paused() else "running"


class Cluster:
    """What Kafka and Galera have in common. Threads: one at a time; processes: any number, a lock file keeps them apart."""

    kind = None  # The word that a user knows it by.
    port_default = None
    port_count = 1  # Each node uses the ports port, port + 1, ... on its address.

    def __init__(self, directory, nodes=1, address="127.0.0.1", port=None):
        self.dir = Path(directory).resolve()
        kept = self._kept()
        if kept and kept["kind"] != self.kind:
            raise ProcessError(f"{self.dir} holds a cluster of {kept['kind']}, not of {self.kind}")
        if kept and kept["nodes"] != nodes:
            raise ProcessError(f"{self.dir} holds a cluster of {kept['nodes']} node(s), not {nodes}: choose another directory")
        self.id = kept["id"] if kept else str(uuid.uuid4())
        self.address, self.port = address, port or self.port_default
        self.network = None  # Where its nodes live, if not in the network of who starts them: see faults/network.py.
        self.nodes = [self._node(number) for number in range(1, nodes + 1)]

    @classmethod
    def at(cls, directory):
        """The cluster that was started in `directory` before."""
        try:
            kept = json.loads((Path(directory) / "cluster.json").read_text())
        except OSError:
            raise ProcessError(f"{directory} holds no cluster: start one there first") from None
        return cls(directory, kept["nodes"], kept["address"], kept["port"])

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    # What a kind has to say for itself.

    def _start_nodes(self, dead):
        """Makes what these nodes need, starts them and returns once the whole cluster is in step."""
        raise NotImplementedError

    def _rejoin(self, node):
        """Starts one node of a cluster whose others run, and returns once it is back in step."""
        raise NotImplementedError

    # The verbs.

    def start(self):
        with self._locked():
            kept = self._kept()
            if kept and (kept["address"], kept["port"]) != (self.address, self.port):
                for node in self.nodes:
                    node.process.end()  # It runs, if it does, where nobody will look for it any more.
            self._keep()
            for node in self.nodes:
                node.process.signal(signal.SIGCONT)
            self._start_nodes([node for node in self.nodes if node.state() == "dead"])

    def stop(self, patience_seconds=30):
        """Ends all nodes, asking politely first, all at once, for a quorum of the last ones may wait for the others."""
        with self._locked():
            for node in self.nodes:
                if patience_seconds > 0:
                    node.process.signal(signal.SIGTERM)
                    node.process.signal(signal.SIGCONT)
            for node in self.nodes:
                node.process.end(patience_seconds)

    def kill(self, number):
        self._running(number).process.end(patience_seconds=0)

    def pause(self, number):
        node = self._running(number)
        node.process.signal(signal.SIGSTOP)
        wait_until("paused", node.process.paused, 10, every=0.01)

    def resume(self, number):
        node = self._running(number)
        node.process.signal(signal.SIGCONT)
        wait_until("resumed", lambda: not node.process.paused(), 10, every=0.01)

    def restart(self, number):
        with self._locked():
            node = self.node(number)
            node.process.end()
            if any(other.state() != "dead" for other in self.nodes):
                self._rejoin(node)
            else:
                self._start_nodes(self.nodes)

    def status(self):
        """One line per node: number, endpoint, state, pid."""
        return [f"{node.number} {node.endpoint} {node.state()} {node.process.pid() or '-'}" for node in self.nodes]

    def endpoints(self):
        """host:port of all nodes, by commas, as bootstrap servers and galera.nodes are written."""
        return ",".join(node.endpoint for node in self.nodes)

    def node(self, number):
        if not 1 <= number <= len(self.nodes):
            raise ProcessError(f"there is no node {number} among {len(self.nodes)}")
        return self.nodes[number - 1]

    # What the kinds build on.

    def _launch(self, node, argv, env=None):
        """Starts a node's process, once its ports are known to be free."""
        if self.network is not None:
            argv = [*self.network.wrap(node.address), *argv]
        for port in range(node.port, node.port + self.port_count) if self.network is None else ():
            self._must_be_free(node.address, port)
        node.process.spawn(argv, cwd=node.dir, env=env)

    def _await(self, node, what, condition):
        """Waits for a condition on a node; its end, or too long a wait, is an error that shows the log."""
        def met():
            if node.process.pid() is None:
                raise ProcessError("it ended")
            return condition()
        try:
            wait_until(what, met, START_SECONDS)
        except ProcessError as error:
            raise ProcessError(f"{self.kind} node {node.number} ({node.endpoint}): {error}\n{node.process.log_tail()}") from None

    def _node(self, number):
        directory = self.dir / f"node{number}"
        return Node(number, str(ipaddress.ip_address(self.address) + number - 1), self.port, directory,
                    Process(directory / "pid", directory, directory / f"{self.kind}.log"))

    def _running(self, number):
        node = self.node(number)
        if node.state() == "dead":
            raise ProcessError(f"{self.kind} node {number} does not run")
        return node

    def _must_be_free(self, address, port):
        """Waits a little: one that was killed just now holds its ports until its last thread has ended."""
        try:
            wait_until("free", lambda: is_free(address, port), 5)
        except ProcessError:
            raise ProcessError(f"{self.kind} cannot listen on {address}:{port}: somebody does already. "
                               f"See who with: ss -ltnp 'sport = :{port}'") from None

    def _kept(self):
        try:
            return json.loads((self.dir / "cluster.json").read_text())
        except FileNotFoundError:
            return None

    def _keep(self):
        for node in self.nodes:
            node.dir.mkdir(exist_ok=True)
        write_whole(self.dir / "cluster.json", json.dumps(
            {"kind": self.kind, "id": self.id, "nodes": len(self.nodes), "address": self.address, "port": self.port}))

    @contextlib.contextmanager
    def _locked(self):
        self.dir.mkdir(parents=True, exist_ok=True)
        with open(self.dir / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def is_free(address, port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


def random_address():
    """A loopback address for a test's first node: so many are free that tests of two checkouts do not meet."""
    return f"127.{random.randint(16, 254)}.{random.randint(0, 255)}.1"


def write_whole(path, text, mode=0o644):
    """Writes a file so that nobody ever finds half of it."""
    aside = Path(f"{path}.new")
    aside.unlink(missing_ok=True)
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    aside.rename(path)


def command_line(cls):
    """The command of one kind: `kafka start --dir DIR --nodes 3`, and so on. Returns the exit code."""
    parser = argparse.ArgumentParser(prog=f"integration/cluster/{cls.kind}", description=f"A local {cls.kind} cluster.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for verb, text in (("start", "start all nodes that do not run; wait until they are in step"),
                       ("stop", "end all nodes; the data stays"), ("kill", "kill -9 a node"),
                       ("pause", "SIGSTOP a node"), ("resume", "SIGCONT a node"),
                       ("restart", "start a node (again) and wait until it is in step"),
                       ("status", "a line per node; exit 1 unless all run"), ("endpoints", "print host:port,...")):
        one = verbs.add_parser(verb, help=text, description=text)
        one.add_argument("--dir", required=True, help="where the cluster lives")
        if verb == "start":
            one.add_argument("--nodes", type=int, choices=(1, 3), default=1)
            one.add_argument("--address", default="127.0.0.1", help="of node 1; the next nodes take the next ones")
            one.add_argument("--port", type=int, default=cls.port_default, help="on every address (%(default)s)")
        elif verb in ("kill", "pause", "resume", "restart"):
            one.add_argument("node", type=int, help="counted from 1")
    asked = parser.parse_args()
    try:
        return _obey(cls, asked)
    except ProcessError as error:
        print(f"{cls.kind} {asked.verb}: {error}", file=sys.stderr)
        return 1


def _obey(cls, asked):
    if asked.verb == "start":
        cls(asked.dir, asked.nodes, asked.address, asked.port).start()
        return 0
    cluster = cls.at(asked.dir)
    if asked.verb == "status":
        print("\n".join(cluster.status()))
        return 0 if all(node.state() == "running" for node in cluster.nodes) else 1
    if asked.verb == "endpoints":
        print(cluster.endpoints())
    elif asked.verb == "stop":
        cluster.stop()
    else:
        getattr(cluster, asked.verb)(asked.node)
    return 0
