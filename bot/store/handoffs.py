"""Handoffs: a conversation on its way to a counsellor, held by one, or closed with an outcome.

    waiting -> claimed(counsellor, lease) -> closed(outcome)
    claimed -> waiting                       the lease lapsed or the counsellor gave it up

An open handoff always has a `next_step_at`: the table refuses one without.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, func, insert, select, update

from bot.store.schema import conversation, handoff, handoff_event, view
from bot.store.store import Transaction
from bot.store.wake import HANDOFFS
from engine import About, Category, Level

WAITING, CLAIMED, CLOSED = "waiting", "claimed", "closed"

OUTCOMES = (
    "safe_for_now",
    "referred",
    "emergency_called",
    "emergency_arrived",
    "no_contact",
    "false_alarm",
    "missed",
    "other",
)
"""How a counsellor may close a handoff; `missed`: there was danger, and the screen did not see it."""


@dataclass(frozen=True, slots=True)
class Handoff:
    """One handoff. `rank` orders the queue: the level's rank, 0 for a person asked for without danger."""

    id: int
    conversation_id: int
    level: Level
    rank: int
    category: Category | None
    about: About
    reason: str
    message_id: int | None
    state: str
    counsellor: str | None
    lease_until: datetime | None
    step: int
    next_step_at: datetime | None
    reassured_at: datetime | None
    created_at: datetime
    claimed_at: datetime | None
    first_word_at: datetime | None
    closed_at: datetime | None
    outcome: str | None


def _read(row: Row[Any]) -> Handoff:
    values = dict(row._mapping)
    values["level"] = Level(values["level"])
    values["category"] = Category(values["category"]) if values["category"] else None
    values["about"] = About(values["about"])
    return Handoff(**values)


async def open_of(tx: Transaction, conversation_id: int) -> Handoff | None:
    """The open handoff of a conversation; there is at most one."""
    query = select(handoff).where(handoff.c.conversation_id == conversation_id, handoff.c.state != CLOSED)
    row = (await tx.connection.execute(query)).one_or_none()
    return _read(row) if row else None


async def open_of_many(tx: Transaction, conversation_ids: Iterable[int]) -> dict[int, Handoff]:
    """The open handoffs of these conversations."""
    query = select(handoff).where(handoff.c.conversation_id.in_(list(conversation_ids)), handoff.c.state != CLOSED)
    return {row.conversation_id: _read(row) for row in await tx.connection.execute(query)}


async def get(tx: Transaction, id: int) -> Handoff | None:  # noqa: A002
    """One handoff."""
    row = (await tx.connection.execute(select(handoff).where(handoff.c.id == id))).one_or_none()
    return _read(row) if row else None


async def newest_of(tx: Transaction, conversation_id: int) -> Handoff | None:
    """The latest handoff of a conversation, open or closed."""
    query = select(handoff).where(handoff.c.conversation_id == conversation_id).order_by(handoff.c.id.desc()).limit(1)
    row = (await tx.connection.execute(query)).one_or_none()
    return _read(row) if row else None


async def queue(tx: Transaction) -> list[Handoff]:
    """Open handoffs: the unclaimed first, then by danger, then by waiting time."""
    query = select(handoff).where(handoff.c.state != CLOSED)
    order = (handoff.c.state == CLAIMED, handoff.c.rank.desc(), handoff.c.created_at, handoff.c.id)
    return [_read(row) for row in await tx.connection.execute(query.order_by(*order))]


async def held_by(tx: Transaction, counsellor: str) -> list[Handoff]:
    """What a counsellor holds, oldest claim first."""
    query = select(handoff).where(handoff.c.counsellor == counsellor, handoff.c.state == CLAIMED)
    return [_read(row) for row in await tx.connection.execute(query.order_by(handoff.c.claimed_at))]


async def add(
    tx: Transaction,
    conversation_id: int,
    level: Level,
    rank: int,
    category: Category | None,
    about: About,
    reason: str,
    message_id: int | None,
    next_step_at: datetime,
) -> Handoff:
    """Open a handoff."""
    values = {
        "conversation_id": conversation_id,
        "level": level.value,
        "rank": rank,
        "category": category.value if category else None,
        "about": about.value,
        "reason": reason,
        "message_id": message_id,
        "state": WAITING,
        "step": 0,
        "next_step_at": next_step_at,
        "reassured_at": tx.now,
        "created_at": tx.now,
    }
    row = (await tx.connection.execute(insert(handoff).values(values).returning(handoff))).one()
    tx.ring(HANDOFFS)
    return _read(row)


async def change(tx: Transaction, id: int, **values: Any) -> None:  # noqa: A002
    """Set columns of a handoff."""
    plain = {k: v.value if isinstance(v, Level | Category | About) else v for k, v in values.items()}
    await tx.connection.execute(update(handoff).where(handoff.c.id == id).values(plain))
    tx.ring(HANDOFFS)


async def claim(tx: Transaction, id: int, counsellor: str, lease: timedelta) -> bool:  # noqa: A002
    """Take a waiting handoff: one conditional update, so of many who try one wins. True for the winner."""
    result = await tx.connection.execute(
        update(handoff)
        .where(handoff.c.id == id, handoff.c.state == WAITING)
        .values(
            state=CLAIMED,
            counsellor=counsellor,
            claimed_at=tx.now,
            lease_until=tx.now + lease,
            next_step_at=tx.now + lease / 2,
        )
        .returning(handoff.c.id)
    )
    won = result.one_or_none() is not None
    if won:
        tx.ring(HANDOFFS)
    return won


async def due(tx: Transaction, limit: int) -> list[Handoff]:
    """Open handoffs whose next step has come, not locked: the conversation is locked first, then `get` looks again."""
    query = select(handoff).where(handoff.c.state != CLOSED, handoff.c.next_step_at <= tx.now)
    return [_read(row) for row in await tx.connection.execute(query.order_by(handoff.c.next_step_at).limit(limit))]


async def next_due(tx: Transaction) -> datetime | None:
    """When the next step of any handoff comes."""
    value: datetime | None = await tx.connection.scalar(
        select(func.min(handoff.c.next_step_at)).where(handoff.c.state != CLOSED)
    )
    return value


async def note(tx: Transaction, id: int, actor: str, event: str, detail: str = "") -> None:  # noqa: A002
    """Add a line to the handoff's record; lines are never changed."""
    row = {"handoff_id": id, "at": tx.now, "actor": actor, "event": event}
    row["detail"] = tx.cipher.seal(detail) if detail else None
    await tx.connection.execute(insert(handoff_event), row)


@dataclass(frozen=True, slots=True)
class Event:
    """A line of a handoff's record."""

    at: datetime
    actor: str
    event: str
    detail: str


async def events(tx: Transaction, id: int) -> list[Event]:  # noqa: A002
    """The record of a handoff, oldest first."""
    rows = await tx.connection.execute(
        select(handoff_event).where(handoff_event.c.handoff_id == id).order_by(handoff_event.c.id)
    )
    return [Event(r.at, r.actor, r.event, tx.cipher.open(r.detail) if r.detail else "") for r in rows]


SAME_LOOK = timedelta(minutes=10)
"""A page that stays open reads its conversation again and again; within this time that is one look."""


async def looking(tx: Transaction, conversation_id: int) -> list[str]:
    """Who looked at a conversation lately."""
    since = tx.now - SAME_LOOK
    query = select(view.c.counsellor).where(view.c.conversation_id == conversation_id, view.c.at >= since)
    return sorted(set(await tx.connection.scalars(query)))


async def closed_of(tx: Transaction, person_id: int) -> list[Handoff]:
    """The closed handoffs of a person, newest first."""
    query = (
        select(handoff)
        .join(conversation, conversation.c.id == handoff.c.conversation_id)
        .where(conversation.c.person_id == person_id, handoff.c.state == CLOSED)
        .order_by(handoff.c.id.desc())
    )
    return [_read(row) for row in await tx.connection.execute(query)]


async def viewed(tx: Transaction, conversation_id: int, counsellor: str) -> None:
    """Record that a counsellor looked at a conversation."""
    latest: datetime | None = await tx.connection.scalar(
        select(view.c.at)
        .where(view.c.conversation_id == conversation_id, view.c.counsellor == counsellor)
        .order_by(view.c.id.desc())
        .limit(1)
    )
    if latest and tx.now - latest < SAME_LOOK:
        return
    await tx.connection.execute(insert(view).values(conversation_id=conversation_id, counsellor=counsellor, at=tx.now))
