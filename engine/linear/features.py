"""What the learned model sees of a text: hashed pieces, laid out unit by unit.

A unit is a Latin word, a number, or any other character by itself. For each unit there are `COLUMNS` pieces: the unit;
the two, three and four units that start there; and the first and the last four letters of a longer word. A piece is a
32-bit hash; 0 stands for "no such piece". All of it is numpy on whole arrays, linear in the text, and the same in
every process (no `hash()`).
"""

import numpy as np
from numpy.typing import NDArray

COLUMNS = 6
LENGTHS = (1, 2, 3, 4, 1, 1)  # units that the piece of each column covers
_LONGEST = 32  # letters of a word that count
_AFFIX = 4
_ODD = 0x9E3779B97F4A7C15
_POWERS = np.array([pow(_ODD, i + 1, 1 << 64) for i in range(_LONGEST)], dtype=np.uint64)
_SALTS = np.array([pow(0xD6E8FEB86659FD93, i + 1, 1 << 64) | 1 for i in range(12)], dtype=np.uint64)

Hashes = NDArray[np.uint32]


def pieces(text: str) -> tuple[Hashes, NDArray[np.int64]]:
    """The pieces of a normalised text, shape (COLUMNS, units), and where each unit starts in the text."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.int64)
    if not len(codes):
        return np.zeros((COLUMNS, 0), np.uint32), np.zeros(0, np.int64)
    letter = ((codes >= 97) & (codes <= 122)) | ((codes >= 0xC0) & (codes < 0x1100))
    digit = (codes >= 48) & (codes <= 57)
    blank = (codes == 32) | (codes == 10)
    kind = letter + 2 * digit + 3 * blank
    new = np.ones(len(codes), bool)
    new[1:] = (kind[1:] != kind[:-1]) | (kind[1:] == 0)
    starts = np.flatnonzero(new)
    lengths = np.diff(np.append(starts, len(codes)))
    place = np.arange(len(codes)) - np.repeat(starts, lengths)
    back = np.repeat(lengths, lengths) - 1 - place
    coded = (codes + 1).astype(np.uint64)
    forward = coded * _POWERS[np.minimum(place, _LONGEST - 1)]
    backward = coded * _POWERS[np.minimum(back, _LONGEST - 1)]
    shown = kind[starts] != 3
    unit = np.add.reduceat(forward, starts)[shown]
    first = np.add.reduceat(np.where(place < _AFFIX, forward, 0), starts)[shown]
    last = np.add.reduceat(np.where(back < _AFFIX, backward, 0), starts)[shown]
    long = (lengths > _AFFIX)[shown]
    return _combined(unit, np.where(long, first, 0), np.where(long, last, 0)), starts[shown]


def _combined(unit: NDArray[np.uint64], first: NDArray[np.uint64], last: NDArray[np.uint64]) -> Hashes:
    count, s = len(unit), _SALTS
    u0, u1, u2, u3 = (np.concatenate([unit[i:], np.zeros(min(i, count), np.uint64)]) for i in range(4))
    hashes = np.stack(
        [
            u0 * s[0],
            u0 * s[1] + u1 * s[2],
            u0 * s[3] + u1 * s[4] + u2 * s[5],
            u0 * s[6] + u1 * s[7] + u2 * s[8] + u3 * s[9],
            first * s[10],
            last * s[11],
        ]
    )
    for length in (2, 3, 4):  # no piece reaches beyond the end
        hashes[length - 1, max(0, count - length + 1) :] = 0
    mixed: Hashes = (((hashes ^ (hashes >> np.uint64(29))) * np.uint64(_ODD)) >> np.uint64(32)).astype(np.uint32)
    return mixed
