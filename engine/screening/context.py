"""What earlier turns make of a text: answers to the bot's safety questions, and danger that builds up."""

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.screening.normalise import normalise
from engine.screening.patterns import Compiler, Pattern
from engine.types import Category, Level, Role, Turn

_ANSWER_LIMIT = 40  # a longer text says more than yes or no, and is judged as any other


@dataclass(frozen=True, slots=True)
class Question:
    """A safety question: what it looks like, which answer means danger, and how much."""

    id: str
    pattern: Pattern
    danger: str  # yes or no
    level: Level
    unsure: Level
    category: Category


class Answers:
    """Understands short answers to safety questions."""

    def __init__(self, path: Path) -> None:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        compiler = Compiler({})
        self._questions = tuple(
            Question(
                id=row["id"],
                pattern=_required(compiler.union(row["patterns"])),
                danger=row["danger"],
                level=Level(row["level"]),
                unsure=Level(row["unsure"]),
                category=Category(row["category"]),
            )
            for row in table["question"]
        )
        self._yes, self._no, self._unsure = (frozenset(table["answer"][kind]) for kind in ("yes", "no", "unsure"))

    def judge(self, text: str, context: Sequence[Turn]) -> tuple[Level, Category, str] | None:
        """The level, category and question id that a short answer stands for, or None where it answers no question."""
        if not context or context[-1].role is Role.USER or len(text) > _ANSWER_LIMIT:
            return None
        asked = self._asked(context[-1].text)
        answer = self._read(text)
        if not asked or answer is None:
            return None
        # "No" answers the question that was asked last; "yes" may mean any of them.
        candidates = asked if answer == "yes" else asked[-1:]
        worst: tuple[Level, Category, str] = (Level.NONE, asked[-1].category, asked[-1].id)
        for question in candidates:
            level = (
                question.unsure if answer == "unsure" else question.level if answer == question.danger else Level.NONE
            )
            worst = max(worst, (level, question.category, question.id), key=lambda found: found[0].rank)
        return worst

    def _asked(self, text: str) -> list[Question]:
        """The questions in an assistant's text, in the order in which they stand there."""
        plain = normalise(text[-2000:]).text
        found = [
            (max(m.start() for m in q.pattern.regex.finditer(plain)), q)
            for q in self._questions
            if q.pattern.regex.search(plain)
        ]
        return [question for _, question in sorted(found, key=lambda pair: pair[0])]

    def _read(self, text: str) -> str | None:
        """yes, no, unsure, or None."""
        plain = normalise(text).text
        whole = re.sub(r"[\s,.。，!！?？~～…、]+", " ", plain).strip()
        first = re.split(r"[,.。，!！?？~～…、\n]", plain.strip(), maxsplit=1)[0].strip()
        for candidate in (whole, first):
            for kind, words in (("unsure", self._unsure), ("no", self._no), ("yes", self._yes)):
                if candidate in words:
                    return kind
        return None


def _required(pattern: Pattern | None) -> Pattern:
    if pattern is None:
        raise ValueError("a question needs patterns")
    return pattern


def climbed(levels: Sequence[Level]) -> bool:
    """Whether danger builds up: of the last ten texts, the one judged now included, at least five are elevated or
    worse, the last one among them, and the later half holds as many as the earlier one."""
    recent = [level.rank >= Level.ELEVATED.rank for level in levels[-10:]]
    half = len(recent) // 2
    return len(recent) >= 5 and recent[-1] and sum(recent) >= 5 and sum(recent[half:]) >= sum(recent[:half])
