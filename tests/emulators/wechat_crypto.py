"""The platform's encryption, written from its description and on another library than the adapter's.

A ciphertext is base64(AES-256-CBC(16 random bytes, length of the text in 4 bytes, text, app id, PKCS#7 to 32 bytes)),
the key is base64(EncodingAESKey + "="), its first 16 bytes are the initialisation vector.
"""

import base64
import hashlib
import secrets
import struct

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes


def signature(*parts: str) -> str:
    """SHA-1 over the sorted parts."""
    return hashlib.sha1("".join(sorted(parts)).encode()).hexdigest()


def encrypt(aes_key: str, app_id: str, text: str) -> str:
    plain = text.encode()
    padder = padding.PKCS7(256).padder()
    framed = secrets.token_bytes(16) + struct.pack(">I", len(plain)) + plain + app_id.encode()
    encryptor = _cipher(aes_key).encryptor()
    ciphertext = encryptor.update(padder.update(framed) + padder.finalize()) + encryptor.finalize()
    return base64.b64encode(ciphertext).decode()


def decrypt(aes_key: str, app_id: str, ciphertext: str) -> str:
    """Raises ValueError if it is not for this app id."""
    decryptor = _cipher(aes_key).decryptor()
    padded = decryptor.update(base64.b64decode(ciphertext, validate=True)) + decryptor.finalize()
    unpadder = padding.PKCS7(256).unpadder()
    framed = unpadder.update(padded) + unpadder.finalize()
    (size,) = struct.unpack(">I", framed[16:20])
    if framed[20 + size :].decode() != app_id:
        raise ValueError("for another app id")
    return framed[20 : 20 + size].decode()


def _cipher(aes_key: str) -> Cipher[modes.CBC]:
    key = base64.b64decode(aes_key + "=")
    return Cipher(algorithms.AES(key), modes.CBC(key[:16]))
