"""Long polling that confirms an update only after it is committed, and notices when it has gone silent."""

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from telegram import Bot
from telegram.error import Conflict, InvalidToken, RetryAfter, TelegramError

from adapters.telegram.errors import explain, retry_seconds
from adapters.telegram.transport import AiohttpRequest
from adapters.telegram.updates import ALLOWED

_log = logging.getLogger(__name__)

POLL_SECONDS = 30
STALL_SECONDS = 90.0
_BATCH = 100


@dataclass(frozen=True)
class BackOff:
    """Seconds between attempts after a failure: doubled each time, from `first` to `most`; `slow` where a person has
    to act first."""

    first: float = 0.5
    most: float = 30.0
    slow: float = 15.0

    def after(self, failures: int) -> float:
        """The wait after so many failures in a row, at least 1."""
        return float(min(self.first * 2 ** min(failures - 1, 20), self.most))


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
        back_off: BackOff,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bot = bot
        self._request = request
        self._take = take
        self._back_off = back_off
        self._clock = clock
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
                await asyncio.sleep(seconds)

    async def step(self) -> float:
        """Poll once; how many seconds to wait before the next time."""
        try:
            updates = await self._fetch()
        except RetryAfter as error:
            return retry_seconds(error)
        except (Conflict, InvalidToken) as error:
            self._problem = explain(error)
            _log.error("telegram: %s", self._problem)
            return self._back_off.slow
        except Exception as error:
            return await self._fetch_failed(error)
        self._answered_at = self._clock()
        self.last_contact = datetime.now(UTC)
        if updates and not await self._hand_over(updates):
            self._failures += 1
            return self._back_off.after(self._failures)
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
        now = self._clock()
        if now - max(self._answered_at, self._rebuilt_at) > STALL_SECONDS:
            _log.error("telegram: no answer for %.0f s, connections are rebuilt", now - self._answered_at)
            self._rebuilt_at = now
            await self._request.rebuild()
        return self._back_off.after(self._failures)

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
