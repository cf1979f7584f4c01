"""Whole messages in plain words that are meant for the bot itself: a command, a yes or no, what an answer was worth."""

import re
from dataclasses import dataclass
from functools import cache

from config import Language
from engine.language import to_simplified
from engine.understanding.data import Phrases, compiled, either, load

_LONGEST = 80  # characters; what is longer says something else too
_AROUND = " \t\r\n.,!?;:~…，。！？；：～、“”\"'’"


@dataclass(frozen=True, slots=True)
class _Phrasebook:
    """What is said in any of the languages."""

    commands: tuple[tuple[str, re.Pattern[str]], ...]
    follow_ups: tuple[tuple[str, re.Pattern[str]], ...]
    yes: re.Pattern[str]
    no: re.Pattern[str]
    helpful: re.Pattern[str]
    unhelpful: re.Pattern[str]


def command_in(text: str) -> str:
    """The command that a message means without the slash, such as `memory forget name`; empty if it means none."""
    said = _plain(text)
    return next((command for command, pattern in _phrasebook().commands if pattern.fullmatch(said)), "")


def follow_up_in(text: str) -> str:
    """The command about follow-ups and exercises that a message means, such as `checkins stop`; empty if none."""
    said = _plain(text)
    found = ((command, pattern.fullmatch(said)) for command, pattern in _phrasebook().follow_ups)
    command, match = next(((command, match) for command, match in found if match), ("", None))
    return " ".join([command, *(group for group in match.groups() if group)]) if match else ""


def agrees(text: str) -> bool | None:
    """Whether a message is a plain yes or a plain no; None if it is neither."""
    said, book = _plain(text), _phrasebook()
    return True if book.yes.fullmatch(said) else False if book.no.fullmatch(said) else None


def finds_helpful(text: str) -> bool | None:
    """Whether a message says of an answer that it was helpful or that it was not; None if it says neither."""
    said, book = _plain(text), _phrasebook()
    return True if book.helpful.fullmatch(said) else False if book.unhelpful.fullmatch(said) else None


def _plain(text: str) -> str:
    if len(text) > _LONGEST:
        return ""
    return re.sub(r"[,，]\s*", " ", to_simplified(text.strip(_AROUND)).replace("’", "'"))


@cache
def _phrasebook() -> _Phrasebook:
    spoken = [load(language).spoken for language in Language]

    def all_of(phrases: list[Phrases]) -> re.Pattern[str]:
        return compiled(either(phrase for each in phrases for phrase in each))

    return _Phrasebook(
        tuple((command, all_of([phrases])) for each in spoken for command, phrases in each.commands.items()),
        tuple((command, all_of([phrases])) for each in spoken for command, phrases in each.follow_ups.items()),
        all_of([each.yes for each in spoken]),
        all_of([each.no for each in spoken]),
        all_of([each.helpful for each in spoken]),
        all_of([each.unhelpful for each in spoken]),
    )
