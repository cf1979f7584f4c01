"""`psyllm oncall add`, `changes`, `remove`: the roster changed while the bot runs, as operators do in the console."""

import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from bot.cli.database import with_store
from bot.desks import Desks
from bot.rota import GapError, Rota
from bot.store import Store
from bot.store.roster_changes import Entry
from config import ConfigError, Leave, Override, RosterChange, load_roster, load_settings
from config.roster import fault

BY = "command"
"""Who made a change, in its record, when it was made here."""

_KINDS: dict[str, type[Override | Leave]] = {"overrides": Override, "leave": Leave}


def add_changes(file: str, accept_gaps: bool) -> None:
    """Enter the `[[overrides]]` and `[[leave]]` of a file, all or none. Raises ConfigError."""
    changes = _read(file)

    async def run(store: Store) -> None:
        await _rota(store).add(changes, BY, accept_gaps)

    try:
        with_store(run)
    except GapError as gap:
        raise ConfigError(f"{file}: {gap}; put somebody on call then, or add --accept-gaps") from None
    except ConfigError as error:
        raise ConfigError(f"{file}: {error}") from None
    typer.echo(f"{len(changes)} in force, in every running process.")


def show_changes() -> None:
    """Print what was entered in the console or here and holds."""

    async def run(store: Store) -> list[Entry]:
        return await _rota(store).entries()

    table = Table("id", "change", "from", "to", "by")
    for entry in with_store(run):
        if entry.removed_at is None:
            start, end = entry.change.start, entry.change.end
            table.add_row(str(entry.id), _described(entry.change), str(start), str(end), entry.added_by)
    Console().print(table)


def remove_change(id: int, accept_gaps: bool) -> None:  # noqa: A002
    """Take a change back. Raises ConfigError."""

    async def run(store: Store) -> bool:
        return await _rota(store).remove(id, BY, accept_gaps)

    try:
        removed = with_store(run)
    except GapError as gap:
        raise ConfigError(f"oncall remove: {gap}; put somebody on call then, or add --accept-gaps") from None
    if not removed:
        raise ConfigError(f"oncall remove: {id}: there is no such change; psyllm oncall changes lists them")


def _rota(store: Store) -> Rota:
    roster = load_roster(load_settings().handoff.roster)
    return Rota(store, Desks(roster, ""), roster)


def _read(file: str) -> list[RosterChange]:
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
        data = tomllib.loads(text)
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror}); give a file, or - for standard input") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: is not valid TOML: {error}") from None
    if not data or set(data) - set(_KINDS):
        raise ConfigError(f"{file}: write [[overrides]] and [[leave]] as in roster.toml; the rest stays in that file")
    return [change for key, entries in data.items() for change in _changes(file, key, entries)]


def _changes(file: str, key: str, entries: Sequence[dict[str, Any]]) -> list[RosterChange]:
    try:
        return [_KINDS[key].model_validate(entry) for entry in entries]
    except ValidationError as error:
        raise ConfigError(f"{file}: {key}: {fault(error)}") from None


def _described(change: RosterChange) -> str:
    said = change.model_dump(exclude_none=True, exclude={"start", "end"})
    return ", ".join(f"{key} {value}" for key, value in said.items())
