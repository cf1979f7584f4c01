"""What users said of answers, with what wrote them. No text is kept here."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, select, update

from bot.store.schema import feedback, message
from bot.store.store import Transaction
from config import Language
from engine import Level

REASONS = ("missed", "general", "practical")
"""What can have been missing: it missed the point, was too general, gave no practical advice."""

GROUPS = ("generator", "version", "language", "level")
"""What answers can be compared by."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an answer came from: what wrote it, in which language, and how urgent was what it answered."""

    generator: str
    version: str
    language: Language
    level: Level


@dataclass(frozen=True, slots=True)
class Count:
    """How often answers of one group were called helpful or not, and what was missing."""

    group: tuple[str, ...]
    helpful: int
    unhelpful: int
    reasons: dict[str, int]


async def put(tx: Transaction, message_id: int, helpful: bool, origin: Origin) -> None:
    """Keep what a user said of an answer; what they said of it before is replaced."""
    values: dict[str, Any] = {"helpful": helpful, "at": tx.now} | ({"reason": None} if helpful else {})
    known = update(feedback).where(feedback.c.message_id == message_id).values(values).returning(feedback.c.message_id)
    if (await tx.connection.execute(known)).one_or_none():
        return
    made = {"generator": origin.generator, "version": origin.version, "language": origin.language.value}
    row = {"message_id": message_id, "level": origin.level.value} | made | values
    await tx.connection.execute(insert(feedback).values(row))


async def explain(tx: Transaction, message_id: int, reason: str) -> bool:
    """Keep what was missing in an answer that did not help. False if nobody said that it did not."""
    query = update(feedback).where(feedback.c.message_id == message_id, feedback.c.helpful.is_(False))
    found = await tx.connection.execute(query.values(reason=reason).returning(feedback.c.message_id))
    return found.one_or_none() is not None


async def asked_at(tx: Transaction, conversation_id: int) -> datetime | None:
    """When the user was last asked what was missing."""
    query = select(feedback.c.asked_at).join(message, message.c.id == feedback.c.message_id)
    last = query.where(message.c.conversation_id == conversation_id, feedback.c.asked_at.is_not(None))
    value: datetime | None = await tx.connection.scalar(last.order_by(feedback.c.asked_at.desc()).limit(1))
    return value


async def ask(tx: Transaction, message_id: int) -> None:
    """Note that the user is asked what was missing in an answer."""
    await tx.connection.execute(update(feedback).where(feedback.c.message_id == message_id).values(asked_at=tx.now))


async def of(tx: Transaction, message_ids: Iterable[int]) -> dict[int, tuple[bool, str | None]]:
    """What was said of these answers: whether it helped, and what was missing."""
    if not (ids := list(message_ids)):
        return {}
    query = select(feedback.c.message_id, feedback.c.helpful, feedback.c.reason)
    rows = await tx.connection.execute(query.where(feedback.c.message_id.in_(ids)))
    return {row.message_id: (row.helpful, row.reason) for row in rows}


async def counts(tx: Transaction, by: Sequence[str], since: datetime | None = None) -> list[Count]:
    """Feedback counted by some of GROUPS, in their order."""
    columns = [feedback.c[name] for name in by]
    query = select(*columns, feedback.c.helpful, feedback.c.reason, func.count())
    if since:
        query = query.where(feedback.c.at >= since)
    rows = await tx.connection.execute(
        query.group_by(*columns, feedback.c.helpful, feedback.c.reason).order_by(*columns)
    )
    found: dict[tuple[str, ...], Count] = {}
    for *group, helpful, reason, number in rows:
        before = found.get(tuple(group), Count(tuple(group), 0, 0, {}))
        found[before.group] = Count(
            before.group,
            before.helpful + number * helpful,
            before.unhelpful + number * (not helpful),
            before.reasons | ({reason: number} if reason else {}),
        )
    return list(found.values())
