"""Fine-tuning a transformer on labelled texts: it learns, it repeats, and an interrupted run goes on."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from engine.linear.corpora import CorpusError
from engine.screening.corpora import Row
from engine.screening.finetune import (
    Example,
    FinetuneError,
    FinetuneSettings,
    assessment,
    finetune,
    level_weights,
    loss_of,
    rate_at,
)
from engine.types import Level, Role, Turn
from tests.emulators.tiny_model import save_classifier

TEXTS = {
    "the river is calling": (Level.URGENT, Level.EMERGENCY),
    "药数好了": (Level.EMERGENCY,),
    "so tired of it": (Level.ELEVATED,),
    "a walk by the lake": (Level.NONE, Level.ELEVATED),
    "我把书还了": (Level.NONE,),
}
SMALL = FinetuneSettings(epochs=4, batch=4, rate=5e-3, device="cpu")


def rows(copies: int = 10) -> list[Row]:
    return [
        Row(f"{text} {copy}", "zh", frozenset(levels), block=copy)
        for copy in range(copies)
        for text, levels in TEXTS.items()
    ]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    torch.set_num_threads(1)
    return str(save_classifier(tmp_path_factory.mktemp("base"), [*TEXTS, "0123456789"]))


def weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


def test_it_learns_and_can_be_loaded(base: str, tmp_path: Path) -> None:
    said: list[str] = []
    figures = finetune(base, rows(), tmp_path, replace(SMALL, epochs=20), said.append)
    assert figures["all"].texts == 10
    assert figures["all"].accepted == 1.0
    assert any("epoch 20 of 20" in line for line in said)
    loaded: Any = AutoModelForSequenceClassification
    model = loaded.from_pretrained(tmp_path)
    assert model.config.id2label == dict(enumerate(Level))
    with torch.inference_mode():
        scores = model(**AutoTokenizer.from_pretrained(tmp_path)(["药数好了"], return_tensors="pt")).logits
    assert model.config.id2label[int(scores.argmax())] == "emergency"


def test_the_same_seed_gives_the_same_weights_and_another_does_not(base: str, tmp_path: Path) -> None:
    settings = replace(SMALL, epochs=1)
    for name, chosen in {"a": settings, "b": settings, "c": replace(settings, seed=8)}.items():
        finetune(base, rows(), tmp_path / name, chosen)
    assert weights(tmp_path / "a") == weights(tmp_path / "b") != weights(tmp_path / "c")


def test_an_interrupted_run_goes_on_and_ends_the_same(base: str, tmp_path: Path) -> None:
    settings = replace(SMALL, epochs=2)
    said: list[str] = []

    def interrupt(line: str) -> None:
        if line.startswith("epoch 2: 5"):
            raise KeyboardInterrupt

    finetune(base, rows(), tmp_path / "whole", settings)
    with pytest.raises(KeyboardInterrupt):
        finetune(base, rows(), tmp_path / "halves", settings, interrupt)
    finetune(base, rows(), tmp_path / "halves", settings, said.append)
    assert "continuing after epoch 1 of 2" in said
    assert weights(tmp_path / "halves") == weights(tmp_path / "whole")
    assert not list((tmp_path / "halves").glob("interrupted*"))


def test_what_another_training_left_is_not_taken_up(base: str, tmp_path: Path) -> None:
    said: list[str] = []

    def interrupt(line: str) -> None:
        if line.startswith("epoch 2: "):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        finetune(base, rows(), tmp_path, replace(SMALL, epochs=2), interrupt)
    finetune(base, rows(8), tmp_path, replace(SMALL, epochs=2), said.append)
    assert not [line for line in said if line.startswith("continuing")]


def test_texts_that_cannot_be_encoded_and_long_ones_do_no_harm(base: str, tmp_path: Path) -> None:
    odd = [Row("\ud800" * 500, "", frozenset({Level.NONE}), block=1), Row("", "", frozenset({Level.NONE}), block=5)]
    assert finetune(base, [*rows(), *odd], tmp_path, replace(SMALL, epochs=1))["all"].texts == 11


def test_rows_with_context_are_left_out(base: str, tmp_path: Path) -> None:
    answer = Row("yes", "en", frozenset({Level.EMERGENCY}), context=(Turn(Role.ASSISTANT, "a plan?"),), block=5)
    assert finetune(base, [*rows(), answer], tmp_path, replace(SMALL, epochs=1))["all"].texts == 10


def test_the_loss_is_of_all_acceptable_levels_together() -> None:
    logits = torch.tensor([[1.0, 1.0, 1.0, 1.0]])
    both = Example([], (True, True, False, False), 2.0)
    assert loss_of(logits, [both]).item() == pytest.approx(0.6931, abs=1e-3)
    one = Example([], (False, False, False, True), 1.0)
    found = loss_of(logits.repeat(2, 1), [both, one]).item()
    assert found == pytest.approx((2 * 0.6931 + 1.3863) / 3, abs=1e-3)


def test_rare_levels_count_more() -> None:
    few = [Row("a", "", frozenset({Level.NONE}))] * 8 + [Row("b", "", frozenset({Level.URGENT, Level.EMERGENCY}))]
    found = level_weights(few)
    assert found[Level.NONE] < 1 < found[Level.URGENT] == found[Level.EMERGENCY]
    assert found[Level.ELEVATED] == 0


def test_the_rate_rises_and_falls() -> None:
    assert [round(rate_at(share, 0.2), 2) for share in (0, 0.1, 0.2, 0.6, 1)] == [0, 0.5, 1, 0.5, 0]


@pytest.mark.parametrize(
    ("chances", "level"),
    [
        ((0.6, 0.2, 0.1, 0.1), Level.NONE),
        ((0.3, 0.4, 0.2, 0.1), Level.ELEVATED),
        ((0.0, 0.4, 0.35, 0.25), Level.URGENT),
        ((0.3, 0.1, 0.2, 0.4), Level.EMERGENCY),
    ],
)
def test_danger_is_decided_before_its_degree(chances: tuple[float, ...], level: Level) -> None:
    found = assessment(chances)
    assert found.level is level
    assert found.score == pytest.approx(chances[2] + chances[3])


def test_what_cannot_be_trained_on_is_said(base: str, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="give more texts"):
        finetune(base, rows(1), tmp_path / "a", SMALL)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FinetuneError, match="empty could not be loaded as a classifier"):
        finetune(str(tmp_path / "empty"), rows(), tmp_path / "b", SMALL)
