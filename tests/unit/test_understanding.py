"""What the bot finds to remember, and what it never does; which plain words are meant for the bot itself."""

import pytest

from config import Language
from engine.understanding import THINGS, Fact, FactKind, agrees, command_in, fact_in, finds_helpful, things_in
from engine.understanding.data import load


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("call me Ann", "Ann"),
        ("Hi, call me Ann please.", "Ann"),
        ("my name is ann", "ann"),
        ("You can call me Mary Ann", "Mary Ann"),
        ("My name's O'Neil, and I can't sleep", "O'Neil"),
        ("my name is Zoë and I can't sleep", "Zoë"),
        ("Hello! My name is Priya.\nI had a bad day", "Priya"),
        ("I go by Sam", "Sam"),
        ("call me 小林", "小林"),
        ("叫我小林", "小林"),
        ("你可以叫我阿明", "阿明"),
        ("我叫王小明，最近睡不着", "王小明"),
        ("你好，我叫琳琳", "琳琳"),
        ("以后叫我星星吧", "星星"),
        ("叫我Ann就行", "Ann"),
        ("就叫我老王吧", "老王"),
        ("我的名字是陳靜", "陳靜"),
    ],
)
def test_a_name_is_found_as_it_was_written(text: str, name: str) -> None:
    assert fact_in(text) == Fact(FactKind.NAME, name)


@pytest.mark.parametrize("text", ["remember that my name is Jo", "記住我叫小陳", "请记住，我叫小林"])
def test_a_wish_to_be_remembered_is_told_from_a_mere_name(text: str) -> None:
    found = fact_in(text)
    assert found
    assert found.kind is FactKind.NAME
    assert found.wished


@pytest.mark.parametrize(
    "text",
    [
        "call me crazy but I miss him",
        "call me an ambulance",
        "they call me names",
        "he called me stupid",
        "call me worthless",
        "call me dead inside",
        "call me suicidal",
        "please call me back",
        "call me tomorrow",
        "don't call me Ann",
        "my name is mud",
        "My name is on the list",
        "her name is Ann",
        "my sister is called Ann",
        "我叫救护车了",
        "我叫他别来",
        "他叫我去死",
        "叫我滚",
        "叫我起床",
        "叫我小心",
        "叫我马上过去",
        "叫我怎么办",
        "叫我笨蛋吧",
        "妈妈叫我小胖",
        "大家都叫我废物",
        "他叫小林",
        "我朋友叫小林",
        "叫我老公",
        "我叫不出来",
    ],
)
def test_what_is_no_name_or_somebody_elses_is_not_found(text: str) -> None:
    assert fact_in(text) is None


@pytest.mark.parametrize(
    ("text", "thing"),
    [
        ("the breathing helped", "breathing"),
        ("That breathing exercise really helped me, thanks", "breathing"),
        ("the breathing helped, but I'm still sad", "breathing"),
        ("Going for a walk helped a lot", "walking"),
        ("what helps me is music", "music"),
        ("it helped to write things down", "writing"),
        ("I feel a bit better after a hot shower", "bath"),
        ("yoga makes me feel better", "moving"),
        ("the five senses thing helped", "senses"),
        ("那个呼吸法有用", "breathing"),
        ("没想到呼吸法挺有用", "breathing"),
        ("出去走了走，舒服多了", "walking"),
        ("听了会儿歌，平静下来了", "music"),
        ("寫日記對我有幫助", "writing"),
        ("对我有用的是散步", "walking"),
    ],
)
def test_what_helped_is_found_by_its_key(text: str, thing: str) -> None:
    assert fact_in(text) == Fact(FactKind.HELPED, thing)


@pytest.mark.parametrize(
    "text",
    [
        "cutting helped",
        "it helped to hurt myself",
        "drinking helps me sleep",
        "not eating helped",
        "running away helped",
        "the pills helped",
        "therapy helped",
        "my doctor's medication worked",
        "talking to my sister helped",
        "breathing helped my sister",
        "my mum says walking helps",
        "the music helped him",
        "the breathing didn't help",
        "nothing helped, not even music",
        "does the breathing help?",
        "the breathing helped?",
        "I hope the breathing helps",
        "if music helped I'd listen",
        "割手让我舒服多了",
        "喝酒有用",
        "吃药有用",
        "跟朋友散步好多了",
        "我妈说散步有用",
        "听说正念有用",
        "呼吸法没用",
        "呼吸法有用吗",
        "希望冥想有用",
        "呼吸不过来",
        "有用",
        "helpful",
    ],
)
def test_danger_illness_other_people_and_what_did_not_help_are_never_found(text: str) -> None:
    assert fact_in(text) is None


@pytest.mark.parametrize(
    ("text", "said"), [("That helped, thank you", "Let us breathe together."), ("这个挺有用", "做个呼吸练习")]
)
def test_that_means_the_one_thing_the_last_answer_spoke_of(text: str, said: str) -> None:
    assert fact_in(text, said) == Fact(FactKind.HELPED, "breathing")
    assert fact_in(text, f"{said} A walk, 散步") is None
    assert fact_in(text) is None


def test_both_languages_know_the_same_things() -> None:
    assert [tuple(load(language).helped.things) for language in Language] == [THINGS, THINGS]
    assert things_in("a walk, or 听歌") == {"walking", "music"}


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("what do you remember about me", "memory"),
        ("What do you remember about me?", "memory"),
        ("forget my name", "memory forget name"),
        ("Forget everything you remember about me.", "memory forget all"),
        ("delete everything about me", "forget"),
        ("你记得我什么", "memory"),
        ("你還記得我嗎？", "memory"),
        ("忘掉我的名字", "memory forget name"),
        ("把我的名字忘掉吧", "memory forget name"),
        ("忘掉关于我的一切", "forget"),
        ("forget me", ""),
        ("忘了我吧", ""),
        ("I can't remember what you know about me", ""),
    ],
)
def test_plain_words_mean_a_command(text: str, command: str) -> None:
    assert command_in(text) == command


def test_yes_and_no_are_whole_messages() -> None:
    assert [agrees(text) for text in ("Yes!", "好的", "OK.", "嗯")] == [True] * 4
    assert [agrees(text) for text in ("No, thanks", "不用了", "不要", "nope")] == [False] * 4
    assert [agrees(text) for text in ("yes but I hate it", "好难受", "not good", "不好受")] == [None] * 4


def test_what_an_answer_was_worth_is_a_whole_message() -> None:
    assert [finds_helpful(text) for text in ("有用", "helpful", "That was helpful.", "👍🏽")] == [True] * 4
    assert [finds_helpful(text) for text in ("没用", "Not helpful", "沒用。", "that wasn't helpful")] == [False] * 4
    assert [finds_helpful(text) for text in ("我很没用", "没用的东西", "help", "useful for him")] == [None] * 4


@pytest.mark.parametrize(
    "text", ["call me " * 70, "呼吸" * 299, "hi " * 199, "那那么" * 199, "it helped to go " * 30, "\ud800", ""]
)
def test_odd_texts_are_read_quickly_and_find_nothing(text: str) -> None:
    assert fact_in(text) is None
    assert command_in(text) == ""
