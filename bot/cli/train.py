"""`psyllm train`: the learned parts of the screener and the guard anew, a transformer for a second opinion, or a
language model."""

import importlib.util
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from bot.cli.evaluate import print_figures
from config import ConfigError
from engine.guard.corpora import own_answers, read_answers
from engine.linear.corpora import hold_back
from engine.screening.corpora import Row, corpus_files, read_rows
from engine.training import SIZES, Stage, TrainingSettings

_MODEL_NEEDS = ("torch", "transformers", "trl", "peft", "accelerate", "datasets")


def train_screener(files: Sequence[Path], out: Path, base: str, seed: int, epochs: int | None, own_texts: bool) -> None:
    """Train on the project's own texts and those of `files`. Raises ConfigError before anything is learned."""
    if importlib.util.find_spec("torch") is None or importlib.util.find_spec("transformers") is None:
        raise ConfigError("train screener: torch or transformers is missing; run pip install 'psyllm-bot[llm]'")
    if not out.parent.is_dir():
        raise ConfigError(f"{out}: there is no folder {out.parent}; make it first")
    rows = read_rows([*(corpus_files() if own_texts else []), *files])
    if not rows:
        raise ConfigError("train screener: there are no texts; name files of labelled texts")
    hold_back(rows)  # too few texts are refused here, before the libraries are loaded
    if base:
        _finetune(base, rows, out, seed, epochs)
    else:
        _train(rows, out, seed, epochs)


def train_guard(files: Sequence[Path], out: Path, seed: int, epochs: int | None) -> None:
    """Train on the project's own answers and those of `files`. Raises ConfigError before anything is learned."""
    if importlib.util.find_spec("torch") is None:
        raise ConfigError("train guard: torch is missing; run pip install 'psyllm-bot[llm]'")
    if out.is_dir() or not out.parent.is_dir():
        raise ConfigError(f"{out}: name a file, in a folder that there is, to write the model to")
    rows = [*own_answers(), *read_answers(files)]
    from engine.guard.train import Settings, train

    with _progress() as progress:
        settings = Settings(seed=seed)
        train(rows, out, replace(settings, epochs=epochs or settings.epochs), progress)


def model_settings(stage: str, prompt: str, device: str, **numbers: Any) -> TrainingSettings:
    """The settings that the command line's words mean. Raises ConfigError."""
    if stage not in list(Stage):
        raise ConfigError(f"--stage: {stage} is not a stage; there are {', '.join(Stage)}")
    if prompt not in ("", "chat", "completion"):
        raise ConfigError(f"--prompt: {prompt} is neither chat nor completion")
    if device not in ("auto", "cpu"):
        raise ConfigError(f"--device: {device} is neither auto nor cpu")
    return TrainingSettings(stage=Stage(stage), prompt=prompt or None, device=device, **numbers)  # type: ignore[arg-type]


def train_model(data: Path, out: Path, base: str, new: str, settings: TrainingSettings) -> None:
    """Train a language model in one stage. Raises ConfigError before anything is learned."""
    if missing := [name for name in _MODEL_NEEDS if importlib.util.find_spec(name) is None]:
        raise ConfigError(f"train model: {', '.join(missing)} missing; run pip install 'psyllm-bot[train]'")
    if bool(base) == bool(new):
        raise ConfigError("train model: name the model to begin with by --base, or a size by --new; one of them")
    if new and new not in SIZES:
        raise ConfigError(f"--new: {new} is not a size; there are {', '.join(SIZES)}")
    if not data.is_dir():
        raise ConfigError(f"--data: there is no folder {data}; psyllm data prepare makes it")
    if settings.stage is not Stage.PREFERENCES and not (data / "train.jsonl").is_file():
        raise ConfigError(f"--data: {data} holds no train.jsonl; psyllm data prepare makes it")
    if out.is_file() or not out.parent.is_dir():
        raise ConfigError(f"--out: {out}: name a folder, in a folder that there is, to write the model to")
    from engine.training.train import train

    console = Console(stderr=True, highlight=False)
    with console.status("reading") as status:

        def say(line: str, is_kept: bool) -> None:
            if is_kept:
                console.print(line, markup=False)
            status.update(line)

        train(data, out, settings, base, new, say)


def _train(rows: Sequence[Row], out: Path, seed: int, epochs: int | None) -> None:
    from engine.screening.train import Settings, train

    if out.is_dir():
        raise ConfigError(f"{out}: is a folder; name the file to write the model to")
    with _progress() as progress:
        settings = Settings(seed=seed)
        train(rows, out, replace(settings, epochs=epochs or settings.epochs), progress)


def _finetune(base: str, rows: Sequence[Row], out: Path, seed: int, epochs: int | None) -> None:
    from transformers.utils import logging

    from engine.screening.finetune import FinetuneSettings, finetune

    if out.is_file():
        raise ConfigError(f"{out}: is a file; name a folder to write the model to")
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # the library is not typed there
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    with _progress() as progress:
        settings = FinetuneSettings(seed=seed)
        found = finetune(base, rows, out, replace(settings, epochs=epochs or settings.epochs), progress)
    print_figures(Console(highlight=False), found, by="lang,category")


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """Each line of progress is printed; the last one stays beside a sign of life."""
    console = Console(stderr=True, highlight=False)
    with console.status("reading") as status:

        def say(line: str) -> None:
            console.print(line, markup=False)
            status.update(line)

        yield say
