"""What persons agreed to have remembered, and what they were asked about."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, insert, select, update

from bot.store.schema import fact
from bot.store.store import Transaction
from engine.understanding import FactKind


@dataclass(frozen=True, slots=True)
class StoredFact:
    """A fact about a person. `value` is None while they were asked and have not agreed: then nothing is kept of it."""

    id: int
    kind: FactKind
    value: str | None
    message_id: int  # the message that told it
    at: datetime


def _read(tx: Transaction, row: Row[Any]) -> StoredFact:
    value = tx.cipher.open(row.body) if row.body is not None else None
    return StoredFact(row.id, FactKind(row.kind), value, row.message_id, row.at)


async def of(tx: Transaction, person_id: int) -> list[StoredFact]:
    """Everything about a person, also what they were only asked about, oldest first."""
    rows = await tx.connection.execute(select(fact).where(fact.c.person_id == person_id).order_by(fact.c.id))
    return [_read(tx, row) for row in rows]


async def kept(tx: Transaction, person_id: int) -> list[StoredFact]:
    """What a person agreed to have remembered, oldest first."""
    return [found for found in await of(tx, person_id) if found.value is not None]


async def ask(tx: Transaction, person_id: int, kind: FactKind, message_id: int) -> None:
    """Note that a person is asked whether what a message tells may be remembered."""
    row = {"person_id": person_id, "kind": kind.value, "message_id": message_id, "at": tx.now}
    await tx.connection.execute(insert(fact).values(row))


async def keep(tx: Transaction, id: int, value: str) -> None:  # noqa: A002
    """The person agreed."""
    values = {"body": tx.cipher.seal(value), "at": tx.now}
    await tx.connection.execute(update(fact).where(fact.c.id == id).values(values))


async def drop(tx: Transaction, ids: Sequence[int]) -> None:
    """Remember these no more."""
    if ids:
        await tx.connection.execute(delete(fact).where(fact.c.id.in_(ids)))
