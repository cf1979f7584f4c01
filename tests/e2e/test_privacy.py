"""What a user writes appears in no log, metric or exception, whatever goes wrong."""

import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog
from prometheus_client import generate_latest
from structlog.testing import capture_logs

from adapters import Kind, OutcomeUnknown, Rejected
from bot.store import Store
from engine import Piece, Request
from tests.support import EchoGenerator, MemoryAdapter, make_app, says

SECRET = "xylophonesecret"


class FaultyGenerator(EchoGenerator):
    """Fails with the user's text in its exception, as a careless library would."""

    trusted = False

    async def stream(self, request: Request) -> AsyncIterator[Piece]:
        async for _ in super().stream(request):
            raise RuntimeError(request.text)
        yield Piece("")


async def test_texts_stay_out_of_logs_and_metrics(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    platform, desk = MemoryAdapter(), MemoryAdapter("telegram")
    platform.faults["b"] = [Rejected("bad request"), OutcomeUnknown("cut"), RuntimeError(SECRET)]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG))
    app = make_app(store, tmp_path, [platform, desk], FaultyGenerator(), telegram={"token": "12:test"})
    with capture_logs() as captured:
        async with app.running():
            await app.responder.loaded()
            await app.intake.receive([says("a", f"{SECRET} one"), says("b", f"{SECRET} two"), says("b", SECRET)])
            await app.intake.receive([says("c", f"urgent {SECRET}")])
            await platform.wait("a")
            await platform.wait("c")
            await desk.wait("900")
    shown = capsys.readouterr()
    everything = [repr(captured), caplog.text, shown.out, shown.err, generate_latest().decode()]
    assert not [place for place in everything if SECRET in place]
    assert captured, "faults are logged, only without the text"


async def test_nothing_readable_lies_in_the_database_file(tmp_path: Path, store: Store) -> None:
    platform = MemoryAdapter()
    app = make_app(store, tmp_path, [platform], EchoGenerator())
    async with app.running():
        await app.responder.loaded()
        await app.intake.receive([says("a", f"{SECRET} urgent"), says("b", SECRET)])
        await platform.wait("a")
        await platform.wait("b")
        await app.intake.receive([says("c", f"my name is {SECRET}")])
        asked = await platform.last("c", 1)
        await app.intake.receive([says("c", asked.actions[0], Kind.ACTION)])
        await platform.wait("c", 2)
    assert not holding_secret(tmp_path)


def holding_secret(folder: Path) -> list[Path]:
    """Database files in which the secret can be read."""
    return [p for p in folder.rglob("*.db*") if SECRET.encode() in p.read_bytes()]
