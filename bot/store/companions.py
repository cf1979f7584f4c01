"""Who is with a case besides its holder: invited, writing as a second, or watching."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, insert, select, update

from bot.store.schema import companion, handoff
from bot.store.store import Transaction
from bot.store.wake import HANDOFFS

INVITED, SECOND, WATCHING = "invited", "second", "watching"


@dataclass(frozen=True, slots=True)
class Companion:
    """Somebody with a case. `by` invited them; who watches came by themselves."""

    handoff_id: int
    counsellor: str
    role: str
    by: str
    at: datetime


def _read(row: Row[Any]) -> Companion:
    return Companion(row.handoff_id, row.counsellor, row.role, row.by, row.at)


async def of(tx: Transaction, handoff_id: int) -> list[Companion]:
    """Everybody with a case besides its holder, oldest first."""
    query = select(companion).where(companion.c.handoff_id == handoff_id)
    return [_read(row) for row in await tx.connection.execute(query.order_by(companion.c.at, companion.c.counsellor))]


async def one(tx: Transaction, handoff_id: int, counsellor: str) -> Companion | None:
    """A counsellor's part in a case."""
    query = select(companion).where(companion.c.handoff_id == handoff_id, companion.c.counsellor == counsellor)
    row = (await tx.connection.execute(query)).one_or_none()
    return _read(row) if row else None


async def invitations(tx: Transaction, counsellor: str) -> list[Companion]:
    """What a counsellor is invited to, oldest first."""
    query = select(companion).where(companion.c.counsellor == counsellor, companion.c.role == INVITED)
    return [_read(row) for row in await tx.connection.execute(query.order_by(companion.c.at))]


async def helped_by(tx: Transaction, counsellor: str) -> list[int]:
    """Handoffs in which a counsellor writes as a second."""
    query = (
        select(companion.c.handoff_id)
        .join(handoff, handoff.c.id == companion.c.handoff_id)
        .where(companion.c.counsellor == counsellor, companion.c.role == SECOND, handoff.c.state == "claimed")
    )
    return list(await tx.connection.scalars(query.order_by(companion.c.handoff_id)))


async def put(tx: Transaction, handoff_id: int, counsellor: str, role: str, by: str) -> None:
    """Give a counsellor a part in a case, or another part than they had."""
    key = (companion.c.handoff_id == handoff_id, companion.c.counsellor == counsellor)
    known = update(companion).where(*key).values(role=role, by=by, at=tx.now).returning(companion.c.handoff_id)
    if (await tx.connection.execute(known)).one_or_none() is None:
        row = {"handoff_id": handoff_id, "counsellor": counsellor, "role": role, "by": by, "at": tx.now}
        await tx.connection.execute(insert(companion).values(row))
    tx.ring(HANDOFFS)


async def remove(tx: Transaction, handoff_id: int, counsellor: str | None = None) -> None:
    """A counsellor leaves a case; without a name, everybody does."""
    query = delete(companion).where(companion.c.handoff_id == handoff_id)
    await tx.connection.execute(query.where(companion.c.counsellor == counsellor) if counsellor else query)
    tx.ring(HANDOFFS)
