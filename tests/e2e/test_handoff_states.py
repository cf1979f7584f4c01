"""Any order of what users, counsellors, the clock and crashes do: the invariants of a handoff hold after each step."""

import asyncio
import contextlib
import tempfile
from collections.abc import Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import func, select

from adapters import Address, Kind, Rejected, Reply, Sent
from bot.app import App
from bot.desk import DeskError
from bot.store import Cipher, Store, companions, conversations, handoffs, messages, offers, outbox
from bot.store.cipher import new_key
from bot.store.migrate import upgrade
from bot.store.schema import handoff as handoff_table
from bot.store.schema import message as message_table
from bot.store.schema import outbox as outbox_table
from tests.e2e.test_escalation import Clock
from tests.support import EchoGenerator, MemoryAdapter, address, make_app, says

T = TypeVar("T")
LEASE = timedelta(seconds=600)
LONGEST_STEP = timedelta(hours=1)  # the longest wait that a roster may name
COUNSELLORS = st.sampled_from(["lin", "sam"])


class Watched(MemoryAdapter):
    """Notes a word of the bot that leaves although a counsellor holds the conversation."""

    machine: "Handoffs"

    async def send(self, address: Address, reply: Reply) -> Sent:
        if reply.author == messages.BOT and self.machine.holder:
            self.machine.faults.append("the bot spoke after a claim")
        return await super().send(address, reply)


class Handoffs(RuleBasedStateMachine):
    """One conversation, two counsellors. `holder` and `second` are what the machine expects."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory(prefix="psyllm-states-")
        self.cipher = Cipher.from_keys(new_key())
        self.clock = Clock()
        self.holder: str | None = None
        self.second: str | None = None
        self.offered_to: str | None = None
        self.written = 0
        self.faults: list[str] = []

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def refused(self, work: Coroutine[Any, Any, object]) -> bool:
        """Do something; whether it was refused in words."""
        try:
            self.do(work)
        except DeskError:
            return True
        return False

    @initialize()
    def begin(self) -> None:
        self.do(self._open())

    async def _open(self) -> None:
        path = Path(self.folder.name)
        self.store = Store(f"sqlite+aiosqlite:///{path / 'states.db'}", self.cipher, self.clock)
        await self.store.open()
        await upgrade(self.store)
        self.user, self.desks = Watched(), MemoryAdapter("telegram")
        self.user.machine = self
        self.app: App = make_app(
            self.store, path, [self.user, self.desks], EchoGenerator(), telegram={"token": "12:test"}
        )
        await self.app.responder.start()
        await self.app.responder.loaded()

    def teardown(self) -> None:
        self.do(self._close())
        self.runner.close()
        self.folder.cleanup()

    async def _close(self) -> None:
        if hasattr(self, "app"):
            await self.app.responder.close()
            await self.store.close()

    async def _last(self) -> handoffs.Handoff | None:
        async with self.store.reading() as tx:
            number = await tx.connection.scalar(select(func.max(handoff_table.c.id)))
            return await handoffs.get(tx, number or 0)

    @property
    def case(self) -> int:
        found = self.do(self._last())
        return found.id if found else 0

    # What happens

    @rule(text=st.sampled_from(["hello", "urgent", "emergency"]))
    def user_writes(self, text: str) -> None:
        self.do(self.app.intake.receive([says("a", text)]))
        self.written += 1

    @rule()
    def user_asks_for_a_person(self) -> None:
        self.do(self.app.intake.receive([says("a", "human", Kind.COMMAND)]))
        self.written += 1
        self.bot_answers()

    @rule()
    def bot_answers(self) -> None:
        self.do(self._turns())

    async def _turns(self) -> None:
        turns = self.app.turns
        await turns.step()
        if turns._tasks:
            await asyncio.wait(turns._tasks)
        await turns.step()

    @rule(fails=st.booleans())
    def texts_leave(self, fails: bool) -> None:
        if fails:
            self.desks.faults = {chat: [Rejected("refused")] for chat in ("900", "901")}
        self.do(self._deliver())
        self.desks.faults = {}

    async def _deliver(self) -> None:
        delivery = self.app.delivery
        for _ in range(4):
            await delivery.step()
            if delivery._tasks:
                await asyncio.wait(delivery._tasks)
        await delivery.step()

    @rule(who=COUNSELLORS)
    def claims(self, who: str) -> None:
        before = self.do(self._last())
        result = self.do(self.app.desk.claim(self.case, who))
        could = before is not None and before.state == handoffs.WAITING
        assert result.won == (could or (self.holder == who and bool(who)))
        if could:
            self.holder, self.second = who, self.second if self.second != who else None

    @rule(who=COUNSELLORS)
    def says_something(self, who: str) -> None:
        refused = self.refused(self.app.desk.say(self.case, who, "I am here"))
        assert refused == (not self.holder or who not in (self.holder, self.second))

    @rule(who=COUNSELLORS, to=COUNSELLORS)
    def holds_it_out(self, who: str, to: str) -> None:
        refused = self.refused(self.app.desk.transfers.offer(self.case, who, to))
        assert refused == (who != self.holder or to == who or self.offered_to is not None)
        if not refused:
            self.offered_to = to

    @rule(who=COUNSELLORS)
    def accepts(self, who: str) -> None:
        refused = self.refused(self.app.desk.transfers.accept(self.case, who))
        if self.offered_to is None:
            assert refused
        if not refused:
            assert who == self.offered_to
            self.holder, self.offered_to = who, None
            self.second = self.second if self.second != who else None

    @rule(who=COUNSELLORS)
    def declines_it(self, who: str) -> None:
        if not self.refused(self.app.desk.transfers.decline(self.case, who)):
            self.offered_to = None

    @rule(who=COUNSELLORS)
    def takes_it_back(self, who: str) -> None:
        if not self.refused(self.app.desk.transfers.withdraw(self.case, who)):
            self.offered_to = None

    @rule(who=COUNSELLORS, whom=COUNSELLORS)
    def brings_a_second(self, who: str, whom: str) -> None:
        invited = not self.refused(self.app.desk.company.invite(self.case, who, whom))
        assert invited == (who == self.holder and whom not in (who, self.second))
        if invited and not self.refused(self.app.desk.company.join(self.case, whom)):
            self.second = whom

    @rule(who=COUNSELLORS)
    def leaves(self, who: str) -> None:
        if not self.refused(self.app.desk.company.leave(self.case, who)) and self.second == who:
            self.second = None

    @rule(who=COUNSELLORS, outcome=st.sampled_from(handoffs.OUTCOMES))
    def closes(self, who: str, outcome: str) -> None:
        form = {"where": "x", "service": "x", "who_called": "x", "arrived_at": "x", "tried": "x"}
        refused = self.refused(self.app.desk.release(self.case, who, "note", outcome, form))
        assert refused == (who != self.holder)
        if not refused:
            self.holder = self.second = self.offered_to = None

    @rule(seconds=st.sampled_from([5, 100, 200, 301, 700]))
    def time_passes(self, seconds: int) -> None:
        self.clock.advance(seconds)
        self.do(self.app.escalation.step())
        self.do(self.app.due.step())
        found, offer = self.do(self._last()), self.do(self._offer())
        if found and found.state == handoffs.WAITING:
            self.holder = None  # fell silent
        self.offered_to = offer.to if offer else None

    async def _offer(self) -> offers.Offer | None:
        found = await self._last()
        async with self.store.reading() as tx:
            return await offers.open_of(tx, found.id) if found else None

    @rule()
    def crashes(self) -> None:
        """Killed without a word; what was under way is lost with it. Another process starts."""
        self.do(self._close())
        self.do(self._open())

    @rule(who=COUNSELLORS)
    def crashes_within_a_claim(self, who: str) -> None:
        self.do(self._broken_claim(who))

    async def _broken_claim(self, who: str) -> None:
        found = await self._last()
        with contextlib.suppress(ZeroDivisionError):
            async with self.store.transaction() as tx:
                await self.app.desk._try_claim(tx, found.id if found else 0, who, patient=False)
                raise ZeroDivisionError

    @precondition(lambda self: self.holder is None)
    @rule()
    def everybody_claims_at_once(self) -> None:
        self.do(self._race())

    async def _race(self) -> None:
        found = await self._last()
        waiting = found is not None and found.state == handoffs.WAITING
        results = await asyncio.gather(*(self.app.desk.claim(found.id if found else 0, c) for c in ("lin", "sam") * 3))
        holders = {r.holder for r in results if r.won}
        assert len(holders) == (1 if waiting else 0)
        if waiting:
            after = await self._last()
            assert after is not None
            self.holder, self.second = after.counsellor, self.second if self.second != after.counsellor else None

    # What always holds

    @invariant()
    def the_invariants_hold(self) -> None:
        if hasattr(self, "app"):
            self.do(self._check())

    async def _check(self) -> None:
        assert self.faults == []  # I2
        async with self.store.reading() as tx:
            open_now = await handoffs.queue(tx)
            assert len(open_now) <= 1
            person = await conversations.at(tx, address("a"))
            stored = await tx.connection.scalar(
                select(func.count()).select_from(message_table).where(message_table.c.author == messages.USER)
            )
            assert stored == self.written  # I6
            closed = handoff_table.c.state == handoffs.CLOSED
            unsaid = select(func.count()).select_from(handoff_table).where(closed, handoff_table.c.outcome.is_(None))
            assert await tx.connection.scalar(unsaid) == 0  # I5
            if person is None:
                return
            expected = {handoffs.WAITING: conversations.WAITING, handoffs.CLAIMED: conversations.HUMAN}
            state = open_now[0].state if open_now else handoffs.CLOSED
            assert person.holder == expected.get(state, conversations.BOT)
            for found in open_now:
                await self._check_open(tx, found)
            late = select(func.count()).select_from(outbox_table)
            late = late.where(outbox_table.c.state == "waiting", outbox_table.c.kind == outbox.Kind.REPLY.value)
            late = late.where(outbox_table.c.author == messages.BOT, outbox_table.c.fence == person.fence)
            assert not (person.holder == conversations.HUMAN and await tx.connection.scalar(late))  # I2, at the writer

    async def _check_open(self, tx: Any, found: handoffs.Handoff) -> None:
        assert found.next_step_at  # I3
        assert found.counsellor == self.holder  # I1
        if found.state == handoffs.CLAIMED:
            assert found.lease_until
            assert found.lease_until <= self.clock() + LEASE  # I5: a claim without a word lapses
            assert found.next_step_at <= found.lease_until
        else:
            bound = max(LONGEST_STEP, (self.clock() - found.created_at) / 10)
            assert found.next_step_at <= self.clock() + bound
            assert await offers.open_of(tx, found.id) is None  # what nobody holds, nobody can pass on
        seconds = [c.counsellor for c in await companions.of(tx, found.id) if c.role == companions.SECOND]
        assert seconds == ([self.second] if self.second else [])
        reached = select(func.count()).select_from(outbox_table).where(outbox_table.c.handoff_id == found.id)
        reached = reached.where(outbox_table.c.kind == "alert", outbox_table.c.state == "sent")
        assert await outbox.anybody_reached(tx, found.id) == bool(await tx.connection.scalar(reached))  # I4


TestHandoffStates = pytest.mark.timeout(300)(Handoffs.TestCase)
TestHandoffStates.settings = settings(
    max_examples=12, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
