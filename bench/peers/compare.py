"""Other ways to do it, beside ProctorWise in the same run, in turns: see web.py and message_db.py. What ProctorWise checks and
they do not is said in theirs. No ratio must hold here: they show where it stands."""

import statistics

from bench.house import STUDENTS, Bookings, say
from bench.measures import CONNECTIONS
from bench.peers.message_db import MessageDb
from bench.peers.web import Web

WARM_SECONDS = 2


def compare(table, house, asked):
    """Returns the plans that were booked from, for the proof."""
    say("peers: tenants, slots and tokens")
    plans = [Bookings(house, count, "peer-plan") for count in (1, 16)]
    for plan in plans:
        plan.load(connections=64, requests=STUDENTS)
    with Web(house, plans) as web:
        take_turns(table, house, web, plans, asked)
    with MessageDb(house) as message_db:
        take_turns(table, house, message_db, plans, asked)
    return plans


def take_turns(table, house, peer, plans, asked):
    table.note(f"{peer.name}: {peer.settings()}")
    for plan in plans:
        best = max(peer.connections, key=lambda count: peer.measure(plan, WARM_SECONDS, count)[0])
        measured = []
        for _ in range(asked.rounds):
            measured.append((*peer.measure(plan, asked.seconds, best), *ours(house, plan, asked.seconds)))
        theirs, rate = (statistics.median(each[which] for each in measured) for which in (0, 2))
        table.add(f"reserve/s, {'one tenant' if len(plan.tenants) == 1 else f'{len(plan.tenants)} tenants'}, beside {peer.name}",
                  f"{rate:,.0f}", f"{theirs:,.0f} {peer.name}, {best} clients", rate / theirs)
        table.add("  CPU a request", shown(each[3] for each in measured), shown(each[1] for each in measured))


def shown(costs):
    costs = list(costs)
    return ", ".join(f"{who} {statistics.median(cost[who] for cost in costs):,.0f}" for who in costs[0]) + " us"


def ours(house, plan, seconds):
    """(bookings a second, {who: CPU microseconds a booking})"""
    before = house.cpu()
    figures = plan.load(connections=CONNECTIONS, seconds=seconds, ids=True)
    after = house.cpu()
    return figures["per_second"], {name: 1e6 * (after[key] - before[key]) / figures["answers"] for name, key in
                                   (("ProctorWise", "proctorwise"), ("Kafka", "kafka"))}
