"""Somebody who writes a language that the bot does not serve gets an honest answer, and in danger the lines at once."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.app import App
from bot.store import Store, conversations, handoffs
from config import Language, load_crisis_lines, load_other_languages, load_texts
from engine.screening import load_screener
from tests.support import EchoGenerator, MemoryAdapter, address, make_app, says

OTHERS = load_other_languages()
CALM = {
    "es": "hola, no puedo dormir y no sé por qué",
    "fr": "bonjour, je cherche quelqu'un à qui parler",
    "ru": "привет, как тебя зовут?",
    "ja": "こんにちは、お元気ですか",
    "ar": "مرحبا كيف حالك",
}
DANGER = {
    "es": "quiero morir", "fr": "je veux mourir", "de": "ich möchte sterben", "pt": "quero morrer",
    "ru": "хочу умереть",
    "ar": "أريد أن أموت", "hi": "मैं मरना चाहता हूँ", "vi": "tôi muốn chết", "id": "aku ingin mati", "ja": "死にたい",
    "ko": "죽고 싶어요", "it": "voglio morire", "th": "อยากตาย",
}  # fmt: skip


@pytest.fixture
def platform() -> MemoryAdapter:
    return MemoryAdapter()


@pytest.fixture(params=[None])
async def app(
    request: pytest.FixtureRequest, store: Store, tmp_path: Path, platform: MemoryAdapter
) -> AsyncIterator[App]:
    """A bot for Chinese people."""
    made = make_app(store, tmp_path, [platform], EchoGenerator(), request.param, language="zh", country="CN")
    async with made.running():
        await made.responder.loaded()
        yield made


REAL_SCREENER = pytest.mark.parametrize("app", [load_screener()], indirect=True, ids=["screened"])


def beginning(key: str) -> str:
    """The part of a text before its lines."""
    return OTHERS.get(key, lines="{").partition("{")[0]


async def test_calm_words_are_answered_in_their_language_and_in_ours(app: App, platform: MemoryAdapter) -> None:
    for code, text in CALM.items():
        await app.intake.receive([says(code, text)])
        (answer,) = await platform.wait(code)
        ours = load_texts(Language.EN).get("input.unsupported_language", lines="{").partition("{")[0]
        assert answer.startswith(f"{OTHERS.get(f'{code}.calm')}\n\n{ours}"), code
        assert "我目前只会英文和中文" in answer


@REAL_SCREENER
async def test_danger_brings_the_lines_in_their_language_then_the_safety_text_in_english_and_a_person(
    app: App, platform: MemoryAdapter
) -> None:
    for code, text in DANGER.items():
        await app.intake.receive([says(code, text)])
        said = "\n\n".join(await platform.wait(code))
        assert said.startswith(beginning(f"{code}.danger")), code
        assert all(line.number in said for line in load_crisis_lines().of("CN", "crisis")[:3])
        assert load_texts(Language.EN).get("handoff.queued") in said
        assert said.index("I'm an AI") > said.index(load_crisis_lines().of("CN", "crisis")[0].number)
        async with app.store.reading() as tx:
            person = await conversations.at(tx, address(code))
            assert person
            assert await handoffs.open_of(tx, person.id)


@REAL_SCREENER
@pytest.mark.parametrize("text", ["我想死", "wo xiang si, zhen de", "i want to die"])
async def test_who_writes_chinese_or_english_hears_no_other_language(
    app: App, platform: MemoryAdapter, text: str
) -> None:
    await app.intake.receive([says("a", text)])
    said = "\n\n".join(await platform.wait("a"))
    assert not [key for key in OTHERS.keys() if beginning(key) in said]  # noqa: SIM118


async def test_a_language_that_nobody_wrote_texts_in_gets_ours(app: App, platform: MemoryAdapter) -> None:
    await app.intake.receive([says("a", "είμαι πολύ λυπημένος")])
    (answer,) = await platform.wait("a")
    assert answer.startswith("I can only read English and Chinese so far")


async def test_who_goes_on_in_chinese_is_answered_in_chinese(app: App, platform: MemoryAdapter) -> None:
    await app.intake.receive([says("a", "hola, estoy buscando ayuda")])
    await platform.wait("a")
    await app.intake.receive([says("a", "好的，我会中文")])
    assert (await platform.wait("a", 2))[1] == "echo: 好的，我会中文."


async def test_an_emoji_made_of_letters_is_no_language(app: App, platform: MemoryAdapter) -> None:
    await app.intake.receive([says("a", "ヽ(；´Д｀)ノ")])
    assert await platform.wait("a") == ["echo: ヽ(；´Д｀)ノ."]
