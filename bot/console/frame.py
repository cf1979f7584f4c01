"""What stands around every page: title, ways to the other pages, tools of the browser, keyboard help."""

from collections.abc import Callable

from fastapi.responses import HTMLResponse
from nicegui import ui

from adapters.console import ConsoleAdapter
from bot.console.gate import PATH
from bot.console.rights import Right
from bot.console.visit import Visit

SESSION_SECONDS = 30
"""How often an open page asks whether its session still lives."""

_PAGES = (
    ("desk", "/", "forum", "1", Right.ANSWER),
    ("oncall", "/oncall", "calendar_month", "2", Right.ANSWER),
    ("board", "/board", "bar_chart", "3", Right.NUMBERS),
    ("followups", "/follow-ups", "schedule_send", "4", Right.FOLLOWUPS),
)

_KEYS = (
    ("c", "take"),
    ("j", "next"),
    ("k", "previous"),
    ("r", "reply"),
    ("Ctrl + Enter", "send"),
    ("/", "canned"),
    ("d", "draft"),
    ("n", "note"),
    ("f", "file"),
    ("t", "transfer"),
    ("i", "invite"),
    ("h", "hand_back"),
    ("1 2 3 4", "pages"),
    ("Esc", "close"),
    ("?", "help"),
)


def frame(visit: Visit, current: str, alerts: ConsoleAdapter) -> None:
    """The bar of a page. `current` is its name, empty if it is none of those in the bar."""
    words = visit.words
    visit.prepare_page()
    _listen(visit, alerts)
    with ui.element("header").classes("bar"):
        with ui.element("nav").classes("pages").props(f'aria-label="{words("pages")}"'):
            for name, path, icon, key, right in _PAGES:
                if visit.may(right):
                    _page_link(words(f"page.{name}"), path, icon, key, name == current)
        with ui.element("div").classes("tools"):
            _tool("notifications_active", words("sound_on"), "psyllm.toggleSound()").props("data-sound")
            _tool("desktop_windows", words("notifications"), "psyllm.allowNotifications()").props("data-notifications")
            _help(visit)
            _own_menu(visit)


def _page_link(name: str, path: str, icon: str, key: str, current: bool) -> None:
    with ui.link(target=path).classes("page-link").props(f'data-key="{key}" aria-label="{name}"') as link:
        ui.icon(icon).props('aria-hidden="true"')
        ui.label(name).classes("name")
    if current:
        link.props('aria-current="page"')


def _tool(icon: str, label: str, script: str) -> ui.button:
    button = ui.button(icon=icon).props(f'flat round dense aria-label="{label}" title="{label}"').classes("tool")
    button.on("click", js_handler=f"() => {script}")
    return button


def _own_menu(visit: Visit) -> None:
    """What concerns the one who sits here: account, theme, language, signing out."""
    words = visit.words
    code, other = words.other_language()
    with ui.button(visit.counsellor.name, icon="account_circle").props('flat no-caps aria-haspopup="menu"') as button:
        button.classes("me").props["aria-label"] = visit.counsellor.name
        with ui.menu():
            ui.menu_item(words("page.account"), lambda: visit.client.open("/account"))
            for label, script in (
                (words("theme"), "psyllm.toggleTheme()"),
                (other, f"psyllm.speak('{code}')"),
                (words("sign_out"), "psyllm.signOut()"),
            ):
                ui.menu_item(label).on("click", js_handler=f"() => {script}")


def _help(visit: Visit) -> None:
    words = visit.words
    with ui.dialog() as sheet, ui.card().classes("sheet help").props(f'aria-label="{words("shortcuts")}"'):
        ui.label(words("shortcuts")).classes("sheet-title").props('role="heading" aria-level="2"')
        with ui.element("dl").classes("keys"):
            for key, name in _KEYS:
                ui.html(f"<dt><kbd>{key}</kbd></dt>", sanitize=False)
                with ui.element("dd"):
                    ui.label(words(f"key.{name}"))
        switch = ui.button(words("key.switch")).props("outline no-caps data-shortcuts")
        switch.on("click", js_handler="() => psyllm.toggleShortcuts()")
        ui.button(words("close"), on_click=sheet.close).props("flat no-caps").classes("closing")
    button = ui.button(icon="keyboard", on_click=sheet.open).classes("tool keyboard")
    label = words("shortcuts")
    button.props(f'flat round dense aria-label="{label}" title="{label} (?)" data-key="?" aria-haspopup="dialog"')


def no_entry(visit: Visit) -> HTMLResponse:
    """The page for somebody whose role does not include it."""
    words = visit.words
    return HTMLResponse(
        f'<!doctype html><html lang="{words.language}"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{words("title")}</title><link rel="stylesheet" href="{PATH}/static/login.css">'
        f'<body><main><h1>{words("not_yours")}</h1><p><a href="{PATH}/">{words("page.desk")}</a></p></main>',
        403,
    )


def _listen(visit: Visit, alerts: ConsoleAdapter) -> None:
    """Take the counsellor's alerts while this page is connected."""
    stop: list[Callable[[], None]] = []

    def connect() -> None:
        disconnect()
        stop.append(alerts.connect(visit.counsellor.id, visit.alarm))

    def disconnect() -> None:
        while stop:
            stop.pop()()

    def dropped() -> None:
        if not visit.client.has_socket_connection:  # else the page came back before its old line was missed
            disconnect()

    visit.client.on_connect(connect)
    visit.client.on_disconnect(dropped)
    visit.client.on_delete(disconnect)
    ui.timer(SESSION_SECONDS, visit.allowed)
