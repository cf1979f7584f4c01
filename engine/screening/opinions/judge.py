"""A language model behind an OpenAI-compatible server, asked how dangerous a message is.

The message is data: JSON inside the user's turn, without control tokens. Whatever it talks the model into, the answer
is one of four levels, and a level is only ever raised by it. Any other answer is no opinion.
"""

import hashlib
import json
import tomllib
from collections.abc import Sequence
from contextlib import aclosing
from functools import cache
from importlib.resources import files
from typing import Any

from config import Language
from config.settings import JudgeSettings
from engine.generators.openai import OpenAIClient
from engine.generators.prompt import escape
from engine.language import detect
from engine.types import About, Assessment, Category, Evidence, GeneratorError, Level, OpinionError, Turn

PARAMETERS = {"temperature": 0.0, "response_format": {"type": "json_object"}}
LONGEST = 6000  # characters of a message; from a longer one the middle is left out
EARLIER = 6  # turns before the message that the judge is shown
EARLIER_LONGEST = 600
QUOTED = 300  # characters of the message that are shown to a counsellor
SCORES = {Level.NONE: 0.0, Level.ELEVATED: 0.3, Level.URGENT: 0.8, Level.EMERGENCY: 0.95}
_KEYS = {"level", "category", "about"}


class JudgeOpinion:
    """Implements `engine.types.SecondOpinion`."""

    name = "judge"
    at_once = 16

    def __init__(self, settings: JudgeSettings) -> None:
        digest = hashlib.sha256("".join(_prompts().values()).encode()).hexdigest()[:8]
        self._version = f"{settings.model[:51]}@{digest}"  # as much as the store keeps
        self._client = OpenAIClient(settings, PARAMETERS, "judge")

    async def start(self) -> None:
        """Open the client; the server need not be up yet. Raises OpinionError."""
        try:
            await self._client.start()
        except GeneratorError as error:
            raise OpinionError(str(error)) from None

    async def assess(self, text: str, context: Sequence[Turn] = ()) -> Assessment:
        """Ask the model. Raises OpinionError."""
        try:
            async with aclosing(self._client.stream(question(text, context))) as pieces:
                answer = "".join([piece async for piece in pieces])
        except GeneratorError as error:
            raise OpinionError(str(error)) from None
        level, category, about = read(answer)
        shown = text[:QUOTED]
        evidence = (Evidence(0, len(shown), shown, "opinion:judge"),)
        return Assessment(level, category, SCORES[level], evidence, self._version, about)

    async def close(self) -> None:
        """Close all connections; opinions under way fail."""
        await self._client.close()


def question(text: str, context: Sequence[Turn]) -> list[dict[str, str]]:
    """The messages for the model: the prompt in the language of the text, and what is to be judged, as JSON."""
    found = detect(text)
    prompt = _prompts()[found[0] if found else Language.EN]
    earlier = [{"who": turn.role.value, "text": _shortened(turn.text, EARLIER_LONGEST)} for turn in context[-EARLIER:]]
    material = json.dumps({"earlier": earlier, "text": _shortened(text, LONGEST)}, ensure_ascii=False)
    return [{"role": "system", "content": prompt}, {"role": "user", "content": material}]


def read(answer: str) -> tuple[Level, Category | None, About]:
    """What a judge answered. Raises OpinionError for anything but the object that was asked for."""
    try:
        found = json.loads(answer, object_pairs_hook=_without_repetition)
        if not isinstance(found, dict) or set(found) != _KEYS:
            raise ValueError
        level = Level(found["level"])
        category = None if found["category"] is None else Category(found["category"])
        return level, category or (Category.OTHER if level.needs_human else None), About(found["about"])
    except (ValueError, RecursionError):
        raise OpinionError("the judge's answer is not what it was asked for") from None


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) != len(pairs):
        raise ValueError
    return dict(pairs)


@cache
def _prompts() -> dict[Language, str]:
    data = tomllib.loads(files("engine.screening.opinions").joinpath("judge.toml").read_text(encoding="utf-8"))
    return {language: data["prompt"][language].strip() for language in Language}


def _shortened(text: str, longest: int) -> str:
    """The beginning and the end of a text, with nothing in it that a model could take for the end of its turn."""
    readable = escape(text.encode("utf-8", "replace").decode())
    half = longest // 2
    return readable if len(readable) <= longest else f"{readable[:half]} ... {readable[-half:]}"
