"""Handoffs inside a transaction: open, raise, and say when the person cannot be reached.

Callers hold the lock of the conversation (`conversations.lock` or `find_or_create`), so nothing here can race.
"""

from dataclasses import dataclass, replace

from bot.case_words import label
from bot.desks import Desks
from bot.pager import Pager
from bot.reopening import lately
from bot.speak import Speaker
from bot.store import Transaction, conversations, handoffs, messages, outbox
from bot.store.conversations import Conversation
from bot.store.handoffs import Handoff
from bot.store.wake import page
from bot.wording import Wording
from config import load_texts
from engine import About, Assessment, Level


@dataclass(frozen=True, slots=True)
class Handoffs:
    """Opens handoffs and calls counsellors."""

    desks: Desks
    speaker: Speaker
    wording: Wording
    pager: Pager

    async def open_or_raise(
        self, tx: Transaction, person: Conversation, found: Assessment, message_id: int, current: Handoff | None
    ) -> Handoff:
        """A message at URGENT or above: open a handoff, or raise the open one. Changes `person`; the caller saves.

        The user gets the reviewed safety text unless a counsellor is already there; counsellors get alerts; whatever
        the bot was about to say is dropped.
        """
        if current is None:
            return await self._open(tx, person, found, message_id)
        if found.level.rank > current.rank or (not found.unsure and await self.is_unsure(tx, current)):
            return await self._raise(tx, person, found, message_id, current)
        return current

    async def is_unsure(self, tx: Transaction, current: Handoff) -> bool:
        """Whether a handoff rests on a guess so far: then the bot goes on answering until somebody takes it."""
        judged = await messages.assessments(tx, [current.message_id or 0])
        opened = judged.get(current.message_id or 0)
        return opened is not None and opened.unsure

    async def _open(self, tx: Transaction, person: Conversation, found: Assessment, message_id: int) -> Handoff:
        await self._hold(tx, person, answered=not found.unsure)
        handoff = await handoffs.add(
            tx,
            person.id,
            found.level,
            found.level.rank,
            found.category,
            found.about,
            "screen",
            message_id,
            tx.now,
        )
        before = await lately(tx, person)
        await handoffs.note(tx, handoff.id, "bot", "reopened" if before else "opened", found.level.value)
        queued = "handoff.queued" if self._somebody_on_call(tx) else "handoff.queued_off_duty"
        queued = "handoff.reopened" if before and queued == "handoff.queued" else queued
        await self._comfort(tx, person, found, handoff, message_id, [self.wording.text(person, queued)])
        return await self.pager.alert(tx, person, handoff, found, "desk.alert")

    async def _raise(
        self, tx: Transaction, person: Conversation, found: Assessment, message_id: int, current: Handoff
    ) -> Handoff:
        level = max(found.level, current.level)
        await handoffs.change(
            tx,
            current.id,
            level=level,
            rank=level.rank,
            category=found.category,
            about=found.about,
            message_id=message_id,
        )
        await handoffs.note(tx, current.id, "bot", "raised", level.value)
        raised = replace(current, level=level, rank=level.rank, category=found.category, about=found.about)
        if current.state == handoffs.WAITING:
            await self._hold(tx, person)
            await self._comfort(tx, person, found, raised, message_id, [])
        await outbox.drop_alerts(tx, raised.id, "the danger rose")
        return await self.pager.alert(tx, person, raised, found, "desk.raised", step=raised.step)

    async def request(self, tx: Transaction, person: Conversation, message_id: int) -> Handoff:
        """The user asked for a person, without danger. Changes `person`; the caller saves."""
        await self._hold(tx, person)
        handoff = await handoffs.add(tx, person.id, Level.NONE, 0, None, About.SELF, "request", message_id, tx.now)
        await handoffs.note(tx, handoff.id, "user", "requested")
        queued = "handoff.requested" if self._somebody_on_call(tx) else "handoff.queued_off_duty"
        await self.speaker.to_person(
            tx, person, outbox.Kind.NOTICE, [self.wording.text(person, queued)], handoff_id=handoff.id
        )
        return await self.pager.alert(tx, person, handoff, None, "desk.request")

    def _somebody_on_call(self, tx: Transaction) -> bool:
        roster = self.desks.roster
        return any(roster.on_call(rung, tx.now) for rung in range(len(roster.ladder)))

    async def _hold(self, tx: Transaction, person: Conversation, answered: bool = True) -> None:
        """Nothing that was being written for the person leaves any more; what waited is answered by what comes now,
        unless `answered` is false."""
        person.holder = conversations.WAITING
        person.fence += 1
        await outbox.drop_fenced(tx, person.id, person.fence, "a handoff began")
        if answered:
            person.turn_due_at = None
            await messages.finish_pending(tx, person.id)

    async def _comfort(
        self,
        tx: Transaction,
        person: Conversation,
        found: Assessment,
        handoff: Handoff,
        message_id: int,
        more: list[str],
    ) -> None:
        said = await messages.get(tx, message_id)
        first = self.wording.safety_in_other(person, found, said.text if said else "")
        texts = [*first, self.wording.safety(person, found), *more]
        await self.speaker.to_person(tx, person, outbox.Kind.CRISIS, texts, handoff_id=handoff.id)

    async def tell_late(self, tx: Transaction, person: Conversation) -> None:
        """What the platform held back while somebody was being helped arrives now: say so."""
        if person.holder != conversations.BOT:
            text = self.wording.text(person, "handoff.arrived_late")
            await self.speaker.to_person(tx, person, outbox.Kind.NOTICE, [text])

    async def tell_unreachable(self, tx: Transaction, person: Conversation, reason: str) -> None:
        """Tell the counsellors who care about a person that texts no longer arrive. `reason`: a key of desk.reason."""
        handoff = await handoffs.open_of(tx, person.id)
        if handoff is None:
            return
        await handoffs.note(tx, handoff.id, "bot", "unreachable", reason)
        called, _ = self.desks.roster.step(handoff.step, tx.now)
        if handoff.counsellor:
            called = tuple(c for c in self.desks.roster.counsellors if c.id == handoff.counsellor)
        for counsellor in called:
            words = load_texts(counsellor.languages[0])
            text = f"{label(words, person)}: " + words.get("desk.blocked", reason=words.get(f"desk.reason.{reason}"))
            for address in self.desks.addresses(counsellor):
                await self.speaker.to_desk(
                    tx, person.id, address, outbox.Kind.NOTICE, text, counsellor=counsellor.id, handoff_id=handoff.id
                )
        words = load_texts(self.pager.operators.language)
        fields = {"name": label(words, person), "reason": words.get(f"desk.reason.{reason}")}
        await self.pager.operators.tell(tx, person.id, "user_unreachable", fields, person.id)
        tx.ring(page(person.address))
