"""What the page shows comes from the store: the adapter asks for it through this small protocol."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from adapters.base import Address, Button, Thumbs


@dataclass(frozen=True, slots=True)
class Shown:
    """One line of a conversation as its user may see it.

    `id` grows within the conversation. `author` is user, bot (an answer it wrote), system (the bot, with a fixed text)
    or counsellor, whose name `name` is. `key` is the key of the Message, for what the user sent. A command's text is
    as it was typed, with the slash; a pressed button is shown by its label, or left out.
    """

    id: int
    author: str
    text: str
    at: datetime
    buttons: tuple[tuple[Button, ...], ...] = ()
    key: str = ""
    name: str = ""
    thumbs: Thumbs | None = None
    image: bytes | None = None  # PNG


class Transcript(Protocol):
    """The stored conversations, as their users may see them."""

    async def since(self, address: Address, message_id: int) -> Sequence[Shown]:
        """Every line with an id above `message_id`, oldest first; for 0 the whole conversation.

        Holds a reply from the moment it is given to `WebAdapter.send`; empty for a chat that does not exist.
        """
