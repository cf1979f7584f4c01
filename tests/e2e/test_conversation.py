"""The whole path on a platform in memory: screened, answered, handed off, taken over, given back. On both databases."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters import Blocked, Capabilities, Kind, OutcomeUnknown, Retryable, Unit, WindowClosed
from bot.app import App
from bot.store import Store, conversations, handoffs, messages
from config import Language, load_crisis_lines, load_texts
from engine import Level
from tests.support import EchoGenerator, MemoryAdapter, address, make_app, says, until

WORDS = load_texts(Language.EN)


@pytest.fixture
def platform() -> MemoryAdapter:
    return MemoryAdapter()


@pytest.fixture
def desk_platform() -> MemoryAdapter:
    """Where the counsellors' chats are."""
    return MemoryAdapter("telegram")


@pytest.fixture
def generator() -> EchoGenerator:
    return EchoGenerator()


@pytest.fixture
async def app(
    store: Store, tmp_path: Path, platform: MemoryAdapter, desk_platform: MemoryAdapter, generator: EchoGenerator
) -> AsyncIterator[App]:
    made = make_app(store, tmp_path, [platform, desk_platform], generator, telegram={"token": "12:test"})
    async with made.running():
        await made.responder.loaded()
        yield made


async def user_says(app: App, chat: str, *texts: str) -> None:
    for text in texts:
        await app.intake.receive([says(chat, text)])


async def counsellor_says(app: App, chat: str, text: str, kind: Kind = Kind.TEXT) -> None:
    await app.intake.receive([says(chat, text, kind, platform="telegram")])


async def the_handoff(app: App, chat: str) -> handoffs.Handoff | None:
    async with app.store.reading() as tx:
        person = await conversations.at(tx, address(chat))
        return await handoffs.open_of(tx, person.id) if person else None


async def is_gone(app: App, chat: str) -> bool:
    async with app.store.reading() as tx:
        return await conversations.at(tx, address(chat)) is None


async def claimed_by_lin(app: App, chat: str, platform: MemoryAdapter) -> handoffs.Handoff:
    """Somebody urgent, taken over by Lin."""
    await user_says(app, chat, "urgent")
    found = await the_handoff(app, chat)
    assert found
    assert (await app.desk.claim(found.id, "lin")).won
    await platform.wait(chat, 2)
    return found


async def test_messages_are_answered_in_order_and_conversations_do_not_wait(
    app: App, platform: MemoryAdapter, generator: EchoGenerator
) -> None:
    await app.intake.receive([says(chat, str(n)) for n in range(5) for chat in "abc"])
    for chat in "abc":
        assert await platform.wait(chat, 5) == [f"echo: {n}." for n in range(5)]


async def test_an_update_that_comes_twice_is_answered_once(app: App, platform: MemoryAdapter) -> None:
    message = says("a", "hello")
    first = await app.intake.receive([message, message])
    again = await app.intake.receive([message])
    assert [r.duplicate for r in first] == [False, True]
    assert again[0] == first[1]
    await user_says(app, "a", "next")
    assert await platform.wait("a", 2) == ["echo: hello.", "echo: next."]


async def test_an_urgent_message_has_its_handoff_safety_text_and_alerts_in_its_own_commit(app: App) -> None:
    await user_says(app, "a", "I feel urgent")
    async with app.store.reading() as tx:
        person = await conversations.at(tx, address("a"))
        assert person
        assert person.holder == conversations.WAITING
        found = await handoffs.open_of(tx, person.id)
        said = await messages.every(tx, person.id)
        judged = await messages.assessments(tx, [said[0].id])
    assert found
    assert found.level is Level.URGENT
    assert [e.text for e in judged[said[0].id].evidence] == ["urgent"]
    assert any(m.author == messages.SYSTEM for m in said)


async def test_the_safety_text_names_the_lines_of_the_country_and_a_counsellor_is_alerted(
    app: App, platform: MemoryAdapter, desk_platform: MemoryAdapter
) -> None:
    await user_says(app, "a", "I feel urgent")
    (text, *_) = await platform.wait("a")
    assert all(line.number in text for line in load_crisis_lines().of("GB", "crisis")[:3])
    (alert,) = await desk_platform.wait("900")
    assert "urgent" in alert
    assert desk_platform.of("901") == []


async def test_an_emergency_calls_every_step_at_once(app: App, desk_platform: MemoryAdapter) -> None:
    await user_says(app, "a", "this is an emergency")
    await desk_platform.wait("900")
    await desk_platform.wait("901")


async def test_a_second_message_is_screened_while_an_answer_is_being_written_and_the_answer_is_dropped(
    app: App, platform: MemoryAdapter, generator: EchoGenerator
) -> None:
    generator.gate = asyncio.Event()
    await user_says(app, "a", "slow one")
    await generator.began.wait()
    await user_says(app, "a", "urgent")
    await platform.wait("a", 1)
    generator.gate.set()
    await user_says(app, "a", "are you there")
    texts = await platform.wait("a", 2)
    assert not any("slow one" in text for text in texts)


async def test_while_nobody_is_there_the_bot_stays_with_reviewed_words_that_do_not_repeat(
    app: App, platform: MemoryAdapter, generator: EchoGenerator
) -> None:
    await user_says(app, "a", "urgent")
    await platform.wait("a", 1)
    for n in range(4):
        await user_says(app, "a", f"hello {n}")
        await platform.wait("a", 2 + n)
    stayed = platform.of("a")[1:]
    assert len(set(stayed)) == 4
    assert generator.asked == []


async def test_a_counsellor_takes_over_talks_both_ways_and_gives_back(
    app: App, platform: MemoryAdapter, desk_platform: MemoryAdapter, generator: EchoGenerator
) -> None:
    await user_says(app, "a", "urgent")
    await desk_platform.wait("900")
    found = await the_handoff(app, "a")
    assert found
    await counsellor_says(app, "900", f"claim {found.id}", Kind.ACTION)
    assert "Lin" in (await platform.wait("a", 2))[1]
    await counsellor_says(app, "900", "I am here")
    assert (await platform.wait("a", 1, "counsellor")) == ["I am here"]
    await user_says(app, "a", "thank you for coming")
    relayed = await desk_platform.wait("900", 3)
    assert "thank you for coming" in relayed[2]
    await counsellor_says(app, "900", "release calmer now", Kind.COMMAND)
    await platform.wait("a", 4)
    await user_says(app, "a", "back to you")
    assert (await platform.wait("a", 1, "bot")) == ["echo: back to you."]
    assert generator.asked[0].note == "calmer now"
    async with app.store.reading() as tx:
        closed = await handoffs.get(tx, found.id)
    assert closed
    assert closed.outcome


async def test_of_fifty_claims_one_wins_and_the_others_learn_the_name(app: App) -> None:
    await user_says(app, "a", "urgent")
    found = await the_handoff(app, "a")
    assert found
    results = await asyncio.gather(*(app.desk.claim(found.id, "lin" if n == 7 else f"other{n}") for n in range(50)))
    assert sum(r.won for r in results) == 1
    assert len({r.holder for r in results}) == 1


async def test_an_answer_that_ends_after_the_claim_never_leaves(
    app: App, platform: MemoryAdapter, generator: EchoGenerator
) -> None:
    await app.intake.receive([says("a", "human", Kind.COMMAND)])
    await platform.wait("a", 1)
    generator.gate = asyncio.Event()
    await user_says(app, "a", "tell me more")
    await generator.began.wait()
    found = await the_handoff(app, "a")
    assert found
    await app.desk.claim(found.id, "lin")
    generator.gate.set()
    await app.desk.say(found.id, "lin", "hello from Lin")
    await platform.wait("a", 1, "counsellor")
    assert platform.of("a", "bot") == []


async def test_a_claim_waits_for_a_text_of_the_bot_that_is_being_sent(
    app: App, platform: MemoryAdapter, generator: EchoGenerator
) -> None:
    await app.intake.receive([says("a", "human", Kind.COMMAND)])
    await platform.wait("a", 1)
    platform.gates["a"] = asyncio.Event()
    await user_says(app, "a", "hello")
    await platform.attempted("a", 2)
    found = await the_handoff(app, "a")
    assert found
    claim = asyncio.create_task(app.desk.claim(found.id, "lin"))
    await asyncio.sleep(0)
    platform.gates["a"].set()
    assert (await claim).won
    order = [h.author for h in platform.heard if h.chat == "a"]
    await platform.wait("a", 3)
    assert order[-1] == "bot"


async def test_only_the_holder_can_speak(app: App, platform: MemoryAdapter, desk_platform: MemoryAdapter) -> None:
    await claimed_by_lin(app, "a", platform)
    await counsellor_says(app, "901", "hello?")
    assert await desk_platform.wait("901") == [WORDS.get("desk.no_case")]
    assert platform.of("a", "counsellor") == []


async def test_a_raise_in_level_alerts_again_and_sends_the_emergency_text(
    app: App, platform: MemoryAdapter, desk_platform: MemoryAdapter
) -> None:
    await user_says(app, "a", "urgent")
    await desk_platform.wait("900")
    await user_says(app, "a", "emergency")
    await desk_platform.wait("900", 2)
    await desk_platform.wait("901", 1)
    assert "999" in (await platform.wait("a", 2))[1]


async def test_a_message_sent_again_after_a_certain_failure_arrives_once(app: App, platform: MemoryAdapter) -> None:
    platform.faults["a"] = [Retryable("busy", 0.01), Retryable("busy", 0.01)]
    await user_says(app, "a", "hello", "again")
    assert await platform.wait("a", 2) == ["echo: hello.", "echo: again."]


async def test_an_unknown_outcome_is_repeated_for_a_crisis_text_only(app: App, platform: MemoryAdapter) -> None:
    platform.faults["a"] = [OutcomeUnknown("cut")]
    platform.faults["b"] = [OutcomeUnknown("cut")]
    await user_says(app, "a", "hello", "second")
    assert await platform.wait("a", 1) == ["echo: second."]
    await user_says(app, "b", "urgent")
    await platform.wait("b", 1)


async def test_somebody_who_blocked_the_bot_is_recorded_and_their_counsellor_told(
    app: App, platform: MemoryAdapter, desk_platform: MemoryAdapter
) -> None:
    found = await claimed_by_lin(app, "a", platform)
    platform.faults["a"] = [Blocked("blocked")]
    before = len(desk_platform.of("900"))
    await app.desk.say(found.id, "lin", "are you there?")
    texts = await desk_platform.wait("900", before + 1)
    assert WORDS.get("desk.reason.blocked") in texts[-1]
    async with app.store.reading() as tx:
        person = await conversations.at(tx, address("a"))
    assert person
    assert person.blocked_at


async def test_a_closed_window_holds_the_text_until_the_user_writes_again(app: App, platform: MemoryAdapter) -> None:
    platform.faults["a"] = [WindowClosed("no right")]
    await user_says(app, "a", "first")
    await platform.attempted("a", 1)
    platform.open.add("a")
    await user_says(app, "a", "second")
    assert await platform.wait("a", 2) == ["echo: first.", "echo: second."]


async def test_commands_are_answered(app: App, platform: MemoryAdapter) -> None:
    for n, name in enumerate(("start", "help", "crisis", "breathe", "privacy", "language", "nonsense"), 1):
        await app.intake.receive([says("a", name, Kind.COMMAND)])
        await platform.wait("a", n)
    texts = platform.of("a")
    assert texts[0] == WORDS.get("welcome")
    assert "999" in texts[2]
    assert texts[-1] == WORDS.get("input.unknown_command")


@pytest.mark.parametrize(
    ("text", "number"), [("Germany", "0800 111 0 111"), ("I'm in Australia", "13 11 14"), ("US", "988")]
)
async def test_somebody_asked_where_they_are_gets_the_lines_of_that_country(
    app: App, platform: MemoryAdapter, text: str, number: str
) -> None:
    await app.intake.receive([says("a", "crisis", Kind.COMMAND)])
    await platform.wait("a", 1)
    await user_says(app, "a", text)
    assert number in (await platform.wait("a", 2))[1]
    await user_says(app, "a", "urgent")
    assert number in (await platform.wait("a", 3))[2]


async def test_somebody_in_danger_elsewhere_gets_the_lines_of_their_country(app: App, platform: MemoryAdapter) -> None:
    await user_says(app, "a", "urgent")
    await platform.wait("a", 1)
    await user_says(app, "a", "I'm in Canada")
    assert "988" in (await platform.wait("a", 2))[1]


async def test_a_chosen_language_stays(app: App, platform: MemoryAdapter) -> None:
    await app.intake.receive([says("a", "language zh", Kind.ACTION)])
    assert await platform.wait("a", 1) == [load_texts(Language.ZH).get("language.set")]
    await user_says(app, "a", "hello")
    await platform.wait("a", 2)
    await app.intake.receive([says("a", "help", Kind.COMMAND)])
    assert (await platform.wait("a", 3))[2] == load_texts(Language.ZH).get("help")


async def test_forget_leaves_nothing_behind(app: App, platform: MemoryAdapter) -> None:
    await user_says(app, "a", "my secret")
    await platform.wait("a", 1)
    await app.intake.receive([says("a", "forget yes", Kind.ACTION)])
    assert (await platform.wait("a", 2))[1] == WORDS.get("forget.done")
    await until(app.store, lambda: is_gone(app, "a"))


async def test_forget_waits_for_an_open_case(app: App, platform: MemoryAdapter) -> None:
    found = await claimed_by_lin(app, "a", platform)
    await app.intake.receive([says("a", "forget yes", Kind.ACTION)])
    await platform.wait("a", 3)
    assert WORDS.get("forget.later") in platform.of("a")
    await app.desk.release(found.id, "lin", "", "safe_for_now")
    await until(app.store, lambda: is_gone(app, "a"))


@pytest.mark.parametrize(
    ("kind", "key"), [(Kind.PHOTO, "photo"), (Kind.VOICE, "voice"), (Kind.STICKER, "sticker"), (Kind.OTHER, "other")]
)
async def test_what_is_not_text_is_answered_honestly(app: App, platform: MemoryAdapter, kind: Kind, key: str) -> None:
    await app.intake.receive([says("a", "", kind)])
    assert await platform.wait("a") == [WORDS.get(f"media.{key}")]


async def test_a_voice_message_reaches_the_counsellor_in_charge(
    app: App, platform: MemoryAdapter, desk_platform: MemoryAdapter
) -> None:
    await claimed_by_lin(app, "a", platform)
    before = len(desk_platform.of("900"))
    await app.intake.receive([says("a", "", Kind.VOICE)])
    texts = await desk_platform.wait("900", before + 1)
    assert WORDS.get("desk.kind.voice") in texts[-1]


@pytest.mark.parametrize("text", ["", "   ", "\x00\x01", "😀", "\u202e\u200b", "\ud800"])
async def test_odd_texts_are_answered(app: App, platform: MemoryAdapter, text: str) -> None:
    await app.intake.receive([says("a", text)])
    await platform.wait("a")


async def test_a_hundred_thousand_characters_are_kept_and_answered_clearly(app: App, platform: MemoryAdapter) -> None:
    await app.intake.receive([says("a", "word " * 20_000)])
    (text,) = await platform.wait("a")
    assert text == WORDS.get("input.too_long", limit=20_000)


async def test_texts_longer_than_a_platform_takes_arrive_whole_in_order(
    store: Store, tmp_path: Path, generator: EchoGenerator
) -> None:
    small = MemoryAdapter(capabilities=Capabilities(60, Unit.BYTES))
    made = make_app(store, tmp_path, [small], generator)
    async with made.running():
        await made.responder.loaded()
        await user_says(made, "a", "这是一句话。" * 20)
        await small.wait("a", 7)
    assert all(len(text.encode()) <= 60 for text in small.of("a"))
    assert "".join(small.of("a")) == "echo: " + "这是一句话。" * 20 + "."


async def test_quick_messages_become_one_turn(
    store: Store, tmp_path: Path, platform: MemoryAdapter, generator: EchoGenerator
) -> None:
    made = make_app(store, tmp_path, [platform], generator, turn={"gather_seconds": 0.05})
    async with made.running():
        await made.responder.loaded()
        await made.intake.receive([says("a", "one"), says("a", "two")])
        assert await platform.wait("a") == ["echo: one\ntwo."]


async def test_what_the_screener_cannot_judge_is_brought_to_a_person(
    app: App, platform: MemoryAdapter, desk_platform: MemoryAdapter
) -> None:
    await user_says(app, "a", "unscreenable")
    await desk_platform.wait("900")
    await platform.wait("a")


async def test_one_bad_message_does_not_stop_the_others_of_its_batch(app: App, platform: MemoryAdapter) -> None:
    bad = says("bad", "x")
    object.__setattr__(bad, "kind", "no such kind")
    results = await asyncio.gather(
        app.intake.receive([bad]), app.intake.receive([says("a", "fine")]), return_exceptions=True
    )
    assert isinstance(results[0], Exception)
    assert await platform.wait("a") == ["echo: fine."]
