"""The responder: whatever the model does, the user gets an answer, and none of it passes by the guard."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from prometheus_client import REGISTRY

from config import Language, Script, load_texts
from engine import GeneratorError, Level, Piece, Request
from engine.guard import Guard
from engine.responder import Responder

REQUEST = Request("面试又没过，我觉得自己什么都做不好", Language.ZH, Script.HANS)
LIBRARY_TEXT = "听起来这次没通过让你很失望。哪一刻最难受？"
GOOD = ["面试又没过，", "这一下打击不小。", "是哪一段", "让你觉得自己做不好？"]

Script_ = Callable[[], AsyncIterator[Piece]]


class Scripted:
    """A generator that plays a script and remembers what became of it."""

    def __init__(self, play: Script_, *, name: str = "model", trusted: bool = False) -> None:
        self.name = name
        self.trusted = trusted
        self.asked = 0
        self.stopped = False
        self.closed = False
        self.load_error: Exception | None = None
        self.may_start = asyncio.Event()
        self.may_start.set()
        self._play = play

    async def stream(self, request: Request) -> AsyncIterator[Piece]:
        self.asked += 1
        try:
            async for piece in self._play():
                yield piece
        finally:
            self.stopped = True

    async def start(self) -> None:
        await self.may_start.wait()
        if self.load_error:
            raise self.load_error

    async def close(self) -> None:
        self.closed = True


def says(*texts: str, then: Exception | None = None) -> Script_:
    async def play() -> AsyncIterator[Piece]:
        for text in texts:
            yield Piece(text)
        if then:
            raise then

    return play


async def hangs() -> AsyncIterator[Piece]:
    yield Piece("面试又没过，这一下打击不小。")
    await asyncio.Event().wait()


async def floods() -> AsyncIterator[Piece]:
    while True:
        yield Piece("哈哈呵嘿")
        await asyncio.sleep(0)


def a_library() -> Scripted:
    return Scripted(says(LIBRARY_TEXT), name="library", trusted=True)


async def responder(model: Scripted | None, library: Scripted | None = None, timeout_seconds: float = 5.0) -> Responder:
    made = Responder(model, library or a_library(), Guard(), timeout_seconds)
    await made.start()
    await made.loaded()
    return made


def count(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def test_a_good_draft_is_shown_sentence_by_sentence_and_becomes_the_answer() -> None:
    shown: list[str] = []

    async def on_text(text: str) -> None:
        shown.append(text)

    answer = await (await responder(Scripted(says(*GOOD)))).answer(REQUEST, on_text)
    assert answer.text == "".join(GOOD)
    assert answer.generator == "model"
    assert answer.blocked == ()
    assert shown[0] == "面试又没过，这一下打击不小。"
    assert shown[-1] == answer.text


@pytest.mark.parametrize(
    "play",
    [
        says(then=GeneratorError("the queue is full")),
        says("面试又没过，这一下", then=GeneratorError("the connection broke")),
        says(*GOOD, then=RuntimeError("secret text")),
        says(),
        says(" ", "\n"),
        hangs,
        floods,
    ],
    ids=["error at once", "error later", "any exception", "nothing", "blanks", "hangs", "floods"],
)
async def test_whatever_the_model_does_the_library_answers(play: Script_) -> None:
    model = Scripted(play)
    answer = await (await responder(model, timeout_seconds=0.2)).answer(REQUEST)
    assert (answer.text, answer.generator) == (LIBRARY_TEXT, "library")
    assert model.stopped


async def test_a_blocked_draft_is_never_shown_and_is_counted() -> None:
    before = count("psyllm_guard_blocks_total", rule="promise")
    shown: list[str] = []

    async def on_text(text: str) -> None:
        shown.append(text)

    model = Scripted(says("这次没过，你很失望。", "别担心，你一定会", "好起来的。", "加油！"))
    answer = await (await responder(model)).answer(REQUEST, on_text)
    assert (answer.text, answer.generator, answer.blocked) == (LIBRARY_TEXT, "library", ("promise",))
    assert not [text for text in shown if "好起来" in text]
    assert model.stopped
    assert count("psyllm_guard_blocks_total", rule="promise") == before + 1


async def test_the_last_words_are_checked_although_no_sentence_ends() -> None:
    answer = await (await responder(Scripted(says("你一定会好起来")))).answer(REQUEST)
    assert answer.blocked == ("promise",)


async def test_trusted_texts_need_no_guard() -> None:
    library = Scripted(says("危险时请打 95555。"), name="library", trusted=True)
    assert (await (await responder(None, library)).answer(REQUEST)).text == "危险时请打 95555。"


@pytest.mark.parametrize("language", list(Language))
async def test_when_even_the_library_fails_the_fixed_text_answers(language: Language) -> None:
    broken = Scripted(says(then=RuntimeError("no data")), name="library", trusted=True)
    answer = await (await responder(Scripted(says()), broken)).answer(Request("hm", language))
    assert answer.text == load_texts(language).get("busy")
    assert answer.generator == "busy"


@pytest.mark.parametrize("level", [Level.URGENT, Level.EMERGENCY])
async def test_in_danger_only_reviewed_texts_speak(level: Level) -> None:
    model = Scripted(says(*GOOD))
    answer = await (await responder(model)).answer(Request("...", Language.ZH, Script.HANS, level=level))
    assert answer.generator == "library"
    assert model.asked == 0


async def test_cancelling_the_answer_stops_the_model() -> None:
    model = Scripted(hangs)
    made = await responder(model)
    shown = asyncio.Event()

    async def on_text(text: str) -> None:
        shown.set()

    task = asyncio.create_task(made.answer(REQUEST, on_text))
    await shown.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert model.stopped


async def test_a_draft_that_cannot_be_shown_costs_nothing() -> None:
    async def on_text(text: str) -> None:
        raise ConnectionError

    assert (await (await responder(Scripted(says(*GOOD)))).answer(REQUEST, on_text)).generator == "model"


async def test_a_sentence_cut_off_by_the_length_limit_is_left_out() -> None:
    answer = await (await responder(Scripted(says("面试又没过，这一下打击不小。", "是哪一段让你")))).answer(REQUEST)
    assert answer.text == "面试又没过，这一下打击不小。"


async def test_marks_of_markdown_are_left_out() -> None:
    play = says("## 先", "歇一歇\n这一下打击**不", "小*", "*。是哪一段让你觉得自己做不好？")
    answer = await (await responder(Scripted(play))).answer(REQUEST)
    assert answer.text == "先歇一歇\n这一下打击不小。是哪一段让你觉得自己做不好？"


async def test_the_library_answers_while_the_model_loads() -> None:
    model = Scripted(says(*GOOD))
    model.may_start.clear()
    made = Responder(model, a_library(), Guard())
    await made.start()
    assert made.status.state == "loading"
    assert (await made.answer(REQUEST)).generator == "library"
    model.may_start.set()
    await made.loaded()
    assert (await made.answer(REQUEST)).generator == "model"
    await made.close()
    assert model.closed


async def test_a_model_that_fails_to_load_is_one_sentence_and_the_library_answers() -> None:
    model = Scripted(says(*GOOD))
    model.load_error = GeneratorError("model folder /models/x does not exist")
    made = await responder(model)
    assert (made.status.state, made.status.detail) == ("failed", "model folder /models/x does not exist")
    assert (await made.answer(REQUEST)).generator == "library"
    assert model.asked == 0


async def test_an_answer_names_what_wrote_it_and_the_version_of_it() -> None:
    class Weighed(Scripted):
        version = "w1"

    drafted = await (await responder(Weighed(says(*GOOD)))).answer(REQUEST)
    reviewed = await (await responder(None)).answer(REQUEST)
    again = await (await responder(None)).answer(REQUEST)
    assert (drafted.generator, reviewed.generator) == ("model", "library")
    assert drafted.version.endswith("+w1")
    assert reviewed.version == again.version
    assert reviewed.version not in drafted.version
    assert len(drafted.version) <= 60
