"""Operators' broadcasts: drafted, tried dry, confirmed, fired once by however many processes; the clock is watched."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from bot.followups.broadcasts import Broadcasts, trigger
from bot.followups.clock import Clock, _scheduler
from bot.store import Store, broadcasts
from config import ConfigError
from config.programmes import load_programmes
from tests.e2e.follow_up_house import House
from tests.support import until

ZH_TEXT, EN_TEXT = "本周四晚上八点有线上放松练习。", "There is an online relaxation evening this Thursday."


@pytest.fixture
async def house(store: Store, tmp_path: Path) -> AsyncIterator[House]:
    made = House(store, tmp_path)
    async with made.app.running():
        await made.app.responder.loaded()
        yield made


async def draft(house: House, when: str = "2026-03-02 18:00", **audience: Any) -> int:
    made = await house.app.followups.broadcasts.create(
        "evening", ZH_TEXT, EN_TEXT, by="ann", when=when, zone="Europe/London", **audience
    )
    return made.broadcast.id


async def test_a_broadcast_goes_to_those_who_agreed_once_each_and_not_before_it_is_confirmed(house: House) -> None:
    for chat in "abc":
        await house.join("mood_checkin", chat)
    await house.join("breathing_space", "a")  # in two programmes, and still one person
    await house.say("hello", "d")  # agreed to nothing
    number = await draft(house)
    parts = house.app.followups
    assert (await parts.broadcasts.dry_run(number)).people == {"memory": 3}
    house.wait(hours=7)
    assert await parts.broadcasts.fire_due() == 0, "a draft does not fire"
    house.wait(hours=-7)
    confirmed = await parts.broadcasts.confirm(number, "bea")
    assert confirmed.times == (datetime(2026, 3, 2, 18, tzinfo=UTC),)
    house.wait(hours=6)
    fired = await asyncio.gather(*(parts.broadcasts.fire_due() for _ in range(3)))
    assert sum(fired) == 1
    await house.tick()
    house.wait(seconds=1)  # one after the other, at the lane's pace
    for chat in "abc":
        assert EN_TEXT in (await house.platform.wait(chat, 3 if chat == "a" else 2))[-1]
    assert EN_TEXT not in "".join(house.platform.of("d"))
    assert await parts.broadcasts.fire_due() == 0
    assert (await parts.broadcasts.every())[0].state == "done"


async def test_a_single_one_that_was_paused_keeps_its_time_and_what_is_over_stays_over(house: House) -> None:
    parts = house.app.followups.broadcasts
    number, late = await draft(house), await draft(house)
    for one in (number, late):
        await parts.confirm(one, "bea")
        await parts.set_state(one, "paused")
    await parts.set_state(number, "active")
    assert (await parts.dry_run(number)).times == (datetime(2026, 3, 2, 18, tzinfo=UTC),)
    house.wait(hours=7)
    with pytest.raises(ConfigError, match="its time is over"):
        await parts.set_state(late, "active")
    await parts.set_state(late, "done")
    for state in ("active", "paused"):
        with pytest.raises(ConfigError, match="cannot become"):
            await parts.set_state(late, state)


async def test_an_audience_is_narrowed_and_a_cron_goes_on(house: House) -> None:
    await house.join("mood_checkin", "a")
    await house.join("breathing_space", "b")
    parts = house.app.followups.broadcasts
    number = await draft(house, "0 18 * * mon-fri", programme="breathing_space")
    found = await parts.dry_run(number)
    assert found.count == 1
    assert [f"{t:%a %H}" for t in found.times] == ["Mon 18", "Tue 18", "Wed 18"]
    await parts.confirm(number, "bea")
    house.wait(hours=6)
    assert await parts.fire_due() == 1
    assert (await parts.every())[0].next_at == datetime(2026, 3, 3, 18, tzinfo=UTC)
    await parts.set_state(number, "paused")
    house.wait(days=3)
    assert await parts.fire_due() == 0
    await parts.set_state(number, "active")
    assert (await parts.every())[0].next_at == datetime(2026, 3, 6, 18, tzinfo=UTC), "what it slept through is over"
    assert (await parts.dry_run(await draft(house, "2026-03-06 18:00", purpose="contact"))).count == 0


async def test_what_fell_due_while_nothing_ran_is_one_firing_or_recorded_as_missed(house: House) -> None:
    await house.join("mood_checkin")
    parts = house.app.followups.broadcasts
    number = await draft(house, "*/10 * * * *")
    await parts.confirm(number, "bea")
    house.wait(minutes=45)
    assert await parts.fire_due() == 1, "four of them are one"
    house.wait(days=2)
    assert await parts.fire_due() == 1
    async with house.store.reading() as tx:
        rows = await broadcasts.firings(tx, number)
    assert [(row.state, row.reason) for row in rows] == [("missed", "late"), ("fired", "")]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"when": "2026-03-01 18:00"}, "is over"),
        ({"when": "soon"}, "neither a time"),
        ({"when": "0 18 * * 1"}, "name the weekdays"),
        ({"when": "0 99 * * *"}, "when"),
        ({"zone": "Mars"}, "not an IANA time zone"),
        ({"zh": " "}, "zh: is empty"),
        ({"en": "Call 0800 123 456"}, "telephone number"),
        ({"programme": "nope"}, "no such programme"),
    ],
)
async def test_a_wrong_broadcast_is_refused_in_a_sentence(change: dict[str, str], message: str, tmp_path: Path) -> None:
    async with Store(f"sqlite+aiosqlite:///{tmp_path / 'x.db'}", clock=lambda: datetime(2026, 3, 2, tzinfo=UTC)) as one:
        house = House(one, tmp_path)
        values = {"zh": "好", "en": "Good", "when": "2026-03-02 18:00", "zone": "Europe/London"} | change
        with pytest.raises(ConfigError, match=message):
            await house.app.followups.broadcasts.create("x", by="ann", **values)  # type: ignore[arg-type]


def test_the_trigger_is_a_wall_clock_s() -> None:
    eight = trigger("0 8 * * *", "Europe/Berlin")
    winter, summer = datetime(2026, 1, 10, tzinfo=UTC), datetime(2026, 7, 10, tzinfo=UTC)
    assert eight.get_next_fire_time(None, winter).astimezone(UTC).hour == 7
    assert eight.get_next_fire_time(None, summer).astimezone(UTC).hour == 6


# The clock


class Beats:
    """Counts beats in the place of broadcasts; the first scheduler it gets dies as APScheduler's does."""

    def __init__(self) -> None:
        self.fired = asyncio.Semaphore(0)

    async def fire_due(self) -> int:
        self.fired.release()
        return 0

    async def every(self) -> list[object]:
        return []


async def test_a_clock_that_stopped_without_a_word_is_made_anew() -> None:
    beats, made, again = Beats(), list[AsyncIOScheduler](), asyncio.Event()

    def make() -> AsyncIOScheduler:
        made.append(_scheduler())
        if len(made) == 2:
            again.set()
        return made[-1]

    clock = Clock(beats, timedelta(seconds=0.02), make)  # type: ignore[arg-type]
    running = asyncio.create_task(clock.run())
    try:
        async with asyncio.timeout(10):
            await beats.fired.acquire()
            made[0]._stop_timer()  # its thread of life is cut: no job runs any more
            made[0]._start_timer = made[0].wakeup = lambda *_: None
            await again.wait()
            beats.fired = asyncio.Semaphore(0)
            await beats.fired.acquire()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert len(made) >= 2


def test_misfire_coalesce_and_instances_are_set_on_purpose() -> None:
    scheduler = _scheduler()
    assert scheduler._job_defaults == {"misfire_grace_time": 3600, "coalesce": True, "max_instances": 1}


async def _is_done(parts: Broadcasts) -> bool:
    return (await parts.every())[0].state == "done"


async def test_the_clock_fires_a_confirmed_broadcast(store: Store) -> None:
    parts = Broadcasts(store, load_programmes())
    made = await parts.create(
        "now", ZH_TEXT, EN_TEXT, by="a", when=(store.clock() + timedelta(seconds=1)).isoformat(), zone="UTC"
    )
    await parts.confirm(made.broadcast.id, "b")
    clock = Clock(parts, timedelta(seconds=0.05))
    running = asyncio.create_task(clock.run())
    try:
        await until(store, lambda: _is_done(parts))
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    async with store.reading() as tx:
        assert len(await broadcasts.firings(tx, made.broadcast.id)) == 1
