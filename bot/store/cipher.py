"""Text at rest: AES-256-GCM with the operator's key, or plain when there is none.

A sealed value is one byte that names the form, then for `1`: 4 bytes of key id, 12 of nonce, ciphertext with tag.
Several keys may be given, newest first: the newest seals, each opens what it sealed. So keys rotate without downtime.
"""

import base64
import binascii
import hashlib
import json
import os
from collections.abc import Sequence
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from config import ConfigError

_PLAIN = b"0"
_SEALED = b"1"


class CipherError(Exception):
    """A stored value cannot be opened: its key is missing, or the value was changed."""


class Cipher:
    """Seals and opens. Build with `from_keys`."""

    def __init__(self, keys: Sequence[bytes] = ()) -> None:
        self._keys = {_key_id(key): AESGCM(key) for key in keys}
        self._newest = _key_id(keys[0]) if keys else b""

    @classmethod
    def from_keys(cls, keys: str) -> "Cipher":
        """`keys`: comma-separated base64 of 32 bytes each, newest first; empty for none. Raises ConfigError."""
        return cls([_decode(key.strip()) for key in keys.split(",") if key.strip()])

    @property
    def encrypts(self) -> bool:
        """Whether new values are encrypted."""
        return bool(self._newest)

    def seal(self, text: str) -> bytes:
        """The stored form of a text. Lone surrogates, which no encoding holds, become "?"."""
        data = text.encode("utf-8", "replace")
        if not self._newest:
            return _PLAIN + data
        nonce = os.urandom(12)
        return _SEALED + self._newest + nonce + self._keys[self._newest].encrypt(nonce, data, None)

    def open(self, value: bytes) -> str:
        """The text of a stored form. Raises CipherError."""
        if value[:1] == _PLAIN:
            return value[1:].decode()
        key = self._keys.get(value[1:5])
        if key is None:
            raise CipherError(
                "a stored text was sealed with a key that is not in PSYLLM_SECRET_KEYS; add the old key back"
            )
        try:
            return key.decrypt(value[5:17], value[17:], None).decode()
        except InvalidTag:
            raise CipherError("a stored text fails its check: the database was changed from outside") from None

    def seal_json(self, value: Any) -> bytes:
        """`seal` of a JSON value."""
        return self.seal(json.dumps(value, ensure_ascii=False, separators=(",", ":")))

    def open_json(self, value: bytes) -> Any:
        """`open` of a JSON value."""
        return json.loads(self.open(value))


def new_key() -> str:
    """A fresh key in the form that PSYLLM_SECRET_KEYS takes."""
    return base64.b64encode(os.urandom(32)).decode()


def _key_id(key: bytes) -> bytes:
    return hashlib.sha256(b"psyllm key id" + key).digest()[:4]


def _decode(key: str) -> bytes:
    try:
        raw = base64.b64decode(key, validate=True)
    except binascii.Error:
        raw = b""
    if len(raw) != 32:
        raise ConfigError("PSYLLM_SECRET_KEYS: each key is base64 of 32 bytes; make one with `psyllm db new-key`")
    return raw
