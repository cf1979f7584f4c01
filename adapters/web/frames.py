"""What the page and the server say to each other over the WebSocket, as JSON.

From the page: hello (what it already shows), say (a typed text), press (a button or a menu entry).
To the page: lines, reset (what it shows was erased), ready, ack, error, typing, draft, alive.
"""

import base64
import json
import re
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from adapters.web.transcript import Shown
from config.language import Language

MAX_FRAME = 1024 * 1024  # bytes; 100,000 characters fit even if JSON needs six bytes for each. The bot decides

_ID = r"[A-Za-z0-9-]{8,64}"
ClientId = Annotated[str, StringConstraints(pattern=f"^{_ID}$")]


class _Frame(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Hello(_Frame):
    """The first word on each connection: the newest lines the page shows already, oldest first."""

    type: Literal["hello"]
    known: tuple[Annotated[int, Field(gt=0)], ...] = Field((), max_length=32)
    language: Language | None = None


class Say(_Frame):
    """A text the user wrote; `id` stays the same when the page sends it again."""

    type: Literal["say"]
    id: ClientId
    text: str


class Press(_Frame):
    """A button of the bot that the user pressed."""

    type: Literal["press"]
    id: ClientId
    action: str = Field(min_length=1, max_length=64)


Frame = Hello | Say | Press

_FRAMES: TypeAdapter[Frame] = TypeAdapter(Annotated[Frame, Field(discriminator="type")])


class NotUnderstood(Exception):  # the page's fault, told to it by `code`
    """A frame that cannot be read. `code` is one of too_long, not_understood; `id` is the frame's, if it shows one."""

    def __init__(self, code: str, id: str = "") -> None:  # noqa: A002 - the name it has in the frame
        super().__init__(code)
        self.code = code
        self.id = id


def parse(raw: str | bytes | None) -> Frame:
    """Read one frame from the page. Raises NotUnderstood."""
    if not isinstance(raw, str):
        raise NotUnderstood("not_understood")
    if len(raw) > MAX_FRAME or len(raw.encode("utf-8", "replace")) > MAX_FRAME:
        raise NotUnderstood("too_long")
    try:
        return _FRAMES.validate_json(raw)
    except ValidationError:
        raise NotUnderstood("not_understood", _id_of(raw)) from None


def _id_of(raw: str) -> str:
    try:
        frame = json.loads(raw)
    except (ValueError, RecursionError):
        return ""
    found = frame.get("id") if isinstance(frame, dict) else None
    return found if isinstance(found, str) and re.fullmatch(_ID, found) else ""


def lines(shown: Iterable[Shown]) -> dict[str, Any]:
    """The frame that shows lines of the conversation."""
    return {"type": "lines", "lines": [_line(line) for line in shown]}


def _line(line: Shown) -> dict[str, Any]:
    shaped: dict[str, Any] = {"id": line.id, "author": line.author, "text": line.text, "at": line.at.isoformat()}
    if line.name:
        shaped["name"] = line.name
    if line.buttons:
        shaped["buttons"] = [[{"label": b.label, "action": b.action} for b in row] for row in line.buttons]
    if line.thumbs:
        shaped["thumbs"] = {"helpful": line.thumbs.helpful} | {
            name: line.thumbs.action(helpful) for name, helpful in (("up", True), ("down", False))
        }
    if line.image:
        shaped["image"] = f"data:image/png;base64,{base64.b64encode(line.image).decode()}"
    if line.key:
        shaped["client_id"] = line.key.rpartition(":")[2]
    return shaped
