"""A transformer that sorts texts into levels, from a folder or the hub. It reads each message by itself.

A long text is read in overlapping windows, and the gravest of them decides.
"""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from transformers.utils.logging import disable_progress_bar

from config.settings import ClassifierSettings
from engine.generators.loading import choose_device, first_line, looks_like_path
from engine.screening.finetune import LEVELS, Classifier, assessment, paired
from engine.types import Assessment, Evidence, GeneratorError, Level, OpinionError, Turn

LONGEST = 256  # tokens of a window, as many as a text has when the model is fine-tuned
WINDOWS = 16  # of a longer text the first and the last ones are read, half of each
_VERSION = 60  # characters that the store keeps


@dataclass(frozen=True, slots=True)
class Loaded:
    """A classifier, the level that each of its labels stands for, and what identifies it."""

    classifier: Classifier
    levels: tuple[Level, ...]
    version: str


@dataclass(frozen=True, slots=True)
class Window:
    """A part `[start, end)` of a text, as tokens."""

    tokens: list[int]
    start: int
    end: int


class ClassifierOpinion:
    """Implements `engine.types.SecondOpinion`. One thread owns the model, so texts are judged one after the other."""

    name = "classifier"
    at_once = 2  # one is read while the other is on its way

    def __init__(self, settings: ClassifierSettings) -> None:
        self._settings = settings
        self._thread = ThreadPoolExecutor(1, "classifier")
        self._loaded: Loaded | None = None

    async def start(self) -> None:
        """Load the model; takes seconds to minutes. Raises OpinionError."""
        self._loaded = await asyncio.get_running_loop().run_in_executor(self._thread, load, self._settings)

    async def assess(self, text: str, context: Sequence[Turn] = ()) -> Assessment:
        """Judge `text`. Raises OpinionError."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._judge, text)

    async def close(self) -> None:
        """Let go of the model after the text that it is reading."""
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._loaded = None

    def _judge(self, text: str) -> Assessment:
        if (loaded := self._loaded) is None:
            raise OpinionError("the classifier is not loaded")
        try:
            return judge(loaded, text, self._settings.threshold)
        except Exception as error:  # whatever the model's library raises may hold the text
            raise OpinionError(f"the classifier failed ({type(error).__name__})") from None


def judge(loaded: Loaded, text: str, threshold: float) -> Assessment:
    """What the gravest window of a text says, quoted."""
    parts = windows(loaded.classifier, text)
    with torch.inference_mode():
        rows = functional.softmax(loaded.classifier.logits([part.tokens for part in parts]), 1).tolist()
    judged = [
        replace(assessment(by_level(row, loaded.levels), threshold), evidence=(_quoted(text, part),))
        for part, row in zip(parts, rows, strict=True)
    ]
    return replace(max(judged, key=lambda found: (found.level.rank, found.score)), version=loaded.version)


def _quoted(text: str, part: Window) -> Evidence:
    return Evidence(part.start, part.end, text[part.start : part.end], "opinion:classifier")


def by_level(chances: Sequence[float], levels: Sequence[Level]) -> list[float]:
    """The probability of each level: those of the labels that stand for it, together."""
    return [sum(chance for chance, of in zip(chances, levels, strict=True) if of is level) for level in LEVELS]


def windows(classifier: Classifier, text: str) -> list[Window]:
    """A text in parts that the model can read. Without a tokenizer that knows places, only its beginning."""
    if not classifier.tokenizer.is_fast:
        return [Window(classifier.tokens([text])[0], 0, len(text))]
    cut = classifier.tokenizer(
        text.encode("utf-8", "replace").decode(),
        truncation=True,
        max_length=classifier.longest,
        stride=classifier.longest // 8,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    parts = []
    for tokens, places in zip(cut["input_ids"], cut["offset_mapping"], strict=True):
        ends = [end for _, end in places if end]
        first = min((start for start, end in places if end), default=0)
        parts.append(Window(tokens, first, max(ends, default=0)))
    return parts if len(parts) <= WINDOWS else parts[: WINDOWS // 2] + parts[-WINDOWS // 2 :]


def load(settings: ClassifierSettings) -> Loaded:
    """Load and check the model that the settings name. Raises OpinionError."""
    name = settings.model
    folder = Path(name).expanduser()
    if looks_like_path(name) and not folder.is_dir():
        raise OpinionError(f"classifier.model: there is no folder {name}")
    disable_progress_bar()  # type: ignore[no-untyped-call]  # the library is not typed there
    models: Any = AutoModelForSequenceClassification  # not typed
    try:
        source = str(folder) if folder.is_dir() else name
        tokenizer: Any = AutoTokenizer.from_pretrained(source)
        model, report = models.from_pretrained(source, dtype=torch.float32, output_loading_info=True)
        device = choose_device(settings.device, "classifier.device")
        classifier = paired(model.to(device).eval(), tokenizer, LONGEST)
    except GeneratorError as error:
        raise OpinionError(str(error)) from None
    except Exception as error:  # the libraries raise a dozen kinds, down to bare ones from storage backends
        raise OpinionError(f"classifier.model: {name} could not be loaded: {first_line(error)}") from None
    if report["missing_keys"]:
        raise OpinionError(
            f"classifier.model: {name} is not trained to sort texts yet; psyllm train screener --base {name} does that"
        )
    levels = levels_of(name, model.config, settings.labels)
    return Loaded(classifier, levels, _version(name, folder, model.config))


def levels_of(name: str, config: Any, meanings: Mapping[str, str]) -> tuple[Level, ...]:
    """The level of each label of a model, in its order. Raises OpinionError."""
    labels = [str(config.id2label[number]) for number in range(config.num_labels)]
    if config.problem_type == "multi_label_classification" or len(labels) < 2:
        raise OpinionError(f"classifier.model: {name} does not give each text one of several labels")
    if unknown := sorted(set(meanings) - set(labels)):
        raise OpinionError(f"classifier.labels: {name} has no label {unknown[0]}; it has {', '.join(labels)}")
    meant = [meanings.get(label, label.lower()) for label in labels]
    if any(level not in set(Level) for level in meant):
        raise OpinionError(
            f"classifier.labels: {name} has the labels {', '.join(labels)}; say for each whether it means "
            f"{', '.join(Level)}"
        )
    return tuple(Level(level) for level in meant)


def _version(name: str, folder: Path, config: Any) -> str:
    """The model's name and its commit on the hub, or a digest of its files."""
    if folder.is_dir():
        name, revision = folder.resolve().name, _digest(folder)
    else:
        revision = str(getattr(config, "_commit_hash", None) or "")[:12]
    return f"{name[: _VERSION - 1 - len(revision)]}@{revision}"


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted([*folder.glob("config.json"), *folder.glob("*.safetensors"), *folder.glob("*.bin")]):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:12]
