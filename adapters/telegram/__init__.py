"""Telegram: updates by long polling or webhook, sends through the Bot API."""

from adapters.telegram.adapter import TelegramAdapter
from adapters.telegram.pacing import Pace
from adapters.telegram.updates import UpdateError

__all__ = ["Pace", "TelegramAdapter", "UpdateError"]
