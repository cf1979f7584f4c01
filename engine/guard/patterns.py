"""Rules made of word patterns: reviewed data in `rules/<language>.toml`.

A rule is broken by a sentence in which one of `patterns` begins at a place that no match of `unless` covers: so
"I can't promise that you will be fine" is excused and "I can't stay long, but you will be fine" is not. `<name>` in a
pattern stands for the alternatives under `[words]`. `caught` and `passed` are examples that the tests run.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from pydantic import BaseModel, ConfigDict, ValidationError

from config import ConfigError, Language


class _Entry(BaseModel):
    """A `[[rule]]` of a file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    patterns: tuple[str, ...]
    unless: tuple[str, ...] = ()
    caught: tuple[str, ...]
    passed: tuple[str, ...]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    meta: dict[str, str]
    common: str
    danger: tuple[str, ...]
    taken_up: tuple[str, ...]
    words: dict[str, tuple[str, ...]]
    rule: tuple[_Entry, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule, compiled, with its examples."""

    name: str
    patterns: re.Pattern[str]
    unless: re.Pattern[str] | None
    caught: tuple[str, ...]
    passed: tuple[str, ...]

    def broken_by(self, sentence: str) -> bool:
        """Whether a plain sentence breaks the rule."""
        hits = [match.start() for match in self.patterns.finditer(sentence)]
        if not hits or self.unless is None:
            return bool(hits)
        excused = [match.span() for match in self.unless.finditer(sentence)]
        return any(not any(start <= hit < end for start, end in excused) for hit in hits)


@cache
def read_rules(language: Language) -> tuple[Rule, ...]:
    """The rules of one language's file. Raises ConfigError naming the file and rule."""
    data = _read(language)
    words = {key: "(?:" + "|".join(values) + ")" for key, values in data.words.items()}
    return tuple(_compile(entry, words, language) for entry in data.rule)


def common(language: Language) -> frozenset[str]:
    """The words (characters in Chinese) that make up a good part of any text of the language."""
    text = _read(language).common
    return frozenset(text if language == Language.ZH else text.split())


@cache
def danger() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """What a user in danger says, and what shows that an answer takes it up; of all languages."""
    data = [_read(language) for language in Language]
    return (
        _any_of([pattern for each in data for pattern in each.danger], {}),
        _any_of([pattern for each in data for pattern in each.taken_up], {}),
    )


@cache
def _read(language: Language) -> _File:
    name = f"rules/{language}.toml"
    try:
        return _File.model_validate(tomllib.loads(files("engine.guard").joinpath(name).read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise ConfigError(f"{name}: {error}") from None


def _compile(entry: _Entry, words: Mapping[str, str], language: Language) -> Rule:
    try:
        return Rule(
            entry.name,
            _any_of(entry.patterns, words),
            _any_of(entry.unless, words) if entry.unless else None,
            entry.caught,
            entry.passed,
        )
    except (re.error, KeyError) as error:
        raise ConfigError(f"rules/{language}.toml: {entry.name}: {error!r}") from None


def _any_of(patterns: Iterable[str], words: Mapping[str, str]) -> re.Pattern[str]:
    return re.compile("|".join(re.sub(r"<([a-z_]+)>", lambda name: words[name[1]], pattern) for pattern in patterns))
