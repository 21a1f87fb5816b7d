"""Keys: a reader written from docs/keys.md alone opens every vector."""

import json
import unittest
from pathlib import Path

from integration.reader import keys

VECTORS = Path(__file__).resolve().parents[1] / "docs/vectors/keys"
OF_THE_KEY = ("key_id", "tenant_id", "master_id", "check", "data_key")


def load(name):
    return json.loads((VECTORS / name).read_text(encoding="utf-8"))


def raw(vector, *members):
    return [bytes.fromhex(vector[member]) for member in members]


class VectorsTest(unittest.TestCase):
    def test_xchacha20_is_that_of_the_internet_draft(self):
        """draft-irtf-cfrg-xchacha-03, 2.2.1 and A.3.1."""
        made = keys.hchacha20(bytes(range(32)), bytes.fromhex("000000090000004a0000000031415927"))
        self.assertEqual(made.hex(), "82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc")
        plain = b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it."
        sealed = keys.seal(bytes(range(0x80, 0xA0)), bytes(range(0x40, 0x58)), bytes.fromhex("50515253c0c1c2c3c4c5c6c7"), plain)
        self.assertEqual(sealed[:16].hex(), "bd6d179d3e83d43b9576579493c0e939")
        self.assertEqual(sealed[-16:].hex(), "c0875924c1c7987947deafd8780acf49")

    def test_every_record(self):
        every = load("records.json")
        self.assertGreaterEqual(len(every), 35)
        for vector in every:
            with self.subTest(vector["about"]):
                value = None if vector["value_hex"] is None else bytes.fromhex(vector["value_hex"])
                self.assertEqual(keys.verdict(vector["log_key"].encode(), value), vector["verdict"])
                if vector["verdict"] == "good":
                    masters = [bytes.fromhex(master) for master in vector["masters"]]
                    opens, key = keys.open_record(masters, value)
                    self.assertEqual(opens, vector["opens"])
                    wanted = keys.Key(vector["purpose"], *raw(vector, *OF_THE_KEY)) if opens == "yes" else None
                    self.assertEqual(key, wanted)

    def test_every_payload(self):
        every = load("payloads.json")
        self.assertGreaterEqual(len(every), 12)
        for vector in every:
            with self.subTest(vector["about"]):
                data_key, key_id, nonce, bound, plain, sealed = raw(vector, "data_key", "key_id", "nonce", "associated", "plain",
                                                                    "sealed")
                opened = keys.open_payload(data_key, key_id, bound, sealed)
                self.assertEqual(opened, plain if vector["opens"] else None)
                if vector["opens"]:
                    self.assertEqual(keys.seal_payload(data_key, key_id, nonce, bound, plain), sealed)

    def test_every_tag(self):
        for vector in load("tags.json"):
            with self.subTest(vector["context"]):
                data_key, value, tag = raw(vector, "data_key", "value", "tag")
                self.assertEqual(keys.tag(data_key, vector["context"].encode(), value), tag)


if __name__ == "__main__":
    unittest.main()
