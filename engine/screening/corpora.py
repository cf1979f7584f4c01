"""Labelled texts, read from JSON lines, for training and evaluation.

One object a line. A text that stands alone in its file needs two fields; the others say more about it:

    {"text": "...", "level": "urgent"}

field                       what it holds
`text`                      the message
`level` or `levels`         what is right: `none`, `elevated`, `urgent`, `emergency`; several where readers may differ
`id`                        a name for the row; without one it goes by file and line
`lang`                      `zh`, `en`, ...
`category`, `categories`    what the danger is; the first of several counts
`about`                     `self` or `other`
`source`, `tags`            where it comes from, what it shows: reports count by them
`context`                   earlier texts, oldest first: see `read_turns`
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from engine.linear.corpora import read_lines
from engine.types import About, Category, Level, Role, Turn

CORPUS = Path(__file__).parent / "corpus"

_Kind = TypeVar("_Kind", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Row:
    """A text and what it should be called. `levels`: every acceptable level. `group`: the file it stands in;
    `source`: the source it names, else the file."""

    text: str
    lang: str
    levels: frozenset[Level]
    category: Category | None = None
    about: About = About.SELF
    source: str = ""
    tags: tuple[str, ...] = ()
    context: tuple[Turn, ...] = ()
    block: int = 0
    id: str = ""
    group: str = ""
    line: int = 0

    @property
    def danger(self) -> bool | None:
        """Whether every acceptable level is urgent or worse; None where the label leaves it open."""
        verdicts = {level.needs_human for level in self.levels}
        return verdicts.pop() if len(verdicts) == 1 else None

    @property
    def dangerous(self) -> bool:
        """Every acceptable level calls for a counsellor."""
        return self.danger is True

    @property
    def calm(self) -> bool:
        """No acceptable level calls for a counsellor."""
        return self.danger is False

    @property
    def emergency(self) -> bool:
        """No level below emergency is acceptable."""
        return self.levels == {Level.EMERGENCY}

    @property
    def label(self) -> tuple[Level, ...]:
        """The acceptable levels, the mildest first."""
        return tuple(level for level in Level if level in self.levels)

    @property
    def place(self) -> str:
        """File and line, by which a row can be named without its text."""
        return f"{self.group}:{self.line}"


def read_rows(paths: Iterable[Path]) -> list[Row]:
    """Every row of the files, in order. Raises CorpusError."""
    return [row for path in paths for row in _rows(path)]


def corpus_files() -> list[Path]:
    """The project's own training texts."""
    return sorted(CORPUS.glob("*.jsonl"))


def read_turns(data: Any) -> tuple[Turn, ...]:
    """Earlier texts: a string is the user's, `{"assistant": text}` the bot's, `{"role": ..., "text": ...}` anybody's.

    Raises ValueError that says what is expected.
    """
    if not isinstance(data or [], list):
        raise ValueError("earlier texts must be a list")
    return tuple(_turn(one) for one in data or [])


def _turn(data: Any) -> Turn:
    if isinstance(data, str):
        return Turn(Role.USER, data)
    if isinstance(data, dict) and len(data) == 1 and "assistant" in data:
        data = {"role": Role.ASSISTANT, "text": data["assistant"]}
    if not isinstance(data, dict) or not isinstance(data.get("text"), str) or data.get("role") not in set(Role):
        raise ValueError('an earlier text must be a string, {"assistant": "..."} or {"role": "user", "text": "..."}')
    return Turn(Role(data["role"]), data["text"])


def _rows(path: Path) -> Iterable[Row]:
    return read_lines(path, lambda data, line, block: _row(data, path.stem, line, block))


def _row(data: Any, group: str, line: int, block: int) -> Row:
    """Raises ValueError that says what is expected."""
    if not isinstance(data, dict) or not isinstance(data.get("text"), str):
        raise ValueError('must be an object with a "text", like {"text": "...", "level": "none"}')
    levels = _several(data, "levels") or [data.get("level")]
    categories = _several(data, "categories") or [data.get("category")]
    return Row(
        text=data["text"],
        lang=str(data.get("lang") or ""),
        levels=frozenset(_member(Level, level, "level") for level in levels),
        category=_member(Category, categories[0], "category") if categories[0] else None,
        about=_member(About, data.get("about") or About.SELF, "about"),
        source=str(data.get("source") or group),
        tags=tuple(str(tag) for tag in _several(data, "tags")),
        context=read_turns(data.get("context")),
        block=block,
        id=str(data.get("id", "")),
        group=group,
        line=line,
    )


def _several(data: dict[str, Any], field: str) -> list[Any]:
    values = data.get(field) or []
    if not isinstance(values, list):
        raise ValueError(f'"{field}" must be a list')
    return values


def _member(kind: type[_Kind], value: Any, field: str) -> _Kind:
    try:
        return kind(value)
    except ValueError:
        raise ValueError(f'"{field}" must be one of {", ".join(kind)}') from None
