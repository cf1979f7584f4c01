"""Figures with their intervals: the percentile bootstrap over answers (Efron 1979)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

RESAMPLES = 1000
_SEED = 7

Row = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and its 95 % interval; `low` and `high` are None where there are fewer than two answers."""

    value: float
    low: float | None = None
    high: float | None = None

    def as_dict(self) -> dict[str, float | None]:
        """For JSON."""
        return {
            "value": round(self.value, 4),
            "low": None if self.low is None else round(self.low, 4),
            "high": None if self.high is None else round(self.high, 4),
        }


def estimate(rows: Sequence[ArrayLike], figure: Callable[[Row], float]) -> Estimate | None:
    """`figure` of the sum of the rows, which hold one answer's counts each. None without rows.

    The interval comes from 1,000 resamples of the answers with a fixed seed, so the same answers give the same one.
    """
    if not rows:
        return None
    counts = np.array(rows, dtype=np.float64)
    value, size = figure(counts.sum(axis=0)), len(counts)
    if size < 2:
        return Estimate(value)
    draw = np.random.default_rng(_SEED)
    shares = np.full(size, 1 / size)
    drawn = [figure(draw.multinomial(size, shares) @ counts) for _ in range(RESAMPLES)]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Estimate(value, float(low), float(high))


def mean(values: Sequence[float]) -> Estimate | None:
    """The mean of one number per answer."""
    return ratio([(value, 1.0) for value in values])


def ratio(pairs: Sequence[tuple[float, float]]) -> Estimate | None:
    """The sum of the first numbers by the sum of the second ones, such as bits per character; 0 where that is 0."""
    return estimate(pairs, lambda total: float(total[0] / total[1]) if total[1] else 0.0)
