"""The promises about accounts and sessions: what must never happen is seen when it did. No server is needed."""

import unittest
import uuid

from integration.reader.bookings import Broken
from integration.reader.people import check_people

T, OTHER_T = "tenant", "other"
ADA, ANN, BOB, ONE, TWO = (str(uuid.UUID(int=number)) for number in (1, 2, 3, 11, 12))
TAG, TAG_2, KEY = "aa" * 32, "bb" * 32, "00" * 15
WEEK, MONTH = 7, 30


def chosen(key="e0"):
    return "tenant", "the tenant", "equality_key_chosen", [key]


def registered(person, tag, *roles, key=None):
    return "user", person, "registered", [key or KEY + person[-2:], "", tag, "", list(roles), ""]


def updated(person, tag, key=None):
    return "user", person, "profile_updated", [key or KEY + person[-2:], "", tag, ""]


def user(person, verb, *payload):
    return "user", person, verb, list(payload)


def destroyed(person):
    return user(person, "key_destroyed", KEY + person[-2:])


def opened(session, person, at=0):
    return "session", session, "opened", [person, "", at + WEEK, at + MONTH]


def refreshed(session, person, at, expires_at):
    return "session", session, "refreshed", [person, at, expires_at]


def ended(session, person, reason="revoked"):
    return "session", session, "revoked", [person, reason]


ADMIN = (T, chosen()), (T, registered(ADA, TAG, "admin"))


def replay(*commits):
    """Commits are (tenant, event, ...); stream versions are counted here, unless an event says its own."""
    versions, decisions = {}, []
    for number, (tenant, *events) in enumerate(commits):
        said = []
        for kind, stream, verb, payload, *version in events:
            versions[tenant, kind, stream] = versions.get((tenant, kind, stream), 0) + 1
            said.append({"type": f"{kind}_{verb}", "stream_type": kind, "stream": stream, "payload": payload,
                         "version": version[0] if version else versions[tenant, kind, stream]})
        decisions.append({"tenant": tenant, "position": f"0:{number}", "events": said})
    return check_people(decisions)


class PeopleTest(unittest.TestCase):
    def test_a_life_that_keeps_every_promise(self):
        seen = replay(
            *ADMIN,
            (T, registered(ANN, TAG_2, "student")),
            (T, user(ANN, "roles_granted", ["proctor", "admin"])),
            (T, user(ANN, "reset_token_issued", "cc", 3)), (T, user(ANN, "password_set", "")),
            (T, user(ANN, "preferences_set", "de", "Europe/Vienna")),
            (T, opened(ONE, ANN)), (T, refreshed(ONE, ANN, 6, 13)), (T, refreshed(ONE, ANN, 12, 19)),
            (T, user(ANN, "deactivated", ""), ended(ONE, ANN, "deactivated")), (T, user(ANN, "reactivated", "")),
            (T, user(ADA, "roles_granted", ["grader"])), (T, user(ADA, "roles_revoked", ["admin"])),
            (T, destroyed(ADA)),  # The address is free again.
            (T, updated(ANN, TAG)),
            (T, registered(BOB, TAG_2, "student")),
            (OTHER_T, chosen("e1")), (OTHER_T, registered(ONE, TAG, "student")),
            *((T, opened(str(uuid.UUID(int=100 + number)), ANN)) for number in range(8)),
            (T, opened(TWO, ANN), ended(str(uuid.UUID(int=100)), ANN, "replaced")),
        )
        self.assertEqual(seen.accounts, {ANN: {"student", "proctor", "admin"}, BOB: {"student"}, ONE: {"student"}})
        self.assertEqual(seen.active, {ANN, BOB, ONE})
        self.assertEqual(len(seen.sessions), 8)
        self.assertEqual(seen.sessions[TWO], ANN)

    def test_broken_promises(self):
        ann, in_ = (T, registered(ANN, TAG_2, "student")), (T, opened(ONE, ANN))
        forgotten = (T, destroyed(ANN))
        for what, *commits in (
            ("keeps no accounts", (OTHER_T, registered(BOB, TAG, "admin"))),
            ("has chosen before", (T, chosen("e1"))),
            ("the key was given out before", (T, registered(ANN, TAG_2, "student", key=KEY + ADA[-2:]))),
            ("was registered before", ann, (T, registered(ANN, TAG_2, "student", key="f0"))),
            ("has that address", (T, registered(ANN, TAG, "student"))),
            ("has that address", ann, (T, updated(ANN, TAG))),
            ("under another key", ann, (T, updated(ANN, TAG_2, key="f0"))),
            ("there is no person", (T, updated(ANN, TAG_2))),
            ("has these roles", ann, (T, user(ANN, "roles_granted", ["student"]))),
            ("not all of these roles", ann, (T, user(ANN, "roles_revoked", ["grader"]))),
            ("has no role", ann, (T, user(ANN, "roles_revoked", ["student"]))),
            ("no admin is left", ann, (T, user(ADA, "deactivated", ""))),
            ("no admin is left", ann, (T, destroyed(ADA))),
            ("shut out already", ann, (T, user(ANN, "deactivated", "")), (T, user(ANN, "deactivated", ""))),
            ("active already", ann, (T, user(ANN, "reactivated", ""))),
            ("was erased", ann, forgotten, (T, user(ANN, "preferences_set", "de", "Europe/Vienna"))),
            ("was erased", ann, forgotten, in_),
            ("not the person's key", ann, (T, user(ANN, "key_destroyed", "f0"))),
            ("may not sign in", ann, in_, (T, user(ANN, "deactivated", ""))),
            ("may not sign in", ann, in_, forgotten),
            ("may not sign in", ann, (T, user(ANN, "deactivated", "")), in_),
            ("has 9 sessions", ann, *((T, opened(str(uuid.UUID(int=100 + number)), ANN)) for number in range(9))),
            ("was opened before", ann, in_, in_),
            ("was opened before", ann, in_, (T, ended(ONE, ANN)), in_),
            ("no such live session", ann, (T, ended(ONE, ANN))),
            ("no such live session", ann, in_, (T, ended(ONE, ANN)), (T, refreshed(ONE, ANN, 1, 8))),
            ("it is", ann, in_, (T, ended(ONE, ADA))),
            ("had expired", ann, in_, (T, refreshed(ONE, ANN, 7, 14))),
            ("ends before it expires", ann, in_, (T, refreshed(ONE, ANN, 6, 31))),
            ("version 3, not 2", ann, (T, (*user(ANN, "password_set", ""), 3))),
        ):
            with self.subTest(what, commits=len(commits)), self.assertRaisesRegex(Broken, what):
                replay(*ADMIN, *commits)


if __name__ == "__main__":
    unittest.main()
