"""Changes to the roster while the bot runs: checked like the file, in force at once everywhere, and on record."""

import asyncio
from datetime import UTC, date, datetime

import pytest

from bot.desks import Desks
from bot.rota import GapError, Rota, stored
from bot.store import Store
from config import ConfigError, Counsellor, Leave, Override, Roster, Step
from config.rotations import Rotation

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)
DAY = {"start": date(2026, 12, 1), "end": date(2026, 12, 1)}
FILE = Roster(
    counsellors=(Counsellor(id="lin", name="Lin"), Counsellor(id="sam", name="Sam")),
    rotations=(Rotation(id="week", people=("lin",), start=datetime(2026, 11, 2, 9)),),  # noqa: DTZ001  # local
    ladder=(Step(who=("week",)),),
)


@pytest.fixture
def at_noon(store: Store) -> Store:
    store.clock = lambda: NOON
    return store


class Follower(Rota):
    """Says when it has looked."""

    followed = asyncio.Event()

    async def refresh(self) -> None:
        await super().refresh()
        self.followed.set()


def called(rota: Rota) -> set[str]:
    return {c.id for c in rota.roster.step(0, NOON)[0]}


async def test_a_change_is_in_force_at_once_and_gone_when_it_is_taken_back(at_noon: Store) -> None:
    rota = Rota(at_noon, Desks(FILE, ""), FILE)
    await rota.add([Override(rotation="week", replace="lin", by="sam", **DAY)], by="boss")
    assert called(rota) == {"sam"}
    async with at_noon.reading() as tx:
        assert await stored(FILE, tx) == rota.roster
    (entry,) = await rota.entries()
    assert (entry.added_by, entry.removed_at) == ("boss", None)
    assert await rota.remove(entry.id, by="kim")
    assert not await rota.remove(entry.id, by="kim")
    assert called(rota) == {"lin"}
    (entry,) = await rota.entries()
    assert (entry.added_by, entry.removed_by) == ("boss", "kim")


async def test_another_process_follows(at_noon: Store, database_url: str) -> None:
    async with Store(database_url, at_noon.cipher) as elsewhere:
        # SQLite tells nobody; there, one process has both sides.
        store = at_noon if at_noon.is_sqlite else elsewhere
        await store.listening()
        here, there = Rota(at_noon, Desks(FILE, ""), FILE), Follower(store, Desks(FILE, ""), FILE)
        task = asyncio.create_task(there.run())
        try:
            await here.add([Override(rotation="week", add="sam", **DAY)], by="boss")
            async with asyncio.timeout(20):
                while called(there) != {"lin", "sam"}:
                    there.followed.clear()
                    await there.followed.wait()
        finally:
            task.cancel()


async def test_what_does_not_fit_is_refused_like_in_the_file(at_noon: Store) -> None:
    rota = Rota(at_noon, Desks(FILE, ""), FILE)
    with pytest.raises(ConfigError, match="leave: zoe: no counsellor has this id"):
        await rota.add([Override(rotation="week", add="sam", **DAY), Leave(who="zoe", **DAY)], by="boss")
    assert await rota.entries() == [], "all or nothing"


async def test_a_gap_needs_an_explicit_yes_once(at_noon: Store) -> None:
    rota = Rota(at_noon, Desks(FILE, ""), FILE)
    away = Leave(who="lin", **DAY)
    with pytest.raises(GapError, match="from 2026-12-01 12:00 to 2026-12-02 00:00"):
        await rota.add([away], by="boss")
    assert await rota.entries() == []
    await rota.add([away], by="boss", accept_gaps=True)
    await rota.add([Override(rotation="week", add="sam", **DAY)], by="boss")
    cover = (await rota.entries())[1]
    with pytest.raises(GapError):
        await rota.remove(cover.id, by="boss")
    assert called(rota) == {"sam"}


async def test_a_change_that_no_longer_fits_the_file_is_left_out(at_noon: Store) -> None:
    rota = Rota(at_noon, Desks(FILE, ""), FILE)
    await rota.add([Override(rotation="week", add="sam", **DAY)], by="boss")
    smaller = FILE.model_copy(update={"counsellors": FILE.counsellors[:1]})
    restarted = Rota(at_noon, Desks(smaller, ""), smaller)
    await restarted.refresh()
    assert called(restarted) == {"lin"}
