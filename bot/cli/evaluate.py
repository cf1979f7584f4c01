"""`psyllm evaluate screening`: figures by group, what was judged wrongly, and what another version changes."""

import json as json_format
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table

from bot.cli.explain import shown_text
from bot.cli.picture import check_ending, write_picture
from config import ConfigError
from engine.screening import load_screener
from engine.screening.compare import Change, changes
from engine.screening.corpora import Row, read_rows
from engine.screening.evaluate import GROUPS, Figures, Judged, by_group, grouped, judge
from engine.screening.floor import fallen, read_floor, write_floor
from engine.types import Screener

_LONG = 500  # texts from which on it is worth showing how far it is
_CALLED = {
    "texts": "texts",
    "danger": "danger",
    "calm": "calm",
    "recall": "danger\nfound",
    "missed_emergencies": "emerg.\nmissed",
    "alarms": "false\nalarms",
    "near_miss_alarms": "near-miss\nalarms",
}
_SCORED = {
    "accepted": "level\nright",
    "macro_f1": "macro\nF1",
    "kappa": "kappa",
    "auroc": "AUROC",
    "recall_at_0_5": "found\nat\n0.5 %",
    "recall_at_1": "found\nat\n1 %",
    "recall_at_5": "found\nat\n5 %",
    "alarms_at_95": "alarms\nat\n95 %",
    "calibration_error": "score\noff by",
}
_LEGEND = (
    "In %. Found at 0.5 %: of danger, at the score that rings for 0.5 % of the calm texts; "
    "alarms at 95 %: of calm texts, at the score that finds 95 % of the danger."
)
_NOT_SHARES = ("macro_f1", "kappa", "auroc", "calibration_error")


@dataclass(frozen=True)
class Wanted:
    """What to print besides the figures, and where to write; the options of the command."""

    screener: Path | None = None
    against: Path | None = None
    by: str = "file,lang,category"
    wrong: str = ""
    show_text: bool = False
    picture: Path | None = None
    floor: Path | None = None
    write_floor: Path | None = None
    json: bool = False


@dataclass(frozen=True)
class _Report:
    """What came of it; parts that were not asked for are None or empty."""

    version: str
    groups: dict[str, Figures]
    wrong: list[Judged] | None
    against: "_Against | None"
    fallen: list[str]


def evaluate_screening(files: Sequence[Path], wanted: Wanted) -> int:
    """Judge every row of the files and print what came of it; 1 if a figure fell under the floor."""
    rows = read_rows(files)
    if not rows:
        raise ConfigError(f"{files[0]}: holds no labelled texts")
    report = _report(rows, wanted)
    if wanted.picture:
        write_picture(wanted.picture, f"Screener {report.version} on {len(rows):,} texts", report.groups["all"])
    if wanted.write_floor:
        write_floor(wanted.write_floor, report.groups)
    if wanted.json:
        _print_json(report, wanted)
    else:
        _print_tables(report, wanted)
    return 1 if report.fallen else 0


def _report(rows: Sequence[Row], wanted: Wanted) -> _Report:
    """Screen the rows. What is wrong with an option is said before that: it may take minutes."""
    screener = open_screener(wanted.screener)
    other = open_screener(wanted.against) if wanted.against else None
    floor = read_floor(wanted.floor) if wanted.floor else {}
    if wanted.picture:
        check_ending(wanted.picture)
    _kinds(wanted.by)
    judged = _judged(rows, screener)
    groups = by_group(judged)
    return _Report(
        version=screener.version,
        groups=groups,
        wrong=_wrong(judged, wanted.wrong) if wanted.wrong else None,
        against=_against(rows, other, judged) if other else None,
        fallen=fallen(floor, groups),
    )


def open_screener(changed: Path | None) -> Screener:
    """The shipped screener; with another model (a file) or other rules (a folder) where one is given.

    Raises ConfigError.
    """
    if changed is None:
        return load_screener()
    if not changed.exists():
        raise ConfigError(f"{changed}: there is no such model file or folder of rules")
    try:
        return load_screener(folder=changed) if changed.is_dir() else load_screener(model=changed)
    except OSError as error:
        raise ConfigError(f"{changed}: is no folder of rules: {error.filename} cannot be read") from None
    except (KeyError, ValueError) as error:
        raise ConfigError(f"{changed}: cannot be used as a screener: {error}") from None


@dataclass(frozen=True)
class _Against:
    """Another version, and the rows that it calls differently."""

    version: str
    groups: dict[str, Figures]
    changes: list[Change]


def _judged(rows: Sequence[Row], screener: Screener) -> list[Judged]:
    shown = track(rows, "screening", console=Console(stderr=True), transient=True, disable=len(rows) < _LONG)
    return judge(shown, screener)


def _wrong(judged: Sequence[Judged], group: str) -> list[Judged]:
    groups = grouped(judged)
    if group not in groups:
        raise ConfigError(f"--wrong {group}: there is no such group; there are {', '.join(groups)}")
    return [one for one in groups[group] if not one.accepted]


def _against(rows: Sequence[Row], other: Screener, judged: Sequence[Judged]) -> _Against:
    """What `other` makes of the rows; it counts as what was before."""
    before = _judged(rows, other)
    return _Against(other.version, by_group(before), changes(before, judged))


def _print_json(report: _Report, wanted: Wanted) -> None:
    shown: dict[str, Any] = {"version": report.version, "groups": _as_json(report.groups)}
    if report.wrong is not None:
        shown["wrong"] = [_wrong_as_json(one, wanted.show_text) for one in report.wrong]
    if report.against:
        listed = [change.as_dict() for change in report.against.changes]
        groups = _as_json(report.against.groups)
        shown["against"] = {"version": report.against.version, "groups": groups, "changes": listed}
    if wanted.floor:
        shown["fallen"] = report.fallen
    typer.echo(json_format.dumps(shown, indent=2))


def _as_json(groups: Mapping[str, Figures]) -> dict[str, Any]:
    return {name: figures.as_dict() for name, figures in groups.items()}


def _wrong_as_json(one: Judged, show_text: bool) -> dict[str, Any]:
    row = one.row
    found = {
        "id": row.id,
        "file": row.group,
        "line": row.line,
        "levels": row.label,
        "found": one.found.level,
        "score": round(one.found.score, 6),
        "rules": [evidence.rule for evidence in one.found.evidence],
    }
    return found | {"text": row.text} if show_text else found


def _print_tables(report: _Report, wanted: Wanted) -> None:
    out = Console(highlight=False)
    out.print(f"Screener version {report.version}")
    print_figures(out, report.groups, wanted.by)
    if report.wrong is not None:
        _print_wrong(out, wanted, report.wrong)
    if report.against:
        _print_against(out, report.against, _chosen(report.groups, wanted.by))
    for sentence in report.fallen:
        out.print(f"[red]worse than before[/]  {shown_text(sentence)}")


def print_figures(out: Console, groups: Mapping[str, Figures], by: str) -> None:
    """Print tables of the groups of these kinds, separated by commas. Raises ConfigError for an unknown kind."""
    shown = _chosen(groups, by)
    for columns in (_CALLED, _SCORED):
        out.print(_table(columns, shown))
    out.print(_LEGEND)


def _chosen(groups: Mapping[str, Figures], by: str) -> dict[str, Figures]:
    """The groups of these kinds, and `all`."""
    kinds = _kinds(by)
    return {name: figures for name, figures in groups.items() if name.split(":")[0] in kinds}


def _kinds(by: str) -> set[str]:
    kinds = {kind.strip() for kind in by.split(",")} | {"all"}
    if unknown := sorted(kinds.difference(GROUPS)):
        raise ConfigError(f"--by {unknown[0]}: there is no such kind of group; there are {', '.join(GROUPS)}")
    return kinds


def _table(columns: Mapping[str, str], groups: Mapping[str, Figures]) -> Table:
    table = _plain_table("group")
    for title in columns.values():
        table.add_column(title, justify="right", no_wrap=True)
    for name, figures in groups.items():
        table.add_row(shown_text(name), *(_shown(figures, column) for column in columns))
    return table


def _plain_table(first: str) -> Table:
    """A table without lines between columns: it fits into 80 characters."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column(first, overflow="fold")
    return table


def _shown(figures: Figures, name: str) -> str:
    value = getattr(figures, name)
    if value is None:
        return ""
    if isinstance(value, int):
        return f"{value}"
    return f"{value:.3f}" if name in _NOT_SHARES else f"{100 * value:.1f}"


def _print_wrong(out: Console, wanted: Wanted, wrong: Sequence[Judged]) -> None:
    out.print(f"\n{len(wrong)} texts of {wanted.wrong} judged wrongly: the label, what was found, and the evidence")
    for one in wrong:
        rules = " ".join(evidence.rule for evidence in one.found.evidence) or "nothing"
        line = f"{_named(one.row)}  {'/'.join(one.row.label)} ← {one.found.level} {one.found.score:.2f}  {rules}"
        out.print(shown_text(f"{line}  {one.row.text}" if wanted.show_text else line), soft_wrap=True)


def _print_against(out: Console, other: _Against, now: Mapping[str, Figures]) -> None:
    """The figures that differ, and the rows that were called something else before."""
    table = _plain_table("group")
    for title in ("figure", f"before ({other.version})", "now"):
        table.add_column(title)
    for group, figures in now.items():
        for name, title in (_CALLED | _SCORED).items():
            before, after = _shown(other.groups[group], name), _shown(figures, name)
            if before != after:
                table.add_row(shown_text(group), title.replace("\n", " "), before, after)
    verdicts = Counter(change.verdict for change in other.changes)
    counted = ", ".join(f"{verdicts[verdict]} {verdict}" for verdict in ("mended", "broken", "moved"))
    out.print("\n", table, f"{len(other.changes)} texts changed their level: {counted}", sep="")
    for change in other.changes:
        row, before, after = change.after.row, change.before.found.level, change.after.found.level
        line = f"{change.verdict}  {_named(row)}  {'/'.join(row.label)}: {before} → {after}  {change.rules}"
        out.print(shown_text(line), soft_wrap=True)


def _named(row: Row) -> str:
    return f"{row.place} {row.id}".rstrip()
