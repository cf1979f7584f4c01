"""Whether a call to the callback is the platform's own, and what it says once decrypted.

Rules: the `signature` of every call is SHA-1 over the sorted token, timestamp and nonce; in AES mode `msg_signature`
covers the ciphertext too. https://developers.weixin.qq.com/doc/offiaccount/Message_Management/Message_encryption_and_decryption_instructions.html
"""

import hashlib
import hmac
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from wechatpy.crypto import WeChatCrypto
from wechatpy.exceptions import InvalidAppIdException

from adapters.wechat import markup

WINDOW_SECONDS = 300
_NONCE = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_TIMESTAMP = re.compile(r"[0-9]{1,11}", re.ASCII)


class Refused(Exception):
    """A call that is not accepted. `reason` is one line for the operator and holds nothing of the call's content."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Call:
    """The query of a call whose signature and time were checked."""

    signature: str
    timestamp: str
    nonce: str
    msg_signature: str
    encrypted: bool  # the platform says that the body holds a ciphertext


def sign(*parts: str) -> str:
    """The platform's signature over `parts`, in hexadecimal."""
    return hashlib.sha1("".join(sorted(parts)).encode(), usedforsecurity=False).hexdigest()


class Gate:
    """Checks calls and opens and seals their bodies. `clock` gives seconds since 1970."""

    def __init__(self, app_id: str, token: str, aes_key: str | None, clock: Callable[[], float]) -> None:
        self._app_id = app_id
        self._token = token
        self._clock = clock
        self._crypto = WeChatCrypto(token, aes_key, app_id) if aes_key else None
        self._seen = NonceMemory(clock)

    def check(self, query: Mapping[str, str]) -> Call:
        """Check signature and time. Raises Refused(403)."""
        timestamp, nonce = query.get("timestamp", ""), query.get("nonce", "")
        if not _TIMESTAMP.fullmatch(timestamp) or not _NONCE.fullmatch(nonce):
            raise Refused(403, "timestamp or nonce is missing or malformed")
        signature = query.get("signature", "")
        if not _same(signature, sign(self._token, timestamp, nonce)):
            raise Refused(403, "signature does not match; compare the token with the platform's server settings")
        if abs(self._clock() - int(timestamp)) > WINDOW_SECONDS:
            raise Refused(403, "timestamp is more than five minutes off; check this machine's clock")
        encrypted = query.get("encrypt_type") == "aes"
        return Call(signature, timestamp, nonce, query.get("msg_signature", ""), encrypted)

    def open(self, call: Call, body: bytes) -> str:
        """The message's XML: decrypted, and never seen with another content. Raises Refused(400 or 403).

        With an aes_key only encrypted bodies are accepted; without one, the plain part of a compatible-mode body is.
        """
        try:
            text = markup.decode(body)
        except markup.PARSE_FAULTS:
            raise Refused(400, "body is not the platform's XML in UTF-8") from None
        if self._crypto is not None:
            if not call.encrypted:
                raise Refused(403, "body is not encrypted although aes_key is set; choose the safe mode or unset it")
            text = self._decrypt(self._crypto, call, text)
        elif call.encrypted and "<MsgType>" not in text:
            raise Refused(403, "body is encrypted but aes_key is not set; set it or choose the plain mode")
        self.once(call, text)
        return text

    def once(self, call: Call, content: str) -> None:
        """Refuse a timestamp and nonce that were used for another content. Raises Refused(403)."""
        if not self._seen.admit(f"{call.timestamp}:{call.nonce}", content):
            raise Refused(403, "nonce was used before for another message")

    def seal(self, call: Call, answer: str) -> str:
        """The answer's XML as the account's mode wants it: encrypted with the call's own nonce, or as it is."""
        if self._crypto is None:
            return answer
        sealed: str = self._crypto.encrypt_message(answer, call.nonce, str(int(self._clock())))
        return sealed

    def _decrypt(self, crypto: WeChatCrypto, call: Call, envelope: str) -> str:
        try:
            ciphertext = markup.fields(envelope)["Encrypt"]
        except markup.PARSE_FAULTS:
            raise Refused(400, "body holds no ciphertext") from None
        if not isinstance(ciphertext, str):
            raise Refused(400, "body holds no ciphertext")
        if not _same(call.msg_signature, sign(self._token, call.timestamp, call.nonce, ciphertext)):
            raise Refused(403, "msg_signature does not match the ciphertext")
        try:
            opened: str = crypto.decrypt_message(
                {"Encrypt": ciphertext}, call.msg_signature, call.timestamp, call.nonce
            )
            return markup.decode(opened.encode())
        except InvalidAppIdException:
            raise Refused(403, "message is for another app id") from None
        except markup.PARSE_FAULTS:
            raise Refused(
                400, "ciphertext cannot be read; compare aes_key with the platform's server settings"
            ) from None


class NonceMemory:
    """Which content came with which nonce, for as long as its timestamp could be accepted again."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._seen: OrderedDict[str, tuple[float, bytes]] = OrderedDict()

    def admit(self, nonce: str, content: str) -> bool:
        """Whether the nonce is new, or came with this same content before."""
        now = self._clock()
        while self._seen and next(iter(self._seen.values()))[0] <= now:
            self._seen.popitem(last=False)
        # A timestamp may lie five minutes ahead, so it stays acceptable for twice the window.
        digest = hashlib.sha256(content.encode()).digest()
        _, first = self._seen.setdefault(nonce, (now + 2 * WINDOW_SECONDS, digest))
        return hmac.compare_digest(first, digest)


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(errors="replace"), expected.encode())
