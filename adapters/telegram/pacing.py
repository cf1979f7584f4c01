"""Keeping to Telegram's limits: about 30 messages a second overall, one a second in a chat, short bursts allowed.

https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from adapters.base import Retryable

_MANY_CHATS = 10_000
_SHORT_PAUSE = 1.0  # waited out here; it is not worth an attempt of the caller's


@dataclass(frozen=True)
class Pace:
    """How fast messages may leave: sustained rates in messages a second, and how many may leave at once."""

    overall: float = 30.0
    overall_burst: int = 30
    chat: float = 1.0
    chat_burst: int = 5

    @classmethod
    def for_server(cls, api_base: str) -> "Pace | None":
        """Telegram's published limits for its own server.

        Any other (a self-hosted Bot API server, an emulator) is only slowed down when it says so with 429.
        """
        host = urlsplit(api_base).hostname or ""
        return cls() if host == "telegram.org" or host.endswith(".telegram.org") else None


class _Bucket:
    """A token bucket that hands out places in a queue (the generic cell rate algorithm)."""

    __slots__ = ("_interval", "_slack", "full_at")

    def __init__(self, rate: float, burst: int) -> None:
        self._interval = 1.0 / rate
        self._slack = (burst - 1) / rate
        self.full_at = 0.0  # when the whole burst is available again

    def take(self, now: float) -> float:
        """Take the next place; how many seconds until its turn."""
        wait = max(0.0, self.full_at - self._slack - now)
        self.full_at = max(self.full_at, now) + self._interval
        return wait


class Pacer:
    """Delays sends to the pace, and remembers which chats Telegram asked to leave alone for a while."""

    def __init__(
        self,
        pace: Pace | None,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._pace = pace
        self._clock = clock
        self._sleep = sleep
        self._overall = _Bucket(pace.overall, pace.overall_burst) if pace else None
        self._chats: dict[int, _Bucket] = {}
        self._paused: dict[int, float] = {}

    async def wait(self, chat: int) -> None:
        """Return when a message may leave to `chat`. Raises Retryable if the chat is paused for more than a second."""
        if self._paused and (left := self.paused(chat)) > 0:
            if left > _SHORT_PAUSE:
                raise Retryable("Telegram asked to slow down in this chat", left)
            await self._sleep(left)
        if self._pace is None or self._overall is None:
            return
        if chat not in self._chats:
            self._forget_idle()
            self._chats[chat] = _Bucket(self._pace.chat, self._pace.chat_burst)
        # First the chat's own turn: a chat that has to wait must not use up places of the others.
        if (seconds := self._chats[chat].take(self._clock())) > 0:
            await self._sleep(seconds)
        if (seconds := self._overall.take(self._clock())) > 0:
            await self._sleep(seconds)

    def pause(self, chat: int, seconds: float) -> None:
        """Send nothing to `chat` for so long; the other chats go on."""
        self._paused[chat] = self._clock() + seconds

    def paused(self, chat: int) -> float:
        """Seconds until the chat may be written to again; 0 if it may."""
        left = self._paused.get(chat, 0.0) - self._clock()
        if left <= 0:
            self._paused.pop(chat, None)
        return max(left, 0.0)

    def _forget_idle(self) -> None:
        if len(self._chats) >= _MANY_CHATS:
            now = self._clock()
            self._chats = {chat: bucket for chat, bucket in self._chats.items() if bucket.full_at > now}
