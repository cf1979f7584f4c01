"""How well a screener does on labelled texts, overall and by group. Numpy only."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from config import Language
from engine.screening.corpora import Row
from engine.types import Assessment, Level, Screener

GROUPS = ("all", "file", "lang", "category", "source", "tag")
_LEVELS = tuple(Level)
_BINS = 10


@dataclass(frozen=True, slots=True)
class Judged:
    """A row and what a screener made of it."""

    row: Row
    found: Assessment

    @property
    def alarm(self) -> bool:
        """Whether the text was called urgent or worse."""
        return self.found.level.needs_human

    @property
    def accepted(self) -> bool:
        """Whether the level is one of those that are right."""
        return self.found.level in self.row.levels


@dataclass
class Figures:
    """Figures of one group. Shares are 0..1, None where the group has no such texts.

    `danger` and `calm` count the rows whose label decides between urgent-or-worse and not; rows that leave it open
    count in `texts`, `accepted`, `macro_f1`, `kappa` and `confusion` only, where any acceptable level is right.
    """

    texts: int
    danger: int
    calm: int
    accepted: float | None  # called an acceptable level
    recall: float | None  # of danger, called urgent or worse
    alarms: float | None  # of calm, called urgent or worse
    near_miss_alarms: float | None  # of calm rows tagged near_miss
    missed_emergencies: float | None  # of emergencies, called none or elevated
    auroc: float | None  # of the score, danger against calm
    recall_at_0_5: float | None  # at a score that rings for 0.5 % of the calm texts
    recall_at_1: float | None
    recall_at_5: float | None
    alarms_at_95: float | None  # at a score that finds 95 % of the danger
    macro_f1: float | None
    kappa: float | None  # quadratically weighted
    calibration_error: float | None  # how far, on average, the score is from the share of danger at that score
    confusion: list[list[int]] = field(default_factory=list)  # rows: label, columns: called
    reliability: list[dict[str, float]] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def evaluate(rows: Iterable[Row], screener: Screener) -> dict[str, Figures]:
    """Judge every row; figures by group, see `grouped`."""
    return by_group(judge(rows, screener))


def judge(rows: Iterable[Row], screener: Screener) -> list[Judged]:
    """Screen every row."""
    return [Judged(row, screener.assess(row.text, row.context)) for row in rows]


def by_group(judged: Sequence[Judged]) -> dict[str, Figures]:
    """The figures of each group."""
    return {name: figures(part) for name, part in grouped(judged).items()}


def grouped(judged: Sequence[Judged]) -> dict[str, list[Judged]]:
    """`all`, then by file, language, category, source and tag (`file:near_miss`, `lang:zh`, ...), in that order."""
    groups: dict[str, list[Judged]] = {"all": list(judged)}
    for one in judged:
        for name in _groups(one.row):
            groups.setdefault(name, []).append(one)
    return dict(sorted(groups.items(), key=lambda group: (GROUPS.index(group[0].split(":")[0]), group[0])))


def _groups(row: Row) -> Iterable[str]:
    yield f"file:{row.group}"
    yield f"lang:{row.lang if row.lang in set(Language) else 'other'}"
    yield f"category:{row.category or 'none'}"
    if row.source != row.group:
        yield f"source:{row.source}"
    for tag in dict.fromkeys(row.tags):
        yield f"tag:{tag}"


def figures(judged: Sequence[Judged]) -> Figures:
    """The figures of one group."""
    scores = np.array([one.found.score for one in judged])
    called = _mask(one.alarm for one in judged)
    danger = _mask(one.row.dangerous for one in judged)
    calm = _mask(one.row.calm for one in judged)
    near = calm & _mask("near_miss" in one.row.tags for one in judged)
    confusion = _confusion(judged)
    reliability = _reliability(scores, danger, calm)
    return Figures(
        texts=len(judged),
        danger=int(danger.sum()),
        calm=int(calm.sum()),
        accepted=_share(_mask(one.accepted for one in judged), np.ones(len(judged), bool)),
        recall=_share(called, danger),
        alarms=_share(called, calm),
        near_miss_alarms=_share(called, near),
        missed_emergencies=_share(~called, _mask(one.row.emergency for one in judged)),
        auroc=auroc(scores[danger], scores[calm]),
        recall_at_0_5=recall_at(scores[danger], scores[calm], 0.005),
        recall_at_1=recall_at(scores[danger], scores[calm], 0.01),
        recall_at_5=recall_at(scores[danger], scores[calm], 0.05),
        alarms_at_95=_alarms_at(scores[danger], scores[calm], 0.95),
        macro_f1=_macro_f1(confusion),
        kappa=_kappa(confusion),
        calibration_error=_calibration_error(reliability) if danger.any() and calm.any() else None,
        confusion=confusion.tolist(),
        reliability=reliability,
    )


def _mask(values: Iterable[bool]) -> NDArray[np.bool_]:
    return np.array(list(values), bool)


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


def recall_at(danger: NDArray[np.float64], calm: NDArray[np.float64], rate: float) -> float | None:
    """The share of danger found by the lowest threshold that rings at no more than `rate` of the calm texts."""
    if not len(danger) or not len(calm):
        return None
    allowed = int(np.floor(rate * len(calm)))
    threshold = np.sort(calm)[::-1][allowed] if allowed < len(calm) else -np.inf
    return float((danger > threshold).mean())


def _alarms_at(danger: NDArray[np.float64], calm: NDArray[np.float64], recall: float) -> float | None:
    """The share of calm texts at which a threshold rings that finds at least `recall` of the danger."""
    if not len(danger) or not len(calm):
        return None
    return float((calm >= np.quantile(danger, 1 - recall, method="lower")).mean())


def _confusion(judged: Sequence[Judged]) -> NDArray[np.int64]:
    """Label against call. Of several acceptable levels, the one nearest to the call counts as the label."""
    table = np.zeros((len(_LEVELS), len(_LEVELS)), np.int64)
    for one in judged:
        called = one.found.level.rank
        label = min(sorted(level.rank for level in one.row.levels), key=lambda rank: abs(rank - called))
        table[label, called] += 1
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


def _calibration_error(reliability: Sequence[dict[str, float]]) -> float:
    """The expected calibration error: Guo et al. (2017), On calibration of modern neural networks."""
    total = sum(part["texts"] for part in reliability)
    apart = sum(part["texts"] * abs(part["score"] - part["danger"]) for part in reliability)
    return apart / total
