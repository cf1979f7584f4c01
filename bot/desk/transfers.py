"""Passing a case on: held out to a person or a team, and its holder keeps it until one of them accepts."""

from dataclasses import dataclass

from bot.desk.floor import DeskError, Floor
from bot.store import Transaction, companions, conversations, drafts, handoffs, offers, outbox
from bot.store.conversations import Conversation
from bot.store.handoffs import Handoff
from bot.store.offers import Offer
from bot.store.wake import page
from config import Counsellor

SKILL = "skill:"
LONGEST_NOTE = 2000


@dataclass(frozen=True, slots=True)
class Target:
    """Whom a case can be held out to. `kind`: person or team; `members` are ids, of a team those on duty now."""

    id: str
    name: str
    kind: str
    on_call: bool
    members: tuple[str, ...]


class Transfers:
    """Offer, accept, decline, withdraw. Of many in a team who accept, one wins."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor

    async def offer(self, handoff_id: int, counsellor: str, to: str, note: str = "") -> Offer:
        """Hold a case out to a counsellor, a rotation or `skill:NAME`. Raises DeskError."""
        async with self._floor.store.transaction() as tx:
            return await self.offer_within(tx, handoff_id, counsellor, to, note)

    async def offer_within(self, tx: Transaction, handoff_id: int, counsellor: str, to: str, note: str) -> Offer:
        """`offer` as part of a larger commit."""
        found, person = await self._floor.held(tx, handoff_id, counsellor)
        if await offers.open_of(tx, handoff_id):
            raise DeskError("offer_open")
        members = [c for c in self.members(to) if c.id != counsellor]
        if not members:
            raise DeskError("nobody_there", name=self.called(to))
        until = tx.now + self._floor.offer_time
        made = await offers.add(tx, handoff_id, counsellor, to, note.strip()[:LONGEST_NOTE], until)
        await handoffs.note(tx, handoff_id, counsellor, "offered", f"{self.called(to)}: {made.note}".rstrip(": "))
        for member in members:
            await self._floor.tell(
                tx,
                person,
                found,
                member.id,
                "offered",
                console=True,
                buttons={"accept": f"accept {handoff_id}", "decline": f"decline {handoff_id}"},
                name=self._floor.name(counsellor),
                note=made.note or "-",
            )
        tx.ring(page(person.address))
        return made

    async def accept(self, handoff_id: int, counsellor: str) -> None:
        """Take a case that is held out. From the commit on it is theirs alone. Raises DeskError for who comes late."""
        async with self._floor.store.transaction() as tx:
            await self.accept_within(tx, handoff_id, counsellor)

    async def accept_within(self, tx: Transaction, handoff_id: int, counsellor: str) -> None:
        """`accept` as part of a larger commit."""
        found, person, held_out = await self._held_out(tx, handoff_id, counsellor)
        await offers.close(tx, handoff_id, offers.ACCEPTED, counsellor)
        await handoffs.change(
            tx,
            handoff_id,
            counsellor=counsellor,
            claimed_at=tx.now,
            lease_until=tx.now + self._floor.lease,
            next_step_at=tx.now + self._floor.lease / 2,
        )
        await handoffs.note(tx, handoff_id, counsellor, "accepted", held_out.by)
        await companions.remove(tx, handoff_id, counsellor)
        person.fence += 1
        await drafts.overtake(tx, person.id)
        await conversations.save(tx, [person])
        await self._announce(tx, person, found, held_out.by, counsellor)
        tx.ring(page(person.address))

    async def _announce(
        self, tx: Transaction, person: Conversation, found: Handoff, before: str, counsellor: str
    ) -> None:
        floor, name = self._floor, self._floor.name(counsellor)
        text = floor.wording.text(person, "handoff.transferred", before=floor.name(before), name=name)
        await floor.speaker.to_person(tx, person, outbox.Kind.NOTICE, [text], handoff_id=found.id)
        await floor.tell(tx, person, found, before, "transferred", name=name)
        await floor.tell(tx, person, found, counsellor, "transferred_to_you", name=floor.name(before))

    async def decline(self, handoff_id: int, counsellor: str) -> None:
        """Say no to a case that is held out. The offer ends when everybody it is for has declined."""
        async with self._floor.store.transaction() as tx:
            await self.decline_within(tx, handoff_id, counsellor)

    async def decline_within(self, tx: Transaction, handoff_id: int, counsellor: str) -> None:
        """`decline` as part of a larger commit."""
        found, person, held_out = await self._held_out(tx, handoff_id, counsellor)
        await handoffs.note(tx, handoff_id, counsellor, "offer_declined", str(held_out.id))
        declined = {
            e.actor
            for e in await handoffs.events(tx, handoff_id)
            if (e.event, e.detail) == ("offer_declined", str(held_out.id))
        }
        if {c.id for c in self.members(held_out.to)} - {held_out.by} <= declined:
            await offers.close(tx, handoff_id, offers.DECLINED, counsellor)
            await self._floor.tell(
                tx, person, found, held_out.by, "offer_declined", name=self.called(held_out.to), console=True
            )
        tx.ring(page(person.address))

    async def withdraw(self, handoff_id: int, counsellor: str) -> None:
        """The holder keeps the case after all."""
        async with self._floor.store.transaction() as tx:
            _, person = await self._floor.held(tx, handoff_id, counsellor)
            if await offers.close(tx, handoff_id, offers.WITHDRAWN, counsellor):
                await handoffs.note(tx, handoff_id, counsellor, "withdrawn")
            tx.ring(page(person.address))

    async def lapse_within(self, tx: Transaction, seen: Offer) -> None:
        """Nobody accepted in time: the offer ends, and its holder, who keeps the case, is told."""
        found, person = await self._floor.locked(tx, seen.handoff_id)
        current = await offers.open_of(tx, seen.handoff_id)
        if current is None or current.id != seen.id:
            return
        await offers.close(tx, found.id, offers.LAPSED)
        await handoffs.note(tx, found.id, "bot", "offer_lapsed")
        await self._floor.tell(tx, person, found, seen.by, "offer_lapsed", name=self.called(seen.to), console=True)
        tx.ring(page(person.address))

    async def _held_out(self, tx: Transaction, handoff_id: int, counsellor: str) -> tuple[Handoff, Conversation, Offer]:
        """The handoff, locked, with its offer, if the offer is for this counsellor and its maker still holds it."""
        found, person = await self._floor.locked(tx, handoff_id)
        held_out = await offers.open_of(tx, handoff_id)
        if held_out is None or held_out.by != found.counsellor or held_out.until <= tx.now:
            holder = self._floor.name(found.counsellor)
            raise DeskError("too_late", name=holder) if holder else DeskError("offer_gone")
        if not self.is_for(held_out, counsellor):
            raise DeskError("not_for_you")
        return found, person, held_out

    def is_for(self, held_out: Offer, counsellor: str) -> bool:
        """Whether an offer is for this counsellor."""
        return held_out.by != counsellor and counsellor in {c.id for c in self.members(held_out.to)}

    def members(self, to: str) -> tuple[Counsellor, ...]:
        """Who is meant by a counsellor's id, a rotation's id (those on duty), or `skill:NAME` (on duty, else all)."""
        roster, now = self._floor.desks.roster, self._floor.store.clock()
        away = roster.away(now)
        if to.startswith(SKILL):
            able = [c for c in roster.counsellors if to.removeprefix(SKILL) in c.skills]
            ids = {c.id for c in able} - away
        elif rotation := next((r for r in roster.rotations if r.id == to), None):
            ids = set(roster.turn(rotation, now)) - away
        else:
            ids = {to}
        return tuple(c for c in roster.counsellors if c.id in ids)

    def called(self, to: str) -> str:
        """What an offer's target is called."""
        return self._floor.name(to).removeprefix(SKILL)

    def targets(self, counsellor: str) -> list[Target]:
        """Whom this counsellor can hold a case out to: teams with somebody there, then persons, those on duty first."""
        roster, now = self._floor.desks.roster, self._floor.store.clock()
        on_call = frozenset[str]().union(*(roster.on_call(rung, now) for rung in range(len(roster.ladder))))
        skills = sorted({f"{SKILL}{skill}" for c in roster.counsellors for skill in c.skills})
        teams = []
        for name in (*(r.id for r in roster.rotations), *skills):
            if ids := tuple(c.id for c in self.members(name) if c.id != counsellor):
                teams.append(Target(name, self.called(name), "team", bool(on_call & set(ids)), ids))
        people = [
            Target(c.id, c.name, "person", c.id in on_call, (c.id,)) for c in roster.counsellors if c.id != counsellor
        ]
        return [*teams, *sorted(people, key=lambda t: not t.on_call)]
