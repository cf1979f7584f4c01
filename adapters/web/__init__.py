"""The web chat: a page, and a WebSocket that shows it the stored conversation."""

from adapters.web.adapter import WebAdapter
from adapters.web.transcript import Shown, Transcript

__all__ = ["Shown", "Transcript", "WebAdapter"]
