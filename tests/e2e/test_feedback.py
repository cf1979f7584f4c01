"""Feedback: under answers alone, changeable, kept with what wrote them and without a text, gone with the talk."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from adapters import Capabilities, Kind, Thumbs, Unit
from bot.app import App
from bot.cli.feedback import show_feedback, wilson
from bot.clock import system_clock
from bot.feedback import ASK_AGAIN
from bot.store import Store, conversations, feedback, handoffs, messages, people
from bot.store.feedback import REASONS, Count
from bot.store.schema import feedback as table
from config import ConfigError, Language, load_texts
from engine import Piece, Request
from tests.support import EchoGenerator, Heard, MemoryAdapter, address, make_app, says, until

EN = load_texts(Language.EN)
THUMBS = Capabilities(4000, Unit.CHARACTERS, buttons=True, thumbs=True)
WORDS = Capabilities(2047, Unit.BYTES)


class Wrote(EchoGenerator):
    """The echo with a name and a version to be told apart by."""

    version = "w1"


@pytest.fixture
def platform() -> MemoryAdapter:
    return MemoryAdapter(capabilities=THUMBS)


@pytest.fixture
def wordy() -> MemoryAdapter:
    """A platform without thumbs and buttons."""
    return MemoryAdapter("words", WORDS)


@pytest.fixture
def generator() -> EchoGenerator:
    return Wrote()


@pytest.fixture
async def app(
    store: Store, tmp_path: Path, platform: MemoryAdapter, wordy: MemoryAdapter, generator: EchoGenerator
) -> AsyncIterator[App]:
    made = make_app(store, tmp_path, [platform, wordy], generator)
    async with made.running():
        await made.responder.loaded()
        yield made


async def hears(app: App, platform: MemoryAdapter, text: str, kind: Kind = Kind.TEXT, chat: str = "a") -> Heard:
    """Say something and get what the bot says next."""
    before = len(platform.of(chat))
    await app.intake.receive([says(chat, text, kind, platform=platform.platform)])
    return await platform.last(chat, before + 1)


async def press(app: App, action: str, chat: str = "a") -> None:
    """Press a button, and wait until it was handled."""
    await app.intake.receive([says(chat, action, Kind.ACTION)])
    await until(app.store, lambda: quiet(app, chat))


async def quiet(app: App, chat: str) -> bool:
    async with app.store.reading() as tx:
        person = await conversations.at(tx, address(chat))
        return person is not None and not await messages.pending(tx, [person.id])


async def kept(app: App) -> list[tuple[bool, str | None]]:
    async with app.store.reading() as tx:
        rows = await tx.connection.execute(select(table.c.helpful, table.c.reason).order_by(table.c.message_id))
        return [(row.helpful, row.reason) for row in rows]


async def test_answers_have_thumbs_and_nothing_else_does(app: App, platform: MemoryAdapter) -> None:
    assert (await hears(app, platform, "hello")).thumbs
    for name in ("help", "breathe", "privacy", "crisis", "memory", "nonsense"):
        assert (await hears(app, platform, name, Kind.COMMAND)).thumbs is None
    assert (await hears(app, platform, "", Kind.PHOTO)).thumbs is None
    asked = await hears(app, platform, "call me Ann")
    assert asked.thumbs is None, "a thumb under a question could be taken for its answer"
    assert (await hears(app, platform, "urgent")).thumbs is None
    assert (await hears(app, platform, "are you there")).thumbs is None
    async with app.store.reading() as tx:
        person = await conversations.at(tx, address("a"))
        found = await handoffs.open_of(tx, person.id) if person else None
    assert found
    await app.desk.claim(found.id, "lin")
    await app.desk.say(found.id, "lin", "I am here.")
    await platform.wait("a", 1, "counsellor")
    assert [h.text for h in platform.heard if h.thumbs] == ["echo: hello."]


async def test_the_text_for_when_nothing_could_answer_has_no_thumbs(
    store: Store, tmp_path: Path, platform: MemoryAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_app(store, tmp_path, [platform], Failing())
    monkeypatch.setattr(made.responder, "_library", Failing())
    async with made.running():
        await made.responder.loaded()
        heard = await hears(made, platform, "hello")
    assert (heard.text, heard.thumbs, heard.author) == (EN.get("busy"), None, "system")


class Failing(EchoGenerator):
    """Never answers."""

    async def stream(self, request: Request) -> AsyncIterator[Piece]:
        async for _ in super().stream(request):
            raise RuntimeError
        yield Piece("")


async def test_only_the_last_part_of_a_long_answer_has_thumbs(
    store: Store, tmp_path: Path, generator: EchoGenerator
) -> None:
    small = MemoryAdapter(capabilities=Capabilities(60, Unit.BYTES, thumbs=True))
    made = make_app(store, tmp_path, [small], generator)
    async with made.running():
        await made.responder.loaded()
        await made.intake.receive([says("a", "One sentence here. " * 6)])
        await small.wait("a", 3)
    assert [bool(h.thumbs) for h in small.heard] == [False, False, True]


async def test_a_thumb_is_kept_with_what_wrote_the_answer_and_leaves_no_trace_in_the_talk(
    app: App, platform: MemoryAdapter
) -> None:
    answer = await hears(app, platform, "hello")
    assert answer.thumbs
    await press(app, answer.thumbs.action(True))
    async with app.store.reading() as tx:
        person = await conversations.at(tx, address("a"))
        assert person
        said = await messages.every(tx, person.id)
        (row,) = await tx.connection.execute(select(table))
    assert [m.text for m in said] == ["hello", "echo: hello."]
    assert (row.generator, row.language, row.level) == ("echo", "en", "none")
    assert row.version.endswith("+w1")
    assert len(platform.of("a")) == 1, "a thumb up needs no answer"
    assert (await hears(app, platform, "go on")).text == "echo: go on."


async def test_a_thumb_can_be_changed_and_counts_once(app: App, platform: MemoryAdapter) -> None:
    answer = await hears(app, platform, "hello")
    assert answer.thumbs
    for helpful in (True, True, False, True):
        await press(app, answer.thumbs.action(helpful))
    assert await kept(app) == [(True, None)]


async def test_a_thumb_down_asks_once_a_day_what_was_missing_or_offers_a_person(
    app: App, platform: MemoryAdapter
) -> None:
    first, second = await hears(app, platform, "one"), await hears(app, platform, "two")
    assert first.thumbs
    assert second.thumbs
    asked = await hears(app, platform, first.thumbs.action(False), Kind.ACTION)
    assert asked.text == EN.get("feedback.missing")
    assert asked.actions == [*(f"feedback missing {first.thumbs.message_id} {r}" for r in REASONS), "human"]
    noted = await hears(app, platform, asked.actions[2], Kind.ACTION)
    assert noted.text == EN.get("feedback.noted")
    await press(app, second.thumbs.action(False))
    assert len(platform.of("a")) == 4, "not asked a second time"
    assert await kept(app) == [(False, "practical"), (False, None)]
    app.store.clock = lambda: system_clock() + ASK_AGAIN + timedelta(minutes=1)
    third = await hears(app, platform, "three")
    assert third.thumbs
    assert (await hears(app, platform, third.thumbs.action(False), Kind.ACTION)).text == EN.get("feedback.missing")


async def test_a_reason_goes_when_the_thumb_turns_up(app: App, platform: MemoryAdapter) -> None:
    answer = await hears(app, platform, "hello")
    assert answer.thumbs
    asked = await hears(app, platform, answer.thumbs.action(False), Kind.ACTION)
    await hears(app, platform, asked.actions[0], Kind.ACTION)
    await press(app, answer.thumbs.action(True))
    await press(app, asked.actions[1])
    assert await kept(app) == [(True, None)]


async def test_a_thumb_while_somebody_waits_or_talks_with_a_counsellor_is_kept_in_silence(
    app: App, platform: MemoryAdapter
) -> None:
    answer = await hears(app, platform, "hello")
    assert answer.thumbs
    await hears(app, platform, "urgent")
    await press(app, answer.thumbs.action(False))
    assert await kept(app) == [(False, None)]
    assert len(platform.of("a")) == 2


@pytest.mark.parametrize(
    "action",
    [
        "feedback",
        "feedback up",
        "feedback up x",
        "feedback up 99999999999999999999",
        "feedback up 4711",
        "feedback sideways {id}",
        "feedback missing {id} rude words",
        "feedback missing {id}",
    ],
)
async def test_made_up_actions_change_nothing(app: App, platform: MemoryAdapter, action: str) -> None:
    answer = await hears(app, platform, "hello")
    assert answer.thumbs
    await press(app, action.format(id=answer.thumbs.message_id))
    assert await kept(app) == []
    assert len(platform.of("a")) == 1


async def test_nobody_judges_an_answer_to_another_or_what_is_no_answer(app: App, platform: MemoryAdapter) -> None:
    answer = await hears(app, platform, "hello")
    assert answer.thumbs
    await hears(app, platform, "hi", chat="b")
    await press(app, answer.thumbs.action(True), "b")
    for number in range(answer.thumbs.message_id):
        await press(app, Thumbs(number).action(True))
    assert await kept(app) == []


@pytest.mark.parametrize(
    ("words", "helpful"),
    [("helpful", True), ("有用", True), ("Not helpful.", False), ("没用", False)],
)
async def test_where_there_are_no_thumbs_words_right_after_an_answer_count(
    app: App, wordy: MemoryAdapter, words: str, helpful: bool
) -> None:
    assert (await hears(app, wordy, "hello")).text == "echo: hello."
    heard = await hears(app, wordy, words)
    texts = [
        load_texts(language).get("feedback.thanks" if helpful else "feedback.missing_in_words") for language in Language
    ]
    assert heard.text in texts
    assert await kept(app) == [(helpful, None)]
    assert (await hears(app, wordy, words)).text == f"echo: {words}."


async def test_the_same_words_are_ordinary_talk_elsewhere(
    app: App, platform: MemoryAdapter, wordy: MemoryAdapter
) -> None:
    await hears(app, platform, "hello")
    assert (await hears(app, platform, "helpful")).text == "echo: helpful."
    await hears(app, wordy, "help", Kind.COMMAND)
    assert (await hears(app, wordy, "有用")).text == "echo: 有用."
    assert await kept(app) == []


async def test_feedback_is_exported_and_goes_with_the_talk(app: App, platform: MemoryAdapter) -> None:
    answer = await hears(app, platform, "hello")
    assert answer.thumbs
    await press(app, answer.thumbs.action(False))
    await platform.wait("a", 2)  # what was missing? it asks
    async with app.store.reading() as tx:
        person = await conversations.at(tx, address("a"))
        exported = await people.export(tx, person.person_id) if person else None
    assert exported
    (said,) = [m["feedback"] for m in exported["conversations"][0]["messages"] if "feedback" in m]
    assert (said["helpful"], said["missing"], said["generator"]) == (False, None, "echo")
    json.dumps(exported)
    await hears(app, platform, "forget yes", Kind.ACTION)
    assert await kept(app) == []


async def test_counts_are_by_any_group_and_from_a_day_on(app: App, platform: MemoryAdapter) -> None:
    for number, helpful in enumerate((True, True, False)):
        answer = await hears(app, platform, f"number {number}", chat=str(number))
        assert answer.thumbs
        await press(app, answer.thumbs.action(helpful), str(number))
    async with app.store.reading() as tx:
        assert await feedback.counts(tx, ["generator", "level"]) == [Count(("echo", "none"), 2, 1, {})]
        assert await feedback.counts(tx, ["language"], tx.now + timedelta(days=1)) == []


@pytest.mark.parametrize(
    ("hits", "total", "low", "high"),
    [(0, 0, 0.0, 1.0), (0, 10, 0.0, 0.2775), (8, 10, 0.4902, 0.9433), (10, 10, 0.7225, 1.0), (50, 100, 0.4038, 0.5962)],
)
def test_the_interval_is_wilson_s(hits: int, total: int, low: float, high: float) -> None:
    """Against values of Newcombe, Statistics in Medicine 17 (1998), and R's binom.wilson."""
    assert wilson(hits, total) == pytest.approx((low, high), abs=1e-4)


def test_an_unknown_group_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="'text'"):
        show_feedback("generator,text", None, as_json=True)
