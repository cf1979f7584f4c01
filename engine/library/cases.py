"""Finds which trouble somebody writes about, among those that have answers of their own.

People name their trouble first and ask about it last, so a case counts for more where the message begins and where it
asks; a word in the middle of a long story seldom is what the story is about.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from config import Language
from engine.library.data import Case
from engine.library.index import Phrases, plain, spelled

_MAX_READ = 1500  # characters
_SENTENCES = {
    Language.ZH: re.compile("[^。！？!?；;\\s]+[。！？!?；;\\s]*"),
    Language.EN: re.compile(r"[^.!?;\n]+[.!?;\n]*"),
}
_ASKING = {
    Language.ZH: re.compile("[?？]|怎么|如何|该不该|要不要|求助|办法|建议"),
    Language.EN: re.compile(r"\?|\bhow (can|do|should|to)\b|\bwhat (can|should|do)\b|\bshould i\b|\badvice\b"),
}
_SHORT = {Language.ZH: 80, Language.EN: 110}  # characters of a message whose words belong together
_OPENING = {Language.ZH: 12, Language.EN: 24}  # characters; a shorter first sentence is only a greeting
_NAMED = 3.0
_FIRST, _ASKED, _AGAIN, _HINT, _TOPIC = 2.0, 1.0, 0.5, 0.6, 2.0  # what is added to it
_MOST_AGAIN, _MOST_HINTS = 2, 3


@dataclass(frozen=True, slots=True)
class Found:
    """A case and how surely a text is about it."""

    case: Case
    score: float


class Cases:
    """The cases of one language."""

    def __init__(self, cases: Iterable[Case], language: Language) -> None:
        self._language = language
        self.all = tuple(cases)
        self._rules: dict[str, set[tuple[int, int]]] = {}  # of a phrase: numbers of a case and of one of its names
        for number, case in enumerate(self.all):
            for name, groups in enumerate(case.names):
                for phrase in groups[0]:
                    self._rules.setdefault(phrase, set()).add((number, name))
        phrases = {phrase for case in self.all for groups in case.names for group in groups for phrase in group}
        self._phrases = Phrases(phrases.union(*(case.hints | case.unless for case in self.all)), language)

    def found(self, text: str, topics: Mapping[str, float]) -> list[Found]:
        """The cases that a text names, the surest first. `topics` says how much it speaks of each topic."""
        read = spelled(text[:_MAX_READ], self._language)
        short = len(read) <= _SHORT[self._language]
        sentences = [read] if short else _SENTENCES[self._language].findall(read)
        held = [frozenset(self._phrases.found(plain(sentence, self._language))) for sentence in sentences]
        named = [self._named(phrases) for phrases in held]
        everything: frozenset[str] = frozenset().union(*held)
        most = max(topics.values(), default=0.0)
        first = self._first(sentences)
        found = []
        for number in sorted({number for numbers in named for number in numbers}):
            case = self.all[number]
            places = [place for place, numbers in enumerate(named) if number in numbers]
            score = _NAMED + _AGAIN * min(len(places) - 1, _MOST_AGAIN)
            score += _FIRST * (places[0] <= first)
            score += _ASKED * any(_ASKING[self._language].search(sentences[place]) for place in places)
            score += _HINT * min(len(case.hints & everything), _MOST_HINTS)
            score += _TOPIC * topics.get(case.topic, 0.0) / most if most else 0.0
            found.append(Found(case, score))
        return sorted(found, key=lambda one: -one.score)

    def _first(self, sentences: list[str]) -> int:
        """The number of the sentence up to which the message begins."""
        long = (n for n, sentence in enumerate(sentences) if len(sentence.strip()) >= _OPENING[self._language])
        return next(long, 0)

    def _named(self, phrases: frozenset[str]) -> set[int]:
        """The numbers of the cases that a sentence with these phrases names."""
        rules = {rule for phrase in phrases for rule in self._rules.get(phrase, ())}
        return {
            number
            for number, name in rules
            if all(group & phrases for group in self.all[number].names[name]) and not self.all[number].unless & phrases
        }
