"""What a follow-up says: a step of a programme, or a broadcast, as a text with buttons for one person's platform."""

from dataclasses import dataclass
from functools import lru_cache

from adapters import Button
from bot.followups.enrolments import Refused
from bot.speak import Buttons, Speaker
from bot.store.conversations import Conversation
from bot.wording import Wording, in_script
from config import Language
from config.programmes import Programme, Step
from config.questionnaires import load_questionnaires
from engine.library import Library
from engine.library.data import Exercise

MOODS = range(11)
"""How somebody is: 0 as bad as it can be, 10 as good."""


@dataclass(frozen=True, slots=True)
class Said:
    """A text with its buttons. `asking`: the command that a plain number in reply completes."""

    text: str
    buttons: Buttons = ()
    asking: str = ""


@lru_cache(maxsize=256)
def _numbers(action: str) -> Buttons:
    row = [Button(str(n), f"{action} {n}") for n in MOODS]
    return tuple(row[:6]), tuple(row[6:])


class Content:
    """Writes follow-ups in the person's language, for what their platform can do."""

    def __init__(self, wording: Wording, speaker: Speaker, library: Library) -> None:
        self.wording = wording
        self._speaker = speaker
        self._library = library

    def step(self, person: Conversation, programme: Programme, step: Step, occurrence_id: int, last: bool) -> Said:
        """One step. With `last` it says that nothing more comes unless they write."""
        lead = [self._of(person, step.text.zh, step.text.en)] if step.text else []
        said = self._asked(person, step, occurrence_id)
        texts = [*lead, *([said.text] if said else [])]
        if last:
            texts.append(self.wording.text(person, "followup.fading"))
        if not self.has_buttons(person):
            texts.append(self.wording.text(person, "followup.stop_in_words"))
            return Said("\n\n".join(texts), (), said.asking if said else "")
        rows = [*(said.buttons if said else ()), *self._around(person, programme, step, occurrence_id)]
        return Said("\n\n".join(texts), tuple(rows), said.asking if said else "")

    def broadcast(self, person: Conversation, zh: str, en: str) -> Said:
        """An operator's text, and how to hear no more."""
        text = self._of(person, zh, en)
        if not self.has_buttons(person):
            return Said(f"{text}\n\n{self.wording.text(person, 'followup.stop_in_words')}")
        return Said(text, ((self.wording.button(person, "button.followup_stop", "checkins stop"),),))

    def has_buttons(self, person: Conversation) -> bool:
        """Whether the person can press something."""
        return self._speaker.of(person.address).buttons

    def moods(self, person: Conversation, action: str) -> Buttons:
        """The numbers 0 to 10 in two rows; pressing one completes `action`."""
        if not self.has_buttons(person):
            return ()
        return _numbers(action)

    def exercise(self, person: Conversation, name: str) -> Exercise:
        """An exercise of the library in the person's language. Raises Refused for one that is gone."""
        language = self.wording.language_of(person)
        wanted = f"{language.value}.exercise.{name}"
        found = next((item for item in self._library.exercises(language) if item.id == wanted), None)
        if found is None:
            raise Refused("no_exercise")
        return found

    def in_script(self, person: Conversation, text: str) -> str:
        """A reviewed text in the person's script."""
        return in_script(text, person.script)

    def whole(self, person: Conversation, exercise: Exercise) -> str:
        """A whole exercise as one text, for platforms that count messages."""
        steps = "\n\n".join(f"{n}. {step}" for n, step in enumerate(exercise.steps, 1))
        head = self.wording.text(person, "followup.exercise", title=exercise.title, minutes=exercise.minutes)
        return self.in_script(person, "\n\n".join(t for t in (head, exercise.contraindications, steps) if t))

    def _of(self, person: Conversation, zh: str, en: str) -> str:
        return self.in_script(person, zh if self.wording.language_of(person) is Language.ZH else en)

    def _asked(self, person: Conversation, step: Step, occurrence_id: int) -> Said | None:
        """What the step asks for, beyond its text."""
        if step.exercise:
            return self._exercise(person, self.exercise(person, step.exercise), step.exercise, occurrence_id)
        if step.mood:
            return Said(self.wording.text(person, "followup.mood"), self.moods(person, "mood"), "mood")
        if step.questionnaire:
            return self._questionnaire(person, step.questionnaire, occurrence_id)
        return None

    def _exercise(self, person: Conversation, exercise: Exercise, name: str, occurrence_id: int) -> Said:
        if not self.has_buttons(person):
            asked = self.wording.text(person, "followup.mood_after_in_words")
            return Said(f"{self.whole(person, exercise)}\n\n{asked}", asking="mood")
        head = self.wording.text(person, "followup.exercise", title=exercise.title, minutes=exercise.minutes)
        text = "\n\n".join(t for t in (head, exercise.contraindications) if t)
        begin = self.wording.button(person, "button.exercise_begin", f"exercise begin {name} {occurrence_id}")
        return Said(self.in_script(person, text), ((begin,),))

    def _questionnaire(self, person: Conversation, name: str, occurrence_id: int) -> Said:
        form = load_questionnaires()[name]
        fields: dict[str, str | int] = {"title": form.title, "count": len(form.en.items)}
        begin = f"form begin {name} {occurrence_id}"
        if not self.has_buttons(person):
            return Said(self.wording.text(person, "followup.form_in_words", **fields), asking=begin)
        button = self.wording.button(person, "button.form_begin", begin)
        return Said(self.wording.text(person, "followup.form", **fields), ((button,),))

    def _around(self, person: Conversation, programme: Programme, step: Step, occurrence_id: int) -> Buttons:
        """Later, not today, stop. A kind word asks for nothing, so it can only be stopped."""
        stop = self.wording.button(person, "button.followup_stop", f"checkins stop {programme.id}")
        if programme.purpose == "contact":
            return ((stop,),)
        later = self.wording.button(person, "button.followup_later", f"checkins later {occurrence_id}")
        rows: list[tuple[Button, ...]] = [(later, stop)]
        if programme.purpose == "practice":
            worse = self.wording.button(person, "button.followup_worse", f"checkins worse {occurrence_id}")
            rows.append((worse,))
        return tuple(rows)
