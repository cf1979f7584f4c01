"""The HTTP side: health, readiness, metrics, and no trace to anybody."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from bot.app import build, open_store, prepare
from bot.server import make_server
from tests.support import settings


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    made = settings(tmp_path)
    app = build(made, ["web", "worker"], store=open_store(made))
    await prepare(app.store)
    server = make_server(app)

    @server.get("/broken")
    async def broken() -> None:
        raise RuntimeError("what a user wrote")

    transport = httpx.ASGITransport(server, raise_app_exceptions=False)
    async with app.running(), httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as opened:
        yield opened
    await app.store.close()


async def test_health_and_readiness_say_what_is_wrong(client: httpx.AsyncClient) -> None:
    assert (await client.get("/healthz")).text == "ok\n"
    checks = (await client.get("/readyz")).json()["checks"]
    assert checks["store"]["ok"]
    assert "encryption" in checks["store"]["detail"]
    assert checks["generator"]["detail"].startswith("library")


async def test_metrics_are_prometheus(client: httpx.AsyncClient) -> None:
    assert "psyllm_messages_received" in (await client.get("/metrics")).text


async def test_a_fault_shows_nobody_a_trace_or_a_500(client: httpx.AsyncClient) -> None:
    answer = await client.get("/broken")
    assert answer.status_code == 503
    assert "what a user wrote" not in answer.text
    assert "Traceback" not in answer.text


async def test_the_page_is_there_and_loads_nothing_from_elsewhere(client: httpx.AsyncClient) -> None:
    answer = await client.get("/")
    assert answer.status_code == 200
    assert "default-src 'self'" in answer.headers["content-security-policy"].replace("'none'", "'self'")
    assert "https://" not in answer.text
