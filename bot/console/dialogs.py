"""The forms of a case: pass it on, bring somebody in, and end it with an outcome."""

from collections.abc import Awaitable, Callable

from nicegui import ui

from bot.console.visit import Visit
from bot.desk import Desk
from bot.desk.transfers import Target
from bot.store.dispositions import FIELDS, VERDICTS, missing

LONGEST = 2000


class Dialogs:
    """Opens the forms of one case. Each is made anew, and goes when it is closed."""

    def __init__(self, visit: Visit, desk: Desk, handoff_id: int) -> None:
        self._visit = visit
        self._words = visit.words
        self._desk = desk
        self._id = handoff_id
        self._me = visit.counsellor.id

    def transfer(self) -> None:
        """Hold the case out to a person or a team."""
        words = self._words
        targets = {
            t.id: words("target_name", name=t.name, what=self._kind(t)) for t in self._desk.transfers.targets(self._me)
        }
        with self._sheet(words("transfer")) as dialog:
            ui.label(words("transfer_hint")).classes("hint")
            to = ui.select(targets, label=words("to_whom"), value=next(iter(targets), None)).props("outlined")
            note = _area(words("transfer_note"))

            async def offer() -> None:
                await self._desk.transfers.offer(self._id, self._me, str(to.value or ""), _text(note))

            self._buttons(dialog, words("transfer"), offer)

    def invite(self) -> None:
        """Ask a colleague to come along."""
        words = self._words
        people = {c.id: c.name for c in self._desk.counsellors if c.id != self._me}
        with self._sheet(words("invite")) as dialog:
            ui.label(words("invite_hint")).classes("hint")
            whom = ui.select(people, label=words("to_whom"), value=next(iter(people), None)).props("outlined")

            async def invite() -> None:
                await self._desk.company.invite(self._id, self._me, str(whom.value or ""))

            self._buttons(dialog, words("invite"), invite)

    def release(self) -> None:
        """How it ended, and what the AI should know from now on."""
        words, get = self._words, self._words.texts.get
        outcomes = {name: get(f"outcome.{name}") for name in FIELDS}
        verdicts = {"": words("verdict_unsaid")} | {name: get(f"verdict.{name}") for name in VERDICTS}
        with self._sheet(words("release")) as dialog:
            outcome = ui.select(outcomes, value=next(iter(outcomes)), label=words("outcome")).props("outlined")
            form = ui.element("div").classes("fields")
            details: dict[str, ui.input] = {}

            def ask() -> None:
                form.clear()
                details.clear()
                with form:
                    for field in FIELDS[str(outcome.value)]:
                        star = " *" if field.required else ""
                        entry = ui.input(get(f"disposition.{field.name}") + star).props("outlined maxlength=300")
                        details[field.name] = entry

            outcome.on_value_change(ask)
            ask()
            note = _area(words("note")).classes("note-box")
            verdict = ui.select(verdicts, value="", label=words("verdict")).props("outlined")

            async def release() -> None:
                await self._desk.release(
                    self._id,
                    self._me,
                    _text(note),
                    str(outcome.value),
                    details={name: str(entry.value or "").strip() for name, entry in details.items()},
                    verdict=str(verdict.value) or None,
                )

            def complete() -> bool:
                """Whether every field that must be filled is; else it is marked, and the form stays."""
                filled = {name: str(entry.value or "") for name, entry in details.items()}
                lacking = missing(str(outcome.value), filled)
                for name, entry in details.items():
                    entry.error = words("field_needed") if name == lacking else None
                return lacking is None

            self._buttons(dialog, words("release"), release, complete)

    def _kind(self, target: Target) -> str:
        kind = self._words(f"target.{target.kind}")
        return f"{kind} · {self._words('on_duty')}" if target.on_call else kind

    def _sheet(self, title: str) -> "_Sheet":
        return _Sheet(self._visit, title)

    def _buttons(
        self,
        dialog: ui.dialog,
        label: str,
        work: Callable[[], Awaitable[None]],
        ready: Callable[[], bool] = lambda: True,
    ) -> None:
        act = self._visit.action(work)

        async def confirm() -> None:
            if ready() and await act():
                dialog.close()

        with ui.element("div").classes("actions"):
            ui.button(self._words("cancel"), on_click=dialog.close).props("flat no-caps")
            ui.button(label, on_click=confirm).props("unelevated no-caps").classes("confirm")


class _Sheet:
    """A dialog with a title, as a context. It belongs to the page, so what is drawn anew below does not close it."""

    def __init__(self, visit: Visit, title: str) -> None:
        self._layout = visit.client.layout
        with self._layout:
            self._dialog = ui.dialog().props(f'aria-label="{title}"')
        with self._dialog:
            self._card = ui.card().classes("sheet")
        with self._card:
            ui.label(title).classes("sheet-title").props('role="heading" aria-level="2"')
        self._dialog.on("hide", self._dialog.delete)

    def __enter__(self) -> ui.dialog:
        self._card.__enter__()
        return self._dialog

    def __exit__(self, *exc: object) -> None:
        self._card.__exit__(*exc)
        if exc == (None, None, None):
            self._dialog.open()


def _area(label: str) -> ui.textarea:
    return ui.textarea(label).props(f"outlined autogrow maxlength={LONGEST}")


def _text(area: ui.textarea) -> str:
    return str(area.value or "").strip()
