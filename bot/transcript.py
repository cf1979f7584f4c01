"""What the web page may show of a conversation, read from the store."""

from collections.abc import Sequence

from adapters import Address, Button, Kind, Thumbs
from adapters.web import Shown
from bot.desks import Desks
from bot.store import Store, conversations, feedback, messages
from bot.store.messages import Stored

PAGE_MESSAGES = 300


class StoreTranscript:
    """The stored conversations as their users may see them; see `adapters.web.Transcript`."""

    def __init__(self, store: Store, desks: Desks) -> None:
        self._store = store
        self._desks = desks

    async def since(self, address: Address, message_id: int) -> Sequence[Shown]:
        """Every line after `message_id`, oldest first."""
        async with self._store.reading() as tx:
            person = await conversations.at(tx, address)
            said = await messages.since(tx, person.id, message_id, PAGE_MESSAGES) if person else []
            valued = await feedback.of(tx, [m.id for m in said if m.thumbs])
        return [self._shown(m, valued[m.id][0] if m.id in valued else None) for m in said if m.kind is not Kind.ACTION]

    def _shown(self, message: Stored, helpful: bool | None) -> Shown:
        counsellor = self._desks.roster.counsellor(message.counsellor or "")
        return Shown(
            id=message.seq or 0,
            author=message.author,
            text=f"/{message.text}" if message.kind is Kind.COMMAND else message.text,
            at=message.at,
            buttons=tuple(tuple(Button(label, action) for label, action in line) for line in message.buttons),
            key=(message.key or "").split(":", 2)[-1],
            name=counsellor.name if counsellor else "",
            thumbs=Thumbs(message.id, helpful) if message.thumbs else None,
            image=message.image,
        )
