"""The learned layer of the guard: what a sentence says in other words than the rules know, in numpy, without pickle.

Every piece of a text (see `engine.linear.features`) adds its weights to the score of "bad" and of each kind of bad
answer. Judged are each sentence and each two neighbours, their sums divided by the square root of their length; the
worst counts.
"""

from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.guard.plain import sentence_spans
from engine.linear.features import pieces
from engine.linear.files import ModelError, load_arrays
from engine.linear.table import slots, window_sums

MODEL = Path(__file__).parent / "guard.model"
FORMAT = 1
BITS = 17  # of a hash: places in the table


@dataclass(frozen=True, slots=True)
class Reading:
    """How bad the worst sentence reads (log-odds), and which kinds of bad answer it is, the likeliest first."""

    odds: float
    kinds: tuple[str, ...]


class GuardModel:
    """The trained model. Make one with `load_guard_model`."""

    def __init__(self, header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        self.header = header
        self.threshold = float(header["threshold"])  # log-odds from which on a text is stopped
        self._kinds = tuple(str(kind) for kind in header["kinds"])
        self._table = arrays["table"]  # (2 ** BITS, 1 + kinds), eight bits
        self._scale = arrays["scale"].astype(np.float32)
        self._bias = arrays["bias"].astype(np.float32)
        if self._table.shape != (1 << BITS, 1 + len(self._kinds)):
            raise ModelError(f"the table has the shape {self._table.shape}")

    def broken(self, text: str) -> tuple[str, ...]:
        """The kinds of bad answer that a plain text holds; empty if it may be shown."""
        reading = self.read(text)
        return reading.kinds if reading.odds >= self.threshold else ()

    def read(self, text: str) -> Reading:
        """Judge a plain text."""
        found, starts = pieces(text)
        spans = windows(text)
        units = np.searchsorted(starts, np.array(spans, np.int64).reshape(-1, 2))
        units = units[units[:, 1] > units[:, 0]]
        if not len(units):
            return Reading(-np.inf, ())
        begin, end = units[:, 0], units[:, 1]
        weights = self._table.take(slots(found, BITS), axis=0).sum(axis=0, dtype=np.int16)
        scores = window_sums(weights, begin, end) * self._scale / np.sqrt(end - begin)[:, None] + self._bias
        worst = scores[int(np.argmax(scores[:, 0]))]
        order = np.argsort(-worst[1:], kind="stable").tolist()
        likely = [place for place in order if worst[1 + place] > 0] or order[:1]
        return Reading(float(worst[0]), tuple(self._kinds[place] for place in likely))


def windows(text: str) -> list[tuple[int, int]]:
    """Where each sentence and each two neighbours of a plain text begin and end."""
    spans = sentence_spans(text)
    return spans + [(first[0], second[1]) for first, second in pairwise(spans)]


@cache
def load_guard_model(path: Path = MODEL) -> GuardModel:
    """Read a model file. Raises ModelError where it is missing, broken, or of another format."""
    header, arrays = load_arrays(path, FORMAT)
    try:
        return GuardModel(header, arrays)
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path.name} cannot be read: {error}") from error
