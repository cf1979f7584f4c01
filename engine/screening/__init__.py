"""Screening: finds danger in a text, in Chinese and English, in under a millisecond."""

from engine.screening.screener import load_screener

__all__ = ["load_screener"]
