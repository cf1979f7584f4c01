"""The last look at a danger that the screener may have missed: an answer must take it up."""

from engine.guard.patterns import danger
from engine.types import Request


def misses_danger(text: str, request: Request, user_text: str) -> bool:
    """Whether a plain answer goes on chatting although the plain `user_text` speaks of danger."""
    spoken, taken_up = danger()
    in_danger = request.level.needs_human or spoken.search(user_text) is not None
    return in_danger and taken_up.search(text) is None
