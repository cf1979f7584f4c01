"""The counsellor's side, used by the console and the Telegram desk alike."""

from bot.desk.desk import Case, Claimed, Desk, Inbox
from bot.desk.floor import DeskError

__all__ = ["Case", "Claimed", "Desk", "DeskError", "Inbox"]
