"""A fine-tuned transformer gives second opinions: its labels, its windows, and each way it cannot be used."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from config.settings import ClassifierSettings
from engine import Assessment, Level, OpinionError
from engine.screening.corpora import Row
from engine.screening.finetune import FinetuneSettings, finetune
from engine.screening.opinions.classifier import ClassifierOpinion, by_level, windows
from tests.emulators.tiny_model import save_classifier

TEXTS = {
    "the river is calling": Level.URGENT,
    "药数好了": Level.EMERGENCY,
    "so tired of it": Level.ELEVATED,
    "我把书还了": Level.NONE,
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny BERT, fine-tuned as `psyllm train screener --base` does it."""
    torch.set_num_threads(1)
    base, out = tmp_path_factory.mktemp("base"), tmp_path_factory.mktemp("trained")
    save_classifier(base, list(TEXTS))
    rows = [Row(text, "", frozenset({level}), block=copy) for copy in range(10) for text, level in TEXTS.items()]
    finetune(str(base), rows, out, FinetuneSettings(epochs=25, batch=8, rate=5e-3, device="cpu"))
    return out


async def opinion_of(text: str, model: Path, **values: Any) -> Assessment:
    opinion = ClassifierOpinion(ClassifierSettings(model=str(model), device="cpu", **values))
    await opinion.start()
    try:
        return await opinion.assess(text)
    finally:
        await opinion.close()


def relabelled(model: Path, folder: Path, labels: list[str], **values: Any) -> Path:
    """A copy of a model whose labels have other names."""
    for path in model.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    config = json.loads((folder / "config.json").read_text())
    config |= {"id2label": dict(enumerate(labels)), "label2id": {name: n for n, name in enumerate(labels)}} | values
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize(("text", "level"), TEXTS.items())
async def test_what_training_made_gives_opinions(model: Path, text: str, level: Level) -> None:
    found = await opinion_of(text, model)
    assert found.level is level
    assert found.category is None
    assert [(e.text, e.rule) for e in found.evidence] == [(text, "opinion:classifier")]
    name, digest = found.version.split("@")
    assert name == model.name
    assert len(digest) == 12


async def test_the_threshold_decides_from_when_a_text_is_urgent(model: Path) -> None:
    assert (await opinion_of("the river is calling", model, threshold=0.9999)).level < Level.URGENT
    assert (await opinion_of("我把书还了", model, threshold=0.0001)).level >= Level.URGENT


async def test_danger_at_the_end_of_a_long_text_is_found_and_quoted(model: Path) -> None:
    found = await opinion_of("我把书还了" * 200 + "药数好了" * 12, model)
    assert found.level is Level.EMERGENCY
    (span,) = found.evidence
    assert span.start > 900
    assert span.text.endswith("药数好了")


@given(st.text())
@settings(max_examples=50, deadline=None)
def test_any_text_is_read_in_windows_that_lie_in_it(text: str) -> None:
    classifier = _reader()
    for part in windows(classifier, text):
        assert 0 <= part.start <= part.end <= len(text)
        assert len(part.tokens) <= classifier.longest


def _reader() -> Any:
    """Only a tokenizer: windows need no model."""
    from engine.screening.finetune import Classifier
    from tests.emulators.tiny_model import tokenizer

    return Classifier(None, tokenizer(), 64)


@pytest.mark.parametrize("text", ["", "\ud800", "\x00", "😀" * 300])
async def test_odd_texts_are_judged(model: Path, text: str) -> None:
    assert (await opinion_of(text, model)).level in Level


async def test_a_model_with_labels_of_its_own_is_used_by_what_they_mean(model: Path, tmp_path: Path) -> None:
    other = relabelled(model, tmp_path, ["fine", "low", "suicidal", "acute"])
    meanings = {"fine": "none", "low": "elevated", "suicidal": "urgent", "acute": "urgent"}
    assert (await opinion_of("药数好了", other, labels=meanings)).level is Level.URGENT
    assert (await opinion_of("药数好了", other, labels=meanings | {"acute": "none"})).level is Level.NONE


@pytest.mark.parametrize(
    ("labels", "values", "meanings", "says"),
    [
        (["a", "b", "c", "d"], {}, {}, r"classifier\.labels: .* has the labels a, b, c, d"),
        (["a", "b", "c", "d"], {}, {"a": "none"}, r"classifier\.labels: .* say for each"),
        (["none", "elevated", "urgent", "emergency"], {}, {"x": "none"}, r"classifier\.labels: .* has no label x"),
        (
            ["none", "elevated", "urgent", "emergency"],
            {"problem_type": "multi_label_classification"},
            {},
            r"classifier\.model: .* one of several labels",
        ),
    ],
)
async def test_a_model_that_cannot_be_understood_is_refused_in_a_sentence(
    model: Path, tmp_path: Path, labels: list[str], values: dict[str, str], meanings: dict[str, str], says: str
) -> None:
    with pytest.raises(OpinionError, match=says):
        await opinion_of("x", relabelled(model, tmp_path, labels, **values), labels=meanings)


async def test_a_model_that_is_not_there_or_not_trained_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(OpinionError, match=r"classifier\.model: there is no folder /nowhere"):
        await opinion_of("x", Path("/nowhere"))
    with pytest.raises(OpinionError, match=r"classifier\.model: .*empty could not be loaded"):
        await opinion_of("x", tmp_path / "empty")
    untrained = save_headless(tmp_path / "base")
    with pytest.raises(OpinionError, match="psyllm train screener --base"):
        await opinion_of("x", untrained)


async def test_a_device_that_is_not_there_is_named(model: Path) -> None:
    opinion = ClassifierOpinion(ClassifierSettings(model=str(model), device="nonsense"))
    with pytest.raises(OpinionError, match=r"^classifier\.device: nonsense cannot be used"):
        await opinion.start()
    await opinion.close()


async def test_a_fault_in_the_model_never_shows_the_text(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def break_(*_: object) -> None:
        raise RuntimeError("private words")

    monkeypatch.setattr("engine.screening.opinions.classifier.judge", break_)
    with pytest.raises(OpinionError) as refused:
        await opinion_of("private words", model)
    assert str(refused.value) == "the classifier failed (RuntimeError)"
    assert refused.value.__cause__ is None


async def test_before_it_is_loaded_and_after_it_is_closed_it_has_no_opinion(model: Path) -> None:
    opinion = ClassifierOpinion(ClassifierSettings(model=str(model)))
    with pytest.raises(OpinionError, match="not loaded"):
        await opinion.assess("x")


def save_headless(folder: Path) -> Path:
    """A language model that nobody has trained to sort texts."""
    from transformers import AutoConfig, AutoModel

    models: Any = AutoModel
    save_classifier(folder, list(TEXTS))
    models.from_config(AutoConfig.from_pretrained(folder)).save_pretrained(folder)
    return folder


def test_labels_of_one_level_count_together() -> None:
    assert by_level([0.1, 0.2, 0.3, 0.4], [Level.URGENT, Level.NONE, Level.URGENT, Level.ELEVATED]) == pytest.approx(
        [0.2, 0.4, 0.4, 0.0]
    )
