"""Finds texts that nearly equal an earlier one, and texts that the held-out questions must not meet in training.

Near duplicates: MinHash with bands (Broder 1997; Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, 3.4) over
character n-grams. The bands stand in a SQLite table, so a corpus larger than the memory can be compared with itself.
Leaks: the share of 13-grams in common, as in GPT-3 (arXiv 2005.14165, appendix C), a Chinese character being a word.
"""

import hashlib
import re
import sqlite3
import unicodedata
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator

import numpy as np
from datasketch import MinHash
from numpy.typing import NDArray

SIMILAR = 0.7  # estimated Jaccard similarity from which on two texts count as the same
LEAKED = 0.5  # share of a held-out text's n-grams, or of the text's own, that makes a leak
_PERMUTATIONS, _ROWS = 128, 4  # 32 bands of 4: a pair at 0.7 is compared with a chance of 0.9998
_SHINGLE = 5  # characters
_GRAM = 13
_SEED = 7
_UNITS = re.compile("[\u3400-\u9fff]|[^\\s\u3400-\u9fff]+")
_UNREAD = re.compile(r"[\W_]+")


def bare(text: str) -> str:
    """A text as it is compared: NFKC, lower case, without spaces and punctuation between Chinese characters."""
    return _UNREAD.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()


class Seen:
    """The texts of one kind met so far. Numbers are the caller's; nothing is committed here."""

    def __init__(self, database: sqlite3.Connection, kind: str) -> None:
        self._database = database
        self._bands, self._signatures = f"{kind}_band", f"{kind}_signature"
        database.execute(f"CREATE TABLE IF NOT EXISTS {self._bands} (hash BLOB, number INTEGER)")
        database.execute(f"CREATE INDEX IF NOT EXISTS {self._bands}_hash ON {self._bands} (hash)")
        database.execute(f"CREATE TABLE IF NOT EXISTS {self._signatures} (number INTEGER PRIMARY KEY, signature BLOB)")

    def like(self, text: str) -> tuple[int | None, NDArray[np.uint64]]:
        """The number of a text met before that is (nearly) the same, and this text's signature for `add`."""
        own = signature(text)
        places = ",".join("?" * len(_band_hashes(own)))
        rows = self._database.execute(
            f"SELECT DISTINCT number FROM {self._bands} WHERE hash IN ({places})",  # noqa: S608  # names of our own
            _band_hashes(own),
        )
        for (number,) in rows.fetchall():
            (stored,) = self._database.execute(
                f"SELECT signature FROM {self._signatures} WHERE number = ?",  # noqa: S608
                (number,),
            ).fetchone()
            if np.mean(np.frombuffer(stored, np.uint64) == own) >= SIMILAR:
                return int(number), own
        return None, own

    def add(self, number: int, own: NDArray[np.uint64]) -> None:
        """Remember a text by its signature."""
        self._database.executemany(
            f"INSERT INTO {self._bands} VALUES (?, ?)",  # noqa: S608
            [(band, number) for band in _band_hashes(own)],
        )
        self._database.execute(f"INSERT INTO {self._signatures} VALUES (?, ?)", (number, own.tobytes()))  # noqa: S608


def signature(text: str) -> NDArray[np.uint64]:
    """The MinHash of a text's character 5-grams: 128 numbers; two texts share as many as their Jaccard similarity."""
    read = bare(text)
    made = MinHash(num_perm=_PERMUTATIONS, seed=_SEED, hashfunc=zlib.crc32)
    made.update_batch({read[place : place + _SHINGLE].encode() for place in range(max(1, len(read) - _SHINGLE + 1))})
    return np.asarray(made.hashvalues, np.uint64)


def _band_hashes(own: NDArray[np.uint64]) -> list[bytes]:
    return [
        hashlib.blake2b(bytes([start]) + own[start : start + _ROWS].tobytes(), digest_size=8).digest()
        for start in range(0, _PERMUTATIONS, _ROWS)
    ]


class HeldOut:
    """Texts that must not be learned from, because something will be measured on them."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._owners: dict[int, set[int]] = {}
        self._sizes: list[int] = []
        for number, text in enumerate(texts):
            grams = set(_grams(text))
            self._sizes.append(len(grams))
            for gram in grams:
                self._owners.setdefault(gram, set()).add(number)

    def holds(self, text: str) -> bool:
        """Whether half of a held-out text stands in this one, or half of this one in a held-out text."""
        grams = set(_grams(text))
        shared = Counter(owner for gram in grams for owner in self._owners.get(gram, ()))
        return any(count >= LEAKED * min(len(grams), self._sizes[owner]) for owner, count in shared.items())


def _grams(text: str) -> Iterator[int]:
    """Hashes of 13 neighbours among Chinese characters and words; of the whole text where it is shorter."""
    units = _UNITS.findall(bare(text))
    for place in range(max(1, len(units) - _GRAM + 1)):
        yield hash_of(" ".join(units[place : place + _GRAM]))


def hash_of(text: str) -> int:
    """The same number for the same text in every run."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())
