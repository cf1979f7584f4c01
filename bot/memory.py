"""Conversation memory: a name, and what has helped. Kept after a yes only, used sparingly, shown and deleted at a word.

What a user tells is not kept by being told: an answer asks once, and until the yes a row says no more than that it
asked, and about which message.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from adapters import Button
from bot.speak import Buttons, Speaker
from bot.store import Store, Transaction, conversations, facts, messages, outbox
from bot.store.conversations import Conversation
from bot.store.facts import StoredFact
from bot.store.messages import Stored
from bot.wording import Wording
from engine import Level
from engine.understanding import THINGS, Fact, FactKind, fact_in, things_in

BREAK = timedelta(hours=6)
"""After so long without a word somebody is greeted by name, and what helped them may be offered again."""


@dataclass(frozen=True, slots=True)
class Recalled:
    """What memory brings to one answer. `facts` are for the generator; greeting and offer are reviewed texts."""

    facts: tuple[str, ...] = ()
    greeting: str = ""
    offer: str = ""
    thing: str = ""  # that the offer is about

    def greeted(self, text: str) -> str:
        """The answer, or the beginning of it, behind the greeting."""
        return f"{self.greeting}\n\n{text}" if self.greeting else text

    def around(self, text: str) -> str:
        """The answer with greeting and offer; not the offer if the answer speaks of that thing itself."""
        offered = f"{text}\n\n{self.offer}" if self.offer and self.thing not in things_in(text) else text
        return self.greeted(offered)


@dataclass(frozen=True, slots=True)
class Question:
    """Whether something may be remembered: words and buttons under an answer, and the note that it was asked."""

    text: str
    buttons: Buttons
    note: Callable[[Transaction, Conversation], Awaitable[None]]


class Memories:
    """Asks, remembers, recalls and forgets."""

    def __init__(self, store: Store, speaker: Speaker, wording: Wording) -> None:
        self._store = store
        self._speaker = speaker
        self._wording = wording

    # While answering

    async def recall(self, person: Conversation, earlier: Sequence[Stored], at: datetime) -> Recalled:
        """What to bring into the answer to a message of `at`: mostly nothing. `earlier` is oldest first."""
        returns = bool(earlier) and at - earlier[-1].at >= BREAK
        if not returns and person.level is not Level.ELEVATED:
            return Recalled()
        async with self._store.reading() as tx:
            known = await facts.kept(tx, person.person_id)
        return self._greeting(person, known) if returns else self._offer(person, known, earlier)

    def _greeting(self, person: Conversation, known: Sequence[StoredFact]) -> Recalled:
        name = next((fact.value for fact in known if fact.kind is FactKind.NAME and fact.value), "")
        if not name:
            return Recalled()
        greeting = self._wording.text(person, "memory.greeting", person.last_seq, name=name)
        return Recalled((self._wording.text(person, "memory.fact_name", name=name),), greeting)

    def _offer(self, person: Conversation, known: Sequence[StoredFact], earlier: Sequence[Stored]) -> Recalled:
        """What helped some other day, once in a talk: a reader who was offered it lately is left in peace."""
        long_ago = self._store.clock() - BREAK
        things = [f.value for f in known if f.kind is FactKind.HELPED and f.value in THINGS and f.at <= long_ago]
        offers = {t: self._wording.text(person, "memory.offer", thing=self._called(person, t)) for t in things if t}
        if not offers or any(offer in said.text for said in earlier for offer in offers.values()):
            return Recalled()
        thing = list(offers)[person.last_seq % len(offers)]
        fact = self._wording.text(person, "memory.fact_helped", thing=self._called(person, thing))
        return Recalled((fact,), offer=offers[thing], thing=thing)

    async def question(
        self, person: Conversation, taken: Sequence[Stored], earlier: Sequence[Stored]
    ) -> Question | None:
        """What to ask under the answer to `taken`, if these messages tell something that was not asked about before."""
        if person.holder != conversations.BOT or person.level.needs_human:
            return None
        said = _last_said(earlier)
        told = next(((fact, m.id) for m in taken if (fact := fact_in(m.text, said))), None)
        if told is None:
            return None
        async with self._store.reading() as tx:
            known = await facts.of(tx, person.person_id)
        return self._worded(person, *told) if _may_ask(told[0], known) else None

    def _worded(self, person: Conversation, fact: Fact, message_id: int) -> Question:
        async def note(tx: Transaction, person: Conversation) -> None:
            await facts.ask(tx, person.person_id, fact.kind, message_id)

        if fact.kind is FactKind.NAME:
            text = self._wording.text(person, "memory.ask_name", name=fact.value)
        else:
            text = self._wording.text(person, "memory.ask_helped", thing=self._called(person, fact.value))
        if not self._speaker.of(person.address).buttons:
            return Question(f"{text}\n{self._wording.text(person, 'memory.ask_in_words')}", (), note)
        yes = self._wording.button(person, "button.remember_yes", f"remember yes {message_id}")
        no = self._wording.button(person, "button.remember_no", f"remember no {message_id}")
        return Question(text, ((yes, no),), note)

    def asks(self, person: Conversation, said: Stored) -> bool:
        """Whether a text of the bot ends with the question, so that a plain yes or no is the answer to it."""
        if any(action.startswith("remember ") for row in said.buttons for _, action in row):
            return True
        return said.text.endswith(self._wording.text(person, "memory.ask_in_words"))

    # Commands and buttons

    async def answered(self, tx: Transaction, person: Conversation, message: Stored, argument: str) -> None:
        """`remember yes` or `remember no`, with the id of the message that told it, or to the last question.

        While somebody else holds the conversation it is done without a word.
        """
        agreed, _, number = argument.partition(" ")
        asked = _asked(await facts.of(tx, person.person_id), number)
        fact = await self._told(tx, person, asked) if asked and agreed == "yes" else None
        if asked and fact:
            await self._keep(tx, person, asked, fact)
        elif asked and agreed != "yes" and asked.value is not None:
            await facts.drop(tx, [asked.id])
        if person.holder != conversations.BOT:
            return
        if asked and (fact or agreed != "yes"):
            await self._say(tx, person, self._wording.text(person, "memory.kept" if fact else "memory.declined"))
        else:
            await self._show(tx, person)

    async def _told(self, tx: Transaction, person: Conversation, asked: StoredFact) -> Fact | None:
        """The fact that was asked about, read again from its message; None if that is gone or was judged as danger."""
        source = await messages.get(tx, asked.message_id)
        if source is None or source.conversation_id != person.id or source.seq is None:
            return None
        judged = (await messages.assessments(tx, [source.id])).get(source.id)
        if judged and judged.level.needs_human:
            return None
        fact = fact_in(source.text, _last_said(await messages.before(tx, person.id, source.seq, 8)))
        return fact if fact and fact.kind is asked.kind else None

    async def _keep(self, tx: Transaction, person: Conversation, asked: StoredFact, fact: Fact) -> None:
        """Remember a fact. A person has one name."""
        if fact.kind is FactKind.NAME:
            known = await facts.kept(tx, person.person_id)
            await facts.drop(tx, [f.id for f in known if f.kind is FactKind.NAME and f.id != asked.id])
        await facts.keep(tx, asked.id, fact.value)

    async def shown(self, tx: Transaction, person: Conversation, message: Stored, argument: str) -> None:
        """`memory` shows what is remembered; `memory forget` with all, a kind or an id deletes it."""
        verb, _, which = argument.partition(" ")
        known = await facts.kept(tx, person.person_id)
        chosen = [f.id for f in known if which in ("all", f.kind.value, str(f.id))] if verb == "forget" else []
        if chosen:
            await facts.drop(tx, chosen)
            await self._say(tx, person, self._wording.text(person, "memory.forgotten"))
        else:
            await self._show(tx, person)

    async def _show(self, tx: Transaction, person: Conversation) -> None:
        known = await facts.kept(tx, person.person_id)
        if not known:
            await self._say(tx, person, self._wording.text(person, "memory.nothing"))
            return
        lines = "\n".join(self._line(person, fact) for fact in known)
        buttons = [(self._forget_button(person, fact),) for fact in known]
        if len(known) > 1:
            buttons.append((self._wording.button(person, "button.forget_facts", "memory forget all"),))
        await self._say(tx, person, self._wording.text(person, "memory.list", what=lines), tuple(buttons))

    def _line(self, person: Conversation, fact: StoredFact) -> str:
        if fact.kind is FactKind.NAME:
            return self._wording.text(person, "memory.name", name=fact.value or "")
        return self._wording.text(person, "memory.helped", thing=self._called(person, fact.value or ""))

    def _forget_button(self, person: Conversation, fact: StoredFact) -> Button:
        what = self._called(person, fact.value or "") if fact.kind is FactKind.HELPED else fact.value or ""
        return Button(self._wording.text(person, "button.forget_fact", what=what), f"memory forget {fact.id}")

    def _called(self, person: Conversation, thing: str) -> str:
        """A thing in the person's language; one that this version does not know, by its key."""
        return self._wording.text(person, f"thing.{thing}") if thing in THINGS else thing

    async def _say(self, tx: Transaction, person: Conversation, text: str, buttons: Buttons = ()) -> None:
        await self._speaker.to_person(tx, person, outbox.Kind.NOTICE, [text], buttons=buttons)


def _last_said(earlier: Sequence[Stored]) -> str:
    """The bot's last text."""
    return next((m.text for m in reversed(earlier) if m.author in (messages.BOT, messages.SYSTEM)), "")


def _may_ask(fact: Fact, known: Sequence[StoredFact]) -> bool:
    """Whether a fact is new, and nothing of its kind was asked about in vain, unless the user wishes it themselves."""
    same_kind = [f for f in known if f.kind is fact.kind]
    if any(f.value is not None and f.value.casefold() == fact.value.casefold() for f in same_kind):
        return False
    return fact.wished or all(f.value is not None for f in same_kind)


def _asked(known: Sequence[StoredFact], message_id: str) -> StoredFact | None:
    """What a question was about: the one about that message; without an id, the last one that no yes was said to."""
    if message_id:
        return next((f for f in reversed(known) if str(f.message_id) == message_id), None)
    return next((f for f in reversed(known) if f.value is None), None)
