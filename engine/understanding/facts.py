"""What somebody tells about themselves that the bot may ask to remember: their name, and what has helped them.

Nothing else is ever found. What helped is one of a short list of harmless things, so that danger, illness and other
people cannot be among it, and of a text nothing but a name is taken over.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from config import Language
from engine.language import to_simplified
from engine.understanding.data import Helping, Naming, compiled, either, load

_MAX_READ = 600  # characters; whoever writes more is not telling their name
_CLAUSE = re.compile(r"[,.!?;:\n…，。！？；：、~～—]+(?=\s|$|[\u2e80-\uffff])|[，。！？；：、~～—…\n]+")
_SENTENCE = re.compile(r"[^.!?;\n…。！？；~～]+[.!?;\n…。！？；~～]*")
_BUT = re.compile(r"(?:,|\bbut\b|\bthough\b|但是?|可是?|不过|只是)", re.IGNORECASE)


class FactKind(StrEnum):
    """What sort of thing a fact is."""

    NAME = "name"
    HELPED = "helped"


@dataclass(frozen=True, slots=True)
class Fact:
    """A name, or the key of a thing that helped. `wished`: the user asked for it to be remembered."""

    kind: FactKind
    value: str
    wished: bool = False


THINGS: tuple[str, ...] = tuple(load(Language.EN).helped.things)
"""Keys of what can have helped; each language's texts name them."""


def fact_in(text: str, last_answer: str = "") -> Fact | None:
    """What `text` tells, if anything. `last_answer` says what a bare "that helped" is about."""
    if len(text) > _MAX_READ:
        return None
    for reader in _readers():
        if fact := reader.name(text) or reader.helped(text, last_answer):
            return fact
    return None


def things_in(text: str) -> frozenset[str]:
    """The things that a text speaks of."""
    return frozenset(thing for reader in _readers() for thing in reader.things(text))


class _Reader:
    """One language's eye for facts."""

    def __init__(self, language: Language) -> None:
        self._language = language
        naming, helping = load(language).name, load(language).helped
        self._name = _name_pattern(naming)
        self._wish = compiled(either(naming.wish))
        self._shapes = [compiled(either([shape])) for shape in naming.shapes]
        self._free_shapes = [compiled(either([shape])) for shape in naming.free_shapes]
        self._never_within = compiled(either([*naming.never_within, r"\d"]))
        self._things = {thing: compiled(_word(either(names), language)) for thing, names in helping.things.items()}
        self._helped = [compiled(_filled(pattern, helping, language)) for pattern in helping.patterns]
        self._referring = [compiled(_filled(pattern, helping, language)) for pattern in helping.referring]
        self._question = compiled(_filled(either(helping.question), helping, language))
        self._harmless = compiled(either([*helping.harmless, "$^"]))
        self._excluded = compiled(either(helping.excluded))

    def name(self, text: str) -> Fact | None:
        """The name that a clause of the text gives, as it was written."""
        read = self._read(text)
        start, wished = 0, False
        for stop in [*(match.span() for match in _CLAUSE.finditer(read)), (len(read), len(read))]:
            clause = read[start : stop[0]]
            if (match := self._name.fullmatch(clause.strip())) and self._is_name(match):
                offset = start + len(clause) - len(clause.lstrip())
                value = text[offset + match.start("name") : offset + match.end("name")]
                return Fact(FactKind.NAME, value, wished or bool(match["wish"]))
            start, wished = stop[1], self._wish.fullmatch(clause.strip()) is not None
        return None

    def _is_name(self, match: re.Match[str]) -> bool:
        name = match["name"]
        if _never() & set(name.casefold().split()) or self._never_within.search(name):
            return False
        shapes = [*self._shapes, *(self._free_shapes if match["closing"] else [])]
        return any(shape.fullmatch(name) for shape in shapes)

    def helped(self, text: str, last_answer: str) -> Fact | None:
        """The thing that helped, by name or, after an answer that spoke of just one, as "that"."""
        for sentence in _SENTENCE.findall(self._read(text).replace("’", "'")):
            if self._asks(sentence):
                continue
            for part in _BUT.split(sentence) if self._language is Language.EN else [sentence]:
                if thing := self._thing_that_helped(part.strip(), last_answer):
                    return Fact(FactKind.HELPED, thing)
        return None

    def _asks(self, sentence: str) -> bool:
        return sentence.rstrip().endswith(("?", "？")) or self._question.search(sentence) is not None

    def _thing_that_helped(self, part: str, last_answer: str) -> str:
        plain = self._harmless.sub("", part)
        if self._excluded.search(plain):
            return ""
        if any(pattern.search(plain) for pattern in self._helped):
            return _only(self.things(plain))
        if any(pattern.fullmatch(plain.rstrip(".!;。！；~～… ")) for pattern in self._referring):
            return _only(things_in(last_answer))
        return ""

    def things(self, text: str) -> list[str]:
        """The things that a text speaks of."""
        read = self._read(text)
        return [thing for thing, pattern in self._things.items() if pattern.search(read)]

    def _read(self, text: str) -> str:
        """The text in the characters of the patterns, each where it was."""
        simplified = to_simplified(text) if self._language is Language.ZH else text
        return simplified if len(simplified) == len(text) else text


@cache
def _readers() -> tuple[_Reader, ...]:
    return tuple(_Reader(language) for language in Language)


@cache
def _never() -> frozenset[str]:
    """What no name is, in whichever language it is told."""
    return frozenset().union(*(load(language).name.never for language in Language))


def _name_pattern(naming: Naming) -> re.Pattern[str]:
    leads, wish, frames = either(naming.leads), either(naming.wish), either(naming.frames)
    closing, tails = either([*naming.closings, "$^"]), either(naming.tails)
    return compiled(
        rf"(?:{leads}\s*){{0,4}}(?P<wish>{wish}\s*)?(?:{leads}\s*){{0,4}}{frames}\s*(?P<name>.+?)"
        rf"(?:\s*(?P<closing>{closing}))?(?:\s*{tails}){{0,4}}"
    )


def _filled(pattern: str, helping: Helping, language: Language) -> str:
    """A pattern of the data with the things and the good they do in their places."""
    things = _word(either(name for names in helping.things.values() for name in names), language)
    return either([pattern]).replace("<thing>", things).replace("<good>", either(helping.good))


def _word(pattern: str, language: Language) -> str:
    """The pattern as a word of its own, in a language that has spaces between words."""
    return rf"\b{pattern}\b" if language is Language.EN else pattern


def _only(things: Iterable[str]) -> str:
    """The one thing, if it is one."""
    found = list(things)
    return found[0] if len(found) == 1 else ""
