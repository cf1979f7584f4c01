"""The emulator in a process of its own, as the measurements use it: everything goes through its HTTP controls."""

import httpx
import pytest
from pydantic import SecretStr

from adapters import Address, Reply, Retryable
from adapters.telegram import TelegramAdapter
from config.settings import TelegramSettings
from tests.emulators.telegram_control import telegram_process
from tests.emulators.telegram_inbox import Inbox, running


async def test_everything_can_be_done_over_http() -> None:
    inbox = Inbox()
    async with telegram_process() as telegram:
        adapter = TelegramAdapter(TelegramSettings(token=SecretStr(telegram.token), api_base=telegram.url))
        await telegram.control("add_chat", chat=9, language="zh")
        pushed = await telegram.push(
            [
                {"chat": 7, "text": "hello"},
                {"type": "edit", "chat": 7, "message_id": 1, "text": "hello!"},
                {"type": "photo", "chat": 7, "caption": "look"},
                {"type": "block", "chat": 8},
                {"type": "raw", "update": {"unknown": {}}},
            ]
        )
        assert [p["update_id"] for p in pushed] == list(range(1001, 1006))
        async with running(adapter, inbox):
            await inbox.wait(4)
            await telegram.control("fault", fault="fail", method="sendMessage", status=429, chat=7, retry_after=5)
            with pytest.raises(Retryable):
                await adapter.send(Address("telegram", adapter.account, "7"), Reply("x"))
            await adapter.send(Address("telegram", adapter.account, "9"), Reply("你好"))
            await telegram.wait_sent(1)
        sends = await telegram.calls(method="sendMessage")
        assert [(c["chat"], c["text"], c["status"], c["delivered"]) for c in sends] == [
            (7, "x", 429, False),
            (9, "你好", 200, True),
        ]
        assert pushed[0]["at"] < sends[0]["at"] < sends[1]["at"]
        with pytest.raises(TimeoutError, match="1 of 2"):
            await telegram.wait_sent(2, timeout=0.01)
        with pytest.raises(httpx.HTTPStatusError):
            await telegram.control("fault", fault="unheard of", method="x")
    assert [m.text for m in inbox.messages] == ["hello", "hello!", "look", ""]
