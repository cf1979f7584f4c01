"""Canned replies for counsellors, by topic, in `config/canned/<language>.toml`. They read one before it leaves."""

import string
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from config.errors import ConfigError
from config.language import Language

FIELDS = frozenset({"name", "me"})
"""What can be filled in: what the person likes to be called, and the counsellor's name."""


@dataclass(frozen=True, slots=True)
class Canned:
    """One reply. `id` is `topic.name`, the same in each language."""

    id: str
    topic: str
    text: str

    def filled(self, me: str, name: str = "") -> str:
        """The reply with names filled in. Without the person's name their place goes, with the comma beside it."""
        text = self.text if name else _without_name(self.text)
        return text.format_map({"name": name, "me": me})


def _without_name(text: str) -> str:
    for around in (", {name}", " {name}", "{name}，", "{name}"):
        if around in text:
            return text.replace(around, "", 1).strip()
    return text


@cache
def load_canned(language: Language) -> tuple[Canned, ...]:
    """A language's replies, in the order of the file. Raises ConfigError naming the file and key."""
    name = f"canned/{language}.toml"
    try:
        data = tomllib.loads(files("config").joinpath(name).read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{name}: is not valid TOML: {error}") from None
    data.pop("meta", None)
    return tuple(_checked(name, topic, key, text) for topic, group in data.items() for key, text in group.items())


def _checked(file: str, topic: str, key: str, text: object) -> Canned:
    if not isinstance(text, str) or not text.strip():
        raise ConfigError(f"{file}: {topic}.{key}: must be a text that is not empty")
    fields = {field for _, field, _, _ in string.Formatter().parse(text) if field is not None}
    if unknown := fields - FIELDS:
        raise ConfigError(f"{file}: {topic}.{key}: {', '.join(sorted(unknown))}: no such place; there are name and me")
    return Canned(f"{topic}.{key}", topic, text.strip())
