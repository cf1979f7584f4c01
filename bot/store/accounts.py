"""Accounts of counsellors, their sessions, and invitations to set a password. Tokens are kept as digests only."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, delete, func, insert, select, update

from bot.store.schema import account, invite, recovery_code, session
from bot.store.store import Transaction


@dataclass(frozen=True, slots=True)
class Account:
    """A counsellor's account. `failures` counts wrong passwords since the last right one."""

    id: int
    counsellor: str
    password_hash: str
    created_at: datetime
    failures: int
    locked_until: datetime | None
    totp_secret: bytes | None  # sealed
    totp_last: int | None


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in browser."""

    counsellor: str
    expires_at: datetime
    last_seen_at: datetime


async def count(tx: Transaction) -> int:
    """How many accounts there are."""
    return await tx.connection.scalar(select(func.count()).select_from(account)) or 0


async def of(tx: Transaction, counsellor: str) -> Account | None:
    """A counsellor's account, locked until the transaction ends."""
    return await _one(tx, select(account).where(account.c.counsellor == counsellor).with_for_update())


async def peek(tx: Transaction, counsellor: str) -> Account | None:
    """A counsellor's account, to look at."""
    return await _one(tx, select(account).where(account.c.counsellor == counsellor))


async def _one(tx: Transaction, query: Select[Any]) -> Account | None:
    row = (await tx.connection.execute(query)).one_or_none()
    return Account(**row._mapping) if row else None


async def put(tx: Transaction, counsellor: str, password_hash: str) -> int:
    """Set a counsellor's password, making the account if there is none; gives its id.

    Open sessions end, and the second factor is off: an invitation is also the way back after a lost phone.
    """
    if known := await of(tx, counsellor):
        await tx.connection.execute(delete(session).where(session.c.account_id == known.id))
        await set_recovery_codes(tx, known.id, [])
        values = {"password_hash": password_hash, "failures": 0, "locked_until": None}
        values |= {"totp_secret": None, "totp_last": None}
        await tx.connection.execute(update(account).where(account.c.id == known.id).values(values))
        return known.id
    row = {"counsellor": counsellor, "password_hash": password_hash, "created_at": tx.now, "failures": 0}
    return int((await tx.connection.execute(insert(account).values(row).returning(account.c.id))).scalar_one())


async def count_failure(tx: Transaction, id: int, failures: int, locked_until: datetime | None) -> None:  # noqa: A002
    """Set how many wrong passwords came in a row, and until when no more are taken."""
    values = {"failures": failures, "locked_until": locked_until}
    await tx.connection.execute(update(account).where(account.c.id == id).values(values))


async def set_totp(tx: Transaction, id: int, sealed: bytes | None, last: int | None) -> None:  # noqa: A002
    """Set the secret of the second factor and the time step of the last code accepted; None turns it off."""
    query = update(account).where(account.c.id == id)
    await tx.connection.execute(query.values(totp_secret=sealed, totp_last=last))


async def set_recovery_codes(tx: Transaction, id: int, digests: Sequence[str]) -> None:  # noqa: A002
    """Exchange the recovery codes of an account."""
    await tx.connection.execute(delete(recovery_code).where(recovery_code.c.account_id == id))
    if digests:
        rows = [{"account_id": id, "code_hash": digest} for digest in digests]
        await tx.connection.execute(insert(recovery_code), rows)


async def use_recovery_code(tx: Transaction, id: int, digest: str) -> bool:  # noqa: A002
    """Use a recovery code up; False if the account has none such."""
    query = delete(recovery_code).where(recovery_code.c.account_id == id, recovery_code.c.code_hash == digest)
    done = await tx.connection.execute(query.returning(recovery_code.c.code_hash))
    return done.one_or_none() is not None


async def add_invite(tx: Transaction, digest: str, counsellor: str, expires_at: datetime) -> None:
    """Add an invitation; earlier ones for the same counsellor no longer count, and go."""
    await tx.connection.execute(delete(invite).where(invite.c.counsellor == counsellor))
    row = {"token_hash": digest, "counsellor": counsellor, "expires_at": expires_at}
    await tx.connection.execute(insert(invite).values(row))


async def invited(tx: Transaction, digest: str) -> str | None:
    """The counsellor whom a live invitation is for."""
    query = select(invite.c.counsellor).where(
        invite.c.token_hash == digest, invite.c.used_at.is_(None), invite.c.expires_at > tx.now
    )
    counsellor: str | None = await tx.connection.scalar(query)
    return counsellor


async def use_invite(tx: Transaction, digest: str) -> str | None:
    """Use up an invitation: the counsellor it is for, or None if it is unknown, used or expired."""
    counsellor: str | None = await tx.connection.scalar(
        update(invite)
        .where(invite.c.token_hash == digest, invite.c.used_at.is_(None), invite.c.expires_at > tx.now)
        .values(used_at=tx.now)
        .returning(invite.c.counsellor)
    )
    return counsellor


async def add_session(tx: Transaction, digest: str, account_id: int, expires_at: datetime) -> None:
    """Add a session; expired ones of everybody are removed."""
    await tx.connection.execute(delete(session).where(session.c.expires_at <= tx.now))
    row = {"token_hash": digest, "account_id": account_id, "created_at": tx.now, "expires_at": expires_at}
    await tx.connection.execute(insert(session).values(**row, last_seen_at=tx.now))


async def session_of(tx: Transaction, digest: str, idle_since: datetime) -> Session | None:
    """The session with this token if it has neither expired nor been idle since `idle_since`."""
    query = (
        select(account.c.counsellor, session.c.expires_at, session.c.last_seen_at)
        .join(account, account.c.id == session.c.account_id)
        .where(session.c.token_hash == digest, session.c.expires_at > tx.now, session.c.last_seen_at > idle_since)
    )
    row = (await tx.connection.execute(query)).one_or_none()
    return Session(*row) if row else None


async def seen(tx: Transaction, digest: str) -> None:
    """Note that a session is in use."""
    await tx.connection.execute(update(session).where(session.c.token_hash == digest).values(last_seen_at=tx.now))


async def end_session(tx: Transaction, digest: str) -> None:
    """Sign a browser out."""
    await tx.connection.execute(delete(session).where(session.c.token_hash == digest))
