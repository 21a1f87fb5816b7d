"""Who may sign tokens: our own keys, changed without interruption, and outside issuers, trusted and distrusted."""

import base64
import http.server
import json
import subprocess
import threading
import time
import unittest
import uuid

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from integration.harness import BINARY, ENVIRONMENT, Client, write_whole
from integration.house_case import AnswerCase, House

GOOD, WRONG, USAGE, UNREACHABLE = range(4)
OUR_NAME = "https://house.example.test"
house = House()


def setUpModule():
    house.start({"tokens.issuer": OUR_NAME})


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Key:
    """An Ed25519 key, and how others write it."""

    def __init__(self):
        self.secret = Ed25519PrivateKey.generate()
        self.x = base64url(self.secret.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))

    def file(self, name):
        path = house.stack.dir / name
        write_whole(path, self.secret.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(), mode=0o600)
        return path

    def jwk(self, **members):
        return {"kty": "OKP", "crv": "Ed25519", "x": self.x, **members}

    def token(self, issuer, roles=("teacher",), **claims):
        now = int(time.time())
        payload = {"iss": issuer, "sub": str(uuid.uuid4()), "tenant": house.tenant.id, "roles": list(roles), "iat": now, "exp": now + 600}
        signed = ".".join(base64url(json.dumps(part).encode()) for part in ({"alg": "EdDSA", "typ": "JWT"}, payload | claims))
        return f"{signed}.{base64url(self.secret.sign(signed.encode()))}"


def run(*words):
    return subprocess.run([BINARY, *words, f"--config={house.node.config}"], env=ENVIRONMENT, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120, check=False)


def restart(settings):
    house.node.terminate()
    house.node.configure(settings)
    house.node.start()


class OwnKeysTest(AnswerCase):
    def key_set(self):
        return Client(house.node.api).get("/v1/jwks.json")

    def query(self, token):
        return house.client(token).get("/exams").status

    def test_a_key_comes_into_use_and_goes(self):
        old, new = Key(), Key()
        old_file, new_file = old.file("old.pem"), new.file("new.pem")
        self.assertEqual(self.key_set().json, {"keys": []})
        self.assertEqual(self.query(old.token(OUR_NAME)), 401)
        before = old.token(OUR_NAME)
        for files, published, admitted in (((old_file,), [old], [before]), ((old_file, new_file), [old, new], [before]),
                                           ((new_file, old_file), [new, old], [before, new.token(OUR_NAME)]),
                                           ((new_file,), [new], [new.token(OUR_NAME)])):
            restart({"tokens.key_files": ",".join(map(str, files))})
            answer = self.key_set()
            self.assertEqual([key["x"] for key in answer.json["keys"]], [key.x for key in published])
            self.assertEqual(answer.headers["Cache-Control"], "public, max-age=300")
            self.assertEqual(Client(house.node.api).get("/v1/jwks.json", headers={"If-None-Match": answer.headers["ETag"]}).status, 304)
            self.assertEqual([self.query(token) for token in admitted], [200] * len(admitted))
        self.assertEqual(self.query(before), 401)
        self.assertEqual(self.query(Key().token(OUR_NAME)), 401)
        restart({})

    def test_a_file_that_others_can_read_is_no_key(self):
        path = Key().file("open.pem")
        path.chmod(0o644)
        ran = run("serve", "--check", f"--tokens.key_files={path}")
        self.assertEqual(ran.returncode, USAGE)
        self.assertIn("mode 0644", ran.stderr)

    def test_nobody_else_is_trusted_under_our_name(self):
        key = Key()
        ran = run("admin", "trust-issuer", f"--tenant={house.tenant.id}", f"--issuer={OUR_NAME}", f"--public-key={key.x}")
        self.assertEqual(ran.returncode, WRONG)
        self.assertIn("/issuer", ran.stderr)
        self.assertEqual(self.query(key.token(OUR_NAME)), 401)


class OutsideIssuersTest(AnswerCase):
    def setUp(self):
        super().setUp()
        self.issuer = f"https://{uuid.uuid4()}.example.test"
        self.words = [f"--tenant={house.tenant.id}", f"--issuer={self.issuer}"]

    def query(self, key):
        return house.client(key.token(self.issuer)).get("/exams").status

    def trust(self, source, *words):
        return run("admin", "tenant", "trust", *self.words, f"--jwks={source}", *words)

    def set_of(self, *keys):
        path = house.stack.dir / f"{uuid.uuid4()}.json"
        path.write_text(json.dumps({"keys": keys}))
        return path

    def test_a_key_set_from_a_file(self):
        first, second, other = Key(), Key(), Key()
        path = self.set_of(first.jwk(kid="a", use="sig"), {"kty": "RSA", "kid": "b", "n": "AQ", "e": "AQAB"}, second.jwk(alg="EdDSA"),
                           other.jwk(kid="c", use="enc"))
        for _ in range(2):
            ran = self.trust(path)
            self.assertEqual((ran.returncode, ran.stdout), (GOOD, f"{first.x}\n{second.x}\n"), ran.stderr)
            self.assertEqual(ran.stderr, "skipped b: it is no Ed25519 key\nskipped c: it is not for signatures\n")
        said = json.loads(self.trust(path, "--json").stdout)
        self.assertEqual([key["public_key"] for key in said["trusted"]], [first.x, second.x])
        self.assertEqual([key["kid"] for key in said["skipped"]], ["b", "c"])
        self.assertEqual([self.query(key) for key in (first, second, other)], [200, 200, 401])

    def test_what_gives_no_key(self):
        self.assertEqual(self.trust(self.set_of({"kty": "RSA"})).returncode, WRONG)
        self.assertEqual(self.trust(self.set_of()).returncode, WRONG)
        self.assertEqual(self.trust("/nothing/here").returncode, WRONG)
        self.assertEqual(self.trust(house.node.config).returncode, WRONG)
        self.assertEqual(run("admin", "tenant", "trust", *self.words).returncode, USAGE)
        self.assertEqual(run("admin", "tenant", "trust", "--tenant=x", self.words[1], f"--jwks={self.set_of()}").returncode, USAGE)

    def test_a_key_set_from_an_address(self):
        key = Key()
        bodies = {"/set": json.dumps({"keys": [key.jwk()]}).encode(), "/large": b" " * 70000}

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(302 if self.path == "/moved" else 200 if self.path in bodies else 404)
                self.send_header("Location", "/set")
                self.end_headers()
                self.wfile.write(bodies.get(self.path, b""))

            def log_message(self, *_):
                pass

        with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            self.addCleanup(server.shutdown)
            address = f"http://127.0.0.1:{server.server_port}"
            self.assertEqual(self.trust(f"{address}/set").returncode, USAGE)
            for path in ("/moved", "/missing", "/large"):
                self.assertEqual(self.trust(f"{address}{path}", "--insecure-http").returncode, WRONG, path)
            self.assertEqual(self.query(key), 401)
            ran = self.trust(f"{address}/set", "--insecure-http")
            self.assertEqual((ran.returncode, ran.stdout), (GOOD, f"{key.x}\n"), ran.stderr)
            server.shutdown()
        self.assertEqual(self.query(key), 200)

    def test_trust_is_taken_back_and_stays_so_after_a_start(self):
        going, staying = Key(), Key()
        self.assertEqual(self.trust(self.set_of(going.jwk(), staying.jwk())).returncode, GOOD)
        token = going.token(self.issuer)
        self.assertEqual(house.client(token).get("/exams").status, 200)
        for _ in range(2):
            ran = run("admin", "tenant", "distrust", *self.words, f"--public-key={going.x}")
            self.assertEqual((ran.returncode, ran.stdout.strip()), (GOOD, house.tenant.id), ran.stderr)
            self.assertEqual(house.client(token).get("/exams").status, 401)
            self.assertEqual(self.query(staying), 200)
        restart({})
        self.assertEqual(house.client(token).get("/exams").status, 401)
        self.assertEqual(self.query(staying), 200)
        self.assertEqual(run("admin", "tenant", "distrust", *self.words).returncode, USAGE)
        events = [json.loads(line)["event_type"] for line in run("audit", "replay", f"--tenant={house.tenant.id}", "--json").stdout.splitlines()]
        self.assertIn("tenant_issuer_distrusted", events)
        self.assertEqual(house.verify().returncode, GOOD)


if __name__ == "__main__":
    unittest.main()
