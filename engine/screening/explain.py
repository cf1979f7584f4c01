"""Why a text got its level: every step of the screener, for those who write rules or wonder at a judgement."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from engine.screening.model import Reading
from engine.screening.normalise import Normalised, normalise
from engine.screening.rules import Finding, RuleSet
from engine.screening.scopes import Scope
from engine.screening.screener import CombinedScreener
from engine.screening.segments import Segment, sentences
from engine.types import About, Assessment, Level, Role, Turn


@dataclass(frozen=True, slots=True)
class Match:
    """A rule that matched. `why`: what around the match takes meaning away or changes it, in words."""

    finding: Finding
    quote: str  # of the original text
    why: tuple[str, ...]

    @property
    def counts(self) -> bool:
        """Whether the match says anything about its writer's danger."""
        return not self.finding.withheld


@dataclass(frozen=True, slots=True)
class Explanation:
    """What each part of the screener found.

    `earlier`: the earlier turns, those of the user with their level. `alone`: the assessment without them. `steps`: how
    one thing led to the next, in sentences.
    """

    text: str
    plain: Normalised
    segments: tuple[Segment, ...]
    matches: tuple[Match, ...]
    reading: Reading
    earlier: tuple[tuple[Turn, Level | None], ...]
    alone: Assessment
    result: Assessment
    steps: tuple[str, ...]

    def quote(self, start: int, end: int) -> str:
        """What stands in the original text for `[start, end)` of the normalised one."""
        first, last = self.plain.span(start, end)
        return self.text[first:last]


def explain(screener: CombinedScreener, text: str, context: Sequence[Turn] = ()) -> Explanation:
    """Judge `text` and say why."""
    plain = normalise(text)
    segments = sentences(plain.text)
    matches = tuple(_matches(screener.rules, text, plain, segments))
    reading = screener.model.read(plain.text, segments, [match.finding for match in matches])
    alone, result = screener.assess(text), screener.assess(text, context)
    steps = (*_rule_steps(matches), *_model_steps(matches, reading, alone), *_context_steps(alone, result))
    earlier = tuple((turn, screener.assess(turn.text).level if turn.role is Role.USER else None) for turn in context)
    return Explanation(text, plain, tuple(segments), matches, reading, earlier, alone, result, steps)


def _matches(rules: RuleSet, text: str, plain: Normalised, segments: Iterable[Segment]) -> Iterator[Match]:
    for segment in segments:
        for finding in rules.find(plain.text, [segment]):
            first, last = plain.span(finding.start, finding.end)
            yield Match(finding, text[first:last], tuple(_why(rules, plain.text, segment, finding)))


def _why(rules: RuleSet, text: str, segment: Segment, finding: Finding) -> Iterator[str]:
    """What around a match changes its meaning."""
    rule, scopes = finding.rule, rules.scopes
    start, end = finding.start - segment.start, finding.end - segment.start
    held = scopes.of(segment.text, start, end) & rule.scopes
    if Scope.NEGATED in held:
        yield "negated by the words before it"
    if rule.inner and scopes.negates(segment.text[start:end]):
        yield "negated inside"
    if Scope.FRAMED in held:
        yield "quoted, fiction, news, homework or a question about the topic"
    if rule.unless is not None and rule.unless.regex.search(segment.text):
        yield "an exception of the rule stands in the sentence"
    if finding.past:
        yield "told of the past" if Scope.PAST in held else "the text says that it is over"
    if finding.about is About.OTHER:
        yield "about somebody else"


def _rule_steps(matches: Sequence[Match]) -> Iterator[str]:
    counted = sorted((m.finding for m in matches if m.counts), key=lambda finding: -finding.level.rank)
    if not counted:
        yield "Every rule that matched is withheld." if matches else "No rule matched."
        return
    yield f"The rules say {counted[0].level}: {counted[0].rule.id}."
    certain = [finding.rule.id for finding in counted if finding.rule.certain and finding.level.needs_human]
    if certain:
        yield f"{certain[0]} is certain: the model may not lower it."


def _model_steps(matches: Sequence[Match], reading: Reading, alone: Assessment) -> Iterator[str]:
    """What the model's reading did to what the rules say."""
    by_rules = max((match.finding.level for match in matches if match.counts), default=Level.NONE)
    rules = [evidence.rule for evidence in alone.evidence]
    yield f"The model reads danger with probability {reading.danger:.2f}."
    if alone.score < reading.danger:
        yield f"Of that {alone.score:.2f} counts: a rule withheld the words, or the text is too short to stand alone."
    if "model:lowered" in rules:
        yield f"The model lowers the level to {alone.level}."
    elif "model" in rules:
        yield f"The model raises the level to {alone.level}."
    elif alone.level > by_rules and by_rules is Level.NONE:
        yield f"The model reads distress with probability {reading.distress:.2f}: {alone.level}."
    elif alone.level > by_rules:
        yield f"Beside danger elsewhere in the text it is {alone.level}."


def _context_steps(alone: Assessment, result: Assessment) -> Iterator[str]:
    """What earlier turns did to the level."""
    if result.level is alone.level:
        return
    leading = result.evidence[0].rule if result.evidence else ""
    if leading.startswith("context:"):
        yield f"Earlier turns make it {result.level}: {leading}."
    else:
        yield f"After what was said before, it is {result.level}: {leading or 'nothing'}."
