"""How tables of weights are learned, with torch. Only training needs this file."""

import math
import random
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from engine.linear.table import Floats

Progress = Callable[[str], None]
_LEAST_RATE = 0.02  # of the full learning rate, at the end

_Example = TypeVar("_Example")


def table(bits: int, columns: int) -> nn.EmbeddingBag:
    """An empty table of 2 ** `bits` rows that learns sparsely."""
    made = nn.EmbeddingBag(1 << bits, columns, mode="sum", sparse=True, padding_idx=0)
    nn.init.zeros_(made.weight)
    return made


def summed(weights: nn.EmbeddingBag, slots: "list[np.ndarray[tuple[int, ...], np.dtype[np.uint32]]]") -> Tensor:
    """For each text the sum of its pieces over the square root of its units."""
    flat = [one.ravel().astype(np.int64) for one in slots]
    offsets = np.cumsum([0, *(len(one) for one in flat[:-1])])
    scale = torch.tensor([1 / math.sqrt(max(one.shape[1], 1)) for one in slots])[:, None]
    total: Tensor = weights(torch.from_numpy(np.concatenate(flat)), torch.from_numpy(offsets))
    return total * scale


def learn(
    examples: Sequence[_Example],
    loss_of: Callable[[list[_Example]], Tensor],
    optimizers: Sequence[tuple[torch.optim.Optimizer, float]],
    *,
    epochs: int,
    batch: int,
    chance: random.Random,
    progress: Progress,
) -> None:
    """Go over the examples `epochs` times in chance order, with rates that fall from those given."""
    steps, step = epochs * math.ceil(len(examples) / batch), 0
    for epoch in range(epochs):
        total = 0.0
        for part in _batches(examples, batch, chance):
            loss = loss_of(part)
            for optimizer, full in optimizers:
                for group in optimizer.param_groups:
                    group["lr"] = full * max(_LEAST_RATE, 1 - step / steps)
                optimizer.zero_grad()
            torch.autograd.backward(loss)
            for optimizer, _ in optimizers:
                optimizer.step()
            step += 1
            total += loss.item() * len(part)
        progress(f"epoch {epoch + 1} of {epochs}, loss {total / len(examples):.3f}")


def _batches(examples: Sequence[_Example], size: int, chance: random.Random) -> Iterator[list[_Example]]:
    order = list(range(len(examples)))
    chance.shuffle(order)
    for start in range(0, len(order), size):
        yield [examples[place] for place in order[start : start + size]]


def as_numpy(tensor: Tensor) -> Floats:
    """The values of a tensor."""
    values: Floats = tensor.detach().numpy()
    return values
