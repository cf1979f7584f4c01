"""The page's files, words and headers."""

import re
from collections.abc import AsyncIterator

import pytest
from httpx import AsyncClient

from adapters.web.pages import same_origin, static_files, strings
from adapters.web.visitors import COOKIE, chat_of
from config.language import Language
from tests.e2e.web_room import Room, web_chat


@pytest.fixture
async def client() -> AsyncIterator[AsyncClient]:
    async with web_chat(Room()) as (_, site), AsyncClient(base_url=site.url) as client:
        yield client


async def test_the_page_gives_a_visitor_a_cookie_and_keeps_it(client: AsyncClient) -> None:
    first = await client.get("/")
    assert first.status_code == 200
    cookie = first.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "secure" not in cookie, "plain http on this machine"
    token = client.cookies[COOKIE]
    assert chat_of(token)
    await client.get("/")
    assert client.cookies[COOKIE] == token
    assert (await client.head("/")).status_code == 200


async def test_a_cookie_that_is_not_ours_is_replaced(client: AsyncClient) -> None:
    client.cookies.set(COOKIE, "../../etc/passwd")
    response = await client.get("/")
    assert "../../etc/passwd" not in response.headers["set-cookie"]


async def test_no_file_or_word_of_the_page_comes_from_another_host(client: AsyncClient) -> None:
    for name, (content, _, _) in static_files().items():
        text = content.decode().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://", text), name
        response = await client.get(f"/static/{name}")
        assert response.headers["x-content-type-options"] == "nosniff"
        policy = response.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self';")
        assert "unsafe" not in policy


async def test_the_page_has_no_inline_script_or_style() -> None:
    page = static_files()["index.html"][0].decode()
    assert not re.search(r"<script(?![^>]*\bsrc=)", page)
    assert not re.search(r"<style|\sstyle=|\son\w+=", page)


async def test_an_unchanged_file_is_not_sent_again(client: AsyncClient) -> None:
    tag = (await client.get("/static/chat.css")).headers["etag"]
    assert (await client.get("/static/chat.css", headers={"If-None-Match": tag})).status_code == 304


@pytest.mark.parametrize("path", ["/static/none.js", "/static/..%2fadapter.py", "/strings/fr.json", "/strings/..json"])
async def test_what_does_not_exist_is_404(client: AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 404


@pytest.mark.parametrize("language", list(Language))
def test_every_word_the_page_names_exists(language: Language) -> None:
    words = strings(language, "CN")["words"]
    assert isinstance(words, dict)
    html = static_files()["index.html"][0].decode()
    script = "".join(static_files()[name][0].decode() for name in ("chat.js", "log.js"))
    named = set(re.findall(r'data-(?:word|label|placeholder)="([\w.]+)"', html))
    named |= set(re.findall(r'"((?:web|menu|input|crisis)\.\w+)"', script))
    assert len(named) > 15
    assert named <= words.keys()


@pytest.mark.parametrize("language", list(Language))
async def test_the_page_knows_the_crisis_lines(client: AsyncClient, language: Language) -> None:
    answer = (await client.get(f"/strings/{language}.json")).json()
    assert {"110", "120", "12356"} <= {line["number"] for line in answer["lines"]}
    assert all(line["name"] and line["hours"] for line in answer["lines"])


@pytest.mark.parametrize(
    ("origin", "host", "public", "same"),
    [
        ("http://127.0.0.1:8080", "127.0.0.1:8080", "", True),
        ("https://care.example.org", "127.0.0.1:8080", "https://care.example.org/", True),
        ("https://care.example.org", "care.example.org", "", True),
        ("http://care.example.org", "127.0.0.1:8080", "https://care.example.org", False),
        ("http://127.0.0.1:8081", "127.0.0.1:8080", "", False),
        ("https://evil.example", "127.0.0.1:8080", "", False),
        ("null", "null", "", False),
        ("", "", "", False),
        (None, None, "", False),
        ("http://", "", "", False),
        ("file://x", "x", "", False),
        ("http://[bad", "bad", "", False),
    ],
)
def test_origin(origin: str | None, host: str | None, public: str, same: bool) -> None:
    assert same_origin(origin, host, public) is same
