"""When nobody takes a handoff, or its counsellor falls silent: there is always a next step, and the user is told."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adapters import Blocked, Kind, Retryable
from bot.app import App
from bot.store import HANDOFFS, Cipher, Store, conversations, handoffs, outbox
from bot.store.cipher import new_key
from bot.store.migrate import upgrade
from bot.wording import Wording
from config import Language, load_crisis_lines, load_texts
from engine import Level
from tests.support import EchoGenerator, MemoryAdapter, address, make_app, says, until

WORDS = load_texts(Language.EN)
LINES = Wording(load_crisis_lines(), Language.EN, "GB").lines_in(Language.EN, "GB", Level.URGENT)


class Clock:
    """The time, which a test moves on."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def advance(self, seconds: float) -> None:
        self._ahead += timedelta(seconds=seconds)


@dataclass
class House:
    app: App
    clock: Clock
    user: MemoryAdapter
    desk: MemoryAdapter

    def later(self, seconds: float) -> None:
        """Time passes."""
        self.clock.advance(seconds)
        self.app.store.wake.ring(HANDOFFS)

    async def handoff(self) -> handoffs.Handoff:
        async with self.app.store.reading() as tx:
            person = await conversations.at(tx, address("a"))
            assert person
            found = await handoffs.open_of(tx, person.id)
        assert found
        return found

    async def urgent(self, word: str = "urgent") -> handoffs.Handoff:
        await self.app.intake.receive([says("a", word)])
        await self.user.wait("a", 1)
        return await self.handoff()


@pytest.fixture
async def house(database_url: str, tmp_path: Path) -> AsyncIterator[House]:
    clock, user, desk = Clock(), MemoryAdapter(), MemoryAdapter("telegram")
    async with Store(database_url, Cipher.from_keys(new_key()), clock) as store:
        await upgrade(store)
        app = make_app(store, tmp_path, [user, desk], EchoGenerator(), telegram={"token": "12:test"})
        async with app.running():
            await app.responder.loaded()
            yield House(app, clock, user, desk)


async def test_an_unclaimed_handoff_calls_again_and_widens(house: House) -> None:
    await house.urgent()
    await house.desk.wait("900", 1)
    assert house.desk.of("901") == []
    house.later(31)
    await house.desk.wait("900", 2)
    await house.desk.wait("901", 1)
    for n in range(3):
        house.later(61)
        await house.desk.wait("901", 2 + n)


async def test_somebody_who_waits_hears_honestly_how_things_stand(house: House) -> None:
    found = await house.urgent()
    await until(house.app.store, lambda: reached(house, found.id))
    house.later(200)
    text = WORDS.get("handoff.still_waiting_lines", minutes=3, lines=LINES)
    await until(house.app.store, lambda: told(house, text))


async def test_when_no_alert_arrives_anywhere_the_user_is_told_with_a_line_and_the_next_step_comes(
    house: House,
) -> None:
    house.desk.faults["900"] = [Retryable("down", 1000)] * 9
    house.desk.faults["901"] = [Retryable("down", 1000)] * 9
    await house.urgent()
    await house.desk.attempted("900", 1)
    house.later(31)
    await until(house.app.store, lambda: told(house, WORDS.get("handoff.nobody", lines=LINES)))
    await house.desk.attempted("901", 1)


async def test_a_counsellor_who_blocked_the_bot_does_not_hold_up_the_next_step(house: House) -> None:
    house.desk.faults["900"] = [Blocked("blocked")]
    await house.urgent()
    await house.desk.attempted("900", 1)
    found = await house.handoff()
    assert found.next_step_at
    house.later((found.next_step_at - house.clock()).total_seconds() + 0.1)
    await house.desk.wait("901", 1)


async def test_a_silent_counsellor_is_reminded_then_replaced_and_the_user_told(house: House) -> None:
    found = await house.urgent()
    assert (await house.app.desk.claim(found.id, "lin")).won
    await house.user.wait("a", 2)
    house.later(301)
    await until(house.app.store, lambda: reminded(house))
    house.later(300)
    lapsed = WORDS.get("handoff.lapsed")
    await until(house.app.store, lambda: told(house, lapsed))
    again = await house.handoff()
    assert again.state == handoffs.WAITING
    assert again.counsellor is None
    assert (await house.app.desk.claim(found.id, "sam")).won


async def reminded(house: House) -> bool:
    return any("min" in text and "#" in text for text in house.desk.of("900")[1:])


async def reached(house: House, handoff_id: int) -> bool:
    async with house.app.store.reading() as tx:
        return await outbox.anybody_reached(tx, handoff_id)


async def told(house: House, text: str) -> bool:
    return text in house.user.of("a")


async def test_a_word_from_the_counsellor_keeps_the_claim(house: House) -> None:
    found = await house.urgent()
    await house.app.desk.claim(found.id, "lin")
    for _ in range(4):
        house.later(290)
        await house.app.desk.say(found.id, "lin", "still here")
    assert (await house.handoff()).counsellor == "lin"


async def test_after_a_lapse_the_former_counsellor_s_words_do_not_reach_the_user(house: House) -> None:
    found = await house.urgent()
    await house.app.desk.claim(found.id, "lin")
    house.later(601)
    await until(house.app.store, lambda: told(house, WORDS.get("handoff.lapsed")))
    await house.app.intake.receive([says("900", "are you there", platform="telegram")])
    await until(house.app.store, lambda: answered_no_case(house))
    assert "are you there" not in house.user.of("a")


async def answered_no_case(house: House) -> bool:
    return WORDS.get("desk.no_case") in house.desk.of("900")


@pytest.mark.parametrize("word", ["urgent", "emergency"])
async def test_an_open_handoff_always_has_a_next_time_within_its_bound(house: House, word: str) -> None:
    await house.urgent(word)
    for seconds in (1, 31, 61, 600, 4000):
        house.later(seconds)
        await until(house.app.store, lambda: next_step_is_ahead(house))
        found = await house.handoff()
        assert found.next_step_at
        waited = house.clock() - found.created_at
        bound = timedelta(seconds=60) if word == "emergency" else max(timedelta(seconds=60), waited / 10)
        assert found.next_step_at - house.clock() <= bound


async def next_step_is_ahead(house: House) -> bool:
    found = await house.handoff()
    return found.next_step_at is not None and found.next_step_at > house.clock()


async def test_a_person_asked_for_without_danger_waits_behind_those_in_danger(house: House) -> None:
    await house.app.intake.receive([says("b", "human", Kind.COMMAND)])
    await house.user.wait("b", 1)
    house.clock.advance(60)
    await house.urgent()
    ranks = [found.rank for found, _ in await house.app.desk.queue()]
    assert ranks == [2, 0]
