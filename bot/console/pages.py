"""The console's pages. Each says at once which right it needs; who lacks it gets a refusal and nothing else."""

from typing import Annotated

from fastapi import Path, Request, Response
from nicegui import ui

from bot.console.account import AccountView
from bot.console.board import BoardView
from bot.console.case import CaseView
from bot.console.followups import FollowUpsView
from bot.console.frame import frame, no_entry
from bot.console.live import Live
from bot.console.oncall import OnCallView
from bot.console.parts import Parts
from bot.console.queue import QueueView
from bot.console.review import ReviewView
from bot.console.rights import Right
from bot.console.visit import Visit
from bot.desk import Desk
from bot.store import FOLLOWUPS, HANDOFFS, ROSTER

MOST = 2**63 - 1  # what the database can count to
Id = Annotated[int, Path(ge=1, le=MOST)]


def add_pages(parts: Parts) -> None:
    """Register the pages with the console's framework."""
    desk, accounts, alerts = parts.desk, parts.accounts, parts.alerts
    wake = desk.store.wake

    @ui.page("/")
    async def queue_page(request: Request) -> Response | None:
        visit = Visit(request, accounts)
        if not visit.may(Right.ANSWER):
            return no_entry(visit)
        frame(visit, "desk", alerts)
        with ui.element("main").classes("desk only-queue"):
            await _queue(visit, desk, current=None)
        return None

    @ui.page("/case/{handoff_id}")
    async def case_page(request: Request, handoff_id: Id) -> Response | None:
        visit = Visit(request, accounts)
        if not visit.may(Right.ANSWER):
            return no_entry(visit)
        frame(visit, "desk", alerts)
        with ui.element("main").classes("desk"):
            await _queue(visit, desk, current=handoff_id)
            view = CaseView(visit, desk, parts.page_answers, handoff_id)
        Live(wake, lambda rung: rung in (view.channel, HANDOFFS), view.draw)
        await view.draw()
        return None

    @ui.page("/review/{draft_id}")
    async def review_page(request: Request, draft_id: Id) -> Response | None:
        visit = Visit(request, accounts)
        if not visit.may(Right.ANSWER):
            return no_entry(visit)
        frame(visit, "desk", alerts)
        with ui.element("main").classes("desk"):
            await _queue(visit, desk, current=None)
            view = ReviewView(visit, desk, draft_id)
        Live(wake, lambda rung: rung == HANDOFFS, view.draw)
        await view.draw()
        return None

    @ui.page("/oncall")
    async def oncall_page(request: Request) -> Response | None:
        visit = Visit(request, accounts)
        if not visit.may(Right.ANSWER):
            return no_entry(visit)
        frame(visit, "oncall", alerts)
        with ui.element("main").classes("page oncall"):
            view = OnCallView(visit, parts.rota)
        Live(wake, lambda rung: rung == ROSTER, view.draw)
        await view.draw()
        return None

    @ui.page("/board")
    async def board_page(request: Request) -> Response | None:
        visit = Visit(request, accounts)
        if not visit.may(Right.NUMBERS):
            return no_entry(visit)
        frame(visit, "board", alerts)
        with ui.element("main").classes("page"):
            view = BoardView(visit, desk)
        Live(wake, lambda rung: rung == HANDOFFS, view.draw)
        await view.draw()
        return None

    @ui.page("/follow-ups")
    async def follow_ups_page(request: Request) -> Response | None:
        visit = Visit(request, accounts)
        if not visit.may(Right.FOLLOWUPS):
            return no_entry(visit)
        frame(visit, "followups", alerts)
        with ui.element("main").classes("page followups"):
            view = FollowUpsView(visit, desk.store, parts.followups, parts.rota.roster)
        Live(wake, lambda rung: rung == FOLLOWUPS, view.draw_broadcasts)
        await view.draw()
        return None

    @ui.page("/account")
    async def account_page(request: Request) -> None:
        visit = Visit(request, accounts)
        frame(visit, "", alerts)
        with ui.element("main").classes("page account"):
            view = AccountView(visit)
        await view.draw()


async def _queue(visit: Visit, desk: Desk, current: int | None) -> None:
    view = QueueView(visit, desk, current)
    Live(desk.store.wake, lambda rung: rung == HANDOFFS, view.draw)
    await view.draw()
