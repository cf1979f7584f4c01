"""`psyllm transcripts`: what the library answers to the written scripts, as pages to read."""

import json
from pathlib import Path

import typer

from config import ConfigError, Language
from engine.evaluation.transcripts import load_script, markdown
from engine.library import LibraryGenerator
from engine.screening import load_screener


def write_transcripts(folder: Path) -> None:
    """Write a page for each language into the folder. Raises ConfigError if it cannot be written."""
    library, screener = LibraryGenerator(), load_screener()
    for language in Language:
        path = folder / f"{language}.md"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path.write_text(markdown(language, library, screener), encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"{path}: cannot be written ({error.strerror}); give another folder with --out") from None
        typer.echo(path)


def print_first_messages() -> None:
    """Print every first message as a JSON line, as `psyllm reply` and `psyllm evaluate replies` read it."""
    for language in Language:
        for number, first in enumerate(load_script(language).first, 1):
            row = {"id": f"{language}-{number}", "lang": language.value, "text": first.text}
            typer.echo(json.dumps(row, ensure_ascii=False))
