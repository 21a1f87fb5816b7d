"""Every hurt of every kind of process, singly and in pairs, under 500 commands a second: what is run, and how it is judged.

A case is named by what it does: `hang-broker`, `kill-node+cut-galera`. Victims are those that matter at that moment: the node and the
broker that lead most, the Galera node that rows are written through; of a pair of one kind, two.

Verdicts: `passed`; `wrong death`, where a process that nobody hurt was taken for dead; `nothing`, where nobody noticed the hurt, which
is no pass; `FAILED`, with what does not hold.
"""

import itertools
import sys
import time
import traceback

from integration.cluster.process import ProcessError, wait_until
from integration.faults.three import HURTS, KINDS, Fault, busy

SINGLE = [f"{hurt}-{kind}" for kind in KINDS for hurt in HURTS]
PAIRS = [f"{one}+{other}" for one, other in itertools.combinations_with_replacement(SINGLE, 2)]
CASES = SINGLE + PAIRS
# What script/test has time for: each kind of process, each hurt, and pairs that bear on each other. kill-broker and kill-galera are
# in test_cluster.py.
BOUNDED = ["hang-node", "deaf-node", "hang-broker", "cut-galera", "cut-node+hang-galera", "kill-node+hang-broker"]

WARM_UP = 300  # Commands answered before a hurt, and after all is healed.
WARM_UP_PEOPLE = 30  # The same of commands about people.
HOLD_SECONDS = 3  # After the others act without the victims: so that zombies have missed something.
NOTICE_SECONDS = 9
TRIES = 3


class Run:
    """One case, once."""

    def __init__(self, three, name, seed=None):
        self.three, self.name, self.seed = three, name, seed
        self.said = {}
        self.faults = []

    def run(self):
        three = self.three
        with three.load(self.seed) as load, three.people(load.seed) as people:
            load.until_decided(WARM_UP)
            people.until_answered(WARM_UP_PEOPLE)
            deaths, troubles = three.deaths(), load.troubles()
            began = time.monotonic()
            self._strike(load, people)
            noticed = self._hold()
            wrong = self._wrong_deaths(deaths)
            struck = load.struck()
            self._heal()
            load.until_decided(WARM_UP, 90)
            people.until_answered(WARM_UP_PEOPLE, 90)
            three.settle()
            self.said |= {"seed": load.seed, "noticed after": noticed, "troubles": load.troubles() - troubles,
                          "unanswered": struck["unanswered"] + struck["waiting"],
                          "held": sum(at > began and seconds > 1 for at, seconds in load.held)}
            self.said |= three.judge(load, people)
            self._check_words(people)
        if wrong:
            return "wrong death", wrong
        provoked = all(fault.was_noticed for fault in self.faults) or self.said["troubles"] + self.said["held"] > 0
        return ("passed" if provoked else "nothing"), ""

    def _strike(self, load, people):
        for words in self.name.split("+"):
            hurt, _, kind = words.partition("-")
            taken = [fault.number for fault in self.faults if fault.kind == kind]
            fault = Fault(self.three, hurt, kind)
            if fault.number in taken:
                fault = Fault(self.three, hurt, kind, fault.number % 3 + 1)
            fault.was_noticed = False
            self.faults.append(fault)
        for fault in self.faults:
            if fault.node is not None:
                self.three.struck.append(people.strike_between(fault.strike, fault.node))
                load.note_struck()
            else:
                load.strike(fault.strike, wait=False)
        self.said["hurt"] = ", ".join(map(str, self.faults))

    def _hold(self):
        """Until the others act without the victims, as far as they do, and a little longer."""
        began = time.monotonic()

        def all_noticed():
            for fault in self.faults:
                fault.was_noticed = fault.was_noticed or fault.noticed()
            return all(fault.was_noticed for fault in self.faults)
        try:
            wait_until("noticed", all_noticed, NOTICE_SECONDS, every=0.1)
            after = f"{time.monotonic() - began:.1f} s"
        except ProcessError:
            after = "-"
        time.sleep(HOLD_SECONDS)  # The fault itself: nothing is proved by its length.
        return after

    def _wrong_deaths(self, before):
        """Nodes, brokers and Galera nodes that nobody hurt, and that those that nobody hurt take for dead."""
        hurt = {kind: {fault.number for fault in self.faults if fault.kind == kind} for kind in KINDS}
        found = [f"node {other} by node {one}" for (one, other), count in self.three.deaths().items()
                 if not {one, other} & hurt["node"] and count > before[one, other]]
        if len(hurt["broker"]) < 2:  # Else nobody is left who could tell.
            found += [f"broker {number}" for number in {1, 2, 3} - hurt["broker"] - self.three.brokers()]
        if len(hurt["galera"]) < 2:
            found += [f"galera node {number}" for number in {1, 2, 3} - hurt["galera"]
                      if self.three.stack.galera.wsrep(number).get("cluster_status") != "Primary"]
        return ", ".join(found)

    def _check_words(self, people):
        """A node that is cut off, or wakes, may say what it knew before, without a record; one that nobody hurt must not."""
        hurt = {fault.number for fault in self.faults if fault.kind == "node"}
        wrong = [(number, problem, action) for number, action, problem in people.words if number not in hurt]
        if wrong:
            raise AssertionError(f"{len(wrong)} words of nodes that nobody hurt, which were not due: {wrong[:5]}")

    def _heal(self):
        for fault in sorted(self.faults, key=lambda fault: fault.hurt == "kill"):  # Who is started looks for the others.
            fault.heal()

    def mend(self):
        """What a case that failed left hurt is brought back for the next one."""
        for fault in self.faults:
            self.three.network.heal(fault.address)
        self.three.stack.kafka.start()
        self.three.stack.galera.start()
        for node in self.three.nodes:
            node.resume_or_start()
        self.three.new_town()


def run_case(three, name, seed=None):
    """Runs a case, again where it provoked nothing. Prints a line, and returns the verdict and why."""
    for attempt in range(TRIES):
        began, run = time.monotonic(), Run(three, name, seed)
        try:
            verdict, why = run.run()
        except Exception as error:  # Whatever went wrong is this case's verdict; the next one shall run.
            verdict, why = "FAILED", repr(error)
            traceback.print_exc(file=sys.stdout)
            for node in three.nodes:
                print(node.process.log_tail(15))
            run.mend()
        if verdict not in ("passed", "nothing"):
            print(f"the logs of all servers: {three.keep_logs(name)}")
        said = ", ".join(f"{what} {value}" for what, value in run.said.items())
        print(f"{name:<28} {verdict:<11} {time.monotonic() - began:5.1f} s  {why}{' ' if why else ''}{said}; {busy()}", flush=True)
        if verdict != "nothing":
            break
    return verdict, why
