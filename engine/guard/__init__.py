"""The guard: what a language model wrote is checked by rules and by a learned model before a user sees it."""

from engine.guard.guard import Guard

__all__ = ["Guard"]
