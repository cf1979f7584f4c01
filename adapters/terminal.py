"""A conversation in the terminal: a line is a message, and answers are printed as they are written."""

import asyncio
import contextlib
import sys
import threading
import uuid
from datetime import UTC, datetime
from typing import TextIO

from rich.console import Console
from rich.control import Control
from rich.segment import ControlType
from rich.text import Text

from adapters.base import (
    Address,
    Button,
    Capabilities,
    Kind,
    Message,
    NoExtras,
    Receive,
    Reply,
    Sent,
    Unit,
    parse_command,
)
from config.language import Language
from config.texts import load_texts

PLATFORM = "terminal"
ACCOUNT = "local"
_RETRY_SECONDS = 1.0
_OVER_THE_PROMPT = Control(ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 2))


class TerminalAdapter(NoExtras):
    """Talks to whoever sits at `source` and `console`. Each adapter is a chat of its own.

    Buttons are numbered; a line that is the number of one presses it. `language` is the one of the words around the
    conversation, and the hint given to the bot; None: that of no one, and Chinese for the words.
    """

    platform = PLATFORM
    account = ACCOUNT

    def __init__(
        self, language: Language | None = None, source: TextIO | None = None, console: Console | None = None
    ) -> None:
        self._language = language
        self._words = load_texts(language or Language.ZH)
        self._source = source or sys.stdin
        self._console = console or Console(highlight=False)
        self._chat = uuid.uuid4().hex
        self._streamed = ""  # the part of an answer that is on the screen already
        self._buttons: list[Button] = []
        self.capabilities = Capabilities(8000, Unit.CHARACTERS, streaming=self._console.is_terminal, buttons=True)

    @property
    def address(self) -> Address:
        """Where the conversation takes place."""
        return Address(PLATFORM, ACCOUNT, self._chat)

    async def run(self, receive: Receive) -> None:
        """Hand every line to the bot. Returns when the input ends: the user has gone."""
        lines: asyncio.Queue[str | None] = asyncio.Queue()
        # A daemon: nobody can interrupt a thread that waits for the keyboard, and it must not keep the process alive.
        reader = threading.Thread(target=self._read, args=(asyncio.get_running_loop(), lines), daemon=True)
        reader.start()
        self._prompt()
        while (line := await lines.get()) is not None:
            if line.strip():
                await self._hand_over(receive, self._message(line))
            else:
                self._prompt()

    def _read(self, loop: asyncio.AbstractEventLoop, lines: "asyncio.Queue[str | None]") -> None:
        if hasattr(self._source, "reconfigure"):
            self._source.reconfigure(errors="replace")
        with contextlib.suppress(RuntimeError):  # the loop is closed: the program ends
            with contextlib.suppress(OSError, ValueError):  # the terminal is closed
                for line in self._source:
                    loop.call_soon_threadsafe(lines.put_nowait, line)
            loop.call_soon_threadsafe(lines.put_nowait, None)

    def _message(self, line: str) -> Message:
        kind, text = Kind.TEXT, line.strip()
        if text.isdecimal() and 1 <= int(text) <= len(self._buttons):
            kind, text = Kind.ACTION, self._buttons[int(text) - 1].action
        elif command := parse_command(text):
            kind, text = Kind.COMMAND, command
        self._buttons = []
        return Message(
            address=self.address,
            key=f"terminal:{uuid.uuid4().hex}",
            sent_at=datetime.now(UTC),
            kind=kind,
            text=text,
            language_hint=self._language or "",
        )

    async def _hand_over(self, receive: Receive, message: Message) -> None:
        """Give the message to the bot, again until it is stored."""
        told = False
        while True:
            try:
                await receive([message])
            except Exception:  # whatever went wrong, the user must learn that nobody has the message
                if not told:
                    self._print(Text(self._words.get("web.offline"), style="yellow"))
                told = True
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                return

    async def send(self, address: Address, reply: Reply) -> Sent:
        text = printable(reply.text)
        if self._streamed and text.startswith(self._streamed):
            self._print(Text(text[len(self._streamed) :]))
            self._streamed = ""
        elif self._streamed.startswith(text):  # one of several parts, all of which are on the screen
            self._streamed = self._streamed[len(text) :].lstrip()
            self._print(Text())
        else:
            self._begin(reply.author)
            self._print(Text(text))
            self._streamed = ""
        self._offer([button for row in reply.buttons for button in row])
        self._prompt()
        return Sent()

    async def draft(self, address: Address, text: str) -> None:
        text = printable(text)
        if not text.startswith(self._streamed):
            return  # the answer began anew; it is shown when it is finished
        if not self._streamed:
            self._begin("bot")
        self._print(Text(text[len(self._streamed) :]), end="")
        self._streamed = text

    def _begin(self, author: str) -> None:
        if self._streamed:
            self._print(Text())
        key, style = ("web.counsellor", "bold yellow") if author == "counsellor" else ("web.bot", "bold green")
        if self._console.is_terminal:
            self._console.control(_OVER_THE_PROMPT)
        self._print(Text(f"{self._words.get(key)}  ", style=style), end="")

    def _offer(self, buttons: list[Button]) -> None:
        if not buttons:
            return
        self._buttons = buttons
        for number, button in enumerate(buttons, 1):
            self._print(Text(f"  [{number}] {printable(button.label)}", style="cyan"))

    def _prompt(self) -> None:
        if self._console.is_terminal:
            self._print(Text("› ", style="dim"), end="")

    def _print(self, text: Text, end: str = "\n") -> None:
        self._console.print(text, end=end, soft_wrap=True)
        self._console.file.flush()


def printable(text: str) -> str:
    """The text without the characters that would command the terminal."""
    return "".join(c for c in text if c in "\n\t" or not (ord(c) < 32 or 127 <= ord(c) < 160))
