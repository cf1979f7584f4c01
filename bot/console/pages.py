"""The console's two pages: the queue, and one case beside the queue."""

from collections.abc import Callable
from typing import Annotated

from fastapi import Path, Request
from nicegui import ui

from adapters.console import ConsoleAdapter
from bot.console.auth import Accounts
from bot.console.case import CaseView
from bot.console.live import Live
from bot.console.queue import QueueView
from bot.console.visit import Visit
from bot.desk import Desk
from bot.store import HANDOFFS

SESSION_SECONDS = 30
"""How often an open page asks whether its session still lives."""

MOST = 2**63 - 1  # what the database can count to


def add_pages(desk: Desk, alerts: ConsoleAdapter, accounts: Accounts) -> None:
    """Register the pages with the console's framework."""

    @ui.page("/")
    async def queue_page(request: Request) -> None:
        visit = Visit(request, accounts)
        _header(visit)
        _listen(visit, alerts)
        with ui.element("main").classes("desk only-queue"):
            await _queue(visit, desk, current=None)

    @ui.page("/case/{handoff_id}")
    async def case_page(request: Request, handoff_id: Annotated[int, Path(ge=1, le=MOST)]) -> None:
        visit = Visit(request, accounts)
        _header(visit)
        _listen(visit, alerts)
        with ui.element("main").classes("desk"):
            await _queue(visit, desk, current=handoff_id)
            view = CaseView(visit, desk, handoff_id)
        Live(desk.store.wake, lambda rung: rung in (view.channel, HANDOFFS), view.draw)
        await view.draw()


async def _queue(visit: Visit, desk: Desk, current: int | None) -> None:
    view = QueueView(visit, desk, current)
    Live(desk.store.wake, lambda rung: rung == HANDOFFS, view.draw)
    await view.draw()


def _header(visit: Visit) -> None:
    """Title, and what concerns the browser: sound, notifications, theme, language, signing out."""
    words = visit.words
    visit.prepare_page()
    with ui.element("header").classes("bar"):
        ui.link(words("title"), "/").classes("home")
        ui.label(visit.counsellor.name).classes("me")
        _tool("notifications_active", words("sound_on"), "psyllm.toggleSound()").props("data-sound")
        _tool("desktop_windows", words("notifications"), "psyllm.allowNotifications()").props("data-notifications")
        _tool("dark_mode", words("theme"), "psyllm.toggleTheme()")
        code, name = words.other_language()
        _tool("translate", name, f"psyllm.speak('{code}')")
        _tool("logout", words("sign_out"), "psyllm.signOut()")


def _tool(icon: str, label: str, script: str) -> ui.button:
    button = ui.button(icon=icon).props(f'flat round dense aria-label="{label}" title="{label}"').classes("tool")
    button.on("click", js_handler=f"() => {script}")
    return button


def _listen(visit: Visit, alerts: ConsoleAdapter) -> None:
    """Take the counsellor's alerts while this page is connected."""
    stop: list[Callable[[], None]] = []

    def connect() -> None:
        disconnect()
        stop.append(alerts.connect(visit.counsellor.id, lambda reply: visit.alarm(reply.text)))

    def disconnect() -> None:
        while stop:
            stop.pop()()

    def dropped() -> None:
        if not visit.client.has_socket_connection:  # else the page came back before its old line was missed
            disconnect()

    visit.client.on_connect(connect)
    visit.client.on_disconnect(dropped)
    visit.client.on_delete(disconnect)
    ui.timer(SESSION_SECONDS, visit.still_signed_in)
