"""`psyllm train`: the learned parts of the screener and the guard anew, or a transformer for a second opinion."""

import importlib.util
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from bot.cli.evaluate import print_figures
from config import ConfigError
from engine.guard.corpora import own_answers, read_answers
from engine.linear.corpora import hold_back
from engine.screening.corpora import Row, corpus_files, read_rows


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
