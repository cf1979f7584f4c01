"""The counsellors' desk in the browser: sign in, see the queue, take a conversation, talk, give it back."""

from bot.console.auth import Accounts, RefusedError
from bot.console.mount import mount_console
from bot.console.parts import Parts

__all__ = ["Accounts", "Parts", "RefusedError", "mount_console"]
