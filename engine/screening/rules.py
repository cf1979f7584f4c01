"""The rules: readable data in `rules/*.toml`, checked and compiled once."""

import re
import tomllib
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.screening.anchors import AnchorIndex
from engine.screening.patterns import Compiler, Pattern
from engine.screening.scopes import Scope, Scopes
from engine.screening.segments import Segment
from engine.types import About, Category, Level

RULES = Path(__file__).parent / "rules"
_NOT_RULES = ("spelling.toml", "scopes.toml", "words.toml", "answers.toml")


class RuleError(ValueError):
    """A rule file is wrong. The message names the file and the rule."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of sentence and what it means.

    `certain`: the learned model may not lower it. `together`: its level when danger stands elsewhere in the text or in
    earlier turns ("I have the pills here"). `past`: its level when it is told of the past. `about`: who is in danger,
    None where the sentence decides. `scopes`: what can take its meaning away. `inner`: a negation inside the match
    counts too ("he never hits me").
    """

    id: str
    level: Level
    category: Category | None
    patterns: tuple[Pattern, ...]
    unless: Pattern | None
    inner: bool
    certain: bool
    together: Level
    past: Level
    about: About | None
    scopes: frozenset[Scope]
    hits: tuple[str, ...]
    misses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that matched `[start, end)` of the normalised text, with its level there.

    `withheld`: something around the match takes its meaning away (negation, fiction, an idiom); it says what calm
    texts say.
    """

    rule: Rule
    start: int
    end: int
    level: Level
    about: About
    past: bool = False
    withheld: bool = False


class RuleSet:
    """All rules, with an index from anchors to rules."""

    def __init__(self, rules: Iterable[Rule], scopes: Scopes) -> None:
        self.rules = tuple(rules)
        self.scopes = scopes
        self._patterns = [(rule, pattern) for rule in self.rules for pattern in rule.patterns]
        self._by_anchor: dict[str, set[int]] = {}  # the places in `_patterns`
        for number, (_, pattern) in enumerate(self._patterns):
            for anchor in pattern.anchors:
                self._by_anchor.setdefault(anchor, set()).add(number)
        self._index = AnchorIndex(self._by_anchor)

    def find(self, text: str, segments: Sequence[Segment]) -> Iterator[Finding]:
        """Every finding in a normalised text, sentence by sentence, those included that their scope withholds."""
        recovered: bool | None = None
        for segment, candidates in self._candidates(text, segments):
            for rule, pattern in candidates:
                match = pattern.regex.search(segment.text)
                if match is None:
                    continue
                if recovered is None:
                    recovered = self.scopes.recovered(text)
                yield self._in_scope(rule, segment, match, recovered)

    def _candidates(
        self, text: str, segments: Sequence[Segment]
    ) -> Iterator[tuple[Segment, list[tuple[Rule, Pattern]]]]:
        """The segments in which an anchor stands, in order, each with the patterns worth trying."""
        starts = [segment.start for segment in segments]
        ends = [segment.start + len(segment.text) for segment in segments]
        tried: dict[int, set[int]] = {}
        for place, anchor in self._index.find(text):
            number = bisect_right(starts, place) - 1
            while number >= 0 and place + len(anchor) <= ends[number]:
                tried.setdefault(number, set()).update(self._by_anchor[anchor])
                number -= 1  # windows of a long sentence overlap
        for number in sorted(tried):
            yield segments[number], [self._patterns[pattern] for pattern in sorted(tried[number])]

    def _in_scope(self, rule: Rule, segment: Segment, match: re.Match[str], recovered: bool) -> Finding:
        sentence, (start, end) = segment.text, match.span()
        held = self.scopes.of(sentence, start, end) & rule.scopes
        about = rule.about or self.scopes.about(sentence, start, end)
        place = (segment.start + start, segment.start + end)
        if (
            held & {Scope.NEGATED, Scope.FRAMED}
            or (rule.unless is not None and rule.unless.regex.search(sentence))
            or (rule.inner and self.scopes.negates(match[0]))
        ):
            return Finding(rule, *place, Level.NONE, about, withheld=True)
        past = Scope.PAST in held or (recovered and Scope.PAST in rule.scopes)
        return Finding(rule, *place, min(rule.level, rule.past) if past else rule.level, about, past=past)


def load_rules(folder: Path = RULES) -> RuleSet:
    """Read every rule file of `folder`. Raises RuleError."""
    compiler = Compiler(tomllib.loads((folder / "words.toml").read_text(encoding="utf-8"))["words"])
    rules: list[Rule] = []
    for path in sorted(folder.glob("*.toml")):
        if path.name in _NOT_RULES:
            continue
        for row in tomllib.loads(path.read_text(encoding="utf-8"))["rule"]:
            try:
                rules.append(_rule(row, compiler))
            except (KeyError, ValueError) as error:
                raise RuleError(f"{path.name}, rule {row.get('id', '?')}: {error}") from error
    if len({rule.id for rule in rules}) != len(rules):
        raise RuleError("two rules have the same id")
    return RuleSet(rules, Scopes.load(folder / "scopes.toml"))


def _rule(row: dict[str, Any], compiler: Compiler) -> Rule:
    level = Level(row["level"])
    return Rule(
        id=row["id"],
        level=level,
        category=Category(row["category"]) if row.get("category") else None,
        patterns=tuple(compiler.compile(source) for source in row["patterns"]),
        unless=compiler.union(row.get("unless", [])),
        inner=row.get("inner", False),
        certain=row.get("certain", False),
        together=Level(row.get("together", level)),
        past=Level(row.get("past", Level.ELEVATED)),
        about=About(row["about"]) if "about" in row else None,
        scopes=frozenset(Scope(scope) for scope in row.get("scopes", list(Scope))),
        hits=tuple(row["hits"]),
        misses=tuple(row["misses"]),
    )
