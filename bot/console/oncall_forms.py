"""The forms that change who is on call. What is entered is checked by the code that checks roster.toml."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from nicegui import ui
from pydantic import ValidationError

from bot.console.rights import Right
from bot.console.visit import Visit
from bot.rota import GapError, Rota
from config import ConfigError, Leave, Override, RosterChange
from config.roster import fault


class Forms:
    """Leave, cover and swap; and taking a change back."""

    def __init__(self, visit: Visit, rota: Rota) -> None:
        self._visit = visit
        self._words = visit.words
        self._rota = rota
        self._me = visit.counsellor.id

    def leave(self) -> None:
        """Somebody is away."""
        words = self._words

        def build() -> Callable[[], list[RosterChange]]:
            who = self._person(words("oncall.who"))
            start, end = self._span()
            return lambda: [Leave(who=str(who.value), start=_moment(start), end=_moment(end))]

        self._form(words("oncall.leave"), words("oncall.leave_hint"), build)

    def cover(self) -> None:
        """One stands in for another, comes in addition, or is taken out."""
        words = self._words
        kinds = {kind: words(f"oncall.kind.{kind}") for kind in ("replace", "add", "remove")}

        def build() -> Callable[[], list[RosterChange]]:
            rotation = self._rotation()
            kind = ui.select(kinds, value="replace", label=words("oncall.change")).props("outlined")
            who, by = self._person(words("oncall.who")), self._person(words("oncall.by_whom"), 1)
            by.bind_visibility_from(kind, "value", lambda value: value == "replace")
            start, end = self._span()

            def made() -> list[RosterChange]:
                names = {str(kind.value): str(who.value)} | ({"by": str(by.value)} if kind.value == "replace" else {})
                return [Override(rotation=str(rotation.value), start=_moment(start), end=_moment(end), **names)]

            return made

        self._form(words("oncall.cover"), words("oncall.cover_hint"), build)

    def swap(self) -> None:
        """Two exchange one shift each: two covers that are entered together or not at all."""
        words = self._words

        def build() -> Callable[[], list[RosterChange]]:
            rotation = self._rotation()
            one = self._person(words("oncall.first"))
            one_span = self._span()
            two = self._person(words("oncall.second"), 1)
            two_span = self._span()

            def cover(away: ui.select, by: ui.select, span: tuple[ui.input, ui.input]) -> RosterChange:
                names = {"replace": str(away.value), "by": str(by.value)}
                return Override(rotation=str(rotation.value), start=_moment(span[0]), end=_moment(span[1]), **names)

            return lambda: [cover(one, two, one_span), cover(two, one, two_span)]

        self._form(words("oncall.swap"), words("oncall.swap_hint"), build)

    async def take_back(self, entry: int) -> None:
        """Remove a change; asked again if that leaves a gap."""

        async def remove(accept_gaps: bool) -> None:
            await self._rota.remove(entry, self._me, accept_gaps)

        await self._carry_out(remove, lambda: None, self._visit.tell)

    def _form(self, title: str, hint: str, build: Callable[[], Callable[[], Sequence[RosterChange]]]) -> None:
        words = self._words
        with self._visit.client.layout, ui.dialog() as dialog, ui.card().classes("sheet wide"):
            ui.label(title).classes("sheet-title").props('role="heading" aria-level="2"')
            ui.label(hint).classes("hint")
            made = build()
            problem = ui.label().classes("problem").props('role="alert"')

            async def enter(accept_gaps: bool) -> None:
                await self._rota.add(made(), self._me, accept_gaps)

            with ui.element("div").classes("actions"):
                ui.button(words("cancel"), on_click=dialog.close).props("flat no-caps")
                save = ui.button(words("save"), on_click=lambda: self._carry_out(enter, dialog.close, problem.set_text))
                save.props("unelevated no-caps").classes("confirm")
        dialog.on("hide", dialog.delete)
        dialog.open()

    async def _carry_out(
        self, work: Callable[[bool], Awaitable[None]], done: Callable[[], object], say: Callable[[str], object]
    ) -> None:
        """Do it; a gap it would leave is named and asked about, anything wrong is said."""
        words = self._words

        async def attempt(accept_gaps: bool = False) -> None:
            try:
                await work(accept_gaps)
            except GapError as gap:
                self._ask_about(gap, lambda: attempt(True))
            except _IncompleteError:
                say(words("oncall.incomplete"))
            except ValidationError as error:
                say(words("oncall.wrong", text=fault(error)))
            except ConfigError as error:
                say(words("oncall.wrong", text=str(error)))
            else:
                done()

        await self._visit.action(attempt, Right.SCHEDULE)()

    def _ask_about(self, gap: GapError, yes: Callable[[], Awaitable[None]]) -> None:
        words = self._words
        with self._visit.client.layout, ui.dialog() as dialog, ui.card().classes("sheet alarm"):
            ui.label(words("oncall.makes_gap")).classes("sheet-title").props('role="heading" aria-level="2"')
            ui.label(words("oncall.gap", count=str(len(gap.spans))))
            for start, end in gap.spans[:3]:
                ui.label(words.span(start, end, self._rota.roster.zone))

            async def confirmed() -> None:
                dialog.close()
                await yes()

            with ui.element("div").classes("actions"):
                ui.button(words("cancel"), on_click=dialog.close).props("flat no-caps autofocus")
                confirm = ui.button(words("oncall.leave_gap"), on_click=self._visit.action(confirmed, Right.SCHEDULE))
                confirm.props("outline no-caps color=negative").classes("confirm-gap")
        dialog.on("hide", dialog.delete)
        dialog.open()

    def _person(self, label: str, number: int = 0) -> ui.select:
        people = {c.id: c.name for c in self._rota.roster.counsellors}
        return ui.select(people, value=list(people)[min(number, len(people) - 1)], label=label).props("outlined")

    def _rotation(self) -> ui.select:
        rotations = [r.id for r in self._rota.roster.rotations]
        return ui.select(rotations, value=rotations[0], label=self._words("oncall.rotation")).props("outlined")

    def _span(self) -> tuple[ui.input, ui.input]:
        with ui.element("div").classes("span"):
            start, end = (
                ui.input(self._words(key)).props("outlined type=datetime-local stack-label")
                for key in ("oncall.start", "oncall.end")
            )
        return start, end


class _IncompleteError(Exception):
    """A time is missing."""


def _moment(entry: ui.input) -> datetime:
    """What a field of a time holds: local, in the roster's zone."""
    try:
        return datetime.fromisoformat(str(entry.value or ""))
    except ValueError:
        raise _IncompleteError from None
