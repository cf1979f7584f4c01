"""Who takes conversations over, and in which order they are alerted: roster.toml."""

import tomllib
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from config.errors import ConfigError
from config.language import Language


class Counsellor(BaseModel):
    """A person on call. Every counsellor may use the console; a Telegram id lets alerts and talk go there too."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")
    name: str = Field(min_length=1, max_length=60)
    role: Literal["counsellor", "supervisor", "operator"] = "counsellor"
    languages: tuple[Language, ...] = tuple(Language)
    telegram: int | None = None  # the numeric id of the private chat with the bot


class Step(BaseModel):
    """One rung of the ladder: who is alerted, and how long until the next rung."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    who: tuple[str, ...] = Field(min_length=1)
    wait_seconds: float = Field(60.0, ge=1, le=3600)


class Roster(BaseModel):
    """The counsellors and the ladder. The last rung repeats until somebody claims."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    counsellors: tuple[Counsellor, ...] = Field(min_length=1)
    ladder: tuple[Step, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_agree(self) -> Self:
        ids = [c.id for c in self.counsellors]
        if len(set(ids)) != len(ids):
            raise ValueError("counsellors: two have the same id")
        chats = [c.telegram for c in self.counsellors if c.telegram is not None]
        if len(set(chats)) != len(chats):
            raise ValueError("counsellors: two have the same telegram id")
        for step in self.ladder:
            if unknown := set(step.who) - set(ids):
                raise ValueError(f"ladder: {', '.join(sorted(unknown))}: no counsellor has this id")
        return self

    def counsellor(self, id: str) -> Counsellor | None:  # noqa: A002
        """The counsellor with this id."""
        return next((c for c in self.counsellors if c.id == id), None)

    def by_telegram(self, chat: int) -> Counsellor | None:
        """The counsellor whose private chat this is."""
        return next((c for c in self.counsellors if c.telegram == chat), None)

    def step(self, number: int) -> tuple[tuple[Counsellor, ...], float]:
        """Who is alerted at step `number` (from 0), and seconds until the next. Each step keeps the earlier ones."""
        last = min(number, len(self.ladder) - 1)
        ids = {name for step in self.ladder[: last + 1] for name in step.who}
        return tuple(c for c in self.counsellors if c.id in ids), self.ladder[last].wait_seconds


DEFAULT_ROSTER = Roster(
    counsellors=(Counsellor(id="operator", name="Operator", role="operator"),),
    ladder=(Step(who=("operator",)),),
)
"""Used when no roster is set: whoever holds the first console account."""


def load_roster(path: Path | None) -> Roster:
    """Read a roster file, or give the default one. Raises ConfigError naming the file and key."""
    if path is None:
        return DEFAULT_ROSTER
    try:
        return Roster.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); correct handoff.roster") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not valid TOML: {error}") from None
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in fault["loc"])
        raise ConfigError(f"{path}: {key}: {str(fault['msg']).removeprefix('Value error, ')}") from None
