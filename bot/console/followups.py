"""The operators' page for follow-ups: messages to many, the programmes, and what was not sent and why."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import structlog
from nicegui import ui
from sqlalchemy import Row

from bot.console.board import table
from bot.console.followup_forms import BroadcastForms, cron_in_words, operator_action
from bot.console.followup_preview import show_preview
from bot.console.visit import Visit
from bot.followups import FollowUpParts
from bot.store import Store, broadcasts, followups
from bot.store.broadcasts import DRAFT, OVER, PAUSED, RUNNING, Broadcast
from config import Roster
from config.programmes import Programme

log = structlog.get_logger(__name__)
LATELY = timedelta(days=7)
RETIRED = "retired"
_OVER_SHOWN = 20  # messages that are over


class FollowUpsView:
    """Draws the page. Messages are drawn again as they change, the rest after what is done here.

    The roster has the operators' names and zone; the zone is also the first guess of a preview.
    """

    def __init__(self, visit: Visit, store: Store, parts: FollowUpParts, roster: Roster) -> None:
        self._visit = visit
        self._words = visit.words
        self._store = store
        self._programmes = parts.programmes
        self._broadcasts = parts.broadcasts
        self._roster = roster
        self._drawing = asyncio.Lock()
        self._drawn: object = None
        self._forms = BroadcastForms(visit, parts.broadcasts, parts.programmes, roster.zone, self.draw)
        words = self._words
        with ui.element("h1"):
            ui.label(words("page.followups"))
        self._tiles = ui.element("ul").classes("tiles")
        with ui.element("section"):
            with ui.element("div").classes("section-head"):
                self._title("followups.broadcasts")
                new = ui.button(words("followups.new"), icon="add", on_click=self._action(self._write))
                new.props("unelevated no-caps dense").classes("new")
            ui.label(words("followups.broadcasts_hint")).classes("hint")
            self._sends = ui.element("div").classes("sends")
        with ui.element("section"):
            self._title("followups.programmes")
            ui.label(words("followups.programmes_hint")).classes("hint")
            self._plans = ui.element("ul").classes("plans")
        with ui.element("section"):
            self._title("followups.not_sent")
            ui.label(words("followups.not_sent_hint")).classes("hint")
            self._unsent = ui.element("div").classes("unsent")

    def _title(self, key: str) -> None:
        with ui.element("h2"):
            ui.label(self._words(key))

    async def draw(self) -> None:
        """Show everything as it is now."""
        async with self._store.reading() as tx:
            counts = await followups.counts(tx, tx.now - LATELY)
            enrolled = await followups.enrolled(tx)
            holds = await followups.holds(tx)
        self._draw_tiles(counts)
        self._draw_programmes(enrolled, holds)
        self._draw_unsent([row for row in counts if row.state in (followups.SKIPPED, followups.MISSED)])
        await self.draw_broadcasts()

    # Messages to many

    async def draw_broadcasts(self) -> None:
        """Show the messages to many. What is the same stays."""
        async with self._drawing:
            found = await self._broadcasts.every()
            over = [b for b in found if b.state == OVER][:_OVER_SHOWN]
            shown = [b for b in found if b.state != OVER] + over
            async with self._store.reading() as tx:
                last = {b.id: next(iter(await broadcasts.firings(tx, b.id)), None) for b in shown}
            seen = (shown, [tuple(row) for row in last.values() if row is not None])
            if seen == self._drawn:
                return
            self._drawn = seen
            self._sends.clear()
            with self._sends:
                if not shown:
                    ui.label(self._words("followups.no_broadcasts")).classes("empty")
                self._list([b for b in shown if b.state != OVER], last)
                if over:
                    with ui.element("details").props("open" if len(over) == len(shown) else ""):
                        with ui.element("summary"):
                            ui.label(self._words("followups.older"))
                        self._list(over, last)

    def _list(self, found: Sequence[Broadcast], last: Mapping[int, Row[Any] | None]) -> None:
        if found:
            with ui.element("ul"):
                for one in found:
                    self._draw_broadcast(one, last[one.id])

    def _draw_broadcast(self, one: Broadcast, last: Row[Any] | None) -> None:
        words = self._words
        with ui.element("li").classes("held").props(f'data-broadcast="{one.id}"'):
            with ui.element("div").classes("row"):
                ui.label(one.title).classes("what")
                self._chip(one.state)
            ui.label(one.zh if words.language == "zh" else one.en).classes("text")
            for line in self._when(one, last):
                ui.label(line).classes("caption")
            with ui.element("div").classes("actions"):
                self._broadcast_buttons(one)

    def _when(self, one: Broadcast, last: Row[Any] | None) -> list[str]:
        """When it goes out, when it last did, and who answers for it."""
        words, lines = self._words, list[str]()
        how = cron_in_words(words, one.cron) if one.cron else words("followups.once")
        if one.next_at and one.state != OVER:
            upcoming = words("followups.next", when=words.moment(one.next_at, one.zone))
            lines.append(f"{how} · {upcoming} ({one.zone})")
        else:
            lines.append(how)
        if last is not None:
            key = "missed" if last.state == broadcasts.MISSED else "fired"
            when = words.moment(last.slot, one.zone)
            lines.append(words(f"followups.{key}", when=when, count=str(last.audience)))
        names = words("followups.made_by", name=self._named(one.created_by))
        if one.confirmed_by:
            names += " · " + words("followups.confirmed_by", name=self._named(one.confirmed_by))
        return [*lines, names]

    def _named(self, operator: str) -> str:
        """An operator's name; whoever used the command line has none."""
        known = self._roster.counsellor(operator)
        return known.name if known else operator

    def _broadcast_buttons(self, one: Broadcast) -> None:
        words, forms = self._words, self._forms
        if one.state == DRAFT:
            self._button("check", lambda: forms.check(one.id), "unelevated")
        if one.state == RUNNING:
            self._button("pause", lambda: self._set_state(one.id, PAUSED))
        if one.state == PAUSED:
            self._button("go", lambda: self._set_state(one.id, RUNNING))
        if one.state != OVER:

            async def ask() -> None:
                question = words("followups.end_ask", title=one.title)
                forms.ask(question, words("followups.end_yes"), lambda: self._set_state(one.id, OVER))

            self._button("end", ask)

    async def _write(self) -> None:
        self._forms.write()

    async def _set_state(self, id: int, state: str) -> None:  # noqa: A002
        await self._broadcasts.set_state(id, state)
        log.info("console.broadcast_set", broadcast=id, state=state, by=self._visit.counsellor.id)
        await self.draw_broadcasts()

    # Programmes

    def _draw_programmes(self, enrolled: Sequence[Row[Any]], holds: Mapping[str, str]) -> None:
        words, people = self._words, Counter[str]()
        for row in enrolled:
            if row.state in (followups.ACTIVE, followups.PAUSED):
                people[self._known(row.programme)] += row.number
        self._plans.clear()
        with self._plans:
            for programme in self._programmes.every:
                reviewer = programme.reviewed_by
                reviewed = words("followups.reviewed", name=reviewer) if reviewer else words("followups.unreviewed")
                with ui.element("li").classes("held").props(f'data-programme="{programme.id}"'):
                    with ui.element("div").classes("row"):
                        ui.label(programme.title.of(words.language)).classes("what")
                        self._chip(holds.get(programme.id, RUNNING))
                    ui.label(programme.about.of(words.language)).classes("text")
                    counted = words("followups.people", count=str(people[programme.id]))
                    ui.label(f"{counted} · {reviewed}").classes("caption")
                    with ui.element("div").classes("actions"):
                        self._programme_buttons(programme, holds.get(programme.id))

    def _programme_buttons(self, programme: Programme, hold: str | None) -> None:
        words, title = self._words, programme.title.of(self._words.language)

        async def preview() -> None:
            show_preview(self._visit, programme, self._roster.zone)

        async def hold_as(state: str, key: str) -> None:
            question, label = words(f"followups.{key}_ask", title=title), words(f"followups.{key}")
            self._forms.ask(question, label, lambda: self._hold(programme, state))

        async def resume() -> None:
            await self._hold(programme, None)
            await self.draw()

        self._button("preview", preview, "outline")
        if hold:
            self._button("go", resume)
        else:
            self._button("pause", lambda: hold_as(PAUSED, "pause"))
            self._button("retire", lambda: hold_as(RETIRED, "retire"))

    async def _hold(self, programme: Programme, state: str | None) -> None:
        async with self._store.transaction() as tx:
            await followups.set_hold(tx, programme.id, state, self._visit.counsellor.id)
        log.info("console.programme_held", programme=programme.id, state=state, by=self._visit.counsellor.id)

    def _known(self, programme: str) -> str:
        """The present id of a programme, renamed or not."""
        found = self._programmes.get(programme)
        return found.id if found else programme

    # What became of it

    def _draw_tiles(self, counts: Sequence[Row[Any]]) -> None:
        words, by_state = self._words, Counter[str]()
        for row in counts:
            by_state[row.state] += row.number
        waiting = by_state[followups.DUE] + by_state[followups.QUEUED]
        self._tiles.clear()
        with self._tiles:
            for key, value in (
                ("waiting", waiting),
                ("sent", by_state[followups.SENT]),
                ("skipped", by_state[followups.SKIPPED]),
                ("missed_count", by_state[followups.MISSED]),
            ):
                with ui.element("li").classes("tile"):
                    ui.label(str(value)).classes("value")
                    ui.label(words(f"followups.{key}")).classes("name")

    def _draw_unsent(self, counts: Sequence[Row[Any]]) -> None:
        words = self._words
        self._unsent.clear()
        with self._unsent:
            if not counts:
                ui.label(words("followups.all_sent")).classes("empty")
                return
            heads = (
                words("followups.programme"),
                words("platform"),
                words("followups.reason"),
                words("followups.count"),
            )
            rows = [
                (
                    self._titled(row.programme),
                    words.texts.get(f"platform.{row.platform}"),
                    self._why(row),
                    str(row.number),
                )
                for row in sorted(counts, key=lambda row: -row.number)
            ]
            ui.html(table(heads, rows), sanitize=False).classes("scroll").props('tabindex="0"')

    def _titled(self, name: str) -> str:
        found = self._programmes.get(name)
        return found.title.of(self._words.language) if found else name

    def _why(self, row: Row[Any]) -> str:
        key = f"console.followups.why.{row.reason}"
        texts = self._words.texts
        return texts.get(key) if key in texts.keys() else str(row.reason)  # noqa: SIM118

    # Parts

    def _chip(self, state: str) -> None:
        ui.label(self._words(f"followups.state_{state}")).classes(f"state-chip is-{state}")

    def _button(self, key: str, work: Callable[[], Awaitable[object]], look: str = "flat") -> None:
        button = ui.button(self._words(f"followups.{key}"), on_click=self._action(work))
        button.props(f"{look} no-caps dense").classes(f"do-{key}")

    def _action(self, work: Callable[[], Awaitable[object]]) -> Callable[[], Awaitable[bool]]:
        return operator_action(self._visit, work)
