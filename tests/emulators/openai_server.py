"""An OpenAI-compatible server over real HTTP that misbehaves on demand.

    async with OpenAIServer() as server:
        server.behave("slow", "normal")     # the next request is served slowly, all later ones normally
        generator = OpenAIGenerator(OpenAISettings(base_url=server.url, model="test"))

`slow` waits for `server.go_on` before each piece; `hang` never answers; `stall` sends a piece, then nothing more.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any, Literal, Self

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.emulators.wechat_serve import serve

Mode = Literal[
    "normal", "slow", "hang", "stall", "dies", "cut", "nothing", "floods", "malformed", "strange", "error_event",
    "thinks", "strict", "400", "401", "404", "429", "500",
]  # fmt: skip

ANSWER = ("听起来", "这次面试没过，", "让你很失望。", "哪一刻最难受？")


class OpenAIServer:
    """One server. `bodies` holds what was asked, `keys` the Authorization headers, `closed` counts connections cut."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.cut_off = asyncio.Event()  # a client went away in the middle of an answer
        self.go_on = asyncio.Event()
        self.answer: tuple[str, ...] = ANSWER
        self._modes: list[Mode] = ["normal"]
        self._stack = AsyncExitStack()
        self._over = asyncio.Event()

    async def __aenter__(self) -> Self:
        app = Starlette(routes=[Route("/v1/chat/completions", self._chat, methods=["POST"])])
        self.url = await self._stack.enter_async_context(serve(app)) + "/v1"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._over.set()
        await self._stack.aclose()

    def behave(self, *modes: Mode) -> None:
        """One mode for each of the next requests; the last stays."""
        self._modes = list(modes)

    async def _chat(self, request: Request) -> Response:
        body = await request.json()
        self.bodies.append(body)
        self.keys.append(request.headers.get("authorization", ""))
        mode = self._modes.pop(0) if len(self._modes) > 1 else self._modes[0]
        if mode.isdigit():
            return JSONResponse({"error": {"message": "no"}}, int(mode))
        if mode == "strict" and "chat_template_kwargs" in body:
            return JSONResponse({"error": {"message": "unknown parameter"}}, 400)
        if mode == "hang":
            await self._over.wait()
        return StreamingResponse(self._watched(self._events(mode, body)), media_type="text/event-stream")

    async def _watched(self, events: AsyncIterator[str]) -> AsyncIterator[str]:
        try:
            async for event in events:
                yield event
        except (asyncio.CancelledError, GeneratorExit):
            self.cut_off.set()
            raise

    async def _events(self, mode: Mode, body: dict[str, Any]) -> AsyncIterator[str]:
        yield ": a comment\n\n"
        if mode == "malformed":
            yield "data: {not json\n\n"
            return
        if mode == "strange":
            yield 'data: {"choices": "none"}\n\n'
            return
        if mode == "thinks":
            yield _event("<think>\nWhat would help")
            yield _event("?</think>\n\n")
        if mode == "floods":
            while True:
                yield _event("哈哈呵嘿" * 50)
                await asyncio.sleep(0)
        for text in () if mode == "nothing" else (t.replace("{user}", _last(body)) for t in self.answer):
            if mode == "slow":
                await self.go_on.wait()
            yield _event(text)
            if mode == "stall":
                await self._over.wait()
            if mode == "dies":
                return
            if mode == "cut":
                raise ConnectionError
            if mode == "error_event":
                yield 'data: {"error": {"message": "out of memory"}}\n\n'
                return
        yield _event("", "stop")
        yield 'data: {"choices": [], "usage": {"completion_tokens": 4}}\n\n'
        yield "data: [DONE]\n\n"


def _event(text: str, finish_reason: str | None = None) -> str:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish_reason}
    return f"data: {json.dumps({'choices': [choice]})}\n\n"


def _last(body: dict[str, Any]) -> str:
    """`{user}` in an answer stands for the last user message, so that a test sees whose answer it got."""
    return str(body["messages"][-1]["content"])
