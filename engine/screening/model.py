"""The learned part of the screener: a weight for every piece of a text, in numpy, loaded without pickle.

Every piece (see `engine.linear.features`) has a place in a table by its hash and adds its weights to the score of each
level; so does every rule that matched. The sum over a text is divided by the square root of its length. A long text is
also judged window by window, so that one sentence is not drowned by many. Because the model only adds, what spoke for
danger can be shown.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.linear.features import LENGTHS, Hashes, pieces
from engine.linear.files import ModelError, load_arrays, save_arrays
from engine.linear.table import Floats, Ints, slots, window_sums
from engine.screening.rules import Finding
from engine.screening.segments import Segment
from engine.types import About, Category, Level

FORMAT = 2
LEVELS = tuple(Level)
CATEGORIES = tuple(Category)
KINDS = len(CATEGORIES) + 1  # categories, and whether it is about somebody else
LEVEL_BITS = 21  # of a hash: places in the table of levels
KIND_BITS = 17  # and in the table of categories
_CHUNK = 8192  # characters read at once
_WINDOW = 48  # units; sentences are gathered into windows of at least half of it
_WHOLE = 64  # units up to which a text is one window
_DANGER = np.array([-0.5, -0.5, 0.5, 0.5], np.float32)
# In a long text one stretch that reads as danger means less than the same words alone, and in a very long one almost
# every calm text has such a stretch. Fitted on the long texts that training held back.
_MIDDLE, _APART = 0.4, 2.0


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of the normalised text and how dangerous it reads alone (0..1)."""

    start: int
    end: int
    danger: float


@dataclass(frozen=True, slots=True)
class Reading:
    """What the model makes of a text.

    `danger`: calibrated probability of urgent or worse; `emergency`: of emergency, given danger; `distress`: of
    elevated, given no danger. `telling`: the stretch of the normalised text that speaks for danger most.
    """

    danger: float
    emergency: float
    distress: float
    category: Category
    about: About
    windows: tuple[Window, ...]
    telling: tuple[int, int]


class Model:
    """The trained model. Make one with `load_model`."""

    def __init__(self, header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        self.header = header
        self._levels = arrays["levels"]  # (2 ** LEVEL_BITS, levels), eight bits
        self._level_scale = arrays["level_scale"].astype(np.float32)
        self._kinds = arrays["kinds"]
        self._kind_scale = arrays["kind_scale"].astype(np.float32)
        self._rules = arrays["rules"].astype(np.float32)  # (rule features, levels + kinds)
        self._bias = arrays["bias"].astype(np.float32)
        self._rule_number = {rule: number for number, rule in enumerate(header["rules"])}
        self._calibration = (np.array(header["calibration"]["logit"]), np.array(header["calibration"]["danger"]))

    def read(self, text: str, segments: Sequence[Segment], findings: Sequence[Finding]) -> Reading:
        """Judge a normalised text. One of more than 8,192 characters is read in chunks, of which the worst counts."""
        chunks = self._chunks(text, segments, findings)
        windows = np.interp(np.concatenate([chunk.danger for chunk in chunks]), *self._calibration)
        spans = [span for chunk in chunks for span in chunk.spans]
        worst = max(chunks, key=lambda chunk: chunk.odds)
        levels = _softmax(worst.levels[worst.at])
        kinds = self._kind_scores(worst)
        return Reading(
            danger=float(np.interp(worst.odds, *self._calibration)),
            emergency=float(levels[3] / (levels[2] + levels[3])),
            distress=float(levels[1] / (levels[0] + levels[1])),
            category=CATEGORIES[int(np.argmax(kinds[:-1]))],
            about=About.OTHER if kinds[-1] > 0 else About.SELF,
            windows=tuple(Window(*span, float(value)) for span, value in zip(spans, windows, strict=True)),
            telling=self._telling(worst),
        )

    def odds(self, text: str, segments: Sequence[Segment], findings: Sequence[Finding]) -> float:
        """The log-odds of urgent or worse, not calibrated."""
        return max(chunk.odds for chunk in self._chunks(text, segments, findings))

    def _chunks(self, text: str, segments: Sequence[Segment], findings: Sequence[Finding]) -> "list[_Chunk]":
        ordered = sorted(findings, key=lambda finding: finding.start)
        return [
            self._chunk(text, start, segments, [f for f in ordered if start <= f.start < start + _CHUNK])
            for start in range(0, max(len(text), 1), _CHUNK)
        ]

    def _chunk(self, text: str, start: int, segments: Sequence[Segment], findings: Sequence[Finding]) -> "_Chunk":
        part = text[start : start + _CHUNK]
        found, starts = pieces(part)
        count = len(starts)
        windows = _windows(count, np.searchsorted(starts, np.array([s.start - start for s in segments], np.int64)))
        begin, end = windows[:, 0], windows[:, 1]
        edges = np.append(starts, len(part)) + start
        spans = [(int(edges[b]) if b else start, int(edges[e])) for b, e in windows.tolist()]
        places = [finding.start for finding in findings]
        rules = np.stack([self._rule_part(findings[bisect_left(places, a) : bisect_left(places, b)]) for a, b in spans])
        weights = self._levels.take(level_slots(found), axis=0)
        summed = window_sums(weights.sum(axis=0, dtype=np.int16), begin, end) * self._level_scale
        levels = summed / np.sqrt(np.maximum(end - begin, 1))[:, None] + rules[:, : len(LEVELS)]
        return _Chunk(found, edges, weights, windows, spans, rules, levels, level_odds(levels))

    def _rule_part(self, findings: Sequence[Finding]) -> Floats:
        if not findings:
            return self._bias
        part: Floats = rule_features(findings, self._rule_number) @ self._rules + self._bias
        return part

    def _kind_scores(self, chunk: "_Chunk") -> Floats:
        begin, end = chunk.windows[chunk.at]
        summed = self._kinds.take(kind_slots(chunk.found[:, begin:end]), axis=0).sum(axis=(0, 1), dtype=np.int32)
        part: Floats = summed * self._kind_scale / np.sqrt(max(end - begin, 1)) + chunk.rules[chunk.at, len(LEVELS) :]
        return part

    def _telling(self, chunk: "_Chunk") -> tuple[int, int]:
        """The stretch of the worst window whose pieces add most to danger."""
        begin, end = chunk.windows[0] if len(chunk.windows) == 1 else chunk.windows[1 + np.argmax(chunk.danger[1:])]
        towards = chunk.weights[:, begin:end] @ (self._level_scale * _DANGER)
        by_unit = towards[[0, 4, 5]].sum(axis=0)
        for column in (1, 2, 3):
            length = LENGTHS[column]
            for step in range(min(length, end - begin)):  # a piece speaks for every unit that it covers
                by_unit[step:] += towards[column, : end - begin - step] / length
        first, last = _heaviest(by_unit.tolist())
        return int(chunk.edges[begin + first]), int(chunk.edges[begin + last])


@dataclass(frozen=True, slots=True)
class _Chunk:
    """What was read of one chunk; the first window is the whole of it."""

    found: Hashes
    edges: Ints
    weights: NDArray[np.int8]  # (COLUMNS, units, levels)
    windows: Ints
    spans: list[tuple[int, int]]
    rules: Floats
    levels: Floats
    danger: Floats

    @property
    def at(self) -> int:
        """The worst window."""
        return int(np.argmax(self.danger))

    @property
    def odds(self) -> float:
        """The log-odds of urgent or worse: of a short text its own; of a long one between its own and its worst
        window's."""
        whole, worst = float(self.danger[0]), float(self.danger[1:].max(initial=-np.inf))
        return whole if len(self.danger) == 1 else max((whole + worst) / 2 - _MIDDLE, worst - _APART)


def level_slots(found: Hashes) -> NDArray[np.uint32]:
    """The place of each piece in the table of levels; place 0 is empty."""
    return slots(found, LEVEL_BITS)


def kind_slots(found: Hashes) -> NDArray[np.uint32]:
    """The place of each piece in the table of categories; place 0 is empty."""
    return slots(found, KIND_BITS)


def rule_features(findings: Sequence[Finding], number: dict[str, int]) -> Floats:
    """Which rules matched, which of them about somebody else, about the past, or withheld; and how bad the worst is.

    Shape (4 * rules + 4,).
    """
    vector = np.zeros(4 * len(number) + len(LEVELS), np.float32)
    worst = 0
    for finding in findings:
        place = number.get(finding.rule.id)
        if place is None:
            continue
        if finding.withheld:
            vector[3 * len(number) + place] = 1
            continue
        vector[place] = 1
        if finding.about is About.OTHER:
            vector[len(number) + place] = 1
        if finding.past:
            vector[2 * len(number) + place] = 1
        worst = max(worst, finding.level.rank)
    if worst:
        vector[4 * len(number) + worst] = 1
    return vector


def level_odds(levels: Floats) -> Floats:
    """The log-odds of urgent or worse for each row of level scores."""
    exact = levels.astype(np.float64)
    odds: Floats = (np.logaddexp(exact[:, 2], exact[:, 3]) - np.logaddexp(exact[:, 0], exact[:, 1])).astype(np.float32)
    return odds


def _windows(count: int, sentence_starts: Ints) -> Ints:
    """The whole text, and for a long one neighbouring sentences gathered into windows. Rows of (begin, end) in
    units."""
    windows = [(0, count)]
    if count > _WHOLE:
        edges = sorted({0, count, *(int(s) for s in sentence_starts if 0 < s < count)})
        steps = [e for a, b in pairwise(edges) for e in range(a, b, _WINDOW)] + [count]
        begin = 0
        for edge in steps[1:]:
            if edge - begin >= _WINDOW // 2:
                windows.append((begin, edge))
                begin = edge
        if begin < count:
            windows.append((max(0, count - _WINDOW // 2), count))
    return np.array(windows, np.int64)


def _heaviest(values: Sequence[float]) -> tuple[int, int]:
    """Where the run with the largest sum begins and ends (Kadane's algorithm)."""
    best, found, total, start = -np.inf, (0, len(values)), 0.0, 0
    for place, value in enumerate(values):
        if total <= 0:
            total, start = 0.0, place
        total += value
        if total > best:
            best, found = total, (start, place + 1)
    return found


def _softmax(values: Floats) -> Floats:
    powers = np.exp(values - values.max())
    shares: Floats = powers / powers.sum()
    return shares


def save_model(path: Path, header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
    """Write a model file. The same model gives the same bytes."""
    save_arrays(path, FORMAT, header, arrays)


def load_model(path: Path) -> Model:
    """Read a model file. Raises ModelError where it is missing, broken, or of another format."""
    header, arrays = load_arrays(path, FORMAT)
    try:
        return Model(header, arrays)
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path.name} cannot be read: {error}") from error
