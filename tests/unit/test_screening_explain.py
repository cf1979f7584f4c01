"""An explanation shows each step of the screener, and agrees with its assessment."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.screening import load_screener
from engine.screening.explain import Explanation, explain
from engine.types import Level, Role, Turn

SCREENER = load_screener()
ANY_TEXT = st.text(st.characters(exclude_categories=[]), max_size=120)


def why(found: Explanation, rule: str) -> tuple[str, ...]:
    """What is said about the first match of a rule."""
    return next(match.why for match in found.matches if match.finding.rule.id.startswith(rule))


@pytest.mark.parametrize(
    ("text", "rule", "reason", "counts"),
    [
        ("我没有想死，就是太累了", "suicide.wish", "negated by the words before it", False),
        ("小说里的他说“我想死”", "suicide.wish", "quoted, fiction", False),
        ("我想自杀", "suicide", "", True),
        ("my friend wants to kill herself", "suicide", "about somebody else", True),
        ("以前我想自杀", "suicide", "told of the past", True),
    ],
)
def test_a_match_says_what_its_scope_does_to_it(text: str, rule: str, reason: str, counts: bool) -> None:
    found = explain(SCREENER, text)
    said = why(found, rule)
    assert reason in " ".join(said)
    assert bool(reason) == bool(said)
    assert any(match.counts for match in found.matches if match.finding.rule.id.startswith(rule)) == counts


def test_a_quote_is_of_the_original_text() -> None:
    found = explain(SCREENER, "其实我 想 死，好久了")
    assert "想 死" in [match.quote for match in found.matches]
    assert found.plain.text == "其实我想死,好久了"
    assert [found.quote(window.start, window.end) for window in found.reading.windows] == [found.text]


def test_the_matches_are_those_that_the_screener_sees() -> None:
    text = "我没有想死。" * 30 + "我攒够了安眠药，就等周末。" + "我朋友想自杀，" * 60
    found = explain(SCREENER, text)
    assert [match.finding for match in found.matches] == list(SCREENER.rules.find(found.plain.text, found.segments))


def test_earlier_turns_that_decide_are_named() -> None:
    context = [Turn(Role.USER, "I can't go on"), Turn(Role.ASSISTANT, "Do you have a plan?")]
    found = explain(SCREENER, "yes", context)
    assert [level for _, level in found.earlier] == [SCREENER.assess("I can't go on").level, None]
    assert found.alone.level is Level.NONE
    assert found.result == SCREENER.assess("yes", context)
    assert "context:answer" in found.steps[-1]


@settings(deadline=None, max_examples=50)
@given(ANY_TEXT)
def test_any_text_is_explained(text: str) -> None:
    found = explain(SCREENER, text, [Turn(Role.USER, text)])
    assert found.alone == SCREENER.assess(text)
    assert found.result == SCREENER.assess(text, [Turn(Role.USER, text)])
    assert found.steps
