"""What the engine takes and gives: a turn of talk, an Assessment, a request for a reply, an Answer."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from config import Language, Script


class Level(StrEnum):
    """How urgent a text is. Members compare by danger: NONE < ELEVATED < URGENT < EMERGENCY."""

    NONE = "none"
    ELEVATED = "elevated"
    URGENT = "urgent"
    EMERGENCY = "emergency"

    @property
    def rank(self) -> int:
        """0 for NONE to 3 for EMERGENCY."""
        return _RANK[self.value]

    @property
    def needs_human(self) -> bool:
        """Whether a conversation at this level is handed to a counsellor."""
        return self.rank >= 2

    def __lt__(self, other: str) -> bool:
        return self.rank < Level(other).rank

    def __le__(self, other: str) -> bool:
        return self.rank <= Level(other).rank

    def __gt__(self, other: str) -> bool:
        return self.rank > Level(other).rank

    def __ge__(self, other: str) -> bool:
        return self.rank >= Level(other).rank


_RANK = {"none": 0, "elevated": 1, "urgent": 2, "emergency": 3}


class Category(StrEnum):
    """What kind of danger an assessment found."""

    SUICIDE = "suicide"
    SELF_HARM = "self_harm"
    HARM_TO_OTHERS = "harm_to_others"
    ABUSE = "abuse"
    PSYCHOSIS = "psychosis"
    MEDICAL = "medical"
    OTHER = "other"


class Role(StrEnum):
    """Who spoke."""

    USER = "user"
    ASSISTANT = "assistant"
    COUNSELLOR = "counsellor"


class About(StrEnum):
    """Who is in danger: the writer, or somebody the writer worries about."""

    SELF = "self"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Turn:
    """One earlier text of a conversation."""

    role: Role
    text: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """A span of the user's text that led to the assessment. `start` and `end` are code points of the original text.

    `rule` names the rule, or `model` for the learned part, `context:...` when earlier turns decided, `opinion:...` when
    a second opinion did.
    """

    start: int
    end: int
    text: str
    rule: str


SURE_FROM = 0.85
"""Scores of the learned part from which on a text of everyday talk is hardly ever meant."""

_QUIET_RULES = ("model", "distress.", "grief", "abuse.past")


@dataclass(frozen=True, slots=True)
class Assessment:
    """The screener's judgement of one text.

    `score` is 0..1 and orders texts by danger; `version` identifies the rules and model that made it.
    """

    level: Level
    category: Category | None
    score: float
    evidence: tuple[Evidence, ...] = ()
    version: str = ""
    about: About = About.SELF

    @property
    def unsure(self) -> bool:
        """Whether nothing but the learned part, and not loudly, speaks of danger: a reason to look and to ask, and
        none to speak as if it were so."""
        quiet = all(each.rule.startswith(_QUIET_RULES) for each in self.evidence)
        return self.level.needs_human and quiet and self.score < SURE_FROM


class Screener(Protocol):
    """Finds danger in a text. Pure, quick, never raises: any string gets an assessment."""

    version: str

    def assess(self, text: str, context: Sequence[Turn] = ()) -> Assessment:
        """Judge `text`; `context` holds earlier turns, oldest first."""


class OpinionError(Exception):
    """A second opinion could not be loaded or given. The message never holds user text."""


class SecondOpinion(Protocol):
    """Judges a text again after the screener, slowly. Whoever asks may only raise a level by it, never lower one.

    An assessment without a category says nothing about who is in danger either.
    """

    name: str
    at_once: int  # how many texts it can judge side by side

    async def start(self) -> None:
        """Load what is needed. Raises OpinionError with a clear sentence."""

    async def assess(self, text: str, context: Sequence[Turn] = ()) -> Assessment:
        """Judge `text`; `context` holds earlier turns, oldest first. Raises OpinionError where it has no opinion."""

    async def close(self) -> None:
        """Free everything; opinions under way fail."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a generator needs to write an answer. `history` is oldest first and does not hold `text`."""

    text: str
    language: Language
    script: Script = Script.LATIN
    history: tuple[Turn, ...] = ()
    level: Level = Level.NONE
    passages: tuple["Passage", ...] = ()
    conversation: str = ""  # an opaque id, so that a generator can keep a cache or vary its choices
    memory: tuple[str, ...] = ()  # facts that the user agreed to have remembered
    note: str = ""  # a counsellor's hand-back note
    unsure: bool = False  # the level is a guess (see Assessment.unsure): answer what was said, and ask


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of the reviewed library."""

    id: str
    language: Language
    topic: str
    strategy: str
    text: str
    audience: str = "anyone"
    level: Level = Level.ELEVATED  # the highest level it may be used at
    sources: tuple[str, ...] = ()
    reviewed_by: str = ""
    version: int = 1


BUSY = "busy"


@dataclass(frozen=True, slots=True)
class Answer:
    """A finished answer. `generator` and `version` name what wrote it: BUSY for the text when nothing could.

    `blocked` holds the guard's rules that a model's draft broke.
    """

    text: str
    language: Language
    generator: str
    strategy: str = ""
    passages: tuple[str, ...] = ()
    blocked: tuple[str, ...] = field(default=())
    version: str = ""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of an answer as it comes from a generator. The last piece may carry what the generator knows about it."""

    text: str
    strategy: str = ""
    passages: tuple[str, ...] = ()


class GeneratorError(Exception):
    """A generator could not answer (full queue, timeout, server error). The message never holds user text."""


class Generator(Protocol):
    """Writes answers. Trusted generators (the reviewed library) need no guard."""

    name: str
    trusted: bool

    def stream(self, request: Request) -> AsyncIterator[Piece]:
        """Yield the answer piece by piece. Raises GeneratorError. Closing the iterator stops the work."""

    async def start(self) -> None:
        """Load what is needed. Raises GeneratorError with a clear sentence."""

    async def close(self) -> None:
        """Free everything; requests under way fail."""
