"""Plain words instead of commands: a number, "next", "stop". They count only where something is asked or under way."""

import re
from datetime import timedelta

from bot.followups.exercises import FORGOTTEN
from bot.store import Store, Transaction, followups, practices
from bot.store.conversations import Conversation
from engine.understanding import agrees, follow_up_in

ASKED = timedelta(hours=24)
"""So long a plain number is the answer to what was asked last."""

_NUMBER = re.compile(r"\s*(\d{1,2})\s*(?:分|/\s*10)?\s*[.。]?\s*")
_OFFER = "checkins join "


class Words:
    """Finds the command that a message means."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def meant(self, person: Conversation, text: str) -> str:
        """The command; empty if the message is talk. Most messages are told from it without a look at the database."""
        number = _NUMBER.fullmatch(text)
        command = "" if number else follow_up_in(text)
        yes = not number and not command and agrees(text) is True
        if not (number or command or yes):
            return ""
        async with self._store.reading() as tx:
            if number or yes:
                return await self._answered(tx, person, number[1] if number else "")
            return await self._about(tx, person, command)

    async def _answered(self, tx: Transaction, person: Conversation, number: str) -> str:
        """A number, or a yes to an offer that was made in words."""
        rhythm = await followups.rhythm_of(tx, person.person_id)
        if rhythm is None or not rhythm.asking or rhythm.asked_at is None or tx.now - rhythm.asked_at > ASKED:
            return ""
        offered = rhythm.asking.startswith(_OFFER)
        if offered or not number:
            return f"{rhythm.asking} yes" if offered and not number else ""
        if rhythm.asking.startswith("form begin"):
            return rhythm.asking if number == "1" else ""
        return f"{rhythm.asking} {number}"

    async def _about(self, tx: Transaction, person: Conversation, command: str) -> str:
        """A command about follow-ups or the exercise under way, if there is any such thing."""
        practising = await practices.current(tx, person.person_id, tx.now - FORGOTTEN)
        if command.startswith("exercise"):
            return command if practising else ""
        if practising and command in ("checkins stop", "checkins worse"):
            return command.replace("checkins", "exercise")
        if not await followups.open_of(tx, person.person_id):
            return ""
        if command in ("checkins worse", "checkins later"):
            last = await followups.last_sent(tx, person.person_id, tx.now - ASKED)
            return f"{command} {last}" if last else ""
        return command
