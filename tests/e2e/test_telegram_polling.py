"""Long polling: nothing is confirmed before it is kept, nothing that goes wrong stops it, silence is noticed."""

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest

from adapters import Kind
from adapters.telegram.polling import STALL_SECONDS
from config import Language, load_texts
from tests.emulators.telegram import TOKEN, TelegramEmulator
from tests.emulators.telegram_inbox import Clock, Inbox, make_adapter, running


@pytest.fixture
async def telegram() -> AsyncIterator[TelegramEmulator]:
    async with TelegramEmulator() as emulator:
        yield emulator


async def test_updates_arrive_in_order_and_are_confirmed(telegram: TelegramEmulator) -> None:
    inbox = Inbox()
    numbers = telegram.push_many([(7, "one"), (8, "二"), (7, "three")])
    async with running(make_adapter(telegram), inbox) as adapter:
        await inbox.wait(3)
        await telegram.wait_confirmed(numbers[-1])
        telegram.push_text(7, "four")
        await inbox.wait(4)
    assert inbox.texts == ["one", "二", "three", "four"]
    first = inbox.messages[0]
    assert str(first.address) == f"telegram:{TOKEN.split(':')[0]}:7"
    assert first.key == f"update:{numbers[0]}"
    assert (first.reference, first.sender_name, first.language_hint) == ("1", "User 7", "en")
    assert adapter.account == TOKEN.split(":")[0]


async def test_nothing_is_confirmed_before_it_is_committed(telegram: TelegramEmulator) -> None:
    inbox = Inbox()
    inbox.gate.clear()
    number = telegram.push_text(7, "hello")
    async with running(make_adapter(telegram), inbox):
        await telegram.wait_called("getUpdates")
        assert telegram.state.updates, "not confirmed while the commit is under way"
        inbox.gate.set()
        await telegram.wait_confirmed(number)
    assert inbox.texts == ["hello"]


async def test_a_failed_commit_is_asked_for_again(telegram: TelegramEmulator) -> None:
    inbox = Inbox()
    inbox.broken = 3
    telegram.push_many([(7, "one"), (8, "two")])
    async with running(make_adapter(telegram), inbox) as adapter:
        await inbox.wait_refused(3)
        assert telegram.state.updates
        assert "cannot be stored (OSError)" in adapter.health().detail
        await inbox.wait(2)
        await telegram.wait_polling()
        assert adapter.health().ok
    offsets = [call.params.get("offset") for call in telegram.called("getUpdates")]
    assert offsets == [None] * 4, "the old offset until the commit"


async def test_what_a_dead_process_did_not_confirm_comes_to_the_next(telegram: TelegramEmulator) -> None:
    dead, alive = Inbox(), Inbox()
    dead.gate.clear()
    telegram.push_many([(7, "one"), (7, "two")])
    async with running(make_adapter(telegram), dead):
        await telegram.wait_called("getUpdates")
    async with running(make_adapter(telegram), alive):
        await alive.wait(2)
        await telegram.wait_polling()
    assert dead.texts == []
    assert alive.texts == ["one", "two"]


async def test_a_repeated_update_has_the_same_key(telegram: TelegramEmulator) -> None:
    inbox = Inbox()
    async with running(make_adapter(telegram), inbox):
        number = telegram.push_text(7, "once")
        await telegram.wait_confirmed(number)
        telegram.redeliver(number)
        telegram.push_text(7, "after")
        await inbox.wait(2)
    assert inbox.texts == ["once", "after"]


async def test_an_invalid_update_neither_blocks_the_others_nor_stalls(
    telegram: TelegramEmulator, caplog: pytest.LogCaptureFixture
) -> None:
    inbox = Inbox()
    telegram.push_text(7, "before")
    telegram.push_raw({"message": {"text": "my secret", "chat": {"type": "private"}}})
    telegram.push_raw({"message": "nonsense"})
    telegram.push_raw({"unknown_kind": {}})
    last = telegram.push_text(8, "behind")
    async with running(make_adapter(telegram), inbox):
        await telegram.wait_confirmed(last)
    assert inbox.texts == ["before", "behind"]
    assert "is skipped" in caplog.text
    assert "secret" not in caplog.text


async def test_a_webhook_that_was_left_behind_is_removed_without_losing_updates(telegram: TelegramEmulator) -> None:
    inbox = Inbox()
    await telegram.state.call("setWebhook", {"url": "http://127.0.0.1:1/gone"})
    telegram.push_text(7, "waiting")
    async with running(make_adapter(telegram), inbox):
        await inbox.wait(1)
    assert inbox.texts == ["waiting"]


async def test_another_poller_is_named_and_polling_goes_on(telegram: TelegramEmulator) -> None:
    inbox = Inbox()
    async with running(make_adapter(telegram), inbox) as adapter:
        await telegram.wait_polling()
        assert adapter.health().ok
        telegram.fail("getUpdates", 409, times=2)
        telegram.state.wake()
        await telegram.wait_until(lambda: sum(c.status == 409 for c in telegram.calls) == 1)
        await telegram.wait_until(lambda: sum(c.status == 409 for c in telegram.calls) == 2)
        assert not adapter.health().ok
        assert "another program receives this bot's updates" in adapter.health().detail
        telegram.push_text(7, "still here")
        await inbox.wait(1)
        await telegram.wait_polling()
        assert adapter.health().ok


async def test_a_refused_token_is_a_clear_sentence_without_the_token(
    telegram: TelegramEmulator, caplog: pytest.LogCaptureFixture
) -> None:
    inbox = Inbox()
    telegram.fail("getMe", 401, times=2)
    telegram.push_text(7, "hello")
    async with running(make_adapter(telegram), inbox) as adapter:
        await telegram.wait_called("getMe", 1)
        await telegram.wait_called("getMe", 2)
        assert "refuses the bot's token" in adapter.health().detail
        await inbox.wait(1)
        await telegram.wait_polling()
        assert adapter.health().ok
    assert "AAtest" not in caplog.text


@pytest.mark.parametrize("fault", ["cut", "500", "502", "429", "html", "not json", "no result", "no number"])
async def test_passing_faults_do_not_end_polling(
    telegram: TelegramEmulator, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    caplog.set_level(logging.DEBUG)
    clock, inbox = Clock(), Inbox()
    telegram.fail("getMe", 500)
    telegram.fail("deleteWebhook", 502)
    match fault:
        case "cut":
            telegram.cut("getUpdates", applied=True)
        case "html":
            telegram.answer("getUpdates", 403, b"<html>proxy says no</html>")
        case "not json":
            telegram.answer("getUpdates", 200, b"{")
        case "no result":
            telegram.answer("getUpdates", 200, b'{"ok": true}')
        case "no number":
            telegram.answer("getUpdates", 200, b'{"ok": true, "result": [{"message": {}}, 7]}')
        case "429":
            telegram.fail("getUpdates", 429, retry_after=33)
        case _:
            telegram.fail("getUpdates", int(fault))
    telegram.push_text(7, "a secret sentence")
    async with running(make_adapter(telegram, clock), inbox):
        await inbox.wait(1)
    assert inbox.texts == ["a secret sentence"]
    assert clock.slept[-1] == (33 if fault == "429" else 0.5)
    assert "AAtest" not in caplog.text, "the token is in no log"
    assert "secret sentence" not in caplog.text


async def test_silence_is_noticed_and_connections_are_rebuilt(telegram: TelegramEmulator) -> None:
    clock, inbox = Clock(), Inbox()
    async with running(make_adapter(telegram, clock), inbox) as adapter:
        await telegram.wait_polling()
        telegram.cut("getUpdates", applied=False, times=None)
        telegram.state.wake()
        await telegram.wait_until(lambda: bool(clock.slept))
        assert adapter.health().ok, "a short fault is no alarm"
        began = clock.now
        await telegram.wait_until(lambda: clock.now - began > STALL_SECONDS)
        assert not adapter.health().ok
        assert "Telegram has not answered for" in adapter.health().detail
        await telegram.wait_until(lambda: clock.now - began > 6 * STALL_SECONDS)
        silences = (clock.now - began) / STALL_SECONDS
        assert silences / 2 < adapter._poll_request.rebuilds < silences + 1, "once a silence, not at each attempt"
        telegram.faults.clear()
        telegram.push_text(7, "back")
        await inbox.wait(1)
        await telegram.wait_polling()
        assert adapter.health().ok
    assert max(clock.slept) == 30


async def test_health_is_not_ok_before_the_first_contact(telegram: TelegramEmulator) -> None:
    adapter = make_adapter(telegram)
    assert not adapter.health().ok
    async with running(adapter, Inbox()):
        await telegram.wait_polling()
        assert adapter.health().ok
        assert adapter.health().last_contact is not None


async def test_edits_media_and_membership_arrive_as_what_they_are(telegram: TelegramEmulator) -> None:
    inbox = Inbox()
    async with running(make_adapter(telegram), inbox):
        telegram.push_text(7, "first")
        telegram.push_edit(7, 1, "second")
        for kind in ("photo", "voice", "audio", "video", "video_note", "sticker", "document", "animation"):
            telegram.push_media(7, kind, caption="look" if kind == "photo" else "")
        telegram.push_text(7, "/Help me")
        telegram.block(7)
        telegram.unblock(7)
        await inbox.wait(13)
    edited = inbox.messages[1]
    assert (edited.text, edited.edits, edited.reference) == ("second", "1", "1")
    media = inbox.messages[2:10]
    wanted = [Kind.PHOTO, Kind.VOICE, Kind.VOICE, Kind.VIDEO, Kind.VIDEO, Kind.STICKER, Kind.DOCUMENT, Kind.VIDEO]
    assert [m.kind for m in media] == wanted
    assert all(m.attachments[0].reference in telegram.state.files for m in media)
    assert media[0].text == "look"
    assert media[0].attachments[0].bytes == 10, "the largest size of a photo"
    assert (inbox.messages[10].kind, inbox.messages[10].text) == (Kind.COMMAND, "help me")
    assert [m.kind for m in inbox.messages[11:]] == [Kind.LEFT, Kind.ARRIVED]


async def test_pressed_buttons_are_answered_after_the_commit_whatever_happens(telegram: TelegramEmulator) -> None:
    inbox = Inbox()
    telegram.push_text(7, "hi")
    message = await telegram.state.call("sendMessage", {"chat_id": 7, "text": "choose"})
    async with running(make_adapter(telegram), inbox):
        await inbox.wait(1)
        inbox.broken = 2
        telegram.push_callback(7, message["message_id"], "claim:5")
        await telegram.wait_called("answerCallbackQuery")
        assert inbox.texts == ["hi", "claim:5"], "answered only when it was kept"
        assert inbox.messages[1].kind is Kind.ACTION
        telegram.fail("answerCallbackQuery", 500)
        telegram.push_callback(7, message["message_id"], "again")
        await telegram.wait_called("answerCallbackQuery", 2)
        without_message = {"id": "9", "from": {"id": 7, "is_bot": False, "first_name": "A"}, "data": "old"}
        telegram.push_raw({"callback_query": without_message})
        await telegram.wait_called("answerCallbackQuery", 3)
    assert inbox.texts == ["hi", "claim:5", "again"]


async def test_in_groups_only_a_call_is_answered_and_nothing_is_kept(telegram: TelegramEmulator) -> None:
    clock, inbox = Clock(), Inbox()
    async with running(make_adapter(telegram, clock), inbox):
        telegram.push_text(-100, "ordinary talk", sender=7)
        telegram.push_text(-100, "/help@somebody_else", sender=7)
        telegram.push_text(-100, "/help", sender=7)
        telegram.push_text(-100, "@psyllm_test_bot are you there", sender=8)
        telegram.push_text(-200, "@psyllm_test_bot hello", sender=8)
        await telegram.wait_sent(2)
        clock.now += 601
        telegram.push_text(-100, "/start@psyllm_test_bot", sender=9)
        await telegram.wait_sent(3)
        telegram.push_text(7, "/help@somebody_else I am in danger")
        await inbox.wait(1)
    hint = load_texts(Language.EN).get("group_refused")
    assert telegram.texts(-100) == [hint, hint]
    assert telegram.texts(-200) == [hint]
    assert inbox.messages[0].kind is Kind.TEXT, "in a private chat every word is read"


async def test_the_menu_speaks_both_languages(telegram: TelegramEmulator) -> None:
    async with running(make_adapter(telegram, language=Language.EN), Inbox()):
        await telegram.wait_called("setMyCommands", 3)
    menus = telegram.state.commands
    assert set(menus) == {"", "zh", "en"}
    names = [
        "start",
        "help",
        "human",
        "crisis",
        "breathe",
        "checkins",
        "mood",
        "plan",
        "privacy",
        "memory",
        "forget",
        "language",
    ]
    for language, key in ((Language.EN, ""), (Language.EN, "en"), (Language.ZH, "zh")):
        assert [entry["command"] for entry in menus[key]] == names
        assert menus[key][1]["description"] == load_texts(language).get("menu.help")


async def test_a_failing_menu_does_not_keep_messages_away(telegram: TelegramEmulator) -> None:
    inbox = Inbox()
    telegram.fail("setMyCommands", 400, times=None)
    telegram.push_text(7, "hello")
    async with running(make_adapter(telegram), inbox):
        await inbox.wait(1)


async def test_stopping_ends_a_long_poll_at_once(telegram: TelegramEmulator) -> None:
    async with asyncio.timeout(5):
        async with running(make_adapter(telegram), Inbox()):
            await telegram.wait_polling()
