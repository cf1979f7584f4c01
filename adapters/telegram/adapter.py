"""The Telegram adapter: one bot, its updates, its sends."""

import asyncio
import itertools
import logging
import re
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter
from telegram import Bot, BotCommand, InlineKeyboardMarkup, LinkPreviewOptions
from telegram.constants import ChatAction
from telegram.error import TelegramError

from adapters.base import (
    UNKNOWN_TYPE,
    Address,
    Attachment,
    Capabilities,
    File,
    Health,
    Kind,
    NoExtras,
    OutcomeUnknown,
    Receive,
    Rejected,
    Reply,
    Retryable,
    Sent,
    Thumbs,
    Unit,
)
from adapters.render import split
from adapters.telegram.errors import delivery_error, explain
from adapters.telegram.keyboard import keyboard, thumbs_row
from adapters.telegram.pacing import Pace, Pacer
from adapters.telegram.polling import POLL_SECONDS, Poller, back_off
from adapters.telegram.transport import AiohttpRequest, SlowDown
from adapters.telegram.updates import GroupCall, Identity, Parsed, UpdateError, parse_update, update_id
from adapters.telegram.webhook import CHECK_EVERY, Webhook, is_absolute
from config import ConfigError, Language, load_texts
from config.settings import TelegramSettings

_log = logging.getLogger(__name__)

COMMANDS = (
    "start", "help", "human", "crisis", "breathe", "checkins", "mood", "plan", "privacy", "memory", "forget", "language"
)  # fmt: skip
MAX_LENGTH = 4096
_SEND_SECONDS = 15.0
_HINT_SECONDS = 3.0  # typing and drafts: late ones are worth nothing
_DRAFT_INTERVAL = 1.0
_GROUP_INTERVAL = 600.0
_MIME = {Kind.PHOTO: "image/jpeg", Kind.VOICE: "audio/ogg", Kind.STICKER: "image/webp", Kind.VIDEO: "video/mp4"}
_NO_PREVIEW = LinkPreviewOptions(is_disabled=True)


class TelegramAdapter(NoExtras):
    """Telegram for one bot. Raises ConfigError for settings that cannot work.

    It speaks in private chats only: in a group, a command or a mention gets a hint to write privately (at most one in
    ten minutes), and everything else is ignored and kept nowhere.

    `language` is the menu's for users of neither Chinese nor English clients. `pace` overrides `Pace.for_server`.
    """

    platform = "telegram"
    capabilities = Capabilities(
        MAX_LENGTH, Unit.UTF16, streaming=True, typing=True, buttons=True, copies=True, images=True, thumbs=True
    )

    def __init__(
        self,
        settings: TelegramSettings,
        language: Language = Language.ZH,
        *,
        pace: Pace | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        token = _token(settings)
        self.account = token.partition(":")[0]
        self._me = Identity(self.account)
        self._language = language
        self._clock = clock
        self._sleep = sleep
        self._pacer = Pacer(pace or Pace.for_server(settings.api_base), clock, sleep)
        self._hints = Pacer(None, clock, sleep)
        api_base = settings.api_base.rstrip("/")
        self._request = AiohttpRequest(api_base, _SEND_SECONDS)
        self._poll_request = AiohttpRequest(api_base, POLL_SECONDS + 10.0)
        self._bot = Bot(
            token,
            base_url=f"{api_base}/bot",
            base_file_url=f"{api_base}/file/bot",
            request=self._request,
            get_updates_request=self._poll_request,
        )
        self._poller = Poller(self._bot, self._poll_request, self._take_batch, clock, sleep)
        self._webhook = _webhook(settings, self._take_one) if settings.mode == "webhook" else None
        self._receive: Receive | None = None
        self._health = Health(ok=False, detail="Telegram has not been reached yet")
        self._draft_ids = itertools.count(1)
        self._drafts: dict[int, tuple[int, float]] = {}  # per chat: id of the draft on the screen, when it was sent
        self._group_hints: dict[int, float] = {}
        self._pressed: dict[tuple[int, int], Thumbs] = {}  # per message: the thumb that is to be marked
        self._background: set[asyncio.Task[None]] = set()

    # Receiving

    def routes(self) -> APIRouter | None:
        return self._webhook.routes() if self._webhook else None

    async def run(self, receive: Receive) -> None:
        """Receive until cancelled, then let sends under way end and close the connections."""
        await self._request.initialize()
        await self._poll_request.initialize()
        try:
            await self._insist(self._introduce)
            self._receive = receive
            self._later(self._publish_menu())
            if self._webhook:
                await self._keep_webhook(self._webhook)
            else:
                await self._insist(self._bot.delete_webhook)
                await self._poller.run()
        finally:
            self._receive = None
            for task in self._background:
                task.cancel()
            await asyncio.gather(*self._background, return_exceptions=True)
            await self.aclose()

    async def aclose(self) -> None:
        """Let sends under way end and close the connections; for an adapter that sent without being run."""
        await asyncio.gather(self._request.shutdown(), self._poll_request.shutdown())

    def health(self) -> Health:
        if not self._health.ok:
            return self._health
        if self._webhook:
            return Health(not self._webhook.problem, self._webhook.problem, self._health.last_contact)
        problem = self._poller.problem()
        return Health(not problem, problem, self._poller.last_contact or self._health.last_contact)

    async def _introduce(self) -> None:
        me = await self._bot.get_me()
        self._me = Identity(self.account, me.username or "")

    async def _insist(self, call: Callable[[], Coroutine[Any, Any, object]]) -> None:
        """Repeat a call until it succeeds; health tells meanwhile."""
        for failures in itertools.count(1):
            try:
                await call()
            except Exception as error:
                self._health = Health(False, explain(error), self._health.last_contact)
                _log.error("telegram: %s", self._health.detail)
                await self._sleep(error.seconds if isinstance(error, SlowDown) else back_off(failures))
            else:
                self._contact()
                return

    async def _keep_webhook(self, webhook: Webhook) -> None:
        """Register, and look now and then whether somebody took the webhook away."""
        while True:
            await self._insist(lambda: webhook.register(self._bot))
            await self._sleep(CHECK_EVERY.total_seconds())

    def _contact(self) -> None:
        self._health = Health(last_contact=datetime.now(UTC))

    async def _publish_menu(self) -> None:
        """The command menu, in each language and for everybody else. A bot without a menu still works."""
        for language, code in ((self._language, None), *((language, language.value) for language in Language)):
            texts = load_texts(language)
            menu = [BotCommand(name, texts.get(f"menu.{name}")) for name in COMMANDS]
            try:
                await self._bot.set_my_commands(menu, language_code=code)
            except TelegramError as error:
                _log.warning("telegram: the command menu was not set: %s", error.message)

    async def _take_batch(self, updates: Sequence[Any]) -> int | None:
        """Store polled updates; the offset that confirms them. An update that cannot be read is skipped."""
        parsed: list[Parsed] = []
        numbers: list[int] = []
        for update in updates:
            try:
                numbers.append(update_id(update))
            except UpdateError as error:
                _log.error("telegram: something that is no update is skipped: %s", error)
                continue
            try:
                parsed.append(parse_update(update, self._me, datetime.now(UTC)))
            except UpdateError as error:
                _log.error("telegram: update %d is skipped: %s", numbers[-1], error)
        await self._store(parsed)
        return max(numbers) + 1 if numbers else None

    async def _take_one(self, update: Any) -> None:
        """Store one pushed update. Raises UpdateError."""
        await self._store([parse_update(update, self._me, datetime.now(UTC))])
        self._contact()

    async def _store(self, parsed: Sequence[Parsed]) -> None:
        """Have the messages committed; only then answer pressed buttons and calls from groups."""
        if self._receive is None:
            raise RuntimeError("the adapter is not running")
        if messages := [found.message for found in parsed if found.message]:
            await self._receive(messages)
        for found in parsed:
            if found.callback:
                self._later(self._answer_press(found))
            if found.group_call:
                self._hint_privately(found.group_call)

    def _hint_privately(self, call: GroupCall) -> None:
        now = self._clock()
        if now - self._group_hints.get(call.chat, -_GROUP_INTERVAL) < _GROUP_INTERVAL:
            return
        self._group_hints[call.chat] = now
        words = load_texts(self._language_of(call.language))
        self._later(self._bot.send_message(call.chat, words.get("group_refused")))

    def _language_of(self, tag: str) -> Language:
        return next((known for known in Language if tag.startswith(known)), self._language)

    async def _answer_press(self, found: Parsed) -> None:
        """End the button's waiting. For a thumb: a word of thanks that passes, and a mark on it."""
        message = found.message
        thumbs = Thumbs.pressed(message.text) if message else None
        if message is None or thumbs is None:
            await self._bot.answer_callback_query(found.callback)
            return
        chat, number = place = _chat(message.address), int(message.reference)
        self._pressed[place] = thumbs
        words = load_texts(self._language_of(message.language_hint))
        try:
            await self._bot.answer_callback_query(found.callback, words.get("feedback.thanks"))
        finally:
            if latest := self._pressed.get(place) is thumbs:  # else the other thumb was pressed, and marks itself
                del self._pressed[place]
        if latest:
            marked = keyboard((thumbs_row(thumbs),))
            await self._show(chat, self._bot.edit_message_reply_markup(chat, number, reply_markup=marked))

    def _later(self, work: Coroutine[Any, Any, object]) -> None:
        """Do something that nobody waits for and whose failure harms nobody."""
        task = asyncio.get_running_loop().create_task(_quietly(work))
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    # Sending

    async def send(self, address: Address, reply: Reply) -> Sent:
        chat = _chat(address)
        await self._pacer.wait(chat)
        try:
            reference = await self._deliver(chat, reply)
        except TelegramError as error:
            if isinstance(error, SlowDown):
                self._pacer.pause(chat, error.seconds)
            raise delivery_error(error) from None
        except Exception as error:
            raise OutcomeUnknown(explain(error)) from None
        self._drafts.pop(chat, None)
        return Sent(str(reference))

    async def _deliver(self, chat: int, reply: Reply) -> int:
        if reply.copy:
            copied = await self._bot.copy_message(chat, _chat(reply.copy.address), int(reply.copy.reference))
            return copied.message_id
        if reply.image:
            photo = await self._bot.send_photo(chat, reply.image, caption=reply.text, reply_markup=_under(reply))
            return photo.message_id
        sent = await self._bot.send_message(
            chat, reply.text, reply_markup=_under(reply), link_preview_options=_NO_PREVIEW
        )
        return sent.message_id

    async def fetch(self, attachment: Attachment) -> File:
        try:
            file = await self._bot.get_file(attachment.reference)
            data = await file.download_as_bytearray()
        except TelegramError as error:
            raise delivery_error(error) from None
        except Exception as error:
            raise Retryable(explain(error)) from None
        return File(bytes(data), attachment.mime or _MIME.get(attachment.kind, UNKNOWN_TYPE))

    async def typing(self, address: Address) -> None:
        chat = _chat(address)
        await self._show(chat, self._bot.send_chat_action(chat, ChatAction.TYPING, read_timeout=_HINT_SECONDS))

    async def draft(self, address: Address, text: str) -> None:
        chat, now = _chat(address), self._clock()
        draft_id, sent_at = self._drafts.get(chat) or (next(self._draft_ids), now - _DRAFT_INTERVAL)
        if now - sent_at < _DRAFT_INTERVAL or not text.strip():
            return
        self._drafts[chat] = draft_id, now
        beginning = split(text, MAX_LENGTH, Unit.UTF16)[0]
        await self._show(chat, self._bot.send_message_draft(chat, draft_id, beginning, read_timeout=_HINT_SECONDS))

    async def _show(self, chat: int, work: Coroutine[Any, Any, object]) -> None:
        """Typing, drafts, marks: not where Telegram asked for a pause, and a 429 for one never delays a message."""
        if self._pacer.paused(chat) or self._hints.paused(chat):
            work.close()
            return
        try:
            await work
        except SlowDown as error:
            self._hints.pause(chat, error.seconds)
        except TelegramError as error:
            _log.debug("telegram: %s", error.message)


async def _quietly(work: Coroutine[Any, Any, object]) -> None:
    try:
        await work
    except Exception as error:
        _log.info("telegram: %s", explain(error))


def _token(settings: TelegramSettings) -> str:
    token = settings.token.get_secret_value() if settings.token else ""
    if not re.fullmatch(r"[0-9]+:[A-Za-z0-9_-]+", token):
        raise ConfigError("telegram.token: is not a bot token; it is the digits:letters text that @BotFather gave you")
    return token


def _webhook(settings: TelegramSettings, take: Callable[[Any], Coroutine[Any, Any, None]]) -> Webhook:
    secret = settings.webhook_secret.get_secret_value() if settings.webhook_secret else ""
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,256}", secret):
        raise ConfigError("telegram.webhook_secret: must be 1 to 256 of the characters A-Z, a-z, 0-9, _ and -")
    if not is_absolute(settings.webhook_url):
        raise ConfigError("telegram.webhook_url: must be the public address, such as https://care.example.org")
    return Webhook(settings.webhook_url, secret, take)


def _chat(address: Address) -> int:
    try:
        return int(address.chat)
    except ValueError:
        raise Rejected("not a Telegram chat") from None


def _under(reply: Reply) -> InlineKeyboardMarkup | None:
    return keyboard((*reply.buttons, *([thumbs_row(reply.thumbs)] if reply.thumbs else [])))
