"""Splitting a text into a platform's messages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters import Unit
from adapters.render import length, split

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=400)


@given(TEXTS, st.integers(4, 80), st.sampled_from(Unit))
def test_every_part_fits_and_nothing_but_blanks_is_lost(text: str, limit: int, unit: Unit) -> None:
    parts = split(text, limit, unit)
    assert all(0 < length(part, unit) <= limit for part in parts)
    assert "".join("".join(parts).split()) == "".join(text.split())


@given(TEXTS, st.sampled_from(Unit))
def test_a_text_that_fits_stays_whole(text: str, unit: Unit) -> None:
    assert split(text, 10_000, unit) == ([text.strip()] if text.strip() else [])


def test_cuts_fall_between_sentences_where_they_can() -> None:
    text = "第一句话。第二句话！第三句话？"
    assert split(text, 10, Unit.CHARACTERS) == ["第一句话。第二句话！", "第三句话？"]
    assert split("One two. Three four. Five", 14, Unit.CHARACTERS) == ["One two.", "Three four.", "Five"]


def test_cuts_fall_between_paragraphs_first() -> None:
    assert split("aaaa. bbbb.\n\ncccc. dddd.", 20, Unit.CHARACTERS) == ["aaaa. bbbb.", "cccc. dddd."]


@pytest.mark.parametrize("whole", ["👩‍👩‍👧", "é", "👍🏽", "❤️"])
def test_what_a_reader_sees_as_one_character_stays_whole(whole: str) -> None:
    parts = split("x" * 9 + whole + "y" * 9, 12, Unit.CHARACTERS)
    assert any(whole in part for part in parts)


def test_a_limit_too_small_for_a_character_is_refused() -> None:
    with pytest.raises(ValueError, match="limit"):
        split("text", 3, Unit.BYTES)
