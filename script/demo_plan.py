"""The university that `script/server --demo` loads: who is there, and every command that is sent, in order.

A plan follows from the day that it is made for, and from nothing else: the same day gives the same people and the same steps.
What the API has no word for is not loaded: rooms are here because a slot has as many seats as its room.
"""

import dataclasses
import datetime
import hashlib
import itertools
import random
import zoneinfo

NAME, LANGUAGE, ZONE = "University of Graz (demo)", "en", zoneinfo.ZoneInfo("Europe/Vienna")
DOMAIN = "uni-graz.example"
STUDENTS, DAYS_AHEAD = 300, 21
MORNING, AFTERNOON = datetime.time(9), datetime.time(14)
FILLED = 0.85  # So much of a slot is booked at most, unless it is one of the full ones.
RULES = {"hold_minutes": 60, "offer_minutes": 2880}


@dataclasses.dataclass(frozen=True)
class Exam:
    name: str
    title: str
    duration_minutes: int
    room: str
    seats: int
    slots: int
    lead_time_minutes: int = 2 * 24 * 60
    buffer_minutes: int = 15


# Each has a room of its own, so that no two slots are in one room at a time.
EXAMS = [
    Exam("linear-algebra", "Linear Algebra I", 120, "Lecture hall A", 40, 4),
    Exam("analysis", "Analysis I", 120, "Lecture hall B", 40, 4),
    Exam("programming", "Introduction to Programming", 90, "Computer room 1", 25, 5),
    Exam("algorithms", "Algorithms and Data Structures", 120, "Lecture hall C", 30, 4),
    Exam("statistics", "Statistics for the Social Sciences", 90, "Lecture hall D", 40, 4),
    Exam("microeconomics", "Introduction to Microeconomics", 90, "Lecture hall E", 40, 4),
    Exam("accounting", "Financial Accounting", 90, "Lecture hall F", 35, 3),
    Exam("law", "Constitutional Law", 180, "Great hall", 30, 2, lead_time_minutes=7 * 24 * 60),
    Exam("chemistry", "General and Inorganic Chemistry", 120, "Chemistry lecture hall", 30, 3),
    Exam("biology", "Cell Biology", 60, "Biology lecture hall", 30, 3),
    Exam("history", "History of Modern Europe", 90, "Seminar room 1", 30, 2),
    Exam("english", "Academic English C1", 60, "Seminar room 2", 20, 2, lead_time_minutes=24 * 60),
]
ITEMS = {  # What two of them ask: marks, and the rest as the API has it.
    "programming": [
        {"title": "Complexity", "kind": "single-choice", "prompt": "How many comparisons does a binary search of 1,000 sorted numbers need at most?",
         "choices": [{"label": "10"}, {"label": "100"}, {"label": "500"}, {"label": "1,000"}], "scoring": "match-correct",
         "answers": [{"choice": 1}], "maximum_mark": 2},
        {"title": "Stable sorts", "kind": "multiple-choice", "prompt": "Which of these sorts are stable?",
         "choices": [{"label": "Insertion sort"}, {"label": "Merge sort"}, {"label": "Quicksort"}], "scoring": "map-response",
         "answers": [{"choice": 1, "mark": 1}, {"choice": 2, "mark": 1}, {"choice": 3, "penalty": 1}], "maximum_mark": 2, "penalty_max": 1},
        {"title": "Two's complement", "kind": "numeric", "prompt": "Which number is 1111 1110 as eight bits in two's complement?",
         "scoring": "match-correct", "answers": [{"response": "-1"}], "maximum_mark": 1},
        {"title": "Invariants", "kind": "essay", "prompt": "What is a loop invariant?\nName that of insertion sort.", "scoring": "by-people",
         "maximum_mark": 10},
    ],
    "english": [
        {"title": "Register", "kind": "true-false", "prompt": "An academic abstract avoids contractions.",
         "choices": [{"label": "True"}, {"label": "False"}], "scoring": "match-correct", "answers": [{"choice": 1}], "maximum_mark": 1},
        {"title": "Summary", "kind": "essay", "prompt": "Summarise the text in 120 words.", "scoring": "by-people", "maximum_mark": 20},
    ],
}
COURSES = [  # How many study what, and which exams that has.
    (75, ["programming", "linear-algebra", "algorithms", "english"]),
    (45, ["linear-algebra", "analysis", "programming", "statistics"]),
    (75, ["microeconomics", "accounting", "statistics"]),
    (45, ["law", "history"]),
    (60, ["chemistry", "biology", "analysis"]),
]
WAITING = {"programming/1": 6, "english/1": 5}  # The full slots, and how many join their waiting lists.
HARD_END = {"law/2": 4}  # The room is closed so many hours after the start.
CALLED_OFF, CLOSED = "biology/3", "accounting/3"

STAFF = [("office", "Ingrid Leitner", "admin"), ("audit", "Walter Kern", "auditor"), ("planning", "Petra Haas", "analyst")]
TEACHERS = ["Eva Brandstaetter", "Johann Reiter", "Miriam Holzer", "Tomas Novak", "Sabine Egger", "Georg Aigner"]
PROCTORS = ["Anita Schuster", "Karl Pichler", "Lena Wolf", "Markus Lang", "Ruth Zauner", "Stefan Horvat", "Ulrike Mayr", "Viktor Bauer"]
CLARA = "Clara Hofer"  # Who has not booked what the README's tour has her wait for.
FIRST = ("Amelie Anna Benedikt Carina Daniel David Elena Elias Emma Fabian Felix Hannah Ivana Jakob Jana Jonas Julia Katharina Klara Leon "
         "Lukas Magdalena Marie Matteo Maximilian Milica Mira Moritz Nina Noah Paul Raphael Sara Sebastian Sophie Theresa Valentina").split()
LAST = ("Auer Berger Binder Brunner Demir Eder Fischer Fuchs Gruber Haider Hofer Huber Jovanovic Karner Kovacs Lehner Leitgeb Moser Müller "
        "Nemec Petrovic Pölzl Posch Reisinger Schmid Schwarz Seidl Steiner Strasser Tomic Wagner Weber Wieser Winkler Yilmaz Zach").split()


@dataclasses.dataclass(frozen=True)
class Step:
    """One command. `<name>` in path and body stands for the id that an earlier step, or a person, has."""

    who: str
    path: str
    body: dict = dataclasses.field(default_factory=dict)
    makes: str | None = None  # The name of what is new.
    refused: str | None = None  # The problem that it is to be answered with.


@dataclasses.dataclass(frozen=True)
class Person:
    name: str  # What stands before the @ of the address.
    full_name: str
    role: str

    @property
    def email(self):
        return f"{self.name}@{DOMAIN}"


@dataclasses.dataclass
class Slot:
    name: str
    exam: Exam
    starts_at: datetime.datetime
    session: int  # Of those at one time nobody sits two.
    capacity: int
    taken: list = dataclasses.field(default_factory=list)

    def has_room(self):
        return len(self.taken) < (self.capacity if self.name in WAITING else int(FILLED * self.capacity))


class Plan:
    """`phases`: (what it is, chains) in order; the steps of a chain follow each other, chains of a phase may be sent side by side."""

    def __init__(self, made_on):
        self.made_on = made_on
        self.staff = [Person(*each) for each in STAFF] + _people(TEACHERS, "teacher") + _people(PROCTORS, "proctor")
        self.students = _students()
        self.slots = {slot.name: slot for slot in _slots(made_on)}
        self._sessions = {student.name: set() for student in self.students}  # When they sit.
        self._waiting = {name: self._who_wait(name) for name in WAITING}
        self._accommodated = [self.students[index].name for index in (5, 40, 100, 150, 260)]
        self.phases = [
            ("exams", self._exams()),
            ("slots", self._open_slots()),
            ("accommodations", self._accommodations()),
            ("bookings", self._bookings()),
            ("waiting lists", self._waiting_lists()),
            ("what came to pass", self._history()),
        ]

    def digest(self):
        """Two plans with the same send the same, in the same order."""
        return hashlib.sha256(repr(self.phases).encode()).hexdigest()

    def _exams(self):
        chains = [[Step("office", "/set-rules", RULES)]]
        for exam in EXAMS:
            teacher = self._teacher_of(exam.name)
            draft = {field: getattr(exam, field) for field in ("title", "duration_minutes", "lead_time_minutes", "buffer_minutes")}
            chains.append([Step(teacher, "/exams", draft, makes=exam.name), *self._asked(teacher, exam.name),
                           Step(teacher, f"/exams/<{exam.name}>/publish")])
        return chains

    def _teacher_of(self, exam):
        """Each has every sixth."""
        teachers = [person.name for person in self.staff if person.role == "teacher"]
        return teachers[[each.name for each in EXAMS].index(exam) % len(teachers)]

    @staticmethod
    def _asked(teacher, exam):
        """The items of an exam that has some, and that it asks them."""
        names = [f"{exam}/item {number}" for number, _ in enumerate(ITEMS.get(exam, ()), 1)]
        if names:
            yield from (Step(teacher, "/items", item, makes=name) for name, item in zip(names, ITEMS[exam]))
            yield Step(teacher, f"/exams/<{exam}>/bind-items",
                       {"items": [{"item_id": f"<{name}>", "version_number": 1} for name in names]})

    def _open_slots(self):
        proctors = itertools.cycle(person.name for person in self.staff if person.role == "proctor")
        return [self._open(slot, proctor) for slot, proctor in zip(self.slots.values(), proctors)]

    @staticmethod
    def _open(slot, proctor):
        body = {"exam_id": f"<{slot.exam.name}>", "starts_at": slot.starts_at.isoformat(), "capacity": slot.capacity}
        if slot.name in HARD_END:
            body["hard_end_at"] = (slot.starts_at + datetime.timedelta(hours=HARD_END[slot.name])).isoformat()
        return [Step("office", "/slots", body, makes=slot.name),
                Step("office", f"/slots/<{slot.name}>/assign-proctor", {"proctor_id": f"<{proctor}>"})]

    def _accommodations(self):
        granted = ({"factor_percent": 125}, {"factor_percent": 150}, {"factor_percent": 125, "rest_break_minutes": 15},
                   {"factor_percent": 100, "fixed_minutes": 30}, {"factor_percent": 100, "rest_break_minutes": 20})
        return [[self._grant(student, more)] for student, more in zip(self._accommodated, granted)]

    def _grant(self, student, more):
        valid = {"valid_from": _at(self.made_on), "valid_until": _at(self.made_on + datetime.timedelta(days=365))}
        return Step("office", f"/students/<{student}>/accommodations", more | valid)

    # Bookings: each student's in turn, some of them changed at once.

    def _bookings(self):
        chains, numbers = [], itertools.count(1)
        courses = [exams for count, exams in COURSES for _ in range(count)]
        for student, exams in zip(self.students, courses):
            chains.append([step for exam in exams for step in self._book(student.name, exam, numbers)])
        return [chain for chain in chains if chain]

    def _book(self, student, exam, numbers):
        waits = any(student in who and name.startswith(exam) for name, who in self._waiting.items())
        slot = None if waits or student == name_of(CLARA) and exam == "programming" else self._choose(student, exam)
        if slot is None:
            return []
        number = next(numbers)
        if slot.name in WAITING:
            return [self._reserve(student, slot)]
        if number % 120 == 60:
            return [self._reserve(student, slot), self._cancel(student, slot)]
        if number % 150 == 75:
            return [self._hold(student, slot)]
        if number % 100 == 20:
            return [self._hold(student, slot), Step(student, f"/reservations/<{student}/{exam}>/confirm-hold")]
        booked = [self._reserve(student, slot)]
        other = self._choose(student, exam) if number % 110 == 40 else None
        return booked if other is None else [*booked, self._move(student, slot, other)]

    def _choose(self, student, exam):
        """The exam's emptiest slot at a time when the student is free, the full ones first; None: there is none."""
        free = [slot for slot in self.slots.values() if slot.exam.name == exam and slot.has_room()
                and slot.session not in self._sessions[student] and not (slot.name in HARD_END and student in self._accommodated)]
        return min(free, key=lambda slot: (slot.name not in WAITING, len(slot.taken) / slot.capacity), default=None)

    def _reserve(self, student, slot, way="reservations"):
        self._seat(student, slot)
        return Step(student, f"/slots/<{slot.name}>/{way}", makes=f"{student}/{slot.exam.name}")

    def _hold(self, student, slot):
        return self._reserve(student, slot, "holds")

    def _cancel(self, student, slot):
        self._unseat(student, slot)
        return Step(student, f"/reservations/<{student}/{slot.exam.name}>/cancel")

    def _move(self, student, slot, other):
        self._unseat(student, slot)
        self._seat(student, other)
        return Step(student, f"/reservations/<{student}/{slot.exam.name}>/reschedule", {"slot_id": f"<{other.name}>"})

    def _seat(self, student, slot):
        slot.taken.append(student)
        self._sessions[student].add(slot.session)

    def _unseat(self, student, slot):
        slot.taken.remove(student)
        self._sessions[student].discard(slot.session)

    # Waiting lists and what came to pass.

    def _who_wait(self, slot):
        """Students of the first course, who keep the time of that slot free."""
        start = 20 if slot.startswith("programming") else 45
        chosen = [student.name for student in self.students[start:start + WAITING[slot]]]
        for student in chosen:
            self._sessions[student].add(self.slots[slot].session)
        self._sessions[name_of(CLARA)].add(self.slots[slot].session)
        return chosen

    def _waiting_lists(self):
        chains = []
        for slot, students in self._waiting.items():
            exam = self.slots[slot].exam.name
            refused = [Step(student, f"/slots/<{slot}>/reservations", refused="slot-full") for student in students[:2]]
            chains.append(refused + [Step(student, f"/slots/<{slot}>/waitlist", makes=f"{student}/{exam}") for student in students])
        return chains

    def _history(self):
        return [self._freed_seat(), self._list_changed(), self._taken_back(), self._called_off(), self._seats_changed(),
                [Step("office", f"/slots/<{CLOSED}>/close")], self._too_long_for_the_room(), self._key_corrected()]

    def _freed_seat(self):
        """A seat is given back and offered: the first declines, the second accepts. The slot is full again."""
        slot, (first, second, *_) = self.slots["english/1"], self._waiting["english/1"]
        given_back = self._cancel(slot.taken[0], slot)
        self._seat(second, slot)
        return [given_back, Step(first, f"/reservations/<{first}/english>/decline-offer"),
                Step(second, f"/reservations/<{second}/english>/accept-offer")]

    def _list_changed(self):
        last, before = self._waiting["programming/1"][-1], self._waiting["programming/1"][-2]
        return [Step(last, f"/reservations/<{last}/programming>/leave-waitlist"),
                Step("office", f"/reservations/<{before}/programming>/prioritise", {"priority": 10})]

    def _taken_back(self):
        return [self._take_back(self.slots[slot], reason) for slot, reason in (
            ("history/1", "examinee.excused"), ("chemistry/2", "examinee.not-admissible"), ("microeconomics/2", "staff.mistake"))]

    def _take_back(self, slot, reason):
        student = slot.taken[-1]
        self._unseat(student, slot)
        return Step("office", f"/reservations/<{student}/{slot.exam.name}>/cancel-by-staff", {"reason": reason})

    def _called_off(self):
        """The room cannot be used; some of those who were to sit there book again."""
        off, other = self.slots[CALLED_OFF], self.slots["biology/1"]
        left = list(off.taken)
        for student in left:
            self._unseat(student, off)
        again = [student for student in left if other.session not in self._sessions[student]][:4]
        return [Step("office", f"/slots/<{CALLED_OFF}>/cancel", {"reason": "environment.room"}),
                *(self._reserve(student, other) for student in again)]

    @staticmethod
    def _seats_changed():
        return [Step("office", "/slots/<analysis/2>/change-capacity", {"capacity": 48}),
                Step("office", "/slots/<linear-algebra/4>/change-capacity", {"capacity": 36})]

    def _key_corrected(self):
        """1111 1110 is -2."""
        return [Step(self._teacher_of("programming"), "/items/<programming/item 3>/correct-key",
                     {"version_number": 1, "answers": [{"response": "-2"}], "reason": "staff.mistake"})]

    def _too_long_for_the_room(self):
        """More time, granted to somebody whose room is closed before: the reservation is marked."""
        return [self._grant(self.slots["law/2"].taken[0], {"factor_percent": 150})]


def _slots(made_on):
    """All slots by time, two at a time, mornings and afternoons of two weeks; each exam's as far apart as that allows."""
    rounds = [(exam, number) for number in range(1, 1 + max(exam.slots for exam in EXAMS)) for exam in EXAMS if number <= exam.slots]
    weekdays = [day + 7 * week for week in range(2) for day in range(5)]
    sessions = [(day, time) for day in weekdays for time in (MORNING, AFTERNOON)]
    for place, (exam, number) in enumerate(rounds):
        day, time = sessions[place // 2]
        starts_at = datetime.datetime.combine(_first_monday(made_on) + datetime.timedelta(days=day), time, ZONE)
        yield Slot(f"{exam.name}/{number}", exam, starts_at, place // 2, exam.seats)


def _first_monday(made_on):
    """Of the two weeks of exams: three weeks ahead or a little more, and not about Christmas."""
    day = made_on + datetime.timedelta(days=DAYS_AHEAD)
    monday = day + datetime.timedelta(days=-day.weekday() % 7)
    while any(_is_holiday(monday + datetime.timedelta(days=days)) for days in range(12)):
        monday += datetime.timedelta(days=7)
    return monday


def _is_holiday(day):
    return (day.month, day.day) >= (12, 23) or (day.month, day.day) <= (1, 6)


def _at(day):
    return datetime.datetime.combine(day, datetime.time(), ZONE).isoformat()


def _students():
    names = [f"{first} {last}" for first, last in itertools.product(FIRST, LAST)]
    return _people([CLARA, *random.Random(1).sample(names, STUDENTS - 1)], "student")


def _people(names, role):
    return [Person(name_of(full_name), full_name, role) for full_name in names]


def name_of(full_name):
    return full_name.lower().replace(" ", ".").translate(str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue"}))
