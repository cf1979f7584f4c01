"""What a language model is shown: the system prompt, the history within its budget, and the user's text as data.

The system prompt is the same for all conversations of a language, so that its keys and values are computed once. All
that changes stands in the last message. Text from outside is escaped, and stands between markers that it cannot close.
"""

import re
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from pydantic import BaseModel, ConfigDict, ValidationError

from config import ConfigError, Language, Script
from engine.types import Level, Request, Role, Turn

MAX_TEXT_CHARS = 2000  # of one text; from a longer one the middle is left out
HISTORY_TOKENS = 1500
REMIND_FROM_TURN = 4  # models drift from their rules over a conversation, so later turns repeat them near the end

Count = Callable[[str], int]

_INSTRUCTION_MARKS = re.compile(r"\[(/?[A-Z_]{3,})\]")  # such as [INST]


@dataclass(frozen=True, slots=True)
class Message:
    """A message for a chat model; `role` is system, user or assistant."""

    role: str
    content: str


class Words(BaseModel):
    """The reviewed texts of one language's prompt."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    system: str
    reminder: str
    elevated: str
    hans: str = ""
    hant: str = ""
    latin: str = ""
    passages: str
    memory: str
    counsellor: str
    note: str
    user: str
    cut: str
    question: str
    answer: str


@cache
def load_words(language: Language) -> Words:
    """Read a language's prompt. Raises ConfigError naming the file."""
    name = f"prompts/{language}.toml"
    try:
        data = tomllib.loads(files("engine.generators").joinpath(name).read_text(encoding="utf-8"))
        return Words.model_validate(data["prompt"])
    except (tomllib.TOMLDecodeError, KeyError, ValidationError) as error:
        raise ConfigError(f"{name}: {error}") from None


def escape(text: str) -> str:
    """The text with nothing in it that a tokenizer or a prompt could take for a control token or a marker."""
    return _INSTRUCTION_MARKS.sub(r"［\1］", text.replace("<", "＜").replace(">", "＞").replace("\x00", ""))


def estimate_tokens(text: str) -> int:
    """Roughly how many tokens a text has: one for a Chinese character, one for four of a Latin script."""
    wide = sum(char > "\u2e7f" for char in text)
    return wide + (len(text) - wide + 3) // 4


def chat(request: Request, history_tokens: int = HISTORY_TOKENS, count: Count = estimate_tokens) -> list[Message]:
    """The messages for a chat model: system, then user and assistant in turn, the user last.

    As much of the history is kept, newest first, as `history_tokens` holds by `count`.
    """
    words = load_words(request.language)
    history = [_as_message(turn, words) for turn in request.history]
    kept = _alternating(_newest(history, history_tokens, count))
    last = Message("user", _last(request, words))
    if kept and kept[-1].role == "user":
        last = Message("user", f"{kept.pop().content}\n{last.content}")
    return [Message("system", words.system.strip()), *kept, last]


def completion(request: Request, history_tokens: int = 300, count: Count = estimate_tokens) -> str:
    """The prompt for a model that only continues texts: questions and answers, the last answer open."""
    words = load_words(request.language)
    turns = [turn for turn in request.history if turn.role != Role.COUNSELLOR]
    history = [_as_message(turn, words) for turn in turns]
    lines = [f"{_label(message, words)}{message.content}\n" for message in _newest(history, history_tokens, count)]
    return f"{''.join(lines)}{words.question}{_shortened(escape(request.text), words)}\n{words.answer}"


def completion_stops(language: Language) -> tuple[str, ...]:
    """What ends the answer of a model that only continues texts: it has begun to ask itself."""
    words = load_words(language)
    return ("\n" + words.question.strip(), words.question.strip(), "\n" + words.answer.strip())


def _label(message: Message, words: Words) -> str:
    return words.question if message.role == "user" else words.answer


def _as_message(turn: Turn, words: Words) -> Message:
    content = _shortened(escape(turn.text), words)
    if turn.role == Role.COUNSELLOR:
        return Message("user", _marked(words.counsellor, content))
    return Message("user" if turn.role == Role.USER else "assistant", content)


def _newest(messages: list[Message], tokens: int, count: Count) -> list[Message]:
    """The newest messages that fit, oldest first."""
    kept: list[Message] = []
    for message in reversed(messages):
        tokens -= count(message.content) + 4  # what a template puts round a message
        if tokens < 0:
            break
        kept.append(message)
    return kept[::-1]


def _alternating(messages: Iterable[Message]) -> list[Message]:
    """Neighbours of one role made into one message, beginning with the user, as chat templates demand."""
    merged: list[Message] = []
    for message in messages:
        if merged and merged[-1].role == message.role:
            merged[-1] = Message(message.role, f"{merged[-1].content}\n{message.content}")
        elif merged or message.role == "user":
            merged.append(message)
    return merged


def _last(request: Request, words: Words) -> str:
    """The user's text with all that this answer needs to know."""
    passages = "\n".join(passage.text for passage in request.passages)
    asked = sum(turn.role == Role.USER for turn in request.history) + 1
    script = {Script.HANS: words.hans, Script.HANT: words.hant, Script.LATIN: words.latin or words.hans}
    parts = [
        _marked(words.passages, _shortened(escape(passages), words)) if passages else "",
        _marked(words.memory, escape("\n".join(request.memory))) if request.memory else "",
        _marked(words.note, _shortened(escape(request.note), words)) if request.note else "",
        words.elevated if request.level >= Level.ELEVATED else "",
        words.reminder if asked >= REMIND_FROM_TURN else "",
        script[request.script],
        _marked(words.user, _shortened(escape(request.text), words)),
    ]
    return "\n".join(part for part in parts if part)


def _marked(name: str, content: str) -> str:
    return f"<{name}>\n{content}\n</{name}>"


def _shortened(text: str, words: Words) -> str:
    """The beginning and the end of a text that is too long."""
    if len(text) <= MAX_TEXT_CHARS:
        return text
    return f"{text[: MAX_TEXT_CHARS * 2 // 3]}{words.cut}{text[-MAX_TEXT_CHARS // 3 :]}"
