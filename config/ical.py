"""The roster as a calendar (RFC 5545), and leave from a calendar."""

from datetime import date, datetime, timedelta
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from icalendar import Calendar, Event

from config.errors import ConfigError
from config.oncall import Shift, shifts
from config.roster import Roster


def export(roster: Roster, start: datetime, end: datetime, counsellor: str = "") -> bytes:
    """Who is on call from `start` until `end`, an event for each stretch on each rung; of one counsellor if given.

    Times are UTC, so that no calendar program misreads them. A shift has the same UID in the next export.
    """
    calendar = Calendar.new(prodid="-//Psy-LLM bot//on call//EN", name="On call")
    for rung in range(len(roster.ladder)):
        for shift in shifts(roster, rung, start, end):
            if counsellor in shift.who if counsellor else shift.who:
                calendar.add_component(_event(roster, shift, start))
    return bytes(calendar.to_ical())


def _event(roster: Roster, shift: Shift, stamp: datetime) -> Event:
    names = ", ".join(c.name for c in roster.counsellors if c.id in shift.who)
    ids = sorted(shift.who)
    return Event.new(
        summary=f"On call, step {shift.rung + 1}: {names}",
        start=shift.start,
        end=shift.end,
        stamp=stamp,
        categories=ids,
        uid=uuid5(NAMESPACE_URL, f"psyllm:{shift.rung}:{shift.end.isoformat()}:{','.join(ids)}"),
    )


def leave_from(path: Path, counsellor: str) -> str:
    """The events of a counsellor's calendar as `[[leave]]` entries for roster.toml. Raises ConfigError."""
    return "\n".join(_leave(counsellor, *_span(path, event)) for event in _events(path))


def _events(path: Path) -> list[Event]:
    try:
        found = Calendar.from_ical(path.read_bytes(), multiple=True)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); give an .ics file") from None
    except ValueError:
        raise ConfigError(f"{path}: is not an iCalendar file; export it again from the calendar") from None
    calendars = found if isinstance(found, list) else [found]
    events = [event for calendar in calendars for event in calendar.walk("VEVENT") if isinstance(event, Event)]
    if not events:
        raise ConfigError(f"{path}: holds no event; export it again from the calendar")
    return events


def _span(path: Path, event: Event) -> tuple[date | datetime, date | datetime]:
    if any(event.get(key) for key in ("RRULE", "RDATE", "RECURRENCE-ID")):
        raise ConfigError(f"{path}: an event repeats; enter each leave as an event of its own")
    try:
        start, end = event.start, event.end
        backwards = end <= start
    except (ValueError, TypeError):  # no start, a day with an hour, a local time with one in a zone
        raise ConfigError(f"{path}: an event has no start, or its times are of two kinds; correct it") from None
    if backwards:
        raise ConfigError(f"{path}: the event at {start} has no length; correct its end")
    return start, end


def _leave(counsellor: str, start: date | datetime, end: date | datetime) -> str:
    """One entry in TOML. The last day of a calendar is exclusive, ours is not."""
    if not isinstance(end, datetime):
        end -= timedelta(days=1)
    return f'[[leave]]\nwho = "{counsellor}"\nstart = {_toml(start)}\nend = {_toml(end)}\n'


def _toml(when: date | datetime) -> str:
    """A TOML date or time; a zone becomes its offset at that moment."""
    return when.isoformat()
