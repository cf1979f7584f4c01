"""A running web chat for tests: the real adapter under uvicorn on loopback, over a transcript held in memory."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime

import uvicorn
from fastapi import FastAPI

from adapters.base import Address, Button, Kind, Message, Receipt, Reply, Thumbs
from adapters.web import Shown, WebAdapter


class Room:
    """What the bot's store does for the web chat: keeps lines by chat, knows repeated keys, may fail on command."""

    def __init__(self) -> None:
        self.lines: dict[Address, list[Shown]] = {}
        self.received: list[Message] = []
        self.failures = 0  # how many of the next messages fail to be stored
        self.gate: asyncio.Event | None = None  # storing waits for it
        self._receipts: dict[str, int] = {}
        self._next = 1
        self.arrived = asyncio.Condition()

    async def since(self, address: Address, message_id: int) -> Sequence[Shown]:
        return [line for line in self.lines.get(address, []) if line.id > message_id]

    async def receive(self, messages: Sequence[Message]) -> Sequence[Receipt]:
        if self.gate:
            await self.gate.wait()
        if self.failures:
            self.failures -= 1
            raise RuntimeError("the store is away")
        receipts = [self._store(message) for message in messages]
        async with self.arrived:
            self.arrived.notify_all()
        return receipts

    def _store(self, message: Message) -> Receipt:
        if known := self._receipts.get(message.key):
            return Receipt(known, duplicate=True)
        self.received.append(message)
        text = f"/{message.text}" if message.kind is Kind.COMMAND else message.text
        line = self.add(message.address, "user", text, key=message.key, shown=message.kind is not Kind.ACTION)
        self._receipts[message.key] = line.id
        return Receipt(line.id, duplicate=False)

    def add(
        self,
        address: Address,
        author: str,
        text: str,
        *,
        key: str = "",
        name: str = "",
        buttons: tuple[tuple[Button, ...], ...] = (),
        at: datetime | None = None,
        shown: bool = True,
        thumbs: Thumbs | None = None,
    ) -> Shown:
        line = Shown(self._next, author, text, at or datetime.now(UTC), buttons, key, name, thumbs)
        self._next += 1
        if shown:
            self.lines.setdefault(address, []).append(line)
        return line

    def erase(self, address: Address) -> None:
        self.lines.pop(address, None)

    async def wait_for(self, count: int) -> list[Message]:
        """The first `count` messages, once they are stored."""
        async with self.arrived:
            await self.arrived.wait_for(lambda: len(self.received) >= count)
        return self.received[:count]


async def say(
    adapter: WebAdapter, room: Room, address: Address, text: str, author: str = "bot", **more: object
) -> Shown:
    """Deliver a line as the bot does: it stands in the transcript, then the adapter sends it."""
    line = room.add(address, author, text, **more)  # type: ignore[arg-type]  # the keywords of `add`
    await adapter.send(address, Reply(text, line.buttons, author, line.id))
    return line


class Server(uvicorn.Server):
    """uvicorn that says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._listens = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._listens.set()

    async def begin(self, listener: socket.socket) -> asyncio.Task[None]:
        """Serve in a task of its own; returns once it listens."""
        serving = asyncio.create_task(self.serve([listener]))
        listens = asyncio.create_task(self._listens.wait())
        await asyncio.wait([serving, listens], return_when=asyncio.FIRST_COMPLETED)
        listens.cancel()
        return serving

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield  # signals are the business of the test run


class Site:
    """A server on a loopback port that can be stopped and started again on the same port."""

    def __init__(self, app: Callable[..., object]) -> None:
        self._app = app
        self._server: Server | None = None
        self._serving: asyncio.Task[None] | None = None
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port: int = probe.getsockname()[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        config = uvicorn.Config(self._app, log_config=None, lifespan="on", timeout_graceful_shutdown=1)
        self._server = Server(config)
        self._serving = await self._server.begin(socket.create_server(("127.0.0.1", self.port)))

    async def stop(self) -> None:
        if self._server and self._serving:
            self._server.should_exit = True
            await self._serving
            self._server = None


@asynccontextmanager
async def web_chat(room: Room, **settings: object) -> AsyncIterator[tuple[WebAdapter, Site]]:
    """The web chat on a loopback port. Settings go to WebAdapter."""
    adapter = WebAdapter(room, **settings)  # type: ignore[arg-type]  # the keywords of WebAdapter
    app = FastAPI()
    app.include_router(adapter.routes())
    running = asyncio.create_task(adapter.run(room.receive))
    site = Site(app)
    await site.start()
    try:
        yield adapter, site
    finally:
        await site.stop()
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
