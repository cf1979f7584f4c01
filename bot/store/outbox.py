"""The outbox: every message that is to leave, committed together with what caused it, claimed and sent by delivery.

    waiting -> sending -> sent | unknown | failed | waiting again (certainly not sent)
    waiting -> dropped(reason)

One row is one platform message. Rows of one address leave one at a time, by lane, then in the order they were written.
A row without `due_at` is held until the platform's window opens.
"""

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from typing import Any

from sqlalchemy import Integer, Row, Select, and_, bindparam, exists, func, insert, or_, select, update

from adapters import Address, Button, Copy, Page, Reply, Thumbs
from bot.store import conversations, messages
from bot.store.schema import Instant, conversation, message, occurrence, outbox
from bot.store.store import Transaction
from bot.store.wake import OUTBOX, page


class Kind(StrEnum):
    """Why something leaves; decides its lane and what happens when its outcome is unknown."""

    ALERT = "alert"  # to a counsellor: somebody needs you
    CRISIS = "crisis"  # to the user: reviewed safety text
    NOTICE = "notice"  # to anybody: fixed reviewed text about how things stand
    RELAY = "relay"  # a person's words, either way
    REPLY = "reply"  # the bot's answer
    FOLLOW_UP = "follow_up"  # what the bot sends on its own
    STEP = "step"  # a step of an exercise, timed; whatever the user does takes those away that have not left

    @property
    def lane(self) -> int:
        """Lower leaves first."""
        return {"alert": 0, "crisis": 1, "follow_up": 3, "step": 3}.get(self.value, 2)

    @property
    def waits_for_window(self) -> bool:
        """Whether it is kept until the platform's window opens; a follow-up would come at the wrong time."""
        return self not in (Kind.FOLLOW_UP, Kind.STEP)

    @property
    def repeats(self) -> bool:
        """Whether a send with unknown outcome is sent again: a crisis text twice is better than none."""
        return self in (Kind.ALERT, Kind.CRISIS)


class Attempts(IntEnum):
    """How often a certainly failed send is tried."""

    ORDINARY = 8
    SAFETY = 1000  # alerts and crisis texts: hours of trying, with the back-off's ceiling


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to be sent. `transcript` False keeps it out of the user's transcript (alerts to counsellors)."""

    conversation_id: int
    address: Address
    kind: Kind
    text: str
    author: str = messages.SYSTEM
    buttons: tuple[tuple[Button, ...], ...] = ()
    fence: int | None = None
    counsellor: str | None = None
    handoff_id: int | None = None
    generator: str = ""
    version: str = ""
    thumbs: bool = False  # an answer of which the user may say whether it helped
    transcript: bool = True
    due_at: datetime | None = None  # None: now
    copy: Copy | None = None  # instead of a text
    page: Page | None = None  # of an alert; its id is the row's
    occurrence_id: int | None = None  # of the follow-up that this is
    image: bytes | None = None  # PNG, where the platform shows them


@dataclass(frozen=True, slots=True)
class Claimed:
    """A claimed row, ready to be sent."""

    id: int
    conversation_id: int
    address: Address
    kind: Kind
    reply: Reply
    attempts: int
    counsellor: str | None
    handoff_id: int | None
    created_at: datetime
    occurrence_id: int | None = None


async def add(tx: Transaction, outgoing: Sequence[Outgoing]) -> None:
    """Write rows, with their transcript messages, in order."""
    if not outgoing:
        return
    shown = [o for o in outgoing if o.transcript]
    ids = await messages.add(
        tx,
        [
            messages.New(
                conversation_id=o.conversation_id,
                author=o.author,
                text=o.text,
                at=tx.now,
                counsellor=o.counsellor if o.author == messages.COUNSELLOR else None,
                generator=o.generator,
                version=o.version,
                thumbs=o.thumbs,
                buttons=tuple(tuple((b.label, b.action) for b in line) for line in o.buttons),
                image=o.image,
            )
            for o in shown
        ],
    )
    by_row = iter(ids)
    rows = [
        {
            "conversation_id": o.conversation_id,
            "address": str(o.address),
            "platform": o.address.platform,
            "lane": o.kind.lane,
            "kind": o.kind.value,
            "fence": o.fence,
            "body": tx.cipher.seal_json(
                {
                    "text": o.text,
                    "buttons": [[[b.label, b.action] for b in line] for line in o.buttons],
                    "copy": [str(o.copy.address), o.copy.reference] if o.copy else None,
                    "thumbs": o.thumbs,
                    "image": base64.b64encode(o.image).decode() if o.image else None,
                    "page": [o.page.level, o.page.since.isoformat(), o.page.url] if o.page else None,
                }
            ),
            "author": o.author,
            "counsellor": o.counsellor,
            "message_id": next(by_row) if o.transcript else None,
            "handoff_id": o.handoff_id,
            "occurrence_id": o.occurrence_id,
            "state": "waiting",
            "due_at": o.due_at or tx.now,
            "created_at": tx.now,
        }
        for o in outgoing
    ]
    await tx.connection.execute(_ADD, rows)
    tx.ring(OUTBOX)


def _candidates() -> Select[Any]:
    """Rows that may leave: due or open, the first of their address, nothing of it under way."""
    ahead = outbox.alias()
    earlier = or_(ahead.c.lane < outbox.c.lane, and_(ahead.c.lane == outbox.c.lane, ahead.c.id < outbox.c.id))
    blocked = exists().where(
        ahead.c.address == outbox.c.address,
        or_(ahead.c.state == "sending", and_(ahead.c.state == "waiting", earlier)),
    )
    held_but_open = and_(outbox.c.due_at.is_(None), outbox.c.address.in_(bindparam("open", expanding=True)))
    return (
        select(outbox.c.id, outbox.c.conversation_id)
        .where(
            outbox.c.state == "waiting",
            or_(outbox.c.due_at <= bindparam("now", type_=Instant()), held_but_open),
            outbox.c.platform.in_(bindparam("platforms", expanding=True)),
            ~blocked,
        )
        .order_by(outbox.c.lane, outbox.c.id)
        .limit(bindparam("most", type_=Integer()))
    )


# Statements of the hot path are built once: building one costs as much as running it.
_IDS = outbox.c.id.in_(bindparam("ids", expanding=True))
_CANDIDATES = _candidates()
_STILL_WAITING = (
    select(outbox)
    .where(_IDS, outbox.c.state == "waiting")
    .order_by(outbox.c.lane, outbox.c.id)
    .with_for_update(skip_locked=True)
)
_TAKE = (
    update(outbox)
    .where(_IDS)
    .values(
        state="sending",
        owner=bindparam("new_owner"),
        lease_until=bindparam("until", type_=Instant()),
        attempts=outbox.c.attempts + 1,
    )
)
_ADD = insert(outbox)
_SEEN = update(conversation).where(conversation.c.id == bindparam("row_id"))
_NEXT = select(func.min(outbox.c.due_at)).where(
    outbox.c.state == "waiting",
    outbox.c.due_at > bindparam("now", type_=Instant()),
    outbox.c.platform.in_(bindparam("platforms", expanding=True)),
)


async def claim(
    tx: Transaction, owner: str, platforms: Iterable[str], limit: int, lease: timedelta, open_now: frozenset[str]
) -> list[Claimed]:
    """Take rows to send: due, first of their address, nothing of it under way. They become `sending` in this commit.

    Rows whose fence was passed are dropped here: the sender checks, not only the writer. `open_now` holds addresses
    that can be written to although their rows are held.
    """
    values = {"now": tx.now, "platforms": sorted(platforms), "open": sorted(open_now), "most": limit}
    candidates = {row.id: row.conversation_id for row in await tx.connection.execute(_CANDIDATES, values)}
    if not candidates:
        return []
    # Conversations are locked before their rows, here as everywhere, so that no two transactions wait for each other;
    # and a counsellor's claim, which raises the fence under the same lock, is seen here or comes after this commit.
    held = await conversations.lock(tx, candidates.values())
    candidates |= await _followers(tx, candidates, open_now)
    rows = (await tx.connection.execute(_STILL_WAITING, {"ids": list(candidates)})).all()
    stale = [row for row in rows if _is_stale(row, held[row.conversation_id])]
    taken = [row for row in rows if row not in stale]
    if stale:
        await drop(tx, [row.id for row in stale], "the conversation changed hands")
        tx.ring(OUTBOX)
    if taken:
        await _show(tx, taken, held)
        ids = [row.id for row in taken]
        await tx.connection.execute(_TAKE, {"ids": ids, "new_owner": owner, "until": tx.now + lease})
    return [_read(tx, row) for row in taken]


def _is_stale(row: Row[Any], person: conversations.Conversation) -> bool:
    """Whether a row may no longer leave: the conversation changed hands, or the user did something during the steps."""
    if row.fence is not None and row.fence != person.fence:
        return True
    return bool(row.kind == Kind.STEP.value and person.last_in_at and person.last_in_at > row.created_at)


async def _followers(tx: Transaction, heads: Mapping[int, int], open_now: frozenset[str]) -> dict[int, int]:
    """What waits behind the heads for addresses with an open request: it may join them there, in order."""
    if not open_now:
        return {}
    found = await tx.connection.execute(
        select(outbox.c.id, outbox.c.conversation_id)
        .where(
            outbox.c.state == "waiting",
            outbox.c.address.in_(sorted(open_now)),
            outbox.c.conversation_id.in_(set(heads.values())),
            or_(outbox.c.due_at.is_(None), outbox.c.due_at <= tx.now),
        )
        .order_by(outbox.c.lane, outbox.c.id)
        .limit(20)
    )
    return {row.id: row.conversation_id for row in found}


async def _show(tx: Transaction, rows: Sequence[Row[Any]], held: Mapping[int, conversations.Conversation]) -> None:
    """Give rows that are about to leave their place in the transcript. A second attempt keeps its place."""
    fresh = [row for row in rows if row.message_id and row.attempts == 0]
    if fresh:
        await messages.show(tx, [(row.message_id, held[row.conversation_id].next_seq()) for row in fresh])
        for row in fresh:
            tx.ring(page(held[row.conversation_id].address))
        seen = {row.conversation_id: held[row.conversation_id].last_seq for row in fresh}
        await tx.connection.execute(_SEEN, [{"row_id": i, "last_seq": seq} for i, seq in seen.items()])


def _read(tx: Transaction, row: Row[Any]) -> Claimed:
    body = tx.cipher.open_json(row.body)
    buttons = tuple(tuple(Button(label, action) for label, action in line) for line in body["buttons"])
    return Claimed(
        id=row.id,
        conversation_id=row.conversation_id,
        address=Address.parse(row.address),
        kind=Kind(row.kind),
        reply=Reply(
            body["text"],
            buttons,
            row.author,
            row.message_id or 0,
            _copy(body["copy"]),
            Thumbs(row.message_id) if body.get("thumbs") and row.message_id else None,
            base64.b64decode(body["image"]) if body.get("image") else None,
            _page(row, body.get("page")),
        ),
        attempts=row.attempts + 1,
        counsellor=row.counsellor,
        handoff_id=row.handoff_id,
        created_at=row.created_at,
        occurrence_id=row.occurrence_id,
    )


def _page(row: Row[Any], kept: list[str] | None) -> Page | None:
    if kept is None:
        return None
    level, since, url = kept
    return Page(row.id, row.counsellor or "", row.handoff_id or 0, level, datetime.fromisoformat(since), url)


def _copy(kept: list[str] | None) -> Copy | None:
    return Copy(Address.parse(kept[0]), kept[1]) if kept else None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a claimed row."""

    id: int
    state: str  # sent, unknown, failed, or waiting: certainly not sent
    reason: str = ""
    due_at: datetime | None = None  # of a waiting row; None holds it until the window opens
    reference: str = ""


_RECORD = update(outbox).where(outbox.c.id == bindparam("row_id"), outbox.c.state == "sending")
_REFER = update(message).where(
    message.c.id == select(outbox.c.message_id).where(outbox.c.id == bindparam("row_id")).scalar_subquery()
)


async def record(tx: Transaction, outcomes: Sequence[Outcome]) -> None:
    """Write down what became of claimed rows."""
    if not outcomes:
        return
    await tx.connection.execute(
        _RECORD,
        [
            {
                "row_id": o.id,
                "state": o.state,
                "reason": o.reason[:200],
                "due_at": o.due_at,
                "reference": o.reference[:200],
                "sent_at": tx.now if o.state == "sent" else None,
                "lease_until": None,
                "owner": None,
            }
            for o in outcomes
        ],
    )
    if named := [{"row_id": o.id, "reference": o.reference[:200]} for o in outcomes if o.reference]:
        await tx.connection.execute(_REFER, named)


async def renew(tx: Transaction, owner: str, ids: Sequence[int], lease: timedelta) -> None:
    """Keep claims alive while a slow send goes on."""
    await tx.connection.execute(
        update(outbox)
        .where(outbox.c.id.in_(ids), outbox.c.owner == owner, outbox.c.state == "sending")
        .values(lease_until=tx.now + lease)
    )


async def lapsed(tx: Transaction, repeat: bool, limit: int = 500) -> list[Claimed]:
    """Rows whose sender died: `sending` after their lease. Their outcome is unknown.

    With `repeat` those that are sent again, else the others.
    """
    kinds = [k.value for k in Kind if k.repeats is repeat]
    query = (
        select(outbox)
        .where(outbox.c.state == "sending", outbox.c.lease_until < tx.now, outbox.c.kind.in_(kinds))
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return [_read(tx, row) for row in await tx.connection.execute(query)]


async def drop(tx: Transaction, ids: Sequence[int], reason: str) -> None:
    """Give up rows that have not left, and take their texts out of the transcript."""
    if not ids:
        return
    written = await tx.connection.scalars(
        select(outbox.c.message_id).where(
            outbox.c.id.in_(ids), outbox.c.attempts == 0, outbox.c.message_id.is_not(None)
        )
    )
    await messages.forget(tx, list(written))
    await tx.connection.execute(
        update(outbox).where(outbox.c.id.in_(ids)).values(state="dropped", reason=reason, due_at=None)
    )
    state, why = _AS_FOLLOW_UP.get(reason, ("skipped", "handed_over"))
    follow_ups = select(outbox.c.occurrence_id).where(outbox.c.id.in_(ids), outbox.c.occurrence_id.is_not(None))
    await tx.connection.execute(
        update(occurrence)
        .where(occurrence.c.id.in_(follow_ups), occurrence.c.state == "queued")
        .values(state=state, reason=why, ended_at=tx.now)
    )


_AS_FOLLOW_UP = dict.fromkeys(("blocked", "the user left"), ("missed", "blocked"))
"""How an occurrence ends whose row is dropped for a reason; for any other somebody else has the conversation."""


async def drop_fenced(tx: Transaction, conversation_id: int, fence: int, reason: str) -> None:
    """Drop what the bot wrote for a conversation before its fence was raised to `fence`."""
    ids = await tx.connection.scalars(
        select(outbox.c.id).where(
            outbox.c.conversation_id == conversation_id,
            outbox.c.state == "waiting",
            outbox.c.fence.is_not(None),
            outbox.c.fence != fence,
        )
    )
    await drop(tx, list(ids), reason)


async def drop_steps(tx: Transaction, conversation_id: int) -> None:
    """Take away the steps of an exercise that have not left: what comes instead would stand behind them."""
    ids = await tx.connection.scalars(
        select(outbox.c.id).where(
            outbox.c.conversation_id == conversation_id,
            outbox.c.kind == Kind.STEP.value,
            outbox.c.state == "waiting",
        )
    )
    await drop(tx, list(ids), "the exercise went on otherwise")


async def bot_is_sending(tx: Transaction, conversation_id: int) -> bool:
    """Whether a text that the bot wrote is on its way to the platform at this moment."""
    return bool(
        await tx.connection.scalar(
            select(func.count())
            .select_from(outbox)
            .where(
                outbox.c.conversation_id == conversation_id,
                outbox.c.state == "sending",
                outbox.c.fence.is_not(None),
                outbox.c.lease_until > tx.now,
            )
        )
    )


async def next_due(tx: Transaction, platforms: Iterable[str]) -> datetime | None:
    """When the next waiting row falls due, however far away."""
    value: datetime | None = await tx.connection.scalar(_NEXT, {"now": tx.now, "platforms": sorted(platforms)})
    return value


async def release_held(tx: Transaction, address: Address) -> bool:
    """The user wrote again: what was held for them may be tried. Whether anything was."""
    released = await tx.connection.execute(
        update(outbox)
        .where(outbox.c.address == str(address), outbox.c.state == "waiting", outbox.c.due_at.is_(None))
        .values(due_at=tx.now)
    )
    return released.rowcount > 0


async def drop_for(tx: Transaction, address: Address, reason: str) -> None:
    """The user cannot be reached any more: give up what waits for them."""
    ids = await tx.connection.scalars(
        select(outbox.c.id).where(outbox.c.address == str(address), outbox.c.state == "waiting")
    )
    await drop(tx, list(ids), reason)


async def drop_alerts(tx: Transaction, handoff_id: int, reason: str) -> list[str]:
    """Nobody needs to be called any more: drop alerts that have not left. Gives the counsellors who were called."""
    rows = (
        await tx.connection.execute(
            select(outbox.c.id, outbox.c.state, outbox.c.counsellor).where(
                outbox.c.handoff_id == handoff_id, outbox.c.kind == Kind.ALERT.value
            )
        )
    ).all()
    await drop(tx, [row.id for row in rows if row.state == "waiting"], reason)
    return sorted({row.counsellor for row in rows if row.counsellor and row.state != "waiting"})


async def anybody_reached(tx: Transaction, handoff_id: int) -> bool:
    """Whether any alert about a handoff has arrived anywhere. One that failed or is still waiting has not."""
    found = await tx.connection.scalar(
        select(func.count())
        .select_from(outbox)
        .where(outbox.c.handoff_id == handoff_id, outbox.c.kind == Kind.ALERT.value, outbox.c.state == "sent")
    )
    return bool(found)


async def unfinished(tx: Transaction, address: Address) -> bool:
    """Whether anything of a conversation waits to be answered or to leave."""
    unsent = select(outbox.c.id).where(outbox.c.address == str(address), outbox.c.state.in_(("waiting", "sending")))
    unanswered = (
        select(message.c.id)
        .join(conversation, conversation.c.id == message.c.conversation_id)
        .where(conversation.c.address == str(address), message.c.state == messages.PENDING)
    )
    return bool(await tx.connection.scalar(select(or_(unsent.exists(), unanswered.exists()))))


async def somebody_is_called(tx: Transaction, handoff_id: int) -> bool:
    """Whether an alert about a handoff has arrived or may still arrive."""
    found = await tx.connection.scalar(
        select(func.count())
        .select_from(outbox)
        .where(
            outbox.c.handoff_id == handoff_id,
            outbox.c.kind == Kind.ALERT.value,
            outbox.c.state.in_(("waiting", "sending", "sent")),
        )
    )
    return bool(found)


async def about(tx: Transaction, address: Address, reference: str) -> int | None:
    """Which handoff a message in a counsellor's chat was about, by the platform's id of it."""
    query = select(outbox.c.handoff_id).where(outbox.c.address == str(address), outbox.c.reference == reference)
    value: int | None = await tx.connection.scalar(query.order_by(outbox.c.id.desc()).limit(1))
    return value
