"""Sends keep to the limits, in every order of chats and times, and no chat pays for another."""

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters import Retryable
from adapters.telegram.pacing import Pace, Pacer
from tests.emulators.telegram_inbox import Clock

PACE = Pace(overall=10, overall_burst=5, chat=1, chat_burst=2)


def most_in(times: list[float], window: float) -> int:
    """The most events in any half-open window of so many seconds."""
    return max(sum(start <= t < start + window - 1e-6 for t in times) for start in times)


@given(st.lists(st.tuples(st.integers(1, 4), st.floats(0, 2)), min_size=1, max_size=60))
async def test_the_pace_is_kept(sends: list[tuple[int, float]]) -> None:
    clock = Clock()
    pacer = Pacer(PACE, clock, clock.sleep)
    left: dict[int, list[float]] = defaultdict(list)
    for chat, pause in sends:
        await pacer.wait(chat)
        left[chat].append(clock.now)
        clock.now += pause
    every = sorted(t for times in left.values() for t in times)
    for seconds in (1, 3, 10):
        assert most_in(every, seconds) <= PACE.overall_burst + PACE.overall * seconds
        assert all(most_in(times, seconds) <= PACE.chat_burst + seconds for times in left.values())


async def test_an_idle_bot_never_waits() -> None:
    clock = Clock()
    pacer = Pacer(PACE, clock, clock.sleep)
    for _ in range(10):
        await pacer.wait(1)
        await pacer.wait(1)
        clock.now += 2
    assert clock.slept == []


async def test_a_waiting_chat_uses_up_no_place_of_the_others() -> None:
    clock = Clock()
    pacer = Pacer(Pace(overall=1, overall_burst=3, chat=0.1, chat_burst=1), clock, clock.sleep)
    await pacer.wait(1)
    await pacer.wait(1)
    assert clock.slept == [10]
    for chat in (2, 3):
        await pacer.wait(chat)
    assert clock.slept == [10], "ten seconds later the burst is there again"


async def test_a_pause_is_for_one_chat_and_ends() -> None:
    clock = Clock()
    pacer = Pacer(None, clock, clock.sleep)
    pacer.pause(1, 20)
    with pytest.raises(Retryable) as refused:
        await pacer.wait(1)
    assert refused.value.retry_after == 20
    await pacer.wait(2)
    clock.now += 19.5
    await pacer.wait(1)
    assert clock.slept == [0.5], "a short rest is waited out"
    assert pacer.paused(1) == 0


async def test_idle_chats_are_forgotten() -> None:
    clock = Clock()
    pacer = Pacer(Pace(overall=1e6, overall_burst=10), clock, clock.sleep)
    for chat in range(25_000):
        await pacer.wait(chat)
        clock.now += 0.01
    assert len(pacer._chats) <= 10_001


@pytest.mark.parametrize(
    ("server", "paced"),
    [
        ("https://api.telegram.org", True),
        ("http://127.0.0.1:8081", False),
        ("https://telegram.org.example.com", False),
    ],
)
def test_telegrams_own_server_is_paced(server: str, paced: bool) -> None:
    assert (Pace.for_server(server) is not None) is paced
