"""Labelled texts, read from JSON lines, for training and evaluation."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.types import Category, Level, Role, Turn

BLOCK = 60  # neighbouring rows of a file, often written as pairs, that are never split between training and test


class CorpusError(ValueError):
    """A file of labelled texts is wrong. The message names the file and the line, never the text."""


@dataclass(frozen=True, slots=True)
class Row:
    """A text and what it should be called. `levels`: every acceptable level. `source`: the file, or the source it
    names."""

    text: str
    lang: str
    levels: frozenset[Level]
    category: Category | None = None
    about: str = "self"
    source: str = ""
    tags: tuple[str, ...] = ()
    context: tuple[Turn, ...] = ()
    block: int = 0

    @property
    def danger(self) -> bool | None:
        """Whether every acceptable level is urgent or worse; None where the label leaves it open."""
        verdicts = {level.needs_human for level in self.levels}
        return verdicts.pop() if len(verdicts) == 1 else None


def read_rows(paths: Iterable[Path]) -> list[Row]:
    """Every row of the files, in order. Raises CorpusError.

    A row has `text` and `level` or `levels`, and may have `lang`, `category` or `categories`, `about`, `source`,
    `tags` and `context` (earlier texts of the user, or objects with `role` and `text`).
    """
    rows: list[Row] = []
    for path in paths:
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise CorpusError(f"{path}: cannot be read ({type(error).__name__})") from error
        count = 0
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                rows.append(_row(json.loads(line), path.stem, count // BLOCK))
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise CorpusError(
                    f"{path.name}, line {number}: not a labelled text ({type(error).__name__})"
                ) from error
            count += 1
    return rows


def _row(data: dict[str, Any], stem: str, block: int) -> Row:
    levels = data.get("levels") or [data["level"]]
    categories = data.get("categories") or ([data["category"]] if data.get("category") else [])
    text = data["text"]
    if not isinstance(text, str):
        raise TypeError("text")
    return Row(
        text=text,
        lang=data.get("lang", ""),
        levels=frozenset(Level(level) for level in levels),
        category=Category(categories[0]) if categories else None,
        about=data.get("about", "self"),
        source=data.get("source", stem),
        tags=tuple(data.get("tags", ())),
        context=tuple(_turn(turn) for turn in data.get("context", ())),
        block=block,
    )


def _turn(data: Any) -> Turn:
    return Turn(Role.USER, data) if isinstance(data, str) else Turn(Role(data["role"]), data["text"])
