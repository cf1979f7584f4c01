"""Second opinions that are still to come: which messages are to be judged again, claimed with a lease.

A row goes when its opinion was given or came too late, and with its message.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, insert, or_, select, update

from bot.store.schema import opinion
from bot.store.store import Transaction
from bot.store.wake import OPINIONS

MAX_ATTEMPTS = 2
"""A message whose claim ended in a crash is tried once more: the crash may have been its own doing."""


async def expect(tx: Transaction, message_ids: Sequence[int]) -> None:
    """Have these messages judged again."""
    if message_ids:
        await tx.connection.execute(insert(opinion), [{"message_id": i, "created_at": tx.now} for i in message_ids])
        tx.ring(OPINIONS)


async def claim(tx: Transaction, owner: str, limit: int, lease: timedelta) -> list[int]:
    """Take messages to be judged, the oldest first. Gives their ids."""
    due = (
        select(opinion.c.message_id)
        .where(or_(opinion.c.lease_until.is_(None), opinion.c.lease_until < tx.now), opinion.c.attempts < MAX_ATTEMPTS)
        .order_by(opinion.c.message_id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    rows = await tx.connection.scalars(
        update(opinion)
        .where(opinion.c.message_id.in_(due.scalar_subquery()))
        .values(owner=owner, lease_until=tx.now + lease, attempts=opinion.c.attempts + 1)
        .returning(opinion.c.message_id)
    )
    return sorted(rows)


async def settle(tx: Transaction, message_id: int, owner: str) -> bool:
    """The opinion was given. False if it was no longer `owner`'s to give: overtaken, too late, or erased."""
    found = await tx.connection.execute(
        delete(opinion)
        .where(opinion.c.message_id == message_id, opinion.c.owner == owner)
        .returning(opinion.c.message_id)
    )
    return found.one_or_none() is not None


async def give_up(tx: Transaction, before: datetime) -> int:
    """Forget opinions on messages that came before this time. Gives their number."""
    found = await tx.connection.scalars(
        delete(opinion).where(opinion.c.created_at < before).returning(opinion.c.message_id)
    )
    return len(found.all())
