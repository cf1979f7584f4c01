"""What counsellors write for one another, sealed: notes about a person, and whispers within one case."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, insert, select

from bot.store.schema import note
from bot.store.store import Transaction

NOTE, WHISPER = "note", "whisper"


@dataclass(frozen=True, slots=True)
class Note:
    """A note or whisper."""

    id: int
    kind: str
    author: str
    text: str
    at: datetime
    handoff_id: int


def _read(tx: Transaction, row: Row[Any]) -> Note:
    return Note(row.id, row.kind, row.author, tx.cipher.open(row.body), row.at, row.handoff_id)


async def add(tx: Transaction, person_id: int, handoff_id: int, kind: str, author: str, text: str) -> Note:
    """Keep a note. Notes are never changed."""
    values = {
        "person_id": person_id,
        "handoff_id": handoff_id,
        "kind": kind,
        "author": author,
        "body": tx.cipher.seal(text),
        "at": tx.now,
    }
    row = (await tx.connection.execute(insert(note).values(values).returning(note))).one()
    return _read(tx, row)


async def about(tx: Transaction, person_id: int) -> list[Note]:
    """Every note about a person, from all their handoffs, oldest first."""
    return await _find(tx, note.c.person_id == person_id, note.c.kind == NOTE)


async def whispers(tx: Transaction, handoff_id: int) -> list[Note]:
    """What was whispered in a case, oldest first."""
    return await _find(tx, note.c.handoff_id == handoff_id, note.c.kind == WHISPER)


async def of_handoff(tx: Transaction, handoff_id: int) -> list[Note]:
    """Notes and whispers written during a handoff, oldest first."""
    return await _find(tx, note.c.handoff_id == handoff_id)


async def _find(tx: Transaction, *conditions: ColumnElement[bool]) -> list[Note]:
    rows = await tx.connection.execute(select(note).where(*conditions).order_by(note.c.id))
    return [_read(tx, row) for row in rows]
