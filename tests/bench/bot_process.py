"""The bot to measure: the real program with SQLite on Telegram; only its model is an echo that takes `SECONDS`.

`python -m tests.bench.bot_process FOLDER URL TOKEN SECONDS`
"""

import asyncio
import gc
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import uvloop

from bot.app import build, open_store, prepare
from bot.cli.logs import set_up_logs
from bot.cli.serve import SWITCH_SECONDS
from config import Settings
from config.settings import LogSettings
from engine import Piece, Request

ROSTER = """
counsellors = [{ id = "lin", name = "Lin", telegram = 900 }]
ladder = [{ who = ["lin"], wait_seconds = 600 }]
"""


class SlowEcho:
    """Answers `echo: <text>.` after a fixed time."""

    name = "echo"
    trusted = True

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    async def stream(self, request: Request) -> AsyncIterator[Piece]:
        if self._seconds:
            await asyncio.sleep(self._seconds)
        yield Piece(f"echo: {request.text}.")

    async def start(self) -> None:
        """Nothing to load."""

    async def close(self) -> None:
        """Nothing to free."""


async def main(folder: str, url: str, token: str, seconds: str) -> None:
    set_up_logs(LogSettings(level="error"))
    (Path(folder) / "roster.toml").write_text(ROSTER)
    settings = Settings(
        data_dir=Path(folder),
        telegram={"token": token, "api_base": url},
        turn={"gather_seconds": 0, "reply_timeout_seconds": 120},
        handoff={"roster": Path(folder) / "roster.toml"},
    )
    app = build(settings, ["telegram", "worker"], store=open_store(settings), generator=SlowEcho(float(seconds)))
    await prepare(app.store)
    gc.freeze()
    async with app.running():
        await asyncio.Event().wait()


if __name__ == "__main__":
    sys.setswitchinterval(SWITCH_SECONDS)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(*sys.argv[1:]))
