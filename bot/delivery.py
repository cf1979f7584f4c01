"""Delivery: claims outbox rows, sends them through their adapter, and records what became of each.

One loop, like turns: a transaction records finished sends and claims the next; sends run side by side, one at a time
for each address. A row that is `sending` when its process dies has an unknown outcome: alerts and crisis texts are sent
again, anything else is left as unknown rather than said twice.
"""

import asyncio
import contextlib
import random
import uuid
from collections.abc import Mapping, Sequence
from datetime import timedelta

import structlog
from prometheus_client import Counter, Histogram

from adapters import Adapter, Blocked, OutcomeUnknown, Rejected, Retryable, WindowClosed
from bot.desks import CONSOLE
from bot.handoff import Handoffs
from bot.store import HANDOFFS, OUTBOX, Store, Transaction, conversations, escalations, followups, outbox
from bot.store.outbox import Attempts, Claimed, Outcome

log = structlog.get_logger(__name__)
SENT = Counter("psyllm_deliveries", "Sends, by platform, kind and outcome", ["platform", "kind", "outcome"])
WAITED = Histogram(
    "psyllm_delivery_seconds",
    "From writing a text to its confirmation by the platform, by kind",
    ["kind"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60),
)
TO_PAGE = Histogram(
    "psyllm_handoff_seconds_to_page",
    "From opening a handoff to the first page that arrived",
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)

BACK_OFF = 1.0  # seconds, doubled at each attempt
BACK_OFF_LIMIT = 60.0
SEND_TIMEOUT = 30.0
BATCH = 100


class Delivery:
    """Sends for the adapters that run in this process, by platform."""

    def __init__(
        self,
        store: Store,
        adapters: Mapping[str, Adapter],
        handoffs: Handoffs,
        lease_seconds: float,
        poll_seconds: float,
    ) -> None:
        self._store = store
        self._adapters = adapters
        self._handoffs = handoffs
        self._lease = timedelta(seconds=lease_seconds)
        self._poll = poll_seconds
        self._owner = uuid.uuid4().hex
        self._tasks: dict[asyncio.Task[Outcome], Claimed] = {}
        self._recovered_at = 0.0
        self._pause = 0.0

    async def run(self) -> None:
        """Work until cancelled. A send under way at that moment is finished and recorded."""
        renewing = asyncio.create_task(self._renew(), name="delivery-renew")
        try:
            while True:
                try:
                    await self.step()
                    await self._rest()
                except Exception as error:
                    log.error("delivery.step_failed", error=type(error).__name__)
                    await asyncio.sleep(self._poll)
        finally:
            await self._finish()
            renewing.cancel()

    async def step(self) -> None:
        """Record finished sends, claim what may leave, start sending it."""
        done = {task: row for task, row in self._tasks.items() if task.done()}
        outcomes = [(row, task.result()) for task, row in done.items()]
        async with self._store.transaction() as tx:
            await self._recover(tx)
            await self._record(tx, outcomes)
            for row, outcome in outcomes:
                if row.kind is outbox.Kind.ALERT and outcome.state == "sent":
                    await self._reached(tx, row)
                if outcome.state == "failed":
                    await self._give_up(tx, row, outcome)
                elif outcome.state == "waiting" and outcome.due_at is None and row.attempts == 1:
                    await self._tell_held(tx, row)
            free = BATCH - len(self._tasks) + len(done)
            open_now = frozenset(
                f"{a.platform}:{a.account}:{chat}" for a in self._adapters.values() for chat in a.sendable_now()
            )
            rows = await outbox.claim(tx, self._owner, self._adapters, free, self._lease, open_now) if free else []
            self._pause = await self._next(tx)
        for task in done:
            del self._tasks[task]
        for row, outcome in outcomes:
            if row.kind is outbox.Kind.ALERT and self._did_not_arrive(row, outcome):
                await self._store.retrying(lambda tx, r=row, o=outcome: self._page_failed(tx, r, o.reason))  # type: ignore[misc]  # bound defaults
        for row in rows:
            task = asyncio.create_task(self._send(row), name="send")
            task.add_done_callback(lambda _: self._store.wake.ring(OUTBOX))
            self._tasks[task] = row

    async def _send(self, row: Claimed) -> Outcome:
        """Send one row; never raises."""
        adapter = self._adapters[row.address.platform]
        try:
            async with asyncio.timeout(SEND_TIMEOUT):
                sent = await adapter.send(row.address, row.reply)
        except Retryable as error:
            outcome = self._again(row, str(error), error.retry_after)
        except WindowClosed as error:
            state = "waiting" if row.kind.waits_for_window else "failed"
            outcome = Outcome(row.id, state, str(error) if row.kind.waits_for_window else "window_closed")
        except Blocked:
            outcome = Outcome(row.id, "failed", "blocked")
        except Rejected as error:
            outcome = Outcome(row.id, "failed", str(error))
        except OutcomeUnknown as error:
            outcome = self._unknown(row, str(error))
        except Exception as error:
            log.error("delivery.send_failed", platform=row.address.platform, error=type(error).__name__)
            outcome = self._unknown(row, type(error).__name__)
        else:
            outcome = Outcome(row.id, "sent", reference=sent.reference)
            WAITED.labels(row.kind.value).observe(max(0.0, (self._store.clock() - row.created_at).total_seconds()))
        SENT.labels(row.address.platform, row.kind.value, outcome.state).inc()
        return outcome

    def _again(self, row: Claimed, reason: str, after: float | None) -> Outcome:
        limit = Attempts.SAFETY if row.kind.repeats else Attempts.ORDINARY
        if row.attempts >= limit:
            return Outcome(row.id, "failed", reason)
        if after is None:
            after = min(BACK_OFF * 2 ** (row.attempts - 1), BACK_OFF_LIMIT) * random.uniform(0.8, 1.2)  # noqa: S311
        return Outcome(row.id, "waiting", reason, due_at=self._store.clock() + timedelta(seconds=after))

    def _unknown(self, row: Claimed, reason: str) -> Outcome:
        return self._again(row, reason, None) if row.kind.repeats else Outcome(row.id, "unknown", reason)

    async def _record(self, tx: Transaction, outcomes: Sequence[tuple[Claimed, Outcome]]) -> None:
        """Write down what became of rows, and of the follow-ups that some of them are."""
        await outbox.record(tx, [outcome for _, outcome in outcomes])
        over = [(row.occurrence_id, outcome) for row, outcome in outcomes if row.occurrence_id]
        await followups.end(tx, [_ended(i, outcome) for i, outcome in over if outcome.state != "waiting"])

    async def _give_up(self, tx: Transaction, row: Claimed, outcome: Outcome) -> None:
        """A text that will never arrive: whoever relies on it is told. `tx` recorded the failure already."""
        if outcome.reason == "blocked":
            await outbox.drop_for(tx, row.address, "blocked")
        person = (await conversations.lock(tx, [row.conversation_id])).get(row.conversation_id)
        if person and row.address == person.address:
            person.blocked_at = tx.now if outcome.reason == "blocked" else person.blocked_at
            await conversations.save_persons(tx, [person])
            await self._handoffs.tell_unreachable(tx, person, "blocked" if outcome.reason == "blocked" else "failed")

    async def _reached(self, tx: Transaction, row: Claimed) -> None:
        """A page arrived: the desks show it."""
        tx.ring(HANDOFFS)
        if row.handoff_id and (began := await escalations.arrived(tx, row.handoff_id)):
            TO_PAGE.observe((tx.now - began).total_seconds())

    def _did_not_arrive(self, row: Claimed, outcome: Outcome) -> bool:
        """Whether a page failed, failed twice for now, may not leave for a while, or found no console open."""
        if outcome.state != "waiting" or outcome.due_at is None:
            return outcome.state in ("failed", "waiting")
        late = outcome.due_at > self._store.clock() + escalations.PATIENCE
        return row.attempts == 2 or (row.attempts == 1 and (late or row.address.platform == CONSOLE))

    async def _page_failed(self, tx: Transaction, row: Claimed, reason: str) -> None:
        """A page did not arrive, for good or for now: another way is used at once.

        In a commit of its own, because it locks the conversation. Die before it, and the ladder's next step comes.
        """
        person = (await conversations.lock(tx, [row.conversation_id])).get(row.conversation_id)
        if person and row.handoff_id and row.counsellor:
            pager = self._handoffs.pager
            await pager.page_failed(tx, person, row.handoff_id, row.counsellor, row.address.platform, reason)
            await conversations.save(tx, [person])

    async def _tell_held(self, tx: Transaction, row: Claimed) -> None:
        """A text is held until the user writes again: a counsellor who is with them should know."""
        person = await conversations.get(tx, row.conversation_id)
        if person and row.address == person.address:
            await self._handoffs.tell_unreachable(tx, person, "window_closed")

    async def _recover(self, tx: Transaction) -> None:
        """Take back rows whose sender died."""
        if self._store.clock().timestamp() - self._recovered_at < self._poll:
            return
        self._recovered_at = self._store.clock().timestamp()
        again = await outbox.lapsed(tx, repeat=True)
        await self._record(tx, [(row, Outcome(row.id, "waiting", "its sender died", tx.now)) for row in again])
        lost = await outbox.lapsed(tx, repeat=False)
        await self._record(tx, [(row, Outcome(row.id, "unknown", "its sender died")) for row in lost])

    async def _rest(self) -> None:
        await self._store.wake.wait(OUTBOX, self._pause)

    async def _next(self, tx: Transaction) -> float:
        """Seconds until the next row falls due; at most those of the safety net."""
        due = await outbox.next_due(tx, self._adapters)
        return min(max((due - tx.now).total_seconds(), 0.005), self._poll) if due else self._poll

    async def _renew(self) -> None:
        """Keep the leases of slow sends."""
        while True:
            await asyncio.sleep(self._lease.total_seconds() / 3)
            with contextlib.suppress(Exception):
                if ids := [row.id for row in self._tasks.values()]:
                    async with self._store.transaction() as tx:
                        await outbox.renew(tx, self._owner, ids, self._lease)

    async def _finish(self) -> None:
        """Let sends under way end, and record them: otherwise they would count as unknown."""
        if not self._tasks:
            return
        with contextlib.suppress(Exception, asyncio.CancelledError):
            await asyncio.wait(self._tasks, timeout=5)
            async with self._store.transaction() as tx:
                await outbox.record(tx, [task.result() for task in self._tasks if task.done()])
        for task in self._tasks:
            task.cancel()


_MISSED = {"unknown": "outcome_unknown", "blocked": "blocked", "window_closed": "window_closed"}


def _ended(occurrence_id: int, outcome: Outcome) -> followups.Ended:
    """How a follow-up ends with its row. One of which nobody knows whether it arrived is never sent again."""
    if outcome.state == "sent":
        return followups.Ended(occurrence_id, followups.SENT)
    known = _MISSED.get(outcome.state) or _MISSED.get(outcome.reason, "failed")
    return followups.Ended(occurrence_id, followups.MISSED, known)
