"""`psyllm oncall`: who is called, and the way into the console for each of them."""

from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table

from bot.cli.database import with_store
from bot.console.auth import Accounts
from bot.store import Store
from config import ConfigError, Roster, load_roster, load_settings


def show_ladder() -> None:
    """Print the ladder, step by step."""
    roster = load_roster(load_settings().handoff.roster)
    table = Table("step", "who is called", "how", "then waits")
    for number in range(len(roster.ladder)):
        called, wait = roster.step(number)
        names = "\n".join(c.name for c in called)
        how = "\n".join("Telegram, console" if c.telegram else "console" for c in called)
        table.add_row(str(number + 1), names, how, f"{wait:g} s")
    Console().print(table)
    typer.echo("The last step repeats until somebody claims. An emergency calls every step at once.")


def check_roster(file: Path | None) -> int:
    """Read a roster and warn of what would leave somebody waiting; 1 if anything is wrong."""
    roster = load_roster(file or load_settings().handoff.roster)
    found = roster_warnings(roster)
    for line in found:
        typer.echo(line)
    if not found:
        typer.echo(f"{len(roster.counsellors)} counsellors, {len(roster.ladder)} steps: nothing is wrong.")
    return 1 if found else 0


def roster_warnings(roster: Roster) -> list[str]:
    """What would leave somebody waiting, each with what to do."""
    found = []
    called, _ = roster.step(len(roster.ladder) - 1)
    if not any(c.telegram for c in called):
        found.append("nobody on the ladder has a telegram id: alerts reach only an open console; add one to the roster")
    for counsellor in roster.counsellors:
        if counsellor not in called:
            found.append(f"{counsellor.id} stands on no step of the ladder and will never be called; add them to one")
    return found


def invite(counsellor: str) -> None:
    """Print a one-time link. Raises ConfigError for somebody who is not in the roster."""
    settings = load_settings()
    roster = load_roster(settings.handoff.roster)

    async def run(store: Store) -> str:
        return await Accounts(store, roster).invite(counsellor)

    try:
        token = with_store(run)
    except KeyError:
        known = ", ".join(c.id for c in roster.counsellors)
        raise ConfigError(f"oncall invite: {counsellor}: is not in the roster; there are {known}") from None
    base = settings.web.public_url or f"http://{settings.web.host}:{settings.web.port}"
    typer.echo(f"{base}/console/setup#{token}")
    typer.echo("The link works once, for 24 hours. Give it to nobody else.", err=True)
