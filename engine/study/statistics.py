"""The statistics of a rating study. Ratings are numbers from 1 to 5; a missing one is NaN.

Each function names the source of its formula; the tests hold them against published worked examples.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from krippendorff import alpha
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Agreement:
    """Intraclass correlations for absolute agreement: of one rater, and of the mean of all of them."""

    single: float  # ICC(A,1)
    average: float  # ICC(A,k)
    items: int  # that every rater rated


@dataclass(frozen=True, slots=True)
class Test:
    """A test's statistic, its two-sided p value, and how many questions went into it."""

    statistic: float
    p: float
    size: int

    __test__ = False  # not a test case, whatever its name


def krippendorff_alpha(ratings: ArrayLike) -> float | None:
    """Ordinal alpha of `ratings` (raters x items): Krippendorff, Content Analysis (2004), chapter 11.

    1 is perfect agreement, 0 what chance gives. None where no item has two ratings or all ratings are equal.
    """
    values = np.asarray(ratings, np.float64)
    paired = values[:, (~np.isnan(values)).sum(axis=0) >= 2]
    if not paired.size or len(np.unique(paired[~np.isnan(paired)])) < 2:
        return None
    return float(alpha(reliability_data=paired, level_of_measurement="ordinal"))


def agreement(ratings: ArrayLike) -> Agreement | None:
    """ICC(A,1) and ICC(A,k) of `ratings` (raters x items): McGraw and Wong (1996), two-way random effects.

    Items that not every rater rated are left out. None with fewer than two raters or items, or without variance.
    """
    values = np.asarray(ratings, np.float64).T
    values = values[~np.isnan(values).any(axis=1)]
    items, raters = values.shape
    if items < 2 or raters < 2 or not np.ptp(values):
        return None
    rows, columns, error = _mean_squares(values)
    common = (columns - error) / items
    return Agreement(
        single=float((rows - error) / (rows + (raters - 1) * error + raters * common)),
        average=float((rows - error) / (rows + common)),
        items=items,
    )


def cronbach_alpha(ratings: ArrayLike) -> float | None:
    """How consistently several measures (columns) order the same items (rows): Cronbach (1951), formula 2.

    Rows with a missing value are left out. None with fewer than two rows or columns, or without variance.
    """
    values = np.asarray(ratings, np.float64)
    values = values[~np.isnan(values).any(axis=1)]
    rows, columns = values.shape
    if rows < 2 or columns < 2 or not (total := values.sum(axis=1).var(ddof=1)):
        return None
    return float(columns / (columns - 1) * (1 - values.var(axis=0, ddof=1).sum() / total))


def quadratic_kappa(first: ArrayLike, second: ArrayLike) -> float | None:
    """Agreement of two raters, a difference weighing as its square: Cohen (1968), Weighted kappa.

    Items that one of them left out do not count. None without a common item, or if both gave one and the same value.
    """
    pairs = np.stack([np.asarray(first, np.float64), np.asarray(second, np.float64)])
    one, other = pairs[:, ~np.isnan(pairs).any(axis=0)]
    if not one.size:
        return None
    by_chance = float(np.mean((one[:, None] - other[None, :]) ** 2))
    return 1 - float(np.mean((one - other) ** 2)) / by_chance if by_chance else None


def friedman(scores: ArrayLike) -> Test | None:
    """Whether systems (columns, at least three) differ over the same questions (rows): Friedman (1937)."""
    values = np.asarray(scores, np.float64)
    values = values[~np.isnan(values).any(axis=1)]
    if values.shape[1] < 3 or len(values) < 2 or not np.ptp(values, axis=1).any():
        return None
    found = stats.friedmanchisquare(*values.T)
    return Test(float(found.statistic), float(found.pvalue), len(values))


def wilcoxon(first: ArrayLike, second: ArrayLike) -> Test | None:
    """Whether two systems differ over the same questions: Wilcoxon's signed ranks (1945), ties by Pratt's rule.

    None where fewer than two questions were rated for both, or where no rating differs.
    """
    pairs = np.stack([np.asarray(first, np.float64), np.asarray(second, np.float64)])
    one, other = pairs[:, ~np.isnan(pairs).any(axis=0)]
    if one.size < 2 or np.array_equal(one, other):
        return None
    found = stats.wilcoxon(one, other, zero_method="pratt")
    return Test(float(found.statistic), float(found.pvalue), int(one.size))


def holm(values: Sequence[float]) -> list[float]:
    """P values corrected for being several, in the order given: Holm (1979)."""
    corrected = [0.0] * len(values)
    largest = 0.0
    for done, place in enumerate(np.argsort(values, kind="stable")):
        largest = max(largest, min(1.0, (len(values) - done) * values[place]))
        corrected[place] = largest
    return corrected


def _mean_squares(values: Floats) -> tuple[float, float, float]:
    """Of items, raters and what is left, in a two-way analysis of variance without repeats (items x raters)."""
    items, raters = values.shape
    grand = values.mean()
    rows = raters * ((values.mean(axis=1) - grand) ** 2).sum()
    columns = items * ((values.mean(axis=0) - grand) ** 2).sum()
    error = ((values - grand) ** 2).sum() - rows - columns
    return (
        float(rows / (items - 1)),
        float(columns / (raters - 1)),
        float(error / ((items - 1) * (raters - 1))),
    )
