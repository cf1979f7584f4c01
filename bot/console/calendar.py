"""Who is on call, as a calendar file to take along."""

from datetime import UTC, datetime

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse

from bot.console.auth import Accounts
from bot.console.gate import COOKIE, PATH
from bot.console.rights import Right, may
from bot.rota import Rota
from config.ical import export
from config.oncall import HORIZON

_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Disposition": 'attachment; filename="oncall.ics"',
}


def calendar_routes(rota: Rota, accounts: Accounts) -> APIRouter:
    """The roster in force for 52 weeks, for signed-in counsellors; with `mine`, their own shifts alone."""
    router = APIRouter(prefix=PATH, include_in_schema=False)

    @router.get("/oncall.ics")
    async def calendar(request: Request, mine: bool = False) -> Response:
        counsellor = await accounts.who(request.cookies.get(COOKIE))
        if counsellor is None or not may(counsellor, Right.ANSWER):
            return PlainTextResponse("Please sign in.", 401)
        start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        data = export(rota.roster, start, start + HORIZON, counsellor.id if mine else "")
        return Response(data, 200, _HEADERS, "text/calendar; charset=utf-8")

    return router
