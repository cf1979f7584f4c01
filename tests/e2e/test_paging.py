"""Pages: the next channel at once, merged, answered in four ways, quiet at night and never for an emergency."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters import Blocked, Rejected, Retryable, WindowClosed
from bot.store import handoffs
from tests.e2e.paging_house import LADDER, LIN, OPS, SAM, WORDS, House, open_house
from tests.support import says, until

Open = Callable[..., Awaitable[House]]
LIN_MAIL = LIN + 'email = "lin@example.org"\n'
AT_NIGHT = "quiet_hours = [00:00:00, 23:59:59.999999]\n"


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Open]:
    """Opens a house with a roster, on SQLite."""
    async with AsyncExitStack() as stack:
        yield opener(stack, f"sqlite+aiosqlite:///{tmp_path / 'paging.db'}", tmp_path)


@pytest.fixture
async def start_both(database_url: str, tmp_path: Path) -> AsyncIterator[Open]:
    """The same on both databases, for what has statements of its own."""
    async with AsyncExitStack() as stack:
        yield opener(stack, database_url, tmp_path)


def opener(stack: AsyncExitStack, url: str, folder: Path) -> Open:
    async def opened(roster: str, **values: Any) -> House:
        return await stack.enter_async_context(open_house(url, folder, roster, **values))

    return opened


async def test_one_channel_at_a_time_and_the_next_at_once_when_a_page_fails_for_good(start_both: Open) -> None:
    house = await start_both(LIN_MAIL + SAM + LADDER)
    house.desk.faults["900"] = [Rejected("no such chat")]
    await house.urgent()
    [page] = await house.mail.wait("lin", 1)
    assert house.desk.of("901") == []
    assert "https://care.example.org/console/case/1" in page


async def test_a_page_by_email_holds_no_word_of_the_user_unless_the_roster_says_so(start: Open) -> None:
    house = await start(
        LIN_MAIL + 'channels = ["email"]\n' + SAM + 'email = "sam@example.org"\ntext_in_pages = true\n' + LADDER
    )
    house.desk.faults["901"] = [Rejected("no such chat")] * 3
    await house.urgent("urgent, my secret")
    [page] = await house.mail.wait("lin", 1)
    assert "secret" not in page
    assert "Urgent" in page
    await house.later(31)
    [page] = await house.mail.wait("sam", 1)
    assert "my secret" in page


async def test_when_a_platform_is_down_the_next_channel_is_used_and_the_page_still_tried(start: Open) -> None:
    house = await start(LIN_MAIL + SAM + LADDER)
    house.desk.faults["900"] = [Retryable("down", 60)]
    await house.urgent()
    await house.mail.wait("lin", 1)
    assert house.desk.of("900") == []


async def test_a_short_wait_of_the_platform_s_is_waited_out(start: Open) -> None:
    house = await start(LIN_MAIL + SAM + LADDER)
    house.desk.faults["900"] = [Retryable("slow down", 0.05)]
    await house.urgent()
    await house.desk.wait("900", 1)
    assert house.mail.of("lin") == []


async def test_a_counsellor_with_no_way_left_brings_the_next_step_at_once(start: Open) -> None:
    house = await start(LIN + SAM + LADDER)
    house.desk.faults["900"] = [Blocked("blocked")]
    await house.urgent()
    await house.desk.wait("901", 1)  # no time has passed


async def test_a_step_may_name_its_channels(start: Open) -> None:
    ladder = '[[ladder]]\nwho = ["lin"]\nchannels = ["email", "telegram"]\n'
    house = await start(LIN_MAIL + ladder)
    await house.urgent()
    await house.mail.wait("lin", 1)
    assert house.desk.of("900") == []


async def test_an_emergency_pages_every_step_by_every_channel_at_once(start: Open) -> None:
    house = await start(LIN_MAIL + SAM + LADDER)
    await house.urgent("emergency")
    await house.mail.wait("lin", 1)
    await house.desk.wait("900", 1)
    await house.desk.wait("901", 1)


async def test_i_m_coming_stops_the_climbing_and_counts_only_for_a_while(start_both: Open) -> None:
    house = await start_both(LIN + SAM + LADDER, ack_minutes=2)
    await house.urgent()
    page = await house.desk.last("900", 1)
    assert page.actions == ["claim 1", "coming 1", "cannot 1", "callmore 1 0"]
    await house.press("900", "coming 1")
    await house.heard(house.desk, "900", WORDS.get("desk.coming", minutes="2"))
    await house.later(100)
    assert (await house.handoff()).step == 0
    await house.later(21)
    await house.desk.wait("901", 1)
    await until(house.app.store, lambda: chat_has(house, "900", WORDS.get("desk.did_not_come")))


async def test_in_an_emergency_i_m_coming_spares_only_who_said_it(start: Open) -> None:
    house = await start(LIN + SAM + LADDER)
    await house.urgent("emergency")
    await house.desk.wait("900", 1)
    await house.press("900", "coming 1")
    await house.heard(house.desk, "900", WORDS.get("desk.coming_emergency"))
    await house.later(61)
    await house.desk.wait("901", 2)
    assert len(house.desk.of("900")) == 2  # the page, and the answer
    await house.later(200)
    await until(house.app.store, lambda: chat_has(house, "900", WORDS.get("desk.did_not_come")))


async def test_i_can_t_brings_the_next_step_at_once_and_is_not_asked_again(start_both: Open) -> None:
    house = await start_both(LIN + SAM + LADDER)
    await house.urgent()
    await house.desk.wait("900", 1)
    await house.press("900", "cannot 1")
    await house.desk.wait("901", 1)
    await house.later(61)
    await house.desk.wait("901", 2)
    assert house.desk.of("900")[1:] == [WORDS.get("desk.cannot_come")]


async def test_the_last_who_can_t_come_is_told_so_and_is_called_again_later(start: Open) -> None:
    house = await start(LIN + '[[ladder]]\nwho = ["lin"]\nwait_seconds = 30\n')
    await house.urgent()
    await house.desk.wait("900", 1)
    await house.press("900", "cannot 1")
    await house.heard(house.desk, "900", WORDS.get("desk.cannot_come_alone"))
    await house.later(31)
    await house.desk.wait("900", 3)


async def test_a_rise_in_danger_pages_again_also_who_said_no(start_both: Open) -> None:
    house = await start_both(LIN + SAM + LADDER)
    await house.urgent()
    await house.desk.wait("900", 1)
    await house.press("900", "cannot 1")
    await house.desk.wait("901", 1)
    await house.urgent("emergency")
    await house.desk.wait("900", 3)
    await house.desk.wait("901", 2)


async def test_call_more_pages_the_next_step_and_a_late_press_is_told_so(start: Open) -> None:
    house = await start(LIN + SAM + LADDER)
    await house.urgent()
    await house.desk.wait("900", 1)
    await house.press("900", "callmore 1 0")
    await house.desk.wait("901", 1)
    await house.heard(house.desk, "900", WORDS.get("desk.called_more"))
    await house.press("900", "callmore 1 0")
    await house.heard(house.desk, "900", WORDS.get("desk.called_already"))


@pytest.mark.parametrize("action", ["coming 1", "cannot 1", "callmore 1 0"])
async def test_late_presses_are_told_who_has_the_case_or_that_it_is_closed(start: Open, action: str) -> None:
    house = await start(LIN + SAM + LADDER)
    await house.urgent()
    await house.desk.wait("900", 1)
    await house.app.desk.claim(1, "sam")
    await house.press("900", action)
    await house.heard(house.desk, "900", WORDS.get("desk.too_late", name="Sam"))
    await close(house)
    await house.press("900", action)
    await house.heard(house.desk, "900", WORDS.get("desk.closed"))


async def close(house: House) -> None:
    """As the desk does in the end, whatever its form asks for."""
    async with house.app.store.transaction() as tx:
        now = tx.now
        await handoffs.change(
            tx, 1, state=handoffs.CLOSED, outcome="other", closed_at=now, next_step_at=None, lease_until=None
        )


async def test_a_step_is_repeated_as_often_as_it_says_before_the_next(start: Open) -> None:
    ladder = '[[ladder]]\nwho = ["lin"]\nwait_seconds = 30\nrepeat = 2\nrepeat_seconds = 10\n'
    house = await start(LIN + SAM + ladder + '[[ladder]]\nwho = ["sam"]\n')
    await house.urgent()
    for n in range(1, 4):
        await house.desk.wait("900", n)
        assert house.desk.of("901") == []
        await house.later(31 if n == 3 else 11)
    await house.desk.wait("901", 1)


async def test_unsent_pages_are_merged_however_often_somebody_was_called(start: Open) -> None:
    house = await start(LIN + SAM + LADDER)
    house.desk.faults["900"] = [Retryable("down", 100)]
    await house.urgent()
    await house.desk.attempted("900", 1)
    await house.desk.wait("901", 1)
    house.desk.faults["900"] = [Retryable("down", 100)]
    await house.later(61)
    await house.desk.attempted("900", 2)
    await house.later(61)
    await house.desk.wait("900", 1)
    assert len(house.desk.of("900")) == 1


async def test_quiet_hours_pass_to_the_next_person_below_an_emergency(start: Open) -> None:
    house = await start(LIN + AT_NIGHT + SAM + LADDER)
    await house.urgent()
    await house.desk.wait("901", 1)
    assert house.desk.of("900") == []
    await house.urgent("emergency")
    await house.desk.wait("900", 1)


async def test_in_quiet_hours_they_are_paged_all_the_same_if_there_is_nobody_else(start: Open) -> None:
    house = await start(LIN + AT_NIGHT + '[[ladder]]\nwho = ["lin"]\n')
    await house.urgent()
    await house.desk.wait("900", 1)


async def edit(house: House, **values: object) -> None:
    """The roster's file is another from now on."""
    house.app.rota._file = house.app.roster.model_copy(update=values)
    await house.app.rota.refresh()


async def test_a_running_escalation_keeps_the_ladder_it_began_with(start: Open) -> None:
    house = await start(LIN + SAM + LADDER)
    await house.urgent()
    await house.desk.wait("900", 1)
    await edit(house, ladder=house.app.roster.ladder[:1])
    await house.later(31)
    await house.desk.wait("901", 1)


async def test_who_leaves_the_roster_is_skipped(start: Open) -> None:
    house = await start(LIN + SAM + LADDER)
    await house.urgent()
    await house.desk.wait("900", 1)
    await edit(house, counsellors=house.app.roster.counsellors[1:])
    await house.later(31)
    await house.desk.wait("901", 1)
    assert len(house.desk.of("900")) == 1


# Situations: the user is told honestly, and the operator at once.


async def test_nobody_on_call(start: Open) -> None:
    away = '[[leave]]\nwho = "lin"\nstart = 2020-01-01\nend = 2099-12-31\n'
    house = await start(LIN + OPS + away + '[[ladder]]\nwho = ["lin"]\n')
    await house.urgent()
    assert WORDS.get("handoff.queued_off_duty") in house.user.of("a")[0]
    await house.operator_told("nobody_on_call")
    await house.desk.wait("900", 1)


async def test_nobody_answers(start: Open) -> None:
    house = await start(LIN + SAM + OPS + LADDER)
    await house.urgent()
    await house.desk.wait("900", 1)
    await house.later(31)
    await house.desk.wait("901", 1)
    await house.later(61)
    await house.operator_told("nobody_answers")
    await until(house.app.store, lambda: user_told_to_call(house))


async def user_told_to_call(house: House) -> bool:
    return any("no counsellor has picked up yet" in text for text in house.user.of("a"))


async def test_telegram_down(start_both: Open) -> None:
    house = await start_both(LIN + SAM + OPS + LADDER)
    house.desk.faults = {chat: [Retryable("down", 600)] * 20 for chat in ("900", "901")}
    await house.urgent()
    await house.operator_told("page_failed")
    await house.operator_told("nobody_reached")
    assert any("I couldn't reach a counsellor" in text for text in house.user.of("a", "system"))


async def test_the_only_counsellor_blocked_the_bot(start: Open) -> None:
    house = await start(LIN + OPS + '[[ladder]]\nwho = ["lin"]\n')
    house.desk.faults["900"] = [Blocked("blocked")]
    await house.urgent()
    await house.operator_told("nobody_reached")
    await until(house.app.store, lambda: user_knows(house))
    found = await house.handoff()
    assert found.next_step_at
    assert found.next_step_at - house.clock() <= timedelta(seconds=60)


async def test_wechat_s_window_is_closed(start_both: Open) -> None:
    house = await start_both(LIN + OPS + '[[ladder]]\nwho = ["lin"]\n')
    house.wechat.faults["w"] = [WindowClosed("closed")]
    await house.app.intake.receive([says("w", "urgent", platform="wechat")])
    await house.operator_told("user_unreachable")
    await until(house.app.store, lambda: chat_has(house, "900", WORDS.get("desk.reason.window_closed")))
    assert house.wechat.of("w") == []
    await house.app.intake.receive([says("w", "are you there", platform="wechat")])
    await house.heard(house.wechat, "w", WORDS.get("handoff.arrived_late"))
    assert WORDS.get("handoff.queued") in house.wechat.of("w")[0]  # the safety text, which was held, comes first


async def user_knows(house: House) -> bool:
    return any("I couldn't reach a counsellor" in text for text in house.user.of("a"))


async def chat_has(house: House, chat: str, part: str) -> bool:
    return any(part in text for text in house.desk.of(chat))
