"""How the weights of the model are learned, with torch. Only training needs this file."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from engine.linear.networks import as_numpy, learn, summed, table
from engine.linear.table import Floats
from engine.screening.model import CATEGORIES, KIND_BITS, KINDS, LEVEL_BITS, LEVELS, kind_slots, level_slots
from engine.types import About, Category, Level

if TYPE_CHECKING:
    from engine.screening.train import Example, Progress, Settings

_KIND_WEIGHT = 0.3
_OTHERS_RATE = 5e-3


@dataclass(frozen=True)
class Weights:
    """What was learned: (places, levels), (places, kinds), (rule features, levels + kinds), (levels + kinds,)."""

    levels: Floats
    kinds: Floats
    rules: Floats
    bias: Floats


class _Sums(nn.Module):
    """The model of `engine.screening.model`, without windows, in torch."""

    def __init__(self, rules: int) -> None:
        super().__init__()
        self.levels = table(LEVEL_BITS, len(LEVELS))
        self.kinds = table(KIND_BITS, KINDS)
        self.rules = nn.Linear(rules, len(LEVELS) + KINDS)

    def forward(self, batch: "Sequence[Example]") -> tuple[Tensor, Tensor]:
        rules: Tensor = self.rules(torch.from_numpy(np.stack([e.rules for e in batch])))
        levels = summed(self.levels, [level_slots(e.found) for e in batch])
        kinds = summed(self.kinds, [kind_slots(e.found) for e in batch])
        return levels + rules[:, : len(LEVELS)], kinds + rules[:, len(LEVELS) :]


def fit_weights(examples: "Sequence[Example]", settings: "Settings", progress: "Progress") -> Weights:
    """Adam with a falling rate; the tables learn sparsely."""
    torch.manual_seed(settings.seed)
    torch.set_num_threads(settings.threads)
    chance = random.Random(settings.seed)  # noqa: S311
    model = _Sums(len(examples[0].rules))
    optimizers = [
        (torch.optim.SparseAdam([model.levels.weight, model.kinds.weight], lr=settings.rate), settings.rate),
        (torch.optim.AdamW(model.rules.parameters(), lr=_OTHERS_RATE, weight_decay=1e-2), _OTHERS_RATE),
    ]

    def loss_of(batch: "Sequence[Example]") -> Tensor:
        levels, kinds = model(batch)
        return _loss(levels, kinds, batch, settings)

    learn(
        examples,
        loss_of,
        optimizers,
        epochs=settings.epochs,
        batch=settings.batch,
        chance=chance,
        progress=progress,
    )
    return Weights(
        levels=as_numpy(model.levels.weight),
        kinds=as_numpy(model.kinds.weight),
        rules=as_numpy(model.rules.weight).T,
        bias=as_numpy(model.rules.bias),
    )


def _loss(levels: Tensor, kinds: Tensor, batch: "Sequence[Example]", settings: "Settings") -> Tensor:
    """Minus the log-probability of the acceptable levels, with label smoothing; for dangerous rows also of the category
    and of whom it is about."""
    allowed = torch.tensor([[level in e.row.levels for level in LEVELS] for e in batch])
    chances = functional.log_softmax(levels, 1)
    fit = torch.logsumexp(chances.masked_fill(~allowed, -1e9), 1)
    loss = -(fit * torch.tensor([_weight(e, settings) for e in batch])).mean() - settings.smoothing * chances.mean()
    known = [place for place, e in enumerate(batch) if e.row.category is not None and e.row.danger]
    if known:
        categories = torch.tensor([_number(batch[p].row.category) for p in known])
        others = torch.tensor([float(batch[p].row.about is About.OTHER) for p in known])
        loss = loss + _KIND_WEIGHT * functional.cross_entropy(kinds[known, :-1], categories)
        loss = loss + _KIND_WEIGHT * functional.binary_cross_entropy_with_logits(kinds[known, -1], others)
    return loss


def _weight(example: "Example", settings: "Settings") -> float:
    row = example.row
    return settings.weights.get(row.source, 1.0) * (settings.emergencies if row.levels == {Level.EMERGENCY} else 1.0)


def _number(category: Category | None) -> int:
    return CATEGORIES.index(category or Category.OTHER)
