"""The database: SQLite in one file by default, PostgreSQL when several machines share the work.

Both are used through SQLAlchemy Core. Writers on SQLite take their turn at one connection (`BEGIN IMMEDIATE`, WAL,
synchronous FULL: a commit survives a power cut); readers never wait for them. On PostgreSQL rows are claimed with
`FOR UPDATE SKIP LOCKED`.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import structlog
from sqlalchemy import event, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from bot.clock import Clock, system_clock
from bot.store.cipher import Cipher
from bot.store.sqlite import connect
from bot.store.wake import Wake
from config import ConfigError

log = structlog.get_logger(__name__)
_NOTIFY = "psyllm"
T = TypeVar("T")


class Transaction:
    """One transaction: its connection, the cipher, the time it began, and the channels to ring when it is committed."""

    def __init__(self, connection: AsyncConnection, cipher: Cipher, clock: Clock) -> None:
        self.connection = connection
        self.cipher = cipher
        self.now = clock()
        self._rings: set[str] = set()

    def ring(self, channel: str) -> None:
        """Wake the channel's workers once the transaction is committed."""
        self._rings.add(channel)

    @property
    def rings(self) -> frozenset[str]:
        return frozenset(self._rings)


class Store:
    """The open database. `async with Store(...)` or `open` and `close`."""

    def __init__(self, url: str, cipher: Cipher | None = None, clock: Clock = system_clock) -> None:
        self.url = make_url(url)
        self.cipher = cipher or Cipher()
        self.clock = clock
        self.wake = Wake()
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._writer: AsyncEngine
        self._reader: AsyncEngine
        self._turn = asyncio.Lock()
        self._listening: asyncio.Task[None] | None = None
        self._heard = asyncio.Event()

    async def open(self) -> None:
        """Connect. Raises ConfigError if the URL's driver is missing or the server cannot be reached."""
        try:
            if self.is_sqlite:
                self._open_sqlite()
            else:
                self._writer = self._reader = create_async_engine(self.url, pool_size=10, max_overflow=10)
            async with self._reader.connect():
                pass
        except (ImportError, OSError, DBAPIError) as error:
            raise ConfigError(
                f"database_url: {self.url.render_as_string(hide_password=True)} cannot be opened "
                f"({type(error).__name__}); check the address, or run pip install 'psyllm-bot[postgres]'"
            ) from None
        if not self.is_sqlite:
            self._listening = asyncio.create_task(self._listen(), name="store-listen")

    def _open_sqlite(self) -> None:
        if not self.url.database or self.url.database == ":memory:":
            raise ConfigError(
                "database_url: SQLite needs a file, such as sqlite+aiosqlite:////var/lib/psyllm/psyllm.db"
            )
        path = self.url.database
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        self._writer = create_async_engine(self.url, pool_size=1, max_overflow=0, async_creator=lambda: connect(path))
        self._reader = create_async_engine(self.url, pool_size=4, async_creator=lambda: connect(path))
        for engine, begin in ((self._writer, "BEGIN IMMEDIATE"), (self._reader, "BEGIN")):
            event.listen(engine.sync_engine, "connect", _prepare_sqlite)
            event.listen(engine.sync_engine, "begin", _beginner(begin))

    async def close(self) -> None:
        """Give all connections back."""
        if self._listening:
            self._listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._listening
        await self._writer.dispose()
        await self._reader.dispose()

    async def __aenter__(self) -> "Store":
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """A writing transaction. It is committed when the block ends, and only then are its channels rung."""
        turn = self._turn if self.is_sqlite else contextlib.nullcontext()
        async with turn, self._writer.begin() as connection:
            tx = Transaction(connection, self.cipher, self.clock)
            yield tx
            if not self.is_sqlite:
                for channel in tx.rings:
                    await connection.exec_driver_sql("SELECT pg_notify($1, $2)", (_NOTIFY, channel))
        for channel in tx.rings:
            self.wake.ring(channel)

    @contextlib.asynccontextmanager
    async def reading(self) -> AsyncIterator[Transaction]:
        """A view of the database as it is now; nothing may be written in it."""
        async with self._reader.connect() as connection, connection.begin():
            yield Transaction(connection, self.cipher, self.clock)

    async def retrying(self, work: Callable[[Transaction], Awaitable[T]], attempts: int = 5) -> T:
        """Run `work` in a transaction, again if the database broke a deadlock or refused to serialise it."""
        for attempt in range(attempts):
            try:
                async with self.transaction() as tx:
                    return await work(tx)
            except DBAPIError as error:
                if attempt == attempts - 1 or not _is_conflict(error):
                    raise
        raise AssertionError("unreachable")

    async def listening(self) -> None:
        """Wait until commits of other processes are heard. Returns at once on SQLite."""
        if self._listening:
            await self._heard.wait()

    async def _listen(self) -> None:
        """Ring the channels that other processes committed to; connect again when the server goes away."""
        import asyncpg

        dsn = self.url.set(drivername="postgresql").render_as_string(hide_password=False)
        while True:
            try:
                await _listen_once(dsn, self.wake, self._heard)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.warning("store.listen_lost", error=type(error).__name__)
            await asyncio.sleep(1)


async def _listen_once(dsn: str, wake: Wake, heard: asyncio.Event) -> None:
    """Ring what is notified until the connection is lost."""
    import asyncpg

    connection = await asyncpg.connect(dsn)
    try:
        lost = asyncio.Event()
        connection.add_termination_listener(lambda *_: lost.set())
        await connection.add_listener(_NOTIFY, lambda _c, _p, _n, channel: wake.ring(channel))
        heard.set()
        await lost.wait()
    finally:
        heard.clear()
        if not connection.is_closed():
            await connection.close()


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # SQLAlchemy's begin event opens transactions, not the driver
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=10000", "secure_delete=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _beginner(statement: str) -> Callable[[Any], None]:
    def begin(connection: Any) -> None:
        connection.exec_driver_sql(statement)

    return begin


def _is_conflict(error: DBAPIError) -> bool:
    """SQLSTATE class 40 (serialisation failure, deadlock) or SQLite's busy."""
    state = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None) or ""
    return str(state).startswith("40") or "database is locked" in str(error.orig)
