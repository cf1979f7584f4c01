"""The reviewed library as a Generator: it needs no model, no network and no guard."""

from collections.abc import AsyncIterator
from dataclasses import replace

from config import Language
from engine.library.data import LibraryError
from engine.library.draft import PARAGRAPH, Draft
from engine.library.library import Library, load_library
from engine.library.policy import Policy
from engine.types import GeneratorError, Piece, Request


class LibraryGenerator:
    """Answers from reviewed passages within milliseconds. The same request gets the same answer."""

    name = "library"
    trusted = True

    def __init__(self, library: Library | None = None) -> None:
        self._library = library

    async def start(self) -> None:
        """Read the data files. Raises GeneratorError when one is at fault."""
        try:
            self._library = self._library or load_library()
        except LibraryError as error:
            raise GeneratorError(f"The reviewed library cannot be read: {error}") from error

    async def close(self) -> None:
        """Nothing is held open."""

    async def stream(self, request: Request) -> AsyncIterator[Piece]:
        """Yield the whole answer as one piece."""
        yield self.reply(request)

    def reply(self, request: Request) -> Piece:
        """The answer at once, for callers that need no stream."""
        library = self._library or load_library()
        draft = Policy(library, request).answer()
        passages = tuple(part.passage for part in draft.parts)
        return Piece(_joined(draft, request.language), "+".join(draft.strategies), passages)


def _joined(draft: Draft, language: Language) -> str:
    """Sentences run on in Chinese and take a space in English; four that only run on are set in two paragraphs."""
    gap = "" if language is Language.ZH else " "
    parts = draft.parts
    if len(parts) >= 4 and not any(part.breaks for part in parts):
        parts = [*parts[:2], replace(parts[2], breaks=PARAGRAPH), *parts[3:]]
    first, *others = parts
    return first.text + "".join((part.breaks or gap) + part.text for part in others)
