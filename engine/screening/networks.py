"""The two readers of the model as torch modules, and how they learn. Only training needs this file, and torch."""

import math
import random
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from engine.screening.model import CATEGORIES, LEVELS, OUTPUTS, READER_COLUMNS, Features
from engine.types import Category

if TYPE_CHECKING:
    from engine.screening.train import Example, Progress, Settings

_UNITS = 256  # units of a text that training looks at
_CATEGORY_WEIGHT = 0.3


class _Bag(nn.Module):
    def __init__(self, pieces: int, pairs: int, rules: int) -> None:
        super().__init__()
        self.pieces = nn.EmbeddingBag(pieces, OUTPUTS, mode="sum", sparse=True, padding_idx=0)
        self.pairs = nn.EmbeddingBag(pairs, OUTPUTS, mode="sum", padding_idx=0)
        self.rules = nn.Linear(rules, OUTPUTS)
        for table in (self.pieces, self.pairs):
            nn.init.zeros_(table.weight)

    def forward(self, batch: "list[Example]") -> Tensor:
        total: Tensor = self.rules(_rules(batch))
        rows = [_of(e).rows for e in batch]
        total = total + self._summed(self.pieces, [r[r > 0] for r in rows], [len(r) for r in rows])
        pairs = [_of(e).pairs for e in batch]
        return total + self._summed(self.pairs, pairs, [len(p) for p in pairs])

    @staticmethod
    def _summed(table: nn.EmbeddingBag, parts: list[NDArray[np.int64]], counts: list[int]) -> Tensor:
        offsets = np.cumsum([0, *(len(part) for part in parts[:-1])])
        scale = torch.tensor([1 / math.sqrt(max(count, 1)) for count in counts])[:, None]
        summed: Tensor = table(torch.from_numpy(np.concatenate(parts)), torch.from_numpy(offsets))
        return summed * scale


class _Reader(nn.Module):
    def __init__(self, units: int, concepts: int, rules: int, width: int, hidden: int) -> None:
        super().__init__()
        self.units = nn.Embedding(units, width, sparse=True, padding_idx=0)
        self.concepts = nn.Embedding(concepts, width, padding_idx=0)
        nn.init.normal_(self.units.weight, 0, 0.05)
        nn.init.normal_(self.concepts.weight, 0, 0.3)
        with torch.no_grad():
            self.units.weight[0] = 0
            self.concepts.weight[0] = 0
        self.convolution = nn.Linear(3 * width, hidden)
        self.drop = nn.Dropout(0.3)
        self.out = nn.Linear(2 * hidden, len(LEVELS))
        self.rules = nn.Linear(rules, len(LEVELS), bias=False)

    def forward(self, batch: "list[Example]") -> Tensor:
        longest = max(1, min(_UNITS, max(len(_of(e).rows) for e in batch)))
        rows = np.zeros((len(batch), longest, len(READER_COLUMNS)), np.int64)
        concepts = np.zeros((len(batch), longest, 8), np.int64)
        mask = np.zeros((len(batch), longest, 1), np.float32)
        for place, example in enumerate(batch):
            features = _of(example)
            count = min(longest, len(features.rows))
            rows[place, :count] = features.rows[:count, READER_COLUMNS]
            concepts[place, :count] = features.concepts[:count]
            mask[place, :count] = 1
        rows[rows >= self.units.num_embeddings] = 0
        shown = torch.from_numpy(mask)
        pieces = torch.from_numpy(rows)
        if self.training:  # hide whole units and single pieces, so that no one of them decides
            pieces = pieces * (torch.rand(pieces.shape[:2]) > 0.15)[:, :, None] * (torch.rand(pieces.shape) > 0.2)
        vectors = self.units(pieces).sum(2) + self.concepts(torch.from_numpy(concepts)).sum(2)
        vectors = self.drop(vectors) * shown
        padded = functional.pad(vectors, (0, 0, 1, 1))
        around = torch.cat([padded[:, :-2], padded[:, 1:-1], padded[:, 2:]], 2)
        hidden = functional.relu(self.convolution(around)) * shown
        summed = hidden.sum(1) / shown.sum(1).clamp(min=1).sqrt()
        out: Tensor = self.out(self.drop(torch.cat([summed, hidden.max(1).values], 1)))
        return out.add(self.rules(_rules(batch)))


def fit_bag(
    examples: "list[Example]", pieces: int, pairs: int, settings: "Settings", progress: "Progress"
) -> dict[str, NDArray[np.float32]]:
    """Train the bag; its tables by name."""
    torch.manual_seed(settings.seed)
    bag = _Bag(pieces, pairs, len(examples[0].rules))
    _fit(bag, bag.pieces, examples, settings.bag_rate, settings, progress, "bag")
    return {
        "pieces": _numpy(bag.pieces.weight),
        "pairs": _numpy(bag.pairs.weight),
        "rules": _numpy(bag.rules.weight).T,
        "bias": _numpy(bag.rules.bias),
    }


def fit_reader(
    examples: "list[Example]", units: int, concepts: int, settings: "Settings", progress: "Progress"
) -> dict[str, NDArray[np.float32]]:
    """Train the reader; its tables by name."""
    torch.manual_seed(settings.seed)
    reader = _Reader(units, concepts, len(examples[0].rules), settings.width, settings.hidden)
    _fit(reader, reader.units, examples, settings.reader_rate, settings, progress, "reader")
    return {
        "units": _numpy(reader.units.weight),
        "concepts": _numpy(reader.concepts.weight),
        "convolution": _numpy(reader.convolution.weight).T,
        "convolution_bias": _numpy(reader.convolution.bias),
        "out": _numpy(reader.out.weight).T,
        "bias": _numpy(reader.out.bias),
        "rules": _numpy(reader.rules.weight).T,
    }


def _fit(
    module: nn.Module,
    table: nn.Embedding | nn.EmbeddingBag,
    examples: "list[Example]",
    rate: float,
    settings: "Settings",
    progress: "Progress",
    name: str,
) -> None:
    """Adam with a falling rate; the large table learns sparsely."""
    torch.set_num_threads(settings.threads)
    chance = random.Random(settings.seed)  # noqa: S311
    others = [parameter for parameter in module.parameters() if parameter is not table.weight]
    optimizers = [
        (torch.optim.SparseAdam([table.weight], lr=rate), rate),
        (torch.optim.AdamW(others, lr=min(rate, 5e-3), weight_decay=1e-2), min(rate, 5e-3)),
    ]
    steps = settings.epochs * math.ceil(len(examples) / settings.batch)
    step = 0
    module.train()
    for epoch in range(settings.epochs):
        total = 0.0
        for batch in _batches(examples, settings.batch, chance):
            for optimizer, full in optimizers:
                for group in optimizer.param_groups:
                    group["lr"] = full * max(0.02, 1 - step / steps)
            loss = _loss(module(batch), batch, settings)
            for optimizer, _ in optimizers:
                optimizer.zero_grad()
            torch.autograd.backward(loss)
            for optimizer, _ in optimizers:
                optimizer.step()
            step += 1
            total += loss.item() * len(batch)
        progress(f"{name}: epoch {epoch + 1} of {settings.epochs}, loss {total / len(examples):.3f}")


def _loss(outputs: Tensor, batch: "list[Example]", settings: "Settings") -> Tensor:
    """Minus the log-probability of the acceptable levels; for dangerous rows also of the category and of whom it is
    about."""
    count = len(LEVELS)
    allowed = torch.tensor([[level in e.row.levels for level in LEVELS] for e in batch])
    weights = torch.tensor([settings.weights.get(e.row.source, 1.0) for e in batch])
    chances = functional.log_softmax(outputs[:, :count], 1).masked_fill(~allowed, -1e9)
    loss = -(torch.logsumexp(chances, 1) * weights).mean()
    known = [place for place, e in enumerate(batch) if e.row.category is not None and e.row.danger]
    if outputs.shape[1] == OUTPUTS and known:
        categories = torch.tensor([_number(batch[p].row.category) for p in known])
        others = torch.tensor([float(batch[p].row.about == "other") for p in known])
        loss = loss + _CATEGORY_WEIGHT * functional.cross_entropy(outputs[known, count:-1], categories)
        loss = loss + _CATEGORY_WEIGHT * functional.binary_cross_entropy_with_logits(outputs[known, -1], others)
    return loss


def _number(category: Category | None) -> int:
    return CATEGORIES.index(category or Category.OTHER)


def _batches(examples: "list[Example]", size: int, chance: random.Random) -> "Iterator[list[Example]]":
    """Batches of texts of about the same length, in random order."""
    order = list(range(len(examples)))
    chance.shuffle(order)
    batches = []
    for start in range(0, len(order), size * 40):
        part = sorted(order[start : start + size * 40], key=lambda place: len(_of(examples[place]).rows))
        batches += [part[at : at + size] for at in range(0, len(part), size)]
    chance.shuffle(batches)
    for batch in batches:
        yield [examples[place] for place in batch]


def _rules(batch: "list[Example]") -> Tensor:
    return torch.from_numpy(np.stack([e.rules for e in batch]))


def _of(example: "Example") -> Features:
    assert example.features is not None, "encode first"
    return example.features


def _numpy(tensor: Tensor) -> NDArray[np.float32]:
    values: NDArray[np.float32] = tensor.detach().numpy()
    return values
