"""Labelled texts in JSON lines: what reading them and holding a part of them back have in common."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from config import ConfigError

BLOCK = 60  # neighbouring rows of a file, often written as pairs, that are never split between training and test
HELD_BACK = 5  # of so many blocks one is held back


class CorpusError(ConfigError):
    """A file of labelled texts is wrong. The message names the file and the line, never the text."""


class Blocked(Protocol):
    """A row that knows its block."""

    @property
    def block(self) -> int:
        """The number of its block within its file."""


_Row = TypeVar("_Row")
_BlockedRow = TypeVar("_BlockedRow", bound=Blocked)


def read_lines(path: Path, parse: Callable[[Any, int, int], _Row]) -> Iterator[_Row]:
    """The rows that `parse` makes of each line's JSON, line number and block. Raises CorpusError.

    `parse` raises ValueError with what it expects.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except OSError as error:
        raise CorpusError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise CorpusError(f"{path}: is not UTF-8; save it as UTF-8") from None
    numbered = ((number, line) for number, line in enumerate(lines, start=1) if line.strip())
    for count, (number, line) in enumerate(numbered):
        try:
            yield parse(json.loads(line), number, count // BLOCK)
        except (json.JSONDecodeError, RecursionError):
            raise CorpusError(f"{path}, line {number}: is not JSON; write one object a line") from None
        except ValueError as error:
            raise CorpusError(f"{path}, line {number}: {error}") from None


def hold_back(rows: Sequence[_BlockedRow]) -> tuple[list[_BlockedRow], list[_BlockedRow]]:
    """The rows to learn from, and every fifth block of each file to judge what was learned. Raises CorpusError."""
    learned = [row for row in rows if row.block % HELD_BACK]
    if not learned:
        raise CorpusError(f"the first {BLOCK} texts of a file are held back and no other is left; give more texts")
    return learned, [row for row in rows if not row.block % HELD_BACK]
