"""How long what a client sees of each fault lasts: measured, and printed beside the goal and what else the machine does.

    script/faults availability            # all of it, some six minutes
    script/faults leader-kills --rounds 5

Nothing here passes or fails by its length, for others share the machine; a wrong answer fails.
"""

import concurrent.futures
import contextlib
import datetime
import random
import statistics
import threading
import time

import pymysql

from integration.cluster.process import wait_until
from integration.faults.three import Fault, busy
from integration.harness import total
from integration.load import World

PATIENCE_SECONDS = 30
POLL_SECONDS = 0.02


def tell(what, goal, figures, unit="s", more=""):
    """One line: a median and the worst of the figures."""
    if not figures:
        print(f"{what}: nothing was measured; {busy()}", flush=True)
        return
    print(f"{what}: median {statistics.median(figures):.2f} {unit}, worst {max(figures):.2f} {unit} of {len(figures)} "
          f"[{', '.join(f'{one:.2f}' for one in sorted(figures))}]; goal {goal}{'; ' if more else ''}{more}; {busy()}", flush=True)


# --- What a client sees of a partition.


def places_everywhere(three):
    """A tenant with one slot in each partition."""
    found = {}
    while len(found) < three.partitions:
        place = World(three.nodes[0], tenants=1, exams=1, slots=1, students=1).tenants[0]
        found.setdefault(place.tenant.partition, place)
    return found


def first_answer(place, nodes, began):
    """Seconds until a new command about that place is confirmed, asked of one node after another until it is; and the answer."""
    while time.monotonic() < began + PATIENCE_SECONDS:
        client = place.tenant.student().client(random.choice(nodes))
        with contextlib.suppress(OSError):
            answer = client.post(f"/slots/{place.slots[0]}/reservations", {}, seconds=10)
            if answer.decided:
                return time.monotonic() - began, answer
        client.close()
        time.sleep(POLL_SECONDS)
    raise AssertionError(f"nobody decides for partition {place.tenant.partition}")


def first_answers(three, places, victim, began):
    others = [node for node in three.nodes if node is not victim]
    with concurrent.futures.ThreadPoolExecutor(len(places)) as all_at_once:
        return list(all_at_once.map(lambda place: first_answer(place, others, began), places))


def led_by(three, places, node):
    leaders = three.leaders()
    return [place for partition, place in places.items() if leaders[partition] == [node]]


def writes(node):
    """Whether the node is the writer of some read model."""
    metrics = node.metrics()
    return total(metrics, "pw_projection_epochs_taken_total") > total(metrics, "pw_projection_epochs_lost_total")


def shown_after(place, node, answer, began):
    """Seconds until the read models show what was answered."""
    client = place.tenant.admin.client(node)
    while time.monotonic() < began + PATIENCE_SECONDS:
        seen = client.get("/reservations?limit=1", headers={"Pw-Min-Position": answer.position, "Prefer": "wait=10"})
        if seen.status == 200:
            return time.monotonic() - began
    raise AssertionError(f"the read model never came to {answer.position}: {seen}")


# --- The measurements.


def leader_kills(three, rounds=20):
    """kill -9 of a leader: to the first confirmed command of each of its partitions, and to its read models' going on."""
    places, seconds, moved = places_everywhere(three), [], []
    for _ in range(rounds):
        three.settle()
        victim = random.choice([node for node in three.nodes if led_by(three, places, node)])
        theirs, wrote = led_by(three, places, victim), writes(victim)
        began = time.monotonic()
        victim.kill()
        taken = first_answers(three, theirs, victim, began)
        seconds.append(max(after for after, _ in taken))
        if wrote:
            node = next(node for node in three.nodes if node is not victim)
            moved.append(max(shown_after(place, node, answer, began) for place, (_, answer) in zip(theirs, taken)))
        victim.start()
    tell("kill -9 of a leader, to the first confirmed command in each of its partitions", "1 s each", seconds,
         more=f"{sum(one > 1 for one in seconds)} above")
    tell("kill -9 of a process that writes read models, until they go on", "3 s", moved)


HOLDS, APART_SECONDS = 40, 0.05


def held_seats(place, node, first_at):
    """Seats that are held until the start of slots that follow each other. Returns the reservations' ids, and the last position."""
    def held(number):
        starts_at = datetime.datetime.fromtimestamp(first_at + number * APART_SECONDS, datetime.timezone.utc)
        slot = place.tenant.slot(node, place.tenant.exam(node), capacity=1, starts_at=starts_at.isoformat().replace("+00:00", "Z"))
        client = place.tenant.student().client(node)
        answer = client.command(f"/slots/{slot}/holds")
        client.close()
        return answer
    with concurrent.futures.ThreadPoolExecutor(8) as all_at_once:
        answers = list(all_at_once.map(held, range(HOLDS)))
    if not all(answer.status == 201 for answer in answers):
        raise AssertionError(f"seats were to be held: {answers[:3]}")
    return [answer.json["id"] for answer in answers], max(answers, key=lambda one: int(one.position.split(":")[1])).position


def all_expired(place, node, seats, position):
    """When each hold was given back, by what the read model shows; None while one is not."""
    client = place.tenant.admin.client(node)
    with contextlib.suppress(OSError):
        rows = [client.get(f"/reservations/{seat}", headers={"Pw-Min-Position": position, "Prefer": "wait=10"}) for seat in seats]
        if all(row.status == 200 and row.json["state"] == "expired" for row in rows):
            return [datetime.datetime.fromisoformat(row.json["changed_at"].replace("Z", "+00:00")).timestamp() for row in rows]
    return None


def deadline_kills(three, rounds=20):
    """kill -9 of a leader while nobody sends anything: to the first deadline that another one writes; and each is written, once."""
    places, seconds = places_everywhere(three), []
    for _ in range(rounds):
        three.settle()
        victim = random.choice([node for node in three.nodes if led_by(three, places, node)])
        place = random.choice(led_by(three, places, victim))
        first_at = time.time() + 5
        seats, position = held_seats(place, victim, first_at)
        wait_until("due", lambda first_at=first_at: time.time() >= first_at + HOLDS / 4 * APART_SECONDS, PATIENCE_SECONDS, every=0.001)
        killed_at = time.time()
        victim.kill()
        other, ended = next(node for node in three.nodes if node is not victim), []
        wait_until("written", lambda: ended.extend(all_expired(place, other, seats, position) or []) or ended, PATIENCE_SECONDS)
        later = [at for number, at in enumerate(ended) if first_at + number * APART_SECONDS > killed_at]  # Which the dead one cannot have written.
        seconds.append(min(later) - killed_at)
        victim.start()
    tell("kill -9 of a leader, no command sent, to the first deadline that another node writes", "1 s each", seconds,
         more=f"{sum(one > 1 for one in seconds)} above; {HOLDS} holds {1000 * APART_SECONDS:.0f} ms apart, each given back")


def zombies(three, rounds=5):
    """SIGSTOP of a leader until others lead, then SIGCONT, under load: what it answers then is judged."""
    places, seconds, held = places_everywhere(three), [], []
    for _ in range(rounds):
        three.settle()
        victim = random.choice(three.nodes)
        theirs = led_by(three, places, victim)
        with three.load() as load:
            load.until_decided(300)
            began = time.monotonic()
            load.strike(victim.pause, wait=False)
            seconds.append(max(after for after, _ in first_answers(three, theirs, victim, began)))
            victim.resume()
            load.until_decided(300)
            three.judge(load)
            held += [one for at, one in load.held if at > began]
    tell("SIGSTOP of a leader, to the first confirmed command in each of its partitions", "none given", seconds,
         more="no wrong answer after SIGCONT: answers linearizable, ledger and read models agree")
    tell("how long a command was held by it, on its connection", "none given", [max(held, default=0)])


def hung_brokers(three, rounds=5):
    """SIGSTOP of the broker that leads most, under load: the longest that any request waited for an answer of any kind."""
    held, back = [], []
    for _ in range(rounds):
        three.settle()
        with three.load() as load:
            load.until_decided(300)
            fault, began = Fault(three, "hang", "broker"), time.monotonic()
            load.strike(fault.strike, wait=False)
            wait_until("replaced", fault.noticed, PATIENCE_SECONDS)
            load.until_decided(100)
            back.append(time.monotonic() - began)
            fault.heal()
            load.until_decided(300)
            three.judge(load)
            held.append(max((one for at, one in load.held if at > began), default=0))
    tell("SIGSTOP of a broker, the longest that a command was held", "5 s", held)
    tell("SIGSTOP of a broker, until commands are decided at speed again", "none given", back)


class Asking:
    """One query after another at each node, until stopped: what was not answered with 200."""

    def __init__(self, three, place):
        self.bad, self.count, self.slowest = [], 0, 0.0
        self._three, self._place, self._ending = three, place, threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(node,), daemon=True) for node in three.nodes for _ in range(2)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._ending.set()
        for thread in self._threads:
            thread.join(60)

    def _ask(self, node):
        client = self._place.tenant.admin.client(node)
        while not self._ending.wait(0.01):
            began = time.monotonic()
            try:
                answer = client.get("/slots", seconds=30)
                if answer.status != 200:
                    self.bad.append(answer)
            except OSError as error:
                self.bad.append(error)
            self.count += 1
            self.slowest = max(self.slowest, time.monotonic() - began)


def cluster_takes_writes(three, victim, began):
    """Seconds until the cluster itself, asked without ProctorWise, takes a write again."""
    other = next(number for number in (1, 2, 3) if number != victim)
    while time.monotonic() < began + PATIENCE_SECONDS:
        with contextlib.suppress(OSError, pymysql.Error), three.stack.galera.connect(other, "proctorwise") as connection:
            with connection.cursor() as cursor:
                cursor.execute("CREATE TABLE IF NOT EXISTS of_a_test (id INT PRIMARY KEY)")
                cursor.execute("REPLACE INTO of_a_test VALUES (1)")
            return time.monotonic() - began
        time.sleep(POLL_SECONDS)
    raise AssertionError("the cluster takes no writes")


def rows_written(three):
    return sum(total(node.metrics(), "pw_projection_rows_total") for node in three.nodes)


def dead_galera(three, hurt="kill", rounds=5):
    """A dead Galera node, the one that is written through: queries meanwhile, and the projections' going on."""
    own, ours, over, bad, asked, slowest = [], [], [], 0, 0, 0.0
    with three.stack.galera.connect(1, "proctorwise") as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS of_a_test (id INT PRIMARY KEY)")
    for _ in range(rounds):
        three.settle()
        with three.load(rate=200) as load, Asking(three, load.world.tenants[0]) as asking:
            load.until_decided(200)
            fault = Fault(three, hurt, "galera")
            began = time.monotonic()
            fault.strike()
            with concurrent.futures.ThreadPoolExecutor(1) as beside:
                theirs = beside.submit(cluster_takes_writes, three, fault.number, began)
                time.sleep(1)  # What was on its way when it died is no sign of life.
                rows = rows_written(three)
                wait_until("rows written", lambda: rows_written(three) > rows, PATIENCE_SECONDS, every=POLL_SECONDS)
                ours.append(time.monotonic() - began)
                own.append(theirs.result())
            over.append(ours[-1] - own[-1])
            fault.heal()
            three.settle()
            three.judge(load)
        bad, asked, slowest = bad + len(asking.bad), asked + asking.count, max(slowest, asking.slowest)
        for answer in asking.bad[:3]:
            print(f"  a query was answered {answer!r}", flush=True)
    tell(f"{hurt} of the Galera node that is written through, until the cluster takes writes", "the cluster's own", own)
    tell("  until rows are written again", "the cluster's own + 1 s", ours, more=f"later than the cluster by {max(over):.2f} s at most")
    print(f"  queries meanwhile: {asked}, of which {bad} saw an error (goal: none); the slowest took {slowest:.2f} s", flush=True)


def one_way_cuts(three, seconds=30):
    """A node that hears nothing, and one that is not heard, by the other servers: who leads meanwhile, under load."""
    for way in ("deaf", "mute", "cut"):
        three.settle()
        with three.load(rate=200) as load:
            load.until_decided(200)
            fault, before = Fault(three, way, "node"), three.deaths()
            changes, leaders, began = 0, three.leaders(), time.monotonic()
            load.strike(fault.strike, wait=False)
            while time.monotonic() < began + seconds:
                now = three.leaders()
                changes += sum(bool(now[partition]) and now[partition] != leaders[partition] for partition in now)
                leaders = {partition: now[partition] or leaders[partition] for partition in now}
                time.sleep(0.2)
            decided = len(load.decided)
            deaths = {f"{other} by {one}": count - before[one, other] for (one, other), count in three.deaths().items()
                      if count > before[one, other]}
            fault.heal()
            load.until_decided(200)
            three.settle()
            three.judge(load)
        per_minute = changes * 60 / seconds
        print(f"{fault}, {seconds} s: {changes} changes of leaders in {three.partitions} partitions, {per_minute:.0f} a minute (its own "
              f"{three.partitions // 3} to {three.partitions // 3 + 1} move once); nodes taken for dead: {deaths or 'none'}; "
              f"{decided} commands decided; goal: no flapping; {busy()}", flush=True)


MEASUREMENTS = {
    "leader-kills": leader_kills,
    "deadline-kills": deadline_kills,
    "zombies": zombies,
    "hung-brokers": hung_brokers,
    "dead-galera": dead_galera,
    "one-way-cuts": one_way_cuts,
}
