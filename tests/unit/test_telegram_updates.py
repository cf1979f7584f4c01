"""Telegram's updates become Messages; whatever the JSON, the only error is an UpdateError without the user's words."""

import contextlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from telegram import Update

from adapters import Attachment, Kind, Message
from adapters.telegram import UpdateError
from adapters.telegram.updates import GroupCall, Identity, Parsed, parse_update

ME = Identity("42", "Psy_Bot")
NOW = datetime(2026, 1, 2, tzinfo=UTC)
ANN = {"id": 7, "is_bot": False, "first_name": "Ann", "last_name": "Lee", "language_code": "zh-hans"}
PRIVATE = {"id": 7, "type": "private", "first_name": "Ann"}
GROUP = {"id": -100, "type": "supergroup", "title": "Friends"}


def said(chat: dict[str, Any] = PRIVATE, **content: Any) -> dict[str, Any]:
    return {"message_id": 5, "date": 1700000000, "chat": chat, "from": ANN, **content}


def parse(**update: Any) -> Parsed:
    return parse_update({"update_id": 10, **update}, ME, NOW)


def message(**content: Any) -> Message:
    found = parse(message=said(**content)).message
    assert found is not None
    return found


def test_a_text_with_all_that_belongs_to_it() -> None:
    assert parse(message=said(text="你好", reply_to_message={"message_id": 3})) == Parsed(
        Message(
            address=message(text="x").address,
            key="update:10",
            sent_at=datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC),
            text="你好",
            reference="5",
            reply_to="3",
            sender_name="Ann Lee",
            language_hint="zh-hans",
        )
    )
    assert str(message(text="x").address) == "telegram:42:7"


@pytest.mark.parametrize(
    ("text", "kind", "read"),
    [
        ("/start", Kind.COMMAND, "start"),
        ("/start deep_link", Kind.COMMAND, "start deep_link"),
        ("/Language@psy_bot EN", Kind.COMMAND, "language EN"),
        ("／help", Kind.COMMAND, "help"),
        ("/help@OtherBot I want to die", Kind.TEXT, "/help@OtherBot I want to die"),
        ("/ not a command", Kind.TEXT, "/ not a command"),
        ("/我想死", Kind.TEXT, "/我想死"),
        ("a /help inside", Kind.TEXT, "a /help inside"),
        ("  spaces stay  ", Kind.TEXT, "  spaces stay  "),
    ],
)
def test_commands_and_texts(text: str, kind: Kind, read: str) -> None:
    found = message(text=text)
    assert (found.kind, found.text) == (kind, read)


def file(**more: Any) -> dict[str, Any]:
    return {"file_id": "F", "file_unique_id": "U", "file_size": 9, **more}


@pytest.mark.parametrize(
    ("content", "kind", "attachment"),
    [
        ({"photo": [file(file_id="small"), file()]}, Kind.PHOTO, Attachment(Kind.PHOTO, "F", bytes=9)),
        (
            {"voice": file(mime_type="audio/ogg")},
            Kind.VOICE,
            Attachment(Kind.VOICE, "F", mime="audio/ogg", bytes=9),
        ),
        ({"audio": file(file_name="a.mp3")}, Kind.VOICE, Attachment(Kind.VOICE, "F", "a.mp3", bytes=9)),
        ({"video": file()}, Kind.VIDEO, Attachment(Kind.VIDEO, "F", bytes=9)),
        ({"video_note": file()}, Kind.VIDEO, Attachment(Kind.VIDEO, "F", bytes=9)),
        ({"animation": file(), "document": file(file_id="D")}, Kind.VIDEO, Attachment(Kind.VIDEO, "F", bytes=9)),
        ({"sticker": file(emoji="😢")}, Kind.STICKER, Attachment(Kind.STICKER, "F", "😢", bytes=9)),
        ({"document": file(file_name="遗书.pdf")}, Kind.DOCUMENT, Attachment(Kind.DOCUMENT, "F", "遗书.pdf", bytes=9)),
        (
            {"location": {"latitude": 31.2304, "longitude": 121.4737}, "venue": {"title": "外滩"}},
            Kind.LOCATION,
            Attachment(Kind.LOCATION, "31.230400,121.473700", "外滩"),
        ),
        (
            {"contact": {"phone_number": "+861", "first_name": "妈妈"}},
            Kind.OTHER,
            Attachment(Kind.OTHER, "+861", "妈妈"),
        ),
    ],
)
def test_what_is_not_text(content: dict[str, Any], kind: Kind, attachment: Attachment) -> None:
    found = message(**content, caption="look")
    assert found.kind is kind
    assert found.attachments == (attachment,)
    assert found.text == ("look" if kind in (Kind.PHOTO, Kind.VOICE, Kind.VIDEO, Kind.STICKER, Kind.DOCUMENT) else "")


def test_what_telegram_will_invent_is_still_a_message() -> None:
    assert message(hologram={}).kind is Kind.OTHER
    assert message(poll={"question": "should I go on?"}).text == "should I go on?"
    assert message(dice={"emoji": "🎲", "value": 1}).kind is Kind.OTHER


def test_service_messages_are_nobodys_words() -> None:
    assert parse(message=said(pinned_message={"message_id": 1})) == Parsed()
    assert parse(message=said(message_auto_delete_timer_changed={})) == Parsed()


def test_an_edit_names_what_it_replaces() -> None:
    found = parse(edited_message=said(text="new", edit_date=1700000100)).message
    assert found is not None
    assert (found.edits, found.reference, found.text) == ("5", "5", "new")
    assert found.sent_at == datetime.fromtimestamp(1700000100, UTC)


def test_a_pressed_button() -> None:
    press = {"id": "q1", "from": ANN, "message": said(text="choose"), "data": "claim:3", "chat_instance": "1"}
    found = parse(callback_query=press)
    assert found.callback == "q1"
    assert found.message is not None
    assert (found.message.kind, found.message.text, found.message.sent_at) == (Kind.ACTION, "claim:3", NOW)
    for odd in ({"message": None}, {"data": None}, {"message": said(GROUP)}):
        without = {key: value for key, value in (press | odd).items() if value is not None}
        assert parse(callback_query=without) == Parsed(callback="q1"), "answered all the same"


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [("member", "kicked", Kind.LEFT), ("kicked", "member", Kind.ARRIVED), ("member", "member", None)],
)
def test_blocking_and_letting_in(before: str, after: str, kind: Kind | None) -> None:
    change = {
        "chat": PRIVATE,
        "from": ANN,
        "date": 1700000000,
        "old_chat_member": {"status": before},
        "new_chat_member": {"status": after},
    }
    found = parse(my_chat_member=change).message
    assert (found.kind if found else None) is kind
    assert parse(my_chat_member=change | {"chat": GROUP}) == Parsed()


@pytest.mark.parametrize(
    ("text", "called"),
    [
        ("/help", True),
        ("/help@psy_bot", True),
        ("/help@other", False),
        ("hey @Psy_Bot, help", True),
        ("we talk about bots", False),
    ],
)
def test_in_a_group_only_calls_are_heard(text: str, called: bool) -> None:
    assert parse(message=said(GROUP, text=text)) == Parsed(group_call=GroupCall(-100, "zh-hans") if called else None)
    assert parse(edited_message=said(GROUP, text=text)) == Parsed()


def test_texts_can_be_stored_anywhere() -> None:
    assert message(text="a\0b\ud83d").text == "a\ufffdb\ufffd"
    assert message(text="\ud83d\ude00").text == "😀"


@pytest.mark.parametrize(
    "update",
    [
        [],
        "text",
        None,
        {},
        {"update_id": "1"},
        {"update_id": True},
        {"update_id": 2**70},
        {"update_id": 1, "message": []},
        {"update_id": 1, "message": {"chat": PRIVATE}},
        {"update_id": 1, "message": said({"type": "private"}, text="my secret")},
        {"update_id": 1, "message": said(text=["my secret"])},
        {"update_id": 1, "message": said() | {"date": 10**18}},
        {"update_id": 1, "message": said() | {"date": "my secret"}},
        {"update_id": 1, "message": said(photo="my secret")},
        {"update_id": 1, "message": said(location={"latitude": 1e9, "longitude": float("nan")})},
        {"update_id": 1, "callback_query": {"id": 7}},
    ],
)
def test_what_telegram_would_not_send_is_refused_without_the_users_words(update: Any) -> None:
    with pytest.raises(UpdateError) as refused:
        parse_update(update, ME, NOW)
    assert "secret" not in str(refused.value)


NAMES = """
    update_id message edited_message callback_query my_chat_member chat from id type private text caption date
    edit_date message_id photo voice sticker document location latitude longitude contact poll question data
    first_name language_code old_chat_member new_chat_member status kicked member file_id file_size venue title
    reply_to_message phone_number
"""
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["private", "supergroup", "kicked", "member", "/help@x", "\ud800", "\0"])
)
ANY_JSON = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES.split()) | st.text(), inner, max_size=8)
    ),
    max_leaves=40,
)


@given(ANY_JSON)
def test_any_json_is_parsed_or_refused(value: Any) -> None:
    with contextlib.suppress(UpdateError):
        parse_update(value, ME, NOW)


@given(
    st.dictionaries(st.sampled_from(NAMES.split()), ANY_JSON, max_size=10),
    st.sampled_from(["message", "edited_message"]),
)
def test_any_content_of_a_private_message_is_parsed_or_refused(content: dict[str, Any], name: str) -> None:
    try:
        found = parse_update({"update_id": 1, name: said() | content | {"chat": PRIVATE}}, ME, NOW).message
    except UpdateError:
        return
    if found:
        json.dumps([found.text, found.sender_name, *(a.reference for a in found.attachments)]).encode()
        found.text.encode()


@given(st.text(min_size=1))
def test_no_text_is_lost(text: str) -> None:
    found = message(text=text)
    if found.kind is Kind.TEXT:
        assert found.text == text.replace("\0", "\ufffd")
    else:
        assert text.strip().lower().startswith(("/" + found.text.split()[0], "／" + found.text.split()[0]))


@pytest.mark.parametrize("name", ["message", "edited_message"])
def test_we_read_what_python_telegram_bot_reads(name: str) -> None:
    """Another reader of the same JSON agrees on the parts both have."""
    content = said(text="hello", edit_date=1700000100, reply_to_message=said(text="before"))
    theirs = Update.de_json({"update_id": 10, name: content}).effective_message
    ours = parse(**{name: content}).message
    assert theirs is not None
    assert ours is not None
    assert theirs.from_user is not None
    assert theirs.reply_to_message is not None
    assert ours.text == theirs.text
    assert ours.reference == str(theirs.message_id)
    assert ours.reply_to == str(theirs.reply_to_message.message_id)
    assert ours.sender_name == theirs.from_user.full_name
    assert ours.sent_at == (theirs.edit_date if name == "edited_message" else theirs.date)
