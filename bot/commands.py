"""The user's commands and buttons, and coming and going. A button's action is a command's text."""

from collections.abc import Awaitable, Callable, Mapping

from adapters import Kind
from bot.handoff import Handoffs
from bot.speak import Buttons, Speaker
from bot.store import Store, Transaction, handoffs, outbox, people
from bot.store.conversations import Conversation
from bot.store.messages import Stored
from bot.wording import Wording
from config import Language, Script

Handler = Callable[[Transaction, Conversation], Awaitable[None]]
Run = Callable[[Transaction, Conversation, Stored, str], Awaitable[None]]
"""Runs a command for a person: the message it came in, and what stood behind the command's name."""


class Commands:
    """Finds and runs commands: its own, and those in `more`."""

    def __init__(
        self, store: Store, handoffs: Handoffs, speaker: Speaker, wording: Wording, more: Mapping[str, Run]
    ) -> None:
        self._store = store
        self._handoffs = handoffs
        self._speaker = speaker
        self._wording = wording
        self._known: dict[str, Run] = {
            **more,
            "start": self._start,
            "help": self._help,
            "human": self._human,
            "crisis": self._crisis,
            "breathe": self._breathe,
            "privacy": self._privacy,
            "forget": self._forget,
            "language": self._language,
        }

    def handler(self, message: Stored) -> Handler:
        """What to do for a COMMAND, ACTION, ARRIVED or LEFT message, in the commit that marks it as handled."""
        if message.kind is Kind.LEFT:
            return self._left
        name, _, argument = ("start", "", "") if message.kind is Kind.ARRIVED else message.text.partition(" ")
        run = self._known.get(name.lower())

        async def handle(tx: Transaction, person: Conversation) -> None:
            if run:
                await run(tx, person, message, argument.strip())
            else:
                await self._say(tx, person, self._wording.text(person, "input.unknown_command"))

        return handle

    async def _say(self, tx: Transaction, person: Conversation, *texts: str, buttons: Buttons = ()) -> None:
        await self._speaker.to_person(tx, person, outbox.Kind.NOTICE, texts, buttons=buttons)

    async def _start(self, tx: Transaction, person: Conversation, message: Stored, argument: str) -> None:
        buttons = (
            (
                self._wording.button(person, "button.human", "human"),
                self._wording.button(person, "button.crisis", "crisis"),
                self._wording.button(person, "button.breathe", "breathe"),
            ),
        )
        await self._say(tx, person, self._wording.text(person, "welcome"), buttons=buttons)

    async def _help(self, tx: Transaction, person: Conversation, message: Stored, argument: str) -> None:
        await self._say(tx, person, self._wording.text(person, "help"))

    async def _human(self, tx: Transaction, person: Conversation, message: Stored, argument: str) -> None:
        if await handoffs.open_of(tx, person.id):
            await self._say(tx, person, self._wording.text(person, "handoff.already"))
        else:
            await self._handoffs.request(tx, person, message.id)

    async def _crisis(self, tx: Transaction, person: Conversation, message: Stored, argument: str) -> None:
        person.country = self._wording.country_in(argument) or person.country
        await self._speaker.to_person(tx, person, outbox.Kind.CRISIS, [self._wording.crisis(person)])

    def crisis_of(self, country: str) -> Handler:
        """Note the person's country and give its lines."""

        async def handle(tx: Transaction, person: Conversation) -> None:
            person.country = country
            await self._speaker.to_person(tx, person, outbox.Kind.CRISIS, [self._wording.crisis(person)])

        return handle

    async def _breathe(self, tx: Transaction, person: Conversation, message: Stored, argument: str) -> None:
        await self._say(tx, person, self._wording.text(person, "breathe"))

    async def _privacy(self, tx: Transaction, person: Conversation, message: Stored, argument: str) -> None:
        texts = [self._wording.text(person, "privacy")]
        if not tx.cipher.encrypts:
            texts.append(self._wording.text(person, "privacy_plaintext"))
        await self._say(tx, person, *texts)

    async def _forget(self, tx: Transaction, person: Conversation, message: Stored, argument: str) -> None:
        if argument != "yes":
            buttons = ((self._wording.button(person, "button.forget_yes", "forget yes"),),)
            await self._say(tx, person, self._wording.text(person, "forget.confirm"), buttons=buttons)
        elif await handoffs.open_of(tx, person.id):
            person.erase_at_close = True
            await self._say(tx, person, self._wording.text(person, "forget.later"))
        else:
            await people.erase_history(tx, person)
            await self._say(tx, person, self._wording.text(person, "forget.done"))

    async def _language(self, tx: Transaction, person: Conversation, message: Stored, argument: str) -> None:
        if argument not in list(Language):
            buttons = (
                (
                    self._wording.button(person, "button.zh", "language zh"),
                    self._wording.button(person, "button.en", "language en"),
                ),
            )
            await self._say(tx, person, self._wording.text(person, "language.choose"), buttons=buttons)
            return
        person.language, person.language_chosen = Language(argument), True
        person.script = Script.LATIN if person.language is Language.EN else Script.HANS
        await self._say(tx, person, self._wording.text(person, "language.set"))

    async def _left(self, tx: Transaction, person: Conversation) -> None:
        """The user blocked the bot: what waits cannot be sent, and a counsellor who is with them should know."""
        await outbox.drop_for(tx, person.address, "the user left")
        await self._handoffs.tell_unreachable(tx, person, "blocked")
