"""The terminal chat: lines in, replies out."""

import asyncio
import io
import os
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from adapters.base import Button, Kind, Message, Receipt, Reply
from adapters.terminal import TerminalAdapter, printable
from config.language import Language


class Bot:
    """Keeps what it receives; fails as often as told."""

    def __init__(self, failures: int = 0) -> None:
        self.received: list[Message] = []
        self.failures = failures

    async def receive(self, messages: Sequence[Message]) -> Sequence[Receipt]:
        if self.failures:
            self.failures -= 1
            raise RuntimeError("the store is away")
        self.received += messages
        return [Receipt(len(self.received), duplicate=False) for _ in messages]


def terminal(typed: str = "", is_terminal: bool = True) -> tuple[TerminalAdapter, io.StringIO]:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=is_terminal, color_system=None, highlight=False, width=80)
    return TerminalAdapter(Language.EN, io.StringIO(typed), console), screen


async def test_each_line_is_a_message_and_the_end_of_input_ends_the_chat() -> None:
    bot = Bot()
    adapter, _ = terminal("hello\n\n   \n/Language zh\n最后一行")
    async with asyncio.timeout(10):
        await adapter.run(bot.receive)
    assert [(m.kind, m.text) for m in bot.received] == [
        (Kind.TEXT, "hello"),
        (Kind.COMMAND, "language zh"),
        (Kind.TEXT, "最后一行"),
    ]
    assert len({m.key for m in bot.received}) == 3
    assert {m.address for m in bot.received} == {adapter.address}


async def test_a_message_is_offered_until_it_is_stored() -> None:
    bot = Bot(failures=1)
    adapter, screen = terminal("hello\n")
    async with asyncio.timeout(10):
        await adapter.run(bot.receive)
    assert [m.text for m in bot.received] == ["hello"]
    assert "What you haven't sent is kept." in screen.getvalue()


async def test_an_answer_is_written_while_it_grows_and_only_once() -> None:
    adapter, screen = terminal()
    for length in (3, 8, 8, 20):
        await adapter.draft(adapter.address, "I am listening. Go on."[:length])
    await adapter.send(adapter.address, Reply("I am listening. Go on."))
    assert screen.getvalue().count("I am") == 1
    assert "AI  I am listening. Go on.\n" in screen.getvalue()


async def test_a_draft_that_was_given_up_is_followed_by_the_whole_answer() -> None:
    adapter, screen = terminal()
    await adapter.draft(adapter.address, "Something unwise")
    await adapter.send(adapter.address, Reply("Please call 110.", author="system"))
    assert screen.getvalue().endswith("Something unwise\n\r\x1b[2KAI  Please call 110.\n› ")


async def test_parts_of_a_long_answer_are_not_repeated() -> None:
    adapter, screen = terminal()
    await adapter.draft(adapter.address, "Part one.\n\nPart two.")
    await adapter.send(adapter.address, Reply("Part one."))
    await adapter.send(adapter.address, Reply("Part two."))
    assert screen.getvalue().count("Part two.") == 1


async def test_a_number_presses_a_button_once() -> None:
    bot = Bot()
    adapter, screen = terminal("2\n2\n")
    buttons = ((Button("Yes", "forget yes"),), (Button("No", "no"),))
    await adapter.send(adapter.address, Reply("Sure?", buttons=buttons))
    assert "[1] Yes\n  [2] No\n" in screen.getvalue()
    await adapter.run(bot.receive)
    assert [(m.kind, m.text) for m in bot.received] == [(Kind.ACTION, "no"), (Kind.TEXT, "2")]


async def test_a_counsellor_is_named_as_one_and_cannot_command_the_terminal() -> None:
    adapter, screen = terminal(is_terminal=False)
    assert not adapter.capabilities.streaming, "a file shows whole answers"
    await adapter.send(adapter.address, Reply("\x1b]0;owned\x07[bold]hi[/bold]\x9b2J", author="counsellor"))
    assert screen.getvalue() == "Counsellor  ]0;owned[bold]hi[/bold]2J\n"


async def test_a_line_in_the_wrong_encoding_is_no_error() -> None:
    bot = Bot()
    screen = Console(file=io.StringIO())
    adapter = TerminalAdapter(Language.EN, io.TextIOWrapper(io.BytesIO("你好\n".encode("gbk")), "utf-8"), screen)
    await adapter.run(bot.receive)
    assert "\ufffd" in bot.received[0].text


async def test_leaving_does_not_wait_for_the_keyboard() -> None:
    read_end, write_end = os.pipe()
    with os.fdopen(read_end) as keyboard, os.fdopen(write_end, "w") as fingers:
        adapter = TerminalAdapter(Language.EN, keyboard, Console(file=io.StringIO()))
        running = asyncio.create_task(adapter.run(Bot().receive))
        await asyncio.sleep(0)
        running.cancel()
        await asyncio.wait([running], timeout=10)
        assert running.cancelled()
        fingers.write("late\n")


@given(st.text())
def test_printable_keeps_everything_that_shows(text: str) -> None:
    shown = printable(text)
    assert not any(ord(c) < 32 and c not in "\n\t" for c in shown)
    assert printable(shown) == shown
