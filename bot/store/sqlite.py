"""SQLite with one trip to its thread for each statement.

aiosqlite runs every call in the connection's thread: making a cursor, executing, fetching and closing are four trips,
and each waits for the interpreter to change threads twice. Here a statement is executed and its rows are fetched in one
trip, and the rest needs none.
"""

import sqlite3
from collections.abc import AsyncIterator, Iterable, Sequence
from types import TracebackType
from typing import Any

import aiosqlite


class Cursor:
    """What SQLAlchemy asks of an aiosqlite cursor. Rows are read when the statement is executed."""

    def __init__(self, connection: "Connection") -> None:
        self._connection = connection
        self._rows: list[Any] = []
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None
        self.arraysize = 1

    async def __aenter__(self) -> "Cursor":
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        await self.close()

    async def execute(self, statement: str, parameters: Sequence[Any] = ()) -> "Cursor":
        """Execute a statement and read its rows."""
        await self._connection.in_thread(self._run, "execute", statement, parameters)
        return self

    async def executemany(self, statement: str, parameters: Iterable[Sequence[Any]]) -> "Cursor":
        """Execute a statement once for each set of parameters."""
        await self._connection.in_thread(self._run, "executemany", statement, parameters)
        return self

    def _run(self, method: str, statement: str, parameters: Any) -> None:
        cursor = self._connection.driver.cursor()
        try:
            getattr(cursor, method)(statement, parameters)
            self.description, self.rowcount, self.lastrowid = cursor.description, cursor.rowcount, cursor.lastrowid
            self._rows = cursor.fetchall() if cursor.description else []
        finally:
            cursor.close()

    async def fetchall(self) -> list[Any]:
        """The rows, once."""
        rows, self._rows = self._rows, []
        return rows

    async def close(self) -> None:
        """Nothing is held open."""
        self._rows = []

    def __aiter__(self) -> AsyncIterator[Any]:
        raise NotImplementedError("rows are fetched at once")


class Connection(aiosqlite.Connection):
    """An aiosqlite connection with these cursors."""

    @property
    def driver(self) -> sqlite3.Connection:
        """The connection in the thread."""
        return self._conn

    async def in_thread(self, work: Any, *arguments: Any) -> Any:
        """Run `work` in the connection's thread."""
        return await self._execute(work, *arguments)  # type: ignore[no-untyped-call]  # aiosqlite types only its face

    def cursor(self) -> Cursor:  # type: ignore[override]  # aiosqlite's is awaited first; SQLAlchemy enters it either way
        return Cursor(self)


async def connect(path: str) -> Connection:
    """Open a database file."""
    connection = Connection(lambda: sqlite3.connect(path, check_same_thread=False), iter_chunk_size=64)
    connection._thread.daemon = True  # as SQLAlchemy does: a forgotten connection must not keep the process alive
    await connection
    return connection
