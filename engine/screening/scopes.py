"""What stands around a match and changes what it means: negation, time, who is meant, fiction, news, homework.

The words are data (`rules/scopes.toml`); the grammar is here. Each function looks at one sentence, in normalised
spelling.
"""

import re
import tomllib
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any

from engine.screening.segments import clause_before
from engine.types import About


class Scope(StrEnum):
    """A reason for a match not to mean what its words say."""

    NEGATED = "negated"
    PAST = "past"
    FRAMED = "framed"  # fiction, lyrics, games, news, homework, a quotation, a question about the topic


@dataclass(frozen=True)
class Scopes:
    """The words of each scope, by kind."""

    table: dict[str, Any]

    @classmethod
    def load(cls, path: Path) -> "Scopes":
        """Read `scopes.toml`."""
        return cls(tomllib.loads(path.read_text(encoding="utf-8")))

    def of(self, sentence: str, start: int, end: int) -> set[Scope]:
        """The scopes that hold for `sentence[start:end]`."""
        found = set()
        if self.negated(clause_before(sentence, start)):
            found.add(Scope.NEGATED)
        if self._past.search(sentence) and not self._present.search(sentence):
            found.add(Scope.PAST)
        if self._framed(sentence, start, end):
            found.add(Scope.FRAMED)
        return found

    def negated(self, before: str) -> bool:
        """Whether the words right before a match negate it. Two negations cancel each other."""
        before = " " + before.strip(" ")
        negated = False
        for _ in range(8):
            if before.endswith(self._exceptions):
                return negated
            negator = _ending(before, self._negators)
            word = negator or _ending(before, self._fillers)
            if not word:
                return negated
            negated ^= bool(negator)
            before = before[: len(before) - len(word)].rstrip(" ")
            if word.startswith(" "):
                before = " " + before.lstrip(" ") if before.strip(" ") else " "
        return negated

    def negates(self, inside: str) -> bool:
        """Whether a match has a negation inside it."""
        return bool(self._inner.search(inside))

    def about(self, sentence: str, start: int, end: int) -> About:
        """Who is meant: decided by a reflexive inside the match, else by the nearest subject before its end."""
        inside = sentence[start:end]
        if self._self_reflexive.search(inside):
            return About.SELF
        if self._other_reflexive.search(inside):
            return About.OTHER
        clause = clause_before(sentence, start) + inside
        nearest = _last(self._subject, clause)
        if nearest is None:
            nearest = _last(self._subject, sentence[:start])
            if nearest is None or self._reported.match(clause) is None:
                return About.SELF
        return About.OTHER if nearest["other"] else About.SELF

    def recovered(self, text: str) -> bool:
        """Whether a text tells that the worst is behind its writer."""
        return bool(self._recovered.search(text))

    def _framed(self, sentence: str, start: int, end: int) -> bool:
        if self._topic.search(sentence):
            return True
        if not self._frame.search(sentence):
            return False
        quoted = sentence[:start].count('"') % 2 == 1 or _inside_quotes(sentence, start)
        first_person = self._first_person.search(clause_before(sentence, start) + sentence[start:end])
        return quoted or first_person is None

    @cached_property
    def _negators(self) -> tuple[str, ...]:
        return _endings(self.table["negation"]["words"])

    @cached_property
    def _exceptions(self) -> tuple[str, ...]:
        return _endings(self.table["negation"]["exceptions"])

    @cached_property
    def _fillers(self) -> tuple[str, ...]:
        return _endings(self.table["negation"]["fillers"])

    @cached_property
    def _inner(self) -> re.Pattern[str]:
        return _any(self.table["negation"]["inner"])

    @cached_property
    def _past(self) -> re.Pattern[str]:
        return _any(self.table["past"]["words"])

    @cached_property
    def _present(self) -> re.Pattern[str]:
        return _any(self.table["past"]["present"])

    @cached_property
    def _recovered(self) -> re.Pattern[str]:
        return _any(self.table["past"]["recovered"])

    @cached_property
    def _frame(self) -> re.Pattern[str]:
        return _any(self.table["frame"]["words"])

    @cached_property
    def _topic(self) -> re.Pattern[str]:
        return _any(self.table["frame"]["topic"])

    @cached_property
    def _subject(self) -> re.Pattern[str]:
        person = self.table["person"]
        other, own = _any(person["other"]).pattern, _any(person["self"]).pattern
        not_subject = "".join(rf"(?<!{re.escape(word)})" for word in person["object_after"])
        return re.compile(rf"{not_subject}(?P<other>{other})|(?P<own>{own})")

    @cached_property
    def _first_person(self) -> re.Pattern[str]:
        return _any(self.table["person"]["self"])

    @cached_property
    def _self_reflexive(self) -> re.Pattern[str]:
        return _any(self.table["person"]["self_reflexive"])

    @cached_property
    def _other_reflexive(self) -> re.Pattern[str]:
        return _any(self.table["person"]["other_reflexive"])

    @cached_property
    def _reported(self) -> re.Pattern[str]:
        return _any(self.table["person"]["reported"])


def _last(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    last = None
    for match in pattern.finditer(text):
        last = match
    return last


def _any(words: list[str]) -> re.Pattern[str]:
    """One expression for several words; Latin ones match whole, longest first."""
    latin = [re.escape(w) for w in sorted(words, key=len, reverse=True) if w[0] < "\u2e80"]
    other = [re.escape(w) for w in sorted(words, key=len, reverse=True) if w[0] >= "\u2e80"]
    parts = ([rf"(?<![a-z0-9])(?:{'|'.join(latin)})(?![a-z0-9])"] if latin else []) + other
    return re.compile("|".join(parts))


def _endings(words: list[str]) -> tuple[str, ...]:
    """Words as the ends of a text: a Latin one only after a space. Longest first."""
    return tuple(sorted((f" {w}" if w[0] < "\u2e80" else w for w in words), key=len, reverse=True))


def _ending(text: str, words: tuple[str, ...]) -> str:
    return next((word for word in words if text.endswith(word)), "") if text.endswith(words) else ""


def _inside_quotes(sentence: str, at: int) -> bool:
    opened = max(sentence.rfind(mark, 0, at) for mark in "“「『《")
    closed = max(sentence.rfind(mark, 0, at) for mark in "”」』》")
    return opened > closed
