"""How well a model foresees people's answers: perplexity by token, and bits per character to compare tokenizers.

Jelinek et al. 1977; only the answer's own tokens count, after the prompt that the model would answer in service.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from config import Language
from engine.evaluation.estimates import Estimate, estimate, ratio
from engine.generators.local import LocalGenerator
from engine.types import GeneratorError, Request


@dataclass(frozen=True, slots=True)
class Foreseen:
    """One answer: nats that the model was surprised by, its tokens and its characters."""

    nats: float
    tokens: int
    characters: int


@dataclass(frozen=True, slots=True)
class Perplexity:
    """A model on the reference answers of one language. `left_out`: answers that do not fit into its context."""

    model: str
    language: Language
    texts: int
    left_out: int
    tokens: int
    perplexity: Estimate | None
    bits_per_character: Estimate | None


def foresee(generator: LocalGenerator, request: Request, answer: str) -> Foreseen | None:
    """Score one answer; None if it is empty or does not fit behind its prompt."""
    loaded = generator.loaded
    tokens = loaded.tokenizer.encode(answer, add_special_tokens=False)
    try:
        prompt = generator.prompt_tokens(request)
    except GeneratorError:  # the text alone is too long
        return None
    if not tokens or len(prompt) + len(tokens) > loaded.context:
        return None
    ids = torch.tensor([prompt + tokens], device=loaded.model.device)
    with torch.inference_mode():
        logits = loaded.model(ids, use_cache=False).logits[0, len(prompt) - 1 : -1].float()
        nats = torch.nn.functional.cross_entropy(logits, ids[0, len(prompt) :], reduction="sum")
    return Foreseen(float(nats), len(tokens), len(answer))


def perplexities(
    generator: LocalGenerator,
    pairs: Sequence[tuple[Request, str]],
    progress: Callable[[], None] = lambda: None,
) -> list[Perplexity]:
    """The figures of each language on its pairs of request and reference answer."""
    found: dict[Language, list[Foreseen | None]] = {}
    for request, answer in pairs:
        found.setdefault(request.language, []).append(foresee(generator, request, answer))
        progress()
    return [_perplexity(generator.name, language, scores) for language, scores in found.items()]


def _perplexity(model: str, language: Language, scores: Sequence[Foreseen | None]) -> Perplexity:
    scored = [one for one in scores if one]
    return Perplexity(
        model=model,
        language=language,
        texts=len(scored),
        left_out=len(scores) - len(scored),
        tokens=sum(one.tokens for one in scored),
        perplexity=estimate([(one.nats, one.tokens) for one in scored], lambda sums: math.exp(sums[0] / sums[1])),
        bits_per_character=ratio([(one.nats / math.log(2), one.characters) for one in scored]),
    )
