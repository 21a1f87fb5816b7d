"""People who have accounts, for a Python test: a house that signs tokens, a tenant that keeps accounts, and who signs in there.

    stack = Stack(directory, network, keys=True, settings=signing_settings(directory))
    keep_accounts(node, tenant)
    ann = Person(node, tenant, ["student"])
    session = ann.sign_in(node)
    answer = session.client(node).post("/me/set-preferences", {"language": "de", "time_zone": "Europe/Vienna"})
"""

import concurrent.futures
import secrets
import shutil
import unittest

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from integration.cluster.cluster import random_address, write_whole
from integration.cluster.process import wait_until
from integration.harness import ADMIN_PORT, Client, ProcessError, Stack, scratch

NODES, PARTITIONS = 3, 4
LEADERS_SECONDS = 60
PREFERENCES = {"language": "de", "time_zone": "Europe/Vienna"}


def signing_settings(directory):
    """Settings by which nodes sign tokens of their own, with a key that is made in that directory; and hash fast, as often as a test wants."""
    file = directory / "tokens.pem"
    key = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    write_whole(file, key.decode(), mode=0o600)
    return {"tokens.key_files": file, "passwords.memory_kib": 7168, "passwords.passes": 1, "limits.login_per_minute": 0}


def keep_accounts(node, tenant):
    """From here on the tenant keeps accounts."""
    internal = node.internal()
    _good(internal.command(f"/tenants/{tenant.id}/choose-equality-key"))
    internal.close()


def fresh_address():
    return f"{secrets.token_hex(8)}@uni-graz.example"


class Person:
    """An account, which its tenant's admin registered."""

    def __init__(self, node, tenant, roles, password="staple of my own", email=None, name="Ann Auer"):
        self.tenant, self.roles, self.password, self.email = tenant, roles, password, email or fresh_address()
        body = {"email": self.email, "name": name, "roles": roles}
        admin = tenant.admin.client(node)
        self.registered = _good(admin.command("/users", body | ({"password": password} if password else {})))
        self.id = self.registered.json["id"]
        admin.close()

    def sign_in(self, node, label="a test"):
        guest = Client(node.api, base=f"/v1/tenants/{self.tenant.id}")
        answer = _good(guest.command("/sessions", {"email": self.email, "password": self.password, "label": label}))
        guest.close()
        return Session(self, answer)


class Session:
    """A person who is signed in, with the tokens of the answer."""

    def __init__(self, person, answer):
        self.person, self.id = person, answer.json["id"]
        self.access, self.refresh = answer.json["access_token"], answer.json["refresh_token"]

    def client(self, node):
        """A connection of this session's own; paths begin after /v1/tenants/{tenant}."""
        return Client(node.api, self.access, f"/v1/tenants/{self.person.tenant.id}")


class AccountsHouse:
    """Three nodes that keep accounts, and snapshots on each, for one test module."""

    def start(self, settings=None):
        directory, network = scratch("accounts"), random_address().rpartition(".")[0]
        unittest.addModuleCleanup(shutil.rmtree, directory, ignore_errors=True)
        names = ",".join(f"node{number}={network}.{10 + number}:{ADMIN_PORT}" for number in range(1, NODES + 1))
        self.stack = Stack(directory, network, keys=True, partitions=PARTITIONS,
                           settings=signing_settings(directory) | {"cluster.nodes": names} | (settings or {}))
        unittest.addModuleCleanup(self.stack.stop)
        self.stack.start()
        self.nodes = [self.stack.node() for _ in range(NODES)]
        for node in self.nodes:
            snapshots = node.dir / "snapshots"
            snapshots.mkdir(mode=0o700)
            node.configure({"snapshots.dir": snapshots, "snapshots.every": 20})
        with concurrent.futures.ThreadPoolExecutor(NODES) as all_at_once:
            list(all_at_once.map(lambda node: node.start(), self.nodes))

    def leader_of(self, partition):
        """The number of the node that says that it leads, or None."""
        name = f'pw_partition_leading{{partition="{partition}"}}'
        return next((node.number for node in self.nodes if node.metrics().get(name) == 1), None)

    def tenant_of_each_leader(self):
        """Tenants that keep accounts, as many as there are leaders, each of whose partition another node leads."""
        wait_until("every partition led", lambda: None not in map(self.leader_of, range(PARTITIONS)), LEADERS_SECONDS)
        found, leaders = {}, {self.leader_of(partition) for partition in range(PARTITIONS)}
        while not leaders <= found.keys():
            tenant = self.stack.tenant(self.nodes[0])
            found.setdefault(self.leader_of(tenant.partition), tenant)
        for tenant in found.values():
            keep_accounts(self.nodes[0], tenant)
            for client in (tenant.admin.client(node) for node in self.nodes):
                wait_until("the tenant known", lambda client=client: client.get("/slots").status == 200, LEADERS_SECONDS)
                client.close()
        return [found[number] for number in sorted(found)]


def _good(answer):
    if answer.status not in (200, 201):
        raise ProcessError(f"a command of the set-up was answered {answer}")
    return answer
