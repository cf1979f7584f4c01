"""What falls due at the desk: a case held out that nobody took, an answer that nobody approved."""

import asyncio

import structlog

from bot.desk.desk import Desk
from bot.store import Transaction, drafts, offers
from bot.store.drafts import Draft
from bot.store.offers import Offer

log = structlog.get_logger(__name__)


class Due:
    """Looks every `poll_seconds`; the times are minutes."""

    def __init__(self, desk: Desk, poll_seconds: float) -> None:
        self._desk = desk
        self._poll = poll_seconds

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            try:
                await self.step()
            except Exception as error:
                log.error("desk.due_failed", error=type(error).__name__)
            await asyncio.sleep(self._poll)

    async def step(self) -> None:
        """End what is over, each in a commit of its own."""
        store = self._desk.store
        async with store.reading() as tx:
            over, late = await offers.overdue(tx), await drafts.due(tx)
        for held_out in over:
            await store.retrying(lambda tx, o=held_out: self._lapse(tx, o))  # type: ignore[misc]  # bound default
        for waiting in late:
            await store.retrying(lambda tx, d=waiting: self._tell(tx, d))  # type: ignore[misc]  # bound default

    async def _lapse(self, tx: Transaction, held_out: Offer) -> None:
        await self._desk.transfers.lapse_within(tx, held_out)

    async def _tell(self, tx: Transaction, waiting: Draft) -> None:
        await self._desk.drafts.tell_late(tx, waiting)
