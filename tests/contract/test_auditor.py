"""The auditor finds what was forgotten, puts it back, tells the operator; the heartbeat is fed only if all is well."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fastapi import FastAPI
from sqlalchemy import delete, insert, select, update

from adapters import Health
from bot.app import App
from bot.store import Cipher, Store, escalations, handoffs
from bot.store.cipher import new_key
from bot.store.migrate import upgrade
from bot.store.schema import conversation, escalation, handoff, outbox
from tests.e2e.paging_house import LADDER, LIN, OPS, SAM
from tests.emulators.wechat_serve import serve
from tests.support import EchoGenerator, MemoryAdapter, make_app, says


class Beats:
    """A monitoring service's address."""

    def __init__(self) -> None:
        self.count = 0

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.get("/ping/secret")
        async def ping() -> str:
            self.count += 1
            return "OK"

        return app


class Clock:
    ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


class Unwell(MemoryAdapter):
    """A platform that says what to mend."""

    ok = True

    def health(self) -> Health:
        return Health(self.ok, "" if self.ok else "no connection")


@pytest.fixture
async def beats() -> AsyncIterator[tuple[Beats, str]]:
    found = Beats()
    async with serve(found.app()) as url:
        yield found, f"{url}/ping/secret"


@pytest.fixture
async def house(
    database_url: str, tmp_path: Path, beats: tuple[Beats, str]
) -> AsyncIterator[tuple[App, Clock, Beats, Unwell]]:
    """An App with one waiting case, whose workers stand still: only the auditor is asked to look."""
    clock, desk = Clock(), Unwell("telegram")
    async with at_rest(database_url, tmp_path, clock, desk, beats[1]) as app:
        await app.intake.receive([says("a", "urgent")])
        async with app.store.transaction() as tx:
            await tx.connection.execute(update(outbox).values(state="sent", due_at=None))
            await tx.connection.execute(update(conversation).values(turn_due_at=None))
        yield app, clock, beats[0], desk


@asynccontextmanager
async def at_rest(url: str, folder: Path, clock: Clock, desk: MemoryAdapter, beat: str) -> AsyncIterator[App]:
    """An App that is not running."""
    path = folder / "on_call.toml"
    path.write_text(LIN + 'email = "lin@example.org"\n' + SAM + OPS + LADDER)
    async with Store(url, Cipher.from_keys(new_key()), clock) as store:
        await upgrade(store)
        yield make_app(
            store,
            folder,
            [MemoryAdapter(), desk, MemoryAdapter("email")],
            EchoGenerator(),
            telegram={"token": "12:test"},
            email={"host": "localhost", "sender": "bot@example.org"},
            handoff={"roster": path},
            operator={"heartbeat_url": beat},
        )


House = tuple[App, Clock, Beats, Unwell]


async def mails_to_operator(app: App) -> int:
    async with app.store.reading() as tx:
        query = select(outbox.c.id).where(outbox.c.address == "email:smtp:ops")
        return len((await tx.connection.execute(query)).all())


async def set_handoff(app: App, **values: object) -> None:
    async with app.store.transaction() as tx:
        await tx.connection.execute(update(handoff).values(**values))


async def next_step(app: App) -> datetime:
    async with app.store.reading() as tx:
        found = await handoffs.get(tx, 1)
    assert found
    assert found.next_step_at
    return found.next_step_at


async def test_all_well_feeds_the_heartbeat(house: House) -> None:
    app, _, beats, _ = house
    assert await app.auditor.step() == {}
    assert beats.count == 1
    assert await mails_to_operator(app) == 0


@pytest.mark.parametrize("off", [timedelta(minutes=-6), timedelta(hours=3)])
async def test_a_handoff_past_its_step_or_far_from_it_is_taken_up_at_once(house: House, off: timedelta) -> None:
    app, clock, beats, _ = house
    await set_handoff(app, next_step_at=clock() + off)
    assert await app.auditor.step() == {"late_cases": 1}
    assert abs(await next_step(app) - clock()) < timedelta(seconds=30)
    assert beats.count == 0
    assert await mails_to_operator(app) == 1
    assert await app.auditor.step() == {}
    assert beats.count == 1


async def test_a_long_waiting_case_below_emergency_may_pause_for_longer(house: House) -> None:
    app, clock, _, _ = house
    await set_handoff(app, created_at=clock() - timedelta(hours=30), next_step_at=clock() + timedelta(hours=2.9))
    assert await app.auditor.step() == {}


async def test_a_handoff_without_its_ladder_gets_the_one_of_now(house: House) -> None:
    app, _, _, _ = house
    async with app.store.transaction() as tx:
        await tx.connection.execute(delete(escalation))
    assert await app.auditor.step() == {"no_ladder": 1}
    async with app.store.reading() as tx:
        found = await escalations.get(tx, 1)
    assert found
    assert found.ladder == app.roster.ladder


async def test_sends_of_a_dead_process_get_an_end(house: House) -> None:
    app, clock, _, _ = house
    async with app.store.transaction() as tx:
        long_ago = clock() - timedelta(minutes=6)
        await tx.connection.execute(update(outbox).values(state="sending", lease_until=long_ago, owner="x"))
        copy = {
            c.name: getattr(row, c.name)
            for row in await tx.connection.execute(select(outbox).limit(1))
            for c in outbox.c
            if c.name != "id"
        }
        await tx.connection.execute(insert(outbox), [copy | {"kind": "reply"}])
    found = await app.auditor.step()
    assert found["stuck_sends"] == 4
    async with app.store.reading() as tx:
        rows = (await tx.connection.execute(select(outbox.c.kind, outbox.c.state))).all()
    states = {row.kind: row.state for row in rows}
    assert states == {"crisis": "waiting", "alert": "waiting", "reply": "unknown"}


async def test_a_page_that_nobody_sends_goes_another_way(house: House) -> None:
    app, clock, _, _ = house
    async with app.store.transaction() as tx:
        await tx.connection.execute(
            update(outbox).where(outbox.c.platform == "telegram").values(state="waiting", due_at=clock())
        )
        await tx.connection.execute(
            update(outbox).where(outbox.c.platform == "console").values(state="failed", due_at=None)
        )
    clock.ahead = timedelta(seconds=61)
    assert (await app.auditor.step())["waiting_pages"] == 1
    async with app.store.reading() as tx:
        query = select(outbox.c.id).where(outbox.c.address == "email:smtp:lin", outbox.c.handoff_id == 1)
        assert len((await tx.connection.execute(query)).all()) == 1


async def test_a_turn_under_a_dead_lease_is_freed(house: House) -> None:
    app, clock, _, _ = house
    long_ago = clock() - timedelta(minutes=6)
    async with app.store.transaction() as tx:
        await tx.connection.execute(
            update(conversation).values(turn_due_at=long_ago, turn_lease_until=long_ago, turn_owner="x")
        )
    assert await app.auditor.step() == {"stuck_turns": 1}
    async with app.store.reading() as tx:
        assert await tx.connection.scalar(select(conversation.c.turn_owner)) is None


async def test_an_unwell_platform_keeps_the_heartbeat_away(house: House) -> None:
    app, _, beats, desk = house
    desk.ok = False
    assert await app.auditor.step() == {"adapter": 1}
    assert beats.count == 0


async def test_operators_are_told_of_the_same_thing_once_in_a_while(house: House) -> None:
    app, clock, _, _ = house
    for minutes, mails in ((0, 1), (14, 1), (16, 2)):
        clock.ahead = timedelta(minutes=minutes)
        await set_handoff(app, next_step_at=clock() - timedelta(minutes=6))
        await app.auditor.step()
        assert await mails_to_operator(app) == mails
