"""Bring the database's tables to the form the program expects, with Alembic."""

from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from bot.store.store import Store
from config import ConfigError

HEAD = "0001"
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
    await _run(store, _upgrade)
    return True


async def differences(store: Store) -> list[str]:
    """What the tables lack or have too much, compared with the schema; empty if they agree."""
    found: list[str] = []

    def compare(connection: Connection) -> None:
        from alembic.autogenerate import compare_metadata
        from alembic.migration import MigrationContext

        from bot.store.schema import metadata

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


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
