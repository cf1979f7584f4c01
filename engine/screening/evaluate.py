"""How well a screener does on labelled texts, overall and by group. Numpy only."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.screening.corpora import Row
from engine.types import Assessment, Level, Screener

_LEVELS = tuple(Level)
_RATES = (0.005, 0.03, 0.05)
_BINS = 10


@dataclass
class Figures:
    """Figures of one group. Shares are 0..1, None where the group has no such texts.

    `danger` and `calm` count the rows whose label decides between urgent-or-worse and not; rows that leave it open
    count in `texts`, `macro_f1`, `kappa` and `confusion` only, where any acceptable level is right.
    """

    texts: int
    danger: int
    calm: int
    recall: float | None  # of danger, called urgent or worse
    alarms: float | None  # of calm, called urgent or worse
    near_miss_alarms: float | None  # of calm rows tagged near_miss
    missed_emergencies: float | None  # of emergencies, called none or elevated
    auroc: float | None  # of the score, danger against calm
    recall_at: dict[str, float] = field(default_factory=dict)  # at a rate of alarms
    alarms_at_95: float | None = None  # alarms when 95 % of danger is found
    macro_f1: float | None = None
    kappa: float | None = None  # quadratically weighted
    confusion: list[list[int]] = field(default_factory=list)  # rows: label, columns: called
    reliability: list[dict[str, float]] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def evaluate(rows: Sequence[Row], screener: Screener) -> dict[str, Figures]:
    """Figures for `all`, and by language, source, category and tag (`lang:zh`, `tag:near_miss`, ...)."""
    results = [screener.assess(row.text, row.context) for row in rows]
    groups: dict[str, list[int]] = {"all": list(range(len(rows)))}
    for place, row in enumerate(rows):
        for name in _groups(row):
            groups.setdefault(name, []).append(place)
    return {
        name: figures([rows[p] for p in places], [results[p] for p in places])
        for name, places in sorted(groups.items())
    }


def _groups(row: Row) -> Iterable[str]:
    yield f"lang:{row.lang}"
    yield f"source:{row.source}"
    yield f"category:{row.category or 'none'}"
    for tag in row.tags:
        yield f"tag:{tag}"


def figures(rows: Sequence[Row], results: Sequence[Assessment]) -> Figures:
    """The figures of one group of rows and what the screener made of them."""
    scores = np.array([result.score for result in results])
    called = np.array([result.level.needs_human for result in results], bool)
    danger = np.array([row.danger is True for row in rows], bool)
    calm = np.array([row.danger is False for row in rows], bool)
    near = calm & np.array(["near_miss" in row.tags for row in rows], bool)
    emergency = np.array([row.levels == {Level.EMERGENCY} for row in rows], bool)
    confusion = _confusion(rows, results)
    result = Figures(
        texts=len(rows),
        danger=int(danger.sum()),
        calm=int(calm.sum()),
        recall=_share(called, danger),
        alarms=_share(called, calm),
        near_miss_alarms=_share(called, near),
        missed_emergencies=_share(~called, emergency),
        auroc=auroc(scores[danger], scores[calm]),
        macro_f1=_macro_f1(confusion),
        kappa=_kappa(confusion),
        confusion=confusion.tolist(),
        reliability=_reliability(scores, danger, calm),
    )
    if danger.any() and calm.any():
        result.recall_at = {f"{rate:g}": recall_at(scores[danger], scores[calm], rate) for rate in _RATES}
        result.alarms_at_95 = float((scores[calm] >= np.quantile(scores[danger], 0.05)).mean())
    return result


def _share(part: NDArray[np.bool_], whole: NDArray[np.bool_]) -> float | None:
    return float(part[whole].mean()) if whole.any() else None


def auroc(danger: NDArray[np.float64], calm: NDArray[np.float64]) -> float | None:
    """The chance that a dangerous text scores above a calm one (ties count half), or None where one kind is missing."""
    if not len(danger) or not len(calm):
        return None
    ordered = np.sort(calm)
    below = np.searchsorted(ordered, danger, "left")
    upto = np.searchsorted(ordered, danger, "right")
    return float((below + upto).mean() / (2 * len(calm)))


def recall_at(danger: NDArray[np.float64], calm: NDArray[np.float64], rate: float) -> float:
    """The share of danger found by the lowest threshold that rings at no more than `rate` of the calm texts."""
    allowed = int(np.floor(rate * len(calm)))
    threshold = np.sort(calm)[::-1][allowed] if allowed < len(calm) else -np.inf
    return float((danger > threshold).mean())


def _confusion(rows: Sequence[Row], results: Sequence[Assessment]) -> NDArray[np.int64]:
    """Label against call. Of several acceptable levels, the one nearest to the call counts as the label."""
    table = np.zeros((len(_LEVELS), len(_LEVELS)), np.int64)
    for row, result in zip(rows, results, strict=True):
        ranks = sorted(level.rank for level in row.levels)
        label = min(ranks, key=lambda rank: abs(rank - result.level.rank))
        table[label, result.level.rank] += 1
    return table


def _macro_f1(confusion: NDArray[np.int64]) -> float | None:
    present = [k for k in range(len(_LEVELS)) if confusion[k].sum()]
    if not present:
        return None
    scores = [2 * confusion[k, k] / (confusion[k].sum() + confusion[:, k].sum()) for k in present]
    return float(np.mean(scores))


def _kappa(confusion: NDArray[np.int64]) -> float | None:
    """Cohen's kappa with quadratic weights: Cohen (1968), Weighted kappa."""
    total = confusion.sum()
    place = np.arange(len(_LEVELS))
    weights = (place[:, None] - place[None, :]) ** 2
    expected = np.outer(confusion.sum(1), confusion.sum(0)) / max(total, 1)
    disagreement = (weights * expected).sum()
    return float(1 - (weights * confusion).sum() / disagreement) if disagreement else None


def _reliability(
    scores: NDArray[np.float64], danger: NDArray[np.bool_], calm: NDArray[np.bool_]
) -> list[dict[str, float]]:
    """In each tenth of the score: how many texts, their mean score, and the share of danger among them."""
    known = danger | calm
    bins = np.minimum((scores * _BINS).astype(int), _BINS - 1)
    return [
        {"texts": float(inside.sum()), "score": float(scores[inside].mean()), "danger": float(danger[inside].mean())}
        for place in range(_BINS)
        if (inside := known & (bins == place)).any()
    ]
