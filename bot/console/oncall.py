"""Who is called: now, in the coming days, and what was changed. Operators add and take back changes here."""

import asyncio
import html
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from nicegui import ui

from bot.console.gate import PATH
from bot.console.oncall_forms import Forms
from bot.console.rights import Right
from bot.console.timeline import colour, timeline
from bot.console.visit import Visit
from bot.rota import Rota
from bot.store.roster_changes import Entry
from config import Leave, Roster, RosterChange
from config.channels import Channel
from config.oncall import HORIZON, gaps, shifts

WEEK = timedelta(weeks=1)


class OnCallView:
    """Draws the page, and draws it again when somebody changed something or somebody's turn came."""

    def __init__(self, visit: Visit, rota: Rota) -> None:
        self._visit = visit
        self._words = visit.words
        self._rota = rota
        self._forms = Forms(visit, rota)
        self._weeks = 0  # ahead of this one
        self._drawing = asyncio.Lock()
        self._drawn: object = None
        words = self._words
        with ui.element("h1"):
            ui.label(words("page.oncall"))
        self._gaps = ui.element("div").props('role="alert"')
        with ui.element("section"):
            self._title("oncall.now")
            self._now = ui.element("ol").classes("ladder")
            ui.label(words("oncall.emergency")).classes("hint")
        with ui.element("section"):
            with ui.element("div").classes("section-head"):
                self._title("oncall.week")
                self._week_buttons()
            self._week = ui.element("div").classes("week")
        with ui.element("section"):
            with ui.element("div").classes("section-head"):
                self._title("oncall.changes")
                if visit.may(Right.SCHEDULE):
                    self._change_buttons()
            self._changes = ui.element("ul").classes("changes")

    def _title(self, key: str) -> None:
        with ui.element("h2"):
            ui.label(self._words(key))

    def _week_buttons(self) -> None:
        words = self._words
        with ui.element("div").classes("row"):
            for step, icon, key in ((-1, "chevron_left", "oncall.earlier"), (1, "chevron_right", "oncall.later")):
                button = ui.button(icon=icon, on_click=lambda step=step: self._turn(step)).classes("tool")
                button.props(f'flat round dense aria-label="{words(key)}" title="{words(key)}"')
            ui.link(words("oncall.calendar"), f"{PATH}/oncall.ics").classes("file-link")
            ui.link(words("oncall.my_calendar"), f"{PATH}/oncall.ics?mine=1").classes("file-link")

    async def _turn(self, step: int) -> None:
        self._weeks = min(max(self._weeks + step, 0), 51)
        await self.draw()

    def _change_buttons(self) -> None:
        words = self._words
        with ui.element("div").classes("row"):
            ui.button(words("oncall.leave"), on_click=self._forms.leave).props("outline no-caps dense")
            if self._rota.roster.rotations:
                ui.button(words("oncall.cover"), on_click=self._forms.cover).props("outline no-caps dense")
                ui.button(words("oncall.swap"), on_click=self._forms.swap).props("outline no-caps dense")

    async def draw(self) -> None:
        """Show the roster in force. What is the same stays."""
        async with self._drawing:
            await self._rota.refresh()  # a wake-up may come before the roster's own look
            roster, now = self._rota.roster, datetime.now(UTC).replace(second=0, microsecond=0)
            entries = [entry for entry in await self._rota.entries() if entry.removed_at is None]
            called = [roster.on_call(rung, now) for rung in range(len(roster.ladder))]
            seen = (roster, entries, called, self._weeks, now.date())
            if seen == self._drawn:
                return
            self._drawn = seen
            self._draw_gaps(roster, now)
            self._draw_now(roster, now)
            self._draw_week(roster, now)
            self._draw_changes(roster, entries, now)

    def _draw_gaps(self, roster: Roster, now: datetime) -> None:
        words, found = self._words, gaps(roster, now, now + HORIZON)
        self._gaps.clear()
        with self._gaps:
            if found:
                with ui.element("div").classes("alarm"):
                    ui.label(words("oncall.gap", count=str(len(found)))).classes("alarm-title")
                    for start, end in found[:3]:
                        ui.label(words.span(start, end, roster.zone))
            if deaf := [c.name for c in roster.counsellors if c.reachable == {Channel.CONSOLE}]:
                ui.label(words("oncall.deaf", name=words.listed(deaf))).classes("warning")

    def _draw_now(self, roster: Roster, now: datetime) -> None:
        words = self._words
        self._now.clear()
        with self._now:
            for rung in range(len(roster.ladder)):
                on_call = roster.on_call(rung, now)
                _, wait = roster.step(rung, now)
                with ui.element("li").classes("" if on_call else "nobody"):
                    ui.label(words("oncall.step", number=str(rung + 1))).classes("caption")
                    with ui.element("div").classes("people"):
                        for person in (c for c in roster.counsellors if c.id in on_call):
                            ui.label(person.name).classes("chip").style(f"--who: {colour(roster, person.id)}")
                        if not on_call:
                            ui.label(words("oncall.nobody")).classes("chip gap")
                    ui.label(words("oncall.then", count=f"{wait:g}")).classes("caption")
            with ui.element("li"):
                ui.label(words("oncall.resort")).classes("caption")
                with ui.element("div").classes("people"):
                    for person in (c for c in roster.counsellors if c.id in roster.resort):
                        ui.label(person.name).classes("chip quiet")

    def _draw_week(self, roster: Roster, now: datetime) -> None:
        words, zone = self._words, ZoneInfo(roster.zone)
        today = now.astimezone(zone).date()
        first = today - timedelta(days=today.weekday()) + self._weeks * WEEK
        self._week.clear()
        with self._week:
            ui.html(timeline(words, roster, first, now), sanitize=False).classes("scroll").props('tabindex="0"')
            with ui.element("details").classes("as-list"):
                with ui.element("summary"):
                    ui.label(words("oncall.as_list"))
                ui.html(self._as_table(roster, first), sanitize=False)

    def _as_table(self, roster: Roster, first: date) -> str:
        words, start = self._words, datetime.combine(first, datetime.min.time(), ZoneInfo(roster.zone))
        rows = []
        for rung in range(len(roster.ladder)):
            for shift in shifts(roster, rung, start.astimezone(UTC), (start + WEEK).astimezone(UTC)):
                present = [c.name for c in roster.counsellors if c.id in shift.who]
                names = words.listed(present) or words("oncall.nobody")
                times = words.span(shift.start, shift.end, roster.zone)
                rows.append(f"<tr><td>{rung + 1}</td><td>{html.escape(times)}</td><td>{html.escape(names)}</td></tr>")
        heads = "".join(
            f"<th scope=col>{html.escape(words(k))}</th>" for k in ("oncall.rung", "oncall.when", "oncall.who")
        )
        return f"<table><thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table>"

    def _draw_changes(self, roster: Roster, entries: list[Entry], now: datetime) -> None:
        """What holds or is to come: first the file's, then what was entered here."""
        words = self._words
        entered = {entry.change for entry in entries}
        every: list[RosterChange] = [*roster.overrides, *roster.leave]
        of_file = [change for change in every if change not in entered]
        self._changes.clear()
        with self._changes:
            for change in of_file:
                if change.span(roster.zone)[1] > now:
                    self._draw_change(roster, change, words("oncall.from_file"), None)
            for entry in entries:
                if entry.change.span(roster.zone)[1] > now:
                    self._draw_change(
                        roster, entry.change, words("oncall.by", name=self._name(entry.added_by)), entry.id
                    )
            if not self._changes.default_slot.children:
                ui.label(words("oncall.no_changes")).classes("empty")

    def _draw_change(self, roster: Roster, change: RosterChange, source: str, entry: int | None) -> None:
        with ui.element("li"):
            ui.label(self._described(change)).classes("what")
            ui.label(self._words.span(*change.span(roster.zone), roster.zone)).classes("when")
            ui.label(source).classes("caption")
            if entry is not None and self._visit.may(Right.SCHEDULE):
                take_back = ui.button(self._words("oncall.take_back"), on_click=lambda: self._forms.take_back(entry))
                take_back.props("flat no-caps dense")

    def _described(self, change: RosterChange) -> str:
        words = self._words
        if isinstance(change, Leave):
            return words("oncall.is_away", name=self._name(change.who))
        where = change.rotation
        if change.add:
            return words("oncall.is_added", name=self._name(change.add), what=where)
        if change.remove:
            return words("oncall.is_removed", name=self._name(change.remove), what=where)
        replaced, by = self._name(change.replace), self._name(change.by)
        return words("oncall.is_replaced", name=by, text=replaced, what=where)

    def _name(self, id: str | None) -> str:  # noqa: A002
        known = self._rota.roster.counsellor(id or "")
        return known.name if known else (id or "")
