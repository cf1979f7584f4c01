"""Words that mean alike (`rules/concepts.toml`), found among the pieces of a text."""

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from engine.screening.features import pieces
from engine.screening.normalise import normalise

_LONGEST = 4  # units: the first four columns of `pieces`


@dataclass(frozen=True)
class Lexicon:
    """The concepts by name, and for the piece of each word the numbers (from 1) of the concepts it belongs to."""

    names: tuple[str, ...]
    words: dict[int, tuple[int, ...]]


@lru_cache
def load_lexicon(path: Path) -> Lexicon:
    """Read the lists. Raises ValueError for a word of more than four units."""
    lists = tomllib.loads(path.read_text(encoding="utf-8"))["concepts"]
    words: dict[int, set[int]] = {}
    for number, (name, text) in enumerate(lists.items(), start=1):
        for word in _words(text):
            found, _ = pieces(normalise(word).text)
            if not 1 <= len(found) <= _LONGEST:
                raise ValueError(f"{name}: {word!r} has {len(found)} units, not 1 to {_LONGEST}")
            words.setdefault(int(found[0, len(found) - 1]), set()).add(number)
    return Lexicon(tuple(lists), {piece: tuple(sorted(numbers)) for piece, numbers in words.items()})


def _words(text: str) -> list[str]:
    """Chinese words stand first, between spaces; English ones follow, between slashes."""
    chinese, *english = (part.strip() for part in text.split(" / "))
    return chinese.split() + english
