"""Migrations and schema agree, whichever way a database came to be."""

from pathlib import Path

from sqlalchemy import inspect
from sqlalchemy.ext.asyncio import create_async_engine

from bot.store import Store
from bot.store import migrate as module
from bot.store.migrate import HEAD, differences, migrate, upgrade, version


async def test_a_database_made_by_migrations_is_the_same_as_one_made_at_once(database_url: str) -> None:
    engine = create_async_engine(database_url)
    async with engine.begin() as connection:
        await connection.run_sync(migrate)
    await engine.dispose()
    async with Store(database_url) as store:
        assert await version(store) == HEAD
        assert await differences(store) == []
        assert await upgrade(store) is False


async def test_indexes_and_checks_are_the_same_both_ways(tmp_path: Path) -> None:
    def shape(connection: object) -> dict[str, object]:
        found = inspect(connection)
        assert found is not None
        return {
            name: (
                sorted(i["name"] or "" for i in found.get_indexes(name)),
                sorted(str(c["name"]) for c in found.get_check_constraints(name)),
                sorted(str(f["name"]) for f in found.get_foreign_keys(name)),
            )
            for name in found.get_table_names()
            if name != "alembic_version"
        }

    shapes = []
    for name, make in (("migrated", migrate), ("created", module._create)):
        engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / name}.db")
        async with engine.begin() as connection:
            await connection.run_sync(make)
            shapes.append(await connection.run_sync(shape))
        await engine.dispose()
    assert shapes[0] == shapes[1]


def test_the_head_named_in_the_code_is_the_newest_migration() -> None:
    folder = Path(module.__file__).parent / "migrations" / "versions"
    assert max(path.name.split("_")[0] for path in folder.glob("0*.py")) == HEAD
