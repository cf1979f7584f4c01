"""Escalation: what happens when nobody takes a handoff, or when its counsellor falls silent.

Every open handoff has a time of its next step. When it comes: unclaimed, the next rung of the ladder is called and the
user hears honestly how things stand; claimed, the counsellor is reminded, then the claim lapses and others are called.
"""

import asyncio
from datetime import timedelta

import structlog
from prometheus_client import Counter, Gauge

from bot.case_words import label
from bot.handoff import Handoffs
from bot.store import HANDOFFS, Store, Transaction, conversations, drafts, escalations, handoffs, offers, outbox, people
from bot.store.conversations import Conversation
from bot.store.handoffs import Handoff
from config import load_texts

log = structlog.get_logger(__name__)
OPEN = Gauge("psyllm_handoffs_open", "Open handoffs, by state and level", ["state", "level"])
OVERDUE = Gauge("psyllm_handoffs_overdue", "Unclaimed handoffs that wait for longer than handoff.overdue_seconds")
LAPSED = Counter("psyllm_handoff_claims_lapsed", "Claims that lapsed because the counsellor fell silent")
NOBODY = Counter("psyllm_handoffs_nobody_reached", "Steps after which no alert had arrived anywhere")


class Escalation:
    """Takes the next step of each open handoff when its time has come."""

    def __init__(
        self, store: Store, handoffs: Handoffs, lease_seconds: float, overdue_seconds: float, poll_seconds: float
    ) -> None:
        self._store = store
        self._handoffs = handoffs
        self._lease = timedelta(seconds=lease_seconds)
        self._overdue = timedelta(seconds=overdue_seconds)
        self._poll = poll_seconds

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            try:
                await self.step()
                await self._rest()
            except Exception as error:
                log.error("escalation.step_failed", error=type(error).__name__)
                await asyncio.sleep(self._poll)

    async def step(self) -> None:
        """Take every step that is due; erase who asked for it and is free to go."""
        async with self._store.reading() as tx:
            due = await handoffs.due(tx, limit=100)
            await self._count(tx)
        for found in due:
            await self._store.retrying(lambda tx, h=found: self._advance(tx, h))  # type: ignore[misc]  # bound default
        async with self._store.transaction() as tx:
            await people.sweep(tx)

    async def _advance(self, tx: Transaction, seen: Handoff) -> None:
        person = (await conversations.lock(tx, [seen.conversation_id])).get(seen.conversation_id)
        found = await handoffs.get(tx, seen.id)
        if person is None or found is None or found.next_step_at is None or found.next_step_at > tx.now:
            return  # another process, or the counsellor, was quicker
        if found.state == handoffs.CLAIMED:
            await self._watch_claim(tx, person, found)
        elif found.state == handoffs.WAITING:
            await self._call_again(tx, person, found)
        await conversations.save(tx, [person])

    async def _call_again(self, tx: Transaction, person: Conversation, found: Handoff) -> None:
        """Nobody came: call again, and more people. Who said that they were coming learns that it no longer counts."""
        state = await escalations.get(tx, found.id)
        if state and state.acked_by and not state.coming(tx.now):
            await handoffs.note(tx, found.id, state.acked_by, "did_not_come")
            await self._to_chat(tx, person, found, state.acked_by, "desk.did_not_come")
        if not await outbox.anybody_reached(tx, found.id):
            NOBODY.inc()
            log.error("escalation.nobody_reached", handoff=found.id, level=found.level.value, step=found.step)
        await self._handoffs.pager.call_again(tx, person, found)

    async def _watch_claim(self, tx: Transaction, person: Conversation, found: Handoff) -> None:
        """Remind a silent counsellor once; when the lease is over, take the claim back and call others."""
        assert found.lease_until is not None
        if tx.now < found.lease_until:
            await self._remind(tx, person, found)
            await handoffs.change(tx, found.id, next_step_at=found.lease_until)
            return
        LAPSED.inc()
        await handoffs.note(tx, found.id, found.counsellor or "", "lapsed")
        await handoffs.change(
            tx, found.id, state=handoffs.WAITING, counsellor=None, lease_until=None, step=0, reassured_at=tx.now
        )
        await offers.close(tx, found.id, offers.LAPSED)
        await drafts.overtake(tx, person.id)
        await self._to_chat(tx, person, found, found.counsellor or "", "desk.lapsed")
        person.holder = conversations.WAITING
        person.fence += 1
        text = self._handoffs.wording.text(person, "handoff.lapsed")
        await self._handoffs.speaker.to_person(tx, person, outbox.Kind.NOTICE, [text], handoff_id=found.id)
        again = await handoffs.get(tx, found.id)
        assert again is not None
        await self._handoffs.pager.start_again(tx, person, again)

    async def _remind(self, tx: Transaction, person: Conversation, found: Handoff) -> None:
        minutes = max(1, int(self._lease.total_seconds() / 2 // 60))
        await self._to_chat(tx, person, found, found.counsellor or "", "desk.lapsing", minutes=minutes)

    async def _to_chat(
        self, tx: Transaction, person: Conversation, found: Handoff, who: str, key: str, **fields: str | int
    ) -> None:
        """Write to a counsellor's chat, if they have one."""
        desks = self._handoffs.desks
        counsellor = desks.roster.counsellor(who)
        address = desks.talk_address(counsellor) if counsellor else None
        if counsellor is None or address is None:
            return
        words = load_texts(counsellor.languages[0])
        await self._handoffs.speaker.to_desk(
            tx,
            person.id,
            address,
            outbox.Kind.NOTICE,
            f"{label(words, person)}: " + words.get(key, **fields),
            counsellor=counsellor.id,
            handoff_id=found.id,
        )

    async def _count(self, tx: Transaction) -> None:
        """Set the gauges of what is open."""
        OPEN.clear()
        overdue = 0
        for found in await handoffs.queue(tx):
            OPEN.labels(found.state, found.level.value).inc()
            overdue += found.state == handoffs.WAITING and tx.now - found.created_at > self._overdue
        OVERDUE.set(overdue)

    async def _rest(self) -> None:
        async with self._store.reading() as tx:
            due = await handoffs.next_due(tx)
            seconds = (due - tx.now).total_seconds() if due else self._poll
        await self._store.wake.wait(HANDOFFS, min(max(seconds, 0.02), self._poll))
