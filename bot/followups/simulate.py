"""A year of a programme for one made-up person on each platform: the real worker and store, on a clock that jumps."""

import asyncio
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import update

from adapters import Address, Capabilities, Unit
from bot.followups.content import Content
from bot.followups.enrolments import Enrolments
from bot.followups.worker import FollowUps
from bot.speak import Speaker
from bot.store import Store, Transaction, conversations, followups, outbox
from bot.store.migrate import upgrade
from bot.store.outbox import Outcome
from bot.store.schema import conversation
from bot.wording import Wording
from config import Language, load_crisis_lines
from config.programmes import Programme, Programmes
from config.settings import FollowUpSettings
from engine.library import load_library

PLATFORMS = {
    "telegram": Capabilities(4096, Unit.UTF16, buttons=True),
    "wechat": Capabilities(2047, Unit.BYTES, window_hours=48, window_messages=5),
}
_BEGIN = datetime(2026, 1, 5, 2, 0, tzinfo=UTC)
_END = _BEGIN + timedelta(days=367)
_ZONE = "Asia/Shanghai"
_WRITES_ON = (0, 6, 30, 31, 90, 121, 200, 303)
"""Days of the year on which the made-up person writes something."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of one thing: its day, local time, platform, when the person had last written, state and reason."""

    day: int
    planned: datetime
    platform: str
    wrote: str
    state: str
    reason: str


def a_year(programme: Programme) -> list[Sent]:
    """Everything that 366 days of a programme came to on Telegram and on WeChat, by day."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_simulate(programme, Path(folder)))


async def _simulate(programme: Programme, folder: Path) -> list[Sent]:
    now = _BEGIN
    async with Store(f"sqlite+aiosqlite:///{folder / 'year.db'}", clock=lambda: now) as store:
        await upgrade(store)
        worker, people = await _people(store, programme)
        writes = [_BEGIN + timedelta(days=day) for day in _WRITES_ON]
        while (moment := min([*await _due(store), *writes], default=_END)) < _END:
            now = moment
            if now in writes:
                writes.remove(now)
                await _write(store, people)
            await worker.step()
            await _deliver(store)
        return await _came_to(store, people)


async def _due(store: Store) -> list[datetime]:
    """The next moments at which something falls due."""
    async with store.reading() as tx:
        return [at for platform in PLATFORMS if (at := await followups.next_due(tx, platform))]


async def _people(store: Store, programme: Programme) -> tuple[FollowUps, dict[str, int]]:
    """The worker, and one person on each platform who agreed; ids of their conversations."""
    wording, speaker = Wording(load_crisis_lines(), Language.ZH, "CN"), Speaker(PLATFORMS)
    settings = FollowUpSettings(jitter_seconds=0)
    enrolments = Enrolments(Programmes((programme,), {programme.id: programme}), settings, "CN")
    worker = FollowUps(store, enrolments, Content(wording, speaker, load_library()), PLATFORMS, 15, 1)
    people = {}
    for platform in PLATFORMS:
        address = Address(platform, "bot", "1")
        async with store.transaction() as tx:
            person = (await conversations.find_or_create(tx, [address]))[address]
            await enrolments.begin(tx, person, programme, "counsellor")
        people[platform] = person.id
    return worker, people


async def _write(store: Store, people: dict[str, int]) -> None:
    async with store.transaction() as tx:
        await tx.connection.execute(
            update(conversation).where(conversation.c.id.in_(people.values())).values(last_in_at=tx.now)
        )


async def _deliver(store: Store) -> None:
    """Every platform takes what it is given."""
    while True:
        async with store.transaction() as tx:
            tx.now += timedelta(minutes=1)
            rows = await outbox.claim(tx, "me", PLATFORMS, 100, timedelta(minutes=1), frozenset())
            await outbox.record(tx, [Outcome(row.id, "sent") for row in rows])
            await followups.end(tx, [followups.Ended(row.occurrence_id or 0, followups.SENT) for row in rows])
        if not rows:
            return


async def _came_to(store: Store, people: dict[str, int]) -> list[Sent]:
    found: list[Sent] = []
    async with store.reading() as tx:
        for platform, number in people.items():
            found += await _of(tx, platform, number)
    return sorted(found, key=lambda one: (one.day, one.platform))


async def _of(tx: Transaction, platform: str, number: int) -> list[Sent]:
    person = await conversations.get(tx, number)
    assert person is not None
    rows = await followups.history(tx, person.person_id)
    return [
        Sent(
            row.day,
            row.planned_at.astimezone(ZoneInfo(_ZONE)),
            platform,
            _wrote(row.planned_at),
            row.state,
            row.reason,
        )
        for row in rows
        if row.state != followups.DUE
    ]


def _wrote(moment: datetime) -> str:
    """How long before a moment the made-up person had last written."""
    last = max((_BEGIN + timedelta(days=d) for d in _WRITES_ON if _BEGIN + timedelta(days=d) <= moment), default=None)
    if last is None:
        return "-"
    hours = (moment - last) / timedelta(hours=1)
    return f"{hours:.0f} h before" if hours < 72 else f"{hours / 24:.0f} days before"
