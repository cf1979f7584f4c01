"""Faults that the Telegram emulator commits on demand."""

import asyncio
from dataclasses import dataclass, field
from enum import StrEnum

from tests.emulators.telegram_state import ApiError


class Kind(StrEnum):
    STATUS = "status"  # answered with an error, not applied
    CUT = "cut"  # the connection ends without an answer, applied or not
    HOLD = "hold"  # answered only after the gate opens
    DELAY = "delay"  # answered so many seconds later
    ANSWER = "answer"  # something else than the Bot API answers, as a proxy does


@dataclass
class Fault:
    """What happens to the next `times` calls of `method` (any: "*") to `chat` (any: None)."""

    kind: Kind
    method: str = "*"
    chat: int | None = None
    times: int | None = 1  # None: until cleared
    status: int = 500
    description: str = ""
    retry_after: int | None = None
    applied: bool = False
    seconds: float = 0.0
    body: bytes = b""
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    def error(self) -> ApiError:
        if self.status == 429:
            seconds = self.retry_after or 1
            return ApiError(429, f"Too Many Requests: retry after {seconds}", seconds)
        return ApiError(self.status, self.description or _DESCRIPTIONS.get(self.status, "Internal Server Error"))


_DESCRIPTIONS = {
    400: "Bad Request: chat not found",
    401: "Unauthorized",
    403: "Forbidden: bot was blocked by the user",
    404: "Not Found",
    409: "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
    502: "Bad Gateway",
}


class Faults:
    """The faults that are waiting, oldest first."""

    def __init__(self) -> None:
        self.waiting: list[Fault] = []

    def add(self, fault: Fault) -> Fault:
        self.waiting.append(fault)
        return fault

    def clear(self) -> None:
        """Forget all faults and open all gates."""
        for fault in self.waiting:
            fault.gate.set()
        self.waiting.clear()

    def take(self, method: str, chat: int | None) -> Fault | None:
        """The fault that this call meets, counted down."""
        if not self.waiting:
            return None
        for fault in self.waiting:
            if fault.method.lower() in ("*", method.lower()) and fault.chat in (None, chat):
                if fault.times is not None:
                    fault.times -= 1
                    if fault.times <= 0:
                        self.waiting.remove(fault)
                return fault
        return None
