"""Decide what to do with a turn: relay it, run a command, stay with somebody who waits, or have an answer written."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from itertools import takewhile

from adapters import Adapter, Address, Copy, Kind, Thumbs
from bot.case_words import content, label
from bot.commands import Commands, Handler
from bot.desk.drafting import Drafting
from bot.desk_chat import DeskChat
from bot.desks import Desks
from bot.followups.offers import Offers
from bot.followups.words import Words
from bot.handoff import Handoffs
from bot.memory import Memories, Recalled
from bot.speak import Buttons, Speaker
from bot.store import Store, Transaction, companions, conversations, handoffs, messages, outbox, turns
from bot.store.conversations import Conversation
from bot.store.messages import Stored
from bot.store.outbox import Outgoing
from bot.turn import Outcome, Work
from bot.wording import Wording, in_script
from config import Counsellor, Language, Script, load_texts
from engine import Answer, Level, Request, Turn
from engine.language import other_language
from engine.responder import OnText, Responder
from engine.types import BUSY
from engine.understanding import agrees, command_in, finds_helpful, follow_up_in

READABLE = 20_000
"""Characters of one turn that are answered; a longer text is kept and screened, and the user is asked for less."""

TYPING_AFTER = 0.4  # seconds; an answer from the library is there before
DRAFT_AFTER = 0.8  # seconds; an answer that is there sooner is shown at once
TYPING_EVERY = 4.0


class Answers:
    """Makes the outcome of each turn. Call it with the turn's work."""

    def __init__(
        self,
        store: Store,
        responder: Responder,
        wording: Wording,
        speaker: Speaker,
        desks: Desks,
        handoffs: Handoffs,
        commands: Commands,
        memories: Memories,
        desk_chat: DeskChat,
        drafting: Drafting,
        adapters: Mapping[str, Adapter],
        words: Words,
        offers: Offers,
        gather: bool,
    ) -> None:
        self._store = store
        self._responder = responder
        self._wording = wording
        self._speaker = speaker
        self._desks = desks
        self._handoffs = handoffs
        self._commands = commands
        self._memories = memories
        self._desk_chat = desk_chat
        self._drafting = drafting
        self._adapters = adapters
        self._words = words
        self._offers = offers
        self._gather = gather

    async def __call__(self, work: Work) -> Outcome:
        """What is to be done with the oldest pending messages."""
        first = work.pending[0]
        if counsellor := self._desks.counsellor_at(work.person.address):
            return await self._desk_chat.answer(counsellor, work.person, first)
        if work.claim.attempts >= turns.MAX_ATTEMPTS:
            return self._fixed(work, [first], "busy")
        if first.kind in (Kind.COMMAND, Kind.ACTION, Kind.ARRIVED, Kind.LEFT):
            return Outcome([first.id], apply=self._commands.handler(first))
        if work.person.holder == conversations.HUMAN:
            return await self._relay(work)
        if first.kind is not Kind.TEXT and not first.text.strip():
            key = f"media.{first.kind.value}"
            return self._fixed(work, [first], key if self._has(key) else "media.other")
        if command := await self._command_meant(work, first):
            return Outcome([first.id], apply=self._commands.handler(replace(first, kind=Kind.COMMAND, text=command)))
        taken = list(takewhile(_is_talk, work.pending)) if self._gather else []
        return await self._talk(work, taken or [first])

    async def _command_meant(self, work: Work, first: Stored) -> str:
        """The command that plain words stand for: by themselves, or as an answer to what was just said."""
        person = work.person
        if person.holder != conversations.BOT or first.kind is not Kind.TEXT:
            return ""
        if (said := _earlier(work, first)[-1:]) and said[0].author != messages.USER:
            if self._memories.asks(person, said[0]) and (agreed := agrees(first.text)) is not None:
                return f"remember {'yes' if agreed else 'no'}"
            in_words = said[0].thumbs and not self._speaker.of(person.address).thumbs
            if in_words and (helpful := finds_helpful(first.text)) is not None:
                return Thumbs(said[0].id).action(helpful)
        return command_in(first.text) or await self._words.meant(person, first.text)

    async def _talk(self, work: Work, taken: list[Stored]) -> Outcome:
        text = "\n".join(m.text for m in taken).strip()
        if not text:
            return self._fixed(work, taken, "input.empty")
        if self._was_asked_where(work) and (country := self._wording.country_in(text)):
            return Outcome([m.id for m in taken], apply=self._commands.crisis_of(country))
        if work.person.holder == conversations.WAITING:
            async with self._store.reading() as tx:
                handoff = await handoffs.open_of(tx, work.person.id)
                unsure = handoff is not None and await self._handoffs.is_unsure(tx, handoff)
            if handoff and handoff.rank > 0 and not unsure:
                return self._stay(work, taken, handoff.level)
        if len(text) > READABLE:
            return self._fixed(work, taken, "input.too_long", limit=READABLE)
        if other := self._other_language(work, text):
            return self._outcome(work, taken, self._wording.unsupported(work.person, other))
        return await self._reply(work, taken, text)

    def _other_language(self, work: Work, text: str) -> str | None:
        """Which language that the bot does not serve a text is in, unless the person chose one that it does."""
        person = work.person
        previous = (person.language, person.script) if person.language else None
        return None if person.language_chosen else other_language(text, previous)

    async def _reply(self, work: Work, taken: list[Stored], text: str) -> Outcome:
        person = work.person
        language = self._wording.language_of(person)
        earlier = _earlier(work, taken[0])
        recalled = await self._memories.recall(person, earlier, taken[0].at)
        request = Request(
            text=text,
            language=language,
            script=person.script if language is Language.ZH else Script.LATIN,
            history=_history(work, taken),
            level=person.level,
            unsure=person.level.needs_human,  # the bot answers somebody in danger only while that is a guess
            conversation=str(person.id),
            memory=recalled.facts,
            note=self._store.cipher.open(person.note) if person.note else "",
        )
        async with self._typing(person.address):
            answer = await self._responder.answer(request, self._drafts(work, recalled))
        if answer.generator == BUSY:
            return self._outcome(work, taken, in_script(answer.text, request.script))
        written = recalled.around(in_script(answer.text, request.script))
        handled = [m.id for m in taken]
        if self._drafting.reviews(person):
            return Outcome(handled, apply=self._held(taken[-1], answer, written), fence=person.fence)
        if person.holder != conversations.BOT:  # somebody was called: no word about anything else
            return Outcome(handled, self._answer_rows(person, written, answer, buttons=(), thumbs=False))
        if question := await self._memories.question(person, taken, earlier):
            # Not both: a thumb under a question could be taken for the answer to it.
            text = f"{written}\n\n{question.text}"
            rows = self._answer_rows(person, text, answer, buttons=question.buttons, thumbs=False)
            return Outcome(handled, rows, apply=question.note, fence=person.fence)
        if offer := await self._offers.under(person, taken, earlier):
            rows = self._answer_rows(person, f"{written}\n\n{offer.text}", answer, buttons=offer.buttons, thumbs=False)
            return Outcome(handled, rows, apply=offer.note, fence=person.fence)
        return Outcome(handled, self._answer_rows(person, written, answer, buttons=(), thumbs=True))

    def _held(self, asked: Stored, answer: Answer, written: str) -> Handler:
        """Keep an answer until a counsellor has approved it."""

        async def hold(tx: Transaction, person: Conversation) -> None:
            await self._drafting.hold(tx, person, asked.id, answer, written)

        return hold

    def _answer_rows(
        self, person: Conversation, text: str, answer: Answer, *, buttons: Buttons, thumbs: bool
    ) -> list[Outgoing]:
        """An answer as platform messages; buttons and thumbs stand under the last."""
        parts = self._speaker.parts(person.address, text, buttons)
        return [
            Outgoing(
                conversation_id=person.id,
                address=person.address,
                kind=outbox.Kind.REPLY,
                text=part,
                author=messages.BOT,
                buttons=row_buttons,
                fence=person.fence,
                generator=answer.generator,
                version=answer.version,
                thumbs=thumbs and n == len(parts),
            )
            for n, (part, row_buttons) in enumerate(parts, 1)
        ]

    def _drafts(self, work: Work, recalled: Recalled) -> OnText | None:
        """Shows the beginning of an answer where the platform can, as long as the conversation is still the bot's."""
        adapter = self._adapters.get(work.person.address.platform)
        if adapter is None or not adapter.capabilities.streaming or self._drafting.reviews(work.person):
            return None

        began = time.monotonic()

        async def show(text: str) -> None:
            if time.monotonic() - began < DRAFT_AFTER:
                return
            async with self._store.reading() as tx:
                fences = await conversations.fences(tx, [work.person.id])
            if fences.get(work.person.id) == work.person.fence:
                draft = recalled.greeted(in_script(text, work.person.script))
                await adapter.draft(work.person.address, draft)

        return show

    @contextlib.asynccontextmanager
    async def _typing(self, address: Address) -> AsyncIterator[None]:
        """Show that an answer is being written, for as long as the block runs."""
        adapter = self._adapters.get(address.platform)
        if adapter is None or not adapter.capabilities.typing:
            yield
            return
        task = asyncio.create_task(_keep_typing(adapter, address), name="typing")
        try:
            yield
        finally:
            task.cancel()

    def _stay(self, work: Work, taken: list[Stored], level: Level) -> Outcome:
        """Reviewed words for somebody who waits for a counsellor; none that was said lately."""
        urge = level is Level.EMERGENCY
        key = "handoff.staying_emergency" if urge else "handoff.staying"
        fields = {"lines": self._wording.lines_for(work.person, level)} if urge else {}
        choices = load_texts(self._wording.language_of(work.person)).variants(key)
        said = {m.text for m in work.history if m.author != messages.USER}
        texts = [self._wording.text(work.person, key, n, **fields) for n in range(choices)]
        start = work.person.last_seq
        text = next(
            (t for n in range(choices) if (t := texts[(start + n) % choices]) not in said), texts[start % choices]
        )
        return self._outcome(work, taken, text)

    def _was_asked_where(self, work: Work) -> bool:
        """Whether the bot asked for the person's country a moment ago."""
        asked = [self._wording.text(work.person, f"crisis.{key}") for key in ("other_country", "elsewhere")]
        said = [m.text for m in work.history if m.author != messages.USER][-2:]
        return work.person.country is None and any(question in text for question in asked for text in said)

    def _fixed(self, work: Work, taken: list[Stored], key: str, **fields: str | int) -> Outcome:
        return self._outcome(work, taken, self._wording.text(work.person, key, **fields))

    def _outcome(self, work: Work, taken: list[Stored], text: str) -> Outcome:
        person = work.person
        parts = self._speaker.parts(person.address, text)
        return Outcome(
            [m.id for m in taken],
            [
                Outgoing(person.id, person.address, outbox.Kind.REPLY, part, messages.SYSTEM, fence=person.fence)
                for part, _ in parts
            ],
        )

    def _has(self, key: str) -> bool:
        return key in load_texts(Language.EN).keys()  # noqa: SIM118

    async def _relay(self, work: Work) -> Outcome:
        """Pass the user's words on to the chats of the counsellor and of a second. The console shows them by itself."""
        taken = list(
            takewhile(lambda m: m.kind not in (Kind.COMMAND, Kind.ACTION, Kind.ARRIVED, Kind.LEFT), work.pending)
        )
        async with self._store.reading() as tx:
            handoff = await handoffs.open_of(tx, work.person.id)
            company = await companions.of(tx, handoff.id) if handoff else []
        seconds = [c.counsellor for c in company if c.role == companions.SECOND]
        there = [
            self._desks.roster.counsellor(one or "") for one in (handoff.counsellor if handoff else None, *seconds)
        ]
        rows = [row for one in there if handoff and one for row in self._relayed(work.person, taken, handoff.id, one)]
        return Outcome([m.id for m in taken], rows)

    def _relayed(
        self, person: Conversation, taken: Sequence[Stored], handoff_id: int, counsellor: Counsellor
    ) -> list[Outgoing]:
        """A user's messages as they stand in one counsellor's chat; none without a chat."""
        if (address := self._desks.talk_address(counsellor)) is None:
            return []
        words = load_texts(counsellor.languages[0])
        rows: list[Outgoing] = []
        for message in taken:
            text = words.get("desk.relay", name=label(words, person), text=content(words, message))
            parts: list[tuple[str, Copy | None]] = [(part, None) for part, _ in self._speaker.parts(address, text)]
            if message.attachments and self._can_copy(person.address, address):
                parts.append(("", Copy(person.address, message.reference)))
            rows += [
                Outgoing(
                    conversation_id=person.id,
                    address=address,
                    kind=outbox.Kind.RELAY,
                    text=part,
                    counsellor=counsellor.id,
                    handoff_id=handoff_id,
                    transcript=False,
                    copy=copy,
                )
                for part, copy in parts
            ]
        return rows

    def _can_copy(self, source: Address, target: Address) -> bool:
        """Whether a photo or voice message can be shown in the counsellor's chat as it is."""
        same = (source.platform, source.account) == (target.platform, target.account)
        return same and self._speaker.of(target).copies


async def _keep_typing(adapter: Adapter, address: Address) -> None:
    await asyncio.sleep(TYPING_AFTER)
    while True:
        with contextlib.suppress(Exception):
            await adapter.typing(address)
        await asyncio.sleep(TYPING_EVERY)


def _is_talk(message: Stored) -> bool:
    """Whether a message may be answered together with others."""
    return (
        message.kind is Kind.TEXT
        and bool(message.text.strip())
        and not (command_in(message.text) or follow_up_in(message.text))
    )


def _earlier(work: Work, first: Stored) -> Sequence[Stored]:
    """What the user had seen when they wrote `first`, oldest first."""
    return [m for m in work.history if m.seq is not None and m.seq < (first.seq or 0)]


def _history(work: Work, taken: list[Stored]) -> tuple[Turn, ...]:
    """Earlier talk as the engine takes it: without what is being answered now, and without what was pressed or sent."""
    now = {m.id for m in taken}
    return tuple(m.turn for m in work.history if m.id not in now and m.kind is Kind.TEXT and m.text)
