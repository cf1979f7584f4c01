"""The screener as a whole: the suite of cases, context, evidence, and what no text may do to it."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.screening import load_screener
from engine.types import About, Assessment, Category, Level, Role, Turn

SCREENER = load_screener()
SUITE = Path(__file__).parents[1] / "screening"
CASES = [
    json.loads(line) for path in sorted(SUITE.glob("*.jsonl")) for line in path.read_text(encoding="utf-8").splitlines()
]
ANY_TEXT = st.text(st.characters(exclude_categories=[]), max_size=400)
EMERGENCIES = [
    "我现在就要从楼顶跳下去，遗书写好了。",
    "刚刚吞了一整瓶安眠药。",
    "I'm going to kill myself tonight.",
    "I just took a whole bottle of pills.",
]


def user(*texts: str) -> list[Turn]:
    return [Turn(Role.USER, text) for text in texts]


def asked(question: str, *before: str) -> list[Turn]:
    return [*user(*before), Turn(Role.ASSISTANT, question)]


WEAK = {
    "not a day goes by that I don't want to die, I want to die",  # read as a negation
    "电影里他从楼顶跳下去了",  # the model does not see that this is fiction
    "the lyrics say I want to die",
    "放心，我不会去死的",  # a denial that the model takes for a threat
    "把病毒杀掉就好了",
    "我国的自杀率是多少",  # a question about a number, in which the model hears the word
}
"""Known to be judged wrong; one that is judged right must leave this list."""


@pytest.fixture(autouse=True)
def _expect_the_weak(request: pytest.FixtureRequest) -> None:
    case = getattr(request.node, "callspec", None) and request.node.callspec.params.get("case")
    if isinstance(case, dict) and case["text"] in WEAK:
        request.applymarker(pytest.mark.xfail(reason="a known weakness of the screener", strict=True))


@pytest.mark.parametrize("case", CASES, ids=[f"{c['group']}: {c['text'][:40]!r}" for c in CASES])
def test_case(case: dict[str, object]) -> None:
    result = SCREENER.assess(str(case["text"]))
    assert result.level in case["levels"], result  # type: ignore[operator] # a list of levels, from JSON


def test_the_suite_is_large_enough() -> None:
    assert len(CASES) >= 200
    assert {case["lang"] for case in CASES} >= {"zh", "en"}


@pytest.mark.parametrize(
    ("text", "category"),
    [
        ("我不想活了", Category.SUICIDE),
        ("I've been cutting myself again", Category.SELF_HARM),
        ("I want to kill him", Category.HARM_TO_OTHERS),
        ("我爸又打我了", Category.ABUSE),
        ("the voices tell me to hurt myself", Category.PSYCHOSIS),
        ("我妈晕倒了叫不醒", Category.MEDICAL),
    ],
)
def test_category(text: str, category: Category) -> None:
    assert SCREENER.assess(text).category is category


@pytest.mark.parametrize(
    ("text", "about"),
    [
        ("我想自杀", About.SELF),
        ("我朋友想自杀", About.OTHER),
        ("I want to kill myself", About.SELF),
        ("my friend says she will jump", About.OTHER),
        ("my sister wants to kill herself", About.OTHER),
        ("my friend died and I want to die", About.SELF),
    ],
)
def test_who_is_in_danger(text: str, about: About) -> None:
    result = SCREENER.assess(text)
    assert result.level.needs_human
    assert result.about is about


def test_evidence_quotes_the_original() -> None:
    text = "今天天气不错。其实我 想 死，好久了"
    result = SCREENER.assess(text)
    assert any(item.text == "想 死" for item in result.evidence)
    assert all(text[item.start : item.end] == item.text for item in result.evidence)


@pytest.mark.parametrize(
    ("question", "answer", "least"),
    [
        ("Are you safe right now?", "no", Level.URGENT),
        ("Are you safe right now?", "not really", Level.URGENT),
        ("你现在安全吗？", "不安全", Level.URGENT),
        ("你现在安全吗？", "不知道", Level.URGENT),
        ("Do you have a plan to hurt yourself?", "yes", Level.EMERGENCY),
        ("Do you have a plan?", "maybe", Level.URGENT),
        ("你有具体的计划吗？", "有", Level.EMERGENCY),
        ("有没有想过自杀？", "想过", Level.URGENT),
        ("Have you taken anything?", "yeah", Level.EMERGENCY),
        ("你已经吃了药吗？", "吃了", Level.EMERGENCY),
        ("Is there something nearby that you could use? Do you have pills with you?", "yes", Level.EMERGENCY),
        ("I'm sorry. Are you thinking about killing yourself?", "Yes.", Level.URGENT),
        ("你是不是吞了什么药？", "吞了", Level.EMERGENCY),
        ("你现在是在楼顶吗？", "在", Level.EMERGENCY),
        ("他又打你了吗？", "打了", Level.URGENT),
        ("你朋友有没有说过想死？", "说过", Level.URGENT),
        ("Have you been cutting yourself?", "yeah a bit", Level.URGENT),
        ("Does she have access to a gun?", "yeah, my uncle's", Level.URGENT),
        ("Are you on a bridge right now?", "yes i am", Level.EMERGENCY),
    ],
)
def test_a_dangerous_answer_to_a_safety_question(question: str, answer: str, least: Level) -> None:
    result = SCREENER.assess(answer, asked(question, "I feel so low"))
    assert result.level >= least
    assert result.evidence


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Are you safe right now?", "yes"),
        ("你现在安全吗？", "安全的"),
        ("Do you have a plan to hurt yourself?", "no"),
        ("你有计划吗？", "没有"),
        ("有没有想过自杀？", "没有"),
        ("Is somebody with you?", "no"),
        ("身边有人陪你吗？", "有"),
        ("What did you eat today?", "no"),
        ("你今天吃饭了吗？", "吃了"),
        ("你有没有试过散步？", "试过"),
        ("Did you sleep a little?", "yes a bit"),
    ],
)
def test_a_calm_answer_to_a_question(question: str, answer: str) -> None:
    assert not SCREENER.assess(answer, asked(question)).level.needs_human


@pytest.mark.parametrize(
    ("before", "text"),
    [
        ("I want to die, I can't go on", "I have the pills here"),
        ("我不想活了", "药就在手边"),
        ("I want to kill myself", "tonight"),
        ("我想死", "我在天台"),
    ],
)
def test_means_after_a_wish_are_an_emergency(before: str, text: str) -> None:
    assert SCREENER.assess(text, user(before)).level is Level.EMERGENCY


@pytest.mark.parametrize(("first", "second"), [("我不想", "活了"), ("i want", "to die")])
def test_a_sentence_sent_in_pieces(first: str, second: str) -> None:
    assert SCREENER.assess(second, user(first)).level.needs_human


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("最近压力很大", "最近总是加班，很累"),
        ("Hello, call me Ann", "I can't sleep lately"),
        ("我不想", "上班"),
        ("can we have", "noodles for dinner"),
    ],
)
def test_two_calm_texts_do_not_add_up_to_danger(first: str, second: str) -> None:
    assert not SCREENER.assess(second, user(first)).level.needs_human


@pytest.mark.parametrize("text", ["Ich kann nicht schlafen", "hola, estoy buscando ayuda", "잠이 안 와요", "眠れない"])
def test_a_calm_text_in_another_language_rings_nobody(text: str) -> None:
    assert not SCREENER.assess(text).level.needs_human


def test_a_slow_climb_raises() -> None:
    climb = ["好累", "最近老是失眠，睡不着", "觉得自己什么都做不好，讨厌自己", "没有人在乎我", "撑不下去了"]
    levels = [SCREENER.assess(text, user(*climb[:place])).level for place, text in enumerate(climb)]
    assert levels[-1].needs_human


def test_alone_after_danger_is_danger_still() -> None:
    question = "现在有人陪着你吗？"
    assert SCREENER.assess("没有", asked(question, "我不想活了")).level.needs_human
    assert not SCREENER.assess("没有", asked(question, "今天好累")).level.needs_human


def test_an_answer_about_a_friend_is_about_the_friend() -> None:
    assert SCREENER.assess("说过", asked("她有没有说过想死？", "我朋友很不对劲")).about is About.OTHER


def test_a_calm_text_stays_calm_after_danger() -> None:
    assert not SCREENER.assess("今天吃了火锅，很好吃", user("我前几天想死")).level.needs_human


@settings(deadline=None)
@given(ANY_TEXT)
def test_any_text_gets_an_assessment(text: str) -> None:
    result = SCREENER.assess(text, [Turn(Role.USER, text), Turn(Role.ASSISTANT, text)])
    assert isinstance(result, Assessment)
    assert 0 <= result.score <= 1
    assert all(text[item.start : item.end] == item.text for item in result.evidence)


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=200), st.sampled_from(EMERGENCIES), st.booleans())
def test_an_explicit_emergency_is_never_talked_away(text: str, emergency: str, first: bool) -> None:
    whole = f"{emergency}\n{text}" if first else f"{text}\n{emergency}"
    assert SCREENER.assess(whole).level.needs_human


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\ud800\udfff\ud800",
        "a" * 300_000,
        "想" * 100_000,
        "\u202eأريد\u200f " * 20_000,
        "i want to " * 30_000,
        "我 " * 60_000,
        "no " * 60_000,
        "s.u.i." * 30_000,
        "(((((" * 40_000,
        "药" * 50_000 + "手边",
        "\u0301" * 100_000,
    ],
    ids=lambda text: f"{text[:6]!r} x {len(text)}",
)
def test_huge_and_hostile_texts_are_judged(text: str) -> None:
    assert SCREENER.assess(text, user(text)).level in Level


def test_one_sentence_in_a_long_post_is_seen() -> None:
    calm = "今天和同事一起吃饭，聊了聊最近的工作，然后去超市买了菜，回家做饭。\n" * 40
    assert SCREENER.assess(calm + "其实我攒够了安眠药，就等周末。\n" + calm).level is Level.EMERGENCY


def test_the_version_names_rules_and_model() -> None:
    assert SCREENER.version
    assert SCREENER.assess("hello").version == SCREENER.version == load_screener().version
