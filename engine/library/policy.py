"""How the library answers: it listens first, advises when asked or when the trouble has a name, and repeats nothing.

The stages follow Hill's helping skills (explore, then insight and action). One to four parts make an answer, of which
at most one asks; each part is a reviewed passage, or the user's own words given back in a reviewed frame.
"""

from collections.abc import Sequence
from dataclasses import replace

from config import Language, Script
from engine.language import to_script, to_simplified
from engine.library.choosing import SAFETY, SAFETY_OTHER, Chooser
from engine.library.data import Exercise
from engine.library.draft import LINE, PARAGRAPH, Draft
from engine.library.guide import Guide
from engine.library.library import GENERAL, Library, Shelf
from engine.library.memory import Memory
from engine.library.mirror import Echo, of_her
from engine.library.reading import TALK, Reading
from engine.types import Level, Passage, Request

_LONG = {Language.ZH: 60, Language.EN: 35}  # characters or words from which a message tells a story
_ECHOED = {Language.ZH: 16, Language.EN: 10}  # from which a first message is worth giving back,
_ECHOED_LATER = {Language.ZH: 32, Language.EN: 20}  # and a later one
_LETTER = {Language.ZH: 40, Language.EN: 28}  # from which a first message gets a letter,
_LETTER_LATER = {Language.ZH: 110, Language.EN: 75}  # and a later one
_STEPS = 3  # suggestions in a letter
_LIMIT = {Language.ZH: 200, Language.EN: 150}  # the same units, for a whole answer
_WARMTH = 4  # turns from one word of sympathy for elevated distress to the next
_OFFER = 4  # the turn at which somebody in distress is offered an exercise or a person
_CHOICE = 3  # the turn at which people choose where to go on
_CALMING = ("breathing", "grounding", "body")  # kinds of exercise that are offered unasked
_ASKING = ("question", "choices")
_DOCTORS = ("medicine", "diagnosis")  # what only a doctor can answer
_ABOUT_ONESELF = ("counselling", "decision", "normal", "fault")  # what else people ask about themselves


class Policy:
    """Answers one request from the library. Make one per request."""

    def __init__(self, library: Library, request: Request) -> None:
        self._request = request
        self._shelf: Shelf = library.shelf(request.language)
        self._memory = Memory(request.history, request.script, request.conversation)
        self._text = to_simplified(request.text) if request.script is Script.HANT else request.text
        self._guide = Guide(self._shelf, self._memory)
        self._reading: Reading = self._shelf.reader.read(self._text, follows=self._memory.turn > 0)
        self._draft = Draft()
        self._level = Level.ELEVATED if request.unsure else request.level
        self._chooser = Chooser(self._shelf, self._memory, self._text, self._level, self._draft)

    def answer(self) -> Draft:
        """The finished answer, in the reader's script."""
        if self._request.level.needs_human and not self._request.unsure:
            self._stay()
        elif not self._exercise():
            if self._reading.intent == TALK or self._answers_a_question:
                self._talk()
            else:
                self._small_answer(self._reading.intent)
        if self._request.unsure:
            self._ask_safety()
        self._draft.parts = [replace(part, text=self._written(part.text)) for part in self._draft.parts]
        return self._draft

    def _written(self, text: str) -> str:
        """A text as this reader should see it."""
        if self._request.language is Language.ZH:
            text = of_her(text, self._text, self._memory.user_texts)
        return to_script(text, self._request.script)

    @property
    def _answers_a_question(self) -> bool:
        """Whether a single word goes on with a talk that is about something."""
        return self._reading.intent == "one_word" and self._chooser.main_topic != GENERAL

    # The four ways to answer

    def _stay(self) -> None:
        """While a person is on the way: nothing but what is cleared for this level."""
        about_other = self._shelf.fears_for_other(self._text)
        first = ("reflection", "validation", "suggestion")
        for strategy in first if self._memory.turn == 0 else ("affirmation", "information"):
            self._draft.add(self._chooser.safety(strategy, about_other))
        self._draft.add(
            self._chooser.safety("question", about_other) or self._chooser.safety("reflection", about_other)
        )
        if not self._draft.parts:
            safety = self._shelf.topics[SAFETY_OTHER if about_other else SAFETY]
            self._draft.add(self._chooser.least_used([entry.passage for entry in safety.entries]))

    def _ask_safety(self) -> None:
        """In place of the last question the one that matters more: somebody may be in danger, or may not."""
        check = self._chooser.check()
        if check and len(self._draft.parts) > 1 and self._draft.parts[-1].strategy == "question":
            self._draft.parts.pop()
        self._draft.add(check, breaks=PARAGRAPH)

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
        asked = self._reading.intent == "exercise"
        return asked and self._start(self._guide.choose(self._chooser.main_topic, text))

    def _start(self, exercise: Exercise) -> bool:
        return self._draft.add(self._shelf.talk("exercise_start")[0], self._guide.start(exercise), "exercise")

    def _small_answer(self, intent: str) -> bool:
        """Answer thanks, greetings, questions about the bot and the like. A second complaint points to a person."""
        if intent == "complaint" and self._memory.count(self._shelf.talk("complaint")) > 0:
            intent = "complaint_again"
        return self._draft.add(self._chooser.least_used(self._shelf.talk(intent)))

    def _talk(self) -> None:
        """Show what was heard, then comfort, explain, suggest or ask, as the stage of the conversation wants it."""
        if self._memory.after_counsellor:
            self._draft.add(self._chooser.fresh(self._shelf.talk("after_counsellor")))
        if self._wants_letter:
            self._letter()
            return
        for move in self._plan():
            self._move(move)
        if not self._draft.parts:
            self._draft.add(self._chooser.least_used(self._shelf.talk("silence")))
        if len(self._draft.parts) == 1 and self._draft.strategies[0] in _ASKING:
            self._acknowledge()
        self._shorten()

    # A letter: what was heard, a view of it, what can be done, and a question

    @property
    def _wants_letter(self) -> bool:
        least = _LETTER if self._memory.turn == 0 else _LETTER_LATER
        return self._reading.size >= least[self._request.language]

    def _letter(self) -> None:
        """A fuller answer, for who has written a whole story."""
        self._open()
        seen = len(self._draft.parts)
        if not self._answer_ask(_DOCTORS):
            self._answer_ask(_ABOUT_ONESELF)
        self._draft.add(self._chooser.of_case("information") or self._view())
        self._break_at(seen)
        self._advise()
        seen = len(self._draft.parts)
        self._draft.add(self._chooser.closing_question())
        self._break_at(seen)

    def _open(self) -> None:
        echoed = self._echo()
        understood = self._draft.add(self._chooser.of_case("reflection") or self._chooser.told("reflection"))
        if not understood:
            understood = self._draft.add(self._chooser.pick("validation", only_fitting=not self._chooser.is_sure))
        if not understood and not echoed:
            self._draft.add(self._sympathy() or self._chooser.for_anybody("reflection"))

    def _view(self) -> Passage | None:
        found = self._chooser.pick("information", only_fitting=not self._chooser.is_named)
        return found or self._chooser.for_anybody("information")

    def _advise(self) -> None:
        """Suggestions for the case and for a second one beside it; else for the topic."""
        second = self._chooser.steps(1, 1)
        steps = self._chooser.steps(0, _STEPS - len(second)) + second
        if not steps:
            for _ in range(_STEPS - 1):
                if step := self._chooser.pick("suggestion", unlike=steps):
                    steps.append(step)
            if not steps and (step := self._chooser.for_anybody("suggestion")):
                steps.append(step)
        if len(steps) > 1:
            self._draft.add(
                self._chooser.least_used(self._shelf.talk("lead_in")), strategy="suggestion", breaks=PARAGRAPH
            )
        for number, step in enumerate(steps, 1):
            text = f"{number}. {step.text}" if len(steps) > 1 else step.text
            self._draft.add(step, text, breaks=LINE if len(steps) > 1 else PARAGRAPH)

    def _break_at(self, number: int) -> None:
        """Begin a paragraph with the part of this number, if there is one."""
        parts = self._draft.parts
        if 0 < number < len(parts):
            parts[number] = replace(parts[number], breaks=PARAGRAPH)

    # What to do

    def _plan(self) -> tuple[str, ...]:
        """The moves of this turn, in order."""
        asks, turn = self._reading.asks, self._memory.turn
        known = self._chooser.main_topic != GENERAL or turn > 1
        if turn == 0 and self._chooser.cases:
            advises = asks & {"advice", "decision", "counselling"}
            return ("hear", "view", "suggestion", "question") if advises else ("hear", "view", "question")
        if asks & {"advice", "decision", "counselling"} and known:
            return "hear", "suggestion", "question"
        if asks & {"why", "normal", "diagnosis", "fault"}:
            return "hear", "information", "question"
        if self._level is Level.ELEVATED and turn % 6 == _OFFER:
            return "hear", "offer"
        return ("hear", "choices") if turn % 5 == _CHOICE else ("hear", "question")

    def _move(self, move: str) -> None:
        if move == "hear":
            self._hear()
        elif move == "question":
            self._ask()
        elif move == "offer":
            self._offer()
        elif move == "choices":
            self._let_choose()
        elif move == "information":
            self._explain()
        elif move == "view":
            self._draft.add(self._chooser.of_case("information"))
        else:
            self._draft.add(self._chooser.pick(move))

    # Parts

    def _hear(self) -> None:
        """Say what was heard, or answer what was asked; and comfort, where that is not done by it."""
        if self._answer_ask(_DOCTORS):
            return
        told = self._chooser.told("reflection") or self._chooser.told("validation", "affirmation", "information")
        if not told and (understood := self._chooser.of_case("reflection")):
            self._echo()
            self._draft.add(understood)
            self._answer_ask(_ABOUT_ONESELF)
        elif self._draft.add(told):
            if self._is_long:
                self._draft.add(self._chooser.told("validation"))
        elif not self._answer_ask(_ABOUT_ONESELF):
            if echoed := self._echo():
                self._comfort(echoed)
            elif not self._comfort(self._text):
                self._name_feeling()

    def _comfort(self, text: str) -> bool:
        """Something for what `text` tells of: the message, or the part of it that was given back."""
        return self._draft.add(
            self._chooser.everyday(text, "reflection", "validation", "affirmation")
            or self._chooser.pick("validation", only_fitting=True)
            or self._sympathy()
            or (self._chooser.pick("validation") if self._chooser.is_named else None)
        )

    def _acknowledge(self) -> None:
        """Begin with something small, for a message that says little."""
        first = self._memory.turn == 0
        passage = self._chooser.pick("reflection") if first else self._chooser.fresh(self._shelf.talk("nod"))
        if self._draft.add(passage):
            self._draft.parts.reverse()

    def _explain(self) -> None:
        """What is known about what the message tells of, or about its topic if it asks why."""
        for_topic = "why" in self._reading.asks and self._chooser.is_named
        self._draft.add(self._chooser.pick("information", only_fitting=not for_topic))

    def _let_choose(self) -> None:
        """Ask where to go on, unless the message itself leaves something to ask about."""
        open_ended = self._chooser.tells_nothing and self._chooser.main_topic != GENERAL
        if not self._draft.add(self._chooser.pick("choices") if open_ended else None):
            self._ask()

    def _echo(self) -> str:
        """Give the user's own words back: those of a first message, later only of a long one and not twice running.

        Returns what was given back, as the user wrote it; empty if nothing was.
        """
        language, frames = self._request.language, ("frame_quote", "frame_quote_feeling", "frame_two", "frame_question")
        least = _ECHOED[language] if self._memory.turn == 0 else _ECHOED_LATER[language]
        just_did = any(self._memory.just_said(passage.text) for kind in frames for passage in self._shelf.talk(kind))
        if self._reading.size < least or just_did:
            return ""
        echoes = self._shelf.mirror.echoes(self._text, self._chooser.weight)
        if echoes:
            self._give_back(echoes)
        return "\n".join(echo.source for echo in echoes)

    def _give_back(self, echoes: Sequence[Echo]) -> None:
        feeling = self._feeling_beside(echoes)
        if len(echoes) == 2:
            kind = "frame_two"
        elif echoes[0].question:
            kind = "frame_question"
        else:
            kind = "frame_quote_feeling" if feeling else "frame_quote"
        frame = self._chooser.least_used(self._shelf.talk(kind))
        text = frame.text.format(clause=echoes[0].text, second=echoes[-1].text, feeling=feeling)
        self._draft.add(frame, text, "reflection")

    def _feeling_beside(self, echoes: Sequence[Echo]) -> str:
        """A feeling that the user named outside the echoed clauses; empty if one of them names a feeling itself."""
        if any(self._shelf.reader.names_feeling(echo.text) for echo in echoes):
            return ""
        return self._reading.feelings[0] if self._reading.feelings else ""

    def _name_feeling(self) -> bool:
        if not self._reading.feelings:
            return False
        frame = self._chooser.fresh(self._shelf.talk("frame_feeling"))
        text = frame.text.format(feeling=self._reading.feelings[0]) if frame else ""
        return self._draft.add(frame, text, "reflection")

    def _answer_ask(self, asks: Sequence[str]) -> bool:
        for ask in asks:
            if ask in self._reading.asks and self._draft.add(
                self._chooser.fresh(self._shelf.talk(f"ask_{ask}")), strategy="information"
            ):
                return True
        return False

    def _sympathy(self) -> Passage | None:
        """A word for somebody in distress who has written more than a line."""
        worn = self._level is Level.ELEVATED and self._reading.size >= _ECHOED[self._request.language]
        if not worn or self._memory.turn % _WARMTH != 0:
            return None
        return self._chooser.fresh(self._shelf.talk("elevated"))

    def _ask(self) -> None:
        """How a suggestion sits with them; what an unclear question is about; else what fits best."""
        asks = self._reading.asks.intersection(_DOCTORS + _ABOUT_ONESELF)
        asked = None
        if "suggestion" in self._draft.strategies:
            asked = self._chooser.told("question") or self._chooser.fresh(self._shelf.talk("check"))
        elif asks.intersection(_DOCTORS) or (asks and self._chooser.main_topic == GENERAL):
            asked = self._chooser.fresh(self._shelf.talk("after_ask"))
        elif self._chooser.tells_nothing and self._ask_about_person():
            return
        self._draft.add(asked or self._chooser.pick("question"), strategy="question")

    def _ask_about_person(self) -> bool:
        person = self._reading.person
        if not person or self._chooser.main_topic not in self._shelf.person_topics:
            return False
        passage = self._chooser.fresh(self._shelf.talk("person_question"))
        return self._draft.add(passage, passage.text.format(person=person) if passage else "", "question")

    def _offer(self) -> None:
        """An exercise that suits the topic, or a person, each offered once; after that a question."""
        topic = self._chooser.main_topic
        exercise = self._guide.choose(topic)
        suits = topic in exercise.topics and exercise.kind in _CALMING
        kinds = ("offer_exercise", "offer_human") if suits else ("offer_human",)
        for kind in kinds:
            if self._memory.count(self._shelf.talk(kind)) == 0:
                passage = self._chooser.least_used(self._shelf.talk(kind))
                self._draft.add(passage, passage.text.format(title=exercise.title, minutes=exercise.minutes), "choices")
                return
        self._ask()

    # Length

    @property
    def _is_long(self) -> bool:
        return self._reading.size >= _LONG[self._request.language]

    def _shorten(self) -> None:
        """Leave out parts from the middle while the answer is too long; the first and the question stay."""
        size = self._shelf.reader.size
        limit = _LIMIT[self._request.language]
        while len(self._draft.parts) > 2 and sum(size(part.text) for part in self._draft.parts) > limit:
            del self._draft.parts[1]
