"""Histories to look at: nearly all that can become of reservations and of people, each by commands of the API.

    exam = busy_exam(house)
    person = busy_people(house, exam)      # needs a tenant that keeps accounts
"""

from integration.harness import Client
from integration.people import Person


def good(answer):
    if answer.status not in (200, 201):
        raise AssertionError(answer)
    return answer.json


def refused(answer, problem):
    if answer.problem != problem:
        raise AssertionError(answer)


def busy_exam(house):
    """Nearly all that can become of a reservation, in two slots of an exam; refused is what there is a stream for, and what not."""
    exam = house.exam(lead_time_minutes=30, buffer_minutes=15)
    small, large = house.slot(exam, capacity=1), house.slot(exam, capacity=5, starts_at="2036-02-01T09:00:00+01:00")
    ann, bob, cem, dot, eva = (house.tenant.student().client(house.node) for _ in range(5))
    office, teacher = house.as_admin(), house.as_teacher()
    seat = good(ann.command(f"/slots/{small}/reservations"))["id"]
    refused(dot.command(f"/slots/{small}/reservations"), "slot-full")
    refused(ann.command(f"/reservations/{seat}/leave-waitlist"), "not-waiting")
    bobs, cems = (good(who.command(f"/slots/{small}/waitlist"))["id"] for who in (bob, cem))
    good(office.command(f"/reservations/{cems}/prioritise", {"priority": 7}))
    good(ann.command(f"/reservations/{seat}/cancel"))
    good(cem.command(f"/reservations/{cems}/accept-offer"))
    good(cem.command(f"/reservations/{cems}/reschedule", {"slot_id": large}))
    good(bob.command(f"/reservations/{bobs}/decline-offer"))
    dots, evas = (good(who.command(f"/slots/{large}/holds"))["id"] for who in (dot, eva))
    good(dot.command(f"/reservations/{dots}/confirm-hold"))
    good(office.command(f"/reservations/{dots}/reschedule-by-staff", {"slot_id": small, "reason": "staff.schedule"}))
    refused(ann.command(f"/reservations/{seat}/confirm-hold"), "reservation-not-live")
    good(office.command(f"/reservations/{dots}/cancel-by-staff", {"reason": "environment.room"}))
    good(teacher.command(f"/slots/{large}/change-capacity", {"capacity": 2}))
    refused(teacher.command(f"/slots/{large}/change-capacity", {"capacity": 1}), "capacity-below-taken")
    busy_items(teacher, exam)
    good(teacher.command(f"/exams/{exam}/revise-draft", {"title": "Linear Algebra II", "duration_minutes": 90}))
    good(eva.command(f"/reservations/{evas}/cancel"))
    for client in (ann, bob, cem, dot, eva, office, teacher):
        client.close()
    return exam


def busy_items(teacher, exam):
    """Nearly all that can become of items, and of what an exam asks."""
    rank, proof = {"title": "Rank", "kind": "numeric", "prompt": "The rank of a zero matrix?", "scoring": "match-correct", "maximum_mark": 1}, {
        "title": "Proof", "kind": "essay", "prompt": "Prove it.", "scoring": "by-people", "maximum_mark": 9}
    first = good(teacher.command("/items", rank | {"answers": [{"response": "1"}]}))["id"]
    second = good(teacher.command("/items", proof))["id"]
    good(teacher.command(f"/items/{first}/correct-key", {"version_number": 1, "answers": [{"response": "0"}], "reason": "staff.mistake"}))
    good(teacher.command(f"/items/{first}/revise", rank | {"title": "Rank II", "answers": [{"response": "0"}]}))
    good(teacher.command(f"/exams/{exam}/bind-items", {"items": [{"item_id": first, "version_number": 2}, {"item_id": second, "version_number": 1}]}))
    good(teacher.command(f"/items/{second}/retire"))
    good(teacher.command(f"/exams/{exam}/set-rules", {"buffer_minutes": 30}))
    good(teacher.command(f"/exams/{exam}/publish"))


def busy_people(house, exam):
    """Nearly all that can become of an account. Returns the id of somebody who has one, and a reservation."""
    office, guest = house.as_admin(), Client(house.node.api, base=f"/v1/tenants/{house.tenant.id}")
    ann, bob, cem = (Person(house.node, house.tenant, [role]) for role in ("student", "teacher", "student"))
    first, second, third = (ann.sign_in(house.node) for _ in range(3))
    client = first.client(house.node)
    good(client.command("/me/set-preferences", {"language": "de", "time_zone": "Europe/Vienna"}))
    good(client.command(f"/slots/{house.slot(exam, starts_at='2035-02-01T09:00:00+01:00')}/reservations"))
    good(client.command(f"/sessions/{third.id}/revoke"))
    refused(client.command(f"/sessions/{third.id}/revoke"), "no-such-session")
    good(guest.command("/refresh-session", {"refresh_token": second.refresh}))
    good(office.command(f"/users/{bob.id}/grant-roles", {"roles": ["proctor", "auditor"]}))
    good(office.command(f"/users/{bob.id}/revoke-roles", {"roles": ["teacher"]}))
    refused(office.command(f"/users/{bob.id}/revoke-roles", {"roles": ["proctor", "auditor"]}), "last-role")
    good(office.command(f"/users/{bob.id}/issue-reset-token"))
    for who in (bob, cem):
        who.sign_in(house.node)
    good(office.command(f"/users/{bob.id}/deactivate", {"reason": "on leave"}))
    good(office.command(f"/users/{cem.id}/erase"))
    for each in (office, guest, client):
        each.close()
    return ann.id
