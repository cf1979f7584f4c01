"""The learned part: trained reproducibly, stored without pickle, read by numpy."""

import io
import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.linear.features import COLUMNS, pieces
from engine.linear.files import ModelError
from engine.screening.calibration import isotonic
from engine.screening.corpora import Row
from engine.screening.model import Model, load_model
from engine.screening.normalise import normalise
from engine.screening.rules import RuleSet, load_rules
from engine.screening.screener import MODEL
from engine.screening.segments import sentences
from engine.screening.train import Settings, train
from engine.types import Category, Level

DANGER = ["the river is calling tonight", "我把钥匙都还了", "nothing left for me here", "药数好了放在床头"]
CALM = ["the river walk was lovely", "我把书还了", "nothing left in the fridge", "药店在路口"]
SMALL = Settings(epochs=6, batch=8, augmented=0.2)


@pytest.fixture(scope="module")
def rules() -> RuleSet:
    return load_rules()


@cache
def load_model_once() -> Model:
    return load_model(MODEL)


def rows(copies: int = 12) -> list[Row]:
    made = []
    for copy in range(copies):
        for text in DANGER:
            levels = frozenset({Level.URGENT})
            made.append(Row(f"{text} {copy}", "en", levels, Category.SUICIDE, source="own", block=copy))
        made += [Row(f"{text} {copy}", "en", frozenset({Level.NONE}), source="own", block=copy) for text in CALM]
    return made


def read(path: Path, text: str, rules: RuleSet) -> float:
    plain = normalise(text).text
    segments = sentences(plain)
    return load_model(path).read(plain, segments, list(rules.find(plain, segments))).danger


def test_training_learns_and_gives_the_same_bytes_again(tmp_path: Path, rules: RuleSet) -> None:
    first, second = tmp_path / "first.model", tmp_path / "second.model"
    said: list[str] = []
    train(rows(), first, SMALL, said.append)
    train(rows(), second, SMALL)
    assert first.read_bytes() == second.read_bytes()
    assert said
    assert read(first, DANGER[0], rules) > 0.5 > read(first, CALM[0], rules)
    assert json.dumps(load_model(first).header["trained_on"]) == '{"own": 96}'


def test_what_speaks_for_danger_is_pointed_at(tmp_path: Path, rules: RuleSet) -> None:
    path = tmp_path / "small.model"
    train(rows(), path, SMALL)
    text = normalise("my sister called and the river is calling tonight while the fridge hums").text
    start, end = load_model(path).read(text, sentences(text), []).telling
    assert "calling" in text[start:end]
    assert "sister" not in text[start:end]
    assert "hums" not in text[start:end]


@given(st.text(st.characters(exclude_categories=[]), max_size=400))
def test_what_is_pointed_at_lies_in_the_text(rules: RuleSet, text: str) -> None:
    plain = normalise(text).text
    segments = sentences(plain)
    reading = load_model_once().read(plain, segments, list(rules.find(plain, segments)))
    assert 0 <= reading.telling[0] <= reading.telling[1] <= len(plain)
    assert all(0 <= window.start <= window.end <= len(plain) for window in reading.windows)
    assert 0 <= reading.danger <= 1


def test_the_shipped_model_fits_the_rules_and_the_size(rules: RuleSet) -> None:
    assert load_model(MODEL).header["rules"] == [rule.id for rule in rules.rules]
    assert MODEL.stat().st_size < 20_000_000


def test_a_model_with_pickles_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.model"
    buffer = io.BytesIO()
    np.savez(buffer, header=np.array([{"format": 1}], dtype=object))
    path.write_bytes(buffer.getvalue())
    with pytest.raises(ModelError, match=r"bad\.model"):
        load_model(path)


@pytest.mark.parametrize("content", [b"", b"not a model", b"PK\x03\x04broken"])
def test_a_broken_model_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.model"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"bad\.model"):
        load_model(path)


def test_a_missing_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"none\.model"):
        load_model(tmp_path / "none.model")


@given(st.text(st.characters(exclude_categories=[]), max_size=200))
def test_every_text_has_pieces_unit_by_unit(text: str) -> None:
    found, starts = pieces(text)
    assert found.shape == (COLUMNS, len(starts))
    assert (np.diff(starts) > 0).all()
    assert found.tolist() == pieces(text)[0].tolist()


def test_pieces_of_a_text_do_not_depend_on_what_stands_far_away() -> None:
    near, _ = pieces("我想活着 i am fine")
    far, _ = pieces("我想活着 i am fine, " + "other words " * 50)
    assert near[:, :4].tolist() == far[:, :4].tolist()


def test_a_word_of_any_length_is_one_unit() -> None:
    found, starts = pieces("a" * 10_000 + " b")
    assert starts.tolist() == [0, 10_001]
    assert found.shape[1] == 2


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(-5, 5), st.booleans()), min_size=2, max_size=300))
def test_calibration_keeps_the_order(pairs: list[tuple[float, bool]]) -> None:
    scores, truth = (np.array(column, float) for column in zip(*pairs, strict=True))
    x, y = isotonic(scores, truth)
    assert (np.diff(x) >= 0).all()
    assert (np.diff(y) >= 0).all()
    assert 0 <= y.min() <= y.max() <= 1
