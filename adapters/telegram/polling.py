"""Long polling that confirms an update only after it is committed, and notices when it has gone silent."""

import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from telegram import Bot
from telegram.error import Conflict, InvalidToken, TelegramError

from adapters.telegram.errors import explain
from adapters.telegram.transport import AiohttpRequest, SlowDown
from adapters.telegram.updates import ALLOWED

_log = logging.getLogger(__name__)

POLL_SECONDS = 30
STALL_SECONDS = 90.0
_BATCH = 100


def back_off(failures: int) -> float:
    """Seconds to wait after so many failures in a row, at least 1: from half a second, doubled, to half a minute."""
    return float(min(0.5 * 2 ** min(failures - 1, 10), 30.0))


class Poller:
    """Asks for updates for ever.

    `take` gets each batch of raw updates and returns, after their commit, the offset that confirms them (None: it
    confirms nothing). If it raises, the batch is asked for again.
    """

    def __init__(
        self,
        bot: Bot,
        request: AiohttpRequest,
        take: Callable[[Sequence[Any]], Awaitable[int | None]],
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._bot = bot
        self._request = request
        self._take = take
        self._clock = clock
        self._sleep = sleep
        self._offset: int | None = None
        self._failures = 0
        self._answered_at = clock()
        self._rebuilt_at = clock()
        self._problem = ""
        self.last_contact: datetime | None = None

    async def run(self) -> None:
        """Poll until cancelled."""
        self._answered_at = self._rebuilt_at = self._clock()
        while True:
            if (seconds := await self.step()) > 0:
                await self._sleep(seconds)

    async def step(self) -> float:
        """Poll once; how many seconds to wait before the next time."""
        try:
            updates = await self._fetch()
        except SlowDown as error:
            return error.seconds
        except Exception as error:
            return await self._fetch_failed(error)
        self._answered_at = self._clock()
        self.last_contact = datetime.now(UTC)
        if updates and not await self._hand_over(updates):
            self._failures += 1
            return back_off(self._failures)
        self._failures = 0
        self._problem = ""
        return 0.0

    def problem(self) -> str:
        """What keeps updates from coming in; empty if nothing does."""
        if not self._problem and (silent := self._clock() - self._answered_at) > STALL_SECONDS:
            return f"Telegram has not answered for {silent:.0f} s; check the network, the proxy and api_base"
        return self._problem

    async def _fetch(self) -> list[Any]:
        query = {"timeout": POLL_SECONDS, "limit": _BATCH, "allowed_updates": json.dumps(ALLOWED)}
        if self._offset is not None:
            query["offset"] = self._offset
        # Bot.get_updates would build python-telegram-bot's objects: see updates.py.
        result = await self._request.post(f"{self._bot.base_url}/getUpdates?{urlencode(query)}")
        if not isinstance(result, list):
            raise TelegramError("getUpdates answered without a list")
        return result

    async def _fetch_failed(self, error: Exception) -> float:
        """A poll that times out is a failure too: Telegram answers in time when it has no updates."""
        self._failures += 1
        _log.warning("telegram: getUpdates failed: %s", explain(error))
        if isinstance(error, Conflict | InvalidToken):
            self._problem = explain(error)
            return back_off(self._failures)
        now = self._clock()
        if now - max(self._answered_at, self._rebuilt_at) > STALL_SECONDS:
            _log.error("telegram: no answer for %.0f s, connections are rebuilt", now - self._answered_at)
            self._rebuilt_at = now
            await self._request.rebuild()
        return back_off(self._failures)

    async def _hand_over(self, updates: list[Any]) -> bool:
        """Have the updates stored, and move on; whether that went well."""
        try:
            offset = await self._take(updates)
        except Exception as error:
            self._problem = f"updates cannot be stored ({type(error).__name__}), so they are not confirmed"
            _log.error("telegram: %s", self._problem)
            return False
        self._answered_at = self._clock()  # the time it took to store them is not Telegram's silence
        self._offset = self._offset if offset is None else offset
        return offset is not None
