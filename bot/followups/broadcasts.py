"""Operators' broadcasts: drafted, tried dry, confirmed, then fired once at each of their times.

The trigger is APScheduler's; what makes a firing happen once is its row. A broadcast goes to people who agreed to
follow-ups, as an occurrence of their enrolment, so quiet hours, levels, windows and pace hold for it as for any other.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import structlog
from apscheduler.triggers.cron import CronTrigger
from prometheus_client import Counter
from pydantic import ValidationError

from bot.store import Store, Transaction, broadcasts
from bot.store.broadcasts import Audience, Broadcast
from config import ConfigError
from config.programmes import Programmes, Purpose, Words
from config.rotations import instant
from config.zones import zone_named

log = structlog.get_logger(__name__)
FIRED = Counter("psyllm_broadcasts", "Firings of broadcasts, by what became of them", ["outcome"])

GRACE = timedelta(hours=1)
"""A firing later than this, because nothing ran, is recorded as missed."""

LATE = timedelta(hours=6)
"""So long a broadcast is worth sending to each person."""

_FILL = 500

_MAY_BECOME = {
    broadcasts.PAUSED: (broadcasts.RUNNING,),
    broadcasts.RUNNING: (broadcasts.PAUSED,),
    broadcasts.OVER: (broadcasts.DRAFT, broadcasts.RUNNING, broadcasts.PAUSED),
}
"""From which states an operator may set another."""


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a broadcast would do: people by platform, and its next times."""

    broadcast: Broadcast
    people: dict[str, int]
    times: tuple[datetime, ...]

    @property
    def count(self) -> int:
        """How many people would get it now."""
        return sum(self.people.values())


class Broadcasts:
    """What operators do with broadcasts, and the firing of those that are due."""

    def __init__(self, store: Store, programmes: Programmes) -> None:
        self._store = store
        self._programmes = programmes

    async def create(
        self,
        title: str,
        zh: str,
        en: str,
        *,
        by: str,
        when: str,
        zone: str,
        purpose: Purpose | None = None,
        programme: str = "",
        platform: str = "",
        language: str = "",
        heard_days: int = 0,
    ) -> DryRun:
        """Keep a draft. `when` is a local time (`2026-05-01 18:00`) or five fields of cron. Raises ConfigError."""
        text = _words(zh, en)
        place = zone_named(zone)
        if place is None:
            raise ConfigError(f"broadcast: zone: {zone} is not an IANA time zone such as Asia/Shanghai")
        cron, first = _schedule(when, place, self._store.clock())
        audience = Audience(self._ids(purpose, programme), platform, language, heard_days)
        async with self._store.transaction() as tx:
            number = await broadcasts.add(tx, title[:100], text.zh, text.en, audience, cron, place, first, by)
            return await self._dry_run(tx, number)

    async def dry_run(self, id: int) -> DryRun:  # noqa: A002
        """Who would get it now, and when it fires next. Nothing is sent. Raises ConfigError."""
        async with self._store.reading() as tx:
            return await self._dry_run(tx, id)

    async def confirm(self, id: int, by: str) -> DryRun:  # noqa: A002
        """Let a draft fire at its times. Raises ConfigError if its only time is over."""
        async with self._store.transaction() as tx:
            found = await self._dry_run(tx, id)
            if found.broadcast.state != broadcasts.DRAFT:
                raise ConfigError(f"broadcast {id}: is {found.broadcast.state}, not a draft")
            if not found.times:
                raise ConfigError(f"broadcast {id}: its time is over; make a new one")
            await broadcasts.change(
                tx, id, state=broadcasts.RUNNING, confirmed_by=by, confirmed_at=tx.now, next_at=found.times[0]
            )
            return found

    async def set_state(self, id: int, state: str) -> None:  # noqa: A002
        """Pause one (`paused`), let it go on (`active`), or end it (`done`). Raises ConfigError."""
        async with self._store.transaction() as tx:
            found = await self._known(tx, id)
            if found.confirmed_by is None and state == broadcasts.RUNNING:
                raise ConfigError(f"broadcast {id}: is a draft; confirm it first")
            if found.state not in _MAY_BECOME[state]:
                raise ConfigError(f"broadcast {id}: is {found.state} and cannot become {state}")
            following = _upcoming(found, tx.now) if state == broadcasts.RUNNING else found.next_at
            if following is None and state == broadcasts.RUNNING:
                raise ConfigError(f"broadcast {id}: its time is over; make a new one")
            await broadcasts.change(tx, id, state=state, next_at=following)

    async def every(self) -> list[Broadcast]:
        """All broadcasts, newest first."""
        async with self._store.reading() as tx:
            return await broadcasts.every(tx)

    @staticmethod
    async def texts(tx: Transaction, firing_ids: set[int]) -> dict[int, tuple[str, str]]:
        """The Chinese and the English text of firings."""
        return await broadcasts.texts(tx, sorted(firing_ids))

    async def fire_due(self) -> int:
        """Fire what is due, once among all processes, and write its occurrences. Gives the number of firings."""
        fired = await self._store.retrying(self._fire)
        while await self._store.retrying(self._fill):
            pass
        return fired

    async def _fire(self, tx: Transaction) -> int:
        fired = 0
        for found in await broadcasts.due(tx):
            assert found.next_at is not None
            late = tx.now - found.next_at > GRACE
            state = broadcasts.MISSED if late else broadcasts.FILLING
            if await broadcasts.fire(tx, found.id, found.next_at, state, "late" if late else ""):
                FIRED.labels(state).inc()
                log.info("broadcast.fired", broadcast=found.id, late=late)
                fired += 1
            # What fell due again meanwhile is one firing with this one: nobody gets a pile.
            following = next_time(found, tx.now)
            await broadcasts.change(
                tx, found.id, next_at=following, state=broadcasts.RUNNING if following else broadcasts.OVER
            )
        return fired

    async def _fill(self, tx: Transaction) -> bool:
        found = await broadcasts.filling(tx)
        if found is None:
            return False
        await broadcasts.fill(tx, found, LATE, _FILL)
        return True

    async def _dry_run(self, tx: Transaction, id: int) -> DryRun:  # noqa: A002
        found = await self._known(tx, id)
        times, moment = list[datetime](), tx.now
        following = _upcoming(found, moment)
        while following is not None and len(times) < 3:
            times.append(following)
            following = next_time(found, following)
        return DryRun(found, await broadcasts.count(tx, found.audience), tuple(times))

    async def _known(self, tx: Transaction, id: int) -> Broadcast:  # noqa: A002
        if found := await broadcasts.get(tx, id):
            return found
        raise ConfigError(f"broadcast {id}: there is none; psyllm broadcast list shows them")

    def _ids(self, purpose: Purpose | None, programme: str) -> tuple[str, ...]:
        """The programmes that somebody of the audience is in, under all their names."""
        if programme:
            chosen = [self._programmes.named(programme, "broadcast")]
        else:
            chosen = [p for p in self._programmes.every if purpose in (None, p.purpose)]
        return tuple(sorted({name for p in chosen for name in (p.id, *p.formerly)}))


def next_time(found: Broadcast, after: datetime) -> datetime | None:
    """When a broadcast fires next after a moment; None if it does not."""
    return trigger(found.cron, found.zone).get_next_fire_time(after, after) if found.cron else None


def _upcoming(found: Broadcast, now: datetime) -> datetime | None:
    """The time that is planned, if it is still to come, else the next."""
    if found.next_at is not None and found.next_at > now:
        return found.next_at
    return next_time(found, now)


def trigger(cron: str, zone: str) -> CronTrigger:
    """Five fields of cron in a zone. Raises ConfigError. Weekdays are named, because numbers mean different days.

    A time that clocks skip is APScheduler's affair: it fires at the first moment after it.
    """
    if len(cron.split()) != 5:
        raise ConfigError(f"broadcast: when: {cron!r} is neither a time (2026-05-01 18:00) nor five fields of cron")
    if any(mark.isdigit() for mark in cron.split()[4]):
        raise ConfigError(
            "broadcast: when: name the weekdays (mon-fri); numbers mean different days in different crons"
        )
    try:
        return CronTrigger.from_crontab(cron, timezone=ZoneInfo(zone))
    except ValueError as error:
        raise ConfigError(f"broadcast: when: {error}") from None


def _schedule(when: str, zone: str, now: datetime) -> tuple[str, datetime]:
    """The cron, empty for once, and the first time. Raises ConfigError."""
    try:
        local = datetime.fromisoformat(when.strip())
    except ValueError:
        found = trigger(when.strip(), zone).get_next_fire_time(None, now)
        if found is None:
            raise ConfigError(f"broadcast: when: {when} never comes") from None
        return when.strip(), found
    first = instant(local, zone) if local.tzinfo is None else local
    if first <= now:
        raise ConfigError(f"broadcast: when: {when} is over")
    return "", first


def _words(zh: str, en: str) -> Words:
    """The text in both languages. Raises ConfigError."""
    try:
        return Words(zh=zh, en=en)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        raise ConfigError(f"broadcast: {fault['loc'][-1]}: {str(fault['msg']).removeprefix('Value error, ')}") from None
