"""A local Kafka (KRaft, every node broker and controller), as the ledger wants it: see cluster.py for the verbs."""

import base64
import hashlib
import os
import shutil
import subprocess
import uuid
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from integration.cluster.cluster import Cluster, write_whole
from integration.cluster.process import ProcessError

ROOT = Path(__file__).resolve().parents[2]

SETTINGS = """\
process.roles=broker,controller
node.id={number}
controller.quorum.voters={voters}
listeners=BROKER://{address}:{port},CONTROLLER://{address}:{controller_port}
listener.security.protocol.map=BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=BROKER
controller.listener.names=CONTROLLER
log.dirs={data}

# A dead broker is noticed, and its partitions have new leaders, about 3 s after its end.
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500

# Topics are made by those who know their settings, never by a typing error.
auto.create.topics.enable=false
default.replication.factor={replicas}
min.insync.replicas={in_sync}
offsets.topic.replication.factor={replicas}
offsets.topic.num.partitions=4
transaction.state.log.replication.factor={replicas}
transaction.state.log.min.isr={in_sync}
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor={replicas}
share.coordinator.state.topic.min.isr={in_sync}
share.coordinator.state.topic.num.partitions=4
group.initial.rebalance.delay.ms=0

# The compactor's buffer would else take half of the small heap.
log.cleaner.dedupe.buffer.size=16777216
"""

LOGGING = (
    "defaultLogLevel=warn",
    "log.org.apache.kafka.clients.NetworkClient=error",  # It would tell 20 times a second that a killed node is away.
    "showDateTime=true",
    "dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSS",
)


class Kafka(Cluster):
    kind = "kafka"
    port_default = 19092
    port_count = 2  # The controller listens on the port after the broker's.

    def _start_nodes(self, dead):
        self._prepare(dead)
        for node in dead:
            self._run(node)
        for node in self.nodes:
            self._await(node, "in step with the others", self._in_step)

    def _rejoin(self, node):
        self._prepare([node])
        self._run(node)
        self._await(node, "in step with the others", self._in_step)

    def _run(self, node):
        # All of it from the start, as in production: a heap that grows with what lives in it is collected without end.
        megabytes = 512 if len(self.nodes) == 1 else 256
        self._launch(node, ["java", f"-Xms{megabytes}m", f"-Xmx{megabytes}m", *(f"-Dorg.slf4j.simpleLogger.{option}" for option in LOGGING),
                            "-cp", f"{libraries()}/*", "kafka.Kafka", node.dir / "server.properties"])

    def _in_step(self):
        """Whether every living node answers, knows the others, and every partition has a leader and its living replicas."""
        living = [node for node in self.nodes if node.state() == "running"]
        numbers = {node.number for node in living}
        for node in living:
            try:
                seen = AdminClient({"bootstrap.servers": node.endpoint, "log_level": 0}).list_topics(timeout=2)
            except KafkaException:
                return False
            if not numbers <= set(seen.brokers):
                return False
            for topic in seen.topics.values():
                for partition in topic.partitions.values():
                    if partition.leader not in numbers or not numbers & set(partition.replicas) <= set(partition.isrs):
                        return False
        return True

    def _prepare(self, nodes):
        """Writes settings, and formats what is not, or only half, formatted."""
        voters = ",".join(f"{node.number}@{node.address}:{node.port + 1}" for node in self.nodes)
        formatting = []
        for node in nodes:
            write_whole(node.dir / "server.properties", SETTINGS.format(
                number=node.number, voters=voters, address=node.address, port=node.port, controller_port=node.port + 1,
                data=node.dir / "data", replicas=len(self.nodes), in_sync=min(len(self.nodes), 2)))
            if not self._formatted(node):
                formatting.append((node, self._format(node)))
        for node, tool in formatting:
            said = tool.communicate()[0].decode(errors="replace")
            if tool.returncode != 0:
                raise ProcessError(f"kafka node {node.number} cannot be formatted:\n{said}")
            # No broker runs before this copy exists: without it, whatever lies in `data` is nobody's, and may go.
            write_whole(node.dir / "meta.properties", (node.dir / "data/meta.properties").read_text())

    def _formatted(self, node):
        """Whether the node has its data; mends meta.properties, which a crash may have torn, from the copy."""
        kept, meta = node.dir / "meta.properties", node.dir / "data/meta.properties"
        if not kept.exists() or not (node.dir / "data").is_dir() or not any((node.dir / "data").iterdir()):
            return False
        if not meta.exists() or meta.read_text() != kept.read_text():
            write_whole(meta, kept.read_text())
        return True

    def _format(self, node):
        (node.dir / "meta.properties").unlink(missing_ok=True)
        shutil.rmtree(node.dir / "data", ignore_errors=True)
        cluster_id = base64.urlsafe_b64encode(uuid.UUID(self.id).bytes).decode().rstrip("=")
        return subprocess.Popen(
            ["java", "-XX:TieredStopAtLevel=1", "-cp", f"{libraries()}/*", "kafka.tools.StorageTool", "format",
             f"--cluster-id={cluster_id}", "--config", node.dir / "server.properties"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def libraries():
    """Where script/setup put Kafka's jars."""
    cache = Path(os.environ.get("PROCTORWISE_CACHE_DIR", ROOT / ".cache")) / "kafka"
    wanted = hashlib.sha256((ROOT / "integration/cluster/kafka.pom.xml").read_bytes()).hexdigest()
    try:
        complete = (cache / "complete").read_text().strip() == wanted
    except OSError:
        complete = False
    if not complete:
        raise ProcessError("Kafka is not here yet: run script/setup")
    return cache / "libs"
