"""An intake in memory, and a Telegram adapter at work with it against the emulator."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from pydantic import SecretStr

from adapters import Message, Receipt
from adapters.telegram import TelegramAdapter
from config.settings import TelegramSettings
from tests.emulators.telegram import TelegramEmulator


class Clock:
    """Time that passes only when the test says so, or somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


class Inbox:
    """Receives as intake does: keeps messages, knows repeats by their key. The next `broken` receives raise."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.broken = 0
        self.refused = 0
        self.asked = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self._changed = asyncio.Condition()

    async def receive(self, messages: Sequence[Message]) -> list[Receipt]:
        async with self._changed:
            self.asked += 1
            self._changed.notify_all()
        await self.gate.wait()
        async with self._changed:
            self._changed.notify_all()
            if self.broken:
                self.broken -= 1
                self.refused += 1
                raise OSError("disk is full")
            known = {(m.address, m.key) for m in self.messages}
            self.messages += [m for m in messages if (m.address, m.key) not in known]
        return [Receipt(n, (m.address, m.key) in known) for n, m in enumerate(messages)]

    @property
    def texts(self) -> list[str]:
        return [m.text for m in self.messages]

    async def wait(self, count: int) -> list[Message]:
        """Wait until so many different messages were kept."""
        await self._until(lambda: len(self.messages) >= count)
        return self.messages

    async def wait_refused(self, count: int) -> None:
        """Wait until so many receives failed."""
        await self._until(lambda: self.refused >= count)

    async def wait_asked(self, count: int) -> None:
        """Wait until receive was called so often, done or not."""
        await self._until(lambda: self.asked >= count)

    async def _until(self, condition: Callable[[], bool]) -> None:
        async with self._changed, asyncio.timeout(10):
            await self._changed.wait_for(condition)


def make_adapter(telegram: TelegramEmulator, clock: Clock | None = None, **options: Any) -> TelegramAdapter:
    """An adapter that polls the emulator and waits without taking time; `options` go to its settings or to itself."""
    clock = clock or Clock()
    fields = {key: options.pop(key) for key in list(options) if key in TelegramSettings.model_fields}
    settings = TelegramSettings(**{"token": SecretStr(telegram.token), "api_base": telegram.url} | fields)
    return TelegramAdapter(settings, clock=clock, sleep=clock.sleep, **options)


@contextlib.asynccontextmanager
async def running(adapter: TelegramAdapter, inbox: Inbox) -> AsyncIterator[TelegramAdapter]:
    """The adapter runs as long as the block lasts; it must not stop by itself."""
    task = asyncio.create_task(adapter.run(inbox.receive))
    try:
        yield adapter
    finally:
        stopped_early = task.done()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert not stopped_early
