"""Who may do what: every route is asked by every role, for what is their own and for others', and with tokens that are good for nothing.

roles.csv says what must come of it. A route that the program describes and the table does not, or the other way round, fails.
"""

import base64
import csv
import json
import shutil
import subprocess
import time
import unittest

from integration.harness import BINARY, ENVIRONMENT, ROOT, Actor, Client, at, scratch
from integration.house_case import AnswerCase, House
from integration.people import Person, fresh_address, keep_accounts, signing_settings

ROLES = ("student", "teacher", "grader", "proctor", "admin", "auditor", "analyst")
PREFIX = "/v1/tenants/{tenant}"
UNDESCRIBED = {("GET", "/internal/leads"), ("GET", "/metrics"), ("GET", "/healthz"), ("GET", "/readyz")}  # For other nodes and monitors.
SHOWN_BY = {"exams": "exam_id", "slots": "slot_id", "reservations": "reservation_id", "calendar": "reservation_id", "inbox": "reservation_id",
            "accommodations": "accommodation_id", "items": "item_id"}
PEOPLE = {"users": "id", "sessions": "user_id"}  # Lists of people, and what in an item says whose it is.
NOT_FOUND = 404
house = House()


def setUpModule():
    directory = scratch("roles")
    unittest.addModuleCleanup(shutil.rmtree, directory, ignore_errors=True)
    house.start(settings=signing_settings(directory), keys=True)
    keep_accounts(house.node, house.tenant)
    house.foreign = house.stack.tenant(house.node, "Universität Wien")
    keep_accounts(house.node, house.foreign)
    house.public, house.internal = described(), described("--internal")


def described(*words):
    """{(method, route): its operation} of the document that the program prints."""
    said = subprocess.run([BINARY, "openapi", *words], env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True)
    paths = json.loads(said.stdout)["paths"]
    return {(method.upper(), path): operation for path, operations in paths.items()
            for method, operation in operations.items() if method in ("get", "post")}


def table():
    """The rows of roles.csv."""
    lines = (ROOT / "integration/roles.csv").read_text(encoding="utf-8").splitlines()
    return list(csv.DictReader(line for line in lines if not line.startswith("#")))


class Side:
    """An exam, a slot and a seat, of a teacher and a student who may be one person, each given as a connection; and who proctors it."""

    def __init__(self, teacher, student, student_id):
        exam = _id(teacher.command("/exams", {"title": "Linear Algebra I", "duration_minutes": 60}))
        _id(teacher.command(f"/exams/{exam}/publish"))
        slot = _id(teacher.command("/slots", {"exam_id": exam, "starts_at": at(days=30), "capacity": 400}))
        item = _id(teacher.command("/items", {"title": "Essay", "kind": "essay", "prompt": "Why?", "scoring": "by-people", "maximum_mark": 5}))
        seat = student.command(f"/slots/{slot}/reservations")
        more = house.as_admin().command(f"/students/{student_id}/accommodations", {
            "factor_percent": 125, "valid_from": at(days=10), "valid_until": at(days=20)})
        self.teacher, self.position = teacher, more.position
        self.things = {"exam_id": exam, "slot_id": slot, "reservation_id": _id(seat), "student_id": student_id,
                       "accommodation_id": _id(more), "item_id": item}


    def assign(self, proctor):
        answer = self.teacher.command(f"/slots/{self.things['slot_id']}/assign-proctor", {"proctor_id": proctor})
        assert answer.status == 200, answer
        self.position = answer.position


class Bearer:
    """Somebody who asks. role: that of the table. may: what roles.csv says of them, by (method, route)."""

    def __init__(self, name, token, side, may, person=None, known=True):
        self.name, self.token, self.side, self.may, self.person, self.known = name, token, side, may, person, known
        self.client = Client(house.node.api, token)


def _id(answer):
    assert answer.status in (200, 201), answer
    return answer.json["id"]


class RolesTest(AnswerCase):
    @classmethod
    def setUpClass(cls):
        cls.rows, cls.asked, cls.wrong = table(), 0, []

    def test_1_the_table_names_every_route(self):
        named = [(row["method"], row["route"]) for row in self.rows]
        self.assertEqual(len(named), len(set(named)), "a route has two rows")
        self.assertEqual(set(named), house.public.keys() | house.internal.keys() | UNDESCRIBED)

    def test_2_every_role_is_let_in_or_not_as_the_table_says(self):
        bearers, other = self.bearers()
        began = time.monotonic()
        for row in sorted(self.rows, key=lambda row: row["method"] != "GET"):  # Before anything is changed.
            for bearer in bearers:
                self.walk(row, bearer, other)
        self.tell(f"as {len(bearers)} bearers", began)

    def test_3_another_tenant_is_not_there(self):
        """Whatever the token's roles: 404, before anything is said of roles."""
        side, began = self.side(house.tenant), time.monotonic()
        everyone = Person(house.node, house.foreign, list(ROLES)).sign_in(house.node)
        tokens = [everyone.access] + [Actor(house.foreign, role).token for role in (*ROLES, "service")]
        for row in self.rows:
            for token in tokens if self.asks_for_a_token(row) else ():
                answer = self.send(Client(house.node.api, token), row, side.things)
                self.judge(row, "of another tenant", answer, answer.status == NOT_FOUND, "not found")
        self.tell("of another tenant", began)

    def test_4_a_token_that_is_good_for_nothing_opens_nothing(self):
        side, began = self.side(house.tenant), time.monotonic()
        tokens = self.bad_tokens()
        for row in self.rows:
            for name, token in tokens.items() if self.asks_for_a_token(row) else ():
                answer = self.send(Client(house.node.api, token), row, side.things)
                fits = (answer.status, answer.problem) == (401, "unauthenticated") and "WWW-Authenticate" in answer.headers
                self.judge(row, f"with {name}", answer, fits, "unauthenticated")
        self.tell(f"with {len(tokens)} bad tokens", began)

    def test_5_the_operator_has_the_cluster_key(self):
        things, began = self.side(house.tenant).things | {"user_id": Person(house.node, house.tenant, ["student"]).id}, time.monotonic()
        keys = {"the cluster key": house.stack.cluster_key, "no key": None, "another key": "0" * 43,
                "an admin's token": house.tenant.admin.token}
        for row in self.rows:
            for name, key in keys.items():
                answer = self.send(Client(self.listener(row), key), row, things)
                may = row["operator"] == "any" or (name, row["operator"]) == ("the cluster key", "yes")
                if name == "an admin's token" and self.listener(row) == house.node.api:
                    continue  # test_2 has asked that.
                self.judge(row, f"with {name}", answer, self.reached(answer) if may else answer.status == 401, "yes" if may else "no")
                if row["route"].startswith("/internal"):
                    outside = self.send(Client(house.node.api, key), row, things)
                    self.judge(row, f"with {name} on the public listener", outside, outside.status == NOT_FOUND, "not found")
        self.tell("as operator", began)

    def test_6_nothing_went_wrong_behind_the_doors(self):
        self.assertEqual(house.node.readyz(), 200)
        self.assertEqual(house.verify().returncode, 0)

    # --- Who asks.

    def side(self, tenant):
        student = tenant.student()
        return Side(tenant.teacher.client(house.node), student.client(house.node), student.id)

    def bearers(self):
        """Every role as an account that has signed in here, the same account signed in elsewhere, and somebody without an account; and
        one who has all roles, who may whatever one of them lets them. And the side of others."""
        bearers, others = [], Actor(house.tenant, "student")
        other = Side(Actor(house.tenant, "teacher").client(house.node), others.client(house.node), others.id)
        other.person = Person(house.node, house.tenant, ["student"])
        other.person.sign_in(house.node)
        other.assign(Actor(house.tenant, "proctor").id)
        owners = {role: Person(house.node, house.tenant, [role]) for role in ROLES}
        signed_in = {role: person.sign_in(house.node) for role, person in owners.items()}
        ours = Side(signed_in["teacher"].client(house.node), signed_in["student"].client(house.node), owners["student"].id)
        strangers = {role: Actor(house.tenant, role) for role in (*ROLES, "service")}
        theirs = Side(strangers["teacher"].client(house.node), strangers["student"].client(house.node), strangers["student"].id)
        ours.assign(owners["proctor"].id)
        theirs.assign(strangers["proctor"].id)
        for role in ROLES:
            may, person = self.column(role), owners[role]
            bearers += [Bearer(f"{role}, signed in here", signed_in[role].access, ours, may, person),
                        Bearer(f"{role}, signed in elsewhere", house.tenant.token(person.id, [role]), ours, may, person),
                        Bearer(f"{role} without an account", strangers[role].token, theirs, may, known=False)]
        bearers.append(Bearer("service", strangers["service"].token, theirs, self.column("service"), known=False))
        person = Person(house.node, house.tenant, list(ROLES))
        session = person.sign_in(house.node)
        everything = Side(session.client(house.node), session.client(house.node), person.id)
        everything.assign(person.id)
        bearers.append(Bearer("all roles in one", session.access, everything, self.best(), person))
        return bearers, other

    def column(self, role):
        return {(row["method"], row["route"]): row[role] for row in self.rows}

    def best(self):
        """What somebody may who has all roles."""
        order = ("no", "own", "yes", "any")
        return {(row["method"], row["route"]): max((row[role] for role in ROLES), key=order.index) for row in self.rows}

    def bad_tokens(self):
        tenant, admin = house.tenant, Person(house.node, house.tenant, ["admin"])
        ended, shut = admin.sign_in(house.node), Person(house.node, tenant, ["admin"])
        late = shut.sign_in(house.node)
        self.expect(ended.client(house.node).post(f"/sessions/{ended.id}/revoke", {}), 200)
        self.expect(house.as_admin().post(f"/users/{shut.id}/deactivate", {}), 200)
        good = admin.sign_in(house.node).access
        head, claims, signature = good.split(".")
        foreign = house.foreign.token(tenant.admin.id, ["admin"], tenant=tenant.id)
        return {
            "no token": None, "no JWT": "x", "the cluster key": house.stack.cluster_key,
            "an expired token": tenant.token(tenant.admin.id, ["admin"], lives_seconds=-1),
            "a token for later": tenant.token(tenant.admin.id, ["admin"], nbf=int(time.time()) + 3600),
            "a token that another tenant's issuer signed": foreign,
            "a token under our name that is not ours": tenant.token(tenant.admin.id, ["admin"], iss="proctorwise"),
            "a token of an issuer that nobody trusts": tenant.token(tenant.admin.id, ["admin"], iss="https://sso.evil.example"),
            "claims of one's own": ".".join((head, changed(claims), signature)),
            "a changed signature": ".".join((head, claims, ("A" if signature[0] != "A" else "B") + signature[1:])),
            "no signature": f"{head}.{claims}.", "no algorithm": unsigned(claims),
            "a token of an operator": tenant.token(tenant.admin.id, ["operator"]),
            "a token of the system": tenant.token(tenant.admin.id, ["system"]),
            "a token of a session that has ended": ended.access,
            "a token of an account that is shut": late.access,
            "an issuer's token of an account that is shut": tenant.token(shut.id, ["admin"]),
        }

    # --- What is asked.

    def listener(self, row):
        return house.node.api if row["route"].startswith(("/v1/", "/problems/")) else house.node.admin

    def asks_for_a_token(self, row):
        return row["route"].startswith(PREFIX) and row["student"] != "any"

    def walk(self, row, bearer, other):
        """Asks for what is the bearer's own, and for what is others', and holds the answers against the table."""
        may = bearer.may[row["method"], row["route"]]
        if self.listener(row) == house.node.admin:
            answer = self.send(Client(house.node.admin, bearer.token), row, bearer.side.things)
            self.judge(row, bearer.name, answer, answer.status == 401 if may == "no" else self.reached(answer), may)
            return
        if self.last(row) in PEOPLE and row["method"] == "GET" and may in ("own", "yes"):
            self.walk_people(row, bearer, other, may)
            return
        if self.is_list(row) and may in ("own", "yes"):
            self.walk_list(row, bearer, other, may)
            return
        if self.last(row) == "days" and may in ("own", "yes"):
            self.walk_sums(row, bearer, other, may)
            return
        own, others = self.things(row, bearer, other, may)
        if own is not None:
            answer = self.send(bearer.client, row, own, self.seen_by(row, bearer))
            fits = answer.status == 403 if may == "no" else self.reached(answer)
            self.judge(row, f"{bearer.name}, their own", answer, fits, may)
        if others is not None and may != "any":
            answer = self.send(bearer.client, row, others, self.seen_by(row, bearer))
            nothing = answer.status == NOT_FOUND or (answer.status == 200 and answer.json.get("items") == [])
            fits = {"no": answer.status == 403, "own": nothing, "yes": self.reached(answer)}[may]
            self.judge(row, f"{bearer.name}, others'", answer, fits, may)

    def things(self, row, bearer, other, may):
        """({name: id} of what is the bearer's own, the same of others'), either None where there is no such thing."""
        own, others = dict(bearer.side.things), dict(other.things)
        if "/me/" in f"{row['route']}/":
            return (own, None) if bearer.known or may == "no" else (None, own)
        if "{session_id}" in row["route"] and may != "no":
            others["session_id"] = other.person.sign_in(house.node).id
            own["session_id"] = bearer.person.sign_in(house.node).id if bearer.known else None
            return own if bearer.known else None, others
        if "{user_id}" in row["route"]:
            others["user_id"] = other.person.id if may == "no" or row["method"] == "GET" else Person(house.node, house.tenant, ["student", "grader"], password=None).id
            own["user_id"] = bearer.person.id if bearer.known else None
            return own if may == "no" and bearer.known else None, others
        return own, others if "_id" in row["route"] or "exam_id" in self.example(row) else None

    def last(self, row):
        return row["route"].rpartition("/")[2]

    def seen_by(self, row, bearer):
        """A query sees all that was made before the walk."""
        return {"Pw-Min-Position": bearer.side.position} if row["method"] == "GET" else None

    def is_list(self, row):
        return row["method"] == "GET" and self.last(row) in SHOWN_BY and "_id}" not in row["route"]

    def walk_people(self, row, bearer, other, may):
        answer = self.send(bearer.client, row, {}, self.seen_by(row, bearer))
        shown = {item[PEOPLE[self.last(row)]] for item in answer.json["items"]} if answer.status == 200 else None
        own = bearer.known and bearer.person.id in (shown or ())
        fits = shown is not None and own == bearer.known and (other.person.id in shown) == (may == "yes")
        self.judge(row, f"{bearer.name}, a list of people", answer, fits, may)

    def walk_list(self, row, bearer, other, may):
        answer = self.send(bearer.client, row, {}, {"Pw-Min-Position": bearer.side.position})
        name = SHOWN_BY[self.last(row)]
        shown = [value for item in answer.json["items"] for value in item.values()] if answer.status == 200 else []
        fits = bearer.side.things[name] in shown and (other.things[name] in shown) == (may == "yes")
        self.judge(row, f"{bearer.name}, a list", answer, fits, may)

    def walk_sums(self, row, bearer, other, may):
        """Of sums nobody can tell whose they are, unless they are of one exam."""
        for side, whose in ((bearer.side, "their own"), (other, "others'")):
            answer = self.send(bearer.client, row | {"route": f"{row['route']}?exam_id={side.things['exam_id']}"}, {},
                               {"Pw-Min-Position": bearer.side.position})
            wanted = side is bearer.side or may == "yes"
            fits = answer.status == 200 and bool(answer.json["items"]) == wanted
            self.judge(row, f"{bearer.name}, {whose} sums", answer, fits, may)

    def example(self, row):
        operation = (house.public | house.internal).get((row["method"], row["route"]), {})
        return operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example", {})

    def send(self, client, row, things, headers=None):
        """Sends the example of the route's description, with these things in place of what it names."""
        path = row["route"].replace("{tenant}", house.tenant.id).replace("{tenant_id}", house.tenant.id).replace("{name}", "forbidden")
        for name, value in things.items():
            path = path.replace(f"{{{name}}}", value or "")
        for name in ("user_id", "session_id"):
            path = path.replace(f"{{{name}}}", house.tenant.admin.id)  # For those who do not get so far.
        body = None
        if row["method"] == "POST":
            body = {name: things.get(name, value) for name, value in self.example(row).items()}
            body |= {"email": fresh_address()} if "email" in body else {}
            body |= {"starts_at": at(days=60)} if "starts_at" in body else {}
            body |= {"items": [{"item_id": things["item_id"], "version_number": 1}]} if body.get("items") and "item_id" in things else {}
        RolesTest.asked += 1
        client.headers.pop("Pw-Min-Position", None)
        return client.call(row["method"], path, body, headers=headers)

    # --- What comes of it.

    def reached(self, answer):
        """Whether somebody was let in: it is done, refused by a rule, or the password or token in the body is not right. A list of what
        belongs to a thing that is there has something in it."""
        done = answer.status in (200, 201) and (answer.json or {}).get("items") != []
        return done or answer.status == 409 or answer.problem == "login-failed"

    def judge(self, row, who, answer, fits, wanted):
        if not fits:
            self.wrong.append(f"{row['method']} {row['route']} as {who}: {answer.status} {answer.problem or ''}; roles.csv: {wanted}")

    def tell(self, what, began):
        wrong, asked = list(self.wrong), self.asked
        RolesTest.wrong, RolesTest.asked = [], 0
        print(f"\n  {asked} requests {what} in {time.monotonic() - began:.1f} s", flush=True)
        self.assertEqual(wrong, [], "\n" + "\n".join(wrong))


def changed(claims):
    """The claims of a token with another role, as whoever cannot sign would send them."""
    payload = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    return encoded(payload | {"roles": ["admin", "auditor"]})


def unsigned(claims):
    return f"{encoded({'alg': 'none', 'typ': 'JWT'})}.{claims}."


def encoded(part):
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


if __name__ == "__main__":
    unittest.main()
