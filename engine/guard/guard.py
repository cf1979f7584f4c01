"""Puts the layers together: word patterns from the rule files, the learned model, and checks of a text's shape."""

import re
from functools import cache

from config import CrisisLines, Language, Script, load_crisis_lines
from engine.generators.prompt import load_words
from engine.guard.contacts import unknown_contacts
from engine.guard.danger import misses_danger
from engine.guard.model import GuardModel, load_guard_model
from engine.guard.patterns import read_rules
from engine.guard.plain import plain, sentences
from engine.guard.shape import is_flooding, is_repetitive, is_wrong_language
from engine.language import detect
from engine.types import Request

LEAK_CHARS = {Language.ZH: 16, Language.EN: 48}  # so much of the system prompt, word for word, is a leak
_LETTERS = {Language.ZH: re.compile("[\u3400-\u9fff<]"), Language.EN: re.compile("[a-z]")}
SENTENCES_BEFORE_DANGER = 3  # by then an answer must have taken up a danger


class Guard:
    """Names the rules that a text for a user breaks. Pure and quick; any string gets a verdict."""

    def __init__(self, lines: CrisisLines | None = None, model: GuardModel | None = None) -> None:
        """Raises ModelError where no model is given and the shipped one cannot be read."""
        self._lines = lines or load_crisis_lines()
        self._model = model or load_guard_model()
        self._rules = {language: read_rules(language) for language in Language}

    def check(self, text: str, request: Request, final: bool = True, since: int = 0) -> tuple[str, ...]:
        """The names of the rules and kinds that `text` breaks; empty if it may be shown.

        With `final` false the text is the beginning of an answer, which may still come to what it must say. Sentences
        before `since` passed before; only what concerns the whole text is looked at again there.
        """
        by_rules, by_model = self.layers(text, request, final, since)
        return tuple(dict.fromkeys([*by_rules, *by_model]))

    def layers(
        self, text: str, request: Request, final: bool = True, since: int = 0
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What `check` says, apart: what the rules found, and what the model found."""
        read = plain(text)
        if is_flooding(read, request.language):
            return ("flooding",), ()
        new = plain(text[since:]) if since else read
        shape = {
            "contact": unknown_contacts(read, self._lines.knows),
            "language": is_wrong_language(read, request),
            "script": request.script == Script.HANS and detect(text) == (Language.ZH, Script.HANT),
            "repetition": is_repetitive(read, request),
            "leak": _is_leak(read),
            "missed_danger": (final or len(sentences(read)) >= SENTENCES_BEFORE_DANGER)
            and misses_danger(read, request, plain(request.text)),
        }
        broken = [*self._broken(sentences(new)), *(name for name, hit in shape.items() if hit)]
        return tuple(dict.fromkeys(broken)), self._model.broken(new)

    def _broken(self, parts: list[str]) -> list[str]:
        """The word rules that a sentence breaks; only rules of a language whose letters it holds are tried."""
        return [
            name
            for part in parts
            for language, letters in _LETTERS.items()
            if letters.search(part)
            for name in (rule.name for rule in self._rules[language] if rule.broken_by(part))
        ]


def _is_leak(text: str) -> bool:
    """Whether a plain text holds a piece of a system prompt."""
    return any(
        text[start : start + size] in pieces
        for size, pieces in _prompt_pieces().items()
        for start in range(len(text) - size + 1)
    )


@cache
def _prompt_pieces() -> dict[int, frozenset[str]]:
    """All runs of so many characters of the system prompts, by their length."""
    pieces = {}
    for language, size in LEAK_CHARS.items():
        prompt = plain(load_words(language).system)
        pieces[size] = frozenset(prompt[start : start + size] for start in range(len(prompt) - size + 1))
    return pieces
