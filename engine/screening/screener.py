"""Rules, the learned model and earlier turns, brought together into one Assessment."""

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from engine.screening.context import Answers, climbed
from engine.screening.normalise import Normalised, normalise
from engine.screening.rules import RULES, Finding, RuleSet, load_rules
from engine.screening.segments import sentences
from engine.types import About, Assessment, Category, Evidence, Level, Role, Turn

_SCORES = {Level.NONE: 0.03, Level.ELEVATED: 0.3, Level.URGENT: 0.7, Level.EMERGENCY: 0.92}
_EVIDENCE_LIMIT = 8
_TURNS = 10  # earlier turns that count
_TURN_LIMIT = 1000  # of an earlier turn, only so many characters are read again
_REMEMBERED = 4096  # earlier turns whose level is kept in memory
_SHORT = 30  # texts up to this length may be one sentence sent in pieces


class RuleScreener:
    """Finds danger by rules and context. Implements `engine.types.Screener`."""

    def __init__(self, rules: RuleSet, answers: Answers, version: str) -> None:
        self.version = version
        self.rules = rules
        self._answers = answers
        self._level = lru_cache(_REMEMBERED)(self._read_level)  # each turn is context of several later ones

    def assess(self, text: str, context: Sequence[Turn] = ()) -> Assessment:
        """Judge `text`; `context` holds earlier turns, oldest first. Never raises."""
        plain = normalise(text)
        findings = self._find(plain)
        earlier = [self._level(turn.text) for turn in context[-_TURNS:] if turn.role is Role.USER] if context else []
        findings = _together(findings, max(earlier, default=Level.NONE))
        best = self._combine(text, plain, findings)
        return self._with_context(best, text, context, earlier) if context else best

    def _find(self, plain: Normalised) -> list[Finding]:
        return list(self.rules.find(plain.text, sentences(plain.text)))

    def _read_level(self, text: str) -> Level:
        findings = self._find(normalise(text[:_TURN_LIMIT]))
        return max((f.level for f in _together(findings, Level.NONE)), default=Level.NONE)

    def _combine(self, text: str, plain: Normalised, findings: list[Finding]) -> Assessment:
        if not findings:
            return Assessment(Level.NONE, None, _SCORES[Level.NONE], version=self.version)
        findings = sorted(findings, key=lambda f: (-f.level.rank, not f.rule.certain, f.start))
        worst = findings[0]
        evidence = []
        for finding in findings[:_EVIDENCE_LIMIT]:
            start, end = plain.span(finding.start, finding.end)
            evidence.append(Evidence(start, end, text[start:end], finding.rule.id))
        others = sum(f.level.rank >= worst.level.rank for f in findings[1:6])
        score = min(_SCORES[worst.level] + 0.01 * others + (0.03 if worst.rule.certain else 0.0), 0.99)
        return Assessment(worst.level, worst.rule.category, score, tuple(evidence), self.version, worst.about)

    def _with_context(
        self, own: Assessment, text: str, context: Sequence[Turn], earlier: Sequence[Level]
    ) -> Assessment:
        answer = self._answers.judge(text, context)
        if answer is not None and answer[0].rank > own.level.rank:
            level, category, question = answer
            return self._raised(own, level, category, text, f"context:answer.{question}")
        if len(text) <= _SHORT and context[-1].role is Role.USER and len(context[-1].text) <= _SHORT:
            joined = self._level(context[-1].text + text)
            if joined.rank > max(own.level.rank, earlier[-1].rank):
                return self._raised(own, joined, Category.SUICIDE, text, "context:continued")
        if own.level is Level.ELEVATED and climbed([*earlier, own.level]):
            return self._raised(own, Level.URGENT, own.category or Category.OTHER, text, "context:climb")
        return own

    def _raised(self, own: Assessment, level: Level, category: Category, text: str, rule: str) -> Assessment:
        evidence = (Evidence(0, len(text), text, rule), *own.evidence)
        return Assessment(level, category, _SCORES[level], evidence, self.version, About.SELF)


def _beside(finding: Finding, elsewhere: int, earlier: Level) -> Level:
    """A finding's level beside others of rank `elsewhere`, or after distress: "the pills are here" is urgent then."""
    if finding.rule.together <= finding.level:
        return finding.level
    if elsewhere >= Level.URGENT.rank:
        return finding.rule.together
    return max(finding.level, Level.URGENT) if earlier >= Level.ELEVATED else finding.level


def _together(findings: list[Finding], earlier: Level) -> list[Finding]:
    """Findings at the level they have beside danger elsewhere: in another finding, or in an earlier turn."""
    ranks = [finding.level.rank for finding in findings]
    raised = []
    for place, finding in enumerate(findings):
        elsewhere = max([earlier.rank, *ranks[:place], *ranks[place + 1 :]])
        if (level := _beside(finding, elsewhere, earlier)) is not finding.level:
            finding = Finding(finding.rule, finding.start, finding.end, level, finding.about)
        if finding.level is not Level.NONE:
            raised.append(finding)
    return raised


def load_screener(folder: Path = RULES) -> RuleScreener:
    """Read the rules and the model. Raises RuleError where a file is wrong."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.toml")):
        digest.update(path.read_bytes())
    return RuleScreener(load_rules(folder), Answers(folder / "answers.toml"), digest.hexdigest()[:12])
