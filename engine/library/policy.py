"""How the library answers: it listens first, advises when asked or when the trouble has a name, and never says a thing twice.

The stages follow Hill's helping skills (explore, then insight and action): one to four parts make an answer, of which at most
one asks, and each part is a reviewed passage or the user's own words given back in a reviewed frame.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from config import Language
from engine.language import to_script
from engine.library.data import Entry
from engine.library.guide import Guide
from engine.library.library import GENERAL, Library, Shelf
from engine.library.memory import Memory
from engine.library.mirror import Echo
from engine.library.reading import TALK, Reading
from engine.types import Level, Passage, Request

SAFETY = "safety"  # the topic for whoever is in danger and waits for a person

_LONG = {Language.ZH: 60, Language.EN: 35}  # characters or words from which a message tells a story
_LIMIT = {Language.ZH: 200, Language.EN: 150}  # the same units, for a whole answer
_EARLIER = (0.5, 0.3, 0.15)  # how much the last, second and third last message of the user count for the topic
_CLOSE = 0.45  # a second topic counts when it reaches this part of the first


@dataclass(slots=True)
class Draft:
    """An answer as it grows."""

    parts: list[str] = field(default_factory=list)
    strategies: list[str] = field(default_factory=list)
    passages: list[str] = field(default_factory=list)

    def add(self, passage: Passage | None, text: str | None = None, strategy: str | None = None) -> bool:
        """Add a passage, or `text` made from it. Nothing is added for None."""
        if passage is None:
            return False
        self.parts.append(text if text is not None else passage.text)
        self.passages.append(passage.id)
        name = strategy or passage.strategy
        if name not in self.strategies:
            self.strategies.append(name)
        return True


class Policy:
    """Answers one request from the library. Make one per request."""

    def __init__(self, library: Library, request: Request) -> None:
        self._request = request
        self._shelf: Shelf = library.shelf(request.language)
        self._memory = Memory(request.history, request.script, request.conversation)
        self._guide = Guide(self._shelf, self._memory)
        self._reading: Reading = self._shelf.reader.read(request.text, follows=self._memory.turn > 0)
        self._topics = self._ranked_topics()
        self._relevance = self._shelf.relevance(request.text)
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
        self._draft.parts = [to_script(part, self._request.script) for part in self._draft.parts]
        return self._draft

    # The four ways to answer ---------------------------------------------------------------------------------------------

    def _stay(self) -> None:
        """While a person is on the way: nothing but what is cleared for this level."""
        for strategy in (
            ("reflection", "validation", "suggestion") if self._memory.turn == 0 else ("affirmation", "information")
        ):
            self._draft.add(self._entry(strategy, (SAFETY,)))
        self._draft.add(self._entry("question", (SAFETY,)) or self._entry("reflection", (SAFETY,)))
        if not self._draft.parts:
            self._draft.add(self._least_used([entry.passage for entry in self._shelf.topics[SAFETY].entries]))

    def _exercise(self) -> bool:
        """Start, go on with or end an exercise. False when the message is about something else."""
        text = self._request.text
        place = self._guide.place()
        if place is not None:
            exercise, number = place
            if self._guide.wants_stop(text):
                return self._small_answer("exercise_stop")
            if self._guide.wants_next(text):
                if number + 1 < len(exercise.steps):
                    return self._draft.add(
                        self._shelf.talk("exercise_step")[0], self._guide.step(exercise, number + 1), "exercise"
                    )
                return self._small_answer("exercise_end")
        offered = self._guide.offered()
        if offered is not None and self._guide.agrees(text):
            return self._draft.add(self._shelf.talk("exercise_start")[0], self._guide.start(offered), "exercise")
        if self._reading.intent == "exercise":
            chosen = self._guide.choose(self._main_topic, text)
            return self._draft.add(self._shelf.talk("exercise_start")[0], self._guide.start(chosen), "exercise")
        return False

    def _small_answer(self, intent: str) -> bool:
        """Answer thanks, greetings, questions about the bot and the like. A second complaint points to a person."""
        if intent == "complaint" and self._memory.count(self._shelf.talk("complaint")) > 0:
            intent = "complaint_again"
        return self._draft.add(self._least_used(self._shelf.talk(intent)))

    def _talk(self) -> None:
        """Reflect, then comfort, explain, suggest or ask, as the stage of the conversation wants it."""
        echo = self._reflect()
        for move in self._plan(echo):
            self._move(move)
        if not self._draft.parts:
            self._draft.add(self._least_used(self._shelf.talk("silence")))
        self._shorten()

    # What to do -----------------------------------------------------------------------------------------------------------

    def _plan(self, echo: Echo | None) -> tuple[str, ...]:
        """The moves after the reflection, in order."""
        asks, turn = self._reading.asks, self._memory.turn
        wants = bool(asks & {"advice", "decision", "counselling"})
        named = self._main_topic != GENERAL or echo is not None
        if wants and (named or turn > 1):
            if self._is_long and turn == 0:
                return "comfort", "information_if_fits", "suggestion", "question"
            return "comfort" if turn == 0 else "answer_ask", "suggestion", "question"
        if asks & {"why", "normal", "diagnosis", "fault"} and named:
            return "comfort", "information", "question"
        if turn < 2:
            return ("comfort", "suggestion_if_fits", "question") if self._is_long else ("comfort", "question")
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
        elif move.endswith("_if_fits"):
            self._draft.add(self._entry(move.removesuffix("_if_fits"), only_fitting=True))
        elif not self._draft.add(self._entry(move)) and move != "choices":
            self._draft.add(self._entry("affirmation"))

    # Parts ----------------------------------------------------------------------------------------------------------------

    def _reflect(self) -> Echo | None:
        """Give back the user's own words, else their feeling, else what people with this trouble go through."""
        if self._memory.after_counsellor:
            self._draft.add(self._fresh(self._shelf.talk("after_counsellor")))
        echo = self._shelf.mirror.echo(self._request.text, self._weight)
        feeling = self._feeling_beside(echo)
        if echo is not None:
            kind = "frame_question" if echo.question else "frame_quote_feeling" if feeling else "frame_quote"
            frame = self._least_used(self._shelf.talk(kind))
            self._draft.add(frame, frame.text.format(clause=echo.text, feeling=feeling), "reflection")
        elif self._memory.turn > 1 and self._reading.size < 12:
            pass
        elif not self._draft.add(self._entry("reflection")) and feeling:
            frame = self._least_used(self._shelf.talk("frame_feeling"))
            self._draft.add(frame, frame.text.format(feeling=feeling), "reflection")
        return echo

    def _answer_ask(self) -> bool:
        for ask in ("diagnosis", "counselling", "decision", "normal", "fault"):
            if ask in self._reading.asks and self._draft.add(
                self._fresh(self._shelf.talk(f"ask_{ask}")), strategy="information"
            ):
                return True
        return False

    def _elevated(self) -> Passage | None:
        if self._request.level is not Level.ELEVATED:
            return None
        return self._fresh(self._shelf.talk("elevated"))

    def _ask(self) -> None:
        person = self._reading.person
        if person and self._main_topic in self._shelf.person_topics and self._memory.chance("person") < 0.4:
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

    # Choosing -------------------------------------------------------------------------------------------------------------

    def _entry(self, strategy: str, topics: Sequence[str] = (), only_fitting: bool = False) -> Passage | None:
        """An unused passage of the strategy: one written for what the user mentions before one for the topic at large."""
        for topic in topics or self._topics_in_reach:
            candidates = [
                entry
                for entry in self._shelf.topics[topic].entries
                if entry.passage.strategy == strategy and self._may_use(entry.passage)
            ]
            fitting = [entry for entry in candidates if self._fit(entry)]
            if fitting:
                return max(fitting, key=lambda entry: (self._fit(entry), self._rank(entry.passage))).passage
            general = [entry.passage for entry in candidates if not entry.when]
            if general and not only_fitting:
                return max(general, key=self._rank)
        return None

    def _may_use(self, passage: Passage) -> bool:
        return (
            passage.level >= self._request.level
            and passage.id not in self._draft.passages
            and not self._memory.said(passage)
        )

    def _fit(self, entry: Entry) -> float:
        """How well the situation an entry is for matches the message, and half as much the earlier ones."""
        if not entry.when:
            return 0.0
        earlier = "\n".join(self._memory.user_texts[-3:])
        return self._shelf.fits(entry, self._request.text) + 0.5 * bool(earlier and self._shelf.fits(entry, earlier))

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

    # The user's words -----------------------------------------------------------------------------------------------------

    def _ranked_topics(self) -> list[str]:
        """Topics of the message and, less, of the ones before; a topic far behind the first is left out."""
        scores = dict(self._shelf.rank_topics(self._request.text))
        for share, text in zip(_EARLIER, reversed(self._memory.user_texts), strict=False):
            for name, score in self._shelf.rank_topics(text).items():
                scores[name] = scores.get(name, 0.0) + share * score
        ranked = sorted((name for name in scores if name != SAFETY), key=lambda name: -scores[name])
        return [name for name in ranked if scores[name] >= max(_CLOSE * scores[ranked[0]], _WEAKEST)] or [GENERAL]

    @property
    def _main_topic(self) -> str:
        return self._topics[0]

    @property
    def _topics_in_reach(self) -> list[str]:
        return [*self._topics[:2], *([GENERAL] if GENERAL not in self._topics[:2] else [])]

    @property
    def _is_long(self) -> bool:
        return self._reading.size >= _LONG[self._request.language]

    def _weight(self, clause: str) -> float:
        feelings = self._shelf.reader.read(clause, follows=True).feelings
        return 0.5 * min(3, self._shelf.cue_count(self._main_topic, clause)) + 0.4 * bool(feelings)

    def _feeling_beside(self, echo: Echo | None) -> str:
        """A feeling that the user named outside the echoed clause; empty if the clause names one itself."""
        if echo is not None and self._shelf.reader.read(echo.text, follows=True).feelings:
            return ""
        return self._reading.feelings[0] if self._reading.feelings else ""

    # Length ---------------------------------------------------------------------------------------------------------------

    def _shorten(self) -> None:
        """Leave out parts from the middle while the answer is too long; the reflection and the question stay."""
        size = self._shelf.reader.size
        limit = _LIMIT[self._request.language]
        while len(self._draft.parts) > 2 and sum(size(part) for part in self._draft.parts) > limit:
            del self._draft.parts[1]
            del self._draft.passages[1]


_WEAKEST = 4.0  # below this a topic is a guess
