"""Snapshots on the real house: what a start goes on from, and what it makes of files that are not good. Whatever that is, every answer
stands, and everything agrees with the ledger."""

import time
import unittest

from integration.faults.case import WARM_UP, FaultCase, under_load
from integration.harness import total


PACED_SECONDS = 60  # They are written for a tenth of the time, and yield to everybody.


class SnapshotTest(FaultCase):
    def offsets(self, name):
        """{partition: offset} of those metrics that are not -1."""
        return {int(key.partition('"')[2].partition('"')[0]): int(value)
                for key, value in self.node.metrics().items() if key.startswith(name + "{") and value >= 0}

    def files(self):
        """{partition: its snapshots, the newest first}"""
        found = {}
        for file in sorted((self.node.dir / "snapshots").glob("*.snapshot"), reverse=True):
            found.setdefault(int(file.name[:4]), []).append(file)
        return found

    def said(self, words):
        """How many lines of the log hold these words."""
        return sum(words in line["msg"] for line in self.node.log_lines())

    def until_two_each(self, load):
        """Every partition that has tenants has written two snapshots."""
        busy = {place.tenant.partition for place in self.world.tenants}
        deadline = time.monotonic() + PACED_SECONDS
        while time.monotonic() < deadline:
            files = self.files()
            if all(len(files.get(partition, ())) == 2 for partition in busy):
                return
            load.until_decided(WARM_UP)
        self.fail(f"not two snapshots of each partition: {files}")

    def kill_and_start(self, load, between=lambda: None):
        load.until_decided(WARM_UP)
        load.strike(self.node.kill)
        between()
        self.node.start()
        load.until_decided(WARM_UP)

    @under_load
    def test_a_start_after_kill_9_goes_on_from_them(self, load):
        self.until_two_each(load)
        before = self.said("goes on from the snapshot at offset")
        self.kill_and_start(load)
        restored = self.offsets("pw_snapshot_restored_offset")
        self.assertGreater(len(restored), 0, "all was read from the start")
        self.assertEqual(self.said("goes on from the snapshot at offset"), before + len(restored))
        self.assertGreater(total(self.node.metrics(), "pw_projection_restores_total"), 0)
        self.assertEqual(total(self.node.metrics(), "pw_projection_refolds_total"), 0)
        self.provoked |= {"partitions restored": len(restored),
                          "by projections": total(self.node.metrics(), "pw_projection_restores_total")}
        self.prove(load)

    @under_load
    def test_a_stop_leaves_no_tail(self, load):
        load.until_decided(WARM_UP)
        load.strike(lambda: None, wait=False)
        self.assertEqual(self.node.terminate(), 0)
        heads = {partition: int(files[0].name[5:25]) for partition, files in self.files().items()}
        self.assertEqual(len(heads), self.stack.partitions, "a partition was not saved")
        self.node.start()
        self.assertEqual(self.offsets("pw_snapshot_restored_offset"), heads)
        load.until_decided(WARM_UP)
        proof = self.prove(load)
        self.assertGreater(proof.accepted, sum(heads.values()) // 2)

    @under_load
    def test_damaged_ones_are_told_and_passed_over(self, load):
        self.until_two_each(load)
        damaged = []

        def damage():
            for partition, (newest, *_) in self.files().items():
                content = bytearray(newest.read_bytes())
                content[len(content) // 2] ^= 1
                newest.write_bytes(content)
                damaged.append((partition, newest))
        before = self.said("it is torn")
        self.kill_and_start(load, damage)
        self.assertGreaterEqual(self.said("it is torn"), before + len(damaged))
        restored = self.offsets("pw_snapshot_restored_offset")
        self.assertGreater(len(restored), 0, "the ones before were no good")
        for partition, file in damaged:
            self.assertLess(restored.get(partition, -1), int(file.name[5:25]))
        self.provoked |= {"damaged": len(damaged), "gone on from the one before": len(restored)}
        self.prove(load)

    @under_load
    def test_with_none_that_is_good_all_is_read(self, load):
        def damage():
            for files in self.files().values():
                for file in files:
                    file.write_bytes(file.read_bytes()[:-1])
        self.until_two_each(load)
        self.kill_and_start(load, damage)
        self.assertEqual(self.offsets("pw_snapshot_restored_offset"), {})
        self.assertEqual(total(self.node.metrics(), "pw_projection_restores_total"), 0)
        self.until_two_each(load)
        self.prove(load)

    @under_load
    def test_a_directory_that_cannot_be_written_stops_nobody(self, load):
        def spoil():
            for files in self.files().values():
                for file in files:
                    file.unlink()
            (self.node.dir / "snapshots").rmdir()
            (self.node.dir / "snapshots").write_text("not a directory")
        self.kill_and_start(load, spoil)
        while not total(self.node.metrics(), "pw_snapshots_failed_total"):
            load.until_decided(WARM_UP)
        self.assertEqual(total(self.node.metrics(), "pw_snapshots_written_total"), 0)
        self.assertGreater(self.said("no snapshot was written"), 0)
        self.kill_and_start(load, (self.node.dir / "snapshots").unlink)
        self.prove(load)


if __name__ == "__main__":
    unittest.main()
