"""`psyllm followups`, `programmes` and `broadcast`: what is sent to whom, when, and what became of it."""

import json as json_format
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from bot.app import App, build
from bot.cli.database import with_store
from bot.followups import DryRun, Refused, timing
from bot.followups.enrolments import clock_text, minutes_of
from bot.followups.simulate import Sent, a_year
from bot.store import Store, Transaction, conversations, followups
from bot.store.conversations import Conversation
from config import ConfigError, Language, load_settings
from config.programmes import Programme, Programmes, Purpose, Step, load_programmes
from config.zones import zone_named

T = TypeVar("T")
PURPOSES: tuple[Purpose, ...] = ("practice", "checkin", "contact")


def programmes() -> Programmes:
    """Those that the settings name. Raises ConfigError."""
    return load_programmes(load_settings().followups.programmes)


def _with_app(work: Callable[[App], Awaitable[T]]) -> T:
    """Run `work` with the bot's parts on the configured store; nothing of them is started."""
    return with_store(lambda store: work(build(load_settings(), ["worker"], store=store)))


# What is coming, and what became of what came


def show_due(hours: float, days: int, as_json: bool) -> None:
    """Print what falls due within so many hours, and what became of the last days."""

    async def run(store: Store) -> tuple[list[Any], list[Any], list[Any]]:
        async with store.reading() as tx:
            until, since = tx.now + timedelta(hours=hours), tx.now - timedelta(days=days)
            coming = await followups.coming(tx, until)
            return coming, await followups.counts(tx, since), await followups.enrolled(tx)

    coming, counts, enrolled = with_store(run)
    if as_json:
        typer.echo(json_format.dumps(_as_json(coming, counts, enrolled), ensure_ascii=False, indent=2))
        return
    _table("due", ("at (UTC)", "programme", "person", "platform"), [
        (f"{row.due_at:%Y-%m-%d %H:%M}", row.programme, f"#{row.person_id}", row.platform) for row in coming
    ])  # fmt: skip
    _table(f"of the last {days} days", ("programme", "platform", "state", "reason", "count"), [
        (row.programme, row.platform, row.state, row.reason, row.number) for row in counts
    ])  # fmt: skip
    _table("enrolled", ("programme", "state", "people"), [
        (row.programme, row.state, row.number) for row in enrolled
    ])  # fmt: skip


def _as_json(coming: list[Any], counts: list[Any], enrolled: list[Any]) -> dict[str, Any]:
    return {
        "due": [
            {
                "at": row.due_at.isoformat(),
                "programme": row.programme,
                "person": row.person_id,
                "platform": row.platform,
            }
            for row in coming
        ],
        "ended": [
            {"programme": r.programme, "platform": r.platform, "state": r.state, "reason": r.reason, "count": r.number}
            for r in counts
        ],
        "enrolled": [{"programme": r.programme, "state": r.state, "people": r.number} for r in enrolled],
    }


def _table(title: str, columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    table = Table(*columns, title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for row in rows:
        table.add_row(*map(str, row))
    Console().print(table if rows else f"{title}: nothing")


# One person


def enrol(person_id: int, name: str, at: str, agreed: bool) -> None:
    """Invite somebody, or begin at once if they agreed elsewhere. Raises ConfigError."""
    programme = programmes().named(name, "followups enrol")
    try:
        minutes = minutes_of(at) if at else None
    except ValueError:
        raise ConfigError(f"followups enrol: --at: {at} is not a time such as 08:30") from None

    async def run(app: App) -> str:
        async with app.store.transaction() as tx:
            person = await _person(tx, person_id)
            parts = app.followups
            team = parts.content.wording.text(person, "followup.team")
            try:
                if agreed:
                    begun = await parts.enrolments.begin(tx, person, programme, "operator", minutes)
                    return f"Person {person_id} is in {programme.id} from {begun.start_day} on."
                await parts.offers.propose(tx, person, programme.id, "operator", team)
            except Refused as refusal:
                raise ConfigError(f"followups enrol: person {person_id}: {refusal.key.replace('_', ' ')}") from None
            return f"Person {person_id} is asked whether they want {programme.id}; nothing is sent before a yes."

    typer.echo(_with_app(run))


def stop(person_id: int, name: str) -> None:
    """End one or all of a person's programmes, at once. Raises ConfigError."""

    async def run(app: App) -> int:
        async with app.store.transaction() as tx:
            person = await _person(tx, person_id)
            mine = await followups.open_of(tx, person.person_id)
            chosen = [e for e in mine if not name or e.programme == name]
            await app.followups.enrolments.stop(tx, chosen)
            return len(chosen)

    typer.echo(f"{_with_app(run)} stopped for person {person_id}.")


async def _person(tx: Transaction, person_id: int) -> Conversation:
    """The person's conversation, locked. Raises ConfigError."""
    ids = await conversations.of_person(tx, person_id)
    found = await conversations.lock(tx, ids)
    if not found:
        raise ConfigError(f"followups: there is no person {person_id}")
    return found[max(found, key=lambda i: (found[i].last_in_at is not None, found[i].last_in_at, i))]


# A programme


def preview(name: str, lang: Language | None, zone: str, at: str, days: int) -> None:
    """Print what somebody who agreed now would get and when, in one language or both. Raises ConfigError."""
    programme, place = programmes().named(name, "followups preview"), zone_named(zone)
    if place is None:
        raise ConfigError(f"followups preview: --zone: {zone} is not an IANA time zone such as Asia/Shanghai")
    minutes = minutes_of(at) if at else None
    now = datetime.now(ZoneInfo("UTC"))
    start = timing.begin(programme, now, minutes, place)
    console, languages = Console(), [lang] if lang else list(Language)
    console.print(f"{programme.id}, version {programme.version}; {programme.purpose}; {place}", style="bold")
    console.print(f"Evidence: {programme.evidence}\nReviewed by: {programme.reviewed_by or 'nobody yet'}", markup=False)
    slot = timing.after(programme, start, -1, minutes, place, 0, 0)
    while slot and slot.day <= days:
        step = programme.step(slot.day)
        assert step is not None
        console.print(
            f"\nday {slot.day}  {slot.planned_at.astimezone(ZoneInfo(place)):%a %Y-%m-%d %H:%M}", style="cyan"
        )
        for language in languages:
            console.print(f"  {language}: {_said(step, language)}", markup=False)
        slot = timing.after(programme, start, slot.day, minutes, place, 0, 0)


def _said(step: Step, language: Language) -> str:
    parts = [step.text.of(language)] if step.text else []
    for kind, value in (("exercise", step.exercise), ("questionnaire", step.questionnaire), ("mood", step.mood)):
        if value:
            parts.append(f"[{kind}{'' if value is True else f': {value}'}]")
    return " ".join(parts)


def list_programmes() -> None:
    """Print every programme with what holds it."""
    found = programmes()

    async def run(store: Store) -> dict[str, str]:
        async with store.reading() as tx:
            return await followups.holds(tx)

    holds = with_store(run)
    _table("programmes", ("id", "version", "purpose", "at", "sends", "until level", "reviewed by", "state"), [
        (p.id, p.version, p.purpose, clock_text(p.at.hour * 60 + p.at.minute), _sends(p), p.highest_level,
         p.reviewed_by or "nobody", holds.get(p.id, "active"))
        for p in found.every
    ])  # fmt: skip


def _sends(programme: Programme) -> str:
    times = f", {programme.cycles} times" if programme.cycles else ""
    cycle = f" every {programme.cycle_days} days{times}" if programme.cycle_days else ""
    return f"{len(programme.steps)}{cycle}"


def hold_programme(name: str, state: str | None) -> None:
    """Pause or retire a programme, or let it go on. Raises ConfigError."""
    programme = programmes().named(name, "programmes")

    async def run(store: Store) -> None:
        async with store.transaction() as tx:
            await followups.set_hold(tx, programme.id, state, "operator")

    with_store(run)
    typer.echo(f"{programme.id} is {state or 'active'}.")


# Broadcasts


def create_broadcast(title: str, zh: str, en: str, when: str, zone: str, **audience: Any) -> None:
    """Keep a draft and show what it would do. Raises ConfigError."""
    if audience["purpose"] not in (None, *PURPOSES):
        raise ConfigError(f"broadcast create: --purpose: one of {', '.join(PURPOSES)}")

    async def run(app: App) -> DryRun:
        return await app.followups.broadcasts.create(
            title, zh, en, by="operator", when=when, zone=zone or "UTC", **audience
        )

    _show(_with_app(run))


def dry_run_broadcast(number: int) -> None:
    """Show what a broadcast would do. Raises ConfigError."""
    _show(_with_app(lambda app: app.followups.broadcasts.dry_run(number)))


def confirm_broadcast(number: int, yes: bool) -> None:
    """Let a draft fire, after a look at who gets it. Raises ConfigError."""
    _show(_with_app(lambda app: app.followups.broadcasts.dry_run(number)))
    if not yes:
        typer.confirm("Send it to these people at these times?", abort=True)
    _with_app(lambda app: app.followups.broadcasts.confirm(number, "operator"))
    typer.echo(f"Broadcast {number} is active.")


def set_broadcast(number: int, state: str) -> None:
    """Pause, continue or end a broadcast. Raises ConfigError."""
    _with_app(lambda app: app.followups.broadcasts.set_state(number, state))
    typer.echo(f"Broadcast {number} is {state}.")


def list_broadcasts() -> None:
    """Print all broadcasts."""
    found = _with_app(lambda app: app.followups.broadcasts.every())
    _table("broadcasts", ("id", "title", "state", "next (UTC)", "cron"), [
        (b.id, b.title, b.state, f"{b.next_at:%Y-%m-%d %H:%M}" if b.next_at else "-", b.cron or "once") for b in found
    ])  # fmt: skip


def _show(run: DryRun) -> None:
    found = run.broadcast
    console = Console()
    console.print(f"Broadcast {found.id}: {found.title} ({found.state})", style="bold", markup=False)
    console.print(f"  zh: {found.zh}\n  en: {found.en}", markup=False)
    place = ZoneInfo(found.zone)
    times = ", ".join(f"{t.astimezone(place):%a %Y-%m-%d %H:%M}" for t in run.times) or "never"
    by_platform = ", ".join(f"{name} {n}" for name, n in sorted(run.people.items())) or "nobody"
    console.print(f"  at: {times} ({found.zone})\n  people now: {run.count} ({by_platform})", markup=False)


# A year


def simulate(name: str, as_json: bool) -> None:
    """Print a year of a programme on Telegram and on WeChat, with a clock that jumps. Raises ConfigError."""
    programme = programmes().named(name, "followups simulate")
    found = a_year(programme)
    if as_json:
        typer.echo(json_format.dumps([_sent_json(one) for one in found], indent=2))
        return
    rows = [(o.day, f"{o.planned:%Y-%m-%d %H:%M}", o.platform, o.wrote, o.state, o.reason) for o in found]
    _table(f"a year of {programme.id}", ("day", "local time", "platform", "user last wrote", "state", "reason"), rows)


def _sent_json(one: Sent) -> dict[str, Any]:
    told = {"day": one.day, "at": one.planned.isoformat(), "platform": one.platform}
    return told | {"state": one.state, "reason": one.reason}
