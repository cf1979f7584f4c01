"""Turns: which conversations have something to handle, claimed with a lease.

A conversation's row is its own queue head: `turn_due_at` says when its oldest pending message is to be handled. So
messages of one conversation are handled in order, and conversations never wait for each other.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Integer, bindparam, case, exists, func, or_, select, update

from bot.store.schema import Instant, conversation, message
from bot.store.store import Transaction

MAX_ATTEMPTS = 5
"""After so many claims that ended in a crash, a message is answered with a fixed text instead of being tried again."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to handle a conversation's oldest messages while its lease lasts. `attempts` counts earlier claims.

    `owner` is another one at each claim: so an answer that outlived its lease is told from the one that replaced it.
    """

    conversation_id: int
    owner: str
    attempts: int


_NOW = bindparam("now", type_=Instant())
_IDS = conversation.c.id.in_(bindparam("ids", expanding=True))
_OWNED = conversation.c.turn_owner.in_(bindparam("owners", expanding=True))
_DUE = (
    select(conversation.c.id)
    .where(
        conversation.c.turn_due_at <= _NOW,
        or_(conversation.c.turn_lease_until.is_(None), conversation.c.turn_lease_until < _NOW),
    )
    .order_by(conversation.c.turn_due_at)
    .limit(bindparam("most", type_=Integer()))
    .with_for_update(skip_locked=True)
)
_CLAIM = (
    update(conversation)
    .where(conversation.c.id.in_(_DUE.scalar_subquery()))
    .values(
        turn_owner=bindparam("owner"),
        turn_lease_until=bindparam("until"),
        turn_attempts=conversation.c.turn_attempts + 1,
    )
    .returning(conversation.c.id, conversation.c.turn_attempts)
)
_MORE = exists().where(message.c.conversation_id == conversation.c.id, message.c.state == "pending")
_RELEASE = {
    again: update(conversation)
    .where(_IDS, _OWNED)
    .values(
        turn_owner=None,
        turn_lease_until=None,
        turn_due_at=case((_MORE, bindparam("due", type_=Instant())), else_=None),
        turn_attempts=conversation.c.turn_attempts if again else 0,
    )
    for again in (False, True)
}
_NEXT = select(func.min(func.coalesce(conversation.c.turn_lease_until, conversation.c.turn_due_at))).where(
    conversation.c.turn_due_at.is_not(None)
)


async def claim(tx: Transaction, limit: int, lease: timedelta) -> list[Claim]:
    """Take conversations that are due and not claimed, longest waiting first."""
    owner = uuid.uuid4().hex
    values = {"now": tx.now, "most": limit, "owner": owner, "until": tx.now + lease}
    rows = await tx.connection.execute(_CLAIM, values)
    return [Claim(row.id, owner, row.turn_attempts - 1) for row in rows]


async def release(tx: Transaction, claims: Sequence[Claim], again_at: datetime | None = None) -> None:
    """Give claims back. Conversations with more pending messages are due at once, or at `again_at` after a failure."""
    if claims:
        ids, owners = [c.conversation_id for c in claims], sorted({c.owner for c in claims})
        values = {"ids": ids, "owners": owners, "due": again_at or tx.now}
        await tx.connection.execute(_RELEASE[again_at is not None], values)


async def renew(tx: Transaction, claims: Sequence[Claim], lease: timedelta) -> None:
    """Keep claims alive while slow answers are written."""
    await tx.connection.execute(
        update(conversation)
        .where(
            conversation.c.id.in_([c.conversation_id for c in claims]),
            conversation.c.turn_owner.in_(sorted({c.owner for c in claims})),
        )
        .values(turn_lease_until=tx.now + lease)
    )


async def next_due(tx: Transaction) -> datetime | None:
    """When the next conversation can be claimed: falls due or is given up by a dead process. May be in the past."""
    value = await tx.connection.scalar(_NEXT)
    return value if value is None or value.tzinfo else value.replace(tzinfo=UTC)
