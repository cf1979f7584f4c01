"""Exercises people did, how they said they were, and questionnaires they filled in. Numbers are sealed like texts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, insert, select, update

from bot.store.schema import form, mood, outbox, practice
from bot.store.store import Transaction

BEFORE, RUNNING, PAUSED, DONE, STOPPED = "before", "running", "paused", "done", "stopped"
OPEN = "open"
_UNDER_WAY = (BEFORE, RUNNING, PAUSED)


@dataclass(frozen=True, slots=True)
class Practice:
    """An exercise under way or over. `first`: the step that the present run began with."""

    id: int
    person_id: int
    exercise: str
    occurrence_id: int | None
    state: str
    first: int
    run_at: datetime | None


@dataclass(frozen=True, slots=True)
class Mood:
    """How somebody was, 0 to 10. `moment`: asked, before, after (an exercise)."""

    value: int
    moment: str
    practice_id: int | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Form:
    """A questionnaire with the answers so far, 0 to 3 each."""

    id: int
    person_id: int
    questionnaire: str
    occurrence_id: int | None
    state: str
    answers: tuple[int, ...]
    started_at: datetime


# Exercises


def _practice(row: Row[Any]) -> Practice:
    return Practice(row.id, row.person_id, row.exercise, row.occurrence_id, row.state, row.first, row.run_at)


async def start(tx: Transaction, person_id: int, exercise: str, occurrence_id: int | None) -> Practice:
    """Somebody begins an exercise; another that was under way is over."""
    await tx.connection.execute(
        update(practice)
        .where(practice.c.person_id == person_id, practice.c.state.in_(_UNDER_WAY))
        .values(state=STOPPED, ended_at=tx.now)
    )
    row = {
        "person_id": person_id,
        "exercise": exercise,
        "occurrence_id": occurrence_id,
        "state": BEFORE,
        "started_at": tx.now,
    }
    return _practice((await tx.connection.execute(insert(practice).values(row).returning(*practice.c))).one())


async def current(tx: Transaction, person_id: int, since: datetime) -> Practice | None:
    """The exercise that somebody began since a moment and has not ended."""
    rows = await tx.connection.execute(
        select(practice)
        .where(practice.c.person_id == person_id, practice.c.state.in_(_UNDER_WAY), practice.c.started_at >= since)
        .order_by(practice.c.id.desc())
        .limit(1)
    )
    row = rows.one_or_none()
    return _practice(row) if row else None


async def get(tx: Transaction, id: int, person_id: int) -> Practice | None:  # noqa: A002
    """An exercise by id, if it is this person's."""
    rows = await tx.connection.execute(select(practice).where(practice.c.id == id, practice.c.person_id == person_id))
    row = rows.one_or_none()
    return _practice(row) if row else None


async def change(tx: Transaction, id: int, **values: Any) -> None:  # noqa: A002
    """Change an exercise's columns."""
    await tx.connection.execute(update(practice).where(practice.c.id == id).values(values))


async def steps_given(tx: Transaction, conversation_id: int, run_at: datetime) -> int:
    """How many steps of a run have left."""
    found = await tx.connection.scalar(
        select(func.count())
        .select_from(outbox)
        .where(
            outbox.c.conversation_id == conversation_id,
            outbox.c.kind == "step",
            outbox.c.created_at == run_at,
            outbox.c.state.in_(("sending", "sent", "unknown")),
        )
    )
    return int(found or 0)


# Moods


async def add_mood(tx: Transaction, person_id: int, value: int, moment: str, practice_id: int | None = None) -> None:
    """Keep how somebody is."""
    row = {
        "person_id": person_id,
        "body": tx.cipher.seal_json(value),
        "moment": moment,
        "practice_id": practice_id,
        "at": tx.now,
    }
    await tx.connection.execute(insert(mood).values(row))


async def moods(tx: Transaction, person_id: int, since: datetime | None = None) -> list[Mood]:
    """How somebody was, oldest first."""
    query = select(mood).where(mood.c.person_id == person_id).order_by(mood.c.at, mood.c.id)
    if since is not None:
        query = query.where(mood.c.at >= since)
    return [
        Mood(int(tx.cipher.open_json(row.body)), row.moment, row.practice_id, row.at)
        for row in await tx.connection.execute(query)
    ]


# Questionnaires


def _form(tx: Transaction, row: Row[Any]) -> Form:
    answers = tuple(tx.cipher.open_json(row.answers))
    return Form(row.id, row.person_id, row.questionnaire, row.occurrence_id, row.state, answers, row.started_at)


async def open_form(tx: Transaction, person_id: int, questionnaire: str, occurrence_id: int | None) -> Form:
    """Begin a questionnaire; one of the same kind that was begun is left as it is."""
    await tx.connection.execute(
        update(form)
        .where(form.c.person_id == person_id, form.c.questionnaire == questionnaire, form.c.state == OPEN)
        .values(state=STOPPED, ended_at=tx.now)
    )
    row = {
        "person_id": person_id,
        "questionnaire": questionnaire,
        "occurrence_id": occurrence_id,
        "state": OPEN,
        "answers": tx.cipher.seal_json([]),
        "started_at": tx.now,
    }
    return _form(tx, (await tx.connection.execute(insert(form).values(row).returning(*form.c))).one())


async def get_form(tx: Transaction, id: int, person_id: int) -> Form | None:  # noqa: A002
    """A questionnaire by id, if it is this person's."""
    row = (
        await tx.connection.execute(select(form).where(form.c.id == id, form.c.person_id == person_id))
    ).one_or_none()
    return _form(tx, row) if row else None


async def answer(tx: Transaction, id: int, answers: Sequence[int], state: str) -> None:  # noqa: A002
    """Keep the answers so far; `state` is open, done or stopped."""
    values = {"answers": tx.cipher.seal_json(list(answers)), "state": state}
    ended = {} if state == OPEN else {"ended_at": tx.now}
    await tx.connection.execute(update(form).where(form.c.id == id).values(values | ended))


async def forms(tx: Transaction, person_id: int) -> list[Form]:
    """Every questionnaire of a person, oldest first."""
    rows = await tx.connection.execute(select(form).where(form.c.person_id == person_id).order_by(form.c.id))
    return [_form(tx, row) for row in rows]
