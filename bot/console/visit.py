"""One counsellor's open page: who it is, in which language, and what the server may ask of the browser."""

import json

from fastapi import Request
from nicegui import ui

from bot.console.auth import Accounts
from bot.console.gate import COOKIE, PATH
from bot.console.words import THEME_COOKIE, Words, language_of
from config import Counsellor


class Visit:
    """Made at the start of each page, inside its client."""

    def __init__(self, request: Request, accounts: Accounts) -> None:
        self.counsellor: Counsellor = request.state.counsellor
        self.words = Words(language_of(self.counsellor, request.cookies))
        self.client = ui.context.client
        self._theme = request.cookies.get(THEME_COOKIE)
        self._token = request.cookies.get(COOKIE)
        self._accounts = accounts

    def prepare_page(self) -> None:
        """Title, styles and scripts of the page."""
        words = self.words
        ui.page_title(words("title"))
        ui.colors(primary="#2f6f62", negative="#a8321f", warning="#8a5a00")
        ui.dark_mode({"dark": True, "light": False}.get(self._theme or ""))
        settings = {
            "language": "zh-CN" if words.language == "zh" else "en",
            "soundOn": words("sound_on"),
            "soundOff": words("sound_off"),
            "connectionLost": words("connection_lost"),
        }
        ui.add_head_html(
            f'<link rel="stylesheet" href="{PATH}/static/console.css">'
            f"<script>window.psyllmSettings = {json.dumps(settings)};</script>"
            f'<script src="{PATH}/static/console.js"></script>'
        )

    async def still_signed_in(self) -> bool:
        """Whether the session lives; if not, the page goes to the login."""
        if await self._accounts.who(self._token):
            return True
        self.client.open("/login")
        return False

    def alarm(self, text: str) -> None:
        """Sound, notification and a line on the page. Only the alert's first line: it quotes nobody."""
        title = text.partition("\n")[0]
        self.client.run_javascript(f"psyllm.alarm({json.dumps(title)})")
        with self.client:
            ui.notify(title, color="negative", position="top", timeout=10_000, close_button="✕")

    def tell(self, text: str) -> None:
        """A short word to the counsellor."""
        with self.client:
            ui.notify(text, color="dark", position="top", timeout=6_000)
