"""What a message asks of the bot itself: to remember or forget something, a yes or no, what an answer was worth."""

from engine.understanding.facts import THINGS, Fact, FactKind, fact_in, things_in
from engine.understanding.spoken import agrees, command_in, finds_helpful, follow_up_in

__all__ = [
    "THINGS",
    "Fact",
    "FactKind",
    "agrees",
    "command_in",
    "fact_in",
    "finds_helpful",
    "follow_up_in",
    "things_in",
]
