"""Normalisation: one spelling for many, and every character remembers its place."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.screening.normalise import normalise

ANY_TEXT = st.text(st.characters(exclude_categories=[]), max_size=300)
TRICKY = st.text(
    st.sampled_from("我想死自杀 .*-_\u200b\u202e'’aAkKｋ１il0\n\ufe0f👍🏽ﬁ㎏①éй한か\ud800😭紫砂u"), max_size=120
)


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("I DON’T want to", "i dont want to"),
        ("ｋｉｌｌ", "kill"),
        ("我想結束自己的生命", "我想结束自己的生命"),
        ("我想\u200b死", "我想死"),
        ("我 想 死", "我想死"),
        ("想*死", "想死"),
        ("自.杀", "自杀"),
        ("s.u.i.c.i.d.e", "suicide"),
        ("k1ll", "kill"),
        ("soooo saaaad", "so sad"),
        ("kiiiilllll", "kill"),
        ("死死死死", "死"),
        ("自鲨", "自杀"),
        ("紫砂", "自杀"),
        ("紫砂壶", "紫砂壶"),
        ("kms", "kill myself"),
        ("10kms", "10kms"),
        ("unalive", "kill"),
        ("I'm gonna", "im going to"),
        ("café", "cafe"),
        ("죽고 싶어", "죽고 싶어"),
        ("が", "が"),
    ],
)
def test_plain_spelling(written: str, plain: str) -> None:
    assert normalise(written).text == plain


def test_words_apart_stay_apart() -> None:
    assert normalise("好累 想死").text == "好累 想死"
    assert normalise("a b").text == "a b"


@pytest.mark.parametrize(
    ("written", "find", "quoted"),
    [
        ("真的，我 想 死。", "想死", "想 死"),
        ("ﬁne, k1ll", "kill", "k1ll"),
        ("\u200b好\u200b想\u200b死", "想死", "想\u200b死"),
        ("今天想自鲨了", "自杀", "自鲨"),
        ("so kms now", "kill myself", "kms"),
        ("I waaaant it", "want", "waaaant"),
    ],
)
def test_spans_lead_back_to_the_original(written: str, find: str, quoted: str) -> None:
    plain = normalise(written)
    start = plain.text.index(find)
    first, last = plain.span(start, start + len(find))
    assert written[first:last] == quoted


@given(st.one_of(ANY_TEXT, TRICKY))
def test_any_text_is_accepted_and_offsets_rise(text: str) -> None:
    plain = normalise(text)
    places = [plain.span(i, i + 1) for i in range(len(plain.text))]
    assert all(0 <= first < last <= len(text) for first, last in places)
    assert all(a[0] <= b[0] for a, b in pairwise(places))


@given(TRICKY)
def test_case_and_width_do_not_matter(text: str) -> None:
    wide = "".join(chr(ord(c) + 0xFEE0) if "a" <= c.lower() <= "z" else c for c in text)
    assert normalise(wide).text == normalise(text.upper()).text == normalise(text).text
