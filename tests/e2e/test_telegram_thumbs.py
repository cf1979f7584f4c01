"""Thumbs under an answer on Telegram: one press, a mark and a passing word, and never a message."""

from collections.abc import AsyncIterator

import pytest

from adapters import Address, Button, Kind, Reply, Thumbs
from adapters.telegram import TelegramAdapter
from config import Language, load_texts
from tests.emulators.telegram import TelegramEmulator
from tests.emulators.telegram_inbox import Inbox, make_adapter, running


@pytest.fixture
async def telegram() -> AsyncIterator[TelegramEmulator]:
    async with TelegramEmulator() as emulator:
        emulator.add_chat(7)
        emulator.add_chat(8, language="zh-hans")
        yield emulator


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
async def adapter(telegram: TelegramEmulator, inbox: Inbox) -> AsyncIterator[TelegramAdapter]:
    async with running(make_adapter(telegram), inbox) as running_adapter:
        await telegram.wait_polling()
        yield running_adapter


async def answer(adapter: TelegramAdapter, chat: int = 7) -> int:
    """An answer with thumbs; gives Telegram's id of it."""
    sent = await adapter.send(Address("telegram", adapter.account, str(chat)), Reply("An answer.", thumbs=Thumbs(17)))
    return int(sent.reference)


def under(telegram: TelegramEmulator, number: int, chat: int = 7) -> list[list[tuple[str, str]]]:
    """The buttons that stand under a message now."""
    rows = telegram.state.chat(chat).messages[number]["reply_markup"]["inline_keyboard"]
    return [[(button["text"], button["callback_data"]) for button in row] for row in rows]


async def test_thumbs_stand_in_a_row_of_their_own(telegram: TelegramEmulator, adapter: TelegramAdapter) -> None:
    assert under(telegram, await answer(adapter)) == [[("👍", "feedback up 17"), ("👎", "feedback down 17")]]
    reply = Reply("x", ((Button("A", "a"),),), thumbs=Thumbs(18, helpful=False))
    sent = await adapter.send(Address("telegram", adapter.account, "7"), reply)
    assert under(telegram, int(sent.reference)) == [
        [("A", "a")],
        [("👍", "feedback up 18"), ("👎 ✓", "feedback down 18")],
    ]


async def test_a_press_is_stored_then_thanked_and_marked_and_can_be_changed(
    telegram: TelegramEmulator, adapter: TelegramAdapter, inbox: Inbox
) -> None:
    number = await answer(adapter)
    telegram.push_callback(7, number, "feedback up 17")
    await telegram.wait_called("editMessageReplyMarkup", 1)
    assert [(m.kind, m.text) for m in inbox.messages] == [(Kind.ACTION, "feedback up 17")]
    assert under(telegram, number) == [[("👍 ✓", "feedback up 17"), ("👎", "feedback down 17")]]
    telegram.push_callback(7, number, "feedback down 17")
    await telegram.wait_called("editMessageReplyMarkup", 2)
    assert under(telegram, number) == [[("👍", "feedback up 17"), ("👎 ✓", "feedback down 17")]]
    toasts = [call.text for call in telegram.called("answerCallbackQuery")]
    assert toasts == [load_texts(Language.EN).get("feedback.thanks")] * 2
    assert len(telegram.sent) == 1, "no new message"


async def test_of_two_quick_presses_the_last_is_marked(telegram: TelegramEmulator, adapter: TelegramAdapter) -> None:
    number = await answer(adapter)
    telegram.delay("answerCallbackQuery", 0.2)
    telegram.push_callback(7, number, "feedback up 17")
    telegram.push_callback(7, number, "feedback down 17")
    await telegram.wait_called("answerCallbackQuery", 2)
    await telegram.wait_called("editMessageReplyMarkup", 1)
    assert under(telegram, number)[0][1][0] == "👎 ✓"
    assert len(telegram.called("editMessageReplyMarkup")) == 1


async def test_the_passing_word_is_in_the_users_language(telegram: TelegramEmulator, adapter: TelegramAdapter) -> None:
    telegram.push_callback(8, await answer(adapter, 8), "feedback up 17")
    (call,) = await telegram.wait_called("answerCallbackQuery", 1)
    assert call.text == load_texts(Language.ZH).get("feedback.thanks")


async def test_a_press_that_was_not_stored_is_not_thanked_for(
    telegram: TelegramEmulator, adapter: TelegramAdapter, inbox: Inbox
) -> None:
    inbox.broken = 1
    number = await answer(adapter)
    telegram.push_callback(7, number, "feedback up 17")
    await inbox.wait_refused(1)
    assert telegram.called("answerCallbackQuery") == []
    await inbox.wait(1)
    await telegram.wait_called("answerCallbackQuery", 1)


async def test_a_mark_that_telegram_refuses_harms_nothing(
    telegram: TelegramEmulator, adapter: TelegramAdapter, inbox: Inbox
) -> None:
    number = await answer(adapter)
    telegram.fail("editMessageReplyMarkup", 400)
    telegram.push_callback(7, number, "feedback up 17")
    await telegram.wait_called("editMessageReplyMarkup", 1)
    telegram.push_text(7, "go on")
    await inbox.wait(2)


@pytest.mark.parametrize(
    "action", ["feedback up", "feedback up x", "feedback up 9" + "9" * 30, "feedback sideways 1", "feedback up 1 "]
)
def test_what_is_no_thumb_is_none(action: str) -> None:
    assert Thumbs.pressed(action) is None
