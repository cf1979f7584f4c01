"""Turns: which conversations have something to handle, claimed with a lease.

A conversation's row is its own queue head: `turn_due_at` says when its oldest pending message is to be handled. So
messages of one conversation are handled in order, and conversations never wait for each other.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import bindparam, func, or_, select, update

from bot.store.schema import conversation, message
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


async def claim(tx: Transaction, limit: int, lease: timedelta) -> list[Claim]:
    """Take conversations that are due and not claimed, longest waiting first."""
    owner = uuid.uuid4().hex
    query = (
        select(conversation.c.id, conversation.c.turn_attempts)
        .where(
            conversation.c.turn_due_at <= tx.now,
            or_(conversation.c.turn_lease_until.is_(None), conversation.c.turn_lease_until < tx.now),
        )
        .order_by(conversation.c.turn_due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    rows = (await tx.connection.execute(query)).all()
    if rows:
        await tx.connection.execute(
            update(conversation)
            .where(conversation.c.id.in_([row.id for row in rows]))
            .values(
                turn_owner=owner,
                turn_lease_until=tx.now + lease,
                turn_attempts=conversation.c.turn_attempts + 1,
            )
        )
    return [Claim(row.id, owner, row.turn_attempts) for row in rows]


_RELEASE = update(conversation).where(
    conversation.c.id == bindparam("row_id"), conversation.c.turn_owner == bindparam("mine")
)


async def release(tx: Transaction, claims: Sequence[Claim], again_at: datetime | None = None) -> None:
    """Give claims back. Conversations with more pending messages are due again at once, or at `again_at`."""
    if not claims:
        return
    claims = sorted(claims, key=lambda c: c.conversation_id)  # the order in which every transaction locks
    ids = [c.conversation_id for c in claims]
    more = set(
        await tx.connection.scalars(
            select(message.c.conversation_id).where(message.c.conversation_id.in_(ids), message.c.state == "pending")
        )
    )
    await tx.connection.execute(
        _RELEASE,
        [
            {
                "row_id": c.conversation_id,
                "mine": c.owner,
                "turn_owner": None,
                "turn_lease_until": None,
                "turn_due_at": (again_at or tx.now) if c.conversation_id in more else None,
                "turn_attempts": 0 if again_at is None else c.attempts + 1,
            }
            for c in claims
        ],
    )


async def renew(tx: Transaction, claims: Sequence[Claim], lease: timedelta) -> None:
    """Keep claims alive while slow answers are written."""
    await tx.connection.execute(
        update(conversation)
        .where(
            conversation.c.id.in_([c.conversation_id for c in claims]),
            conversation.c.turn_owner.in_({c.owner for c in claims}),
        )
        .values(turn_lease_until=tx.now + lease)
    )


async def next_due(tx: Transaction) -> datetime | None:
    """When the next conversation can be claimed: falls due or is given up by a dead process. May be in the past."""
    query = select(func.min(func.coalesce(conversation.c.turn_lease_until, conversation.c.turn_due_at)))
    value = await tx.connection.scalar(query.where(conversation.c.turn_due_at.is_not(None)))
    return value if value is None or value.tzinfo else value.replace(tzinfo=UTC)
