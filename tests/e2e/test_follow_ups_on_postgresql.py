"""Many at once on PostgreSQL: three workers, a killed process, a lost database. Nothing twice, nothing gone."""

import asyncio
import signal
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path

from sqlalchemy import insert, select, text
from sqlalchemy.ext.asyncio import create_async_engine

from bot.clock import system_clock
from bot.store import Store, schema
from bot.store.migrate import upgrade
from tests.e2e.follow_up_house import EN, House
from tests.e2e.follow_up_worker import LATE, enrol_many, worker_of

ROOT = Path(__file__).parents[2]
PEOPLE = 2_000


async def states(store: Store) -> Counter[str]:
    async with store.reading() as tx:
        return Counter(
            await tx.connection.scalars(select(schema.occurrence.c.state).where(schema.occurrence.c.day == 0))
        )


async def rows_of(store: Store) -> Counter[int]:
    """How many outbox rows each occurrence has."""
    async with store.reading() as tx:
        return Counter(await tx.connection.scalars(select(schema.outbox.c.occurrence_id)))


async def test_three_workers_take_each_once(postgres_database: str) -> None:
    async with Store(postgres_database) as store, Store(postgres_database) as two, Store(postgres_database) as three:
        await upgrade(store)
        await enrol_many(store, PEOPLE)
        workers = [worker_of(each) for each in (store, two, three)]
        while (await states(store))["due"]:
            await asyncio.gather(*(worker.step() for worker in workers))
        assert await states(store) == {"queued": PEOPLE}
        assert set((await rows_of(store)).values()) == {1}


async def test_killed_while_many_are_taken_none_is_lost_and_none_doubled(postgres_database: str) -> None:
    async with Store(postgres_database) as store:
        await upgrade(store)
        await enrol_many(store, PEOPLE)
        for _ in range(3):
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.e2e.follow_up_worker", postgres_database, cwd=ROOT,
                stdout=asyncio.subprocess.PIPE,
            )  # fmt: skip
            assert process.stdout
            await process.stdout.readline()  # a batch is through, the next is under way
            process.send_signal(signal.SIGKILL)
            await process.communicate()
            found = await states(store)
            assert found["due"] + found["queued"] == PEOPLE
            assert sum((await rows_of(store)).values()) == found["queued"], "both stand in one commit"
        worker = worker_of(store)
        while (await states(store))["due"]:
            await worker.step()
        assert set((await rows_of(store)).values()) == {1}


async def test_while_the_database_is_away_nothing_is_lost(postgres_database: str) -> None:
    async with Store(postgres_database) as store:
        await upgrade(store)
        await enrol_many(store, 50)
        worker = worker_of(store)
        running = asyncio.create_task(worker.run())
        admin = create_async_engine(postgres_database.rsplit("/", 1)[0] + "/postgres", isolation_level="AUTOCOMMIT")
        name = postgres_database.rsplit("/", 1)[1]
        try:
            async with admin.connect() as connection:
                await connection.execute(
                    text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"), {"name": name}
                )
            async with asyncio.timeout(20):
                while True:
                    try:
                        if (await states(store)) == {"queued": 50}:
                            break
                    except Exception:
                        await store._reader.dispose()
                    await asyncio.sleep(0.05)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await admin.dispose()
        assert set((await rows_of(store)).values()) == {1}


async def test_what_waited_too_long_to_leave_is_recorded_as_missed(postgres_database: str) -> None:
    async with Store(postgres_database) as store:
        await upgrade(store)
        await enrol_many(store, 10)
        worker = worker_of(store)
        await worker.step()
        store.clock = lambda: system_clock() + LATE + timedelta(minutes=1)
        await worker.step()
        assert (await states(store))["missed"] == 10
        async with store.reading() as tx:
            left = Counter(await tx.connection.scalars(select(schema.outbox.c.state)))
        assert left == {"dropped": 10}


async def test_the_whole_way_on_postgresql(postgres_database: str, tmp_path: Path) -> None:
    async with Store(postgres_database) as store:
        await upgrade(store)
        house = House(store, tmp_path)
        async with house.app.running():
            await house.app.responder.loaded()
            await house.join("mood_checkin")
            await house.press("checkins time 20:00")
            await house.say("time zone Paris")
            house.wait(hours=8)
            await house.tick()
            house.wait(seconds=1)
            sent = await house.platform.last("a", 4)
            assert "0 is as bad" in sent.text
            await house.say("7")
            asked = await house.press("exercise begin feet_floor 0")
            await house.press(asked.actions[-1])
            asked = await house.press("form begin phq2 0")
            await house.press(asked.actions[0])
            later = next(action for action in sent.actions if action.startswith("checkins later"))
            assert (await house.press(later)).text == EN.get("followup.later")
            assert EN.get("followup.exercise_stopped") == (await house.say("stop")).text, "the exercise first"
            assert EN.get("followup.stopped") == (await house.say("stop")).text
            assert {row[1] for row in await house.ends()} == {"sent", "skipped"}


async def test_the_table_refuses_an_end_without_a_reason_and_a_second_of_a_slot(store: Store) -> None:
    await enrol_many(store, 1)
    async with store.reading() as tx:
        row = (await tx.connection.execute(select(schema.occurrence))).one()._mapping
    for values in ({"state": "missed", "ended_at": store.clock()}, {"state": "sent"}, {}):
        kept = {k: v for k, v in row.items() if k != "id"} | values | ({"round": 1} if values else {})
        try:
            async with store.transaction() as tx:
                await tx.connection.execute(insert(schema.occurrence).values(kept))
        except Exception as error:
            assert "constraint" in str(error).lower() or "unique" in str(error).lower()  # noqa: PT017
        else:
            raise AssertionError(values)
