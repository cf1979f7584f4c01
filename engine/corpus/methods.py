"""Finds texts that describe how to do harm, so that a person decides about them: a model must never learn them."""

from functools import cache

from config import Language
from engine.guard.patterns import Rule, read_rules
from engine.guard.plain import plain, sentences

_KINDS = frozenset({"method", "dose"})


def describes_method(text: str) -> bool:
    """Whether a sentence gives a method of harming oneself or others, or a dose, by the guard's rules."""
    return any(rule.broken_by(sentence) for sentence in sentences(plain(text)) for rule in _rules())


@cache
def _rules() -> tuple[Rule, ...]:
    return tuple(rule for language in Language for rule in read_rules(language) if rule.name in _KINDS)
