"""How handoffs went, in numbers: how long people waited at each stage, how many waited when, how it ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from sqlalchemy import func, or_, select

from bot.store.handoffs import CLOSED
from bot.store.outbox import Kind
from bot.store.schema import handoff, handoff_event, outbox
from bot.store.store import Transaction
from engine import Level


@dataclass(frozen=True, slots=True)
class Course:
    """The course of one handoff. `paged_at`: the first alert arrived; `claimed_at`: the first claim."""

    id: int
    level: Level
    rank: int
    opened_at: datetime
    paged_at: datetime | None
    claimed_at: datetime | None
    first_word_at: datetime | None
    closed_at: datetime | None
    outcome: str | None

    def waited(self, stage: str) -> timedelta | None:
        """From the opening to a stage: paged, claimed or first_word. None if it has not come."""
        reached: datetime | None = getattr(self, f"{stage}_at")
        return reached - self.opened_at if reached else None

    def waits_at(self, moment: datetime) -> bool:
        """Whether nobody had taken it at a moment."""
        ends = [at for at in (self.claimed_at, self.closed_at) if at]
        return self.opened_at <= moment and (not ends or moment < min(ends))


STAGES = ("paged", "claimed", "first_word")


async def courses(tx: Transaction, since: datetime) -> list[Course]:
    """Handoffs that were opened since a moment or are open still, oldest first."""
    paged = (
        select(outbox.c.handoff_id, func.min(outbox.c.sent_at).label("at"))
        .where(outbox.c.kind == Kind.ALERT, outbox.c.sent_at.is_not(None))
        .group_by(outbox.c.handoff_id)
        .subquery()
    )
    claimed = (
        select(handoff_event.c.handoff_id, func.min(handoff_event.c.at).label("at"))
        .where(handoff_event.c.event == "claimed")
        .group_by(handoff_event.c.handoff_id)
        .subquery()
    )
    query = (
        select(
            handoff.c.id,
            handoff.c.level,
            handoff.c.rank,
            handoff.c.created_at,
            paged.c.at,
            claimed.c.at,
            handoff.c.first_word_at,
            handoff.c.closed_at,
            handoff.c.outcome,
        )
        .outerjoin(paged, paged.c.handoff_id == handoff.c.id)
        .outerjoin(claimed, claimed.c.handoff_id == handoff.c.id)
        .where(or_(handoff.c.created_at >= since, handoff.c.state != CLOSED))
        .order_by(handoff.c.created_at)
    )
    return [Course(r[0], Level(r[1]), *r[2:]) for r in await tx.connection.execute(query)]


def percentile(values: Sequence[timedelta], share: float) -> timedelta | None:
    """The nearest-rank percentile: the smallest value that at least this share of all do not exceed."""
    if not values:
        return None
    rank = max(1, ceil(round(share * len(values), 6)))
    return sorted(values)[rank - 1]
