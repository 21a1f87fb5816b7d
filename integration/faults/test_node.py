"""One broker, one Galera node: ProctorWise, the broker or Galera dies, hangs or is told to stop, under load."""

import signal
import time
import unittest

from integration.faults.case import WARM_UP, FaultCase, under_load
from integration.harness import total

PAUSE_SECONDS = 2.0


class NodeFaults(FaultCase):
    @under_load
    def test_kill_9_of_proctorwise(self, load):
        self.strike(load, self.node.kill, self.node.start)
        self.prove(load)

    @under_load
    def test_kill_9_of_the_only_broker(self, load):
        before = self.node.metrics()
        self.strike(load, lambda: self.stack.kafka.kill(1), lambda: self.stack.kafka.restart(1))
        self.provoked["step-downs"] = self.step_downs(before)
        self.prove(load)

    @under_load
    def test_galera_stops_and_commands_go_on(self, load):
        load.until_decided(WARM_UP)
        self.stack.galera.stop(patience_seconds=0)
        self.until("queries answered 503", lambda: self.query() == (503, "read-model-down"))
        before = load.troubles()
        load.until_decided(4 * WARM_UP)
        self.assertEqual(load.troubles(), before, "clients were troubled while only Galera was down")
        self.assertEqual(self.query(), (503, "read-model-down"))
        lag = total(self.node.metrics(), "pw_projection_lag_records")
        self.assertGreater(lag, WARM_UP)
        self.stack.galera.start()
        self.provoked["records behind when it came back"] = lag
        load.until_decided(WARM_UP)
        self.prove(load)

    @under_load
    def test_kafka_stops_and_queries_go_on(self, load):
        load.until_decided(WARM_UP)
        load.strike(lambda: self.stack.kafka.stop(patience_seconds=0), at_once=True)
        self.provoked |= load.struck()
        answer = self.command()
        self.assertEqual(answer.status, 503, answer)
        self.assertTrue(answer.headers["Content-Type"].startswith("application/problem+json"), answer.headers)
        self.assertGreaterEqual(int(answer.headers["Retry-After"]), 1)
        for _ in range(50):
            self.assertEqual(self.query(), (200, None))
        self.stack.kafka.start()
        load.until_decided(WARM_UP)
        self.assertEqual(self.query(), (200, None))
        self.assertGreater(load.troubles(), 0, "no client noticed")
        self.prove(load)

    @under_load
    def test_sigterm_drains(self, load):
        load.until_decided(WARM_UP)
        load.strike(lambda: self.node.process.signal(signal.SIGTERM))
        self.assertEqual(self.node.terminate(), 0)
        self.provoked |= load.struck()
        self.assertGreater(load.struck()["answered"], 0, "nothing was in flight")
        self.node.start()
        load.until_decided(WARM_UP)
        self.prove(load)

    @under_load
    def test_the_broker_hangs(self, load):
        before = self.node.metrics()

        def heal():
            load.until_bothered()
            self.stack.kafka.resume(1)
        self.strike(load, lambda: self.stack.kafka.pause(1), heal)
        self.provoked["step-downs"] = self.step_downs(before)
        self.prove(load)

    @under_load
    def test_proctorwise_hangs(self, load):
        load.until_decided(WARM_UP)
        load.strike(self.node.pause, wait=False)
        time.sleep(PAUSE_SECONDS)  # The fault itself: nothing is proved by its length.
        self.assertIn("waiting", load.struck(), "nothing was in flight")
        self.provoked |= {"in flight when it hung": load.struck()["waiting"]}
        self.node.resume()
        load.until_decided(WARM_UP)
        self.prove(load)


if __name__ == "__main__":
    unittest.main()
