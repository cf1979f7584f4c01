"""The webhook: its route, and telling Telegram about it."""

import hashlib
import hmac
import json
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse
from starlette.requests import ClientDisconnect
from telegram import Bot

from adapters.telegram.updates import ALLOWED, UpdateError

_log = logging.getLogger(__name__)

MAX_BODY = 1024 * 1024
CHECK_EVERY = timedelta(minutes=5)
_HEADER = "x-telegram-bot-api-secret-token"
_PREFIX = "/telegram/"


class Webhook:
    """Receives updates that Telegram pushes; `take` stores one and returns after the commit.

    `url` is the bot's public address, to which `/telegram/<path>` is added, or the whole URL up to that path.
    """

    def __init__(self, url: str, secret: str, take: Callable[[Any], Awaitable[None]]) -> None:
        self._secret = secret
        self._take = take
        base, found, path = url.rstrip("/").partition(_PREFIX)
        derived = hmac.new(secret.encode(), b"psyllm telegram webhook path", hashlib.sha256).hexdigest()[:32]
        self.path = _PREFIX + (path if found else derived)
        self.url = base + self.path
        self._shown = base + _PREFIX + "..."
        self._registered = False
        self.problem = ""  # what Telegram complains about

    def routes(self) -> APIRouter:
        """The route that Telegram posts to."""
        router = APIRouter()
        router.add_api_route(self.path, self._receive, methods=["POST"], include_in_schema=False)
        return router

    async def register(self, bot: Bot) -> None:
        """Tell Telegram the address, unless it knows. Raises TelegramError.

        The first call always tells: a new secret does not show in what Telegram knows.
        """
        info = await bot.get_webhook_info()
        if not self._registered or info.url != self.url:
            await bot.set_webhook(self.url, secret_token=self._secret, allowed_updates=ALLOWED, max_connections=100)
            self._registered = True
        failed_at = info.last_error_date
        stuck = failed_at is not None and datetime.now(UTC) - failed_at < CHECK_EVERY and info.pending_update_count
        self.problem = f"Telegram cannot reach {self._shown}: {info.last_error_message}" if stuck else ""

    async def _receive(self, request: Request) -> PlainTextResponse:
        given = request.headers.get(_HEADER, "")
        if not hmac.compare_digest(given.encode("utf-8", "replace"), self._secret.encode()):
            return PlainTextResponse("wrong or missing secret token", 403)
        try:
            body = await _body(request)
        except ClientDisconnect:
            return PlainTextResponse("the body is not complete", 400)
        if body is None:
            return PlainTextResponse("the body is larger than 1 MiB", 413)
        try:
            update = json.loads(body)
        except (ValueError, RecursionError):
            return PlainTextResponse("the body is not valid JSON", 400)
        try:
            await self._take(update)
        except UpdateError as error:
            return PlainTextResponse(str(error), 400)
        except Exception as error:
            _log.error("telegram: an update could not be stored (%s), Telegram repeats it", type(error).__name__)
            return PlainTextResponse("not stored, please repeat", 503)
        return PlainTextResponse("ok")


async def _body(request: Request) -> bytes | None:
    """The body; None if it is too large, of which little more than the limit is read."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            return None
    return bytes(body)


def is_absolute(url: str) -> bool:
    """Whether a setting holds a URL that Telegram could call."""
    parts = urlsplit(url)
    return parts.scheme in ("http", "https") and bool(parts.hostname)
