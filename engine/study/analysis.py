"""What the ratings of a study say: means, agreement of the raters, differences between systems, wins.

A system's score on a question is the mean over its raters; intervals resample questions, because another study would
have other questions. Repeats and training items count only where the raters' agreement with themselves is asked.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from config import Language
from engine.evaluation.estimates import Estimate, mean
from engine.study.plan import AXES, Study
from engine.study.ratings import Preference, Rating
from engine.study.statistics import (
    Agreement,
    Test,
    agreement,
    cronbach_alpha,
    friedman,
    holm,
    krippendorff_alpha,
    quadratic_kappa,
    wilcoxon,
)

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class AxisResult:
    """One axis. `means` by system; `differences` by pair of systems with p values after Holm."""

    axis: str
    means: dict[str, Estimate]
    alpha: float | None
    icc: Agreement | None
    kappas: dict[tuple[str, str], float]  # by pair of raters
    friedman: Test | None
    differences: dict[tuple[str, str], tuple[float, Test | None, float | None]]  # mean difference, test, corrected p
    wins: dict[tuple[str, str], tuple[int, int, int]]  # questions won by the first, equal, won by the second


@dataclass(frozen=True)
class Result:
    """A study's figures: by axis over all languages, and means by language."""

    axes: tuple[AxisResult, ...]
    by_language: dict[Language, dict[str, dict[str, Estimate]]]  # language, axis, system
    consistency: float | None  # Cronbach's alpha of the four axes
    self_agreement: dict[str, float]  # quadratic kappa of each rater's repeats with the first time
    harmful: dict[str, tuple[int, int]]  # ratings that flag harm, of how many, by system
    preferences: dict[tuple[str, str], tuple[int, int, int]]  # side by side: won, equal, lost
    raters: int
    ratings: int
    questions: int


def analyse(study: Study, ratings: Sequence[Rating], preferences: Sequence[Preference] = ()) -> Result:
    """Every figure of a study. Ratings of questions or systems the study does not hold are left out."""
    known = {question.id: question for question in study.questions}
    first = [
        r for r in ratings if not r.repeat and not r.training and r.question in known and r.system in study.systems
    ]
    languages = sorted({known[rating.question].language for rating in first})
    rows = np.array([[rating.score(axis) for axis in AXES] for rating in first], np.float64).reshape(-1, len(AXES))
    return Result(
        axes=tuple(_axis(axis, first, study.systems) for axis in AXES),
        by_language={
            language: {
                axis: _means(axis, [r for r in first if known[r.question].language is language], study.systems)
                for axis in AXES
            }
            for language in languages
        },
        consistency=cronbach_alpha(rows),
        self_agreement=_self_agreement(first, [r for r in ratings if r.repeat]),
        harmful={
            s: (sum(r.harmful for r in first if r.system == s), sum(r.system == s for r in first))
            for s in study.systems
        },
        preferences=_preferences(preferences),
        raters=len({rating.rater for rating in first}),
        ratings=len(first),
        questions=len({rating.question for rating in first}),
    )


def _axis(axis: str, ratings: Sequence[Rating], systems: tuple[str, ...]) -> AxisResult:
    raters = sorted({rating.rater for rating in ratings})
    matrix = _matrix(axis, ratings, raters)
    scores = _scores(axis, ratings)
    asked = sorted({question for question, _ in scores})
    table = np.array([[scores.get((q, s), np.nan) for s in systems] for q in asked], np.float64)
    pairs = list(combinations(range(len(systems)), 2))
    tests = [wilcoxon(table[:, one], table[:, other]) if len(table) else None for one, other in pairs]
    corrected = iter(holm([test.p for test in tests if test]))
    named = [(systems[one], systems[other]) for one, other in pairs]
    kappas = {
        (raters[one], raters[other]): kappa
        for one, other in combinations(range(len(raters)), 2)
        if (kappa := quadratic_kappa(matrix[one], matrix[other])) is not None
    }
    return AxisResult(
        axis=axis,
        means=_means(axis, ratings, systems),
        alpha=krippendorff_alpha(matrix) if matrix.size else None,
        icc=agreement(matrix) if matrix.size else None,
        kappas=kappas,
        friedman=friedman(table) if len(table) else None,
        differences={
            names: (_difference(table, pair), test, next(corrected) if test else None)
            for names, pair, test in zip(named, pairs, tests, strict=True)
        },
        wins={names: _wins(table, pair) for names, pair in zip(named, pairs, strict=True)},
    )


def _matrix(axis: str, ratings: Iterable[Rating], raters: Sequence[str]) -> Floats:
    """Raters x items; an item is a system's answer to a question."""
    given = {(r.rater, (r.question, r.system)): r.score(axis) for r in ratings}
    items = sorted({item for _, item in given})
    return np.array([[given.get((rater, item), np.nan) for item in items] for rater in raters], np.float64)


def _scores(axis: str, ratings: Iterable[Rating]) -> dict[tuple[str, str], float]:
    """The mean over raters, by question and system."""
    gathered: dict[tuple[str, str], list[int]] = defaultdict(list)
    for rating in ratings:
        gathered[rating.question, rating.system].append(rating.score(axis))
    return {item: fmean(scores) for item, scores in gathered.items()}


def _means(axis: str, ratings: Sequence[Rating], systems: Sequence[str]) -> dict[str, Estimate]:
    scores = _scores(axis, ratings)
    found = {system: mean([score for (_, of), score in scores.items() if of == system]) for system in systems}
    return {system: value for system, value in found.items() if value}


def _difference(table: Floats, pair: tuple[int, int]) -> float:
    both = table[~np.isnan(table[:, pair]).any(axis=1)][:, pair] if len(table) else table
    return float((both[:, 0] - both[:, 1]).mean()) if len(both) else 0.0


def _wins(table: Floats, pair: tuple[int, int]) -> tuple[int, int, int]:
    if not len(table):
        return 0, 0, 0
    one, other = table[:, pair[0]], table[:, pair[1]]
    return int((one > other).sum()), int((one == other).sum()), int((one < other).sum())


def _self_agreement(first: Iterable[Rating], again: Iterable[Rating]) -> dict[str, float]:
    before = {(r.rater, r.question, r.system): r for r in first}
    pairs: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for rating in again:
        if earlier := before.get((rating.rater, rating.question, rating.system)):
            pairs[rating.rater] += [(earlier.score(axis), rating.score(axis)) for axis in AXES]
    found = {rater: quadratic_kappa(*zip(*values, strict=True)) for rater, values in sorted(pairs.items())}
    return {rater: kappa for rater, kappa in found.items() if kappa is not None}


def _preferences(given: Iterable[Preference]) -> dict[tuple[str, str], tuple[int, int, int]]:
    counted: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    for each in given:
        one, other = sorted((each.one, each.other))
        counted[one, other][{one: 0, other: 2}.get(each.winner, 1)] += 1
    return {names: (won, equal, lost) for names, (won, equal, lost) in sorted(counted.items())}
