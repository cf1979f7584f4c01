"""One counsellor's open page: who it is, in which language, and what the server may ask of the browser."""

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from fastapi import Request
from nicegui import ui

from adapters import Reply
from bot.console.auth import Accounts
from bot.console.gate import COOKIE, PATH
from bot.console.rights import Right, may
from bot.console.words import THEME_COOKIE, Words, language_of
from bot.desk import DeskError
from config import Counsellor


class Visit:
    """Made at the start of each page, inside its client."""

    def __init__(self, request: Request, accounts: Accounts) -> None:
        self.counsellor: Counsellor = request.state.counsellor
        self.words = Words(language_of(self.counsellor, request.cookies))
        self.client = ui.context.client
        self.accounts = accounts
        self._theme = request.cookies.get(THEME_COOKIE)
        self._token = request.cookies.get(COOKIE)

    def prepare_page(self) -> None:
        """Title, styles and scripts of the page."""
        words = self.words
        ui.page_title(words("title"))
        ui.colors(primary="#2f6f62", negative="#a8321f", warning="#8a5a00")
        ui.dark_mode({"dark": True, "light": False}.get(self._theme or ""))
        settings = {
            "language": "zh-CN" if words.language == "zh" else "en",
            "now": datetime.now(UTC).isoformat(),
            "title": words("title"),
            "soundOn": words("sound_on"),
            "soundOff": words("sound_off"),
            "connectionLost": words("connection_lost"),
        }
        ui.add_head_html(
            f'<link rel="stylesheet" href="{PATH}/static/console.css">'
            f'<link rel="stylesheet" href="{PATH}/static/case.css">'
            f'<link rel="stylesheet" href="{PATH}/static/pages.css">'
            f"<script>window.psyllmSettings = {json.dumps(settings)};</script>"
            f'<script src="{PATH}/static/console.js"></script>'
            f'<script src="{PATH}/static/keys.js"></script>'
        )

    def may(self, right: Right) -> bool:
        """Whether this counsellor's role allows it."""
        return may(self.counsellor, right)

    async def allowed(self, right: Right = Right.ANSWER) -> bool:
        """Whether the session lives and the role allows it; if the session ended, the page goes to the login."""
        found = await self.accounts.who(self._token)
        if found is None:
            self.client.open("/login")
            return False
        return found.id == self.counsellor.id and may(found, right)

    def action(
        self, work: Callable[[], Awaitable[object]], right: Right = Right.ANSWER
    ) -> Callable[[], Awaitable[bool]]:
        """`work` as what a button or key does: session and role are checked first, and a refusal is said.

        Every action of the console is one of these. It gives True if the work was done.
        """

        async def act() -> bool:
            if not await self.allowed(right):
                return False
            try:
                await work()
            except DeskError as error:
                self.refuse(error)
                return False
            return True

        return act

    def alarm(self, reply: Reply) -> None:
        """Sound, notification and a line on the page: of a call its level, never a word of the person's."""
        title = self.words.called(reply.page.level) if reply.page else self.words("news")
        self.client.run_javascript(f"psyllm.alarm({json.dumps(title)})")
        with self.client:
            ui.notify(title, color="negative", position="top", timeout=10_000, close_button="✕")

    def tell(self, text: str) -> None:
        """A short word to the counsellor."""
        with self.client:
            ui.notify(text, color="dark", position="top", timeout=6_000)

    def refuse(self, error: DeskError) -> None:
        """Say why the desk would not do something."""
        self.tell(self.words.texts.get(f"desk.{error.key}", **error.fields))
