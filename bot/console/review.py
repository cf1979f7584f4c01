"""An answer that waits for a counsellor's yes: what the person wrote, and the draft to approve, edit or throw away."""

import asyncio

from nicegui import ui

from bot.console.composer import sources
from bot.console.visit import Visit
from bot.desk import Desk
from bot.store import drafts


class ReviewView:
    """Draws one draft. Every drawing is recorded as a look at the conversation."""

    def __init__(self, visit: Visit, desk: Desk, draft_id: int) -> None:
        self._visit = visit
        self._words = visit.words
        self._desk = desk
        self._id = draft_id
        self._drawing = asyncio.Lock()
        self._state: str | None = None
        self._box = ui.element("section").classes("case review-page")

    async def draw(self) -> None:
        """Show the draft as it is now; what is being edited stays."""
        async with self._drawing:
            found = await self._desk.drafts.get(self._id, self._visit.counsellor.id)
            state = found[0].state if found else "gone"
            if state == self._state:
                return
            self._state = state
            words, action, me = self._words, self._visit.action, self._visit.counsellor.id
            self._box.clear()
            with self._box:
                ui.link("←", "/").classes("back").props(f'aria-label="{words("queue")}"')
                with ui.element("h1"):
                    ui.label(words("review_answer"))
                if found is None or state != drafts.WAITING:
                    ui.label(words("review_done")).classes("empty")
                    return
                draft, person = found
                ui.label(words.person(person)).classes("person")
                ui.label(words("person")).classes("caption")
                ui.label(draft.asked).classes("bubble asked")
                ui.label(words("draft_mark")).classes("caption mark")
                text = ui.textarea(value=draft.text).props(f'outlined autogrow aria-label="{words("draft_mark")}"')
                text.classes("answer").props('data-key="r"')
                sources(words, self._desk, draft)

                async def approve() -> None:
                    written = str(text.value or "").strip()
                    edited = written if written != draft.text else None
                    await self._desk.drafts.approve(self._id, me, edited)
                    self._visit.client.open("/")

                async def discard() -> None:
                    await self._desk.drafts.discard(self._id, me)
                    self._visit.client.open("/")

                with ui.element("div").classes("actions"):
                    ui.button(words("discard"), on_click=action(discard)).props("flat no-caps")
                    ui.button(words("approve"), on_click=action(approve)).props("unelevated no-caps").classes("confirm")
