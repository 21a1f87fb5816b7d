"""What an auditor asks of the ledger: one exam's history, a stream's, a person's, what was refused, and how things stood at a position
or a moment: all as the independent reader has it, on Kafka and in an export."""

import json
import random
import shutil
import unittest
import uuid
import warnings

from confluent_kafka import Producer

from integration.busy import busy_exam, busy_people
from integration.house_case import House
from integration.people import keep_accounts
from integration.reader import histories
from integration.reader.decisions import decisions_as_dicts
from integration.reader.files import read_ledger_in
from integration.reader.states import States, at
from integration.test_audit import GOOD, USAGE, WRONG, ExitCase

house = House()


def setUpModule():
    warnings.simplefilter("ignore", ResourceWarning)
    house.start(settings={"passwords.memory_kib": 7168, "passwords.passes": 1, "limits.login_per_minute": 0}, keys=True, tokens=True)
    house.other = house.stack.tenant(house.node, "Linz")
    house.exams = [busy_exam(house) for _ in range(3)]
    keep_accounts(house.node, house.tenant)
    house.person = busy_people(house, house.exams[0])


def records(directory=None):
    """What the independent reader accepts of the ledger, or of an export: (position, decided_at_us, decisions) of each record."""
    judged = house.stack.read_ledger() if directory is None else read_ledger_in(directory)
    return [(reader.position(), reader.record.decided_at_us, decisions_as_dicts(reader))
            for reader, offset, _ in judged if offset is not None and reader.record is not None]


def exported():
    """The ledger of now, in files."""
    house.stack.run("audit", "export", f"--to={house.stack.dir / 'exported'}")
    return house.stack.dir / "exported"


class HistoryTest(ExitCase):
    """What is selected, on Kafka and in an export, is what the independent reader selects."""

    def replay(self, *words):
        ran = self.expect_end(house.stack.run("audit", "replay", "--json", *words, check=False), GOOD)
        self.assertEqual(ran.stderr, "")
        return [json.loads(line) for line in ran.stdout.splitlines()]

    def expect_same(self, select, *words):
        """`select` makes of decisions the pairs (decision, event) and (answer, None) that the words must show. Returns the lines."""
        directory = exported()
        for where in (None, directory):
            with self.subTest(words, where=where):
                lines = self.replay(*words, *([f"--in={where}"] if where else []))
                pairs = select([decision for _, _, decisions in records(where) for decision in decisions])
                self.assertEqual([self.line(line) for line in lines], [self.pair(*pair) for pair in pairs])
        return lines

    @staticmethod
    def line(line):
        said = (line["command"], line["problem"], line["detail"]) if "problem" in line else (
            line["event_type"], line["stream_id"], line["stream_version"])
        return (line["partition"], line["offset"], line["command_id"], line["decided_at"], *said)

    @staticmethod
    def pair(decision, event):
        said = (decision["command_name"], decision["problem"], decision["detail"]) if event is None else (
            event["type"], event["stream"], event["version"])
        return (decision["partition"], decision["offset"], decision["command"], at(decision["decided_at_us"]), *said)

    @staticmethod
    def everything(decisions):
        """Every answer and every event, in the order of the log."""
        for decision in decisions:
            if decision["kind"] == "answer":
                yield decision, None
            yield from ((decision, event) for event in decision["events"])

    def narrowed(self, condition):
        return lambda decisions: [pair for pair in self.everything(decisions) if condition(*pair)]

    def test_a_whole_exam(self):
        for exam in house.exams:
            lines = self.expect_same(lambda decisions, exam=exam: histories.of_exam(decisions, exam), "--exam", exam, "--answers")
            types = {line["event_type"] for line in lines if "event_type" in line}
            self.assertGreater(len(types), 14)
            self.assertEqual({line["problem"] for line in lines if "problem" in line},
                             {"not-waiting", "reservation-not-live", "capacity-below-taken"})
        events = self.expect_same(lambda decisions: [pair for pair in histories.of_exam(decisions, exam) if pair[1]],
                                  f"--exam={exam}", f"--tenant={house.tenant.id}")
        self.assertEqual(events, [line for line in lines if "event_type" in line])
        self.expect_same(lambda decisions: [], f"--exam={exam}", f"--tenant={house.other.id}", "--answers")
        self.expect_same(lambda decisions: [], f"--exam={uuid.uuid4()}", "--answers")

    def test_a_part_of_an_exam(self):
        """Which slots and reservations are its own is known however little of it is shown."""
        exam = house.exams[1]
        whole = self.replay(f"--exam={exam}", "--answers")
        middle, end = whole[len(whole) // 2], whole[-1]
        moment = middle["decided_at"]
        self.assertEqual(self.replay(f"--exam={exam}", "--answers", f"--from={middle['offset']}"),
                         [line for line in whole if line["offset"] >= middle["offset"]])
        self.assertEqual(self.replay(f"--exam={exam}", "--answers", f"--to={middle['offset']}"),
                         [line for line in whole if line["offset"] <= middle["offset"]])
        self.assertEqual(self.replay(f"--exam={exam}", "--answers", f"--since={moment}"),
                         whole[[line["decided_at"] for line in whole].index(moment):])
        self.assertEqual(self.replay(f"--exam={exam}", "--answers", f"--since={moment}", f"--until={moment}"),
                         [line for line in whole if line["decided_at"] == moment])
        self.assertEqual(self.replay(f"--exam={exam}", f"--stream={exam}"),
                         [line for line in whole if line.get("stream_id") == exam and "event_type" in line])
        self.assertEqual(self.replay(f"--exam={exam}", f"--since={end['decided_at']}", f"--until={moment}"), [])

    def test_a_stream(self):
        wanted = {event["stream"] for _, _, decisions in records() for decision in decisions for event in decision["events"]}
        for stream in random.sample(sorted(wanted), 5):
            self.expect_same(self.narrowed(lambda decision, event, stream=stream: stream == (event or decision)["stream"]),
                             "--stream", stream, "--answers")

    def test_a_student(self):
        decisions = [decision for _, _, decisions in records() for decision in decisions]
        students = {decision["actor"] for decision in decisions if decision.get("role") == "student"}
        for student in [house.person, *random.sample(sorted(students - {house.person}), 3)]:
            lines = self.expect_same(lambda decisions, student=student: histories.about(decisions, student),
                                     "--student", student, "--answers")
            self.assertGreater(len(lines), 0)

    def test_what_was_refused_and_why(self):
        lines = self.expect_same(self.narrowed(lambda decision, event: event is None and decision["problem"]), "--refused")
        self.assertLessEqual({("slot-full", "1 of 1 taken"), ("capacity-below-taken", "2 taken"), ("not-waiting", "it is booked")},
                             {(line["problem"], line["detail"]) for line in lines})
        tenant = house.tenant.id
        self.expect_same(self.narrowed(lambda decision, event: event is None and decision["problem"] and decision["tenant"] == tenant),
                         "--refused", f"--tenant={tenant}", "--answers")
        self.expect_same(lambda decisions: [pair for pair in histories.of_exam(decisions, house.exams[0])
                                            if pair[1] is None and pair[0]["problem"]], "--refused", f"--exam={house.exams[0]}")
        text = house.stack.run("audit", "replay", "--refused").stdout
        self.assertRegex(text, r"(?m)^\d+:\d+ \S+Z slot\.change_capacity capacity-below-taken for [0-9a-f-]{36} 2 taken$")

    def test_moments(self):
        times = sorted({decided_at_us for _, decided_at_us, decisions in records() if decisions})
        since, until = times[len(times) // 3], times[len(times) // 2]
        for words, first, last in (([f"--since={at(since)}"], since, times[-1]), ([f"--until={at(until)}"], 0, until),
                                   ([f"--since={at(since + 1)}", f"--until={at(until - 1)}"], since + 1, until - 1),
                                   ([f"--since={at(times[-1] + 1)}"], 1, 0), (["--until=1970-01-01T01:00:00+01:00"], 1, 0)):
            self.expect_same(self.narrowed(lambda decision, _, first=first, last=last: first <= decision["decided_at_us"] <= last),
                             "--answers", *words)

    def test_another_partition_has_nothing_of_a_tenant(self):
        partition = (house.tenant.partition + 1) % house.stack.partitions
        self.assertEqual(self.replay(f"--tenant={house.tenant.id}", f"--partition={partition}", "--answers"), [])


class AsOfTest(ExitCase):
    """At any position the program says what the independent reader has folded up to there."""

    def as_of(self, *words, tenant=None):
        ran = self.expect_end(self.run_as_of("--json", *words, tenant=tenant), GOOD)
        self.assertEqual(ran.stderr, "")
        return json.loads(ran.stdout)

    @staticmethod
    def run_as_of(*words, tenant=None):
        return house.stack.run("audit", "as-of", f"--tenant={tenant or house.tenant.id}", *words, check=False)

    @staticmethod
    def walk(directory=None):
        """(position, decided_at_us, States up to there) of each record of the tenant's partition, once there is the tenant; the same
        States each time, which goes on."""
        states = States(house.tenant.id)
        for position, decided_at_us, decisions in records(directory):
            if position.startswith(f"{house.tenant.partition}:"):
                for decision in decisions:
                    states.take(decision)
                if states.streams:
                    yield position, decided_at_us, states

    def expect_stream(self, said, position, decided_at_us, states, stream):
        self.assertEqual(said, {"position": position, "decided_at": at(decided_at_us), "tenant_id": house.tenant.id}
                         | states.shown(stream))

    def expect_tenant(self, said, position, states):
        self.assertEqual((said["position"], said["version"]), (position, states.streams[house.tenant.id]["version"]))
        self.assertEqual({name: said[name] for name in states.counts()}, states.counts())
        self.assertRegex(said["state_sha256"], "^[0-9a-f]{64}$")

    def test_50_random_positions(self):
        directory, hashes = exported(), {}
        seed = random.randrange(1 << 32)
        for where in (None, directory):
            choice, words = random.Random(seed), [f"--in={where}"] if where else []
            count = sum(1 for _ in self.walk(where))
            chosen = set(choice.sample(range(count), 50))
            for number, (position, decided_at_us, states) in enumerate(self.walk(where)):
                if number not in chosen:
                    continue
                stream = choice.choice(sorted(states.streams))
                asked = position if choice.random() < 0.5 else position.rpartition(":")[0]
                with self.subTest(seed=seed, position=position, stream=stream, where=where):
                    said = self.as_of(f"--at={asked}", f"--stream={stream}", *words)
                    self.expect_stream(said, position, decided_at_us, states, stream)
                    if where or choice.random() < 0.2:
                        said = self.as_of(f"--at={asked}", *words)
                        self.expect_tenant(said, position, states)
                        self.assertEqual(hashes.setdefault(position, said["state_sha256"]), said["state_sha256"])
        self.assertGreater(len(set(hashes.values())), 20)

    def test_every_stream_at_the_end(self):
        directory = exported()
        for position, decided_at_us, states in self.walk(directory):
            pass
        for stream in states.streams:
            self.expect_stream(self.as_of(f"--stream={stream}", f"--in={directory}"), position, decided_at_us, states, stream)
        self.expect_tenant(self.as_of(), position, states)
        shown = {state for stream in states.streams.values() if (state := stream.get("state"))}
        self.assertLessEqual({"confirmed", "cancelled", "declined", "active", "deactivated", "erased", "live", "ended"}, shown)

    def test_moments(self):
        """All that was decided by then, inclusive: the last record whose time is not later."""
        directory = exported()
        times = [(decided_at_us, position) for position, decided_at_us, _ in self.walk(directory)]
        for decided_at_us, _ in random.sample(times, 10):
            for moment in (decided_at_us, decided_at_us - 1, decided_at_us + 1):
                wanted = [position for at_us, position in times if at_us <= moment]
                if wanted:
                    with self.subTest(at(moment)):
                        self.assertEqual(self.as_of(f"--time={at(moment)}", f"--in={directory}")["position"], wanted[-1])
        moment, position = times[len(times) // 2]
        self.assertEqual(self.as_of(f"--time={at(moment)}"),
                         self.as_of(f"--at={[place for at_us, place in times if at_us <= moment][-1]}"))
        self.assertEqual(self.as_of("--time=9999-12-31T23:59:59Z", f"--in={directory}")["position"], times[-1][1])

    def test_words_for_people(self):
        exam, digits = house.exams[0], r"[0-9a-f]{8}"
        for words in ([f"--stream={exam}"], [f"--stream={house.tenant.id}"], []):
            text, said = self.expect_end(self.run_as_of(*words), GOOD).stdout, self.as_of(*words)
            self.assertEqual([line.partition(": ")[0] for line in text.splitlines()], list(said))
        self.assertRegex(text, rf"(?m)^position: {house.tenant.partition}:\d+:{digits}$")
        text = self.run_as_of(f"--stream={exam}", "--time=9999-12-31T23:59:59Z").stdout
        for line in ("stream_type: exam", "last_event: exam_draft_revised", "draft_title: Linear Algebra II",
                     "published_title: Linear Algebra I", "published_number: 2"):
            self.assertIn(f"\n{line}\n", text)

    def test_what_is_not_there(self):
        positions = [position for position, _, _ in self.walk()]
        partition, offset, digits = positions[-1].split(":")
        flipped = f"{(int(digits[0], 16) + 1) % 16:x}{digits[1:]}"
        stream = house.exams[1]
        drafted = self.as_of(f"--stream={stream}", f"--at={positions[-1]}")
        for words, text in (([f"--at={partition}:{offset}:{flipped}"], f"there stands {positions[-1]}"),
                            ([f"--at={partition}:{int(offset) + 1000}"], f"the ledger ends at {partition}:"),
                            ([f"--stream={uuid.uuid4()}"], "the stream has no event by"),
                            ([f"--stream={stream}", f"--at={positions[0]}"], f"the stream has no event by {positions[0]}"),
                            (["--time=1970-01-01T00:00:00Z"], "There is no such tenant: none by"),
                            ([f"--at={partition}:0"], f"There is no such tenant: none by {partition}:0:")):
            with self.subTest(words):
                self.assertEqual(self.expect_end(self.run_as_of(*words), WRONG, text).stdout, "")
        self.assertEqual(drafted["stream_type"], "exam")
        self.expect_end(self.run_as_of(tenant=uuid.uuid4()), WRONG, "There is no such tenant")

    def test_a_place_that_is_void(self):
        producer = Producer({"bootstrap.servers": house.stack.kafka.endpoints()})
        offsets = []
        producer.produce(house.stack.topic, b"junk", partition=house.tenant.partition,
                         on_delivery=lambda _, message: offsets.append(message.offset()))
        self.assertEqual(producer.flush(30), 0)
        house.exam()
        place = f"--at={house.tenant.partition}:{offsets[0]}"
        self.expect_end(self.run_as_of(place), WRONG, "no accepted record stands at", "the last one before is")

    def test_damage_after_the_place_is_not_met(self):
        whole, damaged = exported(), house.stack.dir / "damaged"
        shutil.copytree(whole, damaged)
        path = damaged / f"{house.tenant.partition:04}.log"
        data = bytearray(path.read_bytes())
        data[len(data) * 2 // 3] ^= 1
        path.write_bytes(data)
        positions = [position for position, _, _ in self.walk(whole)]
        early, late = positions[len(positions) // 3], positions[-1]
        self.assertEqual(self.as_of(f"--at={early}", f"--in={damaged}"), self.as_of(f"--at={early}", f"--in={whole}"))
        for words in ([f"--at={late}"], []):
            self.expect_end(self.run_as_of(*words, f"--in={damaged}"), WRONG, "damaged-file: ")
        offset = early.split(":")[1]
        for words, code in (([f"--to={offset}"], GOOD), ([], WRONG)):
            self.expect_end(house.stack.run("audit", "replay", f"--tenant={house.tenant.id}", f"--in={damaged}", *words, check=False), code)

    def test_questions_that_are_none(self):
        for words in (["--at=x"], ["--at="], ["--at=1"], ["--at=0:1:xyz"], ["--time=x"], ["--time=2027-02-01"], ["--stream=x"],
                      ["--at=0:1", "--time=2027-02-01T00:00:00Z"], ["--json=1"], ["--in=/nothing/here"],
                      [f"--at={(house.tenant.partition + 1) % house.stack.partitions}:1"]):
            with self.subTest(words):
                self.expect_end(self.run_as_of(*words), USAGE)
        self.expect_end(house.stack.run("audit", "as-of", check=False), USAGE, "--tenant is needed")
        self.expect_end(house.stack.run("audit", "as-of", "--tenant=x", check=False), USAGE, "--tenant must be a UUID")


if __name__ == "__main__":
    unittest.main()
