"""The API face of the emulated WeChat platform: tokens, customer-service messages, typing, menu, media."""

import asyncio
import json
import secrets
import time
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

SEND = "/cgi-bin/message/custom/send"
TYPING = "/cgi-bin/message/custom/typing"
MENU = "/cgi-bin/menu/create"
STABLE_TOKEN = "/cgi-bin/stable_token"
TOKEN = "/cgi-bin/token"
MEDIA = "/cgi-bin/media/get"

LONGEST_TEXT = 2047
ERRORS = {
    -1: "system error",
    40001: "invalid credential, access_token is invalid or not latest",
    40002: "invalid grant_type",
    40003: "invalid openid",
    40007: "invalid media_id",
    40008: "invalid message type",
    40013: "invalid appid",
    40014: "invalid access_token",
    40016: "invalid button size",
    40018: "invalid button name size",
    40023: "invalid sub button size",
    40125: "invalid appsecret",
    40164: "invalid ip 203.0.113.7 ipv6 ::ffff:203.0.113.7, not in whitelist",
    41001: "access_token missing",
    42001: "access_token expired",
    43004: "require subscribe",
    44004: "empty content",
    45002: "content size out of limit",
    45009: "reach max api daily quota limit",
    45015: "response out of time limit or subscription is canceled",
    45047: "out of response count limit",
    45080: "no interaction with the user in the last 30 seconds",
    45081: "already in typing",
    47001: "data format error",
    48001: "api unauthorized",
}


@dataclass(frozen=True, slots=True)
class Http:
    """A fault: this status instead of an answer."""

    status: int


@dataclass(frozen=True, slots=True)
class Cut:
    """A fault: the connection breaks in the middle of the answer, after the call was carried out or before."""

    done: bool = False


@dataclass(frozen=True, slots=True)
class Hang:
    """A fault: no answer until the caller gives up."""


Fault = int | Http | Cut | Hang  # int: an errcode


@dataclass(slots=True)
class Window:
    """How many customer-service messages a user may still be sent, and until when."""

    left: int
    until: float


@dataclass(slots=True)
class Call:
    """One call that arrived at the API."""

    path: str
    payload: dict[str, object]
    body: bytes
    errcode: int | None  # None: it was not answered with one


@dataclass
class ApiFace:
    """Answers the calls of one account. `show` is told what a user's phone shows: openid, text."""

    app_id: str
    secret: str
    show: Callable[[str, str], None]
    clock: Callable[[], float] = time.time
    lifetime: int = 7200
    faults: dict[str, deque[Fault]] = field(default_factory=lambda: defaultdict(deque))  # each used once, by path
    standing: dict[str, Fault] = field(default_factory=dict)  # used every time, by path
    calls: list[Call] = field(default_factory=list)
    windows: dict[str, Window] = field(default_factory=dict)
    spoke_at: dict[str, float] = field(default_factory=dict)
    typing_at: dict[str, float] = field(default_factory=dict)
    media: dict[str, bytes] = field(default_factory=dict)
    menu: dict[str, object] | None = None
    token: str = ""
    token_until: float = 0.0
    _arrival: asyncio.Event = field(default_factory=asyncio.Event)

    def app(self) -> Starlette:
        routes = [Route(path, self._post, methods=["POST"]) for path in (STABLE_TOKEN, SEND, TYPING, MENU)]
        routes += [Route(path, self._get, methods=["GET"]) for path in (TOKEN, MEDIA)]
        return Starlette(routes=routes)

    def interact(self, openid: str, messages: int, seconds: float) -> None:
        """The user did something: so many messages may be sent back for so long."""
        now = self.clock()
        self.windows[openid] = Window(messages, now + seconds)
        self.spoke_at[openid] = now
        self.typing_at.pop(openid, None)

    def spoil_token(self) -> None:
        """Somebody else fetched a token: the one in use is refused with 40001."""
        self.token = ""

    def count(self, path: str) -> int:
        """How many calls arrived there."""
        return sum(call.path == path for call in self.calls)

    async def arrived(self, path: str, count: int = 1, within: float = 10.0) -> list[Call]:
        """Wait until that many calls arrived at `path`; gives them."""
        async with asyncio.timeout(within):
            while self.count(path) < count:
                await self._arrival.wait()
        return [call for call in self.calls if call.path == path]

    async def _post(self, request: Request) -> Response:
        body = await request.body()
        try:
            payload = json.loads(body)
        except ValueError:
            payload = None
        if not isinstance(payload, dict):
            return self._finish(request, {}, body, 47001)
        fault = self._fault(request.url.path)
        if isinstance(fault, Cut) and fault.done:
            self._carry_out(request, payload)
        if fault is not None:
            return self._spoil(request, payload, body, fault)
        return self._finish(request, payload, body, self._carry_out(request, payload))

    def _carry_out(self, request: Request, payload: dict[str, object]) -> int:
        """Do what the call asks; gives the errcode."""
        path = request.url.path
        if path == STABLE_TOKEN:
            return self._stable_token(payload)
        if code := self._check_token(request):
            return code
        return {SEND: self._send, TYPING: self._typing, MENU: self._create_menu}[path](payload)

    async def _get(self, request: Request) -> Response:
        query = dict(request.query_params)
        shown: dict[str, object] = {k: v for k, v in query.items() if k not in ("access_token", "secret")}
        if (fault := self._fault(request.url.path)) is not None:
            return self._spoil(request, shown, b"", fault)
        if request.url.path == TOKEN:
            code = self._check_account(query)
            if not code:
                self._new_token()
            return self._finish(request, shown, b"", code)
        if code := self._check_token(request):
            return self._finish(request, shown, b"", code)
        if (media := self.media.get(query.get("media_id", ""))) is None:
            return self._finish(request, shown, b"", 40007)
        return Response(media, media_type="application/octet-stream")

    def _fault(self, path: str) -> Fault | None:
        if self.faults[path]:
            return self.faults[path].popleft()
        return self.standing.get(path)

    def _spoil(self, request: Request, payload: dict[str, object], body: bytes, fault: Fault) -> Response:
        if isinstance(fault, int):
            return self._finish(request, payload, body, fault)
        self._note(Call(request.url.path, payload, body, None))
        if isinstance(fault, Http):
            return Response("<html>gateway</html>", fault.status)
        return _Broken(hang=isinstance(fault, Hang))

    def _finish(self, request: Request, payload: dict[str, object], body: bytes, code: int) -> Response:
        path = request.url.path
        self._note(Call(path, payload, body, code))
        if code == 0 and path in (STABLE_TOKEN, TOKEN):
            return JSONResponse({"access_token": self.token, "expires_in": int(self.token_until - self.clock())})
        return JSONResponse({"errcode": code, "errmsg": ERRORS.get(code, "ok" if code == 0 else "error")})

    def _note(self, call: Call) -> None:
        self.calls.append(call)
        self._arrival.set()
        self._arrival = asyncio.Event()

    def _check_account(self, given: dict[str, object] | dict[str, str]) -> int:
        if given.get("grant_type") != "client_credential":
            return 40002
        if given.get("appid") != self.app_id:
            return 40013
        return 0 if given.get("secret") == self.secret else 40125

    def _stable_token(self, payload: dict[str, object]) -> int:
        if code := self._check_account(payload):
            return code
        if payload.get("force_refresh") or not self.token or self.token_until - self.clock() < 300:
            self._new_token()
        return 0

    def _new_token(self) -> None:
        self.token = secrets.token_urlsafe(24)
        self.token_until = self.clock() + self.lifetime

    def _check_token(self, request: Request) -> int:
        token = request.query_params.get("access_token", "")
        if not token:
            return 41001
        if token != self.token:
            return 40001
        return 42001 if self.clock() >= self.token_until else 0

    def _send(self, payload: dict[str, object]) -> int:
        openid, text = payload.get("touser"), payload.get("text")
        if payload.get("msgtype") != "text" or not isinstance(text, dict):
            return 40008
        content = text.get("content")
        if not isinstance(openid, str):
            return 40003
        if not isinstance(content, str) or not content:
            return 44004
        if len(content.encode()) > LONGEST_TEXT:
            return 45002
        window = self.windows.get(openid)
        if window is None or self.clock() >= window.until:
            return 45015
        if window.left == 0:
            return 45047
        window.left -= 1
        self.show(openid, content)
        return 0

    def _typing(self, payload: dict[str, object]) -> int:
        openid, now = str(payload.get("touser")), self.clock()
        if payload.get("command") == "CancelTyping":
            self.typing_at.pop(openid, None)
            return 0
        if now - self.spoke_at.get(openid, -31) > 30:
            return 45080
        if now - self.typing_at.get(openid, -16) < 15:
            return 45081
        self.typing_at[openid] = now
        return 0

    def _create_menu(self, payload: dict[str, object]) -> int:
        buttons = payload.get("button")
        if not isinstance(buttons, list) or not 1 <= len(buttons) <= 3:
            return 40016
        for button in buttons:
            below = button.get("sub_button", [])
            if len(below) > 5:
                return 40023
            if len(button["name"].encode()) > 16 or any(len(b["name"].encode()) > 60 for b in below):
                return 40018
        self.menu = payload
        return 0


class _Broken(Response):
    """An answer that never ends well: it stops in the middle, or does not begin before the caller gives up."""

    def __init__(self, hang: bool) -> None:
        super().__init__()
        self._hang = hang

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        while self._hang and (await receive())["type"] != "http.disconnect":
            pass
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"100")]})
        await send({"type": "http.response.body", "body": b"{", "more_body": True})
