"""An App whose counsellors are reached on platforms in memory, at a time that a test moves on."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select

from adapters import Kind
from bot.app import App
from bot.store import HANDOFFS, Cipher, Store, conversations, handoffs
from bot.store.cipher import new_key
from bot.store.handoffs import Event, Handoff
from bot.store.migrate import upgrade
from bot.store.schema import outbox
from config import Language, load_texts
from tests.support import EchoGenerator, MemoryAdapter, address, make_app, says, until

WORDS = load_texts(Language.EN)

LIN = '[[counsellors]]\nid = "lin"\nname = "Lin"\nlanguages = ["en"]\ntelegram = 900\n'
SAM = '[[counsellors]]\nid = "sam"\nname = "Sam"\nlanguages = ["en"]\ntelegram = 901\n'
OPS = '[[counsellors]]\nid = "ops"\nname = "Ops"\nlanguages = ["en"]\nrole = "operator"\nemail = "ops@example.org"\n'
LADDER = '[[ladder]]\nwho = ["lin"]\nwait_seconds = 30\n[[ladder]]\nwho = ["sam"]\nwait_seconds = 60\n'


class Clock:
    """The time, which a test moves on."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def advance(self, seconds: float) -> None:
        self._ahead += timedelta(seconds=seconds)


@dataclass
class House:
    """The App and the platforms it writes to. Chats at `desk` are Telegram ids, at `mail` counsellors' ids."""

    app: App
    clock: Clock
    user: MemoryAdapter
    desk: MemoryAdapter
    mail: MemoryAdapter
    wechat: MemoryAdapter

    async def later(self, seconds: float) -> None:
        """Time passes, but not while a page is on its way: nothing takes that long here."""
        await until(self.app.store, self._no_page_leaves)
        self.clock.advance(seconds)
        self.app.store.wake.ring(HANDOFFS)

    async def _no_page_leaves(self) -> bool:
        query = select(outbox.c.id).where(outbox.c.state == "sending", outbox.c.kind == "alert")
        async with self.app.store.reading() as tx:
            return (await tx.connection.execute(query)).first() is None

    async def urgent(self, word: str = "urgent") -> Handoff:
        """Somebody writes that they are in danger, and hears the safety text."""
        await self.app.intake.receive([says("a", word)])
        await self.user.wait("a", 1)
        return await self.handoff()

    async def handoff(self) -> Handoff:
        """The handoff of the one user, open or closed."""
        async with self.app.store.reading() as tx:
            person = await conversations.at(tx, address("a"))
            assert person
            found = await handoffs.open_of(tx, person.id) or await handoffs.get(tx, 1)
        assert found
        return found

    async def events(self) -> list[Event]:
        """The handoff's record."""
        async with self.app.store.reading() as tx:
            return await handoffs.events(tx, (await self.handoff()).id)

    async def press(self, chat: str, action: str) -> None:
        """A counsellor presses a button under a page."""
        await self.app.intake.receive([says(chat, action, Kind.ACTION, platform="telegram")])

    async def told(self, text: str) -> None:
        """Wait until the user has been told a text."""
        await self.heard(self.user, "a", text)

    async def operator_told(self, topic: str) -> None:
        """Wait until the operator has a mail of this topic."""
        start = WORDS.get(f"operator.{topic}", **dict.fromkeys(WORDS.fields(f"operator.{topic}"), "\0")).split("\0")
        await until(self.app.store, lambda: self._mail_has(max(start, key=len)))

    async def _mail_has(self, part: str) -> bool:
        return any(part in text for text in self.mail.of("ops"))

    async def heard(self, platform: MemoryAdapter, chat: str, text: str) -> None:
        """Wait until a chat was given a text."""

        async def there() -> bool:
            return text in platform.of(chat)

        await until(self.app.store, there)


@asynccontextmanager
async def open_house(
    url: str, folder: Path, roster: str, ack_minutes: float = 3, **values: Any
) -> AsyncIterator[House]:
    """A running App with this roster."""
    path = folder / "on_call.toml"
    path.write_text(roster)
    clock = Clock()
    user, wechat = MemoryAdapter(), MemoryAdapter("wechat")
    desk, mail = MemoryAdapter("telegram"), MemoryAdapter("email")
    more: dict[str, Any] = {
        "telegram": {"token": "12:test"},
        "email": {"host": "localhost", "sender": "bot@example.org"},
        "web": {"public_url": "https://care.example.org"},
        "work": {"poll_seconds": 0.2, "lease_seconds": 3600},
        "handoff": {"roster": path, "ack_minutes": ack_minutes},
    }
    async with Store(url, Cipher.from_keys(new_key()), clock) as store:
        await upgrade(store)
        app = make_app(store, folder, [user, desk, mail, wechat], EchoGenerator(), **(more | values))
        async with app.running():
            await app.responder.loaded()
            yield House(app, clock, user, desk, mail, wechat)
