"""Whose turn it is: rotations with local handover times, overrides and leave. Pure functions of a moment.

Times without an offset are local: the clock on the wall of an IANA zone. One rule holds for all of them (`instant`): a
local time that does not exist, because clocks go forward, means the first moment after the missing hour; one that comes
twice, because clocks go back, means the first of the two. So a handover stays at the same hour of the wall clock all
year, and the shift of a changing night is shorter or longer; an hourly shift that lies in a missing hour falls out.
Spans of time include their start and exclude their end.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Annotated, Literal, Self, TypeVar
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

Id = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]
Span = tuple[datetime, datetime]
D = TypeVar("D", bound=date)
M = TypeVar("M", datetime, time)

_DAY = timedelta(days=1)
_UNITS = {"hour": timedelta(hours=1), "day": _DAY, "week": timedelta(weeks=1)}
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _known_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError(f"{name!r} is not an IANA time zone such as Asia/Shanghai")
    return name


Zone = Annotated[str, AfterValidator(_known_zone)]


def _local(moment: M) -> M:
    if moment.tzinfo is not None:
        raise ValueError("write a local time, without an offset")
    return moment


def _of_our_days(day: D) -> D:
    if not 2000 <= day.year <= 2100:
        raise ValueError("the year is not between 2000 and 2100")
    return day


Local = Annotated[datetime, AfterValidator(_local), AfterValidator(_of_our_days)]
Hour = Annotated[time, AfterValidator(_local)]
When = Annotated[date | datetime, AfterValidator(_of_our_days)]


@lru_cache(maxsize=65536)
def instant(local: datetime, zone: str) -> datetime:
    """The moment (UTC) at which the clocks of a zone show a local time; see the module for missing and doubled ones."""
    place = ZoneInfo(zone)
    before = local.replace(tzinfo=place, fold=0).astimezone(UTC)
    after = local.replace(tzinfo=place, fold=1).astimezone(UTC)
    return before if before <= after else _change(after, before, place)


def _change(low: datetime, high: datetime, place: ZoneInfo) -> datetime:
    """The one moment in (low, high] from which the zone's offset is another, to the second."""
    offset = low.astimezone(place).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
        if middle.astimezone(place).utcoffset() == offset:
            low = middle
        else:
            high = middle
    return high


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Period(_Entry):
    """From `start` to `end`. A day without a time starts at midnight and, as an end, is meant whole."""

    start: When
    end: When
    zone: Zone | None = None  # the roster's

    def span(self, zone: str) -> Span:
        """Start and end in UTC; `zone` is the roster's."""
        zone = self.zone or zone
        return _moment(self.start, zone), _moment(self.end, zone, whole_day=True)


def _moment(when: date | datetime, zone: str, whole_day: bool = False) -> datetime:
    if not isinstance(when, datetime):
        return instant(datetime.combine(when + _DAY if whole_day else when, time()), zone)
    return instant(when, zone) if when.tzinfo is None else when.astimezone(UTC)


class Leave(Period):
    """A counsellor is away: on call on no rung of the ladder, whatever rotations and overrides say."""

    who: Id


class Override(Period):
    """A change to one rotation for some time: add somebody, remove somebody, or replace one `by` another."""

    rotation: Id
    add: Id | None = None
    remove: Id | None = None
    replace: Id | None = None
    by: Id | None = None

    @model_validator(mode="after")
    def _one_change(self) -> Self:
        if [self.add, self.remove, self.replace].count(None) != 2 or (self.replace is None) != (self.by is None):
            raise ValueError("write one of: add = ID, remove = ID, replace = ID with by = ID")
        return self

    @property
    def names(self) -> set[str]:
        """Ids of counsellors this speaks of."""
        return {id for id in (self.add, self.remove, self.replace, self.by) if id}  # noqa: A001

    def apply(self, who: frozenset[str]) -> frozenset[str]:
        """Who is on call after the change. A replacement comes only where the replaced person was on call."""
        if self.add:
            return who | {self.add}
        if self.remove:
            return who - {self.remove}
        return (who - {self.replace}) | {self.by} if self.replace in who and self.by else who


class Rotation(_Entry):
    """People, or teams, who take turns from `start` on. With `hours` or `weekdays`, on duty only then."""

    id: Id
    people: tuple[Id | tuple[Id, ...], ...] = Field(min_length=1)
    start: Local  # the first handover; the hour of all that follow
    every: Literal["hour", "day", "week"] = "week"
    length: int = Field(1, ge=1, le=366)  # of a shift, in hours, days or weeks of the wall clock
    hours: tuple[Hour, Hour] | None = None  # on duty from, until; until the next day if it is not later
    weekdays: frozenset[Weekday] = Field(frozenset(_WEEKDAYS), min_length=1)
    zone: Zone | None = None  # the roster's

    @model_validator(mode="after")
    def _every_turn_has_somebody(self) -> Self:
        if () in self.people:
            raise ValueError("people: a team has nobody in it; name somebody")
        return self

    @property
    def names(self) -> set[str]:
        """Ids of counsellors who take turns."""
        return {id for turn in self.people for id in _team(turn)}  # noqa: A001

    def who(self, at: datetime, zone: str) -> frozenset[str]:
        """Who is on call at a moment by the rotation alone; nobody before it starts or off duty."""
        zone = self.zone or zone
        number = self._shift(at, zone)
        if number < 0 or not self._on_duty(at, zone):
            return frozenset()
        return _team(self.people[number % len(self.people)])

    def changes(self, start: datetime, end: datetime, zone: str) -> Iterator[datetime]:
        """Every moment from `start` until `end` at which somebody else may come on call."""
        zone = self.zone or zone
        number = max(self._shift(start, zone), 0)
        while (handover := self._handover(number, zone)) < end:
            if handover >= start:
                yield handover
            number += 1
        for span in self._duty(start, end, zone):
            yield from (moment for moment in span if start <= moment < end)

    def _handover(self, number: int, zone: str) -> datetime:
        """The start of a shift, counted from 0."""
        return instant(self.start + number * self.length * _UNITS[self.every], zone)

    def _shift(self, at: datetime, zone: str) -> int:
        """The number of the shift that holds a moment: the last that has begun. Negative before the first."""
        local = at.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        number = (local - self.start) // (self.length * _UNITS[self.every])
        # In an hour that comes twice, the clock shows an earlier time than that of a handover which has been.
        while self._handover(number + 1, zone) <= at:
            number += 1
        return number

    def _on_duty(self, at: datetime, zone: str) -> bool:
        if self.hours is None and len(self.weekdays) == len(_WEEKDAYS):
            return True
        return any(start <= at < end for start, end in self._duty(at, at, zone))

    def _duty(self, start: datetime, end: datetime, zone: str) -> Iterator[Span]:
        """The hours of duty that touch a span; one day more on either side, for nights and for clocks set back."""
        if self.hours is None and len(self.weekdays) == len(_WEEKDAYS):
            return
        begin, until = self.hours or (time(), time())
        place = ZoneInfo(zone)
        day = start.astimezone(place).date() - _DAY
        while day <= end.astimezone(place).date() + _DAY:
            if _WEEKDAYS[day.weekday()] in self.weekdays:
                last = day if until > begin else day + _DAY
                yield instant(datetime.combine(day, begin), zone), instant(datetime.combine(last, until), zone)
            day += _DAY


def _team(turn: str | tuple[str, ...]) -> frozenset[str]:
    return frozenset((turn,) if isinstance(turn, str) else turn)
