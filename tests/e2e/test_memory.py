"""Conversation memory: nothing is kept before a yes, little is made of it, and a word deletes it. On both databases."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from adapters import Capabilities, Kind, Unit
from bot.app import App
from bot.clock import system_clock
from bot.memory import BREAK
from bot.store import Store, conversations, facts, handoffs, messages, people
from bot.store.facts import StoredFact
from bot.store.schema import fact
from config import Language, load_texts
from engine import Assessment, Category, Level, Turn
from tests.support import EchoGenerator, Heard, MemoryAdapter, WordScreener, address, make_app, says

EN, ZH = load_texts(Language.EN), load_texts(Language.ZH)
NIGHT = BREAK + timedelta(hours=2)


class MoodScreener(WordScreener):
    """Takes `tired` for distress, besides."""

    def assess(self, text: str, context: Sequence[Turn] = ()) -> Assessment:
        found = super().assess(text, context)
        return replace(found, level=Level.ELEVATED) if "tired" in text and found.level is Level.NONE else found


@pytest.fixture
def platform() -> MemoryAdapter:
    return MemoryAdapter()


@pytest.fixture
def generator() -> EchoGenerator:
    return EchoGenerator()


@pytest.fixture
async def app(store: Store, tmp_path: Path, platform: MemoryAdapter, generator: EchoGenerator) -> AsyncIterator[App]:
    made = make_app(store, tmp_path, [platform], generator, screener=MoodScreener())
    async with made.running():
        await made.responder.loaded()
        yield made


class Talk:
    """One user at the platform: says something and gets what the bot says next."""

    def __init__(self, app: App, platform: MemoryAdapter, chat: str = "a") -> None:
        self.app, self.platform, self.chat = app, platform, chat
        self._passed = timedelta()

    async def say(self, text: str, kind: Kind = Kind.TEXT) -> Heard:
        before = len(self.platform.of(self.chat))
        await self.app.intake.receive([replace(says(self.chat, text, kind), sent_at=self.app.store.clock())])
        return await self.platform.last(self.chat, before + 1)

    async def press(self, action: str) -> Heard:
        return await self.say(action, Kind.ACTION)

    async def kept(self) -> list[tuple[str, str | None]]:
        return [(f.kind.value, f.value) for f in await self.facts() if f.value is not None]

    async def facts(self) -> list[StoredFact]:
        async with self.app.store.reading() as tx:
            person = await conversations.at(tx, address(self.chat))
            return await facts.of(tx, person.person_id) if person else []

    def wait(self, time: timedelta) -> None:
        """Let time pass, for the user and for the bot."""
        self._passed += time
        self.app.store.clock = lambda: system_clock() + self._passed


@pytest.fixture
def talk(app: App, platform: MemoryAdapter) -> Talk:
    return Talk(app, platform)


async def remembered(talk: Talk, *texts: str) -> None:
    """Tell things and agree to each being remembered."""
    for text in texts:
        asked = await talk.say(text)
        assert (await talk.press(asked.actions[0])).text == EN.get("memory.kept")


async def test_a_name_is_asked_for_once_under_the_answer_and_kept_only_after_a_yes(talk: Talk) -> None:
    asked = await talk.say("call me Ann")
    assert asked.text == "echo: call me Ann.\n\n" + EN.get("memory.ask_name", name="Ann")
    labels = [button.label for row in asked.buttons for button in row]
    assert labels == [EN.get("button.remember_yes"), EN.get("button.remember_no")]
    assert await talk.kept() == []
    assert (await talk.press(asked.actions[0])).text == EN.get("memory.kept")
    assert await talk.kept() == [("name", "Ann")]
    assert (await talk.say("as I said, call me Ann")).buttons == ()
    assert (await talk.say("call me Ann")).text == "echo: call me Ann."


@pytest.mark.parametrize("answer", ["button", "no thanks", "nothing"])
async def test_without_a_yes_nothing_is_kept_and_it_is_not_asked_again(talk: Talk, answer: str) -> None:
    asked = await talk.say("the breathing helped")
    if answer == "button":
        assert (await talk.press(asked.actions[1])).text == EN.get("memory.declined")
    elif answer == "no thanks":
        assert (await talk.say("no thanks")).text == EN.get("memory.declined")
    assert "?" not in (await talk.say("the walk helped")).text
    assert [(f.kind.value, f.value) for f in await talk.facts()] == [("helped", None)]


async def test_a_plain_yes_answers_the_question_and_only_right_after_it(talk: Talk) -> None:
    await talk.say("the breathing helped")
    assert (await talk.say("Yes, please")).text == EN.get("memory.kept")
    assert await talk.kept() == [("helped", "breathing")]
    assert (await talk.say("yes")).text == "echo: yes."


async def test_a_wish_is_granted_even_after_a_no(talk: Talk) -> None:
    await talk.press((await talk.say("call me Ann")).actions[1])
    asked = await talk.say("please remember that my name is Ann")
    await talk.press(asked.actions[0])
    assert await talk.kept() == [("name", "Ann")]


async def test_another_name_takes_the_place_of_the_first(talk: Talk) -> None:
    await remembered(talk, "call me Ann", "actually, call me Anna")
    assert await talk.kept() == [("name", "Anna")]


async def test_a_change_of_mind_counts(talk: Talk) -> None:
    asked = await talk.say("call me Ann")
    await talk.press(asked.actions[0])
    await talk.press(asked.actions[0])
    assert await talk.kept() == [("name", "Ann")]
    await talk.press(asked.actions[1])
    assert await talk.facts() == []


async def test_that_helped_is_understood_from_the_answer_before(talk: Talk) -> None:
    await talk.say("shall I try some yoga?")
    asked = await talk.say("that really helped")
    assert EN.get("memory.ask_helped", thing=EN.get("thing.moving")) in asked.text
    await talk.press(asked.actions[0])
    assert await talk.kept() == [("helped", "moving")]


async def test_chinese_is_asked_in_chinese_and_traditional_in_its_own_characters(talk: Talk) -> None:
    asked = await talk.say("那个呼吸法有用")
    assert ZH.get("memory.ask_helped", thing=ZH.get("thing.breathing")) in asked.text
    assert (await talk.say("好")).text == ZH.get("memory.kept")
    assert "記住你的名字" in (await talk.say("你可以叫我小陳，這樣親切一點")).text


async def test_somebody_in_danger_or_with_a_counsellor_is_never_asked(app: App, talk: Talk) -> None:
    assert "remember" not in (await talk.say("urgent, call me Ann")).text
    assert "Ann" not in (await talk.say("call me Ann")).text
    async with app.store.reading() as tx:
        person = await conversations.at(tx, address("a"))
        found = await handoffs.open_of(tx, person.id) if person else None
    assert found
    assert (await app.desk.claim(found.id, "lin")).won
    await talk.platform.wait("a", 3)
    await app.intake.receive([says("a", "call me Ann"), says("a", "the breathing helped")])
    await app.desk.say(found.id, "lin", "I am here.")
    await talk.platform.wait("a", 1, "counsellor")
    assert await talk.facts() == []


async def test_who_asked_for_a_person_is_not_asked_anything(talk: Talk) -> None:
    await talk.say("human", Kind.COMMAND)
    assert (await talk.say("call me Ann")).text == "echo: call me Ann."


async def test_a_yes_while_somebody_else_holds_the_conversation_is_kept_without_a_word(
    app: App, talk: Talk, platform: MemoryAdapter
) -> None:
    asked = await talk.say("call me Ann")
    await talk.say("urgent")
    before = len(platform.of("a"))
    await app.intake.receive([says("a", asked.actions[0], Kind.ACTION), says("a", "are you there")])
    stayed = await platform.last("a", before + 1)
    assert stayed.text in [EN.get("handoff.staying", n) for n in range(EN.variants("handoff.staying"))]
    assert await talk.kept() == [("name", "Ann")]


async def test_what_was_later_judged_as_danger_is_not_kept(app: App, talk: Talk) -> None:
    asked = await talk.say("the breathing helped")
    async with app.store.transaction() as tx:
        (told,) = [f.message_id for f in await talk.facts()]
        graver = Assessment(Level.URGENT, Category.SUICIDE, 0.9, version="opinion")
        await messages.add_assessments(tx, [(told, graver)], "opinion")
    assert (await talk.press(asked.actions[0])).text == EN.get("memory.nothing")
    assert await talk.kept() == []


async def test_a_question_does_not_outlive_a_handoff_that_began_while_the_answer_was_written(
    app: App, talk: Talk, generator: EchoGenerator, platform: MemoryAdapter
) -> None:
    generator.gate = asyncio.Event()
    await app.intake.receive([says("a", "call me Ann")])
    await generator.began.wait()
    await app.intake.receive([says("a", "urgent")])
    generator.gate.set()
    await platform.wait("a", 1)
    await talk.say("are you there")
    assert await talk.facts() == []
    assert not any("Ann" in text for text in platform.of("a"))


async def test_after_a_break_the_answer_begins_with_the_name_and_only_then(
    talk: Talk, generator: EchoGenerator
) -> None:
    await remembered(talk, "call me Ann")
    assert (await talk.say("hello")).text == "echo: hello."
    talk.wait(NIGHT)
    back = await talk.say("I am back")
    greetings = [EN.get("memory.greeting", n, name="Ann") for n in range(EN.variants("memory.greeting"))]
    assert back.text in [f"{greeting}\n\necho: I am back." for greeting in greetings]
    assert generator.asked[-1].memory == (EN.get("memory.fact_name", name="Ann"),)
    assert (await talk.say("and now")).text == "echo: and now."
    assert [request.memory for request in generator.asked].count(()) == len(generator.asked) - 1


async def test_on_a_hard_day_what_helped_another_day_is_offered_once(talk: Talk, generator: EchoGenerator) -> None:
    await remembered(talk, "a walk helped")
    assert (await talk.say("so tired")).text == "echo: so tired.", "not on the day on which they said so"
    talk.wait(NIGHT)
    offer = EN.get("memory.offer", thing=EN.get("thing.walking"))
    assert (await talk.say("hello")).text == "echo: hello."
    assert (await talk.say("so tired again")).text == f"echo: so tired again.\n\n{offer}"
    assert generator.asked[-1].memory == (EN.get("memory.fact_helped", thing=EN.get("thing.walking")),)
    assert (await talk.say("still tired")).text == "echo: still tired."


async def test_an_answer_that_speaks_of_it_needs_no_offer(talk: Talk) -> None:
    await remembered(talk, "a walk helped")
    talk.wait(NIGHT)
    await talk.say("hello")
    assert (await talk.say("too tired for a walk")).text == "echo: too tired for a walk."


async def test_memory_shows_all_of_it_and_deletes_each(talk: Talk) -> None:
    assert (await talk.say("memory", Kind.COMMAND)).text == EN.get("memory.nothing")
    await remembered(talk, "call me Ann", "the breathing helped")
    shown = await talk.say("What do you remember about me?")
    assert EN.get("memory.name", name="Ann") in shown.text
    assert EN.get("memory.helped", thing=EN.get("thing.breathing")) in shown.text
    assert shown.buttons[0][0].label == EN.get("button.forget_fact", what="Ann")
    assert (await talk.press(shown.actions[0])).text == EN.get("memory.forgotten")
    assert await talk.kept() == [("helped", "breathing")]
    assert (await talk.press(shown.actions[2])).text == EN.get("memory.forgotten")
    assert (await talk.press(shown.actions[2])).text == EN.get("memory.nothing")


@pytest.mark.parametrize(
    ("words", "left"), [("forget my name", ["helped"]), ("忘掉我的名字", ["helped"]), ("忘掉你记得的一切", [])]
)
async def test_plain_words_delete(talk: Talk, words: str, left: list[str]) -> None:
    await remembered(talk, "call me Ann", "the breathing helped")
    assert (await talk.say(words)).text in (EN.get("memory.forgotten"), ZH.get("memory.forgotten"))
    assert [kind for kind, _ in await talk.kept()] == left


async def test_nobody_sees_or_deletes_what_is_remembered_about_another(
    app: App, talk: Talk, platform: MemoryAdapter
) -> None:
    asked = await talk.say("call me Ann")
    other = Talk(app, platform, "b")
    assert (await other.press(asked.actions[0])).text == EN.get("memory.nothing")
    await talk.press(asked.actions[0])
    (kept,) = await talk.facts()
    assert (await other.press(f"memory forget {kept.id}")).text == EN.get("memory.nothing")
    assert await talk.kept() == [("name", "Ann")]


@pytest.mark.parametrize(
    "action",
    [
        "remember yes 999999999999999999999",
        "remember",
        "remember yes x",
        "memory forget",
        "memory forget 99999999999999999999",
    ],
)
async def test_made_up_actions_do_nothing(talk: Talk, action: str) -> None:
    await talk.say("hello")
    heard = await talk.press(action)
    assert heard.text in (EN.get("memory.nothing"), EN.get("memory.declined"))
    assert await talk.kept() == []


async def test_plain_words_among_quick_messages_get_a_turn_of_their_own(
    store: Store, tmp_path: Path, platform: MemoryAdapter, generator: EchoGenerator
) -> None:
    made = make_app(store, tmp_path, [platform], generator, turn={"gather_seconds": 0.05})
    async with made.running():
        await made.responder.loaded()
        await made.intake.receive([says("a", "one"), says("a", "two"), says("a", "forget my name"), says("a", "three")])
        texts = await platform.wait("a", 3)
    assert texts == ["echo: one\ntwo.", EN.get("memory.nothing"), "echo: three."]


async def test_it_is_sealed_exported_and_goes_with_the_person(app: App, talk: Talk, store: Store) -> None:
    await remembered(talk, "call me Annalise", "the breathing helped")
    async with store.reading() as tx:
        bodies = [bytes(body) for body in await tx.connection.scalars(select(fact.c.body))]
        person = await conversations.at(tx, address("a"))
        assert person
        exported = await people.export(tx, person.person_id)
    assert not any(word in body for body in bodies for word in (b"Annalise", b"breathing"))
    assert exported
    assert [(row["kind"], row["value"]) for row in exported["remembered"]] == [
        ("name", "Annalise"),
        ("helped", "breathing"),
    ]
    await talk.press("forget yes")
    async with store.reading() as tx:
        assert (await tx.connection.execute(select(fact))).all() == []


async def test_without_buttons_a_word_is_enough(store: Store, tmp_path: Path, generator: EchoGenerator) -> None:
    plain = MemoryAdapter(capabilities=Capabilities(2047, Unit.BYTES))
    made = make_app(store, tmp_path, [plain], generator, language="zh")
    async with made.running():
        await made.responder.loaded()
        talk = Talk(made, plain)
        asked = await talk.say("叫我小林")
        assert asked.buttons == ()
        assert asked.text.endswith(ZH.get("memory.ask_in_words"))
        assert (await talk.say("好的")).text == ZH.get("memory.kept")
        assert await talk.kept() == [("name", "小林")]
        assert "/memory forget" in (await talk.say("你记得我什么")).text
