"""The counsellor's side: see the queue, take a conversation, talk, give it back. Console and chat desk both use it."""

import asyncio
import time
from dataclasses import dataclass
from datetime import timedelta

from prometheus_client import Counter, Histogram

from bot.handoff import Desks, label
from bot.speak import Speaker
from bot.store import TURNS, Store, Transaction, conversations, handoffs, messages, outbox
from bot.store.conversations import Conversation
from bot.store.handoffs import Event, Handoff
from bot.store.messages import Stored
from bot.store.wake import page
from bot.wording import Wording
from config import Counsellor, load_texts
from engine import Assessment

SEND_PATIENCE = 1.5
"""Seconds a claim waits for a text of the bot that is on its way at that moment, so that none comes after it."""

CASE_MESSAGES = 200
CLAIMS = Counter("psyllm_handoff_claims", "Claims of handoffs, by result", ["result"])
TO_CLAIM = Histogram(
    "psyllm_handoff_seconds_to_claim", "From opening to claim", buckets=(1, 5, 15, 25, 60, 120, 300, 900, 3600)
)


class DeskError(Exception):
    """A counsellor asked for what cannot be done. `key` names the text under `desk.` that says why."""

    def __init__(self, key: str, **fields: str) -> None:
        super().__init__(key)
        self.key = key
        self.fields = fields


@dataclass(frozen=True, slots=True)
class Claimed:
    """The result of a claim. `won` False: `holder` has it (empty if it is closed)."""

    won: bool
    holder: str
    handoff: Handoff | None


@dataclass(frozen=True, slots=True)
class Case:
    """A handoff with what a counsellor needs to see. `assessments` by message id; `evidence` led to the handoff."""

    handoff: Handoff
    person: Conversation
    messages: tuple[Stored, ...]
    assessments: dict[int, Assessment]
    events: tuple[Event, ...]

    @property
    def evidence(self) -> Assessment | None:
        """The assessment that opened or raised the handoff."""
        return self.assessments.get(self.handoff.message_id or 0)


class Desk:
    """What counsellors can do. Every method says no with a DeskError that has words for the counsellor."""

    def __init__(self, store: Store, desks: Desks, speaker: Speaker, wording: Wording, lease_seconds: float) -> None:
        self.store = store
        self._desks = desks
        self._speaker = speaker
        self._wording = wording
        self._lease = timedelta(seconds=lease_seconds)

    async def queue(self) -> list[tuple[Handoff, Conversation]]:
        """Open handoffs with their persons: unclaimed first, by danger, then by waiting time."""
        async with self.store.reading() as tx:
            return await self.queue_within(tx)

    async def queue_within(self, tx: Transaction) -> list[tuple[Handoff, Conversation]]:
        """`queue` as part of a larger transaction."""
        open_now = await handoffs.queue(tx)
        people = {h.id: await conversations.get(tx, h.conversation_id) for h in open_now}
        return [(h, person) for h in open_now if (person := people[h.id])]

    async def case(self, handoff_id: int, viewer: str) -> Case | None:
        """Everything about a handoff. The look is recorded under the viewer's id."""
        async with self.store.transaction() as tx:
            found = await handoffs.get(tx, handoff_id)
            person = await conversations.get(tx, found.conversation_id) if found else None
            if found is None or person is None:
                return None
            await handoffs.viewed(tx, person.id, viewer)
            said = await messages.latest(tx, [person.id], CASE_MESSAGES, unsent=True)
            judged = await messages.assessments(tx, [m.id for m in said if m.author == messages.USER])
            return Case(found, person, tuple(said), judged, tuple(await handoffs.events(tx, handoff_id)))

    async def message(self, message_id: int, viewer: str) -> tuple[Stored, Conversation] | None:
        """One message with its person, to show what was attached. The look is recorded under the viewer's id."""
        async with self.store.transaction() as tx:
            found = await messages.get(tx, message_id)
            person = await conversations.get(tx, found.conversation_id) if found else None
            if found is None or person is None:
                return None
            await handoffs.viewed(tx, person.id, viewer)
            return found, person

    async def claim(self, handoff_id: int, counsellor: str) -> Claimed:
        """Take a handoff. Of many who try, one wins; after the win nothing that the bot wrote leaves any more.

        If a text of the bot is on its way at this moment, the claim waits for it, at most SEND_PATIENCE seconds.
        """
        deadline = time.monotonic() + SEND_PATIENCE
        while True:
            async with self.store.transaction() as tx:
                result = await self._try_claim(tx, handoff_id, counsellor, patient=time.monotonic() < deadline)
            if result:
                CLAIMS.labels("won" if result.won else "lost").inc()
                return result
            await asyncio.sleep(0.02)

    async def _try_claim(self, tx: Transaction, handoff_id: int, counsellor: str, patient: bool) -> Claimed | None:
        found = await handoffs.get(tx, handoff_id)
        if found is None:
            return Claimed(False, "", None)
        person = (await conversations.lock(tx, [found.conversation_id])).get(found.conversation_id)
        found = await handoffs.get(tx, handoff_id)
        if found is None or person is None or found.state != handoffs.WAITING:
            mine = found is not None and found.state == handoffs.CLAIMED and found.counsellor == counsellor
            return Claimed(mine, self._name(found.counsellor if found else None), found)
        if patient and await outbox.bot_is_sending(tx, person.id):
            return None
        if not await handoffs.claim(tx, handoff_id, counsellor, self._lease):
            return None  # unreachable under the lock; looked at again if the lock ever changes
        person.holder = conversations.HUMAN
        person.fence += 1
        await outbox.drop_fenced(tx, person.id, person.fence, "a counsellor took over")
        told = await outbox.drop_alerts(tx, handoff_id, "claimed")
        await conversations.save(tx, [person])
        await handoffs.note(tx, handoff_id, counsellor, "claimed")
        await self._announce(tx, person, found, counsellor, told)
        TO_CLAIM.observe((tx.now - found.created_at).total_seconds())
        return Claimed(True, self._name(counsellor), await handoffs.get(tx, handoff_id))

    async def _announce(
        self, tx: Transaction, person: Conversation, found: Handoff, counsellor: str, alerted: list[str]
    ) -> None:
        """Tell the user who is here, the winner how to talk, and the others that they need not come."""
        name = self._name(counsellor)
        text = self._wording.text(person, "handoff.claimed", name=name)
        await self._speaker.to_person(tx, person, outbox.Kind.NOTICE, [text], handoff_id=found.id)
        for other in self._desks.roster.counsellors:
            address = self._desks.talk_address(other)
            if address is None or (other.id not in alerted and other.id != counsellor):
                continue
            words = load_texts(other.languages[0])
            if other.id == counsellor:
                text = words.get("desk.claimed_by_you", name=label(words, person))
            else:
                text = f"{label(words, person)}: " + words.get("desk.claimed_by", name=name)
            await self._speaker.to_desk(
                tx, person.id, address, outbox.Kind.NOTICE, text, counsellor=other.id, handoff_id=found.id
            )

    async def say(self, handoff_id: int, counsellor: str, text: str) -> None:
        """Write to the user as the counsellor who holds the conversation. Raises DeskError if somebody else does."""
        async with self.store.transaction() as tx:
            await self.say_within(tx, handoff_id, counsellor, text)

    async def say_within(self, tx: Transaction, handoff_id: int, counsellor: str, text: str) -> None:
        """`say` as part of a larger commit."""
        found, person = await self._held(tx, handoff_id, counsellor)
        if not text.strip():
            return
        await self._speaker.to_person(
            tx,
            person,
            outbox.Kind.RELAY,
            [text],
            author=messages.COUNSELLOR,
            counsellor=counsellor,
            handoff_id=handoff_id,
        )
        await handoffs.change(
            tx,
            handoff_id,
            lease_until=tx.now + self._lease,
            next_step_at=tx.now + self._lease / 2,
            first_word_at=found.first_word_at or tx.now,
        )
        tx.ring(page(person.address))

    async def release(self, handoff_id: int, counsellor: str, note: str, outcome: str = "other") -> None:
        """Close the handoff with an outcome and give the conversation back to the bot, which reads the note."""
        if outcome not in handoffs.OUTCOMES:
            raise ValueError(f"outcome: one of {', '.join(handoffs.OUTCOMES)}")
        async with self.store.transaction() as tx:
            await self.release_within(tx, handoff_id, counsellor, note, outcome)

    async def release_within(
        self, tx: Transaction, handoff_id: int, counsellor: str, note: str, outcome: str = "other"
    ) -> None:
        """`release` as part of a larger commit."""
        _, person = await self._held(tx, handoff_id, counsellor)
        await handoffs.change(
            tx, handoff_id, state=handoffs.CLOSED, outcome=outcome, closed_at=tx.now, next_step_at=None
        )
        await handoffs.note(tx, handoff_id, counsellor, "released", note)
        await outbox.drop_alerts(tx, handoff_id, "closed")
        person.holder = conversations.BOT
        person.fence += 1
        await conversations.save(tx, [person])
        await conversations.set_note(tx, person.id, note)
        text = self._wording.text(person, "handoff.released", name=self._name(counsellor))
        await self._speaker.to_person(tx, person, outbox.Kind.NOTICE, [text], handoff_id=handoff_id)
        tx.ring(TURNS)
        tx.ring(page(person.address))

    async def _held(self, tx: Transaction, handoff_id: int, counsellor: str) -> tuple[Handoff, Conversation]:
        """The handoff, locked, if this counsellor holds it."""
        found = await handoffs.get(tx, handoff_id)
        person = (await conversations.lock(tx, [found.conversation_id])).get(found.conversation_id) if found else None
        found = await handoffs.get(tx, handoff_id)
        if found is None or person is None or found.state == handoffs.CLOSED:
            raise DeskError("no_case")
        if found.counsellor != counsellor:
            raise DeskError("too_late", name=self._name(found.counsellor)) if found.counsellor else DeskError("lapsed")
        return found, person

    async def cases_of(self, counsellor: str) -> list[Handoff]:
        """What a counsellor holds."""
        async with self.store.reading() as tx:
            return await handoffs.held_by(tx, counsellor)

    def _name(self, counsellor: str | None) -> str:
        known = self._desks.roster.counsellor(counsellor or "")
        return known.name if known else (counsellor or "")

    def name(self, counsellor: str | None) -> str:
        """A counsellor's display name; the id of one who left the roster."""
        return self._name(counsellor)

    @property
    def counsellors(self) -> tuple[Counsellor, ...]:
        """Everybody in the roster."""
        return self._desks.roster.counsellors
