"""A picture of the bot reaches the page as part of its line, and Telegram as a photo."""

import base64
from datetime import UTC, datetime

from adapters import Address, Reply
from adapters.telegram import TelegramAdapter
from adapters.web import frames
from adapters.web.transcript import Shown
from config.settings import TelegramSettings
from tests.emulators.telegram import TelegramEmulator

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def test_the_page_gets_it_inside_the_line() -> None:
    (line,) = frames.lines([Shown(1, "system", "words", datetime(2026, 1, 1, tzinfo=UTC), image=PNG)])["lines"]
    assert base64.b64decode(line["image"].removeprefix("data:image/png;base64,")) == PNG


async def test_telegram_gets_a_photo_with_the_words_under_it() -> None:
    async with TelegramEmulator() as telegram:
        telegram.add_chat(7)
        settings = TelegramSettings(token=telegram.token, api_base=telegram.url)
        adapter = TelegramAdapter(settings)
        await adapter._request.initialize()
        try:
            sent = await adapter.send(Address("telegram", adapter.account, "7"), Reply("words", image=PNG))
        finally:
            await adapter._request.shutdown()
        assert sent.reference
        assert [call.method for call in telegram.calls if "send" in call.method] == ["sendPhoto"]
