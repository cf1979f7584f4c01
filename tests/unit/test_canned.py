"""Canned replies: the same in both languages, short, without a number, and whole without a name."""

import re

import pytest

from config import Language, load_texts
from config.canned import Canned, load_canned

BOTH = pytest.mark.parametrize("language", list(Language))


def test_both_languages_have_the_same_replies_in_the_same_order() -> None:
    zh, en = load_canned(Language.ZH), load_canned(Language.EN)
    assert [one.id for one in zh] == [one.id for one in en]
    assert len(en) >= 25


@BOTH
def test_a_reply_is_short_and_holds_no_number_and_no_promise(language: Language) -> None:
    for reply in load_canned(language):
        assert len(reply.text.encode()) < 600, reply.id
        assert not re.search(r"\d|[!！]", reply.text), reply.id
        assert not re.search(r"\bpromise\b|will be (fine|okay)|保证|一定会好", reply.text), reply.id


@BOTH
def test_a_reply_is_whole_with_a_name_and_without(language: Language) -> None:
    for reply in load_canned(language):
        for name in ("", "Kim"):
            text = reply.filled("Lin", name)
            assert not re.search(r"[{}]|  |\s[,，.。]|^[,，]", text), reply.id
            assert ("Kim" in text) == ("{name}" in reply.text and bool(name)), reply.id


def test_the_name_goes_with_its_comma() -> None:
    assert Canned("a.b", "a", "Hi {name}, I'm {me}.").filled("Lin") == "Hi, I'm Lin."
    assert Canned("a.b", "a", "I'm leaving, {name}. Bye.").filled("Lin") == "I'm leaving. Bye."
    assert Canned("a.b", "a", "{name}，我先走了。").filled("林") == "我先走了。"
    assert Canned("a.b", "a", "{name}你好，我是{me}。").filled("林") == "你好，我是林。"


@BOTH
def test_every_topic_has_a_heading(language: Language) -> None:
    for reply in load_canned(language):
        assert load_texts(language).get(f"canned.{reply.topic}")
