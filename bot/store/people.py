"""Persons: what is kept about somebody, and how it goes away."""

from typing import Any

from sqlalchemy import delete, exists, select, update

from adapters import Address
from bot.store import consents, dispositions, facts, feedback, followups, handoffs, messages, notes, plans, practices
from bot.store.conversations import Conversation
from bot.store.schema import (
    consent,
    conversation,
    enrolment,
    fact,
    form,
    handoff,
    message,
    mood,
    note,
    outbox,
    person,
    plan,
    practice,
    rhythm,
    view,
)
from bot.store.store import Transaction
from bot.store.wake import page


async def erase_history(tx: Transaction, of: Conversation) -> None:
    """Delete what was said, and mark the rest to go as soon as the last word to the person has left. Changes `of`."""
    for table in (outbox, handoff, view, message):
        await tx.connection.execute(delete(table).where(table.c.conversation_id == of.id))
    for about in (fact, note, plan, consent, enrolment, practice, mood, form, rhythm):
        await tx.connection.execute(delete(about).where(about.c.person_id == of.person_id))
    await tx.connection.execute(update(conversation).where(conversation.c.id == of.id).values(note=None))
    of.erase_at_close = True
    of.fence += 1  # whatever is being written for them is dropped, and nobody remembers what was said


async def sweep(tx: Transaction) -> int:
    """Delete persons who asked for it and for whom nothing is open or on its way any more. Gives their number."""
    unfinished = (
        select(conversation.c.id)
        .where(
            conversation.c.person_id == person.c.id,
            exists().where(handoff.c.conversation_id == conversation.c.id, handoff.c.state != handoffs.CLOSED)
            | exists().where(outbox.c.conversation_id == conversation.c.id, outbox.c.state.in_(("waiting", "sending")))
            | exists().where(message.c.conversation_id == conversation.c.id, message.c.state == messages.PENDING),
        )
        .exists()
    )
    ready = list(await tx.connection.scalars(select(person.c.id).where(person.c.erase_at_close, ~unfinished)))
    if not ready:
        return 0
    talks = select(conversation.c.address).where(conversation.c.person_id.in_(ready))
    for address in await tx.connection.scalars(talks):
        tx.ring(page(Address.parse(address)))  # open pages and desks show that it is gone
    await tx.connection.execute(delete(person).where(person.c.id.in_(ready)))
    return len(ready)


async def erase(tx: Transaction, person_id: int) -> bool:
    """Delete a person and everything about them now. False if there is no such person."""
    result = await tx.connection.execute(delete(person).where(person.c.id == person_id).returning(person.c.id))
    return result.one_or_none() is not None


async def export(tx: Transaction, person_id: int) -> dict[str, Any] | None:
    """Everything kept about a person, readable, as JSON values. None if there is no such person."""
    row = (await tx.connection.execute(select(person).where(person.c.id == person_id))).one_or_none()
    if row is None:
        return None
    talks = await tx.connection.execute(select(conversation).where(conversation.c.person_id == person_id))
    return {
        "person": {k: _plain(v) for k, v in row._mapping.items()},
        "remembered": [
            {"at": found.at.isoformat(), "kind": found.kind.value, "value": found.value}
            for found in await facts.kept(tx, person_id)
        ],
        "consents": await consents.of(tx, person_id),
        "safety_plans": [
            {"version": kept.version, "at": kept.at.isoformat(), "author": kept.author, "fields": kept.fields}
            for kept in await plans.every(tx, person_id)
        ],
        "follow_ups": await _export_follow_ups(tx, person_id),
        "conversations": [await _export_conversation(tx, talk.id, talk.address) for talk in talks],
    }


async def _export_follow_ups(tx: Transaction, person_id: int) -> dict[str, Any]:
    rhythm_kept = await followups.rhythm_of(tx, person_id)
    return {
        "time_zone": rhythm_kept.zone if rhythm_kept else None,
        "programmes": [
            {"programme": e.programme, "state": e.state, "agreed_at": _plain(e.agreed_at), "source": e.source}
            for e in await followups.of_person(tx, person_id)
        ],
        "planned": [
            {"programme": o.programme, "at": o.planned_at.isoformat(), "state": o.state, "reason": o.reason}
            for o in await followups.history(tx, person_id)
        ],
        "moods": [
            {"at": m.at.isoformat(), "mood": m.value, "moment": m.moment} for m in await practices.moods(tx, person_id)
        ],
        "questionnaires": [
            {"at": f.started_at.isoformat(), "questionnaire": f.questionnaire, "answers": f.answers}
            for f in await practices.forms(tx, person_id)
        ],
    }


async def _export_conversation(tx: Transaction, conversation_id: int, address: str) -> dict[str, Any]:
    said = await messages.every(tx, conversation_id)
    judged = await messages.assessments(tx, [m.id for m in said])
    valued = await feedback.of(tx, [m.id for m in said if m.thumbs])
    opened = await tx.connection.scalars(select(handoff.c.id).where(handoff.c.conversation_id == conversation_id))
    return {
        "address": address,
        "messages": [
            {
                "at": m.at.isoformat(),
                "author": m.author,
                "kind": m.kind.value,
                "text": m.text,
                "level": judged[m.id].level.value if m.id in judged else None,
            }
            | (_export_feedback(m, *valued[m.id]) if m.id in valued else {})
            for m in said
        ],
        "handoffs": [await _export_handoff(tx, i) for i in opened.all()],
    }


def _export_feedback(answer: messages.Stored, helpful: bool, reason: str | None) -> dict[str, Any]:
    said = {"helpful": helpful, "missing": reason, "generator": answer.generator, "version": answer.version}
    return {"feedback": said}


async def _export_handoff(tx: Transaction, handoff_id: int) -> dict[str, Any]:
    found = await handoffs.get(tx, handoff_id)
    assert found is not None
    form = await dispositions.get(tx, handoff_id)
    return {
        "opened": found.created_at.isoformat(),
        "level": found.level.value,
        "outcome": found.outcome,
        "disposition": {"verdict": form.verdict, "fields": form.fields} if form else None,
        "notes": [
            {"at": n.at.isoformat(), "kind": n.kind, "author": n.author, "text": n.text}
            for n in await notes.of_handoff(tx, handoff_id)
        ],
        "record": [
            {"at": e.at.isoformat(), "actor": e.actor, "event": e.event, "detail": e.detail}
            for e in await handoffs.events(tx, handoff_id)
        ],
    }


def _plain(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value
