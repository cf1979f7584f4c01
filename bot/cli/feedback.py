"""`psyllm feedback`: how often answers were called helpful, by what wrote them. Counts only; no text is read."""

import json as json_format
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from bot.cli.database import with_store
from bot.store import Store, feedback
from bot.store.feedback import GROUPS, REASONS, Count
from config import ConfigError

_Z = 1.959964  # 95 %


def show_feedback(by: str, since: datetime | None, as_json: bool) -> None:
    """Print the counts, one group a line. Raises ConfigError for a group that there is not."""
    groups = tuple(name.strip() for name in by.split(",") if name.strip())
    if not groups or (unknown := set(groups) - set(GROUPS)):
        named = ", ".join(sorted(unknown)) if groups else by
        raise ConfigError(f"--by: {named!r} is no group; there are {', '.join(GROUPS)}")
    start = since.replace(tzinfo=UTC) if since else None

    async def run(store: Store) -> list[Count]:
        async with store.reading() as tx:
            return await feedback.counts(tx, groups, start)

    rows = [_row(groups, count) for count in with_store(run)]
    if as_json:
        typer.echo(json_format.dumps(rows, ensure_ascii=False, indent=2))
    else:
        _print_table(groups, rows)


def wilson(hits: int, total: int) -> tuple[float, float]:
    """Where the true share lies with 95 % confidence: Wilson's score interval, sound for small numbers too."""
    if total == 0:
        return 0.0, 1.0
    share, z2 = hits / total, _Z * _Z
    middle = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = _Z * math.sqrt(share * (1 - share) / total + z2 / (4 * total * total)) / (1 + z2 / total)
    return max(0.0, middle - half), min(1.0, middle + half)


def _row(groups: Sequence[str], count: Count) -> dict[str, Any]:
    total = count.helpful + count.unhelpful
    low, high = wilson(count.helpful, total)
    return dict(zip(groups, count.group, strict=True)) | {
        "helpful": count.helpful,
        "unhelpful": count.unhelpful,
        "share": round(count.helpful / total, 4),
        "low": round(low, 4),
        "high": round(high, 4),
        "missing": {reason: count.reasons.get(reason, 0) for reason in REASONS},
    }


def _print_table(groups: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:
    console = Console()
    if not rows:
        console.print("Nobody has said yet whether an answer helped.")
        return
    table = Table(box=box.SIMPLE_HEAD)
    for name in groups:
        table.add_column(name, overflow="fold")
    for name in ("helpful", "not", "share, %", "95 % interval", *REASONS):
        table.add_column(name, justify="right")
    for row in rows:
        interval = f"{100 * row['low']:.0f} to {100 * row['high']:.0f}"
        figures = [row["helpful"], row["unhelpful"], f"{100 * row['share']:.0f}", interval, *row["missing"].values()]
        table.add_row(*(row[name] for name in groups), *map(str, figures))
    console.print(table)
    console.print("The last columns: what was missing where an answer did not help, as far as people said.")
