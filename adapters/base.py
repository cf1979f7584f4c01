"""What an adapter and the bot say to each other: Message in, Reply out, and how a send can fail.

DeliveryError
+-- Retryable       certainly not sent; may be tried again after `retry_after` seconds
+-- OutcomeUnknown  may or may not have reached the user (cut connection, timeout after the request left)
+-- WindowClosed    the platform lets nothing through until the user writes again; the text is held for that moment
+-- Rejected        will never be accepted (too long, bad request, no such chat)
    +-- Blocked     the user blocked the bot or left
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from fastapi import APIRouter


@dataclass(frozen=True, slots=True)
class Address:
    """Where a conversation takes place; enough to write to it again after a restart.

    `platform` names the adapter, `account` the bot's own account there, `chat` the person's chat with it.
    """

    platform: str
    account: str
    chat: str

    def __str__(self) -> str:
        return f"{self.platform}:{self.account}:{self.chat}"

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Read the form that `str` writes. Raises ValueError if a part is missing."""
        platform, account, chat = text.split(":", 2)
        return cls(platform, account, chat)


class Kind(StrEnum):
    """What a user sent."""

    TEXT = "text"
    COMMAND = "command"  # text is the name without the slash, then its argument after a space
    ACTION = "action"  # a pressed button; text is the button's action
    PHOTO = "photo"
    VOICE = "voice"
    VIDEO = "video"
    STICKER = "sticker"
    DOCUMENT = "document"
    LOCATION = "location"
    ARRIVED = "arrived"  # opened the chat, followed the account
    LEFT = "left"  # blocked the bot, unfollowed
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Attachment:
    """Something that is not text. `reference` is what the platform needs to fetch it, never a URL with a secret."""

    kind: Kind
    reference: str
    name: str = ""
    mime: str = ""
    bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """One thing a user did on a platform, normalised.

    `key` identifies the platform's update: a second delivery of it has the same key and is recognised by the store.
    `text` is what was written, or a caption. `edits` is the `reference` of the earlier message that this one replaces.
    """

    address: Address
    key: str
    sent_at: datetime
    kind: Kind = Kind.TEXT
    text: str = ""
    attachments: tuple[Attachment, ...] = ()
    reference: str = ""  # the platform's own id of this message
    reply_to: str = ""  # the platform's id of the message it answers
    edits: str = ""
    sender_name: str = ""
    language_hint: str = ""  # BCP 47 tag the platform reports


_COMMAND = re.compile(r"[/／]([A-Za-z]{1,32})(?:@\w+)?(?:\s+(.*))?", re.DOTALL)


def parse_command(text: str) -> str | None:
    """The text of a COMMAND message for what was typed: `/Language@bot en` gives `language en`; None if it is none."""
    if not (match := _COMMAND.fullmatch(text.strip())):
        return None
    return f"{match[1].lower()} {(match[2] or '').strip()}".rstrip()


@dataclass(frozen=True, slots=True)
class Button:
    """A choice under a reply. `action` comes back as the text of an ACTION message; at most 64 bytes."""

    label: str
    action: str


_THUMB = re.compile(r"feedback (up|down) ([0-9]{1,18})")


@dataclass(frozen=True, slots=True)
class Thumbs:
    """A thumb up and a thumb down under an answer, whose id in the store is `message_id`; `helpful` is the one pressed.

    Where a thumb is pressed, its `action` comes back as the text of an ACTION message.
    """

    message_id: int
    helpful: bool | None = None

    def action(self, helpful: bool) -> str:
        """What one of the thumbs does."""
        return f"feedback {'up' if helpful else 'down'} {self.message_id}"

    @classmethod
    def pressed(cls, action: str) -> "Thumbs | None":
        """The thumbs of which one was pressed; None for another button's action."""
        match = _THUMB.fullmatch(action)
        return cls(int(match[2]), match[1] == "up") if match else None


@dataclass(frozen=True, slots=True)
class Copy:
    """A message in another chat of the same platform and account, by the platform's own id."""

    address: Address
    reference: str


UNKNOWN_TYPE = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class File:
    """What an attachment holds. `mime` is what the platform says it is, or UNKNOWN_TYPE."""

    data: bytes
    mime: str = UNKNOWN_TYPE


@dataclass(frozen=True, slots=True)
class Page:
    """What a call to a counsellor says to programs. Holds nothing that the user wrote."""

    id: int  # the same when a page is sent again because nobody knows whether it arrived
    counsellor: str
    handoff: int  # 0: about no single case
    level: str  # none, elevated, urgent, emergency
    since: datetime  # when the person began to wait
    url: str = ""  # the case in the console
    test: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """One platform message to be sent. `text` already fits the platform's limit (see `adapters.render.split`).

    With `copy` that message is shown as it is (a photo, a voice message), and there is no text. `image` is a PNG above
    the text, only where `Capabilities.images` says so.
    """

    text: str
    buttons: tuple[tuple[Button, ...], ...] = ()  # rows
    author: str = "bot"  # bot, counsellor or system: the web page labels them
    message_id: int = 0  # the store's id, so that a page can tell a repeat
    copy: Copy | None = None
    thumbs: Thumbs | None = None  # where the platform has them
    image: bytes | None = None
    page: Page | None = None  # for platforms that programs listen to


@dataclass(frozen=True, slots=True)
class Sent:
    """A send that the platform confirmed. `reference` is the platform's id of the new message."""

    reference: str = ""


class Unit(StrEnum):
    """What a platform counts when it limits a text's length."""

    CHARACTERS = "characters"
    UTF16 = "utf16"
    BYTES = "bytes"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a platform can do, so that the bot can decide before it writes."""

    max_length: int
    unit: Unit
    streaming: bool = False  # `draft` shows an answer while it is written
    typing: bool = False
    buttons: bool = False
    copies: bool = False  # `Reply.copy` is understood
    images: bool = False  # `Reply.image` is shown
    thumbs: bool = False  # `Reply.thumbs` is shown; elsewhere people can say in words whether an answer helped
    window_hours: float | None = None  # how long after the user's last message the bot may write; None: always
    window_messages: int | None = None  # how many messages it may write in that window


class DeliveryError(Exception):
    """A send did not certainly succeed. The message is for operators and never holds the user's text."""


class Retryable(DeliveryError):
    """Certainly not sent. Try again after `retry_after` seconds (None: the caller's own back-off)."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class OutcomeUnknown(DeliveryError):
    """The request left, and no answer came back."""


class WindowClosed(DeliveryError):
    """Nothing can be sent until the user writes again."""


class Rejected(DeliveryError):
    """The platform will never accept this message."""


class Blocked(Rejected):
    """The user no longer receives messages from the bot."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The answer of intake about one message, given after its commit."""

    message_id: int
    duplicate: bool


Receive = Callable[[Sequence[Message]], Awaitable[Sequence[Receipt]]]
"""Stores messages, in order; returns when they are committed. Only then may the platform be told that they arrived.

Receipts come in the order of the messages. If it raises, nothing may be acknowledged and the platform will repeat.
"""


@dataclass(slots=True)
class Health:
    """What an adapter says about itself for /readyz. If not `ok`, `detail` tells the operator what to do."""

    ok: bool = True
    detail: str = ""
    last_contact: datetime | None = None


class Adapter(Protocol):
    """One platform. Methods are called in one event loop."""

    platform: str
    account: str
    capabilities: Capabilities

    def routes(self) -> APIRouter | None:
        """HTTP routes to mount, if the platform calls us; None otherwise."""

    async def run(self, receive: Receive) -> None:
        """Serve until cancelled: poll, or register a webhook and wait. Never returns on a passing fault."""

    async def send(self, address: Address, reply: Reply) -> Sent:
        """Send one message. Raises a DeliveryError; anything else counts as OutcomeUnknown."""

    async def typing(self, address: Address) -> None:
        """Show that an answer is being written, for a few seconds. Best effort: never raises DeliveryError."""

    async def draft(self, address: Address, text: str) -> None:
        """Show the beginning of an answer that is still being written. Best effort, as `typing`."""

    async def fetch(self, attachment: Attachment) -> File:
        """What a user sent, for a counsellor to look at. Raises a DeliveryError."""

    def sendable_now(self) -> frozenset[str]:
        """Chats that can be written to at this moment although their window is closed (an open passive request)."""

    def health(self) -> Health:
        """How the platform is doing."""


class NoExtras:
    """Defaults for what many platforms lack; an adapter inherits what it does not offer."""

    def routes(self) -> APIRouter | None:
        return None

    async def typing(self, address: Address) -> None:
        return None

    async def draft(self, address: Address, text: str) -> None:
        return None

    async def fetch(self, attachment: Attachment) -> File:
        raise Rejected("there are no files on this platform")

    def sendable_now(self) -> frozenset[str]:
        return frozenset()

    def health(self) -> Health:
        return Health()
