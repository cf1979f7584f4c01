"""The counsellors' desk in the browser: sign in, see the queue, take a conversation, talk, give it back."""

from bot.console.auth import Accounts, RefusedError
from bot.console.mount import mount_console

__all__ = ["Accounts", "RefusedError", "mount_console"]
