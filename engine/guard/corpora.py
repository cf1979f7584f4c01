"""Labelled answers, read from JSON lines: `text`, `lang`, `bad`, `kinds`, `near` (see the corpus' README)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from config import Language, load_texts
from engine.library.data import load_cases, load_everyday, load_exercises, load_talk, load_topics
from engine.linear.corpora import BLOCK, read_lines

CORPUS = Path(__file__).parent / "corpus"
_NEVER_HELD_BACK = 1  # a block that training always learns from


@dataclass(frozen=True, slots=True)
class Row:
    """An answer and what is wrong with it. `near`: the kind that its writer had in mind, also of a good one."""

    text: str
    language: Language
    bad: bool
    kinds: tuple[str, ...] = ()
    near: str = ""
    block: int = 0
    line: int = 0


def read_answers(paths: Iterable[Path]) -> list[Row]:
    """Every row of the files, in order. Raises CorpusError."""
    return [row for path in paths for row in read_lines(path, _row)]


def own_answers() -> list[Row]:
    """All that the project trains on: its corpus, and what it says itself. Raises CorpusError or LibraryError.

    Phrases were made by varying patterns and resemble each other, so no block of them is held back.
    """
    phrases = sorted(CORPUS.glob("phrases.*.jsonl"))
    answers = read_answers(path for path in sorted(CORPUS.glob("*.jsonl")) if path not in phrases)
    return [*answers, *(replace(row, block=_NEVER_HELD_BACK) for row in read_answers(phrases)), *said_answers()]


def said_answers() -> list[Row]:
    """What the reviewed library and the fixed texts say: good answers all. Raises LibraryError or ConfigError."""
    return [
        Row(text, language, bad=False, near=source, block=place // BLOCK)
        for language in Language
        for source, texts in (("library", _library_texts(language)), ("fixed", _fixed_texts(language)))
        for place, text in enumerate(texts)
    ]


def _fixed_texts(language: Language) -> Iterator[str]:
    texts = load_texts(language)
    for key in sorted(texts.keys()):
        fields = dict.fromkeys(texts.fields(key), "…")
        yield from (texts.get(key, variant, **fields) for variant in range(texts.variants(key)))


def _library_texts(language: Language) -> Iterator[str]:
    for topic in load_topics(language):
        yield from (entry.passage.text for entry in topic.entries)
        yield from (passage.text for situation in topic.situations for passage in situation.passages)
    yield from (passage.text for situation in load_everyday(language) for passage in situation.passages)
    yield from (passage.text for case in load_cases(language) for passage in case.passages)
    yield from (passage.text for passage in load_talk(language))
    yield from (step for exercise in load_exercises(language) for step in exercise.steps)


def _row(data: Any, line: int, block: int) -> Row:
    """Raises ValueError that says what is expected."""
    if not isinstance(data, dict) or not isinstance(data.get("text"), str) or not isinstance(data.get("bad"), bool):
        raise ValueError('must be an object like {"text": "...", "lang": "en", "bad": true, "kinds": ["dose"]}')
    kinds = data.get("kinds") or []
    if not isinstance(kinds, list) or bool(kinds) != data["bad"]:
        raise ValueError('"kinds" must be a list that names what is wrong with a bad answer, and nothing of a good one')
    if data.get("lang") not in set(Language):
        raise ValueError(f'"lang" must be one of {", ".join(Language)}')
    return Row(
        text=data["text"],
        language=Language(data["lang"]),
        bad=data["bad"],
        kinds=tuple(str(kind) for kind in kinds),
        near=str(data.get("near") or ""),
        block=block,
        line=line,
    )
