"""Cleans the texts that an operator has rights to, so that a model can be trained on them: see `prepare`."""

from engine.corpus.documents import Document, Part
from engine.corpus.prepare import Choices, prepare

__all__ = ["Choices", "Document", "Part", "prepare"]
