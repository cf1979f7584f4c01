"""The board's numbers come from what happened, not from what is true now."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters import Address
from bot.store import Store, conversations, figures, handoffs, outbox
from bot.store.outbox import Outgoing
from bot.store.schema import outbox as outbox_table
from engine import About, Level

START = datetime(2026, 11, 21, 9, tzinfo=UTC)


class Clock:
    """A time that the test sets."""

    now = START

    def __call__(self) -> datetime:
        return self.now

    def after(self, seconds: float) -> None:
        self.now = START + timedelta(seconds=seconds)


async def opened(store: Store, chat: str, level: Level = Level.URGENT) -> int:
    async with store.transaction() as tx:
        address = Address("web", "web", chat)
        person = (await conversations.find_or_create(tx, [address]))[address]
        made = await handoffs.add(tx, person.id, level, level.rank, None, About.SELF, "screen", None, tx.now)
        await outbox.add(
            tx,
            [
                Outgoing(
                    person.id,
                    Address("console", "desk", "lin"),
                    outbox.Kind.ALERT,
                    "a",
                    handoff_id=made.id,
                    transcript=False,
                )
            ],
        )
        return made.id


async def claimed(store: Store, handoff_id: int, counsellor: str) -> None:
    async with store.transaction() as tx:
        await handoffs.change(tx, handoff_id, state="waiting", counsellor=None)
        assert await handoffs.claim(tx, handoff_id, counsellor, timedelta(minutes=5))
        await handoffs.note(tx, handoff_id, counsellor, "claimed")


async def test_each_stage_is_counted_from_the_opening_to_its_first_time(store: Store) -> None:
    store.clock = clock = Clock()
    case = await opened(store, "1")
    clock.after(2)
    async with store.transaction() as tx:
        await tx.connection.execute(outbox_table.update().values(sent_at=tx.now, state="sent"))
    clock.after(10)
    await claimed(store, case, "lin")
    clock.after(15)
    async with store.transaction() as tx:
        await handoffs.change(tx, case, first_word_at=tx.now)
    clock.after(500)
    await claimed(store, case, "sam")  # after the claim had lapsed
    async with store.reading() as tx:
        (course,) = await figures.courses(tx, START)
    waited = [course.waited(stage) for stage in figures.STAGES]
    assert waited == [timedelta(seconds=s) for s in (2, 10, 15)]
    assert course.waits_at(START + timedelta(seconds=9))
    assert not course.waits_at(START + timedelta(seconds=11))
    assert not course.waits_at(START - timedelta(seconds=1))


async def test_what_is_open_counts_however_old_it_is(store: Store) -> None:
    store.clock = clock = Clock()
    old, closed = await opened(store, "1"), await opened(store, "2", Level.EMERGENCY)
    async with store.transaction() as tx:
        await handoffs.change(tx, closed, state="closed", outcome="other", closed_at=tx.now, next_step_at=None)
    clock.after(10 * 86400)
    new = await opened(store, "3")
    async with store.reading() as tx:
        found = await figures.courses(tx, clock.now - timedelta(days=1))
    assert [course.id for course in found] == [old, new]


@given(st.lists(st.timedeltas(timedelta(), timedelta(days=1)), min_size=1), st.sampled_from([0.5, 0.9]))
def test_a_percentile_is_the_smallest_value_that_enough_do_not_exceed(values: list[timedelta], share: float) -> None:
    found = figures.percentile(values, share)
    assert found in values
    assert sum(v <= found for v in values) >= share * len(values) - 1e-6
    assert sum(v < found for v in values) < share * len(values)


def test_of_nothing_there_is_no_percentile() -> None:
    assert figures.percentile([], 0.5) is None


@pytest.mark.parametrize(("share", "seconds"), [(0.5, 5), (0.9, 9)])
def test_percentiles_of_one_to_ten(share: float, seconds: int) -> None:
    assert figures.percentile([timedelta(seconds=n) for n in range(1, 11)], share) == timedelta(seconds=seconds)
