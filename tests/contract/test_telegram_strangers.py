"""The Telegram emulator behaves as two libraries that were written against the real server expect."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
from aiogram import Bot, Dispatcher, types
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import (
    TelegramBadRequest,
    TelegramConflictError,
    TelegramForbiddenError,
    TelegramNetworkError,
    TelegramRetryAfter,
    TelegramServerError,
    TelegramUnauthorizedError,
)
from aiogram.filters import Command
from aiogram.webhook.aiohttp_server import SimpleRequestHandler
from aiohttp import web
from telegram import Update
from telegram.ext import ApplicationBuilder, CommandHandler, ContextTypes, MessageHandler, filters

from tests.emulators.telegram import TelegramEmulator


@pytest.fixture
async def telegram() -> AsyncIterator[TelegramEmulator]:
    async with TelegramEmulator() as emulator:
        yield emulator


def aiogram_bot(telegram: TelegramEmulator, token: str = "") -> Bot:
    server = TelegramAPIServer.from_base(telegram.url)
    return Bot(token or telegram.token, session=AiohttpSession(api=server))


@pytest.fixture
async def bot(telegram: TelegramEmulator) -> AsyncIterator[Bot]:
    stranger = aiogram_bot(telegram)
    yield stranger
    await stranger.session.close()


def echo_dispatcher() -> Dispatcher:
    dispatcher = Dispatcher()

    @dispatcher.message(Command("start"))
    async def start(message: types.Message) -> None:
        row = [types.InlineKeyboardButton(text="Press", callback_data="pressed")]
        await message.answer("welcome", reply_markup=types.InlineKeyboardMarkup(inline_keyboard=[row]))

    @dispatcher.callback_query()
    async def press(query: types.CallbackQuery) -> None:
        await query.answer()
        assert isinstance(query.message, types.Message)
        await query.message.edit_text(f"button {query.data}")

    @dispatcher.message()
    async def echo(message: types.Message) -> None:
        await message.reply(f"echo {message.text or 'something else'}")

    return dispatcher


async def test_aiogram_polls_answers_and_handles_buttons(telegram: TelegramEmulator, bot: Bot) -> None:
    dispatcher = echo_dispatcher()
    polling = asyncio.create_task(dispatcher.start_polling(bot, handle_signals=False, polling_timeout=2))
    await telegram.wait_called("getMe")
    telegram.push_text(7, "/start")
    welcome = (await telegram.wait_sent(1, chat=7))[0]
    telegram.push_callback(7, welcome.result["message_id"], "pressed")
    await telegram.wait_called("editMessageText")
    assert telegram.called("answerCallbackQuery")[0].status == 200
    last = telegram.push_many([(7, "hi"), (8, "你好"), (7, "again")])[-1]
    telegram.push_media(8, "sticker")
    await telegram.wait_sent(5)
    await telegram.wait_confirmed(last)
    assert telegram.texts(7) == ["welcome", "echo hi", "echo again"]
    assert telegram.texts(8) == ["echo 你好", "echo something else"]
    await dispatcher.stop_polling()
    await polling


async def test_aiogram_confirms_by_offset_and_waits_in_the_long_poll(telegram: TelegramEmulator, bot: Bot) -> None:
    telegram.push_many([(7, "one"), (7, "two"), (7, "three")])
    first = await bot.get_updates(limit=2)
    assert [u.message and u.message.text for u in first] == ["one", "two"]
    assert await bot.get_updates(limit=2) == first, "unconfirmed updates come again"
    rest = await bot.get_updates(offset=first[-1].update_id + 1)
    assert [u.message and u.message.text for u in rest] == ["three"]
    waiting = asyncio.create_task(bot.get_updates(offset=rest[-1].update_id + 1, timeout=20))
    await telegram.wait_polling()
    telegram.push_text(7, "four")
    assert [u.message and u.message.text for u in await waiting] == ["four"]


async def test_aiogram_sees_the_errors_it_knows(telegram: TelegramEmulator, bot: Bot) -> None:
    telegram.add_chat(7)
    telegram.fail("sendMessage", 429, chat=7, retry_after=3)
    with pytest.raises(TelegramRetryAfter) as flood:
        await bot.send_message(7, "x")
    assert flood.value.retry_after == 3
    telegram.fail("sendMessage", 500)
    with pytest.raises(TelegramServerError):
        await bot.send_message(7, "x")
    for applied in (False, True):
        telegram.cut("sendMessage", applied=applied)
        with pytest.raises(TelegramNetworkError):
            await bot.send_message(7, f"cut {applied}")
    assert telegram.texts(7) == ["cut True"]
    with pytest.raises(TelegramBadRequest, match="chat not found"):
        await bot.send_message(99, "x")
    with pytest.raises(TelegramBadRequest, match="message is too long"):
        await bot.send_message(7, "字" * 4097)
    await bot.send_message(7, "字" * 4096)
    for empty in ("", "  \n"):
        with pytest.raises(TelegramBadRequest, match="empty"):
            await bot.send_message(7, empty)
    telegram.block(7)
    with pytest.raises(TelegramForbiddenError, match="blocked by the user"):
        await bot.send_message(7, "x")
    await bot.set_webhook("http://127.0.0.1:1/nobody")
    with pytest.raises(TelegramConflictError, match="webhook is active"):
        await bot.get_updates()


async def test_a_second_poller_ends_the_first(telegram: TelegramEmulator, bot: Bot) -> None:
    first = asyncio.create_task(bot.get_updates(timeout=20))
    await telegram.wait_polling()
    second = asyncio.create_task(bot.get_updates(timeout=20))
    with pytest.raises(TelegramConflictError, match="terminated by other getUpdates"):
        await first
    telegram.push_text(7, "hello")
    assert len(await second) == 1


async def test_a_wrong_token_is_unauthorized(telegram: TelegramEmulator) -> None:
    stranger = aiogram_bot(telegram, "42:wrong")
    with pytest.raises(TelegramUnauthorizedError):
        await stranger.get_me()
    await stranger.session.close()


async def test_aiogram_uses_the_smaller_methods(telegram: TelegramEmulator, bot: Bot) -> None:
    telegram.push_media(7, "photo", b"picture" * 10)
    photo = (await bot.get_updates())[0].message
    assert photo is not None
    assert photo.photo is not None
    file = await bot.get_file(photo.photo[-1].file_id)
    assert file.file_path is not None
    downloaded = await bot.download_file(file.file_path)
    assert downloaded is not None
    assert downloaded.read() == b"picture" * 10
    assert await bot.send_chat_action(7, "typing")
    assert await bot.set_message_reaction(7, photo.message_id, [types.ReactionTypeEmoji(emoji="👍")])
    assert await bot.set_my_commands([types.BotCommand(command="help", description="帮助")], language_code="zh")
    assert [c.description for c in await bot.get_my_commands(language_code="zh")] == ["帮助"]
    assert await bot.get_my_commands() == []
    sent = await bot.send_photo(7, types.BufferedInputFile(b"0123456789", "a.jpg"), caption="look")
    assert sent.photo
    assert await bot.delete_message(7, sent.message_id)
    with pytest.raises(TelegramBadRequest, match="message to delete not found"):
        await bot.delete_message(7, sent.message_id)
    with pytest.raises(TelegramBadRequest, match="query is too old"):
        await bot.answer_callback_query("77")
    info = await bot.get_webhook_info()
    assert info.url == ""


async def test_aiogram_takes_webhook_pushes_with_the_secret(telegram: TelegramEmulator, bot: Bot) -> None:
    dispatcher = echo_dispatcher()
    app = web.Application()
    SimpleRequestHandler(dispatcher, bot, secret_token="s3cret", handle_in_background=False).register(app, path="/hook")
    runner = web.AppRunner(app)
    await runner.setup()
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    await web.SockSite(runner, listener).start()
    port = listener.getsockname()[1]
    telegram.push_text(7, "before")
    await bot.set_webhook(f"http://127.0.0.1:{port}/hook", secret_token="wrong")
    await telegram.wait_until(lambda: len(telegram.webhook.statuses) >= 2)
    assert set(telegram.webhook.statuses) == {401}, "pushed again while it is refused"
    assert (await bot.get_webhook_info()).pending_update_count == 1
    await bot.set_webhook(f"http://127.0.0.1:{port}/hook", secret_token="s3cret")
    await telegram.wait_sent(1)
    telegram.push_many([(7, str(n)) for n in range(5)])
    await telegram.wait_sent(6)
    assert telegram.texts(7) == ["echo before", *(f"echo {n}" for n in range(5))], "order inside a chat"
    await telegram.wait_until(lambda: not telegram.state.updates)
    await runner.cleanup()


async def test_python_telegram_bot_runs_its_own_application(telegram: TelegramEmulator) -> None:
    async def echo(update: Update, context: ContextTypes.DEFAULT_TYPE) -> None:
        assert update.message is not None
        await update.message.reply_text(f"echo {update.message.text}")

    async def start(update: Update, context: ContextTypes.DEFAULT_TYPE) -> None:
        assert update.message is not None
        await context.bot.send_message_draft(update.message.chat_id, 1, "wel")
        await update.message.reply_text("welcome")

    application = (
        ApplicationBuilder().token(telegram.token).base_url(f"{telegram.url}/bot").get_updates_read_timeout(5).build()
    )
    application.add_handler(CommandHandler("start", start))
    application.add_handler(MessageHandler(filters.TEXT & ~filters.COMMAND, echo))
    async with application:
        await application.start()
        assert application.updater is not None
        await application.updater.start_polling(poll_interval=0, timeout=2)
        telegram.push_text(7, "/start")
        telegram.push_many([(8, "你好"), (7, "hi")])
        await telegram.wait_sent(3)
        assert telegram.texts(7) == ["welcome", "echo hi"]
        assert telegram.texts(8) == ["echo 你好"]
        assert telegram.called("sendMessageDraft")[0].status == 200
        await application.updater.stop()
        await application.stop()
