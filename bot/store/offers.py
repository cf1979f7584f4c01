"""Offers: a case that its holder holds out to somebody else. The holder keeps it until one of them accepts.

open -> accepted | declined | withdrawn | lapsed
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, insert, select, update

from bot.store.schema import offer
from bot.store.store import Transaction
from bot.store.wake import HANDOFFS

OPEN, ACCEPTED, DECLINED, WITHDRAWN, LAPSED = "open", "accepted", "declined", "withdrawn", "lapsed"


@dataclass(frozen=True, slots=True)
class Offer:
    """An offer. `to` is a counsellor's id, a rotation's id, or `skill:NAME`."""

    id: int
    handoff_id: int
    by: str
    to: str
    note: str
    at: datetime
    until: datetime
    state: str


def _read(tx: Transaction, row: Row[Any]) -> Offer:
    note = tx.cipher.open(row.note) if row.note else ""
    return Offer(row.id, row.handoff_id, row.by, row.to, note, row.at, row.until, row.state)


async def add(tx: Transaction, handoff_id: int, by: str, to: str, note: str, until: datetime) -> Offer:
    """Make an offer. A handoff has at most one open: the table refuses a second."""
    values = {
        "handoff_id": handoff_id,
        "by": by,
        "to": to,
        "note": tx.cipher.seal(note) if note else None,
        "at": tx.now,
        "until": until,
        "state": OPEN,
    }
    row = (await tx.connection.execute(insert(offer).values(values).returning(offer))).one()
    tx.ring(HANDOFFS)
    return _read(tx, row)


async def open_of(tx: Transaction, handoff_id: int) -> Offer | None:
    """The open offer of a handoff."""
    query = select(offer).where(offer.c.handoff_id == handoff_id, offer.c.state == OPEN)
    row = (await tx.connection.execute(query)).one_or_none()
    return _read(tx, row) if row else None


async def every_open(tx: Transaction) -> list[Offer]:
    """All open offers, oldest first."""
    rows = await tx.connection.execute(select(offer).where(offer.c.state == OPEN).order_by(offer.c.id))
    return [_read(tx, row) for row in rows]


async def close(tx: Transaction, handoff_id: int, state: str, by: str | None = None) -> Offer | None:
    """End the open offer of a handoff; one conditional update, so of many who try one wins. None for the others."""
    query = update(offer).where(offer.c.handoff_id == handoff_id, offer.c.state == OPEN)
    row = (await tx.connection.execute(query.values(state=state, answered_by=by).returning(offer))).one_or_none()
    if row:
        tx.ring(HANDOFFS)
    return _read(tx, row) if row else None


async def overdue(tx: Transaction, limit: int = 100) -> list[Offer]:
    """Open offers whose time is over, not locked."""
    query = select(offer).where(offer.c.state == OPEN, offer.c.until <= tx.now)
    return [_read(tx, row) for row in await tx.connection.execute(query.order_by(offer.c.until).limit(limit))]
