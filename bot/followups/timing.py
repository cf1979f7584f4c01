"""When a step falls due. Pure functions of a programme, a person's clock and a moment.

Times are those of the wall clock in the person's IANA zone. One rule holds where clocks change
(`config.rotations.instant`): a local time that does not exist means the first moment after the missing hour; one that
comes twice means the first.
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from hashlib import blake2b
from zoneinfo import ZoneInfo

from config.programmes import Programme
from config.rotations import instant

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Rhythm:
    """A person's clock: IANA zone, and quiet hours in minutes after midnight; none if both are equal."""

    zone: str
    quiet_from: int
    quiet_until: int

    def quiet_end(self, moment: datetime) -> datetime | None:
        """The end of the quiet hours that hold a moment; None if none do. They include their start, not their end."""
        if self.quiet_from == self.quiet_until:
            return None
        today = moment.astimezone(ZoneInfo(self.zone)).date()
        over_night = timedelta(days=self.quiet_until < self.quiet_from)
        for day in (today - _DAY, today):
            begin = local(day, self.quiet_from, self.zone)
            end = local(day + over_night, self.quiet_until, self.zone)
            if begin <= moment < end:
                return end
        return None


@dataclass(frozen=True, slots=True)
class Slot:
    """A day of an enrolment with its times: by the rule, when it is to leave, and until when it is worth sending."""

    day: int
    planned_at: datetime
    due_at: datetime
    latest_at: datetime


def local(day: date, minutes: int, zone: str) -> datetime:
    """The moment (UTC) at which the clocks of a zone show so many minutes after midnight of a day."""
    return instant(datetime.combine(day, time(minutes // 60, minutes % 60)), zone)


def planned(programme: Programme, start: date, day: int, at_minutes: int | None, zone: str) -> datetime:
    """When a day's step is planned: at the person's own time, else at the programme's."""
    at = programme.time(day)
    minutes = at.hour * 60 + at.minute if at_minutes is None else at_minutes
    return local(start + day * _DAY, minutes, zone)


def begin(programme: Programme, now: datetime, at_minutes: int | None, zone: str) -> date:
    """Day 0 of somebody who agrees now: today if the first step's time is still to come, else tomorrow."""
    today = now.astimezone(ZoneInfo(zone)).date()
    first = programme.next_day(-1)
    assert first is not None, "a programme has a step"
    return today if planned(programme, today, first, at_minutes, zone) > now else today + _DAY


def after(
    programme: Programme, start: date, day: int, at_minutes: int | None, zone: str, seed: int, jitter: int
) -> Slot | None:
    """The slot that follows `day` (-1: the first); None at the end.

    It leaves up to `jitter` seconds after its time, so that not everybody's eight o'clock is one moment; the same for
    the same enrolment (`seed`) and day. It is worth sending for the programme's `late_hours`, and never once the next
    one's time has come: nobody gets a pile.
    """
    following = programme.next_day(day)
    if following is None:
        return None
    at = planned(programme, start, following, at_minutes, zone)
    latest = at + timedelta(hours=programme.late_hours)
    one_more = programme.next_day(following)
    if one_more is not None:
        latest = min(latest, planned(programme, start, one_more, at_minutes, zone))
    return Slot(following, at, at + _spread(seed, following, jitter), latest)


def upcoming(
    programme: Programme,
    start: date,
    now: datetime,
    at_minutes: int | None,
    zone: str,
    seed: int,
    jitter: int,
    day: int,
) -> Slot | None:
    """The first slot after `day` whose time is still to come: after a pause, or on a changed clock."""
    today = (now.astimezone(ZoneInfo(zone)).date() - start).days
    slot = after(programme, start, max(today - 2, day), at_minutes, zone, seed, jitter)
    while slot is not None and slot.planned_at <= now:
        slot = after(programme, start, slot.day, at_minutes, zone, seed, jitter)
    return slot


def _spread(seed: int, day: int, jitter: int) -> timedelta:
    if jitter <= 0:
        return timedelta()
    number = int.from_bytes(blake2b(f"{seed}:{day}".encode(), digest_size=8).digest(), "big")
    return timedelta(seconds=number % (jitter + 1))
