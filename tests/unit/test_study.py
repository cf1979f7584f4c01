"""A study's order is blind, balanced and the same again; its figures and its report say what the ratings say."""

from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config import ConfigError, Language
from engine.study.analysis import analyse
from engine.study.plan import COLUMNS, Question, Study, pairs, read_study, sitting, write_study
from engine.study.ratings import Preference, Rating, read_ratings, write_ratings
from engine.study.report import page, report
from engine.study.simulate import simulate

BOTH = [Language.ZH, Language.EN]


def study(questions: int, systems: int, training: int = 0) -> Study:
    asked = [
        Question(f"q{n}", BOTH[n % 2], f"question {n}", training=n < training) for n in range(questions + training)
    ]
    names = [f"system {letter}" for letter in "abcdef"[:systems]]
    return Study(tuple(asked), {(q.id, name): f"{name} on {q.id}" for q in asked for name in names})


@given(st.integers(1, 30), st.integers(2, 5), st.integers(0, 3), st.integers(0, 20))
def test_everybody_rates_every_answer_once_and_some_again(
    questions: int, systems: int, training: int, rater: int
) -> None:
    made = study(questions, systems, training)
    items = sitting(made, rater, BOTH)
    assert items == sitting(made, rater, BOTH)
    first = [item for item in items if not item.repeat and not item.question.training]
    assert Counter((i.question.id, i.system) for i in first) == Counter(
        (q.id, s) for q in made.questions if not q.training for s in made.systems
    )
    assert [item.question.training for item in items] == sorted((i.question.training for i in items), reverse=True)
    repeated = [item for item in items if item.repeat]
    assert len(repeated) >= len(first) / 10
    if questions > 2:
        assert all(one.question != other.question for one, other in pairwise(first))


@given(st.integers(3, 20), st.integers(2, 5))
def test_each_system_comes_equally_early(questions: int, systems: int) -> None:
    """Over as many raters as there are systems, each answer stands once at each place among its question's answers."""
    made = study(questions, systems)
    places: Counter[tuple[str, str, int]] = Counter()
    for rater in range(systems):
        seen: Counter[str] = Counter()
        for item in sitting(made, rater, BOTH):
            if not item.repeat:
                places[item.question.id, item.system, seen[item.question.id]] += 1
                seen[item.question.id] += 1
    assert len(places) == questions * systems * systems
    assert set(places.values()) == {1}


def test_two_answers_side_by_side_take_both_sides() -> None:
    shown = pairs(study(40, 2), 0, BOTH)
    assert len(shown) == 40
    assert {left.system for left, _ in shown} == {"system a", "system b"}


def test_a_study_goes_out_and_comes_in(tmp_path: Path) -> None:
    made = study(4, 3, training=1)
    write_study(made, tmp_path / "s.csv")
    assert read_study(tmp_path / "s.csv") == made


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        (["q1,en,Why?,a,Because."], "at least two systems"),
        (["q1,en,Why?,a,Because.", "q1,en,Why?,b,"], "row 3: system and answer are needed"),
        (["q1,fr,Why?,a,Because."], "row 2: lang is one of"),
        (["q1,en,Why?,a,Because.", "q1,en,How?,b,So."], "row 3: question q1 has another text"),
        (["q1,en,Why?,a,Because.", "q1,en,Why?,b,So.", "q2,en,How?,a,Thus."], "question q2 has no answer of b"),
        (["q1,en,Why?,a,Because.", "q1,en,Why?,a,So."], "row 3: a answers question q1 twice"),
        ([], "holds no answers"),
    ],
)
def test_a_wrong_study_is_one_clear_sentence(tmp_path: Path, rows: list[str], complaint: str) -> None:
    path = tmp_path / "s.csv"
    path.write_text("\n".join([",".join(COLUMNS[:-1]), *rows]), encoding="utf-8")
    with pytest.raises(ConfigError, match=complaint):
        read_study(path)


def rated(rater: str, question: str, system: str, *scores: int, repeat: bool = False, harmful: bool = False) -> Rating:
    return Rating(rater, question, system, scores or (3, 3, 3, 3), harmful=harmful, repeat=repeat)


@pytest.mark.parametrize("name", ["r.csv", "r.jsonl"])
def test_ratings_go_out_and_come_in(tmp_path: Path, name: str) -> None:
    ratings = [
        Rating(
            "lin",
            "q1",
            "a",
            (1, 2, 3, 4),
            harmful=True,
            comment='冷, "too" short',
            qualification="counsellor",
            seconds=3.5,
        ),
        Rating("wu", "q2", "b", (5, 5, 5, 5), repeat=True, training=True),
    ]
    write_ratings(ratings, tmp_path / name)
    assert read_ratings(tmp_path / name) == ratings


def test_a_rating_off_the_scale_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("rater,question,system,helpfulness,fluency,relevance,logic\nlin,q1,a,3,6,3,4\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="row 2: fluency: a whole number from 1 to 5"):
        read_ratings(path)


def test_means_count_each_question_once_and_leave_repeats_and_training_out() -> None:
    made = study(3, 2, training=1)
    result = analyse(
        made,
        [
            Rating("x", "q0", "system a", (1, 1, 1, 1), training=True),
            rated("x", "q1", "system a", 5, 4, 3, 2),
            rated("y", "q1", "system a", 3, 4, 3, 2),
            rated("x", "q2", "system a", 1, 1, 1, 1),
            rated("x", "q1", "system a", 1, 1, 1, 1, repeat=True),
            rated("x", "q1", "system b", 2, 2, 2, 2, harmful=True),
            rated("x", "q9", "system a", 5, 5, 5, 5),
        ],
    )
    assert result.axes[0].means["system a"].value == pytest.approx((4 + 1) / 2)
    assert (result.ratings, result.questions, result.raters) == (4, 2, 2)
    assert result.harmful == {"system a": (0, 3), "system b": (1, 1)}
    assert result.axes[0].wins["system a", "system b"] == (1, 0, 0)


def test_preferences_are_counted_whichever_side_they_stood_on() -> None:
    result = analyse(
        study(2, 2),
        [],
        [
            Preference("x", "q0", "a", "b", "a"),
            Preference("x", "q1", "b", "a", "a"),
            Preference("y", "q0", "b", "a", ""),
        ],
    )
    assert result.preferences == {("a", "b"): (2, 1, 0)}


def test_a_difference_that_is_there_is_found_and_the_report_says_what_it_cannot_show() -> None:
    made = study(40, 3, training=2)
    result = analyse(made, simulate(made, 4, {"system a": 4.2, "system b": 4.2, "system c": 2.2}))
    helpful = result.axes[0]
    assert helpful.friedman
    assert helpful.friedman.p < 0.001
    corrected = {names: p for names, (_, _, p) in helpful.differences.items()}
    worse, same = corrected["system a", "system c"], corrected["system a", "system b"]
    assert worse is not None
    assert worse < 0.001
    assert same is None or same > 0.05
    assert helpful.alpha is not None
    assert helpful.alpha > 0.4
    text = report(result, "A study", note="The raters were simulated.")
    assert "What these numbers do not show" in text
    assert "simulated" in text
    drawn = page(result, "A <study>", note="simulated")
    assert drawn.count("<svg") == 1
    assert "A &lt;study&gt;" in drawn
    assert "<table>" in drawn


def test_a_study_without_ratings_has_a_report_too() -> None:
    assert "0 ratings" in report(analyse(study(2, 2), []), "Nothing yet")
