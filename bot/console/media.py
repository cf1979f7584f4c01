"""What users sent besides text, shown to the counsellors who read the conversation."""

from collections.abc import Mapping

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse

from adapters import Adapter, DeliveryError
from bot.console.auth import Accounts
from bot.console.gate import COOKIE, PATH
from bot.console.rights import may_read
from bot.desk import Desk
from bot.store import messages
from bot.store.conversations import Conversation
from bot.store.messages import Stored
from config import Counsellor

_INLINE = ("image/jpeg", "image/png", "image/gif", "image/webp", "audio/", "video/")
_HEADERS = {
    "Cache-Control": "private, max-age=300",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
}


def media_url(message_id: int, number: int) -> str:
    """Where an attachment of a message is shown."""
    return f"{PATH}/media/{message_id}/{number}"


def media_routes(desk: Desk, accounts: Accounts, adapters: Mapping[str, Adapter]) -> APIRouter:
    """Fetches attachments from their platform, for signed-in counsellors only; nothing is kept."""
    router = APIRouter(prefix=PATH, include_in_schema=False)

    @router.get("/media/{message_id}/{number}")
    async def media(message_id: int, number: int, request: Request) -> Response:
        counsellor = await accounts.who(request.cookies.get(COOKIE))
        if counsellor is None:
            return PlainTextResponse("Please sign in.", 401, _HEADERS)
        found = await _readable(desk, counsellor, message_id)
        if found is None or number >= len(found[0].attachments) or number < 0:
            return PlainTextResponse("There is no such file.", 404, _HEADERS)
        message, person = found
        adapter = adapters.get(person.address.platform)
        try:
            if adapter is None:
                raise DeliveryError("the platform runs in another process")
            file = await adapter.fetch(message.attachments[number])
        except DeliveryError:
            return PlainTextResponse("The platform does not give this file now.", 502, _HEADERS)
        inline = file.mime.startswith(_INLINE)
        place = {} if inline else {"Content-Disposition": "attachment"}
        return Response(file.data, 200, _HEADERS | place, file.mime if inline else "application/octet-stream")

    return router


async def _readable(desk: Desk, reader: Counsellor, message_id: int) -> tuple[Stored, Conversation] | None:
    """The message, if it is this counsellor's to read."""
    async with desk.store.reading() as tx:
        found = await messages.get(tx, message_id)
        if found is None or not await may_read(desk, tx, reader, found.conversation_id):
            return None
    return await desk.message(message_id, reader.id)
