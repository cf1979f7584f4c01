"""The Telegram emulator's controls over HTTP, and a client for them.

POST /_control/push    {"updates": [{"type": "text", "chat": 7, "text": "hi"}, ...]}
                       types: text, edit, callback, block, unblock, raw, and the kinds of media
POST /_control/wait    {"count": 3, "chat": 7, "timeout": 10}    until so many messages were sent; 408 if not
GET  /_control/calls   ?method=sendMessage&chat=7&since=0        the bot's calls with times of arrival
POST /_control/fault   {"fault": "fail"|"cut"|"delay", "method": ..., ...}   as the methods of the same names
POST /_control/redeliver {"update_id": 1001}
POST /_control/add_chat {"chat": 7, "language": "zh"}
POST /_control/clear   {}                                        forget the faults
"""

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

if TYPE_CHECKING:
    from tests.emulators.telegram import TelegramEmulator

Json = dict[str, Any]


def control_routes(telegram: "TelegramEmulator") -> list[Route]:
    """The routes under /_control."""

    def push(body: Json) -> Json:
        pushed = []
        for update in body["updates"]:
            entry = dict(update)
            update_id = _push(telegram, entry.pop("type", "text"), entry)
            pushed.append({"update_id": update_id, "at": time.monotonic()})
        return {"pushed": pushed}

    def fault(body: Json) -> Json:
        entry = dict(body)
        kind = entry.pop("fault")
        if kind not in ("fail", "cut", "delay"):
            raise KeyError(kind)
        getattr(telegram, kind)(entry.pop("method"), **entry)
        return {}

    def redeliver(body: Json) -> Json:
        telegram.redeliver(body["update_id"])
        return {}

    def add_chat(body: Json) -> Json:
        telegram.add_chat(**body)
        return {}

    def clear(body: Json) -> Json:
        telegram.faults.clear()
        return {}

    async def wait(request: Request) -> Response:
        body = await request.json()
        try:
            await telegram.wait_sent(body["count"], chat=body.get("chat"), timeout=body.get("timeout", 10))
        except TimeoutError:
            return JSONResponse({"sent": len(telegram.sent)}, 408)
        return JSONResponse({"sent": len(telegram.sent)})

    async def calls(request: Request) -> Response:
        query = request.query_params
        chat = int(query["chat"]) if "chat" in query else None
        found = [
            {"index": c.index, "at": c.at, "method": c.method, "chat": c.chat, "text": c.text, "status": c.status,
             "applied": c.applied, "delivered": c.delivered}
            for c in telegram.calls[int(query.get("since", 0)) :]
            if query.get("method", c.method).lower() == c.method.lower() and chat in (None, c.chat)
        ]  # fmt: skip
        return JSONResponse({"calls": found})

    commands = {"push": push, "fault": fault, "redeliver": redeliver, "add_chat": add_chat, "clear": clear}
    return [
        Route("/_control/wait", wait, methods=["POST"]),
        Route("/_control/calls", calls),
        *(Route(f"/_control/{name}", _endpoint(command), methods=["POST"]) for name, command in commands.items()),
    ]


def _endpoint(command: Callable[[Json], Json]) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            return JSONResponse(command(await request.json()))
        except (KeyError, TypeError, ValueError) as error:
            return JSONResponse({"error": repr(error)}, 400)

    return endpoint


def _push(telegram: "TelegramEmulator", kind: str, entry: Json) -> int:
    if kind == "raw":
        return telegram.push_raw(entry["update"])
    if kind in ("text", "edit", "callback"):
        return int(getattr(telegram, f"push_{kind}")(**entry))
    if kind in ("block", "unblock"):
        return int(getattr(telegram, kind)(**entry))
    return telegram.push_media(kind=kind, **entry)


class RemoteTelegram:
    """A client for an emulator that runs in another process."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self.token = token
        self._client = httpx.AsyncClient(base_url=url, timeout=120, trust_env=False)

    async def push(self, updates: list[Json]) -> list[Json]:
        """Push updates, at once; their `update_id` and time."""
        answer = await self._post("push", {"updates": updates})
        return list(answer["pushed"])

    async def wait_sent(self, count: int, chat: int | None = None, timeout: float = 60) -> None:
        """Wait until so many messages were delivered. Raises TimeoutError."""
        body = {"count": count, "chat": chat, "timeout": timeout}
        answer = await self._client.post("/_control/wait", json=body, timeout=timeout + 10)
        if answer.status_code == 408:
            raise TimeoutError(f"{answer.json()['sent']} of {count} messages sent")
        answer.raise_for_status()

    async def calls(self, **query: str | int) -> list[Json]:
        """The bot's calls: filters `method`, `chat`, `since`."""
        answer = await self._client.get("/_control/calls", params=query)
        return list(answer.raise_for_status().json()["calls"])

    async def control(self, command: str, **body: Any) -> Json:
        """Any other command: fault, redeliver, add_chat, clear."""
        return await self._post(command, body)

    async def aclose(self) -> None:
        await self._client.aclose()

    async def _post(self, command: str, body: Json) -> Json:
        answer = await self._client.post(f"/_control/{command}", json=body)
        return dict(answer.raise_for_status().json())


@contextlib.asynccontextmanager
async def telegram_process() -> AsyncIterator[RemoteTelegram]:
    """An emulator in its own process, for measurements."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.emulators.telegram",
        stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert process.stdout is not None
    hello = json.loads(await process.stdout.readline())
    remote = RemoteTelegram(hello["url"], hello["token"])
    try:
        yield remote
    finally:
        await remote.aclose()
        process.terminate()
        await process.wait()
