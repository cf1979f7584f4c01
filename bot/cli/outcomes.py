"""`psyllm outcomes`: what counsellors said of the screen's judgements and of drafts, for training and comparison."""

import json
from datetime import UTC, datetime
from typing import Any

import typer

from bot.cli.database import with_store
from bot.store import Store, outcomes


def export_outcomes(since: datetime | None) -> None:
    """Print one JSON line for each closed handoff. Text only where its person agreed."""
    start = since.replace(tzinfo=UTC) if since else None

    async def run(store: Store) -> list[dict[str, Any]]:
        async with store.reading() as tx:
            return await outcomes.rows(tx, start)

    _print(with_store(run))


def show_drafts() -> None:
    """Print what became of drafts, one JSON line for each generator, version and end."""

    async def run(store: Store) -> list[dict[str, Any]]:
        async with store.reading() as tx:
            return await outcomes.draft_rows(tx)

    _print(with_store(run))


def _print(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        typer.echo(json.dumps(row, ensure_ascii=False))
