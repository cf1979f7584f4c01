"""`psyllm bench pipeline`: the whole path beside an echo bot that stores nothing, on the same emulator of Telegram.

Three measurements, each in its own processes:

burst    2,000 messages from 200 chats at once: time until the last answer has arrived, ours against the echo's, in turn
steady   50 messages a second with a generator that takes 100 ms: what the path adds to the generator
urgent   urgent messages while 64 generations run: from the message's arrival at Telegram to its alert's arrival there
"""

import asyncio
import contextlib
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.emulators.telegram_control import RemoteTelegram, telegram_process

ROOT = Path(__file__).parents[2]
RATE = 50
GENERATOR = 0.1
URGENT_TEXT = "I want to kill myself tonight"

Json = dict[str, Any]


@dataclass(frozen=True)
class Scale:
    """How much of everything; the default is what the figures in the documents were taken with."""

    chats: int = 200
    burst: int = 2_000
    rounds: int = 3
    steady: int = 1_000
    running: int = 64
    urgent: int = 100


async def measure(scale: Scale = Scale()) -> Json:
    """All three measurements, as a flat table of numbers."""
    console = Console(stderr=True)
    with console.status("burst") as status:
        ours, echo = [], []
        for n in range(scale.rounds):
            status.update(f"burst, round {n + 1} of {scale.rounds}")
            ours.append(await _burst(scale, ours=True))
            echo.append(await _burst(scale, ours=False))
        status.update("steady load")
        steady = await _steady(scale)
        status.update("urgent under load")
        urgent = await _urgent(scale)
    return {
        "burst_messages": scale.burst,
        "burst_ours_per_second": scale.burst / statistics.median(ours),
        "burst_echo_per_second": scale.burst / statistics.median(echo),
        "burst_ratio": statistics.median(e / o for o, e in zip(ours, echo, strict=True)),
        **steady,
        **urgent,
    }


def show(found: Json) -> None:
    """Print the measurements with their targets."""
    table = Table("measurement", "value", "target", title="psyllm bench pipeline")
    table.add_row("burst: answers a second, this bot", f"{found['burst_ours_per_second']:.0f}", "")
    table.add_row("burst: answers a second, echo without store", f"{found['burst_echo_per_second']:.0f}", "")
    table.add_row("burst: this bot / echo", f"{found['burst_ratio']:.2f}", "≥ 1")
    table.add_row("steady 50/s: p50 above the generator", f"{found['steady_p50_ms']:.1f} ms", "")
    table.add_row("steady 50/s: p99 above the generator", f"{found['steady_p99_ms']:.1f} ms", "≤ 25 ms")
    table.add_row("reorders inside a chat", str(found["reorders"]), "0")
    table.add_row("urgent to alert, 64 generations running: p50", f"{found['urgent_p50_ms']:.1f} ms", "")
    table.add_row("urgent to alert, 64 generations running: p99", f"{found['urgent_p99_ms']:.1f} ms", "≤ 50 ms")
    Console().print(table)


@contextlib.asynccontextmanager
async def _process(*arguments: str) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", *arguments, cwd=ROOT)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


@contextlib.asynccontextmanager
async def _bot(telegram: RemoteTelegram, seconds: float) -> AsyncIterator[None]:
    with tempfile.TemporaryDirectory(prefix="psyllm-bench-") as folder:
        async with _process("tests.bench.bot_process", folder, telegram.url, telegram.token, str(seconds)):
            yield


async def _warm(telegram: RemoteTelegram) -> None:
    """Wait until the bot answers."""
    await telegram.control("add_chat", chat=900)
    await telegram.push([{"chat": 1, "text": "are you there"}])
    await telegram.wait_sent(1, chat=1, timeout=60)


async def _burst(scale: Scale, ours: bool) -> float:
    """Seconds from the push to the last answer."""
    async with telegram_process() as telegram:
        bot = _bot(telegram, 0) if ours else _process("tests.bench.ptb_echo", telegram.url, telegram.token)
        async with bot:
            await _warm(telegram)
            updates = [{"chat": 1000 + n % scale.chats, "text": str(n // scale.chats)} for n in range(scale.burst)]
            began = time.monotonic()
            await telegram.push(updates)
            await telegram.wait_sent(scale.burst + 1, timeout=300)
            sent = await telegram.calls(method="sendMessage")
            if reorders := _reorders(sent):
                raise AssertionError(f"{reorders} answers came out of order")
            return float(max(call["at"] for call in sent) - began)


def _reorders(sent: list[Json]) -> int:
    """How many answers came before an earlier one of their chat."""
    last: dict[int, int] = {}
    wrong = 0
    for call in sent:
        if call["delivered"] and call["text"].startswith("echo: ") and call["text"][6:-1].isdigit():
            number = int(call["text"][6:-1])
            wrong += number < last.get(call["chat"], -1)
            last[call["chat"]] = number
    return wrong


async def _steady(scale: Scale) -> Json:
    async with telegram_process() as telegram, _bot(telegram, GENERATOR):
        await _warm(telegram)
        pushed: dict[tuple[int, int], float] = {}
        began = time.monotonic()
        for n in range(scale.steady):
            await asyncio.sleep(max(0.0, began + n / RATE - time.monotonic()))
            chat = 1000 + n % scale.chats
            (update,) = await telegram.push([{"chat": chat, "text": str(n)}])
            pushed[chat, n] = update["at"]
        await telegram.wait_sent(len(pushed) + 1, timeout=60)
        sent = await telegram.calls(method="sendMessage")
    late = [
        call["at"] - pushed[call["chat"], int(call["text"][6:-1])] - GENERATOR
        for call in sent
        if call["chat"] != 1 and call["delivered"]
    ]
    return {"steady_p50_ms": _p(late, 50), "steady_p99_ms": _p(late, 99), "reorders": _reorders(sent)}


async def _urgent(scale: Scale) -> Json:
    async with telegram_process() as telegram, _bot(telegram, 30):
        await telegram.control("add_chat", chat=900)
        await telegram.push([{"chat": 2000 + n, "text": "tell me about it"} for n in range(scale.running)])
        await telegram.push([{"chat": 1, "text": "/help"}])
        await telegram.wait_sent(1, chat=1, timeout=60)
        times = []
        for n in range(scale.urgent):
            (update,) = await telegram.push([{"chat": 3000 + n, "text": URGENT_TEXT}])
            await telegram.wait_sent(n + 1, chat=900, timeout=60)
            alerts = await telegram.calls(method="sendMessage", chat=900)
            times.append(alerts[n]["at"] - update["at"])
            await asyncio.sleep(0.02)
    return {"urgent_p50_ms": _p(times, 50), "urgent_p99_ms": _p(times, 99)}


def _p(values: list[float], percent: int) -> float:
    """A percentile in milliseconds."""
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)] * 1000
