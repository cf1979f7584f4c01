"""The durable store: schema, transactions, and the only code that speaks SQL."""

from bot.store.cipher import Cipher, CipherError
from bot.store.store import Store, Transaction
from bot.store.wake import FOLLOWUPS, HANDOFFS, OPINIONS, OUTBOX, ROSTER, TURNS, Wake

__all__ = [
    "FOLLOWUPS",
    "HANDOFFS",
    "OPINIONS",
    "OUTBOX",
    "ROSTER",
    "TURNS",
    "Cipher",
    "CipherError",
    "Store",
    "Transaction",
    "Wake",
]
