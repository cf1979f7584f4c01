"""From the platform's XML to a Message. Pure: the same text gives the same Message."""

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime

from wechatpy import parse_message

from adapters.base import Address, Attachment, Kind, Message, parse_command
from adapters.wechat.markup import PARSE_FAULTS, Fields
from adapters.wechat.security import Refused

COMMANDS = frozenset({"start", "help", "human", "crisis", "breathe", "privacy", "forget", "language"})

_LONGEST_ID = 128
# What the platform writes in the place of a sticker or anything else that it does not pass on.
_NOT_PASSED_ON = re.compile(r"\s*[\[【]收到不支持的消息类型.{0,20}[\]】]\s*")
_VOICE_MIME = {"amr": "audio/amr", "speex": "audio/speex"}
_ANSWERED_EVENTS = frozenset({"subscribe", "subscribe_scan", "scan", "click"})


@dataclass(frozen=True, slots=True)
class Inbound:
    """A message, whom its passive answer must come from, and whether the platform shows an answer to it at all."""

    message: Message
    original_id: str  # the account as users' phones know it, `gh_...`
    answerable: bool


def parse(xml: str, app_id: str) -> Inbound:
    """Read a message or an event. Raises Refused(400) if it lacks what every one must have."""
    try:
        # The raw fields stand in `_data`; the typed ones convert on access and lack what unknown events carry.
        fields: Fields = parse_message(xml)._data
        return _inbound(fields, Address("wechat", app_id, _identifier(fields, "FromUserName")))
    except PARSE_FAULTS:
        raise Refused(400, "message lacks a field that every message has, or holds one that cannot be read") from None


def _inbound(fields: Fields, address: Address) -> Inbound:
    sent_at = datetime.fromtimestamp(int(_identifier(fields, "CreateTime")), UTC)
    original_id = _identifier(fields, "ToUserName")
    if _text(fields, "MsgType").lower() == "event":
        return Inbound(_event(fields, address, sent_at), original_id, _event_name(fields) in _ANSWERED_EVENTS)
    return Inbound(_message(fields, address, sent_at), original_id, answerable=True)


def _message(fields: Fields, address: Address, sent_at: datetime) -> Message:
    message_id = _identifier(fields, "MsgId")
    kind, text, attachments = _content(fields)
    return Message(address, f"msg:{message_id}", sent_at, kind, text, attachments, reference=message_id)


def _content(fields: Fields) -> tuple[Kind, str, tuple[Attachment, ...]]:
    match _text(fields, "MsgType").lower():
        case "text":
            return _written(_text(fields, "Content"))
        case "image":
            return Kind.PHOTO, "", (Attachment(Kind.PHOTO, _text(fields, "MediaId")),)
        case "voice":
            # `Recognition`, the platform's own transcript, has been withdrawn: there is only the audio.
            mime = _VOICE_MIME.get(_text(fields, "Format").lower(), "")
            return Kind.VOICE, "", (Attachment(Kind.VOICE, _text(fields, "MediaId"), mime=mime),)
        case "video" | "shortvideo":
            return Kind.VIDEO, "", (Attachment(Kind.VIDEO, _text(fields, "MediaId")),)
        case "location":
            place = f"{_text(fields, 'Location_X')},{_text(fields, 'Location_Y')}"
            return Kind.LOCATION, _text(fields, "Label"), (Attachment(Kind.LOCATION, place),)
        case "link":
            title = _text(fields, "Title")
            text = "\n".join(part for part in (title, _text(fields, "Description")) if part)
            return Kind.DOCUMENT, text, (Attachment(Kind.DOCUMENT, _text(fields, "Url"), name=title),)
        case "file":
            size = _text(fields, "FileTotalLen")
            attachment = Attachment(
                Kind.DOCUMENT,
                _text(fields, "FileKey"),
                name=_text(fields, "Title"),
                bytes=int(size) if size.isascii() and size.isdigit() else None,
            )
            return Kind.DOCUMENT, "", (attachment,)
        case _:
            return Kind.OTHER, "", ()


def _written(text: str) -> tuple[Kind, str, tuple[Attachment, ...]]:
    if _NOT_PASSED_ON.fullmatch(text):
        return Kind.STICKER, "", ()
    if command := parse_command(text):
        return Kind.COMMAND, command, ()
    return Kind.TEXT, text, ()


def _event(fields: Fields, address: Address, sent_at: datetime) -> Message:
    name, pressed = _event_name(fields), _text(fields, "EventKey")
    key = f"event:{address.chat}:{_text(fields, 'CreateTime')}:{_short(_text(fields, 'Event'))}:{_short(pressed)}"
    match name:
        case "subscribe" | "subscribe_scan":
            return Message(address, key, sent_at, Kind.ARRIVED)
        case "unsubscribe":
            return Message(address, key, sent_at, Kind.LEFT)
        case "click":
            kind = Kind.COMMAND if pressed.lower() in COMMANDS else Kind.ACTION
            return Message(address, key, sent_at, kind, pressed.lower() if kind is Kind.COMMAND else pressed)
        case _:
            return Message(address, key, sent_at, Kind.OTHER)


def _event_name(fields: Fields) -> str:
    return _text(fields, "Event").lower()


def _text(fields: Fields, name: str) -> str:
    """A field's text; empty if it is absent, empty or not a text."""
    value = fields.get(name)
    return value if isinstance(value, str) else ""


def _identifier(fields: Fields, name: str) -> str:
    value = _text(fields, name)
    if not 0 < len(value) <= _LONGEST_ID:
        raise ValueError(name)
    return value


def _short(part: str) -> str:
    """A part of a key, kept short: a menu entry's key may be a long web address."""
    if len(part) <= _LONGEST_ID:
        return part
    return f"{part[:64]}~{hashlib.sha256(part.encode()).hexdigest()[:32]}"
