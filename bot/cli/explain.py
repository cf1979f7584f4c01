"""`psyllm screen --explain`: an explanation as a page for people, or as JSON."""

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.rule import Rule
from rich.table import Table

from engine.screening.explain import Explanation, Match
from engine.types import Level

_COLOURS = {Level.NONE: "green", Level.ELEVATED: "yellow", Level.URGENT: "red", Level.EMERGENCY: "bold red"}


def print_explanation(found: Explanation, name: str) -> None:
    """Print every step, the level last."""
    out = Console(highlight=False)
    out.print(Rule(shown_text(name), align="left", style="dim"))
    out.print(shown_text(found.text), soft_wrap=True)
    page = Table.grid(padding=(0, 2, 0, 0))
    page.add_column(style="dim", no_wrap=True)
    page.add_column(overflow="fold")
    if found.plain.text != found.text:
        page.add_row("read as", shown_text(found.plain.text))
    page.add_row("sentences", "\n".join(shown_text(segment.text.strip(" .")) for segment in found.segments))
    page.add_row("rules", "\n".join(_match(match) for match in found.matches) or "none matched")
    page.add_row("model", _model(found))
    if found.earlier:
        page.add_row("earlier", "\n".join(f"{turn.role}: {level or 'not judged'}" for turn, level in found.earlier))
    page.add_row("so", "\n".join(shown_text(step) for step in found.steps))
    page.add_row("level", _level(found))
    out.print(page)


def shown_text(text: str) -> str:
    """Somebody's text for the terminal: no markup, and nothing that a terminal would obey or could not show."""
    return escape("".join(char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in text))


def explanation_as_json(found: Explanation) -> dict[str, Any]:
    """The same for programs."""
    return {
        "plain": found.plain.text,
        "sentences": [segment.text for segment in found.segments],
        "matches": [_match_as_json(match) for match in found.matches],
        "model": {
            "danger": found.reading.danger,
            "emergency": found.reading.emergency,
            "distress": found.reading.distress,
            "telling": found.quote(*found.reading.telling),
            "windows": [
                {"text": found.quote(window.start, window.end), "danger": window.danger}
                for window in found.reading.windows
            ],
        },
        "earlier": [{"role": turn.role, "level": level} for turn, level in found.earlier],
        "alone": found.alone.level,
        "steps": list(found.steps),
    }


def _match_as_json(match: Match) -> dict[str, Any]:
    finding = match.finding
    return {
        "rule": finding.rule.id,
        "text": match.quote,
        "counts": match.counts,
        "level": finding.level,
        "together": finding.rule.together,
        "about": finding.about,
        "past": finding.past,
        "certain": finding.rule.certain,
        "why": list(match.why),
    }


def _match(match: Match) -> str:
    rule, level = match.finding.rule, match.finding.level
    said = _coloured(level) if match.counts else f"[dim]withheld, else {rule.level}[/]"
    why = f" ({', '.join(match.why)})" if match.why else ""
    certain = ", certain" if rule.certain and match.counts else ""
    beside = f", {rule.together} beside other danger" if rule.together > level and match.counts else ""
    return f"{rule.id}  {said}{certain}{beside}  “{shown_text(match.quote)}”{why}"


def _model(found: Explanation) -> str:
    reading = found.reading
    whole = (
        f"danger {reading.danger:.2f}, emergency if so {reading.emergency:.2f}, distress if not {reading.distress:.2f}"
    )
    windows = [
        f"{window.danger:.2f}  “{shown_text(found.quote(window.start, window.end).strip())}”"
        for window in reading.windows[1:]  # the first is the whole text
    ]
    telling = f"most telling: “{shown_text(found.quote(*reading.telling).strip())}”"
    return "\n".join([whole, telling, *windows])


def _level(found: Explanation) -> str:
    result = found.result
    category = f", {result.category}" if result.category else ""
    return f"{_coloured(result.level)}{category}, about {result.about}, score {result.score:.2f}"


def _coloured(level: Level) -> str:
    return f"[{_COLOURS[level]}]{level}[/]"
