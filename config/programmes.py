"""Programmes: what the bot may send on its own, as data that a clinician can read and sign.

One file `config/programmes/<id>.toml` is one programme. It sends at most one thing a day, on days counted from the day
on which somebody began (`day = 0`), at a time on that person's clock. Texts stand in both languages. `words` names a
list of texts in `config/programmes/words/<name>.toml` of which the programme's `days` take one each, in order.

An operator's own folder (setting `followups.programmes`) adds programmes, and replaces shipped ones with the same id.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import time
from functools import cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from config.errors import ConfigError
from config.language import Language

Id = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_]{0,39}$")]
LevelName = Literal["none", "elevated", "urgent", "emergency"]
Purpose = Literal["practice", "checkin", "contact"]
"""What somebody agrees to: exercises, questions about how they are, or a kind word without a question."""

_LONGEST = 1500  # bytes: a text, its exercise or its buttons in words go into one WeChat message
_NUMBER = re.compile(r"\d[\d\s()+-]{4,}\d")


def _local(moment: time) -> time:
    if moment.tzinfo is not None or moment.second or moment.microsecond:
        raise ValueError("write a local time of whole minutes, such as 08:00")
    return moment


LocalTime = Annotated[time, AfterValidator(_local)]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Words(_Entry):
    """One text in both languages."""

    zh: str
    en: str

    @field_validator("zh", "en")
    @classmethod
    def _readable(cls, text: str) -> str:
        text = text.strip()
        if not text:
            raise ValueError("is empty; write it in both languages")
        if len(text.encode()) > _LONGEST:
            raise ValueError(f"is longer than {_LONGEST} bytes")
        if _NUMBER.search(text):
            raise ValueError("holds a telephone number; numbers come from crisis_lines.toml alone")
        return text

    def of(self, language: Language) -> str:
        """The text in a language."""
        return self.zh if language is Language.ZH else self.en


class Step(_Entry):
    """What is sent on one day: a text, an exercise of the library, a questionnaire, or the question about the mood."""

    day: int = Field(ge=0, le=3650)
    at: LocalTime | None = None  # the programme's
    text: Words | None = None
    exercise: Id | None = None  # the library's id without the language: `long_exhale`
    questionnaire: Id | None = None
    mood: bool = False  # asks how somebody is, 0 to 10

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not (self.text or self.exercise or self.questionnaire or self.mood):
            raise ValueError("has nothing to send; give it text, exercise, questionnaire or mood = true")
        if sum((self.exercise is not None, self.questionnaire is not None, self.mood)) > 1:
            raise ValueError("asks for two things at once; keep one of exercise, questionnaire, mood")
        return self


class Programme(_Entry):
    """A plan of follow-ups. The first day of somebody's enrolment is day 0."""

    id: Id
    version: int = Field(ge=1)
    formerly: tuple[Id, ...] = ()  # ids under which people were enrolled before a renaming
    purpose: Purpose
    title: Words
    about: Words  # what somebody agrees to
    at: LocalTime
    steps: tuple[Step, ...] = Field(min_length=1, alias="step")
    cycle_days: int | None = Field(None, ge=1, le=3650)  # after so many days the steps begin again
    cycles: int | None = Field(None, ge=1, le=3650)  # so often in all; without: until somebody stops it
    late_hours: float = Field(ge=0.5, le=240)  # so long after its time a step is still worth sending
    highest_level: LevelName = "elevated"  # nothing is sent to somebody whose last words were graver
    fade_after: int | None = Field(None, ge=2, le=60)  # unanswered steps after which it falls silent; None: never
    offered: bool = False  # the bot may offer it after a conversation
    topics: tuple[str, ...] = ()  # of the library: what a conversation must have been about for that
    by_counsellor: bool = False  # only a counsellor may propose it
    contraindications: Words | None = None
    evidence: str = Field(min_length=20)
    sources: tuple[str, ...] = Field(min_length=1)
    written_by: str = Field(min_length=1)
    reviewed_by: str = ""  # the clinician who signed it; empty while nobody has

    @model_validator(mode="after")
    def _one_step_a_day(self) -> Self:
        days = [step.day for step in self.steps]
        if days != sorted(set(days)):
            raise ValueError("step: days must go up, one step a day")
        if self.cycle_days is not None and days[-1] >= self.cycle_days:
            raise ValueError(f"cycle_days: step of day {days[-1]} does not fit into {self.cycle_days} days")
        if self.cycle_days is None and self.cycles is not None:
            raise ValueError("cycles: needs cycle_days")
        return self

    def step(self, day: int) -> Step | None:
        """What is planned for a day; None if nothing is."""
        cycle, within = divmod(day, self.cycle_days) if self.cycle_days else (0, day)
        if cycle and self.cycles is not None and cycle >= self.cycles:
            return None
        return self._by_day.get(within)

    @cached_property
    def _by_day(self) -> dict[int, Step]:
        return {step.day: step for step in self.steps}

    def next_day(self, after: int) -> int | None:
        """The first day after `after` (-1: from the beginning) for which something is planned; None at the end."""
        if self.cycle_days is None:
            return next((step.day for step in self.steps if step.day > after), None)
        cycle, within = divmod(after, self.cycle_days)
        later = next((step.day for step in self.steps if step.day > within), None)
        day = (
            cycle * self.cycle_days + later if later is not None else (cycle + 1) * self.cycle_days + self.steps[0].day
        )
        return day if self.cycles is None or day < self.cycles * self.cycle_days else None

    def time(self, day: int) -> time:
        """The local time planned for a day, unless somebody chose their own."""
        step = self.step(day)
        return step.at if step and step.at else self.at


@dataclass(frozen=True, slots=True)
class Programmes:
    """All programmes, by id; a former id finds its programme too."""

    every: tuple[Programme, ...]
    _by_id: Mapping[str, Programme]

    def get(self, id: str) -> Programme | None:  # noqa: A002
        """The programme with an id, present or former."""
        return self._by_id.get(id)

    def named(self, id: str, where: str) -> Programme:  # noqa: A002
        """The programme with an id. Raises ConfigError that lists those there are."""
        if found := self.get(id):
            return found
        raise ConfigError(f"{where}: {id}: no such programme; there are {', '.join(p.id for p in self.every)}")


def load_programmes(folder: Path | None = None) -> Programmes:
    """Read the shipped programmes and those in `folder`. Raises ConfigError naming the file and the key."""
    found = {p.id: p for p in _read_folder(files("config").joinpath("programmes"), "config/programmes")}
    if folder is not None:
        if not folder.is_dir():
            raise ConfigError(f"followups.programmes: {folder} is no folder; create it or take the setting away")
        found |= {p.id: p for p in _read_folder(folder, str(folder))}
    by_id = {former: p for p in found.values() for former in p.formerly} | found
    return Programmes(tuple(found.values()), by_id)


def _read_folder(folder: Traversable, name: str) -> Iterator[Programme]:
    for path in sorted(folder.iterdir(), key=lambda path: path.name):
        if path.name.endswith(".toml"):
            yield _programme(path, folder, f"{name}/{path.name}")


def _programme(path: Traversable, folder: Traversable, name: str) -> Programme:
    data = _toml(path, name)
    if data.get("id") != path.name.removesuffix(".toml"):
        raise ConfigError(f"{name}: id: must be the name of the file, {path.name.removesuffix('.toml')}")
    if "words" in data:
        data["step"] = _steps_of_words(data, folder, name)
    try:
        return Programme.model_validate(data)
    except ValidationError as error:
        raise ConfigError(f"{name}: {_describe(error)}") from None


def _steps_of_words(data: dict[str, Any], folder: Traversable, name: str) -> list[dict[str, Any]]:
    """A step for each of `days` with the next text of the list that `words` names."""
    words, days = data.pop("words"), data.pop("days", None)
    if "step" in data or not isinstance(words, str) or not isinstance(days, list):
        raise ConfigError(f"{name}: words: goes with days = [1, 7, ...], and then there is no [[step]]")
    if not re.fullmatch(r"[a-z0-9_]+", words):
        raise ConfigError(f"{name}: words: {words!r} is no name of a file in words/")
    texts = _toml(folder.joinpath("words", f"{words}.toml"), f"words/{words}.toml").get("text", [])
    if len(texts) < len(days):
        raise ConfigError(f"{name}: words: {len(days)} days need as many texts; words/{words}.toml has {len(texts)}")
    return [{"day": day, "text": text} for day, text in zip(days, texts, strict=False)]


def _toml(path: Traversable, name: str) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{name}: cannot be read ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{name}: is not valid TOML: {error}") from None


def _describe(error: ValidationError) -> str:
    fault = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in fault["loc"])
    message = str(fault["msg"]).removeprefix("Value error, ")
    return f"{key}: {message}" if key else message
