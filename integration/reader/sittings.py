"""How long somebody sits, by what they are granted: the rules about accommodations, apart from the code that decides.

An accommodation multiplies the working time (rounded up to whole minutes), and adds fixed minutes and breaks. It counts for a sitting that
starts while it is valid. Nobody sits beyond a slot's hard end."""

import typing

MINUTE_US = 60_000_000


class Accommodation(typing.NamedTuple):
    factor_percent: int
    fixed_minutes: int
    rest_break_minutes: int
    valid_from: int
    valid_until: int

    def is_valid_at(self, at_us):
        return self.valid_from <= at_us < self.valid_until

    def end_of(self, starts_at, ends_at):
        """When somebody is done who would have worked until `ends_at`."""
        minutes = -((starts_at - ends_at) // MINUTE_US)
        extra = -(-minutes * (self.factor_percent - 100) // 100) + self.fixed_minutes + self.rest_break_minutes
        return ends_at + extra * MINUTE_US


class Accommodations:
    """Who is granted what."""

    def __init__(self):
        self.granted = {}  # id of an accommodation: (tenant, student, Accommodation); None once it is revoked

    def grant(self, key, tenant, student, content):
        """What is wrong with it, or None."""
        if key in self.granted:
            return "the accommodation was granted before"
        return self._put(key, tenant, student, content)

    def revise(self, key, tenant, student, content):
        return self._wrong(key, tenant, student) or self._put(key, tenant, student, content)

    def revoke(self, key, tenant, student):
        wrong = self._wrong(key, tenant, student)
        if wrong is None:
            self.granted[key] = None
        return wrong

    def valid_at(self, tenant, student, at_us):
        """What counts for a sitting that starts then; None: nothing does."""
        return next((content for _, content in self._of(tenant, student) if content.is_valid_at(at_us)), None)

    def _of(self, tenant, student):
        return [(key, value[2]) for key, value in self.granted.items() if value is not None and value[:2] == (tenant, student)]

    def _wrong(self, key, tenant, student):
        good = self.granted.get(key) is not None and self.granted[key][:2] == (tenant, student)
        return None if good else "the student has no such accommodation"

    def _put(self, key, tenant, student, content):
        self.granted[key] = (tenant, student, content)
        if not (100 <= content.factor_percent <= 400 and content.valid_from < content.valid_until):
            return "no such accommodation can be granted"
        beside = [other for other, one in self._of(tenant, student)
                  if other != key and one.valid_from < content.valid_until and content.valid_from < one.valid_until]
        return f"the student has {beside} at that time" if beside else None
