"""From WeChat's XML to a Message, and from a text to the XML of an answer."""

from datetime import UTC, datetime
from xml.etree import ElementTree
from xml.sax.saxutils import escape

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapters import Address, Attachment, Kind, Message
from adapters.wechat import markup
from adapters.wechat.parse import Inbound, parse
from adapters.wechat.security import WINDOW_SECONDS, Gate, NonceMemory, Refused, sign

CREATED = 1_800_000_000
XML_TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"))


def xml(**fields: str) -> str:
    base = {"ToUserName": "gh_1", "FromUserName": "openid-1", "CreateTime": str(CREATED), "MsgId": "77"}
    return "<xml>" + "".join(f"<{k}>{escape(v)}</{k}>" for k, v in (base | fields).items()) + "</xml>"


def message(**fields: str) -> Message:
    return parse(xml(**fields), "wx1").message


def test_a_text() -> None:
    inbound = parse(xml(MsgType="text", Content="你好"), "wx1")
    assert inbound == Inbound(
        Message(
            address=Address("wechat", "wx1", "openid-1"),
            key="msg:77",
            sent_at=datetime.fromtimestamp(CREATED, UTC),
            kind=Kind.TEXT,
            text="你好",
            reference="77",
        ),
        original_id="gh_1",
        answerable=True,
    )


@pytest.mark.parametrize(
    ("typed", "kind", "text"),
    [
        ("/help", Kind.COMMAND, "help"),
        ("／Language en", Kind.COMMAND, "language en"),
        ("/::)", Kind.TEXT, "/::)"),  # WeChat's own code for a smiley
        ("1/2", Kind.TEXT, "1/2"),
        ("【收到不支持的消息类型，暂无法显示】", Kind.STICKER, ""),
        ("[收到不支持的消息类型,暂时无法显示]", Kind.STICKER, ""),
        ("我收到不支持的消息类型怎么办", Kind.TEXT, "我收到不支持的消息类型怎么办"),
        ("[微笑]", Kind.TEXT, "[微笑]"),
        ("", Kind.TEXT, ""),
    ],
)
def test_what_is_written(typed: str, kind: Kind, text: str) -> None:
    got = message(MsgType="text", Content=typed)
    assert (got.kind, got.text) == (kind, text)


@pytest.mark.parametrize(
    ("fields", "kind", "attachment", "text"),
    [
        ({"MsgType": "image", "PicUrl": "http://x", "MediaId": "m"}, Kind.PHOTO, Attachment(Kind.PHOTO, "m"), ""),
        (
            {"MsgType": "voice", "MediaId": "m", "Format": "amr", "Recognition": ""},
            Kind.VOICE,
            Attachment(Kind.VOICE, "m", mime="audio/amr"),
            "",
        ),
        ({"MsgType": "voice", "MediaId": "m", "Format": "?"}, Kind.VOICE, Attachment(Kind.VOICE, "m"), ""),
        ({"MsgType": "video", "MediaId": "m"}, Kind.VIDEO, Attachment(Kind.VIDEO, "m"), ""),
        ({"MsgType": "shortvideo", "MediaId": "m"}, Kind.VIDEO, Attachment(Kind.VIDEO, "m"), ""),
        (
            {"MsgType": "location", "Location_X": "23.1", "Location_Y": "113.3", "Label": "天台"},
            Kind.LOCATION,
            Attachment(Kind.LOCATION, "23.1,113.3"),
            "天台",
        ),
        (
            {"MsgType": "link", "Title": "遗书", "Description": "怎么写", "Url": "https://example.org/"},
            Kind.DOCUMENT,
            Attachment(Kind.DOCUMENT, "https://example.org/", name="遗书"),
            "遗书\n怎么写",
        ),
        (
            {"MsgType": "file", "Title": "a.pdf", "FileKey": "k", "FileTotalLen": "1200"},
            Kind.DOCUMENT,
            Attachment(Kind.DOCUMENT, "k", name="a.pdf", bytes=1200),
            "",
        ),
    ],
)
def test_what_is_not_written(fields: dict[str, str], kind: Kind, attachment: Attachment, text: str) -> None:
    got = message(**fields)
    assert (got.kind, got.attachments, got.text) == (kind, (attachment,), text)


def test_an_unknown_type_is_a_message_that_can_be_answered() -> None:
    inbound = parse(xml(MsgType="hologram"), "wx1")
    assert (inbound.message.kind, inbound.answerable) == (Kind.OTHER, True)


@pytest.mark.parametrize(
    ("event", "pressed", "kind", "text", "answerable"),
    [
        ("subscribe", "", Kind.ARRIVED, "", True),
        ("subscribe", "qrscene_12", Kind.ARRIVED, "", True),
        ("unsubscribe", "", Kind.LEFT, "", False),
        ("CLICK", "crisis", Kind.COMMAND, "crisis", True),
        ("CLICK", "Human", Kind.COMMAND, "human", True),
        ("CLICK", "checkin:3:Good", Kind.ACTION, "checkin:3:Good", True),
        ("SCAN", "12", Kind.OTHER, "", True),
        ("VIEW", "https://example.org/", Kind.OTHER, "", False),
        ("LOCATION", "", Kind.OTHER, "", False),
        ("TEMPLATESENDJOBFINISH", "", Kind.OTHER, "", False),
        ("never_heard_of", "", Kind.OTHER, "", False),
    ],
)
def test_events(event: str, pressed: str, kind: Kind, text: str, answerable: bool) -> None:
    inbound = parse(xml(MsgType="event", Event=event, EventKey=pressed), "wx1")
    assert (inbound.message.kind, inbound.message.text, inbound.answerable) == (kind, text, answerable)


def test_an_events_key_tells_it_from_others_and_stays_short() -> None:
    def key(**fields: str) -> str:
        return message(MsgType="event", **fields).key

    assert key(Event="CLICK", EventKey="help") == f"event:openid-1:{CREATED}:CLICK:help"
    assert key(Event="CLICK", EventKey="help") == key(Event="CLICK", EventKey="help", MsgId="78")
    assert key(Event="CLICK", EventKey="help") != key(Event="CLICK", EventKey="crisis")
    assert key(Event="CLICK", EventKey="help") != key(Event="CLICK", EventKey="help", CreateTime=str(CREATED + 1))
    long = "https://example.org/" + "a" * 1000
    assert len(key(Event="VIEW", EventKey=long)) < 250
    assert key(Event="VIEW", EventKey=long) != key(Event="VIEW", EventKey=long + "b")


@given(st.binary() | st.text().map(lambda t: t.encode(errors="replace")))
@example(b"<xml><MsgType/></xml>")
@example(b"<xml><MsgType><a>text</a></MsgType></xml>")
@example(b"<xml a='1'>t</xml>")
@example(b"\xef\xbb\xbf<xml/>")
def test_any_body_is_read_or_refused(body: bytes) -> None:
    gate = Gate("wx1", "token", None, lambda: 1000.0)
    call = gate.check({"timestamp": "1000", "nonce": "1", "signature": sign("token", "1000", "1")})
    refused = None
    try:
        parse(gate.open(call, body), "wx1")
    except Refused as error:
        refused = error
    assert refused is None or (refused.status in (400, 403) and "\n" not in refused.reason)


FIELDS = st.dictionaries(
    st.sampled_from(
        [
            "ToUserName",
            "FromUserName",
            "CreateTime",
            "MsgId",
            "MsgType",
            "Event",
            "EventKey",
            "Content",
            "MediaId",
            "Title",
            "Url",
            "FileTotalLen",
            "Format",
            "Label",
            "Location_X",
            "Encrypt",
        ]
    ),
    st.sampled_from(["", "<a/>", "<a>1</a>", "text", "event", "file", "link", "voice", "subscribe", "device_x"])
    | st.integers(-(10**30), 10**30).map(str)
    | XML_TEXT.map(escape),
)


@given(FIELDS, st.booleans())
def test_any_fields_are_read_or_refused(fields: dict[str, str], complete: bool) -> None:
    base = {"ToUserName": "gh_1", "FromUserName": "o", "CreateTime": "1", "MsgId": "7", "MsgType": "text"}
    given_fields = base | fields if complete else fields
    body = "<xml>" + "".join(f"<{k}>{v}</{k}>" for k, v in given_fields.items()) + "</xml>"
    try:
        first = parse(body, "wx1")
    except Refused:
        return
    assert first == parse(body, "wx1")
    assert len(first.message.key) < 600
    assert Address.parse(str(first.message.address)) == first.message.address


@given(XML_TEXT)
@example("]]>")
@example("]]]]>>")
@example("]]></Content><MsgType><![CDATA[image]]></MsgType>")
@example("<a href='x'>&amp;</a>")
def test_an_answer_holds_exactly_its_text(text: str) -> None:
    root = ElementTree.fromstring(markup.text_answer("openid", "gh_1", text, CREATED))
    assert [e.tag for e in root] == ["ToUserName", "FromUserName", "CreateTime", "MsgType", "Content"]
    assert root.findtext("Content") == text
    assert root.findtext("MsgType") == "text"


@given(st.text(st.characters(categories=["Cs", "Cc", "Cn", "Lo", "So"])))
def test_any_text_makes_a_well_formed_answer(text: str) -> None:
    ElementTree.fromstring(markup.text_answer("openid", "gh_1", text, CREATED).encode())


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("xy"), st.integers(0, 400))))
def test_a_nonce_is_remembered_while_its_timestamp_counts(uses: list[tuple[str, str, int]]) -> None:
    now = [0.0]
    memory = NonceMemory(lambda: now[0])
    first: dict[str, tuple[float, str]] = {}
    for nonce, content, later in uses:
        now[0] += later
        at, known = first.get(nonce, (-1e9, ""))
        if now[0] - at >= 2 * WINDOW_SECONDS:
            first[nonce] = (now[0], content)
            assert memory.admit(nonce, content)
        else:
            assert memory.admit(nonce, content) is (content == known)
