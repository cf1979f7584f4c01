"""Fit a text into a platform's messages without harming it."""

import re
import unicodedata

from adapters.base import Unit

_PARAGRAPH = re.compile(r"\n\s*\n")
_SENTENCE = re.compile(r"(?<=[。！？!?…])[」』”’\"')）】]*\s*|(?<=[.;；])\s+|\n")
_WORD = re.compile(r"[\s，,、]+")


def length(text: str, unit: Unit) -> int:
    """How long `text` is in the platform's unit."""
    if unit is Unit.BYTES:
        return len(text.encode())
    if unit is Unit.UTF16:
        return len(text.encode("utf-16-le")) // 2
    return len(text)


def split(text: str, limit: int, unit: Unit) -> list[str]:
    """Cut `text` into parts of at most `limit` units each.

    Cuts fall between paragraphs where they can, else sentences, else words, else between characters as a reader sees
    them (an accent or joined emoji stays with its base). Parts hold no leading or trailing blanks; nothing else is
    lost. An empty text gives no parts. Raises ValueError for a limit that no character would fit in.
    """
    if limit < 4:
        raise ValueError("limit: at least 4, the length of the longest character")
    text = text.strip()
    parts: list[str] = []
    while length(text, unit) > limit:
        head = _longest_prefix(text, limit, unit)
        cut = _best_cut(text, head)
        if part := text[:cut].rstrip():
            parts.append(part)
        text = text[cut:].lstrip()
    if text:
        parts.append(text)
    return parts


def _longest_prefix(text: str, limit: int, unit: Unit) -> int:
    """Number of code points of `text` that fit in `limit` units."""
    low, high = 0, min(len(text), limit)
    while low < high:
        middle = (low + high + 1) // 2
        if length(text[:middle], unit) <= limit:
            low = middle
        else:
            high = middle - 1
    return low


def _best_cut(text: str, fits: int) -> int:
    """Where to cut so that the first part has at most `fits` code points; a late cut is better than an early one."""
    for pattern, earliest in ((_PARAGRAPH, fits // 2), (_SENTENCE, fits // 4), (_WORD, fits // 2)):
        ends = [m.end() for m in pattern.finditer(text, 0, fits) if m.end() > earliest]
        if ends:
            return ends[-1]
    cut = fits
    while cut > 1 and _joins(text[cut - 1], text[cut]):
        cut -= 1
    return cut if cut > 1 else fits


def _joins(before: str, after: str) -> bool:
    """Whether the two code points belong to one character on the screen."""
    return (
        unicodedata.combining(after) != 0
        or after in "\u200d\ufe0e\ufe0f\u20e3"
        or before == "\u200d"
        or "\U0001f3fb" <= after <= "\U0001f3ff"
    )
