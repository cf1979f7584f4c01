"""Where a counsellor writes: the reply, drafts of the engine, reviewed replies, what the channel allows."""

from collections.abc import Awaitable, Callable, Sequence
from itertools import groupby

from nicegui import ui

from bot.console.queue import clock
from bot.console.visit import Visit
from bot.console.words import Words
from bot.desk import Case, Desk
from bot.quota import Quota
from bot.store.drafts import REVIEW, Draft
from config import Language
from config.canned import Canned, load_canned

Action = Callable[[], Awaitable[object]]


class Composer:
    """The means to write in one case. What is being written stays, whatever is drawn anew around it."""

    def __init__(self, visit: Visit, desk: Desk, handoff_id: int, language: Language) -> None:
        self._visit = visit
        self._words = visit.words
        self._desk = desk
        self._id = handoff_id
        self._language = language
        self._draft: int | None = None  # the draft that the text in the box came from
        self._shown: list[int] | None = None
        self._drafts = ui.element("div").classes("drafts").props('aria-live="polite"')
        self._quota = ui.element("div").classes("quota").props('role="status"')
        self._text = self._box()
        with ui.element("div").classes("actions"):
            self.left = ui.element("div").classes("left")
            self._tools()

    def _box(self) -> ui.textarea:
        label = self._words("placeholder")
        text = ui.textarea(placeholder=label).props("outlined autogrow dense").classes("reply")
        text.props(f'aria-label="{label}" data-key="r"')
        text.on("keydown.ctrl.enter", self._visit.action(self._send))
        text.on("keydown.meta.enter", self._visit.action(self._send))
        return text

    def _tools(self) -> None:
        words, action = self._words, self._visit.action
        tool(words("key.canned"), "quickreply", "/", self._choose_reply)
        self._ask = tool(words("key.draft"), "edit_note", "d", action(self._make_draft))
        send = ui.button(words("send"), on_click=action(self._send)).classes("send")
        send.props(f'unelevated no-caps title="{words("send")} (Ctrl + Enter)"')

    async def _send(self) -> None:
        written = str(self._text.value or "").strip()
        if not written:
            return
        self._text.value = ""
        try:
            await self._desk.say(self._id, self._visit.counsellor.id, written, self._draft)
        except Exception:  # the words stay in the box, whatever went wrong
            self._text.value = written
            raise
        self._draft = None
        self._visit.client.run_javascript("psyllm.forgetDraft()")

    def draw(self, case: Case) -> None:
        """Show the drafts and the quota as they are now."""
        self._draw_quota(case.packet.quota)
        if (ids := [d.id for d in case.drafts]) != self._shown:
            self._shown = ids
            self._drafts.clear()
            with self._drafts:
                for draft in case.drafts:
                    self._draw_draft(draft)

    def _draw_quota(self, quota: Quota | None) -> None:
        """How many messages the platform still takes, and until when. Nothing where it takes any number."""
        self._quota.clear()
        if quota is None:
            return
        words = self._words
        with self._quota:
            if not quota.open:
                ui.label(words("quota_closed")).classes("warn")
                return
            few = "warn" if quota.messages_left <= 1 else "fine"
            ui.label(words("quota_left", count=str(quota.messages_left))).classes(few)
            if quota.window_ends_at:
                ui.html(f"{words('quota_until')} {words.clock(quota.window_ends_at)}", sanitize=False)

    def _draw_draft(self, draft: Draft) -> None:
        words, action = self._words, self._visit.action
        with ui.element("article").classes("draft").props(f'aria-label="{words("draft_mark")}"'):
            with ui.element("div").classes("mark-line"):
                ui.label(words("draft_mark")).classes("mark")
                if draft.kind == REVIEW:
                    ui.html(clock(words("waiting"), draft.created_at.isoformat()), sanitize=False).classes("since")
            ui.label(draft.text).classes("text")
            sources(words, self._desk, draft)
            with ui.element("div").classes("actions"):
                small(words("discard"), action(lambda: self._desk.drafts.discard(draft.id, self._visit.counsellor.id)))
                small(words("use_draft"), lambda: self._use(draft)).props("outline")

    def _use(self, draft: Draft) -> None:
        self._text.value = draft.text
        self._draft = draft.id
        self._text.run_method("focus")

    async def _make_draft(self) -> None:
        self._ask.props("loading")
        try:
            await self._desk.drafts.make(self._id, self._visit.counsellor.id)
        finally:
            self._ask.props(remove="loading")

    def _choose_reply(self) -> None:
        """A list of reviewed replies in the user's language, narrowed down by typing."""
        words, canned = self._words, load_canned(self._language)
        with self._visit.client.layout, ui.dialog() as dialog, ui.card().classes("sheet canned"):
            ui.label(words("key.canned")).classes("sheet-title").props('role="heading" aria-level="2"')
            search = ui.input(words("search")).props("outlined dense autofocus clearable").classes("search")
            found = ui.element("div").classes("found")

            def take(reply: Canned) -> None:
                text = reply.filled(self._visit.counsellor.name)
                self._text.value = f"{self._text.value or ''}\n{text}".strip()
                dialog.close()
                self._text.run_method("focus")

            def narrow() -> None:
                found.clear()
                with found:
                    _list(canned, str(search.value or ""), self._words, take)

            search.on_value_change(narrow)
            search.on("keydown.enter", js_handler='() => document.querySelector(".canned .found button")?.click()')
            narrow()
            ui.button(words("close"), on_click=dialog.close).props("flat no-caps").classes("closing")
        dialog.on("hide", dialog.delete)
        dialog.open()


def _list(canned: Sequence[Canned], wanted: str, words: Words, take: Callable[[Canned], None]) -> None:
    """The replies that have every word of what is wanted, in them or in the name of their topic."""
    terms = wanted.casefold().split()
    hits = [r for r in canned if all(t in f"{words.topic(r.topic)} {r.text}".casefold() for t in terms)]
    for topic, of_topic in groupby(hits, key=lambda reply: reply.topic):
        ui.label(words.topic(topic)).classes("topic")
        for reply in of_topic:
            ui.button(reply.text, on_click=lambda reply=reply: take(reply)).props("flat no-caps align=left")
    if not hits:
        ui.label(words("nothing_found")).classes("empty")


def tool(label: str, icon: str, key: str, work: Action | Callable[[], object]) -> ui.button:
    """A button with a sign, a name for who cannot see it, and a key."""
    button = ui.button(icon=icon, on_click=work).classes("tool")
    return button.props(f'flat round dense aria-label="{label}" title="{label} ({key})" data-key="{key}"')


def small(label: str, work: Action | Callable[[], object]) -> ui.button:
    """A quiet button with a word."""
    return ui.button(label, on_click=work).props("flat no-caps dense")


def sources(words: Words, desk: Desk, draft: Draft) -> None:
    """What a draft stands on, to be opened."""
    if passages := desk.drafts.passages(draft):
        with ui.element("details").classes("sources"):
            with ui.element("summary"):
                ui.label(words("draft_sources", count=str(len(passages))))
            for passage in passages:
                ui.label(passage.text).classes("fact")
