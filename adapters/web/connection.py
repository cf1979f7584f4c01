"""One open page: takes what its user does to the bot, and shows it the stored conversation as it grows."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from fastapi import WebSocket, WebSocketDisconnect
from starlette.websockets import WebSocketState

from adapters.base import Address, Kind, Message, Receive, parse_command
from adapters.web import frames
from adapters.web.frames import Hello, NotUnderstood, Press, Say
from adapters.web.transcript import Transcript
from adapters.web.visitors import RateLimit

log = logging.getLogger(__name__)

# Rows of one conversation may become visible out of order when two transactions overlap, so every reading starts some
# lines back. That those lines are still there also tells whether the conversation was erased meanwhile.
OVERLAP = 8
_BATCH = 100  # lines in one frame


class Connection:
    """A WebSocket of one visitor, from accept to close."""

    def __init__(
        self,
        socket: WebSocket,
        address: Address,
        transcript: Transcript,
        limit: RateLimit,
        receive: Callable[[], Receive | None],
        stored: Callable[[str], None],
        alive_seconds: float,
    ) -> None:
        self._socket = socket
        self._address = address
        self._transcript = transcript
        self._limit = limit
        self._receive = receive
        self._stored = stored
        self._alive_seconds = alive_seconds
        self._recent: deque[int] = deque(maxlen=OVERLAP)
        self._language = ""
        self._wake = asyncio.Event()
        self._passing: dict[str, Any] | None = None  # the newest typing or draft that is not yet written
        self._writing = asyncio.Lock()

    def wake(self) -> None:
        """Look into the transcript now."""
        self._wake.set()

    def show(self, passing: dict[str, Any]) -> None:
        """Show a typing or draft frame; a newer one replaces one that a slow line has not taken yet."""
        self._passing = passing
        self._wake.set()

    async def serve(self) -> None:
        """Talk until either side closes."""
        await self._socket.accept()
        pump: asyncio.Task[None] | None = None
        try:
            while True:
                try:
                    frame = frames.parse(await self._next())
                except NotUnderstood as fault:
                    await self._refuse(fault.id, fault.code)
                    continue
                if isinstance(frame, Hello):
                    self._greet(frame)
                    pump = pump or asyncio.create_task(self._pump())
                else:
                    await self._take(frame)
        except WebSocketDisconnect:
            pass
        finally:
            if pump:
                pump.cancel()
                await asyncio.wait([pump])

    async def _next(self) -> str | bytes | None:
        event = await self._socket.receive()
        if event["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(event.get("code", 1005))
        raw: str | bytes | None = event.get("text")
        return raw

    def _greet(self, hello: Hello) -> None:
        self._language = hello.language or ""
        self._recent.clear()
        self._recent.extend(sorted(hello.known))
        self._wake.set()

    async def _take(self, frame: Say | Press) -> None:
        if isinstance(frame, Say) and not frame.text.strip():
            return await self._refuse(frame.id, "empty")
        if wait := self._limit.wait(self._address.chat):
            return await self._refuse(frame.id, "too_fast", retry_after=round(wait, 1))
        if (receive := self._receive()) is None:
            return await self._refuse(frame.id, "not_stored")
        try:
            (receipt,) = await receive([self._message(frame)])
        except Exception as error:  # whatever went wrong, the user must learn that nobody has the message
            log.warning("a message from the web chat was not stored: %s", type(error).__name__)
            return await self._refuse(frame.id, "not_stored")
        await self._write({"type": "ack", "id": frame.id, "message_id": receipt.message_id})
        return self._stored(self._address.chat)

    def _message(self, frame: Say | Press) -> Message:
        kind, text = Kind.TEXT, ""
        if isinstance(frame, Press):
            kind, text = Kind.ACTION, frame.action
        elif command := parse_command(frame.text):
            kind, text = Kind.COMMAND, command
        else:
            text = frame.text
        return Message(
            address=self._address,
            key=f"web:{self._address.chat[:16]}:{frame.id}",
            sent_at=datetime.now(UTC),
            kind=kind,
            text=text,
            reference=frame.id,
            language_hint=self._language,
        )

    async def _refuse(self, client_id: str, code: str, **details: float) -> None:
        named = {"id": client_id} if client_id else {}
        await self._write({"type": "error", "error": code, **named, **details})

    async def _pump(self) -> None:
        """Write what the transcript holds and the page does not show yet, each time something wakes us."""
        try:
            await self._catch_up()
            await self._write({"type": "ready"})
            while True:
                try:
                    async with asyncio.timeout(self._alive_seconds):
                        await self._wake.wait()
                except TimeoutError:  # also the safety net for a wake-up that got lost between two processes
                    await self._write({"type": "alive"})
                passing, self._passing = self._passing, None
                answered = await self._catch_up()
                if passing and not answered:
                    await self._write(passing)
        except WebSocketDisconnect:
            pass
        except Exception as error:  # the page connects again and says where it stands
            log.warning("a conversation could not be shown in the web chat: %s", type(error).__name__)
            await self._close(1011, "the conversation cannot be read at the moment")

    async def _catch_up(self) -> bool:
        """Show the new lines. Says whether an answer was among them: what was passing until then is over."""
        self._wake.clear()
        after = self._recent[0] - 1 if len(self._recent) == OVERLAP else 0
        shown = await self._transcript.since(self._address, after)
        if not {line.id for line in shown}.issuperset(self._recent):
            self._recent.clear()
            await self._write({"type": "reset"})
            shown = await self._transcript.since(self._address, 0)
        new = [line for line in shown if line.id not in self._recent]
        for start in range(0, len(new), _BATCH):
            await self._write(frames.lines(new[start : start + _BATCH]))
        self._recent.clear()
        self._recent.extend(line.id for line in shown[-OVERLAP:])
        return any(line.author != "user" for line in new)

    async def _write(self, frame: dict[str, Any]) -> None:
        """Raises WebSocketDisconnect if the page is gone."""
        async with self._writing:
            if self._socket.application_state is not WebSocketState.CONNECTED:
                raise WebSocketDisconnect(1006)
            await self._socket.send_json(frame)

    async def _close(self, code: int, reason: str) -> None:
        async with self._writing:
            if self._socket.application_state is WebSocketState.CONNECTED:
                await self._socket.close(code, reason)
