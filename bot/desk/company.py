"""Not alone with a case: a second counsellor who writes too, a supervisor who watches, and whispers among them."""

from bot.desk.floor import DeskError, Floor
from bot.store import Transaction, companions, handoffs, notes, outbox
from bot.store.wake import page

LONGEST_WHISPER = 4000


class Company:
    """Invite, join, watch, leave, whisper."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor

    async def invite(self, handoff_id: int, counsellor: str, whom: str) -> None:
        """Ask a colleague to come along. They may write once they joined."""
        async with self._floor.store.transaction() as tx:
            await self.invite_within(tx, handoff_id, counsellor, whom)

    async def invite_within(self, tx: Transaction, handoff_id: int, counsellor: str, whom: str) -> None:
        """`invite` as part of a larger commit."""
        floor = self._floor
        found, person = await floor.held(tx, handoff_id, counsellor)
        guest = floor.known(whom)
        there = await companions.one(tx, handoff_id, guest.id)
        if guest.id == counsellor or (there is not None and there.role == companions.SECOND):
            raise DeskError("already_here", name=guest.name)
        await companions.put(tx, handoff_id, guest.id, companions.INVITED, counsellor)
        await handoffs.note(tx, handoff_id, counsellor, "invited", guest.name)
        buttons = {"join": f"join {handoff_id}", "decline": f"decline {handoff_id}"}
        name = floor.name(counsellor)
        await floor.tell(tx, person, found, guest.id, "invited", console=True, buttons=buttons, name=name)
        tx.ring(page(person.address))

    async def join(self, handoff_id: int, counsellor: str) -> None:
        """Come along, invited. The user is told by name."""
        async with self._floor.store.transaction() as tx:
            await self.join_within(tx, handoff_id, counsellor)

    async def join_within(self, tx: Transaction, handoff_id: int, counsellor: str) -> None:
        """`join` as part of a larger commit."""
        floor = self._floor
        found, person = await floor.locked(tx, handoff_id)
        mine = await companions.one(tx, handoff_id, counsellor)
        if mine is None or mine.role != companions.INVITED or found.state != handoffs.CLAIMED:
            raise DeskError("not_invited")
        await companions.put(tx, handoff_id, counsellor, companions.SECOND, mine.by)
        await handoffs.note(tx, handoff_id, counsellor, "joined")
        name = floor.name(counsellor)
        text = floor.wording.text(person, "handoff.joined", name=name)
        await floor.speaker.to_person(tx, person, outbox.Kind.NOTICE, [text], handoff_id=handoff_id)
        await floor.tell(tx, person, found, found.counsellor, "joined", name=name)
        await floor.tell(tx, person, found, counsellor, "joined_by_you")
        tx.ring(page(person.address))

    async def decline_within(self, tx: Transaction, handoff_id: int, counsellor: str) -> None:
        """Say no to an invitation; whoever invited is told."""
        found, person = await self._floor.locked(tx, handoff_id)
        mine = await companions.one(tx, handoff_id, counsellor)
        if mine is None or mine.role != companions.INVITED:
            raise DeskError("not_invited")
        await companions.remove(tx, handoff_id, counsellor)
        await handoffs.note(tx, handoff_id, counsellor, "stays_away")
        name = self._floor.name(counsellor)
        await self._floor.tell(tx, person, found, mine.by, "invitation_declined", name=name, console=True)
        tx.ring(page(person.address))

    async def watch(self, handoff_id: int, supervisor: str) -> None:
        """Look on without a word to the user; the record says so. For supervisors."""
        async with self._floor.store.transaction() as tx:
            _, person = await self._floor.locked(tx, handoff_id)
            if self._floor.known(supervisor).role != "supervisor":
                raise DeskError("supervisors_only")
            if await companions.one(tx, handoff_id, supervisor) is None:
                await companions.put(tx, handoff_id, supervisor, companions.WATCHING, supervisor)
                await handoffs.note(tx, handoff_id, supervisor, "watches")
            tx.ring(page(person.address))

    async def leave(self, handoff_id: int, counsellor: str) -> None:
        """Go again. A user who was told of them is told that they left."""
        async with self._floor.store.transaction() as tx:
            await self.leave_within(tx, handoff_id, counsellor)

    async def leave_within(self, tx: Transaction, handoff_id: int, counsellor: str) -> None:
        """`leave` as part of a larger commit."""
        floor = self._floor
        found, person = await floor.locked(tx, handoff_id)
        if (mine := await companions.one(tx, handoff_id, counsellor)) is None:
            return
        await companions.remove(tx, handoff_id, counsellor)
        await handoffs.note(tx, handoff_id, counsellor, "left")
        if mine.role == companions.SECOND and found.state == handoffs.CLAIMED:
            fields = {"name": floor.name(counsellor), "other": floor.name(found.counsellor)}
            text = floor.wording.text(person, "handoff.second_left", **fields)
            await floor.speaker.to_person(tx, person, outbox.Kind.NOTICE, [text], handoff_id=handoff_id)
            await floor.tell(tx, person, found, found.counsellor, "second_left", name=fields["name"])
        tx.ring(page(person.address))

    async def whisper(self, handoff_id: int, counsellor: str, text: str) -> None:
        """Say something to those with the case; the user never sees it."""
        async with self._floor.store.transaction() as tx:
            await self.whisper_within(tx, handoff_id, counsellor, text)

    async def whisper_within(self, tx: Transaction, handoff_id: int, counsellor: str, text: str) -> None:
        """`whisper` as part of a larger commit."""
        found, person = await self._floor.attended(tx, handoff_id, counsellor)
        if not (words := text.strip()[:LONGEST_WHISPER]):
            return
        await notes.add(tx, person.person_id, handoff_id, notes.WHISPER, counsellor, words)
        there = [c.counsellor for c in await companions.of(tx, handoff_id) if c.role != companions.INVITED]
        for other in dict.fromkeys([found.counsellor, *there]):
            if other != counsellor:
                name = self._floor.name(counsellor)
                await self._floor.tell(tx, person, found, other, "whisper", name=name, text=words)
        tx.ring(page(person.address))
