"""Trains the learned layer of the guard from labelled answers. Needs torch (extra `llm`); the result runs on numpy.

One run holds every fifth block of rows back, trains on the rest, and chooses the threshold on the good answers that it
held back; then it trains on everything with the same settings. What the library says is good, too. Seeds are fixed:
the same rows on the same machine give the same model.
"""

import hashlib
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from engine.guard.corpora import Row
from engine.guard.model import BITS, FORMAT, GuardModel, windows
from engine.guard.plain import plain
from engine.linear.corpora import hold_back
from engine.linear.features import pieces
from engine.linear.files import save_arrays
from engine.linear.networks import Progress, as_numpy, learn, summed, table
from engine.linear.table import quantised, slots


@dataclass(frozen=True)
class Settings:
    """How to train. `dropped`: the share of a text's pieces that a step does not see; `passed`: the share of the good
    answers held back that the threshold lets through."""

    seed: int = 7
    epochs: int = 12
    batch: int = 64
    rate: float = 2e-2
    dropped: float = 0.3
    smoothing: float = 0.05
    passed: float = 0.98
    threads: int = 1


@dataclass(frozen=True)
class _Example:
    """A stretch of text made ready: the places of its pieces, and (1 + kinds,) zeros and ones to be learned."""

    slots: NDArray[np.uint32]
    truth: NDArray[np.float32]


def train(rows: Sequence[Row], out: Path, settings: Settings = Settings(), progress: Progress = lambda _: None) -> None:
    """Train on `rows` and write the model to `out`. Ten thousand texts need half a minute. Raises CorpusError."""
    kinds = sorted({kind for row in rows for kind in row.kinds})
    learned, held = hold_back(rows)
    progress(f"learning from {len(learned)} answers, judging by {len(held)}")
    first = _fit(learned, kinds, settings, progress)
    threshold = _threshold(GuardModel(*first), held, settings, progress)
    progress("once more, with the answers that were held back")
    header, arrays = _fit(rows, kinds, settings, progress)
    trained_on = dict(sorted(Counter(row.near for row in rows).items()))
    save_arrays(out, FORMAT, header | {"threshold": threshold, "trained_on": trained_on}, arrays)
    progress(
        f"wrote {out.name}: {out.stat().st_size / 1e6:.1f} MB, {hashlib.sha256(out.read_bytes()).hexdigest()[:12]}"
    )


def _fit(
    rows: Sequence[Row], kinds: Sequence[str], settings: Settings, progress: Progress
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """The header and the arrays of a GuardModel whose threshold is still to be chosen."""
    torch.manual_seed(settings.seed)
    torch.set_num_threads(settings.threads)
    chance = np.random.default_rng(settings.seed)
    weights, bias = table(BITS, 1 + len(kinds)), nn.Parameter(torch.zeros(1 + len(kinds)))
    examples = [example for row in rows for example in _examples(row, kinds)]

    def loss_of(batch: Sequence[_Example]) -> Tensor:
        kept = [np.where(chance.random(e.slots.shape) < settings.dropped, 0, e.slots) for e in batch]
        scores = summed(weights, kept) + bias
        truth = torch.from_numpy(np.stack([e.truth for e in batch]))
        smooth = truth * (1 - 2 * settings.smoothing) + settings.smoothing
        return functional.binary_cross_entropy_with_logits(scores, smooth, reduction="none").sum(1).mean()

    learn(
        examples,
        loss_of,
        [
            (torch.optim.SparseAdam([weights.weight], lr=settings.rate), settings.rate),
            (torch.optim.Adam([bias], lr=settings.rate), settings.rate),
        ],
        epochs=settings.epochs,
        batch=settings.batch,
        chance=random.Random(settings.seed),  # noqa: S311
        progress=progress,
    )
    # What half of the pieces said in training all of them say now.
    values, scale = quantised(as_numpy(weights.weight) * np.float32(1 - settings.dropped))
    return {"kinds": list(kinds), "threshold": 0.0}, {"table": values, "scale": scale, "bias": as_numpy(bias)}


def _examples(row: Row, kinds: Sequence[str]) -> Iterable[_Example]:
    """A bad answer as a whole; of a good one also each stretch that the model will judge."""
    text = plain(row.text)
    truth = np.array([row.bad, *(kind in row.kinds for kind in kinds)], np.float32)
    stretches = {text} if row.bad else {text, *(text[start:end] for start, end in windows(text))}
    for stretch in sorted(stretches):
        found, _ = pieces(stretch)
        if found.shape[1]:
            yield _Example(slots(found, BITS), truth)


def _threshold(model: GuardModel, held: Sequence[Row], settings: Settings, progress: Progress) -> float:
    """The log-odds under which so many of the good answers held back lie as `settings` demands."""
    odds = np.array([model.read(plain(row.text)).odds for row in held])
    bad = np.array([row.bad for row in held])
    threshold = float(np.quantile(odds[~bad], settings.passed)) if (~bad).any() else 0.0
    caught = float((odds[bad] >= threshold).mean()) if bad.any() else 0.0
    progress(
        f"held back {len(held)} answers: {settings.passed:.0%} of the good pass, {caught:.1%} of the bad are caught"
    )
    return round(threshold, 4)
