"""What the parts that people talk to share: to say something, to remember what was asked, to tell a counsellor."""

from datetime import datetime
from zoneinfo import ZoneInfo

from bot.case_words import label
from bot.desks import Desks
from bot.followups.content import Content
from bot.followups.enrolments import Enrolments
from bot.speak import Buttons, Speaker
from bot.store import Transaction, conversations, followups, outbox
from bot.store.conversations import Conversation
from bot.wording import Wording
from config import load_texts
from config.programmes import Programme


class Voice:
    """Speaks to the person, and of them to the counsellors on call."""

    def __init__(self, content: Content, speaker: Speaker, desks: Desks, enrolments: Enrolments) -> None:
        self.content = content
        self.enrolments = enrolments
        self.speaker = speaker
        self._desks = desks

    @property
    def wording(self) -> Wording:
        """The bot's fixed words."""
        return self.content.wording

    def text(self, person: Conversation, key: str, **fields: str | int) -> str:
        """A text under `followup.`."""
        return self.wording.text(person, f"followup.{key}", **fields)

    def title(self, person: Conversation, programme: Programme) -> str:
        """A programme's name in the person's language and script."""
        return self.content.in_script(person, programme.title.of(self.wording.language_of(person)))

    def about(self, person: Conversation, programme: Programme) -> str:
        """What somebody agrees to, and with what care."""
        language = self.wording.language_of(person)
        parts = [programme.about.of(language)]
        if programme.contraindications:
            parts.append(programme.contraindications.of(language))
        return self.content.in_script(person, "\n".join(parts))

    def when(self, moment: datetime, zone: str) -> str:
        """A moment on the person's clock, such as 2026-03-01 08:00."""
        return f"{moment.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}"

    async def say(self, tx: Transaction, person: Conversation, *texts: str, buttons: Buttons = ()) -> None:
        """Say something at once, unless somebody else has the conversation."""
        if person.holder == conversations.BOT:
            await self.speaker.to_person(tx, person, outbox.Kind.NOTICE, texts, buttons=buttons, fence=person.fence)

    async def ask(self, tx: Transaction, person: Conversation, command: str) -> None:
        """A plain number from the person completes this command from now on; empty: none does."""
        await self.enrolments.rhythm(tx, person)
        await followups.note_asked(tx, [(person.person_id, command)])

    async def tell_counsellors(self, tx: Transaction, person: Conversation, key: str, **fields: str) -> None:
        """Tell those who are on call something about the person; nobody need come. `key` stands under `desk.`."""
        called, _ = self._desks.roster.step(0, tx.now)
        for counsellor in called:
            words = load_texts(counsellor.languages[0])
            text = f"{label(words, person)}: {words.get(f'desk.{key}', **fields)}"
            for address in self._desks.addresses(counsellor):
                await self.speaker.to_desk(tx, person.id, address, outbox.Kind.NOTICE, text, counsellor=counsellor.id)
