"""The door of the console over real HTTP: nothing behind it without a session, nothing from another site's page."""

import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from fastapi import FastAPI, Request, Response, WebSocket
from fastapi.responses import PlainTextResponse
from httpx import AsyncClient
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from bot.console.auth import Accounts
from bot.console.gate import COOKIE, Gate, login_routes
from bot.store import Store
from config.roster import DEFAULT_ROSTER
from tests.e2e.web_room import Site

PASSWORD = "correct horse battery"
Wrap = Callable[[str], Awaitable[tuple[Accounts, Site]]]


@pytest.fixture
async def house(store: Store) -> AsyncIterator[Wrap]:
    """Makes a site with the gate before a page, a form and a WebSocket."""
    sites: list[Site] = []

    async def build(public_url: str) -> tuple[Accounts, Site]:
        accounts = Accounts(store, DEFAULT_ROSTER)
        behind = FastAPI()

        @behind.get("/")
        async def desk(request: Request) -> Response:
            return PlainTextResponse(f"desk of {request.state.counsellor.id}")

        @behind.post("/act")
        async def act() -> Response:
            return PlainTextResponse("done")

        @behind.websocket("/live")
        async def live(socket: WebSocket) -> None:
            await socket.accept()
            await socket.send_text(socket.state.counsellor.id)
            await socket.close()

        behind.add_middleware(Gate, accounts=accounts, public_url=public_url)
        app = FastAPI()
        app.include_router(login_routes(accounts, public_url))
        app.mount("/console", behind)
        site = Site(app)
        await site.start()
        sites.append(site)
        return accounts, site

    yield build
    for site in sites:
        await site.stop()


async def enter(accounts: Accounts, client: AsyncClient) -> Response:
    token = await accounts.invite("operator")
    form = {"token": token, "password": PASSWORD}
    return await client.post("/console/setup", json=form, headers={"Origin": str(client.base_url).rstrip("/")})  # type: ignore[return-value]  # httpx's


def test_a_process_pays_for_the_console_only_when_somebody_comes_in() -> None:
    code = "import sys, bot.server, bot.console; sys.exit('nicegui' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


async def test_without_a_session_there_is_only_the_login(house: Wrap) -> None:
    _, site = await house("")
    async with AsyncClient(base_url=site.url) as client:
        page = await client.get("/console/", headers={"Accept": "text/html"})
        assert (page.status_code, page.headers["location"]) == (303, "/console/login")
        assert (await client.get("/console/")).status_code == 401
        assert (await client.post("/console/act", headers={"Origin": site.url})).status_code == 401
        client.cookies.set(COOKIE, "guess", path="/console")
        assert (await client.get("/console/")).status_code == 401
    with pytest.raises(InvalidStatus) as refused:
        await connect(f"ws://127.0.0.1:{site.port}/console/live", origin=site.url)  # type: ignore[arg-type]  # a str
    assert refused.value.response.status_code == 403


async def test_a_session_opens_the_desk_to_its_own_pages_only(house: Wrap) -> None:
    accounts, site = await house("")
    async with AsyncClient(base_url=site.url) as client:
        cookie = (await enter(accounts, client)).headers["set-cookie"].lower()
        assert all(word in cookie for word in ("httponly", "samesite=strict", "path=/console"))
        assert "secure" not in cookie
        page = await client.get("/console/")
        assert page.text == "desk of operator"
        assert page.headers["cache-control"] == "no-store"
        assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
        assert (await client.post("/console/act", headers={"Origin": site.url})).text == "done"
        for origin in ("https://evil.example", "null", ""):
            assert (await client.post("/console/act", headers={"Origin": origin})).status_code == 403
        headers = {"Cookie": f"{COOKIE}={client.cookies[COOKIE]}"}
        url = f"ws://127.0.0.1:{site.port}/console/live"
        async with connect(url, origin=site.url, additional_headers=headers) as socket:  # type: ignore[arg-type]  # a str
            assert await socket.recv() == "operator"
        with pytest.raises(InvalidStatus) as refused:
            await connect(url, origin="https://evil.example", additional_headers=headers)  # type: ignore[arg-type]  # a str
        assert refused.value.response.status_code == 403
        assert (await client.post("/console/logout", json={}, headers={"Origin": site.url})).status_code == 200
        assert (await client.get("/console/")).status_code == 401


async def test_the_cookie_is_secure_behind_https(house: Wrap) -> None:
    accounts, site = await house("https://care.example.org")
    async with AsyncClient(base_url=site.url) as client:
        assert "secure" in (await enter(accounts, client)).headers["set-cookie"].lower()


@pytest.mark.parametrize("path", ["login", "setup", "logout", "invitation"])
@pytest.mark.parametrize("origin", ["https://evil.example", "null", None])
async def test_no_form_is_taken_from_elsewhere(house: Wrap, path: str, origin: str | None) -> None:
    accounts, site = await house("")
    token = await accounts.invite("operator")
    forms = {
        "login": {"name": "operator", "password": PASSWORD},
        "setup": {"token": token, "password": PASSWORD},
        "invitation": {"token": token},
        "logout": {},
    }
    async with AsyncClient(base_url=site.url) as client:
        headers = {"Origin": origin} if origin else {}
        assert (await client.post(f"/console/{path}", json=forms[path], headers=headers)).status_code == 403


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("login", b"not json", 422),
        ("login", b'{"name": "operator"}', 422),
        ("login", b'{"name": 1, "password": []}', 422),
        ("login", b'{"name": "operator", "password": "wrong"}', 401),
        ("login", b'{"name": "operator", "password": "' + b"x" * 10_000 + b'"}', 422),
        ("login", b'{"name": "\\u0000", "password": "\\ud800"}', 422),
        ("login", b"x" * 1_000_000, 422),
        ("setup", b'{"token": "guess", "password": "short"}', 422),
        ("setup", b'{"token": "guess", "password": "correct horse battery"}', 410),
        ("invitation", b'{"token": "guess"}', 410),
    ],
)
async def test_bad_forms_get_a_clear_refusal(house: Wrap, path: str, body: bytes, status: int) -> None:
    _, site = await house("")
    async with AsyncClient(base_url=site.url) as client:
        headers = {"Origin": site.url, "Content-Type": "application/json"}
        answer = await client.post(f"/console/{path}", content=body, headers=headers)
        assert answer.status_code == status
        assert answer.json()["detail"]
        assert b"xxx" not in answer.content, "what was sent is not repeated"


async def test_the_login_page_has_its_words_and_no_inline_script(house: Wrap) -> None:
    _, site = await house("")
    async with AsyncClient(base_url=site.url) as client:
        page = await client.get("/console/login")
        assert "<script>" not in page.text
        assert page.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self';")
        for language in ("zh", "en"):
            words = (await client.get(f"/console/words/{language}.json")).json()
            assert all(words.values())
            assert "12" in words["password_rule"]
        assert (await client.get("/console/words/fr.json")).status_code == 404
        assert (await client.get("/console/static/login.js")).status_code == 200
        assert (await client.get("/console/static/none.js")).status_code == 404
        assert (await client.get("/console/static/..%2fgate.py")).status_code in (401, 404)
