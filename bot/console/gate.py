"""What is open without signing in (the login pages), and the gate before everything else of the console."""

from importlib.resources import files
from typing import TypeVar

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse, RedirectResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adapters.web.pages import HEADERS, same_origin
from bot.console.auth import MIN_PASSWORD, SESSION_LIFE, Accounts, RefusedError
from config import Language, load_texts

COOKIE = "psyllm_console"
PATH = "/console"

_FILES = {
    "login.js": "text/javascript; charset=utf-8",
    "console.js": "text/javascript; charset=utf-8",
    "keys.js": "text/javascript; charset=utf-8",
    "login.css": "text/css; charset=utf-8",
    "console.css": "text/css; charset=utf-8",
    "case.css": "text/css; charset=utf-8",
    "pages.css": "text/css; charset=utf-8",
}

DESK_HEADERS = {
    **HEADERS,
    # The console's framework writes inline scripts and compiles templates; still nothing comes from another host.
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; font-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
}


class _Nothing(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _SignIn(_Nothing):
    name: str = Field(max_length=200)
    password: str = Field(max_length=5000)
    code: str = Field("", max_length=40)


class _Invitation(_Nothing):
    token: str = Field(max_length=200)


class _SetUp(_Invitation):
    password: str = Field(max_length=5000)


F = TypeVar("F", bound=_Nothing)
_MOST_BYTES = 40_000
_FOREIGN = "This request does not come from the console's own page."


def login_routes(accounts: Accounts, public_url: str) -> APIRouter:
    """Sign in, set a password, sign out. A refusal's `detail` is a key of `console.` texts."""
    router = APIRouter(prefix=PATH, include_in_schema=False)

    async def read(request: Request, form: type[F]) -> F:
        """The form a page of ours sent. What was sent is never repeated in a refusal: it may be a password."""
        if not same_origin(request.headers.get("origin"), request.headers.get("host"), public_url):
            raise HTTPException(403, _FOREIGN, HEADERS)
        body = b""
        async for chunk in request.stream():
            if len(body := body + chunk) > _MOST_BYTES:
                break
        try:
            return form.model_validate_json(body)
        except ValidationError:
            raise HTTPException(422, "wrong", HEADERS) from None

    def signed_in(request: Request, token: str) -> Response:
        response = JSONResponse({"ok": True}, headers=HEADERS)
        secure = request.url.scheme == "https" or public_url.startswith("https:")
        life = int(SESSION_LIFE.total_seconds())
        response.set_cookie(COOKIE, token, life, path=PATH, httponly=True, samesite="strict", secure=secure)
        return response

    @router.get("/login")
    @router.get("/setup")
    async def login_page() -> Response:
        return Response(_read("login.html"), 200, {**HEADERS, "Cache-Control": "no-cache"}, "text/html; charset=utf-8")

    @router.get("/static/{name}")
    async def static(name: str) -> Response:
        if name not in _FILES:
            return PlainTextResponse("There is no such file.", 404, HEADERS)
        return Response(_read(name), 200, {**HEADERS, "Cache-Control": "no-cache"}, _FILES[name])

    @router.get("/words/{language}.json")
    async def words(language: str) -> Response:
        if language not in set(Language):
            return PlainTextResponse("There is no such language.", 404, HEADERS)
        texts = load_texts(Language(language))
        keys = ("title", "sign_in", "name", "password", "set_password", "wrong", "throttled", "connection_lost")
        more = ("setup_title", "setup_expired", "code", "code_hint", "code_needed", "code_wrong")
        found = {key: texts.get(f"console.{key}") for key in (*keys, *more)}
        found["password_rule"] = texts.get("console.password_rule", length=MIN_PASSWORD)
        return JSONResponse(found, headers={**HEADERS, "Cache-Control": "no-cache"})

    @router.post("/login")
    async def sign_in(request: Request) -> Response:
        form = await read(request, _SignIn)
        address = request.client.host if request.client else ""
        try:
            return signed_in(request, await accounts.sign_in(form.name, form.password, address, form.code))
        except RefusedError as error:
            raise HTTPException(429 if error.key == "throttled" else 401, error.key, HEADERS) from None

    @router.post("/invitation")
    async def invitation(request: Request) -> Response:
        form = await read(request, _Invitation)
        if (counsellor := await accounts.invited(form.token)) is None:
            raise HTTPException(410, "setup_expired", HEADERS)
        return JSONResponse({"name": counsellor.name}, headers=HEADERS)

    @router.post("/setup")
    async def set_up(request: Request) -> Response:
        form = await read(request, _SetUp)
        try:
            return signed_in(request, await accounts.set_up(form.token, form.password))
        except RefusedError as error:
            raise HTTPException(422 if error.key == "password_rule" else 410, error.key, HEADERS) from None

    @router.post("/logout")
    async def sign_out(request: Request) -> Response:
        await read(request, _Nothing)
        await accounts.sign_out(request.cookies.get(COOKIE))
        response = JSONResponse({"ok": True}, headers=HEADERS)
        response.delete_cookie(COOKIE, path=PATH)
        return response

    return router


def _read(name: str) -> bytes:
    return files("bot.console").joinpath("static", name).read_bytes()


class Gate:
    """ASGI middleware: nothing behind it is reached without a live session, nor from another site's page."""

    def __init__(self, app: ASGIApp, accounts: Accounts, public_url: str) -> None:
        self._app = app
        self._accounts = accounts
        self._public_url = public_url

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self._app(scope, receive, send)
        connection = HTTPConnection(scope)
        counsellor = await self._accounts.who(connection.cookies.get(COOKIE))
        if counsellor is None or not self._from_here(connection):
            return await _turn_away(scope, receive, send, signed_in=counsellor is not None)
        scope.setdefault("state", {})["counsellor"] = counsellor
        if scope["type"] == "websocket":
            return await self._app(scope, receive, send)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in DESK_HEADERS.items():
                    if name != "Cache-Control" or name not in headers:
                        headers[name] = value
            await send(message)

        try:
            return await self._app(scope, receive, send_with_headers)
        except RuntimeError:  # what the framework's middleware makes of a browser that went away
            if not await Request(scope, receive).is_disconnected():
                raise

    def _from_here(self, connection: HTTPConnection) -> bool:
        if connection.scope["type"] == "http" and connection.scope["method"] in ("GET", "HEAD"):
            return True
        headers = connection.headers
        return same_origin(headers.get("origin"), headers.get("host"), self._public_url)


async def _turn_away(scope: Scope, receive: Receive, send: Send, signed_in: bool) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": "sign in first"})
        return
    accepts = HTTPConnection(scope).headers.get("accept", "")
    response: Response
    if signed_in:
        response = PlainTextResponse(_FOREIGN, 403, HEADERS)
    elif scope["method"] == "GET" and "text/html" in accepts:
        response = RedirectResponse(f"{PATH}/login", 303, HEADERS)
    else:
        response = PlainTextResponse("Sign in first.", 401, HEADERS)
    await response(scope, receive, send)
