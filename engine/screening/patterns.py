"""The small pattern language of the rules, made safe and quick by what it leaves out.

    abc          these characters
    (a|b c)      one of these
    (a|b)?  x?   maybe
    [abc]        one of these characters
    {name}       an alternative list from `words.toml`
    ..           a gap of at most 12 characters inside a sentence; `...` at most 40
    a space      one to three separators; ` .. ` and ` ... ` are gaps of whole words
    ~            the rest of a Latin word: `suicid~`
    ^ $          the start and the end of the sentence

There is no repetition, so a pattern matches in time bounded by its own length, whatever the text. Latin words match
as whole words. From each pattern come its *anchors*, literals of which at least one stands in every text it matches:
looking for those first is what makes hundreds of rules cost microseconds.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

_STOP = "。！？!?\\n"
_SHORT_GAP, _LONG_GAP = 12, 40
_MAYBE_REGEX = {"..": rf"[^{_STOP}]{{0,{_SHORT_GAP}}}?", "...": rf"[^{_STOP}]{{0,{_LONG_GAP}}}?"}
_WORD_GAP = rf"[ ,](?:[^.{_STOP}]{{0,%d}}[ ,])?"
_SPACE = "[ ,-]{1,3}"
_GAP = re.compile(r" ?\.{2,3} ?")
_LITERAL = re.compile(r"[^ .()\[\]{}|?*+~^$\\]+(?!\?)")


class PatternError(ValueError):
    """A pattern breaks the grammar. The message holds the pattern and the place."""


@dataclass(frozen=True)
class Pattern:
    """A pattern as the source of a regular expression, and literals of which one must be present."""

    source: str
    anchors: frozenset[str]

    @cached_property
    def regex(self) -> re.Pattern[str]:
        """Compiled when first needed: most texts need few of the rules, and loading stays quick."""
        return re.compile(self.source)


class Compiler:
    """Compiles patterns; `words` holds the lists that `{name}` stands for."""

    def __init__(self, words: Mapping[str, str]) -> None:
        self._words = words
        self._lists: dict[str, _Node] = {}

    def compile(self, source: str) -> Pattern:
        """Compile one pattern. Raises PatternError."""
        node = _Parser(source, self).parse()
        if node.anchors is None:
            raise PatternError(f"{source!r} has no literal that every match holds")
        return Pattern(_whole_words(source, node.regex), node.anchors)

    def union(self, sources: list[str]) -> Pattern | None:
        """One pattern for all of `sources`, or None where there are none. Raises PatternError."""
        if not sources:
            return None
        patterns = [self.compile(source) for source in sources]
        return Pattern(
            "|".join(f"(?:{pattern.source})" for pattern in patterns),
            frozenset[str]().union(*(pattern.anchors for pattern in patterns)),
        )

    def words(self, name: str) -> "_Node | None":
        """The list of that name, parsed once."""
        if name not in self._lists and name in self._words:
            self._lists[name] = _Parser(self._words[name], self).parse()
        return self._lists.get(name)


def _whole_words(source: str, regex: str) -> str:
    """Latin patterns match whole words; one with other scripts in it matches anywhere."""
    if any(char >= "\u0250" for char in source) or not any("a" <= char <= "z" for char in source):
        return regex
    return rf"(?<![a-z0-9])(?:{regex})(?![a-z0-9])"


@dataclass(frozen=True, slots=True)
class _Node:
    """Part of a pattern. `literal`: the only text it matches, if there is one. `anchors`: None where none is needed."""

    regex: str
    literal: str | None
    anchors: frozenset[str] | None


class _Parser:
    """Recursive descent over one pattern."""

    def __init__(self, source: str, compiler: Compiler) -> None:
        self._source, self._compiler, self._at = source, compiler, 0

    def parse(self) -> _Node:
        node = self._choice()
        if self._at != len(self._source):
            raise self._error("unexpected character")
        return node

    def _error(self, why: str) -> PatternError:
        return PatternError(f"{why} at {self._at} in {self._source!r}")

    def _peek(self) -> str:
        return self._source[self._at : self._at + 1]

    def _choice(self) -> _Node:
        nodes = [self._sequence()]
        while self._peek() == "|":
            self._at += 1
            nodes.append(self._sequence())
        if len(nodes) == 1:
            return nodes[0]
        sets = [node.anchors for node in nodes]
        anchors = None if any(s is None for s in sets) else frozenset[str]().union(*(s for s in sets if s is not None))
        return _Node("(?:" + "|".join(node.regex for node in nodes) + ")", None, anchors)

    def _sequence(self) -> _Node:
        nodes: list[_Node] = []
        while self._peek() not in ("", "|", ")"):
            node = self._atom()
            if self._peek() == "?":
                self._at += 1
                node = _Node(f"(?:{node.regex})?", None, None)
            nodes.append(node)
        return _join(nodes)

    def _atom(self) -> _Node:
        gap = _GAP.match(self._source, self._at)
        if gap is not None:
            self._at = gap.end()
            dots = gap[0].strip()
            if gap[0][0] == " " == gap[0][-1]:
                return _Node(_WORD_GAP % (24 if dots == ".." else 70), None, None)
            return _Node(_MAYBE_REGEX[dots], None, None)
        plain = _LITERAL.match(self._source, self._at)
        if plain is not None:
            self._at = plain.end()
            return _Node(re.escape(plain[0]), plain[0], frozenset({plain[0]}))
        char = self._peek()
        self._at += 1
        match char:
            case "(":
                node = self._choice()
                if self._peek() != ")":
                    raise self._error("expected )")
                self._at += 1
                return _Node(f"(?:{node.regex})", node.literal, node.anchors)
            case "[":
                end = self._source.index("]", self._at)
                chars, self._at = self._source[self._at : end], end + 1
                return _Node("[" + re.escape(chars) + "]", None, frozenset(chars))
            case "{":
                end = self._source.index("}", self._at)
                name, self._at = self._source[self._at : end], end + 1
                words = self._compiler.words(name)
                if words is None:
                    raise self._error(f"no word list {name!r}")
                return _Node(f"(?:{words.regex})", words.literal, words.anchors)
            case " ":
                return _Node(_SPACE, None, None)
            case "^" | "$":
                return _Node(char, None, None)
            case "~":
                return _Node("[a-z]{0,14}", None, None)
            case "?" | "*" | "+" | "]" | "}" | "\\":
                raise self._error(f"{char!r} is not allowed here")
        return _Node(re.escape(char), char, frozenset(char))


def _join(nodes: list[_Node]) -> _Node:
    """One node for several in a row; its anchors are the most telling ones among theirs."""
    best: frozenset[str] | None = None
    literal: str | None = ""
    run = ""
    candidates: list[frozenset[str]] = []
    for node in nodes:
        if node.literal is not None:
            run += node.literal
            literal = literal + node.literal if literal is not None else None
            continue
        literal = None
        candidates += [frozenset({run})] if run else []
        run = ""
        candidates += [node.anchors] if node.anchors else []
    candidates += [frozenset({run})] if run else []
    if candidates:
        best = max(candidates, key=_telling)
    return _Node("".join(node.regex for node in nodes), literal if literal else None, best)


def _telling(anchors: frozenset[str]) -> tuple[int, int]:
    """How much a set of anchors tells: the length of the shortest (a Chinese character counts as three), then how
    few."""
    return min(sum(3 if c > "\u2e80" else 1 for c in anchor) for anchor in anchors), -len(anchors)
