"""What the reviewed library answers to written scripts of what users say, as Markdown to be read by people.

The same library and the same scripts give the same pages, so a change of the library shows as a difference of text.
"""

import re
import tomllib
from collections.abc import Iterator
from importlib.resources import files
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from config import ConfigError, Language
from engine.evaluation.asking import make_request
from engine.library import LibraryGenerator
from engine.types import Level, Role, Screener, Turn

_MARKUP = re.compile(r"([\\*_<>#\[\]`|~])")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Page(_Part):
    """The words around the transcripts; one per level above `none` to show beside an answer."""

    title: str
    intro: str
    first: str
    conversations: str
    user: str
    bot: str
    elevated: str
    urgent: str
    emergency: str
    colon: str


class FirstMessage(_Part):
    """Somebody's first message, and who they are."""

    who: str
    text: str


class Conversation(_Part):
    """What one side says in a conversation, whatever is answered."""

    who: str
    turns: Annotated[tuple[str, ...], Field(min_length=1)]


class UserScript(_Part):
    """One language's users."""

    page: Page
    first: tuple[FirstMessage, ...]
    conversation: tuple[Conversation, ...]


def load_script(language: Language) -> UserScript:
    """Read a language's script. Raises ConfigError naming the file."""
    name = f"scripts/{language}.toml"
    try:
        return UserScript.model_validate(
            tomllib.loads(files("engine.evaluation").joinpath(name).read_text(encoding="utf-8"))
        )
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise ConfigError(f"{name}: {error}") from None


def talk(
    texts: tuple[str, ...], language: Language, library: LibraryGenerator, screener: Screener, conversation: str
) -> list[tuple[str, str, Level]]:
    """Each text with its answer and its level, in order; earlier ones are the history of the later ones."""
    history: list[Turn] = []
    exchanges = []
    for text in texts:
        request = make_request(text, screener, history, language, conversation=conversation)
        answer = library.reply(request).text
        history += [Turn(Role.USER, text), Turn(Role.ASSISTANT, answer)]
        exchanges.append((text, answer, request.level))
    return exchanges


def markdown(language: Language, library: LibraryGenerator, screener: Screener) -> str:
    """The page of a language: every first message and every conversation of its script, answered."""
    script = load_script(language)
    page = script.page
    lines = [f"# {page.title}", page.intro, f"## {page.first}"]
    for number, first in enumerate(script.first, 1):
        lines.append(f"### {number}. {first.who}")
        lines += _told(talk((first.text,), language, library, screener, f"first-{number}"), page)
    lines.append(f"## {page.conversations}")
    for number, one in enumerate(script.conversation, 1):
        lines.append(f"### {number}. {one.who}")
        lines += _told(talk(one.turns, language, library, screener, f"conversation-{number}"), page)
    return "\n\n".join(lines) + "\n"


def _told(exchanges: list[tuple[str, str, Level]], page: Page) -> Iterator[str]:
    for text, answer, level in exchanges:
        yield "\n".join(f"> {line}".rstrip() for line in _said(page.user, text, page).split("\n"))
        if level > Level.NONE:
            yield f"*{getattr(page, level)}*"
        yield _said(page.bot, answer, page)


def _said(speaker: str, text: str, page: Page) -> str:
    shown = _MARKUP.sub(r"\\\1", text)
    return f"**{speaker}{page.colon}** {shown}"
