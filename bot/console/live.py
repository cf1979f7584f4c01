"""Keeps an open page true: draws it again whenever the store says that what it shows has changed."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from nicegui import Client, background_tasks, ui

from bot.store import Wake

log = structlog.get_logger(__name__)
SAFETY_SECONDS = 30.0
"""A change of which no wake-up came is shown after this long."""


class Live:
    """Calls `redraw` in its page after each ring of a channel that `concerns` accepts."""

    def __init__(self, wake: Wake, concerns: Callable[[str], bool], redraw: Callable[[], Awaitable[object]]) -> None:
        self._concerns = concerns
        self._redraw = redraw
        self._changed = asyncio.Event()
        self._client: Client = ui.context.client
        self._slot = ui.context.slot
        stop = wake.listen(self._ring)
        task = background_tasks.create(self._run(), name="console-live")

        def end() -> None:
            stop()
            task.cancel()

        self._client.on_delete(end)

    def _ring(self, channel: str) -> None:
        if self._concerns(channel):
            self._changed.set()

    async def _run(self) -> None:
        while not self._client.is_deleted:
            try:
                async with asyncio.timeout(SAFETY_SECONDS):
                    await self._changed.wait()
            except TimeoutError:
                pass
            self._changed.clear()
            try:
                with self._slot:
                    await self._redraw()
            except Exception as error:  # the next ring draws again
                log.warning("console.redraw_failed", error=type(error).__name__)
                await asyncio.sleep(1)
                self._changed.set()
