"""A bot process with the web chat and the console, for Chromium: the real program and store.

`python -m tests.e2e.console_process FOLDER` runs until it is killed. It prints a JSON line once it is at work: the
port, and an invitation for each counsellor of the roster. For each line on its input it forgets everything and prints
another. Its screener looks for a word and its model is an echo; with a COUNTRY behind FOLDER, both are the real ones.
"""

import asyncio
import json
import socket
import sys
from dataclasses import replace
from datetime import timedelta
from functools import reduce
from pathlib import Path

import uvicorn
from sqlalchemy import delete

from bot.app import build, prepare
from bot.console import Accounts
from bot.followups.clock import Clock
from bot.server import make_server
from bot.store.schema import account, invite, person, roster_change
from tests.e2e.web_room import Server
from tests.support import EchoGenerator, WordScreener, settings

PEOPLE = """
zone = "Europe/London"
gaps_accepted = true
last_resort = ["lin", "sam"]
counsellors = [
    {id = "lin", name = "Lin"},
    {id = "sam", name = "Sam"},
    {id = "kim", name = "Kim", role = "supervisor"},
    {id = "boss", name = "Robin", role = "operator"},
]
ladder = [{who = ["day"], wait_seconds = 60}, {who = ["night"], wait_seconds = 120}]
"""
ALWAYS = (
    PEOPLE
    + """
[[rotations]]
id = "day"
people = [["lin", "sam"]]
start = 2026-01-05T09:00:00

[[rotations]]
id = "night"
people = ["kim"]
start = 2026-01-05T21:00:00
hours = [21:00:00, 07:00:00]
"""
)
"""Lin and Sam are called first at any time, so that a test may run at any time."""

IN_PICTURES = (
    PEOPLE
    + """
[[rotations]]
id = "day"
people = ["lin", "sam", ["kim", "lin"]]
start = 2026-01-05T09:00:00
every = "day"

[[rotations]]
id = "night"
people = ["sam", "kim"]
start = 2026-01-05T20:00:00
every = "day"
length = 2
"""
)


def in_pictures(country: str) -> str:
    """The roster of the pictures, with names and times of their country."""
    if country != "CN":
        return IN_PICTURES
    names = {"Lin": "小林", "Sam": "阿山", "Kim": "金老师", "Robin": "老罗", "Europe/London": "Asia/Shanghai"}
    return reduce(lambda text, name: text.replace(f'"{name}"', f'"{names[name]}"'), names, IN_PICTURES)


async def main(folder: str, country: str = "") -> None:
    made = settings(Path(folder), work={"poll_seconds": 0.1}, country=country or "GB")
    (Path(folder) / "roster.toml").write_text(in_pictures(country) if country else ALWAYS)
    app = build(made) if country else build(made, screener=WordScreener(), generator=EchoGenerator())
    quick = Clock(app.followups.broadcasts, beat=timedelta(seconds=1))  # soon sees that a broadcast is due
    app.followups = replace(app.followups, clock=quick)
    accounts = Accounts(app.store, app.roster)
    await prepare(app.store)
    web = make_server(app)
    listener = socket.create_server(("127.0.0.1", 0))
    server = Server(uvicorn.Config(web, log_level="warning", timeout_graceful_shutdown=1))
    async with app.running():
        await server.begin(listener)
        while True:
            invites = {c.id: await accounts.invite(c.id) for c in app.roster.counsellors}
            sys.stdout.write(json.dumps({"port": listener.getsockname()[1], "invites": invites}) + "\n")
            sys.stdout.flush()
            await asyncio.to_thread(sys.stdin.readline)
            async with app.store.transaction() as tx:
                for table in (person, account, invite, roster_change):
                    await tx.connection.execute(delete(table))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
