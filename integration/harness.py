"""The whole house for a Python test: Kafka, Galera, ledger, schema and nodes of ProctorWise, on loopback addresses of their own.

    with Stack(directory, "127.0.5", kafka_nodes=1, galera_nodes=3) as stack:  # started here, ended here, whatever happens
        node = stack.start_node()                        # `proctorwise serve`, ready to serve
        tenant = stack.tenant(node, "Graz")              # trusts an issuer whose tokens are signed here
        exam = tenant.exam(node, duration_minutes=60)
        slot = tenant.slot(node, exam, capacity=3)
        answer = tenant.student().client(node).command(f"/slots/{slot}/reservations")
        node.kill()

Each test module takes a network (three bytes) that no other uses: servers of the cluster kinds listen on NETWORK.1 and following,
node n of ProctorWise on NETWORK.(10+n). All tests use the same ports, which are those of neither script/server nor script/test.
"""

import base64
import concurrent.futures
import contextlib
import datetime
import http.client
import json
import os
import secrets
import shutil
import signal
import subprocess
import time
import uuid
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from integration.cluster.cluster import write_whole
from integration.cluster.galera import Galera
from integration.cluster.kafka import Kafka
from integration.cluster.process import Process, ProcessError, wait_until
from integration.reader.files import read_ledger_in
from integration.reader.topic import read_ledger

ROOT = Path(__file__).resolve().parents[1]
SCRATCH = ROOT / ".run/test"
BINARY = Path(os.environ.get("PW_TEST_BINARY", ROOT / "build/release/api/proctorwise"))
# What is configured comes from the stack alone: PW_* of our surroundings would be taken for settings.
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("PW_")}
KAFKA_PORT, GALERA_PORT, API_PORT, ADMIN_PORT = 26092, 26306, 26080, 26090
READY_SECONDS = 60
ANSWER_SECONDS = 30  # After which a request counts as lost.
DECIDED = (200, 201, 404, 409, 412)  # An answer to a command is on record if it has one of these and a Pw-Position.


def uuid7():
    """A UUIDv7 of this moment."""
    random = int.from_bytes(secrets.token_bytes(10), "big")
    number = time.time_ns() // 1_000_000 << 80 | random & ~(0xF << 76 | 0x3 << 62) | 7 << 76 | 2 << 62
    return str(uuid.UUID(int=number))


def at(**ahead):
    """The RFC 3339 time that lies so far ahead (days=, hours=, ...), on a whole minute."""
    moment = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(**ahead)
    return moment.replace(second=0, microsecond=0).isoformat().replace("+00:00", "Z")


def scratch(prefix):
    """A fresh directory for one test module, removed by its owner."""
    SCRATCH.mkdir(parents=True, exist_ok=True)
    directory = SCRATCH / f"{prefix}-{secrets.token_hex(4)}"
    directory.mkdir()
    return directory


def total(metrics, name, **labels):
    """The sum of a metric over all its labels, or over those asked for."""
    wanted = [f'{label}="{value}"' for label, value in labels.items()]
    return int(sum(value for key, value in metrics.items()
                   if key.partition("{")[0] == name and all(each in key for each in wanted)))


# --- HTTP -----------------------------------------------------------------------------------------------------------------------


class Answer:
    """One HTTP answer. `json` is its body where that is JSON, else None."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body
        kind = headers.get("Content-Type", "")
        self.json = json.loads(body) if body and kind.startswith(("application/json", "application/problem+json")) else None

    @property
    def problem(self):
        """`slot-full`, or None where the answer is no problem."""
        return self.json["type"].rpartition("/")[2] if self.status >= 400 and self.json else None

    @property
    def position(self):
        return self.headers.get("Pw-Position")

    @property
    def decided(self):
        """Whether this answers a command for good: it is on record."""
        return self.status in DECIDED and self.position is not None

    def __repr__(self):
        return f"<{self.status} {self.body[:300]!r}>"


class Client:
    """A keep-alive connection to one listener, as one bearer. Threads: one. Raises OSError when no answer comes."""

    def __init__(self, address, token=None, base=""):
        self.address, self.base = address, base
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._connection = None

    def call(self, method, path, body=None, key=None, headers=None, seconds=ANSWER_SECONDS):
        """Sends one request. `body`: bytes as they are, anything else as JSON."""
        sent = dict(self.headers)
        if body is not None:
            sent["Content-Type"] = "application/json"
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
        if key is not None:
            sent["Idempotency-Key"] = key
        sent |= headers or {}
        if self._connection is None:
            host, _, port = self.address.rpartition(":")
            self._connection = http.client.HTTPConnection(host, int(port), timeout=seconds)
        try:
            self._connection.request(method, self.base + path, body, sent)
            response = self._connection.getresponse()
            answer = Answer(response.status, response.headers, response.read())
        except http.client.HTTPException as error:
            self.close()
            raise ConnectionError(f"{type(error).__name__}: {error}") from error
        except OSError:
            self.close()
            raise
        if response.will_close:
            self.close()
        return answer

    def get(self, path, **options):
        return self.call("GET", path, **options)

    def post(self, path, body=None, **options):
        return self.call("POST", path, body, **options)

    def command(self, path, body=None, key=None, seconds=READY_SECONDS, headers=None):
        """Sends a command until it is answered for good, under one key, as a client should."""
        key, end = key or uuid7(), time.monotonic() + seconds
        while True:
            answer = None
            with contextlib.suppress(OSError):
                answer = self.post(path, {} if body is None else body, key=key, headers=headers)
            if answer is not None and answer.status != 503:
                return answer
            if time.monotonic() > end:
                raise ProcessError(f"POST {self.base}{path}: not answered within {seconds} s, last by {answer}")
            time.sleep(0.1)

    def all(self, path, **options):
        """All items of a list, page by page."""
        items, after = [], ""
        while True:
            answer = self.get(f"{path}{'&' if '?' in path else '?'}limit=500{after}", **options)
            if answer.status != 200:
                raise ProcessError(f"GET {self.base}{path}: {answer}")
            items += answer.json["items"]
            if not answer.json.get("next"):
                return items
            after = f"&after={answer.json['next']}"

    def close(self):
        if self._connection is not None:
            self._connection.close()
            self._connection = None


# --- Tenants and who acts in them ---------------------------------------------------------------------------------------------


class Actor:
    """Somebody in a tenant, with a token that is good for an hour."""

    def __init__(self, tenant, role, actor_id=None):
        self.tenant, self.id = tenant, actor_id or str(uuid.uuid4())
        self.token = tenant.token(self.id, [role])

    def client(self, node):
        """A connection of this actor's own; paths begin after /v1/tenants/{tenant}."""
        return Client(node.api, self.token, f"/v1/tenants/{self.tenant.id}")


class Tenant:
    """A tenant, its admin and its teacher, and the issuer that it trusts. Threads: one at a time."""

    def __init__(self, node, name, issuer="https://sso.example.test"):
        self.issuer, self._key = issuer, Ed25519PrivateKey.generate()
        self.public_key = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        internal = node.internal()
        created = _good(internal.command("/tenants", {"name": name, "time_zone": "Europe/Vienna", "language": "de"}))
        self.id = created.json["id"]
        self.partition = int(created.position.split(":")[0])
        _good(internal.command(f"/tenants/{self.id}/issuers", {"issuer": issuer, "public_key": _base64url(self.public_key)}))
        internal.close()
        self.admin, self.teacher = Actor(self, "admin"), Actor(self, "teacher")

    def token(self, actor_id, roles, lives_seconds=3600, **claims):
        """A JWT as the tenant's issuer would sign it. `claims` add to, or replace, the usual ones."""
        now = int(time.time())
        payload = {"iss": self.issuer, "sub": actor_id, "tenant": self.id, "roles": roles, "iat": now, "exp": now + lives_seconds}
        return signed_token(self._key, payload | claims)

    def student(self):
        return Actor(self, "student")

    def exam(self, node, title="Linear Algebra I", duration_minutes=60, lead_time_minutes=0, buffer_minutes=0):
        """A published exam of the teacher's. Returns its id."""
        teacher = self.teacher.client(node)
        exam = _good(teacher.command("/exams", {
            "title": title, "duration_minutes": duration_minutes, "lead_time_minutes": lead_time_minutes,
            "buffer_minutes": buffer_minutes})).json["id"]
        _good(teacher.command(f"/exams/{exam}/publish"))
        teacher.close()
        return exam

    def slot(self, node, exam, capacity=30, starts_at=None):
        """A slot for a published exam, in a month unless told otherwise. Returns its id."""
        teacher = self.teacher.client(node)
        slot = _good(teacher.command("/slots", {"exam_id": exam, "starts_at": starts_at or at(days=30), "capacity": capacity}))
        teacher.close()
        return slot.json["id"]


def signed_token(key, payload):
    """The JWT of that payload by an Ed25519 key."""
    signed = ".".join(_base64url(json.dumps(part).encode()) for part in ({"alg": "EdDSA", "typ": "JWT"}, payload))
    return f"{signed}.{_base64url(key.sign(signed.encode()))}"


def _good(answer):
    if answer.status not in (200, 201):
        raise ProcessError(f"a command of the set-up was answered {answer}")
    return answer


def _base64url(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


# --- Nodes ----------------------------------------------------------------------------------------------------------------------


class Node:
    """One `proctorwise serve`. Its log is `log` in its directory."""

    def __init__(self, stack, number, settings):
        self.stack, self.number = stack, number
        self.dir = stack.dir / f"proctorwise{number}"
        self.dir.mkdir(exist_ok=True)
        address = f"{stack.network}.{10 + number}"
        self.api, self.admin = f"{address}:{API_PORT}", f"{address}:{ADMIN_PORT}"
        self.config = self.dir / "proctorwise.conf"
        self.process = Process(self.dir / "pid", self.dir, self.dir / "log")
        self.configure(settings)

    def configure(self, settings):
        """Writes the configuration, for the next start."""
        everything = self.stack.settings | {
            "http.listen": self.api, "admin.listen": self.admin, "cluster.node_id": f"node{self.number}"} | settings
        write_whole(self.config, "".join(f"{name} = {value}\n" for name, value in everything.items()))

    def start(self, ready=True):
        wrap = self.stack.place.wrap(self.api.rpartition(":")[0]) if self.stack.place is not None else []
        self.process.spawn([*wrap, BINARY, "serve", f"--config={self.config}"], cwd=self.dir, env=ENVIRONMENT)
        if ready:
            self.wait_ready()

    def wait_ready(self):
        def ready():
            if self.process.pid() is None:
                raise ProcessError(f"proctorwise ended with {self.process.exit_code()}\n{self.process.log_tail()}")
            return self.readyz() == 200
        try:
            wait_until(f"node {self.number} ready", ready, READY_SECONDS)
        except ProcessError as error:
            raise ProcessError(f"{error}; /readyz says {self._said()}\n{self.process.log_tail()}") from None

    def _said(self):
        try:
            return self._admin_get("/readyz")
        except OSError as no_answer:
            return no_answer

    def readyz(self):
        """The status of /readyz, or None while nobody answers."""
        with contextlib.suppress(OSError):
            return self._admin_get("/readyz").status
        return None

    def metrics(self):
        """{"pw_name{label=\"value\"}": number} of /metrics; {} while nobody answers."""
        with contextlib.suppress(OSError):
            lines = self._admin_get("/metrics").body.decode().splitlines()
            return {name: float(value) for name, _, value in
                    (line.rpartition(" ") for line in lines if line and not line.startswith("#"))}
        return {}

    def internal(self):
        """A connection of the operator's; paths begin after /internal."""
        return Client(self.admin, self.stack.cluster_key, "/internal")

    def kill(self):
        self.process.end(patience_seconds=0)

    def pause(self):
        self.process.signal(signal.SIGSTOP)
        wait_until("paused", self.process.paused, 10, every=0.01)

    def resume(self):
        self.process.signal(signal.SIGCONT)

    def resume_or_start(self):
        """Makes it run, whatever became of it."""
        self.process.signal(signal.SIGCONT)
        if self.process.pid() is None:
            self.start()

    def terminate(self, seconds=40):
        """SIGTERM. Returns the exit code."""
        self.process.signal(signal.SIGTERM)
        wait_until(f"node {self.number} ended after SIGTERM", lambda: self.process.exit_code() is not None, seconds, every=0.01)
        self.process.end(patience_seconds=0)
        return self.process.exit_code()

    def log_lines(self):
        """The log as objects; lines that are no JSON as {"msg": line}."""
        lines = self.process.log_file.read_text(errors="replace").splitlines() if self.process.log_file.exists() else []
        parsed = []
        for line in lines:
            try:
                entry = json.loads(line)
            except ValueError:
                entry = None
            parsed.append(entry if isinstance(entry, dict) else {"msg": line})
        return parsed

    def _admin_get(self, path):
        client = Client(self.admin)
        try:
            return client.get(path, seconds=5)
        finally:
            client.close()


# --- The stack --------------------------------------------------------------------------------------------------------------------


class Stack:
    """Everything that a test needs, below one directory.

    settings   What every node's configuration says; a test may add to it before a node is made.
    ledger     "kafka", or "file": then no Kafka runs, and the ledger lies in `ledger_dir`.
    keys       Whether there are keys for personal data, under a master key in `master_file`.
    tokens     Whether the nodes sign tokens of their own.
    place      A faults/network.py of that network, where every server has a namespace and an address of its own: brokers .21 and
               following, Galera nodes .31 and following.
    """

    def __init__(self, directory, network, kafka_nodes=1, galera_nodes=1, partitions=4, settings=None, ledger="kafka", keys=False,
                 tokens=False, place=None):
        self.dir, self.network, self.nodes, self.place = Path(directory), network, [], place
        self.kafka = Kafka(self.dir / "kafka", kafka_nodes, f"{network}.{1 if place is None else 21}", KAFKA_PORT)
        self.galera = Galera(self.dir / "galera", galera_nodes, f"{network}.{1 if place is None else 31}", GALERA_PORT)
        self.kafka.network = self.galera.network = place
        self.cluster_key = secrets.token_urlsafe(32)
        self.topic, self.partitions = "proctorwise.ledger", partitions
        self.ledger, self.ledger_dir = ledger, self.dir / "ledger"
        secret, key, self.master_file, signing = (
            self.dir / name for name in ("ledger.secret", "cluster.key", "master.key", "tokens.pem"))
        self.settings = {
            "ledger.topic": self.topic, "ledger.partitions": partitions, "ledger.replication_factor": kafka_nodes,
            "ledger.secret_file": secret, "cluster.key_file": key,
            "kafka.bootstrap.servers": self.kafka.endpoints(), "ledger.kind": ledger, "ledger.dir": self.ledger_dir,
            "galera.nodes": self.galera.endpoints(), "galera.password_file": self.galera.password_file,
            "limits.token_per_second": 0,  # A test is one person who asks faster than any: test_limits.py has limits.
        }
        self.settings |= ({"keys.master_files": self.master_file} if keys else {}) | ({"tokens.key_files": signing} if tokens else {})
        self.settings |= settings or {}
        write_whole(self.master_file, secrets.token_hex(32), mode=0o600)
        write_whole(secret, secrets.token_urlsafe(48), mode=0o600)
        write_whole(key, self.cluster_key, mode=0o600)
        write_whole(signing, Ed25519PrivateKey.generate().private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(), mode=0o600)

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        """Kafka, Galera, ledger and schema. No node runs yet."""
        if not os.access(BINARY, os.X_OK):
            raise ProcessError(f"{BINARY} is not built yet")
        with concurrent.futures.ThreadPoolExecutor(2) as both:
            servers = [self.galera] + ([self.kafka] if self.ledger == "kafka" else [])
            for started in [both.submit(server.start) for server in servers]:
                started.result()
        self.admin("ledger", "create")
        self.admin("migrate")

    def signing_key(self):
        """From now on nodes sign tokens of our own: people sign in with passwords."""
        path = self.dir / "tokens.pem"
        pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        write_whole(path, pem.decode(), mode=0o600)
        self.settings["tokens.key_files"] = path

    def stop(self):
        """Ends everything at once: whoever asks for this needs none of it any more."""
        for node in self.nodes:
            node.process.end(patience_seconds=0)
        with contextlib.suppress(FileNotFoundError):
            self.galera.stop(patience_seconds=0)
            self.kafka.stop(patience_seconds=0)

    def remove(self):
        shutil.rmtree(self.dir, ignore_errors=True)

    def node(self, settings=None):
        """A further node, not started."""
        node = Node(self, len(self.nodes) + 1, settings or {})
        self.nodes.append(node)
        return node

    def start_node(self, settings=None):
        node = self.node(settings)
        node.start()
        return node

    def tenant(self, node, name="Universität Graz"):
        return Tenant(node, name)

    def run(self, *words, check=True):
        """Runs `proctorwise WORDS` with this stack's settings. Returns the completed process."""
        config = self.dir / "proctorwise.conf"
        write_whole(config, "".join(f"{name} = {value}\n" for name, value in self.settings.items()))
        ran = subprocess.run([BINARY, *words, f"--config={config}"], cwd=self.dir, env=ENVIRONMENT, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120, check=False)
        if check and ran.returncode != 0:
            raise ProcessError(f"proctorwise {' '.join(words)} ended with {ran.returncode}:\n{ran.stdout}{ran.stderr}")
        return ran

    def read_ledger(self):
        """What the independent reader makes of each record: see reader/topic.py."""
        return read_ledger_in(self.ledger_dir) if self.ledger == "file" else read_ledger(self.kafka.endpoints(), self.topic)

    def admin(self, *words, check=True):
        return self.run("admin", *words, check=check)
