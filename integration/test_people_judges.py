"""The judges of accounts under faults are judged: what may have happened passes, and what must not is named. No server is needed."""

import copy
import tempfile
import types
import unittest
import uuid
from pathlib import Path

from integration.faults.people_judges import REPEAT_US, check_actions, check_hidden, check_keys, check_refreshes, check_standing
from integration.reader import keys

T, ADMIN, ANN, ADA, SESSION, KEY, SPARE = (str(uuid.UUID(int=number)) for number in range(1, 8))
EQUALITY = str(uuid.UUID(int=9))
MASTER, DATA_KEY = b"m" * 32, b"d" * 32
SYSTEM = str(uuid.UUID(int=0))


def bare(id_):
    return uuid.UUID(id_).hex


def sealed(person, field, plain):
    bound = uuid.UUID(person).bytes + f"user.{field}".encode()
    return keys.seal_payload(DATA_KEY, uuid.UUID(KEY).bytes, b"n" * 24, bound, plain.encode()).hex()


def decision(command, *events, actor=ANN, problem=None, at=0, stream=SESSION, version=1):
    position = f"0:{command}"
    return {"tenant": T, "actor": actor, "command": command, "problem": problem, "position": position, "decided_at_us": at,
            "stream": stream, "version": version, "events": [
                {"type": f"{kind}_{verb}", "stream_type": kind, "stream": stream, "version": version, "payload": payload}
                for kind, verb, payload in events]}


def action(verb, command, actor=ANN, problem=None, position="", **said):
    status = 409 if problem else 201
    named = {"id": SESSION, "version": 1, "given": None, "shown": None} | said
    return types.SimpleNamespace(tenant=T, actor=actor, verb=verb, key=command, status=status, problem=problem,
                                 position=f"0:{command}" if position == "" else position, **named)


def registered():
    return decision("c0", ("user", "registered", [bare(KEY), sealed(ANN, "email", "ann@x"), "aa", sealed(ANN, "name", "Ann"), ["student"],
                                                  ""]), actor=ADMIN, stream=ANN)


def opened():
    return decision("c1", ("session", "opened", [ANN, "", 10**15, 10**15]))


def refreshed(command="c2", version=2, at=0):
    return decision(command, ("session", "refreshed", [ANN, at, 10**15]), version=version, at=at)


CHOSEN = decision("cc", ("tenant", "equality_key_chosen", [bare(EQUALITY)]), actor=ADMIN, stream=T)
DECIDED = [CHOSEN, registered(), opened(), refreshed(),
           decision("c3", version=2, at=REPEAT_US - 1)]  # The second window, just in time.
ACTIONS = [action("register", "c0", ADMIN, id=ANN), action("sign-in", "c1", given=(SESSION, 1)),
           action("refresh", "c2", version=2, given=(SESSION, 2), shown=(SESSION, 1)),
           action("refresh", "c3", version=2, given=(SESSION, 2), shown=(SESSION, 1)),
           action("sign-in", "c4", problem="login-failed", position=None)]
SENT = {action.key for action in ACTIONS}


def changed(index, **members):
    actions = copy.deepcopy(ACTIONS)
    vars(actions[index]).update(members)
    return actions


def forged(index, **members):
    decided = copy.deepcopy(DECIDED)
    decided[index].update(members)
    return decided


class AnswersTest(unittest.TestCase):
    def test_what_is_on_record_as_it_was_answered(self):
        check_actions(ACTIONS, DECIDED, SENT)
        check_actions(changed(2, status=None), DECIDED, SENT)  # Nobody saw the answer: it may be there,
        check_actions(changed(2, status=None), DECIDED[:3] + DECIDED[4:], SENT)  # or not.
        check_actions(ACTIONS, [*DECIDED, decision("c4", problem="no-such-user")], SENT)  # Astray, and refused later.

    def test_what_is_not(self):
        reused = decision("cx", ("session", "revoked", [ANN, "reused"]), actor=SYSTEM)
        check_actions(ACTIONS, [*DECIDED, reused], SENT)
        for what, actions, decided in (
            ("decided 0 times", ACTIONS, DECIDED[:2] + DECIDED[3:]),
            ("decided 2 times", ACTIONS, [*DECIDED, refreshed(version=3)]),
            ("decided 2 times", changed(2, status=None), [*DECIDED, refreshed(version=3)]),
            ("is on record as", changed(1, problem="user-not-active", status=409), DECIDED),
            ("is on record as", changed(1, position="0:other"), DECIDED),
            ("is on record as", changed(1, id=ANN), DECIDED),
            ("is on record as", changed(1, actor=ADA), DECIDED),
            ("is on record as", changed(2, version=3), DECIDED),
            ("a node's own word", ACTIONS, [*DECIDED, decision("c4")]),
            ("nobody asked for", ACTIONS, [*DECIDED, refreshed("cx", 3)]),
            ("nobody asked for", ACTIONS, [*DECIDED, decision("cx", ("session", "revoked", [ANN, "revoked"]))]),
        ):
            with self.subTest(what), self.assertRaisesRegex(AssertionError, what):
                check_actions(actions, decided, SENT)


class RefreshesTest(unittest.TestCase):
    def reuse(self, at=5, ended=True, made=(2, 3)):
        """Ann's first token is shown again after others were made."""
        decided = [CHOSEN, registered(), opened(), *(refreshed(f"m{version}", version) for version in made),
                   decision("late", problem="session-token-reused", at=at)]
        end = decision("end", ("session", "revoked", [ANN, "reused"]), actor=SYSTEM)
        return [action("refresh", "late", problem="session-token-reused", shown=(SESSION, 1))], [*decided, *([end] if ended else [])]

    def test_a_chain(self):
        self.assertEqual(check_refreshes(ACTIONS, DECIDED), 1)
        self.assertEqual(check_refreshes(*self.reuse()), 0)
        self.assertEqual(check_refreshes(*self.reuse(at=REPEAT_US, made=[2])), 0)

    def test_what_is_no_chain(self):
        for what, actions, decided in (
            ("no event made", changed(2, given=(SESSION, 3), version=3), DECIDED),
            ("no event made", changed(2, given=(ANN, 2), id=ANN), DECIDED),
            ("another version's token", changed(2, given=(SESSION, 1)), DECIDED),
            ("showed", changed(2, shown=(SESSION, 0)), DECIDED),
            ("10.0 s after", ACTIONS, forged(4, decided_at_us=REPEAT_US)),
            ("was given the token of command c2", changed(3, key="c9"), DECIDED),
            ("is made twice", ACTIONS, [*DECIDED, refreshed("c9")]),
            ("its session goes on", *self.reuse(ended=False)),
            ("was not used before", *self.reuse(at=REPEAT_US - 1, made=[2])),
        ):
            with self.subTest(what), self.assertRaisesRegex(AssertionError, what):
                check_refreshes(actions, decided)


def person(**members):
    return types.SimpleNamespace(**{"id": ANN, "roles": {"student"}, "state": "active", "sessions": {SESSION: None}, "email": "ann@x",
                                    "name": "Ann"} | members)


class StandingTest(unittest.TestCase):
    def test_what_the_answers_say_is_what_the_ledger_says(self):
        check_standing([person()], DECIDED)
        for what, members in (("the ledger says", {"roles": {"grader"}}), ("the ledger says", {"state": "erased"}),
                              ("says otherwise", {"state": "shut"}), ("the ledger says", {"sessions": {}})):
            with self.subTest(members), self.assertRaisesRegex(AssertionError, what):
                check_standing([person(**members)], DECIDED)


class KeysTest(unittest.TestCase):
    def record(self, key=KEY, data_key=DATA_KEY, master=MASTER):
        value = keys.make_record(master, 1, uuid.UUID(key).bytes, uuid.UUID(T).bytes, data_key, b"o" * 24)
        return 0, key.encode(), value

    def test_living_and_destroyed_keys(self):
        found = check_keys(DECIDED, [self.record(), self.record(SPARE)], [MASTER], [person()])
        self.assertEqual((found.living, found.destroyed, found.orphans), (1, 0, {SPARE}))
        gone = [*DECIDED, decision("ce", ("user", "key_destroyed", [bare(KEY)]), actor=ADMIN, stream=ANN)]
        tomb = (1, KEY.encode(), None)
        found = check_keys(gone, [self.record(), tomb], [MASTER], [person(state="erased")])
        self.assertEqual((found.living, found.destroyed, found.orphans), (0, 1, set()))
        check_keys(gone, [self.record(), tomb, self.record(), tomb], [MASTER], [])  # What rose again was destroyed again.
        for what, records in (("the last word", [self.record(), tomb, self.record()]), ("the last word", [self.record()]),
                              ("never made", [])):
            with self.subTest(what), self.assertRaisesRegex(AssertionError, what):
                check_keys(gone, records, [MASTER], [])

    def test_what_must_not_be(self):
        tomb = (1, KEY.encode(), None)
        for what, records, people in (
            ("not there", [], []), ("not there", [self.record(SPARE)], []), ("is destroyed", [self.record(), tomb], []),
            ("unknown-master", [self.record(master=b"n" * 32)], []), ("does not open", [self.record(data_key=b"e" * 32)], []),
            ("email of .* is b'ann@x'", [self.record()], [person(email="bob@x")]),
            ("name of .* is b'Ann'", [self.record()], [person(name="Bob")]),
            ("is foreign", [self.record(), (1, b"what", b"ever")], []),
        ):
            with self.subTest(what), self.assertRaisesRegex(AssertionError, what):
                check_keys(DECIDED, records, [MASTER], people)


class HiddenTest(unittest.TestCase):
    def test_what_is_searched(self):
        with tempfile.TemporaryDirectory() as directory:
            one, other = Path(directory) / "one", Path(directory) / "other"
            one.write_bytes(b"\0marille\0")
            self.assertEqual(check_hidden([one, other], b"zwetschke", b"marille"), 9)
            other.write_bytes(b"\1zwetschke")
            with self.assertRaisesRegex(AssertionError, "other shows at 1"):
                check_hidden([one, other], b"zwetschke", b"marille")
            other.write_bytes(b"")
            with self.assertRaisesRegex(AssertionError, "in no file"):
                check_hidden([other], b"zwetschke", b"marille")


if __name__ == "__main__":
    unittest.main()
