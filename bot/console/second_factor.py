"""A second factor: codes of an authenticator (TOTP, RFC 6238), and recovery codes for a lost phone.

The secret is sealed with the operator's key. No code opens twice: the time step of the last one accepted is kept, as
RFC 6238, 5.2 asks. A recovery code is 60 random bits, kept as a digest, and goes when it is used.
"""

import base64
import hashlib
import secrets
from dataclasses import dataclass

import pyotp
import segno
from pyotp.exceptions import OTPVerificationError

from bot.store import Store, Transaction, accounts
from bot.store.accounts import Account

ISSUER = "Psy-LLM"
RECOVERY_CODES = 8
_DRIFT = 1  # steps of 30 seconds that a phone's clock may be off


@dataclass(frozen=True, slots=True)
class Setup:
    """What an authenticator needs to begin. Nothing is stored before its first code was entered."""

    secret: str

    def picture(self, counsellor: str) -> str:
        """The QR code as an SVG data URI, drawn here."""
        uri = pyotp.TOTP(self.secret).provisioning_uri(name=counsellor, issuer_name=ISSUER)
        return segno.make(uri, error="m").svg_data_uri(scale=5, border=4, light="white")

    @property
    def spelled(self) -> str:
        """The secret in groups of four, to be typed."""
        return " ".join(self.secret[i : i + 4] for i in range(0, len(self.secret), 4))


class SecondFactor:
    """Sets the second factor of an account up and off; `accept` checks a code."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def is_on(self, counsellor: str) -> bool:
        """Whether the account asks for a code."""
        async with self._store.reading() as tx:
            account = await accounts.peek(tx, counsellor)
        return account is not None and account.totp_secret is not None

    def begin(self) -> Setup:
        """A fresh secret."""
        return Setup(pyotp.random_base32())

    async def confirm(self, counsellor: str, setup: Setup, code: str) -> list[str] | None:
        """Turn it on if the authenticator shows the right code; gives the recovery codes, shown only now."""
        async with self._store.transaction() as tx:
            account = await accounts.of(tx, counsellor)
            step = _step(tx, setup.secret, code)
            if account is None or step is None:
                return None
            codes = [_new_code() for _ in range(RECOVERY_CODES)]
            await accounts.set_totp(tx, account.id, tx.cipher.seal(setup.secret), step)
            await accounts.set_recovery_codes(tx, account.id, [_digest(code) for code in codes])
            return codes

    async def turn_off(self, counsellor: str, code: str) -> bool:
        """Turn it off, with a code or a recovery code."""
        async with self._store.transaction() as tx:
            account = await accounts.of(tx, counsellor)
            if account is None or not await accept(tx, account, code):
                return False
            await accounts.set_totp(tx, account.id, None, None)
            await accounts.set_recovery_codes(tx, account.id, [])
            return True


async def accept(tx: Transaction, account: Account, code: str) -> bool:
    """Whether a code opens the account now. It will not again."""
    if account.totp_secret is None:
        return True
    step = _step(tx, tx.cipher.open(account.totp_secret), code)
    if step is not None and step > (account.totp_last or 0):
        await accounts.set_totp(tx, account.id, account.totp_secret, step)
        return True
    return await accounts.use_recovery_code(tx, account.id, _digest(code))


def _step(tx: Transaction, secret: str, code: str) -> int | None:
    """The time step whose code this is; None if it is wrong."""
    try:
        typed = "".join(code.split())
        return pyotp.TOTP(secret).verify_and_get_timecode(typed, for_time=tx.now, valid_window=_DRIFT)
    except OTPVerificationError:
        return None


def _new_code() -> str:
    letters = base64.b32encode(secrets.token_bytes(8)).decode()[:12].lower()
    return "-".join(letters[i : i + 4] for i in (0, 4, 8))


def _digest(code: str) -> str:
    plain = code.replace("-", "").replace(" ", "").strip().lower()
    return hashlib.sha256(b"recovery:" + plain.encode("utf-8", "replace")).hexdigest()
