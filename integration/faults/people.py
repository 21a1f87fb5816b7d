"""People who register, sign in, refresh their sessions, are given roles, shut out and forgotten, while servers die.

    town = Town(three)                       # a tenant in each partition that keeps accounts; made once, for all cases
    people = PeopleLoad(town, nodes, seed=7)
    people.start()
    key = people.strike_between(fault.strike, node)  # between a new person's key and the commit that names it
    people.finish()                          # no new actions; those that are open are asked again until they are answered
    people.actions, people.wrong, people.words

One clerk does everything about one person, one action after another, so that each answer is known beforehand; only where two
windows refresh one session at once, or two clerks register one address at once, either may be first. Each action is sent again
under its key after a 503, a lost connection or a long silence, to whichever node comes next. An answer without a Pw-Position is a
node's own word, for which there is no record: but for a sign-in that is to fail, it goes to `words` and another node is asked.
"""

import base64
import concurrent.futures
import copy
import random
import secrets
import struct
import threading
import time
import uuid

from confluent_kafka import OFFSET_END, Consumer, TopicPartition

from integration.cluster.process import ProcessError, wait_until
from integration.harness import Client, uuid7
from integration.reader import keys

CLERKS = 4
PAUSE_SECONDS = (0.02, 0.1)  # Of a clerk between two actions.
SILENCE_SECONDS = 6  # After which an action is sent to another node.
RETRY_SECONDS = 0.1
STRIKERS = 3  # Who register at once where a key is waited for.
KEY_SECONDS = 5  # How long a key is waited for before a strike.


class Town:
    """The tenants, everybody who was ever registered there, and `marker`, which stands in all that must not be read anywhere."""

    def __init__(self, three):
        self.three, self.stack, self.tenants = three, three.stack, {}
        self.marker, self.shown = (f"{fruit}{secrets.token_hex(6)}" for fruit in ("zwetschke", "marille"))  # `shown` is no secret.
        self.people = []
        self.sent = set()  # The key of every action.
        while len(self.tenants) < three.partitions:
            tenant = three.stack.tenant(three.nodes[0], self.shown)
            self.tenants.setdefault(tenant.partition, tenant)
        internal = three.nodes[0].internal()
        for tenant in self.tenants.values():
            answer = internal.command(f"/tenants/{tenant.id}/choose-equality-key")
            if answer.status != 200:
                raise ProcessError(f"a tenant keeps no accounts: {answer}")
        internal.close()


class Person:
    def __init__(self, tenant, marker):
        self.tenant = tenant
        name = f"{marker}{secrets.token_hex(4)}"
        self.email, self.name = f"{name}@uni.example", f"Ann {name}"
        self.password = f"staple of {name}"  # Of nobody else, who may have the address later: a sign-in may arrive late.
        self.id, self.roles, self.state = None, {"student"}, "active"
        self.sessions = {}  # id of a live one: its newest refresh token
        self.over = {}  # The same of those that ended.

    def end(self, session):
        self.over[session] = self.sessions.pop(session)

    def registration(self):
        return {"email": self.email, "name": self.name, "roles": sorted(self.roles), "password": self.password}


def read_token(text):
    """(id of its session, version) of a refresh token, as docs/accounts.md has it."""
    token = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    return str(uuid.UUID(bytes=token[:16])), struct.unpack(">I", token[32:36])[0]


class Action:
    """One command, from its first sending to its answer: what the judges get to see of it."""

    def __init__(self, tenant, actor, verb, due=None, shown=None):
        self.tenant, self.actor, self.verb, self.key = tenant.id, actor, verb, uuid7()
        self.due = due  # The problem that it is to be answered with, None: yes; several, where either may come.
        self.shown = shown and read_token(shown)  # (session, version) of the token that it came with.
        self.attempts = 0
        self.status = self.problem = self.position = self.id = self.version = None
        self.access_token = self.refresh_token = self.given = None

    def answer(self):
        return self.status, self.problem, self.position, self.id, self.version, self.given

    def is_due(self, problem):
        return problem in self.due if isinstance(self.due, tuple) else problem == self.due

    def take(self, answer):
        self.status, self.problem, self.position = answer.status, answer.problem, answer.position
        if answer.status < 400:
            self.id, self.version = answer.json["id"], answer.json["version"]
            self.access_token, self.refresh_token = answer.json.get("access_token"), answer.json.get("refresh_token")
            self.given = self.refresh_token and read_token(self.refresh_token)  # The token that it was answered with.

    def __repr__(self):
        return f"<{self.verb} key {self.key} of {self.actor}: {self.answer()} after {self.attempts} attempt(s)>"


class Over(Exception):
    """No new actions, or no waiting for an answer any more."""


class PeopleLoad:
    def __init__(self, town, nodes, seed):
        self.town, self.nodes, self.seed = town, nodes, seed
        self.actions, self.wrong = [], []
        self.words = []  # (node number, action, problem) of each word of a node's own that was not due
        self.failure = None
        self._random = random.Random(seed)
        self._accepting, self._ended, self._lock, self._mine = True, threading.Event(), threading.Lock(), threading.local()
        self._clerks = []

    # --- What a test does with it.

    def start(self):
        self._begin([self._thread(self._work, random.Random(self.seed + number)) for number in range(CLERKS)])
        return self

    def answered(self):
        return sum(action.status is not None for action in list(self.actions))

    def until_answered(self, count, seconds=60):
        """Waits until so many more actions were answered than have been by now."""
        target = self.answered() + count
        self._wait(f"{count} more answers about people", lambda: self.answered() >= target, seconds)

    def finish(self, seconds=60):
        """No new actions; returns once every one that was sent has its answer, or raises ProcessError."""
        self._accepting = False
        self._wait("answered to the last action about people", lambda: not any(clerk.is_alive() for clerk in self._clerks), seconds)

    def stop(self):
        """Ends it as it is; safe to repeat."""
        self._accepting = False
        self._ended.set()
        for clerk in self._clerks:
            clerk.join(2 * SILENCE_SECONDS)

    def sign_in_everywhere(self):
        """One living person of each tenant signs in through each node, and out: the address is found, the password's key opens. Returns
        how many did; a tenant of which nobody is left has nobody to do so."""
        living = {person.tenant.id: person for person in self.town.people if person.state == "active"}
        doors = [(person, number) for person in living.values() for number in range(len(self.nodes))]
        with concurrent.futures.ThreadPoolExecutor(CLERKS) as all_at_once:
            list(all_at_once.map(lambda door: self._sign_in_and_out(*door), doors))
        return len(doors)

    def strike_between(self, strike, node):
        """Strikes when the log of keys has a new key of a tenant that the node leads, and its commit is still to come. Returns that
        key's id, None where none was seen; whether the commit came all the same, the ledger says."""
        leaders = self.town.three.leaders()
        tenants = [tenant for partition, tenant in self.town.tenants.items() if leaders[partition] == [node]]
        ended, key = threading.Event(), None
        with KeyWatch(self.town.stack) as watch:
            if tenants:
                self._begin([self._thread(self._register_until, ended, tenants[number % len(tenants)]) for number in range(STRIKERS)])
                key = watch.next({uuid.UUID(tenant.id).bytes for tenant in tenants}, KEY_SECONDS)
            strike()
            ended.set()  # What was under way is asked again while the hurt lasts, and after it.
        return key and str(uuid.UUID(bytes=key))

    def _register_until(self, ended, tenant):
        while not ended.is_set() and self._accepting:
            self.register(tenant)

    def _begin(self, threads):
        self._clerks += threads
        for thread in threads:
            thread.start()

    def _thread(self, work, *words):
        def run():
            try:
                work(*words)
            except Over:
                pass
            except BaseException as error:  # To be raised in the test's thread.
                self.failure = error
        return threading.Thread(target=run, name="clerk", daemon=True)

    def _wait(self, what, condition, seconds):
        def met():
            if self.failure is not None:
                raise ProcessError(f"the clerks failed: {self.failure!r}") from self.failure
            return condition()
        try:
            wait_until(what, met, seconds, every=0.02)
        except ProcessError as error:
            still = [action for action in self.actions if action.status is None]
            raise ProcessError(f"{error}; open: {still[:3]}, words: {self.words[-3:]}") from None

    # --- A clerk's day.

    def _work(self, chance):
        while not self._ended.is_set():
            self._life(chance)

    def _life(self, chance):
        tenant = chance.choice(list(self.town.tenants.values()))
        person = self.register(tenant) if chance.random() < 0.7 else self._register_rivals(tenant)
        self._pause(chance)
        session = self.sign_in(person).id
        fate = chance.choice((self._erase, self._deactivate, self._stay))
        for step in (self._refresh, self._refresh_at_once, self._change_roles, self._mistype, self._sign_out_elsewhere, fate):
            self._pause(chance)
            step(person, session)

    def _pause(self, chance):
        if not self._accepting:
            raise Over
        time.sleep(chance.uniform(*PAUSE_SECONDS))

    # --- Actions.

    def register(self, tenant, like=None):
        person = Person(tenant, self.town.marker)
        person.email = like.email if like is not None else person.email
        action = self._ask(Action(tenant, tenant.admin.id, "register"), tenant.admin.token, "/users", person.registration())
        self._settle(person, action)
        return person

    def _register_rivals(self, tenant):
        """Two clerks register one address at once: one of them is too late, and its key is nobody's."""
        rivals = [Person(tenant, self.town.marker), Person(tenant, self.town.marker)]
        rivals[1].email = rivals[0].email
        actions = self._at_once(*((Action(tenant, tenant.admin.id, "register", (None, "email-taken")), tenant.admin.token, "/users",
                                   rival.registration()) for rival in rivals))
        if sorted(str(action.problem) for action in actions) != ["None", "email-taken"]:
            self.wrong.append(f"of two who register one address one wins: {actions}")
        for rival, action in zip(rivals, actions):
            self._settle(rival, action)
        return next((rival for rival in rivals if rival.id), rivals[0])

    def _settle(self, person, action):
        if action.status == 201:
            person.id = action.id
            with self._lock:
                self.town.people.append(person)

    def sign_in(self, person, due=None, password=None, first=None):
        body = {"email": person.email, "password": password or person.password, "label": f"Firefox of {self.town.marker}"}
        action = self._ask(Action(person.tenant, person.id, "sign in", due), None, "/sessions", body, first)
        if action.status == 201:
            person.sessions[action.id] = action.refresh_token
        return action

    def _mistype(self, person, _):
        self.sign_in(person, "login-failed", "not my password")

    def _refresh(self, person, session, due=None):
        action = self._ask(*self._refreshing(person, session, due))
        if action.status == 200:
            person.sessions[session] = action.refresh_token

    def _refreshing(self, person, session, due):
        """What asks for a refresh of a session by its newest token; of one that is over, by its last."""
        token = person.sessions.get(session) or person.over[session]
        return Action(person.tenant, person.id, "refresh", due, token), None, "/refresh-session", {"refresh_token": token}

    def _refresh_at_once(self, person, session):
        """Two windows; where a fault holds the second one up for ten seconds, it looks like a thief. Then, as if its answer had been
        lost, what one of them asked once more under its key."""
        asked = [self._refreshing(person, session, (None, "session-token-reused")) for _ in range(2)]
        actions = self._at_once(*asked)
        if all(action.status == 200 for action in actions):
            self._repeat(*asked[0])
            person.sessions[session] = actions[0].refresh_token
            self._refresh(person, session)
        else:
            person.end(session)
            if all(action.status != 200 for action in actions):
                self.wrong.append(f"of two who refresh at once nobody is first: {actions}")
            self._refresh(person, session, "session-ended")

    def _repeat(self, action, *words):
        again = copy.copy(action)
        again.take(self._until_answered(action, *words))
        if again.answer() != action.answer():
            self.wrong.append(f"{action} was answered anew: {again}")

    def _change_roles(self, person, _):
        admin = person.tenant.admin
        for verb, roles in (("grant-roles", {"proctor", "grader"}), ("revoke-roles", {"grader"})):
            action = self._ask(Action(person.tenant, admin.id, verb), admin.token, f"/users/{person.id}/{verb}", {"roles": sorted(roles)})
            if action.status == 200:
                person.roles = person.roles | roles if verb == "grant-roles" else person.roles - roles

    def _sign_in_and_out(self, person, first=None):
        session = self.sign_in(person, first=first)
        if session.status == 201:
            action = self._ask(Action(person.tenant, person.id, "revoke"), session.access_token, f"/sessions/{session.id}/revoke", {},
                               first)
            if action.status == 200:
                person.end(session.id)

    def _sign_out_elsewhere(self, person, _):
        """What was signed in on another device is signed out there."""
        self._sign_in_and_out(person)

    def _stay(self, person, session):
        pass

    def _deactivate(self, person, session):
        self._change_state(person, "deactivate", "shut", {"reason": f"Left {self.town.marker}"})
        self.sign_in(person, "user-not-active")
        self._refresh(person, session, "session-ended")
        if int(person.id[-1], 16) % 2:
            self._change_state(person, "reactivate", "active", {})

    def _erase(self, person, session):
        self._change_state(person, "erase", "erased", {})
        self.sign_in(person, "login-failed")
        self._refresh(person, session, "session-ended")
        self.register(person.tenant, like=person)  # The address is free again.

    def _change_state(self, person, verb, state, body):
        admin = person.tenant.admin
        action = self._ask(Action(person.tenant, admin.id, verb), admin.token, f"/users/{person.id}/{verb}", body)
        if action.status == 200:
            person.state = state
            for session in list(person.sessions):
                person.end(session)

    # --- Asking.

    def _at_once(self, *asked):
        with concurrent.futures.ThreadPoolExecutor(len(asked)) as both:
            return [one.result() for one in [both.submit(self._ask, *words) for words in asked]]

    def _ask(self, action, token, path, body, first=None):
        """Sends an action until it is answered, and holds the answer against the one that is due."""
        with self._lock:
            self.actions.append(action)
            self.town.sent.add(action.key)
        action.take(self._until_answered(action, token, path, body, first))
        if not action.is_due(action.problem):
            self.wrong.append(f"{action} was due to be answered {action.due or 'yes'}")
        return action

    def _until_answered(self, action, token, path, body, first=None):
        at = self._random.randrange(len(self.nodes)) if first is None else first
        while not self._ended.is_set():
            node = self.nodes[at % len(self.nodes)]
            action.attempts, at = action.attempts + 1, at + 1
            answer = self._send(node, action, token, path, body)
            if answer is not None and answer.status != 503:
                if answer.position is not None or answer.problem == "login-failed" and action.is_due("login-failed"):
                    return answer
                self.words.append((node.number, action, answer.problem))
            time.sleep(RETRY_SECONDS)
        raise Over

    def _send(self, node, action, token, path, body):
        if not hasattr(self._mine, "clients"):
            self._mine.clients = {}
        client = self._mine.clients.setdefault(node.number, Client(node.api))
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            return client.post(f"/v1/tenants/{action.tenant}{path}", body, key=action.key, headers=headers, seconds=SILENCE_SECONDS)
        except OSError:
            return None


class KeyWatch:
    """Sees each new key of a person as soon as all replicas have it."""

    def __init__(self, stack):
        self._consumer = Consumer({
            "bootstrap.servers": stack.kafka.endpoints(), "group.id": "key-watch", "enable.auto.commit": False,
            "enable.partition.eof": True, "fetch.wait.max.ms": 10, "log_level": 0})
        self._consumer.assign([TopicPartition(f"{stack.topic}.keys", 0, OFFSET_END)])

    def __enter__(self):
        end = time.monotonic() + KEY_SECONDS
        while time.monotonic() < end:
            message = self._consumer.poll(0.1)
            if message is not None:  # Either a key or, most often, the word that there is no further one: it reads.
                break
        return self

    def __exit__(self, *_):
        self._consumer.close()

    def next(self, tenants, seconds):
        """The id of the next key of one of these tenants' people; None where none came."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            message = self._consumer.poll(0.05)
            if message is None or message.error() is not None:
                continue
            if keys.verdict(message.key(), message.value()) == "good" and message.value()[24:40] in tenants:
                return message.value()[8:24]
        return None
