"""Danger that is only guessed at: a person is called as ever, and the user is asked and answered, not assumed about."""

import re
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from bot.app import App
from bot.store import Store, conversations, handoffs
from config import Language, load_texts
from engine import Assessment, Category, Evidence, Level, Turn
from tests.support import EchoGenerator, MemoryAdapter, WordScreener, address, make_app, says

WORDS = load_texts(Language.EN)


class GuessingScreener(WordScreener):
    """Guesses at danger where a text says `maybe`, as the learned part alone does; else it goes by words."""

    def assess(self, text: str, context: Sequence[Turn] = ()) -> Assessment:
        if (start := text.find("maybe")) >= 0:
            span = (Evidence(start, start + 5, "maybe", "model"),)
            return Assessment(Level.URGENT, Category.SUICIDE, 0.6, span, self.version)
        return super().assess(text, context)


@pytest.fixture
def platform() -> MemoryAdapter:
    return MemoryAdapter()


@pytest.fixture
async def app(store: Store, tmp_path: Path, platform: MemoryAdapter) -> AsyncIterator[App]:
    made = make_app(store, tmp_path, [platform], EchoGenerator(), GuessingScreener())
    async with made.running():
        await made.responder.loaded()
        yield made


async def says_and_hears(app: App, platform: MemoryAdapter, text: str, texts: int) -> list[str]:
    """Write, and wait for so many texts."""
    before = len(platform.of("a"))
    await app.intake.receive([says("a", text)])
    return (await platform.wait("a", before + texts))[before:]


def begins(text: str, key: str) -> bool:
    return text.startswith(WORDS.get(key, lines="").strip().split("\n")[0])


async def test_a_guess_calls_a_person_and_the_user_is_answered_and_asked(app: App, platform: MemoryAdapter) -> None:
    careful, answer = await says_and_hears(app, platform, "my week at work, maybe", 2)
    assert begins(careful, "safety.unsure")
    assert re.search(r"\d{3}", careful), "a line to call"
    assert WORDS.get("handoff.queued") in careful
    assert "hurting yourself" in answer
    async with app.store.reading() as tx:
        person = await conversations.at(tx, address("a"))
        assert person
        found = await handoffs.open_of(tx, person.id)
    assert found
    assert (found.level, found.state) == (Level.URGENT, handoffs.WAITING)
    (calmer,) = await says_and_hears(app, platform, "no, just tired of it", 1)
    assert calmer == "echo: no, just tired of it."


async def test_words_that_leave_no_doubt_end_the_guessing(app: App, platform: MemoryAdapter) -> None:
    await says_and_hears(app, platform, "maybe", 2)
    (sure,) = await says_and_hears(app, platform, "urgent", 1)
    assert begins(sure, "safety.urgent.suicide")
    (stays,) = await says_and_hears(app, platform, "are you there", 1)
    assert stays in [WORDS.get("handoff.staying", n) for n in range(WORDS.variants("handoff.staying"))]


async def test_a_guess_after_certainty_changes_nothing(app: App, platform: MemoryAdapter) -> None:
    await says_and_hears(app, platform, "urgent", 1)
    (stays,) = await says_and_hears(app, platform, "maybe", 1)
    assert stays in [WORDS.get("handoff.staying", n) for n in range(WORDS.variants("handoff.staying"))]
