"""What is evaluated: texts of users, answers that people gave to them, and answers that were already made.

One JSON object a line; other fields are left alone:

field                        what it holds
`text`                       what the user wrote
`reference`, `references`    how people answered it; without one, nothing is compared
`reply`                      an answer that was made already; without it, one is generated
`system`                     what made the reply; each system gets figures of its own
`id`, `lang`, `history`      as for `psyllm reply`
"""

import json
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from config import ConfigError, Language
from engine.screening.corpora import read_turns
from engine.types import Turn


class Case(BaseModel):
    """One line. `references` holds every reference answer, blank ones left out."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    text: str
    id: str | int | None = None
    lang: Language | None = None
    history: tuple[Turn, ...] = ()
    reference: str | None = None
    references: tuple[str, ...] = ()
    reply: str | None = None
    system: str = Field("", max_length=200)

    @field_validator("history", mode="before")
    @classmethod
    def _read_history(cls, data: Any) -> tuple[Turn, ...]:
        return read_turns(data)

    @property
    def answers(self) -> tuple[str, ...]:
        """How people answered."""
        given = (*self.references, *([self.reference] if self.reference else []))
        return tuple(text for text in given if text.strip())


def read_cases(name: str, lines: Iterable[str]) -> list[Case]:
    """Every line's case. Raises ConfigError that names the file and the number of the line, never its text."""
    cases = [_case(name, number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if not cases:
        raise ConfigError(
            f'{name}: holds no lines; write one JSON object a line, like {{"text": "...", "reference": "..."}}'
        )
    return cases


def _case(name: str, number: int, line: str) -> Case:
    try:
        data = json.loads(line)
    except (ValueError, RecursionError):
        raise ConfigError(f"{name}: line {number}: is not JSON; write one object a line") from None
    try:
        return Case.model_validate(data)
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False)[0]
        field = ".".join(map(str, fault["loc"])) or "the line"
        raise ConfigError(f"{name}: line {number}: {field}: {fault['msg'].removeprefix('Value error, ')}") from None
