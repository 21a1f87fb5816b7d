"""A ledger in files: served without Kafka, killed under load; exported from Kafka, proved, and imported again."""

import hashlib
import shutil
import struct
import subprocess
import unittest
import uuid
import zlib

import msgpack
from confluent_kafka import Producer

from integration.cluster.process import wait_until
from integration.faults.case import FaultCase, under_load
from integration.harness import BINARY, ENVIRONMENT, ROOT, Actor
from integration.house_case import House
from integration.reader import files
from integration.reader.files import Damaged, read_ledger_in
from integration.reader.outside import OutsideReader
from integration.test_audit import table_heads

GOOD, WRONG, USAGE, UNREACHABLE = range(4)
VECTORS = ROOT / "docs/vectors/file"
house = House()


def setUpModule():
    house.start()


class VectorsTest(unittest.TestCase):
    """The second reader reads every example file as its text says."""

    def test_every_file(self):
        every = sorted(VECTORS.glob("*.log"))
        self.assertGreater(len(every), 20)
        for path in every:
            with self.subTest(path.stem):
                wanted = [line for line in path.with_suffix(".txt").read_text().splitlines() if not line.startswith("#")]
                self.assertEqual(self.lines(path), wanted)

    def lines(self, path):
        directory = house.stack.dir / "vector"
        directory.mkdir(exist_ok=True)
        shutil.copy(path, directory / "0009.log")
        lines, end = [], 0
        try:
            lines.append(f"header 9 {files.partition_count(directory)}")
            for frame in files.read_partition(directory, 9):
                value = frame.value.hex() or ("empty" if frame.kind == files.RECORD else "none")
                lines.append(f"skip {frame.offset}" if frame.kind == files.SKIP else
                             f"record {frame.offset} {frame.appended_at_us} {value}")
                end = frame.offset + (frame.kind != files.SKIP)
            torn = files.torn_at(directory, 9)
        except Damaged as damage:
            place = str(damage).partition(", byte ")[2].partition(":")[0]
            return lines + [f"damaged {place}"]
        return lines + ([] if torn is None else [f"torn {torn}"]) + [f"end {end}"]


class ServedFromFiles(FaultCase):
    """One node, Galera, and no Kafka."""

    ledger = "file"

    @under_load
    def test_kill_9_of_proctorwise(self, load):
        self.strike(load, self.node.kill, self.node.start)
        self.prove(load)

    def test_create_and_audit_while_it_serves(self):
        self.assertIn("it was there already", self.stack.admin("ledger", "create").stderr)
        ran = self.stack.run("audit", "verify")
        heads = table_heads(ran.stdout)
        for reader, offset, _ in read_ledger_in(self.stack.ledger_dir):
            if offset is None:
                self.assertGreaterEqual(reader.head.height, heads[reader.partition][1])
        copy = self.stack.dir / "copy"
        self.stack.run("audit", "export", f"--to={copy}")
        self.assertEqual(self.stack.run("audit", "verify", f"--in={copy}").stdout.splitlines()[-1], "good")

    def test_an_auditor_of_a_tenant_reads_while_it_serves(self):
        tenant = self.stack.tenant(self.node)
        answer = Actor(tenant, "auditor").client(self.node).get("/audit/records")
        reader = OutsideReader()
        shown = [record for record in reader.read(answer.body.splitlines(keepends=True)) if record is not None]
        self.assertEqual((answer.status, reader.position(), len(shown)), (200, answer.position, 3), "genesis, tenant, issuer")

    def test_one_process_at_a_time(self):
        other = self.stack.node()
        other.start(ready=False)
        pid = self.node.process.pid()
        try:
            wait_until("the other one waits", lambda: f"another process ({pid}) writes to it" in other.process.log_tail(), 30)
            self.assertIsNone(other.readyz())
            imported = self.stack.admin("import", f"--from={self.stack.ledger_dir}", "--yes", check=False)
            self.assertEqual(imported.returncode, UNREACHABLE, imported)
            self.assertIn("another process", imported.stderr)
            self.node.kill()
            other.wait_ready()  # It takes over by itself.
            self.assertEqual(self.query(other), (200, None))
        finally:
            other.process.end(patience_seconds=0)
            self.node.process.end(patience_seconds=0)
            self.node.start()

    def test_a_damaged_file_is_named(self):
        self.node.process.end(patience_seconds=0)
        path = self.stack.ledger_dir / "0002.log"
        whole = path.read_bytes()
        try:
            path.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
            ran = self.stack.run("audit", "verify", check=False)
            self.assertEqual(ran.returncode, WRONG, ran)
            self.assertRegex(ran.stdout, r"STOPPED damaged-file: partition 2, offset 0: \S+/0002.log, byte 32: ")
            self.node.start(ready=False)
            wait_until("it ends", lambda: self.node.process.exit_code() is not None, 30)
            self.assertEqual(self.node.process.exit_code(), WRONG)
            self.assertIn("0002.log, byte 32: ", self.node.process.log_tail())
            self.assertEqual(path.read_bytes()[:100], whole[:100])
        finally:
            path.write_bytes(whole)
            self.node.process.end(patience_seconds=0)
            self.node.start()


class ExportTest(unittest.TestCase):
    """From Kafka to files and back to Kafka. Strangers have written to the topic, too."""

    @classmethod
    def setUpClass(cls):
        cls.stack, cls.dir = house.stack, house.stack.dir
        work()
        producer = Producer({"bootstrap.servers": house.stack.kafka.endpoints()})
        for partition in range(house.stack.partitions):
            producer.produce(house.stack.topic, b"junk", partition=partition)
            producer.produce(house.stack.topic, None, partition=partition)
        producer.flush()
        transactional = Producer({"bootstrap.servers": house.stack.kafka.endpoints(), "transactional.id": "a-stranger"})
        transactional.init_transactions()
        for end in (transactional.commit_transaction, transactional.abort_transaction):
            transactional.begin_transaction()
            transactional.produce(house.stack.topic, b"more junk", partition=0)
            transactional.flush()
            end()
        work()
        house.node.terminate()  # So that the heads stand still.

    def run_verb(self, *words, code=GOOD):
        ran = self.stack.run(*words, check=False)
        self.assertEqual(ran.returncode, code, ran)
        return ran

    def heads(self, *words):
        """{partition: (offset, height, hash)}, as `audit verify` prints them."""
        ran = self.run_verb("audit", "verify", *words)
        self.assertEqual(ran.stdout.splitlines()[-1], "good")
        return table_heads(ran.stdout)

    @staticmethod
    def without_offsets(heads):
        return {partition: head[1:] for partition, head in heads.items()}

    def export(self, name, *words):
        ran = self.run_verb("audit", "export", f"--to={self.dir / name}", *words)
        self.assertEqual(ran.stderr, "")  # Progress is for terminals.
        return ran

    def test_an_export_is_the_ledger(self):
        exported = table_heads(self.export("whole").stdout)
        self.assertEqual(exported, self.heads())
        self.assertEqual(self.heads(f"--in={self.dir / 'whole'}"), exported)
        theirs = [(reader.partition, offset, verdict) for reader, offset, verdict in self.stack.read_ledger()]
        ours = [(reader.partition, offset, verdict) for reader, offset, verdict in read_ledger_in(self.dir / "whole")]
        self.assertEqual(ours, theirs)  # Every record, void ones too, at its own offset.
        self.assertGreater(sum(verdict is not None and verdict.verdict == "void" for _, _, verdict in ours), 8)
        kept = self.dir / "kept"
        kept.write_text(self.run_verb("audit", "verify").stdout)
        self.heads(f"--in={self.dir / 'whole'}", f"--expect={kept}")
        self.assertEqual(self.run_verb("audit", "replay", "--answers", f"--in={self.dir / 'whole'}").stdout,
                         self.run_verb("audit", "replay", "--answers").stdout)

    def test_an_export_goes_on(self):
        self.export("again")
        files_then = {path.name: path.read_bytes() for path in (self.dir / "again").glob("*.log")}
        for name, data in files_then.items():  # As if it had been killed in the middle of a write.
            (self.dir / "again" / name).write_bytes(data[:len(data) * 2 // 3])
        (self.dir / "again/writer").unlink()
        said = self.export("again").stdout
        self.assertNotIn(" 0 exported", said)
        self.assertNotIn(" 0 were there", said)
        self.assertEqual(self.heads(f"--in={self.dir / 'again'}"), self.heads())
        self.assertEqual(self.export("again").stdout.count(" 0 exported"), self.stack.partitions)

    def test_an_export_of_another_history_is_not_gone_on_with(self):
        self.run_verb("admin", "ledger", "create", "--ledger.kind=file", f"--ledger.dir={self.dir / 'foreign'}")
        ran = self.run_verb("audit", "export", f"--to={self.dir / 'foreign'}", code=WRONG)
        self.assertIn("the head of the copy is not in the source", ran.stderr)

    def test_one_partition(self):
        self.export("one", "--partition=2")
        self.assertEqual([path.name for path in sorted((self.dir / "one").glob("*.log"))], ["0002.log"])
        self.assertEqual(self.heads(f"--in={self.dir / 'one'}", "--partition=2"), {2: self.heads()[2]})
        ran = self.run_verb("audit", "verify", f"--in={self.dir / 'one'}", code=USAGE)
        self.assertIn("0000.log is missing", ran.stderr)
        self.assertEqual([offset for _, offset, _ in read_ledger_in(self.dir / "one", partitions=[2])],
                         [offset for reader, offset, _ in self.stack.read_ledger() if reader.partition == 2])
        self.export("one")  # And the others.
        self.assertEqual(self.heads(f"--in={self.dir / 'one'}"), self.heads())

    def test_import_into_a_new_topic(self):
        self.export("source")
        topic, source = "--ledger.topic=imported", f"--from={self.dir / 'source'}"
        self.run_verb("admin", "import", source, topic, code=USAGE)  # Nobody can be asked.
        first = self.run_verb("admin", "import", source, topic, "--yes")
        heads = self.heads(topic)
        self.assertEqual(table_heads(first.stdout), heads)
        self.assertEqual(self.without_offsets(heads), self.without_offsets(self.heads()))
        self.assertNotEqual(heads, self.heads())  # Void records stayed behind.
        self.assertIn("\n0 records imported\n", "\n" + self.run_verb("admin", "import", source, topic, "--yes").stderr)
        self.export("of-imported", topic)  # Same hashes, so the one copy's export holds the other's heads.
        self.assertEqual(self.without_offsets(self.heads(f"--in={self.dir / 'of-imported'}")), self.without_offsets(heads))

    def test_import_goes_on_and_refuses_what_is_not_its_own(self):
        self.export("later")
        shutil.copytree(self.dir / "later", self.dir / "earlier")
        (self.dir / "earlier/writer").unlink()
        for path in (self.dir / "earlier").glob("*.log"):  # A beginning of the same ledger, as an interrupted import leaves it.
            path.write_bytes(path.read_bytes()[:path.stat().st_size // 2])
        topic = "--ledger.topic=interrupted"
        self.run_verb("admin", "import", f"--from={self.dir / 'earlier'}", topic, "--yes")
        self.run_verb("admin", "import", f"--from={self.dir / 'later'}", topic, "--yes")
        self.assertEqual(self.without_offsets(self.heads(topic)), self.without_offsets(self.heads()))
        ran = self.run_verb("admin", "import", f"--from={self.dir / 'earlier'}", topic, "--yes", code=WRONG)
        self.assertIn("has other records already", ran.stderr)
        self.run_verb("admin", "ledger", "create", "--ledger.topic=of-another")
        ran = self.run_verb("admin", "import", f"--from={self.dir / 'later'}", "--ledger.topic=of-another", "--yes", code=WRONG)
        self.assertIn("is another one already", ran.stderr)

    def test_import_into_files(self):
        self.export("to-files")
        source, target = f"--from={self.dir / 'to-files'}", ("--ledger.kind=file", f"--ledger.dir={self.dir / 'imported'}")
        self.run_verb("admin", "import", source, *target, "--yes")
        self.assertEqual(self.without_offsets(self.heads(*target)), self.without_offsets(self.heads()))
        whole = (self.dir / "imported/0001.log").read_bytes()
        self.run_verb("admin", "import", source, *target, "--yes")
        self.assertEqual((self.dir / "imported/0001.log").read_bytes(), whole)

    def until_it_is_done(self, *words):
        """Runs a verb, kills it with -9 in the middle, and again until it comes to its end. Returns how often it was killed."""
        kills, patience = 0, 0.1
        while True:
            process = subprocess.Popen([BINARY, *words, f"--config={self.dir / 'proctorwise.conf'}"], env=ENVIRONMENT, cwd=self.dir,
                                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            try:
                said = process.communicate(timeout=patience)
                self.assertEqual(process.returncode, GOOD, said)
                return kills
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                kills, patience = kills + 1, patience * 1.3

    def test_killed_in_the_middle(self):
        source, topic = self.dir / "long", "--ledger.topic=killed"
        heads = write_long_ledger(source, partitions=2, records=100_000)
        kills = self.until_it_is_done("admin", "import", f"--from={source}", topic, "--yes")
        self.assertEqual(self.without_offsets(self.heads(topic)), heads)
        exports = self.until_it_is_done("audit", "export", f"--to={self.dir / 'from-killed'}", topic)
        self.assertEqual(self.heads(f"--in={self.dir / 'from-killed'}"), self.heads(topic))
        print(f"\n  import was killed {kills} times, export {exports} times", flush=True)
        self.assertGreater(min(kills, exports), 0)

    def test_a_damaged_export_is_named_and_not_imported(self):
        self.export("damaged")
        path = self.dir / "damaged/0001.log"
        data = bytearray(path.read_bytes())
        data[60] ^= 4
        path.write_bytes(data)
        ran = self.run_verb("audit", "verify", f"--in={self.dir / 'damaged'}", code=WRONG)
        self.assertIn("0001.log, byte 32: ", ran.stdout)
        ran = self.run_verb("admin", "import", f"--from={self.dir / 'damaged'}", "--ledger.topic=never", "--yes", code=WRONG)
        with self.assertRaises(Damaged):
            list(read_ledger_in(self.dir / "damaged"))
        self.run_verb("audit", "verify", "--ledger.topic=never", code=USAGE)  # There is no such topic.


def write_long_ledger(directory, partitions, records):
    """A file ledger of leader records, written from the two pages. Returns {partition: (height, hash)} of its heads."""
    directory.mkdir()
    ledger, incarnation, heads = uuid.uuid4().bytes, uuid.uuid4().bytes, {}
    for partition in range(partitions):
        header = b"PWLFILE\n" + struct.pack(">III8x", 1, partition, partitions)
        file, head = bytearray(header + struct.pack(">I", zlib.crc32(header))), bytes(32)
        for height in range(records):
            body = msgpack.packb([0, 0, 0, ledger, partition, partitions, 3_600_000_000] if height == 0 else
                                 [1, height, 0, "a-node", incarnation])
            value = b"PWL\x01" + head + body
            head = hashlib.sha256(value[:36] + hashlib.sha256(body).digest()).digest()
            frame = b"PWFR\x01" + struct.pack(">3xqqQII", height, 1, len(file), len(value), zlib.crc32(value))
            file += frame + struct.pack(">I", zlib.crc32(len(file).to_bytes(8, "big") + frame)) + value
        (directory / f"{partition:04}.log").write_bytes(file)
        heads[partition] = (records - 1, head.hex())
    return heads


def work():
    """Some events, a refusal, and a command that changes nothing."""
    for _ in range(3):
        slot, student = house.slot(capacity=1), house.tenant.student().client(house.node)
        seat = student.command(f"/slots/{slot}/reservations").json["id"]
        house.tenant.student().client(house.node).command(f"/slots/{slot}/reservations")
        student.command(f"/reservations/{seat}/cancel")


if __name__ == "__main__":
    unittest.main()
