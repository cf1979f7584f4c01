"""Cuts a normalised text into sentences, and a sentence into clauses."""

import re
from dataclasses import dataclass

_LIMIT = 240  # a sentence longer than this is cut into windows
_OVERLAP = 60  # ... that share this much, so that no phrase falls between two
_SENTENCE = re.compile(r"[^。！？!?;；…\n]+?(?=[。！？!?;；…\n]|\.(?:[ \n]|$)|$)")
_CLAUSE = re.compile(r"[,，、:：。！？!?;；…\n]|\.(?= |$)| - ")


@dataclass(frozen=True, slots=True)
class Segment:
    """A sentence or a window of a long one; `start` is its place in the normalised text."""

    start: int
    text: str


def sentences(text: str) -> list[Segment]:
    """The sentences of a normalised text, none longer than 240 characters."""
    found: list[Segment] = []
    for match in _SENTENCE.finditer(text):
        start, sentence = match.start(), match[0]
        if len(sentence) <= _LIMIT:
            found.append(Segment(start, sentence))
            continue
        for at in range(0, len(sentence) - _OVERLAP, _LIMIT - _OVERLAP):
            found.append(Segment(start + at, sentence[at : at + _LIMIT]))
    return found


def clause_before(sentence: str, at: int) -> str:
    """What stands before `at` in its clause."""
    start = 0
    for match in _CLAUSE.finditer(sentence, 0, at):
        start = match.end()
    return sentence[start:at]
