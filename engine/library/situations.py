"""Finds what a message tells of: situations by their words, or by the shape of a sentence."""

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise

from config import Language
from engine.library.data import Situation
from engine.library.index import Phrases, plain, spelled

_SHORT = {Language.EN: 240, Language.ZH: 80}  # characters of a message whose words belong together
_SHAPED = 800  # characters in which shapes are looked for
_SENTENCES = re.compile(r"[^.!?。！？；;\n]+")


class Situations:
    """Situations of one language, each with the topic it belongs to; looked for in their order."""

    def __init__(self, situations: Iterable[tuple[str, Situation]], language: Language) -> None:
        self._language = language
        self._all = list(situations)
        self._groups: dict[str, set[tuple[int, int]]] = {}  # of a phrase: numbers of situations, and of a group there
        for number, (_, one) in enumerate(self._all):
            for group, words in enumerate(one.words):
                for word in words:
                    self._groups.setdefault(plain(word, language), set()).add((number, group))
        self._phrases = Phrases(self._groups, language)
        self._shapes = [(number, one.pattern) for number, (_, one) in enumerate(self._all) if one.pattern]

    def found(self, text: str) -> list[tuple[str, Situation]]:
        """What `text` tells of."""
        lower = spelled(text, self._language)
        told = {number for words in self._held(lower) for number in self._complete(words)}
        told |= {number for number, shape in self._shapes if shape.search(lower, 0, _SHAPED)}
        return [self._all[number] for number in sorted(told)]

    def _held(self, lower: str) -> Iterator[set[str]]:
        """The phrases in each stretch of the text in which words belong together: two sentences at most."""
        if len(lower) <= _SHORT[self._language]:
            yield set(self._phrases.found(plain(lower, self._language)))
            return
        found = [set(self._phrases.found(plain(part, self._language))) for part in _SENTENCES.findall(lower)]
        for first, second in pairwise([set(), *found]):
            yield first | second

    def _complete(self, phrases: set[str]) -> set[int]:
        """The situations of which a phrase of each group is there."""
        hits: dict[int, set[int]] = {}
        for phrase in phrases:
            for number, group in self._groups[phrase]:
                hits.setdefault(number, set()).add(group)
        return {number for number, groups in hits.items() if len(groups) == len(self._all[number][1].words)}
