"""Offline retrieval: terms of a text in either language, and BM25 over them in numpy.

Chinese is cut into pairs of characters, which needs no dictionary and loses no word; English into lightly stemmed words
and pairs of them. BM25 as in Robertson & Zaragoza, "The Probabilistic Relevance Framework" (2009), k1 = 1.2, b = 0.75.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
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

_CONTRACTED_TEXT = (
    "i'm i've don't doesn't didn't can't couldn't wouldn't shouldn't won't isn't aren't wasn't weren't haven't hasn't "
    "hadn't that's what's he's she's they're they've you're you've there's we've"
)
_CONTRACTIONS = {word.replace("'", ""): word for word in _CONTRACTED_TEXT.split()}
_CONTRACTED = re.compile(rf"\b(?:{'|'.join(_CONTRACTIONS)})\b")


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


def spelled(text: str, language: Language) -> str:
    """A text in lower case, with the apostrophes that people leave out in a chat."""
    lower = text.lower().replace("’", "'")
    return lower if language is Language.ZH else _CONTRACTED.sub(lambda found: _CONTRACTIONS[found[0]], lower)


def plain(text: str, language: Language) -> str:
    """A text in the form in which cues are looked up: Chinese as it is, English as stems between single spaces."""
    lower = spelled(text, language)
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


class Phrases:
    """Which of many phrases stand in a plain text. Both are in the form that `plain` gives."""

    def __init__(self, phrases: Collection[str], language: Language) -> None:
        self._language = language
        self._by_beginning: dict[str, list[str]] = {}
        for phrase in sorted(set(phrases)):
            self._by_beginning.setdefault(self._parts(phrase)[0], []).append(phrase)

    def found(self, text: str) -> list[str]:
        """The phrases in `text`, in order. Only those whose first word or character is there are looked for."""
        parts = set(self._parts(text))
        return sorted(phrase for part in parts for phrase in self._by_beginning.get(part, ()) if phrase in text)

    def _parts(self, text: str) -> Sequence[str]:
        """Words of English, characters of Chinese."""
        return text.split() if self._language is Language.EN else text


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
        sizes = np.array([len(found) for found in postings.values()], dtype=np.int32)
        self._start = [0, *np.cumsum(sizes).tolist()]
        self._documents = np.array([n for found in postings.values() for n in found], dtype=np.int32)
        frequencies = np.array([counts[n][term] for term, found in postings.items() for n in found], dtype=np.float32)
        idf = np.repeat(np.log(1 + (self._size - sizes + 0.5) / (sizes + 0.5)), sizes)
        self._weights = (idf * frequencies * (K1 + 1) / (frequencies + norm[self._documents])).astype(np.float32)

    def scores(self, query: Iterable[str]) -> NDArray[np.float32]:
        """The score of every document, shape (documents,)."""
        rows = [row for term in sorted(set(query)) if (row := self._row.get(term)) is not None]
        if not rows:
            return np.zeros(self._size, dtype=np.float32)
        parts = [slice(self._start[row], self._start[row + 1]) for row in rows]
        documents = np.concatenate([self._documents[part] for part in parts])
        weights = np.concatenate([self._weights[part] for part in parts])
        return np.bincount(documents, weights, self._size).astype(np.float32)
