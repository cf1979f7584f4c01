"""A counsellor's private chat with the bot: take cases by button, talk by writing, and the commands.

What changes a conversation happens in the commit that marks the counsellor's message as handled, so nothing is done
twice. Only a claim has its own commit (it may wait for a send under way); claiming again what one holds is harmless.
"""

from dataclasses import dataclass

from adapters import Address, Button, Kind
from bot.case_words import content, label, platform_name, waited
from bot.desk import Desk, DeskError
from bot.desk_commands import Answer, Asked, DeskCommands
from bot.page_answers import PageAnswers
from bot.speak import Buttons, Speaker
from bot.store import Store, Transaction, companions, handoffs, outbox
from bot.store.conversations import Conversation
from bot.store.handoffs import Handoff
from bot.store.messages import Stored
from bot.turn import Outcome
from config import Counsellor, Texts, load_texts

DEFAULT_OUTCOME = "other"


@dataclass(frozen=True, slots=True)
class _Said:
    """What a counsellor wrote, and where to answer."""

    counsellor: Counsellor
    words: Texts
    address: Address
    chat_id: int  # the id of the desk's own conversation
    message: Stored


class DeskChat:
    """Handles what counsellors write in their private chats."""

    def __init__(self, store: Store, desk: Desk, speaker: Speaker, page_answers: PageAnswers) -> None:
        self._store = store
        self._desk = desk
        self._speaker = speaker
        self._page_answers = page_answers
        self._commands = DeskCommands(desk)

    async def answer(self, counsellor: Counsellor, person: Conversation, message: Stored) -> Outcome:
        """The outcome of one message of a counsellor."""
        said = _Said(counsellor, load_texts(counsellor.languages[0]), person.address, person.id, message)
        name, _, argument = message.text.partition(" ")
        if message.kind not in (Kind.COMMAND, Kind.ACTION):
            return Outcome([message.id], apply=lambda tx, _: self._talk(tx, said))
        if name == "claim" and argument.isdigit():
            return await self._claim(said, int(argument))
        if name in ("coming", "cannot", "callmore") and (numbers := argument.split()) and argument.isascii():
            return Outcome([message.id], apply=lambda tx, _: self._answer_page(tx, said, name, numbers))
        if name in ("approve", "discard") and argument.isdecimal() and len(argument) < 18:
            return Outcome([message.id], apply=lambda tx, _: self._decide(tx, said, name, int(argument)))
        if name in self._commands.names:
            return Outcome([message.id], apply=lambda tx, _: self._run(tx, said, name, argument))
        if name == "release":
            return Outcome([message.id], apply=lambda tx, _: self._release(tx, said, argument))
        if name == "cases":
            return Outcome([message.id], apply=lambda tx, _: self._cases(tx, said))
        return self._tell(said, said.words.get("desk.help"))

    async def _answer_page(self, tx: Transaction, said: _Said, name: str, numbers: list[str]) -> None:
        """A button under a page, or the command it stands for: /coming CASE, /cannot CASE, /callmore CASE."""
        case, step = (*(int(n) for n in numbers if n.isdigit() and len(n) < 18), 0, 10**6)[:2]
        answers, who = self._page_answers, said.counsellor.id
        if name == "coming":
            result = await answers.coming(tx, case, who)
        elif name == "cannot":
            result = await answers.cannot(tx, case, who)
        else:
            result = await answers.call_more(tx, case, who, step)
        await self._write(tx, said, said.words.get(f"desk.{result.key}", **result.fields))

    async def _decide(self, tx: Transaction, said: _Said, name: str, draft_id: int) -> None:
        try:
            answer = await self._commands.decide(tx, name, draft_id, said.counsellor, said.words)
        except DeskError as error:
            answer = Answer(said.words.get(f"desk.{error.key}", **error.fields))
        await self._write(tx, said, answer.text)

    async def _run(self, tx: Transaction, said: _Said, name: str, argument: str) -> None:
        """A command about a case: the one whose number a button brings, else the one that is meant."""
        number, _, rest = argument.partition(" ")
        if said.message.kind is Kind.ACTION and number.isdecimal() and len(number) < 18:
            found, argument = await handoffs.get(tx, int(number)), rest
        else:
            found = await self._meant(tx, said)
        if found is None:
            await self._say_which(tx, said)
            return
        try:
            answer = await self._commands.run(tx, name, Asked(said.counsellor, said.words, found, argument.strip()))
        except DeskError as error:
            answer = Answer(said.words.get(f"desk.{error.key}", **error.fields))
        if answer.text:
            await self._write(tx, said, answer.text, answer.buttons)

    async def _say_which(self, tx: Transaction, said: _Said) -> None:
        """They hold no case, or more than one and did not say which."""
        many = len(await handoffs.held_by(tx, said.counsellor.id)) > 1
        await self._write(tx, said, said.words.get("desk.many_cases" if many else "desk.no_case"))

    async def _claim(self, said: _Said, handoff_id: int) -> Outcome:
        result = await self._desk.claim(handoff_id, said.counsellor.id)
        if result.won:
            return Outcome([said.message.id])  # the claim's own commit told them
        if result.handoff is None or not result.holder:
            return self._tell(said, said.words.get("desk.no_case"))
        return self._tell(said, said.words.get("desk.too_late", name=result.holder))

    def _tell(self, said: _Said, text: str) -> Outcome:
        async def apply(tx: Transaction, _: Conversation) -> None:
            await self._write(tx, said, text)

        return Outcome([said.message.id], apply=apply)

    async def _write(self, tx: Transaction, said: _Said, text: str, buttons: Buttons = ()) -> None:
        await self._speaker.to_desk(
            tx, said.chat_id, said.address, outbox.Kind.NOTICE, text, counsellor=said.counsellor.id, buttons=buttons
        )

    async def _talk(self, tx: Transaction, said: _Said) -> None:
        """Relay to the person meant: the one whose message is replied to, else the only one."""
        found = await self._meant(tx, said)
        if found is None:
            await self._say_which(tx, said)
            return
        text = content(said.words, said.message)
        try:
            await self._desk.say_within(tx, found.id, said.counsellor.id, text)
        except DeskError as error:
            await self._write(tx, said, said.words.get(f"desk.{error.key}", **error.fields))

    async def _release(self, tx: Transaction, said: _Said, note: str) -> None:
        found = await self._meant(tx, said)
        if found is None:
            await self._say_which(tx, said)
            return
        try:
            await self._desk.release_within(tx, found.id, said.counsellor.id, note, DEFAULT_OUTCOME)
        except DeskError as error:
            await self._write(tx, said, said.words.get(f"desk.{error.key}", **error.fields))
        else:
            await self._write(tx, said, said.words.get("desk.released"))

    async def _meant(self, tx: Transaction, said: _Said) -> Handoff | None:
        if said.message.reply_to:
            meant = await outbox.about(tx, said.address, said.message.reply_to)
            return await handoffs.get(tx, meant) if meant else None
        held = await handoffs.held_by(tx, said.counsellor.id)
        if helped := await companions.helped_by(tx, said.counsellor.id) if not held else ():
            return await handoffs.get(tx, helped[0]) if len(helped) == 1 else None
        return held[0] if len(held) == 1 else None

    async def _cases(self, tx: Transaction, said: _Said) -> None:
        lines, buttons = [], []
        for handoff, person in await self._desk.queue_within(tx):
            name = label(said.words, person)
            line = said.words.get(
                "desk.case_line",
                level=said.words.get(f"level.{handoff.level.value}"),
                category=said.words.get(f"category.{handoff.category.value if handoff.category else 'other'}"),
                name=name,
                platform=platform_name(said.words, person.address.platform),
                waited=waited(said.words, tx.now - handoff.created_at),
            )
            if handoff.state == handoffs.CLAIMED:
                line += " · " + said.words.get("desk.claimed_by", name=self._desk.name(handoff.counsellor))
            else:
                buttons.append((Button(f"{said.words.get('button.claim')} {name}", f"claim {handoff.id}"),))
            lines.append(line)
        text = "\n".join(lines) or said.words.get("desk.queue_empty")
        await self._write(tx, said, text, tuple(buttons[:20]))
