"""Promises of the library's texts: complete, unique, in both languages, of fit length, nothing a bot must not say."""

import re
from collections import Counter

import pytest

from config import Language, Script
from engine import Request
from engine.guard import Guard
from engine.language import to_script, to_simplified
from engine.library import Library, load_library
from engine.library.data import STRATEGIES, load_talk
from engine.library.situations import Situations
from engine.types import Passage

LENGTH = {Language.ZH: (5, 110), Language.EN: (4, 62)}  # characters or words of one passage
QUESTION = re.compile(r"[?？]")

FORBIDDEN = re.compile(
    r"你患有|你得的是|你有抑郁症|一定会好|保证你|毫克|每天.{0,4}片|你应该感恩|想开点就|别想太多|坚强一点"
    r"|绝对保密|我是(心理)?咨询师|我是医生|我也曾|我经历过|永远陪"
    r"|you have (depression|bipolar|ocd|ptsd)|definitely be (fine|ok)|i promise|\bmg\b|just be positive|snap out|man up"
    r"|i am a (therapist|doctor)|i've been through|i know exactly how you feel|always be here for you"
    r"|everything happens for a reason",
    re.IGNORECASE,
)
PHONE = re.compile(r"\d{3,}|https?://|www\.")
HAN = re.compile("[\u3400-\u9fff]")
WRONG_IN_HANT = re.compile("隻[能有是要好想不會管]|(?<![公英])里|[乾干]什")


@pytest.fixture(scope="module")
def library() -> Library:
    return load_library()


@pytest.fixture(params=list(Language), scope="module")
def language(request: pytest.FixtureRequest) -> Language:
    return Language(request.param)


def all_texts(library: Library, language: Language) -> list[Passage]:
    return [*library.passages(language), *load_talk(language)]


def test_every_topic_exists_in_both_languages(library: Library) -> None:
    chinese, english = (set(library.shelf(language).topics) for language in (Language.ZH, Language.EN))
    assert chinese == english
    assert len(chinese) >= 24


def test_ids_are_unique_over_both_languages(library: Library) -> None:
    ids = [passage.id for language in Language for passage in all_texts(library, language)]
    ids += [exercise.id for language in Language for exercise in library.exercises(language)]
    assert [item for item, count in Counter(ids).items() if count > 1] == []


def test_no_text_stands_twice(library: Library, language: Language) -> None:
    texts = Counter(passage.text for passage in all_texts(library, language))
    assert [text for text, count in texts.items() if count > 1] == []


def test_every_topic_has_every_strategy_and_variants(library: Library, language: Language) -> None:
    least = {
        "question": 4,
        "reflection": 3,
        "validation": 2,
        "affirmation": 2,
        "information": 2,
        "suggestion": 3,
        "choices": 1,
    }
    assert set(least) == set(STRATEGIES)
    for topic in library.shelf(language).topics.values():
        open_to_all = Counter(entry.passage.strategy for entry in topic.entries if not entry.when)
        missing = {strategy: least[strategy] - open_to_all[strategy] for strategy in least}
        assert {strategy: lack for strategy, lack in missing.items() if lack > 0} == {}, topic.name


def test_passages_carry_what_a_reviewer_needs(library: Library, language: Language) -> None:
    for passage in all_texts(library, language):
        assert passage.id.startswith(f"{language.value}.{passage.topic}.")
        assert passage.language is language
        assert passage.sources
        assert passage.version >= 1
        assert passage.reviewed_by == ""  # awaiting a clinician


def test_passages_have_the_length_of_a_chat_sentence(library: Library, language: Language) -> None:
    shortest, longest = LENGTH[language]
    size = library.shelf(language).reader.size
    odd = [passage.id for passage in library.passages(language) if not shortest <= size(passage.text) <= longest]
    assert odd == []


def test_only_questions_and_choices_ask_and_they_ask_once(library: Library, language: Language) -> None:
    for passage in library.passages(language):
        quoted = re.sub(r"[\"“「].*?[\"”」]", "", passage.text)
        asks = 1 if passage.strategy in ("question", "choices", "check") else 0
        assert len(QUESTION.findall(quoted)) == asks, passage.id


def test_nothing_forbidden_is_said(library: Library, language: Language) -> None:
    texts = [(passage.id, passage.text) for passage in all_texts(library, language)]
    texts += [(item.id, " ".join([*item.steps, item.contraindications])) for item in library.exercises(language)]
    assert [(name, text) for name, text in texts if FORBIDDEN.search(text) or PHONE.search(text)] == []


def test_each_text_is_in_its_own_language(library: Library) -> None:
    assert [p.id for p in all_texts(library, Language.EN) if HAN.search(p.text)] == []
    assert [p.id for p in all_texts(library, Language.ZH) if not HAN.search(p.text)] == []


def test_exercises_exist_in_both_languages_with_steps_and_cautions(library: Library) -> None:
    names = [{item.id.split(".")[-1] for item in library.exercises(language)} for language in Language]
    assert names[0] == names[1]
    assert len(names[0]) >= 30
    for language in Language:
        topics = set(library.shelf(language).topics)
        for exercise in library.exercises(language):
            assert 3 <= len(exercise.steps) <= 8
            assert 1 <= exercise.minutes <= 15
            assert set(exercise.topics) <= topics, exercise.id
            assert exercise.sources


def test_no_step_could_be_taken_for_another(library: Library, language: Language) -> None:
    steps = [step for exercise in library.exercises(language) for step in exercise.steps]
    assert [(a, b) for a in steps for b in steps if a != b and a in b] == []
    assert len(steps) == len(set(steps))


def test_a_situation_is_found_by_its_words_and_only_by_them(library: Library, language: Language) -> None:
    for one in library.shelf(language).told:
        alone = Situations([("", one)], language)
        assert one.hits, one.name
        assert [text for text in one.hits if not alone.found(to_simplified(text))] == [], one.name
        assert [text for text in one.misses if alone.found(to_simplified(text))] == [], one.name


def test_no_converted_text_keeps_a_simplified_word(library: Library) -> None:
    """Characters that a converter gets wrong in the middle of other words, such as 只 in 是只能."""
    converted = [(p.id, to_script(p.text, Script.HANT)) for p in all_texts(library, Language.ZH)]
    assert [(name, text) for name, text in converted if WRONG_IN_HANT.search(text)] == []


def test_whoever_is_in_danger_finds_texts_cleared_for_it(library: Library, language: Language) -> None:
    for name in ("safety", "safety_other"):
        cleared = [entry.passage for entry in library.shelf(language).topics[name].entries]
        assert {passage.level.value for passage in cleared} == {"emergency"}


def test_the_guard_lets_every_case_pass(library: Library, language: Language) -> None:
    """What the library says is not worse than what a model may say."""
    request = Request("我今天心情不太好" if language is Language.ZH else "I don't feel good today", language)
    texts = [passage for case in library.shelf(language).cases.all for passage in case.passages]
    assert {p.id: rules for p in texts if (rules := Guard().check(p.text, request))} == {}


def test_a_case_has_what_an_answer_needs(library: Library, language: Language) -> None:
    least = {"reflection": 2, "information": 1, "suggestion": 3, "question": 1}
    cases = library.shelf(language).cases.all
    assert len(cases) >= 90
    for case in cases:
        assert case.topic in library.shelf(language).topics, case.name
        counts = Counter(passage.strategy for passage in case.passages)
        assert all(counts[strategy] >= number for strategy, number in least.items()), case.name
