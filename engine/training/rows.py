"""Reads what a model is trained on, one row at a time: texts and dialogues, thumbs and edits.

| stage | files of the folder | a row |
|---|---|---|
| text, chat | `train.jsonl`, `valid.jsonl` | `text`, or `messages` of `role` and `content` |
| preferences | `thumbs.jsonl`, for KTO | `messages` up to the user's last, `answer`, `helpful`: true or false |
| preferences | `edits.jsonl`, for DPO | `messages` up to the user's last, `draft`, `edited` |

`psyllm data prepare` writes the first two. A row of preferences counts only with `"consent": true`. Its `person`, any
opaque id, keeps rows of one person together: every tenth person is held back to measure on.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from config import ConfigError, Language, Script
from engine.language import detect
from engine.types import Request, Role, Turn

_VALID_SHARE = 10  # every tenth person


@dataclass(frozen=True, slots=True)
class Text:
    """A text that is no conversation."""

    text: str


@dataclass(frozen=True, slots=True)
class Dialogue:
    """Turns of user and assistant; a question with its answer is one of two turns."""

    turns: tuple[Turn, ...]
    language: Language
    script: Script

    def answers(self) -> Iterator[tuple[Request, str]]:
        """Each answer with what it answers and all that was said before."""
        for number, turn in enumerate(self.turns):
            if turn.role == Role.ASSISTANT and number and self.turns[number - 1].role == Role.USER:
                yield self.request(number - 1), turn.text

    def request(self, number: int) -> Request:
        """The user's turn of that number as it reaches a generator."""
        return Request(self.turns[number].text, self.language, self.script, self.turns[:number])


@dataclass(frozen=True, slots=True)
class Thumb:
    """An answer, and whether a person called it helpful."""

    request: Request
    answer: str
    helpful: bool


@dataclass(frozen=True, slots=True)
class Edit:
    """A draft, and what a counsellor made of it."""

    request: Request
    draft: str
    edited: str


@dataclass(slots=True)
class Preferences:
    """Rows with consent, by split, and how many were left out because they had none."""

    kind: Literal["thumbs", "edits"]
    train: list[Thumb | Edit] = field(default_factory=list)
    valid: list[Thumb | Edit] = field(default_factory=list)
    without_consent: int = 0


def read_corpus(path: Path) -> Iterator[Text | Dialogue]:
    """The texts and dialogues of a prepared file; nothing if there is no such file. Raises ConfigError."""
    for place, row in _objects(path):
        if isinstance(row.get("text"), str):
            yield Text(row["text"])
        elif isinstance(row.get("messages"), list):
            yield _dialogue(row["messages"], place)
        else:
            raise ConfigError(f"{place}: holds neither text nor messages; prepare the files with psyllm data prepare")


def read_preferences(folder: Path) -> Preferences:
    """The thumbs or the edits of a folder. Raises ConfigError."""
    found = [kind for kind in ("thumbs", "edits") if (folder / f"{kind}.jsonl").is_file()]
    if len(found) != 1:
        fault = "both thumbs.jsonl and edits.jsonl" if found else "neither thumbs.jsonl nor edits.jsonl"
        raise ConfigError(f"{folder}: holds {fault}; preferences are learned from one of them at a time")
    kind: Literal["thumbs", "edits"] = "thumbs" if found == ["thumbs"] else "edits"
    preferences = Preferences(kind)
    for place, row in _objects(folder / f"{kind}.jsonl"):
        if row.get("consent") is not True:
            preferences.without_consent += 1
            continue
        read = _thumb(row, place) if kind == "thumbs" else _edit(row, place)
        whose = row.get("person") or json.dumps(row["messages"], ensure_ascii=False)
        (preferences.valid if _is_held_back(str(whose)) else preferences.train).append(read)
    if not preferences.train:
        raise ConfigError(f"{folder}: no row to learn from; {preferences.without_consent} have no consent")
    return preferences


def _thumb(row: dict[str, Any], place: str) -> Thumb:
    if not isinstance(row.get("helpful"), bool):
        raise ConfigError(f"{place}: helpful is true or false")
    return Thumb(_asked(row, place), _said(row, "answer", place), row["helpful"])


def _edit(row: dict[str, Any], place: str) -> Edit:
    return Edit(_asked(row, place), _said(row, "draft", place), _said(row, "edited", place))


def _said(row: dict[str, Any], key: str, place: str) -> str:
    if not isinstance(row.get(key), str) or not row[key].strip():
        raise ConfigError(f"{place}: {key} is missing")
    return str(row[key]).strip()


def _asked(row: dict[str, Any], place: str) -> Request:
    if not isinstance(row.get("messages"), list) or not row["messages"]:
        raise ConfigError(f"{place}: messages is missing")
    dialogue = _dialogue(row["messages"], place)
    if dialogue.turns[-1].role != Role.USER:
        raise ConfigError(f"{place}: the last of the messages must be the user's")
    return dialogue.request(len(dialogue.turns) - 1)


def _dialogue(messages: list[Any], place: str) -> Dialogue:
    try:
        turns = tuple(
            Turn(Role(each["role"]), each["content"].strip()) for each in messages if each["role"] != "system"
        )
    except (TypeError, KeyError, ValueError, AttributeError):
        raise ConfigError(f"{place}: each of the messages has a role, user or assistant, and content") from None
    asked = "\n".join(turn.text for turn in turns if turn.role == Role.USER)
    language, script = detect(asked) or (Language.EN, Script.LATIN)
    return Dialogue(turns, language, script)


def _objects(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of a file, each with its place for faults: a name and a number, never the text."""
    if not path.is_file():
        return
    with path.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            place = f"{path}: line {number}"
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                row = None
            if not isinstance(row, dict):
                raise ConfigError(f"{place} is not a JSON object")
            yield place, row


def _is_held_back(whose: str) -> bool:
    return hashlib.sha256(whose.encode("utf-8", "replace")).digest()[0] % _VALID_SHARE == 0
