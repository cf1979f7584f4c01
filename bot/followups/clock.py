"""The clock of operators' schedules: APScheduler with its triggers, and a watchdog over it.

A scheduler may stop without a word: after a fault of its own it does nothing more and still calls itself running. So a
job beats, and when the beat stays away the scheduler is thrown away and another is made. A job fires what the database
says is due, so a job too many, in this process or another, fires nothing twice; it never stands for one user.

Set on purpose, because the defaults lose jobs: `misfire_grace_time` (default one second) is `GRACE`, `coalesce` makes
one firing of several missed ones, `max_instances` lets no job overtake itself.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from datetime import UTC, timedelta

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.date import DateTrigger
from prometheus_client import Counter

from bot.followups.broadcasts import GRACE, Broadcasts
from bot.store.broadcasts import RUNNING

log = structlog.get_logger(__name__)
RESTARTS = Counter("psyllm_clock_restarts", "Times the clock of operators' schedules had stopped and was made anew")

BEAT = timedelta(seconds=10)
_DEFAULTS = {"misfire_grace_time": int(GRACE.total_seconds()), "coalesce": True, "max_instances": 1}


class Clock:
    """Fires broadcasts. `beat` is how often it proves that it lives, and looks for new and changed broadcasts."""

    def __init__(
        self, broadcasts: Broadcasts, beat: timedelta = BEAT, make: Callable[[], AsyncIOScheduler] | None = None
    ) -> None:
        self._broadcasts = broadcasts
        self._beat_every = beat
        self._make = make or _scheduler
        self._scheduler: AsyncIOScheduler | None = None
        self._beat_at = 0.0

    async def run(self) -> None:
        """Work until cancelled."""
        try:
            while True:
                if self._scheduler is None:
                    self._start()
                await asyncio.sleep(self._beat_every.total_seconds())
                if self.silent > 3 * self._beat_every.total_seconds():
                    RESTARTS.inc()
                    log.error("clock.stopped", seconds=round(self.silent))
                    self._shut()
        finally:
            self._shut()

    @property
    def silent(self) -> float:
        """Seconds since the last beat."""
        return time.monotonic() - self._beat_at

    def _start(self) -> None:
        self._beat_at = time.monotonic()
        self._scheduler = self._make()
        self._scheduler.add_job(self._beat, "interval", seconds=self._beat_every.total_seconds(), id="beat")
        self._scheduler.start()
        self._scheduler.add_job(self._beat, id="first beat")

    def _shut(self) -> None:
        if self._scheduler is not None:
            with contextlib.suppress(Exception):
                self._scheduler.shutdown(wait=False)
            self._scheduler = None

    async def _beat(self) -> None:
        """Live, set the jobs to what the database says, and fire what fell due while nothing ran."""
        self._beat_at = time.monotonic()
        await self._fire()
        scheduler = self._scheduler
        if scheduler is None:
            return
        wanted = {
            f"broadcast-{b.id}": b.next_at for b in await self._broadcasts.every() if b.state == RUNNING and b.next_at
        }
        for job in scheduler.get_jobs():
            if job.id.startswith("broadcast-") and job.id not in wanted:
                job.remove()
        for name, at in wanted.items():
            known = scheduler.get_job(name)
            if known is None or known.next_run_time != at:
                scheduler.add_job(self._fire, DateTrigger(at), id=name, replace_existing=True)

    async def _fire(self) -> None:
        try:
            await self._broadcasts.fire_due()
        except Exception as error:
            log.error("clock.fire_failed", error=type(error).__name__)


def _scheduler() -> AsyncIOScheduler:
    return AsyncIOScheduler(timezone=UTC, job_defaults=_DEFAULTS)
