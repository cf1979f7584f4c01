"""The transcript: every message in and out, with its assessment."""

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, and_, bindparam, insert, or_, select, update

from adapters import Attachment, Kind
from bot.store.schema import assessment, conversation, message
from bot.store.store import Transaction
from engine import About, Assessment, Category, Evidence, Level, Role, Turn

PENDING, DONE = "pending", "done"

USER, BOT, SYSTEM, COUNSELLOR = "user", "bot", "system", "counsellor"
"""Authors. `bot` wrote an answer; `system` is a fixed reviewed text."""

_ROLE = {USER: Role.USER, COUNSELLOR: Role.COUNSELLOR}


@dataclass(frozen=True, slots=True)
class Stored:
    """A message as it is kept. `seq` orders what the user sees; None: written but not on its way yet."""

    id: int
    conversation_id: int
    seq: int | None
    author: str
    counsellor: str | None
    key: str | None
    kind: Kind
    reference: str
    reply_to: str
    at: datetime
    state: str
    generator: str
    text: str
    version: str = ""  # of the generator
    thumbs: bool = False  # the user may say whether it helped
    attachments: tuple[Attachment, ...] = ()
    buttons: tuple[tuple[tuple[str, str], ...], ...] = ()
    image: bytes | None = None  # PNG

    @property
    def turn(self) -> Turn:
        """The message as the engine takes earlier talk."""
        return Turn(_ROLE.get(self.author, Role.ASSISTANT), self.text)


@dataclass(frozen=True, slots=True)
class New:
    """A message to be kept."""

    conversation_id: int
    author: str
    text: str
    at: datetime
    seq: int | None = None
    counsellor: str | None = None
    key: str | None = None
    kind: Kind = Kind.TEXT
    reference: str = ""
    reply_to: str = ""
    state: str = DONE
    generator: str = ""
    version: str = ""
    thumbs: bool = False
    attachments: tuple[Attachment, ...] = ()
    buttons: tuple[tuple[tuple[str, str], ...], ...] = field(default=())
    image: bytes | None = None


# Statements of the hot path are built once: building one costs as much as running it.
_ADD = insert(message).returning(message.c.id, sort_by_parameter_order=True)
_ADD_ASSESSMENTS = insert(assessment)
_KNOWN = select(message.c.key, message.c.id, message.c.seq).where(
    message.c.key.in_(bindparam("values", expanding=True))
)
_OF = message.c.conversation_id.in_(bindparam("values", expanding=True))
_PENDING = select(message).where(_OF, message.c.state == PENDING).order_by(message.c.id)
_FINISH = update(message).where(message.c.id.in_(bindparam("values", expanding=True))).values(state=DONE)
_SHOW = update(message).where(message.c.id == bindparam("row_id"))


def _latest(unsent: bool) -> Select[Any]:
    wanted = message.c.seq > conversation.c.last_seq - bindparam("count")
    if unsent:
        wanted = or_(wanted, and_(message.c.seq.is_(None), message.c.author != USER))
    return (
        select(message)
        .join(conversation, conversation.c.id == message.c.conversation_id)
        .where(_OF, wanted)
        .order_by(message.c.conversation_id, message.c.seq.is_(None), message.c.seq, message.c.id)
    )


_LATEST = {unsent: _latest(unsent) for unsent in (False, True)}


def _seal(tx: Transaction, new: New) -> bytes:
    body: dict[str, Any] = {"text": new.text}
    if new.attachments:
        body["attachments"] = [[a.kind, a.reference, a.name, a.mime, a.bytes] for a in new.attachments]
    if new.buttons:
        body["buttons"] = new.buttons
    if new.thumbs:
        body["thumbs"] = True
    if new.image:
        body["image"] = base64.b64encode(new.image).decode()
    return tx.cipher.seal_json(body)


def _read(tx: Transaction, row: Row[Any]) -> Stored:
    body = tx.cipher.open_json(row.body)
    return Stored(
        id=row.id,
        conversation_id=row.conversation_id,
        seq=row.seq,
        author=row.author,
        counsellor=row.counsellor,
        key=row.key,
        kind=Kind(row.kind),
        reference=row.reference,
        reply_to=row.reply_to,
        at=row.at,
        state=row.state,
        generator=row.generator,
        text=body["text"],
        version=row.version,
        thumbs=body.get("thumbs", False),
        attachments=tuple(Attachment(Kind(k), *rest) for k, *rest in body.get("attachments", ())),
        buttons=tuple(tuple((label, action) for label, action in line) for line in body.get("buttons", ())),
        image=base64.b64decode(body["image"]) if "image" in body else None,
    )


async def add(tx: Transaction, new: Sequence[New]) -> list[int]:
    """Keep messages; gives their ids in the same order."""
    if not new:
        return []
    rows = [
        {
            "conversation_id": n.conversation_id,
            "seq": n.seq,
            "author": n.author,
            "counsellor": n.counsellor,
            "key": n.key,
            "kind": n.kind.value,
            "body": _seal(tx, n),
            "reference": n.reference[:200],
            "reply_to": n.reply_to[:200],
            "at": n.at,
            "state": n.state,
            "generator": n.generator[:60],
            "version": n.version[:60],
        }
        for n in new
    ]
    return list(await tx.connection.scalars(_ADD, rows))


async def add_assessments(tx: Transaction, found: Iterable[tuple[int, Assessment]], source: str = "screen") -> None:
    """Keep the assessments of messages: pairs of message id and assessment."""
    rows = [
        {
            "message_id": message_id,
            "level": a.level.value,
            "category": a.category.value if a.category else None,
            "about": a.about.value,
            "score": a.score,
            "evidence": tx.cipher.seal_json([[e.start, e.end, e.text, e.rule] for e in a.evidence]),
            "version": a.version,
            "source": source,
            "at": tx.now,
        }
        for message_id, a in found
    ]
    if rows:
        await tx.connection.execute(_ADD_ASSESSMENTS, rows)


async def assessments(tx: Transaction, message_ids: Iterable[int]) -> dict[int, Assessment]:
    """The gravest assessment of each message."""
    rows = await tx.connection.execute(select(assessment).where(assessment.c.message_id.in_(list(message_ids))))
    found: dict[int, Assessment] = {}
    for row in rows:
        read = Assessment(
            level=Level(row.level),
            category=Category(row.category) if row.category else None,
            score=row.score,
            evidence=tuple(Evidence(*e) for e in tx.cipher.open_json(row.evidence)),
            version=row.version,
            about=About(row.about),
        )
        if row.message_id not in found or found[row.message_id].level < read.level:
            found[row.message_id] = read
    return found


async def known_keys(tx: Transaction, keys: Iterable[str]) -> dict[str, tuple[int, int | None]]:
    """Which of these platform updates are stored already: id and seq of each."""
    rows = await tx.connection.execute(_KNOWN, {"values": list(keys)})
    return {row.key: (row.id, row.seq) for row in rows}


async def latest(tx: Transaction, conversation_ids: Sequence[int], count: int, unsent: bool) -> list[Stored]:
    """The last `count` messages of each conversation, oldest first; with `unsent` then those not on their way yet."""
    rows = await tx.connection.execute(_LATEST[unsent], {"values": conversation_ids, "count": count})
    return [_read(tx, row) for row in rows]


async def pending(tx: Transaction, conversation_ids: Iterable[int]) -> dict[int, list[Stored]]:
    """Messages that wait for their turn, oldest first."""
    found: dict[int, list[Stored]] = {}
    for row in await tx.connection.execute(_PENDING, {"values": list(conversation_ids)}):
        found.setdefault(row.conversation_id, []).append(_read(tx, row))
    return found


async def since(tx: Transaction, conversation_id: int, seq: int, limit: int = 500) -> list[Stored]:
    """What the user sees after `seq`, oldest first; at most the newest `limit`."""
    query = (
        select(message)
        .where(message.c.conversation_id == conversation_id, message.c.seq > seq)
        .order_by(message.c.seq.desc())
        .limit(limit)
    )
    return [_read(tx, row) for row in await tx.connection.execute(query)][::-1]


async def before(tx: Transaction, conversation_id: int, seq: int, limit: int) -> list[Stored]:
    """The last messages that the user saw before `seq`, oldest first."""
    query = (
        select(message)
        .where(message.c.conversation_id == conversation_id, message.c.seq < seq)
        .order_by(message.c.seq.desc())
        .limit(limit)
    )
    return [_read(tx, row) for row in await tx.connection.execute(query)][::-1]


async def by_reference(tx: Transaction, conversation_id: int, reference: str) -> Stored | None:
    """The message that the platform calls `reference`."""
    query = select(message).where(message.c.conversation_id == conversation_id, message.c.reference == reference)
    row = (await tx.connection.execute(query.order_by(message.c.id.desc()).limit(1))).one_or_none()
    return _read(tx, row) if row else None


async def get(tx: Transaction, id: int) -> Stored | None:  # noqa: A002
    """One message."""
    row = (await tx.connection.execute(select(message).where(message.c.id == id))).one_or_none()
    return _read(tx, row) if row else None


async def finish(tx: Transaction, ids: Iterable[int]) -> None:
    """Mark messages as handled."""
    if rows := list(ids):
        await tx.connection.execute(_FINISH, {"values": rows})


async def show(tx: Transaction, rows: Sequence[tuple[int, int]]) -> None:
    """Give messages their place in the transcript: pairs of message id and seq."""
    if rows:
        await tx.connection.execute(_SHOW, [{"row_id": i, "seq": s} for i, s in rows])


async def rewrite(tx: Transaction, id: int, text: str) -> None:  # noqa: A002
    """Give a message that has not left another text."""
    kept = await tx.connection.scalar(select(message.c.body).where(message.c.id == id))
    body = tx.cipher.seal_json(tx.cipher.open_json(kept or b"") | {"text": text})
    await tx.connection.execute(update(message).where(message.c.id == id).values(body=body))


async def forget(tx: Transaction, ids: Iterable[int]) -> None:
    """Remove messages that were written and never left."""
    if rows := list(ids):
        await tx.connection.execute(message.delete().where(message.c.id.in_(rows)))


async def finish_pending(tx: Transaction, conversation_id: int) -> None:
    """Mark everything that waits in a conversation as handled: one text answers it all."""
    await tx.connection.execute(
        update(message)
        .where(message.c.conversation_id == conversation_id, message.c.state == PENDING)
        .values(state=DONE)
    )


async def every(tx: Transaction, conversation_id: int) -> list[Stored]:
    """A whole conversation, oldest first."""
    query = select(message).where(message.c.conversation_id == conversation_id)
    rows = await tx.connection.execute(query.order_by(message.c.seq.is_(None), message.c.seq, message.c.id))
    return [_read(tx, row) for row in rows]
