"""The queue: one's own cases, what is held out to one, who waits since when, and who is with others."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from nicegui import ui

from bot.console.rights import Right
from bot.console.shapes import shape
from bot.console.visit import Visit
from bot.desk import Desk, Inbox
from bot.store import companions, handoffs
from bot.store.conversations import Conversation
from bot.store.drafts import Draft
from bot.store.handoffs import Handoff

LATE = timedelta(minutes=2)
"""A card that waits longer says so in colour and word."""

Row = tuple[Handoff, Conversation]


class QueueView:
    """Draws the open handoffs. `current` is the one whose page this is."""

    def __init__(self, visit: Visit, desk: Desk, current: int | None) -> None:
        self._visit = visit
        self._desk = desk
        self._current = current
        self._drawing = asyncio.Lock()
        self._drawn: list[object] | None = None
        self._box = ui.element("nav").classes("queue").props(f'aria-label="{visit.words("queue")}"')

    async def draw(self) -> None:
        """Show the queue as it is now. What is the same stays: a button must not be exchanged under a finger."""
        async with self._drawing:
            me = self._visit.counsellor.id
            async with self._desk.store.reading() as tx:
                helped = await companions.helped_by(tx, me)
            self._draw(await self._desk.queue(), await self._desk.inbox(me), helped)

    def _draw(self, rows: list[Row], inbox: Inbox, helped: Sequence[int]) -> None:
        me = self._visit.counsellor.id
        mine = [row for row in rows if row[0].counsellor == me or row[0].id in helped]
        called = {o.handoff_id for o in inbox.offers} | {c.handoff_id for c in inbox.invitations}
        seen: list[object] = [(h.id, h.state, h.counsellor, h.level, h.category) for h, _ in rows]
        seen += [
            sorted(called),
            sorted(helped),
            [d.id for d in inbox.drafts],
            [person.last_in_at for _, person in mine],
        ]
        if seen == self._drawn:
            return
        self._drawn = seen
        for_me = [row for row in rows if row[0].id in called and row not in mine]
        waiting = [row for row in rows if row[0].state == handoffs.WAITING]
        others = [row for row in rows if row not in mine and row not in for_me and row not in waiting]
        self._box.clear()
        with self._box:
            if mine:
                self._section("mine", mine)
            if for_me:
                self._section("for_me", for_me)
            if inbox.drafts:
                self._reviews(inbox.drafts)
            self._section("queue", waiting)
            if others:
                self._section("with_others", others)

    def _head(self, key: str, count: int) -> None:
        with ui.element("h2").props(f"data-section={key}"):
            ui.label(self._visit.words(key))
            ui.label(str(count)).classes("count")

    def _section(self, key: str, rows: Sequence[Row]) -> None:
        self._head(key, len(rows))
        if not rows:
            ui.label(self._visit.words("empty")).classes("empty")
        for handoff, person in rows:
            self._card(key, handoff, person)

    def _card(self, section: str, handoff: Handoff, person: Conversation) -> None:
        words = self._visit.words
        card = ui.element("article").classes(f"card level-{handoff.level.value}")
        if handoff.id == self._current:
            card.classes("current").props('aria-current="true"')
        with card:
            ui.html(shape(handoff.level), sanitize=False).classes("sign")
            if section == "with_others" and not self._visit.may(Right.OVERSEE):
                ui.label(words.danger(handoff)).classes("danger")
            else:
                ui.link(words.danger(handoff), f"/case/{handoff.id}").classes("danger")
            ui.label(words.person(person)).classes("person")
            if handoff.state == handoffs.WAITING:
                ui.html(waiting(words("waiting"), handoff), sanitize=False).classes("since")
                self._take_button(handoff)
                return
            if section == "mine" and person.last_in_at:
                ui.html(clock(words("last_wrote"), person.last_in_at.isoformat()), sanitize=False).classes("since")
            if handoff.counsellor != self._visit.counsellor.id:
                name = self._desk.name(handoff.counsellor)
                ui.label(words("claimed_by", name=name)).classes("holder")

    def _take_button(self, handoff: Handoff) -> None:
        words = self._visit.words
        button = ui.button(
            words("claim"), on_click=self._visit.action(lambda: take(self._visit, self._desk, handoff.id))
        )
        button.props(f'unelevated no-caps dense data-key="c" aria-label="{words("claim")}: {words.danger(handoff)}"')

    def _reviews(self, drafts: Sequence[Draft]) -> None:
        """Answers that wait for somebody's approval."""
        words = self._visit.words
        self._head("to_review", len(drafts))
        for draft in drafts:
            with ui.element("article").classes("card level-none review"):
                ui.link(words("review_answer"), f"/review/{draft.id}").classes("danger")
                ui.html(clock(words("waiting"), draft.created_at.isoformat()), sanitize=False).classes("since")


def clock(label: str, since: str) -> str:
    """A clock that the page keeps running, as HTML."""
    return f'{label} <span class="clock" data-since="{since}"></span>'


def waiting(label: str, handoff: Handoff) -> str:
    """How long a case waits. After LATE it says so."""
    since, limit = handoff.created_at.isoformat(), int(LATE.total_seconds())
    return f'{label} <span class="clock" data-since="{since}" data-limit="{limit}"></span>'


async def take(visit: Visit, desk: Desk, handoff_id: int) -> None:
    """Claim a case and open it; who comes second learns who was first."""
    result = await desk.claim(handoff_id, visit.counsellor.id)
    if result.won:
        visit.client.open(f"/case/{handoff_id}")
    elif result.holder:
        visit.tell(visit.words("lost_race", name=result.holder))
    else:
        visit.tell(visit.words("closed"))
