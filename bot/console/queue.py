"""The queue: who waits, how urgently, since when; and what the counsellor holds."""

import asyncio

from nicegui import ui

from bot.console.visit import Visit
from bot.desk import Desk
from bot.store import handoffs
from bot.store.conversations import Conversation
from bot.store.handoffs import Handoff


class QueueView:
    """Draws the open handoffs. `current` is the one whose page this is."""

    def __init__(self, visit: Visit, desk: Desk, current: int | None) -> None:
        self._visit = visit
        self._desk = desk
        self._current = current
        self._drawing = asyncio.Lock()
        self._drawn: list[tuple[object, ...]] | None = None
        self._box = ui.element("nav").classes("queue").props(f'aria-label="{visit.words("queue")}"')

    async def draw(self) -> None:
        """Show the queue as it is now. What is the same stays: a button must not be exchanged under a finger."""
        async with self._drawing:
            self._draw(await self._desk.queue())

    def _draw(self, rows: list[tuple[Handoff, Conversation]]) -> None:
        seen: list[tuple[object, ...]] = [(h.id, h.state, h.counsellor, h.level, h.category) for h, _ in rows]
        if seen == self._drawn:
            return
        self._drawn = seen
        me = self._visit.counsellor.id
        mine = [row for row in rows if row[0].counsellor == me]
        others = [row for row in rows if row[0].counsellor != me]
        self._box.clear()
        with self._box:
            if mine:
                self._section("mine", mine)
            self._section("queue", others)

    def _section(self, key: str, rows: list[tuple[Handoff, Conversation]]) -> None:
        words = self._visit.words
        with ui.element("h2"):
            ui.label(words(key))
            ui.label(str(len(rows))).classes("count")
        if not rows:
            ui.label(words("empty")).classes("empty")
        for handoff, person in rows:
            self._card(handoff, person)

    def _card(self, handoff: Handoff, person: Conversation) -> None:
        words = self._visit.words
        card = ui.element("article").classes(f"card level-{handoff.level.value}")
        if handoff.id == self._current:
            card.classes("current")
        with card:
            ui.link(words.danger(handoff), f"/case/{handoff.id}").classes("danger")
            ui.label(words.person(person)).classes("person")
            if handoff.state == handoffs.WAITING:
                ui.html(waiting(words("waiting"), handoff), sanitize=False).classes("since")
                ui.button(words("claim"), on_click=lambda: self._claim(handoff.id)).props("unelevated no-caps dense")
            elif handoff.counsellor != self._visit.counsellor.id:
                name = self._desk.name(handoff.counsellor)
                ui.label(words("claimed_by", name=name)).classes("holder")

    async def _claim(self, handoff_id: int) -> None:
        await claim(self._visit, self._desk, handoff_id)


def waiting(label: str, handoff: Handoff) -> str:
    """A clock that the page keeps running, as HTML."""
    return f'{label} <span class="clock" data-since="{handoff.created_at.isoformat()}"></span>'


async def claim(visit: Visit, desk: Desk, handoff_id: int) -> None:
    """Take a case and open it; who comes second learns who was first."""
    if not await visit.still_signed_in():
        return
    result = await desk.claim(handoff_id, visit.counsellor.id)
    if result.won:
        visit.client.open(f"/case/{handoff_id}")
    elif result.holder:
        visit.tell(visit.words("lost_race", name=result.holder))
    else:
        visit.tell(visit.words("closed"))
