"""The table of crisis lines and emergency numbers: reviewed data, the only source of numbers that leave the bot."""

import re
import tomllib
from collections.abc import Iterable
from datetime import date
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, field_validator

from config.errors import ConfigError
from config.language import Language


class CrisisLine(BaseModel):
    """One number that a person in danger can use."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    country: str  # ISO 3166-1 alpha-2
    kind: Literal["emergency", "crisis"]
    name: dict[Language, str]
    number: str  # as a person would dial or text it
    channel: Literal["call", "text", "call_text", "whatsapp"]
    hours: dict[Language, str]  # as the operator of the line states them
    languages: tuple[str, ...]
    note: dict[Language, str] = {}
    source: str
    verified_on: date
    expires_on: date

    @field_validator("name", "hours")
    @classmethod
    def _both_languages(cls, value: dict[Language, str]) -> dict[Language, str]:
        if set(value) != set(Language):
            raise ValueError("needs zh and en")
        return value


class CrisisLines:
    """All rows, with the questions asked of them."""

    def __init__(self, lines: Iterable[CrisisLine]) -> None:
        self.lines = tuple(lines)
        self._numbers = frozenset(digits(line.number) for line in self.lines)

    def countries(self) -> tuple[str, ...]:
        """Countries that have a line, in table order."""
        return tuple(dict.fromkeys(line.country for line in self.lines))

    def of(self, country: str, kind: Literal["emergency", "crisis"]) -> tuple[CrisisLine, ...]:
        """The rows of a country, best first; empty for a country that is not in the table."""
        return tuple(line for line in self.lines if line.country == country and line.kind == kind)

    def expired(self, today: date) -> tuple[CrisisLine, ...]:
        """Rows whose check is out of date."""
        return tuple(line for line in self.lines if line.expires_on < today)

    def knows(self, number: str) -> bool:
        """Whether a phone-like string is one of the table's numbers, however it is spaced."""
        return digits(number) in self._numbers


def digits(number: str) -> str:
    """Only the digits of a number."""
    return re.sub(r"\D", "", number)


def load_crisis_lines(path: Path | None = None) -> CrisisLines:
    """Read the table that comes with the project, or `path`. Raises ConfigError naming the row."""
    return _shipped() if path is None else _parse(path.read_text(encoding="utf-8"), str(path))


@cache
def _shipped() -> CrisisLines:
    return _parse(files("config").joinpath("crisis_lines.toml").read_text(encoding="utf-8"), "crisis_lines.toml")


def _parse(text: str, name: str) -> CrisisLines:
    try:
        rows = tomllib.loads(text).get("line", [])
        lines = TypeAdapter(list[CrisisLine]).validate_python(rows)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{name}: is not valid TOML: {error}") from None
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        raise ConfigError(f"{name}: line {fault['loc'][0]}: {fault['loc'][1:]}: {fault['msg']}") from None
    if not lines:
        raise ConfigError(f"{name}: holds no [[line]]; at least one emergency number is needed")
    return CrisisLines(lines)
