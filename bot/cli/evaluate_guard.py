"""`psyllm evaluate guard`: bad answers caught and good ones passed, by kind and language."""

import json as json_format
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from config import ConfigError
from engine.guard import Guard
from engine.guard.corpora import read_answers
from engine.guard.evaluate import Figures, by_group, judge


def evaluate_guard(files: Sequence[Path], json: bool) -> None:
    """Judge every row of the files and print what came of it. Raises ConfigError."""
    rows = read_answers(files)
    if not rows:
        raise ConfigError(f"{files[0]}: holds no labelled answers")
    groups = by_group(judge(rows, Guard()))
    if json:
        typer.echo(json_format.dumps({name: asdict(figures) for name, figures in groups.items()}, indent=2))
    else:
        Console(highlight=False).print(_table(groups))


def _table(groups: dict[str, Figures]) -> Table:
    table = Table(box=box.SIMPLE)
    table.add_column("group")
    for name in ("bad", "caught", "by rules alone", "good", "passed"):
        table.add_column(name, justify="right")
    for name, figures in groups.items():
        table.add_row(
            name,
            str(figures.bad),
            _share(figures.caught, figures.bad),
            _share(figures.by_rules, figures.bad),
            str(figures.good),
            _share(figures.passed, figures.good),
        )
    return table


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "–"
