"""The OpenAI-compatible generator against a real HTTP server that misbehaves."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest
from pydantic import SecretStr

import engine.generators.openai as module
from config import Language, Script
from config.settings import OpenAISettings
from engine import GeneratorError, Piece, Request, Role, Turn
from engine.generators import prompt
from engine.generators.openai import FAILURES_TO_REST, OpenAIGenerator
from engine.guard import Guard
from engine.responder import Responder
from tests.emulators.openai_server import ANSWER, Mode, OpenAIServer

REQUEST = Request("面试又没过", Language.ZH, Script.HANS)


@pytest.fixture(autouse=True)
def _quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.001)


@pytest.fixture
async def server() -> AsyncIterator[OpenAIServer]:
    async with OpenAIServer() as running:
        yield running


async def started(*urls: str, key: str | None = None, clock: Callable[[], float] = time.monotonic) -> OpenAIGenerator:
    settings = OpenAISettings(base_url=", ".join(urls), model="m", api_key=SecretStr(key) if key else None)
    generator = OpenAIGenerator(settings, silence_seconds=0.5, clock=clock)
    await generator.start()
    return generator


async def answer(generator: OpenAIGenerator) -> str:
    return "".join([piece.text async for piece in generator.stream(REQUEST)])


async def test_pieces_arrive_as_the_server_sends_them(server: OpenAIServer) -> None:
    server.behave("slow")
    server.go_on.set()
    generator = await started(server.url)
    pieces = generator.stream(REQUEST)
    assert (await anext(pieces)).text == ANSWER[0]
    assert [piece.text async for piece in pieces] == list(ANSWER[1:])
    await generator.close()


async def test_the_key_and_the_messages_are_sent(server: OpenAIServer) -> None:
    generator = await started(server.url, key="sk-test")
    assert await answer(generator) == "".join(ANSWER)
    assert server.keys == ["Bearer sk-test"]
    body = server.bodies[0]
    assert [m["role"] for m in body["messages"]] == ["system", "user"]
    assert body["stream"] is True
    await generator.close()


async def test_a_long_talk_is_sent_within_its_tokens_and_what_was_before_in_facts(server: OpenAIServer) -> None:
    turns = tuple(Turn(role, f"我又失眠了，第{n}晚。" * 12) for n in range(40) for role in (Role.USER, Role.ASSISTANT))
    generator = await started(server.url)
    async for _ in generator.stream(replace(REQUEST, history=turns)):
        pass
    system, *earlier, last = [message["content"] for message in server.bodies[0]["messages"]]
    assert system == prompt.load_words(Language.ZH).system.strip()
    assert 0 < sum(map(prompt.estimate_tokens, earlier)) <= prompt.HISTORY_TOKENS
    assert "第39晚" in earlier[-1]
    assert "此前谈到过：睡眠" in last
    assert REQUEST.text in last
    await generator.close()


@pytest.mark.parametrize("mode", ["500", "429", "malformed", "strange", "nothing", "hang"])
async def test_a_failure_before_the_first_word_is_tried_again(server: OpenAIServer, mode: Mode) -> None:
    server.behave(mode, "normal")
    generator = await started(server.url)
    assert await answer(generator) == "".join(ANSWER)
    assert len(server.bodies) == 2
    await generator.close()


@pytest.mark.parametrize("mode", ["dies", "cut", "stall", "error_event"])
async def test_a_failure_in_the_middle_is_an_error_and_never_a_second_beginning(
    server: OpenAIServer, mode: Mode
) -> None:
    server.behave(mode)
    generator = await started(server.url)
    pieces = generator.stream(REQUEST)
    assert (await anext(pieces)).text == ANSWER[0]
    with pytest.raises(GeneratorError):
        await anext(pieces)
    assert len(server.bodies) == 1
    await generator.close()


@pytest.mark.parametrize("mode", ["floods"])
async def test_a_flood_is_cut_off(server: OpenAIServer, mode: Mode) -> None:
    server.behave(mode)
    generator = await started(server.url)
    with pytest.raises(GeneratorError, match="far more"):
        await answer(generator)
    await generator.close()


@pytest.mark.parametrize("mode", ["500", "429", "hang", "nothing", "malformed"])
async def test_a_server_that_never_recovers_is_an_error(server: OpenAIServer, mode: Mode) -> None:
    server.behave(mode)
    generator = await started(server.url)
    with pytest.raises(GeneratorError):
        await answer(generator)
    await generator.close()


@pytest.mark.parametrize(("mode", "words"), [("401", "api_key"), ("404", "base_url")])
async def test_a_wrong_setting_is_named_and_not_tried_again(server: OpenAIServer, mode: Mode, words: str) -> None:
    server.behave(mode)
    generator = await started(server.url)
    with pytest.raises(GeneratorError, match=words):
        await answer(generator)
    assert len(server.bodies) == 1
    await generator.close()


async def test_a_server_that_refuses_unknown_parameters_is_asked_without(server: OpenAIServer) -> None:
    server.behave("strict")
    generator = await started(server.url)
    assert await answer(generator) == "".join(ANSWER)
    assert await answer(generator) == "".join(ANSWER)
    assert ["chat_template_kwargs" in body for body in server.bodies] == [True, False, False]
    await generator.close()


async def test_what_a_model_thinks_aloud_is_left_out(server: OpenAIServer) -> None:
    server.behave("thinks")
    generator = await started(server.url)
    assert await answer(generator) == "".join(ANSWER)
    await generator.close()


async def test_another_server_takes_over(server: OpenAIServer) -> None:
    async with OpenAIServer() as second:
        server.behave("500")
        generator = await started(server.url, second.url)
        assert await answer(generator) == "".join(ANSWER)
        assert (len(server.bodies), len(second.bodies)) == (1, 1)
        await generator.close()


async def test_a_server_that_is_not_there_is_passed_over(server: OpenAIServer) -> None:
    generator = await started("http://127.0.0.1:9/v1", server.url)
    assert await answer(generator) == "".join(ANSWER)
    await generator.close()


async def test_after_failures_a_server_rests_and_then_one_request_tries_it(
    server: OpenAIServer,
) -> None:
    now = 1000.0
    server.behave("500")
    generator = await started(server.url, clock=lambda: now)
    for _ in range(2):
        with pytest.raises(GeneratorError):
            await answer(generator)
    assert len(server.bodies) == FAILURES_TO_REST
    now += module.REST_SECONDS
    server.behave("stall", "normal")
    trial = generator.stream(REQUEST)
    await anext(trial)
    with pytest.raises(GeneratorError, match="resting"):
        await answer(generator)
    with pytest.raises(GeneratorError):
        await anext(trial)
    now += module.REST_SECONDS
    assert await answer(generator) == "".join(ANSWER)
    assert await answer(generator) == "".join(ANSWER)
    await generator.close()


async def test_neither_text_nor_key_is_logged(server: OpenAIServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server.behave("500", "dies")
    generator = await started(server.url, key="sk-secret")
    with pytest.raises(GeneratorError) as caught:
        await answer(generator)
    written = caplog.text + str(caught.value)
    assert "面试" not in written
    assert "sk-secret" not in written
    await generator.close()


async def test_an_address_without_a_scheme_is_a_clear_error() -> None:
    with pytest.raises(GeneratorError, match="http://"):
        await started("localhost:8000/v1")


@pytest.mark.parametrize("mode", ["hang", "stall", "dies", "cut", "nothing", "floods", "malformed", "500"])
async def test_the_user_gets_the_library_s_answer_in_time(server: OpenAIServer, mode: Mode) -> None:
    """The whole way: server, generator, responder."""
    server.behave(mode)
    library = Library()
    responder = Responder(await started(server.url), library, Guard(), timeout_seconds=1.0)
    await responder.start()
    await responder.loaded()
    answer = await asyncio.wait_for(responder.answer(REQUEST), 5)
    assert (answer.text, answer.generator) == (library.TEXT, "library")
    await responder.close()


class Library:
    """Stands for the reviewed library."""

    TEXT = "听起来这次没通过让你很失望。"
    name = "library"
    trusted = True

    async def stream(self, request: Request) -> AsyncIterator[Piece]:
        yield Piece(self.TEXT)

    async def start(self) -> None:
        pass

    async def close(self) -> None:
        pass
