"""The webhook: only Telegram gets in, 200 means kept, and what cannot be read is refused clearly."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic import SecretStr

from adapters import Kind
from adapters.telegram import TelegramAdapter
from adapters.telegram.webhook import MAX_BODY
from tests.emulators.telegram import TelegramEmulator
from tests.emulators.telegram_inbox import Clock, Inbox, make_adapter, running
from tests.emulators.wechat_serve import serve

SECRET = "s3cret-of_the_webhook"
HEADER = "X-Telegram-Bot-Api-Secret-Token"
HELLO: dict[str, Any] = {
    "update_id": 1,
    "message": {"message_id": 5, "date": 1700000000, "chat": {"id": 7, "type": "private"}, "text": "hello"},
}


class Room(Clock):
    """A bot behind real HTTP in webhook mode; its long waits last until `look_again`."""

    def __init__(self, telegram: TelegramEmulator) -> None:
        super().__init__()
        self.telegram = telegram
        self.inbox = Inbox()
        self.again = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        if seconds > 60:
            await self.again.wait()
            self.again.clear()
        await super().sleep(seconds)

    @contextlib.asynccontextmanager
    async def open(self, path: str = "") -> AsyncIterator[TelegramAdapter]:
        app = FastAPI()
        async with serve(app) as url, httpx.AsyncClient(base_url=url, trust_env=False) as self.client:
            options: dict[str, Any] = {
                "mode": "webhook",
                "webhook_url": url + path,
                "webhook_secret": SecretStr(SECRET),
            }
            adapter = make_adapter(self.telegram, self, **options)
            routes = adapter.routes()
            assert routes is not None
            app.include_router(routes)
            async with running(adapter, self.inbox):
                await self.telegram.wait_called("setWebhook")
                yield adapter

    @property
    def path(self) -> str:
        hook = self.telegram.state.webhook
        assert hook is not None
        return httpx.URL(hook.url).path

    async def post(self, body: bytes, secret: str = SECRET) -> httpx.Response:
        return await self.client.post(self.path, content=body, headers={HEADER: secret} if secret else {})


@pytest.fixture
async def telegram() -> AsyncIterator[TelegramEmulator]:
    async with TelegramEmulator() as emulator:
        yield emulator


@pytest.fixture
def room(telegram: TelegramEmulator) -> Room:
    return Room(telegram)


async def test_pushed_updates_arrive_in_order(telegram: TelegramEmulator, room: Room) -> None:
    telegram.push_text(7, "before the start")
    async with room.open() as adapter:
        await room.inbox.wait(1)
        telegram.push_many([(chat, f"{chat}-{n}") for n in range(10) for chat in (7, 8)])
        await room.inbox.wait(21)
        await telegram.wait_until(lambda: not telegram.state.updates)
        assert adapter.health().ok
    for chat in (7, 8):
        kept = [m.text for m in room.inbox.messages if m.address.chat == str(chat) and "-" in m.text]
        assert kept == [f"{chat}-{n}" for n in range(10)]
    assert set(telegram.webhook.statuses) == {200}


async def test_the_address_is_secret_and_holds_neither_token_nor_secret(telegram: TelegramEmulator, room: Room) -> None:
    async with room.open():
        assert room.path.startswith("/telegram/")
        name = room.path.removeprefix("/telegram/")
        assert len(name) >= 32
        assert SECRET not in name
        assert "AAtest" not in name
        assert (await room.client.post("/telegram/guess", json=HELLO)).status_code == 404
    call = telegram.called("setWebhook")[0]
    assert call.params["secret_token"] == SECRET
    assert json.loads(call.params["allowed_updates"]) == [
        "message",
        "edited_message",
        "callback_query",
        "my_chat_member",
    ]
    assert "drop_pending_updates" not in call.params


async def test_a_path_chosen_by_the_operator_is_kept(telegram: TelegramEmulator, room: Room) -> None:
    async with room.open("/prefix/telegram/chosen"):
        hook = telegram.state.webhook
        assert hook is not None
        assert hook.url.endswith("/prefix/telegram/chosen")
        answer = await room.client.post("/telegram/chosen", json=HELLO, headers={HEADER: SECRET})
        assert answer.status_code == 200, "a proxy takes the prefix off"


async def test_200_comes_only_after_the_commit(telegram: TelegramEmulator, room: Room) -> None:
    room.inbox.gate.clear()
    async with room.open():
        answer = asyncio.create_task(room.post(json.dumps(HELLO).encode()))
        await room.inbox.wait_asked(1)
        assert not answer.done()
        room.inbox.gate.set()
        assert (await answer).status_code == 200
    assert room.inbox.texts == ["hello"]


async def test_what_could_not_be_stored_comes_again(telegram: TelegramEmulator, room: Room) -> None:
    room.inbox.broken = 2
    async with room.open():
        telegram.push_text(7, "hello")
        await room.inbox.wait(1)
        await telegram.wait_until(lambda: len(telegram.webhook.statuses) == 3)
    assert telegram.webhook.statuses == [503, 503, 200]
    assert room.inbox.texts == ["hello"]


async def test_a_repeat_has_the_same_key_and_order_does_not_matter(telegram: TelegramEmulator, room: Room) -> None:
    async with room.open():
        telegram.webhook.reorder = True
        numbers = telegram.push_many([(7, str(n)) for n in range(8)])
        await room.inbox.wait(8)
        await telegram.wait_until(lambda: not telegram.state.updates)
        telegram.redeliver(numbers[3])
        await telegram.wait_until(lambda: len(telegram.webhook.statuses) == 9)
    assert sorted(m.key for m in room.inbox.messages) == sorted(f"update:{n}" for n in numbers)


async def test_a_wrong_secret_is_refused(room: Room) -> None:
    async with room.open():
        for secret in ("", "wrong", SECRET[:-1], SECRET + "x", "é"):
            headers = [(HEADER.encode(), secret.encode())] if secret else []
            answer = await room.client.post(room.path, json=HELLO, headers=headers)
            assert answer.status_code == 403, secret
    assert room.inbox.messages == []


BODIES = [
    (b"", 400),
    (b"{", 400),
    (b"\xff\xfe\xfa", 400),
    (b"[" * 100_000, 400),
    (b"7", 400),
    (b"[]", 400),
    (b"{}", 400),
    (b'{"update_id": "1"}', 400),
    (b'{"update_id": true}', 400),
    (b'{"update_id": 1e400}', 400),
    (b'{"update_id": ' + b"9" * 5000 + b"}", 400),
    (b'{"update_id": 1, "message": "nonsense"}', 400),
    (b'{"update_id": 1, "message": {"chat": {"type": "private"}}}', 400),
    (b'{"update_id": 1}', 200),
    (b'{"update_id": 1, "something_new": {}}', 200),
    (b" " * (MAX_BODY + 1), 413),
]


async def test_bad_bodies_are_refused_clearly(room: Room) -> None:
    async with room.open():
        for body, status in BODIES:
            answer = await room.post(body)
            assert answer.status_code == status, body[:60]
            assert len(answer.text) < 100
            assert "Traceback" not in answer.text
        room.telegram.push_text(7, "still works")
        await room.inbox.wait(1)
    assert room.inbox.texts == ["still works"]


async def test_a_long_text_is_taken_whole(room: Room) -> None:
    text = "很难受" * 30_000
    async with room.open():
        body = json.dumps({"update_id": 3, "message": HELLO["message"] | {"text": text}})
        assert (await room.post(body.encode())).status_code == 200
    assert room.inbox.texts == [text]


async def test_pressed_buttons_are_answered(telegram: TelegramEmulator, room: Room) -> None:
    async with room.open() as adapter:
        telegram.push_text(7, "hi")
        await room.inbox.wait(1)
        message = await telegram.state.call("sendMessage", {"chat_id": 7, "text": "choose"})
        telegram.push_callback(7, message["message_id"], "yes")
        await telegram.wait_called("answerCallbackQuery")
        assert adapter.health().ok
    assert room.inbox.messages[1].kind is Kind.ACTION


async def test_registration_is_repeated_until_it_succeeds(telegram: TelegramEmulator, room: Room) -> None:
    telegram.fail("getWebhookInfo", 502)
    telegram.fail("setWebhook", 429, retry_after=7)
    async with room.open() as adapter:
        await telegram.wait_called("setWebhook", 2)
        telegram.push_text(7, "hello")
        await room.inbox.wait(1)
        assert adapter.health().ok
    assert room.slept[:2] == [0.5, 7]


async def test_a_webhook_that_somebody_removed_is_set_again(telegram: TelegramEmulator, room: Room) -> None:
    async with room.open():
        await telegram.wait_called("getWebhookInfo")
        await telegram.state.call("deleteWebhook", {})
        telegram.push_text(7, "meanwhile")
        room.again.set()
        await telegram.wait_called("setWebhook", 2)
        await room.inbox.wait(1)
    assert len(telegram.called("setWebhook")) == 2


async def test_health_repeats_what_telegram_complains_about(telegram: TelegramEmulator, room: Room) -> None:
    async with room.open() as adapter:
        await telegram.wait_called("setWebhook")
        room.inbox.broken = 10**6
        telegram.push_text(7, "hello")
        await room.inbox.wait_refused(2)
        room.again.set()
        await telegram.wait_called("getWebhookInfo", 2)
        await telegram.wait_until(lambda: not adapter.health().ok)
        detail = adapter.health().detail
        assert "Wrong response from the webhook: 503" in detail
        assert room.path not in detail


async def test_before_run_nothing_is_lost(telegram: TelegramEmulator) -> None:
    app = FastAPI()
    async with serve(app) as url, httpx.AsyncClient(base_url=url, trust_env=False) as client:
        adapter = make_adapter(telegram, mode="webhook", webhook_url=url, webhook_secret=SecretStr(SECRET))
        routes = adapter.routes()
        assert routes is not None
        app.include_router(routes)
        route = routes.routes[0]
        assert isinstance(route, APIRoute)
        answer = await client.post(route.path, json=HELLO, headers={HEADER: SECRET})
        assert answer.status_code == 503, "Telegram repeats it"


def test_polling_has_no_route() -> None:
    emulator = TelegramEmulator()
    emulator.url = "http://127.0.0.1:1"
    assert make_adapter(emulator).routes() is None
