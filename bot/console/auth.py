"""Who may use the console: invitations, passwords, sessions.

There is no default password: the first start prints a link that works once. Passwords are kept as Argon2id hashes with
the parameters of the OWASP Password Storage Cheat Sheet (19 MiB, two passes, one lane). Wrong passwords make the next
attempt wait, longer each time, for the account and for the address they come from.
"""

import asyncio
import hashlib
import secrets
import time
from collections.abc import Callable
from datetime import timedelta

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from bot.console import second_factor
from bot.store import Store, Transaction, accounts
from config import Counsellor, Roster

MIN_PASSWORD = 12
MAX_PASSWORD = 1024
INVITE_LIFE = timedelta(hours=24)
SESSION_LIFE = timedelta(hours=12)
IDLE_LIFE = timedelta(hours=2)
"""A session ends after this long without its page being open. An open desk waits for alerts, so it is in use."""

_SEEN_EVERY = timedelta(seconds=60)
_FREE_FAILURES = 3  # of an account, before the first wait
_FREE_FAILURES_ADDRESS = 10  # several counsellors may sit behind one address
_LONGEST_WAIT = timedelta(minutes=5)


class RefusedError(Exception):
    """Somebody may not come in. `key` names the text under `console.` that says why."""

    def __init__(self, key: str, **fields: int) -> None:
        super().__init__(key)
        self.key = key
        self.fields = fields


class Accounts:
    """The counsellors' accounts."""

    def __init__(self, store: Store, roster: Roster, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._roster = roster
        self.second_factor = second_factor.SecondFactor(store)
        self._hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
        self._nobody = self._hasher.hash(secrets.token_urlsafe())  # what an unknown name is checked against
        self._hashing = asyncio.Semaphore(2)  # each check takes 19 MiB for its duration
        self._strangers = Throttle(_FREE_FAILURES, monotonic)  # names without an account
        self._addresses = Throttle(_FREE_FAILURES_ADDRESS, monotonic)

    async def first_invite(self) -> str | None:
        """A token for the first account, for the one who holds the machine; None once there is an account."""
        async with self._store.transaction() as tx:
            if await accounts.count(tx):
                return None
            return await self._invite(tx, self._first().id)

    def _first(self) -> Counsellor:
        order = ("operator", "supervisor", "counsellor")
        return min(self._roster.counsellors, key=lambda c: order.index(c.role))

    async def invite(self, counsellor: str) -> str:
        """A token with which a counsellor sets a password, the first or a new one. Raises KeyError if not on call."""
        if self._roster.counsellor(counsellor) is None:
            raise KeyError(counsellor)
        async with self._store.transaction() as tx:
            return await self._invite(tx, counsellor)

    async def _invite(self, tx: Transaction, counsellor: str) -> str:
        token = secrets.token_urlsafe(32)
        await accounts.add_invite(tx, _digest(token), counsellor, tx.now + INVITE_LIFE)
        return token

    async def invited(self, token: str) -> Counsellor | None:
        """Whom an invitation is for; None if it is unknown, used or expired."""
        async with self._store.reading() as tx:
            counsellor = await accounts.invited(tx, _digest(token))
        return self._roster.counsellor(counsellor or "")

    async def set_up(self, token: str, password: str) -> str:
        """Set the password an invitation allows; gives the token of a new session. Raises RefusedError."""
        if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
            raise RefusedError("password_rule", length=MIN_PASSWORD)
        async with self._hashing:
            hashed = await asyncio.to_thread(self._hasher.hash, password)
        async with self._store.transaction() as tx:
            counsellor = await accounts.use_invite(tx, _digest(token))
            if counsellor is None or self._roster.counsellor(counsellor) is None:
                raise RefusedError("setup_expired")
            return await self._begin(tx, await accounts.put(tx, counsellor, hashed))

    async def sign_in(self, name: str, password: str, address: str, code: str = "") -> str:
        """The token of a new session for a counsellor's id or name. Raises RefusedError.

        `code_needed` is said only to who knows the password; it counts as an attempt, so that nobody can go on guessing
        codes between right passwords.
        """
        known = self._find(name)
        self._addresses.attempt(address)
        async with self._store.transaction() as tx:
            account = await accounts.of(tx, known.id) if known else None
            if account:
                await self._attempt(tx, account)
        if account is None:
            self._strangers.attempt(name.casefold()[:100])
        if not await self._verify(account.password_hash if account else self._nobody, password) or account is None:
            raise RefusedError("wrong")
        async with self._store.transaction() as tx:
            found = await accounts.of(tx, account.counsellor)
            if found is None:
                raise RefusedError("wrong")
            if found.totp_secret is not None and not code:
                raise RefusedError("code_needed")
            if not await second_factor.accept(tx, found, code):
                raise RefusedError("code_wrong")
            await accounts.count_failure(tx, found.id, 0, None)
            token = await self._begin(tx, found.id)
        self._addresses.clear(address)
        return token

    async def _attempt(self, tx: Transaction, account: accounts.Account) -> None:
        """Count the attempt as a failure before it is known to be one, so that many at once gain nothing."""
        if account.locked_until and account.locked_until > tx.now:
            raise RefusedError("throttled")
        failures = account.failures + 1
        wait = _wait(failures - _FREE_FAILURES)
        await accounts.count_failure(tx, account.id, failures, tx.now + wait if wait else None)

    async def _verify(self, hashed: str, password: str) -> bool:
        if len(password) > MAX_PASSWORD:
            return False
        async with self._hashing:
            try:
                return await asyncio.to_thread(self._hasher.verify, hashed, password)
            except (VerificationError, InvalidHashError):
                return False

    async def _begin(self, tx: Transaction, account_id: int) -> str:
        token = secrets.token_urlsafe(32)
        await accounts.add_session(tx, _digest(token), account_id, tx.now + SESSION_LIFE)
        return token

    async def who(self, token: str | None) -> Counsellor | None:
        """The counsellor whose live session this is. Looking counts as use."""
        if not token or len(token) > 100:
            return None
        digest = _digest(token)
        async with self._store.reading() as tx:
            session = await accounts.session_of(tx, digest, tx.now - IDLE_LIFE)
            stale = session is not None and tx.now - session.last_seen_at > _SEEN_EVERY
        if stale:
            async with self._store.transaction() as tx:
                await accounts.seen(tx, digest)
        return self._roster.counsellor(session.counsellor) if session else None

    async def sign_out(self, token: str | None) -> None:
        """End the session."""
        if token:
            async with self._store.transaction() as tx:
                await accounts.end_session(tx, _digest(token))

    def _find(self, name: str) -> Counsellor | None:
        wanted = name.strip().casefold()
        found = [c for c in self._roster.counsellors if wanted in (c.id, c.name.casefold())]
        return found[0] if len(found) == 1 else None


class Throttle:
    """Makes attempts wait after failures, by a name of their origin. Kept in memory."""

    _MOST = 10_000

    def __init__(self, free: int, monotonic: Callable[[], float]) -> None:
        self._free = free
        self._monotonic = monotonic
        self._failures: dict[str, tuple[int, float]] = {}  # count, no attempt before

    def attempt(self, origin: str) -> None:
        """Count an attempt. Raises RefusedError if it comes too early."""
        now = self._monotonic()
        count, until = self._failures.get(origin, (0, 0.0))
        if now < until:
            raise RefusedError("throttled")
        if count and now > until + _LONGEST_WAIT.total_seconds():
            count = 0
        if len(self._failures) >= self._MOST:
            self._failures = {k: v for k, v in self._failures.items() if v[1] > now}
        self._failures[origin] = (count + 1, now + _wait(count + 1 - self._free).total_seconds())

    def clear(self, origin: str) -> None:
        """The attempt succeeded."""
        self._failures.pop(origin, None)


def _wait(excess: int) -> timedelta:
    """How long to wait after the failures that are too many: 2, 4, 8 ... seconds."""
    return min(timedelta(seconds=2 ** min(excess, 16)), _LONGEST_WAIT) if excess > 0 else timedelta()


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
