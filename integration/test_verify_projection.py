"""`audit verify-projection`: what is in the tables, against what follows from the ledger; and each way in which they can differ."""

import json
import unittest
import warnings

from integration.harness import ANSWER_SECONDS
from integration.house_case import AnswerCase, House
from integration.load import Load, World

house = House()
GOOD, WRONG, USAGE, UNREACHABLE = range(4)
MODELS = ["exams", "slots", "reservations", "calendar", "users", "sessions", "accommodations"]


def setUpModule():
    warnings.simplefilter("ignore", ResourceWarning)  # Connections end with their clients.
    house.start()
    slot, student = house.slot(capacity=2), house.tenant.student().client(house.node)
    house.seat = student.command(f"/slots/{slot}/reservations").json["id"]
    other = house.tenant.student().client(house.node)
    house.position = other.command(f"/reservations/{other.command(f'/slots/{slot}/reservations').json['id']}/cancel").position
    for path in ("/exams", "/slots", "/reservations", "/calendar"):
        reader = other if path == "/calendar" else house.as_admin()
        reader.get(path, headers={"Pw-Min-Position": house.position, "Prefer": "wait=10"}, seconds=ANSWER_SECONDS)


def verify(*words):
    return house.stack.run("audit", "verify-projection", *words, check=False)


def sql(statement, *values):
    with house.stack.galera.connect(1, "proctorwise") as connection, connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.rowcount


def unhex(text):
    return bytes.fromhex(text.replace("-", ""))


class VerifyProjectionTest(AnswerCase):
    def said(self, code, *words):
        ran = verify("--json", *words)
        self.assertEqual(ran.returncode, code, ran)
        return json.loads(ran.stdout)

    def differs(self, model):
        """The one difference, which is in this model; people are told of the same row."""
        said = self.said(WRONG)
        self.assertFalse(said["good"])
        found = {each["name"]: each["difference"] for each in said["projections"] if each["difference"]}
        self.assertEqual(found.keys(), {model})
        ran = verify(model)
        self.assertEqual(ran.returncode, WRONG, ran)
        self.assertTrue(ran.stdout.endswith("\nNOT GOOD\n"), ran.stdout)
        for value in found[model]["key"].values():
            self.assertIn(str(value), ran.stdout)
        for other in MODELS:
            self.assertEqual(verify(other).returncode, WRONG if other == model else GOOD)
        return found[model]

    def test_tables_that_were_written_from_the_ledger(self):
        ran = verify()
        self.assertEqual((ran.returncode, ran.stderr), (GOOD, ""), ran)
        self.assertRegex(ran.stdout, r"^exams, generation 1: 2 rows\nslots, generation 1: 1 rows\nreservations, generation 1: 10 rows\n"
                                     r"calendar, generation 1: 2 rows\nusers, generation 1: 0 rows\nsessions, generation 1: 0 rows\n"
                                     r"accommodations, generation 1: 0 rows\ngood\n$")
        said = self.said(GOOD)
        self.assertEqual([each["name"] for each in said["projections"]], MODELS)
        partition, offset = (int(part) for part in house.position.split(":")[:2])
        self.assertEqual({each["offsets"][partition] for each in said["projections"]}, {offset})

    def test_some_of_them(self):
        self.assertEqual([each["name"] for each in self.said(GOOD, "calendar", "slots")["projections"]], ["calendar", "slots"])
        ran = verify("nonsense")
        self.assertEqual(ran.returncode, USAGE, ran)
        self.assertIn("nonsense", ran.stderr)

    def test_a_column_that_differs(self):
        self.assertEqual(sql("UPDATE slots SET taken_count = 7"), 1)
        try:
            found = self.differs("slots")
            self.assertEqual((found["row"], found["column"], found["shown"], found["expected"]), ("differs", "taken_count", 7, 1))
            self.assertIn(": taken_count is 7, the ledger says 1\n", verify("slots").stdout)
        finally:
            sql("UPDATE slots SET taken_count = 1")

    def test_a_text_that_differs(self):
        sql("UPDATE exams SET published_title = %s", "x\x1b[2J\"")
        try:
            found = self.differs("exams")
            self.assertEqual((found["column"], found["shown"], found["expected"]), ("published_title", "x\x1b[2J\"", "Linear Algebra I"))
            self.assertNotIn("\x1b", verify("exams").stdout)
            sql("UPDATE exams SET published_title = NULL")
            self.assertIsNone(self.differs("exams")["shown"])
        finally:
            sql("UPDATE exams SET published_title = %s", "Linear Algebra I")

    def test_a_row_that_is_missing(self):
        sql("CREATE TABLE kept AS SELECT * FROM reservations WHERE reservation_id = %s", unhex(house.seat))
        self.assertEqual(sql("DELETE FROM reservations WHERE reservation_id = %s", unhex(house.seat)), 1)
        try:
            found = self.differs("reservations")
            self.assertEqual((found["row"], found["key"]), ("missing", {"tenant_id": house.tenant.id, "reservation_id": house.seat}))
        finally:
            sql("INSERT INTO reservations SELECT * FROM kept")
            sql("DROP TABLE kept")

    def test_a_row_that_nobody_wrote(self):
        stranger = "ffffffff-0000-0000-0000-000000000001"
        sql("INSERT INTO calendar SELECT generation, %s, student_id, starts_at_us, reservation_id, slot_id, exam_id, ends_at_us,"
            " free_again_at_us, live, changed_at_us, record_offset FROM calendar LIMIT 1", unhex(stranger))
        try:
            found = self.differs("calendar")
            self.assertEqual((found["row"], found["key"]["tenant_id"]), ("surplus", stranger))
        finally:
            sql("DELETE FROM calendar WHERE tenant_id = %s", unhex(stranger))

    def test_positions_of_another_history(self):
        partition = house.tenant.partition
        sql("UPDATE pw_positions SET head = REVERSE(head) WHERE projection = 'exams' AND partition_number = %s", partition)
        try:
            ran = verify("exams")
            self.assertEqual((ran.returncode, ran.stdout), (WRONG, ""), ran)
            self.assertIn(f"diverged at partition {partition}, offset ", ran.stderr)
            self.assertEqual(verify("slots").returncode, GOOD)
        finally:
            sql("UPDATE pw_positions SET head = REVERSE(head) WHERE projection = 'exams' AND partition_number = %s", partition)

    def test_servers_that_cannot_be_reached(self):
        for setting in ("--galera.nodes=127.0.0.1:1", "--kafka.bootstrap.servers=127.0.0.1:1"):
            ran = verify(setting)
            self.assertEqual((ran.returncode, ran.stdout), (UNREACHABLE, ""), ran)


class WhileTheNodeWritesTest(AnswerCase):
    def test_the_snapshot_is_equal_at_its_own_position(self):
        """At the end, because its rows would be among those of the tests above."""
        load = Load(World(house.node, tenants=2), [house.node], seed=1).start()
        self.addCleanup(load.stop)
        offsets = []
        for _ in range(5):
            load.until_decided(100)
            ran = verify("--json")
            self.assertEqual(ran.returncode, GOOD, ran)
            offsets.append([sum(each["offsets"]) for each in json.loads(ran.stdout)["projections"]])
        self.assertEqual(offsets, sorted(offsets))
        self.assertGreater(offsets[-1], offsets[0], "the node wrote nothing meanwhile")
        load.finish()

    def test_what_was_spoilt_is_made_again(self):
        """Without its positions, a read model is folded again from the start."""
        sql("UPDATE slots SET taken_count = taken_count + 1")
        self.assertEqual(verify("slots").returncode, WRONG)
        with house.stack.galera.connect(1, "proctorwise") as connection, connection.cursor() as cursor:
            connection.begin()
            cursor.execute("DELETE FROM slots")
            cursor.execute("DELETE FROM pw_positions WHERE projection = 'slots'")
            connection.commit()
        position = house.as_teacher().command("/exams", {"title": "One more", "duration_minutes": 30, "lead_time_minutes": 0,
                                                         "buffer_minutes": 0}).position  # The worker meets what is gone.
        self.expect(house.as_admin().get("/slots", headers={"Pw-Min-Position": position, "Prefer": "wait=10"}), 200)
        ran = verify("slots")
        self.assertEqual(ran.returncode, GOOD, ran)
        self.assertNotIn(": 0 rows", ran.stdout)


if __name__ == "__main__":
    unittest.main()
