"""The learned part: trained reproducibly, stored without pickle, read by numpy; and the figures that judge it."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.screening.calibration import isotonic
from engine.screening.corpora import CorpusError, Row, read_rows
from engine.screening.evaluate import auroc, evaluate, recall_at
from engine.screening.features import COLUMNS, pieces
from engine.screening.model import ModelError, load_model
from engine.screening.normalise import normalise
from engine.screening.rules import RuleSet, load_rules
from engine.screening.screener import MODEL
from engine.screening.segments import sentences
from engine.screening.train import Settings, train
from engine.types import About, Assessment, Category, Level, Screener, Turn

DANGER = ["the river is calling tonight", "我把钥匙都还了", "nothing left for me here", "药数好了放在床头"]
CALM = ["the river walk was lovely", "我把书还了", "nothing left in the fridge", "药店在路口"]
SMALL = Settings(epochs=6, least=1, least_pairs=1, batch=8, augmented=0.2, threads=1)


@pytest.fixture(scope="module")
def rules() -> RuleSet:
    return load_rules()


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
    assert found.shape == (len(starts), COLUMNS)
    assert (np.diff(starts) > 0).all()
    assert found.tolist() == pieces(text)[0].tolist()


def test_pieces_of_a_text_do_not_depend_on_what_stands_far_away() -> None:
    near, _ = pieces("我想活着 i am fine")
    far, _ = pieces("我想活着 i am fine, " + "other words " * 50)
    assert near[:4].tolist() == far[:4].tolist()


def test_a_word_of_any_length_is_one_unit() -> None:
    found, starts = pieces("a" * 10_000 + " b")
    assert starts.tolist() == [0, 10_001]
    assert len(found) == 2


@pytest.mark.parametrize(
    ("danger", "calm", "area"), [([1, 2], [0, 0.5], 1.0), ([0], [1], 0.0), ([1], [1], 0.5), ([1, 3], [2, 0], 0.75)]
)
def test_auroc(danger: list[float], calm: list[float], area: float) -> None:
    assert auroc(np.array(danger, float), np.array(calm, float)) == area


def test_auroc_of_one_kind_is_unknown() -> None:
    assert auroc(np.array([]), np.array([1.0])) is None


def test_recall_at_a_rate_of_alarms() -> None:
    calm = np.arange(100) / 100
    assert recall_at(np.array([0.945, 0.96, 0.2]), calm, 0.05) == pytest.approx(2 / 3)
    assert recall_at(np.array([0.945, 1.5, 0.2]), calm, 0.0) == pytest.approx(1 / 3)


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(-5, 5), st.booleans()), min_size=2, max_size=300))
def test_calibration_keeps_the_order(pairs: list[tuple[float, bool]]) -> None:
    scores, truth = (np.array(column, float) for column in zip(*pairs, strict=True))
    x, y = isotonic(scores, truth)
    assert (np.diff(x) >= 0).all()
    assert (np.diff(y) >= 0).all()
    assert 0 <= y.min() <= y.max() <= 1


class Fixed:
    """A screener that says what a text says."""

    version = "fixed"

    def assess(self, text: str, context: tuple[Turn, ...] | list[Turn] | object = ()) -> Assessment:
        level, score = text.split()
        return Assessment(Level(level), None, float(score), (), self.version, About.SELF)


def test_evaluation_counts_by_group() -> None:
    screener: Screener = Fixed()
    made = [
        Row("urgent 0.9", "zh", frozenset({Level.URGENT}), Category.SUICIDE, source="s"),
        Row("none 0.2", "zh", frozenset({Level.EMERGENCY}), Category.SUICIDE, source="s"),
        Row("urgent 0.6", "en", frozenset({Level.NONE}), source="s", tags=("near_miss",)),
        Row("elevated 0.1", "en", frozenset({Level.NONE, Level.ELEVATED}), source="t"),
        Row("urgent 0.5", "en", frozenset({Level.ELEVATED, Level.URGENT}), source="t"),
    ]
    found = evaluate(made, screener)
    whole = found["all"]
    assert (whole.texts, whole.danger, whole.calm) == (5, 2, 2)
    assert whole.recall == 0.5
    assert whole.alarms == 0.5
    assert whole.near_miss_alarms == 1.0
    assert whole.missed_emergencies == 1.0
    assert whole.auroc == 0.75
    assert found["lang:zh"].alarms is None
    assert found["source:t"].alarms == 0.0
    assert found["tag:near_miss"].texts == 1
    assert json.dumps(whole.as_dict())
    assert np.array(whole.confusion).sum() == 5


def test_labelled_texts_are_read_and_bad_lines_named(tmp_path: Path) -> None:
    good = tmp_path / "good.jsonl"
    good.write_text(
        '{"text": "a", "level": "none", "lang": "en"}\n\n'
        '{"text": "b", "levels": ["urgent", "emergency"], "categories": ["suicide"], "context": ["earlier"]}\n',
        encoding="utf-8",
    )
    first, second = read_rows([good])
    assert first.danger is False
    assert second.danger is True
    assert second.category is Category.SUICIDE
    assert second.context[0].text == "earlier"
    bad = tmp_path / "bad.jsonl"
    for line in (
        '{"text": "secret"}',
        "[]",
        '{"text": 3, "level": "none"}',
        '{"text": "secret", "level": "dire"}',
        "{",
    ):
        bad.write_text(f"\n{line}\n", encoding="utf-8")
        with pytest.raises(CorpusError, match=r"bad\.jsonl, line 2") as caught:
            read_rows([bad])
        assert "secret" not in str(caught.value)
    with pytest.raises(CorpusError):
        read_rows([tmp_path / "missing.jsonl"])
