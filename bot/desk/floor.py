"""What all parts of the desk stand on: who holds a case, under its lock, and how counsellors are told of something."""

from dataclasses import dataclass
from datetime import timedelta

from adapters import Address, Button
from bot.case_words import label
from bot.desks import CONSOLE, Desks
from bot.speak import Buttons, Speaker
from bot.store import Store, Transaction, companions, conversations, handoffs, outbox
from bot.store.conversations import Conversation
from bot.store.handoffs import Handoff
from bot.wording import Wording
from config import Counsellor, load_texts


class DeskError(Exception):
    """A counsellor asked for what cannot be done. `key` names the text under `desk.` that says why."""

    def __init__(self, key: str, **fields: str) -> None:
        super().__init__(key)
        self.key = key
        self.fields = fields


@dataclass(frozen=True, slots=True)
class Floor:
    """Store, roster and voice. A claim without a word lapses after `lease`, an offer nobody accepts after another."""

    store: Store
    desks: Desks
    speaker: Speaker
    wording: Wording
    lease: timedelta
    offer_time: timedelta

    async def locked(self, tx: Transaction, handoff_id: int) -> tuple[Handoff, Conversation]:
        """An open handoff, its conversation locked until the transaction ends. Raises DeskError."""
        found = await handoffs.get(tx, handoff_id)
        person = (await conversations.lock(tx, [found.conversation_id])).get(found.conversation_id) if found else None
        found = await handoffs.get(tx, handoff_id)
        if found is None or person is None or found.state == handoffs.CLOSED:
            raise DeskError("no_case")
        return found, person

    async def held(self, tx: Transaction, handoff_id: int, counsellor: str) -> tuple[Handoff, Conversation]:
        """The handoff, locked, if this counsellor holds it."""
        found, person = await self.locked(tx, handoff_id)
        if found.counsellor != counsellor:
            raise DeskError("too_late", name=self.name(found.counsellor)) if found.counsellor else DeskError("lapsed")
        return found, person

    async def shared(self, tx: Transaction, handoff_id: int, counsellor: str) -> tuple[Handoff, Conversation]:
        """The handoff, locked, if this counsellor holds it or writes in it as a second."""
        mine = await companions.one(tx, handoff_id, counsellor)
        if mine is None or mine.role != companions.SECOND:
            return await self.held(tx, handoff_id, counsellor)
        found, person = await self.locked(tx, handoff_id)
        if found.state != handoffs.CLAIMED:
            raise DeskError("lapsed")
        return found, person

    async def attended(self, tx: Transaction, handoff_id: int, counsellor: str) -> tuple[Handoff, Conversation]:
        """The handoff, locked, if this counsellor holds it, writes in it, or watches."""
        mine = await companions.one(tx, handoff_id, counsellor)
        if mine is not None and mine.role == companions.WATCHING:
            return await self.locked(tx, handoff_id)
        return await self.shared(tx, handoff_id, counsellor)

    def name(self, counsellor: str | None) -> str:
        """A counsellor's display name; the id of one who left the roster."""
        known = self.desks.roster.counsellor(counsellor or "")
        return known.name if known else (counsellor or "")

    def known(self, counsellor: str) -> Counsellor:
        """A counsellor of the roster. Raises DeskError."""
        if (found := self.desks.roster.counsellor(counsellor)) is None:
            raise DeskError("no_counsellor", name=counsellor)
        return found

    async def tell(
        self,
        tx: Transaction,
        person: Conversation,
        found: Handoff,
        counsellor: str | None,
        key: str,
        /,
        *,
        buttons: dict[str, str] | None = None,
        console: bool = False,
        **fields: str,
    ) -> None:
        """Write `desk.<key>` about a person to a counsellor's chat, with `console` to their open pages too.

        `buttons` gives actions by the key of their label under `button.`
        """
        to = self.desks.roster.counsellor(counsellor or "")
        if to is None:
            return
        words = load_texts(to.languages[0])
        text = f"{label(words, person)}: " + words.get(f"desk.{key}", **fields)
        rows: Buttons = tuple((Button(words.get(f"button.{k}"), action),) for k, action in (buttons or {}).items())
        addresses = [self.desks.talk_address(to), Address(CONSOLE, "desk", to.id) if console else None]
        for address in addresses:
            if address is not None:
                await self.speaker.to_desk(
                    tx,
                    person.id,
                    address,
                    outbox.Kind.NOTICE,
                    text,
                    counsellor=to.id,
                    handoff_id=found.id,
                    buttons=rows,
                )
