"""An emulator of the Telegram Bot API over real HTTP, with a hand for tests on the users' side.

In a test's own loop:

    async with TelegramEmulator() as telegram:
        telegram.push_text(7, "hello")                    # user 7 writes; the chat exists from now on
        sent = await telegram.wait_sent(1, chat=7)        # what the bot sent there
        telegram.fail("sendMessage", 429, chat=7, retry_after=3)

As a process, `python -m tests.emulators.telegram --port 0` prints one line of JSON, `{"url": ..., "token": ...}`, and
serves the same controls under `/_control` (see `telegram_control`). A bot can only write to chats that exist: those of
users who wrote, and those made with `add_chat`.
"""

import argparse
import asyncio
import contextlib
import json
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import parse_qsl

import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tests.emulators.telegram_control import control_routes
from tests.emulators.telegram_faults import Fault, Faults, Kind
from tests.emulators.telegram_state import ApiError, BotState, Chat, Json
from tests.emulators.telegram_webhook import WebhookPusher

TOKEN = "1234567890:AAtest-token-of-the-emulator"
_DELIVERING = frozenset({"sendmessage", "sendphoto", "copymessage"})


@dataclass(frozen=True)
class Call:
    """One request of the bot. `at` is CLOCK_MONOTONIC, comparable between processes of one machine."""

    index: int
    at: float
    method: str
    chat: int | None
    params: Json
    status: int  # what was answered; 0: the connection was cut
    applied: bool
    result: Any = None

    @property
    def text(self) -> str:
        return str(self.params.get("text", ""))

    @property
    def delivered(self) -> bool:
        """Whether a message reached the user through this call."""
        return self.applied and self.method.lower() in _DELIVERING


class TelegramEmulator:
    """One bot's Telegram. Use it as an async context manager; its methods belong to that event loop."""

    def __init__(self, token: str = TOKEN, username: str = "psyllm_test_bot", port: int = 0) -> None:
        self.token = token
        self.state = BotState(token, username)
        self.faults = Faults()
        self.webhook = WebhookPusher(self.state, self._notify)
        self.calls: list[Call] = []
        self.sent: list[Call] = []  # the calls that delivered a message, in order
        self.polls = 0
        self.state.on_update = self.webhook.push
        self.state.on_wait = self._notify
        self._port = port
        self._history: dict[int, Json] = {}
        self._waiting: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []
        self._query = 0

    # Life

    async def __aenter__(self) -> Self:
        # asyncio turns Nagle's algorithm off only where the protocol is named
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", self._port))
        self._socket.listen(1024)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        app = Starlette(
            routes=[
                Route("/bot{token}/{method}", self._api, methods=["GET", "POST"]),
                Route("/file/bot{token}/{path:path}", self._download),
                *control_routes(self),
            ]
        )
        config = uvicorn.Config(
            app,
            http=_Protocol,
            ws="none",
            lifespan="off",
            log_level="critical",
            access_log=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=1,
        )
        self._server = _Server(config)
        await self.webhook.start()
        self._serving = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        return self

    async def __aexit__(self, *_: object) -> None:
        self.faults.clear()
        await self.webhook.stop()
        self.state.wake()
        self._server.should_exit = True
        for connection in list(self._server.server_state.connections):
            if connection.transport is not None:
                connection.transport.abort()
        await self._serving

    # What users do

    def add_chat(self, chat: int, name: str = "", language: str = "") -> Chat:
        """Make the chat exist, as if the user had pressed Start long ago; set the user's name and language."""
        entry = self.state.chat(chat)
        entry.name, entry.language = name or entry.name, language or entry.language
        return entry

    def push_text(self, chat: int, text: str, *, sender: int | None = None, **content: Any) -> int:
        """A user writes; the update_id. `content` adds fields to the message, `sender` tells who writes in a group."""
        if text.startswith("/"):
            length = len(text.split()[0])
            content.setdefault("entities", [{"type": "bot_command", "offset": 0, "length": length}])
        return self._push("message", self.state.user_message(chat, {"text": text, **content}, sender))

    def push_many(self, texts: list[tuple[int, str]]) -> list[int]:
        """Many users write at once: (chat, text) pairs; their update_ids."""
        return [self.push_text(chat, text) for chat, text in texts]

    def push_edit(self, chat: int, message_id: int, text: str) -> int:
        """The user changes an earlier message of theirs."""
        messages = self.state.chat(chat).messages
        messages[message_id] = messages[message_id] | {"text": text, "edit_date": int(time.time())}
        return self._push("edited_message", messages[message_id])

    def push_media(self, chat: int, kind: str, data: bytes = b"0123456789", caption: str = "", **extra: Any) -> int:
        """The user sends a photo, voice, audio, video, video_note, sticker, document or animation."""
        if kind == "photo":
            content: Json = {"photo": self.state.photo_sizes(data)}
        else:
            content = {kind: self.state.file(self.state.add_file(data)) | _MEDIA.get(kind, {}) | extra}
        if caption:
            content["caption"] = caption
        return self._push("message", self.state.user_message(chat, content))

    def push_callback(self, chat: int, message_id: int, data: str) -> int:
        """The user presses a button under a message of the bot."""
        self._query += 1
        query = str(self._query)
        self.state.open_queries.add(query)
        entry = self.state.chat(chat)
        payload = {
            "id": query,
            "from": entry.user(),
            "message": entry.messages[message_id],
            "chat_instance": str(chat),
            "data": data,
        }
        return self._push("callback_query", payload)

    def block(self, chat: int) -> int:
        """The user blocks the bot: it hears so, and its sends are refused from now on."""
        return self._membership(chat, "member", "kicked")

    def unblock(self, chat: int) -> int:
        return self._membership(chat, "kicked", "member")

    def _membership(self, chat: int, old: str, new: str) -> int:
        entry = self.state.chat(chat)
        entry.blocked = new == "kicked"
        bot = {"id": self.state.id, "is_bot": True, "first_name": "Test bot", "username": self.state.username}
        ends: dict[str, Json] = {"kicked": {"until_date": 0}, "member": {}}
        payload = {
            "chat": entry.describe(),
            "from": entry.user(),
            "date": int(time.time()),
            "old_chat_member": {"user": bot, "status": old, **ends[old]},
            "new_chat_member": {"user": bot, "status": new, **ends[new]},
        }
        return self._push("my_chat_member", payload)

    def push_raw(self, update: Json) -> int:
        """Queue any JSON object as an update; an `update_id` is added if there is none."""
        if "update_id" not in update:
            self.state.last_update_id += 1
            update = {"update_id": self.state.last_update_id, **update}
        self.state.last_update_id = max(self.state.last_update_id, int(update["update_id"]))
        self.state._queue(update)
        return int(update["update_id"])

    def redeliver(self, update_id: int) -> None:
        """Hand an update out once more although the bot confirmed it."""
        update = self._history[update_id]
        if self.state.webhook:
            self.webhook.push(update)
        else:
            self.state.again.append(update)
            self.state.wake()

    def _push(self, kind: str, payload: Json) -> int:
        number = self.state.add_update(kind, payload)
        self._history[number] = {"update_id": number, kind: payload}
        self._notify()
        return number

    # Faults

    def fail(
        self, method: str, status: int = 500, *, chat: int | None = None, times: int | None = 1,
        retry_after: int | None = None, description: str = "",
    ) -> None:  # fmt: skip
        """Answer the next `times` calls (None: all) with an error, without applying them."""
        self.faults.add(
            Fault(Kind.STATUS, method, chat, times, status, description=description, retry_after=retry_after)
        )

    def cut(self, method: str, *, applied: bool, chat: int | None = None, times: int | None = 1) -> None:
        """End the connection without an answer, after or without applying the call."""
        self.faults.add(Fault(Kind.CUT, method, chat, times, applied=applied))

    def answer(self, method: str, status: int, body: bytes, *, chat: int | None = None, times: int | None = 1) -> None:
        """Answer as something between the bot and Telegram would, without applying the call."""
        self.faults.add(Fault(Kind.ANSWER, method, chat, times, status, body=body))

    def delay(self, method: str, seconds: float, *, chat: int | None = None, times: int | None = 1) -> None:
        """Answer later."""
        self.faults.add(Fault(Kind.DELAY, method, chat, times, seconds=seconds))

    def hold(self, method: str, *, chat: int | None = None, times: int | None = 1) -> asyncio.Event:
        """Answer, and apply, only after the returned event is set."""
        return self.faults.add(Fault(Kind.HOLD, method, chat, times)).gate

    # What the bot did

    def texts(self, chat: int) -> list[str]:
        """Texts that reached the chat, in order."""
        return [call.text for call in self.sent if call.chat == chat]

    def called(self, method: str, chat: int | None = None) -> list[Call]:
        """Calls of a method, to a chat or to all."""
        return [c for c in self.calls if c.method.lower() == method.lower() and chat in (None, c.chat)]

    async def wait_sent(self, count: int = 1, *, chat: int | None = None, timeout: float = 10) -> list[Call]:
        """Wait until `count` messages were delivered (to `chat`). Raises TimeoutError."""
        if chat is None:
            await self.wait_until(lambda: len(self.sent) >= count, timeout)
            return self.sent[:]
        await self.wait_until(lambda: sum(c.chat == chat for c in self.sent) >= count, timeout)
        return [c for c in self.sent if c.chat == chat]

    async def wait_called(
        self, method: str, count: int = 1, *, chat: int | None = None, timeout: float = 10
    ) -> list[Call]:
        """Wait until a method was called `count` times. Raises TimeoutError."""
        await self.wait_until(lambda: len(self.called(method, chat)) >= count, timeout)
        return self.called(method, chat)

    async def wait_confirmed(self, update_id: int, timeout: float = 10) -> None:
        """Wait until the bot confirmed this update and all before it. Raises TimeoutError."""
        await self.wait_until(lambda: all(u["update_id"] > update_id for u in self.state.updates), timeout)

    async def wait_polling(self, timeout: float = 10) -> None:
        """Wait until the bot waits in a long poll, all updates confirmed. Raises TimeoutError."""
        await self.wait_until(lambda: self.state.polling and not self.state.updates, timeout)

    async def wait_until(self, condition: Callable[[], bool], timeout: float = 10) -> None:
        """Wait until `condition` holds; it is looked at after every call and push. Raises TimeoutError."""
        if condition():
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (condition, future)
        self._waiting.append(entry)
        try:
            await asyncio.wait_for(future, timeout)
        finally:
            self._waiting.remove(entry)

    def _notify(self) -> None:
        for condition, future in self._waiting:
            if not future.done() and condition():
                future.set_result(None)

    # HTTP

    async def _api(self, request: Request) -> Response:
        method = request.path_params["method"]
        params = await _params(request)
        chat = _chat_id(params)
        fault = self.faults.take(method, chat)
        if fault and fault.kind is Kind.HOLD:
            await fault.gate.wait()
        if fault and fault.kind is Kind.DELAY:
            await asyncio.sleep(fault.seconds)
        if fault and fault.kind is Kind.ANSWER:
            self._record(method, chat, params, fault.status, False, None)
            return Response(fault.body, fault.status)
        result: Any = None
        applied = False
        error: ApiError | None = None
        try:
            if request.path_params["token"] != self.token:
                raise ApiError(401, "Unauthorized")
            if fault and fault.kind is Kind.STATUS:
                raise fault.error()
            if not (fault and fault.kind is Kind.CUT and not fault.applied):
                result = await self.state.call(method, params)
                applied = True
        except ApiError as raised:
            error = raised
        cut = fault is not None and fault.kind is Kind.CUT
        self._record(method, chat, params, 0 if cut else error.code if error else 200, applied, result)
        if cut:
            return _Cut()
        body = error.body() if error else {"ok": True, "result": result}
        return Response(_encode(body), error.code if error else 200, media_type="application/json")

    def _record(self, method: str, chat: int | None, params: Json, status: int, applied: bool, result: Any) -> None:
        if method.lower() == "getupdates":
            self.polls += 1
            if not result and status == 200:  # an empty poll tells nothing, and a bot at rest makes many
                self._notify()
                return
            result = None
        call = Call(len(self.calls), time.monotonic(), method, chat, params, status, applied, result)
        self.calls.append(call)
        if call.delivered:
            self.sent.append(call)
        self._notify()

    async def _download(self, request: Request) -> Response:
        data = self.state.files.get(request.path_params["path"].removeprefix("files/"))
        if request.path_params["token"] != self.token or data is None:
            error = ApiError(404, "Not Found")
            return Response(_encode(error.body()), 404, media_type="application/json")
        return Response(data, media_type="application/octet-stream")


_MEDIA: dict[str, Json] = {
    "voice": {"duration": 2, "mime_type": "audio/ogg"},
    "audio": {"duration": 2, "mime_type": "audio/mpeg"},
    "video": {"duration": 2, "width": 320, "height": 240, "mime_type": "video/mp4"},
    "video_note": {"duration": 2, "length": 240},
    "animation": {"duration": 2, "width": 320, "height": 240, "mime_type": "video/mp4"},
    "sticker": {"width": 512, "height": 512, "is_animated": False, "is_video": False, "type": "regular", "emoji": "🙂"},
    "document": {"file_name": "notes.pdf", "mime_type": "application/pdf"},
}


def _encode(body: Any) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()


async def _params(request: Request) -> Json:
    """The parameters of a call, however the client sent them: query, form, multipart or JSON."""
    params: Json = dict(request.query_params) if request.scope["query_string"] else {}
    kind = request.headers.get("content-type", "")
    if kind.startswith("multipart/form-data"):
        async with request.form() as form:
            for key, value in form.items():
                params[key] = value if isinstance(value, str) else await value.read()
        return params
    body = await request.body()
    if kind.startswith("application/json"):
        with contextlib.suppress(ValueError):
            params |= json.loads(body)
    elif body:
        params |= dict(parse_qsl(body.decode(), keep_blank_values=True))
    return params


def _chat_id(params: Json) -> int | None:
    try:
        return int(params["chat_id"])
    except (KeyError, TypeError, ValueError):
        return None


class _Cut(Response):
    """Ends the connection where an answer was due."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["extensions"]["connection"]["abort"]()
        while (await receive())["type"] != "http.disconnect":
            pass


class _Protocol(HttpToolsProtocol):
    """Lets the application end the connection."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {"connection": {"abort": self.transport.abort}}


class _Server(uvicorn.Server):
    """Leaves the signals to the program around it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _main(port: int) -> None:
    async with TelegramEmulator(port=port) as telegram:
        print(json.dumps({"url": telegram.url, "token": telegram.token}), flush=True)  # noqa: T201
        await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Serve the Telegram Bot API on loopback.")
    parser.add_argument("--port", type=int, default=0)
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(_main(parser.parse_args().port))
