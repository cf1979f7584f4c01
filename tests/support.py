"""What several tests share: a platform in memory, a screener by keywords, a generator that echoes, and their App."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from adapters import Address, Button, Capabilities, Kind, Message, NoExtras, Receive, Reply, Sent, Thumbs, Unit
from bot.app import App, build
from bot.store import Store
from config import Settings
from engine import Assessment, Category, Evidence, Level, Piece, Request, Screener, SecondOpinion, Turn

BOT = "12"
"""The bot's own account on every platform in memory."""

_numbers = itertools.count(1)


def address(chat: str = "1", platform: str = "memory") -> Address:
    """A user's address on the platform in memory."""
    return Address(platform, BOT, chat)


def says(chat: str, text: str, kind: Kind = Kind.TEXT, key: str = "", platform: str = "memory") -> Message:
    """A message from a user; each call is another one."""
    number = next(_numbers)
    return Message(
        address=address(chat, platform),
        key=key or f"m{number}",
        sent_at=datetime.now(UTC),
        kind=kind,
        text=text,
        reference=str(number),
    )


@dataclass(frozen=True)
class Heard:
    """Something the platform was given for a user."""

    chat: str
    text: str
    author: str
    buttons: tuple[tuple[Button, ...], ...] = ()
    thumbs: Thumbs | None = None

    @property
    def actions(self) -> list[str]:
        """What its buttons do, in order."""
        return [button.action for row in self.buttons for button in row]


class MemoryAdapter(NoExtras):
    """A platform in memory. `faults` are raised by the next sends to a chat, in order."""

    account = BOT

    def __init__(self, platform: str = "memory", capabilities: Capabilities | None = None) -> None:
        self.platform = platform
        self.capabilities = capabilities or Capabilities(4000, Unit.CHARACTERS, buttons=True)
        self.heard: list[Heard] = []
        self.images: dict[str, list[bytes]] = {}
        self.attempts: list[str] = []  # the chat of every send, also of those that fail
        self.faults: dict[str, list[Exception]] = {}
        self.gates: dict[str, asyncio.Event] = {}
        self.open: set[str] = set()
        self._changed = asyncio.Condition()

    async def run(self, receive: Receive) -> None:
        await asyncio.Event().wait()

    async def send(self, address: Address, reply: Reply) -> Sent:
        async with self._changed:
            self.attempts.append(address.chat)
            self._changed.notify_all()
        if gate := self.gates.get(address.chat):
            await gate.wait()
        if faults := self.faults.get(address.chat):
            raise faults.pop(0)
        async with self._changed:
            if reply.image:
                self.images.setdefault(address.chat, []).append(reply.image)
            self.heard.append(Heard(address.chat, reply.text, reply.author, reply.buttons, reply.thumbs))
            self._changed.notify_all()
        return Sent(f"out{len(self.heard)}")

    def sendable_now(self) -> frozenset[str]:
        return frozenset(self.open)

    def of(self, chat: str, author: str | None = None) -> list[str]:
        """Texts given for a chat."""
        return [h.text for h in self.heard if h.chat == chat and author in (None, h.author)]

    async def last(self, chat: str, count: int) -> Heard:
        """Wait until a chat was given `count` texts; the last of them."""
        await self.wait(chat, count)
        return [h for h in self.heard if h.chat == chat][count - 1]

    async def wait(self, chat: str, count: int = 1, author: str | None = None) -> list[str]:
        """Wait until a chat was given `count` texts."""
        await self._until(lambda: len(self.of(chat, author)) >= count)
        return self.of(chat, author)

    async def attempted(self, chat: str, count: int) -> None:
        """Wait until so many sends to a chat have begun."""
        await self._until(lambda: self.attempts.count(chat) >= count)

    async def _until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20), self._changed:
            await self._changed.wait_for(condition)


async def until(store: Store, condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something holds; looked at again whenever a commit wakes anybody."""
    rang = asyncio.Event()
    stop = store.wake.listen(lambda _: rang.set())
    try:
        async with asyncio.timeout(20):
            while not await condition():
                await rang.wait()
                rang.clear()
    finally:
        stop()


class WordScreener:
    """Finds the words `urgent` and `emergency`; fails at `unscreenable`."""

    version = "words"

    def assess(self, text: str, context: Sequence[Turn] = ()) -> Assessment:
        if text == "unscreenable":
            raise RuntimeError(text)
        for level, score in ((Level.EMERGENCY, 0.99), (Level.URGENT, 0.9)):
            if (start := text.find(level.value)) >= 0:
                found = Evidence(start, start + len(level.value), level.value, "word")
                return Assessment(level, Category.SUICIDE, score, (found,), self.version)
        return Assessment(Level.NONE, None, 0.01, version=self.version)


class EchoGenerator:
    """Answers `echo: <text>.`; waits at `gate` first, if there is one."""

    name = "echo"
    trusted = True

    def __init__(self) -> None:
        self.gate: asyncio.Event | None = None
        self.asked: list[Request] = []
        self.began = asyncio.Event()

    async def stream(self, request: Request) -> AsyncIterator[Piece]:
        self.asked.append(request)
        self.began.set()
        if self.gate:
            await self.gate.wait()
        yield Piece(f"echo: {request.text}.")

    async def start(self) -> None:
        """Nothing to load."""

    async def close(self) -> None:
        """Nothing to free."""


ROSTER = """
[[counsellors]]
id = "lin"
name = "Lin"
role = "supervisor"
languages = ["en", "zh"]
telegram = 900

[[counsellors]]
id = "sam"
name = "Sam"
languages = ["en"]
telegram = 901

[[ladder]]
who = ["lin"]
wait_seconds = 30

[[ladder]]
who = ["sam"]
wait_seconds = 60
"""


def settings(folder: Path, **values: object) -> Settings:
    """Settings of a test: quick answers, a roster of two, English."""
    roster = folder / "roster.toml"
    roster.write_text(ROSTER)
    base: dict[str, object] = {
        "data_dir": folder,
        "language": "en",
        "country": "GB",
        "turn": {"gather_seconds": 0},
        "handoff": {"roster": roster},
        "work": {"poll_seconds": 0.2, "lease_seconds": 5},
    }
    return Settings(**(base | values))  # type: ignore[arg-type]  # pydantic reads the values


def make_app(
    store: Store,
    folder: Path,
    adapters: Sequence[MemoryAdapter],
    generator: EchoGenerator,
    screener: Screener | None = None,
    opinion: SecondOpinion | None = None,
    **values: object,
) -> App:
    """An App over a store, on platforms in memory."""
    return build(
        settings(folder, **values),
        ["worker"],
        store=store,
        screener=screener or WordScreener(),
        generator=generator,
        second_opinion=opinion,
        extra=adapters,
    )
