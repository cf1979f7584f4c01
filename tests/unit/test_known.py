"""What a counsellor is told at a glance: what was said of each topic, and what nobody has asked."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.screening import load_screener
from engine.understanding.known import TOPICS, Line, known

NOW = datetime(2026, 5, 1, tzinfo=UTC)
SCREENER = load_screener()


def told(*talk: str) -> dict[str, str]:
    """The answers after a talk; a line that begins with > is the counsellor's or the bot's."""
    lines = []
    for text in talk:
        own = not text.startswith(">")
        said = text.lstrip("> ")
        lines.append(Line(own, said, NOW, SCREENER.assess(said) if own else None))
    return {one.topic: one.answer for one in known(lines)}


def test_of_an_empty_talk_nothing_is_known() -> None:
    assert told() == dict.fromkeys(TOPICS, "not_asked")


@pytest.mark.parametrize(
    ("talk", "topic", "answer"),
    [
        (["I want to die, I've got the pills here and I'll do it tonight"], "means", "yes"),
        (["I want to die, I've got the pills here and I'll do it tonight"], "timeframe", "yes"),
        (["我已经买好了药，想好怎么做了"], "plan", "yes"),
        (["我已经买好了药，想好怎么做了"], "means", "yes"),
        (["感冒了，刚去买了药"], "means", "not_asked"),
        (["I'll do my homework tonight"], "timeframe", "not_asked"),
        (["> Is anyone with you at the moment?", "no"], "alone", "yes"),
        (["> Is anyone with you at the moment?", "yes"], "alone", "no"),
        (["> Is anyone with you at the moment?", "I don't know"], "alone", "unclear"),
        (["> Is anyone with you at the moment?", "leave it"], "alone", "asked"),
        (["> Are you safe right now? Is anyone with you?", "yes"], "alone", "asked"),  # to which of the two?
        (["> Are you safe right now? Is anyone with you?", "no"], "alone", "yes"),
        (["my mum is here with me"], "alone", "no"),
        (["> How old are you?", "I'm 15"], "minor", "yes"),
        (["> How old are you?", "I'm 32"], "minor", "no"),
        (["I'm 15 minutes late"], "minor", "not_asked"),
        (["I'm drunk"], "substance", "yes"),
        (["I haven't been drinking"], "substance", "no"),
        (["我不想活了，已经买好了药"], "means", "yes"),
        (["> 这会儿有人在你身边吗？", "没有"], "alone", "yes"),
        (["我一个人在家"], "alone", "yes"),
        (["> 你喝酒了吗？", "没喝酒"], "substance", "no"),
        (["我高二"], "minor", "yes"),
        (["我今年三十了，孩子上高二"], "minor", "not_asked"),
    ],
)
def test_what_was_said_of_a_topic(talk: list[str], topic: str, answer: str) -> None:
    assert told(*talk)[topic] == answer


def test_not_knowing_does_not_take_an_earlier_word_back() -> None:
    assert told("I have a plan to kill myself tonight", "> Do you have a plan?", "I don't know")["plan"] == "yes"


def test_the_last_clear_word_counts() -> None:
    assert told("I'm all alone", "my sister is here now, my sister is with me")["alone"] == "no"


@given(st.lists(st.tuples(st.booleans(), st.text(max_size=60)), max_size=6))
def test_any_talk_gives_every_topic_once(talk: list[tuple[bool, str]]) -> None:
    found = known([Line(own, text, NOW) for own, text in talk])
    assert tuple(one.topic for one in found) == TOPICS
