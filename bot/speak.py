"""Put words into the outbox: cut to the platform's message size, addressed, in the right lane."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from adapters import Address, Button, Capabilities, Unit
from adapters.render import split
from bot.store import Transaction, messages, outbox
from bot.store.conversations import Conversation
from bot.store.outbox import Kind, Outgoing

PLAIN = Capabilities(max_length=4000, unit=Unit.CHARACTERS)
"""For a platform whose adapter runs in another process."""

Buttons = tuple[tuple[Button, ...], ...]


@dataclass(frozen=True, slots=True)
class Speaker:
    """Writes outgoing rows. `capabilities` by platform."""

    capabilities: Mapping[str, Capabilities]

    def of(self, address: Address) -> Capabilities:
        """What the platform of an address can do."""
        return self.capabilities.get(address.platform, PLAIN)

    def parts(self, address: Address, text: str, buttons: Buttons = ()) -> list[tuple[str, Buttons]]:
        """A text as platform messages. Buttons go under the last one, or become words where there are none."""
        able = self.of(address)
        if buttons and not able.buttons:
            text = "\n".join([text, "", *(f"{b.label}: /{b.action}" for line in buttons for b in line)])
            buttons = ()
        cut = split(text, able.max_length, able.unit)
        return [(part, buttons if n == len(cut) - 1 else ()) for n, part in enumerate(cut)]

    async def to_person(
        self,
        tx: Transaction,
        person: Conversation,
        kind: Kind,
        texts: Sequence[str],
        *,
        buttons: Buttons = (),
        fence: int | None = None,
        author: str = messages.SYSTEM,
        counsellor: str | None = None,
        generator: str = "",
        handoff_id: int | None = None,
        due_at: datetime | None = None,
    ) -> None:
        """Write texts to the user. Those that fit into one message are joined, because some platforms count."""
        joined = _joined(texts, self.of(person.address))
        parts = [
            part
            for n, text in enumerate(joined)
            for part in self.parts(person.address, text, buttons if n == len(joined) - 1 else ())
        ]
        rows = [
            Outgoing(
                conversation_id=person.id,
                address=person.address,
                kind=kind,
                text=part,
                author=author,
                buttons=row_buttons,
                fence=fence,
                counsellor=counsellor,
                handoff_id=handoff_id,
                generator=generator,
                due_at=due_at,
            )
            for part, row_buttons in parts
        ]
        await outbox.add(tx, rows)

    async def to_desk(
        self,
        tx: Transaction,
        about: int,
        address: Address,
        kind: Kind,
        text: str,
        *,
        counsellor: str,
        handoff_id: int | None = None,
        buttons: Buttons = (),
    ) -> None:
        """Write to a counsellor, about the conversation with id `about`. Never part of the user's transcript."""
        rows = [
            Outgoing(
                conversation_id=about,
                address=address,
                kind=kind,
                text=part,
                buttons=row_buttons,
                counsellor=counsellor,
                handoff_id=handoff_id,
                transcript=False,
            )
            for part, row_buttons in self.parts(address, text, buttons)
        ]
        await outbox.add(tx, rows)


def _joined(texts: Sequence[str], able: Capabilities) -> list[str]:
    """Texts put together with a blank line where they fit into one message."""
    joined: list[str] = []
    for text in texts:
        together = f"{joined[-1]}\n\n{text}" if joined else text
        if joined and len(split(together, able.max_length, able.unit)) == 1:
            joined[-1] = together
        else:
            joined.append(text)
    return joined
