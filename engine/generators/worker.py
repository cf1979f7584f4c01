"""The thread that owns the model: takes jobs from a queue, steps the batch, and hands tokens to the event loop."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue

import structlog

from engine.generators.batch import Batch, Row
from engine.types import GeneratorError

log = structlog.get_logger(__name__)


class Job:
    """One answer asked for. `events` gets tokens, then None at the end, or a GeneratorError."""

    def __init__(self, row: Row) -> None:
        self.row = row
        self.events: asyncio.Queue[int | GeneratorError | None] = asyncio.Queue()
        self.cancelled = False  # set by the asker; the thread lets the row go at the next step


class Worker:
    """One thread with its own batch. When a step fails it ends, and `on_fault` is called in the loop."""

    def __init__(
        self,
        make_batch: Callable[[], Batch],
        loop: asyncio.AbstractEventLoop,
        on_fault: Callable[["Worker", str], None],
    ) -> None:
        self._make_batch = make_batch
        self._loop = loop
        self._on_fault = on_fault
        self._incoming: SimpleQueue[Job | None] = SimpleQueue()
        self._waiting: deque[Job] = deque()
        self._running: dict[Row, Job] = {}
        self._step_began = 0.0  # 0 while idle
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="language-model", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Queue a job. Never blocks."""
        self._incoming.put(job)

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def seconds_in_step(self) -> float:
        """How long the present step takes already; 0 while idle."""
        began = self._step_began
        return time.monotonic() - began if began else 0.0

    def close(self, wait_seconds: float = 10.0) -> None:
        """Stop after the present step. Blocks until the thread has ended, for a while at most."""
        self._closing = True
        self._incoming.put(None)
        if self._thread.is_alive():
            self._thread.join(wait_seconds)

    def _run(self) -> None:
        try:
            batch = self._make_batch()
            while not self._closing:
                self._receive(wait=not self._waiting and not batch.rows)
                self._step_began = time.monotonic()
                self._admit(batch)
                if batch.rows:
                    self._step(batch)
                self._step_began = 0.0
        except Exception as error:  # a fault in the model: nothing it holds can be trusted any more
            self._tell(self._on_fault, self, type(error).__name__)

    def _receive(self, wait: bool) -> None:
        while wait or not self._incoming.empty():
            if (job := self._incoming.get()) is None:
                return
            self._waiting.append(job)
            wait = False

    def _admit(self, batch: Batch) -> None:
        for row in [row for row, job in self._running.items() if job.cancelled]:
            batch.remove(row)
            del self._running[row]
        while self._waiting and not batch.is_full:
            job = self._waiting.popleft()
            if not job.cancelled:
                batch.add(job.row)
                self._running[job.row] = job

    def _step(self, batch: Batch) -> None:
        events: list[tuple[Job, int | None]] = []
        for row, token, is_last in batch.step():
            job = self._running[row]
            if token >= 0:
                events.append((job, token))
            if is_last:
                events.append((job, None))
                batch.remove(row)
                del self._running[row]
        if events:
            self._tell(_deliver, events)

    def _tell(self, call: Callable[..., None], *values: object) -> None:
        """Call something in the event loop, if it still runs."""
        try:
            self._loop.call_soon_threadsafe(call, *values)
        except RuntimeError:
            self._closing = True


def _deliver(events: list[tuple[Job, int | None]]) -> None:
    for job, event in events:
        job.events.put_nowait(event)
