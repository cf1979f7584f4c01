"""A WeChat adapter behind a real HTTP server, the emulated platform on the other side, and no bot in between."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from fastapi import FastAPI

from adapters import Address, Message, Receipt, Reply, Sent
from adapters.wechat import WeChatAdapter
from config.settings import WeChatSettings
from tests.emulators.wechat import Mode, Person, WeChatEmulator
from tests.emulators.wechat_api import MENU
from tests.emulators.wechat_serve import serve

HOLD = 0.4  # seconds, for the 4.3 of real life
LINGER = 0.03
GRACE = 0.4


@dataclass
class Intake:
    """Stores in memory, recognises repeats, and can be told to fail or to wait."""

    stored: dict[str, Message] = field(default_factory=dict)
    calls: int = 0
    faults: list[Exception] = field(default_factory=list)
    gate: asyncio.Event | None = None  # a commit waits for it
    on_new: Callable[[Message], Awaitable[list[object]]] | None = None  # the bot's reaction, as its own task
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    _tasks: set[asyncio.Future[list[object]]] = field(default_factory=set)

    async def receive(self, messages: Sequence[Message]) -> list[Receipt]:
        self.calls += 1
        async with self._changed:
            self._changed.notify_all()
        if self.gate is not None:
            await self.gate.wait()
        if self.faults:
            raise self.faults.pop(0)
        receipts = []
        for message in messages:
            duplicate = message.key in self.stored
            self.stored.setdefault(message.key, message)
            receipts.append(Receipt(list(self.stored).index(message.key) + 1, duplicate))
            if self.on_new is not None and not duplicate:
                task = asyncio.ensure_future(self.on_new(message))
                self._tasks.add(task)
        async with self._changed:
            self._changed.notify_all()
        return receipts

    async def has(self, count: int) -> list[Message]:
        """Wait until so many different messages are stored."""
        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(lambda: len(self.stored) >= count)
        return list(self.stored.values())

    async def called(self, count: int) -> None:
        """Wait for so many calls, repeats and failures included."""
        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(lambda: self.calls >= count)

    async def outcomes(self) -> list[object]:
        """What came of the texts that the bot sent in reaction: Sent or an exception each."""
        return [outcome for outcomes in await asyncio.gather(*self._tasks) for outcome in outcomes]


@dataclass
class House:
    platform: WeChatEmulator
    adapter: WeChatAdapter
    intake: Intake
    opened: asyncio.Event  # set when a chat can be written to
    running: asyncio.Task[None]  # the adapter's run

    @property
    def person(self) -> Person:
        return self.platform.person()

    @property
    def address(self) -> Address:
        return Address("wechat", self.platform.app_id, self.person.openid)

    async def say(self, text: str, to: Person | None = None) -> Sent:
        """What the bot's delivery does."""
        address = self.address if to is None else Address("wechat", self.platform.app_id, to.openid)
        return await self.adapter.send(address, Reply(text))

    async def stop(self) -> None:
        """End the adapter's run; the server stays."""
        self.running.cancel()
        await asyncio.gather(self.running, return_exceptions=True)

    def answer_with(self, *texts: str) -> None:
        """Answer each new message with these texts, in order, without waiting in between."""

        async def answer(message: Message) -> list[object]:
            sends = [self.adapter.send(message.address, Reply(text)) for text in texts]
            return [*await asyncio.gather(*sends, return_exceptions=True)]

        self.intake.on_new = answer


def settings(platform: WeChatEmulator, *, customer_service: bool = True, aes: bool | None = None) -> WeChatSettings:
    """The account's settings, as an operator would write them."""
    return WeChatSettings.model_validate(
        {
            "app_id": platform.app_id,
            "app_secret": platform.secret,
            "token": platform.token,
            "aes_key": platform.aes_key if (aes if aes is not None else platform.mode != "plain") else None,
            "api_base": platform.api_base,
            "customer_service": customer_service,
        }
    )


@contextlib.asynccontextmanager
async def house(
    mode: Mode = "aes",
    *,
    customer_service: bool = True,
    aes: bool | None = None,
    hold: float = HOLD,
    cuts: tuple[float, ...] = (5.0,),
    linger: float = LINGER,
    grace: float = GRACE,
) -> AsyncIterator[House]:
    """Everything running. `aes`: whether the adapter knows the key, if other than the mode suggests."""
    platform = WeChatEmulator(mode=mode, cuts=cuts)
    async with platform.running():
        adapter = WeChatAdapter(
            settings(platform, customer_service=customer_service, aes=aes), hold=hold, linger=linger, grace=grace
        )
        intake, opened = Intake(), asyncio.Event()
        adapter.on_sendable = opened.set
        app = FastAPI()
        router = adapter.routes()
        assert router is not None
        app.include_router(router)
        async with serve(app) as url:
            platform.callback = f"{url}/wechat"
            running = asyncio.create_task(adapter.run(intake.receive))
            await asyncio.sleep(0)  # until it takes messages
            if customer_service:
                await platform.api.arrived(MENU)
            built = House(platform, adapter, intake, opened, running)
            try:
                yield built
            finally:
                await built.stop()
