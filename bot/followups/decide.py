"""What becomes of an occurrence whose time has come: it is sent, held, skipped or missed. A pure function."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from bot.followups.timing import Rhythm
from config.programmes import Programme
from engine import Level

APART = timedelta(minutes=20)
"""Between two follow-ups to one person, whatever they are in: after a long night, too, they come one by one."""


class Fate(StrEnum):
    """What happens now. HOLD is no end: it is looked at again later."""

    SEND = "send"
    HOLD = "hold"
    SKIP = "skipped"
    MISS = "missed"


class Reason(StrEnum):
    """Why something was not sent: skipped, because it should not be, or missed, because it could not."""

    STOPPED = "stopped"
    PAUSED = "paused"
    PROGRAMME_PAUSED = "programme_paused"
    HUMAN = "human_in_charge"
    LEVEL = "level"
    SILENCE = "silence"  # nobody answered for a while
    BY_USER = "by_user"
    MOVED = "moved"  # the person changed their clock
    HANDED_OVER = "handed_over"  # somebody else took the conversation while it waited to leave
    NO_PROGRAMME = "no_programme"
    LATE = "late"
    WINDOW = "window_closed"
    BLOCKED = "blocked"
    FAILED = "failed"
    UNKNOWN = "outcome_unknown"


@dataclass(frozen=True, slots=True)
class Standing:
    """How things stand with the person when it is decided. Times in UTC."""

    active: bool  # the enrolment
    programme: Programme | None  # None: no file has it any more
    programme_held: bool  # an operator paused it
    blocked: bool
    with_human: bool  # a counsellor has the conversation, or one is being called
    level: Level  # of their latest words
    unanswered: int
    rhythm: Rhythm
    last_sent_at: datetime | None  # the last follow-up of any programme
    window_until: datetime | None  # the platform lets nothing through from then on; None: always


@dataclass(frozen=True, slots=True)
class Decision:
    """A fate with its reason; of HOLD the moment until which it is held and when it is then too late."""

    fate: Fate
    reason: Reason | None = None
    until: datetime | None = None
    latest: datetime | None = None


def decide(due_at: datetime, latest_at: datetime, standing: Standing, now: datetime) -> Decision:
    """What becomes now of an occurrence that was due at `due_at` and is worth sending until `latest_at`."""
    if reason := _skip(standing):
        return Decision(Fate.SKIP, reason)
    if reason := _miss(standing, latest_at, now):
        return Decision(Fate.MISS, reason)
    if (end := standing.rhythm.quiet_end(now)) is not None:
        # Quiet hours hold and release: what they held is as fresh at their end as it was when it fell due.
        return Decision(Fate.HOLD, until=end, latest=max(latest_at, end + (latest_at - due_at)))
    if standing.last_sent_at is not None and now - standing.last_sent_at < APART:
        free = standing.last_sent_at + APART
        return Decision(Fate.HOLD, until=free, latest=max(latest_at, free + APART))
    return Decision(Fate.SEND)


def _skip(standing: Standing) -> Reason | None:
    """Why it should not be sent."""
    programme = standing.programme
    if not standing.active:
        return Reason.STOPPED
    if programme is None:
        return None
    if standing.programme_held:
        return Reason.PROGRAMME_PAUSED
    if standing.with_human:
        return Reason.HUMAN
    if standing.level > Level(programme.highest_level):
        return Reason.LEVEL
    if programme.fade_after is not None and standing.unanswered >= programme.fade_after:
        return Reason.SILENCE
    return None


def _miss(standing: Standing, latest_at: datetime, now: datetime) -> Reason | None:
    """Why it cannot be sent."""
    if standing.programme is None:
        return Reason.NO_PROGRAMME
    if standing.blocked:
        return Reason.BLOCKED
    if now > latest_at:
        return Reason.LATE
    if standing.window_until is not None and now >= standing.window_until:
        return Reason.WINDOW
    return None
