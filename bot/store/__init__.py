"""The durable store: schema, transactions, and the only code that speaks SQL."""

from bot.store.cipher import Cipher, CipherError
from bot.store.store import Store, Transaction
from bot.store.wake import HANDOFFS, OPINIONS, OUTBOX, ROSTER, TURNS, Wake

__all__ = ["HANDOFFS", "OPINIONS", "OUTBOX", "ROSTER", "TURNS", "Cipher", "CipherError", "Store", "Transaction", "Wake"]
