"""What is known about somebody in danger, and what nobody has asked yet, read off a conversation.

A topic is answered by the user's words, by the screener's rules that matched them, or by a short answer to a question
about this topic alone: a yes to two questions says nothing. The last word counts. It says what was said, not what is
true: a counsellor asks.
"""

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files

from pydantic import BaseModel, ConfigDict

from engine.language import to_simplified
from engine.screening.context import Answers
from engine.screening.rules import RULES
from engine.types import Assessment

TOPICS = ("thoughts", "plan", "means", "timeframe", "attempt", "alone", "substance", "minor")

YES, NO, UNCLEAR, ASKED, NOT_ASKED = "yes", "no", "unclear", "asked", "not_asked"
"""What is known of a topic; ASKED: there was no clear answer."""

_LONGEST = 2000  # characters of a message that are looked at


@dataclass(frozen=True, slots=True)
class Line:
    """One message: from the user or not, when, and how the user's was judged."""

    from_user: bool
    text: str
    at: datetime
    judged: Assessment | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a topic: the answer, the words that gave it, and when they were said."""

    topic: str
    answer: str = NOT_ASKED
    quote: str = ""
    at: datetime | None = None


class _Topic(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    rules: tuple[str, ...]
    questions: tuple[str, ...]
    reversed: tuple[str, ...] = ()
    asks: tuple[re.Pattern[str], ...] = ()
    yes: tuple[re.Pattern[str], ...]
    no: tuple[re.Pattern[str], ...]
    beside_danger: bool = False  # statements count in a message that was judged as danger, or after the question

    def asked(self, text: str, questions: Sequence[str]) -> str | None:
        """Whether a text asks about the topic: what a yes to it means."""
        if any(pattern.search(text) for pattern in self.asks) or set(questions) & set(self.questions):
            return YES
        return NO if set(questions) & set(self.reversed) else None

    def told(self, text: str, judged: Assessment | None, asked: bool) -> tuple[str, str] | None:
        """What a user's words say of the topic, with the words. `asked`: they follow a question about it."""
        for piece in judged.evidence if judged and judged.about.value == "self" else ():
            if piece.rule.startswith(self.rules):
                return YES, piece.text
        if self.beside_danger and not asked and not (judged and judged.level.needs_human):
            return None
        for answer, patterns in ((NO, self.no), (YES, self.yes)):
            if found := next((m for p in patterns if (m := p.search(text))), None):
                return answer, found[0]
        return None


def known(talk: Sequence[Line]) -> tuple[Known, ...]:
    """What a conversation, oldest line first, says of each of TOPICS, in their order."""
    found = {name: Known(name) for name in TOPICS}
    asking: Line | None = None  # what the user answers
    for line in talk:
        if not line.from_user:
            asking = line
            for name in _asked(line.text, _answers().asked_in(line.text)):
                if found[name].answer == NOT_ASKED:
                    found[name] = Known(name, ASKED, at=line.at)
            continue
        answered = _answered(line.text, asking.text) if asking else {}
        asked = _asked(asking.text, _answers().asked_in(asking.text)) if asking else {}
        for name, topic in _topics().items():
            if told := topic.told(_plain(line.text), line.judged, name in asked):
                found[name] = Known(name, *told, line.at)
            elif name in answered and (answered[name] != UNCLEAR or found[name].answer not in (YES, NO)):
                found[name] = Known(name, answered[name], line.text, line.at)
        asking = None
    return tuple(found.values())


def _asked(text: str, questions: Sequence[str]) -> dict[str, str]:
    """The topics that a text with these questions asks about, and what a yes means for each."""
    return {name: yes for name, topic in _topics().items() if (yes := topic.asked(_plain(text), questions))}


def _answered(answer: str, question: str) -> dict[str, str]:
    """What a short answer says, by topic. "No" answers the question asked last; a yes to several says nothing."""
    given, questions = _answers().given(answer, question), _answers().asked_in(question)
    if given is None or (given == YES and len(questions) > 1):
        return {}
    asked = _asked(question if len(questions) < 2 else "", questions[-1:])
    if len(asked) != 1:
        return {}
    return {name: _meant(given, yes) for name, yes in asked.items()}


def _meant(given: str, yes_means: str) -> str:
    if given == "unsure":
        return UNCLEAR
    return yes_means if given == YES else NO if yes_means == YES else YES


def _plain(text: str) -> str:
    return to_simplified(text[-_LONGEST:]).lower().replace("’", "'")


@cache
def _topics() -> dict[str, _Topic]:
    table = tomllib.loads(files("engine.understanding").joinpath("known.toml").read_text(encoding="utf-8"))
    return {name: _Topic.model_validate(table[name]) for name in TOPICS}


@cache
def _answers() -> Answers:
    return Answers(RULES / "answers.toml")
