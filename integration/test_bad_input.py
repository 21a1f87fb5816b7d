"""Whatever is sent, it gets the right problem, nothing breaks, and the ledger stays as it is.

Only what is turned away at the door is sent here: a refusal by a rule is a decision, and goes on record (test_booking)."""

import base64
import contextlib
import hashlib
import hmac
import json
import os
import re
import socket
import time
import unittest
import uuid
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from integration.harness import ROOT, Answer, Client, uuid7
from integration.house_case import AnswerCase, House

house = House()
DRAFT = {"title": "Analysis", "duration_minutes": 90, "lead_time_minutes": 60, "buffer_minutes": 15}


def setUpModule():
    house.start()
    house.slot_id = house.slot()
    house.used_key = uuid7()
    answer = house.as_teacher().command(f"/slots/{house.slot_id}/change-capacity", {"capacity": 31}, key=house.used_key)
    shown = house.as_admin().get("/slots", headers={"Pw-Min-Position": answer.position, "Prefer": "wait=10"})
    if (answer.status, shown.status) != (200, 200):
        raise AssertionError(f"{answer}, {shown}")
    house.pid, house.heads = house.node.process.pid(), heads()


def heads():
    report = json.loads(house.verify("--json").stdout)
    return report["good"], report["partitions"]


class DoorCase(AnswerCase):
    @classmethod
    def tearDownClass(cls):
        """The same process serves, found nothing worth an error, and has written nothing at all."""
        errors = [line for line in house.node.log_lines() if line.get("level") == "error"]
        if house.node.process.pid() != house.pid or house.node.readyz() != 200 or errors:
            raise AssertionError(f"the node has suffered: {errors}\n{house.node.process.log_tail()}")
        if heads() != house.heads:
            raise AssertionError(f"the ledger's heads were {house.heads}, and are {heads()}")


# --- Bodies ---------------------------------------------------------------------------------------------------------------------

NO_JSON = {
    "nothing but space": b"  \n ", "no object": b"[]", "a text": b'"text"', "a number": b"1", "null": b"null", "true": b"true",
    "no JSON": b"title=x", "single quotes": b"{'title': 'x'}", "comma": b'{"title": "x", }', "comment": b'{} // nothing',
    "twice": b'{"title": "x"}{}', "more": b'{"title": "x"} x', "bare name": b'{title: "x"}', "colon": b'{"title" "x"}',
    "closed twice": b"{}}", "never closed": b'{"title": ["x"}', "control": b'{"title": "a\nb"}', "tab": b'{"title": "a\tb"}',
    "byte order mark": b"\xef\xbb\xbf{}", "UTF-16": "{}".encode("utf-16"), "UTF-16LE": "{}".encode("utf-16-le"),
    "UTF-32": "{}".encode("utf-32"), "Latin-1": '{"title": "Übung"}'.encode("latin-1"), "stray": b'{"title": "\xff"}',
    "overlong 2": b'{"title": "\xc0\xaf"}', "overlong 3": b'{"title": "\xe0\x80\xaf"}',
    "overlong 4": b'{"title": "\xf0\x80\x80\xaf"}',
    "surrogate": b'{"title": "\xed\xa0\x80"}', "beyond Unicode": b'{"title": "\xf4\x90\x80\x80"}', "cut": b'{"title": "\xe2\x82"}',
    "cut at the end": b'{"title": "\xe2', "high surrogate": rb'{"title": "\ud800"}', "low surrogate": rb'{"title": "\udc00"}',
    "half a pair": rb'{"title": "\ud800\u0041"}', "wrong order": rb'{"title": "\udc00\ud800"}',
    "short escape": rb'{"title": "\u12"}',
    "no escape": rb'{"title": "\x41"}', "NUL": b"\0", "NUL in a text": b'{"title": "a\0b"}', "NUL in a name": b'{"ti\0tle": "x"}',
    "NUL in space": b'{"title":\0"x"}', "NUL at the end": b"{}\0", "U+0000 in a name": rb'{"ti\u0000tle": "x"}',
    "a name twice": b'{"title": "x", "title": "y"}', "twice, escaped": rb'{"title": "x", "\u0074itle": "x"}',
    "twice, inside": b'{"title": {"a": 1, "a": 2}}', "infinite": b'{"duration_minutes": 1e999}',
    "minus": b'{"duration_minutes": -1e999}',
    "400 digits": b'{"duration_minutes": 1%s}' % (b"0" * 400), "leading zero": b'{"duration_minutes": 090}',
    "plus": b'{"duration_minutes": +90}', "point": b'{"duration_minutes": .9}', "open point": b'{"duration_minutes": 90.}',
    "hex": b'{"duration_minutes": 0x5a}', "NaN": b'{"duration_minutes": NaN}', "Infinity": b'{"duration_minutes": Infinity}',
    "open exponent": b'{"duration_minutes": 9e}', "17 deep": b'{"a":' + b"[" * 16 + b"]" * 16 + b"}", "objects": b'{"a":' * 9000,
    "arrays": b"[" * 65536, "arrays, closed": b"[" * 30000 + b"]" * 30000, "deep after a text": b'{"a": "\\"", "b": ' + b"[" * 100,
    "deep in no text": b'{"a": "[", "b": ' + b"[" * 20,
}

INVALID = {  # A body for POST /exams, and what is wrong with it.
    "nothing": ({}, ["/title", "/duration_minutes"]),
    "everything": ({"title": 5, "duration_minutes": "90", "lead_time_minutes": -1, "buffer_minutes": 1.5, "owner_id": "x",
                    "a/b~c": 1},
                   ["/title", "/duration_minutes", "/lead_time_minutes", "/buffer_minutes", "/owner_id", "/a~1b~0c"]),
    "null": (dict.fromkeys(DRAFT), ["/title", "/duration_minutes", "/lead_time_minutes", "/buffer_minutes"]),
    "lists": ({name: [value] for name, value in DRAFT.items()}, [f"/{name}" for name in DRAFT]),
    "objects": ({name: {name: value} for name, value in DRAFT.items()}, [f"/{name}" for name in DRAFT]),
    "true": ({name: True for name in DRAFT}, [f"/{name}" for name in DRAFT]),
    "too small": (DRAFT | {"title": "", "duration_minutes": 0, "lead_time_minutes": -1, "buffer_minutes": -1},
                  [f"/{name}" for name in DRAFT]),
    "too large": ({"title": "x" * 201, "duration_minutes": 1441, "lead_time_minutes": 86401, "buffer_minutes": 1441},
                  [f"/{name}" for name in DRAFT]),
    "64 bits": (DRAFT | {"duration_minutes": 2**63 - 1, "lead_time_minutes": -(2**63)},
                ["/duration_minutes", "/lead_time_minutes"]),
    "more bits": (DRAFT | {"duration_minutes": 2**64 + 90, "lead_time_minutes": -(10**30), "buffer_minutes": 2**32 + 15},
                  ["/duration_minutes", "/lead_time_minutes", "/buffer_minutes"]),
    "real": (b'{"title": "x", "duration_minutes": 90.0, "lead_time_minutes": 6e1, "buffer_minutes": -0.0}',
             ["/duration_minutes", "/lead_time_minutes", "/buffer_minutes"]),
    "bytes, not letters": (DRAFT | {"title": "ä" * 101}, ["/title"]),
    "U+0000": (rb'{"title": "a\u0000b", "duration_minutes": 90}', ["/title"]),
    "U+0007": (DRAFT | {"title": "a\x07"}, ["/title"]), "U+007F": (DRAFT | {"title": "a\x7f"}, ["/title"]),
    "U+0085": (DRAFT | {"title": "a\x85"}, ["/title"]), "line": (DRAFT | {"title": "a\nb"}, ["/title"]),
    "unknown": (DRAFT | {"": 1, "Title": "x", "title ": "x", "tïtle": "x"}, ["/", "/Title", "/title ", "/tïtle"]),
    "from the path": (DRAFT | {"exam_id": str(uuid.uuid4())}, ["/exam_id"]),
    "the unknown may be huge": (DRAFT | {"x": 10**30}, ["/x"]),
    "a long name is cut": (DRAFT | {"ü" * 100: 1}, ["/" + "ü" * 32 + "..."]),
}

INVALID_SLOT = {
    "nothing": ({}, ["/exam_id", "/starts_at", "/capacity"]),
    "everything": ({"exam_id": "1", "starts_at": "now", "capacity": 65536, "x": 0}, ["/exam_id", "/starts_at", "/capacity", "/x"]),
    "nil": ({"exam_id": str(uuid.UUID(int=0)), "starts_at": 1900000000, "capacity": 0}, ["/exam_id", "/starts_at", "/capacity"]),
    "braces": ({"exam_id": "{01890a5d-ac96-774b-bcce-b302099a8057}", "starts_at": "2040-01-01", "capacity": "1"},
               ["/exam_id", "/starts_at", "/capacity"]),
}
TIMES = ("2040-01-01T00:00:00", "2040-01-01 00:00", "2040-13-01T00:00:00Z", "2040-02-30T00:00:00Z", "2040-01-01T24:00:00Z",
         "2040-01-01T00:60:00Z", "2040-01-01T00:00:60Z", "2040-01-01T00:00:00+24:00", "2040-01-01T00:00:00+0100",
         "9999-12-31T00:00:00Z",
         "10000-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "-2040-01-01T00:00:00Z", "2040-01-01T00:00:00.1234567Z",
         "2040-01-01T00:00:00,5Z",
         "2040-01-01T00:00:00z ", " 2040-01-01T00:00:00Z", "", "２０４０-01-01T00:00:00Z", "2040-01-01T00:00:00.Z",
         "2040-1-1T00:00:00Z")


class BodyTest(DoorCase):
    def setUp(self):
        super().setUp()
        self.teacher = house.as_teacher()

    def test_what_is_no_json(self):
        for name, body in NO_JSON.items():
            with self.subTest(name):
                answer = self.expect(self.teacher.post("/exams", body), 400, "malformed")
                self.assertNotIn("errors", answer.json)
                self.assertRegex(answer.json["detail"], r"^line \d+ column \d+: ")

    def test_every_truncation(self):
        body = json.dumps(DRAFT | {"title": "Übung \" \\ \u2028 \U0001F600"}, ensure_ascii=False).encode()
        for size in range(1, len(body)):
            with self.subTest(size):
                self.expect(self.teacher.post("/exams", body[:size]), 400, "malformed")

    def test_all_violations_at_once(self):
        for path, table in (("/exams", INVALID), ("/slots", INVALID_SLOT)):
            for name, (body, pointers) in table.items():
                with self.subTest(f"{path}: {name}"):
                    self.expect(self.teacher.post(path, body), 400, "invalid", pointers)

    def test_moments(self):
        for text in TIMES:
            with self.subTest(text):
                body = {"exam_id": str(uuid.uuid4()), "starts_at": text, "capacity": 1}
                self.expect(self.teacher.post("/slots", body), 400, "invalid", ["/starts_at"])

    def test_more_violations_than_are_listed(self):
        answer = self.expect(self.teacher.post("/exams", {f"field{i}": i for i in range(60)}), 400, "invalid")
        self.assertEqual(len(answer.json["errors"]), 32)
        self.assertIn("30 more", answer.json["detail"])

    def test_commands_without_fields_take_none(self):
        seat = uuid.uuid4()
        student = house.tenant.student().client(house.node)
        for client, path in ((self.teacher, f"/exams/{seat}/publish"), (student, f"/slots/{house.slot_id}/reservations"),
                             (student, f"/reservations/{seat}/cancel")):
            self.expect(client.post(path, {"student_id": str(seat), "x": None}), 400, "invalid", ["/student_id", "/x"])
            self.expect(client.post(path, b"null"), 400, "malformed")

    def test_no_text_of_the_client_comes_back(self):
        secret = "hunter2-" + uuid7()
        for body in ({"title": secret * 9, "duration_minutes": secret}, secret.encode(), b'{"title": "' + secret.encode()):
            self.assertNotIn(secret.encode(), self.teacher.post("/exams", body).body)
        self.assertNotIn(secret, house.node.process.log_file.read_text())

    def test_sizes(self):
        for size, status, problem in ((131_072, 400, "malformed"), (131_073, 413, "content-too-large"),
                                      (900_000, 413, "content-too-large")):
            with self.subTest(size):
                answer = self.expect(self.teacher.post("/exams", b" " * size), status, problem)
                if status == 413:
                    self.assertIn("131072", answer.json["detail"])
                chunks = [b" " * 7000] * (size // 7000) + [b" " * (size % 7000)]
                self.expect(self.chunked(chunks), status, problem)
        # What is larger than we care to swallow: our answer, if the client can still read it, or an end.
        with contextlib.suppress(OSError):
            self.expect(self.teacher.post("/exams", b" " * 20_000_000), 413, "content-too-large")

    def chunked(self, chunks):
        head = request("POST", house_path("/exams"), house.tenant.teacher.token, "Content-Type: application/json",
                       "Transfer-Encoding: chunked", "Connection: close")
        body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks if chunk)
        return answers_in(exchange(head + body + b"0\r\n\r\n"))[0]

    def test_a_used_key_with_another_body(self):
        path, key = f"/slots/{house.slot_id}/change-capacity", house.used_key
        for body in ({"capacity": 32}, {"capacity": 30}):
            self.expect(self.teacher.post(path, body, key=key), 422, "idempotency-key-reused")
        self.expect(self.teacher.post(path, {"capacity": "31"}, key=key), 400, "invalid", ["/capacity"])
        self.expect(self.teacher.post("/exams", DRAFT, key=key), 422, "idempotency-key-reused")


# --- Headers, paths, methods ------------------------------------------------------------------------------------------------------


class HeaderTest(DoorCase):
    def setUp(self):
        super().setUp()
        self.teacher = house.as_teacher()

    def test_representations(self):
        json_type = "application/json"
        for status, problem, headers in (
            (415, "unsupported-media-type", {"Content-Type": "text/plain"}),
            (415, "unsupported-media-type", {"Content-Type": ""}),
            (415, "unsupported-media-type", {"Content-Type": "application/x-www-form-urlencoded"}),
            (415, "unsupported-media-type", {"Content-Type": "application/json; charset=utf-16"}),
            (415, "unsupported-media-type", {"Content-Type": "application/jsonx"}),
            (415, "unsupported-media-type", {"Content-Type": "application/json, text/plain"}),
            (415, "unsupported-media-type", {"Content-Type": json_type, "Content-Encoding": "gzip"}),
            (415, "unsupported-media-type", {"Content-Type": json_type, "Content-Encoding": "identity, gzip"}),
            (406, "not-acceptable", {"Accept": "text/html"}), (406, "not-acceptable", {"Accept": "application/json;q=0"}),
            (406, "not-acceptable", {"Accept": "*/*, application/json; q=0.000"}), (406, "not-acceptable", {"Accept": "nonsense"}),
            (406, "not-acceptable", {"Accept": "image/*;q=1"}),
            (400, "malformed", {"Content-Type": 'Application/JSON; Charset="UTF-8"'}),
            (400, "malformed", {"Accept": "text/html, */*;q=0.1"}),
            (400, "malformed", {"Accept": "application/*"}), (400, "malformed", {"Accept": ""}),
            (400, "malformed", {"Content-Encoding": "identity"}),
        ):
            with self.subTest(headers):
                self.expect(self.teacher.post("/exams", b"{", headers=headers), status, problem)
        for accept in ("text/html", "application/json;q=0", "text/csv;q=0"):
            self.expect(self.teacher.get("/slots", headers={"Accept": accept}), 406, "not-acceptable")
        untyped = request("POST", house_path("/exams"), house.tenant.teacher.token, "Content-Length: 2",
                          "Connection: close") + b"{}"
        self.expect(answers_in(exchange(untyped))[0], 415, "unsupported-media-type")

    def test_headers_that_may_stand_once(self):
        token = f"Bearer {house.tenant.teacher.token}"
        for name, values in {"Idempotency-Key": [uuid7(), uuid7()], "Authorization": [token, token],
                             "Content-Type": ["application/json"] * 2,
                             "If-Match": ['"1"', '"2"']}.items():
            with self.subTest(name):
                usual = {"Authorization": token, "Content-Type": "application/json", "Content-Length": "2", "Connection": "close"}
                usual.pop(name, None)
                lines = [f"{key}: {value}" for key, value in usual.items()] + [f"{name}: {value}" for value in values]
                answer = answers_in(exchange(request("POST", house_path("/exams"), None, *lines) + b"{}"))[0]
                self.expect(answer, 400, "malformed")

    def test_header_values(self):
        for name, value, problem in (("If-Match", "1", "malformed"), ("If-Match", '"', "malformed"),
                                     ("If-Match", "\xff", "malformed"),
                                     ("Idempotency-Key", "\xff" * 36, "idempotency-key-invalid"),
                                     ("Idempotency-Key", "x" * 9000, "idempotency-key-invalid")):
            with self.subTest(f"{name}: {value[:40]}"):
                self.expect(self.teacher.post("/exams", DRAFT, headers={name: value}), 400, problem)

    def test_traces(self):
        trace = "4bf92f3577b34da6a3ce929d0e0e4736"
        for parent, kept in ((f"00-{trace}-00f067aa0ba902b7-01", True), (f"00-{trace}-00f067aa0ba902b7", False),
                             ("00-" + "0" * 32 + "-1-01", False),
                             (trace, False), ("", False), ("00-" + "0" * 32 + "-00f067aa0ba902b7-01", False), ("x" * 5000, False)):
            with self.subTest(parent[:60]):
                answer = self.expect(self.teacher.post("/exams", b"{", headers={"traceparent": parent}), 400, "malformed")
                self.assertEqual(answer.json["instance"] == trace, kept)


class AddressTest(DoorCase):
    def test_paths(self):
        teacher, nobody, slot = house.as_teacher(), uuid.uuid4(), house.slot_id
        for status, problem, path in (
            (400, "malformed", "/exams/%00/publish"), (400, "malformed", f"/exams/{nobody}%00/publish"),
            (400, "malformed", "/exams/%zz/publish"),
            (400, "malformed", "/exams/%/publish"), (400, "malformed", "/exams/%f"), (400, "malformed", "/exams/%ff/publish"),
            (400, "malformed", "/exams/%c0%af/publish"), (400, "malformed", "/exams/%ed%a0%80/publish"),
            (404, "not-found", "/exams/%2F/publish"),
            (404, "not-found", f"/exams%2F{nobody}%2Fpublish"), (404, "not-found", "//exams"), (404, "not-found", "/exams/"),
            (404, "not-found", "/exams//publish"),
            (404, "not-found", "/EXAMS"), (404, "not-found", "/exams/../exams"), (404, "not-found", "/./exams"),
            (404, "not-found", "/exams;a=b"),
            (404, "not-found", "/exams/1/publish"), (404, "not-found", f"/exams/{{{nobody}}}/publish"),
            (404, "not-found", f"/exams/{nobody}x/publish"),
            (404, "not-found", f"/exams/{uuid.UUID(int=0)}/publish"), (404, "not-found", "/" + "x" * 8000),
            (404, "not-found", "/x" * 2000),
            (404, "not-found", "/%F0%9F%98%80"), (404, "not-found", ""), (404, "not-found", "/"),
            (404, "not-found", f"/slots/{slot}/"),
            (404, "not-found", f"/slots/{slot}/reservations/x"), (404, "not-found", f"/exams/{nobody}/publish/%00%"[:-4]),
        ):
            with self.subTest(path[:80]):
                self.expect(teacher.post(path, {}), status, problem)

    def test_query_parameters_of_commands(self):
        teacher = house.as_teacher()
        for query, pointers in (("x=1", ["/x"]), ("dry_run", ["/dry_run"]), ("a=1&b=2&a=3", ["/a", "/a", "/b"]),
                                ("a%2Fb~=1", ["/a~1b~0"]),
                                ("t%C3%AFtle=x", ["/tïtle"])):
            with self.subTest(query):
                self.expect(teacher.post(f"/exams?{query}", DRAFT), 400, "invalid", pointers)
        # Both the address and the body are named.
        self.expect(teacher.post("/exams?x=1", {"title": 1, "duration_minutes": 5}), 400, "invalid", ["/x", "/title"])
        for query in ("%zz=1", "a=%00", "a=%ff", "&".join(f"a{i}=1" for i in range(17))):
            with self.subTest(query[:40]):
                self.expect(teacher.post(f"/exams?{query}", DRAFT), 400, "malformed")

    def test_tenants_in_the_path(self):
        for tenant in ("1", str(uuid.UUID(int=0)), str(uuid.uuid4()), house.tenant.id[:-1], "%20", "*"):
            client = Client(house.node.api, house.tenant.admin.token)
            self.expect(client.get(f"/v1/tenants/{tenant}/slots"), 404, "not-found")
        for path in ("/", "/v1", "/v1/tenants", "/v2/tenants/x/slots", f"/v1/tenants/{house.tenant.id}", "/index.html", "/.env",
                     "/favicon.ico"):
            self.expect(Client(house.node.api).get(path), 404, "not-found")

    def test_methods(self):
        post = ("/exams", "/slots", f"/exams/{uuid.uuid4()}/publish", f"/slots/{house.slot_id}/reservations")
        both = {"/exams", "/slots"}
        for path in post:
            allow = "GET, HEAD, POST, OPTIONS" if path in both else "POST, OPTIONS"
            for method in ("PUT", "DELETE", "PATCH", "TRACE", "FOO", "post", *(() if path in both else ("GET", "HEAD"))):
                with self.subTest(f"{method} {path}"):
                    answer = Client(house.node.api, base=house_path("")).call(method, path)
                    self.assertEqual((answer.status, answer.headers["Allow"]), (405, allow))
                    if method != "HEAD":
                        self.expect(answer, 405, "method-not-allowed")
            answer = Client(house.node.api, base=house_path("")).call("OPTIONS", path)
            self.assertEqual((answer.status, answer.headers["Allow"], answer.body), (204, allow, b""))
        for path in ("/calendar", f"/reservations/{uuid.uuid4()}"):
            answer = house.as_admin().post(path, {})
            self.assertEqual(self.expect(answer, 405, "method-not-allowed").headers["Allow"], "GET, HEAD, OPTIONS")

    def test_every_problem_has_its_page(self):
        names = re.findall(r'^PW_ERROR\(\w+, \w+, \w+, "([a-z-]+)"', (ROOT / "schemas/errors.def").read_text(), re.MULTILINE)
        self.assertGreater(len(names), 40)
        client = Client(house.node.api)
        for name in names:
            answer = client.get(f"/problems/{name}")
            self.assertEqual((answer.status, answer.headers["Content-Type"]), (200, "text/html; charset=utf-8"), name)
            self.assertIn(name.encode(), answer.body)
        for name in ("nothing", "slot-full%00", "%3Cscript%3E", "slot-full/"):
            self.assertIn(client.get(f"/problems/{name}").status, (400, 404))


# --- Tokens -----------------------------------------------------------------------------------------------------------------------


def base64url(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def part(value):
    return base64url(value if isinstance(value, bytes) else json.dumps(value).encode())


class TokenTest(DoorCase):
    def setUp(self):
        super().setUp()
        self.key = house.tenant._key  # The issuer's: what it signs is as good as any token, but for what is said in it.
        self.actor = str(uuid.uuid4())
        now = int(time.time())
        self.claims = {"iss": house.tenant.issuer, "sub": self.actor, "tenant": house.tenant.id, "roles": ["teacher", "student"],
                       "iat": now, "exp": now + 600}

    def token(self, claims=None, header=None, key=None):
        claims = self.claims if claims is None else claims
        signed = f"{part({'alg': 'EdDSA'} if header is None else header)}.{part(claims)}"
        return f"{signed}.{base64url((key or self.key).sign(signed.encode()))}"

    def expect_no_entry(self, token, scheme="Bearer "):
        headers = {} if token is None else {"Authorization": scheme + token}
        for answer in (Client(house.node.api, base=house_path("")).get("/slots", headers=headers),
                       Client(house.node.api, base=house_path("")).post("/exams", DRAFT, headers=headers)):
            self.expect(answer, 401, "unauthenticated")
            self.assertEqual('error="invalid_token"' in answer.headers["WWW-Authenticate"],
                             token is not None and scheme == "Bearer " and token != "")

    def test_what_is_good(self):
        now = time.time()
        for name, token in {
            "plain": self.token(), "kid": self.token(header={"alg": "EdDSA", "kid": "../../etc/passwd", "typ": "x"}),
            "fraction": self.token(self.claims | {"exp": now + 600.5}), "early": self.token(self.claims | {"nbf": now + 20}),
            "more claims": self.token(self.claims | {"email": "a@b.c", "nested": {"a": [1, None]}}),
            "upper case": self.token(self.claims | {"sub": self.actor.upper(), "tenant": house.tenant.id.upper()}),
        }.items():
            with self.subTest(name):
                self.expect(house.client(token).get("/slots"), 200)
        for scheme in ("bearer ", "BEARER ", "Bearer   "):
            self.expect(Client(house.node.api, base=house_path("")).get("/slots", headers={"Authorization": scheme + self.token()}),
                        200)

    def test_what_is_no_token(self):
        good = self.token()
        head, claims, signature = good.split(".")
        self.expect_no_entry(None)
        for scheme, text in (("Basic ", "dTpw"), ("Bearer", ""), ("Bearer ", ""), ("", good), ("Token ", good), ("Bearer", good),
                             ("Digest ", good)):
            with self.subTest(scheme=scheme, text=text[:20]):
                headers = {"Authorization": scheme + text}
                self.expect(Client(house.node.api, base=house_path("")).get("/slots", headers=headers), 401, "unauthenticated")
        garbage = ("x", ".", "..", "...", "a.b.c", f"{head}.{claims}", f"{head}.{claims}.", f".{claims}.{signature}",
                   f"{head}..{signature}",
                   f"{good}.", f"{good}.x", f"{good}=", f"{good}=="[:-1], f"{head}=.{claims}.{signature}",
                   f"{head}.{claims} .{signature}",
                   f"{head}.{claims}.{signature[:-1]}", f"{head}.{claims}.{signature}AAAA", f"{head}.{claims}!.{signature}",
                   good[1:], "é" * 50,
                   f"{part(b'[]')}.{claims}.{signature}", f"{part(b'{')}.{claims}.{signature}", "A" * 8193,
                   f"{head}.{'A' * 7000}.{signature}",
                   f"{head}.{part(b'[' * 4000)}.{signature}", '"' + good + '"', good + "\\", "\x7f", "%00" * 9, f"{good},{good}")
        for token in garbage:
            with self.subTest(token[:60]):
                self.expect_no_entry(token.encode().decode("latin-1"))
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        last = alphabet.index(signature[-1])  # Of its six bits four are the signature's: others must be 0.
        for spelled in (alphabet[last | 1], alphabet[last | 15]):
            self.expect_no_entry(f"{head}.{claims}.{signature[:-1]}{spelled}")

    def test_forged(self):
        head, claims, signature = self.token().split(".")
        other = self.token(self.claims | {"roles": ["admin"]}).split(".")
        flipped = bytearray(base64.urlsafe_b64decode(signature + "=="))
        flipped[0] ^= 1
        for name, token in {
            "another key": self.token(key=Ed25519PrivateKey.generate()), "a bit": f"{head}.{claims}.{base64url(bytes(flipped))}",
            "another's signature": f"{head}.{other[1]}.{signature}", "zeros": f"{head}.{claims}.{base64url(bytes(64))}",
            "another header": f"{part({'typ': 'JWT', 'alg': 'EdDSA'})}.{claims}.{signature}",
            "another issuer": self.token(self.claims | {"iss": "https://evil.example"}),
        }.items():
            with self.subTest(name):
                self.expect_no_entry(token)

    def test_algorithms(self):
        claims = part(self.claims)
        public_key = self.key.public_key().public_bytes_raw() if hasattr(self.key.public_key(), "public_bytes_raw") else b"k" * 32
        for algorithm in ("none", "None", "NONE", "nOnE", "HS256", "HS512", "RS256", "ES256", "eddsa", "EDDSA", "Ed25519", "",
                          "EdDSA ", "EdDSA\0", None, 1, ["EdDSA"]):
            header = part({"alg": algorithm, "typ": "JWT"})
            signed = f"{header}.{claims}"
            mac = base64url(hmac.new(public_key, signed.encode(), hashlib.sha256).digest())
            for signature in ("", mac, base64url(self.key.sign(signed.encode()))):
                with self.subTest(algorithm=algorithm, signature=signature[:9]):
                    self.expect_no_entry(f"{signed}.{signature}")
        for header in ({}, {"typ": "JWT"}, {"alg": "EdDSA", "crit": ["exp"]}, b'{"alg": "none", "alg": "EdDSA"}',
                       b'{"alg": "EdDSA"', b"null", b"",
                       b'{"alg": "EdDSA", "x": 1e999}'):
            with self.subTest(header=header):
                self.expect_no_entry(self.token(header=header))

    def test_claims(self):
        now, nil = int(time.time()), str(uuid.UUID(int=0))
        changes = [{"exp": now - 1}, {"exp": 0}, {"exp": -1}, {"exp": str(now + 600)}, {"exp": None}, {"exp": 1e300},
                   {"exp": 10**17}, {"exp": True},
                   {"nbf": now + 300}, {"nbf": "x"}, {"nbf": None}, {"iat": "x"}, {"iat": []}, {"iss": ""}, {"iss": None},
                   {"iss": 1}, {"iss": "x" * 300},
                   {"iss": house.tenant.issuer + "\0"}, {"iss": house.tenant.issuer + "/"}, {"iss": house.tenant.issuer.upper()},
                   {"sub": ""}, {"sub": "ann"}, {"sub": 1}, {"sub": None}, {"sub": nil}, {"sub": [self.actor]},
                   {"sub": self.actor + " "},
                   {"sub": "70770000-0000-8000-8000-000000000001"}, {"sub": "70770000-0000-8000-0000-00000000abcd"},
                   {"tenant": "x"}, {"tenant": None}, {"tenant": nil}, {"tenant": 1}, {"tenant": [house.tenant.id]},
                   {"aud": "proctorwise"}, {"aud": ["a", "b"]}, {"aud": []}, {"aud": 1}, {"aud": None}]
        changes += [{"roles": roles} for roles in ([], None, "student", "teacher student", ["system"], ["operator"],
                                                   ["student", "operator"], ["admin", "system"],
                                                   ["god"], [""], [1], [["student"]], {"0": "student"}, ["Student"], ["student\0"],
                                                   ["student", None])]
        for change in changes:
            with self.subTest(change):
                self.expect_no_entry(self.token(self.claims | change))
        for missing in self.claims.keys() - {"iat"}:
            with self.subTest(missing=missing):
                self.expect_no_entry(self.token({name: value for name, value in self.claims.items() if name != missing}))
        for claims in (b"", b"[]", b"null", b'"x"', b"{", json.dumps(self.claims).encode()[:-1] + b', "sub": "x"}', b"\xff",
                       json.dumps(self.claims).encode("utf-16")):
            with self.subTest(claims=claims[:20]):
                self.expect_no_entry(self.token(claims))

    def test_it_expires_while_it_is_in_use(self):
        self.claims["exp"] = time.time() + 1.5
        client, end = house.client(self.token()), time.monotonic() + 30
        answers = [client.get("/slots")]
        while answers[-1].status == 200 and time.monotonic() < end:
            answers.append(client.get("/slots"))
        self.expect(answers[0], 200)
        self.expect(answers[-1], 401, "unauthenticated")

    def test_other_tenants(self):
        ours = house.tenant
        other = Client(house.node.api, self.token(self.claims | {"tenant": str(uuid.uuid4())}), house_path(""))
        self.expect(other.get("/slots"), 401, "unauthenticated")  # Nobody trusts that issuer there, for there is nobody.
        self.expect(house.client(self.token(self.claims | {"roles": ["auditor"]})).get("/slots"), 403, "forbidden")
        elsewhere = Client(house.node.api, self.token(), f"/v1/tenants/{uuid.uuid4()}")
        self.expect(elsewhere.get("/slots"), 404, "not-found")
        self.assertEqual(ours.issuer, self.claims["iss"])


class InternalTest(DoorCase):
    def test_it_is_not_on_the_public_listener(self):
        for token in (None, house.stack.cluster_key, house.tenant.admin.token):
            client = Client(house.node.api, token)
            for path in ("/internal/tenants", f"/internal/tenants/{house.tenant.id}/issuers", "/internal/leads", "/metrics",
                         "/healthz", "/readyz"):
                self.expect(client.get(path), 404, "not-found")
                self.expect(client.post(path, {}), 404, "not-found")

    def test_it_asks_for_the_cluster_key(self):
        tenant = {"name": "x", "time_zone": "Europe/Vienna", "language": "de"}
        key = house.stack.cluster_key
        for token in (None, "x", key[:-1], key + "x", key.swapcase(), house.tenant.admin.token,
                      house.tenant.token(str(uuid.uuid4()), ["operator"])):
            client = Client(house.node.admin, token, "/internal")
            self.expect(client.post("/tenants", tenant), 401, "unauthenticated")
            self.expect(client.post(f"/tenants/{house.tenant.id}/issuers", {}), 401, "unauthenticated")
            self.expect(client.get("/leads"), 401, "unauthenticated")
        self.assertEqual(Client(house.node.admin, key, "/internal").get("/leads").status, 200)
        self.expect(Client(house.node.admin, key).get(f"/v1/tenants/{house.tenant.id}/slots"), 404, "not-found")

    def test_bodies(self):
        internal = house.node.internal()
        for body, pointers in (({}, ["/name", "/time_zone", "/language"]), ({"name": "", "time_zone": "Mars/", "language": "1e",
                                                                             "tenant_id": "x"},
                                                                           ["/name", "/time_zone", "/language", "/tenant_id"]),
                               ({"name": "x" * 201, "time_zone": "x" * 65, "language": "de_AT"},
                                ["/name", "/time_zone", "/language"])):
            self.expect(internal.post("/tenants", body), 400, "invalid", pointers)
        path = f"/tenants/{house.tenant.id}/issuers"
        for key in ("x" * 42, "x" * 44, "", "é" * 43, "A" * 42 + "B", 1):  # B as the last letter has bits too many.
            self.expect(internal.post(path, {"issuer": "", "public_key": key}), 400, "invalid", ["/issuer", "/public_key"])
        self.expect(internal.post("/tenants/x/issuers", {}), 404, "not-found")


# --- Raw bytes -------------------------------------------------------------------------------------------------------------------


def house_path(path):
    return f"/v1/tenants/{house.tenant.id}{path}"


def request(method, path, token, *lines):
    head = [f"{method} {path} HTTP/1.1", "Host: x", *([f"Authorization: Bearer {token}"] if token else []), *lines]
    return "\r\n".join(head).encode("latin-1") + b"\r\n\r\n"


def exchange(data, seconds=20, enough=None):
    """Sends bytes, and returns what comes back until the server closes, or until it matches `enough`."""
    host, _, port = house.node.api.rpartition(":")
    received = b""
    with socket.create_connection((host, int(port)), timeout=seconds) as connection:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(data)
        with contextlib.suppress(ConnectionResetError):
            while not (enough and re.search(enough, received)) and (chunk := connection.recv(65536)):
                received += chunk
    return received


def answers_in(data):
    """The answers that stand in what was received."""
    found = []
    while data:
        head, _, rest = data.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(": ")
            headers[name] = value
        length = int(headers.get("Content-Length", 0))
        found.append(Answer(int(lines[0].split()[1]), headers, rest[:length]))
        data = rest[length:]
    return found


def processor_seconds():
    """What the node has used of processors."""
    fields = Path(f"/proc/{house.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class RawTest(DoorCase):
    def test_junk(self):
        """Each gets one of the 4xx, or an end, or nothing at all while more may come: but never a good answer."""
        token = house.tenant.teacher.token
        body = json.dumps(DRAFT).encode()  # Each of these would be a good command, if only it were HTTP.
        post = [house_path("/exams"), token, "Content-Type: application/json"]

        def posted(*lines):
            return request("POST", *post, *lines)

        for name, data in {
            "nothing": b"", "lines": b"\r\n" * 9, "a word": b"GARBAGE\r\n\r\n", "no version": b"GET /\r\n\r\n",
            "no target": b"GET\r\n\r\n",
            "a version": b"GET / HTTP/9.9\r\nHost: x\r\n\r\n", "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            "TLS": bytes.fromhex("160301020001") + b"\0" * 200,
            "NULs": b"\0" * 5000, "bytes": bytes(range(256)) * 40, "no end": b"GET /" + b"a" * 100_000,
            "no host": b"GET / HTTP/1.1\r\n\r\n",
            "a long header": request("GET", "/", None, "X: " + "a" * 40_000), "many headers": request("GET", "/", None,
                                                                                                      *["X: a"] * 5000),
            "a long target": request("GET", "/" + "a" * 40_000, None), "no colon": request("GET", "/v1", None, "nonsense",
                                                                                           "Connection: close"),
            "space before the colon": request("GET", "/v1", None, "Foo : x", "Connection: close"),
            "NUL in a header": request("GET", house_path("/slots"), token, "Accept: a\0b", "Connection: close"),
            "no length, no number": posted("Content-Length: abc") + body, "a negative length": posted("Content-Length: -1") + body,
            "a huge length": posted("Content-Length: 1" + "0" * 30) + body,
            "a signed length": posted(f"Content-Length: +{len(body)}") + body[:-1],
            "a length too long": posted(f"Content-Length: {len(body) + 1}") + body,
            "a length too long for all": posted("Content-Length: 18446744073709551615") + body,
            "cut": posted(f"Content-Length: {len(body)}") + body[:-1],
            "cut in the headers": posted(f"Content-Length: {len(body)}")[:-3],
            "a chunk's size": posted("Transfer-Encoding: chunked") + b"zz\r\n" + body + b"\r\n0\r\n\r\n",
            "a negative chunk": posted("Transfer-Encoding: chunked") + b"-5\r\n" + body + b"\r\n0\r\n\r\n",
            "a huge chunk": posted("Transfer-Encoding: chunked") + b"f" * 40 + b"\r\n" + body + b"\r\n0\r\n\r\n",
            "a chunk too short": posted("Transfer-Encoding: chunked") + b"5\r\n" + body + b"\r\n0\r\n\r\n",
            "no last chunk": posted("Transfer-Encoding: chunked") + b"%x\r\n%s\r\n" % (len(body), body),
            "no end after the last chunk": posted("Transfer-Encoding: chunked") + b"%x\r\n%s\r\n0\r\n" % (len(body), body),
        }.items():
            with self.subTest(name):
                received = b""
                with contextlib.suppress(TimeoutError):
                    received = exchange(data, seconds=0.2, enough=rb"^HTTP/1.1 ")
                self.assertNotRegex(received, rb"^HTTP/1.1 [123]")
        self.expect(house.as_admin().get("/slots"), 200)

    def test_junk_after_a_request(self):
        data = request("GET", house_path("/slots"), house.tenant.admin.token) + b"\0\xff nonsense\r\n\r\n"
        self.assertRegex(exchange(data, enough=rb"^HTTP/1.1 "), rb"^HTTP/1.1 200 ")

    def test_two_lengths(self):
        """What a proxy may have read otherwise is refused, and what follows is not taken for a request."""
        for lines in (["Content-Length: 4", "Transfer-Encoding: chunked"], ["Transfer-Encoding: chunked", "Content-Length: 0"],
                      ["Content-Length: 5", "Content-Length: 5"], ["Content-Length: 5", "Content-Length: 0"]):
            with self.subTest(lines):
                posted = request("POST", house_path("/exams"), house.tenant.teacher.token, "Content-Type: application/json", *lines)
                data = posted + b"0\r\n\r\n" + request("GET", house_path("/slots"), house.tenant.admin.token)
                answers = answers_in(exchange(data))
                self.expect(answers[0], 400, "malformed")
                self.assertEqual(answers[0].headers["Connection"], "close")
                self.assertEqual(len(answers), 1)

    def test_a_chunk_header_that_never_ends_costs_little(self):
        posted = request("POST", house_path("/exams"), None, "Transfer-Encoding: chunked") + b"5;" + b"x" * 60_000
        host, _, port = house.node.api.rpartition(":")
        with contextlib.ExitStack() as stack:
            for _ in range(10):
                connection = stack.enter_context(socket.create_connection((host, int(port)), timeout=20))
                connection.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    connection.send(posted)
            self.expect(house.as_admin().get("/slots"), 200)
            before, began = processor_seconds(), time.monotonic()
            while time.monotonic() < began + 1:
                self.expect(house.as_admin().get("/slots"), 200)
                time.sleep(0.05)
            self.assertLess(processor_seconds() - before, 0.5 * (time.monotonic() - began))

    def test_a_request_in_single_bytes(self):
        data = request("POST", house_path("/exams"), house.tenant.teacher.token, "Content-Type: application/json",
                       "Content-Length: 2",
                       "Connection: close") + b"{}"
        host, _, port = house.node.api.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=20) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in data:
                connection.sendall(bytes([byte]))
            received = b""
            while chunk := connection.recv(65536):
                received += chunk
        self.expect(answers_in(received)[0], 400, "invalid", ["/title", "/duration_minutes"])

    def test_pipelining(self):
        token = house.tenant.teacher.token
        get = [request("GET", house_path(path), token) for path in ("/slots", "/nothing", "/exams")]
        bad = request("POST", house_path("/exams"), token, "Content-Type: application/json", "Content-Length: 1") + b"{"
        last = request("GET", house_path("/slots"), None, "Connection: close")
        answers = answers_in(exchange(b"".join(get) + bad * 3 + last))
        self.assertEqual([answer.status for answer in answers], [200, 404, 200, 400, 400, 400, 401])

    def test_open_connections_that_never_say_enough(self):
        host, _, port = house.node.api.rpartition(":")
        posted = request("POST", house_path("/exams"), house.tenant.teacher.token, "Content-Type: application/json",
                         "Content-Length: 500")
        with contextlib.ExitStack() as stack:
            for data in [b"", b"G", b"GET / HTTP/1.1\r\nHost", posted[:-2], posted, posted + b'{"title"'] * 40:
                stack.enter_context(socket.create_connection((host, int(port)), timeout=20)).sendall(data)
            for _ in range(5):
                self.expect(house.as_admin().get("/slots"), 200)
                self.expect(house.as_teacher().post("/exams", b"{"), 400, "malformed")

    def test_http_as_it_may_be(self):
        token = house.tenant.admin.token
        old = f"GET {house_path('/slots')} HTTP/1.0\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
        self.expect(answers_in(exchange(old))[0], 200)
        for accept, status in (("text/csv", 406), ("text/csv, application/json;q=0.1", 200)):  # It would know no cut-off list from a whole one.
            answer = answers_in(exchange(old.replace(b"\r\n\r\n", f"\r\nAccept: {accept}\r\n\r\n".encode())))[0]
            self.assertEqual((answer.status, "text/csv" in answer.headers["Content-Type"]), (status, False))
        absolute = request("GET", "http://api.example.test" + house_path("/slots"), token, "Connection: close")
        self.expect(answers_in(exchange(absolute))[0], 200)
        expected = request("POST", house_path("/exams"), house.tenant.teacher.token, "Content-Type: application/json",
                           "Content-Length: 1",
                           "Expect: 100-continue", "Connection: close") + b"{"
        self.expect(answers_in(exchange(expected))[-1], 400, "malformed")
        for target in ("*", "nonsense", "http://", "http://x", "//", "/", "?", "/?x=%zz", "ftp://x/y"):
            with self.subTest(target):
                answers = answers_in(exchange(request("GET", target, None, "Connection: close")))
                self.assertIn(answers[0].status, (400, 404))


if __name__ == "__main__":
    unittest.main()
