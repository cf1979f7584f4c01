"""How the weights of the model are learned, with torch. Only training needs this file."""

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from engine.screening.model import CATEGORIES, KIND_BITS, KINDS, LEVEL_BITS, LEVELS, Floats, kind_slots, level_slots
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
        self.levels = nn.EmbeddingBag(1 << LEVEL_BITS, len(LEVELS), mode="sum", sparse=True, padding_idx=0)
        self.kinds = nn.EmbeddingBag(1 << KIND_BITS, KINDS, mode="sum", sparse=True, padding_idx=0)
        self.rules = nn.Linear(rules, len(LEVELS) + KINDS)
        for table in (self.levels, self.kinds):
            nn.init.zeros_(table.weight)

    def forward(self, batch: "Sequence[Example]") -> tuple[Tensor, Tensor]:
        rules: Tensor = self.rules(torch.from_numpy(np.stack([e.rules for e in batch])))
        levels = self._summed(self.levels, [level_slots(e.found) for e in batch])
        kinds = self._summed(self.kinds, [kind_slots(e.found) for e in batch])
        return levels + rules[:, : len(LEVELS)], kinds + rules[:, len(LEVELS) :]

    @staticmethod
    def _summed(table: nn.EmbeddingBag, slots: "list[np.ndarray[tuple[int, ...], np.dtype[np.uint32]]]") -> Tensor:
        """For each text the sum of its pieces over the square root of its units."""
        flat = [one.ravel().astype(np.int64) for one in slots]
        offsets = np.cumsum([0, *(len(one) for one in flat[:-1])])
        scale = torch.tensor([1 / math.sqrt(max(one.shape[1], 1)) for one in slots])[:, None]
        summed: Tensor = table(torch.from_numpy(np.concatenate(flat)), torch.from_numpy(offsets))
        return summed * scale


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
    steps, step = settings.epochs * math.ceil(len(examples) / settings.batch), 0
    for epoch in range(settings.epochs):
        total = 0.0
        for batch in _batches(examples, settings.batch, chance):
            levels, kinds = model(batch)
            loss = _loss(levels, kinds, batch, settings)
            for optimizer, full in optimizers:
                for group in optimizer.param_groups:
                    group["lr"] = full * max(0.02, 1 - step / steps)
                optimizer.zero_grad()
            torch.autograd.backward(loss)
            for optimizer, _ in optimizers:
                optimizer.step()
            step += 1
            total += loss.item() * len(batch)
        progress(f"epoch {epoch + 1} of {settings.epochs}, loss {total / len(examples):.3f}")
    return Weights(
        levels=_numpy(model.levels.weight),
        kinds=_numpy(model.kinds.weight),
        rules=_numpy(model.rules.weight).T,
        bias=_numpy(model.rules.bias),
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


def _batches(examples: "Sequence[Example]", size: int, chance: random.Random) -> "Iterator[list[Example]]":
    order = list(range(len(examples)))
    chance.shuffle(order)
    for start in range(0, len(order), size):
        yield [examples[place] for place in order[start : start + size]]


def _numpy(tensor: Tensor) -> Floats:
    values: Floats = tensor.detach().numpy()
    return values
