"""`psyllm chat`: a conversation in the terminal over the same path as on any platform."""

import asyncio
import contextlib

from adapters.terminal import TerminalAdapter
from bot.app import App, build, prepare
from bot.cli.logs import set_up_logs
from bot.store import outbox
from config import Language, Settings, load_settings
from config.settings import LogSettings


def chat(language: Language | None) -> None:
    """Talk until the input ends."""
    settings = load_settings()
    set_up_logs(LogSettings(level="error"))
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_chat(settings, language))


async def _chat(settings: Settings, language: Language | None) -> None:
    terminal = TerminalAdapter(language)
    app = build(settings, ["worker"], extra=[terminal])
    await prepare(app.store)
    try:
        async with app.running(without=[terminal]):
            await app.responder.loaded()
            await terminal.run(app.intake.receive)
            await _say_the_rest(app, terminal)
    finally:
        await app.store.close()


async def _say_the_rest(app: App, terminal: TerminalAdapter) -> None:
    """The input has ended, maybe because it came from a file: let what was asked be answered."""
    for _ in range(int(app.settings.turn.reply_timeout_seconds * 20)):
        if not await _unfinished(app, terminal):
            return
        await asyncio.sleep(0.05)


async def _unfinished(app: App, terminal: TerminalAdapter) -> bool:
    async with app.store.reading() as tx:
        return await outbox.unfinished(tx, terminal.address)
