"""When follow-ups fall due, and what becomes of each: over zones, changing clocks, quiet hours, snoozes and outages."""

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.followups import timing
from bot.followups.decide import APART, Fate, Reason, Standing, decide
from bot.followups.enrolments import clock_text, minutes_of
from bot.followups.timing import Rhythm
from config.programmes import Programme, load_programmes
from engine import Level

ZONES = sorted(z for z in available_timezones() if not z.startswith(("posix/", "right/")) and z != "localtime")
SHIPPED = load_programmes().every
DAYS = st.dates(date(2020, 1, 1), date(2035, 12, 1))
MINUTES = st.integers(0, 24 * 60 - 1)
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1))  # noqa: DTZ001 - they become UTC
CALM = Standing(
    active=True,
    programme=SHIPPED[0],
    programme_held=False,
    blocked=False,
    with_human=False,
    level=Level.NONE,
    unanswered=0,
    rhythm=Rhythm("UTC", 0, 0),
    last_sent_at=None,
    window_until=None,
)


@given(st.sampled_from(ZONES), DAYS, MINUTES)
@settings(max_examples=400, deadline=None)
def test_the_clock_on_the_wall_shows_the_wanted_time_or_the_first_moment_after_a_missing_hour(
    zone: str, day: date, minutes: int
) -> None:
    moment = timing.local(day, minutes, zone)
    wanted = datetime.combine(day, time(minutes // 60, minutes % 60))
    shown = moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    if shown == wanted:
        earlier = (moment - timedelta(hours=1)).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        assert earlier != wanted, "of two it is the first"
    else:  # there is no such time that day
        before = (moment - timedelta(seconds=1)).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        assert before < wanted < shown


@pytest.mark.parametrize(
    ("zone", "day", "at", "utc"),
    [
        ("Europe/Berlin", date(2026, 3, 29), 150, "2026-03-29T01:00"),  # 02:30 is missing: 03:00 summer time
        ("Europe/Berlin", date(2026, 10, 25), 150, "2026-10-25T00:30"),  # 02:30 comes twice: the first
        ("Africa/Cairo", date(2026, 4, 24), 0, "2026-04-23T22:00"),  # midnight is missing, the day is not
        ("Australia/Lord_Howe", date(2026, 10, 4), 135, "2026-10-03T15:30"),  # half an hour is missing
        ("Asia/Shanghai", date(2026, 3, 29), 480, "2026-03-29T00:00"),
    ],
)
def test_hours_that_do_not_exist_or_come_twice(zone: str, day: date, at: int, utc: str) -> None:
    assert timing.local(day, at, zone) == datetime.fromisoformat(utc).replace(tzinfo=UTC)


@given(st.sampled_from(SHIPPED), st.sampled_from(ZONES), DAYS, st.none() | MINUTES, st.integers(1, 10**6))
@settings(max_examples=150, deadline=None)
def test_slots_go_up_leave_after_their_time_and_never_overlap(
    programme: Programme, zone: str, start: date, at: int | None, seed: int
) -> None:
    slot = timing.after(programme, start, -1, at, zone, seed, 120)
    for _ in range(12):
        if slot is None:
            break
        assert slot.planned_at <= slot.due_at <= slot.planned_at + timedelta(seconds=120)
        following = timing.after(programme, start, slot.day, at, zone, seed, 120)
        if following:
            assert following.day > slot.day
            assert following.planned_at > slot.planned_at
            assert slot.latest_at <= following.planned_at
        slot = following


@given(st.sampled_from(SHIPPED), st.sampled_from(ZONES), MOMENTS)
@settings(max_examples=150, deadline=None)
def test_who_begins_now_gets_the_first_soon_and_never_in_the_past(
    programme: Programme, zone: str, moment: datetime
) -> None:
    now = moment.replace(tzinfo=UTC)
    start = timing.begin(programme, now, None, zone)
    first = timing.after(programme, start, -1, None, zone, 1, 0)
    assert first is not None
    assert now < first.planned_at
    assert first.planned_at - now < timedelta(days=first.day + 2)


@given(st.sampled_from(ZONES), MOMENTS, MINUTES, MINUTES)
@settings(max_examples=300, deadline=None)
def test_quiet_hours_end_when_the_wall_clock_says_so(zone: str, moment: datetime, start: int, end: int) -> None:
    rhythm, now = Rhythm(zone, start, end), moment.replace(tzinfo=UTC)
    until = rhythm.quiet_end(now)
    if start == end:
        assert until is None
    if until is not None:
        assert now < until <= now + timedelta(hours=26)
        assert rhythm.quiet_end(until) is None or rhythm.quiet_end(until) != until
        shown = until.astimezone(ZoneInfo(zone))
        exists = datetime.combine(shown.date(), time(end // 60, end % 60))
        assert shown.replace(tzinfo=None) >= exists


def test_quiet_hours_include_their_start_and_not_their_end() -> None:
    night = Rhythm("Europe/London", 22 * 60, 8 * 60)
    day = datetime(2026, 1, 10, tzinfo=UTC)
    assert night.quiet_end(day.replace(hour=21, minute=59)) is None
    assert night.quiet_end(day.replace(hour=22)) == day.replace(day=11, hour=8)
    assert night.quiet_end(day.replace(hour=7, minute=59)) == day.replace(hour=8)
    assert night.quiet_end(day.replace(hour=8)) is None


# What becomes of it


@pytest.mark.parametrize(
    ("change", "fate", "reason"),
    [
        ({}, Fate.SEND, None),
        ({"active": False}, Fate.SKIP, Reason.STOPPED),
        ({"programme": None}, Fate.MISS, Reason.NO_PROGRAMME),
        ({"programme_held": True}, Fate.SKIP, Reason.PROGRAMME_PAUSED),
        ({"blocked": True}, Fate.MISS, Reason.BLOCKED),
        ({"with_human": True}, Fate.SKIP, Reason.HUMAN),
        ({"level": Level.URGENT}, Fate.SKIP, Reason.LEVEL),
        ({"unanswered": 99}, Fate.SKIP, Reason.SILENCE),
    ],
)
def test_what_stands_in_the_way_has_its_reason(change: dict[str, object], fate: Fate, reason: Reason | None) -> None:
    now = datetime(2026, 1, 1, 12, tzinfo=UTC)
    found = decide(now, now + timedelta(hours=1), replace(CALM, **change), now)  # type: ignore[arg-type]
    assert (found.fate, found.reason) == (fate, reason)


def test_a_caring_contact_reaches_those_whose_last_words_were_grave() -> None:
    caring = next(p for p in SHIPPED if p.id == "caring_11")
    now = datetime(2026, 1, 1, 12, tzinfo=UTC)
    standing = replace(CALM, programme=caring, level=Level.EMERGENCY, unanswered=9)
    assert decide(now, now + timedelta(hours=1), standing, now).fate is Fate.SEND


# A life with outages: the whole machine in miniature, over one enrolment


@dataclass
class Life:
    """One enrolment, driven the way the worker does it: decide, end or hold, plan the next."""

    programme: Programme
    zone: str
    rhythm: Rhythm
    start: date
    at: int | None
    now: datetime
    ends: dict[tuple[int, int], list[str]] = field(default_factory=dict)
    sent_at: list[datetime] = field(default_factory=list)
    slots: list[tuple[int, int, timing.Slot]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.plan(-1)

    def plan(self, day: int) -> None:
        slot = timing.after(self.programme, self.start, day, self.at, self.zone, 7, 60)
        if slot and not any(known == slot.day for known, _, _ in self.slots) and (slot.day, 0) not in self.ends:
            self.slots.append((slot.day, 0, slot))

    def wake(self) -> None:
        """The worker looks, until nothing more is due."""
        while due := [entry for entry in self.slots if entry[2].due_at <= self.now]:
            day, number, slot = min(due, key=lambda entry: entry[2].due_at)
            self.slots.remove((day, number, slot))
            last = self.sent_at[-1] if self.sent_at else None
            standing = replace(CALM, programme=self.programme, rhythm=self.rhythm, last_sent_at=last)
            found = decide(slot.due_at, slot.latest_at, standing, self.now)
            if found.fate is Fate.HOLD:
                assert found.until is not None
                assert found.latest is not None
                assert found.until > self.now
                self.slots.append((day, number, replace(slot, due_at=found.until, latest_at=found.latest)))
                continue
            self.ends.setdefault((day, number), []).append(found.fate.value)
            if found.fate is Fate.SEND:
                assert self.rhythm.quiet_end(self.now) is None
                assert last is None or self.now - last >= APART
                self.sent_at.append(self.now)
            self.plan(day)

    def snooze(self) -> None:
        """The person wants the last one again later."""
        sent = [key for key, ends in self.ends.items() if ends == ["send"]]
        if sent and sent[-1][1] < 2 and (sent[-1][0], sent[-1][1] + 1) not in self.ends:
            at = self.now + timedelta(hours=1)
            if not any(slot.due_at <= at for _, _, slot in self.slots):
                day, number = sent[-1]
                again = timing.Slot(day, at, at, at + timedelta(hours=2))
                if not any(entry[:2] == (day, number + 1) for entry in self.slots):
                    self.slots.append((day, number + 1, again))


STEPS = st.lists(
    st.tuples(st.sampled_from(["tick", "tick", "tick", "outage", "snooze"]), st.integers(1, 60 * 30)), max_size=60
)


@given(
    st.sampled_from(SHIPPED),
    st.sampled_from(["Europe/Berlin", "Asia/Shanghai", "America/New_York", "Africa/Cairo", "Australia/Lord_Howe"]),
    st.tuples(MINUTES, MINUTES),
    st.none() | MINUTES,
    DAYS,
    STEPS,
)
@settings(max_examples=200, deadline=None)
def test_through_outages_snoozes_and_quiet_hours_each_occurrence_ends_once_and_nothing_piles_up(
    programme: Programme,
    zone: str,
    quiet: tuple[int, int],
    at: int | None,
    day: date,
    steps: list[tuple[str, int]],
) -> None:
    now = datetime.combine(day, time(12), tzinfo=UTC)
    start = timing.begin(programme, now, at, zone)
    life = Life(programme, zone, Rhythm(zone, *quiet), start, at, now)
    for what, minutes in steps:
        if what == "outage":
            life.now += timedelta(minutes=minutes)
        else:
            for _ in range(3):
                life.now += timedelta(minutes=minutes / 3)
                life.wake()
        if what == "snooze":
            life.snooze()
    life.wake()
    assert all(len(ends) == 1 for ends in life.ends.values()), "each ends once"
    planned = [d for d, number in life.ends if number == 0]
    assert planned == sorted(planned)
    reached = [-1, *planned, *sorted(d for d, number, _ in life.slots if number == 0)]
    assert all(programme.next_day(a) == b for a, b in pairwise(reached)), "none is left out"
    gaps = [b - a for a, b in pairwise(life.sent_at)]
    assert all(gap >= APART for gap in gaps), "never a pile"


def test_times_are_read_as_people_write_them() -> None:
    assert [minutes_of(text) for text in ("08:30", "8:30", " 20：05 ", "0:00")] == [510, 510, 1205, 0]
    assert clock_text(510) == "08:30"
    for wrong in ("24:00", "8", "8:3", "8:60", "abc", ""):
        with pytest.raises(ValueError):
            minutes_of(wrong)
