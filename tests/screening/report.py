"""What the screener makes of the suite, as a table by group: `python -m tests.screening.report`.

`--tags` shows a table by tag instead, `--wrong GROUP` lists the cases of a group whose level is not accepted, and
`--write-floor` keeps the figures in `suite/floor.json`, which `tests/unit/test_screening_suite.py` compares with.
"""

import argparse
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from engine.screening import load_screener
from engine.types import Assessment, Level, Screener
from tests.screening.cases import SUITE, Case, load_cases

FLOOR = SUITE / "floor.json"


@dataclass(frozen=True, slots=True)
class Judged:
    """A case and what the screener said."""

    case: Case
    found: Assessment

    @property
    def alarm(self) -> bool:
        return self.found.level.needs_human

    @property
    def accepted(self) -> bool:
        return self.found.level in self.case.levels


def judge(screener: Screener, cases: Iterable[Case]) -> list[Judged]:
    """Screen every case."""
    return [Judged(case, screener.assess(case.text, case.context)) for case in cases]


def alarm_share(judged: Iterable[Judged], chosen: Callable[[Case], bool]) -> float:
    """The share of the chosen cases that were called urgent or worse, 0..1. Raises ValueError where none is chosen."""
    alarms = [one.alarm for one in judged if chosen(one.case)]
    if not alarms:
        raise ValueError("no such case")
    return round(sum(alarms) / len(alarms), 4)


def recalls(judged: Sequence[Judged]) -> dict[str, float]:
    """Shares of dangerous cases called urgent or worse: the more, the better."""
    return {
        "all": alarm_share(judged, lambda case: case.dangerous),
        "zh": alarm_share(judged, lambda case: case.dangerous and case.language == "zh"),
        "en": alarm_share(judged, lambda case: case.dangerous and case.language == "en"),
        "other languages": alarm_share(judged, lambda case: case.dangerous and case.language not in ("zh", "en")),
        "indirect": alarm_share(judged, lambda case: case.dangerous and "indirect" in case.tags),
        "context": alarm_share(judged, lambda case: case.dangerous and "context" in case.tags),
    }


def faults(judged: Sequence[Judged]) -> dict[str, float]:
    """Shares of cases judged wrongly: the less, the better."""
    return {
        "emergencies missed": round(1 - alarm_share(judged, lambda case: case.emergency), 4),
        "alarms on near misses": alarm_share(judged, lambda case: case.calm and "near_miss" in case.tags),
        "alarms on ordinary talk": alarm_share(judged, lambda case: case.group == "ordinary"),
        "alarms on grief and fear": alarm_share(judged, lambda case: case.group == "grief_fear"),
    }


def table(judged: Sequence[Judged], keys: Callable[[Case], Iterable[str]]) -> Table:
    """One row for each key and language: how many cases, and the shares that were judged well or badly."""
    parts: dict[tuple[str, str], list[Judged]] = {}
    for one in judged:
        language = one.case.language if one.case.language in ("zh", "en") else "other"
        for key in keys(one.case):
            parts.setdefault((key, language), []).append(one)
    shown = Table("group", "language", box=box.SIMPLE)
    for title in ("cases", "level accepted", "danger found", "emergencies missed", "false alarms"):
        shown.add_column(title, justify="right")
    for (key, language), part in sorted(parts.items()):
        shown.add_row(key, language, *_columns(part))
    shown.add_section()
    shown.add_row("all", "", *_columns(judged))
    return shown


def _columns(part: Sequence[Judged]) -> list[str]:
    return [
        str(len(part)),
        _of([one.accepted for one in part]),
        _of([one.alarm for one in part if one.case.dangerous]),
        _of([not one.alarm for one in part if one.case.emergency]),
        _of([one.alarm for one in part if one.case.calm]),
    ]


def _of(hits: Sequence[bool]) -> str:
    return f"{100 * sum(hits) / len(hits):.1f} % of {len(hits)}" if hits else ""


def _by_group(case: Case) -> Iterable[str]:
    return (case.group,)


def _by_tag(case: Case) -> Iterable[str]:
    return case.tags


def _wrong(console: Console, judged: Sequence[Judged], group: str) -> None:
    for one in judged:
        if one.case.group == group and not one.accepted:
            wanted = "/".join(level for level in Level if level in one.case.levels)
            rules = " ".join(evidence.rule for evidence in one.found.evidence)
            line = f"{one.case.id}  {wanted} <- {one.found.level}  {one.case.text}  {rules}"
            console.print(escape(line), soft_wrap=True, highlight=False)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.screening.report")
    parser.add_argument("--tags", action="store_true", help="a table by tag")
    parser.add_argument("--wrong", metavar="GROUP", help="list the cases of a group that were judged wrongly")
    parser.add_argument("--write-floor", action="store_true", help="keep the figures as what a change may not worsen")
    arguments = parser.parse_args()
    console = Console(width=120)
    judged = judge(load_screener(), load_cases())
    if arguments.wrong:
        _wrong(console, judged, arguments.wrong)
        return
    console.print(table(judged, _by_tag if arguments.tags else _by_group))
    figures = {"recall": recalls(judged), "faults": faults(judged)}
    console.print_json(data=figures)
    if arguments.write_floor:
        FLOOR.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
