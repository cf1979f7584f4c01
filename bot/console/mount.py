"""Puts the console on the process's web application."""

import asyncio
import contextlib
import importlib
from collections.abc import AsyncIterator

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from bot.console.calendar import calendar_routes
from bot.console.gate import PATH, Gate, login_routes
from bot.console.parts import Parts


def mount_console(server: FastAPI, parts: Parts, public_url: str) -> None:
    """Serve the console under /console. Once in a process: its framework keeps one application."""
    console = _Console(parts)
    server.include_router(login_routes(parts.accounts, public_url))
    server.include_router(calendar_routes(parts.rota, parts.accounts))
    server.mount(PATH, Gate(console, parts.accounts, public_url))
    outer = server.router.lifespan_context

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[object]:
        async with outer(app) as state, console:
            yield state

    server.router.lifespan_context = lifespan  # type: ignore[assignment]  # Starlette's type wants a plain mapping


class _Console(contextlib.AsyncExitStack):
    """The console as an ASGI application. NiceGUI is loaded when the first counsellor comes in.

    It costs a second and 25 MB, which a process that nobody opens the console of should not pay.
    """

    def __init__(self, parts: Parts) -> None:
        super().__init__()
        self._parts = parts
        self._app: ASGIApp | None = None
        self._loading = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._loading:
            app = self._app = self._app or await self._load()
        await app(scope, receive, send)

    async def _load(self) -> ASGIApp:
        await asyncio.to_thread(importlib.import_module, "nicegui")
        from nicegui import core, ui

        from bot.console.pages import add_pages

        add_pages(self._parts)
        holder = FastAPI()  # keeps the framework's start and stop; requests go to `core.app` itself
        ui.run_with(
            holder,
            mount_path=PATH,
            title="Psy-LLM",
            favicon="🌿",
            dark=None,
            tailwind=False,
            binding_refresh_interval=None,
            reconnect_timeout=10.0,  # also sets how soon a dead line is noticed: until then alerts go nowhere
            show_welcome_message=False,
        )
        await self.enter_async_context(holder.router.lifespan_context(holder))
        return core.app
