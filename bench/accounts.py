"""What accounts cost those who book: sign-ins at the same time, and tokens that nobody has verified yet."""

import threading
import time

from bench.house import STUDENTS, Bookings
from bench.measures import CONNECTIONS
from integration.harness import Client

PEOPLE = 500
AT_ONCE = 50  # Sign-ins that one person's browser each waits for.
PASSWORD = "correct horse battery"
SHARE = 0.5  # Of the peak.


def fresh_tokens(table, house, peak):
    """A first pass over as many students: each signature is verified, none is remembered. Returns the plan."""
    plan = Bookings(house, 1, "fresh")
    figures = plan.load(connections=CONNECTIONS, requests=STUDENTS, ids=True)
    table.add(f"reserve/s with only fresh tokens ({STUDENTS:,})", f"{figures['per_second']:,.0f}", f"{peak:,.0f} remembered",
              figures["per_second"] / peak)
    return plan


def sign_ins(table, house, bookings, peak, asked):
    """Bookings at a steady rate, first alone, then while PEOPLE sign in by password."""
    tenant, load = bookings.tenants[0], {"connections": CONNECTIONS, "rate": SHARE * peak}
    internal = house.internal()
    internal.command(f"/tenants/{tenant.id}/choose-equality-key")
    internal.close()
    _in_threads(_register, house, tenant)
    alone = bookings.load(seconds=asked.seconds, **load)
    begun, took = time.monotonic(), []
    storm = threading.Thread(target=_in_threads, args=(_sign_in, house, tenant, took))
    storm.start()
    beside = bookings.load(seconds=asked.seconds, **load)
    meanwhile = len(took)
    storm.join()
    took.sort()
    table.add(f"reserve at {SHARE:.0%} of the peak while {PEOPLE} people sign in: p50, p99",
              f"{beside['p50_ms']:.1f}, {beside['p99_ms']:.1f} ms", f"{alone['p50_ms']:.1f}, {alone['p99_ms']:.1f} ms alone")
    table.add(f"  sign-ins meanwhile, of {PEOPLE}; all of them, {AT_ONCE} at a time; p50, p99", f"{meanwhile}",
              f"{time.monotonic() - begun:.1f} s; {took[len(took) // 2]:.2f}, {took[len(took) * 99 // 100]:.2f} s")


def _in_threads(work, house, tenant, *more):
    threads = [threading.Thread(target=work, args=(house, tenant, range(i, PEOPLE, AT_ONCE), *more)) for i in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _address(number):
    return f"person{number}@bench.example"


def _register(house, tenant, numbers):
    internal = house.internal()
    for number in numbers:
        person = {"email": _address(number), "name": f"Person {number}", "roles": ["student"], "password": PASSWORD}
        answer = internal.command(f"/tenants/{tenant.id}/users", person)
        if answer.status != 201:
            raise SystemExit(f"nobody could be registered: {answer}")
    internal.close()


def _sign_in(house, tenant, numbers, took):
    client = Client(house.api, base=f"/v1/tenants/{tenant.id}")
    for number in numbers:
        begun = time.monotonic()
        answer = client.command("/sessions", {"email": _address(number), "password": PASSWORD})
        if answer.status != 201:
            raise SystemExit(f"a right password was refused: {answer}")
        took.append(time.monotonic() - begun)
    client.close()
