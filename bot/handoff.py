"""Handoffs inside a transaction: open, raise, alert, and the packet a counsellor reads.

Callers hold the lock of the conversation (`conversations.lock` or `find_or_create`), so nothing here can race.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from adapters import Address, Button, Kind
from bot.speak import Speaker
from bot.store import Transaction, conversations, handoffs, messages, outbox
from bot.store.conversations import Conversation
from bot.store.handoffs import Handoff
from bot.store.wake import page
from bot.wording import Wording
from config import Counsellor, Roster, Texts, load_texts
from engine import About, Assessment, Level

CONSOLE = "console"
PACKET_MESSAGES = 6
PACKET_QUOTES = 5
_QUOTE = 300  # characters of one message in an alert; the desk shows it whole


@dataclass(slots=True)
class Desks:
    """Where counsellors are reached. `telegram_account` is the bot's own id there, empty without Telegram."""

    roster: Roster  # the one in force; `Rota` exchanges it when somebody changes it
    telegram_account: str

    def addresses(self, counsellor: Counsellor) -> list[Address]:
        """Every way to reach a counsellor; the console last, where they must look themselves."""
        found = [Address(CONSOLE, "desk", counsellor.id)]
        if talk := self.talk_address(counsellor):
            found.insert(0, talk)
        return found

    def talk_address(self, counsellor: Counsellor) -> Address | None:
        """The chat in which a counsellor can talk with a user, outside the console."""
        if counsellor.telegram is None or not self.telegram_account:
            return None
        return Address("telegram", self.telegram_account, str(counsellor.telegram))

    def counsellor_at(self, address: Address) -> Counsellor | None:
        """The counsellor whose desk this address is; None for a user's."""
        if address.platform != "telegram" or not address.chat.lstrip("-").isdigit():
            return None
        return self.roster.by_telegram(int(address.chat))


@dataclass(frozen=True, slots=True)
class Handoffs:
    """Opens handoffs and calls counsellors."""

    desks: Desks
    speaker: Speaker
    wording: Wording

    async def open_or_raise(
        self, tx: Transaction, person: Conversation, found: Assessment, message_id: int, current: Handoff | None
    ) -> Handoff:
        """A message at URGENT or above: open a handoff, or raise the open one. Changes `person`; the caller saves.

        The user gets the reviewed safety text unless a counsellor is already there; counsellors get alerts; whatever
        the bot was about to say is dropped.
        """
        if current is None:
            return await self._open(tx, person, found, message_id)
        if found.level.rank > current.rank:
            return await self._raise(tx, person, found, message_id, current)
        return current

    async def _open(self, tx: Transaction, person: Conversation, found: Assessment, message_id: int) -> Handoff:
        await self._hold(tx, person)
        handoff = await handoffs.add(
            tx,
            person.id,
            found.level,
            found.level.rank,
            found.category,
            found.about,
            "screen",
            message_id,
            tx.now,
        )
        await handoffs.note(tx, handoff.id, "bot", "opened", found.level.value)
        await self._comfort(tx, person, found, handoff, message_id, [self.wording.text(person, "handoff.queued")])
        return await self.alert(tx, person, handoff, found, "desk.alert", step=0)

    async def _raise(
        self, tx: Transaction, person: Conversation, found: Assessment, message_id: int, current: Handoff
    ) -> Handoff:
        await handoffs.change(
            tx,
            current.id,
            level=found.level,
            rank=found.level.rank,
            category=found.category,
            about=found.about,
            message_id=message_id,
        )
        await handoffs.note(tx, current.id, "bot", "raised", found.level.value)
        raised = replace(current, level=found.level, rank=found.level.rank, category=found.category, about=found.about)
        if current.state == handoffs.WAITING:
            await self._hold(tx, person)
            await self._comfort(tx, person, found, raised, message_id, [])
        return await self.alert(tx, person, raised, found, "desk.raised", step=raised.step)

    async def request(self, tx: Transaction, person: Conversation, message_id: int) -> Handoff:
        """The user asked for a person, without danger. Changes `person`; the caller saves."""
        await self._hold(tx, person)
        handoff = await handoffs.add(tx, person.id, Level.NONE, 0, None, About.SELF, "request", message_id, tx.now)
        await handoffs.note(tx, handoff.id, "user", "requested")
        await self.speaker.to_person(
            tx, person, outbox.Kind.NOTICE, [self.wording.text(person, "handoff.requested")], handoff_id=handoff.id
        )
        return await self.alert(tx, person, handoff, None, "desk.request", step=0)

    async def _hold(self, tx: Transaction, person: Conversation) -> None:
        """Nothing that was being written for the person leaves any more; what waited is answered by what comes now."""
        person.holder = conversations.WAITING
        person.fence += 1
        person.turn_due_at = None
        await outbox.drop_fenced(tx, person.id, person.fence, "a handoff began")
        await messages.finish_pending(tx, person.id)

    async def _comfort(
        self,
        tx: Transaction,
        person: Conversation,
        found: Assessment,
        handoff: Handoff,
        message_id: int,
        more: list[str],
    ) -> None:
        said = await messages.get(tx, message_id)
        first = self.wording.safety_in_other(person, found, said.text if said else "")
        texts = [*first, self.wording.safety(person, found), *more]
        await self.speaker.to_person(tx, person, outbox.Kind.CRISIS, texts, handoff_id=handoff.id)

    async def alert(
        self, tx: Transaction, person: Conversation, handoff: Handoff, found: Assessment | None, key: str, step: int
    ) -> Handoff:
        """Alert the counsellors of a step (all steps at EMERGENCY; only the holder once it is claimed)."""
        roster = self.desks.roster
        step = len(roster.ladder) - 1 if handoff.level is Level.EMERGENCY else roster.staffed(step, tx.now)
        called, wait = roster.step(step, tx.now)
        if handoff.state == handoffs.CLAIMED:
            called = tuple(c for c in called if c.id == handoff.counsellor) or tuple(
                c for c in roster.counsellors if c.id == handoff.counsellor
            )
        said = await messages.latest(tx, [person.id], 2 * PACKET_MESSAGES, unsent=True)
        for counsellor in called:
            text = self.packet(counsellor, person, handoff, found, said, key, tx.now)
            words = load_texts(counsellor.languages[0])
            claim = ((Button(words.get("button.claim"), f"claim {handoff.id}"),),)
            for address in self.desks.addresses(counsellor):
                await self.speaker.to_desk(
                    tx,
                    person.id,
                    address,
                    outbox.Kind.ALERT,
                    text,
                    counsellor=counsellor.id,
                    handoff_id=handoff.id,
                    buttons=claim if handoff.state == handoffs.WAITING else (),
                )
        next_step_at = handoff.next_step_at
        if handoff.state == handoffs.WAITING:
            next_step_at = tx.now + _pause(handoff, timedelta(seconds=wait), tx.now)
            await handoffs.change(tx, handoff.id, step=step, next_step_at=next_step_at)
        return replace(handoff, step=step, next_step_at=next_step_at)

    async def call_next(self, tx: Transaction, handoff_id: int) -> None:
        """An alert will never arrive: if no other is on its way or has arrived, the next step comes at once."""
        found = await handoffs.get(tx, handoff_id)
        if found and found.state == handoffs.WAITING and not await outbox.somebody_is_called(tx, handoff_id):
            await handoffs.change(tx, handoff_id, next_step_at=tx.now)

    async def tell_unreachable(self, tx: Transaction, person: Conversation, reason: str) -> None:
        """Tell the counsellors who care about a person that texts no longer arrive. `reason`: a key of desk.reason."""
        handoff = await handoffs.open_of(tx, person.id)
        if handoff is None:
            return
        await handoffs.note(tx, handoff.id, "bot", "unreachable", reason)
        called, _ = self.desks.roster.step(handoff.step, tx.now)
        if handoff.counsellor:
            called = tuple(c for c in self.desks.roster.counsellors if c.id == handoff.counsellor)
        for counsellor in called:
            words = load_texts(counsellor.languages[0])
            text = f"{label(words, person)}: " + words.get("desk.blocked", reason=words.get(f"desk.reason.{reason}"))
            for address in self.desks.addresses(counsellor):
                await self.speaker.to_desk(
                    tx, person.id, address, outbox.Kind.NOTICE, text, counsellor=counsellor.id, handoff_id=handoff.id
                )
        tx.ring(page(person.address))

    def packet(
        self,
        counsellor: Counsellor,
        person: Conversation,
        handoff: Handoff,
        found: Assessment | None,
        said: Sequence[messages.Stored],
        key: str,
        now: datetime,
    ) -> str:
        """What a counsellor needs to decide and begin, as one text in their language."""
        words = load_texts(counsellor.languages[0])
        evidence = " / ".join(f"“{_short(e.text)}”" for e in found.evidence[:PACKET_QUOTES]) if found else ""
        bot_said = [m for m in said if m.author in (messages.BOT, messages.SYSTEM)]
        fields = {
            "level": words.get(f"level.{handoff.level.value}"),
            "category": words.get(f"category.{handoff.category.value if handoff.category else 'other'}"),
            "name": label(words, person),
            "platform": platform_name(words, person.address.platform),
            "waited": waited(words, now - handoff.created_at),
            "evidence": evidence or "-",
            "said": _short(bot_said[-1].text) if bot_said else "-",
            "last": "\n".join(speech(words, m) for m in said[-PACKET_MESSAGES:]) or "-",
        }
        return words.get(key, **{k: v for k, v in fields.items() if k in words.fields(key)})


def _pause(handoff: Handoff, wait: timedelta, now: datetime) -> timedelta:
    """How long until the next step: the ladder's wait, and below EMERGENCY a tenth of the waiting so far, if longer.

    So nobody is paged every minute for a whole night, and an emergency never gets quieter.
    """
    if handoff.level is Level.EMERGENCY:
        return wait
    return max(wait, (now - handoff.created_at) / 10)


def label(words: Texts, person: Conversation) -> str:
    """What counsellors call a person: a number, because names are the platform's business."""
    return f"#{person.person_id}"


def platform_name(words: Texts, platform: str) -> str:
    """A platform as counsellors call it."""
    key = f"platform.{platform}"
    return words.get(key) if key in words.keys() else platform  # noqa: SIM118


def speech(words: Texts, message: messages.Stored) -> str:
    """One line of talk for a counsellor."""
    role = {messages.USER: "user", messages.COUNSELLOR: "counsellor"}.get(message.author, "assistant")
    return f"{words.get(f'role.{role}')}: {_short(content(words, message))}"


def content(words: Texts, message: messages.Stored) -> str:
    """The text of a message; what was sent instead of text is named."""
    if message.kind in (Kind.TEXT, Kind.COMMAND, Kind.ACTION):
        return f"/{message.text}" if message.kind is not Kind.TEXT else message.text
    key = f"desk.kind.{message.kind.value}"
    named = words.get("desk.attachment", kind=words.get(key if key in words.keys() else "desk.kind.other"))  # noqa: SIM118
    return f"{named} {message.text}".strip()


def waited(words: Texts, time: timedelta) -> str:
    """A waiting time in words, coarse as people say it."""
    seconds = int(time.total_seconds())
    for unit, size in (("hours", 3600), ("minutes", 60)):
        if seconds >= size:
            return words.get(f"time.{unit}", count=seconds // size)
    return words.get("time.seconds", count=seconds)


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _QUOTE else flat[: _QUOTE - 1] + "…"
