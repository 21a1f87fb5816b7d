"""`/v1` only ever gains: whatever the API's document promised at the last release still holds. No server is needed.

`openapi-v1.json` has the promises of the last release. At a release, once nothing is broken, they are written anew:

    python3 -m integration.test_compatibility renew

What is to go is marked `deprecated` in the document first. Such a thing is no promise any more from the release on that says so, and may
go in the next one.
"""

import copy
import json
import subprocess
import sys
import unittest
from pathlib import Path

from integration.harness import BINARY, ENVIRONMENT

PROMISES = Path(__file__).with_name("openapi-v1.json")
METHODS = ("get", "post")
LOWEST, HIGHEST = ("minimum", "minLength", "minItems"), ("maximum", "maxLength", "maxItems")


def document():
    printed = subprocess.run([BINARY, "openapi"], env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True)
    return json.loads(printed.stdout)


# --- What a document promises -----------------------------------------------------------------------------------------------


class Reader:
    """A document as promises: for each operation what it takes, what of that it needs, and what it answers."""

    def __init__(self, described):
        self.described = described

    def promises(self):
        operations = {f"{method.upper()} {path}": self.operation(item[method]) for path, item in self.described["paths"].items()
                      for method in METHODS if method in item and not item[method].get("deprecated")}
        problem = self.follow({"$ref": "#/components/schemas/problem"})
        return {"operations": operations, "problem": self.members(problem)[0],
                "problems": sorted(self.described["components"]["examples"])}

    def follow(self, value):
        """What a reference stands for; what stands beside it says it more closely."""
        while "$ref" in value:
            found = self.described
            for name in value["$ref"].removeprefix("#/").split("/"):
                found = found[name]
            value = found | {name: more for name, more in value.items() if name != "$ref"}
        return value

    def operation(self, operation):
        takes, needs = {}, []
        for parameter in map(self.follow, operation["parameters"]):
            if not parameter.get("deprecated"):
                name = f"{parameter['in']} {parameter['name']}"
                takes[name] = self.kind(parameter["schema"])
                needs += [name] if parameter["required"] else []
        body = operation.get("requestBody")
        if body is not None:
            members, always = self.members(body["content"]["application/json"]["schema"])
            takes |= {f"body {name}": kind for name, kind in members.items()}
            needs += [f"body {name}" for name in always] + (["body"] if body["required"] else [])
        answers = {(status, form): content for status, answer in operation["responses"].items()
                   for form, content in (answer.get("content") or {"": {}}).items()}
        return {"roles": sorted(role for way in operation["security"] for role in way["bearer"]), "takes": takes, "needs": needs,
                "answers": [f"{status} {form}".strip() for status, form in answers], **self.gives(answers)}

    def gives(self, answers):
        """The members of each answer that says yes."""
        gives, always = {}, []
        for (status, form), content in answers.items():
            if status[0] == "2" and "schema" in content:
                members, required = self.members(content["schema"])
                gives |= {f"{status} {form} {name}": kind for name, kind in members.items()}
                always += [f"{status} {form} {name}" for name in required]
        return {"gives": gives, "always": always}

    def members(self, schema, before=""):
        """({name: kind}, names that are always there) of an object, and of those inside it: `items[].id`."""
        schema, members, always = self.follow(schema), {}, []
        if "items" in schema:
            return self.members(schema["items"], f"{before}[]")
        for name, member in schema.get("properties", {}).items():
            member, whole = self.follow(member), f"{before}.{name}".lstrip(".")
            if not member.get("deprecated"):
                members[whole] = self.kind(member)
                always += [whole] if name in schema.get("required", []) else []
                inner, inner_always = self.members(member, whole)
                members |= inner
                always += inner_always
        return members, always

    def kind(self, schema):
        """Of a value: its types, its words, its bounds."""
        schema = self.follow(schema)
        types = schema.get("type", [])
        kind = {"type": [types] if isinstance(types, str) else types}
        words = schema.get("enum", schema.get("items", {}).get("enum"))
        return kind | {name: schema[name] for name in ("format", *LOWEST, *HIGHEST) if name in schema} | ({"enum": words} if words else {})


# --- What of it is broken ---------------------------------------------------------------------------------------------------


def takes_less(before, now):
    """Whether something that was taken is refused now."""
    return (not set(before["type"]) <= set(now["type"]) or before.get("format") != now.get("format") and "format" in now
            or "enum" in now and not set(before.get("enum", [None])) <= set(now["enum"])
            or any(name in now and before.get(name, -1) < now[name] for name in LOWEST)
            or any(name in now and before.get(name, float("inf")) > now[name] for name in HIGHEST))


def gives_other(before, now):
    """Whether something is answered now that was not to be expected. Words may be new: readers are told so."""
    return not set(now["type"]) <= set(before["type"]) or before.get("format", now.get("format")) != now.get("format")


def broken(before, now):
    """What of the promises of before does not hold now, as lines."""
    lines = [f"there is no problem {name} any more" for name in before["problems"] if name not in now["problems"]]
    lines += [f"problems: {line}" for line in broken_members(before["problem"], now["problem"], gives_other)]
    for name, operation in before["operations"].items():
        found = now["operations"].get(name)
        lines += [f"{name}: {line}" for line in (["it is gone"] if found is None else broken_operation(operation, found))]
    return lines


def broken_operation(before, now):
    lines = broken_members(before["takes"], now["takes"], takes_less) + broken_members(before["gives"], now["gives"], gives_other)
    lines += [f"{name} is needed" for name in now["needs"] if name not in before["needs"]]
    lines += [f"{name} is not always there" for name in before["always"] if name in now["gives"] and name not in now["always"]]
    lines += [f"{answer} is gone" for answer in before["answers"] if answer not in now["answers"]]
    return lines + [f"{role} may not any more" for role in before["roles"] if role not in now["roles"]]


def broken_members(before, now, differs):
    gone = [f"{name} is gone" for name in before if name not in now]
    return gone + [f"{name} is another: {kind} was promised, {now[name]} is said" for name, kind in before.items()
                   if name in now and differs(kind, now[name])]


def text_of(value, before="", depth=4):
    """JSON with a line for each promise, so that what a release gains can be read in its diff."""
    if not isinstance(value, dict) or not value or depth == 0:
        return json.dumps(value, sort_keys=True)
    members = (f'{before} {json.dumps(name)}: {text_of(value[name], before + " ", depth - 1)}' for name in sorted(value))
    return "{\n" + ",\n".join(members) + f"\n{before}}}"


def renew():
    PROMISES.write_text(text_of(Reader(document()).promises()) + "\n", encoding="utf-8")


# --- Tests ------------------------------------------------------------------------------------------------------------------


class CompatibilityTest(unittest.TestCase):
    def test_every_promise_of_the_last_release_holds(self):
        before = json.loads(PROMISES.read_text(encoding="utf-8"))
        self.assertGreater(len(before["operations"]), 30)
        self.assertEqual(broken(before, Reader(document()).promises()), [])


SLOTS, SLOT = "/v1/tenants/{tenant}/slots", "/v1/tenants/{tenant}/slots/{slot_id}"


class JudgeTest(unittest.TestCase):
    """The test would see it."""

    @classmethod
    def setUpClass(cls):
        cls.document = document()
        cls.before = Reader(cls.document).promises()

    def broken_by(self, change):
        changed = copy.deepcopy(self.document)
        change(changed, changed["paths"], changed["components"]["schemas"])
        return broken(self.before, Reader(changed).promises())

    def test_what_breaks_a_promise(self):
        def filters(paths, name):
            return next(each for each in paths["/v1/tenants/{tenant}/reservations"]["get"]["parameters"] if each.get("name") == name)
        for wanted, change in (
            ("POST .*/slots: it is gone", lambda all_, paths, schemas: paths[SLOTS].pop("post")),
            (r"GET .*/slots/\{slot_id\}: it is gone", lambda all_, paths, schemas: paths.pop(SLOT)),
            ("409 application/problem.json is gone", lambda all_, paths, schemas: paths[SLOTS]["post"]["responses"].pop("409")),
            ("200 text/csv is gone", lambda all_, paths, schemas: paths[SLOTS]["get"]["responses"]["200"]["content"].pop("text/csv")),
            ("304 is gone", lambda all_, paths, schemas: paths[SLOTS]["get"]["responses"].pop("304")),
            ("teacher may not", lambda all_, paths, schemas: paths[SLOTS]["post"]["security"].remove({"bearer": ["teacher"]})),
            ("body capacity is gone", lambda all_, paths, schemas: schemas["slot_open"]["properties"].pop("capacity")),
            ("body buffer_minutes is needed", lambda all_, paths, schemas: schemas["exam_draft"]["required"].append("buffer_minutes")),
            ("body color is needed", lambda all_, paths, schemas: schemas["exam_draft"].update(
                properties=schemas["exam_draft"]["properties"] | {"color": {"type": "string"}},
                required=[*schemas["exam_draft"]["required"], "color"])),
            ("body is needed", lambda all_, paths, schemas: paths[f"{SLOT}/reservations"]["post"]["requestBody"].update(required=True)),
            ("body capacity is another", lambda all_, paths, schemas: schemas["slot_open"]["properties"]["capacity"].update(maximum=9)),
            ("body title is another", lambda all_, paths, schemas: schemas["exam_draft"]["properties"]["title"].update(type="integer")),
            ("query limit is another", lambda all_, paths, schemas: all_["components"]["parameters"]["limit"]["schema"].update(minimum=2)),
            ("header If-Match is needed", lambda all_, paths, schemas: all_["components"]["parameters"]["If-Match"].update(required=True)),
            ("query state is gone", lambda all_, paths, schemas: filters(paths, "state").update(name="status")),
            ("query state is another", lambda all_, paths, schemas: filters(paths, "state")["schema"]["enum"].pop()),
            (r"200 application/json free_count is gone", lambda all_, paths, schemas: schemas["slot"]["properties"].pop("free_count")),
            (r"200 application/json items\[\].free_count is gone", lambda all_, paths, schemas: schemas["slot"]["properties"].pop("free_count")),
            ("free_count is not always there", lambda all_, paths, schemas: schemas["slot"]["required"].remove("free_count")),
            ("free_count is another", lambda all_, paths, schemas: schemas["slot"]["properties"]["free_count"].update(type=["integer", "null"])),
            ("201 application/json position is gone", lambda all_, paths, schemas: schemas["command_answer"]["properties"].pop("position")),
            ("problems: instance is gone", lambda all_, paths, schemas: schemas["problem"]["properties"].pop("instance")),
            ("there is no problem slot-full", lambda all_, paths, schemas: all_["components"]["examples"].pop("slot-full")),
        ):
            with self.subTest(wanted):
                self.assertRegex("\n".join(self.broken_by(change)), f"(?m){wanted}")

    def test_what_is_gained_breaks_nothing(self):
        def gain(all_, paths, schemas):
            paths["/v1/tenants/{tenant}/rooms"] = paths[SLOTS]
            paths[SLOTS]["post"]["responses"]["418"] = {}
            paths[SLOTS]["post"]["security"].append({"bearer": ["proctor"]})
            paths[SLOTS]["get"]["parameters"].append({"name": "room", "in": "query", "required": False, "schema": {"type": "string"}})
            paths[f"{SLOTS}"]["post"]["requestBody"]["required"] = False
            schemas["slot"]["properties"]["room"] = {"type": ["string", "null"]}
            schemas["slot"]["required"].append("room")
            schemas["slot_open"]["properties"]["room"] = {"type": "string"}
            schemas["slot_open"]["properties"]["capacity"]["maximum"] += 1
            schemas["reservation"]["properties"]["state"]["enum"].append("attended")
            all_["components"]["examples"]["room-full"] = {}
        self.assertEqual(self.broken_by(gain), [])

    def test_what_was_deprecated_is_no_promise_any_more(self):
        self.document["paths"][SLOT]["get"]["deprecated"] = True
        self.document["components"]["schemas"]["exam"]["properties"]["draft_title"]["deprecated"] = True
        self.addCleanup(self.setUpClass)
        promises = Reader(self.document).promises()
        self.assertNotIn(f"GET {SLOT}", promises["operations"])
        self.assertNotIn("draft_title", json.dumps(promises))


if __name__ == "__main__":
    if sys.argv[1:] == ["renew"]:
        renew()
    else:
        unittest.main()
