"""Wake-ups: a commit tells waiting workers at once that there is something to do.

In one process this is an event per channel. On PostgreSQL the same channels go through NOTIFY, so that a commit in one
process wakes the others. Workers poll as well, as the safety net, so a lost wake-up costs time and nothing else.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable

from adapters import Address

TURNS = "turns"
OUTBOX = "outbox"
HANDOFFS = "handoffs"
OPINIONS = "opinions"
FOLLOWUPS = "followups"
"""What workers wait on."""

ROSTER = "roster"
"""Rung when somebody changed who is on call."""


def page(address: Address) -> str:
    """The channel of everybody who looks at one conversation: its user's pages and its counsellors' desks."""
    return f"page:{address}"


class Wake:
    """Channels that workers wait on and commits ring."""

    def __init__(self) -> None:
        self._events: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._listeners: list[Callable[[str], None]] = []

    def ring(self, channel: str) -> None:
        """Wake whoever waits on the channel, now or at its next wait."""
        if channel in (TURNS, OUTBOX, HANDOFFS, OPINIONS, FOLLOWUPS):
            self._events[channel].set()
        for listener in self._listeners:
            listener(channel)

    def listen(self, listener: Callable[[str], None]) -> Callable[[], None]:
        """Call `listener(channel)` at every ring. Returns a function that ends it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def wait(self, channel: str, timeout: float) -> bool:
        """Wait for a ring since the last wait, at most `timeout` seconds. True if it rang."""
        event = self._events[channel]
        if not event.is_set():
            try:
                async with asyncio.timeout(timeout):
                    await event.wait()
            except TimeoutError:
                return False
        event.clear()
        return True
