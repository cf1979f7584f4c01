"""Versions of what writes answers, so that answers can be compared after something has changed."""

import hashlib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from importlib.resources.abc import Traversable

from engine.types import Generator


def version_of(generator: Generator) -> str:
    """Changes when the same generator may answer otherwise: with the program, its reviewed texts or its prompt.

    A generator that knows what else its answers depend on, such as the weights it runs, has a `version` of its own.
    """
    texts = _digest_of("engine.library" if generator.trusted else "engine.generators")
    own = str(getattr(generator, "version", ""))
    return "+".join(part for part in (_program(), texts, own) if part)


@cache
def _program() -> str:
    try:
        return version("psyllm-bot")
    except PackageNotFoundError:  # run from a folder that is not installed
        return "0"


@cache
def _digest_of(package: str) -> str:
    """A short digest of the data files of a package."""
    digest = hashlib.sha256()
    for path, file in sorted(_data_files(files(package), ""), key=lambda each: each[0]):
        digest.update(path.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:8]


def _data_files(folder: Traversable, path: str) -> Iterator[tuple[str, Traversable]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _data_files(entry, f"{path}/{entry.name}")
        elif entry.name.endswith(".toml"):
            yield f"{path}/{entry.name}", entry
