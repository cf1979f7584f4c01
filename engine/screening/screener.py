"""Rules, the learned model and earlier turns, brought together into one Assessment."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from engine.language import other_language
from engine.screening.context import Answers, climbed
from engine.screening.model import Model, Reading, load_model
from engine.screening.normalise import Normalised, normalise
from engine.screening.rules import RULES, Finding, RuleSet, load_rules
from engine.screening.segments import Segment, sentences
from engine.types import About, Assessment, Category, Evidence, Level, Role, Turn

MODEL = Path(__file__).parent / "screener.model"
_EVIDENCE_LIMIT = 8
_TURNS = 10  # earlier turns that count
_TURN_LIMIT = 1000  # of an earlier turn, only so many characters are read again
_REMEMBERED = 4096  # earlier turns whose level is kept in memory
_SHORT = 30  # texts up to this length may be one sentence sent in pieces
_BARE_HAN, _BARE_LATIN = 5, 9  # letters
_NEARLY_ALL = 0.75
_KEEP_EMERGENCY = 0.5  # how much surer the model must be to lower what a rule calls an emergency
_DENIED, _FOREIGN, _DOUBTFUL = 0.99, 0.8, 0.75  # the probability that raises where words are denied, unknown, or few
_CERTAIN_SCORE = 0.9
_CONTEXT_SCORES = {Level.URGENT: 0.75, Level.EMERGENCY: 0.93}


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one text says by itself."""

    level: Level
    category: Category | None
    score: float
    about: About
    findings: tuple[Finding, ...]
    spans: tuple[tuple[int, int, str], ...]  # in the normalised text, with the rule's name, most telling first


class CombinedScreener:
    """Finds danger by rules, the learned model, and context. Implements `engine.types.Screener`.

    A rule raises what the model missed. The model raises what no rule knows, and lowers what a rule found that is not
    marked certain where it reads the text as calm. Both show in the evidence, as `model` and `model:lowered`.
    """

    def __init__(self, rules: RuleSet, answers: Answers, model: Model, version: str) -> None:
        self.version = version
        self.rules = rules
        self.model = model
        self._answers = answers
        self._earlier = lru_cache(_REMEMBERED)(self._read_earlier)  # each turn is context of several later ones
        thresholds = model.header["thresholds"]
        self._urgent = float(thresholds["urgent"])  # danger from which the model calls a text urgent
        self._keep = float(thresholds["keep"])  # danger under which it lowers a rule that is not certain
        self._emergency = float(thresholds["emergency"])

    def assess(self, text: str, context: Sequence[Turn] = ()) -> Assessment:
        """Judge `text`; `context` holds earlier turns, oldest first. Never raises."""
        plain = normalise(text)
        earlier = [self._earlier(turn.text[:_TURN_LIMIT]) for turn in context[-_TURNS:] if turn.role is Role.USER]
        own = self._judge(plain, max(earlier, default=Level.NONE))
        result = Assessment(own.level, own.category, own.score, _evidence(text, plain, own), self.version, own.about)
        return self._with_context(result, text, context, earlier) if context else result

    def _read_earlier(self, text: str) -> Level:
        return self._judge(normalise(text), Level.NONE).level

    def _judge(self, plain: Normalised, earlier: Level) -> Judgement:
        segments = sentences(plain.text)
        raw = list(self.rules.find(plain.text, segments))
        reading = self.model.read(plain.text, segments, raw)
        active = [finding for finding in raw if not finding.withheld]
        findings = sorted(_together(active, earlier), key=lambda f: (-f.level.rank, not f.rule.certain, f.start))
        needed = _needed(plain.text, raw)
        if not raw and self._urgent <= reading.danger < _FOREIGN and other_language(plain.text):
            needed = _FOREIGN  # the model never learned that language
        if needed > self._urgent:
            reading = replace(reading, danger=reading.danger * self._urgent / needed)
        return self._combined(findings, reading, earlier, segments)

    def _combined(
        self, findings: list[Finding], reading: Reading, earlier: Level, segments: Sequence[Segment]
    ) -> Judgement:
        by_model = self._model_level(reading)
        by_rules = findings[0].level if findings else Level.NONE
        spans = [(f.start, f.end, f.rule.id) for f in findings]
        certain = any(f.rule.certain and f.level.needs_human for f in findings)
        # What a rule finds beside danger in earlier turns is no business of a model that sees one text.
        depends = earlier.needs_human and any(f.level > f.rule.level and f.level.needs_human for f in findings)
        score = reading.danger
        if by_rules.needs_human and not (certain or depends) and self._is_calm(reading, findings, segments):
            lowered = max(Level.ELEVATED, by_model)
            spans.append((*reading.telling, "model:lowered"))
            return Judgement(
                lowered, findings[0].rule.category, score, findings[0].about, tuple(findings), tuple(spans)
            )
        level = max(by_rules, by_model)
        if by_rules.needs_human:
            score = max(score, _CERTAIN_SCORE if certain or depends else self._urgent)
            category, about = findings[0].rule.category, findings[0].about
        elif level.needs_human:
            category, about = reading.category, reading.about
        else:
            category = findings[0].rule.category if findings else None
            about = findings[0].about if findings else About.SELF
        if by_model.needs_human and by_model > by_rules:
            spans.insert(0, (*reading.telling, "model"))
        return Judgement(level, category, score, about, tuple(findings), tuple(spans))

    def _is_calm(self, reading: Reading, findings: Sequence[Finding], segments: Sequence[Segment]) -> bool:
        """Whether the model reads the text as calm, and also each sentence by itself in which a rule found danger: no
        noise around an emergency may hide it. What is nearly all of a text has nothing beside it to take its meaning
        away, so it stays as the rule says."""
        length = sum(len(segment.text) for segment in segments)
        if any(f.level.needs_human and f.end - f.start >= _NEARLY_ALL * length for f in findings):
            return False
        keep = self._keep * _KEEP_EMERGENCY if findings[0].level is Level.EMERGENCY else self._keep
        if reading.danger >= keep:
            return False
        for segment in segments:
            inside = [f for f in findings if segment.start <= f.start < segment.start + len(segment.text)]
            if any(f.level.needs_human for f in inside) and len(segments) > 1:
                moved = [replace(f, start=f.start - segment.start, end=f.end - segment.start) for f in inside]
                if self.model.read(segment.text, [Segment(0, segment.text)], moved).danger >= keep:
                    return False
        return True

    def _model_level(self, reading: Reading) -> Level:
        if reading.danger >= self._urgent:
            return Level.EMERGENCY if reading.emergency >= self._emergency else Level.URGENT
        return Level.ELEVATED if reading.distress >= 0.5 else Level.NONE

    def _with_context(
        self, own: Assessment, text: str, context: Sequence[Turn], earlier: Sequence[Level]
    ) -> Assessment:
        answer = self._answers.judge(text, context, max(earlier, default=Level.NONE))
        if answer is not None and answer.level > own.level:
            rule = f"context:answer.{answer.question.id}"
            return self._raised(own, answer.level, answer.question.category, text, rule, answer.question.about)
        if len(text) <= _SHORT and context[-1].role is Role.USER and len(context[-1].text) <= _SHORT:
            joined = self._judge(normalise(f"{context[-1].text} {text}"), Level.NONE)
            if joined.level.needs_human and joined.level.rank > max(own.level.rank, earlier[-1].rank):
                return self._raised(own, joined.level, joined.category or Category.OTHER, text, "context:continued")
        if own.level is Level.ELEVATED and climbed([*earlier, own.level]):
            return self._raised(own, Level.URGENT, own.category or Category.OTHER, text, "context:climb")
        return own

    def _raised(
        self, own: Assessment, level: Level, category: Category, text: str, rule: str, about: About = About.SELF
    ) -> Assessment:
        evidence = (Evidence(0, len(text), text, rule), *own.evidence)
        score = max(own.score, _CONTEXT_SCORES.get(level, own.score))
        return Assessment(level, category, score, evidence, self.version, about)


def _needed(text: str, findings: Sequence[Finding]) -> float:
    """How sure the model must be at least: more where what speaks of danger is denied, quoted, invented or past, or
    where there is too little of it to be read alone ("yes", 有, 安全的)."""
    if findings and all(finding.withheld for finding in findings):
        return _DENIED
    if findings:
        return _DOUBTFUL if all(finding.withheld or finding.past for finding in findings) else 0.0
    if any(c > "\U0001efff" for c in text):
        return 0.0  # pictures say what they say
    letters = [c for c in text if c.isalnum()]
    bare = len(letters) < (_BARE_HAN if any(c > "\u2e80" for c in letters) else _BARE_LATIN)
    return _DOUBTFUL if bare else 0.0


def _evidence(text: str, plain: Normalised, own: Judgement) -> tuple[Evidence, ...]:
    """The spans of a judgement as quotations of the original text."""
    found = []
    for start, end, rule in own.spans[:_EVIDENCE_LIMIT]:
        first, last = plain.span(start, end)
        found.append(Evidence(first, last, text[first:last], rule))
    return tuple(found)


def _beside(finding: Finding, elsewhere: int, earlier: Level) -> Level:
    """A finding's level beside others of rank `elsewhere`, or after distress: "the pills are here" is urgent then."""
    if finding.rule.together <= finding.level:
        return finding.level
    if elsewhere >= Level.URGENT.rank:
        return finding.rule.together
    return max(finding.level, Level.URGENT) if earlier >= Level.ELEVATED else finding.level


def _together(findings: list[Finding], earlier: Level) -> list[Finding]:
    """Findings at the level they have beside danger elsewhere: in another finding, or in an earlier turn."""
    ranks = sorted((finding.level.rank for finding in findings), reverse=True)
    raised = []
    for finding in findings:
        others = ranks[1:] if ranks[0] == finding.level.rank else ranks
        level = _beside(finding, max([earlier.rank, *others[:1]]), earlier)
        if level is not Level.NONE:
            raised.append(replace(finding, level=level))
    return raised


def load_screener(folder: Path = RULES, model: Path = MODEL) -> CombinedScreener:
    """Read the rules and the model. Raises RuleError or ModelError where a file is missing or wrong."""
    digest = hashlib.sha256(model.read_bytes() if model.exists() else b"")
    for path in sorted(folder.glob("*.t*")):
        digest.update(path.read_bytes())
    return CombinedScreener(
        load_rules(folder), Answers(folder / "answers.toml"), load_model(model), digest.hexdigest()[:12]
    )
