"""Message DB, an event store on PostgreSQL: its write_message with an expected version, under pgbench.

A booking is the first event of a new stream, so version -1 is expected. Nothing but that is checked: no token, no rule, no second
look at a repeated command. Message DB lets one writer at a time into a category, as ProctorWise lets one leader into a partition;
so a tenant is a category here.
"""

import json
import os
import re
import secrets
import shutil
import subprocess

from bench.house import HOST, cpu_seconds
from bench.peers import fetch
from integration.cluster.cluster import write_whole
from integration.cluster.process import Process, as_user, wait_until

VERSION = "1.3.1"
PORT = 28432
READY_SECONDS = 60
SETTINGS = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "shared_buffers": "512MB", "max_wal_size": "4GB",
            "listen_addresses": f"'{HOST}'", "port": PORT, "unix_socket_directories": "''"}
PRINTED = ("fsync", "synchronous_commit", "full_page_writes", "wal_sync_method", "shared_buffers", "max_wal_size")
WRITE = """\
\\set category random(1, {categories})
SELECT message_store.write_message(gen_random_uuid()::varchar, 'reservation' || :category::int || '-' || gen_random_uuid(),
  'Reserved', '{data}'::jsonb, NULL, -1);
"""


class MessageDb:
    """Runs from `with` to its end, in a directory of its own."""

    name = "Message DB"
    connections = (4, 32)  # The one that serves it better counts.

    def __init__(self, house):
        self.dir = house.dir / "postgres"
        self.programs = fetch.debian("postgresql", "lib/postgresql/*/bin/initdb").parent
        self.package = fetch.npm("@eventide/message-db", VERSION)
        self.log = house.dir.parent / "bench-postgres.log"
        self.process = Process(house.dir / "postgres.pid", self.dir, self.log)
        self.password = house.dir / "pgpass"
        self.environment = {**os.environ, "PGHOST": HOST, "PGPORT": str(PORT), "PGUSER": "postgres",
                            "PGPASSFILE": str(self.password),
                            "PGOPTIONS": "-c search_path=message_store,public -c client_min_messages=warning"}

    def __enter__(self):
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.end()

    def _start(self):
        secret = secrets.token_urlsafe(24)
        write_whole(self.password, f"{HOST}:{PORT}:*:postgres:{secret}\n", mode=0o600)
        self.dir.mkdir()
        (self.dir / "password").write_text(secret)
        if os.geteuid() == 0:
            for path in (self.dir, self.dir / "password"):
                shutil.chown(path, "postgres", "postgres")
        data = self.dir / "data"
        self._run([*as_user("postgres"), self.programs / "initdb", "--username=postgres", "--auth=scram-sha-256", "--encoding=UTF8",
                   f"--pwfile={self.dir}/password", data], cwd=self.dir)
        with open(data / "postgresql.conf", "a", encoding="utf-8") as conf:
            conf.writelines(f"{name} = {value}\n" for name, value in SETTINGS.items())
        self.process.spawn([*as_user("postgres"), self.programs / "postgres", "-D", data], cwd=self.dir)
        wait_until("PostgreSQL ready, see .run/bench-postgres.log", lambda: self._ask("SELECT 1", "postgres") == "1", READY_SECONDS)
        self._run(["bash", self.package / "database/install.sh"])

    def _ask(self, query, database="message_store"):
        done = subprocess.run([self.programs / "psql", "-AtXc", query, database], env=self.environment, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
        return done.stdout.strip()

    def _run(self, argv, cwd=None):
        done = subprocess.run([str(word) for word in argv], env=self.environment, cwd=cwd, text=True, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if done.returncode != 0:
            raise SystemExit(f"{argv[0]} failed:\n{done.stdout[-3000:]}")
        return done.stdout

    def measure(self, plan, seconds, connections):
        """(messages a second, {who: CPU microseconds a message}), with as many categories as the plan has tenants."""
        tenant, exam, slot, starts_at = plan.slots[0]
        data = {"slot_id": slot, "exam_id": exam, "student_id": plan.students[0].id, "starts_at": starts_at, "ends_at": starts_at,
                "free_again_at": starts_at}
        script = self.dir / "write.pgbench"
        script.write_text(WRITE.format(categories=len(plan.tenants), data=json.dumps(data)))
        before, count = cpu_seconds(self.process.pid()), self._count()
        printed = self._run([self.programs / "pgbench", "-n", "-M", "prepared", "-c", connections, "-j", 1, "-T", seconds,
                             "-f", script, "message_store"])
        written = self._count() - count
        used = cpu_seconds(self.process.pid()) - before
        return float(re.search(r"tps = ([0-9.]+)", printed)[1]), {"PostgreSQL": 1e6 * used / written}

    def _count(self):
        return int(self._ask("SELECT count(*) FROM messages"))

    def settings(self):
        shown = ", ".join(f"{name}={self._ask(f'SHOW {name}')}" for name in PRINTED)
        return (f"Message DB {VERSION} (npm), PostgreSQL {self._ask('SHOW server_version')}: {shown}; pgbench -M prepared "
                f"over TCP, clients: the better of {self.connections}; one category a tenant, a new stream an event, "
                "expected version -1")
