"""The service that most would write: FastAPI, SQLAlchemy, PyMySQL, aiokafka. It books by the rules of commands/reservation.c.

They are checked in SQL under the locks of the student's and the slot's row. The row is committed, then the event is published with
acks=all, then the client is answered. A process that dies in between has a row that Kafka never hears of; what that would cost to
mend is not counted here. BENCH_PEER names a JSON file of settings: database (host, port, user, password), kafka, topic, issuer.
"""

import contextlib
import datetime
import functools
import json
import os
import time
import uuid
from pathlib import Path
from typing import Annotated

import jwt
from aiokafka import AIOKafkaProducer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from fastapi import FastAPI, Header
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from sqlalchemy import URL, MetaData, create_engine, insert, select, update

THREADS = 40  # As many as the pool has in which FastAPI runs what blocks.
TOKENS_MAX = 262_144

settings = json.loads(Path(os.environ["BENCH_PEER"]).read_text())
engine = create_engine(URL.create("mysql+pymysql", database="proctorwise_peer", **settings["database"]), pool_size=THREADS,
                       max_overflow=0, isolation_level="READ COMMITTED")
tables = MetaData()
tables.reflect(engine)
issuers, students, slots, reservations = (tables.tables[name] for name in ("issuers", "students", "slots", "reservations"))
with engine.connect() as begun:
    keys = {row.tenant_id: Ed25519PublicKey.from_public_bytes(row.public_key) for row in begun.execute(select(issuers))}


class Refused(Exception):
    """A rule says no: (status, name of the problem)."""


class Reserve(BaseModel):
    model_config = ConfigDict(extra="forbid")


@contextlib.asynccontextmanager
async def lifespan(app):
    app.state.producer = AIOKafkaProducer(bootstrap_servers=settings["kafka"], acks="all", enable_idempotence=True)
    await app.state.producer.start()
    yield
    await app.state.producer.stop()


app = FastAPI(lifespan=lifespan)


@app.exception_handler(Refused)
async def refused(_, refusal):
    status, problem = refusal.args
    return JSONResponse({"type": f"/problems/{problem}", "status": status}, status, media_type="application/problem+json")


@app.get("/healthz")
async def healthz():
    return {}


@app.post("/v1/tenants/{tenant_id}/slots/{slot_id}/reservations")
async def reserve(tenant_id: uuid.UUID, slot_id: uuid.UUID, _: Reserve, authorization: Annotated[str, Header()],
                  idempotency_key: Annotated[uuid.UUID, Header()]):
    student_id = student_of(str(tenant_id), authorization.removeprefix("Bearer "))
    event = await run_in_threadpool(book, str(tenant_id), str(slot_id), student_id, str(idempotency_key))
    await app.state.producer.send_and_wait(settings["topic"], json.dumps(event, default=str).encode(), key=str(tenant_id).encode())
    location = f"/v1/tenants/{tenant_id}/reservations/{event['id']}"
    return JSONResponse({"id": event["id"], "version": 1}, 201, {"Location": location})


def student_of(tenant_id, token):
    try:
        claims = verified(tenant_id, token)
    except (jwt.InvalidTokenError, KeyError):
        raise Refused(401, "bad-token") from None
    if claims["exp"] <= time.time():
        raise Refused(401, "bad-token")
    if claims["tenant"] != tenant_id or "student" not in claims["roles"]:
        raise Refused(403, "wrong-role")
    return claims["sub"]


@functools.lru_cache(TOKENS_MAX)
def verified(tenant_id, token):
    return jwt.decode(token, keys[tenant_id], ["EdDSA"], issuer=settings["issuer"], options={"require": ["exp", "sub"]})


def book(tenant_id, slot_id, student_id, command_id):
    """The new reservation, or the one that this command made before."""
    with engine.begin() as connection:
        student = connection.execute(
            select(students).where(students.c.tenant_id == tenant_id, students.c.id == student_id).with_for_update()).first()
        if student is None:
            raise Refused(404, "no-such-student")
        slot = connection.execute(
            select(slots).where(slots.c.tenant_id == tenant_id, slots.c.id == slot_id).with_for_update()).first()
        calendar = connection.execute(select(reservations).where(
            reservations.c.tenant_id == tenant_id, reservations.c.student_id == student_id)).all()
        for other in calendar:
            if other.command_id == command_id:
                return other._asdict()
        check(slot, calendar)
        reservation = {
            "id": str(uuid.uuid4()), "tenant_id": tenant_id, "student_id": student_id, "slot_id": slot_id, "exam_id": slot.exam_id,
            "command_id": command_id, "starts_at": slot.starts_at, "ends_at": slot.ends_at, "free_again_at": slot.free_again_at}
        connection.execute(update(slots).where(slots.c.tenant_id == tenant_id, slots.c.id == slot_id).values(
            taken_count=slots.c.taken_count + 1))
        connection.execute(insert(reservations).values(reservation))
        return reservation


def check(slot, calendar):
    if slot is None:
        raise Refused(404, "no-such-slot")
    if datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None) >= slot.starts_at:
        raise Refused(409, "slot-started")
    if any(other.slot_id == slot.id for other in calendar):
        raise Refused(409, "already-booked")
    if any(other.exam_id == slot.exam_id for other in calendar):
        raise Refused(409, "exam-already-booked")
    if slot.taken_count >= slot.capacity:
        raise Refused(409, "slot-full")
    if any(slot.starts_at < other.free_again_at and other.starts_at < slot.free_again_at for other in calendar):
        raise Refused(409, "calendar-conflict")
