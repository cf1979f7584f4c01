"""The HTTP side of a process: routes of the adapters, console, health and metrics."""

from datetime import UTC, datetime, timedelta

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import text

from bot.app import App
from bot.console import Accounts, Parts, mount_console
from bot.console.media import media_routes
from config import load_crisis_lines

STALE = timedelta(seconds=120)
"""An adapter that polls and has had no contact for this long is not ready."""


def make_server(app: App) -> FastAPI:
    """The web application of a process."""
    server = FastAPI(title="Psy-LLM bot", docs_url=None, redoc_url=None, openapi_url=None)

    @server.get("/healthz")
    async def healthz() -> Response:
        return PlainTextResponse("ok\n")

    @server.get("/readyz")
    async def readyz() -> Response:
        checks = await readiness(app)
        ready = all(check["ok"] for check in checks.values())
        return JSONResponse({"ready": ready, "checks": checks}, 200 if ready else 503)

    @server.get("/metrics")
    async def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    @server.exception_handler(Exception)
    async def refuse(request: Request, error: Exception) -> Response:
        """Whatever a handler did not expect: no trace reaches anybody, and the platform will repeat."""
        return PlainTextResponse("This could not be handled now; please try again.\n", 503)

    for adapter in app.adapters.values():
        if (router := adapter.routes()) is not None:
            server.include_router(router)
    if "web" in app.roles:
        accounts = Accounts(app.store, app.roster)
        server.include_router(media_routes(app.desk, accounts, app.adapters))
        parts = Parts(app.desk, app.rota, app.page_answers, app.console, accounts, app.followups)
        mount_console(server, parts, app.settings.web.public_url)
    return server


async def readiness(app: App) -> dict[str, dict[str, object]]:
    """Each part's state: `ok`, and a `detail` that says what to do. Crisis lines that are out of date are a warning."""
    checks: dict[str, dict[str, object]] = {"store": await _store_check(app)}
    for adapter in app.adapters.values():
        health = adapter.health()
        contact = health.last_contact.isoformat() if health.last_contact else None
        checks[adapter.platform] = {"ok": health.ok, "detail": health.detail, "last_contact": contact}
    model = app.responder.status
    checks["generator"] = {"ok": True, "detail": f"{model.generator}: {model.state} {model.detail}".strip()}
    if app.opinions:
        checks["second_opinion"] = {"ok": True, "detail": app.opinions.state}
    expired = load_crisis_lines().expired(datetime.now(UTC).date())
    names = ", ".join(line.id for line in expired)
    checks["crisis_lines"] = {"ok": True, "detail": f"to be checked again: {names}" if expired else ""}
    return checks


async def _store_check(app: App) -> dict[str, object]:
    try:
        async with app.store.reading() as tx:
            await tx.connection.execute(text("SELECT 1"))
    except Exception as error:
        return {"ok": False, "detail": f"the database does not answer ({type(error).__name__}); check database_url"}
    return {"ok": True, "detail": "" if app.store.cipher.encrypts else "texts are stored without encryption"}
