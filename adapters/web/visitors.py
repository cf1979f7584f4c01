"""Who is at the page: a random token in a cookie, known to the store only by its digest."""

import hashlib
import re
import secrets
from collections import deque
from collections.abc import Callable

COOKIE = "psyllm_visitor"
COOKIE_SECONDS = 180 * 24 * 3600
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


def new_token() -> str:
    """A fresh bearer token of 256 random bits."""
    return secrets.token_urlsafe(32)


def chat_of(token: str | None) -> str | None:
    """The chat that belongs to a token; None if it cannot be one of ours."""
    if token is None or not _TOKEN.fullmatch(token):
        return None
    return hashlib.sha256(token.encode()).hexdigest()[:32]


class RateLimit:
    """At most `count` messages in any `seconds`, for each chat."""

    def __init__(self, count: int, seconds: float, clock: Callable[[], float]) -> None:
        self._count = count
        self._seconds = seconds
        self._clock = clock
        self._taken: dict[str, deque[float]] = {}

    def wait(self, chat: str) -> float:
        """Take a place and return 0; if none is free, the seconds until one is."""
        now = self._clock()
        taken = self._taken.setdefault(chat, deque())
        while taken and taken[0] <= now - self._seconds:
            taken.popleft()
        if len(taken) >= self._count:
            return taken[0] + self._seconds - now
        taken.append(now)
        return 0.0

    def forget(self, chat: str) -> None:
        """Drop what is known about a chat whose last page has closed, unless it would lift a limit in force."""
        if (taken := self._taken.get(chat)) and len(taken) < self._count:
            del self._taken[chat]
