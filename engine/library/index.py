"""Offline retrieval: terms of a text in either language, and BM25 over them in numpy.

Chinese is cut into pairs of characters, which needs no dictionary and loses no word; English into lightly stemmed words
and pairs of them. BM25 as in Robertson & Zaragoza, "The Probabilistic Relevance Framework" (2009), k1 = 1.2, b = 0.75.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from config import Language

K1 = 1.2
B = 0.75

_HAN_RUN = re.compile("[\u3400-\u9fff]+")
_WORD = re.compile(r"[a-z0-9]+(?:'[a-z]+)?")
_SUFFIX = re.compile(r"(?:ings?|ers?|edly|ed|ly|es|s|e)$")
_STOP_ZH = frozenset("的了我是在有就不和也都很这那你他她啊吗呢吧一个们")
_STOP_EN = frozenset(
    [
        *("a", "an", "and", "are", "as", "at", "be", "been", "but", "by", "can", "do", "does", "for", "from", "had"),
        *("has", "have", "he", "her", "him", "his", "how", "i", "if", "in", "is", "it", "me", "my", "of", "on", "or"),
        *("she", "so", "that", "the", "their", "them", "they", "this", "to", "us", "was", "we", "what", "when", "with"),
    ]
)


@lru_cache(maxsize=8192)
def stem(word: str) -> str:
    """An English word without its ending: `arguing`, `argued` and `argues` meet in `argu`."""
    word = word.removesuffix("'s")
    if len(word) <= 4 or "'" in word:
        return word.removesuffix("s") if len(word) == 4 and not word.endswith("ss") else word
    cut = _SUFFIX.sub("", word)
    if len(cut) < 3:
        return word
    if len(cut) > 3 and cut[-1] == cut[-2] and cut[-1] not in "sl":
        cut = cut[:-1]
    return cut[:-1] + "i" if cut.endswith("y") else cut


def plain(text: str, language: Language) -> str:
    """A text in the form in which cues are looked up: Chinese as it is, English as stems between single spaces."""
    lower = text.lower().replace("’", "'")
    if language is Language.ZH:
        return lower
    return " " + " ".join(stem(word) for word in _WORD.findall(lower)) + " "


def terms(text: str, language: Language) -> list[str]:
    """The terms a text is found by."""
    lower = text.lower().replace("’", "'")
    words = [stem(word) for word in _WORD.findall(lower) if word not in _STOP_EN]
    if language is Language.EN:
        return words + [f"{a} {b}" for a, b in pairwise(words)]
    pairs = [a + b for run in _HAN_RUN.findall(lower) for a, b in pairwise(run)]
    return words + [pair for pair in pairs if not (pair[0] in _STOP_ZH and pair[1] in _STOP_ZH)]


class Index:
    """BM25 over documents given as terms. `scores` costs one pass over the postings of the query's terms."""

    def __init__(self, documents: Sequence[Iterable[str]]) -> None:
        counts = [Counter(document) for document in documents]
        lengths = np.array([max(1, sum(count.values())) for count in counts], dtype=np.float32)
        norm = K1 * (1 - B + B * lengths / lengths.mean()) if counts else lengths
        postings: dict[str, list[int]] = {}
        for number, count in enumerate(counts):
            for term in count:
                postings.setdefault(term, []).append(number)
        self._size = len(counts)
        self._row = {term: row for row, term in enumerate(postings)}
        self._start = np.concatenate([[0], np.cumsum([len(found) for found in postings.values()])]).astype(np.int32)
        self._documents = np.array([n for found in postings.values() for n in found], dtype=np.int32)
        self._weights = np.empty(len(self._documents), dtype=np.float32)
        for term, found in postings.items():
            start = int(self._start[self._row[term]])
            idf = float(np.log(1 + (self._size - len(found) + 0.5) / (len(found) + 0.5)))
            for offset, number in enumerate(found):
                frequency = counts[number][term]
                self._weights[start + offset] = idf * frequency * (K1 + 1) / (frequency + float(norm[number]))

    def scores(self, query: Iterable[str]) -> NDArray[np.float32]:
        """The score of every document, shape (documents,)."""
        found = np.zeros(self._size, dtype=np.float32)
        for term in set(query):
            row = self._row.get(term)
            if row is not None:
                part = slice(int(self._start[row]), int(self._start[row + 1]))
                found[self._documents[part]] += self._weights[part]
        return found
