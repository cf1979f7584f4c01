"""Turns: the worker that takes conversations with something pending, has them answered, and writes the answers down.

One loop: a transaction records what finished and claims what is due; between transactions answers are made side by
side. So conversations never wait for each other, and a slow model holds up nobody but the one it is answering.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import structlog
from prometheus_client import Counter, Gauge

from bot.store import HANDOFFS, TURNS, Store, Transaction, conversations, messages, outbox, turns
from bot.store.conversations import Conversation
from bot.store.messages import Stored
from bot.store.outbox import Outgoing
from bot.store.recent import RecentTalk
from bot.store.turns import Claim

log = structlog.get_logger(__name__)
IN_PROGRESS = Gauge("psyllm_turns_in_progress", "Turns being answered")
FAILED = Counter("psyllm_turns_failed", "Turns that ended in an unexpected fault and are tried again")

RETRY_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Work:
    """A claimed conversation with what is to be handled and what was said before, oldest first."""

    claim: Claim
    person: Conversation
    pending: list[Stored]
    history: list[Stored]


@dataclass(slots=True)
class Outcome:
    """What a turn came to: the messages it handled, what is to leave, and what else happens in the same commit.

    With `fence` all that is dropped once the conversation has changed hands; without `apply` it always is.
    """

    handled: list[int]
    outgoing: list[Outgoing] = field(default_factory=list)
    apply: Callable[[Transaction, Conversation], Awaitable[None]] | None = None
    fence: int | None = None


Answerer = Callable[[Work], Coroutine[Any, Any, Outcome]]


class Turns:
    """Claims conversations and has `answer` make their outcomes."""

    def __init__(
        self, store: Store, answer: Answerer, history: int, concurrency: int, lease_seconds: float, poll_seconds: float
    ) -> None:
        self._store = store
        self._answer = answer
        self._recent = RecentTalk(history + 8)
        self._concurrency = concurrency
        self._lease = timedelta(seconds=lease_seconds)
        self._poll = poll_seconds
        self._tasks: dict[asyncio.Task[Outcome], Work] = {}
        self._fences_moved = False
        self._pause = 0.0

    async def run(self) -> None:
        """Work until cancelled; what was under way is then left to another process, or to the next start."""
        stop_listening = self._store.wake.listen(self._heard)
        renewing = asyncio.create_task(self._renew(), name="turns-renew")
        try:
            while True:
                await self._rest()
                try:
                    await self.step()
                except Exception as error:
                    log.error("turns.step_failed", error=type(error).__name__)
                    await asyncio.sleep(self._poll)
        finally:
            stop_listening()
            for task in [renewing, *self._tasks]:
                task.cancel()
            await asyncio.gather(renewing, *self._tasks, return_exceptions=True)

    def _heard(self, channel: str) -> None:
        if channel == HANDOFFS:
            self._fences_moved = True
            self._store.wake.ring(TURNS)

    async def step(self) -> None:
        """Record what finished, claim what is due, start answering it."""
        done = {task: work for task, work in self._tasks.items() if task.done()}
        async with self._store.transaction() as tx:
            await self._record(tx, done)
            claims = await turns.claim(tx, self._concurrency - len(self._tasks) + len(done), self._lease)
            works = await self._load(tx, claims)
            self._pause = await self._next(tx)
        for task in done:
            del self._tasks[task]
        for work in works:
            task = asyncio.create_task(self._answer(work), name="turn")
            task.add_done_callback(lambda _: self._store.wake.ring(TURNS))
            self._tasks[task] = work
        IN_PROGRESS.set(len(self._tasks))
        if self._fences_moved:
            self._fences_moved = False
            await self._drop_overtaken()

    async def _load(self, tx: Transaction, claims: list[Claim]) -> list[Work]:
        if not claims:
            return []
        ids = [c.conversation_id for c in claims]
        people = await conversations.lock(tx, ids)
        pending = await messages.pending(tx, ids)
        recent = await self._recent.of(tx, people.values(), unsent=True)
        idle = [c for c in claims if not pending.get(c.conversation_id)]
        await turns.release(tx, idle)
        return [
            Work(c, people[c.conversation_id], pending[c.conversation_id], recent[c.conversation_id])
            for c in claims
            if pending.get(c.conversation_id)
        ]

    async def _record(self, tx: Transaction, done: dict[asyncio.Task[Outcome], Work]) -> None:
        """Write outcomes. One that was overtaken (lease lapsed, conversation changed hands) leaves no trace."""
        if not done:
            return
        people = await conversations.lock(tx, [work.claim.conversation_id for work in done.values()])
        results = [(work, _result(task)) for task, work in done.items() if _holds(work.claim, people)]
        ended = [(work, outcome) for work, outcome in results if outcome is not None]
        failed = [work for work, outcome in results if outcome is None]

        written = [o for w, o in ended if not o.apply and people[w.claim.conversation_id].fence == w.person.fence]
        await outbox.add(tx, [out for outcome in written for out in outcome.outgoing])
        await messages.finish(tx, [i for outcome in written for i in outcome.handled])
        for work, outcome in ended:
            if outcome.fence not in (None, people[work.claim.conversation_id].fence):
                continue
            if outcome.apply and not await self._apply(tx, people[work.claim.conversation_id], outcome):
                failed.append(work)
        await turns.release(tx, [work.claim for work, _ in ended if work not in failed])
        again_at = tx.now + timedelta(seconds=RETRY_SECONDS)
        await turns.release(tx, [work.claim for work in failed], again_at=again_at)

    async def _apply(self, tx: Transaction, person: Conversation, outcome: Outcome) -> bool:
        """Do what an outcome asks for, or nothing of it: a fault in one must not undo the others' commit."""
        assert outcome.apply
        try:
            async with tx.connection.begin_nested():
                await outbox.add(tx, outcome.outgoing)
                await messages.finish(tx, outcome.handled)
                await outcome.apply(tx, person)
                await conversations.save(tx, [person])
                await conversations.save_persons(tx, [person])
        except Exception as error:
            FAILED.inc()
            log.error("turns.apply_failed", error=type(error).__name__)
            return False
        return True

    async def _drop_overtaken(self) -> None:
        """Stop writing answers for conversations that changed hands meanwhile."""
        ids = [work.claim.conversation_id for work in self._tasks.values()]
        async with self._store.reading() as tx:
            fences = await conversations.fences(tx, ids)
        for task, work in self._tasks.items():
            if fences.get(work.claim.conversation_id) != work.person.fence:
                task.cancel()

    async def _rest(self) -> None:
        """Wait until something finished, something new is due, or the safety net's time has come."""
        await self._store.wake.wait(TURNS, self._pause)

    async def _next(self, tx: Transaction) -> float:
        """Seconds until something can be claimed; at most those of the safety net."""
        if len(self._tasks) >= self._concurrency:
            return self._poll
        if (due := await turns.next_due(tx)) is None:
            return self._poll
        return min(max((due - tx.now).total_seconds(), 0.005), self._poll)

    async def _renew(self) -> None:
        """Keep the leases of slow answers."""
        while True:
            await asyncio.sleep(self._lease.total_seconds() / 3)
            with contextlib.suppress(Exception):
                if claims := [work.claim for work in self._tasks.values()]:
                    async with self._store.transaction() as tx:
                        await turns.renew(tx, claims, self._lease)


def _holds(claim: Claim, people: dict[int, Conversation]) -> bool:
    """Whether a claim is still good: nobody took it over after its lease. `people` are locked."""
    person = people.get(claim.conversation_id)
    return person is not None and person.turn_owner == claim.owner


def _result(task: asyncio.Task[Outcome]) -> Outcome | None:
    """The outcome of a finished task; None if it failed. The fault is counted and named, never its text."""
    if task.cancelled():
        return Outcome(handled=[])
    if error := task.exception():
        FAILED.inc()
        log.error("turns.answer_failed", error=type(error).__name__)
        return None
    return task.result()
