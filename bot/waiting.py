"""What somebody who waits for a counsellor is told: honestly, at growing intervals, and at once when it goes wrong."""

from dataclasses import dataclass
from datetime import timedelta

from bot.speak import Speaker
from bot.store import Transaction, handoffs, outbox
from bot.store.conversations import Conversation
from bot.store.handoffs import Handoff
from bot.wording import Wording


@dataclass(frozen=True, slots=True)
class Waiting:
    """Writes to people who wait. `interval`: how often, at first."""

    speaker: Speaker
    wording: Wording
    interval: timedelta

    async def tell(
        self, tx: Transaction, person: Conversation, found: Handoff, reached: bool, at_once: bool = False
    ) -> None:
        """How things stand, if it is time or `at_once`. `reached` False: no page has arrived at anybody."""
        waited = tx.now - found.created_at
        # Ever longer: somebody who went to sleep is not woken every few minutes.
        pause = max(self.interval, waited / 2)
        if not at_once and tx.now - (found.reassured_at or found.created_at) < pause:
            return
        kind = outbox.Kind.NOTICE if reached else outbox.Kind.CRISIS
        text = self._text(person, found, reached, max(1, int(waited.total_seconds() // 60)))
        await self.speaker.to_person(tx, person, kind, [text], fence=person.fence, handoff_id=found.id)
        await handoffs.change(tx, found.id, reassured_at=tx.now)

    def _text(self, person: Conversation, found: Handoff, reached: bool, minutes: int) -> str:
        lines = self.wording.lines_for(person, found.level)
        if not reached:
            return self.wording.text(person, "handoff.nobody", lines=lines)
        if found.rank:
            return self.wording.text(person, "handoff.still_waiting_lines", minutes=minutes, lines=lines)
        return self.wording.text(person, "handoff.still_waiting", minutes)
