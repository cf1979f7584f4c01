"""`/mood`: how somebody is, from 0 to 10, and how that went over time, as a picture or in words."""

from collections.abc import Sequence
from datetime import timedelta
from zoneinfo import ZoneInfo

from bot.followups.content import MOODS
from bot.followups.picture import draw
from bot.followups.voice import Voice
from bot.store import Transaction, conversations, outbox, practices
from bot.store.conversations import Conversation
from bot.store.messages import Stored
from bot.store.outbox import Kind, Outgoing
from bot.store.practices import Mood

SHOWN = timedelta(days=90)
_IN_WORDS = 10  # moods that are listed where there are no pictures
_LOW = 2  # from here down a person is offered


class Moods:
    """Runs `mood`, `mood NUMBER`."""

    def __init__(self, voice: Voice) -> None:
        self._voice = voice

    async def run(self, tx: Transaction, person: Conversation, message: Stored, argument: str) -> None:
        """A number is kept, whoever has the conversation; without one the bot shows what it has."""
        if argument.isdecimal() and int(argument) in MOODS:
            await self._keep(tx, person, int(argument))
        elif argument:
            await self._voice.say(tx, person, self._voice.text(person, "mood_range"))
        elif person.holder == conversations.BOT:
            await self._show(tx, person)

    async def _keep(self, tx: Transaction, person: Conversation, value: int) -> None:
        await practices.add_mood(tx, person.person_id, value, "asked")
        await self._voice.ask(tx, person, "")
        if value > _LOW:
            await self._voice.say(tx, person, self._voice.text(person, "mood_kept"))
            return
        wording = self._voice.wording
        buttons = (
            (wording.button(person, "button.human", "human"), wording.button(person, "button.crisis", "crisis")),
        )
        await self._voice.say(tx, person, self._voice.text(person, "mood_low"), buttons=buttons)

    async def _show(self, tx: Transaction, person: Conversation) -> None:
        """The picture with its words; and a way to say how it is today."""
        found = await practices.moods(tx, person.person_id, tx.now - SHOWN)
        asking = self._voice.content.moods(person, "mood")
        await self._voice.ask(tx, person, "mood")
        if not found:
            await self._voice.say(tx, person, self._voice.text(person, "mood_nothing"), buttons=asking)
            return
        zone = ZoneInfo((await self._voice.enrolments.rhythm(tx, person)).zone)
        if not self._voice.speaker.of(person.address).images:
            await self._voice.say(tx, person, self._in_words(person, found, zone))
            return
        text = self._voice.text(person, "mood_picture", count=len(found))
        image = draw([(m.at.astimezone(zone), m.value, m.moment) for m in found])
        row = Outgoing(
            conversation_id=person.id,
            address=person.address,
            kind=Kind.NOTICE,
            text=text,
            buttons=asking,
            fence=person.fence,
            image=image,
        )
        await outbox.add(tx, [row])

    def _in_words(self, person: Conversation, found: Sequence[Mood], zone: ZoneInfo) -> str:
        lines = [f"{m.at.astimezone(zone):%m-%d %H:%M}  {m.value}" for m in found[-_IN_WORDS:]]
        return self._voice.text(person, "mood_list", what="\n".join(lines))
