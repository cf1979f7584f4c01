"""How the guard judges labelled answers: the bad ones caught and the good ones passed, by its layers."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from config import Language, Script
from engine.guard.corpora import Row
from engine.guard.guard import Guard
from engine.types import Request

_REQUESTS = {
    Language.ZH: Request("我今天心情不太好", Language.ZH, Script.HANS),
    Language.EN: Request("I don't feel good today", Language.EN),
}


@dataclass(frozen=True, slots=True)
class Judged:
    """An answer and what each layer found wrong with it."""

    row: Row
    by_rules: tuple[str, ...]
    by_model: tuple[str, ...]

    @property
    def stopped(self) -> bool:
        """Whether the guard would not show it."""
        return bool(self.by_rules or self.by_model)


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts of a group; `by_rules` are the bad ones that the rules alone catch."""

    bad: int
    caught: int
    by_rules: int
    good: int
    passed: int


def judge(rows: Iterable[Row], guard: Guard) -> list[Judged]:
    """What the guard says to each answer, as if somebody had said that the day was not good."""
    return [Judged(row, *guard.layers(row.text, _REQUESTS[row.language])) for row in rows]


def by_group(judged: Sequence[Judged]) -> dict[str, Figures]:
    """Figures of all, of each language, and of each kind that a writer had in mind."""
    groups: dict[str, list[Judged]] = {"all": list(judged)}
    for one in judged:
        groups.setdefault(f"lang:{one.row.language.value}", []).append(one)
    for one in sorted(judged, key=lambda one: one.row.near):
        groups.setdefault(f"kind:{one.row.near}", []).append(one)
    return {name: _figures(group) for name, group in groups.items()}


def _figures(group: Sequence[Judged]) -> Figures:
    bad = [one for one in group if one.row.bad]
    good = [one for one in group if not one.row.bad]
    return Figures(
        bad=len(bad),
        caught=sum(one.stopped for one in bad),
        by_rules=sum(bool(one.by_rules) for one in bad),
        good=len(good),
        passed=sum(not one.stopped for one in good),
    )
