"""Whom a round of pages goes to. Pure functions of the roster, the handoff's ladder and the moment.

A handoff keeps the ladder it began with; who stands behind its names (rotations, overrides, leave, quiet hours) is
looked up anew at each round, so that a handover during the night brings the next shift.
"""

from collections.abc import Set
from dataclasses import dataclass
from datetime import datetime, timedelta

from config import Counsellor, Roster, Step
from config.channels import Channel
from engine import Level


@dataclass(frozen=True, slots=True)
class Round:
    """One round: the step (from 0), which round on it (from 0), who is paged, and how long until the next round.

    `on_call` False: nobody is, so the last resort is paged.
    """

    step: int
    count: int
    people: tuple[Counsellor, ...]
    wait: timedelta
    on_call: bool


def plan(roster: Roster, level: Level, step: int, count: int, at: datetime, busy: Set[str]) -> Round:
    """The round at `step`, or at the first after it that has somebody to call. Never nobody.

    `busy`: ids of those who said that they cannot come, or are coming already. Below EMERGENCY, who has quiet hours
    is passed over as well. If nobody else is left, they are paged all the same.
    """
    last = len(roster.ladder) - 1
    emergency = level is Level.EMERGENCY
    passed = busy if emergency else busy | roster.quiet(at)
    found = last if emergency else _staffed(roster, min(step, last), at, passed)
    called = frozenset[str]().union(*(roster.on_call(rung, at) for rung in range(found + 1)))
    groups = (called - passed, called - busy, roster.resort - passed, roster.resort - busy, called, roster.resort)
    ids = next(group for group in groups if group)
    rung = roster.ladder[found]
    count = count if found == min(step, last) else 0
    seconds = rung.repeat_seconds if count < rung.repeat else rung.wait_seconds
    people = tuple(c for c in roster.counsellors if c.id in ids)
    return Round(found, count, people, timedelta(seconds=seconds), on_call=bool(called))


def after(ladder: tuple[Step, ...], step: int, count: int) -> tuple[int, int]:
    """The step and round that follow: the same step until it was repeated as it says, then the next, or the last."""
    rung = ladder[min(step, len(ladder) - 1)]
    if count < rung.repeat or step >= len(ladder) - 1:
        return step, count + 1
    return step + 1, 0


def is_over(ladder: tuple[Step, ...], step: int, count: int) -> bool:
    """Whether the whole ladder was called: from here on the last step repeats."""
    return step >= len(ladder) - 1 and count >= ladder[-1].repeat


def first_channels(counsellor: Counsellor, rung: Step, level: Level, open_now: Set[Channel]) -> list[Channel]:
    """By which channels a round reaches somebody: the first and the console; all at EMERGENCY.

    `open_now`: those that can be used in this installation.
    """
    order = [channel for channel in counsellor.order(rung.channels) if channel in open_now]
    return order if level is Level.EMERGENCY else list(dict.fromkeys([*order[:1], Channel.CONSOLE]))


def _staffed(roster: Roster, step: int, at: datetime, passed: Set[str]) -> int:
    last = len(roster.ladder) - 1
    return next((rung for rung in range(step, last) if roster.on_call(rung, at) - passed), last)
