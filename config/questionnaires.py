"""Questionnaires: public ones, in their official wording, with cut-offs for each language and the source of each.

Free to use are PHQ-2, PHQ-9 and GAD-7 ("No permission required to reproduce, translate, display or distribute",
https://www.phqscreeners.com). The WHO-5 is left out: its licence is said to be CC BY-NC-SA 3.0 IGO, which forbids
commercial use, and whether a service that ships with it may charge is not settled.
"""

import tomllib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from config.errors import ConfigError
from config.language import Language

Name = Annotated[str, Field(min_length=1)]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Wording(_Entry):
    """A questionnaire in one language. `cut_off` is the total from which to talk to a professional is suggested."""

    lead: Name
    items: tuple[Name, ...]
    answers: tuple[Name, ...] = Field(min_length=4, max_length=4)  # worth 0, 1, 2, 3
    cut_off: int
    cut_off_source: Name


class Questionnaire(_Entry):
    """One questionnaire: each item is answered 0 to 3, the total is their sum."""

    id: Name
    title: Name
    danger_item: int | None = None  # from 1: any answer above 0 brings a person
    source: Name
    licence: Name
    reviewed_by: str = ""
    zh: Wording
    en: Wording

    @model_validator(mode="after")
    def _alike(self) -> Self:
        if len(self.zh.items) != len(self.en.items):
            raise ValueError("zh.items and en.items must be as many")
        if self.danger_item is not None and not 1 <= self.danger_item <= len(self.en.items):
            raise ValueError("danger_item: there is no such item")
        return self

    def wording(self, language: Language) -> Wording:
        """The official text in a language."""
        return self.zh if language is Language.ZH else self.en

    def is_danger(self, item: int, answer: int) -> bool:
        """Whether an answer (0 to 3) to an item (from 0) is about somebody's life."""
        return self.danger_item == item + 1 and answer > 0

    def total(self, answers: Sequence[int]) -> int:
        """The sum of all answers."""
        return sum(answers)


@cache
def load_questionnaires() -> dict[str, Questionnaire]:
    """Every questionnaire, by id. Raises ConfigError naming the file and the key."""
    folder = files("config").joinpath("questionnaires")
    found = {}
    for path in sorted(folder.iterdir(), key=lambda path: path.name):
        if not path.name.endswith(".toml"):
            continue
        try:
            read = Questionnaire.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"questionnaires/{path.name}: is not valid TOML: {error}") from None
        except ValidationError as error:
            fault = error.errors(include_url=False)[0]
            key = ".".join(map(str, fault["loc"]))
            raise ConfigError(f"questionnaires/{path.name}: {key}: {fault['msg']}") from None
        found[read.id] = read
    return found
