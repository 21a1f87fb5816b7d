"""A local MariaDB Galera cluster, as the read models want it: see cluster.py for the verbs.

Applications log in as `proctorwise` on any node, with the password that stands in DIR/password; they own the database of that
name and all whose names begin with it. Whoever runs the cluster is its administrator, by `connect`.
"""

import contextlib
import os
import pwd
import re
import secrets
import shutil
import subprocess
from pathlib import Path

import pymysql

from integration.cluster.cluster import Cluster, write_whole
from integration.cluster.process import ProcessError, as_user, wait_until

SETTINGS = """\
[mysqld]
datadir = {data}
socket = mariadb.sock
pid-file = mariadb.pid
bind-address = {address}
port = {port}
skip-name-resolve
character-set-server = utf8mb4
max-connections = 200
innodb-buffer-pool-size = 128M
innodb-log-file-size = 64M

# What was committed survives the end of a node, and a transaction never writes on what it has not seen.
binlog-format = ROW
innodb-autoinc-lock-mode = 2
innodb-flush-log-at-trx-commit = 1
innodb-snapshot-isolation = ON

wsrep-on = ON
wsrep-provider = /usr/lib/galera/libgalera_smm.so
wsrep-provider-options = "{options}"
wsrep-cluster-name = {cluster}
wsrep-cluster-address = gcomm://{members}
wsrep-node-name = node{number}
wsrep-node-address = {address}:{group_port}
wsrep-node-incoming-address = {address}:{port}
wsrep-sst-method = rsync
wsrep-sst-receive-address = {address}:{sst_port}
wsrep-slave-threads = 2
"""

# A node that is silent for 2 s is suspected, and the others take writes again about 3 s after its end. Which node knows
# most after a crash is for _recovered to say, so the group itself restores nothing from its view file (pc.recovery).
OPTIONS = ("gmcast.listen_addr=tcp://{address}:{group_port}; ist.recv_addr={address}:{ist_port}; "
           "ist.recv_bind={address}:{ist_port}; evs.keepalive_period=PT0.5S; evs.inactive_check_period=PT0.5S; "
           "evs.suspect_timeout=PT2S; evs.inactive_timeout=PT4S; evs.install_timeout=PT4S; "
           "pc.recovery=false; gcache.size=64M; gcache.recover=yes")

NOWHERE = ("00000000-0000-0000-0000-000000000000", -1)


class Galera(Cluster):
    kind = "galera"
    port_default = 13306
    port_count = 4  # SQL, the group's, incremental and whole state transfers.

    @property
    def password_file(self):
        """Where the password of `proctorwise` stands, alone and without a line end."""
        return self.dir / "password"

    @contextlib.contextmanager
    def connect(self, number, database=None):
        """A connection to one node as its administrator, by its unix socket."""
        # The path through a file descriptor is short however long DIR is: a socket's path has 107 bytes at most.
        data = os.open(self.node(number).dir / "data", os.O_PATH)
        try:
            connection = pymysql.connect(unix_socket=f"/proc/self/fd/{data}/mariadb.sock", user=_whoami(),
                                         database=database, autocommit=True, connect_timeout=2, read_timeout=30)
        finally:
            os.close(data)
        with connection:
            yield connection

    def wsrep(self, number):
        """The node's wsrep_* status variables, without that prefix; {} while it does not answer."""
        try:
            with self.connect(number) as connection, connection.cursor() as cursor:
                cursor.execute("SHOW GLOBAL STATUS LIKE 'wsrep\\_%'")
                return {name[len("wsrep_"):]: value for name, value in cursor.fetchall()}
        except (OSError, pymysql.Error):
            return {}

    def _start_nodes(self, dead):
        living = [node for node in self.nodes if node not in dead]
        if living and not self._have_quorum(living):
            # What was left lost its quorum, and will not take anybody in: all begin again from the one who knows most.
            for node in living:
                node.process.end()
            dead, living = self.nodes, []
        for node in dead:
            self._prepare(node)
        known = self._recovered(dead)
        if not living:
            first = max(dead, key=lambda node: (known[node.number][1], -node.number))
            self._bootstrap(first, known)
            dead = [node for node in dead if node is not first]
        for node in dead:
            self._join(node, known)
        for node in [*dead, *self.nodes]:  # Who joins may fail: that is to be told before anything else is waited for.
            self._await(node, f"one of {len(self.nodes)} synced nodes", lambda: self._synced(node, len(self.nodes)))

    def _rejoin(self, node):
        living = [other for other in self.nodes if other.state() == "running"]
        if not self._have_quorum(living):
            raise ProcessError("the other nodes have no quorum, and take nobody in: `start` begins again from the best of them")
        self._prepare(node)
        self._join(node, self._recovered([node]))
        self._await(node, f"one of {len(living) + 1} synced nodes", lambda: self._synced(node, len(living) + 1))

    def _synced(self, node, size):
        status = self.wsrep(node.number)
        return (status.get("ready"), status.get("local_state_comment"), status.get("cluster_size")) == ("ON", "Synced", str(size))

    def _have_quorum(self, living):
        """Whether these nodes, and they alone, are the cluster, once they had time to notice who has gone or come back."""
        def settled():
            seen = [self.wsrep(node.number) for node in living]
            return all((status.get("cluster_status"), status.get("cluster_size")) == ("Primary", str(len(living)))
                       for status in seen)
        try:
            wait_until("settled", settled, 15, every=0.2)
        except ProcessError:
            return False
        return True

    def _bootstrap(self, node, known):
        """Starts a cluster from one node, making its data first where there are none."""
        data = node.dir / "data"
        if not data.exists():
            self._install(node)
        uuid, seqno = known[node.number]
        if (data / "grastate.dat").exists():
            write_whole(data / "grastate.dat", "# GALERA saved state\nversion: 2.1\n"
                        f"uuid:    {uuid}\nseqno:   {seqno}\nsafe_to_bootstrap: 1\n")
            _give_to_mysql(data / "grastate.dat")
        self._run(node, known, "--wsrep-new-cluster")
        self._await(node, "the first synced node", lambda: self._synced(node, 1))
        self._make_account(node)

    def _join(self, node, known):
        """Starts a node that gets what it lacks from the others: all, when it has nothing that they can build on."""
        if known[node.number] == NOWHERE:
            shutil.rmtree(node.dir / "data", ignore_errors=True)
            (node.dir / "data").mkdir(mode=0o700)
            _give_to_mysql(node.dir / "data")
        self._run(node, known)

    def _run(self, node, known, *options):
        if known[node.number] != NOWHERE:
            options += ("--wsrep-start-position=%s:%d" % known[node.number],)
        self._launch(node, [*as_user("mysql"), "mariadbd", f"--defaults-file={node.dir}/my.cnf", *options])

    def _prepare(self, node):
        """Writes the node's settings."""
        ports = {"port": node.port, "group_port": node.port + 1, "ist_port": node.port + 2, "sst_port": node.port + 3}
        write_whole(node.dir / "my.cnf", SETTINGS.format(
            data=node.dir / "data", address=node.address, number=node.number, cluster=self.id[-12:], **ports,
            options=OPTIONS.format(address=node.address, **ports),
            members=",".join(f"{other.address}:{other.port + 1}" for other in self.nodes)))

    def _install(self, node):
        """Makes an empty database, aside first, so that half of one is never taken for a whole."""
        aside = node.dir / "data.new"
        shutil.rmtree(aside, ignore_errors=True)
        made = subprocess.run(
            ["mariadb-install-db", "--no-defaults", f"--datadir={aside}", "--skip-test-db", "--skip-name-resolve",
             "--force",  # A host whose own name cannot be looked up is no hindrance: we use addresses alone.
             "--innodb-log-file-size=64M", "--auth-root-authentication-method=socket",
             f"--auth-root-socket-user={_whoami()}", *(["--user=root"] if os.geteuid() == 0 else [])],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if made.returncode != 0:
            raise ProcessError(f"mariadb-install-db failed for {aside}:\n{made.stdout[-2000:]}")
        _give_to_mysql(aside)
        aside.rename(node.dir / "data")

    def _make_account(self, node):
        """The application's database, user and password, on the first node of a cluster: the others receive them."""
        if not self.password_file.exists():
            write_whole(self.password_file, secrets.token_urlsafe(24), mode=0o600)
        password = self.password_file.read_text()
        with self.connect(node.number) as connection, connection.cursor() as cursor:
            cursor.execute("CREATE DATABASE IF NOT EXISTS proctorwise")
            cursor.execute("CREATE USER IF NOT EXISTS proctorwise@'%%' IDENTIFIED BY %s", (password,))
            cursor.execute("ALTER USER proctorwise@'%%' IDENTIFIED BY %s", (password,))
            cursor.execute("GRANT ALL ON `proctorwise%`.* TO proctorwise@'%'")

    def _recovered(self, nodes):
        """How far the data of each node reach: {number: (uuid, seqno)}, NOWHERE without any, or with half a copy."""
        known, asked = {}, []
        for node in nodes:
            data = node.dir / "data"
            kept = _saved_position(data / "grastate.dat")
            if not data.exists() or not any(data.iterdir()) or (data / "sst_in_progress").exists():
                known[node.number] = NOWHERE
            elif kept is not None:
                known[node.number] = kept
            else:
                asked.append((node, subprocess.Popen(
                    [*as_user("mysql"), "mariadbd", f"--defaults-file={node.dir}/my.cnf", "--wsrep-recover"], cwd=node.dir,
                    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)))
        for node, tool in asked:
            said = tool.communicate()[0]
            found = re.search(r"Recovered position: ([0-9a-f-]{36}):(-?\d+)", said)
            if found is None and len(self.nodes) == 1:
                raise ProcessError(f"galera node {node.number}: {node.dir}/data cannot be recovered:\n{said[-2000:]}")
            known[node.number] = (found[1], int(found[2])) if found else NOWHERE
        return known


def _saved_position(grastate):
    """(uuid, seqno) that a node wrote when it ended in good order, else None."""
    try:
        found = re.search(r"uuid: +([0-9a-f-]{36})\nseqno: +(\d+)\n", grastate.read_text())
    except OSError:
        return None
    return (found[1], int(found[2])) if found else None


def _whoami():
    return pwd.getpwuid(os.geteuid()).pw_name


def _give_to_mysql(path):
    if os.geteuid() == 0:
        for each in [Path(path), *Path(path).rglob("*")]:
            shutil.chown(each, "mysql", "mysql")
