"""Whatever happens, an open handoff has a next time within its bound (P5); two engines are as one (P7)."""

import asyncio
import tempfile
import tomllib
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from adapters import Blocked, OutcomeUnknown, Rejected, Retryable
from bot.app import App
from bot.paging import after, is_over, plan
from bot.store import Cipher, Store, escalations, handoffs
from bot.store.cipher import new_key
from bot.store.handoffs import Handoff
from bot.store.migrate import upgrade
from config import Roster
from engine import Level
from tests.e2e.paging_house import LADDER, LIN, OPS, SAM
from tests.support import EchoGenerator, MemoryAdapter, make_app, says

T = TypeVar("T")
PEOPLE = {"lin": "900", "sam": "901"}
ROSTERS = {
    "both": LIN + 'email = "lin@example.org"\n' + SAM + OPS + LADDER,
    "sam": SAM + OPS + '[[ladder]]\nwho = ["sam"]\nrepeat = 2\nrepeat_seconds = 5\n',
    "gap": LIN
    + SAM
    + OPS
    + '[[leave]]\nwho = "lin"\nstart = 2020-01-01\nend = 2099-12-31\n[[ladder]]\nwho = ["lin"]\n',
    "night": LIN + "quiet_hours = [00:00:00, 23:59:59]\n" + SAM + OPS + LADDER,
}
FAULTS = {
    "none": None,
    "blocked": Blocked("blocked"),
    "rejected": Rejected("no"),
    "slow": Retryable("wait", 30.0),
    "cut": OutcomeUnknown("cut"),
}
LEASE, ACK, LONGEST = timedelta(seconds=600), timedelta(minutes=3), timedelta(seconds=60)


class Clock:
    """A time that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = datetime(2026, 5, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def app_on(store: Store, folder: Path, roster: str, platforms: list[MemoryAdapter]) -> App:
    """An App that is not running: the test takes its steps."""
    path = folder / "on_call.toml"
    path.write_text(ROSTERS[roster])
    return make_app(
        store,
        folder,
        platforms,
        EchoGenerator(),
        telegram={"token": "12:test"},
        email={"host": "localhost", "sender": "bot@example.org"},
        handoff={"roster": path},
    )


async def deliver(app: App) -> None:
    """Send all that may leave now, and record it."""
    await app.delivery.step()
    while tasks := list(app.delivery._tasks):
        await asyncio.wait(tasks)
        await app.delivery.step()


def bound(found: Handoff, now: datetime) -> timedelta:
    """How far away the next step of an open handoff may be, in the words of docs/on-call.md."""
    if found.state == handoffs.CLAIMED:
        return LEASE
    if found.level is Level.EMERGENCY:
        return LONGEST
    return max(LONGEST, ACK, (now - found.created_at) / 10)


class Escalations(RuleBasedStateMachine):
    """Pages, answers, silence, faults, another roster and dead processes, in any order, on SQLite."""

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.new_event_loop()
        self._folder = tempfile.TemporaryDirectory(prefix="psyllm-p5-")
        self._clock = Clock()
        self._roster = "both"
        self._platforms = [MemoryAdapter(), MemoryAdapter("telegram"), MemoryAdapter("email")]
        self._key = new_key()
        self._run(self._start())
        self.emergency = False

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(work)

    async def _start(self) -> None:
        folder = Path(self._folder.name)
        self._store = Store(f"sqlite+aiosqlite:///{folder / 'p5.db'}", Cipher.from_keys(self._key), self._clock)
        await self._store.open()
        await upgrade(self._store)
        self._app = app_on(self._store, folder, self._roster, self._platforms)

    def teardown(self) -> None:
        self._run(self._store.close())
        self._loop.close()
        self._folder.cleanup()

    async def _handoff(self) -> Handoff | None:
        async with self._store.reading() as tx:
            found = await handoffs.queue(tx)
        return found[0] if found else None

    @rule(emergency=st.booleans())
    def somebody_is_in_danger(self, emergency: bool) -> None:
        self._run(self._app.intake.receive([says("a", "emergency" if emergency else "urgent")]))
        self.emergency = self.emergency or emergency

    @rule(seconds=st.sampled_from([1, 20, 31, 61, 181, 301, 601, 7200]))
    def time_passes(self, seconds: int) -> None:
        self._clock.now += timedelta(seconds=seconds)
        self._run(self._app.escalation.step())

    @rule()
    def pages_leave(self) -> None:
        self._run(deliver(self._app))

    @rule(chat=st.sampled_from(["900", "901", "lin"]), fault=st.sampled_from(sorted(FAULTS)))
    def a_channel_fails(self, chat: str, fault: str) -> None:
        error = FAULTS[fault]
        for platform in self._platforms[1:]:
            platform.faults[chat] = [error] * 3 if error else []

    @rule(who=st.sampled_from(sorted(PEOPLE)), answer=st.sampled_from(["coming", "cannot", "call_more"]))
    def a_counsellor_answers(self, who: str, answer: str) -> None:
        async def press() -> None:
            async with self._store.transaction() as tx:
                answers = self._app.page_answers
                if answer == "call_more":
                    await answers.call_more(tx, 1, who, 0)
                else:
                    await getattr(answers, answer)(tx, 1, who)

        self._run(press())

    @rule(who=st.sampled_from(sorted(PEOPLE)))
    def a_counsellor_claims(self, who: str) -> None:
        if found := self._run(self._handoff()):
            self._run(self._app.desk.claim(found.id, who))

    @rule(roster=st.sampled_from(sorted(ROSTERS)))
    def the_roster_is_edited_and_the_process_restarted(self, roster: str) -> None:
        self._roster = roster
        self._run(self._store.close())
        self._run(self._start())

    @precondition(lambda self: self._run(self._handoff()) is not None)
    @rule()
    def the_process_dies_while_pages_leave(self) -> None:
        async def die() -> None:
            await self._app.delivery.step()
            for task in self._app.delivery._tasks:
                task.cancel()
            await asyncio.gather(*self._app.delivery._tasks, return_exceptions=True)
            await self._store.close()
            await self._start()

        self._run(die())

    @invariant()
    def an_open_handoff_has_a_next_time_within_its_bound(self) -> None:
        found = self._run(self._handoff())
        if found is None:
            return
        assert found.next_step_at is not None
        assert found.next_step_at - self._clock.now <= bound(found, self._clock.now)

    @invariant()
    def an_open_handoff_knows_its_ladder(self) -> None:
        async def kept() -> bool:
            found = await self._handoff()
            async with self._store.reading() as tx:
                return found is None or await escalations.get(tx, found.id) is not None

        assert self._run(kept())


TestEscalations = Escalations.TestCase
TestEscalations.settings = settings(
    max_examples=25, stateful_step_count=20, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)


rosters = st.sampled_from(sorted(ROSTERS)).map(lambda name: Roster.model_validate(tomllib.loads(ROSTERS[name])))
moments = st.datetimes(datetime(2020, 1, 1), datetime(2035, 12, 31)).map(lambda at: at.replace(tzinfo=UTC))  # noqa: DTZ001
levels = st.sampled_from([Level.NONE, Level.URGENT, Level.EMERGENCY])


@given(rosters, levels, st.integers(0, 9), st.integers(0, 9), moments, st.sets(st.sampled_from(["lin", "sam", "ops"])))
def test_a_round_always_pages_somebody_and_an_emergency_everybody_who_may_come(
    roster: Roster, level: Level, step: int, count: int, at: datetime, busy: set[str]
) -> None:
    found = plan(roster, level, step, count, at, busy)
    ids = {c.id for c in found.people}
    assert ids
    assert timedelta(seconds=1) <= found.wait <= timedelta(hours=1)
    assert 0 <= found.step < len(roster.ladder)
    on_call = frozenset[str]().union(*(roster.on_call(rung, at) for rung in range(len(roster.ladder))))
    if level is Level.EMERGENCY:
        assert ids >= on_call - busy
    elif on_call - busy - roster.quiet(at) and found.step == len(roster.ladder) - 1:
        assert not ids & (busy | roster.quiet(at))


@given(rosters, st.integers(0, 9))
def test_every_ladder_is_over_after_finitely_many_rounds_and_never_before_its_last_step(
    roster: Roster, rounds: int
) -> None:
    step, count, seen = 0, 0, {0}
    for _ in range(sum(rung.repeat + 1 for rung in roster.ladder) - 1):
        assert not is_over(roster.ladder, step, count)
        step, count = after(roster.ladder, step, count)
        seen.add(step)
    assert is_over(roster.ladder, step, count)
    assert seen == set(range(len(roster.ladder)))


@asynccontextmanager
async def engines(url: str, folder: Path, clock: Clock, platforms: list[MemoryAdapter]) -> AsyncIterator[list[App]]:
    """Two processes over one database, as far as the database can tell."""
    key = new_key()
    async with AsyncExitStack() as stack:
        apps = []
        for _ in range(2):
            store = await stack.enter_async_context(Store(url, Cipher.from_keys(key), clock))
            await upgrade(store)
            apps.append(app_on(store, folder, "both", platforms))
        yield apps


async def test_two_engines_page_as_one(postgres_database: str, tmp_path: Path) -> None:
    clock, desk = Clock(), MemoryAdapter("telegram")
    people = [f"user{n}" for n in range(12)]
    async with engines(postgres_database, tmp_path, clock, [MemoryAdapter(), desk, MemoryAdapter("email")]) as apps:
        await asyncio.gather(*(apps[n % 2].intake.receive([says(who, "urgent")]) for n, who in enumerate(people)))
        for rounds, seconds in enumerate((0, 31, 61, 61), start=1):
            clock.now += timedelta(seconds=seconds)
            await asyncio.gather(*(app.escalation.step() for app in apps for _ in range(2)))
            await asyncio.gather(*(deliver(app) for app in apps))
            pages = Counter(case(text) for text in desk.of("900"))
            assert sorted(pages.values()) == [rounds] * len(people)
            assert len(desk.of("901")) == (rounds - 1) * len(people)
            assert await rounds_of(apps[0]) == [rounds - 1] * len(people)


async def rounds_of(app: App) -> list[int]:
    """How often each handoff was called again, by its record."""
    async with app.store.reading() as tx:
        records = [await handoffs.events(tx, found.id) for found in await handoffs.queue(tx)]
    return [sum(event.event == "called_again" for event in record) for record in records]


def case(page: str) -> str:
    """Whose page it is: the number after #."""
    return page.split("#", 1)[1].split(" ", 1)[0]
