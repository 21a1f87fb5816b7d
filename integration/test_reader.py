"""The second reader agrees with the vectors, and comes to a verdict whatever it is given."""

import random
import unittest
from pathlib import Path

import msgpack

from integration.reader import ledger, strict, vectors

VECTORS = Path(__file__).resolve().parents[1] / "docs/vectors"
REASONS = {"newer-format", "malformed", "unknown-kind", "no-genesis", "second-genesis", "foreign-ledger", "height", "time",
           "unroutable"}


class VectorsTest(unittest.TestCase):
    def test_every_vector(self):
        every = vectors.load(VECTORS)
        self.assertGreater(len(every), 200)
        for vector in every:
            with self.subTest(vector["file"]):
                self.assertEqual(vectors.differences(vector), [])

    def test_a_wrong_vector_is_seen(self):
        for file, key, wrong in (("003-commit.json", "position", "9:2:a0df5403x"), ("601-repeat-commit.json", "findings", [])):
            vector = next(vector for vector in vectors.load(VECTORS) if vector["file"] == file)
            vector["end"][key] = wrong
            self.assertEqual(len(vectors.differences(vector)), 1)

    def test_murmur2(self):
        for text, number, of_16, of_7, of_1024 in (
            ("", 0x106E08D9, 9, 2, 217),
            ("a", 0xA2D0B27C, 12, 5, 636),
            ("ab", 0x12D8262A, 10, 0, 554),
            ("abc", 0x1C94221B, 11, 4, 539),
            ("abcd", 0xB11AB5F4, 4, 5, 500),
            ("00000000-0000-0000-0000-000000000000", 0x2A860B7D, 13, 3, 893),
            ("ffffffff-ffff-ffff-ffff-ffffffffffff", 0xEA8CD0F2, 2, 4, 242),
            ("01890a5d-ac96-774b-bcce-b302099a8057", 0x534D4DFD, 13, 0, 509),
            ("6ba7b810-9dad-11d1-80b4-00c04fd430c8", 0xDB9CBDC9, 9, 2, 457),
            ("0123abcd-4567-89ab-cdef-0123456789ab", 0x5FEE5B44, 4, 2, 836),
        ):
            with self.subTest(text):
                self.assertEqual(ledger.murmur2(text.encode()), number)
                for count, partition in ((16, of_16), (7, of_7), (1024, of_1024)):
                    self.assertEqual((number & 0x7FFFFFFF) % count, partition)
                    if len(text) == 36:
                        self.assertEqual(ledger.partition_of(bytes.fromhex(text.replace("-", "")), count), partition)


class LedgerTest(unittest.TestCase):
    """What one vector cannot show: several partitions, and a log that runs backwards."""

    def genesis(self, partition, count=16, ledger_id=b"L" * 16, horizon_us=86_400_000_000):
        return value_of(bytes(32), [0, 0, 0, ledger_id, partition, count, horizon_us])

    def test_partitions_agree_on_their_ledger(self):
        for other, reason in (({}, None), ({"count": 15}, "foreign-ledger"), ({"ledger_id": b"M" * 16}, "foreign-ledger"),
                              ({"horizon_us": 1}, "foreign-ledger")):
            with self.subTest(other):
                common = ledger.Ledger(16)
                first, _ = ledger.read_log([(0, self.genesis(0))], common, 0)
                second, _ = ledger.read_log([(0, self.genesis(1, **other))], common, 1)
                self.assertIsNone(first.stop)
                self.assertEqual(second.stop, reason and (0, reason))

    def test_offsets_that_do_not_grow_are_divergence(self):
        for offset in (0, 3):
            reader = ledger.PartitionReader(ledger.Ledger(16), 0)
            reader.take(0, self.genesis(0))
            reader.take(3, b"")
            with self.assertRaisesRegex(ledger.Diverged, f"diverged at partition 0, offset {offset}"):
                reader.take(offset, b"")


class DamageTest(unittest.TestCase):
    """Random damage, always the same: verdicts, never an exception, and the same strictness as another decoder's."""

    def test_damaged_logs(self):
        generator, reasons, damaged = random.Random(20260101), set(), 0
        for vector in vectors.load(VECTORS):
            log = vectors.log_of(vector)
            if not log or sum(len(value or b"") for _, value in log) > 20_000:
                continue
            for _ in range(60):
                at = generator.randrange(len(log))
                damaged_log = list(log)
                damaged_log[at] = (log[at][0], damage(generator, log[at][1] or b"", at_least=generator.choice((0, 36))))
                reader, verdicts = ledger.read_log(damaged_log, ledger.Ledger(vector["partition_count"]), vector["partition"])
                self.assertEqual(reader.accepted, sum(verdict.verdict == "accepted" for verdict in verdicts))
                if reader.stop is not None:
                    self.assertIn(reader.stop[1], REASONS)
                    reasons.add(reader.stop[1])
                else:
                    self.assertEqual(len(verdicts), len(log))
                damaged += 1
        self.assertGreater(damaged, 10_000)
        self.assertEqual(reasons, REASONS)

    def test_strictness_is_that_of_one_spelling_per_value(self):
        generator, taken, refused = random.Random(20260102), 0, 0
        bodies = {value[36:] for vector in vectors.load(VECTORS) for _, value in vectors.log_of(vector)
                  if value is not None and 36 < len(value) <= 2_000}
        for body in sorted(bodies):
            for _ in range(100):
                damaged = damage(generator, body, at_least=0)
                expected = lenient_then_spelled_again(damaged)
                try:
                    decoded = strict.decode(damaged)
                    self.assertEqual(decoded, expected, damaged.hex())
                    self.assertEqual(msgpack.packb(decoded), damaged)  # To == alone, True is 1.
                    taken += 1
                except strict.Malformed:
                    self.assertIsNone(expected, damaged.hex())
                    refused += 1
        self.assertGreater(taken, 1_000)
        self.assertGreater(refused, 1_000)


def value_of(prev, body):
    return b"PWL\x01" + prev + msgpack.packb(body)


def damage(generator, value, at_least):
    """The value with a few bits flipped, bytes set, cut, doubled or taken from elsewhere in it, none before `at_least`."""
    data = bytearray(value)
    for _ in range(generator.choice((1, 1, 1, 2, 5))):
        if len(data) <= at_least:
            return bytes(data) + bytes(generator.randrange(3))
        at = generator.randrange(at_least, len(data))
        how = generator.randrange(8)
        if how < 4:
            data[at] ^= 1 << generator.randrange(8)
        elif how == 4:
            data[at] = generator.randrange(256)
        elif how == 5:
            del data[at:at + generator.choice((1, 2, 16, len(data)))]
        elif how == 6:
            data[at:at] = data[at:at + generator.choice((1, 2, 16))]
        else:
            begin = generator.randrange(at_least, len(data))
            data[at:at + 1] = data[begin:begin + generator.randrange(20)]
    return bytes(data)


def lenient_then_spelled_again(body):
    """What Debian's msgpack reads, if it writes the very same bytes for it, and all types are allowed. Else None."""
    try:
        value = msgpack.unpackb(body, raw=False, strict_map_key=False)
        if type(value) is not list or msgpack.packb(value, use_bin_type=True) != body:
            return None
    except Exception:  # Whatever it says about damage; a map in a map's key is even a TypeError.
        return None
    return value if allowed(value, 1) else None


def allowed(value, level):
    if type(value) is list:
        return level <= 8 and all(allowed(element, level + 1) for element in value)
    if type(value) is int:
        return value < 1 << 63
    return value is None or type(value) in (bool, bytes) or type(value) is str and "\0" not in value
