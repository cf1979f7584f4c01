"""Group commits: what arrives while a commit is under way goes into the next one together."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

A = TypeVar("A")
R = TypeVar("R")


class Batcher(Generic[A, R]):
    """Collects items and gives them to `work` in batches of at most `limit`, one batch at a time.

    `work` takes a batch and returns a result for each item, in order. An item's caller gets its result only after the
    batch it was in is done. If a batch fails, its items are tried one by one, so that one bad item fails alone.
    """

    def __init__(self, work: Callable[[Sequence[A]], Awaitable[Sequence[R]]], limit: int = 200) -> None:
        self._work = work
        self._limit = limit
        self._waiting: list[tuple[A, asyncio.Future[R]]] = []
        self._running: asyncio.Task[None] | None = None

    async def submit(self, items: Sequence[A]) -> list[R]:
        """Results of the items, in order. Raises what `work` raised for one of them."""
        loop = asyncio.get_running_loop()
        futures: list[asyncio.Future[R]] = [loop.create_future() for _ in items]
        self._waiting += zip(items, futures, strict=True)
        if self._running is None:
            self._running = asyncio.create_task(self._run(), name="batch")
        return list(await asyncio.gather(*futures))

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[: self._limit], self._waiting[self._limit :]
                await self._do(batch)
        finally:
            self._running = None

    async def _do(self, batch: list[tuple[A, "asyncio.Future[R]"]]) -> None:
        try:
            results = await self._work([item for item, _ in batch])
        except Exception as error:
            if len(batch) == 1:
                _settle(batch[0][1], error=error)
                return
            for one in batch:
                await self._do([one])
            return
        for (_, future), result in zip(batch, results, strict=True):
            _settle(future, result=result)


def _settle(future: "asyncio.Future[R]", result: R | None = None, error: Exception | None = None) -> None:
    """Give a caller its result, unless it stopped waiting."""
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)  # type: ignore[arg-type]  # R may be None itself; the caller passed its own result
