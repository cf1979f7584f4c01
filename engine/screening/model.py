"""The learned part of the screener: small enough for numpy, loaded without pickle.

Two readers see the same pieces of a text. The *bag* adds up a weight for every piece, every concept and pair of
concepts close to each other, and every rule that matched. The *reader* gives each unit a vector, passes it through
one convolution, and keeps the sum and the maximum over the text. Their level scores (logits) are added. A long text
is also judged window by window, so that one sentence is not drowned by many.
"""

import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.screening.features import pieces
from engine.screening.rules import Finding
from engine.screening.segments import Segment
from engine.types import About, Category, Level

FORMAT = 1
LEVELS = tuple(Level)
CATEGORIES = tuple(Category)
OUTPUTS = len(LEVELS) + len(CATEGORIES) + 1  # levels, categories, about somebody else
_SLOT_BITS = 21
_CHUNK = 8192  # characters read at once
_WINDOW = 48  # units; sentences are gathered into windows of at least half of it
_WHOLE = 64  # units up to which a text is one window
_NEAR = 14  # units between two concepts that count as a pair

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


class ModelError(ValueError):
    """A model file cannot be used. The message says why."""


@dataclass(frozen=True)
class Features:
    """A text as numbers. `rows`: (units, COLUMNS), rows of the tables, 0 for unknown pieces. `concepts`: (units, 2).
    `pairs`: rows of the concept table; `pair_at`: the unit of each. `rules`: one number per rule."""

    rows: Ints
    concepts: NDArray[np.uint8]
    pairs: Ints
    pair_at: Ints
    starts: Ints


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of the normalised text and how dangerous it reads alone (0..1)."""

    start: int
    end: int
    danger: float


@dataclass(frozen=True, slots=True)
class Reading:
    """What the model makes of a text. `danger`: calibrated probability of urgent or worse; `emergency`: of emergency,
    given danger; `distress`: of elevated, given no danger."""

    danger: float
    emergency: float
    distress: float
    category: Category
    about: About
    windows: tuple[Window, ...]


class Vocabulary:
    """Which row of the tables belongs to a piece. Rows count from 1."""

    def __init__(self, known: NDArray[np.uint32]) -> None:
        self._known = np.concatenate([np.zeros(1, np.uint32), known])
        self._slots = np.zeros(1 << _SLOT_BITS, np.int32)
        self._slots[slots(known)] = np.arange(1, len(known) + 1)

    def rows(self, found: NDArray[np.uint32]) -> Ints:
        """The row of every piece, 0 where it is unknown."""
        rows = self._slots[slots(found)].astype(np.int64)
        rows[self._known[rows] != found] = 0
        return rows


def slots(known: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """The slot of each piece. A vocabulary holds one piece per slot."""
    return known >> np.uint32(32 - _SLOT_BITS)


class Encoder:
    """Turns normalised texts into Features; the same in training and in use."""

    def __init__(self, known: NDArray[np.uint32], concepts: NDArray[np.uint8], pair_rows: NDArray[np.int32]) -> None:
        self._vocabulary = Vocabulary(known)
        self._concepts = concepts  # (rows, 2): the concepts of each piece
        self._pair_rows = pair_rows  # (concepts + 1, concepts + 1): row of each pair; row 0 holds single concepts

    def encode(self, text: str) -> Features:
        """The features of one normalised text."""
        found, starts = pieces(text)
        rows = self._vocabulary.rows(found)
        of_units = self._concepts[rows[:, :4]].reshape(len(rows), 8)  # 4 lengths of word, 2 concepts each
        at, column = np.nonzero(of_units)
        numbers = of_units[at, column].astype(np.int64)
        return Features(rows, of_units, *self._near(numbers, at), starts)

    def _near(self, numbers: Ints, at: Ints) -> tuple[Ints, Ints]:
        """Single concepts, and pairs of different ones at most `_NEAR` units apart, as rows; and where each ends."""
        found, places = [self._pair_rows[0, numbers]], [at]
        for step in range(1, min(len(numbers), 12)):
            left, right = numbers[:-step], numbers[step:]
            near = (at[step:] - at[:-step] <= _NEAR) & (left != right)
            if not near.any():
                break
            found.append(self._pair_rows[left[near], right[near]])
            places.append(at[step:][near])
        rows, where = np.concatenate(found).astype(np.int64), np.concatenate(places)
        return rows[rows > 0], where[rows > 0]


class Model:
    """The trained model. Make one with `load_model`."""

    def __init__(self, header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        self.header = header
        self.encoder = Encoder(arrays["known"], arrays["concepts"], arrays["pair_rows"])
        self._bag = arrays["bag"]
        self._bag_scale = arrays["bag_scale"].astype(np.float32)
        self._pairs = arrays["pairs"].astype(np.float32)
        self._rules = arrays["rules"].astype(np.float32)
        self._bias = arrays["bias"].astype(np.float32)
        self._units = arrays["units"]
        self._unit_scale = float(arrays["unit_scale"][0])
        self._concept_vectors = arrays["concept_vectors"].astype(np.float32)
        self._convolution = arrays["convolution"].astype(np.float32)  # (3 * width, hidden)
        self._convolution_bias = arrays["convolution_bias"].astype(np.float32)
        self._out = arrays["out"].astype(np.float32)  # (2 * hidden, levels)
        self._rule_number = {rule: number for number, rule in enumerate(header["rules"])}
        self._calibration = (np.array(header["calibration"]["logit"]), np.array(header["calibration"]["danger"]))
        self._window_offset = float(header["window_offset"])

    def read(self, text: str, segments: Sequence[Segment], findings: Sequence[Finding]) -> Reading:
        """Judge a normalised text."""
        logits, bounds = self.logits(text, segments, findings)
        danger = _danger(logits)
        danger[1:] -= self._window_offset  # the first row is the whole text
        worst = int(np.argmax(danger))
        levels = _softmax(logits[worst, :4])
        calibrated = np.interp(danger, *self._calibration)
        windows = tuple(
            Window(start, end, float(value)) for (start, end), value in zip(bounds, calibrated, strict=True)
        )
        return Reading(
            danger=float(calibrated[worst]),
            emergency=float(levels[3] / (levels[2] + levels[3])),
            distress=float(levels[1] / (levels[0] + levels[1])),
            category=CATEGORIES[int(np.argmax(logits[worst, 4:-1]))],
            about=About.OTHER if logits[worst, -1] > 0 else About.SELF,
            windows=windows,
        )

    def odds(self, text: str, segments: Sequence[Segment], findings: Sequence[Finding]) -> float:
        """The log-odds of urgent or worse, not calibrated: of the whole text or its worst window."""
        danger = _danger(self.logits(text, segments, findings)[0])
        danger[1:] -= self._window_offset
        return float(danger.max())

    def logits(
        self, text: str, segments: Sequence[Segment], findings: Sequence[Finding]
    ) -> tuple[Floats, list[tuple[int, int]]]:
        """The outputs for the whole text (first row) and for each window of a long one, and where each starts and ends.

        A text of more than 8,192 characters is read in chunks, of which the worst stands for the whole.
        """
        outputs, bounds = [], []
        for start in range(0, max(len(text), 1), _CHUNK):
            chunk = text[start : start + _CHUNK]
            inside = [f for f in findings if start <= f.start < start + _CHUNK]
            values, spans = self._chunk(chunk, [s.start - start for s in segments], inside, start)
            outputs.append(values)
            bounds += [(a + start, b + start) for a, b in spans]
        return np.concatenate(outputs), bounds

    def _chunk(
        self, text: str, sentence_starts: Sequence[int], findings: Sequence[Finding], offset: int
    ) -> tuple[Floats, list[tuple[int, int]]]:
        features = self.encoder.encode(text)
        count = len(features.rows)
        if not count:
            return self._bias[None] + self._rule_part(findings), [(0, len(text))]
        windows = _windows(count, np.searchsorted(features.starts, np.array(sentence_starts, np.int64)))
        begin, end = windows[:, 0], windows[:, 1]
        spans = [
            (int(features.starts[b]), int(features.starts[e]) if e < count else len(text)) for b, e in windows.tolist()
        ]
        values = self._bias + self._bag_part(features, begin, end)
        values[:, :4] += self._reader_part(features, begin, end)
        for row, (first, last) in enumerate(spans):
            values[row] += self._rule_part([f for f in findings if first <= f.start - offset < last])
        return values, spans

    def _rule_part(self, findings: Sequence[Finding]) -> Floats:
        part: Floats = rule_features(findings, self._rule_number) @ self._rules
        return part

    def _bag_part(self, features: Features, begin: Ints, end: Ints) -> Floats:
        pieces_sum = self._bag[features.rows].sum(axis=1, dtype=np.int32) * self._bag_scale
        total = _sums(pieces_sum.astype(np.float32), begin, end) / np.sqrt(end - begin)[:, None]
        if len(features.pairs):
            order = np.argsort(features.pair_at, kind="stable")
            at = features.pair_at[order]
            first, last = np.searchsorted(at, begin), np.searchsorted(at, end)
            near = _sums(self._pairs[features.pairs[order]], first, last)
            total += near / np.sqrt(np.maximum(last - first, 1))[:, None]
        summed: Floats = total.astype(np.float32)
        return summed

    def _reader_part(self, features: Features, begin: Ints, end: Ints) -> Floats:
        rows = features.rows[:, READER_COLUMNS]
        vectors = self._units[np.where(rows < len(self._units), rows, 0)].sum(axis=1, dtype=np.int32) * self._unit_scale
        vectors = vectors.astype(np.float32)
        at, column = np.nonzero(features.concepts)
        np.add.at(vectors, at, self._concept_vectors[features.concepts[at, column]])
        padded = np.concatenate([np.zeros_like(vectors[:1]), vectors, np.zeros_like(vectors[:1])])
        around = np.concatenate([padded[:-2], padded[1:-1], padded[2:]], axis=1)
        hidden = np.maximum(around @ self._convolution + self._convolution_bias, 0)
        summed = _sums(hidden, begin, end) / np.sqrt(end - begin)[:, None]
        highest = np.stack([hidden[b:e].max(axis=0) for b, e in zip(begin, end, strict=True)])
        part: Floats = np.concatenate([summed, highest], axis=1) @ self._out
        return part


READER_COLUMNS = [0, 1, 6, 7]


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
    vector[4 * len(number) + worst] = 1
    return vector


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


def _sums(values: Floats, begin: Ints, end: Ints) -> Floats:
    """The sum of `values[begin:end]` for each window."""
    total = np.zeros((len(values) + 1, values.shape[1]), np.float64)
    np.cumsum(values, axis=0, out=total[1:])
    difference: Floats = (total[end] - total[begin]).astype(np.float32)
    return difference


def _danger(logits: Floats) -> Floats:
    """The log-odds of urgent or worse for each row of outputs."""
    levels = logits[:, :4].astype(np.float64)
    odds: Floats = (np.logaddexp(levels[:, 2], levels[:, 3]) - np.logaddexp(levels[:, 0], levels[:, 1])).astype(
        np.float32
    )
    return odds


def _softmax(values: Floats) -> Floats:
    powers = np.exp(values - values.max())
    shares: Floats = powers / powers.sum()
    return shares


def save_model(path: Path, header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
    """Write a model file: numpy's own format, with a JSON header as bytes. The same model gives the same bytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        parts = {"header": np.frombuffer(json.dumps({"format": FORMAT, **header}).encode(), np.uint8), **arrays}
        for name, array in parts.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy", (2020, 1, 1, 0, 0, 0)), "w") as file:
                np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)


def load_model(path: Path) -> Model:
    """Read a model file. Raises ModelError where it is missing, broken, or of another format."""
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        header = json.loads(bytes(arrays.pop("header")))
        if header["format"] != FORMAT:
            raise ModelError(f"{path.name} has format {header['format']}, not {FORMAT}")
        return Model(header, arrays)
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise ModelError(f"{path.name} cannot be read: {error}") from error
