"""The library's data files: passages by topic, the talk around them, exercises, and the cues a message is read by.

Every file is TOML that a clinician can read and sign: `[meta]` holds what all its passages share, each `[[passage]]`
its own text, `reviewed_by` and `version`; a `[[case]]` is signed as a whole. A fault in a file is one `LibraryError`
that names the file.
"""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from config import Language
from engine.library.index import plain
from engine.types import Level, Passage

STRATEGIES = ("question", "reflection", "validation", "affirmation", "information", "suggestion", "choices")
CHECK = "check"  # of the topic `safety` alone: asks whether somebody is in danger

CASE_STRATEGIES = ("reflection", "information", "suggestion", "question")  # the parts of the answer to a case


class LibraryError(Exception):
    """A data file of the library is unreadable or incomplete. The message names the file and what is wrong."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A passage with the words of the situation it is for. An empty `when` fits the whole topic."""

    passage: Passage
    when: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Situation:
    """Something that people tell of, and the texts for it.

    A message tells of it if it holds a phrase of each group in `words`, or if `pattern` is found in it; one that
    `follows` counts only when the conversation is about its topic already. `hits` and `misses` are examples that the
    tests run.
    """

    name: str
    follows: bool
    words: tuple[tuple[str, ...], ...]
    pattern: re.Pattern[str] | None
    passages: tuple[Passage, ...]
    hits: tuple[str, ...]
    misses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """A trouble that people write about, such as a partner gone cold, with all the parts of an answer to it.

    A sentence names the case if it holds a phrase of each group of one of `names`, and none of `unless`; `hints` only
    make it likelier. `hits` and `misses` are examples that the tests run.
    """

    name: str
    topic: str
    names: tuple[tuple[frozenset[str], ...], ...]
    unless: frozenset[str]
    hints: frozenset[str]
    passages: tuple[Passage, ...]
    hits: tuple[str, ...]
    misses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic in one language: its passages, and what it is recognised by.

    A strong cue names the topic by itself (`divorce`); a plain one only goes with it (`housework`).
    """

    name: str
    title: str
    language: Language
    strong_cues: tuple[str, ...]
    cues: tuple[str, ...]
    examples: tuple[str, ...]
    audience: str
    entries: tuple[Entry, ...]
    situations: tuple[Situation, ...]


@dataclass(frozen=True, slots=True)
class Exercise:
    """A mindfulness or grounding exercise, given in chat one step at a time."""

    id: str
    language: Language
    title: str
    kind: str
    minutes: int
    steps: tuple[str, ...]
    contraindications: str
    topics: tuple[str, ...]
    sources: tuple[str, ...] = ()
    reviewed_by: str = ""
    version: int = 1


def load_topics(language: Language) -> tuple[Topic, ...]:
    """Every topic of a language, in the order of the file names. Raises LibraryError."""
    return tuple(_topic(path, language) for path in _files("passages", language.value))


def load_everyday(language: Language) -> tuple[Situation, ...]:
    """What people tell of whatever the topic, such as a fear or somebody's silence. Raises LibraryError."""
    read = [(path, _read(path)) for path in _files("everyday", language.value)]
    try:
        read.sort(key=lambda item: item[1]["meta"]["order"])
    except KeyError as error:
        raise LibraryError(f"engine/library/everyday/{language.value}: {error} is missing from a file") from error
    return tuple(situation for path, data in read for situation in _situations(path, data, language))


def load_cases(language: Language) -> tuple[Case, ...]:
    """The troubles that have answers of their own. Raises LibraryError."""
    return tuple(case for path in _files("cases", language.value) for case in _cases(path, _read(path), language))


def load_talk(language: Language) -> tuple[Passage, ...]:
    """What is said around the topics: greetings, answers about the bot, frames of a reflection. Raises LibraryError."""
    path = _data("talk") / f"{language.value}.toml"
    return tuple(entry.passage for entry in _entries(path, _read(path), language))


def load_exercises(language: Language) -> tuple[Exercise, ...]:
    """Every exercise of a language. Raises LibraryError."""
    path = _data("exercises") / f"{language.value}.toml"
    try:
        return tuple(
            Exercise(
                id=item["id"],
                language=language,
                title=item["title"],
                kind=item["kind"],
                minutes=item["minutes"],
                steps=tuple(item["steps"]),
                contraindications=item["contraindications"],
                topics=tuple(item["topics"]),
                sources=tuple(item["sources"]),
                reviewed_by=item["reviewed_by"],
                version=item["version"],
            )
            for item in _read(path)["exercise"]
        )
    except KeyError as error:
        raise LibraryError(f"{path}: an exercise lacks {error}") from error


def load_cues(language: Language) -> dict[str, Any]:
    """The patterns by which a message is read. Raises LibraryError."""
    return _read(_data("cues") / f"{language.value}.toml")


def _topic(path: Traversable, language: Language) -> Topic:
    data = _read(path)
    try:
        meta = data["meta"]
        return Topic(
            name=meta["topic"],
            title=meta["title"],
            language=language,
            strong_cues=tuple(meta["strong_cues"]),
            cues=tuple(meta["cues"]),
            examples=tuple(meta["examples"]),
            audience=meta["audience"],
            entries=tuple(_entries(path, data, language)),
            situations=tuple(_situations(path, data, language)),
        )
    except KeyError as error:
        raise LibraryError(f"{path}: {error} is missing from [meta]") from error


def _entries(path: Traversable, data: dict[str, Any], language: Language) -> Iterator[Entry]:
    try:
        for item in data["passage"]:
            yield Entry(_passage(item, data["meta"], language), tuple(item.get("when", ())))
    except (KeyError, ValueError) as error:
        raise LibraryError(f"{path}: a passage or [meta] lacks or misnames {error}") from error


def _situations(path: Traversable, data: dict[str, Any], language: Language) -> Iterator[Situation]:
    try:
        for item in data.get("situation", ()):
            yield Situation(
                name=item["name"],
                follows=item.get("follows", False),
                words=tuple(tuple(group) for group in item.get("words", ())),
                pattern=re.compile("|".join(item["patterns"])) if "patterns" in item else None,
                passages=tuple(_passage(passage, data["meta"], language) for passage in item["passage"]),
                hits=tuple(item["hits"]),
                misses=tuple(item["misses"]),
            )
    except (KeyError, ValueError, re.error) as error:
        raise LibraryError(f"{path}: a situation or [meta] lacks or misnames {error}") from error


def _cases(path: Traversable, data: dict[str, Any], language: Language) -> Iterator[Case]:
    try:
        for item in data["case"]:
            meta = data["meta"] | {"topic": item["topic"]}
            yield Case(
                name=item["name"],
                topic=item["topic"],
                names=tuple(_groups(name, language) for name in item["names"]),
                unless=frozenset(plain(word, language) for word in item.get("unless", ())),
                hints=frozenset(plain(word, language) for word in item.get("hints", ())),
                passages=tuple(_case_passages(item, meta, language)),
                hits=tuple(item["hits"]),
                misses=tuple(item["misses"]),
            )
    except (KeyError, ValueError) as error:
        raise LibraryError(f"{path}: a case or [meta] lacks or misnames {error}") from error


def _case_passages(item: dict[str, Any], meta: dict[str, Any], language: Language) -> Iterator[Passage]:
    """The texts of a case, which is signed as a whole."""
    signed = {"reviewed_by": item["reviewed_by"], "version": item["version"]}
    for strategy in CASE_STRATEGIES:
        for number, text in enumerate(item[strategy], 1):
            name = f"{language.value}.{meta['topic']}.case.{item['name']}.{strategy}.{number}"
            yield _passage({"id": name, "strategy": strategy, "text": text, **signed}, meta, language)


def _groups(name: str, language: Language) -> tuple[frozenset[str], ...]:
    """`boyfriend|husband & cold|distant`: groups of phrases, of each of which one must be there."""
    return tuple(frozenset(plain(word.strip(), language) for word in group.split("|")) for group in name.split(" & "))


def _passage(item: dict[str, Any], meta: dict[str, Any], language: Language) -> Passage:
    """A passage, with what the file says about all of its passages. Raises KeyError, ValueError."""
    return Passage(
        id=item["id"],
        language=language,
        topic=meta["topic"],
        strategy=item["strategy"],
        text=item["text"],
        audience=item.get("audience", meta["audience"]),
        level=Level(item.get("level", meta["level"])),
        sources=tuple(meta["sources"]),
        reviewed_by=item["reviewed_by"],
        version=item["version"],
    )


def _data(folder: str) -> Traversable:
    return files("engine.library") / folder


def _files(*folders: str) -> list[Traversable]:
    folder = _data(folders[0])
    for name in folders[1:]:
        folder = folder / name
    found = [path for path in folder.iterdir() if path.name.endswith(".toml")]
    return sorted(found, key=lambda path: path.name)


def _read(path: Traversable) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise LibraryError(f"{path}: {error}") from error
