"""The web chat as an adapter: routes for the page, and delivery by waking the pages that are open.

The stored transcript is the delivery: a page that is away reads what it missed when it comes back. So `send` succeeds
as soon as the open pages of the chat are told to look, and nothing is ever sent twice or lost with a connection.
"""

import asyncio
import time
from collections import defaultdict
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request, Response, WebSocket
from fastapi.responses import JSONResponse, PlainTextResponse

from adapters.base import Address, Capabilities, Health, NoExtras, Receive, Reply, Sent, Unit
from adapters.web import pages, visitors
from adapters.web.connection import Connection
from adapters.web.transcript import Transcript
from config.language import Language

PLATFORM = "web"
ACCOUNT = "web"
_PAGES_PER_VISITOR = 16


class WebAdapter(NoExtras):
    """The chat page at `/`.

    `country` chooses the crisis lines that the page shows when it cannot reach the server. `public_url` is the
    address people use, if a proxy stands before the server. `alive_seconds` is how often an idle page hears from us.
    """

    platform = PLATFORM
    account = ACCOUNT
    capabilities = Capabilities(
        max_length=8000, unit=Unit.CHARACTERS, streaming=True, typing=True, buttons=True, images=True, thumbs=True
    )

    def __init__(
        self,
        transcript: Transcript,
        *,
        country: str = "CN",
        public_url: str = "",
        messages_per_window: int = 20,
        window_seconds: float = 10.0,
        alive_seconds: float = 20.0,
    ) -> None:
        self._transcript = transcript
        self._country = country
        self._public_url = public_url
        self._limit = visitors.RateLimit(messages_per_window, window_seconds, time.monotonic)
        self._alive_seconds = alive_seconds
        self._receive: Receive | None = None
        self._open: defaultdict[str, set[Connection]] = defaultdict(set)
        self._last_contact: datetime | None = None

    async def run(self, receive: Receive) -> None:
        self._receive = receive
        try:
            await asyncio.Event().wait()
        finally:
            self._receive = None

    async def send(self, address: Address, reply: Reply) -> Sent:
        self.notify(address.chat)
        return Sent(str(reply.message_id))

    async def typing(self, address: Address) -> None:
        self._show(address.chat, {"type": "typing"})

    async def draft(self, address: Address, text: str) -> None:
        self._show(address.chat, {"type": "draft", "text": text})

    def notify(self, chat: str) -> None:
        """Tell the open pages of a chat that its transcript has grown or was erased, by whichever process."""
        for connection in self._open.get(chat, ()):
            connection.wake()

    def health(self) -> Health:
        if self._receive is None:
            return Health(ok=False, detail="the web chat is not running yet", last_contact=self._last_contact)
        return Health(last_contact=self._last_contact)

    def _show(self, chat: str, passing: dict[str, Any]) -> None:
        for connection in self._open.get(chat, ()):
            connection.show(passing)

    def _stored(self, chat: str) -> None:
        self._last_contact = datetime.now(UTC)
        self.notify(chat)

    def routes(self) -> APIRouter:
        router = APIRouter()

        @router.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
        async def page(request: Request) -> Response:
            response = pages.static_file("index.html", request)
            token = request.cookies.get(visitors.COOKIE)
            if visitors.chat_of(token) is None:
                token = visitors.new_token()
            secure = request.url.scheme == "https" or self._public_url.startswith("https:")
            response.set_cookie(
                visitors.COOKIE,
                token or "",
                max_age=visitors.COOKIE_SECONDS,
                httponly=True,
                samesite="lax",
                secure=secure,
            )
            return response

        @router.get("/static/{name}", include_in_schema=False)
        async def static(name: str, request: Request) -> Response:
            return pages.static_file(name, request)

        @router.get("/strings/{language}.json", include_in_schema=False)
        async def strings(language: str) -> Response:
            if language not in set(Language):
                return PlainTextResponse("There is no such language.", 404, pages.HEADERS)
            words = pages.strings(Language(language), self._country)
            return JSONResponse(words, headers={**pages.HEADERS, "Cache-Control": "no-cache"})

        @router.websocket("/ws")
        async def ws(socket: WebSocket) -> None:
            await self._serve(socket)

        return router

    async def _serve(self, socket: WebSocket) -> None:
        if not pages.same_origin(socket.headers.get("origin"), socket.headers.get("host"), self._public_url):
            return await _deny(socket, 403, "This address serves its own page only.")
        if (chat := visitors.chat_of(socket.cookies.get(visitors.COOKIE))) is None:
            return await _deny(socket, 401, "Open the chat page first.")
        if len(self._open.get(chat, ())) >= _PAGES_PER_VISITOR:
            return await _deny(socket, 429, "Too many pages of this chat are open.")
        connection = Connection(
            socket,
            Address(PLATFORM, ACCOUNT, chat),
            self._transcript,
            self._limit,
            lambda: self._receive,
            self._stored,
            self._alive_seconds,
        )
        self._open[chat].add(connection)
        try:
            await connection.serve()
        finally:
            self._open[chat].discard(connection)
            if not self._open[chat]:
                del self._open[chat]
                self._limit.forget(chat)
        return None


async def _deny(socket: WebSocket, status: int, reason: str) -> None:
    await socket.send_denial_response(PlainTextResponse(reason, status))
