"""Exercises step by step, moods, questionnaires, offers, and a counsellor's proposal."""

from collections.abc import AsyncIterator
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from adapters import Capabilities, Kind, Unit
from bot.followups.picture import draw
from bot.store import Store, conversations, handoffs, people, practices
from config import ConfigError
from config.questionnaires import load_questionnaires
from tests.e2e.follow_up_house import EN, NOON, WINDOWED, House
from tests.support import MemoryAdapter, until

PHQ9 = load_questionnaires()["phq9"].en


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """SQLite; `test_follow_ups_on_postgresql.py` goes over the same ground there."""
    return f"sqlite+aiosqlite:///{tmp_path / 'test.db'}"


@pytest.fixture
async def house(store: Store, tmp_path: Path) -> AsyncIterator[House]:
    able = Capabilities(4000, Unit.CHARACTERS, buttons=True, images=True)
    made = House(store, tmp_path, MemoryAdapter("memory", able))
    async with made.app.running():
        await made.app.responder.loaded()
        yield made


async def moods(house: House) -> list[tuple[int, str]]:
    async with house.store.reading() as tx:
        return [(m.value, m.moment) for m in await practices.moods(tx, (await house.person()).person_id)]


async def next_step(house: House, count: int) -> str:
    """Let the pace pass and wait for the `count`-th text."""
    house.wait(seconds=90)
    house.store.wake.ring("outbox")
    return (await house.platform.last("a", count)).text


async def test_an_exercise_goes_step_by_step_with_the_mood_before_and_after(house: House) -> None:
    asked = await house.press("exercise begin feet_floor 0")
    assert asked.text == EN.get("followup.mood_before")
    first = await house.press(next(a for a in asked.actions if a.endswith(" 3")))
    assert first.text.startswith("Step 1 of 4")
    assert (await next_step(house, 3)).startswith("Step 2 of 4")
    assert (await next_step(house, 4)).startswith("Step 3 of 4")
    assert (await next_step(house, 5)).startswith("Step 4 of 4")
    assert await next_step(house, 6) == EN.get("followup.mood_after")
    assert (await house.say("6")).text == EN.get("followup.exercise_done"), "a plain number will do"
    assert await moods(house) == [(3, "before"), (6, "after")]


async def test_pause_next_and_stop_are_at_once(house: House) -> None:
    asked = await house.press("exercise begin feet_floor 0")
    first = await house.press(asked.actions[-1])  # without a number
    pause = next(a for a in first.actions if "pause" in a)
    paused = await house.press(pause)
    assert paused.text == EN.get("followup.exercise_paused")
    house.wait(minutes=30)
    house.store.wake.ring("outbox")
    second = await house.say("continue")
    assert second.text.startswith("Step 2 of 4"), "it goes on where it was, and nothing came meanwhile"
    assert (await house.say("stop")).text == EN.get("followup.exercise_stopped")
    house.wait(minutes=30)
    assert (await house.say("hello")).text == "echo: hello."


async def test_the_next_step_comes_at_once_when_somebody_is_quicker(house: House) -> None:
    asked = await house.press("exercise begin feet_floor 0")
    step = await house.press(asked.actions[-1])
    for number in (2, 3, 4):
        step = await house.press(next(a for a in step.actions if "next" in a))
        assert step.text.startswith(f"Step {number} of 4")
    assert (await house.press(next(a for a in step.actions if "next" in a))).text == EN.get("followup.mood_after")


async def test_writing_about_something_else_ends_the_steps(house: House) -> None:
    asked = await house.press("exercise begin feet_floor 0")
    await house.press(asked.actions[-1])
    assert (await house.say("my mother called")).text == "echo: my mother called."
    house.wait(minutes=10)
    assert (await house.say("hello")).text == "echo: hello."
    assert not any(text.startswith("Step 2") for text in house.platform.of("a"))


async def test_an_exercise_that_makes_it_worse_stops_and_offers_ground_and_a_person(house: House) -> None:
    asked = await house.press("exercise begin sitting 0")
    first = await house.press(next(a for a in asked.actions if a.endswith(" 5")))
    sorry = await house.press(next(a for a in first.actions if "worse" in a))
    assert sorry.text == EN.get("followup.worse")
    assert "human" in sorry.actions


async def test_a_mood_that_fell_is_spoken_of(house: House) -> None:
    asked = await house.press("exercise begin feet_floor 0")
    number = asked.actions[0].split()[2]
    await house.press(f"exercise mood {number} 7")
    assert (await house.press(f"exercise mood {number} 3")).text == EN.get("followup.worse")


async def test_the_mood_picture_is_an_image_and_words_where_there_are_none(house: House, tmp_path: Path) -> None:
    for value in (3, 5, 8):
        assert (await house.say(f"mood {value}", kind=Kind.COMMAND)).text == EN.get("followup.mood_kept")
        house.wait(days=2)
    shown = await house.say("mood", kind=Kind.COMMAND)
    assert shown.text == EN.get("followup.mood_picture", count=3)
    sent = house.platform.images["a"][-1]
    with Image.open(BytesIO(sent)) as picture:
        assert picture.format == "PNG"
        assert picture.width > picture.height


async def test_a_low_mood_is_met_and_offered_a_person(house: House) -> None:
    low = await house.say("mood 1", kind=Kind.COMMAND)
    assert low.text == EN.get("followup.mood_low")
    assert low.actions == ["human", "crisis"]
    assert (await house.say("mood 11", kind=Kind.COMMAND)).text == EN.get("followup.mood_range")


def test_a_picture_of_one_mood_and_of_many_can_be_drawn() -> None:
    one = draw([(NOON, 0, "asked")])
    many = draw([(NOON + timedelta(days=n), n % 11, ("before", "after", "asked")[n % 3]) for n in range(90)])
    for data in (one, many):
        with Image.open(BytesIO(data)) as picture:
            assert len(set(picture.convert("RGB").resize((60, 40)).getcolors(10_000) or [])) > 3
        assert len(data) < 60_000


async def test_a_questionnaire_is_asked_item_by_item_and_its_total_is_no_diagnosis(house: House) -> None:
    asked = await house.press("form begin phq9 0")
    for item in range(9):
        assert PHQ9.items[item] in asked.text
        answer = asked.actions[1 if item < 5 else 0]  # several days, then not at all
        asked = await house.press(answer)
    assert asked.text == EN.get("followup.form_low", title="PHQ-9", count=5, total=27)
    async with house.store.reading() as tx:
        (form,) = await practices.forms(tx, (await house.person()).person_id)
        exported = await people.export(tx, (await house.person()).person_id)
    assert (form.state, form.answers) == ("done", (1,) * 5 + (0,) * 4)
    assert exported
    assert exported["follow_ups"]["questionnaires"][0]["questionnaire"] == "phq9"


async def test_the_ninth_answer_brings_a_person_whatever_the_total(house: House) -> None:
    asked = await house.press("form begin phq9 0")
    for _ in range(8):
        asked = await house.press(asked.actions[0])
    safety = await house.press(asked.actions[1])  # several days
    assert "AI" in safety.text
    person = await house.person()
    assert person.holder == conversations.WAITING
    async with house.store.reading() as tx:
        opened = await handoffs.open_of(tx, person.id)
    assert opened
    assert opened.category == "suicide"


async def test_a_high_total_points_to_a_person_and_an_item_is_answered_once(house: House) -> None:
    asked = await house.press("form begin phq2 0")
    second = await house.press(asked.actions[3])
    await house.tell(asked.actions[0], kind=Kind.ACTION)  # the first again
    high = await house.press(second.actions[3])
    assert high.text == EN.get("followup.form_high", title="PHQ-2", count=6, total=6)
    assert high.actions == ["human"]


async def test_where_there_are_no_buttons_words_and_numbers_do(store: Store, tmp_path: Path) -> None:
    house = House(store, tmp_path, MemoryAdapter("memory", WINDOWED))
    async with house.app.running():
        await house.app.responder.loaded()
        asked = await house.say("form begin phq2", kind=Kind.COMMAND)
        assert "3: Nearly every day" in asked.text
        await house.say("1")
        assert (await house.say("1")).text == EN.get("followup.form_low", title="PHQ-2", count=2, total=6)
        whole = await house.say("exercise begin feet_floor", kind=Kind.COMMAND)
        assert "4. " in whole.text, "all steps in one message"
        assert (await house.say("mood", kind=Kind.COMMAND)).text == EN.get("followup.mood_nothing")
        assert (await house.say("7")).text == EN.get("followup.mood_kept")
        assert "7" in (await house.say("mood", kind=Kind.COMMAND)).text


async def test_a_number_that_nobody_asked_for_is_talk(house: House) -> None:
    assert (await house.say("7")).text == "echo: 7."


async def test_after_a_talk_something_that_suits_it_is_offered_once(house: House) -> None:
    for text in ("I can't sleep at night", "I lie awake for hours every night", "my insomnia is getting worse"):
        await house.say(text)
    offered = await house.say("thank you, bye")
    assert offered.actions == ["checkins join sleep_week yes", "checkins no sleep_week"]
    begun = await house.say("yes please")
    assert "2026-03-02 21:00" in begun.text
    await house.say("stop")
    assert (await house.say("thanks, bye")).actions == []


async def test_a_counsellor_proposes_and_the_person_decides(house: House) -> None:
    await house.say("hello")
    person = await house.person()
    async with house.store.transaction() as tx:
        locked = (await conversations.lock(tx, [person.id]))[person.id]
        await house.app.followups.offers.propose(tx, locked, "caring_11", "lin", "Lin")
        with pytest.raises(ConfigError, match="no such programme"):
            await house.app.followups.offers.propose(tx, locked, "nope", "lin", "Lin")
    asked = await house.platform.last("a", 2)
    assert asked.text.startswith("Lin suggests this for you")
    assert await house.ends() == []
    begun = await house.press(asked.actions[0])
    assert "2026-03-03 11:00" in begun.text
    assert await house.ends() == [(1, "due", "")]


async def test_erased_means_gone(house: House) -> None:
    await house.join("mood_checkin")
    await house.say("mood 4", kind=Kind.COMMAND)
    person = await house.person()
    await house.press("forget yes")
    async with house.store.reading() as tx:
        assert await practices.moods(tx, person.person_id) == []

    async def gone() -> bool:
        async with house.store.reading() as tx:
            return await people.export(tx, person.person_id) is None

    await until(house.store, gone)
