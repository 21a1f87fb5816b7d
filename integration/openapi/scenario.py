"""What somebody writes who has nothing but the API's document: both clients here were generated from it.

    scenario.py operator URL KEY ISSUER PUBLIC_KEY     # a tenant, and an issuer that it trusts; prints the tenant's id
    scenario.py people URL TENANT TEACHER ANN BOB      # tokens; an exam, a slot with one seat, who gets it and who does not

Prints JSON. It runs in the environment of tools.py, beside the packages `operators` and `people`.
"""

import datetime
import json
import sys


def operator(url, key, issuer, public_key):
    from operators import AuthenticatedClient
    from operators.api.tenants import tenant_create, tenant_trust_issuer
    from operators.models import CommandAnswer, TenantCreate, TenantTrustIssuer

    client = AuthenticatedClient(url, key)
    created = tenant_create.sync_detailed(client=client, body=TenantCreate("Universität Graz", "Europe/Vienna", "de"))
    assert created.status_code == 201 and isinstance(created.parsed, CommandAnswer), created
    tenant = created.parsed.id
    trusted = tenant_trust_issuer.sync_detailed(tenant, client=client, body=TenantTrustIssuer(issuer, public_key))
    assert trusted.status_code == 200 and trusted.parsed.version == 2, trusted
    return {"tenant": str(tenant)}


def people(url, tenant, teacher, ann, bob):
    from people import AuthenticatedClient
    from people.api.calendar import calendar
    from people.api.exams import exam, exam_draft, exam_publish
    from people.api.reservations import reservation_cancel
    from people.api.slots import reservation_reserve, slot, slot_open, slots
    from people.models import ExamDraft, ExamPublish, Problem, ReservationCancel, ReservationReserve, SlotOpen

    teacher, ann, bob = (AuthenticatedClient(url, token) for token in (teacher, ann, bob))
    drafted = exam_draft.sync(tenant, client=teacher, body=ExamDraft("Linear Algebra I", 90, lead_time_minutes=0))
    published = exam_publish.sync(tenant, drafted.id, client=teacher, body=ExamPublish(), if_match=f'"{drafted.version}"')
    assert published.version == 2, published
    starts_at = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=30)).replace(microsecond=0)
    opened = slot_open.sync(tenant, client=teacher, body=SlotOpen(drafted.id, starts_at, 1))
    booked = reservation_reserve.sync(tenant, opened.id, client=ann, body=ReservationReserve())
    refused = reservation_reserve.sync_detailed(tenant, opened.id, client=bob, body=ReservationReserve())
    assert refused.status_code == 409 and isinstance(refused.parsed, Problem), refused
    later = {"pw_min_position": booked.position, "prefer": "wait=10"}
    full = slot.sync(tenant, opened.id, client=bob, **later)
    assert (full.starts_at, full.capacity, full.free_count) == (starts_at, 1, 0), full
    blocked = calendar.sync(tenant, client=ann, **later)
    assert [item.reservation_id for item in blocked.items] == [booked.id] and blocked.next_ is None, blocked
    cancelled = reservation_cancel.sync(tenant, booked.id, client=ann, body=ReservationCancel())
    later["pw_min_position"] = cancelled.position
    listed = slots.sync(tenant, client=bob, exam_id=drafted.id, from_=starts_at, limit=1, **later)
    assert [item.free_count for item in listed.items] == [1], listed
    shown = exam.sync(tenant, drafted.id, client=teacher, **later)
    assert (shown.published_number, shown.published_title) == (1, "Linear Algebra I"), shown
    return {"refused": refused.parsed.type_, "cancelled": cancelled.version}


if __name__ == "__main__":
    print(json.dumps({"operator": operator, "people": people}[sys.argv[1]](*sys.argv[2:])))
