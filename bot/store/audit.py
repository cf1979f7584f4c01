"""What should not be: open handoffs without a next step in sight, sends and turns that nobody finishes. And repairs.

Repairs only put work back where its own worker finds it; they are harmless if that worker was about to do it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import or_, select, update

from bot.store import escalations
from bot.store.outbox import Kind
from bot.store.schema import conversation, escalation, handoff, outbox
from bot.store.store import Transaction
from bot.store.wake import HANDOFFS, OUTBOX, TURNS
from config import Step

LATE = timedelta(minutes=5)
"""How late a step, a send or a turn may be before it counts as forgotten."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page that nobody sends."""

    conversation_id: int
    handoff_id: int
    counsellor: str
    platform: str


async def late_handoffs(tx: Transaction) -> list[int]:
    """Conversations whose handoff is past its next step, or has one so far away that it must be a mistake.

    Below EMERGENCY the pause grows to a tenth of the waiting so far; nothing else is longer than an hour.
    """
    rows = await tx.connection.execute(
        select(handoff.c.conversation_id, handoff.c.next_step_at, handoff.c.created_at).where(
            handoff.c.state != "closed",
            or_(handoff.c.next_step_at < tx.now - LATE, handoff.c.next_step_at > tx.now + timedelta(hours=1) + LATE),
        )
    )
    return [row.conversation_id for row in rows if _is_off(row.next_step_at, row.created_at, tx.now)]


def _is_off(next_step_at: datetime, created_at: datetime, now: datetime) -> bool:
    bound = max(timedelta(hours=1), (now - created_at) / 10) + LATE
    return next_step_at < now or next_step_at > now + bound


async def step_now(tx: Transaction, conversation_ids: list[int]) -> None:
    """The next step of these handoffs comes at once."""
    await tx.connection.execute(
        update(handoff)
        .where(handoff.c.conversation_id.in_(conversation_ids), handoff.c.state != "closed")
        .values(next_step_at=tx.now)
    )
    tx.ring(HANDOFFS)


async def give_ladders(tx: Transaction, ladder: tuple[Step, ...]) -> int:
    """Open handoffs from before ladders were kept get the one of now. How many there were."""
    kept = select(escalation.c.handoff_id)
    missing = list(
        await tx.connection.scalars(select(handoff.c.id).where(handoff.c.state != "closed", handoff.c.id.not_in(kept)))
    )
    for id in missing:  # noqa: A001
        await escalations.begin(tx, id, ladder)
    return len(missing)


async def free_sends(tx: Transaction) -> list[int]:
    """Rows whose sender died long ago get an end: pages and safety texts wait again, the rest is of unknown outcome.

    Gives their conversations. Delivery does the same after seconds; this is for rows that no delivery looks at.
    """
    stuck = (outbox.c.state == "sending", outbox.c.lease_until < tx.now - LATE)
    again = [kind.value for kind in Kind if kind.repeats]
    free = {"owner": None, "lease_until": None, "reason": "its sender died"}
    found = list(await tx.connection.scalars(select(outbox.c.conversation_id).where(*stuck)))
    await tx.connection.execute(
        update(outbox).where(*stuck, outbox.c.kind.in_(again)).values(state="waiting", due_at=tx.now, **free)
    )
    await tx.connection.execute(update(outbox).where(*stuck).values(state="unknown", due_at=None, **free))
    tx.ring(OUTBOX)
    return found


async def waiting_pages(tx: Transaction) -> list[Page]:
    """Pages that are overdue and that nobody has tried: no process serves their platform, or it hangs."""
    rows = await tx.connection.execute(
        select(outbox.c.conversation_id, outbox.c.handoff_id, outbox.c.counsellor, outbox.c.platform).where(
            outbox.c.state == "waiting",
            outbox.c.kind == Kind.ALERT.value,
            outbox.c.handoff_id.is_not(None),
            outbox.c.due_at < tx.now - escalations.OVERDUE,
        )
    )
    return [Page(row.conversation_id, row.handoff_id, row.counsellor or "", row.platform) for row in rows]


async def free_turns(tx: Transaction) -> list[int]:
    """Conversations that have waited for their turn for long under a dead lease, or under none; freed."""
    stuck = (
        conversation.c.turn_due_at < tx.now - LATE,
        or_(conversation.c.turn_lease_until.is_(None), conversation.c.turn_lease_until < tx.now - LATE),
    )
    found = list(await tx.connection.scalars(select(conversation.c.id).where(*stuck)))
    await tx.connection.execute(
        update(conversation).where(conversation.c.id.in_(found)).values(turn_lease_until=None, turn_owner=None)
    )
    tx.ring(TURNS)
    return found
