"""Whatever clients do, the others are served: too slow, too many, too large, too fast; and TLS, proxies and browsers.

One node on a ledger in files, without read models: what is tried here ends before anything is queried. docs/limits.md names every
limit; times are a second here, and a test waits for what happens at their end.
"""

import contextlib
import datetime
import http.client
import ipaddress
import re
import resource
import socket
import ssl
import unittest

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from integration.cluster.cluster import random_address
from integration.cluster.process import wait_until
from integration.harness import ROOT, Client, Stack, scratch, total
from integration.house_case import AnswerCase

IDLE_COUNT = 10_000
QUICK = {"http.head_seconds": 1, "http.body_seconds": 1, "http.send_seconds": 1}
WAIT_SECONDS = 60  # For what the node does after a second.
PAGE = "https://booking.example"


class LimitsHouse:
    """A stack without Galera and Kafka, and its node, started anew with whatever a class of tests needs."""

    def start(self):
        self.stack = Stack(scratch("limits"), random_address().rpartition(".")[0], ledger="file",
                           settings={"run": "commands", "galera.password_file": "", "limits.token_per_second": 100})
        unittest.addModuleCleanup(self.stack.remove)
        unittest.addModuleCleanup(self.end)
        self.stack.admin("ledger", "create")
        self.node = self.stack.start_node()
        self.tenant = self.stack.tenant(self.node)
        self.slot_id = self.tenant.slot(self.node, self.tenant.exam(self.node), capacity=1000)

    def end(self):
        for node in self.stack.nodes:
            node.process.end(patience_seconds=0)

    def serve(self, settings):
        self.node.terminate()
        self.node.configure(settings)
        self.node.start()


house = LimitsHouse()


def setUpModule():
    house.start()


def dial(buffer_bytes=None):
    host, _, port = house.node.api.rpartition(":")
    connection = socket.socket()
    if buffer_bytes is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
    connection.settimeout(WAIT_SECONDS)
    connection.connect((host, int(port)))
    return connection


def hear_all(connection):
    """What still comes until the end of a connection."""
    received = b""
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        while chunk := connection.recv(65536):
            received += chunk
    return received


def head(method, path, *lines):
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", *lines]).encode() + b"\r\n"


class PageTest(unittest.TestCase):
    def test_it_names_every_limit_and_its_default(self):
        page, table = ((ROOT / file).read_text() for file in ("docs/limits.md", "api/config.def"))
        settings = re.findall(r'^PW_CONFIG\(\w+, "((?:http|limits|passwords|tls)\.\w+)", \w+, "([^"]*)"', table, re.MULTILINE)
        self.assertGreater(len(settings), 15)
        for name, default in settings:
            if name not in ("http.listen", "http.threads"):
                default = default or "(none)"
                self.assertRegex(page, rf"(?m)^\| `{re.escape(name)}` \| {re.escape(default)}( \(no limit\))? \|")


class LimitsCase(AnswerCase):
    settings = {}

    @classmethod
    def setUpClass(cls):
        house.serve(cls.settings)

    def book(self, student=None):
        """A booking of somebody new goes through."""
        client = (student or house.tenant.student()).client(house.node)
        self.expect_yes(client.post(f"/slots/{house.slot_id}/reservations"), 201, 1, new="reservations")
        client.close()

    def counted(self, name, **labels):
        return total(house.node.metrics(), name, **labels)


class SlowTest(LimitsCase):
    settings = QUICK

    def timed_out(self, stage):
        return self.counted("pw_http_connections_timed_out_total", stage=stage)

    def test_half_requests(self):
        begun = {"head": head("GET", "/v1")[:-1], "headers": head("GET", "/v1", "X-A: b"),
                 "no body": head("POST", "/v1", "Content-Length: 5") + b"\r\n",
                 "half a body": head("POST", "/v1", "Content-Length: 5") + b"\r\n{",
                 "half a chunk": head("POST", "/v1", "Transfer-Encoding: chunked") + b"\r\n5\r\n{"}
        with contextlib.ExitStack() as stack:
            connections = {name: stack.enter_context(dial()) for name in begun}
            for name, connection in connections.items():
                connection.sendall(begun[name])
            for name, connection in connections.items():
                with self.subTest(name):
                    self.assertRegex(hear_all(connection), rb"^HTTP/1.1 408 ")
        self.book()

    def test_slow_loris(self):
        """A hundred that send a byte now and then lose their connections, and cost nobody anything meanwhile."""
        before = self.timed_out("head")
        with contextlib.ExitStack() as stack:
            loris = [stack.enter_context(dial()) for _ in range(100)]
            for connection in loris:
                connection.sendall(head("GET", "/v1", "X-A: b"))
            self.book()

            def all_ended():
                for connection in loris:
                    with contextlib.suppress(OSError):
                        connection.send(b"X")
                return self.timed_out("head") - before == len(loris)
            wait_until("every slow client ended", all_ended, WAIT_SECONDS, every=0.1)
        self.book()

    def test_a_client_that_never_reads(self):
        before = self.timed_out("send")
        asked = (head("GET", "/problems/slot-full") + b"\r\n") * 1000
        with dial(buffer_bytes=4096) as connection:
            connection.setblocking(False)

            def ended():
                with contextlib.suppress(OSError):
                    connection.send(asked)
                return self.timed_out("send") > before
            wait_until("a client that reads nothing ended", ended, WAIT_SECONDS, every=0.001)
        self.book()

    def test_half_open(self):
        """Who has said everything and closed its side still gets its answer, or an end; nothing is left open."""
        with dial() as connection:
            connection.sendall(head("GET", "/problems/slot-full", "Connection: close") + b"\r\n")
            connection.shutdown(socket.SHUT_WR)
            self.assertRegex(hear_all(connection), rb"^(HTTP/1.1 200 |$)")
        with dial() as connection:
            connection.sendall(head("POST", "/v1", "Content-Length: 5"))
            connection.shutdown(socket.SHUT_WR)
            hear_all(connection)
        self.book()

    def test_pipelined(self):
        count = 300
        with dial() as connection:
            connection.sendall((head("GET", "/v1/nothing") + b"\r\n") * count + head("GET", "/v1", "Connection: close") + b"\r\n")
            self.assertEqual(hear_all(connection).count(b"HTTP/1.1 404 "), count + 1)

    def test_chunked(self):
        """In chunks of a byte, as slowly as the network makes it: as good as any."""
        teacher = house.tenant.teacher
        body = b'{"title": "Chunks", "duration_minutes": 60, "lead_time_minutes": 0, "buffer_minutes": 0}'
        sent = head("POST", f"/v1/tenants/{house.tenant.id}/exams", f"Authorization: Bearer {teacher.token}",
                    "Content-Type: application/json", "Transfer-Encoding: chunked", "Connection: close") + b"\r\n"
        with dial() as connection:
            connection.sendall(sent)
            for byte in body:
                connection.sendall(b"1\r\n%c\r\n" % byte)
            connection.sendall(b"0\r\n\r\n")
            self.assertRegex(hear_all(connection), rb"^HTTP/1.1 201 ")


class SizeTest(LimitsCase):
    settings = {"http.body_bytes_max": 2000}

    def test_bodies(self):
        client = house.tenant.teacher.client(house.node)
        self.expect(client.post("/exams", b" " * 2000), 400, "malformed")
        answer = self.expect(client.post("/exams", b" " * 2001), 413, "content-too-large")
        self.assertIn("2000", answer.json["detail"])

    def test_heads(self):
        """What does not fit the memory of a head is told so by a status and the end of the connection."""
        for status, data in ((414, head("GET", "/" + "a" * 30_000)), (431, head("GET", "/v1", "X-A: " + "a" * 30_000)),
                             (431, head("GET", "/v1", *["X-A: b"] * 5000))):
            with self.subTest(data[:30]), dial() as connection:
                with contextlib.suppress(ConnectionResetError, BrokenPipeError):
                    connection.sendall(data + b"\r\n")
                self.assertRegex(hear_all(connection), rb"^HTTP/1.1 %d " % status)
        self.book()


class ManyTest(LimitsCase):
    def test_ten_thousand_idle_ones_are_held(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard < IDLE_COUNT + 500:
            self.fail(f"{hard} open files are too few for this test")
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        with contextlib.ExitStack() as stack:
            idle = [stack.enter_context(dial()) for _ in range(IDLE_COUNT)]
            wait_until("all are accepted", lambda: self.counted("pw_http_connections", door="public") >= IDLE_COUNT, WAIT_SECONDS)
            self.book()
            for connection in idle[:: IDLE_COUNT // 10]:  # They are not only held, but served.
                connection.sendall(head("GET", "/problems/slot-full") + b"\r\n")
                self.assertRegex(connection.recv(65536), rb"^HTTP/1.1 200 ")
            self.assertEqual(self.counted("pw_http_connections_refused_total"), 0)
        self.book()


class FewTest(LimitsCase):
    settings = {"http.connections_max": 4, "http.threads": 1}

    def test_more_than_there_may_be(self):
        with contextlib.ExitStack() as stack:
            held = [stack.enter_context(dial()) for _ in range(4)]
            wait_until("all are accepted", lambda: self.counted("pw_http_connections", door="public") == 4, WAIT_SECONDS)
            answer = self.expect(Client(house.node.api).get("/problems/slot-full"), 503, "too-many-connections")
            self.assertEqual((answer.headers["Connection"].lower(), answer.headers["Retry-After"]), ("close", "1"))
            self.assertGreater(self.counted("pw_http_connections_refused_total", limit="all"), 0)
            held.pop().close()
            wait_until("one is gone", lambda: self.counted("pw_http_connections", door="public") == 3, WAIT_SECONDS)
            self.book()


class FewOfOneTest(LimitsCase):
    settings = {"http.connections_per_address": 2}

    def test_more_than_an_address_may_have(self):
        with contextlib.ExitStack() as stack:
            held = [stack.enter_context(dial()) for _ in range(2)]
            wait_until("all are accepted", lambda: self.counted("pw_http_connections", door="public") == 2, WAIT_SECONDS)
            with dial() as connection:
                self.assertEqual(hear_all(connection), b"")
            held.pop().close()
            wait_until("one is gone", lambda: self.counted("pw_http_connections", door="public") == 1, WAIT_SECONDS)
            self.book()


class FastTest(LimitsCase):
    settings = {"limits.token_per_second": 1, "limits.token_burst": 5, "limits.address_per_second": 1,
                "limits.address_burst": 50, "http.trusted_proxies": "127.0.0.0/8"}

    def test_one_person(self):
        student = house.tenant.student()
        client = student.client(house.node)
        answers = [client.get("/calendar") for _ in range(20)]
        limited = [answer for answer in answers if answer.status == 429]
        self.assertEqual([answer.status for answer in answers[:5]], [503] * 5)  # There are no read models.
        self.assertGreater(len(limited), 5)
        for answer in limited:
            self.expect(answer, 429, "too-many-requests")
            self.assertEqual(answer.headers["Retry-After"], "1")
        self.assertEqual(self.counted("pw_requests_limited_total", limit="token"), len(limited))
        self.book()  # Others are not touched by it.

    def test_one_address_behind_a_proxy(self):
        def ask(forwarded_for):
            return Client(house.node.api).get("/problems/slot-full", headers={"X-Forwarded-For": forwarded_for}).status
        statuses = [ask(f"198.51.100.{i}, 203.0.113.1") for i in range(100)]  # What stands further left is the client's own.
        self.assertEqual(statuses[:50], [200] * 50)
        self.assertGreater(statuses.count(429), 20)
        self.assertEqual(ask("203.0.113.2"), 200)


class BrowserTest(LimitsCase):
    settings = {"http.cors_origins": f"{PAGE}, http://localhost:3000"}

    def test_preflight_and_answer(self):
        path = f"/v1/tenants/{house.tenant.id}/slots/{house.slot_id}/reservations"
        asked = {"Origin": PAGE, "Access-Control-Request-Method": "POST",
                 "Access-Control-Request-Headers": "authorization,idempotency-key"}
        answer = Client(house.node.api).call("OPTIONS", path, headers=asked)
        self.assertEqual((answer.status, answer.headers["Access-Control-Allow-Origin"]), (204, PAGE))
        self.assertIn("POST", answer.headers["Access-Control-Allow-Methods"])
        for name in ("Authorization", "Idempotency-Key"):
            self.assertIn(name, answer.headers["Access-Control-Allow-Headers"])
        answer = house.tenant.student().client(house.node).post(path.partition(house.tenant.id)[2], headers={"Origin": PAGE})
        self.expect_yes(answer, 201, 1, new="reservations")
        self.assertEqual((answer.headers["Access-Control-Allow-Origin"], answer.headers["Vary"]), (PAGE, "Origin"))
        for name in ("Pw-Position", "ETag", "Location", "Retry-After", "Idempotency-Key"):
            self.assertIn(name, answer.headers["Access-Control-Expose-Headers"])

    def test_a_page_that_is_not_listed(self):
        asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
        answer = Client(house.node.api).call("OPTIONS", f"/v1/tenants/{house.tenant.id}/slots", headers=asked)
        self.assertFalse([name for name in answer.headers if name.startswith("Access-Control")])


# --- TLS ------------------------------------------------------------------------------------------------------------------------


def certificate(subject, key, issuer, issuer_key, extension):
    now = datetime.datetime.now(datetime.timezone.utc)
    named = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in (subject, issuer)]
    return (x509.CertificateBuilder().subject_name(named[0]).issuer_name(named[1]).public_key(key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(hours=1)).add_extension(extension, critical=True)
            .sign(issuer_key, hashes.SHA256()))


class TlsClient(Client):
    """The same over TLS, for who trusts the test's authority."""

    def __init__(self, address, context, token=None, base=""):
        super().__init__(address, token, base)
        host, _, port = address.rpartition(":")
        self._connection = http.client.HTTPSConnection(host, int(port), timeout=WAIT_SECONDS, context=context)


class TlsTest(LimitsCase):
    @classmethod
    def setUpClass(cls):
        directory = house.stack.dir
        cls.ca_file, cert_file, key_file = (directory / name for name in ("ca.pem", "server.pem", "server.key"))
        ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        ca = certificate("Test CA", ca_key, "Test CA", ca_key, x509.BasicConstraints(ca=True, path_length=0))
        host = ipaddress.ip_address(house.node.api.rpartition(":")[0])
        server = certificate("proctorwise", key, "Test CA", ca_key, x509.SubjectAlternativeName([x509.IPAddress(host)]))
        cls.ca_file.write_bytes(ca.public_bytes(Encoding.PEM))
        cert_file.write_bytes(server.public_bytes(Encoding.PEM))
        key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        house.serve(QUICK | {"tls.cert_file": cert_file, "tls.key_file": key_file, "http.idle_seconds": 5})

    def context(self, **settings):
        context = ssl.create_default_context(cafile=str(self.ca_file))
        for name, value in settings.items():
            setattr(context, name, value)
        return context

    def test_a_booking(self):
        student = house.tenant.student()
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = self.context(minimum_version=version, maximum_version=version)
            client = TlsClient(house.node.api, context, student.token, f"/v1/tenants/{house.tenant.id}")
            answer = client.post(f"/slots/{house.slot_id}/reservations")
            self.expect(answer, 201 if version == ssl.TLSVersion.TLSv1_2 else 409,
                        None if version == ssl.TLSVersion.TLSv1_2 else "already-booked")
            for _ in range(100):  # The connection is kept.
                self.expect(client.get("/nothing"), 404, "not-found")
            client.close()

    def test_who_does_not_trust_the_authority(self):
        with self.assertRaises(ssl.SSLCertVerificationError):
            TlsClient(house.node.api, ssl.create_default_context()).get("/problems/slot-full")

    def test_a_wrong_pair_is_found_before_the_start(self):
        cert, key = (house.stack.dir / name for name in ("server.pem", "server.key"))
        other, cut, text = (house.stack.dir / name for name in ("other.key", "cut.pem", "text.pem"))
        locked, old = (house.stack.dir / name for name in ("locked.key", "old.pem"))
        fresh = ec.generate_private_key(ec.SECP256R1())
        other.write_bytes(fresh.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        locked.write_bytes(fresh.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"a word")))
        cut.write_bytes(cert.read_bytes()[:200])
        text.write_text("no PEM\n", encoding="ascii")
        old.write_bytes(cert.read_bytes() + cert.read_bytes()[:200])
        for cert_file, key_file, named in ((cert, other, "tls.key_file"), (cut, key, "tls.cert_file"), (text, key, "tls.cert_file"),
                                           (key, key, "tls.cert_file"), (cert, text, "tls.key_file"), (cert, cert, "tls.key_file"),
                                           (cert, locked, "tls.key_file"), (old, key, "tls.cert_file")):
            with self.subTest(cert=cert_file.name, key=key_file.name):
                ran = house.stack.run("serve", "--check", f"--tls.cert_file={cert_file}", f"--tls.key_file={key_file}", check=False)
                self.assertEqual((ran.returncode, ran.stdout), (2, ""), ran)
                self.assertRegex(ran.stderr, rf": {named}: \S")
        good = house.stack.run("serve", "--check", f"--tls.cert_file={cert}", f"--tls.key_file={key}")
        self.assertEqual(good.stdout, "good\n")

    def test_old_versions(self):
        context = self.context(minimum_version=ssl.TLSVersion.TLSv1, maximum_version=ssl.TLSVersion.TLSv1_1)
        context.set_ciphers("ALL:@SECLEVEL=0")
        with self.assertRaises((ssl.SSLError, OSError)):
            TlsClient(house.node.api, context).get("/problems/slot-full")

    def test_what_is_no_tls(self):
        for data in (head("GET", "/problems/slot-full") + b"\r\n", b"", b"\x16\x03\x01\x02\x00\x01", b"\0" * 5000):
            with self.subTest(data[:9]), dial() as connection:
                connection.sendall(data)
                self.assertNotIn(b"HTTP/1.1 200", hear_all(connection))

    def test_half_requests(self):
        begun = (head("GET", "/v1"), head("POST", "/v1", "Content-Length: 5") + b"\r\n{")
        for data in begun:
            with self.subTest(data), dial() as plain:
                with self.context().wrap_socket(plain, server_hostname=house.node.api.rpartition(":")[0]) as connection:
                    connection.sendall(data)
                    with contextlib.suppress(ssl.SSLError):
                        self.assertEqual(hear_all(connection), b"")
        client = TlsClient(house.node.api, self.context())
        self.assertEqual(client.get("/problems/slot-full").status, 200)
        client.close()


if __name__ == "__main__":
    unittest.main()
