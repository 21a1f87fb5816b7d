"""The promises about accounts and sessions, held against the ledger's events alone, whatever decided them."""

import typing
import uuid

from integration.reader.bookings import Broken

SESSIONS_MAX = 8


class People(typing.NamedTuple):
    accounts: dict  # id of a person who was not erased: set of roles
    active: set  # ids of those who are not shut out
    sessions: dict  # id of a live session: id of its person


def check_people(decisions):
    """Replays decisions (dicts as of `dump`, each tenant's in the order of the log) and raises Broken if after some decision two
    people of a tenant had one address or two had one key, somebody had no role, more than eight sessions, or one while shut out or
    erased, or a tenant that had an active admin has none; or if an event does not fit what happened before it, such as any event of
    a person after they were erased. Returns what stands at the end, every id as UUID text."""
    replay = _Replay()
    for decision in decisions:
        touched = set()
        for event in decision["events"]:
            apply = _EVENTS.get(event["type"])
            if apply is not None:
                replay.at = f"{decision['position']} {event['type']} {event['stream']}"
                replay.count(decision["tenant"], event)
                touched.add(apply(replay, decision["tenant"], event["stream"], event["payload"]))
        replay.settle(decision["tenant"], touched - {None})
    if replay.broken:
        raise Broken("\n".join(replay.broken))
    live = {id_: person for (_, id_), person in replay.people.items() if not person.erased}
    return People({id_: person.roles for id_, person in live.items()}, {id_ for id_, person in live.items() if person.active},
                  {session: live.person for (_, session), live in replay.sessions.items()})


class _Person:
    def __init__(self, key, tag, roles):
        self.key, self.tag, self.roles = key, tag, set(roles)
        self.erased, self.active, self.sessions = False, True, set()


class _Session:
    def __init__(self, person, expires_at, ends_at):
        self.person, self.expires_at, self.ends_at = person, expires_at, ends_at


class _Replay:
    def __init__(self):
        self.people, self.sessions, self.ended = {}, {}, set()  # By (tenant, id).
        self.owners = {}  # (tenant, tag): id of the person whose address it is
        self.keys, self.versions, self.equality, self.had_admin = set(), {}, set(), set()
        self.broken, self.at = [], ""

    def need(self, condition, what):
        if not condition:
            self.broken.append(f"{self.at}: {what}")
        return condition

    def count(self, tenant, event):
        stream = tenant, event["stream_type"], event["stream"]
        self.versions[stream] = self.versions.get(stream, 0) + 1
        self.need(stream[1] == "tenant" or event["version"] == self.versions[stream],
                  f"version {event['version']}, not {self.versions[stream]}")

    def settle(self, tenant, touched):
        """What may be broken in the middle of a decision, and must not be at its end."""
        for id_ in sorted(touched):
            person = self.people[tenant, id_]
            self.need(len(person.sessions) <= SESSIONS_MAX, f"{id_} has {len(person.sessions)} sessions")
            self.need(person.active and not person.erased or not person.sessions, f"{id_} has a session and may not sign in")
            self.need(person.roles, f"{id_} has no role")
        if touched:
            admin = any(person.active and not person.erased and "admin" in person.roles
                        for (of, _), person in self.people.items() if of == tenant)
            self.need(admin or tenant not in self.had_admin, "no admin is left")
            self.had_admin |= {tenant} if admin else set()

    # --- Events; each gives the person whom it touches.

    def equality_key_chosen(self, tenant, _stream, payload):
        self.need(tenant not in self.equality, "the tenant has chosen before")
        self.equality.add(tenant)
        self._own_key(payload[0])

    def registered(self, tenant, id_, payload):
        key, _, tag, _, roles, _ = payload[:6]
        self.need(tenant in self.equality, "the tenant keeps no accounts")
        self.need((tenant, id_) not in self.people, "the person was registered before")
        self._own_key(key)
        self.people[tenant, id_] = _Person(key, None, roles)
        self._own_tag(tenant, id_, tag)
        return id_

    def profile_updated(self, tenant, id_, payload):
        person = self._known(tenant, id_)
        if person:
            self.need(payload[0] == person.key, "it is sealed under another key than the person's")
            self._own_tag(tenant, id_, payload[2])
        return person and id_

    def roles_granted(self, tenant, id_, payload):
        person = self._known(tenant, id_)
        if person:
            self.need(not person.roles & set(payload[0]), "the person has these roles")
            person.roles |= set(payload[0])
        return person and id_

    def roles_revoked(self, tenant, id_, payload):
        person = self._known(tenant, id_)
        if person:
            self.need(person.roles >= set(payload[0]), "the person has not all of these roles")
            person.roles -= set(payload[0])
        return person and id_

    def deactivated(self, tenant, id_, _payload):
        person = self._known(tenant, id_)
        if person:
            self.need(person.active, "the person is shut out already")
            person.active = False
        return person and id_

    def reactivated(self, tenant, id_, _payload):
        person = self._known(tenant, id_)
        if person:
            self.need(not person.active, "the person is active already")
            person.active = True
        return person and id_

    def changed(self, tenant, id_, _payload):
        return self._known(tenant, id_) and id_

    def key_destroyed(self, tenant, id_, payload):
        person = self._known(tenant, id_)
        if person:
            self.need(payload[0] == person.key, "it is not the person's key")
            person.erased = True
            del self.owners[tenant, person.tag]
            person.tag = None
        return person and id_

    def session_opened(self, tenant, session, payload):
        person, _, expires_at, ends_at = payload[:4]
        person = _id(person)
        self.need((tenant, session) not in self.sessions and (tenant, session) not in self.ended, "the session was opened before")
        self.need(expires_at <= ends_at, "it ends before it expires")
        self.sessions[tenant, session] = _Session(person, expires_at, ends_at)
        known = self._known(tenant, person)
        if known:
            known.sessions.add(session)
        return known and person

    def session_refreshed(self, tenant, session, payload):
        person, refreshed_at, expires_at = _id(payload[0]), *payload[1:3]
        live = self._live(tenant, session, person)
        if live:
            self.need(refreshed_at < live.expires_at, "the session had expired")
            self.need(expires_at <= live.ends_at, "it ends before it expires")
            live.expires_at = expires_at
        return live and person

    def session_revoked(self, tenant, session, payload):
        person = _id(payload[0])
        live = self._live(tenant, session, person)
        if live:
            del self.sessions[tenant, session]
            self.ended.add((tenant, session))
            self.people[tenant, person].sessions.discard(session)
        return live and person

    def _known(self, tenant, id_):
        person = self.people.get((tenant, id_))
        known = self.need(person is not None, f"there is no person {id_}") and self.need(not person.erased, "the person was erased")
        return person if known else None

    def _live(self, tenant, session, person):
        live = self.sessions.get((tenant, session))
        known = self.need(live is not None, "there is no such live session")
        return live if known and self.need(live.person == person, f"it is {live.person}'s") else None

    def _own_key(self, key):
        self.need(key not in self.keys, "the key was given out before")
        self.keys.add(key)

    def _own_tag(self, tenant, id_, tag):
        person = self.people[tenant, id_]
        owner = self.owners.get((tenant, tag), id_)
        if self.need(owner == id_, f"{owner} has that address"):
            self.owners.pop((tenant, person.tag), None)
            self.owners[tenant, tag] = id_
            person.tag = tag


_EVENTS = {
    "tenant_equality_key_chosen": _Replay.equality_key_chosen,
    "user_registered": _Replay.registered,
    "user_profile_updated": _Replay.profile_updated,
    "user_roles_granted": _Replay.roles_granted,
    "user_roles_revoked": _Replay.roles_revoked,
    "user_deactivated": _Replay.deactivated,
    "user_reactivated": _Replay.reactivated,
    "user_password_set": _Replay.changed,
    "user_reset_token_issued": _Replay.changed,
    "user_preferences_set": _Replay.changed,
    "user_key_destroyed": _Replay.key_destroyed,
    "session_opened": _Replay.session_opened,
    "session_refreshed": _Replay.session_refreshed,
    "session_revoked": _Replay.session_revoked,
}


def _id(value):
    return str(uuid.UUID(value))
