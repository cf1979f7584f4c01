"""What counsellors answer to a page besides taking the case: I'm coming, I can't, call more people.

Each answer is one key of `desk.` with its fields, to be shown to whoever pressed. Late presses change nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from prometheus_client import Histogram

from bot.desks import Desks
from bot.paging import plan
from bot.store import Store, Transaction, conversations, escalations, handoffs, outbox
from bot.store.escalations import Escalation
from bot.store.handoffs import Handoff
from engine import Level

TO_ACK = Histogram(
    "psyllm_handoff_seconds_to_ack",
    "From opening a handoff to the first counsellor who said that they are coming",
    buckets=(1, 5, 15, 30, 60, 120, 300, 900),
)


@dataclass(frozen=True, slots=True)
class Said:
    """What is said back: `desk.<key>` with its fields."""

    key: str
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PageAnswers:
    """Takes the answers. "I'm coming" stops the climbing for `patience`, except in an emergency."""

    store: Store
    desks: Desks
    patience: timedelta

    async def coming(self, tx: Transaction, handoff_id: int, counsellor: str) -> Said:
        """The counsellor is on the way: nobody else is called for a while. An emergency goes on calling the others."""
        found, state, late = await self._waiting(tx, handoff_id)
        if late or found is None or state is None:
            return late or Said("no_case")
        if (other := state.coming(tx.now)) and other != counsellor:
            return Said("another_comes", {"name": self._name(other)})
        if not await escalations.happened(tx, handoff_id, "coming"):
            TO_ACK.observe((tx.now - found.created_at).total_seconds())
        until = tx.now + self.patience
        await escalations.change(tx, handoff_id, acked_by=counsellor, acked_until=until)
        await handoffs.note(tx, handoff_id, counsellor, "coming")
        if found.level is Level.EMERGENCY:
            return Said("coming_emergency")
        await handoffs.change(tx, handoff_id, next_step_at=until)
        return Said("coming", {"minutes": f"{self.patience.total_seconds() / 60:g}"})

    async def cannot(self, tx: Transaction, handoff_id: int, counsellor: str) -> Said:
        """The counsellor cannot come: they are not paged again, and unless others are being paged, the next step is."""
        found, state, late = await self._waiting(tx, handoff_id)
        if late or found is None or state is None:
            return late or Said("no_case")
        await handoffs.note(tx, handoff_id, counsellor, "cannot_come")
        await outbox.drop(tx, await escalations.unsent_of(tx, handoff_id, counsellor), "cannot come")
        was_coming = state.acked_by == counsellor
        if was_coming:
            await escalations.change(tx, handoff_id, acked_by=None, acked_until=None)
        declined = await escalations.declined(tx, handoff_id)
        if not self._somebody_else(tx, found, state, declined):
            return Said("cannot_come_alone")
        reached = await escalations.under_way(tx, handoff_id, state.paged_at)
        if was_coming or not reached - declined:
            await self._climb(tx, found, state)
        return Said("cannot_come")

    async def call_more(self, tx: Transaction, handoff_id: int, counsellor: str, step: int) -> Said:
        """The next step now, whoever said that they are coming; unless the page was about a step that is over."""
        found, state, late = await self._waiting(tx, handoff_id)
        if late or found is None or state is None:
            return late or Said("no_case")
        if found.step > step:
            return Said("called_already")
        await handoffs.note(tx, handoff_id, counsellor, "call_more")
        await self._climb(tx, found, state)
        return Said("called_more")

    async def _climb(self, tx: Transaction, found: Handoff, state: Escalation) -> None:
        """The next step comes at once, without the repeats that this one would have had."""
        rung = state.ladder[min(found.step, len(state.ladder) - 1)]
        await escalations.change(tx, found.id, count=max(state.count, rung.repeat))
        await handoffs.change(tx, found.id, next_step_at=tx.now)

    def _somebody_else(self, tx: Transaction, found: Handoff, state: Escalation, declined: frozenset[str]) -> bool:
        roster = self.desks.roster.with_ladder(state.ladder)
        top = plan(roster, found.level, len(state.ladder) - 1, 0, tx.now, declined)
        return any(c.id not in declined for c in top.people)

    async def _waiting(self, tx: Transaction, handoff_id: int) -> tuple[Handoff | None, Escalation | None, Said | None]:
        """The handoff under its conversation's lock; or what to say to somebody who comes late."""
        found = await handoffs.get(tx, handoff_id)
        if found:
            await conversations.lock(tx, [found.conversation_id])
            found = await handoffs.get(tx, handoff_id)
        if found is None:
            return None, None, Said("no_case")
        if found.state == handoffs.CLOSED:
            return found, None, Said("closed")
        if found.state == handoffs.CLAIMED:
            return found, None, Said("too_late", {"name": self._name(found.counsellor)})
        return found, await escalations.get(tx, handoff_id), None

    def _name(self, counsellor: str | None) -> str:
        known = self.desks.roster.counsellor(counsellor or "")
        return known.name if known else (counsellor or "")
