"""Bring the database's tables to the form the program expects, with Alembic."""

from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from bot.store.schema import metadata
from bot.store.store import Store
from config import ConfigError

HEAD = "0007"
"""The newest migration; a test holds it against the folder. Kept here so that a start need not import Alembic."""

_FOLDER = Path(__file__).parent / "migrations"
_LOCK = 0x505359  # PostgreSQL: one process migrates, the others wait


async def version(store: Store) -> str | None:
    """The migration a database stands at; None for an empty one."""
    try:
        async with store.reading() as tx:
            value: str | None = await tx.connection.scalar(text("SELECT version_num FROM alembic_version"))
            return value
    except DBAPIError:
        return None


async def upgrade(store: Store) -> bool:
    """Run what migrations are missing. True if there were any. Raises ConfigError if the program is too old."""
    found = await version(store)
    if found == HEAD:
        return False
    if found is not None and found > HEAD:
        raise ConfigError(
            f"database_url: the database is at migration {found}, this program knows {HEAD}; install the newer program"
        )
    await _run(store, _create if found is None else migrate)
    return True


async def differences(store: Store) -> list[str]:
    """What the tables lack or have too much, compared with the schema; empty if they agree."""
    found: list[str] = []

    def compare(connection: Connection) -> None:
        from alembic.autogenerate import compare_metadata
        from alembic.migration import MigrationContext

        found.extend(str(d) for d in compare_metadata(MigrationContext.configure(connection), metadata))

    await _run(store, compare)
    return found


async def _run(store: Store, work: Callable[[Connection], None]) -> None:
    engine = create_async_engine(store.url)
    try:
        async with engine.begin() as connection:
            if not store.is_sqlite:
                await connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
            await connection.run_sync(work)
    finally:
        await engine.dispose()


def _create(connection: Connection) -> None:
    """Make the tables of an empty database at once; a test holds them against what the migrations make."""
    if inspect(connection).has_table("alembic_version"):
        return migrate(connection)  # another process was quicker
    metadata.create_all(connection)
    connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
    connection.execute(text("INSERT INTO alembic_version VALUES (:head)"), {"head": HEAD})
    return None


def migrate(connection: Connection) -> None:
    """Run every missing migration, from the first on for an empty database."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
