"""What every generator promises, tried on a trusted one, on a server over real HTTP, and on a model in this process."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from config import Language, Script, Settings
from config.settings import OpenAISettings, TransformersSettings
from engine import Generator, GeneratorError, Piece, Request
from engine.generators import make_generator
from engine.generators.local import LocalGenerator
from engine.generators.openai import OpenAIGenerator
from engine.generators.sampling import Sampling
from tests.emulators import tiny_model
from tests.emulators.openai_server import OpenAIServer


class Reviewed:
    """A trusted generator such as the library: it answers at once with what stands in its data."""

    name = "reviewed"
    trusted = True
    _open = False

    async def start(self) -> None:
        self._open = True

    async def close(self) -> None:
        self._open = False

    async def stream(self, request: Request) -> AsyncIterator[Piece]:
        if not self._open:
            raise GeneratorError("the library is not loaded")
        yield Piece(f"你说“{request.text}”，")
        await asyncio.sleep(0)
        yield Piece("愿意多说一点吗？", "question", ("p1",))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model.save("llama", tmp_path_factory.mktemp("llama"))


@pytest.fixture(params=["reviewed", "openai", "local"])
async def generator(request: pytest.FixtureRequest, folder: Path) -> AsyncIterator[Generator]:
    if request.param == "reviewed":
        yield Reviewed()
    elif request.param == "openai":
        async with OpenAIServer() as server:
            server.answer = ("你说", "{user}", "，愿意多说一点吗？")
            yield OpenAIGenerator(OpenAISettings(base_url=server.url, model="m"))
    else:
        settings = TransformersSettings(model=str(folder), dtype="float32", max_new_tokens=40, batch_size=4)
        yield LocalGenerator(settings, Sampling(temperature=0, repetition_penalty=1))


@pytest.fixture
async def started(generator: Generator) -> AsyncIterator[Generator]:
    await generator.start()
    yield generator
    await generator.close()


def asks(text: str) -> Request:
    return Request(text, Language.ZH, Script.HANS)


async def answer(generator: Generator, text: str) -> str:
    return "".join([piece.text async for piece in generator.stream(asks(text))])


async def test_it_streams_in_pieces(started: Generator) -> None:
    pieces = [piece async for piece in started.stream(asks("睡不着"))]
    assert len(pieces) > 1
    assert "".join(piece.text for piece in pieces).strip()


async def test_concurrent_answers_do_not_mix(started: Generator) -> None:
    texts = [f"第{n}件事压着我" * (n % 3 + 1) for n in range(9)]
    alone = [await answer(started, text) for text in texts]
    assert await asyncio.gather(*(answer(started, text) for text in texts)) == alone
    assert len(set(alone)) > 1


async def test_an_answer_that_is_closed_or_cancelled_frees_its_place(started: Generator) -> None:
    for n in range(12):
        pieces = started.stream(asks(f"第{n}次"))
        await anext(pieces)
        await pieces.aclose()  # type: ignore[attr-defined]  # the protocol asks for an iterator that can be closed
    for n in range(12):
        task = asyncio.create_task(answer(started, f"第{n}次"))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert await answer(started, "睡不着")


async def test_without_a_start_or_after_the_end_it_is_an_error(generator: Generator) -> None:
    with pytest.raises(GeneratorError):
        await answer(generator, "睡不着")
    await generator.start()
    assert await answer(generator, "睡不着")
    await generator.close()
    with pytest.raises(GeneratorError):
        await answer(generator, "睡不着")


async def test_starting_twice_and_closing_twice_do_no_harm(generator: Generator) -> None:
    await generator.start()
    await generator.start()
    assert await answer(generator, "睡不着")
    await generator.close()
    await generator.close()


def test_the_settings_name_the_generator(folder: Path) -> None:
    assert make_generator(Settings()) is None
    server = make_generator(Settings(generator="openai", openai=OpenAISettings(base_url="http://x/v1", model="m")))
    assert isinstance(server, OpenAIGenerator)
    local = make_generator(Settings(generator="transformers", transformers=TransformersSettings(model=str(folder))))
    assert isinstance(local, LocalGenerator)
    assert not any(generator.trusted for generator in (server, local))
