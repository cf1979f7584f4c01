"""What earlier turns make of a text: answers to the bot's safety questions, and danger that builds up."""

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.screening.normalise import normalise
from engine.screening.patterns import Compiler, Pattern
from engine.types import About, Category, Level, Role, Turn

_ANSWER_LIMIT = 40  # a longer text says more than yes or no, and is judged as any other
_PARTICLES = re.compile("[了过着呢的啊呀嗯吧]")


@dataclass(frozen=True, slots=True)
class Question:
    """A safety question: what it looks like, which answer means danger, and how much; and how much after danger."""

    id: str
    pattern: Pattern
    danger: str  # yes or no
    level: Level
    unsure: Level
    after_danger: Level
    category: Category
    about: About

    def level_of(self, answer: str, earlier: Level) -> Level:
        """What an answer (yes, no or unsure) stands for, after texts of which the worst was `earlier`."""
        if answer not in (self.danger, "unsure"):
            return Level.NONE
        level = self.level if answer == self.danger else self.unsure
        return max(level, self.after_danger) if earlier.needs_human else level


@dataclass(frozen=True, slots=True)
class Answered:
    """A short answer, and what it stands for."""

    level: Level
    question: Question


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
                after_danger=Level(row.get("after_danger", Level.NONE)),
                category=Category(row["category"]),
                about=About(row.get("about", About.SELF)),
            )
            for row in table["question"]
        )
        self._yes, self._no, self._unsure = (frozenset(table["answer"][kind]) for kind in ("yes", "no", "unsure"))

    def judge(self, text: str, context: Sequence[Turn], earlier: Level) -> Answered | None:
        """What a short answer stands for after texts of which the worst was `earlier`, or None where it answers no
        question."""
        if not context or context[-1].role is Role.USER or len(text) > _ANSWER_LIMIT:
            return None
        question = normalise(context[-1].text[-2000:]).text
        asked = self._asked(question)
        answer = self._read(normalise(text).text, question)
        if not asked or answer is None:
            return None
        # "No" answers the question that was asked last; "yes" may mean any of them.
        candidates = asked if answer == "yes" else asked[-1:]
        found = [Answered(question.level_of(answer, earlier), question) for question in reversed(candidates)]
        return max(found, key=lambda one: (one.level.rank, one.question.about is About.OTHER))

    def asked_in(self, text: str) -> list[str]:
        """Ids of the safety questions in a text, in the order in which they stand there."""
        return [question.id for question in self._asked(normalise(text[-2000:]).text)]

    def given(self, text: str, question: str) -> str | None:
        """What a short answer says to the text it answers: yes, no, unsure; None for anything longer or else."""
        if len(text) > _ANSWER_LIMIT:
            return None
        return self._read(normalise(text).text, normalise(question[-2000:]).text)

    def _asked(self, text: str) -> list[Question]:
        """The questions in an assistant's normalised text, in the order in which they stand there."""
        found = [
            (max(m.start() for m in q.pattern.regex.finditer(text)), q)
            for q in self._questions
            if q.pattern.regex.search(text)
        ]
        return [question for _, question in sorted(found, key=lambda pair: pair[0])]

    def _read(self, text: str, question: str) -> str | None:
        """yes, no, unsure, or None: by the whole answer, else by its first part, its first word, or its verb."""
        whole = re.sub(r"[\s,.。，!！?？~～…、]+", " ", text).strip()
        first = re.split(r"[,.。，!！?？~～…、\n]", text.strip(), maxsplit=1)[0].strip()
        word = whole.split(" ", maxsplit=1)[0]
        for candidate in (whole, first, word):
            for kind, words in (("unsure", self._unsure), ("no", self._no), ("yes", self._yes)):
                if candidate in words:
                    return kind
        return "yes" if _repeats(word, question) else None


def _repeats(answer: str, question: str) -> bool:
    """Whether an answer is the question's own verb, as Chinese says yes: 他打你吗? 打了."""
    verb = _PARTICLES.sub("", answer)
    return 0 < len(verb) <= 3 and verb[0] > "\u2e80" and verb[0] not in "没不无别未" and verb in question


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
