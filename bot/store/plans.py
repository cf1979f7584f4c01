"""Safety plans, sealed. A change is a new version; the older ones are kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, insert, select, update

from bot.store.schema import plan
from bot.store.store import Transaction

PLAN_FIELDS = ("signs", "alone", "distraction", "people", "professionals", "surroundings")
"""How it begins, what I can do alone, what takes my mind off it, who can help, professionals, safer surroundings."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One version of a person's safety plan. `fields` has every one of PLAN_FIELDS, perhaps empty."""

    version: int
    author: str
    at: datetime
    fields: dict[str, str]
    shown_at: datetime | None


def _read(tx: Transaction, row: Row[Any]) -> Plan:
    kept = tx.cipher.open_json(row.body)
    return Plan(row.version, row.author, row.at, {name: kept.get(name, "") for name in PLAN_FIELDS}, row.shown_at)


async def every(tx: Transaction, person_id: int) -> list[Plan]:
    """All versions, newest first."""
    query = select(plan).where(plan.c.person_id == person_id).order_by(plan.c.version.desc())
    return [_read(tx, row) for row in await tx.connection.execute(query)]


async def newest(tx: Transaction, person_id: int) -> Plan | None:
    """The version that holds."""
    query = select(plan).where(plan.c.person_id == person_id).order_by(plan.c.version.desc()).limit(1)
    row = (await tx.connection.execute(query)).one_or_none()
    return _read(tx, row) if row else None


async def add(tx: Transaction, person_id: int, author: str, fields: Mapping[str, str]) -> Plan:
    """Keep a new version. The caller holds the lock of the conversation."""
    before = await newest(tx, person_id)
    values = {
        "person_id": person_id,
        "version": before.version + 1 if before else 1,
        "author": author,
        "body": tx.cipher.seal_json({name: fields.get(name, "") for name in PLAN_FIELDS}),
        "at": tx.now,
    }
    row = (await tx.connection.execute(insert(plan).values(values).returning(plan))).one()
    return _read(tx, row)


async def shown(tx: Transaction, person_id: int, version: int) -> None:
    """Note that a version was sent to the user."""
    query = update(plan).where(plan.c.person_id == person_id, plan.c.version == version)
    await tx.connection.execute(query.values(shown_at=tx.now))
