"""`psyllm data prepare`: an operator's files become a corpus that a model may learn from."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markdown import Markdown

from config import ConfigError, Language

_NEEDED = ("datasketch", "ijson", "phonenumbers", "stdnum", "trafilatura")


def prepare_data(
    files: Sequence[Path], out: Path, held_out: Sequence[Path], languages: Sequence[Language], valid: int, test: int
) -> None:
    """Clean `files` into the folder `out`, with progress and a report. Raises ConfigError."""
    if missing := [name for name in _NEEDED if importlib.util.find_spec(name) is None]:
        raise ConfigError(f"data prepare: {', '.join(missing)} missing; run pip install 'psyllm-bot[data]'")
    if out.is_file():
        raise ConfigError(f"{out}: is a file; name a folder")
    from engine.corpus import Choices, prepare
    from engine.corpus.documents import find_files
    from engine.corpus.report import report

    choices = Choices(frozenset(languages) or frozenset(Language), tuple(held_out), valid, test)
    console = Console(stderr=True, highlight=False)
    with console.status("reading") as status:
        counts = prepare(
            files, out, choices, lambda name, read, kept: status.update(f"{name}: {read:,} read, {kept:,} kept")
        )
    text = report(counts, [path.name for path in find_files(list(files))])
    (out / "report.md").write_text(text, encoding="utf-8")
    Console().print(Markdown(text))
