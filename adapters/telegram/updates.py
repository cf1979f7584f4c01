"""Telegram's updates as Messages: pure functions of the update's JSON.

They read the JSON itself, not python-telegram-bot's Update: that one refuses a whole batch for one odd update, logs
the batch with its texts, and takes twenty times as long.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from adapters.base import Address, Attachment, Kind, Message, parse_command

Json = Mapping[str, Any]

ALLOWED = ("message", "edited_message", "callback_query", "my_chat_member")

# The first that a message has is what it is: an animation also carries a `document`.
_MEDIA = {
    "animation": Kind.VIDEO,
    "photo": Kind.PHOTO,
    "voice": Kind.VOICE,
    "audio": Kind.VOICE,
    "video": Kind.VIDEO,
    "video_note": Kind.VIDEO,
    "sticker": Kind.STICKER,
    "document": Kind.DOCUMENT,
}

# Things that Telegram reports in a private chat without the user having said anything.
_SERVICE = frozenset(
    {
        "boost_added",
        "chat_background_set",
        "chat_shared",
        "connected_website",
        "message_auto_delete_timer_changed",
        "passport_data",
        "pinned_message",
        "refunded_payment",
        "successful_payment",
        "users_shared",
        "video_chat_ended",
        "video_chat_participants_invited",
        "video_chat_scheduled",
        "video_chat_started",
        "write_access_allowed",
    }
)


class UpdateError(ValueError):
    """An update that Telegram would not send. The message says what is wrong and never holds the user's text."""


@dataclass(frozen=True)
class Identity:
    """Who the bot is: `account` is its id; `username` is empty until Telegram told it."""

    account: str
    username: str = ""


@dataclass(frozen=True, slots=True)
class GroupCall:
    """Somebody addressed the bot in a group, where it does not talk."""

    chat: int
    language: str


@dataclass(frozen=True, slots=True)
class Parsed:
    """What an update holds for us."""

    message: Message | None = None
    callback: str = ""  # id of a button press that wants an answer
    group_call: GroupCall | None = None


def update_id(update: object) -> int:
    """The update's number. Raises UpdateError."""
    if not isinstance(update, Mapping):
        raise UpdateError("an update must be an object")
    return _integer(update, "update_id")


def parse_update(update: Json, me: Identity, now: datetime) -> Parsed:
    """What an update holds; nothing for kinds that do not concern us. Raises UpdateError.

    `now` dates what Telegram does not date: pressed buttons.
    """
    key = f"update:{update_id(update)}"
    if said := _object(update, "message"):
        if not _is_private(said):
            return Parsed(group_call=_group_call(said, me))
        return Parsed(_message(said, key, me, edited=False))
    if changed := _object(update, "edited_message"):
        return Parsed(_message(changed, key, me, edited=True) if _is_private(changed) else None)
    if callback := _object(update, "callback_query"):
        return Parsed(_action(callback, key, me, now), callback=_string(callback, "id"))
    if membership := _object(update, "my_chat_member"):
        return Parsed(_membership(membership, key, me))
    return Parsed()


def _message(data: Json, key: str, me: Identity, edited: bool) -> Message | None:
    if not _SERVICE.isdisjoint(data):
        return None
    sender = _object(data, "from") or {}
    reference = str(_integer(data, "message_id"))
    kind, text, attachments = _content(data, me)
    return Message(
        address=_address(data, me),
        key=key,
        sent_at=_time(data, "edit_date" if edited and "edit_date" in data else "date"),
        kind=kind,
        text=text,
        attachments=attachments,
        reference=reference,
        reply_to=str(_integer(answered, "message_id")) if (answered := _object(data, "reply_to_message")) else "",
        edits=reference if edited else "",
        sender_name=_name(sender),
        language_hint=_string(sender, "language_code"),
    )


def _content(data: Json, me: Identity) -> tuple[Kind, str, tuple[Attachment, ...]]:
    """What was said: kind, text, attachments."""
    if text := _string(data, "text"):
        command = parse_command(text) if _addressee(text) in ("", me.username.lower()) else None
        return (Kind.TEXT, text, ()) if command is None else (Kind.COMMAND, command, ())
    caption = _string(data, "caption")
    for name, kind in _MEDIA.items():
        if data.get(name):
            return kind, caption, (_file(data, name, kind),)
    if place := _object(data, "location"):
        title = _string(_object(data, "venue") or {}, "title")
        return Kind.LOCATION, "", (Attachment(Kind.LOCATION, _degrees(place), title),)
    if contact := _object(data, "contact"):
        return Kind.OTHER, "", (Attachment(Kind.OTHER, _string(contact, "phone_number"), _name(contact)),)
    return Kind.OTHER, caption or _string(_object(data, "poll") or {}, "question"), ()


def _addressee(text: str) -> str:
    """The bot that a command is meant for, in lower case: `/help@SomeBot` gives `somebot`; empty if it names none."""
    first = text.split(maxsplit=1)[0] if text[:1] in ("/", "／") else ""
    return first.partition("@")[2].lower()


def _file(data: Json, name: str, kind: Kind) -> Attachment:
    sizes = data[name]
    file = sizes[-1] if name == "photo" and isinstance(sizes, Sequence) and not isinstance(sizes, str) else sizes
    if not isinstance(file, Mapping):
        raise UpdateError(f"{name} must hold a file")
    size = file.get("file_size")
    return Attachment(
        kind,
        reference=_string(file, "file_id"),
        name=_string(file, "emoji" if name == "sticker" else "file_name"),
        mime=_string(file, "mime_type"),
        bytes=size if isinstance(size, int) and 0 <= size < 2**53 else None,
    )


def _degrees(place: Json) -> str:
    values = [place.get("latitude"), place.get("longitude")]
    if not all(isinstance(value, int | float) and abs(value) <= 180 for value in values):
        raise UpdateError("location must have a latitude and a longitude")
    return ",".join(f"{value:.6f}" for value in values)


def _action(callback: Json, key: str, me: Identity, now: datetime) -> Message | None:
    """A pressed button; None where there is no private chat or no action behind it."""
    under, action = _object(callback, "message"), _string(callback, "data")
    if not under or not action or not _is_private(under):
        return None
    sender = _object(callback, "from") or {}
    return Message(
        address=_address(under, me),
        key=key,
        sent_at=now,
        kind=Kind.ACTION,
        text=action,
        reference=str(_integer(under, "message_id")),
        sender_name=_name(sender),
        language_hint=_string(sender, "language_code"),
    )


def _membership(data: Json, key: str, me: Identity) -> Message | None:
    """The user blocked the bot, or let it in again."""
    if not _is_private(data):
        return None
    before = _string(_object(data, "old_chat_member") or {}, "status")
    after = _string(_object(data, "new_chat_member") or {}, "status")
    gone = ("kicked", "left")
    if (before in gone) == (after in gone):
        return None
    sender = _object(data, "from") or {}
    return Message(
        address=_address(data, me),
        key=key,
        sent_at=_time(data, "date"),
        kind=Kind.LEFT if after in gone else Kind.ARRIVED,
        sender_name=_name(sender),
        language_hint=_string(sender, "language_code"),
    )


def _group_call(data: Json, me: Identity) -> GroupCall | None:
    """A command or a mention in a group; other talk there is nobody's business."""
    text, name = _string(data, "text"), me.username.lower()
    command = parse_command(text) is not None and _addressee(text) in ("", name)
    if not command and not (name and f"@{name}" in text.lower()):
        return None
    language = _string(_object(data, "from") or {}, "language_code")
    return GroupCall(_integer(_object(data, "chat") or {}, "id"), language)


def _is_private(data: Json) -> bool:
    return (_object(data, "chat") or {}).get("type") == "private"


def _address(data: Json, me: Identity) -> Address:
    return Address("telegram", me.account, str(_integer(_object(data, "chat") or {}, "id")))


def _name(person: Json) -> str:
    return " ".join(filter(None, (_string(person, "first_name"), _string(person, "last_name"))))


def _object(data: Json, key: str) -> Json | None:
    value = data.get(key)
    if value is not None and not isinstance(value, Mapping):
        raise UpdateError(f"{key} must be an object")
    return value


def _integer(data: Json, key: str) -> int:
    value = data.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) >= 2**63:
        raise UpdateError(f"{key} must be an integer")
    return value


def _string(data: Json, key: str) -> str:
    """A text that any store can hold: no NUL, no half of a surrogate pair."""
    value = data.get(key, "")
    if not isinstance(value, str):
        raise UpdateError(f"{key} must be a string")
    if "\0" in value:
        value = value.replace("\0", "\ufffd")
    try:
        value.encode()
    except UnicodeEncodeError:
        value = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value


def _time(data: Json, key: str) -> datetime:
    try:
        return datetime.fromtimestamp(_integer(data, key), UTC)
    except (OverflowError, OSError, ValueError):
        raise UpdateError(f"{key} must be a Unix time") from None
