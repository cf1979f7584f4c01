"""Group commits."""

import asyncio
from collections.abc import Sequence

import pytest

from bot.batch import Batcher


async def test_what_arrives_during_a_batch_goes_into_the_next_together() -> None:
    batches: list[list[int]] = []
    began, gate = asyncio.Event(), asyncio.Event()

    async def work(items: Sequence[int]) -> list[int]:
        batches.append(list(items))
        began.set()
        await gate.wait()
        return [n * 2 for n in items]

    batcher = Batcher(work)
    first = asyncio.create_task(batcher.submit([1]))
    await began.wait()
    others = [asyncio.create_task(batcher.submit([n])) for n in (2, 3)]
    await asyncio.sleep(0)
    gate.set()
    assert await first == [2]
    assert [await other for other in others] == [[4], [6]]
    assert batches == [[1], [2, 3]]


async def test_one_bad_item_fails_alone() -> None:
    async def work(items: Sequence[int]) -> list[int]:
        if 0 in items:
            raise ValueError("zero")
        return list(items)

    batcher = Batcher(work)
    results = await asyncio.gather(*(batcher.submit([n]) for n in (1, 0, 2)), return_exceptions=True)
    assert results[0] == [1]
    assert isinstance(results[1], ValueError)
    assert results[2] == [2]


async def test_a_batch_is_no_larger_than_the_limit() -> None:
    sizes: list[int] = []

    async def work(items: Sequence[int]) -> list[int]:
        sizes.append(len(items))
        return list(items)

    assert await Batcher(work, limit=3).submit(list(range(8))) == list(range(8))
    assert max(sizes) == 3


async def test_a_caller_who_gave_up_does_not_disturb_the_others() -> None:
    gate = asyncio.Event()

    async def work(items: Sequence[int]) -> list[int]:
        await gate.wait()
        return list(items)

    batcher = Batcher(work)
    gone, stays = asyncio.create_task(batcher.submit([1])), asyncio.create_task(batcher.submit([2]))
    await asyncio.sleep(0)
    gone.cancel()
    gate.set()
    assert await stays == [2]
    with pytest.raises(asyncio.CancelledError):
        await gone
