"""Enrolments and occurrences: what people agreed to, what is to be sent, and what became of each.

    due -> queued (it stands in the outbox) -> sent | skipped(reason) | missed(reason)
    due -> skipped(reason) | missed(reason)

Each occurrence ends once; every update asks for a state that is no end. Callers that change what belongs to a person
hold the lock of their conversation.
"""

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from datetime import date, datetime
from typing import Any, TypeVar

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    String,
    bindparam,
    delete,
    func,
    insert,
    literal_column,
    or_,
    select,
    update,
)

from bot.store import outbox as outgoing
from bot.store.schema import Instant, conversation, enrolment, occurrence, outbox, pace, programme_hold, rhythm
from bot.store.store import Transaction
from bot.store.wake import FOLLOWUPS

K = TypeVar("K")

INVITED, ACTIVE, PAUSED, STALLED, DONE, STOPPED = "invited", "active", "paused", "stalled", "done", "stopped"
DUE, QUEUED, SENT, SKIPPED, MISSED = "due", "queued", "sent", "skipped", "missed"
_OPEN = (DUE, QUEUED)


@dataclass(frozen=True, slots=True)
class StoredRhythm:
    """How a person lives with the clock. `known` False: the zone is a guess."""

    person_id: int
    zone: str
    known: bool
    quiet_from: int
    quiet_until: int
    last_sent_at: datetime | None = None
    offered_at: datetime | None = None
    asking: str = ""  # the command that a plain number completes, such as `mood`
    asked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Enrolment:
    """Somebody in a programme."""

    id: int
    person_id: int
    conversation_id: int
    programme: str
    version: int
    state: str
    reason: str
    source: str
    start_day: date | None
    at_minutes: int | None
    unanswered: int
    last_sent_at: datetime | None
    created_at: datetime
    agreed_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Due:
    """An occurrence whose time has come, with its enrolment."""

    id: int
    day: int
    round: int
    planned_at: datetime
    due_at: datetime
    latest_at: datetime
    enrolment: Enrolment
    rhythm: StoredRhythm | None


@dataclass(frozen=True, slots=True)
class Planned:
    """An occurrence to be written."""

    enrolment_id: int
    platform: str
    day: int
    planned_at: datetime
    due_at: datetime
    latest_at: datetime
    round: int = 0


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of an occurrence."""

    id: int
    state: str
    reason: str = ""


def _literal(state: str) -> ColumnElement[str]:
    """A state as a word of the statement: partial indexes are not used for a parameter."""
    return literal_column(f"'{state}'", String)


# Rhythm


async def rhythm_of(tx: Transaction, person_id: int) -> StoredRhythm | None:
    """A person's clock; None as long as they never agreed to anything."""
    row = (await tx.connection.execute(select(rhythm).where(rhythm.c.person_id == person_id))).one_or_none()
    return StoredRhythm(*row) if row else None


async def put_rhythm(tx: Transaction, found: StoredRhythm) -> None:
    """Keep a person's clock, new or changed."""
    values = dict(zip((c.name for c in rhythm.c), astuple(found), strict=True))
    statement = upsert(tx, rhythm).values(values)
    await tx.connection.execute(statement.on_conflict_do_update(index_elements=["person_id"], set_=values))


# Enrolments


def _enrolment(row: Row[Any]) -> Enrolment:
    return Enrolment(*(getattr(row, name) for name in Enrolment.__slots__))


async def enrol(
    tx: Transaction,
    person_id: int,
    conversation_id: int,
    programme: str,
    version: int,
    source: str,
    start_day: date | None,
    at_minutes: int | None = None,
) -> Enrolment:
    """Begin an enrolment; without `start_day` it is an invitation. The table refuses a second open one."""
    agreed = start_day is not None
    row = {
        "person_id": person_id,
        "conversation_id": conversation_id,
        "programme": programme,
        "version": version,
        "state": ACTIVE if agreed else INVITED,
        "source": source,
        "start_day": start_day,
        "at_minutes": at_minutes,
        "created_at": tx.now,
        "agreed_at": tx.now if agreed else None,
    }
    inserted = await tx.connection.execute(insert(enrolment).values(row).returning(*enrolment.c))
    return _enrolment(inserted.one())


async def change(tx: Transaction, id: int, **values: Any) -> None:  # noqa: A002
    """Change an enrolment's columns."""
    await tx.connection.execute(update(enrolment).where(enrolment.c.id == id).values(values))


async def get(tx: Transaction, id: int) -> Enrolment | None:  # noqa: A002
    """An enrolment by id."""
    row = (await tx.connection.execute(select(enrolment).where(enrolment.c.id == id))).one_or_none()
    return _enrolment(row) if row else None


async def of_person(tx: Transaction, person_id: int) -> list[Enrolment]:
    """A person's enrolments, oldest first, ended ones too."""
    rows = await tx.connection.execute(
        select(enrolment).where(enrolment.c.person_id == person_id).order_by(enrolment.c.id)
    )
    return [_enrolment(row) for row in rows]


async def open_of(tx: Transaction, person_id: int) -> list[Enrolment]:
    """A person's enrolments that are not over, oldest first."""
    return [e for e in await of_person(tx, person_id) if e.state not in (DONE, STOPPED)]


async def stalled(tx: Transaction, limit: int = 500) -> list[Enrolment]:
    """Enrolments that wait for their programme to come back."""
    rows = await tx.connection.execute(
        select(enrolment).where(enrolment.c.state == _literal(STALLED)).order_by(enrolment.c.id).limit(limit)
    )
    return [_enrolment(row) for row in rows]


async def of_occurrence(tx: Transaction, occurrence_id: int, person_id: int) -> tuple[Enrolment, Row[Any]] | None:
    """The enrolment of an occurrence with its row, if it is this person's."""
    query = select(enrolment, *(c.label(f"o_{c.name}") for c in occurrence.c)).join(
        occurrence, occurrence.c.enrolment_id == enrolment.c.id
    )
    found = await tx.connection.execute(
        query.where(occurrence.c.id == occurrence_id, enrolment.c.person_id == person_id)
    )
    row = found.one_or_none()
    return (_enrolment(row), row) if row else None


# Occurrences


def upsert(tx: Transaction, table: Any) -> Any:
    """An insert of the database's own kind, which knows what to do about a row that is there already."""
    if tx.connection.dialect.name == "sqlite":
        from sqlalchemy.dialects.sqlite import insert as sqlite_insert

        return sqlite_insert(table)
    from sqlalchemy.dialects.postgresql import insert as postgres_insert

    return postgres_insert(table)


async def plan(tx: Transaction, found: Sequence[Planned]) -> None:
    """Write occurrences. One that stands already stays as it is."""
    if not found:
        return
    rows = [{name: getattr(p, name) for name in Planned.__slots__} | {"state": DUE} for p in found]
    await tx.connection.execute(upsert(tx, occurrence).on_conflict_do_nothing(), rows)
    tx.ring(FOLLOWUPS)


def _due_query() -> Select[Any]:
    wanted = [occurrence.c[name] for name in ("day", "round", "planned_at", "due_at", "latest_at")]
    return (
        select(
            occurrence.c.id.label("occurrence_id"),
            *wanted,
            *enrolment.c,
            *(c.label(f"r_{c.name}") for c in rhythm.c),
        )
        .join(enrolment, enrolment.c.id == occurrence.c.enrolment_id)
        .join(conversation, conversation.c.id == enrolment.c.conversation_id)
        .join(rhythm, rhythm.c.person_id == enrolment.c.person_id, isouter=True)
        .where(
            occurrence.c.platform == bindparam("platform"),
            occurrence.c.state == _literal(DUE),
            occurrence.c.due_at <= bindparam("now", type_=Instant()),
        )
        .order_by(occurrence.c.due_at)
        .limit(bindparam("most"))
        .with_for_update(of=[occurrence, conversation], skip_locked=True)
    )


_DUE = _due_query()
_HOLD = (
    update(occurrence)
    .where(occurrence.c.id == bindparam("row_id"), occurrence.c.state == DUE)
    .values(due_at=bindparam("until", type_=Instant()), latest_at=bindparam("latest", type_=Instant()))
)
_NEXT = select(func.min(occurrence.c.due_at)).where(
    occurrence.c.platform == bindparam("platform"), occurrence.c.state == _literal(DUE)
)


async def claim(tx: Transaction, platform: str, limit: int) -> list[Due]:
    """Occurrences of a platform whose time has come, soonest first, locked with their conversations.

    Those that another transaction works on are left to it: nothing here ever waits.
    """
    rows = await tx.connection.execute(_DUE, {"platform": platform, "now": tx.now, "most": limit})
    return [_due(row) for row in rows]


def _due(row: Row[Any]) -> Due:
    rest = len(row) - len(rhythm.c)
    found = StoredRhythm(*row[rest:]) if row.r_person_id is not None else None
    mine = Enrolment(*row[_OWN:rest])
    return Due(row.occurrence_id, row.day, row.round, row.planned_at, row.due_at, row.latest_at, mine, found)


_OWN = 6  # columns of the occurrence itself


async def queue(tx: Transaction, ids: Sequence[int]) -> None:
    """These stand in the outbox from this commit on."""
    if ids:
        await tx.connection.execute(
            update(occurrence).where(occurrence.c.id.in_(ids), occurrence.c.state == DUE).values(state=QUEUED)
        )


async def end(tx: Transaction, found: Iterable[Ended]) -> None:
    """Write down what became of occurrences. One that has ended keeps its end."""
    for (state, reason), ids in _grouped(((e.state, str(e.reason)), e.id) for e in found).items():
        values = {"state": state, "reason": reason, "ended_at": tx.now}
        statement = update(occurrence).where(occurrence.c.id.in_(ids), occurrence.c.ended_at.is_(None))
        await tx.connection.execute(statement.values(values))


async def hold(tx: Transaction, found: Sequence[tuple[int, datetime, datetime]]) -> None:
    """Look at these again later: id, when, and from when on it is too late."""
    if found:
        await tx.connection.execute(_HOLD, [{"row_id": i, "until": u, "latest": n} for i, u, n in found])


async def pending_of(tx: Transaction, enrolment_ids: Sequence[int]) -> list[Row[Any]]:
    """What these enrolments have that has not ended."""
    rows = await tx.connection.execute(
        select(occurrence)
        .where(occurrence.c.enrolment_id.in_(enrolment_ids), occurrence.c.state.in_(_OPEN))
        .order_by(occurrence.c.due_at)
    )
    return list(rows)


async def settled_day(tx: Transaction, enrolment_id: int) -> int:
    """The last day of which the person got something, or said that they want nothing; -1 if there is none."""
    last = await tx.connection.scalar(
        select(func.max(occurrence.c.day)).where(
            occurrence.c.enrolment_id == enrolment_id,
            or_(occurrence.c.state.in_((QUEUED, SENT)), occurrence.c.reason == "by_user"),
        )
    )
    return -1 if last is None else int(last)


async def last_sent(tx: Transaction, person_id: int, since: datetime) -> int | None:
    """The last thing that a person was sent since a moment."""
    query = (
        select(occurrence.c.id)
        .join(enrolment, enrolment.c.id == occurrence.c.enrolment_id)
        .where(enrolment.c.person_id == person_id, occurrence.c.state == SENT, occurrence.c.ended_at >= since)
        .order_by(occurrence.c.ended_at.desc())
        .limit(1)
    )
    found: int | None = await tx.connection.scalar(query)
    return found


async def times_sent(tx: Transaction, enrolment_id: int, day: int) -> int:
    """How often a day's step was sent, or stands in the outbox."""
    found = await tx.connection.scalar(
        select(func.count())
        .select_from(occurrence)
        .where(
            occurrence.c.enrolment_id == enrolment_id,
            occurrence.c.day == day,
            occurrence.c.state.in_((QUEUED, SENT)),
        )
    )
    return int(found or 0)


async def next_round(tx: Transaction, enrolment_id: int, day: int) -> int:
    """The number of a further occurrence of a day; 0 if there was none yet."""
    last = await tx.connection.scalar(
        select(func.max(occurrence.c.round)).where(occurrence.c.enrolment_id == enrolment_id, occurrence.c.day == day)
    )
    return 0 if last is None else int(last) + 1


async def cancel(tx: Transaction, enrolment_ids: Sequence[int], reason: str) -> None:
    """End all that these enrolments have coming, at once: what waits in the outbox does not leave either."""
    pending = await pending_of(tx, enrolment_ids)
    queued = [row.id for row in pending if row.state == QUEUED]
    waiting = (
        await tx.connection.execute(
            select(outbox.c.id, outbox.c.occurrence_id)
            .join(enrolment, enrolment.c.conversation_id == outbox.c.conversation_id)
            .where(enrolment.c.id.in_(enrolment_ids), outbox.c.occurrence_id.in_(queued), outbox.c.state == "waiting")
            .distinct()
        )
    ).all()
    # What is on its way to the platform at this moment ends with its send.
    over = {row.id for row in pending if row.state == DUE} | {row.occurrence_id for row in waiting}
    await end(tx, [Ended(i, SKIPPED, reason) for i in sorted(over)])
    await outgoing.drop(tx, [row.id for row in waiting], reason)


async def expire(tx: Transaction, limit: int = 500) -> int:
    """End what waited in the outbox until it was too late, as behind a closed window. Gives their number."""
    query = (
        select(occurrence.c.id, outbox.c.id.label("row_id"))
        .join(enrolment, enrolment.c.id == occurrence.c.enrolment_id)
        .join(outbox, outbox.c.conversation_id == enrolment.c.conversation_id)
        .where(
            occurrence.c.state == _literal(QUEUED),
            occurrence.c.latest_at < tx.now,
            outbox.c.occurrence_id == occurrence.c.id,
            outbox.c.state == "waiting",
        )
        .limit(limit)
        .with_for_update(of=[outbox], skip_locked=True)
    )
    found = (await tx.connection.execute(query)).all()
    await end(tx, [Ended(row.id, MISSED, "late") for row in found])
    await outgoing.drop(tx, [row.row_id for row in found], "late")
    return len(found)


async def next_due(tx: Transaction, platform: str) -> datetime | None:
    """When the next occurrence of a platform falls due, however far away."""
    value: datetime | None = await tx.connection.scalar(_NEXT, {"platform": platform})
    return value


async def heard_window(tx: Transaction, ids: Sequence[int]) -> dict[int, int]:
    """How many texts of the bot these conversations got, or will get, since the user last wrote."""
    rows = await tx.connection.execute(
        select(outbox.c.conversation_id, func.count().label("number"))
        .join(conversation, conversation.c.id == outbox.c.conversation_id)
        .where(
            outbox.c.conversation_id.in_(ids),
            outbox.c.address == conversation.c.address,
            outbox.c.created_at >= conversation.c.last_in_at,
            outbox.c.state.in_(("waiting", "sending", "sent", "unknown")),
        )
        .group_by(outbox.c.conversation_id)
    )
    return {row.conversation_id: row.number for row in rows}


async def note_sent(tx: Transaction, enrolments: Sequence[tuple[int, int]], person_ids: Iterable[int]) -> None:
    """A follow-up leaves in this commit: enrolments with how many are unanswered then, and whose they are."""
    for unanswered, ids in _grouped((count, i) for i, count in enrolments).items():
        values = {"unanswered": unanswered, "last_sent_at": tx.now}
        await tx.connection.execute(update(enrolment).where(enrolment.c.id.in_(ids)).values(values))
    if ids := sorted(set(person_ids)):
        await tx.connection.execute(update(rhythm).where(rhythm.c.person_id.in_(ids)).values(last_sent_at=tx.now))


async def note_asked(tx: Transaction, questions: Iterable[tuple[int, str]]) -> None:
    """Persons, and the command that a plain number of theirs now completes; empty: none does."""
    for asked, ids in _grouped((asked, i) for i, asked in questions).items():
        values = {"asking": asked, "asked_at": tx.now}
        await tx.connection.execute(update(rhythm).where(rhythm.c.person_id.in_(ids)).values(values))


def _grouped(pairs: Iterable[tuple[K, int]]) -> dict[K, list[int]]:
    """Ids by what is written to them: one statement writes to many."""
    found: dict[K, list[int]] = {}
    for key, id in pairs:  # noqa: A001
        found.setdefault(key, []).append(id)
    return found


# Pace


async def open_lane(tx: Transaction, platform: str) -> None:
    """Make sure that a platform is looked after."""
    statement = upsert(tx, pace).values(platform=platform, free_at=tx.now).on_conflict_do_nothing()
    await tx.connection.execute(statement)


async def lanes(tx: Transaction) -> list[str]:
    """Platforms on which somebody agreed to follow-ups."""
    return list(await tx.connection.scalars(select(pace.c.platform).order_by(pace.c.platform)))


async def take_lane(tx: Transaction, platform: str) -> datetime | None:
    """When the next follow-up may leave on a platform; None while another process fills its lane. Locks it."""
    query = select(pace.c.free_at).where(pace.c.platform == platform).with_for_update(skip_locked=True)
    value: datetime | None = await tx.connection.scalar(query)
    return value


async def free_lane(tx: Transaction, platform: str, at: datetime) -> None:
    """The lane is full until `at`."""
    await tx.connection.execute(update(pace).where(pace.c.platform == platform).values(free_at=at))


# Programmes that an operator holds


async def holds(tx: Transaction) -> dict[str, str]:
    """`paused` or `retired` by programme."""
    return {row.programme: row.state for row in await tx.connection.execute(select(programme_hold))}


async def set_hold(tx: Transaction, programme: str, state: str | None, by: str) -> None:
    """Pause or retire a programme; None lets it go on."""
    await tx.connection.execute(delete(programme_hold).where(programme_hold.c.programme == programme))
    if state:
        row = {"programme": programme, "state": state, "by": by, "at": tx.now}
        await tx.connection.execute(insert(programme_hold).values(row))
    tx.ring(FOLLOWUPS)


# For operators


async def counts(tx: Transaction, since: datetime | None = None) -> list[Row[Any]]:
    """How many occurrences there are of each programme, platform, state and reason, ended since a moment or open."""
    query = (
        select(
            enrolment.c.programme,
            occurrence.c.platform,
            occurrence.c.state,
            occurrence.c.reason,
            func.count().label("number"),
        )
        .join(enrolment, enrolment.c.id == occurrence.c.enrolment_id)
        .group_by(enrolment.c.programme, occurrence.c.platform, occurrence.c.state, occurrence.c.reason)
        .order_by(enrolment.c.programme, occurrence.c.platform, occurrence.c.state, occurrence.c.reason)
    )
    if since is not None:
        query = query.where(or_(occurrence.c.state.in_(_OPEN), occurrence.c.ended_at >= since))
    return list(await tx.connection.execute(query))


async def coming(tx: Transaction, until: datetime, limit: int = 100) -> list[Row[Any]]:
    """What falls due until a moment, soonest first, with programme, person and platform."""
    query = (
        select(occurrence, enrolment.c.programme, enrolment.c.person_id)
        .join(enrolment, enrolment.c.id == occurrence.c.enrolment_id)
        .where(occurrence.c.state == DUE, occurrence.c.due_at <= until)
        .order_by(occurrence.c.due_at)
        .limit(limit)
    )
    return list(await tx.connection.execute(query))


async def history(tx: Transaction, person_id: int) -> list[Row[Any]]:
    """Everything that was planned for a person, oldest first, with its programme."""
    query = (
        select(occurrence, enrolment.c.programme)
        .join(enrolment, enrolment.c.id == occurrence.c.enrolment_id)
        .where(enrolment.c.person_id == person_id)
        .order_by(occurrence.c.planned_at, occurrence.c.id)
    )
    return list(await tx.connection.execute(query))


async def enrolled(tx: Transaction) -> list[Row[Any]]:
    """How many people are in each programme, by state."""
    query = (
        select(enrolment.c.programme, enrolment.c.state, func.count().label("number"))
        .group_by(enrolment.c.programme, enrolment.c.state)
        .order_by(enrolment.c.programme, enrolment.c.state)
    )
    return list(await tx.connection.execute(query))
