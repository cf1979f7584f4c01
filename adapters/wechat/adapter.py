"""The WeChat official account as an Adapter.

How an answer travels, best way first:
1. as the passive answer to the request that brought the message, while the platform holds it open (`passive`);
2. as a customer-service message, if the account has that right (`api`);
3. at the user's next message, whose request is open again: until then `send` raises WindowClosed, the bot keeps the
   text, and `sendable_now` names the chat as soon as it can be written to.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from weakref import WeakValueDictionary

from fastapi import APIRouter

from adapters.base import (
    UNKNOWN_TYPE,
    Address,
    Attachment,
    Capabilities,
    DeliveryError,
    File,
    Health,
    Message,
    NoExtras,
    Receive,
    Rejected,
    Reply,
    Retryable,
    Sent,
    Unit,
    WindowClosed,
)
from adapters.wechat.api import Api
from adapters.wechat.callback import Callback
from adapters.wechat.markup import clean
from adapters.wechat.menu import menu
from adapters.wechat.passive import Desk
from adapters.wechat.security import Gate
from config import load_texts
from config.settings import WeChatSettings

LONGEST_TEXT = 2047  # bytes
_MENU_AGAIN_SECONDS = 300.0
_log = logging.getLogger(__name__)


class WeChatAdapter(NoExtras):
    """One official account.

    hold: how long a request is kept open for a passive answer; the platform cuts it after five seconds. linger: how
    long such an answer waits for another text to join it. grace: how long a text whose request was cut waits for the
    platform to push again. clock: seconds since 1970, for the check of signatures.
    """

    platform = "wechat"

    def __init__(
        self,
        settings: WeChatSettings,
        *,
        hold: float = 4.3,
        linger: float = 0.15,
        grace: float = 1.5,
        clock: Callable[[], float] = time.time,
    ) -> None:
        assert settings.token is not None, "WeChatSettings sees to it that there is a token"
        self.account = settings.app_id
        self.capabilities = Capabilities(
            max_length=LONGEST_TEXT,
            unit=Unit.BYTES,
            typing=settings.customer_service,
            window_hours=48,
            window_messages=5,
        )
        self.on_sendable: Callable[[], None] | None = None
        """Called when a chat can be written to again, so that what waits for it need not wait longer."""
        self._receive: Receive | None = None
        self._last_push: datetime | None = None
        self._desk = Desk(LONGEST_TEXT, linger, grace)
        self._api = _api(settings) if settings.customer_service else None
        aes_key = settings.aes_key.get_secret_value() if settings.aes_key else None
        gate = Gate(settings.app_id, settings.token.get_secret_value(), aes_key, clock)
        self._callback = Callback(settings.app_id, gate, self._desk, self._store, self._opened, hold)
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def routes(self) -> APIRouter:
        """The callback at `/wechat`."""
        return self._callback.routes()

    async def run(self, receive: Receive) -> None:
        """Take messages, and keep the menu in place, until cancelled."""
        self._receive = receive
        try:
            if self._api is not None:
                await self._create_menu(self._api)
            await asyncio.Event().wait()
        finally:
            self._receive = None
            self._desk.shut()
            if self._api is not None:
                await self._api.aclose()

    async def send(self, address: Address, reply: Reply) -> Sent:
        """Send one text, the best way that is open.

        Texts of one chat arrive in the order of the calls, which need not wait for each other: several that are sent
        while a request is open leave together in its answer.
        """
        text = clean(reply.text)
        if len(text.encode()) > LONGEST_TEXT:
            raise Rejected(f"the text is longer than {LONGEST_TEXT} bytes")
        chat = address.chat
        turn = self._turns.setdefault(chat, asyncio.Lock())
        async with turn:
            handed = self._desk.offer(chat, text)
            if handed is None:
                return await self._send_actively(chat, text)
        if await handed:
            return Sent()
        async with turn:
            return await self._send_actively(chat, text)

    async def typing(self, address: Address) -> None:
        if self._api is not None:
            with contextlib.suppress(DeliveryError):
                await self._api.call("/cgi-bin/message/custom/typing", {"touser": address.chat, "command": "Typing"})

    async def fetch(self, attachment: Attachment) -> File:
        if self._api is None:
            raise Rejected("files need app_secret, and customer_service switched on")
        data, mime = await self._api.media(attachment.reference)
        return File(data, mime or attachment.mime or UNKNOWN_TYPE)

    def sendable_now(self) -> frozenset[str]:
        return self._desk.open_chats()

    def health(self) -> Health:
        health = replace(self._api.health) if self._api is not None else Health()
        contacts = [at for at in (health.last_contact, self._last_push) if at is not None]
        health.last_contact = max(contacts, default=None)
        return health

    async def _send_actively(self, chat: str, text: str) -> Sent:
        if self._api is None:
            raise WindowClosed("no request of the user is open, and customer_service is off")
        await self._desk.settled(chat)  # what goes out in a passive answer was said before this
        await self._api.call(
            "/cgi-bin/message/custom/send", {"touser": chat, "msgtype": "text", "text": {"content": text}}
        )
        return Sent()

    async def _store(self, message: Message) -> None:
        """Have a message committed."""
        if self._receive is None:
            raise Retryable("the bot is starting or stopping")
        await self._receive([message])
        self._last_push = datetime.now(UTC)

    def _opened(self) -> None:
        if self.on_sendable is not None:
            self.on_sendable()

    async def _create_menu(self, api: Api) -> None:
        """Put the menu in place; try again while the platform cannot be reached or wants something mended."""
        while True:
            try:
                await api.call("/cgi-bin/menu/create", menu(load_texts("zh")))
                return
            except Rejected as error:
                api.health.detail = f"the menu was refused: {error}"
                return
            except DeliveryError as error:
                _log.warning("the WeChat menu is not in place yet: %s", error)
            await asyncio.sleep(_MENU_AGAIN_SECONDS)


def _api(settings: WeChatSettings) -> Api:
    assert settings.app_secret is not None, "WeChatSettings sees to it that there is a secret"
    return Api(settings.api_base, settings.app_id, settings.app_secret.get_secret_value())
