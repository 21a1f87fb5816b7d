"""The Kafka adapter's own tests again, on three brokers: there a dead leader is replaced, and one that woke up tells old news."""

import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from integration.cluster.cluster import random_address
from integration.cluster.kafka import Kafka

ROOT = Path(__file__).resolve().parents[1]
RUN = ROOT / ".run/test"
KAFKA_PORT = 24192
PROGRAM_SECONDS_MAX = 300


class ThreeBrokers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        RUN.mkdir(parents=True, exist_ok=True)
        directory = Path(tempfile.mkdtemp(prefix="kafka-three-", dir=RUN))
        cls.addClassCleanup(shutil.rmtree, directory)
        cls.kafka = Kafka(directory / "kafka", nodes=3, address=random_address(), port=KAFKA_PORT)
        cls.addClassCleanup(cls.kafka.stop)
        cls.kafka.start()

    def run_program(self, name, suites="*"):
        """Runs a test program of the release build, or some suites of it, against the three brokers."""
        environment = {**os.environ, "PW_TEST_KAFKA": self.kafka.endpoints(), "PW_TEST_KAFKA_CONTROL": str(self.kafka.dir)}
        ended = subprocess.run([ROOT / "build/release/eventstore" / name, "-j1", "--filter", f"{suites}/*"], env=environment, check=False, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PROGRAM_SECONDS_MAX)
        self.assertEqual(ended.returncode, 0, ended.stdout)

    def test_settings_and_creation(self):
        self.run_program("eventstore_kafka", "kafka_c*")

    def test_leaders_that_die_and_hang(self):
        self.run_program("eventstore_kafka_faults")


if __name__ == "__main__":
    unittest.main()
