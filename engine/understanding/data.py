"""The phrases of each language, read once from `en.toml` and `zh.toml`.

A phrase is a regular expression in which a space stands for any white space.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files

from pydantic import BaseModel, ConfigDict, ValidationError

from config import ConfigError, Language

Phrases = tuple[str, ...]


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Naming(_Data):
    """How people tell their name: `leads`, a `wish` that it be remembered, one of `frames`, the name, `tails`.

    A name has one of `shapes`, or with one of `closings` behind it one of `free_shapes`. None has a word of `never` in
    it, nor anything of `never_within`.
    """

    leads: Phrases
    wish: Phrases
    frames: Phrases
    shapes: Phrases
    free_shapes: Phrases
    closings: Phrases
    tails: Phrases
    never: frozenset[str]
    never_within: Phrases


class Helping(_Data):
    """How people tell that something helped: `<thing>` in a pattern is any of `things`, `<good>` the good it did.

    `referring` tells it of what was just said. `harmless` is taken away before `excluded` is looked for.
    """

    patterns: Phrases
    referring: Phrases
    good: Phrases
    harmless: Phrases
    excluded: Phrases
    question: Phrases
    things: Mapping[str, Phrases]


class Spoken(_Data):
    """Whole messages: by the command they stand for, a yes, a no, and what is said of an answer.

    `follow_ups` count only while the bot sends something on its own or an exercise is under way. A group in a phrase is
    the command's argument.
    """

    commands: Mapping[str, Phrases]
    follow_ups: Mapping[str, Phrases]
    yes: Phrases
    no: Phrases
    helpful: Phrases
    unhelpful: Phrases


class Data(_Data):
    """One language's file."""

    name: Naming
    helped: Helping
    spoken: Spoken


@cache
def load(language: Language) -> Data:
    """Read a language's phrases. Raises ConfigError naming the file."""
    name = f"{language}.toml"
    try:
        data = tomllib.loads(files("engine.understanding").joinpath(name).read_text(encoding="utf-8"))
        return Data.model_validate(data)
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise ConfigError(f"engine/understanding/{name}: {error}") from None


def either(phrases: Iterable[str]) -> str:
    """A pattern that any of the phrases fits."""
    return f"(?:{'|'.join(phrases)})".replace(" ", r"\s+")


def compiled(pattern: str) -> re.Pattern[str]:
    """A pattern in which case does not matter."""
    return re.compile(pattern, re.IGNORECASE)
