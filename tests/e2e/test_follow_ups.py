"""Follow-ups from a yes to their end: at the right time, gated, stopped at a word, and never gone without a reason."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from adapters import Blocked, Kind, OutcomeUnknown, WindowClosed
from bot.followups.worker import HORIZON
from bot.store import Store, conversations, followups, outbox, schema
from config.programmes import load_programmes
from tests.e2e.follow_up_house import EN, NOON, WINDOWED, House
from tests.support import MemoryAdapter, until


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """SQLite; `test_follow_ups_on_postgresql.py` goes over the same ground there."""
    return f"sqlite+aiosqlite:///{tmp_path / 'test.db'}"


@pytest.fixture
async def house(store: Store, tmp_path: Path) -> AsyncIterator[House]:
    made = House(store, tmp_path)
    async with made.app.running():
        await made.app.responder.loaded()
        yield made


async def ended(house: House, count: int, chat: str = "a") -> list[tuple[int, str, str]]:
    """Wait until so many of a user's occurrences have ended; all that have."""

    async with asyncio.timeout(20):
        while len(over := [row for row in await house.ends(chat) if row[1] not in ("due", "queued")]) < count:
            await asyncio.sleep(0.01)  # a send that is recorded rings no bell
            await house.tick()  # what another transaction held at the first look
    return over


async def test_a_yes_begins_it_and_the_first_comes_at_its_hour(house: House) -> None:
    asked = await house.press("checkins join mood_checkin")
    begun = await house.press(asked.actions[0])
    assert EN.get("followup.begun", when="2026-03-02 19:00") in begun.text
    assert "Europe/London" in begun.text, "the guess of the zone is said"
    house.wait(hours=6, minutes=59)
    await house.tick()
    assert await house.ends() == [(0, "due", "")]
    house.wait(minutes=1)
    await house.tick()
    assert EN.get("followup.mood") in (await house.platform.last("a", 3)).text
    assert (await ended(house, 1)) == [(0, "sent", "")]
    assert (await house.ends())[-1] == (3, "due", "")


async def test_nothing_is_sent_without_a_yes(house: House) -> None:
    asked = await house.press("checkins join mood_checkin")
    assert (await house.press(asked.actions[1])).text == EN.get("followup.declined")
    house.wait(days=10)
    await house.tick()
    assert await house.ends() == []


@pytest.mark.parametrize("word", ["stop", "别再发了", "/checkins"])
async def test_stop_is_at_once_even_for_what_waits_in_the_outbox(house: House, word: str) -> None:
    await house.join("mood_checkin")
    house.wait(hours=8)
    house.platform.gates["a"] = asyncio.Event()  # the first thing written to them is stuck on its way
    async with house.store.transaction() as tx:
        person = (await conversations.lock(tx, [(await house.person()).id])).popitem()[1]
        await outbox.add(tx, [outbox.Outgoing(person.id, person.address, outbox.Kind.NOTICE, "stuck")])
    await house.platform.attempted("a", 2)
    await house.tick()
    assert await house.ends() == [(0, "queued", ""), (3, "due", "")]
    kind = Kind.COMMAND if word == "/checkins" else Kind.TEXT
    await house.tell("checkins stop" if kind is Kind.COMMAND else word, kind=kind)

    async def stopped() -> bool:
        return (await house.mine())[0].state == followups.STOPPED

    await until(house.store, stopped)
    house.platform.gates["a"].set()
    await house.platform.wait("a", 3)
    assert EN.get("followup.mood") not in "".join(house.platform.of("a"))
    assert await house.ends() == [(0, "skipped", "by_user"), (3, "skipped", "by_user")]


async def test_stop_without_follow_ups_is_talk(house: House) -> None:
    assert (await house.say("stop")).text == "echo: stop."


async def test_late_it_is_sent_if_still_useful_else_missed_and_never_a_pile(house: House) -> None:
    await house.join("breathing_space")  # each day at 08:00, useful for six hours
    house.wait(days=9, hours=1)  # until 13:00, ten days on
    while await house.tick():
        pass
    found = await ended(house, 9)
    assert [row[1:] for row in found[:-1]] == [("missed", "late")] * 8
    assert found[-1] == (8, "sent", "")
    assert len(house.platform.of("a")) == 2, "the answer to the yes, and one exercise"


async def test_while_a_counsellor_is_in_charge_or_the_level_is_up_nothing_comes(house: House) -> None:
    await house.join("breathing_space")
    await house.say("this is urgent")
    house.wait(hours=20)
    await house.tick()
    assert await ended(house, 1) == [(0, "skipped", "human_in_charge")]
    async with house.store.transaction() as tx:
        person = (await conversations.lock(tx, [(await house.person()).id])).popitem()[1]
        person.holder = conversations.BOT
        await conversations.save(tx, [person])
    house.wait(hours=24)
    await house.tick()
    assert (await ended(house, 2))[-1] == (1, "skipped", "level"), "their last words were urgent"
    assert (await house.ends())[-1][1] == "due", "it goes on once they are calm"


async def test_a_handoff_takes_back_what_waits_to_leave(house: House) -> None:
    await house.join("mood_checkin")
    house.wait(hours=8)
    house.platform.gates["a"] = asyncio.Event()
    await house.tell("hello")
    await house.platform.attempted("a", 2)  # the answer is stuck, so the follow-up waits behind it
    await house.tick()
    await house.tell("urgent")
    house.platform.gates["a"].set()
    assert (await ended(house, 1))[0] == (0, "skipped", "handed_over")


async def test_quiet_hours_hold_and_release(house: House) -> None:
    await house.join("mood_checkin")
    await house.press("checkins time 23:30")
    house.wait(hours=11, minutes=31)
    await house.tick()
    assert (await house.ends())[-1] == (0, "due", "")
    house.wait(hours=8, minutes=28)  # 07:59
    await house.tick()
    assert (await house.ends())[-1] == (0, "due", "")
    house.wait(minutes=2)
    await house.tick()
    assert await ended(house, 2) == [(0, "skipped", "moved"), (0, "sent", "")]


async def test_later_sends_it_once_more_and_leaves_the_rule_alone(house: House) -> None:
    await house.join("mood_checkin")
    house.wait(hours=7)
    await house.tick()
    sent = await house.platform.last("a", 2)
    later = next(action for action in sent.actions if action.startswith("checkins later"))
    assert (await house.press(later)).text == EN.get("followup.later")
    house.wait(hours=1, seconds=1)
    await house.tick()
    assert await ended(house, 2) == [(0, "sent", ""), (0, "sent", "")]
    assert (await house.ends())[-1] == (3, "due", "")


async def test_another_zone_moves_what_is_to_come_and_keeps_its_hour(house: House) -> None:
    await house.join("mood_checkin")
    assert "Asia/Tokyo" in (await house.say("time zone Tokyo")).text
    house.wait(hours=22)  # Tuesday 10:00 in London is 19:00 in Tokyo
    await house.tick()
    assert await ended(house, 2) == [(0, "skipped", "moved"), (0, "sent", "")]


async def test_two_programmes_at_one_hour_do_not_come_together(house: House) -> None:
    await house.join("mood_checkin")
    await house.join("mindfulness_course")
    await house.press("checkins time 20:00")
    house.wait(hours=8)
    await house.tick()
    await ended(house, 3)
    assert sorted(row[1] for row in await house.ends()).count("sent") == 1
    house.wait(minutes=21)
    await house.tick()
    await ended(house, 4)
    assert sorted(row[1] for row in await house.ends()).count("sent") == 2


async def test_after_silence_it_fades_out_and_says_so(house: House) -> None:
    await house.join("mood_checkin")  # falls silent after four without an answer
    house.wait(hours=7)
    for number in range(1, 6):
        await house.tick()
        await ended(house, number)
        house.wait(days=3)
    found = await ended(house, 5)
    assert [row[1:] for row in found] == [("sent", "")] * 4 + [("skipped", "silence")]
    assert EN.get("followup.fading") in house.platform.of("a")[-1]
    (enrolment,) = await house.mine()
    assert (enrolment.state, enrolment.reason) == ("paused", "silence")
    await house.press("checkins go mood_checkin")
    assert (await house.mine())[0].state == "active"


async def test_an_answer_starts_the_count_anew(house: House) -> None:
    await house.join("mood_checkin")
    house.wait(hours=7)
    for number in range(1, 7):
        await house.tick()
        await ended(house, number)
        await house.say("hello")
        house.wait(days=3)
    assert [row[1] for row in await ended(house, 6)] == ["sent"] * 6


async def test_made_it_worse_stops_it_offers_ground_and_tells_a_human(store: Store, tmp_path: Path) -> None:
    house = House(store, tmp_path)
    async with house.app.running():
        await house.app.responder.loaded()
        await house.join("hard_day")
        house.wait(hours=8)
        await house.tick()
        sent = await house.platform.last("a", 2)
        worse = next(action for action in sent.actions if action.startswith("checkins worse"))
        answer = await house.press(worse)
        assert answer.text == EN.get("followup.worse")
        assert answer.actions == ["exercise begin feet_floor 0", "human", "crisis"]
        (enrolment,) = await house.mine()
        assert (enrolment.state, enrolment.reason) == ("paused", "worse")
        async with store.reading() as tx:
            told = await tx.connection.scalars(select(schema.outbox.c.address).where(schema.outbox.c.kind == "notice"))
        assert any(address.startswith("console:") for address in told)


async def test_a_reply_to_a_follow_up_is_screened_like_any_message(house: House) -> None:
    await house.join("mood_checkin")
    house.wait(hours=8)
    await house.tick()
    await house.platform.wait("a", 2)
    await house.say("urgent")
    assert (await house.person()).holder == conversations.WAITING


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (OutcomeUnknown("cut"), "outcome_unknown"),
        (Blocked("gone"), "blocked"),
        (WindowClosed("45015"), "window_closed"),
    ],
)
async def test_what_did_not_surely_arrive_is_not_called_sent(house: House, fault: Exception, reason: str) -> None:
    await house.join("mood_checkin")
    house.wait(hours=8)
    house.platform.faults["a"] = [fault]
    await house.tick()
    assert (await ended(house, 1))[0] == (0, "missed", reason)
    assert await house.tick() == 0


async def test_beyond_its_window_a_platform_gets_nothing_and_the_operator_sees_it(store: Store, tmp_path: Path) -> None:
    house = House(store, tmp_path, MemoryAdapter("memory", WINDOWED))
    async with house.app.running():
        await house.app.responder.loaded()
        await house.join("mood_checkin")
        house.wait(hours=7)
        await house.tick()
        assert (await ended(house, 1))[0] == (0, "sent", ""), "within 48 hours"
        attempts = len(house.platform.attempts)
        house.wait(days=3)
        await house.tick()
        assert (await ended(house, 2))[-1] == (3, "missed", "window_closed")
        assert len(house.platform.attempts) == attempts
        await house.tell("hello")
        for _ in range(5):
            await house.tell("more")
        async with store.reading() as tx:
            counted = {(row.state, row.reason): row.number for row in await followups.counts(tx)}
    assert counted["missed", "window_closed"] == 1


async def test_a_text_beyond_the_five_of_a_window_is_not_tried(store: Store, tmp_path: Path) -> None:
    house = House(store, tmp_path, MemoryAdapter("memory", WINDOWED))
    async with house.app.running():
        await house.app.responder.loaded()
        await house.join("mood_checkin")
        person = await house.person()
        async with store.transaction() as tx:
            rows = [outbox.Outgoing(person.id, person.address, outbox.Kind.NOTICE, str(n)) for n in range(5)]
            await outbox.add(tx, rows)
        house.wait(hours=8)
        await house.tick()
        assert (await ended(house, 1))[0] == (0, "missed", "window_closed")


async def test_a_programme_that_vanishes_is_recorded_and_goes_on_when_it_is_back(house: House) -> None:
    await house.join("mood_checkin")
    house.wait(hours=8)
    enrolments: Any = house.app.followups.enrolments
    programmes = enrolments.programmes
    enrolments.programmes = type(programmes)((), {})
    await house.tick()
    assert await ended(house, 1) == [(0, "missed", "no_programme")]
    assert (await house.mine())[0].state == "stalled"
    enrolments.programmes = programmes
    await house.tick()
    assert (await house.mine())[0].state == "active"
    assert (await house.ends())[-1] == (0, "due", ""), "nothing came yet, so it begins anew"


async def test_an_operator_s_pause_skips_and_a_retired_programme_takes_nobody(house: House) -> None:
    await house.join("mood_checkin")
    async with house.store.transaction() as tx:
        await followups.set_hold(tx, "mood_checkin", "paused", "operator")
    house.wait(hours=8)
    await house.tick()
    assert (await ended(house, 1))[0] == (0, "skipped", "programme_paused")
    assert (await house.join("mood_checkin", "b")).text == EN.get("followup.retired")


async def test_a_lane_is_filled_no_further_than_its_pace(store: Store, tmp_path: Path) -> None:
    house = House(store, tmp_path, followups={"jitter_seconds": 0, "per_second": 0.1})
    async with house.app.running():
        await house.app.responder.loaded()
        for chat in "abcdef":
            await house.join("mood_checkin", chat)
        house.wait(hours=8)
        await house.tick()
        async with store.reading() as tx:
            counted = {row.state: row.number for row in await followups.counts(tx)}
        assert counted["queued"] + counted.get("sent", 0) == HORIZON / timedelta(seconds=10)
        await house.say("urgent", "f")  # and a crisis text passes at once


def test_every_shipped_programme_can_be_begun_at_noon() -> None:
    assert all(p.next_day(-1) is not None for p in load_programmes().every)
    assert NOON.hour == 12
