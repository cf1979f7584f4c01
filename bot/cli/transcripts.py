"""`psyllm transcripts`: what the library answers to the written scripts, as pages to read."""

from pathlib import Path

import typer

from config import ConfigError, Language
from engine.evaluation.transcripts import markdown
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
