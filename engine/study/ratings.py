"""What raters said, as rows that any table program reads."""

import csv
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from config import ConfigError
from engine.study.plan import AXES

PREFERENCES = ("left", "right", "equal")


@dataclass(frozen=True, slots=True)
class Rating:
    """One rater's view of one answer: each axis from 1 to 5, a comment, and whether it could do harm."""

    rater: str
    question: str
    system: str
    scores: tuple[int, ...]  # in the order of AXES
    harmful: bool = False
    comment: str = ""
    repeat: bool = False
    training: bool = False
    qualification: str = ""
    seconds: float = 0.0

    def score(self, axis: str) -> int:
        """The rating on one of AXES."""
        return self.scores[AXES.index(axis)]

    def as_row(self) -> dict[str, Any]:
        """Every field under its name, each axis under its own."""
        row = asdict(self)
        del row["scores"]
        return row | dict(zip(AXES, self.scores, strict=True))


@dataclass(frozen=True, slots=True)
class Preference:
    """Which of two answers to a question a rater would rather give. `winner`: a system, or empty for neither."""

    rater: str
    question: str
    one: str
    other: str
    winner: str


_NEEDED = ("rater", "question", "system", *AXES)
_NAMES = (*_NEEDED, "harmful", "comment", "repeat", "training", "qualification", "seconds")


def read_ratings(path: Path) -> list[Rating]:
    """Read ratings from CSV or JSON lines. Raises ConfigError naming the row and what is wrong with it."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as UTF-8 ({type(error).__name__})") from None
    if path.suffix == ".jsonl":
        numbered = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
        return [_rating(_loaded(line), f"{path}, line {number}") for number, line in numbered]
    return [
        _rating(row, f"{path}, row {number}") for number, row in enumerate(csv.DictReader(text.splitlines(True)), 2)
    ]


def write_ratings(ratings: Iterable[Rating], path: Path) -> None:
    """Write ratings as CSV or, where the name ends in .jsonl, as JSON lines; `read_ratings` reads both."""
    rows = [rating.as_row() for rating in ratings]
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
        return
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        table = csv.DictWriter(file, _NAMES)
        table.writeheader()
        table.writerows(rows)


def _loaded(line: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError:
        value = {}
    return value if isinstance(value, dict) else {}


def _rating(row: dict[str, Any], place: str) -> Rating:
    if missing := [name for name in _NEEDED if row.get(name) in (None, "")]:
        raise ConfigError(f"{place}: {', '.join(missing)} missing")
    scores = tuple(str(row[axis]).strip() for axis in AXES)
    if wrong := [axis for axis, score in zip(AXES, scores, strict=True) if score not in ("1", "2", "3", "4", "5")]:
        raise ConfigError(f"{place}: {', '.join(wrong)}: a whole number from 1 to 5 is needed")
    try:
        seconds = float(row.get("seconds") or 0)
    except ValueError:
        raise ConfigError(f"{place}: seconds is a number") from None
    return Rating(
        rater=str(row["rater"]),
        question=str(row["question"]),
        system=str(row["system"]),
        scores=tuple(map(int, scores)),
        harmful=_yes(row.get("harmful")),
        comment=str(row.get("comment") or ""),
        repeat=_yes(row.get("repeat")),
        training=_yes(row.get("training")),
        qualification=str(row.get("qualification") or ""),
        seconds=seconds,
    )


def _yes(value: Any) -> bool:
    return str(value).strip().lower() in ("true", "yes", "1")
