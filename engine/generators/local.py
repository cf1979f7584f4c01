"""A language model in this process. All conversations share one model; one thread runs it, and is watched."""

import asyncio
import itertools
import math
import time
from collections.abc import AsyncIterator
from random import Random
from typing import TYPE_CHECKING, Any

import structlog

from config import Language, Script
from config.settings import TransformersSettings
from engine.generators import prompt
from engine.generators.detokenizer import Detokenizer
from engine.generators.encoding import Encoder
from engine.generators.visible import Visible
from engine.types import GeneratorError, Piece, Request

if TYPE_CHECKING:  # torch is an extra, and takes seconds to import
    from engine.generators.batch import Batch
    from engine.generators.loading import Loaded
    from engine.generators.sampling import Sampling
    from engine.generators.worker import Job, Worker

WATCH_SECONDS = 0.25
STUCK_SECONDS = 90.0  # a single step never takes so long on a machine that could serve anybody
REST_SECONDS = 5.0
HISTORY_SHARE = 0.5  # of the context

log = structlog.get_logger(__name__)


class LocalGenerator:
    """Any causal model that transformers loads, by chat template or as plain question and answer."""

    trusted = False

    def __init__(self, settings: TransformersSettings, sampling: "Sampling | None" = None) -> None:
        self.name = f"transformers:{settings.model.rstrip('/').rpartition('/')[2]}"
        self.version = ""  # of the weights, once they are loaded
        self._settings = settings
        self._sampling = sampling
        self._loaded: Loaded | None = None
        self._encoder: Encoder | None = None
        self._worker: Worker | None = None
        self._watching: asyncio.Task[None] | None = None
        self._jobs: set[Job] = set()
        self._last_fault = -math.inf
        self._restart_at = 0.0

    async def start(self) -> None:
        """Load the model in a thread. Raises GeneratorError with a sentence for the operator."""
        if self._worker:
            return
        try:
            loaded = await asyncio.to_thread(_load, self._settings)
        except ImportError:
            raise GeneratorError('language models need an extra: pip install "psyllm-bot[llm]"') from None
        self._loaded, self.version = loaded, loaded.version
        self._worker = self._new_worker()
        self._watching = asyncio.create_task(self._watch(), name="watch-language-model")

    async def close(self) -> None:
        """Stop the thread and free the model; requests under way fail."""
        worker, self._worker = self._worker, None
        if self._watching:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        self._fail_all("the generator is closing")
        if worker:
            await asyncio.to_thread(worker.close)
        self._loaded = None

    async def stream(self, request: Request) -> AsyncIterator[Piece]:
        """Yield the answer as it is written. Raises GeneratorError."""
        from engine.generators.worker import Job

        if not (worker := self._worker) or not (loaded := self._loaded):
            raise GeneratorError("the model is not running")
        if len(self._jobs) >= self._settings.batch_size + self._settings.queue_size:
            raise GeneratorError("the model's queue is full")
        job = Job(self._row(request, loaded))
        stops = prompt.completion_stops(request.language) if self._settings.prompt == "completion" else ()
        text, visible = Detokenizer(loaded.tokenizer), Visible(stops)
        self._jobs.add(job)
        worker.submit(job)
        try:
            while not visible.ended and (event := await job.events.get()) is not None:
                if isinstance(event, GeneratorError):
                    raise event
                if readable := visible.feed(text.add(event)):
                    yield Piece(readable)
            if rest := visible.feed(text.finish()) + visible.finish():
                yield Piece(rest)
        finally:
            job.cancelled = True
            self._jobs.discard(job)

    @property
    def loaded(self) -> "Loaded":
        """The model. Raises GeneratorError unless it is running."""
        if not self._loaded:
            raise GeneratorError("the model is not running")
        return self._loaded

    def prompt_tokens(self, request: Request) -> list[int]:
        """What the model reads before it writes an answer. Raises GeneratorError."""
        return self._tokens(request, self.loaded)

    def _row(self, request: Request, loaded: "Loaded") -> Any:
        from engine.generators.batch import Row
        from engine.generators.sampling import Sampling

        tokens = self._tokens(request, loaded)
        return Row(tokens, self._settings.max_new_tokens, self._sampling or Sampling(), Random())  # noqa: S311 - no secret

    def _tokens(self, request: Request, loaded: "Loaded") -> list[int]:
        """The prompt's tokens, with as much history as there is room for. Raises GeneratorError."""
        room = loaded.context - min(self._settings.max_new_tokens, loaded.context // 2)
        encoder = self._encoder_of(loaded)
        tokens = encoder.encode(request, 0)
        if len(tokens) > room:
            raise GeneratorError("the text is too long for the model")
        history = min(int(loaded.context * HISTORY_SHARE), room - len(tokens))
        while history and request.history:
            longer = encoder.encode(request, history)
            if len(longer) <= room:
                return longer
            history = history * 3 // 4 if history > 32 else 0  # a template may add more than is reckoned
        return tokens

    def _encoder_of(self, loaded: "Loaded") -> Encoder:
        if self._encoder is None:
            self._encoder = Encoder(loaded.tokenizer, self._settings.prompt)
        return self._encoder

    def _new_worker(self) -> "Worker":
        from engine.generators.worker import Worker

        worker = Worker(self._new_batch, asyncio.get_running_loop(), self._on_fault)
        worker.start()
        return worker

    def _new_batch(self) -> "Batch":
        """Made in the model's thread: slots, and what all prompts of a language begin with."""
        from engine.generators.batch import Batch

        assert self._loaded is not None
        loaded = self._loaded
        batch = Batch(loaded.model, self._settings.batch_size, loaded.context, loaded.stop)
        for language in Language:
            batch.keep_prefix(self._common_beginning(language, loaded)[: loaded.context // 2])
        return batch

    def _common_beginning(self, language: Language, loaded: "Loaded") -> list[int]:
        encoder = self._encoder_of(loaded)
        script = Script.HANS if language == Language.ZH else Script.LATIN
        first, second = (encoder.encode(Request(text, language, script), 0) for text in ("1", "?"))
        same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False))
        return [token for token, _ in same]

    def _on_fault(self, worker: "Worker", reason: str) -> None:
        """A step failed: whoever waits is told, and a new thread takes over."""
        if worker is self._worker:
            self._rebuild(f"the model failed ({reason})")

    async def _watch(self) -> None:
        """Notice a thread that died or hangs. One that hangs is left behind; it ends when its step does."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            worker = self._worker
            if worker is None:
                if time.monotonic() >= self._restart_at:
                    self._worker = self._new_worker()
            elif not worker.is_alive():
                self._rebuild("the model's thread died")
            elif worker.seconds_in_step() > STUCK_SECONDS:
                worker.close(wait_seconds=0)
                self._rebuild("the model hangs")

    def _rebuild(self, reason: str) -> None:
        """Fail all requests and start a new thread: at once, or after a rest if the last fault was just before."""
        log.error("the language model's thread is replaced", reason=reason)
        self._fail_all(reason)
        now = time.monotonic()
        pause = REST_SECONDS if now - self._last_fault < REST_SECONDS else 0.0
        self._last_fault, self._restart_at = now, now + pause
        self._worker = None if pause else self._new_worker()

    def _fail_all(self, reason: str) -> None:
        for job in self._jobs:
            job.cancelled = True
            job.events.put_nowait(GeneratorError(reason))


def _load(settings: TransformersSettings) -> "Loaded":
    from engine.generators.loading import load

    return load(settings)
