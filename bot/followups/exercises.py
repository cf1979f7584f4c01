"""Exercises step by step, at a gentle pace, with the mood before and after.

The steps stand in the outbox, each with its time. Whatever the person does meanwhile takes away those that have not
left (`outbox.Kind.STEP`), so a pause is at once, and writing about something else ends the exercise without a word.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from adapters import Button
from bot.followups.checkins import CheckIns
from bot.followups.content import MOODS
from bot.followups.enrolments import Refused
from bot.followups.voice import Voice
from bot.store import Transaction, conversations, followups, outbox, practices
from bot.store.conversations import Conversation
from bot.store.messages import Stored
from bot.store.outbox import Kind, Outgoing
from bot.store.practices import BEFORE, DONE, PAUSED, RUNNING, STOPPED, Practice

FORGOTTEN = timedelta(hours=3)
"""After so long an exercise that nobody ended is over."""

_PACE = (timedelta(seconds=20), timedelta(seconds=90))  # between two steps: at least, at most
_NOTABLE = 1  # points by which a mood must have fallen to be spoken of
_Run = Callable[[Transaction, Conversation, str], Awaitable[None]]


class Exercises:
    """Runs `exercise VERB ...`."""

    def __init__(self, voice: Voice, checkins: CheckIns) -> None:
        self._voice = voice
        self._checkins = checkins
        self._verbs: dict[str, _Run] = {
            "begin": self._begin,
            "mood": self._mood,
            "run": self._go_on,
            "next": self._go_on,
            "pause": self._pause,
            "stop": self._stop,
            "worse": self._worse,
        }

    async def run(self, tx: Transaction, person: Conversation, message: Stored, argument: str) -> None:
        """A command or a press. While somebody else has the conversation, nothing is begun."""
        verb, _, rest = argument.partition(" ")
        run = self._verbs.get(verb.lower())
        if person.holder != conversations.BOT:
            return
        try:
            if run is None:
                raise Refused("not_understood")
            await run(tx, person, rest.strip())
        except Refused as refusal:
            await self._voice.say(tx, person, self._voice.text(person, refusal.key))

    async def _begin(self, tx: Transaction, person: Conversation, argument: str) -> None:
        """`begin EXERCISE OCCURRENCE`: first, how they are."""
        name, _, number = argument.partition(" ")
        exercise = self._voice.content.exercise(person, name)
        if person.level.needs_human:
            raise Refused("not_now")
        if not self._voice.content.has_buttons(person):
            await self._voice.say(tx, person, self._voice.content.whole(person, exercise))
            return
        occurrence_id = int(number) if number.isdecimal() and number != "0" else None
        if occurrence_id and await followups.of_occurrence(tx, occurrence_id, person.person_id) is None:
            occurrence_id = None
        began = await practices.start(tx, person.person_id, name, occurrence_id)
        asking = f"exercise mood {began.id}"
        without = self._voice.wording.button(person, "button.exercise_without", f"exercise run {began.id}")
        await self._voice.say(
            tx,
            person,
            self._voice.text(person, "mood_before"),
            buttons=(*self._voice.content.moods(person, asking), (without,)),
        )
        await self._voice.ask(tx, person, asking)

    async def _mood(self, tx: Transaction, person: Conversation, argument: str) -> None:
        """`mood PRACTICE NUMBER`: before the first step, or after the last."""
        number, _, said = argument.partition(" ")
        practice = await self._practice(tx, person, number)
        if not (said.isdecimal() and int(said) in MOODS):
            raise Refused("mood_range")
        value = int(said)
        if practice.state == BEFORE:
            await practices.add_mood(tx, person.person_id, value, "before", practice.id)
            await self._give(tx, person, practice, 0)
            return
        await practices.add_mood(tx, person.person_id, value, "after", practice.id)
        await self._end(tx, person, practice, DONE)
        earlier = [m for m in await practices.moods(tx, person.person_id) if m.practice_id == practice.id]
        before = next((m.value for m in earlier if m.moment == "before"), None)
        if before is not None and value < before - _NOTABLE:
            await self._checkins.sorry(tx, person, practice.exercise)
        else:
            await self._voice.say(tx, person, self._voice.text(person, "exercise_done"))

    async def _go_on(self, tx: Transaction, person: Conversation, number: str) -> None:
        """The next step at once, and the rest after it."""
        practice = await self._practice(tx, person, number)
        await self._give(tx, person, practice, await self._given(tx, person, practice))

    async def _pause(self, tx: Transaction, person: Conversation, number: str) -> None:
        practice = await self._practice(tx, person, number)
        first = await self._given(tx, person, practice)
        await practices.change(tx, practice.id, state=PAUSED, first=first, run_at=None)
        go = self._voice.wording.button(person, "button.exercise_next", f"exercise next {practice.id}")
        stop = self._voice.wording.button(person, "button.exercise_stop", f"exercise stop {practice.id}")
        await self._voice.say(tx, person, self._voice.text(person, "exercise_paused"), buttons=((go, stop),))

    async def _stop(self, tx: Transaction, person: Conversation, number: str) -> None:
        practice = await self._practice(tx, person, number)
        await self._end(tx, person, practice, STOPPED)
        await self._voice.say(tx, person, self._voice.text(person, "exercise_stopped"))

    async def _worse(self, tx: Transaction, person: Conversation, number: str) -> None:
        practice = await self._practice(tx, person, number)
        await self._end(tx, person, practice, STOPPED)
        found = practice.occurrence_id and await followups.of_occurrence(tx, practice.occurrence_id, person.person_id)
        if found and found[0].state == followups.ACTIVE:
            await self._voice.enrolments.pause(tx, found[0], "worse")
        await self._checkins.sorry(tx, person, practice.exercise)

    async def _practice(self, tx: Transaction, person: Conversation, number: str) -> Practice:
        """The exercise with an id, or the one under way. Raises Refused."""
        current = await practices.current(tx, person.person_id, tx.now - FORGOTTEN)
        if number.isdecimal():
            current = await practices.get(tx, int(number), person.person_id)
        if current is None or current.state not in (BEFORE, RUNNING, PAUSED):
            raise Refused("no_exercise_now")
        return current

    async def _given(self, tx: Transaction, person: Conversation, practice: Practice) -> int:
        """How many steps of an exercise the person has seen."""
        if practice.run_at is None:
            return practice.first
        return practice.first + await practices.steps_given(tx, person.id, practice.run_at)

    async def _give(self, tx: Transaction, person: Conversation, practice: Practice, first: int) -> None:
        """Write the steps from `first` on into the outbox, and the question that follows the last."""
        await outbox.drop_steps(tx, person.id)
        exercise = self._voice.content.exercise(person, practice.exercise)
        total = len(exercise.steps)
        pace = min(max(timedelta(minutes=exercise.minutes) / total, _PACE[0]), _PACE[1])
        around = self._while(person, practice)
        rows = [
            self._row(person, self._step(person, n, total, text), tx.now + (n - first) * pace, around)
            for n, text in list(enumerate(exercise.steps))[first:]
        ]
        asking = f"exercise mood {practice.id}"
        after = self._voice.text(person, "mood_after")
        worse = self._voice.wording.button(person, "button.followup_worse", f"exercise worse {practice.id}")
        buttons = (*self._voice.content.moods(person, asking), (worse,))
        rows.append(self._row(person, after, tx.now + max(total - first, 0) * pace, buttons))
        await outbox.add(tx, rows)
        await practices.change(tx, practice.id, state=RUNNING, first=first, run_at=tx.now)
        await self._voice.ask(tx, person, asking)

    def _step(self, person: Conversation, number: int, total: int, text: str) -> str:
        return self._voice.content.in_script(
            person, self._voice.text(person, "exercise_step", number=number + 1, total=total, step=text)
        )

    def _while(self, person: Conversation, practice: Practice) -> tuple[tuple[Button, ...], ...]:
        """The buttons under a step."""
        wording = self._voice.wording
        return (
            (
                wording.button(person, "button.exercise_next", f"exercise next {practice.id}"),
                wording.button(person, "button.exercise_pause", f"exercise pause {practice.id}"),
            ),
            (
                wording.button(person, "button.exercise_stop", f"exercise stop {practice.id}"),
                wording.button(person, "button.followup_worse", f"exercise worse {practice.id}"),
            ),
        )

    def _row(
        self,
        person: Conversation,
        text: str,
        at: datetime,
        buttons: tuple[tuple[Button, ...], ...],
    ) -> Outgoing:
        return Outgoing(
            conversation_id=person.id,
            address=person.address,
            kind=Kind.STEP,
            text=text,
            buttons=buttons,
            fence=person.fence,
            due_at=at,
        )

    async def _end(self, tx: Transaction, person: Conversation, practice: Practice, state: str) -> None:
        await practices.change(tx, practice.id, state=state, ended_at=tx.now)
        await self._voice.ask(tx, person, "")
