"""What script/bench measures, a function each: it adds rows to the table."""

import json
import random
import statistics
import subprocess
import threading
import time

from confluent_kafka import Consumer, TopicPartition

from bench.house import BARE, PROGRAMS, SEATS, STUDENTS, TOPIC, BarePath, run_json
from integration.harness import at, uuid7

CONNECTIONS = 256
WARM_UPS = 3  # Of a replay.
LAG_RATE = 5_000
FOUND = 1_000
STATE_MEGABYTES_MAX = 300
SHARES = {0.5: "half", 0.8: "80 %"}  # Of the peak: how much an open loop asks for.


def real_record(house, bookings):
    """A file with the bytes of the last record of a booking's partition."""
    consumer = Consumer({"bootstrap.servers": house.settings()["kafka.bootstrap.servers"], "group.id": "bench",
                         "enable.auto.commit": False, "log_level": 0})
    place = TopicPartition(TOPIC, bookings.tenants[0].partition)
    place.offset = consumer.get_watermark_offsets(place, timeout=10)[1] - 1
    consumer.assign([place])
    record = consumer.poll(10).value()
    consumer.close()
    path = house.dir / "record"
    path.write_bytes(record)
    return path


def reserve(table, house, bookings, asked, what):
    """Bookings a second, and the bare path, in turns. Returns the former."""
    record, rates, bare_rates, costs = real_record(house, bookings), [], [], []
    bookings.load(connections=CONNECTIONS, seconds=2)  # Caches, compilers and connections warm up, uncounted.
    for _ in range(asked.rounds):
        with BarePath(house, record, len(bookings.tenants)) as bare:
            bookings.load(BARE, connections=CONNECTIONS, requests=STUDENTS)
            bare_rates.append(bookings.load(BARE, connections=CONNECTIONS, seconds=asked.seconds)["per_second"])
            bare.stop()
        before = house.cpu()
        figures = bookings.load(connections=CONNECTIONS, seconds=asked.seconds, ids=True)
        rates.append(figures["per_second"])
        after = house.cpu()
        costs.append([1e6 * (after[name] - before[name]) / figures["answers"] for name in ("proctorwise", "kafka")])
    rate, bare_rate = statistics.median(rates), statistics.median(bare_rates)
    table.add(f"reserve/s, {what}", f"{rate:,.0f}", f"{bare_rate:,.0f} bare path", rate / bare_rate, 0.5)
    ours, kafka = (statistics.median(column) for column in zip(*costs))
    table.add(f"  CPU a command in ProctorWise, in Kafka; p50, p99 of {CONNECTIONS}",
              f"{ours:.0f}, {kafka:.0f} us; {figures['p50_ms']:.1f}, {figures['p99_ms']:.1f} ms")
    return rate


def open_loop(table, bookings, peak, asked):
    """Latencies at a share of the peak that was just measured, each counted from the moment its request was due."""
    for share, name in SHARES.items():
        figures = bookings.load(connections=CONNECTIONS, seconds=asked.seconds, rate=share * peak)
        table.add(f"reserve at {name} of that peak, open loop: p50, p99, p99.9",
                  ", ".join(f"{figures[each]:.1f}" for each in ("p50_ms", "p99_ms", "p999_ms")) + " ms",
                  f"{figures['per_second']:,.0f} of {share * peak:,.0f}/s")


def one_connection(table, house, bookings, asked):
    record, ours, acks = real_record(house, bookings), [], []
    for _ in range(asked.rounds):
        with BarePath(house, record, 1) as bare:
            bookings.load(BARE, connections=1, seconds=2)
            acks.append(bare.stop())
        ours.append(bookings.load(connections=1, seconds=2)["p50_ms"])
    over = statistics.median(ours) - statistics.median(acks)
    table.add("reserve, one connection: median above Kafka's acknowledgement", f"{statistics.median(ours):.3f} ms (+{over:.3f})",
              f"{statistics.median(acks):.3f} ms bare ack", 0.25 / max(over, 0.001), 1.0)


def refusals(table, bookings):
    """Bookings that were made already: each is refused, on record, and counted apart."""
    figures = bookings.load(first=0, connections=64, requests=STUDENTS)
    table.add("refusals/s (already booked, on record)", f"{figures['per_second']:,.0f}")


def catch_up(table, house):
    """From a full ledger and empty tables to no lag; then the same rows by bare upserts."""
    began = None
    while True:
        metrics = house.metrics()
        rows = sum(value for name, value in metrics.items() if name.startswith("pw_projection_rows_total"))
        lag = sum(value for name, value in metrics.items() if name.startswith("pw_projection_lag_records"))
        now = time.monotonic()
        if began is None and rows > 0:
            began, first_rows = now, rows
        if began is not None and lag == 0 and rows > first_rows and house.is_ready():
            break
        if house.server.poll() is not None:
            raise SystemExit("script/server ended: .run/bench-server.log")
        time.sleep(0.1)
    rate = (rows - first_rows) / (now - began)
    settings = house.settings()
    raw = run_json(PROGRAMS / "bench/bench_upserts", "--nodes", settings["galera.nodes"], "--user", "proctorwise",
                   "--password-file", settings["galera.password_file"], "--database", "proctorwise", "reservations", "calendar")
    raw_rate = raw["rows"] / raw["seconds"]
    table.add(f"worker catching up into three Galera nodes, rows/s ({rows:,.0f})", f"{rate:,.0f}", f"{raw_rate:,.0f} bare upserts",
              rate / raw_rate, 0.5)


def lag(table, house, bookings, asked):
    """How long after its answer a booking is seen by a query, while others book at a steady rate."""
    tenant, seen_ms, over = bookings.tenants[0], [], threading.Event()
    slot = tenant.slot(house, tenant.exam(house), SEATS, at(days=200))

    def probe():
        while not over.is_set():
            client = tenant.student().client(house)
            booked = client.command(f"/slots/{slot}/reservations", key=uuid7())
            bookings.accepted += 1
            answered = time.perf_counter()
            found = client.get(f"/slots/{slot}", headers={"Pw-Min-Position": booked.position, "Prefer": "wait=10"})
            if found.status != 200:
                raise SystemExit(f"the read model did not come that far: {found}")
            seen_ms.append((time.perf_counter() - answered) * 1e3)
            client.close()
            time.sleep(0.02)

    bookings.load(connections=64, requests=STUDENTS)  # The node is a new one: each token is verified once more.
    prober = threading.Thread(target=probe)
    prober.start()
    figures = bookings.load(connections=CONNECTIONS, seconds=2 * asked.seconds, rate=LAG_RATE)
    over.set()
    prober.join()
    seen_ms.sort()
    table.add(f"lag of read models at {LAG_RATE:,} commands/s: p50, p99",
              f"{seen_ms[len(seen_ms) // 2]:.0f}, {seen_ms[len(seen_ms) * 99 // 100]:.0f} ms",
              f"{figures['per_second']:,.0f} of {LAG_RATE:,}/s")
    table.add("  their answers, from the moment each was due: p50, p99", f"{figures['p50_ms']:.1f}, {figures['p99_ms']:.1f} ms")


def whole_house(table, bookings, asked):
    figures = bookings.load(connections=CONNECTIONS, seconds=asked.seconds)
    table.add("reserve/s, read models written on the same two cores", f"{figures['per_second']:,.0f}")


def replay(table, house, asked):
    """`audit verify` (read, prove, fold) beside a consumer that looks at nothing, as whole processes."""
    servers, rates, bare_rates = house.settings()["kafka.bootstrap.servers"], [], []
    for _ in range(WARM_UPS + asked.rounds):  # The broker has sent nothing so far: its compiler is at work for some rounds.
        begun = time.monotonic()
        records = run_json(PROGRAMS / "bench/bench_consume", servers, TOPIC)["records"]
        bare_rates.append(records / (time.monotonic() - begun))
        begun = time.monotonic()
        subprocess.run(house.proctorwise("audit", "verify"), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        rates.append(records / (time.monotonic() - begun))
    rate, bare_rate = statistics.median(rates[WARM_UPS:]), statistics.median(bare_rates[WARM_UPS:])
    table.add(f"replay: verify and fold, records/s ({records:,})", f"{rate:,.0f}", f"{bare_rate:,.0f} bare consumer",
              rate / bare_rate, 0.5)


def core(table):
    done = subprocess.run([PROGRAMS / "bench/bench_core"], check=True, stdout=subprocess.PIPE, text=True)
    figures = [json.loads(line) for line in done.stdout.splitlines()]
    first = figures[0]["booking_us"]
    for line in figures:
        table.add(f"decide and evolve a booking at {line['reservations']:,} reservations", f"{line['booking_us']:.2f} us",
                  f"{first:.2f} us at {figures[0]['reservations']:,}", line["booking_us"] / first)
    last = figures[-1]
    table.add(f"state of {last['reservations']:,} reservations of {last['students']:,} students",
              f"{last['state_megabytes']:.0f} MB", f"{STATE_MEGABYTES_MAX} MB", STATE_MEGABYTES_MAX / last["state_megabytes"], 1.0)
    table.add("  bytes a live reservation, a remembered command",
              f"{last['bytes_a_reservation']:.0f}, {last['bytes_a_command']:.0f}")


def prove(table, house, plans):
    """The run proves itself. Ends the bench where it cannot."""
    accepted = sum(plan.accepted for plan in plans)
    replayed = subprocess.Popen(house.proctorwise("audit", "replay", "--json"), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    counted = subprocess.run(["grep", "-c", '"event_type":"reservation_reserved"'], stdin=replayed.stdout, check=True,
                             stdout=subprocess.PIPE, text=True)
    if replayed.wait() != 0 or int(counted.stdout) != accepted:
        raise SystemExit(f"{accepted} bookings were answered 201, but the ledger has {counted.stdout.strip()}")
    table.add("proof: 201 answers = bookings in the ledger; refusals apart", f"{accepted:,} = {int(counted.stdout):,}",
              f"{sum(plan.refused for plan in plans):,} refused")
    found = 0
    for plan in plans:
        made = plan.ids.read_text().splitlines()
        for line in random.sample(made, FOUND // len(plans)):
            reservation, student, _ = line.split()
            client = plan.students[int(student)].client(house)
            answer = client.get(f"/reservations/{reservation}")
            client.close()
            if answer.status != 200 or answer.json["id"] != reservation:
                raise SystemExit(f"booking {reservation} is not found: {answer}")
            found += 1
    table.add("proof: bookings drawn at random that GET finds", f"{found:,}")
