"""Who is on call: the same few promises in every time zone, across every change of clocks."""

# ruff: noqa: DTZ001  # rotations are written in local time

import itertools
import tomllib
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from icalendar import Calendar, Event

from bot.cli.serve import look_ahead
from config import ConfigError, Roster, load_roster
from config.ical import export, leave_from
from config.oncall import gaps, require_cover, shifts, warnings
from config.rotations import Rotation, instant
from tests.support import ROSTER

ZONES = sorted(available_timezones() - {"localtime", "Factory"})
PEOPLE = ("ann", "bob", "cyn")
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)

zones = st.sampled_from(ZONES)
changing = st.sampled_from(
    [z for z in ZONES if len({datetime(2027, m, 1, tzinfo=ZoneInfo(z)).utcoffset() for m in (1, 7)}) > 1]
)
locals_ = st.datetimes(datetime(2020, 1, 1), datetime(2035, 12, 31))
moments = locals_.map(lambda moment: moment.replace(tzinfo=UTC, microsecond=0))
people = st.sampled_from(PEOPLE)
hours = st.times().map(lambda hour: hour.replace(second=0, microsecond=0))


@st.composite
def rotations(draw: st.DrawFn, zone: str, start: datetime, restricted: bool = True) -> dict[str, Any]:
    """A rotation that begins within two months before a local time, or a little after it."""
    minutes = draw(st.integers(-2 * 1440, 60 * 1440))
    found: dict[str, Any] = {
        "id": "days",
        "people": draw(st.permutations(PEOPLE)),
        "start": start.replace(second=0) - timedelta(minutes=minutes),
        "every": draw(st.sampled_from(["hour", "hour", "day", "week"])),
        "length": draw(st.one_of(st.just(1), st.integers(1, 30))),
        "zone": zone,
    }
    if restricted and draw(st.booleans()):
        found["hours"] = (draw(hours), draw(hours))
        found["weekdays"] = draw(st.sets(st.sampled_from(["mon", "tue", "wed", "sat", "sun"]), min_size=1))
    return found


@st.composite
def near_a_change(draw: st.DrawFn) -> tuple[str, datetime]:
    """A zone and a moment within two hours of a change of its clocks, where it has one soon."""
    zone, at = draw(st.one_of(changing, zones)), draw(moments)
    for step in (timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)):
        steps = (at + n * step for n in range(400))
        found = next((moment for moment in steps if offset(moment, zone) != offset(moment + step, zone)), None)
        if found is None:
            return zone, at
        at = found
    return zone, at + timedelta(minutes=draw(st.integers(-120, 120)))


def offset(at: datetime, zone: str) -> timedelta | None:
    """How far a zone's clocks are from UTC."""
    return at.astimezone(ZoneInfo(zone)).utcoffset()


def roster(**values: Any) -> Roster:
    base = {
        "counsellors": [{"id": who, "name": who, "telegram": 900 + n} for n, who in enumerate(PEOPLE)],
        "ladder": [{"who": ["days"]}],
        "rotations": [{"id": "days", "people": list(PEOPLE), "every": "day", "start": datetime(2020, 1, 1, 9)}],
    }
    return Roster.model_validate(base | values)


def shown(at: datetime, zone: str) -> datetime:
    """What the clocks of a zone show."""
    return at.astimezone(ZoneInfo(zone)).replace(tzinfo=None)


def begun(local: datetime, at: datetime, zone: str) -> bool:
    """Whether a zone's clocks have shown a local time, or jumped over it, by a moment: the policy in other words.

    Looks at each minute of the three hours before and after the nearest naive guess.
    """
    guess = local.replace(tzinfo=UTC) - (offset(at, zone) or timedelta())
    if abs(guess - at) > timedelta(hours=3):
        return guess < at
    minutes = (at - timedelta(minutes=m) for m in range(400))
    return any(shown(minute, zone) >= local for minute in minutes)


@given(near_a_change(), st.integers(-300, 300))
def test_a_local_time_is_the_first_moment_at_which_the_clocks_have_reached_it(
    where: tuple[str, datetime], minutes: int
) -> None:
    zone, at = where
    local = shown(at, zone).replace(second=0) + timedelta(minutes=minutes)
    found = instant(local, zone)
    assert shown(found, zone) >= local
    second = timedelta(seconds=1)
    assert all(shown(found - n * second, zone) < local for n in (1, 60, 1800, 3599, 3600, 5400))


@pytest.mark.parametrize(
    ("zone", "local", "utc"),
    [
        ("Europe/Berlin", "2026-03-29T02:30", "2026-03-29T01:00"),  # clocks go from 2 to 3
        ("Europe/Berlin", "2026-10-25T02:30", "2026-10-25T00:30"),  # 2:30 comes twice: the first
        ("Africa/Cairo", "2026-04-24T00:00", "2026-04-23T22:00"),  # the day begins at 1
        ("Australia/Lord_Howe", "2026-10-04T02:15", "2026-10-03T15:30"),  # half an hour is missing
        ("Australia/Lord_Howe", "2026-04-05T01:45", "2026-04-04T14:45"),
        ("America/Chicago", "2026-11-01T01:30", "2026-11-01T06:30"),
        ("Asia/Shanghai", "2026-05-01T09:00", "2026-05-01T01:00"),
    ],
)
def test_missing_and_doubled_times_follow_the_written_rule(zone: str, local: str, utc: str) -> None:
    assert instant(datetime.fromisoformat(local), zone) == datetime.fromisoformat(utc).replace(tzinfo=UTC)


@given(near_a_change(), st.data())
@settings(max_examples=500)
def test_at_every_moment_exactly_the_expected_person_is_on_call(
    where: tuple[str, datetime], data: st.DataObject
) -> None:
    zone, at = where
    rotation = Rotation.model_validate(data.draw(rotations(zone, shown(at, zone), restricted=False)))
    unit = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1)}[rotation.every]
    near = (shown(at, zone) - rotation.start) // (unit * rotation.length)
    handovers = range(max(near - 5, 0), near + 6)
    done = [n for n in handovers if begun(rotation.start + n * rotation.length * unit, at, zone)]
    expected = {rotation.people[done[-1] % len(rotation.people)]} if done else set()
    assert rotation.who(at, "UTC") == expected


@given(near_a_change(), st.data())
def test_shifts_tile_the_time_and_agree_with_who_is_called(where: tuple[str, datetime], data: st.DataObject) -> None:
    zone, at = where
    held = roster(rotations=[data.draw(rotations(zone, shown(at, zone)))], zone=zone)
    end = at + timedelta(days=data.draw(st.integers(1, 20)))
    found = shifts(held, 0, at, end)
    assert [found[0].start, found[-1].end] == [at, end]
    assert all(one.end == two.start and one.start < one.end for one, two in itertools.pairwise(found))
    for minutes in data.draw(st.lists(st.integers(0, 24 * 60 - 1), max_size=20)):
        moment = at + timedelta(minutes=minutes)
        (shift,) = (s for s in found if s.start <= moment < s.end)
        assert shift.who == held.on_call(0, moment)


@given(near_a_change(), st.data())
def test_somebody_is_always_called_and_gaps_are_never_silent(where: tuple[str, datetime], data: st.DataObject) -> None:
    zone, at = where
    resort = data.draw(st.one_of(st.none(), st.lists(people, min_size=1)))
    away = [{"who": who, "start": at - timedelta(days=1), "end": at + timedelta(days=2)} for who in PEOPLE[:2]]
    held = roster(rotations=[data.draw(rotations(zone, shown(at, zone)))], last_resort=resort, leave=away)
    moment = at + timedelta(minutes=data.draw(st.integers(0, 4000)))
    called, _ = held.step(data.draw(st.integers(0, 9)), moment)
    assert called
    gap = any(start <= moment < end for start, end in gaps(held, at, at + timedelta(days=3)))
    assert gap == (not held.on_call(0, moment))
    assert not gap or {c.id for c in called} == set(resort or PEOPLE)


changes = st.one_of(
    st.builds(lambda who: {"add": who}, people),
    st.builds(lambda who: {"remove": who}, people),
    st.builds(lambda who, other: {"replace": who, "by": other}, people, people),
)


@given(moments, st.lists(st.tuples(changes, st.integers(0, 50), st.integers(1, 30)), max_size=6), st.integers(0, 80))
def test_overrides_are_applied_in_the_order_of_the_file(
    at: datetime, listed: list[tuple[dict[str, str], int, int]], hour: int
) -> None:
    spans = [(change, at + timedelta(hours=a), at + timedelta(hours=a + b)) for change, a, b in listed]
    held = roster(overrides=[{"rotation": "days", "start": a, "end": b, **change} for change, a, b in spans])
    moment = at + timedelta(hours=hour)
    expected = set(held.rotations[0].who(moment, "UTC"))
    for change, start, end in spans:
        if not start <= moment < end:
            continue
        if change.get("replace") in expected:
            expected = expected - {change["replace"]} | {change["by"]}
        expected |= {change[key] for key in ("add",) if key in change}
        expected -= {change[key] for key in ("remove",) if key in change}
    assert held.on_call(0, moment) == expected


def test_leave_outranks_overrides_and_a_day_as_its_end_is_meant_whole() -> None:
    held = roster(
        zone="Asia/Shanghai",
        rotations=[{"id": "days", "people": ["ann"], "start": datetime(2026, 1, 1)}],
        overrides=[{"rotation": "days", "add": "ann", "start": date(2026, 5, 1), "end": date(2026, 5, 9)}],
        leave=[{"who": "ann", "start": date(2026, 5, 2), "end": date(2026, 5, 3)}],
    )
    ((start, end),) = gaps(held, datetime(2026, 4, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC))
    assert (shown(start, held.zone), shown(end, held.zone)) == (datetime(2026, 5, 2), datetime(2026, 5, 4))


def test_a_team_is_on_call_together_and_hours_may_cross_midnight() -> None:
    held = roster(
        rotations=[
            {
                "id": "days",
                "people": [["ann", "bob"], "cyn"],
                "start": datetime(2026, 1, 5, 22),
                "hours": (time(22), time(8)),
            }
        ]
    )
    assert held.on_call(0, datetime(2026, 1, 6, 3, tzinfo=UTC)) == {"ann", "bob"}
    assert held.on_call(0, datetime(2026, 1, 6, 8, tzinfo=UTC)) == frozenset()
    assert held.on_call(0, datetime(2026, 1, 12, 23, tzinfo=UTC)) == {"cyn"}


def test_an_empty_rung_is_skipped_at_once_and_the_last_resort_stands_below_all() -> None:
    off = {"id": "days", "people": ["ann"], "start": datetime(2030, 1, 1)}
    held = roster(rotations=[off], ladder=[{"who": ["days"]}, {"who": ["bob"]}], last_resort=["cyn"])
    assert held.staffed(0, NOW) == 1
    assert [c.id for c in held.step(held.staffed(0, NOW), NOW)[0]] == ["bob"]
    assert [c.id for c in held.step(0, NOW)[0]] == ["cyn"]
    assert held.staffed(7, NOW) == 7


def test_a_roster_of_the_first_format_calls_the_same_people_at_every_moment() -> None:
    held = Roster.model_validate(tomllib.loads(ROSTER))
    for at in (NOW, NOW + timedelta(days=4000)):
        assert [c.id for c in held.step(0, at)[0]] == ["lin"]
        assert [c.id for c in held.step(5, at)[0]] == ["lin", "sam"]
    assert warnings(held, NOW) == []
    require_cover(held, None, NOW)


def test_a_gap_needs_an_explicit_yes_and_is_shown_with_its_time() -> None:
    values: dict[str, Any] = {
        "zone": "Europe/Berlin",
        "leave": [{"who": who, "start": date(2026, 12, 24), "end": date(2026, 12, 26)} for who in PEOPLE],
    }
    with pytest.raises(
        ConfigError, match=r"roster.toml: .*2026-12-24 00:00 to 2026-12-27 00:00 .*gaps_accepted = true"
    ):
        require_cover(roster(**values), Path("roster.toml"), NOW)
    agreed = roster(**values, gaps_accepted=True)
    require_cover(agreed, Path("roster.toml"), NOW)
    found = warnings(agreed, NOW)
    assert any("nobody is on call" in line for line in found)
    assert any("days: everybody whose turn it is is away" in line for line in found)


def test_the_start_says_where_the_roster_leaves_somebody_waiting(capsys: pytest.CaptureFixture[str]) -> None:
    held = roster(leave=[{"who": who, "start": date(2020, 1, 1), "end": date(2099, 1, 1)} for who in PEOPLE])
    with pytest.raises(ConfigError, match="gaps_accepted"):
        look_ahead(held, Path("roster.toml"))
    look_ahead(held.model_copy(update={"gaps_accepted": True}), Path("roster.toml"))
    assert "roster.toml: nobody is on call from" in capsys.readouterr().err


def test_who_cannot_be_reached_or_is_never_called_is_named() -> None:
    held = roster(
        counsellors=[{"id": "ann", "name": "A", "telegram": 1}, *({"id": w, "name": w} for w in ("bob", "cyn"))],
        rotations=[{"id": "days", "people": ["ann", "bob"], "start": datetime(2026, 1, 1)}],
        last_resort=["ann"],
    )
    found = warnings(held, NOW)
    assert any(line.startswith("bob has no channel but the console") for line in found)
    assert any(line.startswith("cyn stands on no step") for line in found)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("zone = 'Mars/Olympus'", "zone.*'Mars/Olympus' is not an IANA time zone"),
        ("last_resort = ['nobody']", "last_resort: nobody: no counsellor has this id"),
        ("last_resort = []", "last_resort"),
        ("[[leave]]\nwho = 'lin'\nstart = 2026-05-02\nend = 2026-05-01", "leave: .* ends before it starts"),
        ("[[leave]]\nwho = 'lin'\nstart = 0001-01-01\nend = 2026-05-01", "leave.0.start.*2000 and 2100"),
        ("[[rotations]]\nid = 'lin'\npeople = ['sam']\nstart = 2026-01-01T09:00:00", "rotations: one has the id"),
        ("[[rotations]]\nid = 'd'\npeople = ['x']\nstart = 2026-01-01T09:00:00", "rotations: d: x: no counsellor"),
        (
            "[[rotations]]\nid = 'd'\npeople = [[]]\nstart = 2026-01-01T09:00:00",
            "rotations.0: people: a team has nobody",
        ),
        ("[[rotations]]\nid = 'd'\npeople = ['lin']\nstart = 2026-01-01T09:00:00Z", "without an offset"),
        ("[[overrides]]\nrotation = 'd'\nadd = 'lin'\nstart = 2026-05-01\nend = 2026-05-02", "d: no rotation"),
        ("[[overrides]]\nrotation = 'd'\nstart = 2026-05-01\nend = 2026-05-02", "overrides.0: write one of"),
    ],
)
def test_a_faulty_roster_is_refused_in_one_sentence_with_the_key(tmp_path: Path, more: str, says: str) -> None:
    path = tmp_path / "roster.toml"
    path.write_text(more + ROSTER if not more.startswith("[[") else ROSTER + more)
    with pytest.raises(ConfigError, match=says) as refused:
        load_roster(path)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_example_roster_is_read_whole_and_has_no_gap() -> None:
    held = load_roster(Path(__file__).parents[2] / "roster.example.toml")
    assert held.rotations
    assert held.overrides
    assert held.leave
    require_cover(held, None, NOW)


@given(near_a_change(), st.data())
def test_a_calendar_says_the_same_as_the_roster(where: tuple[str, datetime], data: st.DataObject) -> None:
    zone, at = where
    held = roster(rotations=[data.draw(rotations(zone, shown(at, zone)))])
    end = at + timedelta(days=10)
    events = Calendar.from_ical(export(held, at, end)).walk("VEVENT")
    assert len({str(event["UID"]) for event in events}) == len(events)
    for minutes in data.draw(st.lists(st.integers(0, 14399), min_size=1, max_size=20)):
        moment = at + timedelta(minutes=minutes)
        now = [e for e in events if isinstance(e, Event) and e.start <= moment < e.end]
        assert {who for e in now for who in e.categories} == held.on_call(0, moment)


def test_leave_comes_in_from_a_calendar_and_says_the_same_days(tmp_path: Path) -> None:
    calendar = Calendar.new()
    calendar.add_component(Event.new(start=date(2026, 12, 24), end=date(2026, 12, 27)))
    berlin = ZoneInfo("Europe/Berlin")
    calendar.add_component(
        Event.new(start=datetime(2027, 1, 4, 9, tzinfo=berlin), end=datetime(2027, 1, 4, 12, tzinfo=berlin))
    )
    (tmp_path / "leave.ics").write_bytes(calendar.to_ical())
    path = tmp_path / "roster.toml"
    path.write_text("zone = 'Asia/Shanghai'\n" + ROSTER + leave_from(tmp_path / "leave.ics", "lin"))
    spans = [leave.span("Asia/Shanghai") for leave in load_roster(path).leave]
    assert spans == [
        (datetime(2026, 12, 23, 16, tzinfo=UTC), datetime(2026, 12, 26, 16, tzinfo=UTC)),
        (datetime(2027, 1, 4, 8, tzinfo=UTC), datetime(2027, 1, 4, 11, tzinfo=UTC)),
    ]


@pytest.mark.parametrize(
    ("event", "says"),
    [
        ("DTSTART:20261224T090000Z\r\nDTEND:20261224T100000Z\r\nRRULE:FREQ=DAILY\r\n", "an event repeats"),
        ("DTSTART:20261224T090000Z\r\nDTEND:20261224T080000Z\r\n", "no length"),
        ("DTSTART:20261224T090000Z\r\nDTEND:20261225T080000\r\n", "two kinds"),
        ("DTSTART;VALUE=DATE:20261224\r\nDTEND:20261225T080000\r\n", "two kinds"),
        ("SUMMARY:leave\r\n", "no start"),
    ],
)
def test_a_calendar_that_cannot_be_taken_over_is_refused_in_one_sentence(tmp_path: Path, event: str, says: str) -> None:
    path = tmp_path / "leave.ics"
    path.write_text(f"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n{event}END:VEVENT\r\nEND:VCALENDAR\r\n", newline="")
    with pytest.raises(ConfigError, match=says):
        leave_from(path, "lin")


@pytest.mark.parametrize("content", [b"", b"hello", b"\xff\xfe", b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nEND:VCALENDAR"])
def test_what_is_no_calendar_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "leave.ics").write_bytes(content)
    with pytest.raises(ConfigError, match=r"leave\.ics"):
        leave_from(tmp_path / "leave.ics", "lin")
