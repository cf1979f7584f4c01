"""What Telegram's server keeps for one bot, and the Bot API methods on it; no HTTP here.

Rules come from https://core.telegram.org/bots/api and, where that is silent, from the sources of
https://github.com/tdlib/telegram-bot-api. A text may have 4,096 code points after trimming (`message_length_max` of
https://core.telegram.org/constructor/config). Formatting (`parse_mode`) is accepted and not applied.
"""

import asyncio
import json
import re
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

MAX_TEXT = 4096
UPDATE_TYPES = ("message", "edited_message", "callback_query", "my_chat_member")
CHAT_ACTIONS = frozenset({"typing", "upload_photo", "record_voice", "upload_voice", "upload_document", "find_location"})
FOREIGN_UPDATES = "can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"
OTHER_POLLER = "terminated by other getUpdates request; make sure that only one bot instance is running"


class ApiError(Exception):
    """What Telegram answers instead of a result."""

    def __init__(self, code: int, description: str, retry_after: int | None = None) -> None:
        super().__init__(description)
        self.code = code
        self.retry_after = retry_after
        self.description = description

    def body(self) -> Json:
        answer: Json = {"ok": False, "error_code": self.code, "description": self.description}
        if self.retry_after is not None:
            answer["parameters"] = {"retry_after": self.retry_after}
        return answer


def bad_request(what: str) -> ApiError:
    return ApiError(400, f"Bad Request: {what}")


@dataclass
class Chat:
    """A private chat with one user, or a group (a negative id)."""

    id: int
    name: str
    language: str
    blocked: bool = False
    last_message_id: int = 0
    messages: dict[int, Json] = field(default_factory=dict)

    def describe(self) -> Json:
        if self.id < 0:
            return {"id": self.id, "type": "supergroup", "title": self.name}
        return {"id": self.id, "type": "private", "first_name": self.name}

    def user(self) -> Json:
        return {"id": abs(self.id), "is_bot": False, "first_name": self.name, "language_code": self.language}

    def next_message_id(self) -> int:
        self.last_message_id += 1
        return self.last_message_id


@dataclass
class Webhook:
    url: str
    secret: str = ""
    max_connections: int = 40
    last_error: str = ""
    last_error_date: int = 0


class BotState:
    """One bot: its chats, its queue of updates, its webhook, its menu."""

    def __init__(self, token: str, username: str) -> None:
        self.token = token
        self.username = username
        self.id = int(token.split(":")[0])
        self.chats: dict[int, Chat] = {}
        self.updates: deque[Json] = deque()
        self.again: deque[Json] = deque()  # updates to be handed out once more although they were confirmed
        self.last_update_id = 1000
        self.allowed: frozenset[str] = frozenset(UPDATE_TYPES)
        self.webhook: Webhook | None = None
        self.on_update: Callable[[Json], None] = lambda update: None
        self.on_wait: Callable[[], None] = lambda: None
        self.commands: dict[str, list[Json]] = {}  # by language code, "" is the default
        self.open_queries: set[str] = set()
        self.files: dict[str, bytes] = {}
        self.reactions: dict[tuple[int, int], list[Json]] = {}
        self.drafts: dict[int, str] = {}
        self._poll: asyncio.Future[bool] | None = None
        self._methods = {
            name.removeprefix("do_").lower(): getattr(self, name) for name in dir(self) if name.startswith("do_")
        }

    # What users do

    def chat(self, chat_id: int) -> Chat:
        """The chat, which exists from now on as if its user had pressed Start."""
        if chat_id not in self.chats:
            self.chats[chat_id] = Chat(chat_id, f"User {chat_id}" if chat_id > 0 else f"Group {-chat_id}", "en")
        return self.chats[chat_id]

    def user_message(self, chat_id: int, content: Json, sender: int | None = None) -> Json:
        """A new message from the user with `content` (`{"text": ...}`, `{"photo": [...]}`, ...), not yet an update."""
        chat = self.chat(chat_id)
        author = chat.user() if sender is None else Chat(sender, f"User {sender}", "en").user()
        message = {
            "message_id": chat.next_message_id(),
            "from": author,
            "chat": chat.describe(),
            "date": int(time.time()),
            **content,
        }
        chat.messages[message["message_id"]] = message
        return message

    def add_update(self, kind: str, payload: Json) -> int:
        """Queue an update for the bot; one that it did not allow is numbered and dropped, as Telegram does."""
        self.last_update_id += 1
        if kind in self.allowed:
            self._queue({"update_id": self.last_update_id, kind: payload})
        return self.last_update_id

    def _queue(self, update: Json) -> None:
        self.updates.append(update)
        self.wake()
        self.on_update(update)

    @property
    def polling(self) -> bool:
        """Whether a long poll is waiting."""
        return self._poll is not None

    def wake(self) -> None:
        """End a long poll that is waiting."""
        if self._poll is not None and not self._poll.done():
            self._poll.set_result(True)

    # What the bot calls

    async def call(self, method: str, params: Mapping[str, Any]) -> Any:
        """The `result` of a Bot API method. Raises ApiError."""
        handler = self._methods.get(method.lower())
        if handler is None:
            raise ApiError(404, "Not Found: method not found")
        result = handler(params)
        return await result if asyncio.iscoroutine(result) else result

    def do_getMe(self, params: Mapping[str, Any]) -> Json:  # noqa: N802 - the names are Telegram's
        return {
            "id": self.id,
            "is_bot": True,
            "first_name": "Test bot",
            "username": self.username,
            "can_join_groups": True,
            "can_read_all_group_messages": False,
            "supports_inline_queries": False,
        }

    async def do_getUpdates(self, params: Mapping[str, Any]) -> list[Json]:  # noqa: N802
        if self.webhook:
            raise ApiError(409, f"Conflict: {FOREIGN_UPDATES}")
        if self._poll is not None and not self._poll.done():
            self._poll.set_result(False)  # the newer request wins
        offset, limit = _int(params, "offset", 0), min(max(_int(params, "limit", 100), 1), 100)
        self._allow(params)
        self._confirm(offset)
        if not (self.updates or self.again) and (timeout := min(_int(params, "timeout", 0), 50)) > 0:
            await self._wait(timeout)
        again = [self.again.popleft() for _ in range(min(len(self.again), limit))]
        return again + [update for update, _ in zip(self.updates, range(limit - len(again)), strict=False)]

    def _confirm(self, offset: int) -> None:
        if offset < 0:
            while len(self.updates) > -offset:
                self.updates.popleft()
        while self.updates and self.updates[0]["update_id"] < offset:
            self.updates.popleft()

    async def _wait(self, timeout: float) -> None:
        mine: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._poll = mine
        self.on_wait()
        try:
            keep = await asyncio.wait_for(mine, timeout)
        except TimeoutError:
            return
        finally:
            if self._poll is mine:
                self._poll = None
        if not keep:
            raise ApiError(409, f"Conflict: {OTHER_POLLER}")

    def _allow(self, params: Mapping[str, Any]) -> None:
        """`allowed_updates` stays in force until it is given again; an empty list means the default."""
        given = _structure(params, "allowed_updates")
        if given is not None:
            self.allowed = frozenset(given or UPDATE_TYPES)

    def do_setWebhook(self, params: Mapping[str, Any]) -> bool:  # noqa: N802
        secret = str(params.get("secret_token", ""))
        if secret and not re.fullmatch(r"[A-Za-z0-9_-]{1,256}", secret):
            raise bad_request("secret token contains unallowed characters")
        self._allow(params)
        if _flag(params, "drop_pending_updates"):
            self.updates.clear()
        url = str(params.get("url", ""))
        self.webhook = Webhook(url, secret, _int(params, "max_connections", 40)) if url else None
        if self._poll is not None and not self._poll.done():
            self._poll.set_result(False)
        for update in list(self.updates) if self.webhook else ():
            self.on_update(update)
        return True

    def do_deleteWebhook(self, params: Mapping[str, Any]) -> bool:  # noqa: N802
        self.webhook = None
        if _flag(params, "drop_pending_updates"):
            self.updates.clear()
        return True

    def do_getWebhookInfo(self, params: Mapping[str, Any]) -> Json:  # noqa: N802
        hook = self.webhook
        info: Json = {
            "url": hook.url if hook else "",
            "has_custom_certificate": False,
            "pending_update_count": len(self.updates),
            "allowed_updates": sorted(self.allowed),
        }
        if hook:
            info["max_connections"] = hook.max_connections
        if hook and hook.last_error:
            info |= {"last_error_message": hook.last_error, "last_error_date": hook.last_error_date}
        return info

    def do_sendMessage(self, params: Mapping[str, Any]) -> Json:  # noqa: N802
        chat = self._reachable(params)
        return self._bot_message(chat, {"text": _text(params)}, params)

    def do_sendPhoto(self, params: Mapping[str, Any]) -> Json:  # noqa: N802
        chat = self._reachable(params)
        photo = params.get("photo")
        if not photo:
            raise bad_request("there is no photo in the request")
        data = params.get(str(photo).removeprefix("attach://")) if str(photo).startswith("attach://") else photo
        if isinstance(data, str):
            data = self.files.get(data)
        if not isinstance(data, bytes):
            raise bad_request("wrong file identifier/HTTP URL specified")
        caption = str(params.get("caption", "")).strip()
        if len(caption) > 1024:
            raise bad_request("message caption is too long")
        content: Json = {"photo": self.photo_sizes(data)}
        return self._bot_message(chat, content | ({"caption": caption} if caption else {}), params)

    def do_copyMessage(self, params: Mapping[str, Any]) -> Json:  # noqa: N802
        chat = self._reachable(params)
        source = self.chats.get(_int(params, "from_chat_id", 0))
        original = source.messages.get(_int(params, "message_id", 0)) if source else None
        if original is None:
            raise bad_request("message to copy not found")
        content = {k: v for k, v in original.items() if k not in ("message_id", "from", "chat", "date")}
        return {"message_id": self._bot_message(chat, content, params)["message_id"]}

    def _bot_message(self, chat: Chat, content: Json, params: Mapping[str, Any]) -> Json:
        message: Json = {
            "message_id": chat.next_message_id(),
            "from": {"id": self.id, "is_bot": True, "first_name": "Test bot", "username": self.username},
            "chat": chat.describe(),
            "date": int(time.time()),
            **content,
        }
        if markup := _markup(params):
            message["reply_markup"] = markup
        target = (_structure(params, "reply_parameters") or {}).get("message_id")
        if target is not None:
            if int(target) not in chat.messages:
                raise bad_request("message to be replied not found")
            original = chat.messages[int(target)]
            message["reply_to_message"] = {k: v for k, v in original.items() if k != "reply_to_message"}
        chat.messages[message["message_id"]] = message
        self.drafts.pop(chat.id, None)
        return message

    def do_editMessageText(self, params: Mapping[str, Any]) -> Json:  # noqa: N802
        message, text, markup = self._own(params, "edit"), _text(params), _markup(params)
        if message.get("text") == text and message.get("reply_markup") == markup:
            raise bad_request(
                "message is not modified: specified new message content and reply markup are exactly the same as a "
                "current content and reply markup of the message"
            )
        return self._replace(message | {"text": text, "edit_date": int(time.time())}, markup)

    def do_editMessageReplyMarkup(self, params: Mapping[str, Any]) -> Json:  # noqa: N802
        message, markup = self._own(params, "edit"), _markup(params)
        if message.get("reply_markup") == markup:
            raise bad_request("message is not modified: specified new reply markup is the same as the current one")
        return self._replace(message, markup)

    def do_deleteMessage(self, params: Mapping[str, Any]) -> bool:  # noqa: N802
        chat = self._reachable(params)
        if chat.messages.pop(_int(params, "message_id", 0), None) is None:
            raise bad_request("message to delete not found")
        return True

    def do_sendChatAction(self, params: Mapping[str, Any]) -> bool:  # noqa: N802
        self._reachable(params)
        if params.get("action") not in CHAT_ACTIONS:
            raise bad_request("wrong parameter action in request")
        return True

    def do_sendMessageDraft(self, params: Mapping[str, Any]) -> bool:  # noqa: N802
        chat = self._reachable(params)
        if chat.id < 0:
            raise bad_request("TEXTDRAFT_PEER_INVALID")
        if _int(params, "draft_id", 0) == 0:
            raise bad_request("draft_id must be non-zero")
        text = str(params.get("text", ""))
        if len(text) > MAX_TEXT:
            raise bad_request("message is too long")
        self.drafts[chat.id] = text
        return True

    def do_setMessageReaction(self, params: Mapping[str, Any]) -> bool:  # noqa: N802
        chat, number = self._reachable(params), _int(params, "message_id", 0)
        if number not in chat.messages:
            raise bad_request("message to react not found")
        self.reactions[chat.id, number] = _structure(params, "reaction") or []
        return True

    def do_answerCallbackQuery(self, params: Mapping[str, Any]) -> bool:  # noqa: N802
        query = str(params.get("callback_query_id", ""))
        if query not in self.open_queries:
            raise bad_request("query is too old and response timeout expired or query ID is invalid")
        self.open_queries.discard(query)
        return True

    def do_setMyCommands(self, params: Mapping[str, Any]) -> bool:  # noqa: N802
        commands = _structure(params, "commands") or []
        for entry in commands:
            if not re.fullmatch(r"/?[a-z0-9_]{1,32}", str(entry.get("command", ""))):
                raise bad_request("BOT_COMMAND_INVALID")
            if not 1 <= len(str(entry.get("description", ""))) <= 256:
                raise bad_request("BOT_COMMAND_DESCRIPTION_INVALID")
        if len(commands) > 100:
            raise bad_request("BOT_COMMANDS_TOO_MUCH")
        self.commands[self._language(params)] = commands
        return True

    def do_getMyCommands(self, params: Mapping[str, Any]) -> list[Json]:  # noqa: N802
        return self.commands.get(self._language(params), [])

    def do_deleteMyCommands(self, params: Mapping[str, Any]) -> bool:  # noqa: N802
        self.commands.pop(self._language(params), None)
        return True

    @staticmethod
    def _language(params: Mapping[str, Any]) -> str:
        code = str(params.get("language_code", ""))
        if code and not re.fullmatch(r"[a-z]{2}", code):
            raise bad_request("LANG_CODE_INVALID")
        return code

    def do_getFile(self, params: Mapping[str, Any]) -> Json:  # noqa: N802
        reference = str(params.get("file_id", ""))
        if reference not in self.files:
            raise bad_request("wrong file_id or the file is temporarily unavailable")
        return self.file(reference) | {"file_path": f"files/{reference}"}

    # Shared by the methods

    def add_file(self, data: bytes) -> str:
        """Keep a file; its file_id."""
        reference = f"file{len(self.files) + 1}"
        self.files[reference] = data
        return reference

    def file(self, reference: str) -> Json:
        return {
            "file_id": reference,
            "file_unique_id": f"unique-{reference}",
            "file_size": len(self.files[reference]),
        }

    def photo_sizes(self, data: bytes) -> list[Json]:
        """Two sizes, the larger last, as Telegram makes them."""
        small, large = self.add_file(data[: len(data) // 2]), self.add_file(data)
        return [
            self.file(small) | {"width": 90, "height": 60},
            self.file(large) | {"width": 900, "height": 600},
        ]

    def _reachable(self, params: Mapping[str, Any]) -> Chat:
        try:
            chat = self.chats[int(params.get("chat_id", ""))]
        except (KeyError, ValueError):
            what = "chat not found" if params.get("chat_id") else "chat_id is empty"
            raise bad_request(what) from None
        if chat.blocked:
            raise ApiError(403, "Forbidden: bot was blocked by the user")
        return chat

    def _own(self, params: Mapping[str, Any], what: str) -> Json:
        message = self._reachable(params).messages.get(_int(params, "message_id", 0))
        if message is None:
            raise bad_request(f"message to {what} not found")
        if message["from"]["id"] != self.id:
            raise bad_request(f"message can't be {what}ed")
        return message

    def _replace(self, message: Json, markup: Json | None) -> Json:
        """Keep the new version; what was told of the old one stays as it was."""
        message = {key: value for key, value in message.items() if key != "reply_markup"}
        if markup and markup.get("inline_keyboard"):
            message["reply_markup"] = markup
        self.chats[message["chat"]["id"]].messages[message["message_id"]] = message
        return message


def _int(params: Mapping[str, Any], key: str, default: int) -> int:
    try:
        return int(params.get(key, default))
    except (TypeError, ValueError):
        raise bad_request(f"invalid {key} specified") from None


def _flag(params: Mapping[str, Any], key: str) -> bool:
    return str(params.get(key, "")).lower() in ("true", "1", "yes")


def _structure(params: Mapping[str, Any], key: str) -> Any:
    """A list or object: native in a JSON body, JSON text in a form."""
    value = params.get(key)
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value) if value else None
    except ValueError:
        raise bad_request(f"can't parse {key} JSON object") from None


def _text(params: Mapping[str, Any]) -> str:
    if not params.get("text"):
        raise bad_request("message text is empty")
    text = str(params["text"]).strip()
    if not text:
        raise bad_request("text must be non-empty")
    if len(text) > MAX_TEXT:
        raise bad_request("message is too long")
    return text


def _markup(params: Mapping[str, Any]) -> Json | None:
    markup = _structure(params, "reply_markup")
    if not isinstance(markup, dict):
        return None
    for button in [button for row in markup.get("inline_keyboard", ()) for button in row]:
        if not button.get("text"):
            raise bad_request("text buttons are unallowed in the inline keyboard")
        if len(str(button.get("callback_data", "")).encode()) > 64:
            raise bad_request("BUTTON_DATA_INVALID")
    return markup
