"""The durable store: schema, transactions, and the only code that speaks SQL."""

from bot.store.cipher import Cipher, CipherError
from bot.store.store import Store, Transaction
from bot.store.wake import HANDOFFS, OUTBOX, TURNS, Wake

__all__ = ["HANDOFFS", "OUTBOX", "TURNS", "Cipher", "CipherError", "Store", "Transaction", "Wake"]
