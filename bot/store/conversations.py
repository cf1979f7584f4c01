"""Conversations and the persons in them: find, make, lock, save."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, bindparam, insert, select, update

from adapters import Address
from bot.store.schema import conversation, person
from bot.store.store import Transaction
from config import Language, Script
from engine import Level

BOT, WAITING, HUMAN = "bot", "waiting", "human"
"""Who holds a conversation: the bot, nobody yet (a counsellor is being called), a counsellor."""


@dataclass(slots=True)
class Conversation:
    """A conversation with the person it is held with. Change it, then `save`."""

    id: int
    person_id: int
    address: Address
    holder: str
    fence: int
    level: Level
    last_seq: int
    last_in_at: datetime | None
    turn_due_at: datetime | None
    language: Language | None
    language_chosen: bool
    script: Script
    country: str | None
    blocked_at: datetime | None
    erase_at_close: bool
    note: bytes | None  # sealed: the last hand-back note
    turn_owner: str | None  # whose claim of a turn holds; see `turns`
    review: bool  # a counsellor approves each answer before it leaves

    def next_seq(self) -> int:
        """Count the transcript up by one."""
        self.last_seq += 1
        return self.last_seq


_COLUMNS = (
    conversation.c.id,
    conversation.c.person_id,
    conversation.c.address,
    conversation.c.holder,
    conversation.c.fence,
    conversation.c.level,
    conversation.c.last_seq,
    conversation.c.last_in_at,
    conversation.c.turn_due_at,
    person.c.language,
    person.c.language_chosen,
    person.c.script,
    person.c.country,
    person.c.blocked_at,
    person.c.erase_at_close,
    conversation.c.note,
    conversation.c.turn_owner,
    conversation.c.review,
)


def _read(row: Row[Any]) -> Conversation:
    values = list(row)
    values[2] = Address.parse(values[2])
    values[5] = Level(values[5])
    values[9] = Language(values[9]) if values[9] else None
    values[11] = Script(values[11])
    return Conversation(*values)


def _many(column: Any) -> Any:
    """A condition on a column with the values given when the statement runs."""
    return column.in_(bindparam("values", expanding=True))


# Statements of the hot path are built once: building one costs as much as running it.
_JOINED: Select[Any] = select(*_COLUMNS).join(person, person.c.id == conversation.c.person_id)
_LOCK_AT = _JOINED.where(_many(conversation.c.address)).order_by(conversation.c.id).with_for_update(of=conversation)
_LOCK = _JOINED.where(_many(conversation.c.id)).order_by(conversation.c.id).with_for_update(of=conversation)
_FENCES = select(conversation.c.id, conversation.c.fence).where(_many(conversation.c.id))


async def find_or_create(tx: Transaction, addresses: Iterable[Address]) -> dict[Address, Conversation]:
    """The conversations at these addresses, locked until the transaction ends; new ones are made."""
    wanted = sorted({str(a) for a in addresses})
    found = [_read(row) for row in await tx.connection.execute(_LOCK_AT, {"values": wanted})]
    if missing := sorted(set(wanted) - {str(c.address) for c in found}):
        await _create(tx, missing)
        found = [_read(row) for row in await tx.connection.execute(_LOCK_AT, {"values": wanted})]
    return {c.address: c for c in found}


async def _create(tx: Transaction, missing: Sequence[str]) -> None:
    ids = (
        await tx.connection.scalars(
            insert(person).returning(person.c.id), [{"created_at": tx.now, "language": None} for _ in missing]
        )
    ).all()
    rows = [{"person_id": i, "address": a} for i, a in zip(ids, missing, strict=True)]
    if tx.connection.dialect.name == "sqlite":
        await tx.connection.execute(insert(conversation), rows)
        return
    from sqlalchemy.dialects.postgresql import insert as upsert

    await tx.connection.execute(upsert(conversation).on_conflict_do_nothing(), rows)
    used = await tx.connection.scalars(select(conversation.c.person_id).where(conversation.c.person_id.in_(ids)))
    if orphans := set(ids) - set(used):  # another process made the same conversation a moment ago
        await tx.connection.execute(person.delete().where(person.c.id.in_(orphans)))


async def lock(tx: Transaction, ids: Iterable[int]) -> dict[int, Conversation]:
    """These conversations by id, locked until the transaction ends. Erased ones are missing."""
    rows = await tx.connection.execute(_LOCK, {"values": sorted(set(ids))})
    return {c.id: c for c in map(_read, rows)}


async def get(tx: Transaction, id: int) -> Conversation | None:  # noqa: A002
    """One conversation as it stands, not locked."""
    row = (await tx.connection.execute(_JOINED.where(conversation.c.id == id))).one_or_none()
    return _read(row) if row else None


async def of_person(tx: Transaction, person_id: int) -> list[int]:
    """The ids of a person's conversations."""
    query = select(conversation.c.id).where(conversation.c.person_id == person_id).order_by(conversation.c.id)
    return list(await tx.connection.scalars(query))


async def at(tx: Transaction, address: Address) -> Conversation | None:
    """The conversation at an address, not locked."""
    row = (await tx.connection.execute(_JOINED.where(conversation.c.address == str(address)))).one_or_none()
    return _read(row) if row else None


_SAVE = update(conversation).where(conversation.c.id == bindparam("row_id"))
_SAVE_PERSON = update(person).where(person.c.id == bindparam("row_id"))


async def save(tx: Transaction, conversations: Iterable[Conversation]) -> None:
    """Write back what may have changed of locked conversations."""
    rows = [
        {
            "row_id": c.id,
            "holder": c.holder,
            "fence": c.fence,
            "level": c.level.value,
            "last_seq": c.last_seq,
            "last_in_at": c.last_in_at,
            "turn_due_at": c.turn_due_at,
        }
        for c in conversations
    ]
    if rows:
        await tx.connection.execute(_SAVE, rows)


async def save_persons(tx: Transaction, conversations: Iterable[Conversation]) -> None:
    """Write back what may have changed of the persons in locked conversations."""
    rows = [
        {
            "row_id": c.person_id,
            "language": c.language.value if c.language else None,
            "language_chosen": c.language_chosen,
            "script": c.script.value,
            "country": c.country,
            "blocked_at": c.blocked_at,
            "erase_at_close": c.erase_at_close,
        }
        for c in conversations
    ]
    if rows:
        await tx.connection.execute(_SAVE_PERSON, rows)


async def set_review(tx: Transaction, id: int, on: bool) -> None:  # noqa: A002
    """Say whether a counsellor approves each answer of a conversation before it leaves."""
    await tx.connection.execute(update(conversation).where(conversation.c.id == id).values(review=on))


async def set_note(tx: Transaction, id: int, note: str) -> None:  # noqa: A002
    """Keep the counsellor's hand-back note, which the bot reads."""
    await tx.connection.execute(
        update(conversation).where(conversation.c.id == id).values(note=tx.cipher.seal(note) if note else None)
    )


async def fences(tx: Transaction, ids: Iterable[int]) -> dict[int, int]:
    """The fences of conversations as they stand."""
    rows = await tx.connection.execute(_FENCES, {"values": list(ids)})
    return {row.id: row.fence for row in rows}
