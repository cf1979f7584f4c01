"""Programmes and questionnaires as data: what is shipped is complete, and a fault names its file and key."""

from pathlib import Path

import pytest

from config import ConfigError, Language
from config.programmes import Programme, load_programmes
from config.questionnaires import load_questionnaires
from engine.library import load_library

SHIPPED = load_programmes().every
PLAIN = """
id = "mine"
version = 1
purpose = "practice"
at = 09:00:00
late_hours = 2
evidence = "long enough to say something"
sources = ["a book"]
written_by = "us"
[title]
zh = "题目"
en = "Title"
[about]
zh = "说明"
en = "About"
"""
STEP = """
[[step]]
day = 0
[step.text]
zh = "你好"
en = "Hello"
"""


def load_one(folder: Path, text: str) -> Programme:
    (folder / "mine.toml").write_text(text, encoding="utf-8")
    return load_programmes(folder).named("mine", "test")


def test_the_programmes_promised_are_there() -> None:
    wanted = {
        "breathing_space", "sleep_week", "mindfulness_course", "exam_weeks", "hard_day", "caring_11", "caring_monthly",
        "caring_25", "mood_checkin", "phq2_fortnight", "phq9_fortnight", "gad7_fortnight",
    }  # fmt: skip
    assert {p.id for p in SHIPPED} == wanted


@pytest.mark.parametrize("programme", SHIPPED, ids=lambda p: p.id)
def test_each_names_only_what_exists_and_says_no_more_than_it_may(programme: Programme) -> None:
    library = load_library()
    for language in Language:
        exercises = {item.id.split(".")[-1] for item in library.exercises(language)}
        assert {step.exercise for step in programme.steps if step.exercise} <= exercises
        assert set(programme.topics) <= set(library.shelf(language).topics)
    assert {step.questionnaire for step in programme.steps if step.questionnaire} <= set(load_questionnaires())
    words = [w for w in (programme.about, programme.contraindications, *(s.text for s in programme.steps)) if w]
    for text in [each for pair in words for each in (pair.zh, pair.en)]:
        assert not any(mark in text for mark in "!！")
        assert not any(word in text.lower() for word in ("streak", "连续打卡", "坚持打卡", "guarantee", "保证"))
    assert programme.purpose == "contact" or programme.fade_after or not programme.cycle_days, "it must fade out"


def test_caring_contacts_follow_the_trials_and_ask_for_nothing() -> None:
    sent = {p.id: len(p.steps) for p in SHIPPED if p.purpose == "contact"}
    assert sent == {"caring_11": 11, "caring_monthly": 8, "caring_25": 25}
    for programme in SHIPPED:
        if programme.purpose == "contact":
            assert programme.by_counsellor
            texts = [step.text for step in programme.steps if step.text]
            assert len({t.en for t in texts}) == len(texts)
            assert not any("?" in t.en or "？" in t.zh for t in texts)


def test_days_go_on_in_cycles_until_the_last() -> None:
    daily = next(p for p in SHIPPED if p.id == "breathing_space")
    assert [daily.next_day(n) for n in (-1, 0, 41)] == [0, 1, 42]
    fortnight = next(p for p in SHIPPED if p.id == "phq9_fortnight")
    days, day = [], fortnight.next_day(-1)
    while day is not None:
        days.append(day)
        day = fortnight.next_day(day)
    assert days == [0, 14, 28, 42]
    assert fortnight.step(56) is None
    assert fortnight.step(14) is fortnight.steps[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("purpose =", "purpos ="), "purpose"),
        (('en = "Hello"', 'en = ""'), r"step\.0\.text\.en"),
        (("day = 0", "day = -1"), r"step\.0\.day"),
        (("at = 09:00:00", "at = 09:00:30"), "at"),
        (("version = 1", 'version = 1\ncycle_days = 0'), "cycle_days"),
        (("version = 1", 'version = 1\ncycles = 3'), "cycles: needs cycle_days"),
        (('id = "mine"', 'id = "other"'), "id: must be the name of the file"),
        (("version = 1", "version = "), "not valid TOML"),
        (('en = "Hello"', 'en = "Call 0800 123 4567"'), "telephone number"),
        (("day = 0", "day = 1\nmood = true\nexercise = 'a'"), "two things at once"),
        (("version = 1", 'version = 1\nwords = "caring"\ndays = [1]'), "words"),
    ],
)  # fmt: skip
def test_a_fault_names_the_file_and_the_key(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=rf"mine\.toml: .*{message}"):
        load_one(tmp_path, (PLAIN + STEP).replace(*change))


def test_steps_stand_on_days_that_go_up(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="one step a day"):
        load_one(tmp_path, PLAIN + STEP + STEP)


def test_an_operator_s_programme_replaces_a_shipped_one_and_a_former_id_still_finds_it(tmp_path: Path) -> None:
    text = (PLAIN + STEP).replace('"mine"', '"sleep_week"', 1).replace("version = 1", 'version = 9\nformerly = ["old"]')
    (tmp_path / "sleep_week.toml").write_text(text, encoding="utf-8")
    programmes = load_programmes(tmp_path)
    assert programmes.named("old", "x").version == 9
    assert programmes.get("sleep_week") is programmes.get("old")
    with pytest.raises(ConfigError, match="there are"):
        programmes.named("nope", "followups enrol")
    with pytest.raises(ConfigError, match="no folder"):
        load_programmes(tmp_path / "missing")


@pytest.mark.parametrize("id", ["phq2", "phq9", "gad7"])
def test_questionnaires_are_scored_as_published(id: str) -> None:  # noqa: A002
    form = load_questionnaires()[id]
    items = {"phq2": 2, "phq9": 9, "gad7": 7}[id]
    for language in Language:
        assert len(form.wording(language).items) == items
        assert form.wording(language).cut_off_source
    assert form.total([3] * items) == 3 * items
    assert "required" in form.licence


def test_only_the_ninth_answer_of_the_phq9_is_danger_and_any_of_it() -> None:
    form = load_questionnaires()["phq9"]
    found = [(item, answer) for item in range(9) for answer in range(4) if form.is_danger(item, answer)]
    assert found == [(8, 1), (8, 2), (8, 3)]
