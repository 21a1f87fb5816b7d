"""What students are told, from outside: as a list, as a stream that goes on wherever it is asked for, and as what was read of it."""

import datetime
import http.client
import itertools
import json
import unittest

from integration.harness import at
from integration.house_case import AnswerCase, House
from integration.proof import Proof

house = House()


def setUpModule():
    house.start()


class Stream:
    """A stream of events, as a browser reads it."""

    def __init__(self, node, student, last=None, query="", seconds=30):
        host, _, port = node.api.rpartition(":")
        self._connection = http.client.HTTPConnection(host, int(port), timeout=seconds)
        headers = {"Authorization": f"Bearer {student.token}", "Accept": "text/event-stream"}
        headers |= {"Last-Event-ID": str(last)} if last is not None else {}
        self._connection.request("GET", f"/v1/tenants/{house.tenant.id}/inbox{query}", headers=headers)
        self.response = self._connection.getresponse()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._connection.close()

    def next(self):
        """(id, data) of the next event; None at the end."""
        said = {}
        while line := self.response.readline().decode():
            name, _, value = line.rstrip("\n").partition(": ")
            if line == "\n" and "data" in said:
                return int(said["id"]), json.loads(said["data"])
            said |= {name: value} if name else {}
        return None


class InboxTest(AnswerCase):
    days = itertools.count(2)

    def book(self, student, slot=None):
        """A seat, of a slot on a day of its own."""
        slot = slot or house.slot(starts_at=at(days=next(self.days)))
        answer = student.client(house.node).post(f"/slots/{slot}/reservations")
        return self.expect_yes(answer, 201, 1, "reservations"), answer

    def inbox(self, student, answer, query=""):
        return self.expect(student.client(house.node).get(f"/inbox{query}", headers={"Pw-Min-Position": answer.position}), 200).json["items"]

    def counts(self, student, answer):
        return self.expect(student.client(house.node).get("/inbox/counts", headers={"Pw-Min-Position": answer.position}), 200).json

    def test_what_happens_to_a_seat_is_told_newest_first(self):
        ann, bob = house.tenant.student(), house.tenant.student()
        slot = house.slot(capacity=1)
        seat, _ = self.book(ann, slot)
        place = self.expect_yes(bob.client(house.node).post(f"/slots/{slot}/waitlist"), 201, 1)
        reason = {"reason": "environment.room"}
        answer = house.as_admin().post(f"/reservations/{seat}/cancel-by-staff", reason)
        answer = bob.client(house.node).post(f"/reservations/{place}/accept-offer")
        self.expect_yes(answer, 200, 3)
        told = self.inbox(ann, answer)
        self.assertEqual([(one["number"], one["kind"], one["reason"], one["unread"]) for one in told],
                         [(2, "cancelled-by-staff", "environment.room", True), (1, "booked", None, True)])
        self.assertEqual({(one["reservation_id"], one["slot_id"]) for one in told}, {(seat, slot)})
        told = self.inbox(bob, answer)
        self.assertEqual([one["kind"] for one in told], ["booked", "offered"])
        self.assertEqual([one["expires_at"] is None for one in told], [True, False])
        self.assertEqual([one["kind"] for one in self.inbox(bob, answer, "?kind=offered")], ["offered"])
        shown = house.as_admin().get(f"/students/{bob.id}/inbox", headers={"Pw-Min-Position": answer.position})
        self.assertEqual(self.expect(shown, 200).json["items"], told)

    def test_pages_go_back_in_time(self):
        ann = house.tenant.student()
        for _ in range(3):
            _, answer = self.book(ann)
        client = ann.client(house.node)
        page = self.expect(client.get("/inbox?limit=2", headers={"Pw-Min-Position": answer.position}), 200).json
        self.assertEqual([one["number"] for one in page["items"]], [3, 2])
        rest = self.expect(client.get(f"/inbox?limit=2&after={page['next']}"), 200).json
        self.assertEqual(([one["number"] for one in rest["items"]], rest["next"]), ([1], None))

    def test_what_was_read(self):
        ann, bob = house.tenant.student(), house.tenant.student()
        own = ann.client(house.node)
        nothing = self.expect(own.get("/inbox/counts"), 200)
        self.assertEqual(nothing.json, {"student_id": ann.id, "notification_count": 0, "unread_count": 0, "version": 0})
        self.expect_no(own.post("/inbox/mark-read", {"number": 1}), 404, "no-such-notification")
        for _ in range(4):
            _, answer = self.book(ann)
        self.assertEqual(self.counts(ann, answer)["unread_count"], 4)
        answer = own.post("/inbox/mark-read", {"number": 2, "and_older": True})
        self.expect_yes(answer, 200, 1)
        answer = own.post("/inbox/mark-read", {"number": 4})
        self.expect_yes(answer, 200, 2)
        self.expect_yes(own.post("/inbox/mark-read", {"number": 1}), 200, 2)  # It was read.
        self.expect_no(own.post("/inbox/mark-read", {"number": 5}), 404, "no-such-notification")
        self.expect_no(bob.client(house.node).post("/inbox/mark-read", {"number": 1}), 404, "no-such-notification")
        self.expect(own.post("/inbox/mark-read", {"number": 0}), 400, "invalid", ["/number"])
        self.assertEqual(self.counts(ann, answer), {"student_id": ann.id, "notification_count": 4, "unread_count": 1, "version": 2})
        self.assertEqual([one["number"] for one in self.inbox(ann, answer, "?unread=true")], [3])
        self.assertEqual([one["number"] for one in self.inbox(ann, answer, "?unread=false")], [4, 2, 1])

    def test_who_listens_hears_of_it_at_once(self):
        ann, bob = house.tenant.student(), house.tenant.student()
        _, answer = self.book(ann)
        self.assertEqual(self.counts(ann, answer)["notification_count"], 1)  # It begins after what the read model has.
        with Stream(house.node, ann) as stream:
            self.assertEqual(stream.response.status, 200)
            self.assertEqual(stream.response.headers["Content-Type"], "text/event-stream")
            self.assertEqual(stream.response.readline(), b"retry: 3000\n")
            _, answer = self.book(ann)
            self.book(bob)
            seat, _ = self.book(ann)
            heard = []
            while not heard or heard[-1][0] < 3:
                heard.append(stream.next())
            self.assertIn([number for number, _ in heard], ([2, 3], [3]))
            self.assertEqual((heard[-1][1]["reservation_id"], heard[-1][1]["kind"]), (seat, "booked"))
            self.assertEqual(heard[-1][1], self.inbox(ann, answer)[0] | {"unread": True})

    def test_it_goes_on_on_another_node(self):
        other = house.stack.start_node({"run": "queries"})
        ann = house.tenant.student()
        for _ in range(3):
            self.book(ann)
        with Stream(house.node, ann, last=1) as stream:
            self.assertEqual([stream.next()[0], stream.next()[0]], [2, 3])
        with Stream(other, ann, last=2) as stream:
            self.assertEqual(stream.next()[0], 3)
            self.book(ann)
            self.assertEqual(stream.next()[0], 4)
            other.terminate()
            self.assertIsNone(stream.next(), "a node that stops ends it")
        with Stream(house.node, ann, query="?since=3") as stream:
            self.assertEqual(stream.next()[0], 4)
        with Stream(house.node, ann, query="?since=0", last=3) as stream:
            self.assertEqual(stream.next()[0], 4, "what the browser says itself is newer")

    def test_a_stream_that_cannot_be(self):
        ann = house.tenant.student()
        for query, last, status in (("?since=x", None, 400), ("?limit=1", None, 400), ("?since=1&since=2", None, 400), ("", "x", 400),
                                    ("?since=4294967296", None, 400)):
            with Stream(house.node, ann, last=last, query=query) as stream:
                self.assertEqual(stream.response.status, status, query)
        with Stream(house.node, house.tenant.admin) as stream:
            self.assertEqual(stream.response.status, 403)

    def test_who_is_signed_out_hears_no_more(self):
        student = house.tenant.student()
        student.token = house.tenant.token(student.id, ["student"], lives_seconds=2)
        with Stream(house.node, student) as stream:
            self.assertIsNone(stream.next(), "once its token is over, at the next word")

    def test_a_day_before_the_exam(self):
        """The slot starts in 24 hours and some seconds; who books later is not reminded."""
        starts_at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=24, seconds=5)
        slot = house.slot(starts_at=starts_at.replace(microsecond=0).isoformat())
        ann, bob, eve = house.tenant.student(), house.tenant.student(), house.tenant.student()
        self.book(bob, slot)
        with Stream(house.node, ann, last=0) as stream:
            seat, _ = self.book(ann, slot)
            self.assertEqual(stream.next()[1]["kind"], "booked")
            number, told = stream.next()
            self.assertEqual((number, told["kind"], told["reservation_id"]), (2, "exam-near", seat))
        with Stream(house.node, bob, last=1) as stream:
            self.assertEqual(stream.next()[1]["kind"], "exam-near")
        _, answer = self.book(eve, slot)
        self.assertEqual([one["kind"] for one in self.inbox(eve, answer)], ["booked"])

    def test_zz_all_of_it_is_on_record(self):
        """By the independent reader, and by what it makes of every inbox."""
        proof = Proof(house.stack)
        self.assertTrue(proof.check_bookings().slots)
        proof.check_inboxes()
        proof.check_read_models(house.node, [house.tenant])


if __name__ == "__main__":
    unittest.main()
