"""The latest talk of conversations, kept in memory so that a message costs no re-reading of what was said before.

An entry is good as long as the conversation's fence is the same (erasing raises it) and its transcript has only grown;
what was added since, by any process, is read from the store.
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field

from bot.store import messages
from bot.store.conversations import Conversation
from bot.store.messages import Stored
from bot.store.store import Transaction

CONVERSATIONS = 2_000


@dataclass(slots=True)
class _Entry:
    address: str
    fence: int
    seq: int = 0
    said: list[Stored] = field(default_factory=list)


class RecentTalk:
    """Gives the last `keep` messages of conversations."""

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._entries: OrderedDict[int, _Entry] = OrderedDict()

    async def of(
        self, tx: Transaction, people: Iterable[Conversation], unsent: bool = False
    ) -> dict[int, list[Stored]]:
        """The latest messages of each conversation, oldest first; with `unsent` also those not on their way yet."""
        entries = {p.id: self._entry(p) for p in people}
        behind = max((p.last_seq - entries[p.id].seq for p in people), default=0)
        waiting: dict[int, list[Stored]] = {}
        if behind or unsent:
            for row in await messages.latest(tx, list(entries), min(behind, self._keep), unsent):
                entry = entries[row.conversation_id]
                if row.seq is None:
                    waiting.setdefault(row.conversation_id, []).append(row)
                elif row.seq > entry.seq:
                    entry.said.append(row)
                    entry.seq = row.seq
        for entry in entries.values():
            del entry.said[: -self._keep]
        self._forget()
        return {i: entry.said + waiting.get(i, []) for i, entry in entries.items()}

    def _entry(self, person: Conversation) -> _Entry:
        entry = self._entries.get(person.id)
        current = (str(person.address), person.fence)
        if entry is None or (entry.address, entry.fence) != current or entry.seq > person.last_seq:
            entry = self._entries[person.id] = _Entry(*current, seq=max(0, person.last_seq - self._keep))
        self._entries.move_to_end(person.id)
        return entry

    def _forget(self) -> None:
        while len(self._entries) > CONVERSATIONS:
            self._entries.popitem(last=False)
