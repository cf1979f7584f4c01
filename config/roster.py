"""Who takes conversations over, and in which order they are alerted at any moment: roster.toml."""

import tomllib
from collections.abc import Iterable
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from config.channels import Channel, EmailAddress, Webhook, WeCom
from config.errors import ConfigError
from config.language import Language
from config.rotations import Hour, Id, Leave, Override, Rotation, Span, Zone


class Counsellor(BaseModel):
    """A person on call. Every counsellor may use the console; a Telegram id lets pages and talk go there too."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Id
    name: str = Field(min_length=1, max_length=60)
    role: Literal["counsellor", "supervisor", "operator"] = "counsellor"
    languages: tuple[Language, ...] = tuple(Language)
    skills: tuple[Id, ...] = ()  # such as "minors": a case can be passed on to whoever has one
    telegram: int | None = None  # the numeric id of the private chat with the bot
    wecom: WeCom | None = None
    webhook: Webhook | None = None
    email: EmailAddress | None = None
    channels: tuple[Channel, ...] = ()  # the order in which they are tried; as in Channel
    text_in_pages: bool = False  # show what the user wrote in pages by email, wecom and webhook too
    quiet_hours: tuple[Hour, Hour] | None = None  # from, until, on the wall clock; an emergency comes through
    zone: Zone | None = None  # of the quiet hours; the roster's

    @model_validator(mode="after")
    def _channels_are_there(self) -> Self:
        if len(set(self.channels)) != len(self.channels):
            raise ValueError("channels: names one twice")
        if missing := [channel.value for channel in self.channels if channel not in self.reachable]:
            raise ValueError(f"channels: {missing[0]}: write {missing[0]} = ... for this counsellor first")
        return self

    @property
    def reachable(self) -> frozenset[Channel]:
        """Every way to reach them; the console always."""
        given = {channel for channel in Channel if getattr(self, channel.value, None) is not None}
        return frozenset(given | {Channel.CONSOLE})

    def order(self, wanted: tuple[Channel, ...] | None = None) -> tuple[Channel, ...]:
        """The channels in the order in which they are tried: as a step of the ladder says, else the counsellor.

        Those that nobody named follow in the order of `Channel`, so that a page has somewhere to go when all else
        fails.
        """
        named = [channel for channel in wanted or self.channels if channel in self.reachable]
        return tuple(dict.fromkeys([*named, *(channel for channel in Channel if channel in self.reachable)]))

    def is_quiet(self, at: datetime, zone: str) -> bool:
        """Whether a moment lies in their quiet hours; `zone` is the roster's."""
        if self.quiet_hours is None:
            return False
        start, end = self.quiet_hours
        now = at.astimezone(ZoneInfo(self.zone or zone)).time()
        return start <= now < end if start < end else now >= start or now < end


class Step(BaseModel):
    """One rung of the ladder: the counsellors and rotations that are paged, how often, and how long until the next."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    who: tuple[str, ...] = Field(min_length=1)
    wait_seconds: float = Field(60.0, ge=1, le=3600)  # until the next rung
    channels: tuple[Channel, ...] | None = Field(None, min_length=1)  # tried first; else each counsellor's own
    repeat: int = Field(0, ge=0, le=20)  # how often the rung is paged again before the next one is
    repeat_seconds: float = Field(60.0, ge=1, le=3600)  # between those pages


RosterChange = Override | Leave
"""What may be changed while the bot runs."""


class Roster(BaseModel):
    """The counsellors, when each is on call, and the ladder. The last rung repeats until somebody claims.

    Overrides are applied in the order of the file, then leave. The last resort is called, on leave or not, when nobody
    else is on call, so that somebody always is: everybody in the roster, unless the file names them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    zone: Zone = "UTC"  # of local times that name no other
    gaps_accepted: bool = False  # run although at times only the last resort is called
    counsellors: tuple[Counsellor, ...] = Field(min_length=1)
    rotations: tuple[Rotation, ...] = ()
    overrides: tuple[Override, ...] = ()
    leave: tuple[Leave, ...] = ()
    ladder: tuple[Step, ...] = Field(min_length=1)
    last_resort: tuple[str, ...] | None = Field(None, min_length=1)

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        for what, names in (
            ("id", [c.id for c in self.counsellors]),
            ("telegram id", [c.telegram for c in self.counsellors if c.telegram is not None]),
        ):
            if len(set(names)) != len(names):
                raise ValueError(f"counsellors: two have the same {what}")
        ids = [*(c.id for c in self.counsellors), *(r.id for r in self.rotations)]
        if len(set(ids)) != len(ids):
            raise ValueError("rotations: one has the id of another or of a counsellor")
        return self

    @model_validator(mode="after")
    def _names_agree(self) -> Self:
        people, rotations = {c.id for c in self.counsellors}, {r.id for r in self.rotations}
        named: list[tuple[str, set[str], set[str], str]] = [
            *(("ladder", set(step.who), people | rotations, "counsellor or rotation") for step in self.ladder),
            *((f"rotations: {r.id}", r.names, people, "counsellor") for r in self.rotations),
            *(("overrides", override.names, people, "counsellor") for override in self.overrides),
            *(("overrides: rotation", {override.rotation}, rotations, "rotation") for override in self.overrides),
            *(("leave", {leave.who}, people, "counsellor") for leave in self.leave),
            ("last_resort", set(self.last_resort or ()), people, "counsellor"),
        ]
        for key, names, known, kind in named:
            if unknown := names - known:
                raise ValueError(f"{key}: {', '.join(sorted(unknown))}: no {kind} has this id")
        return self

    @model_validator(mode="after")
    def _periods_end_later(self) -> Self:
        for key, period in (*(("overrides", o) for o in self.overrides), *(("leave", p) for p in self.leave)):
            start, end = period.span(self.zone)
            if end <= start:
                raise ValueError(f"{key}: the one that starts {period.start} ends before it starts")
        return self

    def changed(self, changes: Iterable[RosterChange]) -> "Roster":
        """The roster with these overrides and leave after its own. Raises ConfigError if one does not fit."""
        changes = tuple(changes)
        values = {name: getattr(self, name) for name in type(self).model_fields}
        values["overrides"] += tuple(c for c in changes if isinstance(c, Override))
        values["leave"] += tuple(c for c in changes if isinstance(c, Leave))
        try:
            return type(self)(**values)
        except ValidationError as error:
            raise ConfigError(fault(error)) from None

    def counsellor(self, id: str) -> Counsellor | None:  # noqa: A002
        """The counsellor with this id."""
        return next((c for c in self.counsellors if c.id == id), None)

    def by_telegram(self, chat: int) -> Counsellor | None:
        """The counsellor whose private chat this is."""
        return next((c for c in self.counsellors if c.telegram == chat), None)

    def step(self, number: int, at: datetime) -> tuple[tuple[Counsellor, ...], float]:
        """Who is alerted at step `number` (from 0) at a moment, and seconds until the next. Never nobody.

        Each step keeps the earlier ones. Where they have nobody on call, the last resort is alerted.
        """
        last = min(number, len(self.ladder) - 1)
        called = frozenset[str]().union(*(self.on_call(rung, at) for rung in range(last + 1)))
        ids = called or self.resort
        return tuple(c for c in self.counsellors if c.id in ids), self.ladder[last].wait_seconds

    def staffed(self, number: int, at: datetime) -> int:
        """The first step from `number` on whose own rung has somebody on call: nobody waits for an empty rung."""
        last = len(self.ladder) - 1
        return next((rung for rung in range(number, last) if self.on_call(rung, at)), max(number, last))

    def on_call(self, rung: int, at: datetime) -> frozenset[str]:
        """Ids of the counsellors on call on one rung (from 0), without the last resort; empty in a gap."""
        rotations = {r.id: r for r in self.rotations}
        who = frozenset[str]()
        for name in self.ladder[rung].who:
            who |= self.turn(rotations[name], at) if name in rotations else {name}
        return (who & {c.id for c in self.counsellors}) - self.away(at)

    def with_ladder(self, ladder: tuple[Step, ...]) -> Self:
        """The same people with the ladder of a handoff that began earlier. Whom the roster no longer has is skipped."""
        return self.model_copy(update={"ladder": ladder})

    def quiet(self, at: datetime) -> frozenset[str]:
        """Ids of the counsellors whose quiet hours it is."""
        return frozenset(c.id for c in self.counsellors if c.is_quiet(at, self.zone))

    def turn(self, rotation: Rotation, at: datetime) -> frozenset[str]:
        """Ids on call in a rotation after its overrides, before leave."""
        who = rotation.who(at, self.zone)
        for override, (start, end) in self._overridden:
            if override.rotation == rotation.id and start <= at < end:
                who = override.apply(who)
        return who

    def away(self, at: datetime) -> frozenset[str]:
        """Ids of the counsellors on leave."""
        return frozenset(leave.who for leave, (start, end) in self._absences if start <= at < end)

    @cached_property
    def _overridden(self) -> list[tuple[Override, Span]]:
        return [(override, override.span(self.zone)) for override in self.overrides]

    @cached_property
    def _absences(self) -> list[tuple[Leave, Span]]:
        return [(leave, leave.span(self.zone)) for leave in self.leave]

    @property
    def resort(self) -> frozenset[str]:
        """Ids of the last resort."""
        return frozenset(self.last_resort or (c.id for c in self.counsellors))


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
        raise ConfigError(f"{path}: {fault(error)}") from None


def fault(error: ValidationError) -> str:
    """The first thing that is wrong with an entry, with its key."""
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    return f"{key}: {first['msg']}".removeprefix(": ").replace("Value error, ", "")
