"""The auditor by HTTP: two tenants in one partition, of which each is shown its own. The chain holds from outside, what was tampered with is
found, nothing of the other tenant is told, and what is told is what the command line prints."""

import base64
import hashlib
import json
import random
import subprocess
import sys
import unittest
import uuid

import msgpack
from confluent_kafka import Producer

from integration.busy import busy_exam, busy_people
from integration.cluster.process import wait_until
from integration.harness import ROOT, Actor, Client, total
from integration.house_case import AnswerCase, House
from integration.people import keep_accounts
from integration.reader.decisions import decisions_as_dicts
from integration.reader.ledger import ANSWERS, GENESIS, LEADER, record_hash, uuid_text
from integration.reader.outside import OutsideReader, Tampered
from integration.reader.states import States, at

READER = ROOT / "integration/reader/ledger_reader.py"
PATHS = ("/audit/records", "/audit/events?answers=true", "/audit/state", "/audit/state?time=9999-12-31T23:59:59Z")
house = House()


def setUpModule():
    house.start(settings={"passwords.memory_kib": 7168, "passwords.passes": 1, "limits.login_per_minute": 0}, keys=True, tokens=True)
    house.neighbour = neighbour()
    keep_accounts(house.node, house.tenant)
    keep_accounts(house.node, house.neighbour)
    house.exam_of = {}
    for tenant in (house.tenant, house.neighbour, house.tenant):
        home = Home(tenant)
        house.exam_of[tenant.id] = busy_exam(home)
        busy_people(home, house.exam_of[tenant.id])


class Home(House):
    """The same house, as one of its tenants."""

    def __init__(self, tenant):
        self.stack, self.node, self.tenant = house.stack, house.node, tenant


def neighbour():
    """A tenant that lies in the same partition."""
    for _ in range(100):
        tenant = house.stack.tenant(house.node, "Pädagogische Hochschule Linz")
        if tenant.partition == house.tenant.partition:
            return tenant
    raise AssertionError("100 tenants, and none in the partition")


def auditor(tenant=None):
    return Actor(tenant or house.tenant, "auditor").client(house.node)


def lines_of(answer):
    return answer.body.splitlines(keepends=True)


def flipped(text):
    """The same with one character changed, of the middle: those at the end of base64url may stand for nothing."""
    at = len(text) // 2
    return text[:at] + ("a" if text[at] != "a" else "b") + text[at + 1:]


def replaced(lines, at, line):
    return [*lines[:at], json.dumps(line).encode() + b"\n", *lines[at + 1:]]


def rehashed(line):
    """The line with a hash that fits what it shows."""
    digest = hashlib.sha256(base64.urlsafe_b64decode(line["body"] + "==")).digest()
    return {**line, "hash": hashlib.sha256(b"PWL\x01" + bytes.fromhex(line["prev"]) + digest).hexdigest()}


def hidden(line):
    """The line with the hash of its body in the body's place, as if it were another's: the chain holds as before."""
    digest = hashlib.sha256(base64.urlsafe_b64decode(line["body"] + "==")).hexdigest()
    return {name: line[name] for name in line if name != "body"} | {"body_sha256": digest}


def verified(*downloads):
    """The reader, and the decisions that it was shown."""
    reader, decisions = OutsideReader(), []
    for lines in downloads:
        for record in reader.read(lines):
            decisions += decisions_as_dicts(reader) if record is not None else []
    return reader, decisions


def partition_records(tenant):
    """(record, hash) of each accepted record of a tenant's partition, as read from Kafka."""
    return [(reader.record, reader.head.hash) for reader, offset, _ in house.stack.read_ledger()
            if offset is not None and reader.record is not None and reader.partition == tenant.partition]


class AuditorCase(AnswerCase):
    def download(self, path="/audit/records", tenant=None):
        answer = self.expect(auditor(tenant).get(path), 200)
        self.assertEqual(answer.headers["Content-Type"], "application/x-ndjson")
        self.assertIn(b'{"end":', lines_of(answer)[-1])
        return answer

    def said(self, path):
        """The lines of an answer that are neither beginning, progress nor end."""
        return [line for line in lines_of(self.download(path)) if not line.startswith((b'{"begin":', b'{"progress":', b'{"end":'))]


class ChainTest(AuditorCase):
    def test_it_is_the_chain_that_lies_in_kafka(self):
        for tenant in (house.tenant, house.neighbour):
            answer = self.download(tenant=tenant)
            reader, decisions = verified(lines_of(answer))
            kept = partition_records(tenant)
            self.assertEqual(reader.position(), answer.position)
            hashes = [json.loads(line)["hash"] for line in lines_of(answer)[1:-1]]
            self.assertEqual(hashes, [hash_ for _, hash_ in kept][:len(hashes)])
            own = [record for record, _ in kept if record.kind > LEADER and uuid_text(record.tenant) == tenant.id]
            self.assertEqual(reader.shown, len(own) + 1, "and the genesis")
            self.assertGreater(reader.hidden, 30)
            self.assertGreater(len(decisions), 40)
            self.assertEqual({decision["tenant"] for decision in decisions}, {tenant.id})

    def test_a_download_in_parts(self):
        """Each goes on where the one before ended; the program puts them together."""
        whole, parts, names, next_ = self.download(), [], [], 0
        while next_ is not None:
            parts.append(self.download(f"/audit/records?from={next_}&limit=37"))
            next_ = json.loads(lines_of(parts[-1])[-1])["end"]["next"]
            names.append(house.stack.dir / f"part{len(parts)}.ndjson")
            names[-1].write_bytes(parts[-1].body)
        self.assertGreater(len(parts), 3)
        reader, decisions = verified(*map(lines_of, parts))
        self.assertEqual(([reader.shown, reader.hidden, reader.head], decisions),
                         (lambda other, told: ([other.shown, other.hidden, other.head], told))(*verified(lines_of(whole))))
        for head, warning in ((whole.position, "not a forgery"), (reader.head.hash, "")):
            ran = self.reader("outside", *names, "--expect", head, "--json")
            self.assertEqual((ran.returncode, json.loads(ran.stdout)["hash"]), (0, reader.head.hash), ran)
            self.assertTrue(warning in ran.stderr and bool(warning) == bool(ran.stderr), ran)
        dumped = self.reader("outside", *names, "--dump")
        self.assertEqual([json.loads(line) for line in dumped.stdout.splitlines()], decisions)
        for files, more in ((names[:-1], ["--expect", whole.position]), (names[:-1], ["--expect", reader.head.hash]),
                            (names[1:] + names[:1], []), (names[:1] + names[2:], [])):
            ran = self.reader("outside", *files, *more)
            self.assertEqual((ran.returncode, ran.stdout), (1, ""))
        height = verified(lines_of(parts[0]))[0].head.height + 1
        later = self.download(f"/audit/records?from_height={height}&limit=37")
        self.assertEqual(lines_of(later)[1:], lines_of(parts[1])[1:])

    def reader(self, *words):
        return subprocess.run([sys.executable, READER, *map(str, words)], cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              check=False)

    def test_what_was_tampered_with_is_found(self):
        lines = lines_of(self.download())
        records = range(1, len(lines) - 1)
        verified(lines)
        self.assertEqual(verified(lines[:1] + lines[2:])[0].begins_at, 1, "a download may begin later, but says so")
        changed = []
        for number in random.sample(records, 25):
            for name, change in (("hash", flipped), ("prev", flipped), ("body", flipped), ("body_sha256", flipped),
                                 ("height", lambda value: value + 1)):
                line = json.loads(lines[number])
                if name in line:
                    changed.append((f"{name} of line {number + 1}", replaced(lines, number, {**line, name: change(line[name])})))
            changed += [(f"line {number + 1} is left out", lines[:number] + lines[number + 1:])] if number > 1 else []
            changed.append((f"line {number + 1} comes twice", lines[:number] + lines[number:number + 1] + lines[number:]))
        shown = [number for number in records if "body" in json.loads(lines[number])]
        for number in random.sample(shown, 5):  # A body that another one is put in place of, with a hash that fits it.
            line = json.loads(lines[number])
            line["body"] = json.loads(lines[shown[0]])["body"] if number != shown[0] else json.loads(lines[shown[-1]])["body"]
            changed.append((f"another body in line {number + 1}", replaced(lines, number, rehashed(line))))
        changed += [("without the end", lines[:-1]), ("cut off", [*lines[:-1], lines[-1][:-1]]), ("cut at a record", lines[:len(lines) // 2]),
                    ("without the beginning", lines[1:]), ("something follows", [*lines, lines[1]]),
                    ("swapped", [*lines[:5], lines[6], lines[5], *lines[7:]])]
        for what, tampered in changed:
            with self.subTest(what), self.assertRaises(Tampered):
                verified(tampered)

    def test_an_own_event_that_is_hidden_is_found_by_the_next_of_its_stream(self):
        lines = lines_of(self.download())
        streams = self.streams_of(lines)
        after = {number: set().union(*(streams[other] for other in streams if other > number)) for number in streams}
        before = {number: set().union(*(streams[other] for other in streams if other < number)) for number in streams}
        followed = [number for number in streams if streams[number] & after[number]]
        between = [number for number in followed if streams[number] & after[number] & before[number]]
        for number in random.sample(followed, 10):
            with self.subTest(number), self.assertRaisesRegex(Tampered, "hidden"):
                verified(self.with_hidden(lines, number))
        for number in random.sample(between, 5):
            with self.subTest(f"{number}, of a download that starts after the genesis"), self.assertRaisesRegex(Tampered, "hidden"):
                verified(lines[:1] + self.with_hidden(lines, number)[2:])
        for number in random.sample(sorted(streams.keys() - set(followed)), 3):
            verified(self.with_hidden(lines, number))  # Nothing follows that could tell.

    @staticmethod
    def with_hidden(lines, number):
        return replaced(lines, number, hidden(json.loads(lines[number])))

    @staticmethod
    def streams_of(lines):
        """The streams of each line that shows a commit."""
        reader = OutsideReader()
        return {reader.shown + reader.hidden: {(event.stream_type, event.stream) for event in record.events}
                for record in reader.read(lines) if hasattr(record, "events")}

    def test_nothing_of_the_other_tenant_is_told(self):
        """Neither ids nor names nor times, in text or in the bytes of what is shown."""
        for tenant, other in ((house.tenant, house.neighbour), (house.neighbour, house.tenant)):
            secret = self.of_other(tenant, other)
            self.assertGreater(len(secret), 200)
            for path in PATHS:
                answer = self.expect(auditor(tenant).get(path), 200)
                told = answer.body + b"".join(base64.urlsafe_b64decode(line["body"] + "==") for line in map(json.loads, lines_of(answer))
                                              if isinstance(line.get("body"), str))
                self.assertEqual([word for word in secret if word in told], [], path)
            for path in ("/audit/events", f"/audit/events?exam_id={house.exam_of[other.id]}", f"/audit/events?stream_id={other.id}"):
                told = [json.loads(line) for line in lines_of(self.download(path, tenant))]
                self.assertEqual({line["tenant_id"] for line in told if "tenant_id" in line}, {tenant.id} if path == "/audit/events" else set())
            self.expect(auditor(tenant).get(f"/audit/state?stream_id={house.exam_of[other.id]}"), 404, "not-found")
            self.expect(Actor(tenant, "auditor").client(house.node).get("/audit/records"), 200)
            self.expect(Client(house.node.api, Actor(tenant, "auditor").token, f"/v1/tenants/{other.id}").get("/audit/records"), 404, "not-found")

    def of_other(self, tenant, other):
        """What only the other tenant's records say, as text and as bytes."""
        words, shared = set(), set()
        for record, _ in partition_records(tenant):
            if record.kind in (GENESIS, LEADER):
                continue
            found = shared if uuid_text(record.tenant) == tenant.id else words
            for event in getattr(record, "events", ()):
                found.add(event.stream)
            for answer in record.answers:
                found |= {answer.actor, answer.command, answer.boundary}
            if hasattr(record, "command"):
                found |= {record.tenant, record.command, record.actor, record.correlation}
            found.add(record.decided_at_us)
        words -= shared
        self.assertIn(uuid.UUID(other.id).bytes, words)
        times = {word for word in words if isinstance(word, int)}
        ids = words - times
        return [*ids, *(uuid_text(id_).encode() for id_ in ids), *(at(time).encode() for time in times),
                *(time.to_bytes(8, "big") for time in times), b"Linz" if other is house.neighbour else b"Graz"]


class SameTest(AuditorCase):
    """What HTTP tells is what the command line prints."""

    def test_events(self):
        exam, tenant = house.exam_of[house.tenant.id], house.tenant.id
        everything = [json.loads(line) for line in self.said("/audit/events?answers=true")]
        middle = everything[len(everything) // 2]
        student = next(line["actor_id"] for line in everything if line.get("role") == "student")
        for params, words in (("", []), ("answers=true", ["--answers"]), ("refused=true", ["--refused"]),
                              (f"exam_id={exam}&answers=true", ["--exam", exam, "--answers"]),
                              (f"student_id={student}&answers=true", ["--student", student, "--answers"]),
                              (f"stream_id={exam}", ["--stream", exam]),
                              (f"from={middle['offset']}", ["--from", middle["offset"]]),
                              (f"to={middle['offset']}&answers=true", ["--to", middle["offset"], "--answers"]),
                              (f"since={middle['decided_at']}", ["--since", middle["decided_at"]]),
                              (f"exam_id={exam}&since={middle['decided_at']}", ["--exam", exam, "--since", middle["decided_at"]]),
                              (f"until={middle['decided_at']}", ["--until", middle["decided_at"]])):
            with self.subTest(params):
                printed = house.stack.run("audit", "replay", "--json", f"--tenant={tenant}", *map(str, words)).stdout
                self.assertEqual(b"".join(self.said(f"/audit/events?{params}")).decode(), printed)
                self.assertGreater(len(printed), 1000)

    def test_states(self):
        """At positions of the tenant's own, and at others', and at moments; of streams and of the whole."""
        tenant = house.tenant.id
        lines = [json.loads(line) for line in self.said("/audit/records")]
        events = [json.loads(line) for line in self.said("/audit/events")]
        partition, first = house.tenant.partition, events[0]["offset"]
        for line in random.sample([line for line in lines if line["offset"] >= first], 12):
            place = f"{partition}:{line['offset']}:{line['hash'][:8]}"
            stream = random.choice([event for event in events if event["offset"] <= line["offset"]])["stream_id"]
            for params, words in ((f"stream_id={stream}&at={place}", [f"--stream={stream}", f"--at={place}"]), (f"at={place}", [f"--at={place}"])):
                with self.subTest(params):
                    answer = self.expect(auditor().get(f"/audit/state?{params}"), 200)
                    printed = json.loads(house.stack.run("audit", "as-of", "--json", f"--tenant={tenant}", *words).stdout)
                    self.assertEqual(answer.position, place)
                    own = [event["decided_at"] for event in events if event["offset"] <= line["offset"]]
                    self.assertGreaterEqual(answer.json["decided_at"], own[-1])
                    self.assertEqual(answer.json | {"decided_at": printed["decided_at"]}, printed)
                    if "body" in line:
                        self.assertEqual(answer.json, printed)
        for event in random.sample(events, 5):
            answer = self.expect(auditor().get(f"/audit/state?time={event['decided_at']}"), 200)
            printed = json.loads(house.stack.run("audit", "as-of", "--json", f"--tenant={tenant}", f"--time={event['decided_at']}").stdout)
            self.assertEqual((answer.json["decided_at"], answer.json["state_sha256"]), (event["decided_at"], printed["state_sha256"]))

    def test_the_tenants_own_events_fold_to_the_same_from_outside(self):
        states = States(house.tenant.id)
        _, decisions = verified(lines_of(self.download()))
        for decision in decisions:
            states.take(decision)
        self.assertGreater(len(states.streams), 20)
        for stream in states.streams:
            answer = self.expect(auditor().get(f"/audit/state?stream_id={stream}"), 200)
            self.assertLessEqual(states.shown(stream).items(), answer.json.items())
        said = self.expect(auditor().get("/audit/state"), 200).json
        self.assertLessEqual(states.counts().items(), said.items())
        refused = [json.loads(line) for line in self.said("/audit/events?refused=true")]
        self.assertEqual([(line["command_id"], line["problem"], line["detail"]) for line in refused],
                         [(decision["command"], decision["problem"], decision["detail"]) for decision in decisions if decision["problem"]])


def write_refusals(count):
    """While no node runs: so many records of 4,000 refusals each for both tenants in turn, as a leader would have written them."""
    head = [reader for reader, offset, _ in house.stack.read_ledger() if offset is None and reader.partition == house.tenant.partition][0].head
    producer, prev = Producer({"bootstrap.servers": house.stack.kafka.endpoints()}), bytes.fromhex(head.hash)
    tenants = [uuid.UUID(tenant.id).bytes for tenant in (house.tenant, house.neighbour)]
    for height in range(head.height + 1, head.height + 1 + 2 * count):
        tenant = tenants[height % 2]
        answers = [[tenant, tenant, uuid.uuid4().bytes, bytes(16), "slot.open", head.decided_at_us, None, 0, "no-such-exam", ""]
                   for _ in range(4000)]
        value = b"PWL\x01" + prev + msgpack.packb([ANSWERS, height, head.decided_at_us, tenant, answers])
        producer.produce(house.stack.topic, value, partition=house.tenant.partition)
        producer.flush(30)
        prev = record_hash(value)


class PlacesTest(AuditorCase):
    def test_a_place_comes_free_whatever_becomes_of_an_audit(self):
        """More audits than there are places, half of them by clients that go away: those who find none are told so, and in the end all
        places are free."""
        clients = [auditor() for _ in range(40)]
        for client in clients:
            self.begin(client, "/audit/records")
        said = {response.status for response in (client._connection.getresponse() for client in clients[::2])}
        for client in clients:
            client.close()
        self.assertLessEqual(said, {200, 503})
        while total(house.node.metrics(), "pw_audits_open"):
            pass
        verified(lines_of(self.download()))
        self.assertGreater(total(house.node.metrics(), "pw_audits_records_total"), 100)

    @staticmethod
    def begin(client, path):
        """Sends a request, and reads nothing."""
        client.get("/audit/state?at=x")  # Makes the connection.
        client._connection.request("GET", client.base + path, headers=client.headers)


class UnreadTest(AuditorCase):
    """After the others, since from here on the ledger is long."""

    def test_who_does_not_read_holds_up_nobody(self):
        house.node.terminate()
        write_refusals(50)
        house.node.start()
        slot, idle = house.slot(capacity=100), []
        for tenant, other in ((house.tenant, house.neighbour), (house.neighbour, None)):
            idle += [auditor(tenant) for _ in range(2)]
            for client in idle[-2:]:
                PlacesTest.begin(client, "/audit/records")
            wait_until("audits that nobody reads", lambda: self.open_count() == len(idle), 20)
            turned_away = self.expect(auditor(tenant).get("/audit/events"), 503, "queue-full")
            self.assertEqual(turned_away.headers["Retry-After"], "1")
            if other is not None:
                self.expect(auditor(other).get("/audit/state"), 200)
                wait_until("its place is free again", lambda: self.open_count() == len(idle), 20)
        for _ in range(20):
            booked = self.expect(house.tenant.student().client(house.node).post(f"/slots/{slot}/reservations"), 201)
        seen = house.as_admin().get(f"/slots/{slot}", headers={"Pw-Min-Position": booked.position, "Prefer": "wait=10"})
        self.assertEqual(self.expect(seen, 200).json["free_count"], 80)
        self.assertEqual(self.open_count(), len(idle))
        for client in idle:
            client.close()
        wait_until("over once their clients are gone", lambda: self.open_count() == 0, 20)
        read = self.records_read()
        whole = self.download()
        reader, decisions = verified(lines_of(whole))
        self.assertLess(read, len(idle) * reader.head.height, "nobody read on for who does not read")
        self.expect_late_start(whole, reader, decisions)

    def expect_late_start(self, whole, reader, decisions):
        """What was read once is not read again."""
        self.assertEqual(sum(decision["problem"] == "no-such-exam" for decision in decisions), 200_000)
        before = self.records_read()
        answer = self.download(f"/audit/records?from={reader.head.offset}")
        self.assertEqual(lines_of(answer)[1:], lines_of(whole)[-2:])
        self.assertLessEqual(self.records_read() - before, 65)
        self.assertGreater(reader.head.height, 200)

    @staticmethod
    def open_count():
        return total(house.node.metrics(), "pw_audits_open")

    @staticmethod
    def records_read():
        return total(house.node.metrics(), "pw_audits_records_total")


if __name__ == "__main__":
    unittest.main()
