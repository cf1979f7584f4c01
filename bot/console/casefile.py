"""Beside the conversation: the takeover packet, private notes and whispers, the safety plan, the record."""

import html
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from nicegui import ui

from bot.console.visit import Visit
from bot.desk import Case, Desk
from bot.packet_text import Section, sections
from bot.store import companions, handoffs
from bot.store.notes import Note
from bot.store.plans import PLAN_FIELDS, Plan


class CaseFile:
    """Three sheets. What is being written in them stays when something new is drawn."""

    def __init__(self, visit: Visit, desk: Desk, handoff_id: int) -> None:
        self._visit = visit
        self._words = visit.words
        self._desk = desk
        self._id = handoff_id
        self._me = visit.counsellor.id
        self._plan: Plan | None = None
        self._seen: dict[str, object] = {}
        words = self._words
        with ui.tabs().props("dense no-caps inline-label align=justify narrow-indicator").classes("sheets") as tabs:
            about = ui.tab("about", words("file.about"))
            notes = ui.tab("notes", words("file.notes"))
            notes.props('data-key="n" data-then=".note_entry textarea"')
            plan = ui.tab("plan", words("file.plan"))
        with ui.tab_panels(tabs, value=about, animated=False).classes("panels"):
            with ui.tab_panel(about):
                self._packet = ui.element("div").classes("packet")
            with ui.tab_panel(notes):
                self._notes_panel()
            with ui.tab_panel(plan):
                self._plan_box = ui.element("div").classes("plan")
        self._tabs = tabs

    def _notes_panel(self) -> None:
        words = self._words
        self._whispers = ui.element("div").classes("whispers").props('aria-live="polite"')
        self._whisper_box = self._entry("whisper", self._whisper)
        self._notes = ui.element("div").classes("notes")
        self._note_box = self._entry("note_entry", self._note)
        with ui.element("details").classes("record"):
            with ui.element("summary"):
                ui.label(words("record"))
            self._record = ui.element("ol")

    def _entry(self, key: str, work: Callable[[str], Awaitable[object]]) -> ui.element:
        """A box to write in, with its button."""
        words = self._words
        with ui.element("div").classes(f"entry {key}") as box:
            text = ui.textarea(placeholder=words(key)).props(f'outlined autogrow dense aria-label="{words(key)}"')

            async def keep() -> None:
                if written := str(text.value or "").strip():
                    await work(written)
                    text.value = ""

            text.on("keydown.ctrl.enter", self._visit.action(keep))
            text.on("keydown.meta.enter", self._visit.action(keep))
            ui.button(words(f"{key}_keep"), on_click=self._visit.action(keep)).props("outline no-caps dense")
        return box

    async def _note(self, text: str) -> None:
        await self._desk.records.note(self._id, self._me, text)

    async def _whisper(self, text: str) -> None:
        await self._desk.company.whisper(self._id, self._me, text)

    def draw(self, case: Case) -> None:
        """Show what changed."""
        others = tuple(name for name in case.packet.looking if name != self._me)
        packet = replace(case.packet, looking=others, notes=(), plan=None)  # notes and plan have sheets of their own
        known = sections(packet, self._words.texts, datetime.now(UTC), self._desk.name)
        self._if_new("packet", known, lambda: self._draw_packet(known))
        self._if_new("notes", case.notes, lambda: self._draw_notes(self._notes, case.notes, "no_notes"))
        self._if_new("whispers", case.whispers, lambda: self._draw_whispers(case.whispers))
        self._if_new("record", case.events, lambda: self._draw_record(case))
        writes = case.may_write(self._me)
        self._if_new("plan", (case.plan, writes), lambda: self._draw_plan(case.plan, writes))
        company = any(c.role != companions.INVITED for c in case.company)
        part = self._has_part(case)
        self._whisper_box.set_visibility(part and company)
        self._note_box.set_visibility(part)

    def _has_part(self, case: Case) -> bool:
        here = {c.counsellor for c in case.company if c.role != companions.INVITED}
        return case.handoff.state != handoffs.CLOSED and self._me in {case.handoff.counsellor, *here}

    def _if_new(self, name: str, value: object, draw: Callable[[], None]) -> None:
        if name not in self._seen or self._seen[name] != value:
            self._seen[name] = value
            draw()

    def _draw_packet(self, known: Sequence[Section]) -> None:
        self._packet.clear()
        with self._packet:
            for section in known:
                with ui.element("section"):
                    with ui.element("h3"):
                        ui.label(section.title)
                    for line in section.lines:
                        ui.label(line).classes("fact")

    def _draw_notes(self, box: ui.element, notes: tuple[Note, ...], empty: str) -> None:
        box.clear()
        with box:
            if not notes and empty:
                ui.label(self._words(empty)).classes("empty")
            for note in notes:
                with ui.element("article").classes(f"kept of-{note.kind}"):
                    author = html.escape(self._desk.name(note.author))
                    ui.html(f"{author} · {self._words.clock(note.at)}", sanitize=False).classes("meta")
                    ui.label(note.text).classes("text")

    def _draw_whispers(self, whispers: tuple[Note, ...]) -> None:
        self._draw_notes(self._whispers, whispers, "")
        if whispers and whispers[-1].author != self._me:
            self._visit.client.run_javascript("psyllm.newWhisper()")

    def _draw_record(self, case: Case) -> None:
        self._record.clear()
        with self._record:
            for event in case.events:
                who = html.escape(self._words.actor(event.actor, self._desk.name(event.actor)))
                what = html.escape(self._words.event(event.event))
                with ui.element("li"):
                    ui.html(f"{self._words.clock(event.at)} {who}: {what}", sanitize=False)

    def _draw_plan(self, plan: Plan | None, writes: bool) -> None:
        words, get = self._words, self._words.texts.get
        self._plan = plan
        self._plan_box.clear()
        with self._plan_box:
            ui.label(words("plan_hint")).classes("hint")
            if plan is None:
                ui.label(words("no_plan")).classes("empty")
            else:
                by = html.escape(self._desk.name(plan.author))
                ui.html(f"{by} · {words.clock(plan.at)}", sanitize=False).classes("meta")
                for name in PLAN_FIELDS:
                    with ui.element("section"):
                        with ui.element("h3"):
                            ui.label(get(f"plan.field.{name}"))
                        ui.label(plan.fields.get(name) or "–").classes("fact")
            if writes:
                with ui.element("div").classes("actions"):
                    ui.button(words("plan_write"), on_click=self._write_plan).props("outline no-caps dense")
                    if plan is not None:
                        show = self._visit.action(lambda: self._desk.records.show_plan(self._id, self._me))
                        ui.button(words("plan_send"), on_click=show).props("unelevated no-caps dense")

    def _write_plan(self) -> None:
        """The six fields, filled with what stands there now; a save is a new version."""
        words, get = self._words, self._words.texts.get
        with self._visit.client.layout, ui.dialog().props("persistent") as dialog, ui.card().classes("sheet wide"):
            ui.label(words("file.plan")).classes("sheet-title").props('role="heading" aria-level="2"')
            written = self._plan.fields if self._plan else {}
            boxes = {name: ui.textarea(get(f"plan.field.{name}"), value=written.get(name, "")) for name in PLAN_FIELDS}
            for box in boxes.values():
                box.props("outlined autogrow maxlength=2000")

            async def save() -> None:
                fields = {name: str(box.value or "") for name, box in boxes.items()}
                await self._desk.records.write_plan(self._id, self._me, fields)

            act = self._visit.action(save)

            async def confirm() -> None:
                if await act():
                    dialog.close()

            with ui.element("div").classes("actions"):
                ui.button(words("cancel"), on_click=dialog.close).props("flat no-caps")
                ui.button(words("save"), on_click=confirm).props("unelevated no-caps").classes("confirm")
        dialog.on("hide", dialog.delete)
        dialog.open()
