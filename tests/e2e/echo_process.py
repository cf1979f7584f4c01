"""A bot process for tests that kill it: the real program, store and Telegram adapter, and an echo for a model.

`python -m tests.e2e.echo_process FOLDER DATABASE_URL API_BASE TOKEN [ROLES]` runs until it is killed. It prints a line
when it is at work.
"""

import asyncio
import sys
from pathlib import Path

from bot.app import ROLES, build, open_store, prepare
from config import Settings
from tests.support import EchoGenerator, WordScreener, settings


async def main(folder: str, url: str, api_base: str, token: str, roles: str = "") -> None:
    made: Settings = settings(
        Path(folder),
        database_url=url,
        telegram={"token": token, "api_base": api_base},
        work={"poll_seconds": 0.1, "lease_seconds": 1},
    )
    app = build(
        made,
        roles.split(",") if roles else [r for r in ROLES if r != "web"],
        store=open_store(made),
        screener=WordScreener(),
        generator=EchoGenerator(),
    )
    await prepare(app.store)
    async with app.running():
        await app.responder.loaded()
        sys.stdout.write("running\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
