"""The guard: what a language model wrote is checked against rules before a user sees it."""

from engine.guard.guard import Guard

__all__ = ["Guard"]
