"""Somebody who was with a counsellor lately and is in danger again: they need not start over with a stranger."""

from collections.abc import Set
from datetime import datetime, timedelta

from bot.store import Transaction, handoffs
from bot.store.conversations import Conversation
from bot.store.handoffs import Handoff
from config import Counsellor, Roster

LATELY = timedelta(days=3)


async def lately(tx: Transaction, person: Conversation) -> Handoff | None:
    """The last handoff of a person in which a counsellor was there, if it was closed lately."""
    closed = [h for h in await handoffs.closed_of(tx, person.person_id) if h.counsellor]
    last = closed[0] if closed else None
    return last if last and last.closed_at and tx.now - last.closed_at < LATELY else None


def same_first(
    called: tuple[Counsellor, ...], before: Handoff | None, roster: Roster, at: datetime, busy: Set[str]
) -> tuple[Counsellor, ...]:
    """Those to be paged, the counsellor of `before` first if on duty on any rung. Nobody is paged later for it."""
    on_call = frozenset[str]().union(*(roster.on_call(rung, at) for rung in range(len(roster.ladder))))
    known = roster.counsellor(before.counsellor or "") if before else None
    if known is None or known.id not in on_call - busy:
        return called
    return (known, *(c for c in called if c.id != known.id))
