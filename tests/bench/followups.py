"""Follow-ups at scale on PostgreSQL: a million enrolments, 50,000 due at once; beside it APScheduler, a job per user.

The server is PSYLLM_TEST_POSTGRES, else one started here as for the tests, which does not wait for its disk.
"""

import os
import statistics
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.schedulers.base import STATE_RUNNING
from rich.console import Console
from rich.table import Table
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from bot.store import Store, schema
from bot.store.migrate import upgrade
from tests.conftest import _serve_postgres
from tests.e2e.follow_up_worker import worker_of

ENROLLED, DUE = 1_000_000, 50_000
JOBS = 2_000
_TICKS = 15
_LANES = "UPDATE pace SET free_at = now() - interval '1 day'"
_MANY = """
INSERT INTO person (id, created_at, language) SELECT n, now(), 'en' FROM generate_series(1, {many}) n;
INSERT INTO conversation (id, person_id, address) SELECT n, n, 'memory:12:' || n FROM generate_series(1, {many}) n;
INSERT INTO rhythm (person_id, zone, quiet_from, quiet_until)
  SELECT n, 'Europe/London', 0, 0 FROM generate_series(1, {many}) n;
INSERT INTO enrolment
  (id, person_id, conversation_id, programme, version, state, source, start_day, created_at, agreed_at)
  SELECT n, n, n, 'mood_checkin', 1, 'active', 'user', current_date, now(), now() FROM generate_series(1, {many}) n;
INSERT INTO occurrence (enrolment_id, platform, day, state, planned_at, due_at, latest_at)
  SELECT n, 'memory', 0, 'due', now() + interval '30 days', now() + interval '30 days', now() + interval '31 days'
  FROM generate_series(1, {many}) n;
INSERT INTO pace (platform, free_at) VALUES ('memory', now());
"""


async def measure(enrolled: int = ENROLLED, due: int = DUE, jobs: int = JOBS) -> dict[str, Any]:
    """Ticks in milliseconds, rows a second, and APScheduler's jobs a second."""
    with _server() as server:
        few = await _ticks(server, 1_000)
        many, rate = await _at_scale(server, enrolled, due)
    job_rate = _apscheduler(jobs)
    return {
        "enrolled": enrolled,
        "due": due,
        "tick_ms_none_due_1000": few,
        "tick_ms_none_due": many,
        "claimed_and_enqueued_per_second": rate,
        "apscheduler_jobs": jobs,
        "apscheduler_per_second": job_rate,
        "ratio": rate / job_rate,
    }


@contextmanager
def _server() -> Iterator[str]:
    if url := os.environ.get("PSYLLM_TEST_POSTGRES"):
        yield url
        return
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    with tempfile.TemporaryDirectory(prefix="psyllm-bench-") as folder:
        yield from _serve_postgres(programs[-1].parent, Path(folder))


async def _filled(server: str, many: int) -> Store:
    """An open store on a database of its own, with so many enrolments of which none is due."""
    name = f"b{uuid.uuid4().hex}"
    engine = create_async_engine(server, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text(f"CREATE DATABASE {name}"))
    await engine.dispose()
    store = Store(server.rsplit("/", 1)[0] + f"/{name}")
    await store.open()
    await upgrade(store)
    async with store.transaction() as tx:
        for statement in _defaults():  # the program fills these in itself
            await tx.connection.execute(text(statement))
        for statement in _MANY.format(many=many).strip().split(";\n"):
            await tx.connection.execute(text(statement.rstrip(";")))
        await tx.connection.execute(text("ANALYZE"))
    return store


def _defaults() -> Iterator[str]:
    for table in (schema.person, schema.conversation, schema.rhythm, schema.enrolment, schema.occurrence):
        for column in table.c:
            if column.default is not None and column.default.is_scalar:
                value = str(getattr(column.default, "arg", "")).lower()
                yield f"ALTER TABLE {table.name} ALTER {column.name} SET DEFAULT '{value}'"


async def _ticks(server: str, many: int) -> float:
    """The median of a tick with nothing due, in milliseconds."""
    store = await _filled(server, many)
    try:
        return await _idle(store)
    finally:
        await store.close()


async def _idle(store: Store) -> float:
    worker, taken = worker_of(store), []
    for _ in range(_TICKS):
        began = time.perf_counter()
        await worker.step()
        taken.append((time.perf_counter() - began) * 1000)
    return statistics.median(taken)


async def _at_scale(server: str, enrolled: int, due: int) -> tuple[float, float]:
    store = await _filled(server, enrolled)
    try:
        idle = await _idle(store)
        async with store.transaction() as tx:
            now = "UPDATE occurrence SET planned_at = now(), due_at = now(), latest_at = now() + interval '3 hours'"
            await tx.connection.execute(text(f"{now} WHERE enrolment_id <= {due}"))
            await tx.connection.execute(text("ANALYZE occurrence"))
        worker, left = worker_of(store, batch=2_000), due
        began = time.perf_counter()
        while left > 0:
            left -= await worker.step()
            async with store.transaction() as tx:
                await tx.connection.execute(text(_LANES))  # the pace of a platform is not what is measured
        return idle, due / (time.perf_counter() - began)
    finally:
        await store.close()


def _apscheduler(jobs: int) -> float:
    """Jobs a second in one pass over jobs that are due, one for each user, kept in SQLite."""
    with tempfile.TemporaryDirectory(prefix="psyllm-bench-") as folder:
        scheduler = BackgroundScheduler(timezone=UTC, executors={"default": {"type": "threadpool", "max_workers": 4}})
        scheduler.add_jobstore(SQLAlchemyJobStore(f"sqlite:///{folder}/jobs.db"))
        scheduler.start(paused=True)
        at = datetime.now(UTC) + timedelta(seconds=1)
        for number in range(jobs):
            scheduler.add_job(
                nothing, "interval", days=1, next_run_time=at, args=[number], misfire_grace_time=3600, max_instances=2
            )
        time.sleep(max(0.0, (at - datetime.now(UTC)).total_seconds()))
        scheduler.state = STATE_RUNNING  # without a wake-up: the one pass over all of them is made here
        began = time.perf_counter()
        scheduler._process_jobs()
        taken = time.perf_counter() - began
        scheduler.shutdown()
        return jobs / taken


def nothing(number: int) -> None:
    """What each job does."""


def show(found: dict[str, Any]) -> None:
    """Print the measurements with their targets."""
    table = Table("measurement", "value", "target", title="psyllm bench followups")
    table.add_row("a tick, none due, 1,000 enrolled", f"{found['tick_ms_none_due_1000']:.1f} ms", "")
    table.add_row(
        f"a tick, none due, {found['enrolled']:,} enrolled", f"{found['tick_ms_none_due']:.1f} ms", "the same"
    )
    rate = found["claimed_and_enqueued_per_second"]
    table.add_row(f"{found['due']:,} due: decided and enqueued", f"{rate:,.0f} a second", "≥ 10,000")
    table.add_row(
        f"APScheduler, {found['apscheduler_jobs']:,} jobs, one a user",
        f"{found['apscheduler_per_second']:,.0f} a second",
        "",
    )
    table.add_row("ratio", f"{found['ratio']:.0f}", "")
    Console().print(table)
