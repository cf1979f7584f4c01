"""Finds where any of many literals stand in a text, without trying each of them."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

_SLOT_BITS = 16
_LENGTHS = (1, 2, 3)  # of the beginnings of literals that are looked up
_SALTS = tuple(np.uint32(salt) for salt in (0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D))


class AnchorIndex:
    """Looks the beginnings of all literals up in one table, for all of a text at once; then checks what is left."""

    def __init__(self, anchors: Iterable[str]) -> None:
        self._by_slot: dict[int, list[str]] = {}
        for anchor in anchors:
            length = min(len(anchor), 3 if anchor[0] < "\u2e80" else 2)
            slot = int(_slots(_codes(anchor[:length]), length)[0])
            self._by_slot.setdefault(slot, []).append(anchor)
        self._used = np.zeros(1 << _SLOT_BITS, bool)
        self._used[list(self._by_slot)] = True

    def find(self, text: str) -> list[tuple[int, str]]:
        """Every place where a literal stands in `text`, and the literal."""
        codes = _codes(text)
        found: list[tuple[int, str]] = []
        for length in _LENGTHS:
            slots = _slots(codes, length)
            places = np.flatnonzero(self._used[slots])
            for place, slot in zip(places.tolist(), slots[places].tolist(), strict=True):
                for anchor in self._by_slot[slot]:
                    if text.startswith(anchor, place):
                        found.append((place, anchor))
        return found


def _codes(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)


def _slots(codes: NDArray[np.uint32], length: int) -> NDArray[np.uint32]:
    """The slot of every substring of that length."""
    count = max(len(codes) - length + 1, 0)
    mixed = np.full(count, length, np.uint32)
    for place in range(length):
        mixed = (mixed ^ codes[place : place + count]) * _SALTS[place]
    return mixed >> np.uint32(32 - _SLOT_BITS)
