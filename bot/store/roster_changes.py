"""Changes to the roster that were made while the bot runs: who entered and who removed them. Nothing is overwritten."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select, update

from bot.store.schema import roster_change
from bot.store.store import Transaction
from bot.store.wake import ROSTER
from config import Leave, Override, RosterChange


@dataclass(frozen=True, slots=True)
class Entry:
    """One change with its record."""

    id: int
    change: RosterChange
    added_by: str
    added_at: datetime
    removed_by: str | None
    removed_at: datetime | None


_KINDS: dict[str, type[Override | Leave]] = {"override": Override, "leave": Leave}


async def add(tx: Transaction, change: RosterChange, by: str) -> None:
    """Enter a change."""
    kind = "leave" if isinstance(change, Leave) else "override"
    body = change.model_dump_json(exclude_none=True)
    await tx.connection.execute(insert(roster_change), {"kind": kind, "body": body, "added_by": by, "added_at": tx.now})
    tx.ring(ROSTER)


async def remove(tx: Transaction, id: int, by: str) -> bool:  # noqa: A002
    """Take a change back; False if it is gone already."""
    query = update(roster_change).where(roster_change.c.id == id, roster_change.c.removed_at.is_(None))
    done = await tx.connection.execute(query.values(removed_by=by, removed_at=tx.now).returning(roster_change.c.id))
    tx.ring(ROSTER)
    return done.one_or_none() is not None


async def current(tx: Transaction) -> list[Entry]:
    """The changes that hold, in the order in which they were entered."""
    return [entry for entry in await record(tx) if entry.removed_at is None]


async def record(tx: Transaction) -> list[Entry]:
    """Every change that was ever entered, oldest first."""
    rows = await tx.connection.execute(select(roster_change).order_by(roster_change.c.id))
    return [
        Entry(r.id, _KINDS[r.kind].model_validate_json(r.body), r.added_by, r.added_at, r.removed_by, r.removed_at)
        for r in rows
    ]
