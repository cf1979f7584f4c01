"""A character n-gram model: what a language model must beat to have learned more than which characters follow others.

Interpolated Kneser-Ney smoothing (Chen and Goodman 1998, section 3.5), one discount for each order, set by how many
n-grams were seen once and twice. Below the single characters all of Unicode is equally likely, so nothing
is impossible.
"""

import math
from collections import Counter
from collections.abc import Iterable

ORDER = 5
_START = "\x02"  # stands before a text, so that its first characters have a context
_CHARACTERS = 155_000  # about as many as Unicode 16 assigns


class CharacterModel:
    """Learns texts, then says what further text costs in bits. Memory: some hundred bytes a character of the texts."""

    def __init__(self, texts: Iterable[str], order: int = ORDER) -> None:
        self.order = order
        highest: Counter[str] = Counter()
        for text in texts:
            padded = _START * (order - 1) + text
            highest.update(padded[at : at + order] for at in range(len(text)))
        self._counts = [highest]  # by order, the highest first; the lower ones count what an n-gram may follow
        for _ in range(order - 1):
            self._counts.append(Counter(ngram[1:] for ngram in self._counts[-1]))
        self._counts.reverse()
        self._discounts = [_discount(counts) for counts in self._counts]
        self._totals: list[Counter[str]] = []
        self._kinds: list[Counter[str]] = []
        for counts in self._counts:
            totals: Counter[str] = Counter()
            kinds: Counter[str] = Counter()
            for ngram, count in counts.items():
                totals[ngram[:-1]] += count
                kinds[ngram[:-1]] += 1
            self._totals.append(totals)
            self._kinds.append(kinds)

    def bits(self, before: str, text: str) -> float:
        """What `text` costs after `before`, in bits."""
        padded = _START * (self.order - 1) + before + text
        first = len(padded) - len(text)
        return -sum(math.log2(self.chance(padded[:at], padded[at])) for at in range(first, len(padded)))

    def chance(self, before: str, character: str) -> float:
        """The probability of a character after a text."""
        found = 1 / _CHARACTERS
        for length in range(self.order):
            context = before[len(before) - length :]
            if not (total := self._totals[length][context]):
                break  # nor was a longer context seen
            discount = self._discounts[length]
            kept = max(self._counts[length][context + character] - discount, 0.0)
            found = (kept + discount * self._kinds[length][context] * found) / total
        return found


def _discount(counts: Counter[str]) -> float:
    """Ney, Essen and Kneser 1994: what an n-gram seen so often is worth less on average."""
    of = Counter(counts.values())
    return of[1] / (of[1] + 2 * of[2]) if of[1] else 0.5
