"""The bot's own fixed words: reviewed data in `config/texts/<language>.toml`, the same keys in each language.

A value is one text or a list of variants. `{name}` marks a place to be filled. What is said to people who write other
languages stands in `config/texts/other_languages.toml`.
"""

import string
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from config.errors import ConfigError
from config.language import Language


class Texts:
    """The texts of one language."""

    def __init__(self, values: Mapping[str, tuple[str, ...]], reviewed_by: str = "") -> None:
        self._values = values
        self.reviewed_by = reviewed_by  # the clinician who signed them; empty while nobody has

    def get(self, key: str, variant: int = 0, /, **fields: str | int) -> str:
        """The text at a dotted key, filled in. `variant` chooses among several, counted round.

        Raises KeyError for a key or a field that does not exist: a fault of the program, found by the tests.
        """
        choices = self._values[key]
        return choices[variant % len(choices)].format_map({k: str(v) for k, v in fields.items()})

    def variants(self, key: str) -> int:
        """How many texts stand at the key."""
        return len(self._values[key])

    def keys(self) -> frozenset[str]:
        """All dotted keys."""
        return frozenset(self._values)

    def fields(self, key: str) -> frozenset[str]:
        """Names of the places to be filled at a key, over all variants."""
        parse = string.Formatter().parse
        return frozenset(name for text in self._values[key] for _, name, _, _ in parse(text) if name)


@cache
def load_texts(language: Language) -> Texts:
    """Read a language's texts. Raises ConfigError naming the file and key."""
    return _read(f"texts/{language}.toml")


@cache
def load_other_languages() -> Texts:
    """Read the texts for people who write a language that the bot does not serve: `es.calm`, `es.danger`, ..."""
    return _read("texts/other_languages.toml")


def _read(name: str) -> Texts:
    try:
        data = tomllib.loads(files("config").joinpath(name).read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{name}: is not valid TOML: {error}") from None
    meta = data.pop("meta", {})
    return Texts(dict(_flatten(data, "", name)), str(meta.get("reviewed_by", "")))


def _flatten(node: Mapping[str, Any], prefix: str, name: str) -> list[tuple[str, tuple[str, ...]]]:
    found: list[tuple[str, tuple[str, ...]]] = []
    for key, value in node.items():
        dotted = f"{prefix}{key}"
        if isinstance(value, Mapping):
            found += _flatten(value, f"{dotted}.", name)
        elif isinstance(value, str) and value.strip():
            found.append((dotted, (value.strip(),)))
        elif isinstance(value, list) and value and all(isinstance(v, str) and v.strip() for v in value):
            found.append((dotted, tuple(v.strip() for v in value)))
        else:
            raise ConfigError(f"{name}: {dotted}: must be a text or a list of texts, none empty")
    return found
