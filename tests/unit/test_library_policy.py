"""Promises of the library's answers: it listens first, asks one thing at a time, repeats nothing."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config import Language, Script
from engine import Level, Request, Role, Turn
from engine.language import detect
from engine.library import LibraryGenerator, load_library
from engine.types import Piece

GENERATOR = LibraryGenerator(load_library())
SCRIPT = {Language.ZH: Script.HANS, Language.EN: Script.LATIN}
HAN = re.compile("[\u3400-\u9fff]")


def reply(
    text: str,
    language: Language,
    history: tuple[Turn, ...] = (),
    level: Level = Level.NONE,
    conversation: str = "c",
    script: Script | None = None,
) -> Piece:
    return GENERATOR.reply(
        Request(
            text=text,
            language=language,
            script=script or SCRIPT[language],
            history=history,
            level=level,
            conversation=conversation,
        )
    )


def converse(
    texts: list[str],
    language: Language,
    script: Script | None = None,
    level: Level = Level.NONE,
    conversation: str = "c",
) -> list[Piece]:
    history: list[Turn] = []
    pieces = []
    for text in texts:
        piece = reply(text, language, tuple(history), level, conversation, script)
        history += [Turn(Role.USER, text), Turn(Role.ASSISTANT, piece.text)]
        pieces.append(piece)
    return pieces


def shows_what_it_heard(piece: Piece) -> bool:
    return piece.strategy.split("+")[0] in ("reflection", "validation")


def questions(text: str) -> int:
    return len(re.findall("[?？]", re.sub(r"[\"“「].*?[\"”」]", "", text)))


CONVERSATIONS = {
    Language.ZH: [
        [
            "我最近总是睡不着，脑子里全是工作",
            "领导每天都盯着我，稍微慢一点就骂",
            "晚上一闭眼就是那些没做完的事",
            "我跟老婆也说不上话，她觉得我矫情",
            "有时候真想辞职",
            "可是房贷怎么办呢",
            "我不知道还能撑多久",
            "周末也在想工作",
            "以前我挺喜欢打球的",
            "现在什么都不想干",
            "你说我该怎么办",
            "嗯，我想想",
        ],
        [
            "奶奶上个月走了，我是她带大的",
            "我没赶上见最后一面",
            "当时我在外地出差",
            "我妈说奶奶一直在等我",
            "我觉得特别对不起她",
            "晚上总梦到她",
            "家里人都不提这件事",
            "我不敢看她的照片",
            "别人都说时间久了就好了",
            "可是我一点都没好",
            "我还留着她给我织的毛衣",
        ],
    ],
    Language.EN: [
        [
            "my girlfriend broke up with me and I can't stop thinking about her",
            "we were together for four years",
            "she says she needs to find herself",
            "I keep looking at her instagram",
            "my friends tell me to move on",
            "I can't eat and I can't sleep",
            "maybe I wasn't good enough",
            "I see her every day at work",
            "what should I do",
            "I don't think she's coming back",
            "everything reminds me of her",
            "it's so quiet in the apartment",
        ],
        [
            "I'm failing my classes and my parents don't know",
            "they pay for everything and expect straight A's",
            "I just freeze when I open the book",
            "last semester was fine",
            "then my best friend moved away",
            "I spend most of the day on my phone",
            "I feel like such a disappointment",
            "finals are in three weeks",
            "I've thought about dropping out",
            "my dad would never forgive me",
            "I honestly don't care about this major",
        ],
    ],
}
SCRIPTED = [(language, texts) for language, many in CONVERSATIONS.items() for texts in many]


@pytest.mark.parametrize("level", [Level.NONE, Level.ELEVATED])
@pytest.mark.parametrize(("language", "texts"), SCRIPTED)
@pytest.mark.parametrize("conversation", ["a", "b", "c"])
def test_nothing_is_said_twice_in_a_conversation(
    language: Language, texts: list[str], level: Level, conversation: str
) -> None:
    pieces = converse(texts, language, level=level, conversation=conversation)
    used = [name for piece in pieces for name in piece.passages if ".frame_" not in name]
    assert len(used) == len(set(used))
    assert len({piece.text for piece in pieces}) == len(pieces)


@pytest.mark.parametrize(("language", "texts"), SCRIPTED)
def test_an_answer_asks_at_most_one_thing_and_is_short(language: Language, texts: list[str]) -> None:
    size = load_library().shelf(language).reader.size
    for piece in converse(texts, language):
        assert questions(piece.text) <= 1, piece.text
        assert size(piece.text) <= (230 if language is Language.ZH else 165), piece.text


@pytest.mark.parametrize(("language", "texts"), SCRIPTED)
def test_an_answer_is_in_the_users_language(language: Language, texts: list[str]) -> None:
    for piece in converse(texts, language):
        found = detect(piece.text)
        assert found is not None
        assert found[0] is language


def test_traditional_readers_are_understood_and_answered_in_their_script() -> None:
    texts = ["我覺得好孤單，沒有朋友", "週末都是一個人", "我不太會跟人聊天", "有什麼辦法嗎", "謝謝你", "晚安"]
    pieces = converse(texts, Language.ZH, Script.HANT)
    assert all(detect(piece.text) == (Language.ZH, Script.HANT) for piece in pieces)
    assert any(".loneliness." in name for name in pieces[0].passages)
    assert [piece.strategy for piece in pieces[-2:]] == ["thanks", "goodnight"]
    used = [name for piece in pieces for name in piece.passages if ".frame_" not in name]
    assert len(used) == len(set(used))


@pytest.mark.parametrize(
    ("text", "language", "strategy"),
    [
        ("你好", Language.ZH, "greeting"),
        ("心理咨询师，您好！", Language.ZH, "greeting"),
        ("在吗", Language.ZH, "greeting"),
        ("吃了吗", Language.ZH, "smalltalk"),
        ("谢谢你", Language.ZH, "thanks"),
        ("再见", Language.ZH, "goodbye"),
        ("晚安", Language.ZH, "goodnight"),
        ("我好多了", Language.ZH, "better"),
        ("你是真人吗", Language.ZH, "identity"),
        ("你是不是机器人", Language.ZH, "identity"),
        ("你会做什么", Language.ZH, "capability"),
        ("我说的话会保密吗", Language.ZH, "privacy"),
        ("能给我开点安眠药吗", Language.ZH, "medicine"),
        ("我想和真人聊", Language.ZH, "human"),
        ("转人工", Language.ZH, "human"),
        ("今天天气怎么样", Language.ZH, "off_topic"),
        ("帮我写一段 Python 代码", Language.ZH, "off_topic"),
        ("傻逼机器人", Language.ZH, "insult"),
        ("你说的都是废话", Language.ZH, "complaint"),
        ("你能保证我会好起来吗", Language.ZH, "promise"),
        ("只有你懂我", Language.ZH, "attachment"),
        ("嗯", Language.ZH, "one_word"),
        ("不知道", Language.ZH, "dont_know"),
        ("我不想说", Language.ZH, "refuse"),
        ("……", Language.ZH, "silence"),
        ("带我做个呼吸练习", Language.ZH, "exercise"),
        ("hi", Language.EN, "greeting"),
        ("how are you?", Language.EN, "smalltalk"),
        ("thank you so much", Language.EN, "thanks"),
        ("bye", Language.EN, "goodbye"),
        ("good night", Language.EN, "goodnight"),
        ("I feel a bit better now", Language.EN, "better"),
        ("are you a real person?", Language.EN, "identity"),
        ("am I talking to a bot", Language.EN, "identity"),
        ("what can you do", Language.EN, "capability"),
        ("is this confidential?", Language.EN, "privacy"),
        ("can you prescribe something for sleep", Language.EN, "medicine"),
        ("I want to talk to a real person", Language.EN, "human"),
        ("what's the weather like today?", Language.EN, "off_topic"),
        ("write me a python script", Language.EN, "off_topic"),
        ("can you do my homework", Language.EN, "off_topic"),
        ("fuck you", Language.EN, "insult"),
        ("you don't understand me at all", Language.EN, "complaint"),
        ("promise me it will be fine", Language.EN, "promise"),
        ("do you love me", Language.EN, "attachment"),
        ("ok", Language.EN, "one_word"),
        ("I don't know", Language.EN, "dont_know"),
        ("I don't want to talk about it", Language.EN, "refuse"),
        ("...", Language.EN, "silence"),
        ("can we do a breathing exercise", Language.EN, "exercise"),
    ],
)
def test_what_is_no_story_is_recognised(text: str, language: Language, strategy: str) -> None:
    assert reply(text, language).strategy == strategy


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("谢谢，可是我还是每天晚上睡不着，很难受", Language.ZH),
        ("我写论文压力好大，一个字都写不出来", Language.ZH),
        ("我就是个废物", Language.ZH),
        ("没有真人愿意听我说话，我好孤独，每天都是一个人", Language.ZH),
        ("thanks, but I still can't sleep and I'm worried about everything", Language.EN),
        ("I'm useless, I can't do anything right", Language.EN),
        ("my husband is an idiot and he doesn't understand me", Language.EN),
    ],
)
def test_a_story_is_not_taken_for_small_talk(text: str, language: Language) -> None:
    assert shows_what_it_heard(reply(text, language))


def test_the_bot_says_that_it_is_an_ai_and_how_to_reach_a_person() -> None:
    for conversation in "abcdef":
        for text, language in (("你是真人吗", Language.ZH), ("are you human?", Language.EN)):
            answer = reply(text, language, conversation=conversation).text
            assert "AI" in answer
            assert "/human" in answer


def test_it_listens_before_it_advises() -> None:
    for text, language in (
        ("我最近跟男朋友分手了，很难过", Language.ZH),
        ("My boyfriend broke up with me", Language.EN),
    ):
        piece = reply(text, language)
        assert shows_what_it_heard(piece)
        assert piece.strategy.endswith("+question")
        assert "suggestion" not in piece.strategy


def test_who_asks_what_to_do_is_given_something_for_the_topic_at_once() -> None:
    for text, language, topic in (
        ("我晚上总是失眠，该怎么办", Language.ZH, ".sleep."),
        ("How can I stop procrastinating on my thesis?", Language.EN, ".procrastination."),
    ):
        piece = reply(text, language)
        assert "suggestion" in piece.strategy
        assert any(topic in name and ".suggestion." in name for name in piece.passages)


def test_the_users_own_words_come_back_in_the_second_person() -> None:
    assert "你和房东天天吵架" in reply("我和房东天天吵架，押金到现在也要不回来", Language.ZH).text
    answer = reply("My boss yells at me every day in front of my coworkers", Language.EN).text
    assert "your boss yells at you every day in front of your coworkers" in answer


@pytest.mark.parametrize(
    ("text", "language", "never"),
    [
        ("我想从楼上跳楼，我好累，每天都很痛苦", Language.ZH, "跳楼"),
        ("他说“你就是个没用的东西”，我很难过", Language.ZH, "没用的东西"),
        ("I cut my arm when I'm sad and my mom doesn't know", Language.EN, "cut your arm"),
        ("I think about killing my boss when he yells at me", Language.EN, "killing"),
    ],
)
def test_what_should_not_be_repeated_is_not_given_back(text: str, language: Language, never: str) -> None:
    assert never not in reply(text, language).text


def test_a_second_complaint_points_to_a_person() -> None:
    for texts, language in (
        (["我很难过", "你说的都是废话", "还是没用，你根本不懂我"], Language.ZH),
        (["I feel sad", "you don't understand me", "this is not helping"], Language.EN),
    ):
        pieces = converse(texts, language)
        assert pieces[1].strategy == "complaint"
        assert "/human" in pieces[2].text


@pytest.mark.parametrize(
    ("ask", "go_on", "language"),
    [("带我做个放松练习", "继续", Language.ZH), ("guide me through an exercise", "next", Language.EN)],
)
def test_an_exercise_is_given_step_by_step_to_its_end(ask: str, go_on: str, language: Language) -> None:
    pieces = converse([ask, *[go_on] * 8], language)
    started = [item for item in load_library().exercises(language) if item.steps[0] in pieces[0].text]
    assert len(started) == 1
    steps = started[0].steps
    assert started[0].contraindications in pieces[0].text
    for number, step in enumerate(steps):
        assert step in pieces[number].text
        assert sum(other in pieces[number].text for other in steps) == 1
    assert pieces[len(steps)].strategy == "exercise_end"


def test_an_exercise_can_be_stopped_and_left() -> None:
    assert converse(["带我做个呼吸练习", "停"], Language.ZH)[1].strategy == "exercise_stop"
    left = converse(["let's do a breathing exercise", "my mother called and she yelled at me again"], Language.EN)[1]
    assert shows_what_it_heard(left)


def test_elevated_distress_is_offered_an_exercise_and_a_person_once_each() -> None:
    texts = [text for text in CONVERSATIONS[Language.ZH][0] if "怎么办" not in text]
    pieces = converse([*texts, "还是那样", "周日晚上最难受"], Language.ZH, level=Level.ELEVATED)
    offers = [name for piece in pieces for name in piece.passages if ".offer_" in name]
    assert sorted(name.split(".")[2] for name in offers) == ["offer_exercise", "offer_human"]


def test_an_offered_exercise_starts_when_the_user_agrees() -> None:
    offer = "如果此刻很难受，也可以回我“练习”，我带你做一个2分钟的「长呼气」。"
    history = (Turn(Role.USER, "我好慌"), Turn(Role.ASSISTANT, offer))
    assert "长呼气" in reply("好", Language.ZH, history).text


@pytest.mark.parametrize("level", [Level.URGENT, Level.EMERGENCY])
@pytest.mark.parametrize(
    ("text", "language"),
    [("我不想活了", Language.ZH), ("帮我写代码", Language.ZH), ("I want to die", Language.EN), ("hi", Language.EN)],
)
def test_in_danger_only_texts_cleared_for_the_level_are_used(text: str, language: Language, level: Level) -> None:
    cleared = {passage.id: passage.level for passage in load_library().passages(language)}
    for piece in converse([text] * 12, language, level=level):
        assert piece.passages
        assert all(cleared[name] >= level for name in piece.passages)


def test_who_fears_for_somebody_else_is_answered_as_such() -> None:
    for text, language in (("我朋友说她想自杀", Language.ZH), ("my sister says she wants to die", Language.EN)):
        assert any(".safety_other." in name for name in reply(text, language, level=Level.EMERGENCY).passages)


def test_after_a_counsellor_the_bot_takes_up_the_thread() -> None:
    history = (Turn(Role.USER, "我很难过"), Turn(Role.COUNSELLOR, "我们聊聊"), Turn(Role.USER, "好的"))
    piece = reply("刚才聊完好一点，可是回到家又很难受", Language.ZH, history)
    assert any(".after_counsellor." in name for name in piece.passages)


def test_the_counsellors_note_is_not_quoted() -> None:
    request = Request(text="我很难过", language=Language.ZH, note="独居，母亲去世，已约周三复诊")
    assert "复诊" not in GENERATOR.reply(request).text


def test_the_same_request_gets_the_same_answer_and_another_conversation_may_get_another() -> None:
    texts = {reply("我很焦虑，静不下来", Language.ZH, conversation=str(number)).text for number in range(20)}
    assert len(texts) > 3
    assert reply("我很焦虑", Language.ZH, conversation="x") == reply("我很焦虑", Language.ZH, conversation="x")


async def test_the_generator_yields_one_piece_with_what_it_used() -> None:
    generator = LibraryGenerator()
    await generator.start()
    pieces = [piece async for piece in generator.stream(Request(text="I can't sleep", language=Language.EN))]
    await generator.close()
    assert len(pieces) == 1
    assert pieces[0].text
    assert pieces[0].strategy
    assert pieces[0].passages
    assert (generator.name, generator.trusted) == ("library", True)


TURNS = st.lists(
    st.builds(
        Turn, st.sampled_from(list(Role)), st.text(max_size=80) | st.sampled_from(["继续", "next", "嗯", "我很难过"])
    ),
    max_size=8,
)


@settings(max_examples=150)
@given(
    st.text(max_size=300)
    | st.sampled_from(
        ["{clause}", "我{feeling}很难过", "I feel {0} at my mom", "我" * 200, "I " * 300, "？？？", "，，，"]
    ),
    st.sampled_from([(Language.ZH, Script.HANS), (Language.ZH, Script.HANT), (Language.EN, Script.LATIN)]),
    TURNS,
    st.sampled_from(list(Level)),
)
def test_any_text_and_history_gets_an_answer(
    text: str, tongue: tuple[Language, Script], history: list[Turn], level: Level
) -> None:
    piece = reply(text, tongue[0], tuple(history), level, script=tongue[1])
    assert piece.text.strip()
    assert piece.passages


STORIES = {
    Language.ZH: [
        (
            "男朋友越来越冷淡，我该怎么办？我们在一起两年了，最近他总是很晚才回我消息，问他就说没事。上周吵了一架，"
            "他三天没有联系我。我每天翻手机，工作也没心思，朋友都劝我分手，可是我舍不得。",
            "romance",
        ),
        (
            "孩子上初二，突然不肯上学了。这两个星期一到早上就说肚子疼，去医院检查没有问题。我和他爸轮流劝，他就把门"
            "锁起来，什么都不说。我急得晚上睡不着，不知道该怎么跟他沟通。",
            "parenting",
        ),
    ],
    Language.EN: [
        (
            "My boss yells at me in front of everyone and I dread going in. I've worked there for three years and it "
            "used to be fine. Since the new team came he blames me for everything and I lie awake every night. I have "
            "rent to pay and a kid. What should I do?",
            "work_stress",
        ),
        (
            "My best friend suddenly stopped talking to me. We met at school and told each other everything. Two weeks "
            "ago I said something about her new boyfriend and since then she doesn't answer. I see her posts with "
            "other people and it hurts. I don't know whether to write again or let it go.",
            "friendship",
        ),
    ],
}
TOLD = [(language, text, topic) for language, many in STORIES.items() for text, topic in many]


@pytest.mark.parametrize(("language", "text", "topic"), TOLD)
def test_a_long_story_gets_a_whole_answer(language: Language, text: str, topic: str) -> None:
    """Understanding, a view, at least two steps and one question, each in a paragraph of its own."""
    for conversation in "abc":
        piece = reply(text, language, level=Level.ELEVATED, conversation=conversation)
        assert piece.strategy == "reflection+information+suggestion+question", piece.text
        steps = [name for name in piece.passages if ".suggestion." in name]
        assert len(steps) >= 2
        assert all(f"{number}. " in piece.text for number in range(1, len(steps) + 1))
        assert len(piece.text.split("\n\n")) == 4
        assert questions(piece.text.split("\n\n")[-1]) == 1
        assert any(f".{topic}.case." in name for name in piece.passages)
        assert any(".frame_" in name for name in piece.passages)


@pytest.mark.parametrize("language", list(Language))
def test_long_stories_one_after_another_repeat_nothing(language: Language) -> None:
    texts = [text for text, _ in STORIES[language]] * 3
    pieces = converse(texts, language)
    used = [name for piece in pieces for name in piece.passages if ".frame_" not in name and ".lead_in." not in name]
    assert len(used) == len(set(used))


@pytest.mark.parametrize("text", ["女朋友三天没回我消息，她是不是不爱我了", "老婆出轨了，我想原谅可是过不去"])
def test_a_woman_is_not_called_he(text: str) -> None:
    for conversation in "abcdef":
        assert "他" not in reply(text, Language.ZH, conversation=conversation).text.replace("其他", "")


def test_whoever_speaks_of_a_man_is_answered_about_a_man() -> None:
    assert "她" not in reply("老公出轨了，我想原谅可是过不去", Language.ZH).text


def test_a_question_is_not_given_back_as_a_statement() -> None:
    text = (
        "老公出轨被我发现，要不要离婚。上个月无意中看到他手机里和女同事的聊天记录，我每天都睡不着，想到女儿又狠不下心。"
    )
    assert "要不要离婚" not in reply(text, Language.ZH).text


def test_what_somebody_said_is_not_taken_for_what_is() -> None:
    text = (
        "I found my boyfriend on dating websites and he denied it. He says he loves me and I'm the only girl he wants "
        "to be with, but I feel he is not telling me the truth. It has happened three times now."
    )
    assert "you're the only girl" not in reply(text, Language.EN).text


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("你别给我讲大道理", Language.ZH),
        ("别劝我了", Language.ZH),
        ("please don't lecture me", Language.EN),
        ("no advice please", Language.EN),
    ],
)
def test_whoever_wants_no_advice_gets_none(text: str, language: Language) -> None:
    assert reply(text, language).strategy == "no_advice"


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("好，不早了，我去热饭吃了", Language.ZH),
        ("那就下回再说", Language.ZH),
        ("laters", Language.EN),
        ("ok bye", Language.EN),
    ],
)
def test_a_farewell_is_seen_and_nothing_more_is_asked(text: str, language: Language) -> None:
    piece = reply(text, language)
    assert piece.strategy == "goodbye"
    assert questions(piece.text) == 0


def test_pretended_joy_is_no_good_news() -> None:
    piece = reply("闺蜜拿到了保研名额，我第一反应不是开心是难受，还要装作替她高兴", Language.ZH)
    assert piece.strategy != "good_news"
