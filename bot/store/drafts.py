"""Drafts: answers that the engine wrote for a counsellor to send, edit or throw away. The text goes when they decide.

waiting -> sent | edited | discarded | overtaken
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, func, insert, select, update

from bot.store.schema import draft, message
from bot.store.store import Transaction
from bot.store.wake import HANDOFFS
from config import Language
from engine import Answer, Level

WAITING, SENT, EDITED, DISCARDED, OVERTAKEN = "waiting", "sent", "edited", "discarded", "overtaken"
ASKED_FOR, REVIEW = "desk", "review"
"""A counsellor asked for it; or it answers a user and waits for approval."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A draft. `asked` is what the user wrote; `passages` are ids of the library; `text` is empty once it is decided.

    `due_at`: when the user hears that nobody has approved it yet.
    """

    id: int
    conversation_id: int
    message_id: int
    handoff_id: int | None
    kind: str
    state: str
    fence: int
    text: str
    asked: str
    passages: tuple[str, ...]
    generator: str
    version: str
    language: Language
    level: Level
    created_at: datetime
    due_at: datetime | None


def _read(tx: Transaction, row: Row[Any]) -> Draft:
    body: dict[str, Any] = tx.cipher.open_json(row.body) if row.body else {"text": "", "passages": []}
    return Draft(
        id=row.id,
        conversation_id=row.conversation_id,
        message_id=row.message_id,
        handoff_id=row.handoff_id,
        kind=row.kind,
        state=row.state,
        fence=row.fence,
        text=body["text"],
        asked=tx.cipher.open_json(row.asked)["text"],
        passages=tuple(body["passages"]),
        generator=row.generator,
        version=row.version,
        language=Language(row.language),
        level=Level(row.level),
        created_at=row.created_at,
        due_at=row.due_at,
    )


_WITH_QUESTION = select(draft, message.c.body.label("asked")).join(message, message.c.id == draft.c.message_id)


async def add(
    tx: Transaction,
    conversation_id: int,
    message_id: int,
    fence: int,
    level: Level,
    answer: Answer,
    *,
    text: str,
    kind: str,
    handoff_id: int | None = None,
    due_at: datetime | None = None,
) -> int:
    """Keep a draft: `text`, as the user would read the answer. Gives its id."""
    values = {
        "conversation_id": conversation_id,
        "message_id": message_id,
        "handoff_id": handoff_id,
        "kind": kind,
        "state": WAITING,
        "fence": fence,
        "body": tx.cipher.seal_json({"text": text, "passages": list(answer.passages)}),
        "generator": answer.generator[:60],
        "version": answer.version[:60],
        "language": answer.language.value,
        "level": level.value,
        "created_at": tx.now,
        "due_at": due_at,
    }
    made: int = (await tx.connection.execute(insert(draft).values(values).returning(draft.c.id))).scalar_one()
    tx.ring(HANDOFFS)
    return made


async def get(tx: Transaction, id: int) -> Draft | None:  # noqa: A002
    """One draft."""
    row = (await tx.connection.execute(_WITH_QUESTION.where(draft.c.id == id))).one_or_none()
    return _read(tx, row) if row else None


async def waiting(tx: Transaction, conversation_id: int) -> list[Draft]:
    """What nobody has decided on in a conversation, oldest first."""
    return await _find(tx, draft.c.state == WAITING, draft.c.conversation_id == conversation_id)


async def any_of(tx: Transaction, conversation_id: int) -> bool:
    """Whether any answer of a conversation was ever held for review."""
    query = select(draft.c.id).where(draft.c.conversation_id == conversation_id, draft.c.kind == REVIEW)
    return await tx.connection.scalar(query.limit(1)) is not None


async def to_review(tx: Transaction) -> list[Draft]:
    """Everything that waits for approval, oldest first."""
    return await _find(tx, draft.c.state == WAITING, draft.c.kind == REVIEW)


async def due(tx: Transaction) -> list[Draft]:
    """Drafts whose user should hear now that they wait, not locked."""
    return await _find(tx, draft.c.state == WAITING, draft.c.due_at <= tx.now)


async def _find(tx: Transaction, *conditions: ColumnElement[bool]) -> list[Draft]:
    rows = await tx.connection.execute(_WITH_QUESTION.where(*conditions).order_by(draft.c.id))
    return [_read(tx, row) for row in rows]


async def told(tx: Transaction, ids: Sequence[int]) -> None:
    """The users of these drafts were told; they are not told again."""
    await tx.connection.execute(update(draft).where(draft.c.id.in_(ids)).values(due_at=None))
    tx.ring(HANDOFFS)


async def decide(tx: Transaction, id: int, state: str, by: str, distance: int | None = None) -> bool:  # noqa: A002
    """What became of a waiting draft; one conditional update. Its text goes. False if it was decided on before."""
    query = update(draft).where(draft.c.id == id, draft.c.state == WAITING)
    values = {"state": state, "decided_at": tx.now, "decided_by": by, "distance": distance, "body": None}
    found = await tx.connection.execute(query.values(**values, due_at=None).returning(draft.c.id))
    tx.ring(HANDOFFS)
    return found.one_or_none() is not None


async def overtake(tx: Transaction, conversation_id: int) -> None:
    """The conversation changed hands: what waits in it answers nobody any more."""
    query = update(draft).where(draft.c.conversation_id == conversation_id, draft.c.state == WAITING)
    await tx.connection.execute(query.values(state=OVERTAKEN, decided_at=tx.now, body=None, due_at=None))


@dataclass(frozen=True, slots=True)
class Fate:
    """How many drafts of one generator and version were sent, edited or thrown away, and the mean of changes."""

    kind: str
    generator: str
    version: str
    state: str
    number: int
    distance: float | None  # mean characters changed, of edited ones


async def fates(tx: Transaction) -> list[Fate]:
    """What became of drafts, counted."""
    columns = (draft.c.kind, draft.c.generator, draft.c.version, draft.c.state)
    query = select(*columns, func.count(), func.avg(draft.c.distance)).where(draft.c.state != WAITING)
    rows = await tx.connection.execute(query.group_by(*columns).order_by(*columns))
    return [
        Fate(kind, generator, version, state, number, None if changed is None else float(changed))
        for kind, generator, version, state, number, changed in rows
    ]
