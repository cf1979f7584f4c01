"""The HTTP side of the callback: what the platform calls, and when it gets its answer."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse, Response
from starlette.requests import ClientDisconnect
from starlette.types import Receive as AsgiReceive
from starlette.types import Scope, Send

from adapters.base import Message
from adapters.wechat import markup
from adapters.wechat.parse import Inbound, parse
from adapters.wechat.passive import Desk, Slot
from adapters.wechat.security import Call, Gate, Refused

LONGEST_BODY = 256 * 1024  # the longest text WeChat lets a user type, in compatible mode, needs about 120 KiB
_BODY_SECONDS = 5.0
_log = logging.getLogger(__name__)

Store = Callable[[Message], Awaitable[None]]
"""Commits one message. Raises if it could not."""


class Callback:
    """Serves `/wechat`: checks each call, has its message stored, and holds the request open for a passive answer.

    hold: seconds after a request's arrival at which it is let go unanswered; the platform cuts after five. opened: is
    told each time that a chat has an open request.
    """

    def __init__(
        self, app_id: str, gate: Gate, desk: Desk, store: Store, opened: Callable[[], None], hold: float
    ) -> None:
        self._app_id = app_id
        self._gate = gate
        self._desk = desk
        self._store = store
        self._opened = opened
        self._hold = hold

    def routes(self) -> APIRouter:
        """GET for the platform's check of the address, POST for messages and events."""
        router = APIRouter()
        router.add_api_route("/wechat", self._verify, methods=["GET"], include_in_schema=False)
        router.add_api_route("/wechat", self._push, methods=["POST"], include_in_schema=False)
        return router

    async def _verify(self, request: Request) -> Response:
        echo = request.query_params.get("echostr", "")
        try:
            call = self._gate.check(request.query_params)
            if not echo:
                raise Refused(400, "echostr is missing")
            self._gate.once(call, echo)
        except Refused as refused:
            return _refusal(refused)
        return PlainTextResponse(echo, headers={"X-Content-Type-Options": "nosniff"})

    async def _push(self, request: Request) -> Response:
        until = asyncio.get_running_loop().time() + self._hold
        try:
            call = self._gate.check(request.query_params)
            inbound = parse(self._gate.open(call, await _body(request)), self._app_id)
        except Refused as refused:
            return _refusal(refused)
        message = inbound.message
        again = self._desk.remembered(message.key)
        # Opened before the message is stored: the bot may answer before this task hears of the commit.
        slot = self._desk.open(message.address.chat, message.key) if inbound.answerable and not again else None
        stored = False
        try:
            await self._store(message)
            stored = True
        except Exception as error:
            # Only the type: a database error may quote what it was to store.
            _log.error(
                "a WeChat message could not be stored (%s); the platform will push it again", type(error).__name__
            )
            return PlainTextResponse("the message could not be stored; push it again", 503)
        finally:
            if slot is not None and not stored:
                self._desk.release(slot)
        seal = Seal(self._gate, call, inbound)
        if slot is None:
            return _sealed(seal(again)) if again else _success()
        self._desk.commit(slot)
        self._opened()
        return HeldAnswer(self._desk, slot, until, seal)


class Seal:
    """Turns a text into the answer to one call: XML, encrypted if the call was."""

    def __init__(self, gate: Gate, call: Call, inbound: Inbound) -> None:
        self._gate = gate
        self._call = call
        self._inbound = inbound

    def __call__(self, text: str) -> str:
        to, sender = self._inbound.message.address.chat, self._inbound.original_id
        return self._gate.seal(self._call, markup.text_answer(to, sender, text, int(time.time())))


class HeldAnswer(Response):
    """Waits for what the bot says, answers with it, and tells the desk whether it left."""

    def __init__(self, desk: Desk, slot: Slot, until: float, seal: Seal) -> None:
        super().__init__()
        self._desk = desk
        self._slot = slot
        self._until = until
        self._seal = seal

    async def __call__(self, scope: Scope, receive: AsgiReceive, send: Send) -> None:
        try:
            answer = await self._wait(receive)
            if answer is None:
                return  # the platform is gone: nothing was written, so the texts may go another way
            if answer:
                await _sealed(self._seal(answer))(scope, receive, send)
                self._desk.left(self._slot, answer)
        finally:
            self._desk.release(self._slot)
        if not answer:
            await _success()(scope, receive, send)

    async def _wait(self, receive: AsgiReceive) -> str | None:
        """The answer, empty if none came in time, None if the platform cut the connection first."""
        answer = asyncio.ensure_future(self._desk.answer(self._slot, self._until))
        gone = asyncio.ensure_future(_disconnected(receive))
        try:
            await asyncio.wait((answer, gone), return_when=asyncio.FIRST_COMPLETED)
            return None if gone.done() else answer.result()
        finally:
            answer.cancel()
            gone.cancel()


async def _disconnected(receive: AsgiReceive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _body(request: Request) -> bytes:
    """The request's body. Raises Refused(400, 408 or 413)."""
    body = bytearray()
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > LONGEST_BODY:
                    raise Refused(413, f"body is longer than {LONGEST_BODY} bytes")
    except TimeoutError:
        raise Refused(408, "body did not arrive in time") from None
    except ClientDisconnect:
        raise Refused(400, "connection was cut before the body arrived") from None
    return bytes(body)


def _success() -> Response:
    """Tells the platform that the message arrived, and that nothing is said about it now."""
    return PlainTextResponse("success")


def _sealed(xml: str) -> Response:
    return Response(xml, media_type="application/xml")


def _refusal(refused: Refused) -> Response:
    _log.warning("a call to /wechat was refused (%d): %s", refused.status, refused.reason)
    return PlainTextResponse(refused.reason, refused.status)
