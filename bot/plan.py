"""A person's safety plan as they read it: sent by a counsellor, or asked for by /plan."""

from bot.speak import Speaker
from bot.store import Transaction, outbox, plans
from bot.store.conversations import Conversation
from bot.store.messages import Stored
from bot.store.plans import PLAN_FIELDS, Plan
from bot.wording import Wording
from engine import Level


def plan_text(wording: Wording, person: Conversation, plan: Plan) -> str:
    """The plan with its headings, then the crisis lines: whoever looks at it may need them."""
    filled = [
        f"{wording.text(person, f'plan.field.{name}')}\n{plan.fields[name]}"
        for name in PLAN_FIELDS
        if plan.fields[name]
    ]
    lines = wording.lines_for(person, Level.URGENT)
    return "\n\n".join([wording.text(person, "plan.intro"), *filled, wording.text(person, "plan.outro", lines=lines)])


class PlanCommand:
    """`/plan`."""

    def __init__(self, speaker: Speaker, wording: Wording) -> None:
        self._speaker = speaker
        self._wording = wording

    async def shown(self, tx: Transaction, person: Conversation, message: Stored, argument: str) -> None:
        """Show the newest plan, or say that there is none and who makes one."""
        newest = await plans.newest(tx, person.person_id)
        if newest:
            text = plan_text(self._wording, person, newest)
            await plans.shown(tx, person.person_id, newest.version)
        else:
            text = self._wording.text(person, "plan.none")
        await self._speaker.to_person(tx, person, outbox.Kind.NOTICE, [text])
