"""Puts the console on the process's web application."""

from fastapi import FastAPI

from adapters.console import ConsoleAdapter
from bot.console.auth import Accounts
from bot.console.gate import PATH, Gate, login_routes
from bot.desk import Desk


def mount_console(server: FastAPI, desk: Desk, alerts: ConsoleAdapter, accounts: Accounts, public_url: str) -> None:
    """Serve the console under /console. Once in a process: its framework keeps one application.

    NiceGUI is imported here, so that a process without the console does not pay for it.
    """
    from nicegui import core, ui

    from bot.console.pages import add_pages

    server.include_router(login_routes(accounts, public_url))
    add_pages(desk, alerts, accounts)
    ui.run_with(
        server,
        mount_path=PATH,
        title="Psy-LLM",
        favicon="🌿",
        dark=None,
        tailwind=False,
        binding_refresh_interval=None,
        reconnect_timeout=30.0,
        show_welcome_message=False,
    )
    core.app.add_middleware(Gate, accounts=accounts, public_url=public_url)  # the last one added stands before all
