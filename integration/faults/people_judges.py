"""What must be true of what people were answered, of the ledger and of the log of keys. Each judge raises AssertionError and names
what does not hold. They take plain data, so that integration/test_people_judges.py can show them what they must not let pass.

    decided    decisions as integration/reader/decisions.py has them
    actions    what was asked, and answered: faults/people.py
    records    (offset, key, value) of the log of keys, from its beginning
"""

import collections
import typing
import uuid

from integration.reader import keys
from integration.reader.people import check_people

REPEAT_US = 10_000_000  # So long the token before is given the same tokens once more.
OF_PEOPLE = ("user", "session")


# --- Answers.


def check_actions(actions, decided, sent):
    """What was answered yes or no is on record once, as it was answered; what nobody saw answered is there once at most. What got only
    a node's own word is not on record as a yes: an attempt that went astray before may have been refused there later. And nothing happened to these tenants' people but what was `sent`: the keys of these actions, and
    of earlier ones."""
    by_command = collections.defaultdict(list)
    for decision in decided:
        by_command[decision["tenant"], decision["command"]].append(decision)
    for action in actions:
        found = by_command[action.tenant, action.key]
        is_known = action.status is not None and action.position is not None
        _need(len(found) == 1 or not found and not is_known, f"{action} is decided {len(found)} times")
        if is_known:
            _check_answer(action, found[0])
        elif found and action.status is not None:
            _need(found[0]["problem"] is not None, f"{action} was a node's own word, and is on record as {found[0]}")
    _check_nobody_else(sent, {action.tenant for action in actions}, decided)


def _check_answer(action, on_record):
    said = action.actor, action.problem, action.position
    _need((on_record["actor"], on_record["problem"], on_record["position"]) == said, f"{action} is on record as {on_record}")
    if action.status < 400:
        _need((on_record["stream"], on_record["version"]) == (action.id, action.version), f"{action} is on record as {on_record}")


def _check_nobody_else(sent, tenants, decided):
    for decision in decided:
        kinds = {event["stream_type"] for event in decision["events"]}
        if decision["tenant"] in tenants and kinds & set(OF_PEOPLE) and decision["command"] not in sent:
            _need(_is_ending(decision), f"nobody asked for {decision}")


def _is_ending(decision):
    """Whether the system ended a session whose token was used before."""
    return all(event["type"] == "session_revoked" and event["payload"][1] == "reused" for event in decision["events"])


# --- Sessions.


def check_refreshes(actions, decided):
    """Each session's tokens are one chain: the token of a version is made by one event, for one command; another command is given it
    only within ten seconds of that. Who is told that their token was used before showed one that was. Returns how many repeats."""
    made, refusals, ended = _sessions_of(decided)
    repeats = 0
    for action in actions:
        if action.given is not None:
            session, version = action.given
            _need(action.given in made, f"{action} was given a token that no event made")
            _need(action.given == (action.id, action.version), f"{action} was given another version's token")
            _need(action.shown is None or action.shown == (session, version - 1), f"{action} showed {action.shown}")
            repeats += _check_repeat(action, made[action.given], decided_at=refusals.get(action.key))
        elif action.problem == "session-token-reused":
            session, version = action.shown
            _need(session in ended, f"{action}, and its session goes on")
            next_at = made.get((session, version + 1), (None, 2**63))[1]
            is_late = (session, version + 2) in made or refusals[action.key] >= next_at + REPEAT_US
            _need(is_late, f"{action}, and the token was not used before, or a moment ago only")
    return repeats


def _sessions_of(decided):
    """({(session, version): (command, when)} of each token that was made, {command: when} of all that made nothing, ids of what ended)."""
    made, others, ended = {}, {}, set()
    for decision in decided:
        if not decision["events"]:
            others[decision["command"]] = decision["decided_at_us"]
        for event in decision["events"]:
            if event["type"] in ("session_opened", "session_refreshed"):
                token = event["stream"], event["version"]
                _need(token not in made, f"token {token} is made twice")
                made[token] = decision["command"], decision["decided_at_us"]
            elif event["type"] == "session_revoked":
                ended.add(event["stream"])
    return made, others, ended


def _check_repeat(action, maker, decided_at):
    command, made_at = maker
    if command == action.key:
        return 0
    _need(decided_at is not None, f"{action} was given the token of command {command}")
    _need(made_at <= decided_at < made_at + REPEAT_US, f"{action} was given a token {(decided_at - made_at) / 1e6} s after it was made")
    return 1


# --- People.


def check_standing(people, decided):
    """What follows from the answers to each person is what follows from the ledger, whose own promises hold."""
    stands = check_people(decided)
    sessions = collections.defaultdict(set)
    for session, person in stands.sessions.items():
        sessions[person].add(session)
    for person in people:
        is_erased = person.state == "erased"
        _need(stands.accounts.get(person.id) == (None if is_erased else person.roles),
              f"{person.id} is {person.state} with {person.roles}, and the ledger says {stands.accounts.get(person.id)}")
        _need((person.id in stands.active) == (person.state == "active"), f"{person.id} is {person.state}, and the ledger says otherwise")
        _need(sessions[person.id] == set(person.sessions),
              f"{person.id} has {set(person.sessions)}, and the ledger says {sessions[person.id]}")


# --- Keys.


class Keys(typing.NamedTuple):
    living: int
    destroyed: int
    orphans: set  # ids of keys that no event names


def check_keys(decided, records, masters, people):
    """Everybody on record has a key, which opens what was sealed of them; unless the ledger calls it destroyed: then nothing stands
    behind a tombstone. Returns how many there are of each."""
    last = {}
    for _, key, value in records:
        _need(keys.verdict(key, value) in ("good", "destroyed"), f"{key} in the log of keys is {keys.verdict(key, value)}")
        last[key.decode()] = value
    registered, named, destroyed = _keys_of(decided)
    planted = {person.id: person for person in people}
    for user, (key, email, name) in registered.items():
        if key in destroyed:
            _need(key in last, f"key {key} of {user} is destroyed, and was never made")
            _need(last[key] is None, f"key {key} of {user} is destroyed, and a value of it is the last word")
            continue
        _need(last.get(key) is not None, f"{user} is on record, and key {key} is {'destroyed' if key in last else 'not there'}")
        _check_opens(user, key, last[key], masters, {"email": email, "name": name}, planted.get(user))
    return Keys(len(registered) - len(destroyed), len(destroyed), last.keys() - named)


def _keys_of(decided):
    """({person: (key, sealed address, sealed name)}, ids of keys that some event names, ids of destroyed keys)."""
    registered, named, destroyed = {}, set(), set()
    for decision in decided:
        for event in decision["events"]:
            payload = event["payload"]
            if event["type"] == "user_registered":
                registered[event["stream"]] = str(uuid.UUID(payload[0])), payload[1], payload[3]
            if event["type"] in ("user_registered", "tenant_equality_key_chosen"):
                named.add(str(uuid.UUID(payload[0])))
            elif event["type"] == "user_key_destroyed":
                destroyed.add(str(uuid.UUID(payload[0])))
    return registered, named, destroyed


def _check_opens(user, key, value, masters, sealed, person):
    opens, opened = keys.open_record(masters, value)
    _need(opens == "yes", f"key {key} of {user}: {opens}")
    for field, hidden in sealed.items():
        bound = uuid.UUID(user).bytes + f"user.{field}".encode()
        plain = keys.open_payload(opened.data_key, opened.key_id, bound, bytes.fromhex(hidden))
        _need(plain is not None, f"{field} of {user} does not open under key {key}")
        _need(person is None or plain.decode() == getattr(person, field), f"{field} of {user} is {plain}")


# --- Bytes.


def check_hidden(files, hidden, shown):
    """No file has the word that stands in all that is personal; and some has a word that is no secret, so that files are seen for
    what they are. Returns how many bytes were searched."""
    searched, is_shown = 0, False
    for file in files:
        try:
            data = file.read_bytes()
        except FileNotFoundError:  # Rolled or compacted meanwhile: its successor is read.
            continue
        searched += len(data)
        at = data.find(hidden)
        _need(at < 0, f"{file} shows at {at}: {data[max(at - 100, 0):at + 100]}")
        is_shown = is_shown or shown in data
    _need(is_shown, f"{shown} is in no file: what was searched is not what is written")
    return searched


def _need(condition, what):
    if not condition:
        raise AssertionError(what)
