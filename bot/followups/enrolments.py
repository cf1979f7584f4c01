"""Who is in which programme: agree, decline, stop, pause, go on, another time, another zone, later, not today.

Every method is part of a transaction that holds the lock of the person's conversation. Chat, console and command line
use them alike; none of them says anything to the person.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from bot.followups import timing
from bot.followups.decide import Reason
from bot.followups.timing import Rhythm, Slot
from bot.store import Transaction, followups
from bot.store.conversations import Conversation
from bot.store.followups import ACTIVE, DONE, INVITED, PAUSED, STALLED, STOPPED, Enrolment, Planned, StoredRhythm
from config.programmes import Programme, Programmes
from config.settings import FollowUpSettings
from config.zones import zone_of_country

MOST_ROUNDS = 3
"""How often one thing is sent: once, and again after each time it was put off."""


class Refused(Exception):
    """Something that cannot be done. `key` names the text under `followup.` that says why."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


class Enrolments:
    """What can be done with enrolments. `country` is assumed for somebody whose own is not known."""

    def __init__(self, programmes: Programmes, settings: FollowUpSettings, country: str) -> None:
        self.programmes = programmes
        self._jitter = settings.jitter_seconds
        self._quiet = minutes_of(settings.quiet_from), minutes_of(settings.quiet_until)
        self._country = country

    # The person's clock

    async def rhythm(self, tx: Transaction, person: Conversation) -> StoredRhythm:
        """The person's clock; made with a guessed zone when it is first needed."""
        if found := await followups.rhythm_of(tx, person.person_id):
            return found
        made = self.default_rhythm(person)
        await followups.put_rhythm(tx, made)
        return made

    def default_rhythm(self, person: Conversation) -> StoredRhythm:
        """The clock of somebody of whom only the country is known, or not even that."""
        zone = zone_of_country(person.country or self._country)
        return StoredRhythm(person.person_id, zone, False, *self._quiet)

    async def set_zone(self, tx: Transaction, person: Conversation, zone: str) -> None:
        """The person told where they live: everything keeps its hour on the wall, in the new place."""
        old = await self.rhythm(tx, person)
        await followups.put_rhythm(tx, replace(old, zone=zone, known=True))
        if zone != old.zone:
            for enrolment in await followups.open_of(tx, person.person_id):
                await self._move(tx, person, enrolment)

    async def set_quiet(self, tx: Transaction, person: Conversation, start: int, end: int) -> None:
        """Quiet hours in minutes after midnight; none if both are equal."""
        rhythm = await self.rhythm(tx, person)
        await followups.put_rhythm(tx, replace(rhythm, quiet_from=start, quiet_until=end))

    # Beginning

    async def begin(
        self,
        tx: Transaction,
        person: Conversation,
        programme: Programme,
        source: str,
        at_minutes: int | None = None,
    ) -> Enrolment:
        """The person agreed. Raises Refused if they are in it already, or it takes nobody new."""
        if current := await self._open(tx, person, programme):
            if current.state == INVITED:
                return await self.accept(tx, person, current)
            raise Refused("already_in")
        await self._may_begin(tx, programme)
        rhythm = await self.rhythm(tx, person)
        day = timing.begin(programme, tx.now, at_minutes, rhythm.zone)
        enrolment = await followups.enrol(
            tx, person.person_id, person.id, programme.id, programme.version, source, day, at_minutes
        )
        await self._plan_after(tx, person, enrolment, -1)
        return enrolment

    async def invite(self, tx: Transaction, person: Conversation, programme: Programme, source: str) -> Enrolment:
        """A counsellor or operator proposes it; nothing is sent before the person says yes. Raises Refused."""
        if await self._open(tx, person, programme):
            raise Refused("already_in")
        await self._may_begin(tx, programme)
        return await followups.enrol(
            tx, person.person_id, person.id, programme.id, programme.version, source, start_day=None
        )

    async def accept(self, tx: Transaction, person: Conversation, enrolment: Enrolment) -> Enrolment:
        """The person says yes to an invitation. Raises Refused if it is none any more."""
        programme = self.programmes.get(enrolment.programme)
        if enrolment.state != INVITED or programme is None:
            raise Refused("not_open")
        rhythm = await self.rhythm(tx, person)
        day = timing.begin(programme, tx.now, enrolment.at_minutes, rhythm.zone)
        await followups.change(tx, enrolment.id, state=ACTIVE, start_day=day, agreed_at=tx.now)
        accepted = replace(enrolment, state=ACTIVE, start_day=day, agreed_at=tx.now)
        await self._plan_after(tx, person, accepted, -1)
        return accepted

    async def _open(self, tx: Transaction, person: Conversation, programme: Programme) -> Enrolment | None:
        known = (programme.id, *programme.formerly)
        return next((e for e in await followups.open_of(tx, person.person_id) if e.programme in known), None)

    async def _may_begin(self, tx: Transaction, programme: Programme) -> None:
        if (await followups.holds(tx)).get(programme.id):
            raise Refused("retired")

    # Ending and resting

    async def stop(self, tx: Transaction, enrolments: Sequence[Enrolment], reason: Reason = Reason.BY_USER) -> None:
        """At once: what waits to leave does not leave any more."""
        await followups.cancel(tx, [e.id for e in enrolments], reason)
        for enrolment in enrolments:
            await followups.change(tx, enrolment.id, state=STOPPED, reason=reason.value, ended_at=tx.now)

    async def pause(self, tx: Transaction, enrolment: Enrolment, reason: str) -> None:
        """Nothing is sent until `resume`."""
        await followups.cancel(tx, [enrolment.id], Reason.PAUSED)
        await followups.change(tx, enrolment.id, state=PAUSED, reason=reason)

    async def resume(self, tx: Transaction, person: Conversation, enrolment: Enrolment) -> None:
        """Go on with the next day of the plan from now. Raises Refused if there is nothing to go on with."""
        programme = self.programmes.get(enrolment.programme)
        if enrolment.state not in (PAUSED, STALLED) or programme is None:
            raise Refused("not_open")
        going_on = replace(enrolment, state=ACTIVE, unanswered=0)
        await followups.change(tx, enrolment.id, state=ACTIVE, reason="", unanswered=0)
        await self._plan_from_now(tx, person, going_on, programme)

    # Another time

    async def set_time(self, tx: Transaction, person: Conversation, enrolment: Enrolment, minutes: int) -> None:
        """From now on at this time of the person's day, minutes after midnight."""
        await followups.change(tx, enrolment.id, at_minutes=minutes)
        await self._move(tx, person, replace(enrolment, at_minutes=minutes))

    async def skip(self, tx: Transaction, person: Conversation, enrolment: Enrolment) -> None:
        """Leave out the next one."""
        pending = await followups.pending_of(tx, [enrolment.id])
        await followups.cancel(tx, [enrolment.id], Reason.BY_USER)
        last = max((row.day for row in pending), default=None)
        if last is not None and enrolment.state == ACTIVE:
            await self._plan_after(tx, person, enrolment, last)

    async def snooze(self, tx: Transaction, person: Conversation, occurrence_id: int, delay: timedelta) -> None:
        """Once more, or for the first time, after `delay`; the rule stays as it is. Raises Refused."""
        found = await followups.of_occurrence(tx, occurrence_id, person.person_id)
        if found is None or found[0].state != ACTIVE:
            raise Refused("not_open")
        enrolment, row = found
        at = tx.now + delay
        latest = at + (row.o_latest_at - row.o_planned_at)
        if row.o_state == followups.DUE:
            await followups.hold(tx, [(occurrence_id, at, latest)])
            return
        pending = await followups.pending_of(tx, [enrolment.id])
        given = await followups.times_sent(tx, enrolment.id, row.o_day)
        if given >= MOST_ROUNDS or any(other.due_at <= at and other.day != row.o_day for other in pending):
            raise Refused("next_is_near")
        number = await followups.next_round(tx, enrolment.id, row.o_day)
        again = Planned(enrolment.id, person.address.platform, row.o_day, row.o_planned_at, at, latest, number)
        await followups.plan(tx, [again])

    async def _move(self, tx: Transaction, person: Conversation, enrolment: Enrolment) -> None:
        """Plan anew what is still to come, after a change of the person's clock."""
        programme = self.programmes.get(enrolment.programme)
        if enrolment.state != ACTIVE or programme is None:
            return
        await followups.cancel(tx, [enrolment.id], Reason.MOVED)
        await self._plan_from_now(tx, person, enrolment, programme)

    # The next occurrence

    async def _plan_after(self, tx: Transaction, person: Conversation, enrolment: Enrolment, day: int) -> None:
        rhythm = await self.rhythm(tx, person)
        if (slot := self.next_slot(enrolment, day, rhythm.zone)) is None:
            await followups.change(tx, enrolment.id, state=DONE, ended_at=tx.now)
        else:
            await self._plan(tx, person, enrolment, slot)

    async def _plan_from_now(
        self, tx: Transaction, person: Conversation, enrolment: Enrolment, programme: Programme
    ) -> None:
        rhythm = await self.rhythm(tx, person)
        settled, start = await followups.settled_day(tx, enrolment.id), enrolment.start_day
        if settled < 0 or start is None:  # nothing came yet: day 0 is still to be
            start = timing.begin(programme, tx.now, enrolment.at_minutes, rhythm.zone)
            await followups.change(tx, enrolment.id, start_day=start)
        slot = timing.upcoming(
            programme,
            start,
            tx.now,
            enrolment.at_minutes,
            rhythm.zone,
            enrolment.id,
            self._jitter,
            settled,
        )
        if slot is None:
            await followups.change(tx, enrolment.id, state=DONE, ended_at=tx.now)
            return
        number = await followups.next_round(tx, enrolment.id, slot.day)
        await self._plan(tx, person, enrolment, slot, number)

    async def _plan(
        self, tx: Transaction, person: Conversation, enrolment: Enrolment, slot: Slot, number: int = 0
    ) -> None:
        platform = person.address.platform
        await followups.open_lane(tx, platform)
        await followups.plan(tx, [planned(enrolment.id, platform, slot, number)])

    def next_slot(self, enrolment: Enrolment, day: int, zone: str) -> Slot | None:
        """The slot after `day`; None at the end, or if there is no such programme any more."""
        programme = self.programmes.get(enrolment.programme)
        if programme is None or enrolment.start_day is None:
            return None
        return timing.after(programme, enrolment.start_day, day, enrolment.at_minutes, zone, enrolment.id, self._jitter)


def planned(enrolment_id: int, platform: str, slot: Slot, number: int = 0) -> Planned:
    """A slot as the occurrence of an enrolment."""
    return Planned(enrolment_id, platform, slot.day, slot.planned_at, slot.due_at, slot.latest_at, number)


def clock_of(found: StoredRhythm) -> Rhythm:
    """A stored rhythm, for calculations."""
    return Rhythm(found.zone, found.quiet_from, found.quiet_until)


def minutes_of(text: str) -> int:
    """Minutes after midnight of `08:30`. Raises ValueError for anything else."""
    hours, _, minutes = text.strip().replace("：", ":").partition(":")
    if not (hours.isdecimal() and minutes.isdecimal() and int(hours) < 24 and int(minutes) < 60 and len(minutes) == 2):
        raise ValueError(text)
    return int(hours) * 60 + int(minutes)


def clock_text(minutes: int) -> str:
    """`08:30` for 510."""
    return f"{minutes // 60:02}:{minutes % 60:02}"
