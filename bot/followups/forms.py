"""Questionnaires, one item at a time. An answer about one's own death goes to a counsellor, in the same commit."""

from adapters import Button
from bot.followups.enrolments import Refused
from bot.followups.voice import Voice
from bot.handoff import Handoffs
from bot.speak import Buttons
from bot.store import Transaction, conversations, handoffs, messages, practices
from bot.store.conversations import Conversation
from bot.store.messages import Stored
from bot.store.practices import DONE, OPEN, STOPPED, Form
from config.questionnaires import Questionnaire, load_questionnaires
from engine import About, Assessment, Category, Level


class Forms:
    """Runs `form begin QUESTIONNAIRE OCCURRENCE`, `form FORM ITEM ANSWER`, `form stop FORM`."""

    def __init__(self, voice: Voice, handoffs: Handoffs) -> None:
        self._voice = voice
        self._handoffs = handoffs

    async def run(self, tx: Transaction, person: Conversation, message: Stored, argument: str) -> None:
        """A press, or a number in reply to an item."""
        words = argument.split()
        try:
            if words[:1] == ["begin"] and len(words) >= 2:
                await self._begin(tx, person, words[1], words[2] if len(words) > 2 else "")
            elif words[:1] == ["stop"] and len(words) == 2:
                await self._stop(tx, person, words[1])
            elif len(words) == 3 and all(word.isdecimal() and len(word) < 18 for word in words):
                await self._answer(tx, person, message, *map(int, words))
            else:
                raise Refused("not_understood")
        except Refused as refusal:
            await self._voice.say(tx, person, self._voice.text(person, refusal.key))

    async def _begin(self, tx: Transaction, person: Conversation, name: str, number: str) -> None:
        if name not in load_questionnaires() or person.holder != conversations.BOT:
            raise Refused("not_open")
        occurrence_id = int(number) if number.isdecimal() else None
        await self._ask(tx, person, await practices.open_form(tx, person.person_id, name, occurrence_id))

    async def _stop(self, tx: Transaction, person: Conversation, number: str) -> None:
        form = await practices.get_form(tx, int(number), person.person_id) if number.isdecimal() else None
        if form is None or form.state != OPEN:
            raise Refused("not_open")
        await practices.answer(tx, form.id, form.answers, STOPPED)
        await self._voice.ask(tx, person, "")
        await self._voice.say(tx, person, self._voice.text(person, "form_stopped"))

    async def _ask(self, tx: Transaction, person: Conversation, form: Form) -> None:
        """The next item."""
        asked = load_questionnaires()[form.questionnaire]
        wording = asked.wording(self._voice.wording.language_of(person))
        item = len(form.answers)
        text = self._voice.text(
            person, "form_item", lead=wording.lead, number=item + 1, total=len(wording.items), step=wording.items[item]
        )
        action = f"form {form.id} {item}"
        if self._voice.content.has_buttons(person):
            choices: Buttons = tuple(
                (Button(self._voice.content.in_script(person, label), f"{action} {value}"),)
                for value, label in enumerate(wording.answers)
            )
            stop = self._voice.wording.button(person, "button.form_stop", f"form stop {form.id}")
            choices = (*choices, (stop,))
        else:
            text += "\n" + "\n".join(f"{value}: {label}" for value, label in enumerate(wording.answers))
            choices = ()
        await self._voice.say(tx, person, self._voice.content.in_script(person, text), buttons=choices)
        await self._voice.ask(tx, person, action)

    async def _answer(
        self, tx: Transaction, person: Conversation, message: Stored, number: int, item: int, value: int
    ) -> None:
        form = await practices.get_form(tx, number, person.person_id)
        if form is None or form.state != OPEN:
            raise Refused("form_over")
        if item != len(form.answers):
            return  # an earlier item was pressed again; the first answer stands
        if value > 3:
            raise Refused("form_range")
        asked = load_questionnaires()[form.questionnaire]
        answers = (*form.answers, value)
        done = len(answers) == len(asked.en.items)
        await practices.answer(tx, form.id, answers, DONE if done else OPEN)
        if asked.is_danger(item, value):
            await self._danger(tx, person, message, asked)
        elif done:
            await self._result(tx, person, asked, asked.total(answers))
        else:
            reached = await practices.get_form(tx, number, person.person_id)
            assert reached is not None
            await self._ask(tx, person, reached)

    async def _danger(self, tx: Transaction, person: Conversation, message: Stored, asked: Questionnaire) -> None:
        """Treated as the same words in a message would be: safety text, handoff, alerts."""
        found = Assessment(
            Level.URGENT, Category.SUICIDE, 0.9, about=About.SELF, version=f"{asked.id} item {asked.danger_item}"
        )
        await messages.add_assessments(tx, [(message.id, found)])
        person.level = max(person.level, found.level, key=lambda level: level.rank)
        current = await handoffs.open_of(tx, person.id)
        await self._handoffs.open_or_raise(tx, person, found, message.id, current)
        await self._voice.ask(tx, person, "")

    async def _result(self, tx: Transaction, person: Conversation, asked: Questionnaire, total: int) -> None:
        """The total, and at or above the cut-off of the language the advice to talk to somebody. No diagnosis."""
        await self._voice.ask(tx, person, "")
        wording = asked.wording(self._voice.wording.language_of(person))
        high = total >= wording.cut_off
        text = self._voice.text(
            person, "form_high" if high else "form_low", title=asked.title, count=total, total=3 * len(wording.items)
        )
        buttons: Buttons = ((self._voice.wording.button(person, "button.human", "human"),),) if high else ()
        await self._voice.say(tx, person, text, buttons=buttons)
