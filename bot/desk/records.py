"""What counsellors keep about a person: private notes, and the safety plan that the two make together."""

from collections.abc import Mapping

from bot.desk.floor import DeskError, Floor
from bot.plan import plan_text
from bot.store import Transaction, handoffs, notes, outbox, plans
from bot.store.notes import Note
from bot.store.plans import PLAN_FIELDS, Plan
from bot.store.wake import page

LONGEST_NOTE = 8000
LONGEST_FIELD = 2000


class Records:
    """Notes and plans."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor

    async def note(self, handoff_id: int, counsellor: str, text: str) -> Note:
        """Keep a note about the person, which every later counsellor sees and the person does not."""
        async with self._floor.store.transaction() as tx:
            return await self.note_within(tx, handoff_id, counsellor, text)

    async def note_within(self, tx: Transaction, handoff_id: int, counsellor: str, text: str) -> Note:
        """`note` as part of a larger commit."""
        _, person = await self._floor.attended(tx, handoff_id, counsellor)
        if not (words := text.strip()[:LONGEST_NOTE]):
            raise DeskError("note_empty")
        kept = await notes.add(tx, person.person_id, handoff_id, notes.NOTE, counsellor, words)
        tx.ring(page(person.address))
        return kept

    async def write_plan(self, handoff_id: int, counsellor: str, fields: Mapping[str, str]) -> Plan:
        """Keep a new version of the safety plan. `fields` by the names of PLAN_FIELDS; what is missing stays empty."""
        async with self._floor.store.transaction() as tx:
            _, person = await self._floor.shared(tx, handoff_id, counsellor)
            written = {name: fields.get(name, "").strip()[:LONGEST_FIELD] for name in PLAN_FIELDS}
            if not any(written.values()):
                raise DeskError("plan_empty")
            kept = await plans.add(tx, person.person_id, counsellor, written)
            await handoffs.note(tx, handoff_id, counsellor, "plan_written", str(kept.version))
            tx.ring(page(person.address))
            return kept

    async def plans(self, handoff_id: int, counsellor: str) -> list[Plan]:
        """Every version of the person's plan, newest first."""
        async with self._floor.store.transaction() as tx:
            _, person = await self._floor.attended(tx, handoff_id, counsellor)
            return await plans.every(tx, person.person_id)

    async def show_plan(self, handoff_id: int, counsellor: str) -> None:
        """Send the newest version to the user."""
        async with self._floor.store.transaction() as tx:
            await self.show_plan_within(tx, handoff_id, counsellor)

    async def show_plan_within(self, tx: Transaction, handoff_id: int, counsellor: str) -> None:
        """`show_plan` as part of a larger commit."""
        _, person = await self._floor.shared(tx, handoff_id, counsellor)
        if (newest := await plans.newest(tx, person.person_id)) is None:
            raise DeskError("no_plan")
        text = plan_text(self._floor.wording, person, newest)
        await self._floor.speaker.to_person(tx, person, outbox.Kind.NOTICE, [text], handoff_id=handoff_id)
        await plans.shown(tx, person.person_id, newest.version)
        await handoffs.note(tx, handoff_id, counsellor, "plan_shown", str(newest.version))
        tx.ring(page(person.address))
