"""The counsellor's side: see the queue, take a conversation, talk, give it back. Console and chat desk both use it."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client import Counter, Histogram

from bot.case_words import label
from bot.desk.company import Company
from bot.desk.drafting import Drafting
from bot.desk.floor import DeskError, Floor
from bot.desk.records import Records
from bot.desk.transfers import Transfers
from bot.packet import Packet, build_packet
from bot.quota import say_to
from bot.store import (
    TURNS,
    Store,
    Transaction,
    companions,
    conversations,
    dispositions,
    drafts,
    handoffs,
    messages,
    notes,
    offers,
    outbox,
    plans,
)
from bot.store.companions import Companion
from bot.store.conversations import Conversation
from bot.store.drafts import Draft
from bot.store.handoffs import Event, Handoff
from bot.store.messages import Stored
from bot.store.notes import Note
from bot.store.offers import Offer
from bot.store.plans import Plan
from bot.store.wake import page
from config import Counsellor, Language, load_texts
from engine import Assessment

SEND_PATIENCE = 1.5
"""Seconds a claim waits for a text of the bot that is on its way at that moment, so that none comes after it."""

CASE_MESSAGES = 200
CLAIMS = Counter("psyllm_handoff_claims", "Claims of handoffs, by result", ["result"])
TO_FIRST_WORD = Histogram(
    "psyllm_handoff_seconds_to_first_word",
    "From opening to the first words of a counsellor",
    buckets=(1, 5, 15, 25, 60, 120, 300, 900, 3600),
)
TO_CLAIM = Histogram(
    "psyllm_handoff_seconds_to_claim", "From opening to claim", buckets=(1, 5, 15, 25, 60, 120, 300, 900, 3600)
)


@dataclass(frozen=True, slots=True)
class Claimed:
    """The result of a claim. `won` False: `holder` has it (empty if it is closed)."""

    won: bool
    holder: str
    handoff: Handoff | None


@dataclass(frozen=True, slots=True)
class Case:
    """A handoff with what a counsellor needs to see. `assessments` by message id; `evidence` led to the handoff.

    `notes` are about the person, from all handoffs; `whispers` are empty for who has no part in the case; `drafts`
    wait for a decision. `reviews`: each answer of the bot waits for a counsellor's approval.
    """

    handoff: Handoff
    person: Conversation
    messages: tuple[Stored, ...]
    assessments: dict[int, Assessment]
    events: tuple[Event, ...]
    packet: Packet
    notes: tuple[Note, ...]
    whispers: tuple[Note, ...]
    plan: Plan | None
    offer: Offer | None
    company: tuple[Companion, ...]
    drafts: tuple[Draft, ...]
    reviews: bool

    @property
    def evidence(self) -> Assessment | None:
        """The assessment that opened or raised the handoff."""
        return self.assessments.get(self.handoff.message_id or 0)

    def may_write(self, counsellor: str) -> bool:
        """Whether a counsellor's words go to the user: they hold the case, or joined it."""
        second = any(c.counsellor == counsellor and c.role == companions.SECOND for c in self.company)
        return self.handoff.state == handoffs.CLAIMED and (second or self.handoff.counsellor == counsellor)


@dataclass(frozen=True, slots=True)
class Inbox:
    """What waits for one counsellor besides the queue; `drafts` wait for anybody's approval."""

    offers: tuple[Offer, ...]
    invitations: tuple[Companion, ...]
    drafts: tuple[Draft, ...]


class Desk:
    """What counsellors can do. Every method says no with a DeskError that has words for the counsellor."""

    def __init__(self, floor: Floor, drafting: Drafting) -> None:
        self.store: Store = floor.store
        self.transfers = Transfers(floor)
        self.company = Company(floor)
        self.records = Records(floor)
        self.drafts = drafting
        self._floor = floor
        self._desks = floor.desks
        self._speaker = floor.speaker
        self._wording = floor.wording
        self._lease = floor.lease

    async def queue(self) -> list[tuple[Handoff, Conversation]]:
        """Open handoffs with their persons: unclaimed first, by danger, then by waiting time."""
        async with self.store.reading() as tx:
            return await self.queue_within(tx)

    async def queue_within(self, tx: Transaction) -> list[tuple[Handoff, Conversation]]:
        """`queue` as part of a larger transaction."""
        open_now = await handoffs.queue(tx)
        people = {h.id: await conversations.get(tx, h.conversation_id) for h in open_now}
        return [(h, person) for h in open_now if (person := people[h.id])]

    async def inbox(self, counsellor: str) -> Inbox:
        """What is held out to a counsellor, and what waits for approval."""
        async with self.store.reading() as tx:
            held_out = [o for o in await offers.every_open(tx) if self.transfers.is_for(o, counsellor)]
            invited = await companions.invitations(tx, counsellor)
            return Inbox(tuple(held_out), tuple(invited), tuple(await drafts.to_review(tx)))

    async def case(self, handoff_id: int, viewer: str) -> Case | None:
        """Everything about a handoff. The look is recorded under the viewer's id."""
        async with self.store.transaction() as tx:
            return await self.case_within(tx, handoff_id, viewer)

    async def case_within(self, tx: Transaction, handoff_id: int, viewer: str) -> Case | None:
        """`case` as part of a larger commit."""
        found = await handoffs.get(tx, handoff_id)
        person = await conversations.get(tx, found.conversation_id) if found else None
        if found is None or person is None:
            return None
        await handoffs.viewed(tx, person.id, viewer)
        return await self._case(tx, found, person, viewer)

    async def language_of(self, tx: Transaction, found: Handoff) -> Language:
        """The language of the person in a case."""
        person = await conversations.get(tx, found.conversation_id)
        return self._wording.language_of(person) if person else self._wording.language

    async def _case(self, tx: Transaction, found: Handoff, person: Conversation, viewer: str) -> Case:
        said = await messages.latest(tx, [person.id], CASE_MESSAGES, unsent=True)
        judged = await messages.assessments(tx, [m.id for m in said if m.author == messages.USER])
        company = tuple(await companions.of(tx, found.id))
        has_part = viewer == found.counsellor or viewer in {
            c.counsellor for c in company if c.role != companions.INVITED
        }
        return Case(
            handoff=found,
            person=person,
            messages=tuple(said),
            assessments=judged,
            events=tuple(await handoffs.events(tx, found.id)),
            packet=await build_packet(tx, found, person, said, judged, self._wording, self._speaker),
            notes=tuple(await notes.about(tx, person.person_id)),
            whispers=tuple(await notes.whispers(tx, found.id)) if has_part else (),
            plan=await plans.newest(tx, person.person_id),
            offer=await offers.open_of(tx, found.id),
            company=company,
            drafts=tuple(await drafts.waiting(tx, person.id)),
            reviews=self.drafts.reviews(person),
        )

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
            return Claimed(mine, self.name(found.counsellor if found else None), found)
        if patient and await outbox.bot_is_sending(tx, person.id):
            return None
        if not await handoffs.claim(tx, handoff_id, counsellor, self._lease):
            return None  # unreachable under the lock; looked at again if the lock ever changes
        person.holder = conversations.HUMAN
        person.fence += 1
        await outbox.drop_fenced(tx, person.id, person.fence, "a counsellor took over")
        await drafts.overtake(tx, person.id)
        told = await outbox.drop_alerts(tx, handoff_id, "claimed")
        await conversations.save(tx, [person])
        await companions.remove(tx, handoff_id, counsellor)  # whoever came along before holds it now
        await handoffs.note(tx, handoff_id, counsellor, "claimed")
        await self._announce(tx, person, found, counsellor, told)
        TO_CLAIM.observe((tx.now - found.created_at).total_seconds())
        return Claimed(True, self.name(counsellor), await handoffs.get(tx, handoff_id))

    async def _announce(
        self, tx: Transaction, person: Conversation, found: Handoff, counsellor: str, alerted: list[str]
    ) -> None:
        """Tell the user who is here, the winner how to talk, and the others that they need not come."""
        name = self.name(counsellor)
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

    async def decline(self, handoff_id: int, counsellor: str) -> None:
        """Say no to an invitation, or to a case held out. To a page about one that waits: `bot.page_answers`."""
        async with self.store.transaction() as tx:
            await self.decline_within(tx, handoff_id, counsellor)

    async def decline_within(self, tx: Transaction, handoff_id: int, counsellor: str) -> None:
        """`decline` as part of a larger commit."""
        mine = await companions.one(tx, handoff_id, counsellor)
        if mine is not None and mine.role == companions.INVITED:
            await self.company.decline_within(tx, handoff_id, counsellor)
        else:
            await self.transfers.decline_within(tx, handoff_id, counsellor)

    async def say(self, handoff_id: int, counsellor: str, text: str, draft_id: int | None = None) -> None:
        """Write to the user as the counsellor who holds the conversation, or who joined it.

        `draft_id` is the draft that the words came from: what became of it is kept. Raises DeskError if somebody else
        holds the conversation.
        """
        async with self.store.transaction() as tx:
            await self.say_within(tx, handoff_id, counsellor, text, draft_id)

    async def say_within(
        self, tx: Transaction, handoff_id: int, counsellor: str, text: str, draft_id: int | None = None
    ) -> None:
        """`say` as part of a larger commit."""
        found, person = await self._floor.shared(tx, handoff_id, counsellor)
        if not text.strip():
            return
        await say_to(tx, self._speaker, person, text, counsellor=counsellor, handoff_id=handoff_id)
        if draft_id is not None:
            await self.drafts.used(tx, draft_id, person, counsellor, text)
        if found.first_word_at is None:
            TO_FIRST_WORD.observe((tx.now - found.created_at).total_seconds())
        await handoffs.change(
            tx,
            handoff_id,
            lease_until=tx.now + self._lease,
            next_step_at=tx.now + self._lease / 2,
            first_word_at=found.first_word_at or tx.now,
        )
        tx.ring(page(person.address))

    async def release(
        self,
        handoff_id: int,
        counsellor: str,
        note: str,
        outcome: str = "other",
        details: Mapping[str, str] | None = None,
        verdict: str | None = None,
    ) -> None:
        """Close the handoff with an outcome and give the conversation back to the bot, which reads the note.

        `details` are the form's fields (`dispositions.FIELDS`), `verdict` one of `dispositions.VERDICTS` or what the
        outcome says by itself. Raises DeskError for a required field that is empty.
        """
        async with self.store.transaction() as tx:
            await self.release_within(tx, handoff_id, counsellor, note, outcome, details, verdict)

    async def release_within(
        self,
        tx: Transaction,
        handoff_id: int,
        counsellor: str,
        note: str,
        outcome: str = "other",
        details: Mapping[str, str] | None = None,
        verdict: str | None = None,
    ) -> None:
        """`release` as part of a larger commit."""
        if outcome not in handoffs.OUTCOMES:
            raise ValueError(f"outcome: one of {', '.join(handoffs.OUTCOMES)}")
        if empty := dispositions.missing(outcome, details or {}):
            raise DeskError("field_missing", field=empty)
        found, person = await self._floor.held(tx, handoff_id, counsellor)
        verdict = verdict or dispositions.verdict_of(outcome, found.reason)
        await dispositions.put(tx, handoff_id, outcome, verdict, details or {})
        await handoffs.change(
            tx, handoff_id, state=handoffs.CLOSED, outcome=outcome, closed_at=tx.now, next_step_at=None
        )
        await handoffs.note(tx, handoff_id, counsellor, "released", note)
        await outbox.drop_alerts(tx, handoff_id, "closed")
        await offers.close(tx, handoff_id, offers.LAPSED)
        await companions.remove(tx, handoff_id)
        await drafts.overtake(tx, person.id)
        person.holder = conversations.BOT
        person.fence += 1
        await conversations.save(tx, [person])
        await conversations.set_note(tx, person.id, note)
        text = self._wording.text(person, "handoff.released", name=self.name(counsellor))
        await self._speaker.to_person(tx, person, outbox.Kind.NOTICE, [text], handoff_id=handoff_id)
        tx.ring(TURNS)
        tx.ring(page(person.address))

    async def cases_of(self, counsellor: str) -> list[Handoff]:
        """What a counsellor holds."""
        async with self.store.reading() as tx:
            return await handoffs.held_by(tx, counsellor)

    def name(self, counsellor: str | None) -> str:
        """A counsellor's display name; the id of one who left the roster."""
        return self._floor.name(counsellor)

    @property
    def counsellors(self) -> tuple[Counsellor, ...]:
        """Everybody in the roster."""
        return self._desks.roster.counsellors
