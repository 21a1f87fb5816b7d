"""`admin rebuild`, of read models that two nodes write and show, on Kafka and three Galera nodes: nobody who asks meanwhile is refused, or
shown anything older than before, and afterwards the rows are what the ledger says; also when a rebuild is killed in the middle.

The tests tell one story, in the order of their names.
"""

import json
import re
import signal
import subprocess
import threading
import time
import unittest
import warnings

from integration.cluster.cluster import random_address
from integration.cluster.process import wait_until
from integration.harness import ADMIN_PORT, BINARY, ENVIRONMENT, Stack, scratch, total
from integration.load import Load, World

GOOD, WRONG, USAGE, UNREACHABLE = range(4)
MODELS = ["exams", "slots", "reservations", "calendar", "users", "sessions", "accommodations"]
NODES = 2


class Reader:
    """Asks one list over and over, at each node in turn, for no less than it has seen. What should never happen is in `wrong`."""

    def __init__(self, tenant, nodes, path):
        self.clients = [tenant.admin.client(node) for node in nodes]
        self.path, self.partition = path, tenant.partition
        self.seen, self.answers, self.longest, self.wrong = -1, 0, 0.0, []
        self.newest = lambda: None  # The Pw-Position of a command that was just answered.
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=path, daemon=True)

    def start(self):
        self._thread.start()
        return self

    def stop(self):
        self._ended.set()
        self._thread.join(60)

    def _run(self):
        while not self._ended.is_set() and not self.wrong:
            try:
                self._ask(self.clients[self.answers % len(self.clients)])
            except OSError as error:
                self.wrong.append(repr(error))

    def _ask(self, client):
        newest = self.newest()
        at_least = max(self.seen, int(newest.split(":")[1]) if newest else -1)
        began = time.monotonic()
        answer = client.get(self.path, headers={"Pw-Min-Position": f"{self.partition}:{at_least}"} if at_least >= 0 else {})
        self.longest = max(self.longest, time.monotonic() - began)
        offset = int(answer.position.split(":")[1]) if answer.position else None
        if answer.status != 200 or offset is None or offset < at_least:
            self.wrong.append(f"{self.path} from {at_least} on: {answer} at {answer.position}")
            return
        self.seen, self.answers = offset, self.answers + 1


class RebuildTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        warnings.simplefilter("ignore", ResourceWarning)
        network = random_address().rpartition(".")[0]
        names = ",".join(f"node{number}={network}.{10 + number}:{ADMIN_PORT}" for number in range(1, NODES + 1))
        cls.stack = Stack(scratch("rebuild"), network, galera_nodes=3, settings={"cluster.nodes": names})
        cls.addClassCleanup(cls.stack.remove)
        cls.addClassCleanup(cls.stack.stop)
        cls.stack.start()
        cls.nodes = [cls.stack.start_node() for _ in range(NODES)]
        cls.world = World(cls.nodes[0], tenants=2)
        load = Load(cls.world, cls.nodes, seed=1).start()
        load.until_decided(1000)
        load.finish()

    def setUp(self):
        warnings.simplefilter("ignore", ResourceWarning)

    # --- What tests do.

    def rebuild(self, *words, code=GOOD):
        ran = self.stack.admin("rebuild", *words, check=False)
        self.assertEqual(ran.returncode, code, ran)
        return ran

    def begin(self, *words):
        """A rebuild that runs; what it says is read from its stderr."""
        return subprocess.Popen([BINARY, "admin", "rebuild", *words, f"--config={self.stack.dir / 'proctorwise.conf'}"],
                                cwd=self.stack.dir, env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)

    def strike(self, rebuild, said, number):
        """Sends the signal as soon as the rebuild has said that. Returns all that it said, and its exit code."""
        lines = []
        for line in rebuild.stderr:
            lines.append(line)
            if said in line:
                rebuild.send_signal(number)
                break
        lines.append(rebuild.communicate(timeout=60)[1])
        return "".join(lines), rebuild.returncode

    def sql(self, statement):
        with self.stack.galera.connect(1, "proctorwise") as connection, connection.cursor() as cursor:
            cursor.execute(f"SET STATEMENT wsrep_sync_wait = 15 FOR {statement}" if statement.startswith("SELECT") else statement)
            rows = cursor.fetchall()
            connection.commit()
            return rows

    def shown(self, model):
        return self.sql(f"SELECT generation FROM pw_projections WHERE name = '{model}'")[0][0]

    def generations(self, table):
        return [row[0] for row in self.sql(f"SELECT DISTINCT generation FROM {table} ORDER BY generation")]

    def refolds(self):
        return sum(total(node.metrics(), "pw_projection_refolds_total") for node in self.nodes)

    def while_all_ask(self, action):
        """Runs it while students book and everybody asks. Returns what it does."""
        load = Load(self.world, self.nodes, seed=int(time.time())).start()
        self.addCleanup(load.stop)
        readers = [Reader(place.tenant, self.nodes, path).start()
                   for place in self.world.tenants for path in ("/slots", "/reservations", "/exams")]
        for reader, place in zip(readers[::3], self.world.tenants):
            reader.newest = lambda place=place: next(
                (one.position for one in reversed(load.decided[-20:]) if one.place is place and one.position), None)
        for reader in readers:
            self.addCleanup(reader.stop)
        load.until_decided(100)
        done = action()
        load.until_decided(100)
        wait_until("all have asked often", lambda: all(reader.answers > 20 for reader in readers), 30)
        for reader in readers:
            reader.stop()
        load.finish()
        for reader in readers:
            self.assertEqual(reader.wrong, [])
        self.assertEqual(load.wrong, [])
        print(f"\n{sum(reader.answers for reader in readers)} queries, the longest {max(one.longest for one in readers):.3f} s; "
              f"{len(load.decided)} commands", flush=True)
        return done

    def expect_good(self, generation, models=MODELS):
        """The rows are those of the ledger, in this generation alone, which the nodes write."""
        ran = self.stack.run("audit", "verify-projection", "--json", *models, check=False)
        self.assertEqual(ran.returncode, GOOD, ran)
        for model in json.loads(ran.stdout)["projections"]:
            self.assertEqual(model["generation"], generation, model)
            self.assertEqual(self.generations(model["name"]), [generation] if model["rows"] else [])
            positions = self.sql(f"SELECT DISTINCT generation FROM pw_positions WHERE projection = '{model['name']}'")
            self.assertEqual(positions, ((generation,),))

            def noticed(name=model["name"]):
                return all(total(node.metrics(), "pw_projection_generation", projection=name) == generation for node in self.nodes)
            wait_until(f"both nodes write generation {generation} of {model['name']}", noticed, 10)

    # --- The story.

    def test_1_everything_is_made_anew_while_all_ask(self):
        before = self.refolds()
        ran = self.while_all_ask(lambda: self.rebuild("--all"))
        for model in MODELS:
            self.assertRegex(ran.stdout, rf"(?m)^{model}: generation 2, \d+ old rows deleted$")
            self.assertIn(f"{model}: begins generation 2; queries show 1 meanwhile\n", ran.stderr)
            self.assertIn(f"{model}: queries show generation 2 now\n", ran.stderr)
        self.expect_good(2)
        self.assertEqual(self.refolds(), before, "a node folded the ledger again")

    def test_2_rows_that_were_spoilt_are_right_again(self):
        self.sql("UPDATE slots SET taken_count = taken_count + 1")
        self.assertEqual(self.stack.run("audit", "verify-projection", "slots", check=False).returncode, WRONG)
        ran = self.rebuild("slots", "--json")
        said = json.loads(ran.stdout)
        self.assertTrue(said["good"])
        self.assertGreater(said["projections"][0].pop("rows_deleted"), 0)
        self.assertEqual(said["projections"], [{"name": "slots", "generation": 3, "continued": False}])
        self.expect_good(3, ["slots"])

    def test_3_killed_at_its_beginning_it_goes_on(self):
        def action():
            said, code = self.strike(self.begin("reservations"), "writes now, with epoch", signal.SIGKILL)
            self.assertEqual(code, -signal.SIGKILL, said)
            self.assertEqual(self.shown("reservations"), 2)
            built = self.stack.run("audit", "verify-projection", "reservations", "--generation=3", check=False)
            self.assertEqual(built.returncode, GOOD, built)
            self.assertIn("reservations, generation 3: ", built.stdout)
            return self.rebuild("reservations")
        ran = self.while_all_ask(action)
        self.assertIn("reservations: goes on with generation 3; queries show 2 meanwhile\n", ran.stderr)
        self.expect_good(3, ["reservations"])

    def test_4_killed_when_queries_show_it_nothing_is_missing(self):
        def action():
            said, code = self.strike(self.begin("slots"), "queries show generation 4 now", signal.SIGKILL)
            self.assertEqual(code, -signal.SIGKILL, said)
            self.assertEqual(self.shown("slots"), 4)
        self.while_all_ask(action)
        ran = self.rebuild("slots", "--clean")
        self.assertRegex(ran.stdout, r"^slots: \d+ old rows deleted\n$")
        self.expect_good(4, ["slots"])

    def test_5_two_at_once_and_one_that_is_stopped(self):
        def action():
            first, second = self.begin("slots"), self.begin("slots")
            outs = [one.communicate(timeout=100) for one in (first, second)]
            self.assertEqual([first.returncode, second.returncode], [GOOD, GOOD], outs)
            return outs
        outs = self.while_all_ask(action)
        shown = self.shown("slots")  # 5; or 6, where the second one came when the first had finished.
        self.assertIn(shown, (5, 6), outs)
        self.expect_good(shown, ["slots"])
        said, code = self.strike(self.begin("slots"), "begins generation", signal.SIGINT)
        self.assertEqual(code, WRONG, said)
        self.assertIn("slots: stopped: the same command goes on with it\n", said)
        ran = self.rebuild("slots", "--anew")
        self.assertIn(f"slots: begins generation {shown + 2}; queries show {shown} meanwhile\n", ran.stderr)
        self.expect_good(shown + 2, ["slots"])

    def test_6_what_cannot_be(self):
        for words in ((), ("slots", "--all"), ("nonsense",), ("--all", "--anew", "--clean")):
            self.assertEqual(self.rebuild(*words, code=USAGE).stdout, "")
        ran = self.rebuild("exams", "--galera.nodes=127.0.0.1:1", code=UNREACHABLE)
        self.assertIn("127.0.0.1:1", ran.stderr)
        ran = self.stack.run("audit", "verify-projection", "exams", "--generation=77", check=False)
        self.assertEqual(ran.returncode, USAGE, ran)
        self.assertRegex(ran.stderr, re.escape("exams has no generation 77"))


if __name__ == "__main__":
    unittest.main()
