"""Keys: a reader written from docs/keys.md alone opens every vector, and what the operator's verbs write to files."""

import json
import secrets
import shutil
import subprocess
import unittest
import uuid

from integration.harness import BINARY, ENVIRONMENT, ROOT, scratch
from integration.reader import keys

GOOD, WRONG, USAGE, UNREACHABLE = range(4)
VECTORS = ROOT / "docs/vectors/keys"
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
        plain = (b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, "
                 b"sunscreen would be it.")
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


class VerbsTest(unittest.TestCase):
    """A file ledger and its keys; no server takes part."""

    def setUp(self):
        self.dir = scratch("keys")
        self.addCleanup(shutil.rmtree, self.dir)
        self.tenant = str(uuid.uuid4())
        self.masters = []
        self.old = self.master("old")

    def master(self, name):
        """A new master file, put in front."""
        path = self.dir / name
        key = secrets.token_bytes(32)
        path.write_text(key.hex() + "\n")
        path.chmod(0o600)
        self.masters.insert(0, (path, key))
        return path

    def run_verb(self, *words, code=GOOD, masters=None):
        paths = ",".join(str(path) for path, _ in (self.masters if masters is None else masters))
        settings = [f"--ledger.dir={self.dir / 'ledger'}/", "--ledger.kind=file", "--ledger.partitions=2"]
        if paths:
            settings.append(f"--keys.master_files={paths}")
        ran = subprocess.run([BINARY, "admin", *words, *settings], env=ENVIRONMENT, stdin=subprocess.DEVNULL, text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        self.assertEqual(ran.returncode, code, ran.stderr)
        return ran

    def create(self, *words):
        return self.run_verb("keys", "create", f"--tenant={self.tenant}", *words).stdout.strip()

    def listed(self, code=GOOD, masters=None):
        ran = self.run_verb("keys", "list", "--json", code=code, masters=masters)
        return {key["key_id"]: key for key in map(json.loads, ran.stdout.splitlines())}

    def read_files(self, *masters):
        """What the second reader makes of the directory, by key id."""
        found = {}
        for path in (self.dir / "ledger.keys").glob("*.key"):
            self.assertEqual(keys.verdict(path.stem.encode(), path.read_bytes()), "good")
            found[path.stem] = keys.open_record([key for _, key in masters], path.read_bytes())
        return found

    def test_a_key_from_its_making_to_its_end(self):
        created = json.loads(self.run_verb("ledger", "create", "--json").stdout)
        self.assertEqual((created["created"], created["keys_created"]), (True, True))
        self.assertIs(json.loads(self.run_verb("ledger", "create", "--json").stdout)["keys_created"], False)
        self.assertEqual((self.dir / "ledger.keys").stat().st_mode & 0o777, 0o700)
        self.assertEqual(self.listed(), {})
        personal, secret = self.create(), json.loads(self.create("--purpose=equality", "--json"))["key_id"]
        listed = self.listed()
        self.assertEqual({key: (row["purpose"], row["tenant_id"], row["state"]) for key, row in listed.items()},
                         {personal: ("personal", self.tenant, "good"), secret: ("equality", self.tenant, "good")})
        before = self.read_files(*self.masters)
        self.assertEqual({opens for opens, _ in before.values()}, {"yes"})
        self.assertEqual(before[secret][1].tenant_id, uuid.UUID(self.tenant).bytes)

        self.master("new")
        self.assertEqual({row["state"] for row in self.listed().values()}, {"old"})
        self.assertEqual(json.loads(self.run_verb("keys", "rotate", "--json").stdout),
                         {"rewrapped": 2, "current": 0, "unopened": 0, "destroyed": 0, "lingering": 0})
        self.assertIn("0 rewrapped, 2 under", self.run_verb("keys", "rotate").stdout)
        after = self.read_files(self.masters[0])
        self.assertEqual({key: row.data_key for key, (_, row) in after.items()},
                         {key: row.data_key for key, (_, row) in before.items()})
        self.assertEqual({opens for opens, _ in self.read_files(self.masters[1]).values()}, {"unknown-master"})
        self.assertEqual({row["state"] for row in self.listed(masters=self.masters[:1]).values()}, {"good"})
        self.assertEqual({row["state"] for row in self.listed(WRONG, masters=self.masters[1:]).values()}, {"unknown-master"})
        ran = self.run_verb("keys", "rotate", "--json", code=WRONG, masters=self.masters[1:])
        self.assertEqual(json.loads(ran.stdout)["unopened"], 2)

        self.assertIn("--yes is needed", self.run_verb("keys", "destroy", f"--key={personal}", code=USAGE).stderr)
        self.assertEqual(json.loads(self.run_verb("keys", "destroy", f"--key={personal}", "--yes", "--json").stdout),
                         {"destroyed": 1, "lingering": 0})
        self.assertEqual(list(self.listed()), [secret])
        self.assertEqual(list(self.read_files(self.masters[0])), [secret])

    def test_a_damaged_key_is_named(self):
        self.run_verb("ledger", "create")
        key, other = self.create(), self.create()
        path = self.dir / f"ledger.keys/{key}.key"
        data = bytearray(path.read_bytes())
        data[100] ^= 1
        path.write_bytes(data)
        self.assertEqual({id: row["state"] for id, row in self.listed(WRONG).items()}, {key: "damaged", other: "good"})

    def test_what_is_wrong_is_named(self):
        self.assertIn("keys.master_files is not set", self.run_verb("keys", "list", code=USAGE, masters=[]).stderr)
        self.run_verb("ledger", "create", masters=[])
        self.assertFalse((self.dir / "ledger.keys").exists())
        self.assertIn("admin ledger create", self.run_verb("keys", "list", code=USAGE).stderr)
        self.old.chmod(0o644)
        self.assertIn("must be 0600", self.run_verb("ledger", "create", code=USAGE).stderr)
        self.old.chmod(0o600)
        for words, told in ((("create",), "--tenant is needed"), (("create", "--tenant=x"), "--tenant must be a UUID"),
                            (("create", f"--tenant={self.tenant}", "--purpose=x"), "personal or equality"),
                            (("destroy",), "--key is needed"), (("destroy", "--key=x", "--yes"), "must be a UUID")):
            with self.subTest(words):
                self.assertIn(told, self.run_verb("keys", *words, code=USAGE).stderr)
        self.assertIn("must name 1 to 16 files", self.run_verb("keys", "list", code=USAGE, masters=[("a,,b", b"")]).stderr)


if __name__ == "__main__":
    unittest.main()
