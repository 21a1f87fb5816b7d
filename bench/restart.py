"""bench/restart.py: how long a node takes from its start to /readyz 200 on a ledger of a million commits, with a snapshot that is 50,000
records old and without any, and how long the leader pauses to take one. The ratio is what should hold; absolute figures are for
orientation.

    /usr/bin/python3 bench/restart.py [--commits 1000000] [--tail 50000] [--partitions 1] [--tenants 1] [--starts 3]

All parts run: engine, projections (their read models are filled), queries. Each commit is a reservation, decided by the deciders and
written by bench_fill; `audit verify` must find the ledger good. A start is after kill -9. With several partitions the tail is spread over
them. The pause is measured under load, on the largest snapshot there is.
"""

import argparse
import contextlib
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)

from integration.cluster.process import wait_until  # noqa: E402
from integration.harness import Stack, scratch  # noqa: E402

FILL = ROOT / "build/release/bench/bench_fill"
CAUGHT_UP_SECONDS = 900
LOAD_SECONDS = 30
LUA = """
wrk.method = "POST"
wrk.headers["Authorization"] = "Bearer {token}"
wrk.headers["Content-Type"] = "application/json"
local n = 0
request = function()
  n = n + 1
  return wrk.format(nil, "{path}", nil, '{{"capacity": ' .. (1 + n % 1000) .. '}}')
end
done = function(summary, latency)
  io.write(string.format("FIGURES %d %d %d %d\\n", summary.requests, summary.duration, latency:percentile(99), latency.max))
end
"""


def say(text):
    print(text, file=sys.stderr, flush=True)


def fill(stack, count, tenants):
    subprocess.run([FILL, stack.kafka.endpoints(), stack.topic, str(count), str(tenants)], check=True, stdout=sys.stderr)


def wait_caught_up(node):
    def caught_up():
        lags = [value for name, value in node.metrics().items() if name.startswith("pw_projection_lag_records")]
        return lags and not any(lags) and node.readyz() == 200
    wait_until("caught up", caught_up, CAUGHT_UP_SECONDS, every=0.1)


def start_seconds(node):
    """From the start of the process to the first 200 of /readyz."""
    begun = time.monotonic()
    node.start(ready=False)
    wait_until("ready", lambda: node.readyz() == 200, CAUGHT_UP_SECONDS, every=0.01)
    return time.monotonic() - begun


def total(node, name):
    return sum(value for key, value in node.metrics().items() if key.startswith(name + "{"))


def most(node, name):
    return max(value for key, value in node.metrics().items() if key.startswith(name + "{"))


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def measure_starts(node, count):
    """[(seconds until it is ready, CPU seconds that the node had used by then), ...]"""
    measured = []
    for _ in range(count):
        seconds = start_seconds(node)
        measured.append((seconds, cpu_seconds(node.process.pid())))
        restored = sum(value >= 0 for key, value in node.metrics().items() if key.startswith("pw_snapshot_restored_offset"))
        restores = total(node, "pw_projection_restores_total")
        node.kill()
        say(f"ready after {seconds:.2f} s, CPU {measured[-1][1]:.2f} s: {restored} partitions of the engine, {restores:.0f} of projections from snapshots")
    return measured


def median(measured, which):
    return statistics.median(each[which] for each in measured)


def load(stack, node, tenant, slot):
    script = stack.dir / "load.lua"
    script.write_text(LUA.format(token=tenant.teacher.token, path=f"/v1/tenants/{tenant.id}/slots/{slot}/change-capacity"))
    printed = subprocess.run(["wrk", "-t1", "-c64", f"-d{LOAD_SECONDS}", "-s", script, f"http://{node.api}"],
                             check=True, text=True, stdout=subprocess.PIPE).stdout
    requests, microseconds, high, longest = map(int, re.search(r"FIGURES (.*)", printed)[1].split())
    return requests * 1e6 / microseconds, high / 1000, longest / 1000


def measure_pause(stack, node, snapshots, partitions):
    """Prints a line for the load without snapshots, and one with."""
    for every in (1_000_000_000, 20_000):
        node.configure({"snapshots.dir": snapshots, "snapshots.every": every})
        node.start()
        wait_caught_up(node)
        tenant = stack.tenant(node)
        while partitions > 1 and tenant.partition != measure_pause.largest:
            tenant = stack.tenant(node)
        slot = tenant.slot(node, tenant.exam(node))
        rate, high, longest = load(stack, node, tenant, slot)
        count = total(node, "pw_snapshots_written_total")
        pause = most(node, "pw_snapshot_pause_max_seconds") * 1000
        print(f"{'snapshots' if every == 20_000 else 'no snapshots':14}{rate:9.0f} commands/s  p99 {high:7.2f} ms  longest "
              f"{longest:7.2f} ms  {count:.0f} written  longest pause {pause:.2f} ms")
        node.kill()


def largest_partition(snapshots):
    return int(max(snapshots.glob("*.snapshot"), key=lambda file: file.stat().st_size).name[:4])


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--commits", type=int, default=1_000_000)
    parser.add_argument("--tail", type=int, default=50_000)
    parser.add_argument("--partitions", type=int, default=1)
    parser.add_argument("--tenants", type=int, default=1)
    parser.add_argument("--starts", type=int, default=3)
    parser.add_argument("--keep", action="store_true", help="leave everything running on the way out, for a closer look")
    asked = parser.parse_args()
    directory = scratch("bench-restart")
    snapshots = directory / "snapshots"
    stack = Stack(directory, "127.0.61", partitions=asked.partitions)
    with contextlib.ExitStack() as ends:
        if not asked.keep:
            ends.callback(stack.remove)
            ends.callback(stack.stop)
        stack.start()
        fill(stack, asked.commits - asked.tail, asked.tenants)
        node = stack.node({"snapshots.dir": snapshots, "snapshots.every": 1_000_000_000})
        node.start(ready=False)
        wait_caught_up(node)
        say("read models are filled; stopping, which writes the snapshots")
        node.terminate(seconds=120)
        fill(stack, asked.tail, asked.tenants)
        node.start(ready=False)
        wait_caught_up(node)
        node.kill()
        verified = stack.run("audit", "verify")
        say(verified.stdout.rstrip().splitlines()[-1])
        bytes_count = sum(file.stat().st_size for file in snapshots.glob("*.snapshot"))
        with_snapshot = measure_starts(node, asked.starts)
        node.configure({})
        without = measure_starts(node, 1)
        print(f"{asked.commits} commits in {asked.partitions} partition(s) of {asked.tenants} tenant(s), snapshots {asked.tail} records old, "
              f"{bytes_count / 1e6:.0f} MB")
        print(f"ready with snapshots     {median(with_snapshot, 0):9.2f} s   CPU {median(with_snapshot, 1):6.2f} s   median of "
              f"{len(with_snapshot)}, longest {max(with_snapshot)[0]:.2f} s")
        print(f"ready without            {without[0][0]:9.2f} s   CPU {without[0][1]:6.2f} s")
        print(f"ratio                    {without[0][0] / median(with_snapshot, 0):9.1f}         {without[0][1] / median(with_snapshot, 1):6.1f}")
        measure_pause.largest = largest_partition(snapshots)
        measure_pause(stack, node, snapshots, asked.partitions)


if __name__ == "__main__":
    main()
