"""Parts of the house on nodes of their own: one decides, another writes read models and answers queries."""

from integration.harness import Actor
from integration.house_case import AnswerCase, House

house = House()


def setUpModule():
    house.start({"run": "commands"})


class PartsTest(AnswerCase):
    def test_one_node_decides_and_another_answers_queries(self):
        slot = house.slot(capacity=3)
        student = house.tenant.student()
        self.expect(student.client(house.node).get(f"/slots/{slot}"), 503, "part-not-run")
        reader = house.stack.start_node({"run": "projections,queries"})
        booked = self.expect(student.client(house.node).post(f"/slots/{slot}/reservations"), 201)
        seen = student.client(reader).get(f"/slots/{slot}", headers={"Pw-Min-Position": booked.position, "Prefer": "wait=10"})
        self.assertEqual(self.expect(seen, 200).json["free_count"], 2)
        auditor = Actor(house.tenant, "auditor")
        self.expect(auditor.client(house.node).get("/audit/state"), 503, "part-not-run")
        self.expect(auditor.client(reader).get(f"/audit/state?stream_id={booked.json['id']}"), 200)
        self.assertEqual(sum(value for name, value in reader.metrics().items() if name.startswith("pw_partition_leading")), 0)

    def test_what_is_checked_beforehand_is_what_the_parts_need(self):
        def check(parts):
            return house.stack.run("serve", "--check", f"--run={parts}", "--galera.nodes=127.0.0.1:1", check=False).returncode
        self.assertEqual([check(parts) for parts in ("commands", "queries", "commands,projections")], [0, 3, 3])

    def test_an_unknown_part_is_named(self):
        ran = house.stack.run("serve", "--check", "--run=commands,reports", check=False)
        self.assertEqual(ran.returncode, 2)
        self.assertIn("reports is no part, must be commands, projections or queries", ran.stderr)
