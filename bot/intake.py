"""Intake: what adapters receive is stored, screened and, if urgent, handed off, in one commit; then acknowledged.

Messages that arrive while a commit is under way share the next one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog
from prometheus_client import Counter, Histogram

from adapters import Kind, Message, Receipt
from bot.batch import Batcher
from bot.desks import Desks
from bot.handoff import Handoffs
from bot.store import TURNS, Store, Transaction, conversations, handoffs, messages, opinions, outbox
from bot.store.conversations import Conversation
from bot.store.messages import DONE, PENDING
from bot.store.recent import RecentTalk
from bot.store.wake import page
from config import Language, Script
from engine import Assessment, Category, Level, Screener
from engine.language import detect, other_language

log = structlog.get_logger(__name__)
CONTEXT = 12  # earlier messages that the screener is shown
RECEIVED = Counter("psyllm_messages_received", "Messages stored, by platform and level", ["platform", "level"])
DUPLICATES = Counter("psyllm_messages_duplicate", "Updates that had been stored before, by platform", ["platform"])
SCREENING = Histogram(
    "psyllm_screening_seconds", "Time to screen one message", buckets=(0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1)
)

_CALM = Assessment(Level.NONE, None, 0.0, version="not text")
_UNJUDGED = Assessment(Level.URGENT, Category.OTHER, 0.5, version="screening failed")
_WORDLESS = (Kind.ACTION, Kind.ARRIVED, Kind.LEFT)


@dataclass(slots=True)
class _Arrival:
    """A new message on its way into the store."""

    message: Message
    person: Conversation
    assessment: Assessment | None  # None: a counsellor wrote it
    seq: int
    state: str
    id: int = 0

    @property
    def urgent(self) -> bool:
        return self.assessment is not None and self.assessment.level.needs_human

    @property
    def may_rise(self) -> bool:
        """Whether a second opinion could change anything: words of a user, not yet at the highest level."""
        words = self.message.kind not in (*_WORDLESS, Kind.COMMAND) and self.message.text.strip()
        return bool(words) and self.assessment is not None and self.assessment.level < Level.EMERGENCY


class Intake:
    """Receives messages for all adapters."""

    def __init__(
        self,
        store: Store,
        screener: Screener,
        handoffs: Handoffs,
        desks: Desks,
        gather_seconds: float,
        windowed: Sequence[str],
        second_opinion: bool = False,
    ) -> None:
        """`windowed` names the platforms that let the bot write only after the user did.

        With `second_opinion` each message is marked to be judged again after the commit; see `bot.opinions`.
        """
        self._store = store
        self._screener = screener
        self._handoffs = handoffs
        self._desks = desks
        self._gather = timedelta(seconds=gather_seconds)
        self._windowed = frozenset(windowed)
        self._second_opinion = second_opinion
        self._recent = RecentTalk(CONTEXT)
        self._batches: Batcher[Message, Receipt] = Batcher(self._commit)

    async def receive(self, received: Sequence[Message]) -> Sequence[Receipt]:
        """Store messages; returns when they are committed. See `adapters.Receive`."""
        return await self._batches.submit(received)

    async def _commit(self, batch: Sequence[Message]) -> list[Receipt]:
        return await self._store.retrying(lambda tx: self._store_batch(tx, batch))

    async def _store_batch(self, tx: Transaction, batch: Sequence[Message]) -> list[Receipt]:
        people = await conversations.find_or_create(tx, {m.address for m in batch})
        known = await messages.known_keys(tx, {_key(m) for m in batch})
        fresh = {_key(m): m for m in batch if _key(m) not in known}
        ids = {people[m.address].id for m in fresh.values()}
        talk = await self._recent.of(tx, [p for p in people.values() if p.id in ids])
        context = {i: said[-CONTEXT:] for i, said in talk.items()}
        before = {p.id: _tongue(p) for p in people.values()}

        arrivals = [self._arrive(tx, m, people[m.address], context) for m in fresh.values()]
        await self._keep(tx, arrivals)
        await self._hand_off(tx, [a for a in arrivals if a.urgent])
        await self._open_windows(tx, arrivals)
        touched = {a.person.id: a.person for a in arrivals}
        await conversations.save(tx, touched.values())
        await conversations.save_persons(tx, [p for p in touched.values() if _tongue(p) != before[p.id]])
        if arrivals:
            tx.ring(TURNS)
            for address in {a.message.address for a in arrivals if _is_watched(a)}:
                tx.ring(page(address))

        seqs = {key: seq or 0 for key, (_, seq) in known.items()} | {_key(a.message): a.seq for a in arrivals}
        new = set(fresh)
        receipts = []
        for message in batch:
            duplicate = _key(message) not in new
            new.discard(_key(message))
            receipts.append(Receipt(seqs[_key(message)], duplicate))
            if duplicate:
                DUPLICATES.labels(message.address.platform).inc()
        return receipts

    def _arrive(
        self, tx: Transaction, message: Message, person: Conversation, context: dict[int, list[messages.Stored]]
    ) -> _Arrival:
        """Decide what a new message is and does; changes `person` and adds to `context`."""
        at_desk = self._desks.counsellor_at(message.address) is not None
        assessment = None if at_desk else self._assess(message, context.get(person.id, []))
        _learn(person, message)
        arrival = _Arrival(message, person, assessment, person.next_seq(), PENDING)
        if message.edits and person.holder != conversations.HUMAN:
            arrival.state = DONE  # screened, and not answered a second time
        else:
            due = tx.now + self._gather if message.kind is Kind.TEXT else tx.now
            person.turn_due_at = min(person.turn_due_at or due, due)
        person.last_in_at = tx.now
        if assessment:
            person.level = assessment.level
            RECEIVED.labels(message.address.platform, assessment.level.value).inc()
        context.setdefault(person.id, []).append(_stored(arrival))
        return arrival

    def _assess(self, message: Message, earlier: Sequence[messages.Stored]) -> Assessment:
        if message.kind in _WORDLESS or not message.text:
            return _CALM
        turns = [m.turn for m in earlier[-CONTEXT:] if m.text]
        try:
            with SCREENING.time():
                return self._screener.assess(message.text, turns)
        except Exception as error:  # a person must see what the screener could not judge
            log.error("intake.screening_failed", error=type(error).__name__)
            return _UNJUDGED

    async def _keep(self, tx: Transaction, arrivals: Sequence[_Arrival]) -> None:
        """Insert messages and their assessments."""
        ids = await messages.add(tx, [_new(a) for a in arrivals])
        for arrival, row_id in zip(arrivals, ids, strict=True):
            arrival.id = row_id
        await messages.add_assessments(tx, [(a.id, a.assessment) for a in arrivals if a.assessment])
        if self._second_opinion:
            await opinions.expect(tx, [a.id for a in arrivals if a.may_rise])

    async def _hand_off(self, tx: Transaction, urgent: Sequence[_Arrival]) -> None:
        """In the same commit: a handoff and its alerts for every urgent message."""
        if not urgent:
            return
        open_now = await handoffs.open_of_many(tx, {a.person.id for a in urgent})
        for arrival in urgent:
            assert arrival.assessment is not None
            open_now[arrival.person.id] = await self._handoffs.open_or_raise(
                tx, arrival.person, arrival.assessment, arrival.id, open_now.get(arrival.person.id)
            )

    async def _open_windows(self, tx: Transaction, arrivals: Sequence[_Arrival]) -> None:
        """The user wrote, so a platform with a window lets held texts through again."""
        people = {a.message.address: a.person for a in arrivals if a.message.address.platform in self._windowed}
        for address, person in people.items():
            if await outbox.release_held(tx, address):
                await self._handoffs.tell_late(tx, person)
            tx.ring("outbox")


def _is_watched(arrival: _Arrival) -> bool:
    """Whether somebody may be looking at the conversation: the user's other pages, a counsellor."""
    return arrival.person.holder != conversations.BOT or arrival.message.address.platform == "web"


def _key(message: Message) -> str:
    """The platform update's key, made unique over platforms and accounts."""
    return f"{message.address.platform}:{message.address.account}:{message.key}"[:300]


def _tongue(person: Conversation) -> tuple[object, ...]:
    return person.language, person.script, person.blocked_at


def _learn(person: Conversation, message: Message) -> None:
    """Note the language a person writes, unless they chose one, and that they can be reached.

    Whoever writes one that the bot does not serve is written to in English, until they write Chinese.
    """
    person.blocked_at = message.sent_at if message.kind is Kind.LEFT else None
    previous = (person.language, person.script) if person.language else None
    text = "" if message.kind in (*_WORDLESS, Kind.COMMAND) else message.text
    found = detect(text, message.language_hint, previous)
    if found is None and previous is None and other_language(text):
        found = (Language.EN, Script.LATIN)
    if found is None:
        return
    language, script = found
    if not person.language_chosen:
        person.language, person.script = language, script
    elif language == person.language:
        person.script = script


def _new(arrival: _Arrival) -> messages.New:
    message = arrival.message
    return messages.New(
        conversation_id=arrival.person.id,
        author=messages.USER,
        text=message.text,
        at=message.sent_at,
        seq=arrival.seq,
        key=_key(message),
        kind=message.kind,
        reference=message.reference,
        reply_to=message.reply_to,
        state=arrival.state,
        attachments=message.attachments,
    )


def _stored(arrival: _Arrival) -> messages.Stored:
    """The arrival as later messages of the same batch see it in their context."""
    message = arrival.message
    return messages.Stored(
        id=0,
        conversation_id=arrival.person.id,
        seq=arrival.seq,
        author=messages.USER,
        counsellor=None,
        key=None,
        kind=message.kind,
        reference="",
        reply_to="",
        at=message.sent_at,
        state=PENDING,
        generator="",
        text=message.text,
    )
