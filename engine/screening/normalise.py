"""Brings a text into one spelling, and remembers where every character came from.

Full width, case, traditional characters, zero-width and bidirectional marks, spaced-out words (想 死, s.u.i.c.i.d.e),
repeated letters, digits for letters (su1cide) and the respellings of `rules/spelling.toml` (自鲨, unalive) all end in
the plain form that the rules and the model know. Everything here runs in time linear in the text and accepts any
`str`, lone surrogates included.
"""

import re
import tomllib
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from engine.screening.anchors import AnchorIndex

_HERE = Path(__file__).parent
_GONE = "\ufeff"  # stands for a character that shows nothing, until `_tidy` removes it
_CJK = "\u3400-\u9fff\U00020000-\U0003ffff"
_APOSTROPHES = "'\u2018\u2019\u02bc\u00b4\u0060\u2032"


@dataclass(frozen=True, slots=True)
class Normalised:
    """A normalised text. `offsets[i]` is the place in the original of the character `text[i]`; None: the same place."""

    text: str
    offsets: list[int] | None = None

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The code points of the original that `text[start:end]` stands for."""
        if self.offsets is None or start >= end:
            return start, end
        return self.offsets[start], self.offsets[end - 1] + 1


def normalise(text: str) -> Normalised:
    """Return the plain spelling of `text`. Never raises; linear time."""
    plain = text.translate(_TABLE)
    result = Normalised(plain)
    if len(plain) != len(text):  # some character stands for several, such as a ligature
        result = _expand(text)
    for pattern, replace in _passes():
        result = _rewrite(result, pattern, replace)
    return _spelling().rewrite(result)


class _Table(dict[int, str]):
    """What `str.translate` makes of each code point, worked out when first met."""

    def __missing__(self, code: int) -> str:
        value = _plain(chr(code))
        if code < 0x10000:  # a bound on memory: the rest is rare and cheap enough
            self[code] = value
        return value


def _plain(char: str) -> str:
    """One character in its plain form: never empty, so that offsets stay the same where nothing is expanded."""
    category = unicodedata.category(char)
    if char in "\n\r\u2028\u2029":
        return "\n"
    if category in ("Cf", "Mn", "Me") or "\U0001f3fb" <= char <= "\U0001f3ff":
        return _GONE
    if char in _APOSTROPHES:
        return "'"
    if category in ("Cc", "Cs", "Co", "Cn") or category[0] == "Z":
        return " "
    folded = unicodedata.normalize("NFKC", char).lower()
    if folded < "\u0590":  # accents of Latin, Greek and Cyrillic go; Hangul and kana keep their composed form
        folded = "".join(c for c in unicodedata.normalize("NFKD", folded) if unicodedata.category(c) != "Mn")
    return "".join(_simplified().get(c, c) for c in folded) or " "


@lru_cache
def _simplified() -> dict[str, str]:
    lines = (_HERE / "rules" / "traditional.txt").read_text(encoding="utf-8").splitlines()
    traditional, simplified = (line for line in lines if not line.startswith("#"))
    return dict(zip(traditional, simplified, strict=True))


_TABLE = _Table()


def _expand(text: str) -> Normalised:
    chars: list[str] = []
    offsets: list[int] = []
    for place, char in enumerate(text):
        plain = _TABLE[ord(char)]
        chars.append(plain)
        offsets.extend([place] * len(plain))
    return Normalised("".join(chars), offsets)


_Replace = Callable[[re.Match[str]], str]


def _rewrite(source: Normalised, pattern: re.Pattern[str], replace: _Replace) -> Normalised:
    """Replace every match, spreading the offsets of the matched characters over the new ones."""
    matches = list(pattern.finditer(source.text))
    if not matches:
        return source
    text, old = source.text, source.offsets if source.offsets is not None else list(range(len(source.text)))
    pieces: list[str] = []
    offsets: list[int] = []
    done = 0
    for match in matches:
        start, end = match.span()
        new = replace(match)
        pieces += (text[done:start], new)
        offsets += old[done:start]
        last = end - start - 1
        offsets += [old[start + (i * last // (len(new) - 1) if len(new) > 1 else 0)] for i in range(len(new))]
        done = end
    pieces.append(text[done:])
    offsets += old[done:]
    return Normalised("".join(pieces), offsets)


def _nothing(_: re.Match[str]) -> str:
    return ""


# 3 or more of a letter become one, except where English doubles it.
_DOUBLED = re.compile(r"(?:fe|sle|ne|ble|ke|se|be|we|de|ste)e$|(?:go|so|to|blo|scho|lo|ro|mo|do)o$")


def _once(match: re.Match[str]) -> str:
    char = match[1]
    before = match.string[max(0, match.start() - 4) : match.start()] + char
    if char == "l" or (
        char in "eo" and match.string[match.end() : match.end() + 1].isalpha() and _DOUBLED.search(before)
    ):
        return char * 2
    return char


_LEET = str.maketrans("013457@$!", "oieastasi")


@lru_cache
def _passes() -> tuple[tuple[re.Pattern[str], _Replace], ...]:
    """The rewriting steps, in order."""
    leading = "我想去要好自跳割吞烧"
    symbols = r"[*·_~/|+^=\-•]"
    return (
        (re.compile(rf"{_GONE}+|(?<=[a-z])'(?=[a-z])"), _nothing),
        (re.compile(r"([^\W\d_])\1{2,}"), _once),
        (re.compile(rf"(?<=[{_CJK}]){symbols}{{1,3}}(?=[{_CJK}])"), _nothing),
        # 想 死: a character that stands alone belongs to its neighbour
        (re.compile(rf"(?<=[{_CJK}])[ .]{{1,3}}(?=[{_CJK}](?![{_CJK}]))"), _nothing),
        (re.compile(rf"(?:(?<=[^{_CJK}][{leading}])|(?<=\A[{leading}]))[ .]{{1,3}}(?=[{_CJK}])"), _nothing),
        (re.compile(r"(?<![a-z])[a-z](?:[ .*_-][a-z](?![a-z])){2,}"), lambda m: re.sub("[ .*_-]", "", m[0])),
        (re.compile(r"(?<=[a-z])[013457@$!](?=[a-z])"), lambda m: m[0].translate(_LEET)),
        (re.compile(r"[ \t]{2,}"), lambda _: " "),
    )


class _Spelling:
    """The respellings of `rules/spelling.toml`."""

    def __init__(self) -> None:
        table = tomllib.loads((_HERE / "rules" / "spelling.toml").read_text(encoding="utf-8"))
        self._plain: dict[str, str] = {
            spelling: plain for plain, spellings in table["words"].items() for spelling in spellings
        }
        self._not_before: dict[str, list[str]] = table["not_before"]
        self._index = AnchorIndex(self._plain)
        self._patterns: dict[str, re.Pattern[str]] = {}

    def rewrite(self, source: Normalised) -> Normalised:
        """Replace every respelling by its plain word, the longest first."""
        for word in sorted({word for _, word in self._index.find(source.text)}, key=lambda word: (-len(word), word)):
            source = _rewrite(source, self._pattern(word), self._replace)
        return source

    def _replace(self, match: re.Match[str]) -> str:
        return self._plain[match[0]]

    def _pattern(self, word: str) -> re.Pattern[str]:
        if word not in self._patterns:
            after = "".join(self._not_before.get(word, []))
            edge = "[a-z0-9]" if word.isascii() else ""
            source = (f"(?<!{edge})" if edge else "") + re.escape(word) + (f"(?!{edge})" if edge else "")
            self._patterns[word] = re.compile(source + (f"(?![{after}])" if after else ""))
        return self._patterns[word]


@lru_cache
def _spelling() -> _Spelling:
    return _Spelling()
