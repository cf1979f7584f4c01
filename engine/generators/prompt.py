"""What a language model is shown: the system prompt, the history within its budget, and the user's text as data.

The system prompt is the same for all conversations of a language, so that its keys and values are computed once. All
that changes stands in the last message. Text from outside is escaped, and stands between markers that it cannot close.
The system prompt and the user's text are always whole; of the history, what does not fit is summed up in a few facts.
"""

import re
import tomllib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files

from pydantic import BaseModel, ConfigDict, ValidationError

from config import ConfigError, Language, Script
from engine.library import load_library, recall
from engine.types import Level, Request, Role, Turn

HISTORY_TOKENS = 1500
TEXT_TOKENS = 500  # of one text of the history, the passages or a note; from a longer one the middle is left out
SUMMARY_TOKENS = 150  # kept free for what older turns were about
MESSAGE_TOKENS = 4  # what a template puts round a message
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
    earlier: str
    earlier_topics: str
    earlier_feelings: str
    earlier_people: str
    earlier_exercises: str
    earlier_counsellor: str
    separator: str
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
    """About how many tokens a text has: one for a Chinese character, three for an emoji, one for four Latin letters."""
    wide = sum(char > "\u2e7f" for char in text)
    astral = sum(char > "\uffff" for char in text)
    return wide + 2 * astral + (len(text) - wide + 3) // 4


def chat(request: Request, history_tokens: int = HISTORY_TOKENS, count: Count = estimate_tokens) -> list[Message]:
    """The messages for a chat model: system, then user and assistant in turn, the user last.

    As much of the history is kept, newest first, as `history_tokens` holds by `count`; older turns are summed up.
    """
    words = load_words(request.language)
    kept, summary = _history(request, history_tokens, count)
    messages = _alternating(kept)
    last = Message("user", _last(request, words, summary, count))
    if messages and messages[-1].role == "user":
        last = Message("user", f"{messages.pop().content}\n{last.content}")
    return [Message("system", words.system.strip()), *messages, last]


def completion(request: Request, history_tokens: int = 300, count: Count = estimate_tokens) -> str:
    """The prompt for a model that only continues texts: questions and answers, the last answer open."""
    words = load_words(request.language)
    turns = tuple(turn for turn in request.history if turn.role != Role.COUNSELLOR)
    kept, summary = _history(replace(request, history=turns), history_tokens, count)
    lines = [f"{_label(message, words)}{message.content}\n" for message in kept]
    before = f"{summary}\n" if summary else ""
    return f"{before}{''.join(lines)}{words.question}{escape(request.text)}\n{words.answer}"


def completion_stops(language: Language) -> tuple[str, ...]:
    """What ends the answer of a model that only continues texts: it has begun to ask itself."""
    words = load_words(language)
    return ("\n" + words.question.strip(), words.question.strip(), "\n" + words.answer.strip())


def _label(message: Message, words: Words) -> str:
    return words.question if message.role == "user" else words.answer


def _history(request: Request, tokens: int, count: Count) -> tuple[list[Message], str]:
    """The newest turns that fit, oldest first, and what the older ones were about. Together within `tokens`."""
    words = load_words(request.language)
    messages = [_as_message(turn, words, count) for turn in request.history]
    costs = [count(message.content) + MESSAGE_TOKENS for message in messages]
    if sum(costs) <= tokens:
        return messages, ""
    reserved = SUMMARY_TOKENS if tokens >= 2 * SUMMARY_TOKENS else 0
    first = len(messages)
    while first and sum(costs[first - 1 :]) <= tokens - reserved:
        first -= 1
    summary = _summary(request.history[:first], request.language) if reserved else ""
    return messages[first:], summary if count(summary) <= reserved else ""


def _summary(turns: Sequence[Turn], language: Language) -> str:
    """A few facts about turns that are left out, in sentences; empty if none is known."""
    words = load_words(language)
    found = recall(load_library(), turns, language)
    sentences = [
        (words.earlier_topics, found.topics),
        (words.earlier_feelings, found.feelings),
        (words.earlier_people, found.people),
        (words.earlier_exercises, found.exercises),
    ]
    known = [sentence.format(names=words.separator.join(names)) for sentence, names in sentences if names]
    return "\n".join([*known, *([words.earlier_counsellor] if found.with_counsellor else [])])


def _as_message(turn: Turn, words: Words, count: Count) -> Message:
    content = _shortened(escape(turn.text), words, count)
    if turn.role == Role.COUNSELLOR:
        return Message("user", _marked(words.counsellor, content))
    return Message("user" if turn.role == Role.USER else "assistant", content)


def _alternating(messages: Iterable[Message]) -> list[Message]:
    """Neighbours of one role made into one message, beginning with the user, as chat templates demand."""
    merged: list[Message] = []
    for message in messages:
        if merged and merged[-1].role == message.role:
            merged[-1] = Message(message.role, f"{merged[-1].content}\n{message.content}")
        elif merged or message.role == "user":
            merged.append(message)
    return merged


def _last(request: Request, words: Words, summary: str, count: Count) -> str:
    """The user's text with all that this answer needs to know."""
    passages = "\n".join(passage.text for passage in request.passages)
    asked = sum(turn.role == Role.USER for turn in request.history) + 1
    script = {Script.HANS: words.hans, Script.HANT: words.hant, Script.LATIN: words.latin or words.hans}
    parts = [
        _marked(words.earlier, escape(summary)) if summary else "",
        _marked(words.passages, _shortened(escape(passages), words, count)) if passages else "",
        _marked(words.memory, escape("\n".join(request.memory))) if request.memory else "",
        _marked(words.note, _shortened(escape(request.note), words, count)) if request.note else "",
        words.elevated if request.level >= Level.ELEVATED else "",
        words.reminder if asked >= REMIND_FROM_TURN else "",
        script[request.script],
        _marked(words.user, escape(request.text)),
    ]
    return "\n".join(part for part in parts if part)


def _marked(name: str, content: str) -> str:
    return f"<{name}>\n{content}\n</{name}>"


def _shortened(text: str, words: Words, count: Count) -> str:
    """The beginning and the end of a text that is too long."""
    kept, tokens = len(text), count(text)
    shorter = text
    while tokens > TEXT_TOKENS:
        kept = min(kept * TEXT_TOKENS // tokens, kept - 1)
        shorter = f"{text[: kept * 2 // 3]}{words.cut}{text[len(text) - kept // 3 :]}"
        tokens = count(shorter)
    return shorter
