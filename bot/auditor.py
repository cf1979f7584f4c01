"""The auditor: looks over everybody's shoulder, puts forgotten work back, tells the operator, and feeds a heartbeat.

The heartbeat's address is called only after a look that found nothing wrong. Whoever watches it (a monitoring service
of the operator's) raises the alarm when the calls stay away: also when this whole process is dead.
"""

import asyncio
from collections.abc import Mapping
from typing import Literal

import httpx
import structlog
from prometheus_client import Counter, Gauge

from adapters import Adapter
from bot.handoff import Handoffs
from bot.store import Store, Transaction, audit, conversations
from config.settings import OperatorSettings

log = structlog.get_logger(__name__)
Fault = Literal["late_cases", "stuck_sends", "waiting_pages", "stuck_turns", "no_ladder", "adapter"]
FOUND = Counter("psyllm_audit_findings", "What the auditor found and put right, by kind", ["kind"])
WELL = Gauge("psyllm_audit_well", "1 after a look that found nothing wrong, 0 after another")
HEARTBEAT_TIMEOUT = 10.0


class Auditor:
    """Looks every `settings.audit_seconds`. Several processes may: repairs are harmless twice."""

    def __init__(
        self, store: Store, handoffs: Handoffs, adapters: Mapping[str, Adapter], settings: OperatorSettings
    ) -> None:
        self._store = store
        self._pager = handoffs.pager
        self._adapters = adapters
        self._settings = settings

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            await asyncio.sleep(self._settings.audit_seconds)
            try:
                await self.step()
            except Exception as error:
                WELL.set(0)
                log.error("auditor.step_failed", error=type(error).__name__)

    async def step(self) -> dict[Fault, int]:
        """Look once, and repair. What was found, by kind; empty if all is well, and then the heartbeat is fed."""
        found = await self._store.retrying(self._look)
        for page in await self._overdue_pages():
            found["waiting_pages"] = found.get("waiting_pages", 0) + 1
            await self._store.retrying(lambda tx, p=page: self._page_otherwise(tx, p))  # type: ignore[misc]  # bound default
        if unwell := [a.platform for a in self._adapters.values() if not a.health().ok]:
            found["adapter"] = len(unwell)
        for kind, count in found.items():
            FOUND.labels(kind).inc(count)
            log.error("auditor.found", kind=kind, count=count)
        WELL.set(not found)
        if not found:
            await self._beat()
        return found

    async def _look(self, tx: Transaction) -> dict[Fault, int]:
        """What one transaction can find and put right."""
        late = await audit.late_handoffs(tx)
        await audit.step_now(tx, late)
        ladders = await audit.give_ladders(tx, self._pager.desks.roster.ladder)
        sends = await audit.free_sends(tx)
        turns = await audit.free_turns(tx)
        for topic, stuck in (("late_cases", late), ("stuck_sends", sends), ("stuck_turns", turns)):
            if stuck:
                await self._pager.operators.tell(tx, stuck[0], topic, {"count": len(stuck)})
        counts: dict[Fault, int] = {
            "late_cases": len(late),
            "stuck_sends": len(sends),
            "stuck_turns": len(turns),
            "no_ladder": ladders,
        }
        return {kind: count for kind, count in counts.items() if count}

    async def _overdue_pages(self) -> list[audit.Page]:
        async with self._store.reading() as tx:
            return await audit.waiting_pages(tx)

    async def _page_otherwise(self, tx: Transaction, page: audit.Page) -> None:
        """A page that nobody sends: the counsellor's next channel, or the next step."""
        person = (await conversations.lock(tx, [page.conversation_id])).get(page.conversation_id)
        if person is None:
            return
        await self._pager.operators.tell(tx, person.id, "waiting_pages", {"count": 1}, page.platform)
        await self._pager.page_failed(tx, person, page.handoff_id, page.counsellor, page.platform, "nobody sends them")
        await conversations.save(tx, [person])

    async def _beat(self) -> None:
        """Call the heartbeat's address, which is nobody's to read."""
        if self._settings.heartbeat_url is None:
            return
        try:
            async with httpx.AsyncClient(timeout=HEARTBEAT_TIMEOUT) as client:
                answer = await client.get(self._settings.heartbeat_url.get_secret_value())
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            log.warning("auditor.heartbeat_failed", error=type(error).__name__)
            return
        if answer.status_code >= 300:
            log.warning("auditor.heartbeat_refused", status=answer.status_code)
