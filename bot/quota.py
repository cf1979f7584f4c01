"""How much a platform still lets through, and a counsellor's words said within it: short ones joined before they leave.

WeChat lets an account write a few messages within two days of the user's last one. A counsellor's quick lines are put
together while the first of them has not left, and wait a moment for each other when few messages are left.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from adapters import Capabilities
from adapters.render import length
from bot.speak import Speaker
from bot.store import Transaction, messages, outbox, relays
from bot.store.conversations import Conversation

FEW = 2
JOIN_SECONDS = 6.0


@dataclass(frozen=True, slots=True)
class Quota:
    """What may still be sent. `messages_left` counts what waits as sent; `open` False: held until the user writes."""

    messages_left: int
    window_ends_at: datetime | None
    open: bool


async def quota_of(tx: Transaction, person: Conversation, able: Capabilities) -> Quota | None:
    """What is left of a platform's window; None where there is none, or its adapter is not here."""
    if able.window_hours is None or able.window_messages is None:
        return None
    if person.last_in_at is None:
        return Quota(0, None, open=False)
    ends = person.last_in_at + timedelta(hours=able.window_hours)
    left = max(0, able.window_messages - await relays.count_since(tx, person.address, person.last_in_at))
    return Quota(left, ends, open=left > 0 and tx.now < ends)


async def say_to(
    tx: Transaction, speaker: Speaker, person: Conversation, text: str, *, counsellor: str, handoff_id: int
) -> None:
    """Write a counsellor's words to the user; the caller holds the lock of the conversation."""
    able = speaker.of(person.address)
    quota = await quota_of(tx, person, able)
    if quota and await _joined(tx, able, person, text, counsellor):
        return
    few = quota is not None and quota.messages_left <= FEW
    await speaker.to_person(
        tx,
        person,
        outbox.Kind.RELAY,
        [text],
        author=messages.COUNSELLOR,
        counsellor=counsellor,
        handoff_id=handoff_id,
        due_at=tx.now + timedelta(seconds=JOIN_SECONDS) if few else None,
    )


async def _joined(tx: Transaction, able: Capabilities, person: Conversation, text: str, counsellor: str) -> bool:
    """Put a text under the counsellor's last one, if that has not left and nothing stands behind it."""
    last = await relays.last_waiting(tx, person.address)
    if last is None or last.counsellor != counsellor:
        return False
    together = f"{last.text}\n{text.strip()}"
    if length(together, able.unit) > able.max_length:
        return False
    await relays.rewrite(tx, last, together)
    return True
