"""Bits per character of several models on answers that none of them learned from, beside an n-gram model."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.evaluation.estimates import Estimate, ratio
from engine.evaluation.ngram import ORDER, CharacterModel
from engine.evaluation.perplexity import foresee
from engine.generators import prompt
from engine.generators.local import LocalGenerator
from engine.training.examples import plain
from engine.training.rows import Dialogue, read_corpus
from engine.types import Request

_ALL = 1 << 40  # tokens of history

Pairs = Sequence[tuple[Request, str]]


@dataclass(frozen=True, slots=True)
class Measured:
    """A system on the answers that all systems could read. `left_out`: those that one of them could not."""

    system: str
    answers: int
    left_out: int
    bits_per_character: Estimate


def held_out_answers(path: Path) -> list[tuple[Request, str]]:
    """Every answer of a prepared file's dialogues, with what it answers."""
    return [pair for row in read_corpus(path) if isinstance(row, Dialogue) for pair in row.answers()]


def learn_ngrams(path: Path, order: int = ORDER) -> CharacterModel:
    """The n-gram model of a prepared file; its dialogues are written as question and answer."""
    return CharacterModel((plain(row) for row in read_corpus(path)), order)


def measure(
    generators: Iterable[LocalGenerator],
    ngrams: CharacterModel,
    pairs: Pairs,
    progress: Callable[[str], None] = lambda _: None,
) -> list[Measured]:
    """The n-gram model and each generator, all on the same answers. Generators must be running."""
    costs: dict[str, list[float | None]] = {}
    progress("n-grams")
    costs[f"character {ngrams.order}-grams"] = [
        ngrams.bits(prompt.completion(request, _ALL), answer) for request, answer in pairs
    ]
    for generator in generators:
        progress(generator.name)
        found = (foresee(generator, request, answer) for request, answer in pairs)
        costs[generator.name] = [one.nats / math.log(2) if one else None for one in found]
    read = [number for number in range(len(pairs)) if all(cost[number] is not None for cost in costs.values())]
    measured = []
    for system, cost in costs.items():
        figure = ratio([(cost[number] or 0.0, len(pairs[number][1])) for number in read])
        measured.append(Measured(system, len(read), len(pairs) - len(read), figure or Estimate(math.nan)))
    return measured
