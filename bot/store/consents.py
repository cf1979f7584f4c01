"""What a person agreed to, by purpose. Taking it back leaves nothing."""

from collections.abc import Iterable

from sqlalchemy import delete, insert, select

from bot.store.schema import consent
from bot.store.store import Transaction

TRAINING = "training"
"""That their words may be used to make the screening of danger better."""


async def given(tx: Transaction, person_id: int, purpose: str) -> bool:
    """Whether a person agreed."""
    query = select(consent.c.at).where(consent.c.person_id == person_id, consent.c.purpose == purpose)
    return await tx.connection.scalar(query) is not None


async def of(tx: Transaction, person_id: int) -> dict[str, str]:
    """Since when a person agrees to what, as ISO times by purpose."""
    rows = await tx.connection.execute(select(consent).where(consent.c.person_id == person_id))
    return {row.purpose: row.at.isoformat() for row in rows}


async def who(tx: Transaction, purpose: str, person_ids: Iterable[int]) -> frozenset[int]:
    """Which of these persons agreed."""
    query = select(consent.c.person_id).where(consent.c.purpose == purpose, consent.c.person_id.in_(list(person_ids)))
    return frozenset(await tx.connection.scalars(query))


async def give(tx: Transaction, person_id: int, purpose: str) -> None:
    """A person agrees."""
    if not await given(tx, person_id, purpose):
        row = {"person_id": person_id, "purpose": purpose, "at": tx.now}
        await tx.connection.execute(insert(consent).values(row))


async def take_back(tx: Transaction, person_id: int, purpose: str) -> None:
    """A person agrees no longer."""
    await tx.connection.execute(delete(consent).where(consent.c.person_id == person_id, consent.c.purpose == purpose))
