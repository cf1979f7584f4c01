"""What was said in a conversation, as it grows: messages with their evidence marked, attachments, who wrote."""

import html

from nicegui import ui

from adapters import Attachment, Kind
from bot.console.media import media_url
from bot.console.visit import Visit
from bot.console.words import quoted
from bot.desk import Case, Desk
from bot.store import messages
from bot.store.messages import Stored

_TO_NEWEST = "psyllm.toNewest()"


class Talk:
    """The log of a case. Only what is new is drawn, so that nothing jumps under a reader."""

    def __init__(self, visit: Visit, desk: Desk) -> None:
        self._visit = visit
        self._desk = desk
        self._drawn: list[int] = []  # ids of the messages on the page
        label = visit.words("history")
        self._log = ui.element("ol").classes("log").props(f'role="log" tabindex="0" aria-label="{label}"')

    def draw(self, case: Case) -> None:
        """Add what is new."""
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
        words = self._visit.words
        found = case.assessments.get(message.id)
        with ui.element("li").classes(f"said {message.author}"):
            author = words.author(message, self._desk.name(message.counsellor))
            ui.html(f"{html.escape(author)} · {words.clock(message.at)}", sanitize=False).classes("meta")
            ui.html(quoted(words, message, found.evidence if found else ()), sanitize=False).classes("bubble")
            for number, attachment in enumerate(message.attachments):
                _draw_attachment(attachment, media_url(message.id, number), words("attachment"))


def _draw_attachment(attachment: Attachment, url: str, label: str) -> None:
    """A picture or sound in its place; anything else as a link."""
    named = f'aria-label="{html.escape(label)}"'
    if attachment.kind in (Kind.PHOTO, Kind.STICKER):
        ui.html(f'<img src="{url}" alt="{html.escape(label)}" loading="lazy">', sanitize=False).classes("media")
    elif attachment.kind is Kind.VOICE:
        ui.html(f'<audio src="{url}" controls preload="none" {named}></audio>', sanitize=False).classes("media")
    elif attachment.kind is Kind.VIDEO:
        ui.html(f'<video src="{url}" controls preload="none" {named}></video>', sanitize=False).classes("media")
    elif attachment.kind is not Kind.LOCATION:
        ui.link(attachment.name or "↓", url, new_tab=True).classes("media")
