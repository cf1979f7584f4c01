"""Choosing the next token, for all rows at once; what a row draws does not depend on its neighbours."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import torch

CANDIDATES = 64  # tokens that sampling looks at; top_k beyond it is cut


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are drawn. `temperature` 0 is greedy. `repetition_penalty` counts the row's own new tokens."""

    temperature: float = 0.7
    top_k: int = 40
    top_p: float = 0.9
    repetition_penalty: float = 1.05


@dataclass(frozen=True, slots=True)
class Draw:
    """One row's part: how it samples, its own random numbers, and the tokens it has written."""

    sampling: Sampling
    rng: Random
    written: Sequence[int]


def sample(logits: torch.Tensor, draws: Sequence[Draw]) -> list[int]:
    """The next token of each row of `logits` [rows, vocabulary]. Raises ArithmeticError if they are not finite."""
    logits = _penalised(logits.float(), draws)
    values, tokens = logits.topk(min(CANDIDATES, logits.shape[-1]))
    if not bool(values.isfinite().all()):
        raise ArithmeticError("the model computed numbers that are not finite")
    column = _column([d.sampling.temperature or 1.0 for d in draws], values)
    kept = torch.arange(values.shape[-1], device=values.device) < _column([_width(d) for d in draws], values)
    chances = (values / column).masked_fill(~kept, -torch.inf).softmax(-1)
    before = chances.cumsum(-1) - chances
    chances = chances.masked_fill(before >= _column([max(d.sampling.top_p, 1e-6) for d in draws], values), 0.0)
    total = chances.cumsum(-1)
    drawn = _column([d.rng.random() for d in draws], values) * total[:, -1:]
    chosen = (total <= drawn).sum(-1, keepdim=True).clamp(max=values.shape[-1] - 1)
    found: list[int] = tokens.gather(-1, chosen)[:, 0].tolist()
    return found


def _width(draw: Draw) -> int:
    return 1 if draw.sampling.temperature == 0 else max(1, draw.sampling.top_k)


def _column(numbers: Sequence[float], like: torch.Tensor) -> torch.Tensor:
    return torch.tensor(numbers, dtype=torch.float32, device=like.device)[:, None]


def _penalised(logits: torch.Tensor, draws: Sequence[Draw]) -> torch.Tensor:
    """Logits in which tokens already written weigh less (Keskar et al. 2019, CTRL)."""
    longest = max((len(d.written) for d in draws if d.sampling.repetition_penalty != 1), default=0)
    if not longest:
        return logits
    padded = [_padded(d.written, longest) if d.sampling.repetition_penalty != 1 else [0] * longest for d in draws]
    written = torch.tensor(padded, device=logits.device)
    penalty = _column([d.sampling.repetition_penalty if d.written else 1.0 for d in draws], logits)
    old = logits.gather(-1, written)
    return logits.scatter(-1, written, torch.where(old > 0, old / penalty, old * penalty))


def _padded(tokens: Sequence[int], length: int) -> list[int]:
    """Filled up with a token that is there anyway, so that nothing else is touched."""
    return [*tokens, *([tokens[0] if tokens else 0] * (length - len(tokens)))]
