"""Promises of engine.language: the language of a text is told, or None; traditional readers get traditional text."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config import Language, Script
from engine.language import _CANTONESE, _EN_WORDS, _HANS_ONLY, _HANT_ONLY, detect, other_language, to_script
from engine.other_languages import TELLING, fold, is_pinyin
from engine.screening.corpora import CORPUS

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
        ("quiero morir", None),
        ("wo hen nan guo", HANS),
        ("ta na zhe dao jiu ming", HANS),
        ("zhen de hao xiang si", HANS),
        ("wǒ hěn nánguò", HANS),
        ("我好喜欢你desu です", HANS),
        ("ｉ ｗａｎｔ ｔｏ ｄｉｅ", EN),
        ("𝓘 𝔀𝓪𝓷𝓽 𝓽𝓸 𝓭𝓲𝓮", EN),
        ("ha ha", EN),
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


def test_a_word_of_thanks_in_another_language_keeps_the_language_of_the_conversation() -> None:
    assert detect("merci!", previous=EN) == EN
    assert other_language("gracias :)", previous=HANS) is None
    assert other_language("gracias :)") == "es"
    assert other_language("quiero morir", previous=EN) == "es"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Hola", "es"),
        ("tengo ansiedad y no sé qué hacer", "es"),
        ("oi, tudo bem?", "pt"),
        ("não aguento mais, queria não acordar amanhã", "pt"),
        ("j'ai envie de mourir", "fr"),
        ("mon copain m'a quittée", "fr"),
        ("ich möchte sterben", "de"),
        ("Ich kann nicht schlafen", "de"),
        ("voglio morire", "it"),
        ("ik kan niet slapen", "nl"),
        ("chce umrzec", "pl"),
        ("ölmek istiyorum", "tr"),
        ("aku mau mati", "id"),
        ("pengen mati aja", "id"),
        ("tôi muốn chết", "vi"),
        ("toi muon chet", "vi"),
        ("хочу умереть", "ru"),
        ("أريد أن أموت", "ar"),
        ("मैं मरना चाहता हूँ", "hi"),
        ("死にたい", "ja"),
        ("죽고 싶어요", "ko"),
        ("อยากตาย", "th"),
        ("main marna chahta hoon", "und"),
        ("ayoko na mabuhay, pagod na ako", "und"),
        ("мені погано, і я не можу спати", "und"),
        ("میں مرنا چاہتا ہوں", "und"),
        ("خیلی غمگینم", "und"),
        ("मला मरायचे आहे", "und"),
        ("είμαι λυπημένος", "und"),
    ],
)
def test_another_language_is_told_from_its_words(text: str, code: str) -> None:
    assert other_language(text) == code


@pytest.mark.parametrize(
    "text",
    [
        "", "😭", "12345", "ಠ_ಠ", "ヽ(；´Д｀)ノ", "¯\\_(ツ)_/¯", "(´；ω；`)ｼｮﾎﾞﾝ", "ㅠㅠ", "ㅋㅋㅋ",
        "QAQ", "orz", "の", "T_T", "lol", "omg", "kms", "i wnat to dei", "helo im sda",
        "man ist sick", "non stop crying", "knock em dead", "Stay strong OP",
        "suicide note done", "los angeles", "mamma mia", "deja vu", "c'est la vie lol",
        "café", "Beyoncé", "naïve fiancé", "tu me manques is what he wrote and I cried",
        "ni hao", "zai ma", "hao de", "xiexie ni", "wo bu xiang huo le",
        "wo xiang si, zhen de", "Wednesday飞三亚，一切on schedule", "我 really 不想 live 了",
        "我妈 tell me 我 no use", "IDK 我就是很 down", "emo了", "唔該你",
        "https://example.org/la/vida",
    ],
)  # fmt: skip
def test_chinese_english_pinyin_slips_and_emoji_are_no_other_language(text: str) -> None:
    assert other_language(text) is None


def test_of_fifty_thousand_texts_in_chinese_and_english_hardly_any_is_taken_for_another_language() -> None:
    """Pinyin, slang, typing errors, code-mixing: whatever the corpus holds that its authors did not mark as foreign."""
    suite = Path(__file__).parents[1] / "screening" / "suite"
    foreign = {"other_language", "mixed", "indian", "filipino"}
    read, taken = 0, []
    for path in [*CORPUS.glob("*.jsonl"), *suite.glob("*.jsonl")]:
        for row in map(json.loads, path.read_text(encoding="utf-8").splitlines()):
            if row["lang"] in ("zh", "en") and not foreign & set(row["tags"]):
                read += 1
                taken += [row["text"]] if other_language(row["text"]) else []
    assert len(taken) <= read / 10_000, taken


def test_words_that_tell_another_language_are_no_english_and_no_pinyin() -> None:
    assert not TELLING & _EN_WORDS
    assert [word for word in TELLING if len(word) < 3 or fold(word) != word or is_pinyin([word, "ni"])] == []


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
    assert detect(text) is None or other_language(text) is None
