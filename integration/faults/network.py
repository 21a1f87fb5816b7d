"""A network of its own for servers of a test, in which any of them can be cut off, one way too.

    with Network() as network:                  # needs root; removed at the end, whatever happens
        Stack(directory, network.prefix, ..., network=network)
        network.cut(address)                    # nothing in, nothing out
        network.cut(address, "deaf")            # nothing comes in;  "mute": nothing goes out
        network.heal(address)

Each server lives in a network namespace behind a veth pair, all of them on one bridge. Whoever runs the test reaches them from
outside, at any time: a cut is between servers alone, so that a client can talk to a node that nobody else hears.
"""

import contextlib
import secrets
import subprocess

WAYS = {"cut": ("in", "out"), "deaf": ("in",), "mute": ("out",)}


class Network:
    def __init__(self):
        self.id = secrets.token_hex(3)
        self.prefix = f"10.{200 + secrets.randbelow(50)}.{secrets.randbelow(250)}"
        self.outside = f"{self.prefix}.254"
        self._bridge, self._places = f"pw{self.id}", {}

    def __enter__(self):
        try:
            _ip("link", "add", self._bridge, "type", "bridge")
            _ip("addr", "add", f"{self.outside}/24", "dev", self._bridge)
            _ip("link", "set", self._bridge, "up")
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, *_):
        self.remove()

    def remove(self):
        for name in self._places.values():
            with contextlib.suppress(subprocess.CalledProcessError):
                _ip("netns", "delete", name)
        self._places = {}
        with contextlib.suppress(subprocess.CalledProcessError):
            _ip("link", "delete", self._bridge)

    def wrap(self, address):
        """The words before a command line that let it run where this address is."""
        if address not in self._places:
            self._make(address)
        return ["nsenter", f"--net=/run/netns/{self._places[address]}", "--"]

    def cut(self, address, way="cut"):
        rules = ["flush ruleset", "add table inet cut"]
        for hook, side in (("in", "saddr"), ("out", "daddr")):
            rules.append(f"add chain inet cut {hook} {{ type filter hook {hook}put priority 0; }}")
            if hook in WAYS[way]:
                rules.append(f"add rule inet cut {hook} meta {'iif' if hook == 'in' else 'oif'}name != \"lo\" "
                             f"ip {side} != {self.outside} drop")
        self._nft(address, "\n".join(rules))

    def heal(self, address):
        self._nft(address, "flush ruleset")

    def _make(self, address):
        last = address.rpartition(".")[2]
        name = f"{self._bridge}-{last}"
        self._places[address] = name
        _ip("netns", "add", name)
        _ip("link", "add", f"v{self.id}{last}", "type", "veth", "peer", "name", "eth0", "netns", name)
        _ip("link", "set", f"v{self.id}{last}", "master", self._bridge, "up")
        _ip("-n", name, "addr", "add", f"{address}/24", "dev", "eth0")
        _ip("-n", name, "link", "set", "eth0", "up")
        _ip("-n", name, "link", "set", "lo", "up")

    def _nft(self, address, rules):
        subprocess.run([*self.wrap(address), "nft", "-f", "-"], input=rules, text=True, check=True, capture_output=True)


def _ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)
