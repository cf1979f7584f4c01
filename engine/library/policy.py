"""How the library answers: it listens first, advises when asked or when the trouble has a name, and repeats nothing.

The stages follow Hill's helping skills (explore, then insight and action). One to five parts make an answer, of which
at most one asks; each part is a reviewed passage, or the user's own words given back in a reviewed frame.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from config import Language, Script
from engine.language import to_script, to_simplified
from engine.library.data import Entry, Exercise
from engine.library.guide import Guide
from engine.library.library import GENERAL, Library, Shelf
from engine.library.memory import Memory
from engine.library.mirror import Echo
from engine.library.reading import TALK, Reading
from engine.types import Level, Passage, Request

SAFETY = "safety"  # the topic for whoever is in danger and waits for a person
SAFETY_OTHER = "safety_other"  # the topic for whoever fears for somebody else

_LONG = {Language.ZH: 60, Language.EN: 35}  # characters or words from which a message tells a story
_LIMIT = {Language.ZH: 200, Language.EN: 150}  # the same units, for a whole answer
_REMEMBERED = 6  # earlier messages of the user that count for the topic
_FADE = 0.75  # what is left of their weight with each message that clearly names a topic again
_NAMED = 5.0  # a score from which a message clearly names a topic
_MOST = 15.0  # the most that one earlier message counts
_CLOSE = 0.6  # a second topic counts when it reaches this part of the first
_WARMTH = 4  # turns from one word of sympathy for elevated distress to the next
_OPENERS = 3  # so many of the general questions, the first ones, suit somebody who has said nothing yet
_WEAKEST = 2.5  # below this a topic is a guess
_TERSE = {Language.ZH: 11, Language.EN: 7}  # characters or words below which a later message is not given back


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of an answer: the words, the helping strategy, and the id of the passage they come from."""

    text: str
    strategy: str
    passage: str


@dataclass(slots=True)
class Draft:
    """An answer as it grows."""

    parts: list[Part] = field(default_factory=list)

    @property
    def strategies(self) -> tuple[str, ...]:
        """The strategies in the order in which they first come."""
        return tuple(dict.fromkeys(part.strategy for part in self.parts))

    def holds(self, passage: Passage) -> bool:
        """Whether the answer uses a passage already."""
        return any(part.passage == passage.id for part in self.parts)

    def add(self, passage: Passage | None, text: str = "", strategy: str = "") -> bool:
        """Add a passage, or `text` made from it. Nothing is added for None."""
        if passage is not None:
            self.parts.append(Part(text or passage.text, strategy or passage.strategy, passage.id))
        return passage is not None


class Policy:
    """Answers one request from the library. Make one per request."""

    def __init__(self, library: Library, request: Request) -> None:
        self._request = request
        self._shelf: Shelf = library.shelf(request.language)
        self._memory = Memory(request.history, request.script, request.conversation)
        self._text = to_simplified(request.text) if request.script is Script.HANT else request.text
        self._guide = Guide(self._shelf, self._memory)
        self._reading: Reading = self._shelf.reader.read(self._text, follows=self._memory.turn > 0)
        self._scores = self._topic_scores()
        self._topics = self._ranked_topics()
        self._looked_up = self._shelf.plain(self._text)
        self._looked_up_earlier = self._shelf.plain("\n".join(self._memory.user_texts[-3:]))
        self._relevance = self._shelf.relevance(self._text)
        self._draft = Draft()

    def answer(self) -> Draft:
        """The finished answer, in the reader's script."""
        if self._request.level.needs_human:
            self._stay()
        elif not self._exercise():
            if self._reading.intent == TALK:
                self._talk()
            else:
                self._small_answer(self._reading.intent)
        script = self._request.script
        self._draft.parts = [replace(part, text=to_script(part.text, script)) for part in self._draft.parts]
        return self._draft

    # The four ways to answer

    def _stay(self) -> None:
        """While a person is on the way: nothing but what is cleared for this level."""
        safety = SAFETY_OTHER if self._shelf.fears_for_other(self._text) else SAFETY
        first = ("reflection", "validation", "suggestion")
        for strategy in first if self._memory.turn == 0 else ("affirmation", "information"):
            self._draft.add(self._entry(strategy, (self._main_topic, safety)))
        self._draft.add(self._entry("question", (safety,)) or self._entry("reflection", (safety,)))
        if not self._draft.parts:
            self._draft.add(self._least_used([entry.passage for entry in self._shelf.topics[safety].entries]))

    def _exercise(self) -> bool:
        """Start, go on with or end an exercise. False when the message is about something else."""
        text = self._text
        place = self._guide.place()
        if place is not None:
            exercise, number = place
            if self._guide.wants_stop(text):
                return self._small_answer("exercise_stop")
            if self._guide.wants_next(text):
                if number + 1 == len(exercise.steps):
                    return self._small_answer("exercise_end")
                step = self._guide.step(exercise, number + 1)
                return self._draft.add(self._shelf.talk("exercise_step")[0], step, "exercise")
        offered = self._guide.offered()
        if offered is not None and self._guide.agrees(text):
            return self._start(offered)
        return self._reading.intent == "exercise" and self._start(self._guide.choose(self._main_topic, text))

    def _start(self, exercise: Exercise) -> bool:
        return self._draft.add(self._shelf.talk("exercise_start")[0], self._guide.start(exercise), "exercise")

    def _small_answer(self, intent: str) -> bool:
        """Answer thanks, greetings, questions about the bot and the like. A second complaint points to a person."""
        if intent == "complaint" and self._memory.count(self._shelf.talk("complaint")) > 0:
            intent = "complaint_again"
        return self._draft.add(self._least_used(self._shelf.talk(intent)))

    def _talk(self) -> None:
        """Reflect, then comfort, explain, suggest or ask, as the stage of the conversation wants it."""
        reflected = self._reflect()
        for move in self._plan(reflected):
            self._move(move)
        if not self._draft.parts:
            self._draft.add(self._least_used(self._shelf.talk("silence")))
        self._shorten()

    # What to do

    def _plan(self, reflected: bool) -> tuple[str, ...]:
        """The moves after the reflection, in order."""
        asks, turn = self._reading.asks, self._memory.turn
        wants = bool(asks & {"advice", "decision", "counselling"})
        named = self._main_topic != GENERAL or reflected
        if wants and (named or turn > 1):
            if self._is_long and turn == 0:
                return "comfort", "information_if_fits", "suggestion", "second_suggestion", "question"
            return "comfort" if turn == 0 else "answer_ask", "suggestion", "question"
        if asks & {"why", "normal", "diagnosis", "fault"} and named:
            return "comfort", "information", "question"
        if turn < 2:
            idea = "suggestion" if self._scores.get(self._main_topic, 0.0) >= _NAMED else "suggestion_if_fits"
            return ("comfort", idea, "question") if self._is_long else ("comfort", "question")
        if self._request.level is Level.ELEVATED and turn % 3 == 2:
            return "comfort", "offer"
        return (
            ("information", "question"),
            ("affirmation", "suggestion"),
            ("validation", "question"),
            ("affirmation", "choices"),
        )[(turn - 2) % 4]

    def _move(self, move: str) -> None:
        if move == "comfort":
            if not self._answer_ask():
                self._draft.add(self._elevated() or self._entry("validation"))
        elif move == "answer_ask":
            self._answer_ask()
        elif move == "question":
            self._ask()
        elif move == "offer":
            self._offer()
        elif move == "second_suggestion":
            if "information" not in self._draft.strategies:
                self._draft.add(self._entry("suggestion", (self._main_topic,), only_fitting=True))
        elif move.endswith("_if_fits"):
            self._draft.add(self._entry(move.removesuffix("_if_fits"), only_fitting=True))
        elif not self._draft.add(self._entry(move)) and move != "choices":
            self._draft.add(self._entry("affirmation"))

    # Parts

    def _reflect(self) -> bool:
        """Give back the user's own words, else what people with this trouble go through, else the feeling.

        True when the words were the user's own.
        """
        if self._memory.after_counsellor:
            self._draft.add(self._fresh(self._shelf.talk("after_counsellor")))
        later = self._memory.turn > 1 and self._reading.size < _TERSE[self._request.language]
        echoes = [] if later else self._shelf.mirror.echoes(self._text, self._weight)
        if echoes:
            self._give_back(echoes)
        elif not later and not self._draft.add(self._entry("reflection")):
            self._name_feeling()
        return bool(echoes)

    def _give_back(self, echoes: Sequence[Echo]) -> None:
        feeling = self._feeling_beside(echoes)
        if len(echoes) == 2:
            kind = "frame_two"
        elif echoes[0].question:
            kind = "frame_question"
        else:
            kind = "frame_quote_feeling" if feeling else "frame_quote"
        frame = self._least_used(self._shelf.talk(kind))
        text = frame.text.format(clause=echoes[0].text, second=echoes[-1].text, feeling=feeling)
        self._draft.add(frame, text, "reflection")

    def _name_feeling(self) -> None:
        if self._reading.feelings:
            frame = self._least_used(self._shelf.talk("frame_feeling"))
            self._draft.add(frame, frame.text.format(feeling=self._reading.feelings[0]), "reflection")

    def _answer_ask(self) -> bool:
        for ask in ("medicine", "diagnosis", "counselling", "decision", "normal", "fault"):
            if ask in self._reading.asks and self._draft.add(
                self._fresh(self._shelf.talk(f"ask_{ask}")), strategy="information"
            ):
                return True
        return False

    def _elevated(self) -> Passage | None:
        if self._request.level is not Level.ELEVATED or self._memory.turn % _WARMTH != 0:
            return None
        return self._fresh(self._shelf.talk("elevated"))

    def _ask(self) -> None:
        person = self._reading.person
        spoken_of = person and person in self._draft.parts[0].text if self._draft.parts else False
        if spoken_of and self._main_topic in self._shelf.person_topics and self._memory.chance("person") < 0.4:
            passage = self._fresh(self._shelf.talk("person_question"))
            if passage is not None:
                self._draft.add(passage, passage.text.format(person=person), "question")
                return
        self._draft.add(self._entry("question"))

    def _offer(self) -> None:
        """An exercise or a person, each offered once; after that a question."""
        exercise = self._guide.choose(self._main_topic)
        for kind in ("offer_exercise", "offer_human"):
            if self._memory.count(self._shelf.talk(kind)) == 0:
                passage = self._least_used(self._shelf.talk(kind))
                self._draft.add(passage, passage.text.format(title=exercise.title, minutes=exercise.minutes), "choices")
                return
        self._ask()

    # Choosing

    def _entry(self, strategy: str, topics: Sequence[str] = (), only_fitting: bool = False) -> Passage | None:
        """An unused passage: one written for what the user mentions before one for the topic at large."""
        reach = [
            (topic, entry)
            for topic in topics or self._reach(strategy)
            for entry in self._shelf.topics[topic].entries
            if entry.passage.strategy == strategy and self._may_use(entry.passage)
        ]
        fitting = [(topic, entry) for topic, entry in reach if self._fit(entry)]
        if fitting:
            return max(fitting, key=lambda pair: self._fitness(*pair))[1].passage
        general = [(topic, entry.passage) for topic, entry in reach if not entry.when]
        if not general or only_fitting:
            return None
        first = general[0][0]
        if first in (SAFETY, SAFETY_OTHER):
            return general[0][1]  # what matters most stands first in the file
        if strategy == "question" and first == GENERAL and self._memory.turn == 0:
            return general[int(self._memory.chance("open") * _OPENERS)][1]
        return max((passage for topic, passage in general if topic == first), key=self._rank)

    def _may_use(self, passage: Passage) -> bool:
        return (
            passage.level >= self._request.level and not self._draft.holds(passage) and not self._memory.said(passage)
        )

    def _fit(self, entry: Entry) -> float:
        """How well the situation an entry is for matches the message, and half as much the earlier ones."""
        if not entry.when:
            return 0.0
        return self._shelf.fits(entry, self._looked_up) + 0.5 * bool(self._shelf.fits(entry, self._looked_up_earlier))

    def _fitness(self, topic: str, entry: Entry) -> float:
        return self._fit(entry) + 4.0 * self._share(topic) + 0.1 * self._rank(entry.passage)

    def _share(self, topic: str) -> float:
        """How much the message is about a topic, 1.0 for its main one."""
        return self._scores.get(topic, 0.0) / max(self._scores.values(), default=1.0)

    def _rank(self, passage: Passage) -> float:
        return self._relevance.get(passage.id, 0.0) + 4.0 * self._memory.chance(passage.id)

    def _fresh(self, passages: Iterable[Passage]) -> Passage | None:
        unused = [passage for passage in passages if not self._memory.said(passage)]
        return self._drawn(unused) if unused else None

    def _least_used(self, passages: Sequence[Passage]) -> Passage:
        """One that was not said yet, else any but the last one."""
        return self._fresh(passages) or self._drawn(
            [passage for passage in passages if not self._memory.just_said(passage.text)] or passages
        )

    def _drawn(self, passages: Sequence[Passage]) -> Passage:
        return passages[int(self._memory.chance(passages[0].strategy) * len(passages))]

    # The user's words

    def _topic_scores(self) -> dict[str, float]:
        """Topics of the conversation. A message that names one lets the earlier ones fade; any other leaves them."""
        scores: dict[str, float] = {}
        for text in [*self._memory.user_texts[-_REMEMBERED:], self._text]:
            found = self._shelf.rank_topics(text)
            most = _MOST if text is not self._text else float("inf")
            if max(found.values(), default=0.0) >= _NAMED:
                scores = {name: _FADE * score for name, score in scores.items()}
            for name, score in found.items():
                scores[name] = scores.get(name, 0.0) + min(score, most)
        return {name: score for name, score in scores.items() if name not in (SAFETY, SAFETY_OTHER)}

    def _ranked_topics(self) -> list[str]:
        """Topics most spoken of first; one far behind the first is left out."""
        ranked = sorted(self._scores, key=lambda name: -self._scores[name])
        least = max(_CLOSE * max(self._scores.values(), default=0.0), _WEAKEST)
        return [name for name in ranked if self._scores[name] >= least] or [GENERAL]

    @property
    def _main_topic(self) -> str:
        return self._topics[0]

    def _reach(self, strategy: str) -> list[str]:
        """The topics a passage may come from: comfort and questions from the main one, ideas also from a near one."""
        near = self._topics[:2] if strategy in ("information", "suggestion") else self._topics[:1]
        return [*near, *([GENERAL] if GENERAL not in near else [])]

    @property
    def _is_long(self) -> bool:
        return self._reading.size >= _LONG[self._request.language]

    def _weight(self, clause: str) -> float:
        cues = self._shelf.cue_count(self._main_topic, clause)
        return 0.5 * min(3, cues) + 0.4 * self._shelf.reader.names_feeling(clause)

    def _feeling_beside(self, echoes: Sequence[Echo]) -> str:
        """A feeling that the user named outside the echoed clauses; empty if one of them names a feeling itself."""
        if any(self._shelf.reader.names_feeling(echo.text) for echo in echoes):
            return ""
        return self._reading.feelings[0] if self._reading.feelings else ""

    # Length

    def _shorten(self) -> None:
        """Leave out parts from the middle while the answer is too long; the reflection and the question stay."""
        size = self._shelf.reader.size
        limit = _LIMIT[self._request.language]
        while len(self._draft.parts) > 2 and sum(size(part.text) for part in self._draft.parts) > limit:
            del self._draft.parts[1]
