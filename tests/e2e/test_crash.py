"""Killed at any moment, nothing that was acknowledged is lost, nothing is answered twice, and order is kept."""

import asyncio
import random
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from adapters import Address
from bot.store import Store, conversations, handoffs, outbox
from bot.store.schema import handoff, message
from bot.store.schema import outbox as outbox_table
from config import CrisisLines, load_crisis_lines
from tests.emulators.telegram import TelegramEmulator

CHATS = range(101, 121)
EACH = 10
ROOT = Path(__file__).parents[2]


class Bot:
    """A bot process that can be killed and started again."""

    def __init__(self, folder: Path, url: str, telegram: TelegramEmulator, roles: str = "") -> None:
        self._arguments = [str(folder), url, telegram.url, telegram.token, *([roles] if roles else [])]
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.e2e.echo_process", *self._arguments, cwd=ROOT, stdout=asyncio.subprocess.PIPE
        )
        assert self._process.stdout
        while (line := await self._process.stdout.readline()) != b"running\n":
            assert line, "the process ended before it was at work"

    async def kill(self) -> None:
        if self._process and self._process.returncode is None:
            self._process.send_signal(signal.SIGKILL)
            await self._process.communicate()


@pytest.fixture
async def bots() -> AsyncIterator[Callable[..., Bot]]:
    """Makes bots, none of which outlives the test."""
    made: list[Bot] = []

    def make(*arguments: Any) -> Bot:
        made.append(Bot(*arguments))
        return made[-1]

    yield make
    for bot in made:
        await bot.kill()


def answered(telegram: TelegramEmulator, chat: int) -> list[int]:
    """Numbers of the messages that a chat got answers to, in order of arrival."""
    return [int(t.split()[1].rstrip(".")) for t in telegram.texts(chat) if t.startswith("echo:")]


async def until_told(telegram: TelegramEmulator, chat: int, number: str) -> None:
    """Wait until a chat was given a crisis line."""
    await telegram.wait_until(lambda: any(number in text for text in telegram.texts(chat)), timeout=60)


async def settle(store: Store) -> None:
    """Wait until nothing waits any more: every message is handled, every row has left or was given up."""
    while True:
        async with store.reading() as tx:
            pending = await tx.connection.scalar(
                select(func.count()).select_from(message).where(message.c.state == "pending")
            )
            rows = await tx.connection.scalar(
                select(func.count())
                .select_from(outbox_table)
                .where(outbox_table.c.state.in_(("waiting", "sending")), outbox_table.c.kind != "alert")
            )
        if not pending and not rows:
            return
        await asyncio.sleep(0.05)


async def unknown_of(store: Store, chat: int, token: str) -> list[int]:
    """Numbers whose answer was in flight when the process died."""
    async with store.reading() as tx:
        rows = await tx.connection.execute(
            select(outbox_table.c.body).where(
                outbox_table.c.address == str(Address("telegram", token.split(":")[0], str(chat))),
                outbox_table.c.state == "unknown",
            )
        )
        texts = [tx.cipher.open_json(row.body)["text"] for row in rows]
    return [int(t.split()[1].rstrip(".")) for t in texts if t.startswith("echo:")]


@pytest.mark.timeout(180)
async def test_killed_again_and_again_every_message_is_answered_once_in_order(
    database_url: str, tmp_path: Path, bots: Callable[..., Bot]
) -> None:
    chance = random.Random(7)
    async with TelegramEmulator() as telegram, Store(database_url) as store:
        bot = bots(tmp_path, database_url, telegram)
        todo = [(chat, n) for n in range(EACH) for chat in CHATS]
        await bot.start()
        while todo:
            some, todo = todo[:25], todo[25:]
            for chat, n in some:
                telegram.push_text(chat, str(n))
            await telegram.wait_sent(len(telegram.sent) + chance.randrange(1, 20), timeout=60)
            await bot.kill()
            await bot.start()
        last = telegram.push_text(CHATS[0], str(EACH))
        await telegram.wait_confirmed(last, timeout=60)
        await settle(store)
        await bot.kill()
        for chat in CHATS:
            got, unknown = answered(telegram, chat), await unknown_of(store, chat, telegram.token)
            assert got == sorted(got), "order was not kept"
            assert not [n for n, count in Counter(got).items() if count > 1], "something was answered twice"
            assert set(range(EACH)) <= set(got) | set(unknown), "something acknowledged was lost"
            assert len(unknown) <= 10


@pytest.mark.timeout(120)
async def test_an_urgent_message_acknowledged_right_before_the_kill_has_its_handoff_safety_text_and_alert(
    database_url: str, tmp_path: Path, bots: Callable[..., Bot]
) -> None:
    lines: CrisisLines = load_crisis_lines()
    number = lines.of("GB", "crisis")[0].number
    async with TelegramEmulator() as telegram, Store(database_url) as store:
        telegram.add_chat(900)
        bot = bots(tmp_path, database_url, telegram)
        await bot.start()
        for round_ in range(5):
            chat = 200 + round_
            update = telegram.push_text(chat, "urgent")
            await telegram.wait_confirmed(update, timeout=60)
            await bot.kill()
            async with store.reading() as tx:
                at = Address("telegram", telegram.token.split(":")[0], str(chat))
                person = await conversations.at(tx, at)
                assert person
                found = await handoffs.open_of(tx, person.id)
                assert found
                assert await outbox.somebody_is_called(tx, found.id)
            await bot.start()
            await until_told(telegram, chat, number)
        await telegram.wait_until(lambda: len(telegram.texts(900)) >= 5, timeout=60)
        await bot.kill()
        async with store.reading() as tx:
            assert await tx.connection.scalar(select(func.count()).select_from(handoff)) == 5


@pytest.mark.timeout(180)
async def test_two_processes_share_the_work_and_one_takes_over_when_the_other_dies(
    postgres_database: str, tmp_path: Path, bots: Callable[..., Bot]
) -> None:
    async with TelegramEmulator() as telegram, Store(postgres_database) as store:
        first = bots(tmp_path, postgres_database, telegram)
        second = bots(tmp_path, postgres_database, telegram, "worker")
        await first.start()
        await second.start()
        for n in range(EACH):
            for chat in CHATS:
                telegram.push_text(chat, str(n))
        await telegram.wait_until(lambda: len(telegram.sent) >= 60, timeout=60)
        await second.kill()
        await telegram.wait_until(lambda: all(len(answered(telegram, chat)) == EACH for chat in CHATS), timeout=60)
        await settle(store)
        await first.kill()
        for chat in CHATS:
            assert answered(telegram, chat) == list(range(EACH))
