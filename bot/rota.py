"""The roster in force: the file, then the overrides and leave that were entered while the bot runs.

The file is read at the start; changes are rows, checked by the same code as the file. `Desks.roster` is what everybody
asks, so a change takes effect with the commit in this process and with its wake-up in every other one.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime

import structlog

from bot.desks import Desks
from bot.store import ROSTER, Store, Transaction, roster_changes
from bot.store.roster_changes import Entry
from config import ConfigError, Roster, RosterChange
from config.oncall import HORIZON, describe_gaps, gaps
from config.rotations import Span

log = structlog.get_logger(__name__)
SAFETY_SECONDS = 30.0
"""A change of which no wake-up came takes effect after this long."""


class GapError(Exception):
    """A change would leave `spans` in which nobody is on call. An explicit yes is needed."""

    def __init__(self, roster: Roster, spans: list[Span]) -> None:
        super().__init__(describe_gaps(roster, spans))
        self.spans = spans


class Rota:
    """Keeps `desks.roster` the one in force, and takes changes to it."""

    def __init__(self, store: Store, desks: Desks, file: Roster) -> None:
        self._store = store
        self._desks = desks
        self._file = file

    @property
    def roster(self) -> Roster:
        """The roster in force."""
        return self._desks.roster

    async def run(self) -> None:
        """Follow the changes that other processes make, until cancelled."""
        changed = asyncio.Event()
        stop = self._store.wake.listen(lambda channel: changed.set() if channel == ROSTER else None)
        try:
            while True:
                await self._refresh_safely()
                try:
                    async with asyncio.timeout(SAFETY_SECONDS):
                        await changed.wait()
                except TimeoutError:
                    pass
                changed.clear()
        finally:
            stop()

    async def _refresh_safely(self) -> None:
        try:
            await self.refresh()
        except Exception as error:  # the roster as it was stands; tried again soon
            log.error("rota.refresh_failed", error=type(error).__name__)

    async def refresh(self) -> None:
        """Read the changes and put them in force."""
        async with self._store.reading() as tx:
            self._desks.roster = in_force(self._file, await roster_changes.current(tx))

    async def entries(self) -> list[Entry]:
        """Every change ever entered, oldest first."""
        async with self._store.reading() as tx:
            return await roster_changes.record(tx)

    async def add(self, changes: Sequence[RosterChange], by: str, accept_gaps: bool = False) -> None:
        """Enter changes together, as a swap is two. Raises ConfigError if one does not fit, and GapError."""
        async with self._store.transaction() as tx:
            before = in_force(self._file, await roster_changes.current(tx))
            after = before.changed(changes)
            if not accept_gaps:
                _require_no_new_gap(before, after, tx.now)
            for change in changes:
                await roster_changes.add(tx, change, by)
        await self.refresh()

    async def remove(self, id: int, by: str, accept_gaps: bool = False) -> bool:  # noqa: A002
        """Take a change back; False if somebody else was quicker. Raises GapError."""
        async with self._store.transaction() as tx:
            entries = await roster_changes.current(tx)
            after = in_force(self._file, [entry for entry in entries if entry.id != id])
            if not accept_gaps:
                _require_no_new_gap(in_force(self._file, entries), after, tx.now)
            removed = await roster_changes.remove(tx, id, by)
        await self.refresh()
        return removed


def in_force(file: Roster, entries: Sequence[Entry]) -> Roster:
    """The file with its changes. One that no longer fits the file is left out, and logged."""
    roster = file
    for entry in entries:
        try:
            roster = roster.changed([entry.change])
        except ConfigError as error:
            log.error("rota.change_does_not_fit", id=entry.id, reason=str(error))
    return roster


async def stored(file: Roster, tx: Transaction) -> Roster:
    """The roster in force as the database has it."""
    return in_force(file, await roster_changes.current(tx))


def _require_no_new_gap(before: Roster, after: Roster, now: datetime) -> None:
    known = gaps(before, now, now + HORIZON)
    new = [gap for gap in gaps(after, now, now + HORIZON) if not any(a <= gap[0] and gap[1] <= b for a, b in known)]
    if new:
        raise GapError(after, new)
