"""What became of what the screen judged: training rows from closed handoffs. Text only where its person agreed."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import select

from adapters import Kind
from bot.store import consents, drafts, messages
from bot.store.messages import Stored
from bot.store.schema import conversation, disposition, handoff
from bot.store.store import Transaction

EACH = 200  # handoffs read at once
BEFORE = 12  # messages before a request among which the words that led to it are found


async def rows(tx: Transaction, since: datetime | None = None) -> list[dict[str, Any]]:
    """One row a handoff with its message, oldest first, as JSON values; only those closed after `since`.

    `label` is what the counsellor said of the screen: right, false_alarm, missed, or None. `text` is there with consent
    alone.
    """
    query = (
        select(handoff, disposition.c.verdict, conversation.c.person_id)
        .join(conversation, conversation.c.id == handoff.c.conversation_id)
        .outerjoin(disposition, disposition.c.handoff_id == handoff.c.id)
        .where(handoff.c.closed_at.is_not(None))
        .order_by(handoff.c.id)
    )
    if since:
        query = query.where(handoff.c.closed_at >= since)
    found = (await tx.connection.execute(query)).all()
    made = []
    for start in range(0, len(found), EACH):
        made += await _described(tx, found[start : start + EACH])
    return made


async def _described(tx: Transaction, found: Iterable[Any]) -> list[dict[str, Any]]:
    rows = [(row, await _said(tx, row.message_id)) for row in found]
    agreed = await consents.who(tx, consents.TRAINING, {row.person_id for row, _ in rows})
    judged = await messages.assessments(tx, [said.id for _, said in rows if said])
    made = []
    for row, said in rows:
        assessment = judged.get(said.id) if said else None
        line = {
            "handoff": row.id,
            "closed": row.closed_at.isoformat(),
            "reason": row.reason,
            "level": row.level,
            "category": row.category,
            "outcome": row.outcome,
            "label": row.verdict,
            "version": assessment.version if assessment else None,
            "score": assessment.score if assessment else None,
            "rules": sorted({span.rule for span in assessment.evidence}) if assessment else [],
        }
        if said and row.person_id in agreed:
            line["text"] = said.text
        made.append(line)
    return made


async def _said(tx: Transaction, message_id: int | None) -> Stored | None:
    """The words that a handoff was about: its message, or what the user wrote before they asked for a person."""
    found = await messages.get(tx, message_id or 0)
    if found is None or found.kind is Kind.TEXT:
        return found
    before = await messages.before(tx, found.conversation_id, found.seq or 0, BEFORE)
    return next((m for m in reversed(before) if m.author == messages.USER and m.kind is Kind.TEXT), None)


async def draft_rows(tx: Transaction) -> list[dict[str, Any]]:
    """What became of drafts, counted by kind, generator and version."""
    return [
        {
            "kind": fate.kind,
            "generator": fate.generator,
            "version": fate.version,
            "state": fate.state,
            "number": fate.number,
            "mean_characters_changed": fate.distance,
        }
        for fate in await drafts.fates(tx)
    ]
