"""Calls to WeChat's API: the token, what each refusal means, and what breaks on the way."""

import asyncio
import contextlib
import socket
import traceback
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from adapters import (
    Address,
    Blocked,
    DeliveryError,
    Health,
    OutcomeUnknown,
    Rejected,
    Reply,
    Retryable,
    Sent,
    WindowClosed,
)
from adapters.wechat import WeChatAdapter
from adapters.wechat.api import Api
from config.settings import WeChatSettings
from tests.e2e.wechat_house import settings
from tests.emulators.wechat import HOURS_48, Seen, WeChatEmulator
from tests.emulators.wechat_api import MENU, SEND, STABLE_TOKEN, TOKEN, Cut, Fault, Hang, Http


@dataclass
class Clock:
    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Line:
    """The adapter's client and the emulated API, with one clock. The user has just written."""

    platform: WeChatEmulator
    api: Api
    clock: Clock
    openid: str = field(default="openid-1")

    async def send(self, content: str = "你好") -> None:
        await self.api.call(SEND, {"touser": self.openid, "msgtype": "text", "text": {"content": content}})

    def forced(self) -> list[bool]:
        """`force_refresh` of each fetch of a token."""
        return [call.payload["force_refresh"] is True for call in self.platform.api.calls if call.path == STABLE_TOKEN]


@contextlib.asynccontextmanager
async def line(timeout: float = 10.0) -> AsyncIterator[Line]:
    clock = Clock()
    platform = WeChatEmulator(clock=clock)
    async with platform.running():
        api = Api(platform.api_base, platform.app_id, platform.secret, timeout=timeout, clock=clock)
        platform.api.interact("openid-1", 5, HOURS_48)
        try:
            yield Line(platform, api, clock)
        finally:
            await api.aclose()


async def test_twenty_sends_with_a_cold_token_fetch_it_once() -> None:
    async with line() as it:
        people = [f"openid-{n}" for n in range(20)]
        for openid in people:
            it.platform.api.interact(openid, 5, HOURS_48)
        await asyncio.gather(
            *(it.api.call(SEND, {"touser": o, "msgtype": "text", "text": {"content": "好"}}) for o in people)
        )
        assert it.forced() == [False]
        assert it.platform.api.count(SEND) == 20
        assert it.platform.api.count(TOKEN) == 0


async def test_twenty_sends_with_a_stale_token_renew_it_once() -> None:
    async with line() as it:
        await it.send()
        people = [f"openid-{n}" for n in range(20)]
        for openid in people:
            it.platform.api.interact(openid, 5, HOURS_48)
        it.platform.api.spoil_token()
        await asyncio.gather(
            *(it.api.call(SEND, {"touser": o, "msgtype": "text", "text": {"content": "好"}}) for o in people)
        )
        assert it.forced() == [False, False]
        sends = [call.errcode for call in it.platform.api.calls if call.path == SEND]
        assert sends.count(0) == 21
        assert set(sends) <= {0, 40001}


@pytest.mark.parametrize("code", [40001, 40014, 42001])
async def test_a_refused_token_is_renewed_by_force_once_and_the_call_repeated(code: int) -> None:
    async with line() as it:
        it.platform.api.faults[SEND].append(code)
        await it.send()
        assert it.forced() == [False, False, True]
        assert [call.errcode for call in it.platform.api.calls if call.path == SEND] == [code, 0]
        assert it.api.health.ok


async def test_a_token_that_is_refused_for_good_is_not_fetched_for_ever() -> None:
    async with line() as it:
        it.platform.api.standing[SEND] = 40001
        for _ in range(5):
            with pytest.raises(Retryable) as refusal:
                await it.send()
            assert refusal.value.retry_after == 60
        assert it.forced().count(True) == 1
        assert it.platform.api.count(SEND) == 6  # one repeat in all
        assert not it.api.health.ok
        assert "40001" in it.api.health.detail
        del it.platform.api.standing[SEND]
        await it.send()
        assert it.api.health == Health(last_contact=it.api.health.last_contact)


async def test_a_token_that_another_process_renewed_is_taken_over_without_force() -> None:
    async with line() as it:
        await it.send()
        other = Api(it.platform.api_base, it.platform.app_id, it.platform.secret, clock=it.clock)
        it.platform.api.faults[SEND].append(42001)
        await other.call(SEND, {"touser": it.openid, "msgtype": "text", "text": {"content": "好"}})
        await other.aclose()
        fetched = len(it.forced())
        await it.send()
        assert it.forced()[fetched:] == [False]


async def test_a_token_is_renewed_before_it_ends() -> None:
    async with line() as it:
        await it.send()
        it.clock.now += 7200 - 301
        await it.send()
        assert it.forced() == [False]
        it.clock.now += 2
        await it.send()
        assert it.forced() == [False, False]
        assert 42001 not in [call.errcode for call in it.platform.api.calls]


async def test_an_ended_token_is_renewed() -> None:
    async with line() as it:
        it.platform.api.lifetime = 10
        await it.send()
        it.clock.now += 11
        await it.send()
        assert it.platform.api.count(SEND) == 2


@pytest.mark.parametrize(
    ("code", "kind", "after"),
    [
        (45015, WindowClosed, None),
        (45047, WindowClosed, None),
        (48001, WindowClosed, None),
        (43004, Blocked, None),
        (45002, Rejected, None),
        (40003, Rejected, None),
        (12345, Rejected, None),
        (-1, Retryable, 2),
        (45009, Retryable, 3600),
        (45011, Retryable, 60),
        (40164, Retryable, 60),
    ],
)
async def test_what_each_refusal_means(code: int, kind: type[DeliveryError], after: float | None) -> None:
    async with line() as it:
        it.platform.api.faults[SEND].append(code)
        with pytest.raises(kind) as refusal:
            await it.send("只有我知道的话")
        assert type(refusal.value) is kind
        assert str(code) in str(refusal.value)
        assert getattr(refusal.value, "retry_after", None) == after
        await it.send()


async def test_five_messages_then_the_count_is_full_and_after_48_hours_the_window_is_closed() -> None:
    async with line() as it:
        for _ in range(5):
            await it.send()
        with pytest.raises(WindowClosed, match="45047"):
            await it.send()
        it.clock.now += HOURS_48
        with pytest.raises(WindowClosed, match="45015"):
            await it.send()


@pytest.mark.parametrize(
    ("code", "word"), [(40164, "203.0.113.7"), (40125, "app_secret"), (40013, "app_id"), (40243, "frozen")]
)
async def test_what_an_operator_must_mend_is_said_in_health_and_costs_no_text(code: int, word: str) -> None:
    async with line() as it:
        it.platform.api.standing[STABLE_TOKEN] = code
        with pytest.raises(Retryable):
            await it.send()
        assert not it.api.health.ok
        assert word in it.api.health.detail
        assert str(code) in it.api.health.detail
        it.platform.api.standing.clear()
        await it.send()
        assert it.api.health == Health(last_contact=it.api.health.last_contact)


async def test_a_wrong_secret() -> None:
    async with line() as it:
        it.platform.api.secret = "another"
        with pytest.raises(Retryable, match="40125"):
            await it.send()


@pytest.mark.parametrize("fault", [Cut(), Cut(done=True), Hang(), Http(502), Http(504)])
async def test_a_send_whose_answer_is_lost_has_an_unknown_outcome(fault: Fault) -> None:
    async with line(timeout=0.3) as it:
        await it.send()
        it.platform.api.faults[SEND].append(fault)
        with pytest.raises(OutcomeUnknown):
            await it.send()
        shown = await it.platform.person(it.openid).sees(1)
        assert len(shown) == (2 if fault == Cut(done=True) else 1)


@pytest.mark.parametrize("fault", [Cut(), Hang(), Http(500), Http(404)])
async def test_a_fetch_of_the_token_that_fails_sent_nothing(fault: Fault) -> None:
    async with line(timeout=0.3) as it:
        it.platform.api.faults[STABLE_TOKEN].append(fault)
        with pytest.raises(Retryable):
            await it.send()
        assert it.platform.api.count(SEND) == 0


@pytest.mark.parametrize("status", [404, 429, 503])
async def test_a_status_that_says_it_was_not_taken_can_be_tried_again(status: int) -> None:
    async with line() as it:
        it.platform.api.faults[SEND].append(Http(status))
        with pytest.raises(Retryable):
            await it.send()


async def test_without_a_connection_nothing_was_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    api = Api(f"http://127.0.0.1:{port}", "wx1", "secret")
    with pytest.raises(Retryable):
        await api.call(SEND, {})
    await api.aclose()
    with pytest.raises(Retryable):
        await api.call(SEND, {})


@pytest.mark.parametrize("fault", [Cut(), Hang(), Http(502), 40001, 45015, 45002, -1, 40164])
async def test_no_fault_shows_a_text_a_token_or_a_secret(fault: Fault, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    secret_text = "只有我知道" + "的话"  # never in one piece in a source line, which a traceback shows
    async with line(timeout=0.3) as it:
        await it.send()
        tokens = {it.platform.api.token}
        it.platform.api.standing[SEND] = fault
        with pytest.raises(DeliveryError) as caught:
            await it.send(secret_text)
        tokens.add(it.platform.api.token)
        said = "".join(traceback.format_exception(caught.value)) + caplog.text + it.api.health.detail
        for hidden in (*tokens, it.platform.secret, secret_text, "access_token="):
            assert hidden not in said


async def test_the_adapter_works_with_five_texts_after_each_message_of_the_user() -> None:
    async with line() as it:
        adapter = WeChatAdapter(settings(it.platform))
        running = asyncio.create_task(adapter.run(lambda _: asyncio.sleep(0, [])))
        (menu,) = await it.platform.api.arrived(MENU)
        assert menu.errcode == 0
        address = Address("wechat", it.platform.app_id, it.openid)
        for n in range(5):
            assert await adapter.send(address, Reply(f"{n}")) == Sent()
        with pytest.raises(WindowClosed):
            await adapter.send(address, Reply("5"))
        seen = await it.platform.person(it.openid).sees(5)
        assert seen == [Seen("service", f"{n}") for n in range(5)]
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        with pytest.raises(Retryable):
            await adapter.send(address, Reply("6"))


async def test_texts_of_one_chat_keep_their_order_when_sent_side_by_side() -> None:
    async with line() as it:
        adapter = WeChatAdapter(settings(it.platform))
        running = asyncio.create_task(adapter.run(lambda _: asyncio.sleep(0, [])))
        address = Address("wechat", it.platform.app_id, it.openid)
        await asyncio.gather(*(adapter.send(address, Reply(f"{n}")) for n in range(5)))
        seen = await it.platform.person(it.openid).sees(5)
        assert [s.text for s in seen] == ["0", "1", "2", "3", "4"]
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize("code", [40018, 48001, 40164])
async def test_a_menu_that_cannot_be_placed_is_a_note_and_the_adapter_goes_on(code: int) -> None:
    async with line() as it:
        it.platform.api.standing[MENU] = code
        adapter = WeChatAdapter(settings(it.platform))
        running = asyncio.create_task(adapter.run(lambda _: asyncio.sleep(0, [])))
        await it.platform.api.arrived(MENU)
        address = Address("wechat", it.platform.app_id, it.openid)
        assert await adapter.send(address, Reply("好")) == Sent()
        assert not running.done()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def test_capabilities_follow_the_settings() -> None:
    base = {"app_id": "wx1", "token": "t"}
    without = WeChatAdapter(WeChatSettings.model_validate({**base, "customer_service": False}))
    assert not without.capabilities.typing
    assert (without.capabilities.window_hours, without.capabilities.window_messages) == (48, 5)
    assert without.capabilities.max_length == 2047
    assert (without.platform, without.account) == ("wechat", "wx1")
