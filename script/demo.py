"""What `script/server --demo` loads: a university in its exam weeks, through the API, as its people would have made it.

    demo = Demo(directory, "127.0.0.1:8080", configuration, say)  # of a node that is ready; say: tells of progress
    demo.load()                                                   # changes nothing where it is loaded already
    demo.text                                                     # what there is now, and what to try

Only what an operator does goes past the public API: the tenant, the issuer that it trusts, and its staff. The office imports the
students from a roster; from then on everybody acts by a token of their own. Nobody has a password: hashing 300 takes longer than all
else together, and one that everybody knows opens the door wherever the API listens. The tenant's issuer signs tokens instead, by a key
in the directory.

A load that was interrupted is taken up where it was. Idempotency keys follow from `begun_ms` and `seed` of demo.json and the step's
place in the plan, so that what was answered is answered alike, and nothing comes twice. After the ledger's horizon (a day) the keys are
good no more; then it begins anew, as another tenant. Once loaded, demo.json says so, and the ledger is asked whether it is still true.
"""

import base64
import collections
import concurrent.futures
import contextlib
import csv
import datetime
import hashlib
import itertools
import json
import re
import secrets
import shlex
import subprocess
import threading
import time
import uuid
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from integration.cluster.cluster import write_whole
from integration.cluster.process import ProcessError, wait_until
from integration.harness import BINARY, ROOT, Client, signed_token
from script.demo_plan import CLARA, LANGUAGE, NAME, ZONE, Plan, name_of

ISSUER = "https://sso.demo.uni-graz.example"
AT_ONCE = 32  # Chains under way.
IN_FLIGHT = 128  # People who are being registered: it is the keys that are waited for.
KEYS_GOOD_SECONDS = 20 * 3600  # The ledger's horizon is a day.
SETTLE_SECONDS = 30
PROMISED = {"students": 300, "exams": 12, "items": 6, "slots": 40, "full slots with a waiting list": 2, "accommodations": 6}


def plan_of(begun_ms):
    """That of the day, where the university is."""
    return Plan(datetime.datetime.fromtimestamp(begun_ms / 1000, ZONE).date())


class Demo:
    def __init__(self, directory, api, configuration, say):
        self.dir, self.api, self.configuration, self.say = Path(directory), api, configuration, say
        self.note = self.dir / "demo.json"
        self.issuer_key = self.dir / "issuer.jwk"
        self.ids, self.roles, self.tokens = {}, {}, {}
        self.position, self.lock = 0, threading.Lock()
        self.text = None

    def load(self):
        kept = self._kept()
        if kept and kept.get("loaded") and self._is_there(kept):
            self.say(f"the demo is loaded already, as tenant {kept['tenant']}: nothing is changed")
        else:
            begun = time.monotonic()
            kept = self._load(self._begin(kept))
            self.say(f"demo: loaded in {time.monotonic() - begun:.1f} s")
        self._write_shell(kept)
        self.text = self._tell(kept)

    # Whether, and from where on.

    def _kept(self):
        try:
            return json.loads(self.note.read_text())
        except FileNotFoundError:
            return None

    def _is_there(self, kept):
        """Whether this ledger is the one that it was loaded into."""
        self.tenant = kept["tenant"]
        self.ids, self.roles = {"office": kept["office"]}, {"office": "admin"}
        wait_until("answered", lambda: self._see_slots() != 503, SETTLE_SECONDS)
        if self._see_slots() == 200:
            return True
        self.say(f"demo: this ledger does not know tenant {self.tenant} of {self.note}; another one is made")
        self.tokens = {}
        return False

    def _see_slots(self):
        """The status that the office is answered with."""
        with contextlib.closing(self._client()) as client:
            return client.get("/slots?limit=1", headers=self._bearer("office")).status

    def _begin(self, kept):
        """What keys are made from: kept before the first command is sent."""
        now_ms = time.time_ns() // 1_000_000
        if kept and not kept.get("loaded"):
            if now_ms - kept["begun_ms"] >= KEYS_GOOD_SECONDS * 1000:
                self.say("demo: a load was interrupted, too long ago to be taken up: it begins anew, as another tenant")
            elif kept.get("plan") != plan_of(kept["begun_ms"]).digest():
                self.say("demo: a load of another version was interrupted: it begins anew, as another tenant")
            else:
                self.say("demo: a load was interrupted; it is taken up")
                return kept
        self.dir.mkdir(parents=True, exist_ok=True)
        return self._keep({"begun_ms": now_ms, "seed": secrets.token_hex(16), "plan": plan_of(now_ms).digest()})

    def _keep(self, kept):
        write_whole(self.note, json.dumps(kept) + "\n")
        return kept

    # Loading.

    def _load(self, kept):
        self.kept, self.plan = kept, plan_of(kept["begun_ms"])
        self.roles = {person.name: person.role for person in self.plan.staff + self.plan.students}
        self._found()
        self._import("staff.csv", self.plan.staff)
        wait_until("known to the node", lambda: self._see_slots() == 200, SETTLE_SECONDS)
        self._import("students.csv", self.plan.students, as_office=True)
        numbers = itertools.count()
        for what, chains in self.plan.phases:
            self._side_by_side([[(next(numbers), step) for step in chain] for chain in chains])
            self.say(f"demo: {what}")
        self._prove()
        return self._keep(kept | {"tenant": self.tenant, "office": self.ids["office"], "clara": self.ids[name_of(CLARA)], "loaded": True})

    def _found(self):
        """The operator's part: the tenant, and whose tokens it trusts."""
        self.tenant = self._admin("tenant", "create", "--name", NAME, "--time-zone", ZONE.key, "--language", LANGUAGE,
                                  "--idempotency-key", self._key("tenant")).strip()
        if not self.issuer_key.exists():
            self._admin("keygen", "--key-file", self.issuer_key, settings=False)
        self._admin("trust-issuer", "--tenant", self.tenant, "--issuer", ISSUER, "--key-file", self.issuer_key)

    def _import(self, name, people, as_office=False):
        """Registers people: the staff by the operator, students by the office, through the API."""
        roster = self.dir / name
        with open(roster, "w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["email", "name", "roles"])
            rows.writerows([person.email, person.full_name, person.role] for person in people)
        words = ["users", "import", roster, "--tenant", self.tenant, "--in-flight", IN_FLIGHT, "--json"]
        if as_office:
            write_whole(self.dir / "office.token", self.token("office"), mode=0o600)
            words += ["--token-file", self.dir / "office.token"]
        reports = [json.loads(line) for line in self._admin(*words).splitlines()]
        self.ids |= {report["email"].partition("@")[0]: report["id"] for report in reports}
        self.say(f"demo: {len(people)} people of {name}")

    def _side_by_side(self, chains):
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            try:
                for done in [pool.submit(self._walk, chain) for chain in chains]:
                    done.result()
            except BaseException:  # Ctrl-C, or an answer that nobody expected: no further chain is begun.
                pool.shutdown(cancel_futures=True)
                raise

    def _walk(self, chain):
        with contextlib.closing(self._client()) as client:
            for number, step in chain:
                self._do(client, number, step)

    def _do(self, client, number, step):
        body = json.loads(self._resolved(json.dumps(step.body)))
        answer = client.command(self._resolved(step.path), body, key=self._key(number), headers=self._bearer(step.who))
        if answer.problem != step.refused or answer.status >= 400 and step.refused is None:
            raise ProcessError(f"demo: {step.who} sent POST {step.path} {step.body} and was answered {answer}")
        with self.lock:
            self.position = max(self.position, int(answer.position.split(":")[1]))
            self.partition = answer.position.split(":")[0]
            if step.makes is not None:
                self.ids[step.makes] = answer.json["id"]

    def _resolved(self, text):
        return re.sub(r"<([^<>]+)>", lambda name: self.ids[name[1]], text)

    def _key(self, what):
        """A UUIDv7 of the moment that the load began at, the same whenever it is asked for."""
        digest = hashlib.sha256(f"{self.kept['seed']} {what}".encode()).digest()
        rest = int.from_bytes(digest[:10], "big") & ~(0xF << 76 | 0x3 << 62) | 7 << 76 | 2 << 62
        return str(uuid.UUID(int=self.kept["begun_ms"] << 80 | rest))

    # Who asks, and how.

    def _client(self):
        return Client(self.api, base=f"/v1/tenants/{self.tenant}")

    def _bearer(self, who):
        if who not in self.tokens:
            self.tokens[who] = self.token(who)
        return {"Authorization": f"Bearer {self.tokens[who]}"}

    def token(self, who):
        """A token of a person of the plan, good for an hour: as `admin token` signs it, but three hundred in no time."""
        now = int(time.time())
        return signed_token(self._issuer(), {"iss": ISSUER, "sub": self.ids[who], "tenant": self.tenant, "roles": [self.roles[who]],
                                             "iat": now, "exp": now + 3600})

    def _issuer(self):
        seed = json.loads(self.issuer_key.read_text())["d"]
        return Ed25519PrivateKey.from_private_bytes(base64.urlsafe_b64decode(seed + "="))

    def _admin(self, *words, settings=True):
        """What `proctorwise admin WORDS` prints."""
        words = ["admin", *map(str, words), *(["--config", str(self.configuration)] if settings else [])]
        done = subprocess.run([BINARY, *words], cwd=ROOT, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, check=False)
        if done.returncode != 0:
            raise ProcessError(f"proctorwise {' '.join(words)} ended with {done.returncode}:\n{(done.stdout + done.stderr)[-2000:].rstrip()}")
        return done.stdout

    # What there is.

    def _all(self, path):
        """All rows of a list, as the office sees them, not before the last answer."""
        position = {"Pw-Min-Position": f"{self.partition}:{self.position}", "Prefer": "wait=10"} if self.position else {}
        with contextlib.closing(self._client()) as client:
            return client.all(path, headers=self._bearer("office") | position)

    def _prove(self):
        """Asks whether all that was promised is there, once what time and the leader bring about has come."""
        def settled():
            self.slots = self._all("/slots")
            return all(slot["left_count"] == 0 for slot in self.slots)
        wait_until("settled", settled, SETTLE_SECONDS)
        if self._counts() != PROMISED:
            raise ProcessError(f"demo: there is {self._counts()}, where {PROMISED} was to be")

    def _counts(self):
        full = [slot for slot in self.slots if slot["free_count"] == 0 and slot["waiting_count"] > 0]
        return {"students": len(self._all("/users?role=student")), "exams": len(self._all("/exams")), "items": len(self._all("/items")),
                "slots": len(self.slots), "full slots with a waiting list": len(full), "accommodations": len(self._all("/accommodations"))}

    def _tell(self, kept):
        self.slots = self._all("/slots")
        counts = ", ".join(f"{count} {what}" for what, count in self._counts().items())
        states = collections.Counter(row["state"] for row in self._all("/reservations"))
        return (f"The demo is tenant {kept['tenant']}: {counts}.\n"
                f"Reservations: {', '.join(f'{count} {state}' for state, count in states.most_common())}.\n"
                f"Try in another terminal (README.md, \"A tour of the demo\", goes on from there):\n\n"
                f"    . {shlex.quote(str(self.dir / 'demo.sh'))}\n"
                f"    curl -s -H \"Authorization: Bearer $office\" \"$api/slots?state=open&limit=3\" | jq .\n"
                f"    curl -s -H \"Authorization: Bearer $office\" \"$api/reservations?state=waiting\" | jq .\n"
                f"    curl -s -H \"Authorization: Bearer $office\" \"$api/reservations?needs_replacement=true\" | jq .\n"
                f"    curl -s -H \"Authorization: Bearer $clara\" \"$api/calendar\" | jq .\n"
                f"    {shlex.quote(str(BINARY))} audit replay --tenant \"$tenant\" --refused --config {shlex.quote(str(self.configuration))}\n")

    def _write_shell(self, kept):
        """What a shell reads to be somebody of the demo."""
        command = " ".join(map(shlex.quote, map(str, (BINARY, "admin", "token", "--issuer", ISSUER, "--key-file", self.issuer_key))))
        write_whole(self.dir / "demo.sh", (
            f"# Written by script/server --demo. Read it again (`. demo.sh`) for new tokens: they are good for an hour.\n"
            f"tenant={kept['tenant']}\n"
            f"api=http://{self.api}/v1/tenants/$tenant\n"
            f"sign_in() {{ {command} --tenant \"$tenant\" --sub \"$1\" --role \"$2\"; }}\n"
            f"office=$(sign_in {kept['office']} admin)\n"
            f"clara=$(sign_in {kept['clara']} student)\n"))
