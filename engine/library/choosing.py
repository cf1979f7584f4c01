"""Chooses passages for one message: what was written for what it tells of, then for its topic, then for anybody.

A text that assumes what was never said is worse than a plain one. So a reflection of a topic is only used when this
very message is about it, and a topic that is merely guessed at counts for nothing.
"""

from collections.abc import Iterable, Iterator, Sequence

from config import Language
from engine.library.cases import Found
from engine.library.data import CHECK, Case, Entry, Situation
from engine.library.draft import Draft
from engine.library.library import GENERAL, Shelf
from engine.library.memory import Memory
from engine.types import Level, Passage

SAFETY = "safety"  # the topic for whoever is in danger and waits for a person
SAFETY_OTHER = "safety_other"  # the topic for whoever fears for somebody else

_STORY = {Language.ZH: 90, Language.EN: 60}  # characters or words
_REMEMBERED = 6  # earlier messages of the user that count for the topic
_CLEAR = 4.9  # a score from which a message is about a case
_BESIDE = 6.5  # from which it is about a second one, too
_FADE = 0.75  # what is left of their weight with each message that clearly names a topic again
_NAMED = 5.0  # a score from which a message clearly names a topic
_MOST = 15.0  # the most that one earlier message counts
_CLOSE = 0.6  # a second topic counts when it reaches this part of the first
_OPENERS = 3  # so many of the general questions, the first ones, suit somebody who has said nothing yet
_SURE = 1.4  # how many times as much as the next topic the main one must score before it is advised on
_RECEIVING = ("reflection", "validation")  # strategies that say what was heard
_ASSUMING = ("information", "suggestion")  # strategies that are wrong when the topic is


class Chooser:
    """Finds passages for a message that neither the conversation nor the draft holds yet."""

    def __init__(self, shelf: Shelf, memory: Memory, text: str, level: Level, draft: Draft) -> None:
        self._shelf = shelf
        self._memory = memory
        self._text = text
        self._level = level
        self._draft = draft
        self._everyday = shelf.everyday(text)
        self._here, found = shelf.survey(text)
        self.cases = _clear_cases(found)
        surveys = [shelf.survey(said) for said in memory.user_texts[-_REMEMBERED:]]
        earlier = [topics for topics, _ in surveys]
        before = _named_topics(_gathered(earlier))
        told = [(topic, one) for topic, one in shelf.situations(text) if topic in before or not one.follows]
        if self.cases:
            told = [(topic, one) for topic, one in told if topic == self.cases[0].topic and not self._is_story]
        elif self._is_story:
            told = [(topic, one) for topic, one in told if topic == next(iter(self._here), "")]
        self._told = [one for _, one in told]
        self._told_topics = {topic for topic, _ in told}
        self._scores = _gathered([*earlier, self._here])
        self.topics = sorted(_named_topics(self._scores), key=lambda topic: topic not in self._told_topics) or [GENERAL]
        self._earlier_cases = [
            one.case
            for _, found in reversed(surveys)
            for one in found
            if one.score >= _CLEAR and one.case.topic in self.topics
        ]
        self._looked_up = shelf.plain(text)
        self._relevance = shelf.relevance(text)

    @property
    def main_topic(self) -> str:
        """The topic of what the message tells of, else the one most spoken of; GENERAL if none is clear."""
        return self.topics[0]

    @property
    def is_named(self) -> bool:
        """Whether this very message is clearly about the main topic."""
        return self._here.get(self.main_topic, 0.0) >= _NAMED

    @property
    def is_sure(self) -> bool:
        """Whether no other topic comes near the main one."""
        scores = sorted(self._scores.values(), reverse=True)
        return len(scores) < 2 or scores[0] >= _SURE * scores[1]

    @property
    def tells_nothing(self) -> bool:
        """Whether the message tells of no situation that the library knows."""
        return not self._told and not self._everyday

    @property
    def _is_story(self) -> bool:
        """Whether the message is so long that a single sentence in it seldom says what it is about."""
        return self._shelf.reader.size(self._text) >= _STORY[self._shelf.language]

    def of_case(self, strategy: str, number: int = 0) -> Passage | None:
        """A passage for the surest case that the message names, or for the next."""
        return self._first((strategy,), (case.passages for case in self.cases[number : number + 1]))

    def closing_question(self) -> Passage | None:
        """A question for the case, else for the topic when that is sure, else one that suits anybody."""
        for_topic = [self._general(self.main_topic)] if self.is_sure else []
        of_case = self.of_case("question") or self.told("question")
        return of_case or self._first(("question",), for_topic) or self.for_anybody("question")

    def for_anybody(self, strategy: str) -> Passage | None:
        """A passage that is wrong for nobody."""
        return self._first((strategy,), [self._general(GENERAL)])

    def steps(self, number: int, most: int) -> list[Passage]:
        """What somebody in a case can do, at most so much, in the order in which it was written."""
        passages = (passage for case in self.cases[number : number + 1] for passage in case.passages)
        return [one for one in passages if one.strategy == "suggestion" and self._may_use(one)][:most]

    def told(self, *strategies: str) -> Passage | None:
        """A passage for a situation of a topic that the message tells of."""
        return self._first(strategies, (one.passages for one in self._told))

    def everyday(self, text: str, *strategies: str) -> Passage | None:
        """A passage for what the message, or `text` out of it, tells of whatever its topic.

        What is asked afterwards goes on from there.
        """
        self._everyday = self._shelf.everyday(text)
        for one in self._everyday:
            if found := [
                passage for passage in one.passages if passage.strategy in strategies and self._may_use(passage)
            ]:
                return max(found, key=self._rank)
        return None

    def pick(self, strategy: str, only_fitting: bool = False, unlike: Sequence[Passage] = ()) -> Passage | None:
        """The passage that fits best; with `only_fitting` none that is for a whole topic or for anybody."""
        sources = self._sources(strategy, only_fitting)
        return self._first((strategy,), ([one for one in source if one not in unlike] for source in sources))

    def safety(self, strategy: str, about_other: bool) -> Passage | None:
        """A passage for somebody in danger, or who fears for somebody; what matters most stands first in the file."""
        topic = SAFETY_OTHER if about_other else SAFETY
        found = (entry.passage for entry in self._shelf.topics[topic].entries)
        return next((passage for passage in found if passage.strategy == strategy and self._may_use(passage)), None)

    def check(self) -> Passage | None:
        """A question whether somebody is in danger; None once each of them was asked."""
        found = (entry.passage for entry in self._shelf.topics[SAFETY].entries)
        return next((one for one in found if one.strategy == CHECK and not self._memory.said(one)), None)

    def fresh(self, passages: Iterable[Passage]) -> Passage | None:
        """One that was not said yet."""
        unused = [passage for passage in passages if not self._memory.said(passage)]
        return self._drawn(unused) if unused else None

    def least_used(self, passages: Sequence[Passage]) -> Passage:
        """One that was not said yet, else any but the last one."""
        return self.fresh(passages) or self._drawn(
            [passage for passage in passages if not self._memory.just_said(passage.text)] or passages
        )

    def weight(self, clause: str) -> float:
        """How much a clause of the message says about what matters in it."""
        cues = self._shelf.cue_count(self.main_topic, clause)
        return 0.5 * min(3, cues) + 0.4 * self._shelf.reader.names_feeling(clause)

    # Where a passage may come from

    def _sources(self, strategy: str, only_fitting: bool) -> Iterator[Sequence[Passage]]:
        yield from (one.passages for one in self._told)
        yield from (case.passages for case in self.cases)
        yield from (one.passages for one in self._everyday)
        yield from ([passage] for passage in self._fitting(strategy))
        if only_fitting:
            return
        if strategy not in _RECEIVING:
            yield from (one.passages for one in self._told_earlier())
            yield from (case.passages for case in self._earlier_cases)
        if self._may_assume(strategy):
            yield self._general(self.main_topic)
        if self.main_topic == GENERAL or strategy not in _ASSUMING:
            yield self._general(GENERAL)

    def _may_assume(self, strategy: str) -> bool:
        """Whether a text that is for the whole topic may be used, although only part of it may fit."""
        if strategy in _ASSUMING:
            return self._memory.turn > 0 or self.is_sure
        return strategy not in _RECEIVING or self.is_named

    def _told_earlier(self) -> Iterator[Situation]:
        """Situations that the user told of before, the last first."""
        for text in reversed(self._memory.user_texts[-_REMEMBERED:]):
            yield from (one for topic, one in self._shelf.situations(text) if topic in self.topics or not one.follows)

    def _fitting(self, strategy: str) -> list[Passage]:
        """Passages of near topics written for what the message mentions, the best first."""
        near = [topic for topic in self.topics if topic in self._told_topics] or self.topics[:2]
        fits = [
            (self._fitness(topic, entry), entry.passage.id, entry.passage)
            for topic in near
            for entry in self._shelf.topics[topic].entries
            if entry.passage.strategy == strategy and self._shelf.fits(entry, self._looked_up)
        ]
        return [passage for _, _, passage in sorted(fits, reverse=True)]

    def _general(self, topic: str) -> list[Passage]:
        """What a topic holds for everybody whom it concerns."""
        found = [entry.passage for entry in self._shelf.topics[topic].entries if not entry.when]
        if topic == GENERAL and self._memory.turn == 0:
            questions = [passage for passage in found if passage.strategy == "question"][:_OPENERS]
            found = [passage for passage in found if passage.strategy != "question"] + questions
        return found

    def _first(self, strategies: Sequence[str], sources: Iterable[Sequence[Passage]]) -> Passage | None:
        """From the first source that has any: of the first strategy that it has."""
        for source in sources:
            usable = [passage for passage in source if self._may_use(passage)]
            for strategy in strategies:
                if found := [passage for passage in usable if passage.strategy == strategy]:
                    return max(found, key=self._rank)
        return None

    def _may_use(self, passage: Passage) -> bool:
        return passage.level >= self._level and not self._draft.holds(passage) and not self._memory.said(passage)

    def _fitness(self, topic: str, entry: Entry) -> float:
        share = self._scores.get(topic, 0.0) / max(self._scores.values(), default=1.0)
        return self._shelf.fits(entry, self._looked_up) + 4.0 * share + 0.1 * self._rank(entry.passage)

    def _rank(self, passage: Passage) -> float:
        return self._relevance.get(passage.id, 0.0) + 4.0 * self._memory.chance(passage.id)

    def _drawn(self, passages: Sequence[Passage]) -> Passage:
        return passages[int(self._memory.chance(passages[0].strategy) * len(passages))]


def _clear_cases(found: Sequence[Found]) -> list[Case]:
    """The case that a message is about, and a second one where that is something else and nearly as clear."""
    clear = [one for one in found if one.score >= _CLEAR]
    beside = [one for one in clear[1:] if one.score >= _BESIDE and one.case.topic != clear[0].case.topic]
    return [one.case for one in clear[:1] + beside[:1]]


def _gathered(found: Sequence[dict[str, float]]) -> dict[str, float]:
    """What messages speak of together. One that names a topic lets the earlier ones fade; any other leaves them."""
    scores: dict[str, float] = {}
    for number, topics in enumerate(found, 1):
        most = float("inf") if number == len(found) else _MOST
        if max(topics.values(), default=0.0) >= _NAMED:
            scores = {name: _FADE * score for name, score in scores.items()}
        for name, score in topics.items():
            scores[name] = scores.get(name, 0.0) + min(score, most)
    return {name: score for name, score in scores.items() if name not in (SAFETY, SAFETY_OTHER)}


def _named_topics(scores: dict[str, float]) -> list[str]:
    """Topics that were clearly named, most spoken of first; one far behind the first is left out."""
    least = max(_CLOSE * max(scores.values(), default=0.0), _NAMED)
    return sorted((name for name, score in scores.items() if score >= least), key=lambda name: -scores[name])
