"""Takes a person through an exercise, one step per message. Where they are stands in the history: nothing is stored."""

import re

from engine.library.data import Exercise
from engine.library.library import Shelf
from engine.library.memory import Memory
from engine.types import Passage


class Guide:
    """The exercises of one language in one conversation."""

    def __init__(self, shelf: Shelf, memory: Memory) -> None:
        self._shelf = shelf
        self._memory = memory

    def place(self) -> tuple[Exercise, int] | None:
        """The exercise under way and the number of the step given last, from 0."""
        for exercise in self._shelf.exercises:
            for number, step in enumerate(exercise.steps):
                if self._memory.just_said(step):
                    return exercise, number
        return None

    def offered(self) -> Exercise | None:
        """The exercise that the last answer offered."""
        if not any(self._memory.just_said(passage.text) for passage in self._shelf.talk("offer_exercise")):
            return None
        return next((item for item in self._shelf.exercises if self._memory.just_said(item.title)), None)

    def choose(self, topic: str, text: str = "") -> Exercise:
        """One named in `text` or of the kind it names, else one that suits the topic; new ones before known ones."""
        wanted = [kind for kind, pattern in self._shelf.exercise_kinds.items() if pattern.search(text.lower())]
        named = [item for item in self._shelf.exercises if item.title.lower() in text.lower()]
        named = named or [item for item in self._shelf.exercises if item.kind in wanted and not self._done(item)]
        suits = [item for item in self._shelf.exercises if topic in item.topics]
        fresh = [item for item in suits or self._shelf.exercises if not self._done(item)]
        pool = named or fresh or suits or list(self._shelf.exercises)
        return pool[int(self._memory.chance("exercise") * len(pool))]

    def wants_next(self, text: str) -> bool:
        """Whether the user is ready for the next step."""
        return re.search(self._shelf.control["exercise_next"], text.lower().strip()) is not None

    def wants_stop(self, text: str) -> bool:
        """Whether the user wants to end the exercise."""
        return re.search(self._shelf.control["exercise_stop"], text.lower().strip()) is not None

    def agrees(self, text: str) -> bool:
        """Whether the user takes up an offer."""
        return re.search(self._shelf.control["agree"], text.lower().strip()) is not None

    def start(self, exercise: Exercise) -> str:
        """The opening with the first step."""
        caution = exercise.contraindications
        opening = self._frame("exercise_start").text.format(
            title=exercise.title, minutes=exercise.minutes, caution=caution + self._gap if caution else ""
        )
        return f"{opening}\n\n{self.step(exercise, 0)}"

    def step(self, exercise: Exercise, number: int) -> str:
        """One step, numbered for the reader from 1."""
        return self._frame("exercise_step").text.format(
            number=number + 1, total=len(exercise.steps), step=exercise.steps[number]
        )

    @property
    def _gap(self) -> str:
        return "" if self._shelf.language == "zh" else " "

    def _frame(self, kind: str) -> Passage:
        return self._shelf.talk(kind)[0]

    def _done(self, exercise: Exercise) -> bool:
        return self._memory.said(_as_passage(exercise.steps[0], exercise)) or self._memory.said(
            _as_passage(exercise.title, exercise)
        )


def _as_passage(text: str, exercise: Exercise) -> Passage:
    return Passage(exercise.id, exercise.language, "exercise", "exercise", text)
