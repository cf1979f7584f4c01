"""`psyllm db` and `psyllm person`."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import typer
from sqlalchemy import make_url

from bot.app import open_store, prepare
from bot.cli.logs import set_up_logs
from bot.store import Store, people
from bot.store.migrate import HEAD, differences, upgrade, version
from config import Settings, load_settings

T = TypeVar("T")


def with_store(work: Callable[[Store], Awaitable[T]]) -> T:
    """Run `work` on the configured store, with its tables up to date."""

    async def run() -> T:
        settings = load_settings()
        set_up_logs(settings.log)
        store = open_store(settings)
        await prepare(store)
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(run())


def has_database(settings: Settings) -> bool:
    """Whether there may be anything to read: not before the first start on SQLite, whose file is made by it."""
    url = make_url(settings.database)
    return url.get_backend_name() != "sqlite" or Path(url.database or "").exists()


def upgrade_database() -> None:
    """Run missing migrations."""

    async def run() -> None:
        async with open_store(load_settings()) as store:
            changed = await upgrade(store)
            typer.echo(f"The database is at migration {HEAD}{'' if changed else ' already'}.")

    asyncio.run(run())


def check_database() -> int:
    """Say whether the tables are as expected; 1 if not."""

    async def run() -> tuple[str | None, list[str]]:
        async with open_store(load_settings()) as store:
            found = await version(store)
            return found, await differences(store) if found == HEAD else []

    found, wrong = asyncio.run(run())
    if found != HEAD:
        typer.echo(f"The database is at migration {found or 'none'}, the program expects {HEAD}: run psyllm db upgrade")
        return 1
    for line in wrong:
        typer.echo(f"The tables differ from the schema: {line}")
    if not wrong:
        typer.echo(f"The database is at migration {HEAD} and its tables are as expected.")
    return 1 if wrong else 0


def export_person(person_id: int) -> int:
    """Print a person as JSON; 1 if there is none."""

    async def run(store: Store) -> dict[str, object] | None:
        async with store.reading() as tx:
            return await people.export(tx, person_id)

    if (found := with_store(run)) is None:
        typer.echo(f"There is no person {person_id}.", err=True)
        return 1
    typer.echo(json.dumps(found, ensure_ascii=False, indent=2))
    return 0


def erase_person(person_id: int) -> int:
    """Delete a person; 1 if there is none."""

    async def run(store: Store) -> bool:
        async with store.transaction() as tx:
            return await people.erase(tx, person_id)

    if not with_store(run):
        typer.echo(f"There is no person {person_id}.", err=True)
        return 1
    typer.echo(f"Everything about person {person_id} is deleted. Copies in backups go when the backups expire.")
    return 0
