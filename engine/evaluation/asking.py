"""A text with its history made into a Request, as the path of a message does it."""

from collections.abc import Sequence

from config import Language, Script
from engine.language import detect
from engine.types import Request, Role, Screener, Turn


def make_request(
    text: str,
    screener: Screener,
    history: Sequence[Turn] = (),
    language: str = "",
    default: Language = Language.ZH,
    conversation: str = "",
) -> Request:
    """The request for an answer to `text`.

    Without `language` the text decides it, else the user's last text that tells one, else `default`.
    """
    turns = tuple(history)
    said = (detect(turn.text, language) for turn in reversed(turns) if turn.role == Role.USER)
    previous = next((found for found in said if found), None)
    found, script = detect(text, language, previous) or previous or (default, Script.HANS)
    chosen = Language(language) if language else found
    if chosen is Language.EN:
        script = Script.LATIN
    elif script is Script.LATIN:
        script = Script.HANS
    judged = screener.assess(text, turns)
    return Request(
        text,
        chosen,
        script,
        turns,
        judged.level,
        conversation=conversation,
        unsure=judged.unsure,
    )
