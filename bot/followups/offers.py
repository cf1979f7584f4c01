"""Programmes are offered by the bot after a talk, by a counsellor at hand-back. Nothing begins before a yes."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from bot.followups.voice import Voice
from bot.speak import Buttons
from bot.store import Store, Transaction, conversations, followups, messages, outbox
from bot.store.conversations import Conversation
from bot.store.followups import Enrolment
from bot.store.messages import Stored
from config import Script
from config.programmes import Programme
from engine import Level
from engine.language import to_simplified
from engine.library import Library

AGAIN = timedelta(days=30)
"""Between two offers to the same person."""

LEAST = 3
"""Messages of the person that make a talk, after which something may be offered."""

_ENDS = ("thanks", "goodbye", "goodnight", "better")  # intents of the library that end a talk


@dataclass(frozen=True, slots=True)
class Offer:
    """Words and buttons under an answer, and the note that it was offered."""

    text: str
    buttons: Buttons
    note: Callable[[Transaction, Conversation], Awaitable[None]]


class Offers:
    """Finds what suits a talk, and asks."""

    def __init__(self, store: Store, voice: Voice, library: Library) -> None:
        self._store = store
        self._voice = voice
        self._library = library

    async def under(self, person: Conversation, taken: Sequence[Stored], earlier: Sequence[Stored]) -> Offer | None:
        """What to offer under the answer to `taken`: mostly nothing. `earlier` is oldest first."""
        if person.holder != conversations.BOT or person.level > Level.ELEVATED or not taken:
            return None
        shelf = self._library.shelf(self._voice.wording.language_of(person))
        if shelf.reader.read(_plain(person, taken[-1].text), follows=True).intent not in _ENDS:
            return None
        said = [m.text for m in earlier if m.author == messages.USER and m.text]
        if len(said) < LEAST:
            return None
        topics = list(shelf.rank_topics(_plain(person, "\n".join(said))))
        programme = next((p for topic in topics[:3] for p in self._offered() if topic in p.topics), None)
        if programme is None or not await self._may_offer(person):
            return None
        return self._worded(person, programme)

    def _offered(self) -> list[Programme]:
        return [p for p in self._voice.enrolments.programmes.every if p.offered and not p.by_counsellor]

    async def _may_offer(self, person: Conversation) -> bool:
        """Whether the person is in nothing and was not asked lately."""
        async with self._store.reading() as tx:
            rhythm = await followups.rhythm_of(tx, person.person_id)
            mine = await followups.open_of(tx, person.person_id)
            holds = await followups.holds(tx)
            lately = rhythm and rhythm.offered_at and tx.now - rhythm.offered_at < AGAIN
        return not (mine or lately or holds)

    def _worded(self, person: Conversation, programme: Programme) -> Offer:
        asking = f"checkins join {programme.id}"

        async def note(tx: Transaction, person: Conversation) -> None:
            rhythm = await self._voice.enrolments.rhythm(tx, person)
            await followups.put_rhythm(tx, replace(rhythm, offered_at=tx.now, asking=asking, asked_at=tx.now))

        about = self._voice.content.in_script(person, programme.about.of(self._voice.wording.language_of(person)))
        text = self._voice.text(person, "offer", title=self._voice.title(person, programme), about=about)
        if not self._voice.content.has_buttons(person):
            return Offer(f"{text}{self._voice.text(person, 'offer_in_words')}", (), note)
        yes = self._voice.wording.button(person, "button.followup_agree", f"{asking} yes")
        no = self._voice.wording.button(person, "button.no", f"checkins no {programme.id}")
        return Offer(text, ((yes, no),), note)

    async def propose(
        self, tx: Transaction, person: Conversation, programme_id: str, counsellor: str, name: str
    ) -> Enrolment:
        """A counsellor (id and display name) proposes a programme, as when they hand a conversation back.

        Part of the caller's transaction, which holds the conversation's lock. The person is asked at once; nothing is
        sent before their yes. Raises ConfigError for a programme that there is not, Refused if they are in it already.
        """
        programme = self._voice.enrolments.programmes.named(programme_id, "follow-up")
        invited = await self._voice.enrolments.invite(tx, person, programme, counsellor)
        title, about = self._voice.title(person, programme), self._voice.about(person, programme)
        text = self._voice.text(person, "invited", name=name, title=title, about=about)
        yes = self._voice.wording.button(person, "button.followup_agree", f"checkins yes {programme.id}")
        no = self._voice.wording.button(person, "button.no", f"checkins no {programme.id}")
        buttons: Buttons = ((yes, no),)
        if not self._voice.content.has_buttons(person):
            text, buttons = f"{text}\n{self._voice.text(person, 'offer_in_words')}", ()
        await self._voice.speaker.to_person(tx, person, outbox.Kind.NOTICE, [text], buttons=buttons)
        await self._voice.ask(tx, person, f"checkins join {programme.id}")
        return invited


def _plain(person: Conversation, text: str) -> str:
    return to_simplified(text) if person.script is Script.HANT else text
