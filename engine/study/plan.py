"""What a study asks: questions, the answers of several systems to each, and the order in which a rater sees them.

A rater sees no system's name. Training items come first and do not count; then every answer once, in an order of the
rater's own in which each system stands equally often at each place within a question's answers (a Latin square over
raters; Williams 1949 without the carry-over balance), two answers to one question never next to each other where that
can be helped; then a tenth of them again, to see whether the rater agrees with themselves.
"""

import csv
import json
import math
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from config import ConfigError, Language

AXES = ("helpfulness", "fluency", "relevance", "logic")
"""What is rated from 1 to 5, as in Psy-LLM (arXiv 2307.11991)."""

REPEATS = 0.1
COLUMNS = ("question_id", "lang", "question", "system", "answer", "training")


@dataclass(frozen=True, slots=True)
class Question:
    """What somebody asked. `training`: shown first, to learn the scale; its ratings do not count."""

    id: str
    language: Language
    text: str
    training: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """One answer to rate. `repeat`: shown a second time."""

    question: Question
    system: str
    answer: str
    repeat: bool = False


@dataclass(frozen=True)
class Study:
    """Questions and, for each, one answer of every system."""

    questions: tuple[Question, ...]
    answers: dict[tuple[str, str], str]  # by question id and system

    @property
    def systems(self) -> tuple[str, ...]:
        """The systems compared, by name."""
        return tuple(sorted({system for _, system in self.answers}))

    def item(self, question: Question, system: str, repeat: bool = False) -> Item:
        """The answer of a system to a question."""
        return Item(question, system, self.answers[question.id, system], repeat)


def read_study(path: Path) -> Study:
    """Read a study from CSV or JSON lines with the columns of COLUMNS (`training` may be left out).

    Raises ConfigError naming the file and the row: a missing answer, an unknown language, one system only.
    """
    rows = list(_rows(path))
    if not rows:
        raise ConfigError(f"{path}: holds no answers")
    questions: dict[str, Question] = {}
    answers: dict[tuple[str, str], str] = {}
    for place, row in rows:
        question = _question(row, f"{path}, {place}")
        known = questions.setdefault(question.id, question)
        if known.text != question.text:
            raise ConfigError(f"{path}, {place}: question {question.id} has another text than before")
        system, answer = str(row.get("system") or "").strip(), str(row.get("answer") or "").strip()
        if not system or not answer:
            raise ConfigError(f"{path}, {place}: system and answer are needed")
        if answers.setdefault((question.id, system), answer) != answer:
            raise ConfigError(f"{path}, {place}: {system} answers question {question.id} twice")
    study = Study(tuple(questions.values()), answers)
    _check(study, path)
    return study


def write_study(study: Study, path: Path) -> None:
    """Write a study as CSV, as `read_study` reads it."""
    with path.open("w", encoding="utf-8-sig", newline="") as file:  # with a mark, so that spreadsheets read Chinese
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for (of, system), answer in study.answers.items():
            question = next(q for q in study.questions if q.id == of)
            table.writerow([of, question.language, question.text, system, answer, "yes" if question.training else ""])


def sitting(study: Study, rater: int, languages: Sequence[Language], seed: int = 7) -> list[Item]:
    """What the rater of this number (from 0) sees, in order; the same on every call."""
    chance = random.Random(f"{seed} {rater}")  # noqa: S311  # an order, no secret
    asked = [question for question in study.questions if question.language in languages]
    training = [study.item(q, s) for q in asked if q.training for s in _turned(study.systems, rater)]
    counted = list(enumerate(question for question in asked if not question.training))
    chance.shuffle(counted)
    rounds = [
        [study.item(question, _turned(study.systems, rater + number)[place]) for number, question in counted]
        for place in range(len(study.systems))
    ]
    items = [item for each in rounds for item in each]
    again = chance.sample(items, math.ceil(REPEATS * len(items))) if items else []
    return [*training, *items, *(study.item(item.question, item.system, repeat=True) for item in again)]


def pairs(study: Study, rater: int, languages: Sequence[Language], seed: int = 7) -> list[tuple[Item, Item]]:
    """Side by side: every two systems' answers to each question, sides and order by chance, the same on every call."""
    chance = random.Random(f"{seed} pairs {rater}")  # noqa: S311
    found = []
    for question in study.questions:
        if question.training or question.language not in languages:
            continue
        for place, one in enumerate(study.systems):
            for other in study.systems[place + 1 :]:
                both = [study.item(question, one), study.item(question, other)]
                chance.shuffle(both)
                found.append((both[0], both[1]))
    chance.shuffle(found)
    return found


def _turned(systems: tuple[str, ...], by: int) -> tuple[str, ...]:
    start = by % len(systems)
    return systems[start:] + systems[:start]


def _rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as UTF-8 ({type(error).__name__})") from None
    if path.suffix == ".jsonl":
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip():
                yield f"line {number}", _object(path, number, line)
        return
    table = csv.DictReader(text.splitlines(keepends=True))
    if missing := set(COLUMNS[:-1]) - set(table.fieldnames or ()):
        raise ConfigError(f"{path}: columns missing: {', '.join(sorted(missing))}")
    for number, row in enumerate(table, 2):
        yield f"row {number}", row


def _object(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ConfigError(f"{path}, line {number}: is not a JSON object")
    return value


def _question(row: dict[str, Any], place: str) -> Question:
    name, text = str(row.get("question_id") or "").strip(), str(row.get("question") or "").strip()
    if not name or not text:
        raise ConfigError(f"{place}: question_id and question are needed")
    if row.get("lang") not in set(Language):
        raise ConfigError(f"{place}: lang is one of {', '.join(Language)}")
    training = str(row.get("training") or "").strip().lower() in ("yes", "true", "1")
    return Question(name, Language(row["lang"]), text, training)


def _check(study: Study, path: Path) -> None:
    if len(study.systems) < 2:
        raise ConfigError(f"{path}: a study compares at least two systems; this file names {study.systems[0]} only")
    for question in study.questions:
        if missing := [system for system in study.systems if (question.id, system) not in study.answers]:
            raise ConfigError(f"{path}: question {question.id} has no answer of {', '.join(missing)}")


def languages_of(study: Study) -> Iterable[Language]:
    """The languages that are asked in, each once."""
    return dict.fromkeys(question.language for question in study.questions)
