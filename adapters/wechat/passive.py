"""Passive answers: what the bot says while the platform still holds a request open.

The platform waits five seconds for the answer to a message it pushes, then cuts the connection and pushes the message
again. A text that goes out as that answer needs no right, no token and no quota, so it is the first way to answer.
"""

import asyncio
import contextlib
import time
from collections import OrderedDict
from dataclasses import dataclass, field

_BETWEEN = "\n\n"


@dataclass(slots=True, eq=False)
class _Text:
    """A text on its way. `handed` turns true when it left in an answer, false when no request is left to carry it."""

    text: str
    handed: asyncio.Future[bool]


@dataclass(slots=True, eq=False)
class Slot:
    """The open requests about one message (several if the platform pushed it again) and what will answer them."""

    chat: str
    key: str
    requests: int = 0
    committed: bool = False  # the message is stored, so it may be answered
    full: bool = False  # a text did not fit any more
    overdue: bool = False  # holds a text that waited in a request that was cut
    texts: list[_Text] = field(default_factory=list)
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    timer: asyncio.TimerHandle | None = None

    @property
    def answer(self) -> str:
        """The texts as one; empty if nobody said anything. A text whose sender gave up is left out."""
        return _BETWEEN.join(t.text for t in self.texts if not t.handed.cancelled())


class Desk:
    """Brings the bot's texts and the platform's open requests together, chat by chat.

    limit: bytes that an answer may have. linger: how long an answer waits for another text to join it. grace: how long
    the texts of a cut request wait for the platform to push again. memory: how long an answer that left is kept for a
    push that comes nevertheless. All times in seconds.
    """

    def __init__(self, limit: int, linger: float = 0.15, grace: float = 1.5, memory: float = 30.0) -> None:
        self._limit = limit
        self._linger = linger
        self._grace = grace
        self._memory = memory
        self._slots: dict[str, list[Slot]] = {}  # by chat, open ones only, oldest first
        self._stranded: dict[str, list[_Text]] = {}  # by chat: their request was cut
        self._under_way: dict[str, set[asyncio.Future[bool]]] = {}  # by chat
        self._answered: OrderedDict[str, tuple[float, str]] = OrderedDict()  # by message: forgotten when, answer

    def open(self, chat: str, key: str) -> Slot:
        """A request about message `key` is open. Texts of an earlier request that was cut move into it."""
        slots = self._slots.setdefault(chat, [])
        slot = next((s for s in slots if s.key == key), None)
        if slot is None:
            slot = Slot(chat, key)
            slots.append(slot)
            for text in self._stranded.pop(chat, []):
                if not self._place(chat, text):
                    self._strand(chat, text)
            slot.overdue = bool(slot.texts)
        slot.requests += 1
        return slot

    def offer(self, chat: str, text: str) -> asyncio.Future[bool] | None:
        """Put a text into the chat's oldest request that has room; None if there is none.

        The future turns true when the text has left, and false if the request was cut and none came in its place: then
        the text certainly did not reach the user. Cancelling it takes the text back, as long as it has not left.
        """
        handed = asyncio.get_running_loop().create_future()
        if not self._place(chat, _Text(text, handed)):
            return None
        self._under_way.setdefault(chat, set()).add(handed)
        handed.add_done_callback(lambda future: self._arrived(chat, future))
        return handed

    def commit(self, slot: Slot) -> None:
        """The slot's message is stored: from now on it may be answered."""
        slot.committed = True
        self._start_lingering(slot)

    async def answer(self, slot: Slot, until: float) -> str:
        """Wait for what answers the request, until `until` in the loop's time; empty if nobody said anything."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                await slot.closed.wait()
        if slot.answer:
            self._close(slot)
        return slot.answer

    def left(self, slot: Slot, answer: str) -> None:
        """The answer was handed to the connection of one of the slot's requests."""
        self._answered[slot.key] = (time.monotonic() + self._memory, answer)
        for text in slot.texts:
            _settle(text.handed, delivered=True)

    def release(self, slot: Slot) -> None:
        """One of the slot's requests is over. With the last one, texts that did not leave look for another."""
        slot.requests -= 1
        if slot.requests:
            return
        self._close(slot)
        for text in slot.texts:
            if not text.handed.done() and not self._place(slot.chat, text):
                self._strand(slot.chat, text)

    async def settled(self, chat: str) -> None:
        """Wait until no text of the chat is on its way in an answer."""
        while pending := self._under_way.get(chat):
            await asyncio.wait(pending)

    def remembered(self, key: str) -> str:
        """The answer to message `key` that left a moment ago, for a push that comes all the same; empty if none."""
        now = time.monotonic()
        while self._answered and next(iter(self._answered.values()))[0] <= now:
            self._answered.popitem(last=False)
        return self._answered.get(key, (0.0, ""))[1]

    def open_chats(self) -> frozenset[str]:
        """Chats with a request that can still take a text."""
        return frozenset(chat for chat, slots in self._slots.items() if any(s.committed and not s.full for s in slots))

    def shut(self) -> None:
        """Let all requests go, with what there is to answer them."""
        for slot in [slot for slots in self._slots.values() for slot in slots]:
            self._close(slot)

    def _place(self, chat: str, text: _Text) -> bool:
        for slot in list(self._slots.get(chat, ())):
            joined = _BETWEEN.join((slot.answer, text.text)) if slot.answer else text.text
            if len(joined.encode()) <= self._limit:
                slot.texts.append(text)
                self._start_lingering(slot)
                return True
            slot.full = True
            if slot.committed:
                self._close(slot)
        return False

    def _start_lingering(self, slot: Slot) -> None:
        """Once the message is stored and there is a text, others have `linger` seconds to join it, if it may wait."""
        if not slot.committed or not slot.texts:
            return
        if slot.timer is not None:
            slot.timer.cancel()
        linger = 0.0 if slot.overdue else self._linger
        slot.timer = asyncio.get_running_loop().call_later(linger, self._close, slot)

    def _close(self, slot: Slot) -> None:
        """Take no more texts; wake the requests."""
        if slot.timer is not None:
            slot.timer.cancel()
        slots = self._slots.get(slot.chat, [])
        if slot in slots:
            slots.remove(slot)
        if not slots:
            self._slots.pop(slot.chat, None)
        slot.closed.set()

    def _strand(self, chat: str, text: _Text) -> None:
        self._stranded.setdefault(chat, []).append(text)
        asyncio.get_running_loop().call_later(self._grace, self._give_up, chat, text)

    def _give_up(self, chat: str, text: _Text) -> None:
        stranded = self._stranded.get(chat, [])
        if text not in stranded:
            return
        stranded.remove(text)
        if not stranded:
            del self._stranded[chat]
        _settle(text.handed, delivered=False)

    def _arrived(self, chat: str, handed: asyncio.Future[bool]) -> None:
        under_way = self._under_way[chat]
        under_way.discard(handed)
        if not under_way:
            del self._under_way[chat]


def _settle(future: asyncio.Future[bool], delivered: bool) -> None:
    if not future.done():
        future.set_result(delivered)
