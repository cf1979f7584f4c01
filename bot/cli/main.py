"""`psyllm` and its commands. Each command's module is imported only when it runs, so that `--help` is quick."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from config import ConfigError, Language

app = typer.Typer(
    name="psyllm",
    help="A counselling bot for Telegram, WeChat and the web that notices danger and brings a human.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
db = typer.Typer(help="The database: migrations and keys.", no_args_is_help=True)
person = typer.Typer(help="What is kept about somebody.", no_args_is_help=True)
oncall = typer.Typer(help="The roster: who is called.", no_args_is_help=True)
app.add_typer(db, name="db")
app.add_typer(person, name="person")
app.add_typer(oncall, name="oncall")

File = Annotated[str, typer.Argument(help="A file of JSON lines; - for standard input.")]


@app.command()
def run(
    roles: Annotated[
        str, typer.Option(help="What this process does, separated by commas: web, telegram, wechat, worker.")
    ] = "",
) -> None:
    """Run the bot: each platform that has credentials, the web chat, the console, the workers."""
    from bot.cli.serve import serve

    serve(roles)


@app.command()
def chat(
    lang: Annotated[Language | None, typer.Option(help="The language of the words around the conversation.")] = None,
) -> None:
    """Talk with the bot here in the terminal, over the same path as on any platform."""
    from bot.cli.chat import chat as talk

    talk(lang)


@app.command()
def screen(file: File = "-") -> None:
    """Screen texts for danger: JSON lines in, JSON lines out."""
    from bot.cli.lines import screen_lines

    screen_lines(file)


@app.command()
def reply(file: File = "-") -> None:
    """Answer texts: JSON lines in, JSON lines out."""
    from bot.cli.lines import reply_lines

    reply_lines(file)


@app.command()
def doctor() -> None:
    """Check settings, tokens, clock, database, crisis lines and roster; say what to do about each fault."""
    from bot.cli.doctor import examine

    raise typer.Exit(examine())


@app.command()
def bench(
    name: Annotated[str, typer.Argument(help="pipeline or generation")],
    json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Measure, and print ratios side by side."""
    from bot.cli.bench import run_bench

    run_bench(name, json)


@db.command("upgrade")
def db_upgrade() -> None:
    """Bring the tables up to date."""
    from bot.cli.database import upgrade_database

    upgrade_database()


@db.command("check")
def db_check() -> None:
    """Compare the tables with what the program expects."""
    from bot.cli.database import check_database

    raise typer.Exit(check_database())


@db.command("new-key")
def db_new_key() -> None:
    """Print a fresh encryption key for PSYLLM_SECRET_KEYS."""
    from bot.store.cipher import new_key

    typer.echo(new_key())


@person.command("export")
def person_export(id: int) -> None:  # noqa: A002
    """Print everything kept about a person, as JSON."""
    from bot.cli.database import export_person

    raise typer.Exit(export_person(id))


@person.command("erase")
def person_erase(
    id: int,  # noqa: A002
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete a person and everything about them, now and for good."""
    if not yes:
        typer.confirm(f"Delete everything about person {id}? This cannot be undone.", abort=True)
    from bot.cli.database import erase_person

    raise typer.Exit(erase_person(id))


@oncall.command("who")
def oncall_who() -> None:
    """Who is called, in which order."""
    from bot.cli.roster import show_ladder

    show_ladder()


@oncall.command("check")
def oncall_check(
    file: Annotated[Path | None, typer.Argument(help="A roster file; the configured one.")] = None,
) -> None:
    """Read the roster and say what is wrong with it."""
    from bot.cli.roster import check_roster

    raise typer.Exit(check_roster(file))


@oncall.command("invite")
def oncall_invite(counsellor: Annotated[str, typer.Argument(help="The counsellor's id in the roster.")]) -> None:
    """Print a one-time link with which a counsellor sets a password for the console."""
    from bot.cli.roster import invite

    invite(counsellor)


def main() -> None:
    """Run the command line. A fault that the operator can mend is one sentence; nobody sees a trace."""
    sys.exit(_guarded(app))


def _guarded(command: Callable[[], object]) -> int:
    try:
        command()
    except ConfigError as error:
        typer.secho(f"psyllm: {error}", fg="red", err=True)
        return 2
    except BrokenPipeError:
        return 1
    return 0
