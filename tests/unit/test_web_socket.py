"""The web chat over a real WebSocket: nothing acknowledged before it is stored, nothing lost, nothing twice."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from httpx import AsyncClient
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from adapters.base import Address, Button, Kind
from adapters.web import WebAdapter, frames
from adapters.web.frames import NotUnderstood
from adapters.web.visitors import COOKIE, RateLimit, chat_of, new_token
from tests.e2e.web_room import Room, Site, say, web_chat

ID = "0123456789abcdef"


class Page:
    """What the browser's page does, without a browser."""

    def __init__(self, site: Site, token: str) -> None:
        self.site = site
        self.token = token
        chat = chat_of(token)
        assert chat
        self.address = Address("web", "web", chat)

    def connect(self, **changed: Any) -> connect:
        headers = {"Cookie": f"{COOKIE}={self.token}", "Origin": self.site.url} | changed.pop("headers", {})
        return connect(
            f"ws://127.0.0.1:{self.site.port}/ws", additional_headers={k: v for k, v in headers.items() if v}, **changed
        )


async def send(socket: ClientConnection, **frame: Any) -> None:
    await socket.send(json.dumps(frame))


async def heard(socket: ClientConnection, wanted: str) -> dict[str, Any]:
    """The next frame of a type; those of other types are passed over."""
    async with asyncio.timeout(10):
        while True:
            frame: dict[str, Any] = json.loads(await socket.recv())
            if frame["type"] == wanted:
                return frame


async def greet(socket: ClientConnection, *known: int) -> list[dict[str, Any]]:
    """Say hello; gives every line shown until the page is up to date."""
    await send(socket, type="hello", known=known, language="en")
    shown: list[dict[str, Any]] = []
    async with asyncio.timeout(10):
        while (frame := json.loads(await socket.recv()))["type"] != "ready":
            shown = [] if frame["type"] == "reset" else shown + frame.get("lines", [])
    return shown


async def texts(socket: ClientConnection, count: int) -> list[str]:
    """The next `count` lines' texts."""
    found: list[str] = []
    while len(found) < count:
        found += [line["text"] for line in (await heard(socket, "lines"))["lines"]]
    return found


@pytest.fixture
def room() -> Room:
    return Room()


@pytest.fixture
async def chat(room: Room) -> AsyncIterator[tuple[WebAdapter, Page]]:
    async with web_chat(room, alive_seconds=0.2) as (adapter, site):
        yield adapter, Page(site, new_token())


async def test_a_message_is_acknowledged_only_after_it_is_stored(room: Room, chat: tuple[WebAdapter, Page]) -> None:
    _, page = chat
    room.gate = asyncio.Event()
    async with page.connect() as socket:
        await greet(socket)
        await send(socket, type="say", id=ID, text="hello")
        assert await heard(socket, "alive"), "the page hears from the server although the store is slow"
        room.gate.set()
        ack = await heard(socket, "ack")
    assert ack == {"type": "ack", "id": ID, "message_id": 1}
    (message,) = room.received
    assert (message.kind, message.text, message.language_hint) == (Kind.TEXT, "hello", "en")
    assert message.address == page.address
    assert page.token not in repr(message), "the store never holds the bearer"


async def test_a_message_that_cannot_be_stored_is_refused_and_counts_once_when_repeated(
    room: Room, chat: tuple[WebAdapter, Page]
) -> None:
    _, page = chat
    room.failures = 1
    async with page.connect() as socket:
        await greet(socket)
        await send(socket, type="say", id=ID, text="hello")
        assert await heard(socket, "error") == {"type": "error", "id": ID, "error": "not_stored"}
        for _ in range(3):
            await send(socket, type="say", id=ID, text="hello")
            assert (await heard(socket, "ack"))["message_id"] == 1
    assert len(room.received) == 1


async def test_lines_missed_while_away_come_once_and_in_order(room: Room, chat: tuple[WebAdapter, Page]) -> None:
    adapter, page = chat
    async with page.connect() as socket:
        await greet(socket)
        for number in range(20):
            await say(adapter, room, page.address, str(number))
        seen = [int(text) for text in await texts(socket, 20)]
    for number in range(20, 40):
        await say(adapter, room, page.address, str(number))
    async with page.connect() as socket:
        seen += [int(line["text"]) for line in await greet(socket, *range(13, 21))]
        await say(adapter, room, page.address, "40")
        seen += [int(text) for text in await texts(socket, 1)]
    assert seen == list(range(41))


async def test_a_line_that_becomes_visible_late_is_not_skipped(room: Room, chat: tuple[WebAdapter, Page]) -> None:
    """Two transactions overlap: the line with the smaller id is committed last."""
    adapter, page = chat
    early, late = (room.add(page.address, "bot", text, shown=False) for text in ("first", "second"))
    async with page.connect() as socket:
        await greet(socket)
        room.lines[page.address] = [late]
        adapter.notify(page.address.chat)
        assert await texts(socket, 1) == ["second"]
        room.lines[page.address] = [early, late]
        adapter.notify(page.address.chat)
        assert await texts(socket, 1) == ["first"]


async def test_an_erased_conversation_leaves_every_page(room: Room, chat: tuple[WebAdapter, Page]) -> None:
    adapter, page = chat
    await say(adapter, room, page.address, "old")
    async with page.connect() as open_page:
        await greet(open_page)
        room.erase(page.address)
        await say(adapter, room, page.address, "erased")
        assert await heard(open_page, "reset")
        assert await texts(open_page, 1) == ["erased"]
    async with page.connect() as returning:
        assert [line["text"] for line in await greet(returning, 1)] == ["erased"]


async def test_a_wake_up_that_got_lost_is_made_good(room: Room, chat: tuple[WebAdapter, Page]) -> None:
    _, page = chat
    async with page.connect() as socket:
        await greet(socket)
        room.add(page.address, "counsellor", "by another process", name="Lin")
        (line,) = (await heard(socket, "lines"))["lines"]
    assert (line["author"], line["name"], line["text"]) == ("counsellor", "Lin", "by another process")


async def test_a_visitor_sees_nothing_of_another(room: Room, chat: tuple[WebAdapter, Page]) -> None:
    adapter, page = chat
    await say(adapter, room, page.address, "private")
    other = Page(page.site, new_token())
    async with other.connect() as socket:
        assert await greet(socket) == []
        await say(adapter, room, page.address, "private again")
        await adapter.draft(page.address, "private draft")
        assert await heard(socket, "alive")


async def test_every_page_of_a_visitor_shows_what_was_written_on_one(room: Room, chat: tuple[WebAdapter, Page]) -> None:
    _, page = chat
    async with page.connect() as one, page.connect() as two:
        await greet(one)
        await greet(two)
        await send(one, type="say", id=ID, text="hello")
        (line,) = (await heard(two, "lines"))["lines"]
    assert (line["text"], line["author"], line["client_id"]) == ("hello", "user", ID)


async def test_a_draft_is_replaced_by_the_answer(room: Room, chat: tuple[WebAdapter, Page]) -> None:
    adapter, page = chat
    async with page.connect() as socket:
        await greet(socket)
        await adapter.typing(page.address)
        await heard(socket, "typing")
        await adapter.draft(page.address, "Half of an")
        assert (await heard(socket, "draft"))["text"] == "Half of an"
        await adapter.draft(page.address, "Half of an answer")
        await say(adapter, room, page.address, "An answer.")
        assert await texts(socket, 1) == ["An answer."]
        async with asyncio.timeout(10):
            while (frame := json.loads(await socket.recv()))["type"] != "alive":
                assert frame["type"] != "draft", "a draft after its answer would stay on the page"


async def test_commands_and_buttons(room: Room, chat: tuple[WebAdapter, Page]) -> None:
    adapter, page = chat
    await say(adapter, room, page.address, "Sure?", buttons=((Button("Yes", "forget yes"), Button("No", "no")),))
    async with page.connect() as socket:
        (line,) = await greet(socket)
        await send(socket, type="press", id="press-0001", action=line["buttons"][0][0]["action"])
        await send(socket, type="say", id="say-00001", text="/Language en")
        await room.wait_for(2)
    assert [(m.kind, m.text) for m in room.received] == [(Kind.ACTION, "forget yes"), (Kind.COMMAND, "language en")]


@pytest.mark.parametrize(
    ("frame", "error"),
    [
        ("not json", "not_understood"),
        ("[]", "not_understood"),
        ('{"type": "erase"}', "not_understood"),
        ('{"type": "hello", "known": ["x"]}', "not_understood"),
        ('{"type": "hello", "known": [-1]}', "not_understood"),
        (json.dumps({"type": "hello", "known": [1] * 100}), "not_understood"),
        ('{"type": "say", "id": "short", "text": "hello"}', "not_understood"),
        ('{"type": "say", "id": "0123456789:web", "text": "hello"}', "not_understood"),
        ('{"type": "say", "id": "0123456789", "text": 7}', "not_understood"),
        ('{"type": "shout", "id": "0123456789", "text": "x"}', "not_understood"),
        ('{"type": "say", "id": "0123456789", "text": "\\ud800"}', "not_understood"),
        ('{"type": "press", "id": "0123456789", "action": ""}', "not_understood"),
        (b"\x00\x01", "not_understood"),
        (json.dumps({"type": "say", "id": ID, "text": "x" * 1_100_000}), "too_long"),
        (json.dumps({"type": "say", "id": ID, "text": "难" * 400_000}, ensure_ascii=False), "too_long"),
        (json.dumps({"type": "say", "id": ID, "text": " \n\t "}), "empty"),
    ],
)
async def test_bad_input_is_refused_by_name_and_the_line_stays_open(
    room: Room, chat: tuple[WebAdapter, Page], frame: str | bytes, error: str
) -> None:
    _, page = chat
    async with page.connect() as socket:
        await socket.send(frame)
        refused = await heard(socket, "error")
        assert refused["error"] == error
        assert refused.get("id") in (None, ID, "0123456789")
        await greet(socket)
        await send(socket, type="say", id=ID, text="still here")
        await heard(socket, "ack")
    assert [message.text for message in room.received] == ["still here"]


@pytest.mark.parametrize("text", ["难" * 100_000, "😮‍💨🏳️‍🌈", "a\x00b\x1b[31m", "\u202eabc"])
async def test_unusual_texts_reach_the_bot_as_they_are(room: Room, chat: tuple[WebAdapter, Page], text: str) -> None:
    _, page = chat
    async with page.connect(max_size=None) as socket:
        await greet(socket)
        await send(socket, type="say", id=ID, text=text)
        await heard(socket, "ack")
    assert room.received[0].text == text


async def test_too_many_messages_are_refused_with_the_time_to_wait(room: Room) -> None:
    async with web_chat(room, messages_per_window=3, window_seconds=0.3) as (_, site):
        page = Page(site, new_token())
        async with page.connect() as socket:
            await greet(socket)
            for number in range(4):
                await send(socket, type="say", id=f"message-{number}", text=str(number))
            refused = await heard(socket, "error")
            assert (refused["id"], refused["error"]) == ("message-3", "too_fast")
            assert 0 <= refused["retry_after"] <= 0.3
            while len(room.received) < 4:
                await send(socket, type="say", id="message-3", text="3")
                await asyncio.wait([asyncio.ensure_future(socket.recv())])
    assert [message.text for message in room.received] == ["0", "1", "2", "3"]


async def test_a_broken_store_closes_with_a_reason(room: Room, chat: tuple[WebAdapter, Page]) -> None:
    _, page = chat

    async def broken(address: Address, message_id: int) -> list[Any]:
        raise RuntimeError("secret text")

    room.since = broken  # type: ignore[method-assign]  # the store fails
    async with page.connect() as socket:
        await send(socket, type="hello")
        await socket.wait_closed()
        assert socket.close_code == 1011
        assert socket.close_reason == "the conversation cannot be read at the moment"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": None}, 403),
        ({"Cookie": None}, 401),
        ({"Cookie": f"{COOKIE}=guess"}, 401),
        ({"Cookie": f"{COOKIE}={'é' * 43}"}, 401),
    ],
)
async def test_strangers_are_refused(
    chat: tuple[WebAdapter, Page], headers: dict[str, str | None], status: int
) -> None:
    _, page = chat
    with pytest.raises(InvalidStatus) as refused:
        await page.connect(headers=headers)
    assert refused.value.response.status_code == status


async def test_the_public_address_is_this_site_too(room: Room) -> None:
    async with web_chat(room, public_url="https://care.example.org") as (_, site):
        page = Page(site, new_token())
        async with page.connect(headers={"Origin": "https://care.example.org"}) as socket:
            await greet(socket)
        async with AsyncClient(base_url=site.url) as client:
            assert "secure" in (await client.get("/")).headers["set-cookie"].lower()


async def test_one_visitor_cannot_open_pages_without_end(chat: tuple[WebAdapter, Page]) -> None:
    _, page = chat
    sockets = [await page.connect() for _ in range(16)]
    with pytest.raises(InvalidStatus) as refused:
        await page.connect()
    assert refused.value.response.status_code == 429
    for socket in sockets:
        await socket.close()


async def test_health_tells_whether_messages_are_taken(room: Room) -> None:
    adapter = WebAdapter(room)
    assert not adapter.health().ok
    async with web_chat(room) as (running, site):
        assert running.health().ok
        page = Page(site, new_token())
        async with page.connect() as socket:
            await greet(socket)
            await send(socket, type="say", id=ID, text="hello")
            await heard(socket, "ack")
            assert running.health().last_contact


@given(st.text() | st.binary())
def test_any_frame_is_read_or_refused(raw: str | bytes) -> None:
    try:
        frames.parse(raw)
    except NotUnderstood as fault:
        assert fault.code in ("not_understood", "too_long")  # noqa: PT017 - either outcome is right


@given(st.lists(st.floats(0, 5), max_size=60))
def test_no_window_ever_holds_more_than_the_limit(pauses: list[float]) -> None:
    now = 0.0
    limit = RateLimit(5, 3.0, lambda: now)
    taken: list[float] = []
    for pause in pauses:
        now += pause
        if (wait := limit.wait("a")) == 0:
            taken.append(now)
        else:
            assert 0 < wait <= 3.0
        assert len([at for at in taken if at > now - 3.0]) <= 5


def test_a_frame_that_cannot_be_read_is_refused_by_its_id() -> None:
    with pytest.raises(NotUnderstood) as refused:
        frames.parse(json.dumps({"type": "from a newer page", "id": ID}))
    assert refused.value.id == ID
