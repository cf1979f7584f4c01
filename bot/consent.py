"""`/share`: whether a user's words may be used to make the screening of danger better. Nothing is used before a yes."""

from bot.speak import Buttons, Speaker
from bot.store import Transaction, consents, outbox
from bot.store.conversations import Conversation
from bot.store.messages import Stored
from bot.wording import Wording


class Consents:
    """Asks for consent, keeps it, and takes it back."""

    def __init__(self, speaker: Speaker, wording: Wording) -> None:
        self._speaker = speaker
        self._wording = wording

    async def asked(self, tx: Transaction, person: Conversation, message: Stored, argument: str) -> None:
        """`share` asks, `share yes` agrees, `share no` agrees no longer."""
        buttons: Buttons = ()
        if argument == "yes":
            await consents.give(tx, person.person_id, consents.TRAINING)
            key = "share.given"
        elif argument == "no":
            await consents.take_back(tx, person.person_id, consents.TRAINING)
            key = "share.taken_back"
        else:
            given = await consents.given(tx, person.person_id, consents.TRAINING)
            key = "share.is_given" if given else "share.ask"
            choice = "no" if given else "yes"
            buttons = ((self._wording.button(person, f"button.share_{choice}", f"share {choice}"),),)
        text = self._wording.text(person, key)
        await self._speaker.to_person(tx, person, outbox.Kind.NOTICE, [text], buttons=buttons)
