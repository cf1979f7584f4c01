"""One's own account: role, and the second factor set up or turned off."""

import html

from nicegui import ui

from bot.console.rights import Right
from bot.console.visit import Visit


class AccountView:
    """Draws the page. The secret of a set-up that was not finished goes with it."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        self._words = visit.words
        self._factor = visit.accounts.second_factor
        self._me = visit.counsellor.id
        words = self._words
        with ui.element("h1"):
            ui.label(words("page.account"))
        with ui.element("section"):
            ui.label(visit.counsellor.name).classes("name")
            ui.label(words(f"role.{visit.counsellor.role}")).classes("caption")
            with ui.element("ul").classes("rights"):
                for right in Right:
                    if visit.may(right):
                        with ui.element("li"):
                            ui.label(words(f"right.{right.value}"))
        with ui.element("section"):
            with ui.element("h2"):
                ui.label(words("factor"))
            ui.label(words("factor_hint")).classes("hint")
            self._box = ui.element("div").classes("factor")

    async def draw(self) -> None:
        """Show whether the second factor is on, and what can be done."""
        on = await self._factor.is_on(self._me)
        words, action = self._words, self._visit.action
        self._box.clear()
        with self._box:
            ui.label(words("factor_on" if on else "factor_off")).classes("state")
            if on:
                code = _code_box(words("code"))

                async def turn_off() -> None:
                    if await self._factor.turn_off(self._me, str(code.value or "")):
                        await self.draw()
                    else:
                        code.error = words("code_wrong")

                ui.button(words("factor_turn_off"), on_click=action(turn_off)).props("outline no-caps")
            else:
                ui.button(words("factor_begin"), on_click=action(self._begin)).props("unelevated no-caps")

    async def _begin(self) -> None:
        """Show the picture; nothing is kept before the first right code."""
        words, setup = self._words, self._factor.begin()
        self._box.clear()
        with self._box:
            ui.label(words("factor_scan"))
            picture = html.escape(setup.picture(self._me))
            ui.html(f'<img class="qr" src="{picture}" alt="{html.escape(words("factor_picture"))}">', sanitize=False)
            ui.label(words("factor_type")).classes("hint")
            ui.label(setup.spelled).classes("secret")
            code = _code_box(words("code"))

            async def confirm() -> None:
                codes = await self._factor.confirm(self._me, setup, str(code.value or ""))
                if codes is None:
                    code.error = words("code_wrong")
                else:
                    self._show_recovery(codes)

            with ui.element("div").classes("row"):
                ui.button(words("cancel"), on_click=self.draw).props("flat no-caps")
                turn_on = ui.button(words("factor_turn_on"), on_click=self._visit.action(confirm))
                turn_on.props("unelevated no-caps").classes("confirm")

    def _show_recovery(self, codes: list[str]) -> None:
        words = self._words
        self._box.clear()
        with self._box:
            ui.label(words("factor_on")).classes("state")
            ui.label(words("recovery_hint"))
            with ui.element("ul").classes("recovery"):
                for code in codes:
                    with ui.element("li"):
                        ui.label(code)
            ui.button(words("recovery_kept"), on_click=self.draw).props("unelevated no-caps")


def _code_box(label: str) -> ui.input:
    return ui.input(label).props('outlined autocomplete="one-time-code" maxlength=40').classes("code-box")
