"""Broadcasts and their firings: one row for each time a broadcast fell due, whichever process was first."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, insert, select, update

from bot.store.followups import ACTIVE, Planned, plan, upsert
from bot.store.schema import broadcast, conversation, enrolment, firing, person
from bot.store.store import Transaction
from bot.store.wake import FOLLOWUPS

DRAFT, RUNNING, PAUSED, OVER = "draft", "active", "paused", "done"
FILLING, FIRED, MISSED = "filling", "fired", "missed"


@dataclass(frozen=True, slots=True)
class Audience:
    """Who gets a broadcast, among those who agreed to follow-ups; an empty field narrows nothing."""

    programmes: tuple[str, ...] = ()  # ids; who is active in any of them
    platform: str = ""
    language: str = ""
    heard_days: int = 0  # who wrote within so many days


@dataclass(frozen=True, slots=True)
class Broadcast:
    """An operator's message, to be sent once or again and again. `cron` empty: once."""

    id: int
    title: str
    zh: str
    en: str
    cron: str
    zone: str
    state: str
    next_at: datetime | None
    created_by: str
    confirmed_by: str | None
    audience: Audience = field(default_factory=Audience)


def _read(row: Row[Any]) -> Broadcast:
    body = json.loads(row.body)
    audience = Audience(**body["audience"] | {"programmes": tuple(body["audience"]["programmes"])})
    return Broadcast(
        row.id,
        row.title,
        body["zh"],
        body["en"],
        row.cron,
        row.zone,
        row.state,
        row.next_at,
        row.created_by,
        row.confirmed_by,
        audience,
    )


async def add(
    tx: Transaction, title: str, zh: str, en: str, audience: Audience, cron: str, zone: str, at: datetime, by: str
) -> int:
    """Keep a draft, first due at `at`; its id."""
    row = {
        "title": title,
        "body": json.dumps({"zh": zh, "en": en, "audience": asdict(audience)}, ensure_ascii=False),
        "cron": cron,
        "zone": zone,
        "state": DRAFT,
        "next_at": at,
        "created_by": by,
        "created_at": tx.now,
    }
    found = await tx.connection.scalar(insert(broadcast).values(row).returning(broadcast.c.id))
    assert found is not None
    return int(found)


async def get(tx: Transaction, id: int) -> Broadcast | None:  # noqa: A002
    """A broadcast by id."""
    row = (await tx.connection.execute(select(broadcast).where(broadcast.c.id == id))).one_or_none()
    return _read(row) if row else None


async def every(tx: Transaction) -> list[Broadcast]:
    """All broadcasts, newest first."""
    return [_read(row) for row in await tx.connection.execute(select(broadcast).order_by(broadcast.c.id.desc()))]


async def change(tx: Transaction, id: int, **values: Any) -> None:  # noqa: A002
    """Change a broadcast's columns."""
    await tx.connection.execute(update(broadcast).where(broadcast.c.id == id).values(values))
    tx.ring(FOLLOWUPS)


async def due(tx: Transaction) -> list[Broadcast]:
    """Broadcasts whose time has come, locked; those that another process fires are left to it."""
    rows = await tx.connection.execute(
        select(broadcast)
        .where(broadcast.c.state == RUNNING, broadcast.c.next_at <= tx.now)
        .order_by(broadcast.c.id)
        .with_for_update(skip_locked=True)
    )
    return [_read(row) for row in rows]


async def fire(tx: Transaction, broadcast_id: int, slot: datetime, state: str, reason: str = "") -> bool:
    """Note that a broadcast fell due at `slot`. False if that is noted already."""
    row = {"broadcast_id": broadcast_id, "slot": slot, "state": state, "reason": reason, "at": tx.now}
    statement = upsert(tx, firing).values(row).on_conflict_do_nothing().returning(firing.c.id)
    return await tx.connection.scalar(statement) is not None


async def filling(tx: Transaction) -> Row[Any] | None:
    """A firing whose occurrences are not all written, with its broadcast's body, locked."""
    rows = await tx.connection.execute(
        select(firing, broadcast.c.body)
        .join(broadcast, broadcast.c.id == firing.c.broadcast_id)
        .where(firing.c.state == FILLING)
        .order_by(firing.c.id)
        .limit(1)
        .with_for_update(of=[firing], skip_locked=True)
    )
    return rows.one_or_none()


async def fill(tx: Transaction, found: Row[Any], late: timedelta, limit: int) -> bool:
    """Write the occurrences of the next `limit` enrolments of a firing. True if there may be more."""
    body = json.loads(found.body)["audience"]
    audience = Audience(**body | {"programmes": tuple(body["programmes"])})
    rows = (
        await tx.connection.execute(
            select(enrolment.c.id, conversation.c.address)
            .join(conversation, conversation.c.id == enrolment.c.conversation_id)
            .join(person, person.c.id == enrolment.c.person_id)
            .where(_wanted(audience, tx.now), enrolment.c.id > found.upto)
            .order_by(enrolment.c.id)
            .limit(limit)
        )
    ).all()
    await plan(
        tx,
        [Planned(row.id, row.address.partition(":")[0], -found.id, found.slot, tx.now, tx.now + late) for row in rows],
    )
    more = len(rows) == limit
    await tx.connection.execute(
        update(firing)
        .where(firing.c.id == found.id)
        .values(
            upto=rows[-1].id if rows else found.upto,
            audience=found.audience + len(rows),
            state=FILLING if more else FIRED,
        )
    )
    return more


def _wanted(audience: Audience, now: datetime) -> ColumnElement[bool]:
    """The enrolments of an audience, one of each person."""
    first = enrolment.alias()
    among = [enrolment.c.state == ACTIVE, person.c.blocked_at.is_(None)]
    earlier = [first.c.person_id == enrolment.c.person_id, first.c.state == ACTIVE, first.c.id < enrolment.c.id]
    if audience.programmes:
        among.append(enrolment.c.programme.in_(audience.programmes))
        earlier.append(first.c.programme.in_(audience.programmes))
    if audience.platform:
        among.append(conversation.c.address.startswith(f"{audience.platform}:", autoescape=True))
    if audience.language:
        among.append(person.c.language == audience.language)
    if audience.heard_days:
        among.append(conversation.c.last_in_at >= now - timedelta(days=audience.heard_days))
    return and_(*among, ~select(first.c.id).where(*earlier).exists())


async def count(tx: Transaction, audience: Audience) -> dict[str, int]:
    """How many people would get it now, by platform."""
    rows = await tx.connection.execute(
        select(conversation.c.address)
        .join(enrolment, enrolment.c.conversation_id == conversation.c.id)
        .join(person, person.c.id == enrolment.c.person_id)
        .where(_wanted(audience, tx.now))
    )
    found: dict[str, int] = {}
    for row in rows:
        platform = row.address.partition(":")[0]
        found[platform] = found.get(platform, 0) + 1
    return found


async def texts(tx: Transaction, firing_ids: Sequence[int]) -> dict[int, tuple[str, str]]:
    """The Chinese and the English text of firings."""
    if not firing_ids:
        return {}
    rows = await tx.connection.execute(
        select(firing.c.id, broadcast.c.body)
        .join(broadcast, broadcast.c.id == firing.c.broadcast_id)
        .where(firing.c.id.in_(firing_ids))
    )
    read = {row.id: json.loads(row.body) for row in rows}
    return {i: (body["zh"], body["en"]) for i, body in read.items()}


async def firings(tx: Transaction, broadcast_id: int) -> list[Row[Any]]:
    """When a broadcast fell due and what became of it, newest first."""
    query = select(firing).where(firing.c.broadcast_id == broadcast_id).order_by(firing.c.slot.desc())
    return list(await tx.connection.execute(query))
