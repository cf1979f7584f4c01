"""The cases of `tests/screening/suite`: one JSON object a line, one file a group.

`suite/README.md` describes the fields.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.types import About, Category, Level, Role, Turn

SUITE = Path(__file__).parent / "suite"


@dataclass(frozen=True, slots=True)
class Case:
    """One text with the levels that a careful reader accepts. `context` holds earlier turns, oldest first."""

    id: str
    group: str
    text: str
    language: str
    levels: frozenset[Level]
    category: Category | None
    about: About
    context: tuple[Turn, ...]
    tags: frozenset[str]

    @property
    def dangerous(self) -> bool:
        """Every accepted level calls for a counsellor."""
        return all(level.needs_human for level in self.levels)

    @property
    def emergency(self) -> bool:
        """No level below emergency is accepted."""
        return self.levels == {Level.EMERGENCY}

    @property
    def calm(self) -> bool:
        """No accepted level calls for a counsellor."""
        return not any(level.needs_human for level in self.levels)


def load_cases(folder: Path = SUITE) -> list[Case]:
    """Read every file of the suite. Raises KeyError or ValueError where a row is wrong."""
    return [
        _case(path.stem, json.loads(line))
        for path in sorted(folder.glob("*.jsonl"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]


def _case(group: str, row: Mapping[str, Any]) -> Case:
    return Case(
        id=row["id"],
        group=group,
        text=row["text"],
        language=row["lang"],
        levels=frozenset(map(Level, row["levels"])),
        category=None if row["category"] is None else Category(row["category"]),
        about=About(row["about"]),
        context=tuple(map(_turn, row.get("context", ()))),
        tags=frozenset(row["tags"]),
    )


def _turn(earlier: str | Mapping[str, str]) -> Turn:
    if isinstance(earlier, str):
        return Turn(Role.USER, earlier)
    return Turn(Role.ASSISTANT, earlier["assistant"])
