"""A bot with follow-ups on a platform in memory, whose clock the test sets."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from adapters import Capabilities, Kind, Unit
from bot.app import App
from bot.store import Store, conversations, followups
from bot.store.conversations import Conversation
from config import Language, load_texts
from tests.support import EchoGenerator, Heard, MemoryAdapter, address, make_app, says

EN, ZH = load_texts(Language.EN), load_texts(Language.ZH)
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)  # a Monday; London is at UTC
WINDOWED = Capabilities(2000, Unit.BYTES, window_hours=48, window_messages=5)


class _Asleep:
    async def run(self) -> None:
        await asyncio.Event().wait()


class House:
    """The bot, its platform, and what a user `chat` does there. The clock stands still unless `wait` moves it."""

    def __init__(self, store: Store, folder: Path, platform: MemoryAdapter | None = None, **values: Any) -> None:
        self.platform = platform or MemoryAdapter()
        self.now = NOON
        store.clock = lambda: self.now
        plain = {"followups": {"jitter_seconds": 0, "per_second": 1000}}
        self.app: App = make_app(store, folder, [self.platform], EchoGenerator(), **(plain | values))
        self.store = store
        self.worker = self.app.followups.worker
        # Nothing falls due by itself: the test says when the worker wakes.
        self.app.followups = replace(self.app.followups, worker=_Asleep())  # type: ignore[arg-type]

    def wait(self, **time: float) -> None:
        """Let time pass."""
        self.now += timedelta(**time)

    async def say(self, text: str, chat: str = "a", kind: Kind = Kind.TEXT) -> Heard:
        """Say something and get the next thing the bot says."""
        before = len(self.platform.of(chat))
        await self.tell(text, chat, kind)
        return await self.platform.last(chat, before + 1)

    async def tell(self, text: str, chat: str = "a", kind: Kind = Kind.TEXT) -> None:
        """Say something that may get no answer."""
        self.wait(milliseconds=10)
        message = replace(says(chat, text, kind, platform=self.platform.platform), sent_at=self.now)
        await self.app.intake.receive([message])

    async def press(self, action: str, chat: str = "a") -> Heard:
        """Press a button."""
        return await self.say(action, chat, Kind.ACTION)

    async def join(self, programme: str, chat: str = "a") -> Heard:
        """Agree to a programme."""
        return await self.press(f"checkins join {programme} yes", chat)

    async def tick(self) -> int:
        """What the worker does when it wakes."""
        return await self.worker.step()

    async def ends(self, chat: str = "a") -> list[tuple[int, str, str]]:
        """Day, state and reason of everything that was planned for a user, in order."""
        async with self.store.reading() as tx:
            person = await conversations.at(tx, address(chat, self.platform.platform))
            rows = await followups.history(tx, person.person_id) if person else []
        return [(row.day, row.state, row.reason) for row in rows]

    async def mine(self, chat: str = "a") -> list[followups.Enrolment]:
        """A user's enrolments."""
        async with self.store.reading() as tx:
            person = await conversations.at(tx, address(chat, self.platform.platform))
            return await followups.of_person(tx, person.person_id) if person else []

    async def person(self, chat: str = "a") -> Conversation:
        """A user's conversation."""
        async with self.store.reading() as tx:
            found = await conversations.at(tx, address(chat, self.platform.platform))
        assert found is not None
        return found
