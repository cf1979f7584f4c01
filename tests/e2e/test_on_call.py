"""Alerts follow the roster: whoever is on call at that moment is called, and no step waits for nobody."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.app import App
from bot.store import HANDOFFS, Cipher, Store
from bot.store.cipher import new_key
from bot.store.migrate import upgrade
from tests.support import ROSTER, EchoGenerator, MemoryAdapter, make_app, says

Open = Callable[[str], Awaitable[tuple[App, MemoryAdapter]]]
PEOPLE = ROSTER[: ROSTER.index("[[ladder]]")]
HALF_AN_HOUR_AGO = (datetime.now(UTC) - timedelta(minutes=30)).strftime("%Y-%m-%dT%H:%M:%S")


class Clock:
    """The time, which a test moves on."""

    ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def start(database_url: str, tmp_path: Path, clock: Clock) -> AsyncIterator[Open]:
    """Starts an App with the two counsellors and the given rest of a roster."""
    async with AsyncExitStack() as stack:

        async def opened(rest: str) -> tuple[App, MemoryAdapter]:
            path = tmp_path / "on_call.toml"
            path.write_text(PEOPLE + rest)
            store = await stack.enter_async_context(Store(database_url, Cipher.from_keys(new_key()), clock))
            await upgrade(store)
            desk = MemoryAdapter("telegram")
            platforms, echo = [MemoryAdapter(), desk], EchoGenerator()
            app = make_app(store, tmp_path, platforms, echo, telegram={"token": "12:test"}, handoff={"roster": path})
            await stack.enter_async_context(app.running())
            await app.responder.loaded()
            return app, desk

        yield opened


async def test_a_handover_during_a_handoff_brings_the_next_shift(start: Open, clock: Clock) -> None:
    app, desk = await start(f"""
[[rotations]]
id = "hourly"
people = ["lin", "sam"]
every = "hour"
start = {HALF_AN_HOUR_AGO}

[[ladder]]
who = ["hourly"]
""")
    await app.intake.receive([says("a", "urgent")])
    await desk.wait("900", 1)
    assert desk.of("901") == []
    clock.ahead += timedelta(minutes=31)
    app.store.wake.ring(HANDOFFS)
    await desk.wait("901", 1)


LIN_AWAY = '[[leave]]\nwho = "lin"\nstart = 2020-01-01\nend = 2099-12-31\n'


async def test_a_step_with_nobody_on_call_is_skipped_at_once(start: Open) -> None:
    app, desk = await start(LIN_AWAY + '[[ladder]]\nwho = ["lin"]\nwait_seconds = 3600\n[[ladder]]\nwho = ["sam"]')
    await app.intake.receive([says("a", "urgent")])
    await desk.wait("901", 1)
    assert desk.of("900") == []


async def test_when_nobody_is_on_call_the_last_resort_is_called_at_once(start: Open) -> None:
    app, desk = await start(LIN_AWAY + '[[ladder]]\nwho = ["lin"]')
    await app.intake.receive([says("a", "urgent")])
    await desk.wait("901", 1)
    await desk.wait("900", 1)
