"""Plain words that ask for a person are taken as /human, and talk about people is not."""

import pytest

from engine.understanding import command_in


@pytest.mark.parametrize(
    "text",
    [
        "I want to talk to a real person",
        "Can I talk to a human?",
        "I need a counsellor now",
        "human please",
        "Please connect me to a counselor",
        "is there a real person I can talk to?",
        "我想找真人聊聊",
        "转人工",
        "能不能帮我找个咨询师？",
        "我想和真人说话",
        "有真人吗",
        "我想找真人聊聊吧",
    ],
)
def test_somebody_asks_for_a_person(text: str) -> None:
    assert command_in(text) == "human"


@pytest.mark.parametrize(
    "text",
    [
        "I want to be a counsellor",
        "my counsellor says I should rest",
        "I talked to a real person yesterday and it was awful",
        "I don't want to talk to a real person",
        "我以前找过咨询师",
        "我不想找真人",
        "我想找工作",
        "找个人结婚吧",
    ],
)
def test_talk_about_people_is_talk(text: str) -> None:
    assert command_in(text) == ""
