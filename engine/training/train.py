"""Trains a model in one stage and writes it into a folder from which the generator loads it: `train`.

The folder holds `run.json`, which tells this run from another, and while it lasts `checkpoints` and `tokens`. The same
call goes on where a killed run stood: it repeats the steps since the last checkpoint, with the same losses.
"""

import hashlib
import json
import shutil
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from datasets import Dataset
from datasets.exceptions import DatasetGenerationError
from datasets.utils.logging import disable_progress_bar
from transformers.utils import logging as transformers_logging

from config import ConfigError
from engine.generators.encoding import Encoder
from engine.repeatable import repeatable
from engine.training.card import Course, write_card
from engine.training.examples import Example, Tally, chat_examples, plain, preference_rows, text_examples
from engine.training.models import Base, load_base, make_new
from engine.training.rows import read_corpus, read_preferences
from engine.training.settings import SIZES, Prompt, Size, Stage, TrainingSettings
from engine.training.trainers import BITS, Progress, last_checkpoint, make_trainer

RUN, CHECKPOINTS, TOKENS = "run.json", "checkpoints", "tokens"


@dataclass(slots=True)
class _Data:
    """What is learned from and measured on, and how much of it there is."""

    train: Dataset
    valid: Dataset | None
    valid_characters: int = 0
    counts: dict[str, int] = field(default_factory=dict)


def _silent(line: str, is_kept: bool) -> None:
    """Of several processes, one speaks."""


def train(
    data: Path,
    out: Path,
    settings: TrainingSettings,
    base: str = "",
    new: str | Size = "",
    progress: Progress = _silent,
) -> Course:
    """Train `base` (a hub id or folder), or a model made `new`, on the folder `data`; write it into the folder `out`.

    Raises ConfigError for data, a model or a folder that cannot be used.
    """
    state = PartialState(cpu=settings.device == "cpu")
    if not state.is_main_process:
        progress = _silent
    disable_progress_bar()
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # the library is not typed there
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    with repeatable(), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # the libraries tell one another of their next versions
        torch.manual_seed(settings.seed)
        with state.main_process_first():  # the others find what the first one wrote
            run = _Run(out, _fingerprint(data, settings, base, new))
            try:
                model = _model(data, settings, base, new)
                settings = _fitted(settings, model)
                gathered = _gather(data, out / TOKENS / str(state.process_index), model, settings)
            except ConfigError:
                run.undo()
                raise
        progress(", ".join(f"{count:,} {name}" for name, count in gathered.counts.items()), True)
        trainer = make_trainer(model, gathered.train, gathered.valid, out / CHECKPOINTS, settings, progress)
        trainer.valid_characters = gathered.valid_characters
        found = last_checkpoint(out / CHECKPOINTS)
        trainer.train(resume_from_checkpoint=str(found) if found else None)
    course = _course(trainer)
    parameters = _save(trainer, model, out)
    if state.is_main_process:
        rate = settings.usual_rate(model.is_new)
        write_card(out, model.name, settings, rate, _prompt(settings, model), gathered.counts, parameters, course)
        run.finish(course)
    best = f"; {course.valid_name} {course.best[1]:.4f}" if course.best else ""
    progress(f"{out}: trained for {course.steps} steps{best}. README.md tells the rest", True)
    return course


def _model(data: Path, settings: TrainingSettings, base: str, new: str | Size) -> Base:
    if not new:
        saves_memory = settings.lora and torch.cuda.is_available() and settings.device != "cpu"
        model = load_base(base, torch.bfloat16 if saves_memory else torch.float32)
    elif settings.stage is Stage.PREFERENCES or settings.lora:
        raise ConfigError("--new: a model made anew learns in the stages text and chat, with all its weights")
    else:
        name, size = ("new", new) if isinstance(new, Size) else (new, SIZES[new])
        model = make_new(name, size, (plain(row) for row in read_corpus(data / "train.jsonl")), settings.seed)
    if settings.prompt == "chat" and not model.tokenizer.chat_template:
        raise ConfigError(f"{model.name} has no chat template; train it with --prompt completion")
    return model


def _fitted(settings: TrainingSettings, base: Base) -> TrainingSettings:
    """The settings with a length that the model can read."""
    return replace(settings, length=min(settings.length, base.context))


def _prompt(settings: TrainingSettings, base: Base) -> Prompt:
    return settings.prompt or ("chat" if base.tokenizer.chat_template else "completion")


def _gather(data: Path, cache: Path, base: Base, settings: TrainingSettings) -> _Data:
    """The folder's rows as examples, kept on disk so that a large corpus needs no memory. Raises ConfigError."""
    if settings.stage is Stage.PREFERENCES:
        return _gather_preferences(data, Encoder(base.tokenizer, _prompt(settings, base)), settings)
    gathered: dict[str, tuple[Dataset | None, Tally]] = {}
    for split in ("train", "valid"):
        tally = Tally()
        examples = _examples(data / f"{split}.jsonl", base, settings, tally)
        gathered[split] = _on_disk(examples, cache / split), tally
    (learned, tally), (valid, held) = gathered["train"], gathered["valid"]
    if learned is None:
        raise ConfigError(f"{data / 'train.jsonl'}: {_nothing(settings.stage)}")
    counts = {
        "rows to learn from": tally.rows,
        "characters to learn from": tally.characters,
        "answers too long to learn from": tally.too_long,
        "rows held back to stop early by": held.rows,
    }
    return _Data(learned, valid, held.characters, counts)


def _nothing(stage: Stage) -> str:
    if stage is Stage.CHAT:
        return "holds no answers to learn from; the stage chat needs dialogues, or questions with answers"
    return "holds nothing to learn from; psyllm data prepare makes it"


def _examples(path: Path, base: Base, settings: TrainingSettings, tally: Tally) -> Iterator[Example]:
    rows = read_corpus(path)
    if settings.stage is Stage.TEXT:
        return text_examples(rows, base.tokenizer, settings.length, tally)
    encoder = Encoder(base.tokenizer, _prompt(settings, base))
    return chat_examples(rows, encoder, settings.length, tally)


def _on_disk(examples: Iterator[Example], cache: Path) -> Dataset | None:
    """The examples as a dataset that is read from disk; None if there are none. Raises ConfigError."""
    first = next(examples, None)
    if first is None:
        return None

    def rows() -> Iterator[dict[str, list[int]]]:
        for example in chain([first], examples):
            yield {"input_ids": example.tokens, "labels": example.labels}

    shutil.rmtree(cache, ignore_errors=True)  # what an interrupted run left
    try:
        return Dataset.from_generator(rows, cache_dir=str(cache), fingerprint="examples")
    except DatasetGenerationError as error:
        if isinstance(error.__cause__, ConfigError):  # a row of the file is at fault
            raise error.__cause__ from None
        raise


def _gather_preferences(data: Path, encoder: Encoder, settings: TrainingSettings) -> _Data:
    preferences = read_preferences(data)
    learned = preference_rows(preferences.train, encoder, settings.length)
    valid = preference_rows(preferences.valid, encoder, settings.length)
    counts = {
        f"{preferences.kind} to learn from": len(learned),
        f"{preferences.kind} held back to stop early by": len(valid),
        f"{preferences.kind} left out for want of consent": preferences.without_consent,
    }
    return _Data(Dataset.from_list(learned), Dataset.from_list(valid) if valid else None, counts=counts)


def _course(trainer: Any) -> Course:
    history = trainer.state.log_history
    name = "loss" if f"eval_{BITS}" not in {key for entry in history for key in entry} else BITS
    return Course(
        steps=trainer.state.global_step,
        planned=trainer.state.max_steps,
        loss=[(entry["step"], entry["loss"]) for entry in history if "loss" in entry],
        valid=[(entry["step"], entry[f"eval_{name}"]) for entry in history if f"eval_{name}" in entry],
        valid_name=f"{name.replace('_', ' ')} on the valid split",
    )


def _save(trainer: Any, base: Base, out: Path) -> int:
    """Write the model, adapters merged into its weights, and its tokenizer; how many parameters it has."""
    if trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled:
        trainer.save_model(str(out))  # gathers what is spread over the machines
        return int(trainer.model.num_parameters())
    model = trainer.accelerator.unwrap_model(trainer.model)
    if hasattr(model, "merge_and_unload"):
        model = model.merge_and_unload()
    if trainer.is_world_process_zero():
        model.save_pretrained(out)
        base.tokenizer.save_pretrained(out)
    return int(model.num_parameters())


class _Run:
    """What is known of a run, in a file of its folder, so that the same call goes on and another is refused."""

    def __init__(self, out: Path, fingerprint: str) -> None:
        self._out = out
        self._path = out / RUN
        self._fingerprint = fingerprint
        known = self._read()
        if known is None and out.is_dir() and any(out.iterdir()):
            raise ConfigError(f"{out}: is not empty; name a new folder")
        if known and known.get("fingerprint") != fingerprint:
            raise ConfigError(f"{out}: holds a training of other data or settings; name a new folder")
        if known and known.get("finished"):
            raise ConfigError(f"{out}: holds this model already; nothing is left to train")
        self._is_resumed = known is not None
        out.mkdir(parents=True, exist_ok=True)
        self._write({})

    def undo(self) -> None:
        """Nothing could be trained: leave no folder that would stand in the way of the next try."""
        if not self._is_resumed:
            shutil.rmtree(self._out, ignore_errors=True)

    def finish(self, course: Course) -> None:
        """The model is written: keep its course, and delete what only an unfinished run needs."""
        self._write({"finished": True, **asdict(course)})
        for name in (CHECKPOINTS, TOKENS):
            shutil.rmtree(self._out / name, ignore_errors=True)

    def _read(self) -> dict[str, Any] | None:
        try:
            known = json.loads(self._path.read_text(encoding="utf-8"))
        except OSError:
            return None
        except ValueError:
            raise ConfigError(f"{self._path}: is damaged; name a new folder") from None
        return known if isinstance(known, dict) else {}

    def _write(self, more: Mapping[str, Any]) -> None:
        partial = self._path.with_suffix(".partial")
        partial.write_text(json.dumps({"fingerprint": self._fingerprint, **more}, indent=1) + "\n", encoding="utf-8")
        partial.replace(self._path)


def _fingerprint(data: Path, settings: TrainingSettings, base: str, new: str | Size) -> str:
    """Tells one training from another: settings, model, and the files' names, sizes and dates."""
    files = sorted(path for path in data.glob("*.jsonl") if path.stem in ("train", "valid", "thumbs", "edits"))
    about = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    told = json.dumps([asdict(settings), base, new if isinstance(new, str) else asdict(new), about], default=str)
    return hashlib.sha256(told.encode()).hexdigest()[:16]
