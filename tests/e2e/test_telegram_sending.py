"""Sending: each failure means what it is, one chat's trouble is not the others', and hints never harm."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator

import pytest

from adapters import Address, Blocked, Button, DeliveryError, OutcomeUnknown, Rejected, Reply, Retryable
from adapters.telegram import Pace, TelegramAdapter
from tests.emulators.telegram import TelegramEmulator
from tests.emulators.telegram_inbox import Clock, Inbox, make_adapter, running


@pytest.fixture
async def telegram() -> AsyncIterator[TelegramEmulator]:
    async with TelegramEmulator() as emulator:
        for chat in (7, 8, 9):
            emulator.add_chat(chat)
        yield emulator


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def adapter(telegram: TelegramEmulator, clock: Clock) -> AsyncIterator[TelegramAdapter]:
    async with running(make_adapter(telegram, clock), Inbox()) as running_adapter:
        await telegram.wait_polling()
        yield running_adapter


def chat(adapter: TelegramAdapter, number: int = 7) -> Address:
    return Address("telegram", adapter.account, str(number))


async def test_a_text_arrives_as_it_is(telegram: TelegramEmulator, adapter: TelegramAdapter) -> None:
    text = "你好 *not bold* <b>not html</b> https://care.example.org\n👍🏽"
    sent = await adapter.send(chat(adapter), Reply(text))
    call = telegram.sent[0]
    assert sent.reference == str(call.result["message_id"])
    assert telegram.texts(7) == [text]
    assert "parse_mode" not in call.params


async def test_buttons_come_in_rows(telegram: TelegramEmulator, adapter: TelegramAdapter) -> None:
    rows = ((Button("Yes", "yes:1"), Button("No", "no:1")), (Button("打电话", "call"),))
    await adapter.send(chat(adapter), Reply("choose", rows))
    markup = telegram.sent[0].result["reply_markup"]["inline_keyboard"]
    assert [[(b["text"], b["callback_data"]) for b in row] for row in markup] == [
        [("Yes", "yes:1"), ("No", "no:1")],
        [("打电话", "call")],
    ]


async def test_the_longest_text_is_accepted(telegram: TelegramEmulator, adapter: TelegramAdapter) -> None:
    limit = adapter.capabilities.max_length
    await adapter.send(chat(adapter), Reply("字" * limit))
    await adapter.send(chat(adapter), Reply("😀" * (limit // 2)))
    assert len(telegram.sent) == 2


async def refusal(adapter: TelegramAdapter, text: str = "hello", number: int = 7) -> DeliveryError:
    with pytest.raises(DeliveryError) as raised:
        await adapter.send(chat(adapter, number), Reply(text))
    return raised.value


async def test_what_will_never_be_accepted_is_rejected(telegram: TelegramEmulator, adapter: TelegramAdapter) -> None:
    for error in (await refusal(adapter, "x" * 4097), await refusal(adapter, number=99), await refusal(adapter, " ")):
        assert type(error) is Rejected
    assert str(await refusal(adapter, "x" * 4097)) == "Message is too long"
    assert str(await refusal(adapter, number=99)) == "Chat not found"
    with pytest.raises(Rejected):
        await adapter.send(Address("telegram", adapter.account, "not a number"), Reply("x"))


async def test_a_user_who_blocked_the_bot_is_told_apart(telegram: TelegramEmulator, adapter: TelegramAdapter) -> None:
    telegram.block(7)
    assert isinstance(await refusal(adapter), Blocked)
    telegram.unblock(7)
    await adapter.send(chat(adapter), Reply("welcome back"))


@pytest.mark.parametrize("applied", [True, False])
async def test_a_cut_connection_leaves_the_outcome_unknown(
    telegram: TelegramEmulator, adapter: TelegramAdapter, applied: bool
) -> None:
    telegram.cut("sendMessage", applied=applied)
    assert type(await refusal(adapter)) is OutcomeUnknown
    assert telegram.texts(7) == (["hello"] if applied else []), "never repeated here"


@pytest.mark.parametrize(
    ("status", "kind"),
    [(500, OutcomeUnknown), (504, OutcomeUnknown), (502, Retryable), (503, Retryable), (401, Retryable)],
)
async def test_faults_of_the_server(
    telegram: TelegramEmulator, adapter: TelegramAdapter, status: int, kind: type[DeliveryError]
) -> None:
    telegram.fail("sendMessage", status)
    error = await refusal(adapter, "my secret words")
    assert type(error) is kind
    assert "secret" not in str(error)


@pytest.mark.parametrize("status", [403, 404, 407, 429])
async def test_a_proxys_refusal_is_not_telegrams(
    telegram: TelegramEmulator, adapter: TelegramAdapter, status: int
) -> None:
    telegram.answer("sendMessage", status, f"<html>no {telegram.token}</html>".encode())
    error = await refusal(adapter)
    assert type(error) is Retryable, "above all not Blocked"
    assert telegram.token not in str(error)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"ok": true}', b'{"ok": true, "result": 7}'])
async def test_an_answer_that_is_no_answer_leaves_the_outcome_unknown(
    telegram: TelegramEmulator, adapter: TelegramAdapter, body: bytes
) -> None:
    telegram.answer("sendMessage", 200, body)
    assert type(await refusal(adapter)) is OutcomeUnknown


async def test_no_answer_in_time_leaves_the_outcome_unknown(
    telegram: TelegramEmulator, adapter: TelegramAdapter
) -> None:
    gate = telegram.hold("sendMessage")
    adapter._request._seconds = -4.9  # 0.1 s in all
    assert type(await refusal(adapter)) is OutcomeUnknown
    gate.set()


async def test_without_a_connection_nothing_was_sent(telegram: TelegramEmulator) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        adapter = make_adapter(telegram, api_base=f"http://127.0.0.1:{nobody.getsockname()[1]}")
        error = await refusal(adapter)
    assert type(error) is Retryable
    assert "AAtest" not in repr(error)
    await adapter._request.shutdown()


async def test_429_in_one_chat_does_not_delay_another(
    telegram: TelegramEmulator, adapter: TelegramAdapter, clock: Clock
) -> None:
    telegram.fail("sendMessage", 429, chat=7, retry_after=30, times=None)
    error = await refusal(adapter)
    assert isinstance(error, Retryable)
    assert error.retry_after == 30
    for number in range(5):
        await adapter.send(chat(adapter, 8), Reply(f"{number}"))
    assert telegram.texts(8) == ["0", "1", "2", "3", "4"]
    assert clock.slept == [], "nobody waited"
    clock.now += 10
    later = await refusal(adapter)
    assert isinstance(later, Retryable)
    assert later.retry_after == 20
    assert len(telegram.called("sendMessage", 7)) == 1, "a paused chat is not asked again"
    telegram.faults.clear()
    clock.now += 20
    await adapter.send(chat(adapter), Reply("after the pause"))
    assert telegram.texts(7) == ["after the pause"]


async def test_a_held_chat_does_not_delay_another(telegram: TelegramEmulator, adapter: TelegramAdapter) -> None:
    gate = telegram.hold("sendMessage", chat=7)
    held = asyncio.create_task(adapter.send(chat(adapter), Reply("slow")))
    await adapter.send(chat(adapter, 8), Reply("fast"))
    assert not held.done()
    gate.set()
    await held
    assert [c.text for c in telegram.sent] == ["fast", "slow"]


async def test_sends_keep_to_the_pace(telegram: TelegramEmulator, clock: Clock) -> None:
    pace = Pace(overall=30, overall_burst=30, chat=1, chat_burst=3)
    adapter = make_adapter(telegram, clock, pace=pace)
    began = clock.now
    for number in range(6):
        await adapter.send(chat(adapter), Reply(str(number)))
    assert clock.now - began == pytest.approx(3), "three at once, then one a second"
    assert telegram.texts(7) == [str(n) for n in range(6)]
    await adapter._request.shutdown()


async def test_typing_and_drafts_show(telegram: TelegramEmulator, adapter: TelegramAdapter, clock: Clock) -> None:
    await adapter.typing(chat(adapter))
    assert telegram.called("sendChatAction", 7)[0].params["action"] == "typing"
    await adapter.draft(chat(adapter), "It sounds")
    await adapter.draft(chat(adapter), "It sounds like")
    clock.now += 1
    await adapter.draft(chat(adapter), "It sounds like a lot")
    await adapter.draft(chat(adapter, 8), "Another chat")
    drafts = telegram.called("sendMessageDraft", 7)
    assert [d.text for d in drafts] == ["It sounds", "It sounds like a lot"], "at most one a second"
    assert len({d.params["draft_id"] for d in drafts}) == 1
    await adapter.send(chat(adapter), Reply("It sounds like a lot to carry."))
    clock.now += 1
    await adapter.draft(chat(adapter), "Next")
    clock.now += 1
    await adapter.draft(chat(adapter), "😀" * 5000)
    await adapter.draft(chat(adapter), "  ")
    numbers = [d.params["draft_id"] for d in telegram.called("sendMessageDraft", 7)]
    assert numbers[1] != numbers[2] == numbers[3], "a new answer is a new draft"
    assert all(d.status == 200 for d in telegram.called("sendMessageDraft"))


async def test_typing_and_drafts_never_fail_and_never_delay_a_message(
    telegram: TelegramEmulator, adapter: TelegramAdapter, clock: Clock
) -> None:
    for status in (500, 403, 400, 502):
        for method in ("sendChatAction", "sendMessageDraft"):
            telegram.fail(method, status)
        clock.now += 1
        await adapter.typing(chat(adapter))
        await adapter.draft(chat(adapter), "x")
    telegram.fail("sendMessageDraft", 429, retry_after=20)
    clock.now += 1
    await adapter.draft(chat(adapter), "x")
    await adapter.typing(chat(adapter))
    asked = len(telegram.called("sendChatAction")), len(telegram.called("sendMessageDraft"))
    assert asked == (4, 5), "quiet while Telegram wants it"
    await adapter.send(chat(adapter), Reply("not held back"))
    clock.now += 21
    await adapter.typing(chat(adapter))
    assert len(telegram.called("sendChatAction")) == 5


async def test_stopping_lets_a_send_end(telegram: TelegramEmulator) -> None:
    adapter = make_adapter(telegram)
    run = asyncio.create_task(adapter.run(Inbox().receive))
    await telegram.wait_polling()
    gate = telegram.hold("sendMessage")
    sending = asyncio.create_task(adapter.send(chat(adapter), Reply("last words")))
    await telegram.wait_until(lambda: not telegram.faults.waiting)
    run.cancel()
    stopped, _ = await asyncio.wait({run}, timeout=0.1)
    assert not stopped, "it waits for the send"
    gate.set()
    assert (await sending).reference
    with contextlib.suppress(asyncio.CancelledError):
        await run
    assert isinstance(await refusal(adapter), Retryable), "certainly not sent: another process does it"


async def test_no_token_and_no_text_in_any_log(
    telegram: TelegramEmulator, adapter: TelegramAdapter, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await adapter.send(chat(adapter), Reply("my secret words"))
    await adapter.typing(chat(adapter))
    await adapter.draft(chat(adapter), "my secret words")
    telegram.fail("*", 400, times=3)
    await refusal(adapter, "my secret words")
    telegram.cut("sendMessage", applied=False)
    await refusal(adapter, "my secret words")
    assert "AAtest" not in caplog.text
    assert "secret words" not in caplog.text
