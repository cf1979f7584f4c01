"""`psyllm run`: one process with its HTTP server, until it is told to stop."""

import asyncio
import contextlib
import gc
import socket
import sys
from pathlib import Path

import uvicorn
from rich.console import Console

from bot.app import ROLES, App, build, prepare
from bot.cli.logs import set_up_logs
from bot.console import Accounts
from bot.server import make_server
from config import ConfigError, Roster, Settings, load_settings
from config.oncall import require_cover, utc_now, warnings

SWITCH_SECONDS = 0.0005
"""How long a thread may hold the interpreter while another waits: the database's hands over at every statement."""


def serve(roles: str = "") -> None:
    """Run until interrupted. Raises ConfigError before anything is started if a setting is wrong."""
    settings = load_settings()
    set_up_logs(settings.log)
    chosen = [role.strip() for role in roles.split(",") if role.strip()] or list(ROLES)
    sys.setswitchinterval(SWITCH_SECONDS)
    with contextlib.suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=_new_loop) as runner:
        runner.run(_serve(settings, chosen))


def _new_loop() -> asyncio.AbstractEventLoop:
    """uvloop where it is installed (not on Windows)."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


async def _serve(settings: Settings, roles: list[str]) -> None:
    listener = _listen(settings)
    app = build(settings, roles)
    if settings.handoff.roster:
        look_ahead(app.roster, settings.handoff.roster)
    await prepare(app.store)
    gc.freeze()  # what is loaded by now stays: no need to look through it again and again
    try:
        async with app.running():
            await _run_server(app, listener)
    finally:
        await app.store.close()


def _listen(settings: Settings) -> socket.socket:
    """Take the port first, so that a second start says so instead of half starting."""
    listener = socket.socket(socket.AF_INET6 if ":" in settings.web.host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.web.host, settings.web.port))
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"web.port: {settings.web.host}:{settings.web.port} cannot be used ({error.strerror}); "
            "stop the other program or set PSYLLM_WEB__PORT"
        ) from None
    return listener


async def _run_server(app: App, listener: socket.socket) -> None:
    web = app.settings.web
    config = uvicorn.Config(
        make_server(app),
        log_config=None,
        access_log=False,
        proxy_headers=True,
        forwarded_allow_ips=web.trusted_proxies,
        server_header=False,
        ws_max_size=1_100_000,  # a frame of the web chat at its largest, and a little,
        timeout_graceful_shutdown=5,
    )
    server = uvicorn.Server(config)
    host, port = listener.getsockname()[:2]
    await _greet(app, web.public_url or f"http://{host}:{port}")
    await server.serve([listener])


async def _greet(app: App, url: str) -> None:
    """Say where things are; while the console has no account, how to make the first."""
    out = Console(stderr=True, highlight=False, soft_wrap=True)
    out.print("[bold]Psy-LLM bot[/bold]")
    if "web" in app.roles:
        out.print(f"  chat     [cyan]{url}/[/]")
        out.print(f"  console  [cyan]{url}/console[/]")
        if token := await Accounts(app.store, app.roster).first_invite():
            out.print(f"  To set the first password, open this once: [bold]{url}/console/setup#{token}[/]")
    if not app.store.cipher.encrypts:
        out.print(
            "[yellow]Texts are stored without encryption; set PSYLLM_SECRET_KEYS (psyllm db new-key makes one).[/]"
        )


def look_ahead(roster: Roster, path: Path) -> None:
    """Say where the roster would leave somebody waiting. Raises ConfigError for a gap that nobody has said yes to."""
    now = utc_now()
    require_cover(roster, path, now)
    out = Console(stderr=True, highlight=False, soft_wrap=True)
    for line in warnings(roster, now):
        out.print(f"{path}: {line}", style="yellow", markup=False)
