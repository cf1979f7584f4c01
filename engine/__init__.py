"""Thinking, without platforms and database: screening, the reviewed library, generation, the guard."""

from engine.types import (
    About,
    Answer,
    Assessment,
    Category,
    Evidence,
    Generator,
    GeneratorError,
    Level,
    Passage,
    Piece,
    Request,
    Role,
    Screener,
    Turn,
)

__all__ = [
    "About",
    "Answer",
    "Assessment",
    "Category",
    "Evidence",
    "Generator",
    "GeneratorError",
    "Level",
    "Passage",
    "Piece",
    "Request",
    "Role",
    "Screener",
    "Turn",
]
