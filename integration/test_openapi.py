"""The API's document is what it says: valid OpenAPI, true of every answer, and enough to write a client from."""

import base64
import json
import re
import shutil
import subprocess
import unittest
import uuid

from integration.harness import BINARY, ENVIRONMENT, Actor, Client, at, scratch
from integration.house_case import AnswerCase, House
from integration.openapi import tools

house = House()
EXAMPLES = 25  # How often each operation is asked something that was made up, at least.

# Schema-valid is not all that we ask of a request: JSON Schema calls 90.0 a whole number, counts characters where we count bytes,
# and knows neither which key is fresh nor which version is current. So nothing is said of requests that ought to be accepted.
LEFT_OUT = "positive_data_acceptance"


def setUpModule():
    tools.environment()
    house.start()
    house.scratch = scratch("openapi")
    unittest.addModuleCleanup(shutil.rmtree, house.scratch, ignore_errors=True)
    house.public, house.internal = printed(), printed("--internal")


def printed(*words):
    """The document that the program prints, in a file."""
    path = house.scratch / f"{len(words)}.json"
    with open(path, "wb") as document:
        subprocess.run([BINARY, "openapi", *words], env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=document, check=True)
    return path


def strict(document):
    """The same document, by which an answer may have no member that is not described. The document itself leaves that open, so that
    answers may gain some."""
    def close(schema):
        if isinstance(schema, dict):
            if schema.get("type") == "object" and "properties" in schema:
                schema["additionalProperties"] = False
            for value in schema.values():
                close(value)
    close(document["components"]["schemas"])
    return document


class DocumentTest(AnswerCase):
    def run_tool(self, program, *arguments, env=None):
        said = tools.run(program, *arguments, cwd=house.scratch, env=env)
        self.assertEqual(said.returncode, 0, f"{program}: {said.stdout[-6000:]}")
        return said.stdout

    def test_it_is_valid(self):
        for path in (house.public, house.internal):
            self.run_tool("openapi-spec-validator", path)

    def test_what_is_served_is_what_is_printed(self):
        client = Client(house.node.api)
        served = client.get("/v1/openapi.json")
        self.assertEqual((served.status, served.headers["Content-Type"]), (200, "application/json"))
        self.assertEqual(served.json, json.loads(house.public.read_text(encoding="utf-8")))
        again = client.get("/v1/openapi.json", headers={"If-None-Match": served.headers["ETag"]})
        self.assertEqual((again.status, again.body), (304, b""))

    def test_headers_that_are_always_there_are(self):
        """Of each list, in each form that it comes in."""
        document = json.loads(house.public.read_text(encoding="utf-8"))
        client = house.tenant.admin.client(house.node)
        forms = 0
        for path, item in document["paths"].items():
            answer, names = item.get("get", {"responses": {}})["responses"].get("200", {}), path.split("/")
            if "text/csv" not in answer.get("content", {}):
                continue
            target = "/" + "/".join(str(uuid.uuid4()) if name.startswith("{") else name for name in names[4:])
            headers = {name: document["components"]["headers"][where["$ref"].rpartition("/")[2]]
                       for name, where in answer["headers"].items()}
            for form in answer["content"]:
                said = client.get(target, headers={"Accept": form})
                if said.status != 403:  # Students' own lists.
                    self.assertEqual((said.status, said.headers["Content-Type"].partition(";")[0]), (200, form))
                    self.assertEqual([name for name, header in headers.items() if header["required"] and name not in said.headers],
                                     [], f"{target} as {form}")
                    forms += 1
        self.assertGreaterEqual(forms, 8)

    def ask(self, document, *options):
        """Schemathesis asks the node what a document describes, as somebody who has every role. Returns the completed process."""
        path, settings = house.scratch / "asked.json", house.scratch / "schemathesis.toml"
        path.write_text(json.dumps(document), encoding="utf-8")
        everybody, ids = Actor(house.tenant, "teacher"), {}
        everybody.token = house.tenant.token(everybody.id, ["student", "teacher", "admin", "auditor"])
        client = everybody.client(house.node)
        ids["exam_id"] = self.expect(client.command("/exams", {"title": "Analysis", "duration_minutes": 60}), 201).json["id"]
        self.expect(client.command(f"/exams/{ids['exam_id']}/publish"), 200)
        opened = client.command("/slots", {"exam_id": ids["exam_id"], "starts_at": at(days=30), "capacity": 30})
        ids["slot_id"] = self.expect(opened, 201).json["id"]
        ids["reservation_id"] = self.expect(client.command(f"/slots/{ids['slot_id']}/reservations"), 201).json["id"]
        ids["student_id"] = everybody.id
        settings.write_text("\n".join([
            "[parameters]", f'tenant = "{house.tenant.id}"',
            # Nobody waits for positions; and one that was made up may be of the future, which is a true 503.
            'Prefer = "wait=0"', 'Pw-Min-Position = "0:0"',
            '"body.exam_id" = { dictionary = "exam_id", probability = 0.7 }',
            *(f'"path.{name}" = {{ dictionary = "{name}", probability = 0.7 }}' for name in ids),
            *(f'[dictionaries.{name}]\nvalues = ["{value}"]' for name, value in ids.items())]), encoding="utf-8")
        return tools.run("st", "--config-file", settings, "run", path, "--url", f"http://{house.node.api}",
                         "-H", f"Authorization: Bearer {everybody.token}", "--exclude-checks", LEFT_OUT,
                         "--max-examples", str(EXAMPLES), "--continue-on-failure", *options, cwd=house.scratch)

    def test_every_answer_is_as_described(self):
        """Each operation is sent what its description allows, and what it does not."""
        document = strict(json.loads(house.public.read_text(encoding="utf-8")))
        said = self.ask(document)
        self.assertEqual(said.returncode, 0, said.stdout[-6000:])
        print(re.sub(r"(?s).*(?=Test cases:)", "", said.stdout))
        self.assertGreater(int(re.search(r"(\d+) generated", said.stdout)[1]), EXAMPLES * len(document["paths"]))
        self.assertEqual(house.node.readyz(), 200)
        self.assertEqual([line for line in house.node.log_lines() if line.get("level") == "error"], [])
        self.assertEqual(house.verify().returncode, 0)

    def test_what_is_described_wrongly_is_found(self):
        """So that a good run says something: a member that is not described, and a problem that is not listed."""
        document = strict(json.loads(house.public.read_text(encoding="utf-8")))
        answer = document["components"]["schemas"]["command_answer"]
        answer["required"].remove("position")
        del answer["properties"]["position"]
        said = self.ask(document, "--include-operation-id", "exam_draft", "--phases", "examples")
        self.assertIn("Response violates schema", said.stdout)
        document = strict(json.loads(house.public.read_text(encoding="utf-8")))
        missing = document["paths"]["/v1/tenants/{tenant}/slots"]["post"]["responses"]["404"]
        missing["content"]["application/problem+json"]["schema"]["properties"]["type"]["enum"].remove("/problems/no-such-exam")
        said = self.ask(document, "--include-operation-id", "slot_open", "--phases", "coverage")
        self.assertIn('"/problems/no-such-exam" is not one of', said.stdout)

    def test_clients_that_were_generated_from_it_book_a_seat(self):
        """The generator has no name of its own for lines of JSON: to it they are bytes."""
        config = house.scratch / "generate.yaml"
        config.write_text("content_type_overrides:\n  application/x-ndjson: application/octet-stream\n", encoding="utf-8")
        for path, package in ((house.internal, "operators"), (house.public, "people")):
            self.run_tool("openapi-python-client", "generate", "--path", path, "--output-path", house.scratch / package,
                          "--meta", "none", "--fail-on-warning", "--config", config)
        scenario = tools.ROOT / "integration/openapi/scenario.py"

        def play(*words):
            return json.loads(self.run_tool("python", scenario, *words, env={"PYTHONPATH": str(house.scratch)}))
        issuer, key = house.tenant.issuer, base64.urlsafe_b64encode(house.tenant.public_key).decode().rstrip("=")
        tenant = play("operator", f"http://{house.node.admin}", house.stack.cluster_key, issuer, key)["tenant"]
        tokens = [house.tenant.token(str(uuid.uuid4()), [role], tenant=tenant) for role in ("teacher", "student", "student")]
        self.assertEqual(play("people", f"http://{house.node.api}", tenant, *tokens),
                         {"refused": "/problems/slot-full", "cancelled": 2})


if __name__ == "__main__":
    unittest.main()
