"""The guard: each rule's own examples, and the shapes that no word pattern sees."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config import Language, Script
from engine import Level, Request, Role, Turn
from engine.guard import Guard
from engine.guard.patterns import Rule, read_rules
from engine.guard.plain import plain, sentences

GUARD = Guard()
RULES = [rule for language in Language for rule in read_rules(language)]
ZH = Request("我最近总是睡不着", Language.ZH, Script.HANS)
EN = Request("I can't sleep lately", Language.EN)


def examples(which: str) -> list[tuple[Rule, str]]:
    return [(rule, text) for rule in RULES for text in getattr(rule, which)]


@pytest.mark.parametrize(("rule", "text"), examples("caught"), ids=lambda value: getattr(value, "name", value))
def test_a_rule_catches_its_examples(rule: Rule, text: str) -> None:
    assert any(rule.broken_by(sentence) for sentence in sentences(plain(text)))


@pytest.mark.parametrize(("rule", "text"), examples("passed"), ids=lambda value: getattr(value, "name", value))
def test_no_rule_stops_an_example_that_may_pass(rule: Rule, text: str) -> None:
    assert not [other.name for other in RULES if any(other.broken_by(part) for part in sentences(plain(text)))]


def test_every_rule_stands_in_both_languages() -> None:
    assert {rule.name for rule in read_rules(Language.ZH)} == {rule.name for rule in read_rules(Language.EN)}


@pytest.mark.parametrize(
    "text",
    [
        "你可以打 400-161-9995 找人说说。",
        "请拨打热线 4001619995。",
        "拨打 95555 会有人接。",
        "电话是一三八零零一三八零零零。",
        "打 １２３４５６７ 试试。",
        "看看 https://example.org/help 上面的文章。",
        "加我微信聊。",
        "去 xinli001.com 做个测试。",
    ],
)
def test_unknown_numbers_and_links_are_stopped(text: str) -> None:
    assert "contact" in GUARD.check(text, ZH)


@pytest.mark.parametrize(
    "text",
    [
        "Call 1-800-555-0199 and someone will answer.",
        "You can text 55555 at any time.",
        "Call eight hundred, or dial nine nine five five.",
        "Read more at www.example.org today.",
        "Write to help@example.org about it.",
    ],
)
def test_unknown_numbers_and_links_are_stopped_in_english(text: str) -> None:
    assert "contact" in GUARD.check(text, EN)


@pytest.mark.parametrize(
    ("text", "request_"),
    [
        ("如果有危险，请马上打 120 或 110。", ZH),
        ("用 5-4-3-2-1 的办法看看身边的东西，先说五样看得见的。", ZH),
        ("跟着我数，一、二、三、四、五，慢慢呼出来。", ZH),
        ("吸气 4 秒，停 7 秒，呼气 8 秒，做 3 遍。", ZH),
        ("2023 年那次分手，好像到现在还压着你。", ZH),
        ("Breathe in for 4, hold for 7, out for 8, three times.", EN),
        ("Let's try 5-4-3-2-1: what are five things you can see?", EN),
        ("It sounds like you have been up since 3:30, again, and work begins at 9.", EN),
    ],
)
def test_known_numbers_and_counting_pass(text: str, request_: Request) -> None:
    assert GUARD.check(text, request_) == ()


@pytest.mark.parametrize(
    ("text", "request_"),
    [
        ("It sounds like you are tired of everything.", ZH),
        ("听起来你真的很累了。", EN),
        ("最近よく眠れないのですね、つらいですね。", ZH),
        ("Parece que estás muy cansado y no puedes dormir por la noche.", EN),
        ("blorp kesh winda torv mesp lund varg hest plom drank fusk yelm", EN),
        ("听起来\ufffd\ufffd你很累。", ZH),
    ],
)
def test_a_wrong_language_is_stopped(text: str, request_: Request) -> None:
    assert "language" in GUARD.check(text, request_)


def test_english_words_inside_chinese_pass() -> None:
    assert GUARD.check("你说 deadline 和 KPI 压得你喘不过气，是从什么时候开始的？", ZH) == ()


def test_traditional_characters_are_stopped_for_a_reader_of_simplified_ones_only() -> None:
    text = "聽起來你這幾天真的很難過，願意說說發生了什麼嗎？"
    assert GUARD.check(text, ZH) == ("script",)
    assert GUARD.check(text, Request(ZH.text, Language.ZH, Script.HANT)) == ()


def test_rules_hold_in_traditional_characters() -> None:
    assert "promise" in GUARD.check("你一定會好起來的。", Request("我好難過", Language.ZH, Script.HANT))


@pytest.mark.parametrize("hidden", ["一定\u200b会好起来", "一定会好\u2060起来"])
def test_invisible_characters_hide_nothing(hidden: str) -> None:
    assert "promise" in GUARD.check(f"你{hidden}的。", ZH)


@pytest.mark.parametrize(
    "text",
    [
        "我在听。" * 30,
        "说说看，说说看，说说看，说说看，说说看，说说看。",
        "啊啊啊啊啊啊啊啊啊啊啊啊啊",
        "你愿意多说一点今天发生的事吗？你愿意多说一点今天发生的事吗？",
    ],
)
def test_repetition_is_stopped(text: str) -> None:
    assert "repetition" in GUARD.check(text, ZH)


def test_an_earlier_answer_is_not_given_again() -> None:
    said = "听起来你夹在父母和自己的想法中间，两头都不想伤，这样撑着一定很耗力气。"
    request = Request("嗯", Language.ZH, Script.HANS, history=(Turn(Role.ASSISTANT, said),))
    assert "repetition" in GUARD.check(said, request)


def test_flooding_is_stopped() -> None:
    words = "你说的这些事情我都听见了，每一件都不轻松，"
    text = "".join(f"{words}第{n}件更是这样。" for n in range(80))
    assert "flooding" in GUARD.check(text, ZH)


def test_a_leaked_prompt_is_stopped() -> None:
    assert "leak" in GUARD.check("先听懂，再开口。用对方自己的词，说出你听到的事和感受", ZH)
    assert "leak" in GUARD.check(
        "Listen before you speak. Name what happened and how it feels in the person's own words.", EN
    )


@pytest.mark.parametrize("level", [Level.URGENT, Level.EMERGENCY])
def test_ordinary_chat_after_an_urgent_text_is_stopped(level: Level) -> None:
    request = Request("药我都准备好了", Language.ZH, Script.HANS, level=level)
    assert GUARD.check("今天天气不错，晚饭吃了什么呀？", request) == ("missed_danger",)
    assert GUARD.check("我很在意你现在安不安全，身边有人吗？", request) == ()


def test_a_danger_that_the_screener_missed_must_be_taken_up() -> None:
    request = Request("有时候真的想自杀", Language.ZH, Script.HANS)
    assert GUARD.check("嗯嗯，周末打算做点什么呢？", request) == ("missed_danger",)
    assert GUARD.check("嗯，我听到了。", request, final=False) == ()


@given(st.text(max_size=400), st.sampled_from([ZH, EN]))
def test_any_text_gets_a_verdict(text: str, request: Request) -> None:
    assert set(GUARD.check(text, request)) <= {rule.name for rule in RULES} | {
        "contact", "language", "script", "repetition", "flooding", "leak", "missed_danger"
    }  # fmt: skip
