"""Feedback: what a user says of an answer, by a thumb or in words, and at most once a day what was missing in it."""

from datetime import timedelta

from adapters import Kind
from bot.speak import Buttons, Speaker
from bot.store import Transaction, conversations, feedback, messages, outbox
from bot.store.conversations import Conversation
from bot.store.feedback import REASONS, Origin
from bot.store.messages import Stored
from bot.store.wake import page
from bot.wording import Wording
from engine import Level
from engine.language import detect

ASK_AGAIN = timedelta(days=1)
_BEFORE = 8  # messages before an answer among which the one it answers is found


class Feedback:
    """Takes feedback."""

    def __init__(self, speaker: Speaker, wording: Wording) -> None:
        self._speaker = speaker
        self._wording = wording

    async def taken(self, tx: Transaction, person: Conversation, message: Stored, argument: str) -> None:
        """`up ID`, `down ID` or `missing ID REASON`, about the answer with that id.

        A press is no part of the talk: it leaves nothing but the feedback, and a thumb up no answer either. Words are
        thanked for. While somebody else holds the conversation nothing is said.
        """
        verdict, _, rest = argument.partition(" ")
        number, _, reason = rest.partition(" ")
        pressed = message.kind is Kind.ACTION
        if pressed:
            await messages.forget(tx, [message.id])
            tx.ring(page(person.address))
        if (answer := await self._answer(tx, person, number)) is None:
            return
        if verdict == "missing":
            if reason in REASONS and await feedback.explain(tx, answer.id, reason):
                await self._say(tx, person, "feedback.noted")
        elif verdict in ("up", "down"):
            await feedback.put(tx, answer.id, verdict == "up", await self._origin(tx, person, answer))
            asked = verdict == "down" and await self._ask_what_was_missing(tx, person, answer)
            if not asked and not pressed:
                await self._say(tx, person, "feedback.thanks")

    async def _answer(self, tx: Transaction, person: Conversation, number: str) -> Stored | None:
        """The answer meant, if this person got it and may say whether it helped."""
        found = await messages.get(tx, int(number)) if number.isdecimal() and len(number) <= 18 else None
        if found is None or not found.thumbs or found.seq is None or found.conversation_id != person.id:
            return None
        return found

    async def _origin(self, tx: Transaction, person: Conversation, answer: Stored) -> Origin:
        before = await messages.before(tx, person.id, answer.seq or 0, _BEFORE)
        asked = next((m for m in reversed(before) if m.author == messages.USER and m.kind is Kind.TEXT), None)
        judged = (await messages.assessments(tx, [asked.id])).get(asked.id) if asked else None
        told = detect(answer.text)
        return Origin(
            answer.generator,
            answer.version,
            told[0] if told else self._wording.language_of(person),
            judged.level if judged else Level.NONE,
        )

    async def _ask_what_was_missing(self, tx: Transaction, person: Conversation, answer: Stored) -> bool:
        last = await feedback.asked_at(tx, person.id)
        if person.holder != conversations.BOT or (last and tx.now - last < ASK_AGAIN):
            return False
        await feedback.ask(tx, answer.id)
        if self._speaker.of(person.address).buttons:
            text, buttons = self._wording.text(person, "feedback.missing"), self._choices(person, answer)
        else:
            text, buttons = self._wording.text(person, "feedback.missing_in_words"), ()
        await self._speaker.to_person(tx, person, outbox.Kind.NOTICE, [text], buttons=buttons, fence=person.fence)
        return True

    def _choices(self, person: Conversation, answer: Stored) -> Buttons:
        """What can have been missing, and a person to talk to."""
        reasons = [
            (self._wording.button(person, f"feedback.reason.{reason}", f"feedback missing {answer.id} {reason}"),)
            for reason in REASONS
        ]
        return (*reasons, (self._wording.button(person, "button.human", "human"),))

    async def _say(self, tx: Transaction, person: Conversation, key: str) -> None:
        if person.holder == conversations.BOT:
            await self._speaker.to_person(tx, person, outbox.Kind.NOTICE, [self._wording.text(person, key)])
