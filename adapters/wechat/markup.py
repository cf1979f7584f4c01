"""The platform's XML: read it without harm, write it without being broken by what a text holds."""

import re
import struct
from xml.parsers import expat

import xmltodict

Fields = dict[str, object]

# What wechatpy, xmltodict and a date out of range raise for a body that is not what they expect.
PARSE_FAULTS = (
    expat.ExpatError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    IndexError,
    OverflowError,
    OSError,
    struct.error,
)

# Code points that XML 1.0 does not allow, and lone halves of UTF-16 pairs, which UTF-8 does not allow.
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def clean(text: str) -> str:
    """`text` without the code points that XML cannot carry."""
    return _FORBIDDEN.sub("", text)


def decode(body: bytes) -> str:
    """The XML in a request's body. Raises ValueError unless it is UTF-8 and free of document types and entities.

    Control characters that XML forbids are dropped: users type and paste them, and refusing would lose the message.
    """
    text = clean(body.decode("utf-8"))
    _refuse_document_type(text)
    return text


def _refuse_document_type(text: str) -> None:
    """Entities can only be declared in a document type, so XML bombs and external entities end here."""

    def refuse(*_: object) -> None:
        raise ValueError("document types are refused")

    parser = expat.ParserCreate("utf-8")
    parser.StartDoctypeDeclHandler = refuse
    parser.Parse(text.encode(), True)


def fields(text: str) -> Fields:
    """The elements below `<xml>`. Raises one of PARSE_FAULTS."""
    root = xmltodict.parse(text)["xml"]
    if not isinstance(root, dict):
        raise ValueError("no fields")
    return root


def text_answer(to: str, sender: str, text: str, created: int) -> str:
    """A passive text answer. `created` is in seconds since 1970."""
    return (
        f"<xml><ToUserName>{_cdata(to)}</ToUserName><FromUserName>{_cdata(sender)}</FromUserName>"
        f"<CreateTime>{created}</CreateTime><MsgType>{_cdata('text')}</MsgType>"
        f"<Content>{_cdata(text)}</Content></xml>"
    )


def _cdata(text: str) -> str:
    """A text as character data; a `]]>` in it is split over two sections so that it cannot end the first."""
    return f"<![CDATA[{clean(text).replace(']]>', ']]]]><![CDATA[>')}]]>"
