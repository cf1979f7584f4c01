"""The roster looked at ahead of time: who is on call when, where nobody is, and whom no alert reaches."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo

from config.channels import Channel
from config.errors import ConfigError
from config.roster import Roster
from config.rotations import Rotation, Span

HORIZON = timedelta(weeks=52)
"""How far ahead gaps are looked for; as Grafana OnCall does."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Shift:
    """People on call on one rung (from 0) from `start` to `end` (UTC, exclusive); `who` is empty in a gap."""

    rung: int
    start: datetime
    end: datetime
    who: frozenset[str]


def shifts(roster: Roster, rung: int, start: datetime, end: datetime) -> list[Shift]:
    """Who is on call on a rung, without hole or overlap from `start` until `end`."""
    found = _stretches(roster, lambda at: roster.on_call(rung, at), start, end)
    return [Shift(rung, begin, until, who) for begin, until, who in found]


def gaps(roster: Roster, start: datetime, end: datetime) -> list[Span]:
    """When no rung has anybody on call, so that only the last resort is alerted."""

    def covered(at: datetime) -> bool:
        return any(roster.on_call(rung, at) for rung in range(len(roster.ladder)))

    return [(begin, until) for begin, until, held in _stretches(roster, covered, start, end) if not held]


def _stretches(
    roster: Roster, value: Callable[[datetime], T], start: datetime, end: datetime
) -> Iterator[tuple[datetime, datetime, T]]:
    """What holds over time: (start, end, value), each as long as it lasts."""
    begin, held = start, value(start)
    for moment in _changes(roster, start, end):
        if (now := value(moment)) != held:
            yield begin, moment, held
            begin, held = moment, now
    yield begin, end, held


def _changes(roster: Roster, start: datetime, end: datetime) -> list[datetime]:
    """Every moment after `start` and before `end` at which anybody may come or go."""
    found = {moment for r in roster.rotations for moment in r.changes(start, end, roster.zone)}
    for period in (*roster.overrides, *roster.leave):
        found.update(period.span(roster.zone))
    return sorted(moment for moment in found if start < moment < end)


def require_cover(roster: Roster, path: Path | None, now: datetime) -> None:
    """Raise ConfigError if the roster has gaps in the next 52 weeks that nobody has said yes to."""
    found = [] if roster.gaps_accepted else gaps(roster, now, now + HORIZON)
    if found:
        raise ConfigError(
            f"{path}: ladder: {describe_gaps(roster, found)}; put somebody on call then, "
            "or set gaps_accepted = true to leave these times to the last resort"
        )


def describe_gaps(roster: Roster, found: list[Span]) -> str:
    """The first gaps, in the roster's own time, and how many more there are."""
    first = ", ".join(describe_span(roster, start, end) for start, end in found[:3])
    more = f", and {len(found) - 3} more times" if len(found) > 3 else ""
    return f"nobody is on call {first}{more} within 52 weeks"


def describe_span(roster: Roster, start: datetime, end: datetime) -> str:
    """A span in the roster's own time, to the minute."""
    zone = ZoneInfo(roster.zone)
    begin, until = (f"{moment.astimezone(zone):%Y-%m-%d %H:%M}" for moment in (start, end))
    return f"from {begin} to {until} ({roster.zone})"


def warnings(roster: Roster, now: datetime) -> list[str]:
    """What would leave somebody waiting within 52 weeks, each with what to do."""
    return [*_gap_warnings(roster, now), *_empty_shifts(roster, now), *_unreachable(roster, now), *_idle(roster)]


def _gap_warnings(roster: Roster, now: datetime) -> list[str]:
    found = gaps(roster, now, now + HORIZON)
    return (
        [f"{describe_gaps(roster, found)}: only the last resort is called; put somebody on call then"] if found else []
    )


def _empty_shifts(roster: Roster, now: datetime) -> list[str]:
    """Turns of a rotation whose people are all away or removed."""
    found = []
    for rotation in roster.rotations:
        if empty := _emptied(roster, rotation, now):
            more = f", and {len(empty) - 1} more times" if len(empty) > 1 else ""
            span = describe_span(roster, *empty[0])
            found.append(f"{rotation.id}: everybody whose turn it is is away {span}{more}; add an override")
    return found


def _emptied(roster: Roster, rotation: Rotation, now: datetime) -> list[Span]:
    def emptied(at: datetime) -> bool:
        return bool(rotation.who(at, roster.zone)) and not roster.turn(rotation, at) - roster.away(at)

    return [(begin, until) for begin, until, held in _stretches(roster, emptied, now, now + HORIZON) if held]


def _unreachable(roster: Roster, now: datetime) -> list[str]:
    """Counsellors who will be on call although pages reach them only in an open console."""
    rungs = [shifts(roster, rung, now, now + HORIZON) for rung in range(len(roster.ladder))]
    called = roster.resort.union(*(shift.who for rung in rungs for shift in rung))
    deaf = [c.id for c in roster.counsellors if c.id in called and c.reachable == {Channel.CONSOLE}]
    if len(deaf) == len([c for c in roster.counsellors if c.id in called]):
        return [
            "nobody on the ladder has a channel but the console: pages reach only an open page; add telegram or email"
        ]
    return [
        f"{id} has no channel but the console: pages reach them only in an open page; add telegram or email"
        for id in deaf  # noqa: A001
    ]


def _idle(roster: Roster) -> list[str]:
    """Counsellors who are in the roster and in no rung, rotation, override or last resort."""
    steps = {name for step in roster.ladder for name in step.who}
    used = steps | set(roster.last_resort or ())
    for rotation in roster.rotations:
        used |= rotation.names if rotation.id in steps else set()
    for override in roster.overrides:
        used |= override.names if override.rotation in steps else set()
    found = [c.id for c in roster.counsellors if c.id not in used]
    unused = [r.id for r in roster.rotations if r.id not in steps]
    return [
        *(f"{who} stands on no step of the ladder and will never be called; add them to one" for who in found),
        *(f"{rotation} stands on no step of the ladder and calls nobody; add it to one" for rotation in unused),
    ]


def utc_now() -> datetime:
    """The time by which the roster is read outside a transaction, to the second."""
    return datetime.now(UTC).replace(microsecond=0)
