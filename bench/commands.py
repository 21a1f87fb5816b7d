"""bench/commands.py: how many commands a second one node answers, each one confirmed on Kafka (or, --ledger file, synced to files), beside the same load on a path that only
speaks HTTP (`/v1/tenants/{tenant}` with a wrong method: route, headers, a problem). The ratio of the two is what should hold; absolute
figures are for orientation.

    /usr/bin/python3 bench/commands.py [--connections 64] [--seconds 10] [--ledger file]

A command here is `slot.change_capacity` with another capacity each time: token, JSON, decision, hash, append with acks=all,
confirmation, answer. Load generator, Kafka and Galera run on the same machine.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)

from integration.harness import Stack, scratch  # noqa: E402

LUA = """
wrk.method = "{method}"
wrk.headers["Authorization"] = "Bearer {token}"
wrk.headers["Content-Type"] = "application/json"
local n = 0
request = function()
  n = n + 1
  return wrk.format(nil, "{path}", nil, '{{"capacity": ' .. (1 + n % 1000) .. '}}')
end
done = function(summary, latency)
  io.write(string.format("FIGURES %d %d %d %d %d\\n", summary.requests, summary.duration, summary.errors.status,
    latency:percentile(50), latency:percentile(99)))
end
"""


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def load(directory, address, method, path, token, asked):
    """(requests a second, refusals, median and 99th percentile in milliseconds)"""
    script = directory / "load.lua"
    script.write_text(LUA.format(method=method, path=path, token=token))
    printed = subprocess.run(["wrk", "-t1", f"-c{asked.connections}", f"-d{asked.seconds}", "-s", script, f"http://{address}"],
                             check=True, text=True, stdout=subprocess.PIPE).stdout
    requests, microseconds, refused, median, high = map(int, re.search(r"FIGURES (.*)", printed)[1].split())
    return requests * 1e6 / microseconds, refused, median / 1000, high / 1000


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--ledger", choices=("kafka", "file"), default="kafka")
    asked = parser.parse_args()
    directory = scratch("bench-commands")
    stack = Stack(directory, "127.0.60", ledger=asked.ledger)
    try:
        stack.start()
        node = stack.start_node()
        tenant = stack.tenant(node)
        slot = tenant.slot(node, tenant.exam(node), capacity=1)
        base = f"/v1/tenants/{tenant.id}"
        token = tenant.teacher.token
        load(directory, node.api, "POST", f"{base}/slots/{slot}/change-capacity", token, argparse.Namespace(connections=8, seconds=1))
        floor, _, floor_median, floor_high = load(directory, node.api, "PUT", f"{base}/slots", token, asked)
        before = cpu_seconds(node.process.pid())
        rate, refused, median, high = load(directory, node.api, "POST", f"{base}/slots/{slot}/change-capacity", token, asked)
        cpu = (cpu_seconds(node.process.pid()) - before) / (rate * asked.seconds) * 1e6
        print(f"{asked.connections} connections, {asked.seconds} s, ledger in {asked.ledger}")
        print(f"HTTP alone       {floor:9.0f}/s  median {floor_median:6.2f} ms  p99 {floor_high:6.2f} ms")
        print(f"commands         {rate:9.0f}/s  median {median:6.2f} ms  p99 {high:6.2f} ms  refused {refused}  CPU {cpu:.0f} us each")
        print(f"ratio            {rate / floor:9.2f}")
    finally:
        stack.stop()
        stack.remove()


if __name__ == "__main__":
    main()
