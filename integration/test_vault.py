"""Keys in running nodes: what the operator's verbs write is seen, over kill -9, on a ledger in Kafka and on one in files."""

import json
import unittest
import uuid

from confluent_kafka import Producer

from integration.cluster.cluster import random_address, write_whole
from integration.cluster.process import wait_until
from integration.harness import ADMIN_PORT, Stack, scratch

GOOD, WRONG, USAGE, UNREACHABLE = range(4)
SECONDS = 30


class VaultCase(unittest.TestCase):
    ledger = "kafka"

    @classmethod
    def setUpClass(cls):
        network = random_address().rpartition(".")[0]
        names = ",".join(f"node{number}={network}.{10 + number}:{ADMIN_PORT}" for number in (1, 2))
        settings = {"cluster.nodes": names} if cls.ledger == "kafka" else {}
        cls.stack = Stack(scratch("vault"), network, ledger=cls.ledger, settings=settings, keys=True)
        cls.addClassCleanup(cls.stack.remove)
        cls.addClassCleanup(cls.stack.stop)
        cls.stack.start()

    def tearDown(self):
        for node in self.stack.nodes:
            node.process.end(patience_seconds=0)
        self.stack.nodes.clear()

    def create(self):
        return self.stack.admin("keys", "create", f"--tenant={uuid.uuid4()}").stdout.strip()

    def destroy(self, key):
        self.stack.admin("keys", "destroy", f"--key={key}", "--yes")

    def stored(self):
        """So many keys lie in the log."""
        return len(self.stack.admin("keys", "list").stdout.splitlines())

    def await_metric(self, node, name, value):
        wait_until(f"{name} is {value}", lambda: node.metrics().get(name) == value, SECONDS, every=0.05)


class OnKafkaTest(VaultCase):
    def test_nodes_see_what_others_write(self):
        before = self.stored()
        nodes = [self.stack.start_node(), self.stack.start_node()]
        for node in nodes:
            self.await_metric(node, "pw_keys", before)
        keys = [self.create() for _ in range(3)]
        for node in nodes:
            self.await_metric(node, "pw_keys", before + 3)
        nodes[0].kill()
        keys.append(self.create())
        self.destroy(keys[0])
        nodes[0].start()
        for node in nodes:
            self.await_metric(node, "pw_keys", before + 3)
            metrics = node.metrics()
            self.assertGreaterEqual(metrics["pw_keys_destroyed"], 1)
            self.assertEqual(metrics["pw_keys_unopened"], 0)
            self.assertEqual(metrics["pw_keys_lingering"], 0)  # No event told the node to destroy it: who did repeats it.
            self.assertEqual(metrics["pw_key_failures_total"], 0)
        self.assertEqual(nodes[1].terminate(), GOOD)
        said = [line for line in nodes[0].log_lines() if line.get("part") == "keys"]
        self.assertTrue(any("all keys are read" in line["msg"] for line in said), said)
        self.assertFalse([line for line in said if line["level"] != "info"])

    def test_keys_under_another_master_key_are_counted(self):
        key = self.create()
        other = self.stack.dir / "other.key"
        write_whole(other, "5a" * 32, mode=0o600)
        count = self.stored()
        node = self.stack.start_node({"keys.master_files": other})
        self.await_metric(node, "pw_keys_unopened", count)
        self.assertEqual(node.metrics()["pw_keys"], 0)
        self.destroy(key)
        self.await_metric(node, "pw_keys_unopened", count - 1)


class OnFilesTest(VaultCase):
    ledger = "file"

    def test_a_node_sees_what_others_write(self):
        keys = [self.create(), self.create()]
        node = self.stack.start_node()
        self.await_metric(node, "pw_keys", 2)
        keys.append(self.create())
        self.await_metric(node, "pw_keys", 3)
        self.destroy(keys[0])
        self.await_metric(node, "pw_keys_destroyed", 1)
        self.assertEqual(node.metrics()["pw_keys"], 2)
        node.kill()
        self.create()
        node.start()
        self.await_metric(node, "pw_keys", 3)
        self.assertEqual(node.terminate(), GOOD)


class WrongTest(VaultCase):
    def named(self):
        """The flag by which `serve --check` is one of cluster.nodes."""
        return f"--cluster.node_id={self.stack.settings['cluster.nodes'].partition('=')[0]}"

    def check(self, settings, words, code=USAGE):
        """`serve --check` and `serve` both end at once, and say what is wrong."""
        flags = [f"--{name}={value}" for name, value in settings.items()]
        ran = self.stack.run("serve", "--check", self.named(), *flags, check=False)
        self.assertEqual(ran.returncode, code, ran.stderr)
        self.assertIn(words, ran.stderr)
        node = self.stack.node(settings)
        node.start(ready=False)
        wait_until("ended", lambda: node.process.exit_code() is not None, SECONDS, every=0.05)
        self.assertEqual(node.process.exit_code(), code)
        self.assertIn(words, node.process.log_file.read_text())

    def test_a_wrong_setting_ends_a_start(self):
        self.assertEqual(self.stack.run("serve", "--check", self.named()).stdout, "good\n")
        self.check({"keys.master_files": self.stack.dir / "none"}, "keys.master_files")
        wide = self.stack.dir / "wide.key"
        write_whole(wide, "5a" * 32, mode=0o644)
        self.check({"keys.master_files": wide}, "must be 0600")

    def test_what_cannot_be_read_is_named(self):
        node = self.stack.start_node()
        producer = Producer({"bootstrap.servers": self.stack.kafka.endpoints()})
        producer.produce(f"{self.stack.topic}.keys", key=str(uuid.uuid4()), value=b"PWK\x02 of a newer program")
        producer.flush()
        wait_until("not ready", lambda: node.readyz() == 503, SECONDS, every=0.05)
        reasons = json.loads(node._admin_get("/readyz").body)["reasons"]
        self.assertEqual([reason["part"] for reason in reasons], ["keys"])
        self.assertIn("newer-format", reasons[0]["reason"])



if __name__ == "__main__":
    unittest.main()
