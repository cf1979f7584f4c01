"""One case: why it is here, what was said, what is known, and the means to talk, to pass it on and to give it back."""

import asyncio
from collections.abc import Awaitable, Callable

from nicegui import ui

from bot.console.casefile import CaseFile
from bot.console.composer import Composer, small
from bot.console.dialogs import Dialogs
from bot.console.queue import take, waiting
from bot.console.rights import Right, may_open
from bot.console.shapes import shape
from bot.console.talk import Talk
from bot.console.visit import Visit
from bot.desk import Case, Desk
from bot.page_answers import PageAnswers, Said
from bot.store import Transaction, companions, handoffs
from bot.store.wake import page


class CaseView:
    """Draws a case and keeps it up to date. Every drawing is recorded as a look at the conversation."""

    def __init__(self, visit: Visit, desk: Desk, page_answers: PageAnswers, handoff_id: int) -> None:
        self._visit = visit
        self._words = visit.words
        self._desk = desk
        self._page_answers = page_answers
        self._id = handoff_id
        self._me = visit.counsellor.id
        self._dialogs = Dialogs(visit, desk, handoff_id)
        self._drawing = asyncio.Lock()
        self.channel = ""  # rings when something is said in the conversation; known after the first drawing
        self._state: object = None  # the means to talk depend on it
        self._composer: Composer | None = None
        with ui.element("section").classes("case") as self._box:
            self._build()

    def _build(self) -> None:
        words = self._words
        self._head = ui.element("div").classes("head")
        with ui.element("div").classes("columns"):
            with ui.element("div").classes("talk").props(f'role="region" aria-label="{words("history")}"'):
                self._talk = Talk(self._visit, self._desk)
                self._foot = ui.element("div").classes("foot")
            with ui.element("aside").classes("file").props(f'aria-label="{words("key.file")}"'):
                self._file = CaseFile(self._visit, self._desk, self._id)

    async def draw(self) -> None:
        """Show the case as it is now, if it is this counsellor's to read."""
        async with self._drawing:
            if not await may_open(self._desk, self._visit.counsellor, self._id):
                self._draw_instead("private")
            elif case := await self._desk.case(self._id, self._me):
                self._draw(case)
            else:
                self._draw_instead("closed")

    def _draw_instead(self, key: str) -> None:
        self._state = None
        self._composer = None
        self._box.clear()
        with self._box:
            self._build()
            with self._head:
                ui.link("←", "/").classes("back").props(f'aria-label="{self._words("queue")}"')
                ui.label(self._words(key)).classes("empty")
        self._box.classes("nothing")

    def _draw(self, case: Case) -> None:
        self._box.classes(remove="nothing")
        self.channel = page(case.person.address)
        self._draw_head(case)
        self._talk.draw(case)
        state = (case.handoff.state, case.handoff.counsellor, case.company, case.offer, case.reviews)
        if state != self._state:
            self._state = state
            self._draw_foot(case)
        if self._composer:
            self._composer.draw(case)
        self._file.draw(case)

    def _draw_head(self, case: Case) -> None:
        words, handoff = self._words, case.handoff
        self._head.clear()
        with self._head:
            with ui.element("div").classes(f"line level-{handoff.level.value}"):
                ui.link("←", "/").classes("back").props(f'aria-label="{words("queue")}"')
                with ui.element("h1").classes("danger"):
                    ui.html(shape(handoff.level), sanitize=False).classes("sign")
                    ui.label(words.danger(handoff))
                ui.label(words.person(case.person)).classes("person")
                if handoff.state == handoffs.WAITING:
                    ui.html(waiting(words("waiting"), handoff), sanitize=False).classes("since")
                else:
                    ui.html(f"{words('since')} {words.clock(handoff.created_at)}", sanitize=False).classes("since")
                self._company(case)
                for key, icon, way in (("key.file", "folder_open", "to-file"), ("history", "forum", "to-talk")):
                    switch = ui.button(words(key), icon=icon).props('outline no-caps dense data-key="f"')
                    switch.classes(f"switch {way}").on("click", js_handler="() => psyllm.toggleFile()")
            if case.evidence and case.evidence.evidence:
                with ui.element("div").classes("evidence"):
                    ui.label(words("evidence")).classes("caption")
                    for span in case.evidence.evidence:
                        ui.label(f"“{span.text}”").classes("quote")
            for event in case.events:
                if event.event == "released" and event.detail:
                    ui.label(f"{self._desk.name(event.actor)}: {event.detail}").classes("note")

    def _company(self, case: Case) -> None:
        """Who else is here. Only those with the case learn that a supervisor looks on."""
        for companion in case.company:
            name = self._desk.name(companion.counsellor)
            ui.label(self._words(f"company.{companion.role}", name=name)).classes("company")

    def _draw_foot(self, case: Case) -> None:
        words, handoff = self._words, case.handoff
        if self._composer and case.may_write(self._me):
            self._draw_left(case)  # the box stays, with what is being written in it
            return
        self._foot.clear()
        self._composer = None
        with self._foot:
            if handoff.state == handoffs.CLOSED:
                ui.label(words("closed")).classes("state")
            elif case.may_write(self._me):
                language = case.person.language or words.language
                self._composer = Composer(self._visit, self._desk, self._id, language)
                self._draw_left(case)
                self._visit.client.run_javascript("psyllm.toReply()")
            elif handoff.state == handoffs.WAITING:
                self._draw_take()
            else:
                self._draw_bystander(case)

    def _draw_take(self) -> None:
        words, action = self._words, self._visit.action
        with ui.element("div").classes("actions"):
            small(words("cannot"), action(lambda: self._answer_page(self._page_answers.cannot)))
            small(words("coming"), action(lambda: self._answer_page(self._page_answers.coming))).props("outline")
            taking = ui.button(words("claim"), on_click=action(lambda: take(self._visit, self._desk, self._id)))
            taking.props('unelevated no-caps data-key="c"').classes("take")

    async def _answer_page(self, answer: Callable[[Transaction, int, str], Awaitable[Said]]) -> None:
        """Answer the call without taking the case; what comes of it is said."""
        async with self._desk.store.transaction() as tx:
            said = await answer(tx, self._id, self._me)
        self._visit.tell(self._words.texts.get(f"desk.{said.key}", **said.fields))

    def _draw_bystander(self, case: Case) -> None:
        """For who does not write here: offered, invited, watching, or only reading."""
        words, desk, action = self._words, self._desk, self._visit.action
        mine = next((c for c in case.company if c.counsellor == self._me), None)
        holder = desk.name(case.handoff.counsellor)
        ui.label(words("claimed_by", name=holder)).classes("state")
        with ui.element("div").classes("actions"):
            if case.offer and desk.transfers.is_for(case.offer, self._me):
                ui.label(words("offered", name=holder)).classes("offer")
                if case.offer.note:
                    ui.label(case.offer.note).classes("note")
                small(words("decline"), action(lambda: desk.transfers.decline(self._id, self._me)))
                accept = action(lambda: desk.transfers.accept(self._id, self._me))
                ui.button(words("accept"), on_click=accept).props('unelevated no-caps data-key="c"').classes("take")
            elif mine and mine.role == companions.INVITED:
                small(words("decline"), action(lambda: desk.decline(self._id, self._me)))
                join = action(lambda: desk.company.join(self._id, self._me))
                ui.button(words("join"), on_click=join).props('unelevated no-caps data-key="c"').classes("take")
            elif mine and mine.role == companions.WATCHING:
                ui.label(words("watching")).classes("offer")
                small(words("leave"), action(lambda: desk.company.leave(self._id, self._me)))
            elif self._visit.may(Right.OVERSEE):
                watch = action(lambda: desk.company.watch(self._id, self._me), Right.OVERSEE)
                ui.button(words("watch"), on_click=watch).props("outline no-caps").classes("watch")

    def _draw_left(self, case: Case) -> None:
        """What else the holder or the second can do, beside the box."""
        assert self._composer
        words, desk, action = self._words, self._desk, self._visit.action
        self._composer.left.clear()
        with self._composer.left:
            if case.handoff.counsellor != self._me:
                small(words("leave"), action(lambda: desk.company.leave(self._id, self._me))).props("outline")
                return
            end = ui.button(words("release"), icon="undo", on_click=self._dialogs.release).classes("release")
            end.props(f'outline no-caps data-key="h" aria-label="{words("release")}" title="{words("release")} (h)"')
            if case.offer:
                name = desk.transfers.called(case.offer.to)
                ui.label(words("offer_out", name=name)).classes("offer")
                small(words("withdraw"), action(lambda: desk.transfers.withdraw(self._id, self._me)))
            else:
                _icon(words("transfer"), "swap_horiz", "t", self._dialogs.transfer)
            _icon(words("invite"), "person_add", "i", self._dialogs.invite)
            review = "review_off" if case.reviews else "review_on"
            flip = action(lambda: desk.drafts.set_review(case.person.id, self._me, not case.reviews))
            _icon(words(review), "rate_review", "", flip)


def _icon(label: str, icon: str, key: str, work: object) -> None:
    button = ui.button(icon=icon, on_click=work).classes("tool")  # type: ignore[arg-type]  # a handler
    button.props(f'flat round dense aria-label="{label}" title="{label}"' + (f' data-key="{key}"' if key else ""))
