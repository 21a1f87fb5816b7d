"""The bank of items from outside: versions, keys that are mended, and who is shown what."""

import json
import unittest

from integration.house_case import AnswerCase, House
from integration.proof import Proof
from integration.reader.states import States

house = House()
CAPITALS = {"title": "Capitals", "kind": "single-choice", "prompt": "Capital of Styria?\n(One is right.)", "scoring": "match-correct",
            "choices": [{"label": name} for name in ("Graz", "Leoben", "Linz", "Wels")], "answers": [{"choice": 1}], "maximum_mark": 2}
KEY = [{"choice": 1, "response": "", "mark": 0, "penalty": 0}]


def setUpModule():
    house.start()


class ItemTest(AnswerCase):
    def shown(self, client, path, answer):
        return self.expect(client.get(path, headers={"Pw-Min-Position": answer.position, "Prefer": "wait=10"}), 200).json

    def refuse(self, answer, status, problem, detail):
        self.expect_no(answer, status, problem)
        self.assertIn(detail, answer.json["detail"])

    def test_an_item_and_its_versions(self):
        teacher = house.as_teacher()
        drafted = teacher.post("/items", CAPITALS)
        item = self.expect_yes(drafted, 201, 1, "items")
        shown = self.shown(teacher, f"/items/{item}", drafted)
        self.assertEqual({name: shown[name] for name in CAPITALS if name != "answers"},
                         {name: value for name, value in CAPITALS.items() if name != "answers"})
        self.assertEqual((shown["answers"], shown["key_number"], shown["newest_number"], shown["retired"]), (KEY, 1, 1, False))
        revised = teacher.post(f"/items/{item}/revise", {**CAPITALS, "title": "Capitals II"})
        self.expect_yes(revised, 200, 2)
        corrected = teacher.post(f"/items/{item}/correct-key", {"version_number": 1, "answers": [{"choice": 2}], "reason": "staff.mistake"})
        self.expect_yes(corrected, 200, 3)
        versions = self.shown(teacher, f"/items/{item}/versions", corrected)["items"]
        self.assertEqual([(each["version_number"], each["title"], each["key_number"], each["answers"][0]["choice"]) for each in versions],
                         [(1, "Capitals", 2, 2), (2, "Capitals II", 1, 1)])
        self.expect_yes(teacher.post(f"/items/{item}/revise", {**CAPITALS, "title": "Capitals II"}), 200, 3)  # Nothing new.
        retired = teacher.post(f"/items/{item}/retire")
        self.expect_yes(retired, 200, 4)
        self.expect_no(teacher.post(f"/items/{item}/revise", CAPITALS), 409, "item-retired")
        listed = self.shown(teacher, "/items?retired=true&kind=single-choice", retired)["items"]
        self.assertIn((item, "Capitals II", 4), [(each["id"], each["title"], each["version"]) for each in listed])

    def test_what_does_not_fit_is_refused_and_what_is_malformed_named(self):
        teacher = house.as_teacher()
        self.refuse(teacher.post("/items", {**CAPITALS, "choices": CAPITALS["choices"][:3]}), 409, "item-incoherent", "choices")
        invalid = teacher.post("/items", {**CAPITALS, "choices": [{"label": ""}, 3], "answers": [{"choice": 21}]})
        self.expect(invalid, 400, "invalid", ["/choices/0/label", "/choices/1", "/answers/0/choice"])

    def test_an_exam_asks_versions_of_items(self):
        """What is published stays as it was, whatever becomes of the draft and of the items."""
        teacher = house.as_teacher()
        first, second = (self.expect_yes(teacher.post("/items", {**CAPITALS, "maximum_mark": marks}), 201, 1, "items") for marks in (2, 3))
        exam = self.expect_yes(teacher.post("/exams", {"title": "Geography", "duration_minutes": 60}), 201, 1, "exams")
        asked = [{"item_id": second, "version_number": 1}, {"item_id": first, "version_number": 1}]
        self.expect_yes(teacher.post(f"/exams/{exam}/bind-items", {"items": asked}), 200, 2)
        self.expect_yes(teacher.post(f"/exams/{exam}/publish"), 200, 3)
        self.expect_yes(teacher.post(f"/exams/{exam}/set-rules", {"lead_time_minutes": 60}), 200, 4)
        changed = teacher.post(f"/exams/{exam}/bind-items", {"items": asked[:1]})
        self.expect_yes(changed, 200, 5)
        shown = self.shown(teacher, f"/exams/{exam}", changed)
        self.expect_yes(teacher.post(f"/exams/{exam}/publish"), 200, 6)
        versions = self.shown(teacher, f"/exams/{exam}/versions", teacher.post(f"/exams/{exam}/publish"))["items"]
        self.assertEqual([(each["version_number"], each["items"], each["maximum_mark"], each["lead_time_minutes"]) for each in versions],
                         [(1, asked, 5, 1440), (2, asked[:1], 3, 60)])
        self.assertEqual((shown["published_items"], shown["published_maximum_mark"], shown["published_lead_time_minutes"]), (asked, 5, 1440))
        self.assertEqual((shown["draft_items"], shown["draft_maximum_mark"], shown["draft_lead_time_minutes"], shown["draft_buffer_minutes"]),
                         (asked[:1], 3, 60, 0))
        self.expect_yes(teacher.post(f"/exams/{exam}/bind-items", {"items": asked[:1]}), 200, 6)  # Nothing new.

    def test_what_an_exam_cannot_ask(self):
        teacher = house.as_teacher()
        item = self.expect_yes(teacher.post("/items", CAPITALS), 201, 1, "items")
        exam = self.expect_yes(teacher.post("/exams", {"title": "Geography", "duration_minutes": 60}), 201, 1, "exams")
        asks = lambda *items: teacher.post(f"/exams/{exam}/bind-items", {"items": [dict(zip(("item_id", "version_number"), each)) for each in items]})
        self.refuse(asks((item, 1), (item, 1)), 409, "item-bound-twice", "items/1")
        self.refuse(asks((item, 2)), 409, "no-such-item-version", "items/0: the newest is 1")
        self.expect_no(asks((exam, 1)), 404, "no-such-item")
        self.expect_yes(teacher.post(f"/items/{item}/retire"), 200, 2)
        self.expect_no(asks((item, 1)), 409, "item-retired")
        self.expect(asks(("x", 0)), 400, "invalid", ["/items/0/item_id", "/items/0/version_number"])
        self.expect(asks(*[(item, 1)] * 201), 400, "invalid", ["/items"])

    def test_the_longest_item_and_the_longest_exam(self):
        """All that the tables allow goes through the house: bodies, records, rows, however the client spells it."""
        teacher = house.as_teacher()
        longest = {**CAPITALS, "kind": "multiple-choice", "prompt": "ж" * 2000, "choices": [{"label": "ж" * 500}] * 20}
        typed = {**CAPITALS, "kind": "short-text", "choices": [], "answers": [{"response": "ж" * 98 + f"{i:02}"} for i in range(40)]}
        for item in (longest, typed):
            self.assertGreater(len(json.dumps(item)), 2 * len(json.dumps(item, ensure_ascii=False).encode()))
            drafted = teacher.post("/items", json.dumps(item).encode())
            shown = self.shown(teacher, f"/items/{self.expect_yes(drafted, 201, 1, 'items')}", drafted)
            self.assertEqual((shown["prompt"], shown["choices"]), (item["prompt"], item["choices"]))
            self.assertEqual([answer["response"] for answer in shown["answers"]], [answer.get("response", "") for answer in item["answers"]])

    def test_a_page_ends_before_it_is_too_long(self):
        """Exams that ask much are more than an answer holds at once: what follows is said, and nobody is lost."""
        teacher = house.as_teacher()
        items = [self.expect_yes(teacher.post("/items", {**CAPITALS, "title": f"Capitals {i}"}), 201, 1, "items") for i in range(200)]
        asked = [{"item_id": item, "version_number": 1} for item in items]
        exams = []
        for i in range(70):
            exams.append(self.expect_yes(teacher.post("/exams", {"title": f"Geography {i}", "duration_minutes": 60}), 201, 1, "exams"))
            bound = teacher.post(f"/exams/{exams[-1]}/bind-items", {"items": asked})
            self.expect_yes(bound, 200, 2)
        page = self.shown(teacher, "/exams?limit=500", bound)
        self.assertLess(len(page["items"]), 70)
        self.assertIsNotNone(page["next"])
        shown = {exam["id"]: exam["draft_items"] for exam in teacher.all("/exams")}
        self.assertEqual([shown[exam] for exam in exams], [asked] * 70)
        lines = teacher.get("/exams", headers={"Accept": "text/csv"}).body.decode().splitlines()
        self.assertLessEqual(set(exams), {line.partition(",")[0] for line in lines})

    def test_students_see_no_item(self):
        student = house.tenant.student().client(house.node)
        self.expect(student.get("/items"), 403, "forbidden")

    def test_z_the_ledger_agrees(self):
        proof = Proof(house.stack)
        proof.check_read_models(house.node, [house.tenant])
        states = States(house.tenant.id)  # Which computes the hashes of items and exams once more.
        for decision in proof.decided:
            states.take(decision)
        self.assertGreater(states.counts()["items"], 200)


if __name__ == "__main__":
    unittest.main()
