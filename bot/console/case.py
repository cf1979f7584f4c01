"""One case: why it is here, what was said, and the means to talk and to give it back."""

import asyncio
import html

from nicegui import ui

from adapters import Attachment, Kind
from bot.console.media import media_url
from bot.console.queue import claim, waiting
from bot.console.visit import Visit
from bot.console.words import quoted
from bot.desk import Case, Desk, DeskError
from bot.store import handoffs, messages
from bot.store.messages import Stored
from bot.store.wake import page

_TO_NEWEST = "psyllm.toNewest()"


class CaseView:
    """Draws a case and keeps it up to date. Every drawing is recorded as a look at the conversation."""

    def __init__(self, visit: Visit, desk: Desk, handoff_id: int) -> None:
        self._visit = visit
        self._words = visit.words
        self._desk = desk
        self._id = handoff_id
        self._drawing = asyncio.Lock()
        self.channel = ""  # rings when something is said in the conversation; known after the first drawing
        self._drawn: list[int] = []  # ids of the messages on the page
        self._state: tuple[str, str | None] | None = None  # the means to talk depend on it
        with ui.element("section").classes("case").props(f'aria-label="{self._words("history")}"'):
            self._head = ui.element("div").classes("head")
            self._log = ui.element("ol").classes("log").props('role="log" tabindex="0"')
            self._foot = ui.element("div").classes("foot")

    async def draw(self) -> None:
        """Show the case as it is now."""
        async with self._drawing:
            case = await self._desk.case(self._id, self._visit.counsellor.id)
            if case:
                self._draw(case)
            else:
                self._draw_nothing()

    def _draw_nothing(self) -> None:
        for part in (self._head, self._log, self._foot):
            part.clear()
        with self._head:
            ui.label(self._words("closed")).classes("empty")

    def _draw(self, case: Case) -> None:
        self.channel = page(case.person.address)
        self._draw_head(case)
        self._draw_log(case)
        if (state := (case.handoff.state, case.handoff.counsellor)) != self._state:
            self._state = state
            self._draw_foot(case)

    def _draw_head(self, case: Case) -> None:
        words, handoff = self._words, case.handoff
        self._head.clear()
        with self._head:
            with ui.element("div").classes(f"line level-{handoff.level.value}"):
                ui.link("←", "/").classes("back").props(f'aria-label="{words("queue")}"')
                with ui.element("h1").classes("danger"):
                    ui.label(words.danger(handoff))
                ui.label(words.person(case.person)).classes("person")
                if handoff.state == handoffs.WAITING:
                    ui.html(waiting(words("waiting"), handoff), sanitize=False).classes("since")
                else:
                    ui.html(f"{words('since')} {words.clock(handoff.created_at)}", sanitize=False).classes("since")
            if case.evidence and case.evidence.evidence:
                with ui.element("div").classes("evidence"):
                    ui.label(words("evidence")).classes("caption")
                    for span in case.evidence.evidence:
                        ui.label(f"“{span.text}”").classes("quote")
            for event in case.events:
                if event.event == "released" and event.detail:
                    ui.label(f"{self._desk.name(event.actor)}: {event.detail}").classes("note")

    def _draw_log(self, case: Case) -> None:
        shown = [m for m in case.messages if m.seq is not None or m.author == messages.COUNSELLOR]
        ids = [m.id for m in shown]
        if ids[: len(self._drawn)] != self._drawn:
            self._log.clear()
            self._drawn = []
        if ids == self._drawn:
            return
        with self._log:
            for message in shown[len(self._drawn) :]:
                self._draw_message(case, message)
        self._drawn = ids
        self._visit.client.run_javascript(_TO_NEWEST)

    def _draw_message(self, case: Case, message: Stored) -> None:
        words = self._words
        found = case.assessments.get(message.id)
        with ui.element("li").classes(f"said {message.author}"):
            author = words.author(message, self._desk.name(message.counsellor))
            ui.html(f"{html.escape(author)} · {words.clock(message.at)}", sanitize=False).classes("meta")
            ui.html(quoted(words, message, found.evidence if found else ()), sanitize=False).classes("bubble")
            for number, attachment in enumerate(message.attachments):
                _draw_attachment(attachment, media_url(message.id, number))

    def _draw_foot(self, case: Case) -> None:
        words, handoff = self._words, case.handoff
        self._foot.clear()
        with self._foot:
            if handoff.state == handoffs.CLOSED:
                ui.label(words("closed")).classes("state")
            elif handoff.state == handoffs.WAITING:
                take = ui.button(words("claim"), on_click=lambda: claim(self._visit, self._desk, self._id))
                take.props("unelevated no-caps").classes("take")
            elif handoff.counsellor == self._visit.counsellor.id:
                self._draw_composer()
            else:
                ui.label(words("claimed_by", name=self._desk.name(handoff.counsellor))).classes("state")

    def _draw_composer(self) -> None:
        words = self._words
        text = ui.textarea(placeholder=words("placeholder")).props("outlined autogrow dense").classes("reply")
        text.props(f'aria-label="{words("placeholder")}" autofocus')

        async def send() -> None:
            written = str(text.value or "").strip()
            if not written or not await self._visit.still_signed_in():
                return
            text.value = ""
            try:
                await self._desk.say(self._id, self._visit.counsellor.id, written)
            except Exception as error:  # the words stay in the box, whatever went wrong
                text.value = written
                if not isinstance(error, DeskError):
                    raise
                self._refuse(error)

        text.on("keydown.ctrl.enter", send)
        text.on("keydown.meta.enter", send)
        with ui.element("div").classes("actions"):
            release = ui.button(words("release"), on_click=self._ask_release).props("outline no-caps")
            release.classes("release")
            ui.label("Ctrl + Enter").classes("hint")
            ui.button(words("send"), on_click=send).props("unelevated no-caps").classes("send")

    def _ask_release(self) -> None:
        words = self._words
        outcomes = {name: words.texts.get(f"outcome.{name}") for name in handoffs.OUTCOMES}
        with self._foot, ui.dialog() as dialog, ui.card().classes("release-card"):
            outcome = ui.select(outcomes, value=handoffs.OUTCOMES[0], label=words("outcome")).props("outlined")
            note = ui.textarea(words("note")).props("outlined autogrow maxlength=2000").classes("note-box")

            async def release() -> None:
                if not await self._visit.still_signed_in():
                    return
                try:
                    await self._desk.release(
                        self._id, self._visit.counsellor.id, str(note.value or "").strip(), str(outcome.value)
                    )
                except DeskError as error:
                    self._refuse(error)
                dialog.close()

            with ui.element("div").classes("actions"):
                ui.button(words.texts.get("button.no"), on_click=dialog.close).props("flat no-caps")
                ui.button(words("release"), on_click=release).props("unelevated no-caps").classes("confirm")
        dialog.open()

    def _refuse(self, error: DeskError) -> None:
        self._visit.tell(self._words.texts.get(f"desk.{error.key}", **error.fields))


def _draw_attachment(attachment: Attachment, url: str) -> None:
    """A picture or sound in its place; anything else as a link."""
    if attachment.kind in (Kind.PHOTO, Kind.STICKER):
        ui.html(f'<img src="{url}" alt="" loading="lazy">', sanitize=False).classes("media")
    elif attachment.kind is Kind.VOICE:
        ui.html(f'<audio src="{url}" controls preload="none"></audio>', sanitize=False).classes("media")
    elif attachment.kind is Kind.VIDEO:
        ui.html(f'<video src="{url}" controls preload="none"></video>', sanitize=False).classes("media")
    elif attachment.kind is not Kind.LOCATION:
        ui.link(attachment.name or "↓", url, new_tab=True).classes("media")
