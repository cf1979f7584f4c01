"""Promises of engine.language: the language of a text is told, or None; traditional readers get traditional text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config import Language, Script
from engine.language import _CANTONESE, _HANS_ONLY, _HANT_ONLY, detect, to_script

HANS = (Language.ZH, Script.HANS)
HANT = (Language.ZH, Script.HANT)
EN = (Language.EN, Script.LATIN)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("我最近总是睡不着", HANS),
        ("我覺得好累，不想上學", HANT),
        ("佢唔鍾意我，我好唔開心", HANT),
        ("佢成日話我冇用", HANT),
        ("我今天被 manager fire 了，feel so bad", HANS),
        ("emo了", HANS),
        ("My 妈妈 said 没关系 but I still feel bad", EN),
        ("I can't sleep anymore", EN),
        ("i cant do this", EN),
        ("depressed", EN),
        ("Visited Paris with José, and I felt so alone there", EN),
        ("hola, estoy muy triste", None),
        ("je suis triste", None),
        ("ich bin so traurig", None),
        ("saya sangat sedih", None),
        ("私は悲しいです", None),
        ("мне плохо", None),
        ("너무 힘들어요", None),
        ("ผมเหนื่อย", None),
        ("😭😭😭", None),
        ("", None),
        ("12345 !!!", None),
        ("https://example.org/the-page-and-more", None),
    ],
)
def test_language_and_script_are_told_from_the_text(text: str, expected: tuple[Language, Script] | None) -> None:
    assert detect(text) == expected


def test_a_short_word_keeps_the_language_of_the_conversation() -> None:
    assert detect("ok", previous=HANS) == HANS
    assert detect("haha", previous=HANT) == HANT
    assert detect("I feel so alone", previous=HANS) == EN


def test_characters_of_both_scripts_keep_the_script_of_the_conversation_or_the_hint() -> None:
    assert detect("我不知道", previous=HANT) == HANT
    assert detect("我不知道", hint="zh-Hant-HK") == HANT
    assert detect("我不知道", hint="zh-CN") == HANS
    assert detect("我觉得好累", hint="zh-TW") == HANS


def test_simplified_text_reaches_traditional_readers_with_the_right_words() -> None:
    assert to_script("头发掉了，后来才发现", Script.HANT) == "頭髮掉了，後來才發現"
    assert to_script("头发", Script.HANS) == "头发"
    assert to_script("hair", Script.LATIN) == "hair"


def test_the_character_lists_agree_with_the_converter() -> None:
    assert not _HANS_ONLY & _HANT_ONLY
    assert not {to_script(char, Script.HANT) for char in _HANT_ONLY} & _HANS_ONLY
    assert [char for char in _HANS_ONLY if to_script(char, Script.HANT) == char] == []
    assert not _CANTONESE & _HANS_ONLY


@given(st.text(), st.text(max_size=8), st.sampled_from([None, HANS, HANT, EN]))
def test_any_string_is_answered_without_error(text: str, hint: str, previous: tuple[Language, Script] | None) -> None:
    found = detect(text, hint, previous)
    assert found is None or found in (HANS, HANT, EN)
