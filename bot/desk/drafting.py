"""Answers that the engine drafts and a counsellor decides on: at their wish, or, in review mode, each before it leaves.

Review mode is the deployment's or one conversation's. Reviewed fixed texts (safety texts, how things stand, commands)
leave as ever; what the bot writes waits for a counsellor. Nobody there: the user hears so, honestly, and the draft
still waits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from difflib import SequenceMatcher

from prometheus_client import Counter

from adapters import Button, Kind
from bot.case_words import label
from bot.desk.floor import DeskError, Floor
from bot.store import Transaction, conversations, drafts, handoffs, messages, outbox
from bot.store.conversations import Conversation
from bot.store.drafts import Draft
from bot.store.messages import Stored
from bot.store.outbox import Outgoing
from bot.store.wake import page
from bot.wording import in_script
from config import Language, Script, load_texts
from engine import Answer, Level, Passage, Request
from engine.library import Library
from engine.responder import Responder
from engine.types import BUSY

HISTORY = 24
GROUNDING = 4
_SHOWN = 600  # characters of a draft in a counsellor's chat
DECIDED = Counter("psyllm_drafts", "Drafts for counsellors, by kind and what became of them", ["kind", "state"])


@dataclass(frozen=True, slots=True)
class ReviewMode:
    """Whether every conversation is reviewed, and after how long its user hears that the answer waits."""

    everywhere: bool
    patience: timedelta


class Drafting:
    """Makes drafts, keeps them, and lets them leave."""

    def __init__(self, floor: Floor, responder: Responder, library: Library, mode: ReviewMode) -> None:
        self._floor = floor
        self._responder = responder
        self._passages = {p.id: p for language in Language for p in library.passages(language)}
        self._library = library
        self._mode = mode

    # At a counsellor's wish

    async def make(self, handoff_id: int, counsellor: str) -> Draft:
        """Draft an answer to the user's last words. Takes as long as the model does. Raises DeskError."""
        async with self._floor.store.transaction() as tx:
            _, person = await self._floor.shared(tx, handoff_id, counsellor)
            said = await messages.latest(tx, [person.id], HISTORY, unsent=True)
        asked, before = _last_words(said)
        if not asked:
            raise DeskError("nothing_to_answer")
        answer = await self._responder.answer(self._request(person, asked, before))
        if answer.generator == BUSY:
            raise DeskError("no_draft")
        return await self._keep(handoff_id, counsellor, asked[-1].id, answer)

    def _request(self, person: Conversation, asked: Sequence[Stored], before: Sequence[Stored]) -> Request:
        """What the engine is asked. A counsellor reads the draft, so it may speak of danger."""
        text = "\n".join(m.text for m in asked)
        language = self._floor.wording.language_of(person)
        return Request(
            text=text,
            language=language,
            script=person.script if language is Language.ZH else Script.LATIN,
            history=tuple(m.turn for m in before if m.text),
            level=min(person.level, Level.ELEVATED, key=lambda level: level.rank),
            passages=self._library.search(text, language, GROUNDING),
            conversation=str(person.id),
            note=self._floor.store.cipher.open(person.note) if person.note else "",
        )

    async def _keep(self, handoff_id: int, counsellor: str, message_id: int, answer: Answer) -> Draft:
        async with self._floor.store.transaction() as tx:
            _, person = await self._floor.shared(tx, handoff_id, counsellor)
            made = await drafts.add(
                tx,
                person.id,
                message_id,
                person.fence,
                person.level,
                answer,
                text=in_script(answer.text, person.script),
                kind=drafts.ASKED_FOR,
                handoff_id=handoff_id,
            )
            kept = await drafts.get(tx, made)
            assert kept is not None
            tx.ring(page(person.address))
            return kept

    async def used(self, tx: Transaction, draft_id: int, person: Conversation, counsellor: str, text: str) -> None:
        """A counsellor said `text`, which came from a draft."""
        found = await drafts.get(tx, draft_id)
        if found is not None and found.conversation_id == person.id:
            await self._decide(tx, found, counsellor, text)

    async def discard(self, draft_id: int, counsellor: str) -> None:
        """Throw a draft away. In review mode the user gets no answer to these words from the bot."""
        async with self._floor.store.transaction() as tx:
            await self.discard_within(tx, draft_id, counsellor)

    async def discard_within(self, tx: Transaction, draft_id: int, counsellor: str) -> None:
        """`discard` as part of a larger commit."""
        found, person = await self._waiting(tx, draft_id)
        await drafts.decide(tx, found.id, drafts.DISCARDED, counsellor)
        DECIDED.labels(found.kind, drafts.DISCARDED).inc()
        tx.ring(page(person.address))

    async def _decide(self, tx: Transaction, found: Draft, counsellor: str, text: str) -> None:
        changed = distance(found.text, text.strip())
        state = drafts.EDITED if changed else drafts.SENT
        if await drafts.decide(tx, found.id, state, counsellor, changed):
            DECIDED.labels(found.kind, state).inc()

    async def _waiting(self, tx: Transaction, draft_id: int) -> tuple[Draft, Conversation]:
        """A draft that waits, its conversation locked. Raises DeskError."""
        found = await drafts.get(tx, draft_id)
        person = (await conversations.lock(tx, [found.conversation_id])).get(found.conversation_id) if found else None
        found = await drafts.get(tx, draft_id)
        if found is None or person is None or found.state != drafts.WAITING:
            raise DeskError("draft_gone")
        return found, person

    # Review mode

    def reviews(self, person: Conversation) -> bool:
        """Whether what the bot writes to a person waits for approval."""
        return self._mode.everywhere or person.review

    async def set_review(self, conversation_id: int, counsellor: str, on: bool) -> None:
        """Have the answers of one conversation reviewed, or no longer. The deployment's setting stands above it."""
        async with self._floor.store.transaction() as tx:
            person = (await conversations.lock(tx, [conversation_id])).get(conversation_id)
            if person is None:
                raise DeskError("no_case")
            await conversations.set_review(tx, conversation_id, on)
            if opened := await handoffs.open_of(tx, conversation_id):
                await handoffs.note(tx, opened.id, counsellor, "review_on" if on else "review_off")
            tx.ring(page(person.address))

    async def hold(self, tx: Transaction, person: Conversation, message_id: int, answer: Answer, text: str) -> None:
        """Keep an answer of the bot until a counsellor approves it; those on duty are told, the user when it is new."""
        first = not await drafts.any_of(tx, person.id)
        due_at = tx.now + self._mode.patience
        made = await drafts.add(
            tx, person.id, message_id, person.fence, person.level, answer, text=text, kind=drafts.REVIEW, due_at=due_at
        )
        if first:
            await self._say(tx, person, "review.held")
        await self._tell_on_call(tx, person, made, text)

    async def _tell_on_call(self, tx: Transaction, person: Conversation, draft_id: int, text: str) -> None:
        on_call, _ = self._floor.desks.roster.step(0, tx.now)
        for counsellor in on_call:
            if address := self._floor.desks.talk_address(counsellor):
                words = load_texts(counsellor.languages[0])
                shown = words.get("desk.review", name=label(words, person), text=text[:_SHOWN])
                await self._floor.speaker.to_desk(
                    tx,
                    person.id,
                    address,
                    outbox.Kind.NOTICE,
                    shown,
                    counsellor=counsellor.id,
                    buttons=((Button(words.get("button.approve"), f"approve {draft_id}"),),),
                )

    async def approve(self, draft_id: int, counsellor: str, text: str | None = None) -> None:
        """Let a reviewed answer leave, as it is or as the counsellor put it. Raises DeskError if it was overtaken."""
        async with self._floor.store.transaction() as tx:
            await self.approve_within(tx, draft_id, counsellor, text)

    async def approve_within(self, tx: Transaction, draft_id: int, counsellor: str, text: str | None = None) -> None:
        """`approve` as part of a larger commit."""
        found, person = await self._waiting(tx, draft_id)
        words = (text if text is not None else found.text).strip()
        if found.kind != drafts.REVIEW or person.fence != found.fence or person.holder == conversations.HUMAN:
            raise DeskError("draft_gone")
        if not words:
            raise DeskError("note_empty")
        await self._decide(tx, found, counsellor, words)
        parts = self._floor.speaker.parts(person.address, words)
        rows = [
            Outgoing(
                conversation_id=person.id,
                address=person.address,
                kind=outbox.Kind.REPLY,
                text=part,
                author=messages.BOT,
                fence=person.fence,
                generator=found.generator,
                version=found.version,
                thumbs=n == len(parts),
            )
            for n, (part, _) in enumerate(parts, 1)
        ]
        await outbox.add(tx, rows)
        tx.ring(page(person.address))

    async def get(self, draft_id: int, viewer: str) -> tuple[Draft, Conversation] | None:
        """A draft with its person. The look is recorded under the viewer's id."""
        async with self._floor.store.transaction() as tx:
            found = await drafts.get(tx, draft_id)
            person = await conversations.get(tx, found.conversation_id) if found else None
            if found is None or person is None:
                return None
            await handoffs.viewed(tx, person.id, viewer)
            return found, person

    def passages(self, found: Draft) -> tuple[Passage, ...]:
        """The pieces of the reviewed library that a draft stands on."""
        return tuple(self._passages[i] for i in found.passages if i in self._passages)

    async def tell_late(self, tx: Transaction, late: Draft) -> None:
        """Nobody approved a draft in time: the user hears so."""
        person = (await conversations.lock(tx, [late.conversation_id])).get(late.conversation_id)
        found = await drafts.get(tx, late.id)
        if person is None or found is None or found.state != drafts.WAITING or found.due_at is None:
            return
        await drafts.told(tx, [d.id for d in await drafts.waiting(tx, person.id)])
        await self._say(tx, person, "review.late")

    async def _say(self, tx: Transaction, person: Conversation, key: str) -> None:
        text = self._floor.wording.text(person, key)
        await self._floor.speaker.to_person(tx, person, outbox.Kind.NOTICE, [text], fence=person.fence)


def distance(before: str, after: str) -> int:
    """How many characters were changed: of each stretch that differs, the longer side."""
    parts = SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    return sum(max(b - a, d - c) for tag, a, b, c, d in parts if tag != "equal")


def _last_words(said: Sequence[Stored]) -> tuple[list[Stored], list[Stored]]:
    """What the user wrote since anybody answered, and what was said before it. Fixed texts are no answer."""
    texts = [m for m in said if m.text.strip() and m.kind is Kind.TEXT]
    answered = max((n for n, m in enumerate(texts) if m.author in (messages.BOT, messages.COUNSELLOR)), default=-1)
    asked = [m for m in texts[answered + 1 :] if m.author == messages.USER]
    before = texts[: texts.index(asked[0])] if asked else texts
    return asked, before
