"""How counsellors are being called for a handoff: the ladder it began with, the round, who said they are coming."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Row, func, insert, or_, select, update

from bot.store.outbox import Kind
from bot.store.schema import escalation, handoff, handoff_event, outbox
from bot.store.store import Transaction
from bot.store.wake import HANDOFFS
from config import Step

PATIENCE = timedelta(seconds=10)
"""A page that may not leave for longer than this does not count as on its way."""

OVERDUE = timedelta(seconds=60)
"""Nor does one that nobody has tried for this long."""


@dataclass(frozen=True, slots=True)
class Escalation:
    """One row. `count` is the round of pages on the handoff's step, from 0; `paged_at` is when it was written."""

    handoff_id: int
    ladder: tuple[Step, ...]
    count: int
    paged_at: datetime
    reached_at: datetime | None = None
    acked_by: str | None = None
    acked_until: datetime | None = None

    def coming(self, now: datetime) -> str | None:
        """Who said that they are coming, while it counts."""
        return self.acked_by if self.acked_until and self.acked_until > now else None


def _read(row: Row[tuple[object, ...]]) -> Escalation:
    values = dict(row._mapping)
    values["ladder"] = tuple(Step.model_validate(step) for step in json.loads(values["ladder"]))
    return Escalation(**values)


async def get(tx: Transaction, handoff_id: int) -> Escalation | None:
    """The escalation of a handoff; None before its first page."""
    row = (await tx.connection.execute(select(escalation).where(escalation.c.handoff_id == handoff_id))).one_or_none()
    return _read(row) if row else None


async def begin(tx: Transaction, handoff_id: int, ladder: tuple[Step, ...]) -> Escalation:
    """Keep the ladder that a handoff begins with."""
    steps = json.dumps([step.model_dump(mode="json") for step in ladder])
    row = {"handoff_id": handoff_id, "ladder": steps, "count": 0, "paged_at": tx.now}
    await tx.connection.execute(insert(escalation), row)
    return Escalation(handoff_id, ladder, 0, tx.now)


async def change(tx: Transaction, handoff_id: int, **values: object) -> None:
    """Set columns."""
    await tx.connection.execute(update(escalation).where(escalation.c.handoff_id == handoff_id).values(values))
    tx.ring(HANDOFFS)


async def declined(tx: Transaction, handoff_id: int) -> frozenset[str]:
    """Counsellors who said that they cannot come, since the danger last rose."""
    raised = (
        select(func.max(handoff_event.c.id))
        .where(handoff_event.c.handoff_id == handoff_id, handoff_event.c.event == "raised")
        .scalar_subquery()
    )
    found = await tx.connection.scalars(
        select(handoff_event.c.actor).where(
            handoff_event.c.handoff_id == handoff_id,
            handoff_event.c.event == "cannot_come",
            handoff_event.c.id > func.coalesce(raised, 0),
        )
    )
    return frozenset(found)


async def happened(tx: Transaction, handoff_id: int, event: str) -> bool:
    """Whether the handoff's record has such a line."""
    query = select(handoff_event.c.id).where(handoff_event.c.handoff_id == handoff_id, handoff_event.c.event == event)
    return (await tx.connection.scalar(query.limit(1))) is not None


async def tried(tx: Transaction, handoff_id: int, counsellor: str, since: datetime) -> frozenset[str]:
    """The platforms by which a counsellor was paged in the round that began then."""
    found = await tx.connection.scalars(
        select(outbox.c.platform).where(
            outbox.c.handoff_id == handoff_id,
            outbox.c.kind == Kind.ALERT.value,
            outbox.c.counsellor == counsellor,
            outbox.c.created_at >= since,
        )
    )
    return frozenset(found)


async def under_way(tx: Transaction, handoff_id: int, since: datetime) -> frozenset[str]:
    """Counsellors to whom a page of the round arrived, or is on its way without trouble so far.

    One that failed, that waits to be tried a third time, or that only an open console could show has not arrived.
    """
    due = outbox.c.due_at.between(tx.now - OVERDUE, tx.now + PATIENCE)
    soon = or_(due, outbox.c.state == "sending")
    good = (
        outbox.c.state.in_(("waiting", "sending")) & (outbox.c.attempts < 2) & soon & (outbox.c.platform != "console")
    )
    found = await tx.connection.scalars(
        select(outbox.c.counsellor).where(
            outbox.c.handoff_id == handoff_id,
            outbox.c.kind == Kind.ALERT.value,
            outbox.c.created_at >= since,
            or_(outbox.c.state == "sent", good),
        )
    )
    return frozenset(who for who in found if who)


async def unsent_of(tx: Transaction, handoff_id: int, counsellor: str) -> list[int]:
    """Ids of a counsellor's pages about a handoff that have not left."""
    found = await tx.connection.scalars(
        select(outbox.c.id).where(
            outbox.c.handoff_id == handoff_id,
            outbox.c.kind == Kind.ALERT.value,
            outbox.c.counsellor == counsellor,
            outbox.c.state == "waiting",
        )
    )
    return list(found)


async def arrived(tx: Transaction, handoff_id: int) -> datetime | None:
    """A page about a handoff arrived: when the handoff began, if it is the first."""
    first = await tx.connection.execute(
        update(escalation)
        .where(escalation.c.handoff_id == handoff_id, escalation.c.reached_at.is_(None))
        .values(reached_at=tx.now)
        .returning(escalation.c.handoff_id)
    )
    if first.one_or_none() is None:
        return None
    began: datetime | None = await tx.connection.scalar(select(handoff.c.created_at).where(handoff.c.id == handoff_id))
    return began
