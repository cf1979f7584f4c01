"""Answers a request: the model drafts under the guard's eyes, and the reviewed library stands behind it."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Literal

import structlog
from prometheus_client import Counter

from config import Language, load_texts
from engine.guard import Guard
from engine.types import BUSY, Answer, Generator, GeneratorError, Passage, Piece, Request
from engine.versions import version_of

Search = Callable[[str, Language, int], tuple[Passage, ...]]
OnText = Callable[[str], Awaitable[None]]

PASSAGES = 4  # given to a model
LIBRARY_SECONDS = 5.0  # the library answers in milliseconds; more than this is a fault
LONGEST_SENTENCE = 800  # characters; a longer one is a model running wild

ANSWERS = Counter("psyllm_answers", "Answers written, by generator", ["generator"])
FALLBACKS = Counter("psyllm_fallbacks", "Answers that the model could not give, by reason", ["reason"])
BLOCKS = Counter("psyllm_guard_blocks", "Drafts of a model that the guard stopped, by rule", ["rule"])

_SENTENCE_END = re.compile(r"(?:[。！？!?…～~]+|\.(?=\s)|\n)[\"'”’」』）)\]]*")
_MARKUP = re.compile(r"\*\*|__|^[ \t]*(?:#{1,6}|>|---+)[ \t]*", re.MULTILINE)
_CLAUSE_MARKS = ",，、;；:：-—"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Status:
    """How the model stands, for readiness checks. `detail` is a sentence for the operator."""

    generator: str
    state: Literal["loading", "ready", "failed"]
    detail: str = ""


class _Blocked(Exception):
    """The guard stopped a draft."""

    def __init__(self, rules: tuple[str, ...]) -> None:
        self.rules = rules


class Responder:
    """Writes one answer per request and never fails: model, else library, else a fixed text.

    `generator` None means that the library alone answers. The model is given `timeout_seconds` for its whole answer.
    """

    def __init__(
        self,
        generator: Generator | None,
        library: Generator,
        guard: Guard,
        timeout_seconds: float = 30.0,
        search: Search | None = None,
    ) -> None:
        """`search` finds passages of the library for a model to ground its answer on."""
        self._model = generator
        self._library = library
        self._guard = guard
        self._timeout = timeout_seconds
        self._search = search
        self._busy = {language: load_texts(language).get("busy") for language in Language}
        self._loading: asyncio.Task[None] | None = None
        self.status = Status(generator.name, "loading") if generator else Status(library.name, "ready")

    async def start(self) -> None:
        """Start the library and begin to load the model; returns without waiting for the model."""
        await self._library.start()
        if self._model:
            self._loading = asyncio.create_task(self._load(self._model), name="load-model")

    async def loaded(self) -> None:
        """Wait until the model is ready or has failed."""
        if self._loading:
            await asyncio.shield(self._loading)

    async def close(self) -> None:
        """Stop loading and free both generators."""
        if self._loading:
            self._loading.cancel()
            await asyncio.gather(self._loading, return_exceptions=True)
        if self._model:
            await self._model.close()
        await self._library.close()

    async def _load(self, model: Generator) -> None:
        try:
            await model.start()
        except Exception as error:
            sentence = str(error) if isinstance(error, GeneratorError) else f"{type(error).__name__} while loading"
            self.status = Status(model.name, "failed", sentence)
            log.error("the model did not load, so the library answers", generator=model.name, reason=sentence)
        else:
            self.status = Status(model.name, "ready")

    async def answer(self, request: Request, on_text: OnText | None = None) -> Answer:
        """Answer the request. Raises nothing but CancelledError, which also stops the model.

        `on_text` is awaited with the text so far, a sentence more each time, always text that passed the guard. A
        draft that is blocked after that is replaced by another text: what was shown must then be replaced too.
        """
        blocked: tuple[str, ...] = ()
        if self._model and self._may_draft(request):
            try:
                return await self._draft(self._model, await self._grounded(request), on_text, self._timeout)
            except _Blocked as stop:
                blocked = stop.rules
                for rule in blocked:
                    BLOCKS.labels(rule).inc()
                self._record_fallback("blocked", rules=blocked)
            except TimeoutError:
                self._record_fallback("timeout")
            except GeneratorError as error:
                self._record_fallback("error", detail=str(error))
            except Exception as error:  # whatever a model or its library may raise, the user gets an answer
                self._record_fallback("fault", detail=type(error).__name__)
        return await self._reviewed(request, on_text, blocked)

    async def _grounded(self, request: Request) -> Request:
        """The request with passages of the library that fit it and may be used at its level."""
        if self._search is None or request.passages:
            return request
        found = await asyncio.to_thread(self._search, request.text, request.language, PASSAGES)
        return replace(request, passages=tuple(p for p in found if p.level >= request.level))

    def _may_draft(self, request: Request) -> bool:
        """From URGENT upwards only reviewed texts speak."""
        return self.status.state == "ready" and not request.level.needs_human

    def _record_fallback(self, reason: str, **details: object) -> None:
        FALLBACKS.labels(reason).inc()
        log.warning("the library answers for the model", reason=reason, generator=self.status.generator, **details)

    async def _reviewed(self, request: Request, on_text: OnText | None, blocked: tuple[str, ...]) -> Answer:
        """The library's answer, or the fixed text if even that fails."""
        try:
            return await self._draft(self._library, request, on_text, LIBRARY_SECONDS, blocked)
        except Exception as error:
            log.error("the library could not answer", fault=type(error).__name__)
            ANSWERS.labels(BUSY).inc()
            return Answer(self._busy[request.language], request.language, BUSY, blocked=blocked)

    async def _draft(
        self,
        generator: Generator,
        request: Request,
        on_text: OnText | None,
        timeout_seconds: float,
        blocked: tuple[str, ...] = (),
    ) -> Answer:
        """One generator's whole answer. Raises what the generator raises, TimeoutError, or _Blocked."""
        written, text, strategy, checked = "", "", "", 0
        passages: tuple[str, ...] = ()
        async with asyncio.timeout(timeout_seconds), _closing(generator.stream(request)) as pieces:
            async for piece in pieces:
                written += piece.text
                text = written.lstrip() if generator.trusted else _without_markup(written)
                strategy, passages = piece.strategy or strategy, piece.passages or passages
                if (end := _sentence_end(text, checked)) > checked:
                    await _show(on_text, self._passed(generator, text[:end], request, final=False, since=checked))
                    checked = end
                elif len(text) - checked > LONGEST_SENTENCE:
                    raise GeneratorError("the answer has a sentence without an end")
        text = self._passed(generator, _whole_sentences(text), request)
        if not text:
            raise GeneratorError("the answer is empty")
        await _show(on_text, text)
        ANSWERS.labels(generator.name).inc()
        return Answer(text, request.language, generator.name, strategy, passages, blocked, version_of(generator))

    def _passed(self, generator: Generator, text: str, request: Request, final: bool = True, since: int = 0) -> str:
        """The text, if the user may read it. Raises _Blocked."""
        if not generator.trusted and (rules := self._guard.check(text, request, final, since)):
            raise _Blocked(rules)
        return text


@asynccontextmanager
async def _closing(pieces: AsyncIterator[Piece]) -> AsyncIterator[AsyncIterator[Piece]]:
    """Closes the iterator at the end, which stops a generation still under way."""
    try:
        yield pieces
    finally:
        if close := getattr(pieces, "aclose", None):
            await close()


async def _show(on_text: OnText | None, text: str) -> None:
    """Show a draft; a draft that cannot be shown costs nothing."""
    if on_text is None:
        return
    try:
        await on_text(text)
    except Exception as error:
        log.warning("a draft could not be shown", fault=type(error).__name__)


def _without_markup(text: str) -> str:
    """A model's text without the Markdown that a chat would show as it stands."""
    return _MARKUP.sub("", text).lstrip()


def _sentence_end(text: str, start: int = 0) -> int:
    """Where the last complete sentence after `start` ends; `start` if none does."""
    return max((match.end() for match in _SENTENCE_END.finditer(text, start)), default=start)


def _whole_sentences(text: str) -> str:
    """The text without a last sentence that the model's length limit cut off, unless it is all there is."""
    text = text.strip()
    if not text or not (text[-1].isalnum() or text[-1] in _CLAUSE_MARKS):
        return text
    end = _sentence_end(text)
    return text[:end].rstrip() if end else text
