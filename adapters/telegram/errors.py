"""python-telegram-bot's errors in the adapters' terms."""

from telegram.error import BadRequest, ChatMigrated, Conflict, Forbidden, InvalidToken, TelegramError

from adapters.base import Blocked, DeliveryError, OutcomeUnknown, Rejected, Retryable
from adapters.telegram.transport import NotSent, SlowDown

REFUSED = "Telegram refuses the bot's token; get the current one from @BotFather and set PSYLLM_TELEGRAM__TOKEN"
CONFLICT = (
    "another program receives this bot's updates: stop the other process that polls with this token, or remove its "
    "webhook, or run here with mode = webhook"
)


def explain(error: Exception) -> str:
    """What went wrong, for the operator; never holds a user's text."""
    if isinstance(error, InvalidToken):
        return REFUSED
    if isinstance(error, Conflict):
        return CONFLICT
    return error.message if isinstance(error, TelegramError) else f"unexpected answer ({type(error).__name__})"


def delivery_error(error: TelegramError) -> DeliveryError:
    """What a failed send means. The text is Telegram's description, which never repeats the message."""
    if isinstance(error, SlowDown):
        return Retryable(error.message, error.seconds)
    if isinstance(error, Forbidden):
        return Blocked(error.message)
    if isinstance(error, BadRequest | ChatMigrated):
        return Rejected(error.message)
    if isinstance(error, InvalidToken):
        return Retryable(REFUSED)
    if isinstance(error, NotSent):
        return Retryable(error.message)
    return OutcomeUnknown(error.message)
