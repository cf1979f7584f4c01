"""What a counsellor wrote and has not left yet, and how much was sent since the user's last word."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, or_, select, update

from adapters import Address
from bot.store import messages
from bot.store.outbox import Kind
from bot.store.schema import outbox
from bot.store.store import Transaction

LONGEST_WINDOW = timedelta(days=3)  # rows written longer before the window began are not looked at


@dataclass(frozen=True, slots=True)
class Relay:
    """A counsellor's words that wait."""

    id: int
    message_id: int | None
    counsellor: str | None
    text: str


async def count_since(tx: Transaction, address: Address, since: datetime) -> int:
    """How many messages left for an address since then, or are about to; those of unknown outcome count."""
    spent = outbox.c.state.in_(("sent", "unknown")) & or_(outbox.c.sent_at.is_(None), outbox.c.sent_at >= since)
    found = await tx.connection.scalar(
        select(func.count())
        .select_from(outbox)
        .where(
            outbox.c.address == str(address),
            outbox.c.created_at >= since - LONGEST_WINDOW,
            or_(outbox.c.state.in_(("waiting", "sending")), spent),
        )
    )
    return int(found or 0)


async def last_waiting(tx: Transaction, address: Address) -> Relay | None:
    """The last that waits for an address, if a counsellor wrote it and it was never tried."""
    query = select(outbox).where(outbox.c.address == str(address), outbox.c.state == "waiting")
    row = (await tx.connection.execute(query.order_by(outbox.c.id.desc()).limit(1))).one_or_none()
    if row is None or row.kind != Kind.RELAY.value or row.attempts:
        return None
    return Relay(row.id, row.message_id, row.counsellor, tx.cipher.open_json(row.body)["text"])


async def rewrite(tx: Transaction, relay: Relay, text: str) -> None:
    """Give words that wait, and their place in the transcript, another text."""
    kept = await tx.connection.scalar(select(outbox.c.body).where(outbox.c.id == relay.id))
    body = tx.cipher.seal_json(tx.cipher.open_json(kept or b"") | {"text": text})
    await tx.connection.execute(update(outbox).where(outbox.c.id == relay.id).values(body=body))
    if relay.message_id is not None:
        await messages.rewrite(tx, relay.message_id, text)
