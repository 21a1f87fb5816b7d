"""Students and their office at work, many at once and without end, while servers die: they book, hold, confirm, move, cancel and wait, are
offered seats, and the office cancels, prioritises, changes capacities, closes and cancels slots, grants more time, and marks who came.

    load = Load(world, nodes, seed=7)
    load.start()
    load.until_decided(500)                # so many commands were answered
    unanswered = load.strike(node.kill)    # kills while a burst of requests is under way
    ...
    load.finish()                          # no new commands; those that are open are asked again until they are answered
    load.decided, load.open, load.wrong

Each command is sent again under its key after a 503, a lost connection or a long silence, to whichever node comes next. Some
commands that were answered are sent once more: the answer must be the same. What no client should ever see is in `wrong`.

One thread, so that the moment of a strike is exact: the requests of a burst were sent, and none of their answers was read.
"""

import collections
import datetime
import json
import random
import selectors
import socket
import threading
import time

from integration.cluster.process import wait_until
from integration.harness import ProcessError, at, uuid7

RETRY_SECONDS = 0.1  # More impatient than Retry-After asks for.
SILENCE_SECONDS = 25  # After which a request is given up on its connection and sent again on another, unless a test says otherwise.
PAUSE_SECONDS = (0.02, 0.1)  # A student thinks so long between two commands.
GATHER_SECONDS = 0.5  # How long a strike waits for connections to come free, for a bigger burst.
DELAYED_SECONDS = 0.5  # An answer that comes so long after a strike had to wait for something.
HELD_SECONDS = 0.25  # A request that took so long was held up by something.
REPEATS = 0.05  # How many commands are sent again after they were answered.
DECIDED = (200, 201, 404, 409, 412)


# How often, of so many. A student's commands about what they have, and the office's about the same; then about slots; then about students.
ABOUT_SEATS = {"confirm-hold": 10, "cancel": 24, "reschedule": 18, "leave-waitlist": 3, "accept-offer": 16, "decline-offer": 3,
               "cancel-by-staff": 6, "prioritise": 6}
ABOUT_SLOTS = {"reservations": 60, "holds": 25, "waitlist": 35, "change-capacity": 6, "close": 0.3, "cancel": 0.3}
ABOUT_STUDENTS = {"accommodations": 3, "revise": 3, "revoke": 1}
MARKS = {"mark-attended": 1, "mark-no-show": 1}
BY_STAFF = {"cancel-by-staff", "prioritise", "change-capacity", "close", *ABOUT_STUDENTS, *MARKS}
ENDS = {"cancel", "leave-waitlist", "decline-offer", "cancel-by-staff"}
REASONS = ("staff.schedule", "environment.power", "examinee.request")
CLOSED_MAX = 0.25  # Of a tenant's slots: so many at most are closed or cancelled, so that there is something left to do.
BEGINS_SECONDS = 6  # So soon the sittings begin in which everybody is marked.


class World:
    """Tenants with exams, slots with few seats, and students: small enough that they get into each other's way.

    apart   Each slot is of an hour of its own, so that what is decided about an exam's slots hangs on no other exam: histories of
            such exams can be judged one by one (faults/linear.py).
    begun   In each tenant there is a sitting that has begun, in which students have seats: it can be marked who came.
    """

    def __init__(self, node, tenants=3, exams=4, slots=3, students=24, apart=False, begun=False):
        self.tenants = [_Place(node, exams, slots, students, apart, begun) for _ in range(tenants)]
        last = max(place.begins_at for place in self.tenants)
        wait_until("every sitting has begun that is to", lambda: time.time() > last, BEGINS_SECONDS + 1, every=0.1)


class _Place:
    def __init__(self, node, exams, slots, students, apart, begun):
        self.tenant = node.stack.tenant(node)
        self.students = [self.tenant.student() for _ in range(students)]
        self.begins_at, self.sat, self.asked = 0, [], set()  # Of the sitting that begins: when; its reservations; the keys that made them.
        if begun:
            self._begin(node)
        made = [self.tenant.exam(node, f"Exam {number}", buffer_minutes=15) for number in range(exams)]
        # Slots of different exams lie at the same hours, so that calendars clash.
        self.capacities, self.exam_of = {}, {}  # Of each slot: seats when it was opened, and its exam.
        for place, exam in enumerate(made):
            for number in range(slots):
                capacity = 2 + (number if not apart else place % 4)
                hours = 2 * (number if not apart else place * slots + number)
                slot = self.tenant.slot(node, exam, capacity=capacity, starts_at=at(days=30, hours=hours))
                self.capacities[slot], self.exam_of[slot] = capacity, exam
        self.slots = list(self.capacities)
        self.closed = set()  # Slots that were asked to be closed or cancelled.
        self.slot_of = {}  # Reservation id: its slot, as far as is known.
        self.seats = {student.id: [] for student in self.students}  # Reservation ids: booked, held, waited for, most of them open.
        self.ended = {student.id: collections.deque(maxlen=3) for student in self.students}
        self.accommodations = []

    def _begin(self, node):
        """A sitting of everybody, or, where the machine is slow, of whoever books in time."""
        exam = self.tenant.exam(node, "Begun", duration_minutes=60)
        self.begins_at = int(time.time()) + BEGINS_SECONDS
        starts_at = datetime.datetime.fromtimestamp(self.begins_at, datetime.timezone.utc).isoformat()
        slot = self.tenant.slot(node, exam, capacity=len(self.students), starts_at=starts_at)
        for student in self.students:
            client, key = student.client(node), uuid7()
            answer = client.command(f"/slots/{slot}/reservations", key=key)
            client.close()
            self.asked.add(key)
            if answer.status == 201:
                self.sat.append(answer.json["id"])
            elif answer.problem != "slot-started":
                raise ProcessError(f"nobody sits, by {answer}")

    def beside(self, slot):
        """The slots of its exam."""
        return [other for other in self.slots if self.exam_of[other] == self.exam_of[slot]]


class Command:
    """One command of one student, or of the office, from its first sending to its answer.

    student   Whose seat it is about, or None.
    by        Who asks.
    """

    def __init__(self, place, path, student=None, by=None, body=None, key=None):
        self.place, self.path, self.student, self.body, self.key = place, path, student, body, key or uuid7()
        self.by = by or student
        _, self.about, self.name, *action = path.split("/")  # /slots/{name}/holds, say.
        self.action = action[0]
        self.first = None  # The answer that it got before, where this is a repeat.
        self.attempts = 0
        self.not_before = 0.0
        self.troubled_at = None  # When it was first turned away or lost.
        self.called_at = self.returned_at = None  # First sent; answered for good.
        # Once answered:
        self.status = self.problem = self.position = self.id = self.version = None
        self.replayed = False

    def again(self):
        """The same command under the same key, as from a client that did not hear the answer."""
        command = Command(self.place, self.path, self.student, self.by, self.body, self.key)
        command.first = self
        return command

    @property
    def tenant(self):
        return self.place.tenant

    def answer(self):
        return self.status, self.problem, self.position, self.id, self.version

    def request(self, host):
        body = json.dumps(self.body) if self.body else ""
        kind = "Content-Type: application/json\r\n" if body else ""
        return (f"POST /v1/tenants/{self.tenant.id}{self.path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {self.by.token}\r\n"
                f"Idempotency-Key: {self.key}\r\n{kind}Content-Length: {len(body)}\r\n\r\n{body}").encode()

    def __repr__(self):
        return f"<{self.path} key {self.key}: {self.answer()} after {self.attempts} attempt(s)>"


class _Connection:
    def __init__(self, number):
        self.node_number = number  # Which node it talks to, modulo their count.
        self.socket = self.command = None
        self.received = b""
        self.sent_at = self.idle_until = 0.0


class Load:
    def __init__(self, world, nodes, seed, connections=48, rate=None, operations_max=None):
        self.world, self.nodes = world, nodes
        self.seed, self.random = seed, random.Random(seed)
        self.decided, self.open, self.wrong = [], set(), []
        self.sent = set()  # Every key.
        self.rate, self._allowed, self._allowed_at = rate, 0.0, None  # New commands a second; without, students think in between.
        self._left = {exam: operations_max or 10**9 for place in world.tenants for exam in place.exam_of.values()}  # Commands about each.
        self.counts = collections.Counter()  # By status, and `lost`, `late`, `refused to connect`.
        self.landed = []  # Keys that were struck, and turned out to be on record already.
        self.held = []  # (when it ended, seconds) of each request that had to wait, whatever came of it: an answer, a 503, silence.
        self.waits = []  # Seconds from the first time that a command was turned away or lost to its answer.
        self._connections = [_Connection(number) for number in range(connections)]
        self._selector = selectors.DefaultSelector()
        self._waiting = collections.deque()  # Commands to be sent again.
        self._accepting, self._ended = True, threading.Event()
        self._strike, self._struck, self._struck_at = None, {}, 0.0
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)
        self.failure = None
        self.silence_seconds = SILENCE_SECONDS

    # --- What a test does with it.

    def start(self):
        self._thread.start()
        return self

    def until_decided(self, count, seconds=60):
        """Waits until so many more commands were answered than have been by now."""
        target = len(self.decided) + count
        self._wait(f"{count} more commands answered", lambda: len(self.decided) >= target, seconds)

    def until_bothered(self, seconds=30):
        """Waits until some client was turned away or lost its connection since now."""
        before = self.troubles()
        self._wait("noticed by any client", lambda: self.troubles() > before, seconds)

    def troubles(self):
        return sum(self.counts[what] for what in ("503", "lost", "late", "refused to connect"))

    def strike(self, action, seconds=30, wait=True, at_once=False):
        """Runs `action` when the first answer to a burst of requests is on its way, or `at_once`, when the last request is. Unless
        told not to, waits for all answers, and returns how many of the requests got no definite one."""
        done = threading.Event()
        self._strike = (action, done, time.monotonic() + GATHER_SECONDS, at_once)
        self._wait("struck", done.is_set, seconds)
        if wait:
            self._wait("answered or lost", lambda: "waiting" not in self.struck(), SILENCE_SECONDS + seconds)
        return self.struck()["unanswered"]

    def note_struck(self):
        """Somebody else has just struck, at a moment of their own: what is under way now was struck."""
        self._struck, self._struck_at = self._in_flight(), time.monotonic()

    def struck(self):
        """What became of the requests of the last strike: a Counter of `waiting`, `answered`, `delayed` (answered, but late) and
        `unanswered`."""
        return collections.Counter(list(self._struck.values()))

    def finish(self, seconds=60):
        """No new commands; returns once every one that was sent has its answer, or raises ProcessError."""
        self._accepting = False
        self._wait("answered to the last command", lambda: not self._thread.is_alive(), seconds)

    def stop(self):
        """Ends it as it is; safe to repeat."""
        self._ended.set()
        if self._thread.ident is not None:
            self._thread.join(SILENCE_SECONDS)

    def yes_and_no(self):
        yes = sum(command.status < 400 for command in self.decided)
        return yes, len(self.decided) - yes

    def _wait(self, what, condition, seconds):
        def met():
            if self.failure is not None:
                raise ProcessError(f"the load failed: {self.failure!r}") from self.failure
            return condition()
        try:
            wait_until(what, met, seconds, every=0.01)
        except ProcessError as error:
            raise ProcessError(f"{error}; open: {list(self.open)[:3]}, counts: {dict(self.counts)}") from None

    # --- The loop.

    def _run(self):
        try:
            while not self._ended.is_set() and (self._accepting or self.open):
                if self._strike is None or self._gathered():
                    self._burst()
                self._act()
                for key, _ in self._selector.select(0.005):
                    self._receive(key.data)
                self._give_up_late_ones()
        except BaseException as error:  # To be raised in the test's thread.
            self.failure = error
        finally:
            for connection in self._connections:
                self._close(connection)
            self._selector.close()

    def _gathered(self):
        return time.monotonic() > self._strike[2] or all(connection.command is None for connection in self._connections)

    def _burst(self):
        """Every free connection sends a command."""
        now, strike = time.monotonic(), self._strike is not None
        free = [connection for connection in self._connections
                if connection.command is None and (strike or connection.idle_until <= now)]
        for connection in free:
            command = self._next_command(now, strike)
            if command is None:
                return
            self._send(connection, command)

    def _act(self):
        if self._strike is None or not self._gathered() and not all(c.command for c in self._connections):
            return
        action, done, _, at_once = self._strike
        struck = self._in_flight()
        if not at_once:
            self._selector.select(0.1)
        action()
        self._strike, self._struck, self._struck_at = None, struck, time.monotonic()
        done.set()

    def _in_flight(self):
        return {command: "waiting" for command in [connection.command for connection in self._connections] if command is not None}

    def _next_command(self, now, strike):
        for _ in range(len(self._waiting)):
            command = self._waiting.popleft()
            if strike or command.not_before <= now:
                return command
            self._waiting.append(command)
        if not self._accepting or not strike and not self._may_begin(now):
            return None
        if self.decided and self.random.random() < REPEATS:
            first = self.random.choice(self.decided[-2000:])
            command = first.again()
        else:
            place = self.random.choice(self.world.tenants)
            student = self.random.choice(place.students)
            command = self._draw(place, student)
            if command is None:
                return None
            self.sent.add(command.key)
        self.open.add(command)
        return command

    def _draw(self, place, student):
        """A new command; None where there is nothing that may be asked for any more."""
        dice = self.random.random()
        if dice < 0.03:
            return self._about_student(place, student)
        if dice < 0.06 and place.sat:
            action = self._one_of(MARKS)
            return self._of_office(place, f"/reservations/{self.random.choice(place.sat)}/{action}", None,
                                   {"reason": "examinee.absent"} if action == "mark-no-show" else None)
        if dice < 0.5 and (place.seats[student.id] or place.ended[student.id]):
            return self._about_seat(place, student)
        return self._about_slot(place, student)

    def _about_seat(self, place, student):
        """Mostly about something that is open; now and then about something that has ended, which is refused or changes nothing."""
        seats, ended, action = place.seats[student.id], place.ended[student.id], self._one_of(ABOUT_SEATS)
        seat = self.random.choice(ended if ended and (not seats or self.random.random() < 0.1) else seats)
        exam = place.exam_of[place.slot_of[seat]]
        if self._left[exam] <= 0:
            return None
        self._left[exam] -= 1
        path, body = f"/reservations/{seat}/{action}", None
        if action == "reschedule":
            body = {"slot_id": self.random.choice(place.beside(place.slot_of[seat]))}
        elif action == "cancel-by-staff":
            body = {"reason": self.random.choice(REASONS)}
        elif action == "prioritise":
            body = {"priority": self.random.randrange(3)}
        return self._of_office(place, path, student, body) if action in BY_STAFF else Command(place, path, student, body=body)

    def _about_slot(self, place, student):
        slots = [slot for slot in place.slots if self._left[place.exam_of[slot]] > 0]
        if not slots:
            return None
        slot, action = self.random.choice(slots), self._one_of(ABOUT_SLOTS)
        if action in ("close", "cancel"):
            if len(place.closed | {slot}) > CLOSED_MAX * len(place.slots):
                action = "change-capacity"
            else:
                place.closed.add(slot)
        self._left[place.exam_of[slot]] -= 1
        path = f"/slots/{slot}/{action}"
        if action in ("reservations", "holds", "waitlist"):
            return Command(place, path, student)
        return self._of_office(place, path, None, {"change-capacity": {"capacity": self.random.randint(1, 6)},
                                                   "cancel": {"reason": self.random.choice(REASONS)}}.get(action))

    def _about_student(self, place, student):
        """More time, of some kind, for sittings around those that there are; never so much that sittings of different hours meet."""
        action = self._one_of(ABOUT_STUDENTS) if place.accommodations else "accommodations"
        content = {"factor_percent": self.random.choice((100, 125, 150)), "fixed_minutes": self.random.choice((0, 10)),
                   "valid_from": at(days=self.random.randrange(20, 31)), "valid_until": at(days=self.random.randrange(31, 40))}
        if action == "accommodations":
            return self._of_office(place, f"/students/{student.id}/accommodations", None, content)
        path = f"/accommodations/{self.random.choice(place.accommodations)}/{action}"
        return self._of_office(place, path, None, content if action == "revise" else None)

    def _of_office(self, place, path, student, body):
        return Command(place, path, student, by=place.tenant.admin, body=body)

    def _one_of(self, weights):
        return self.random.choices(list(weights), list(weights.values()))[0]

    def _may_begin(self, now):
        """Whether a new command is due, where so many a second are asked for. What a fault held up is not made good at once."""
        if self.rate is None:
            return True
        self._allowed = min(self._allowed + (now - (self._allowed_at or now)) * self.rate, 2 * len(self._connections))
        self._allowed_at = now
        if self._allowed < 1:
            return False
        self._allowed -= 1
        return True

    def _send(self, connection, command):
        node = self.nodes[connection.node_number % len(self.nodes)]
        command.attempts += 1
        command.called_at = command.called_at or time.monotonic()
        connection.command = command
        try:
            if connection.socket is None:
                host, _, port = node.api.rpartition(":")
                connection.socket = socket.create_connection((host, int(port)), timeout=1)
                connection.socket.setblocking(False)
                connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._selector.register(connection.socket, selectors.EVENT_READ, connection)
            connection.received = b""
            connection.sent_at = time.monotonic()
            connection.socket.send(command.request(node.api))  # Some 500 bytes: never taken in part.
        except OSError:
            self._again(connection, "refused to connect")

    def _receive(self, connection):
        try:
            data = connection.socket.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            if connection.command is None:
                self._close(connection)  # An idle connection that the server closed: nothing is lost.
            else:
                self._again(connection, "lost")
            return
        connection.received += data
        head, found, body = connection.received.partition(b"\r\n\r\n")
        if not found:
            return
        status, headers = _head(head)
        if len(body) >= int(headers["content-length"]):
            self._answered(connection, status, headers, json.loads(body))
            if headers.get("connection", "").lower() == "close":
                self._close(connection)

    def _answered(self, connection, status, headers, body):
        command = connection.command
        self.counts[str(status)] += 1
        self._note_held(connection)
        if status == 503:
            self._check_503(command, headers, body)
            self._again(connection, None)
            return
        self._outcome(command, "answered")
        if command.troubled_at is not None:
            self.waits.append(time.monotonic() - command.troubled_at)
        command.status, command.position = status, headers.get("pw-position")
        command.problem = body["type"].rpartition("/")[2] if status >= 400 else None
        command.id, command.version = body.get("id"), body.get("version")
        command.replayed = headers.get("idempotency-replayed") == "true"
        command.returned_at = time.monotonic()
        connection.command = None
        connection.idle_until = command.returned_at + (self.random.uniform(*PAUSE_SECONDS) if self.rate is None else 0)
        self.open.discard(command)
        if status not in DECIDED or command.position is None or headers.get("idempotency-key") != command.key:
            self.wrong.append(f"{command} is no decision: {body}, {headers}")
        elif command.first is not None:
            # Of several nodes, one may have decided the repeat too, in vain, before it read of the first decision.
            if not command.replayed and len(self.nodes) == 1 or command.answer() != command.first.answer():
                self.wrong.append(f"{command}, but the first answer was {command.first}")
        else:
            self._learn(command)

    def _learn(self, command):
        if command.replayed and command.attempts == 1:
            self.wrong.append(f"{command} was never sent before, and is called a repeat")
        if command.replayed and command in self._struck:
            self.landed.append(command.key)
        place = command.place
        if command.status == 201 and command.about == "slots":
            place.seats[command.student.id].append(command.id)
            place.slot_of[command.id] = command.name
        elif command.status == 201:
            place.accommodations.append(command.id)
        elif command.status == 200 and command.action == "reschedule":
            place.slot_of[command.name] = command.body["slot_id"]
        elif command.status == 200 and command.about == "reservations" and command.action in ENDS:
            if command.name in place.seats[command.student.id]:
                place.seats[command.student.id].remove(command.name)
                place.ended[command.student.id].append(command.name)
        self.decided.append(command)

    def _check_503(self, command, headers, body):
        if not headers.get("content-type", "").startswith("application/problem+json") or "retry-after" not in headers:
            self.wrong.append(f"{command}: a 503 without Retry-After or problem: {headers}, {body}")

    def _outcome(self, command, outcome):
        if self._struck.get(command) == "waiting":
            late = outcome == "answered" and time.monotonic() - self._struck_at > DELAYED_SECONDS
            self._struck[command] = "delayed" if late else outcome

    def _again(self, connection, trouble):
        """The command on this connection was not answered: it waits to be sent again, to the next node."""
        command, connection.command = connection.command, None
        self._outcome(command, "unanswered")
        if trouble in ("lost", "late"):
            self._note_held(connection)
        command.troubled_at = command.troubled_at or time.monotonic()
        if trouble is not None:
            self.counts[trouble] += 1
            self._close(connection)
        connection.node_number += 1
        command.not_before = time.monotonic() + RETRY_SECONDS
        connection.idle_until = command.not_before
        self._waiting.append(command)

    def _note_held(self, connection):
        now = time.monotonic()
        if now - connection.sent_at > HELD_SECONDS:
            self.held.append((now, now - connection.sent_at))

    def _give_up_late_ones(self):
        limit = time.monotonic() - self.silence_seconds
        for connection in self._connections:
            if connection.command is not None and connection.sent_at < limit:
                self._again(connection, "late")

    def _close(self, connection):
        if connection.socket is not None:
            self._selector.unregister(connection.socket)
            connection.socket.close()
            connection.socket = None


def _head(head):
    """(status, {lower-case name: value}) of an answer's head."""
    lines = head.decode().split("\r\n")
    return int(lines[0].split()[1]), {name.strip().lower(): value.strip()
                                      for name, _, value in (line.partition(":") for line in lines[1:])}
