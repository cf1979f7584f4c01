"""`psyllm oncall`: who is called and when, and the way into the console for each of them."""

import sys
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.table import Table

from bot.cli.database import has_database, with_store
from bot.console.auth import Accounts
from bot.rota import stored
from bot.store import Store
from config import ConfigError, Roster, load_roster, load_settings
from config.ical import export, leave_from
from config.oncall import HORIZON, require_cover, shifts, utc_now, warnings


def in_force() -> Roster:
    """The configured roster with the changes that the database holds."""
    settings = load_settings()
    roster = load_roster(settings.handoff.roster)
    if not has_database(settings):
        return roster

    async def read(store: Store) -> Roster:
        async with store.reading() as tx:
            return await stored(roster, tx)

    return with_store(read)


def show_ladder(at: datetime | None = None) -> None:
    """Print the ladder at a moment, step by step; `at` without an offset is in the roster's zone."""
    roster = in_force()
    moment = utc_now() if at is None else at if at.tzinfo else at.replace(tzinfo=ZoneInfo(roster.zone))
    table = Table("step", "who is called", "how", "then waits")
    for number in range(len(roster.ladder)):
        called, wait = roster.step(number, moment)
        names = "\n".join(c.name for c in called)
        how = "\n".join(", ".join(c.order(roster.ladder[number].channels)) for c in called)
        skipped = roster.staffed(number, moment) != number
        table.add_row(str(number + 1), names, how, "nobody: next at once" if skipped else f"{wait:g} s")
    Console().print(table)
    typer.echo("The last step repeats until somebody claims. An emergency calls every step at once.")


def show_shifts(weeks: int) -> None:
    """Print who is on call on each rung from now on, in the roster's zone."""
    roster = in_force()
    zone, now = ZoneInfo(roster.zone), utc_now()
    table = Table("step", "from", "to", "on call", caption=f"Times in {roster.zone}")
    for rung in range(len(roster.ladder)):
        for shift in shifts(roster, rung, now, now + timedelta(weeks=weeks)):
            names = ", ".join(c.name for c in roster.counsellors if c.id in shift.who) or "nobody"
            times = (f"{moment.astimezone(zone):%a %Y-%m-%d %H:%M}" for moment in (shift.start, shift.end))
            table.add_row(str(rung + 1), *times, names)
    Console().print(table)


def check_roster(file: Path | None) -> int:
    """Read a roster and warn of what would leave somebody waiting; 1 if anything is wrong.

    Without a file, the one in force. Raises ConfigError where the start would: for gaps that nobody has said yes to.
    """
    path = file or load_settings().handoff.roster
    roster = load_roster(path)
    found = roster_warnings(roster if file else in_force())
    for line in found:
        typer.echo(line)
    require_cover(roster, path, utc_now())
    if not found:
        typer.echo(f"{len(roster.counsellors)} counsellors, {len(roster.ladder)} steps: nothing is wrong for 52 weeks.")
    return 1 if found else 0


def roster_warnings(roster: Roster) -> list[str]:
    """What would leave somebody waiting in the next 52 weeks, each with what to do."""
    return warnings(roster, utc_now())


def export_calendar(file: Path, counsellor: str) -> None:
    """Write 52 weeks as iCalendar, from the start of this hour. Raises ConfigError."""
    roster = in_force()
    if counsellor:
        _known(roster, "oncall export", counsellor)
    start = utc_now().replace(minute=0, second=0)
    try:
        file.write_bytes(export(roster, start, start + HORIZON, counsellor))
    except OSError as error:
        raise ConfigError(f"{file}: cannot be written ({error.strerror}); choose another with --ics") from None


def import_leave(file: Path, counsellor: str) -> None:
    """Print a counsellor's calendar as entries for roster.toml. Raises ConfigError."""
    _known(load_roster(load_settings().handoff.roster), "oncall import", counsellor)
    sys.stdout.write("\n" + leave_from(file, counsellor))


def invite(counsellor: str) -> None:
    """Print a one-time link. Raises ConfigError for somebody who is not in the roster."""
    settings = load_settings()
    roster = load_roster(settings.handoff.roster)
    _known(roster, "oncall invite", counsellor)

    async def run(store: Store) -> str:
        return await Accounts(store, roster).invite(counsellor)

    token = with_store(run)
    base = settings.web.public_url or f"http://{settings.web.host}:{settings.web.port}"
    typer.echo(f"{base}/console/setup#{token}")
    typer.echo("The link works once, for 24 hours. Give it to nobody else.", err=True)


def _known(roster: Roster, command: str, counsellor: str) -> None:
    if roster.counsellor(counsellor) is None:
        known = ", ".join(c.id for c in roster.counsellors)
        raise ConfigError(f"{command}: {counsellor}: is not in the roster; there are {known}")
