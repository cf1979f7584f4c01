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
    OpinionError,
    Passage,
    Piece,
    Request,
    Role,
    Screener,
    SecondOpinion,
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
    "OpinionError",
    "Passage",
    "Piece",
    "Request",
    "Role",
    "Screener",
    "SecondOpinion",
    "Turn",
]
