"""Who may do and read what in the console: decided here alone, and asked by every page, action and file.

| role | works at the desk | reads every conversation | sees the numbers | changes who is on call | holds follow-ups |
|---|---|---|---|---|---|
| counsellor | yes | | | | |
| supervisor | yes | yes | yes | | |
| operator | yes | | yes | yes | yes |

Whoever works at the desk reads what waits for a counsellor, what is their own, and what they were called to: invited,
watching, or offered to them. Somebody else's conversation is not theirs to read. After the end it stays readable for
the one who closed it, until the person is with somebody else.
"""

from enum import StrEnum

from bot.desk import Desk
from bot.store import Transaction, companions, handoffs, offers
from config import Counsellor


class Right(StrEnum):
    """What a role may allow."""

    ANSWER = "answer"
    OVERSEE = "oversee"
    NUMBERS = "numbers"
    SCHEDULE = "schedule"
    FOLLOWUPS = "followups"


_RIGHTS = {
    "counsellor": frozenset({Right.ANSWER}),
    "supervisor": frozenset({Right.ANSWER, Right.OVERSEE, Right.NUMBERS}),
    "operator": frozenset({Right.ANSWER, Right.NUMBERS, Right.SCHEDULE, Right.FOLLOWUPS}),
}


def may(counsellor: Counsellor, right: Right) -> bool:
    """Whether the counsellor's role allows it."""
    return right in _RIGHTS[counsellor.role]


async def may_open(desk: Desk, reader: Counsellor, handoff_id: int) -> bool:
    """Whether the page of a case is open to a counsellor; that of one which does not exist is: it says so."""
    async with desk.store.reading() as tx:
        found = await handoffs.get(tx, handoff_id)
        return found is None or await may_read(desk, tx, reader, found.conversation_id)


async def may_read(desk: Desk, tx: Transaction, reader: Counsellor, conversation_id: int) -> bool:
    """Whether a counsellor may read a conversation now. Its newest handoff decides."""
    if may(reader, Right.OVERSEE):
        return True
    newest = await handoffs.newest_of(tx, conversation_id)
    if newest is None:
        return False
    if newest.state == handoffs.WAITING or newest.counsellor == reader.id:
        return True
    if await companions.one(tx, newest.id, reader.id):
        return True
    offer = await offers.open_of(tx, newest.id)
    return offer is not None and desk.transfers.is_for(offer, reader.id)
