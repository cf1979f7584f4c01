"""Reads the files of a corpus, one document at a time, however large the file is.

| ending | layout |
|---|---|
| `.txt`, `.md` | one document; a long one is cut at blank lines |
| `.html`, `.htm` | the main text of the page |
| `.jsonl` | an object a line |
| `.json` | a list of objects, as PsyQA comes |

An object holds a `text`; or a dialogue (`turns`, `messages` or `conversation` of `role` and `text` or `content`); or a
`question` (with a `description`, if there is one) and an `answer` or several `answers`: each answer is a document.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ijson
import trafilatura

from config import ConfigError

ENDINGS = (".txt", ".md", ".html", ".htm", ".jsonl", ".json")
LONGEST_PIECE = 4000  # characters of a plain text that make one document
_LARGEST_PAGE = 20_000_000  # bytes

TEXT, USER, ASSISTANT = "text", "user", "assistant"
_ROLES = {
    USER: ("user", "client", "visitor", "human", "seeker", "patient", "来访者", "求助者"),
    ASSISTANT: ("assistant", "counsellor", "counselor", "supporter", "therapist", "bot", "gpt", "model", "咨询师"),
}
_ROLE_OF = {name: role for role, names in _ROLES.items() for name in names}


@dataclass(frozen=True, slots=True)
class Part:
    """What one side said. `role`: `user` or `assistant`; `text` for a text that is no conversation."""

    role: str
    text: str


@dataclass(frozen=True, slots=True)
class Document:
    """One text of the corpus, and the file it comes from. A plain text has a single part."""

    source: str
    parts: tuple[Part, ...]

    @property
    def text(self) -> str:
        """Everything that is said, part by part."""
        return "\n".join(part.text for part in self.parts)

    @property
    def question(self) -> str:
        """What is asked first; the whole text where nobody asks."""
        return self.parts[0].text


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Something in a file that is not a document. `reason` says what is wrong with it."""

    source: str
    reason: str


def find_files(paths: list[Path]) -> list[Path]:
    """The corpus files among `paths` and in the folders among them, in order. Raises ConfigError."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(file for file in path.rglob("*") if file.suffix.lower() in ENDINGS and file.is_file())
        elif not path.is_file():
            raise ConfigError(f"{path}: there is no such file")
        elif path.suffix.lower() not in ENDINGS:
            raise ConfigError(f"{path}: its kind is not known; a corpus file ends in {', '.join(ENDINGS)}")
        else:
            found.append(path)
    if not found:
        raise ConfigError(f"no corpus files found; they end in {', '.join(ENDINGS)}")
    return found


def read_documents(path: Path) -> Iterator[Document | Unreadable]:
    """The documents of a file in order; in place of what cannot be read, the reason."""
    read = {".jsonl": _json_lines, ".json": _json_list, ".html": _page, ".htm": _page}.get(path.suffix.lower(), _plain)
    try:
        yield from read(path)
    except OSError as error:
        yield Unreadable(path.name, f"cannot be read ({error.strerror})")
    except ijson.JSONError:
        yield Unreadable(path.name, "is not a list of JSON objects")


def _plain(path: Path) -> Iterator[Document | Unreadable]:
    """Paragraphs gathered until they make a piece."""
    gathered = ""
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            at_break = not line.strip() and len(gathered) >= LONGEST_PIECE // 2
            if at_break or len(gathered) + len(line) > LONGEST_PIECE:
                yield Document(path.name, (Part(TEXT, gathered.strip()),))
                gathered = ""
            while len(line) > LONGEST_PIECE:
                yield Document(path.name, (Part(TEXT, line[:LONGEST_PIECE]),))
                line = line[LONGEST_PIECE:]
            gathered += line
    yield Document(path.name, (Part(TEXT, gathered.strip()),))


def _page(path: Path) -> Iterator[Document | Unreadable]:
    if path.stat().st_size > _LARGEST_PAGE:
        yield Unreadable(path.name, f"is a page of more than {_LARGEST_PAGE // 1_000_000} MB")
        return
    text = trafilatura.extract(path.read_bytes(), include_comments=False, include_tables=False)
    yield Document(path.name, (Part(TEXT, text),)) if text else Unreadable(path.name, "holds no text")


def _json_lines(path: Path) -> Iterator[Document | Unreadable]:
    with path.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                value = json.loads(line)
            except (ValueError, RecursionError):
                yield Unreadable(path.name, f"line {number} is not JSON")
                continue
            yield from _from_object(path.name, f"line {number}", value)


def _json_list(path: Path) -> Iterator[Document | Unreadable]:
    with path.open("rb") as file:
        for number, value in enumerate(ijson.items(file, "item"), 1):
            yield from _from_object(path.name, f"item {number}", value)


def _from_object(source: str, place: str, value: Any) -> Iterator[Document | Unreadable]:
    documents = _documents_in(value) if isinstance(value, dict) else []
    if not documents:
        yield Unreadable(source, f"{place} holds no text, no dialogue and no question with an answer")
    for parts in documents:
        yield Document(source, parts)


def _documents_in(value: dict[str, Any]) -> list[tuple[Part, ...]]:
    if turns := next((value[key] for key in ("turns", "messages", "conversation") if _is_list(value.get(key))), None):
        return _dialogue(turns)
    question = "\n".join(filter(None, (_text(value.get("question")), _text(value.get("description")))))
    if question:
        answers = value.get("answers", value.get("answer"))
        listed = answers if isinstance(answers, list) else [answers]
        told = [_text(a.get("answer_text", a.get("text")) if isinstance(a, dict) else a) for a in listed]
        return [(Part(USER, question), Part(ASSISTANT, answer)) for answer in told if answer]
    text = _text(value.get("text"))
    return [(Part(TEXT, text),)] if text else []


def _dialogue(turns: list[Any]) -> list[tuple[Part, ...]]:
    """The turns of a dialogue, neighbours of one side joined; nothing if a role is unknown."""
    parts: list[Part] = []
    for turn in turns:
        said = turn if isinstance(turn, dict) else {}
        role = _ROLE_OF.get(str(said.get("role", said.get("from", ""))).lower())
        text = _text(said.get("text", said.get("content", said.get("value"))))
        if role is None:
            if str(said.get("role", "")).lower() == "system":
                continue
            return []
        if text and parts and parts[-1].role == role:
            parts[-1] = Part(role, f"{parts[-1].text}\n{text}")
        elif text:
            parts.append(Part(role, text))
    return [tuple(parts)] if parts else []


def _is_list(value: Any) -> bool:
    return isinstance(value, list) and bool(value)


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""
