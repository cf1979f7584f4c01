"""Who may use the console, on both databases."""

import asyncio
from datetime import UTC, datetime, timedelta

import pyotp
import pytest
from sqlalchemy import select

from bot.console.auth import IDLE_LIFE, INVITE_LIFE, SESSION_LIFE, Accounts, RefusedError, Throttle
from bot.store import Store
from bot.store.schema import account, invite, recovery_code, session
from config import Counsellor, Roster
from config.roster import Step

PASSWORD = "correct horse battery"
ROSTER = Roster(
    counsellors=(Counsellor(id="lin", name="林晓雨"), Counsellor(id="boss", name="Boss", role="operator")),
    ladder=(Step(who=("lin",)),),
)


class Clock:
    """A time that the test sets."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 21, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def monotonic(self) -> float:
        return self.now.timestamp()

    def pass_time(self, time: timedelta) -> None:
        self.now += time


@pytest.fixture
def clock(store: Store) -> Clock:
    clock = Clock()
    store.clock = clock
    return clock


@pytest.fixture
def accounts(store: Store, clock: Clock) -> Accounts:
    return Accounts(store, ROSTER, clock.monotonic)


async def refused(attempt: object) -> str:
    """The key with which an attempt is refused."""
    with pytest.raises(RefusedError) as refusal:
        await attempt  # type: ignore[misc]  # a coroutine
    return refusal.value.key


async def test_the_first_start_invites_the_operator_and_only_the_first(accounts: Accounts) -> None:
    token = await accounts.first_invite()
    assert token
    invited = await accounts.invited(token)
    assert invited
    assert invited.id == "boss"
    await accounts.set_up(token, PASSWORD)
    assert await accounts.first_invite() is None


async def test_an_invitation_works_once_and_signs_in(accounts: Accounts) -> None:
    token = await accounts.invite("lin")
    entered = await accounts.set_up(token, PASSWORD)
    who = await accounts.who(entered)
    assert who
    assert who.id == "lin"
    assert await accounts.invited(token) is None
    assert await refused(accounts.set_up(token, PASSWORD)) == "setup_expired"


async def test_of_many_who_use_an_invitation_at_once_one_comes_in(accounts: Accounts) -> None:
    token = await accounts.invite("lin")
    results = await asyncio.gather(*(accounts.set_up(token, PASSWORD) for _ in range(8)), return_exceptions=True)
    assert len([r for r in results if isinstance(r, str)]) == 1


async def test_an_invitation_expires_and_a_newer_one_replaces_it(accounts: Accounts, clock: Clock) -> None:
    old = await accounts.invite("lin")
    new = await accounts.invite("lin")
    assert await refused(accounts.set_up(old, PASSWORD)) == "setup_expired"
    clock.pass_time(INVITE_LIFE)
    assert await refused(accounts.set_up(new, PASSWORD)) == "setup_expired"


@pytest.mark.parametrize("password", ["", "short", "x" * 11, "x" * 1025])
async def test_a_weak_or_endless_password_is_refused_and_the_invitation_stays(
    accounts: Accounts, password: str
) -> None:
    token = await accounts.invite("lin")
    assert await refused(accounts.set_up(token, password)) == "password_rule"
    assert await accounts.set_up(token, PASSWORD)


async def test_nobody_outside_the_roster_is_invited(accounts: Accounts) -> None:
    with pytest.raises(KeyError):
        await accounts.invite("stranger")


@pytest.mark.parametrize("name", ["lin", " LIN ", "林晓雨"])
async def test_signing_in_by_id_or_name(accounts: Accounts, name: str) -> None:
    await accounts.set_up(await accounts.invite("lin"), PASSWORD)
    who = await accounts.who(await accounts.sign_in(name, PASSWORD, "1.2.3.4"))
    assert who
    assert who.id == "lin"


@pytest.mark.parametrize(("name", "password"), [("lin", "wrong"), ("boss", PASSWORD), ("nobody", PASSWORD), ("", "")])
async def test_a_wrong_name_or_password_is_refused_in_the_same_words(
    accounts: Accounts, name: str, password: str
) -> None:
    await accounts.set_up(await accounts.invite("lin"), PASSWORD)
    assert await refused(accounts.sign_in(name, password, "1.2.3.4")) == "wrong"


@pytest.mark.parametrize("name", ["lin", "nobody"])
async def test_wrong_passwords_make_the_next_attempt_wait_longer_each_time(
    accounts: Accounts, clock: Clock, name: str
) -> None:
    """From whatever addresses they come; and a name without an account behaves alike."""
    await accounts.set_up(await accounts.invite("lin"), PASSWORD)
    addresses = (f"10.0.0.{number}" for number in range(100))
    for _ in range(3):
        assert await refused(accounts.sign_in(name, "wrong", next(addresses))) == "wrong"
    for wait in (2, 4, 8, 16):
        assert await refused(accounts.sign_in(name, "wrong", next(addresses))) == "wrong"
        clock.pass_time(timedelta(seconds=wait - 0.5))
        assert await refused(accounts.sign_in(name, PASSWORD, next(addresses))) == "throttled"
        clock.pass_time(timedelta(seconds=1))
    if name == "lin":
        assert await accounts.sign_in(name, PASSWORD, next(addresses))
        assert await refused(accounts.sign_in(name, "wrong", next(addresses))) == "wrong"


async def test_many_guesses_at_once_gain_nothing(accounts: Accounts) -> None:
    await accounts.set_up(await accounts.invite("lin"), PASSWORD)
    guesses = (refused(accounts.sign_in("lin", "wrong", f"10.0.0.{number}")) for number in range(12))
    results = await asyncio.gather(*guesses)
    assert results.count("wrong") <= 4
    assert results.count("throttled") >= 8


async def test_one_address_cannot_try_many_names(accounts: Accounts) -> None:
    results = [await refused(accounts.sign_in(f"name{number}", "wrong", "1.2.3.4")) for number in range(12)]
    assert results == ["wrong"] * 11 + ["throttled"]


async def test_a_session_ends_when_it_is_old_or_idle(accounts: Accounts, clock: Clock) -> None:
    token = await accounts.set_up(await accounts.invite("lin"), PASSWORD)
    spent = timedelta()
    while spent + IDLE_LIFE / 2 < SESSION_LIFE:
        clock.pass_time(IDLE_LIFE / 2)
        spent += IDLE_LIFE / 2
        assert await accounts.who(token), "in use, so alive"
    clock.pass_time(IDLE_LIFE / 2)
    assert await accounts.who(token) is None, "twelve hours are the end, used or not"
    idle = await accounts.sign_in("lin", PASSWORD, "1.2.3.4")
    clock.pass_time(IDLE_LIFE)
    assert await accounts.who(idle) is None


async def test_signing_out_and_a_new_password_end_sessions(accounts: Accounts) -> None:
    first = await accounts.set_up(await accounts.invite("lin"), PASSWORD)
    second = await accounts.sign_in("lin", PASSWORD, "1.2.3.4")
    await accounts.sign_out(first)
    assert await accounts.who(first) is None
    assert await accounts.who(second)
    await accounts.set_up(await accounts.invite("lin"), "another long password")
    assert await accounts.who(second) is None
    assert await refused(accounts.sign_in("lin", PASSWORD, "1.2.3.4")) == "wrong"


async def test_who_left_the_roster_is_out(accounts: Accounts, store: Store) -> None:
    token = await accounts.set_up(await accounts.invite("lin"), PASSWORD)
    smaller = Roster(counsellors=ROSTER.counsellors[1:], ladder=(Step(who=("boss",)),))
    assert await Accounts(store, smaller).who(token) is None


async def test_the_store_holds_neither_password_nor_token(accounts: Accounts, store: Store) -> None:
    invitation = await accounts.invite("lin")
    token = await accounts.set_up(invitation, PASSWORD)
    await accounts.invite("boss")
    async with store.reading() as tx:
        kept = [str(row) for table in (account, session, invite) for row in await tx.connection.execute(select(table))]
    assert any("$argon2id$" in row for row in kept)
    for secret in (invitation, token, PASSWORD):
        assert not any(secret in row for row in kept)


@pytest.mark.parametrize("token", [None, "", "x", "x" * 10_000, "é\x00"])
async def test_a_token_that_is_none_is_nobody(accounts: Accounts, token: str | None) -> None:
    assert await accounts.who(token) is None


def test_a_throttle_forgets_after_a_quiet_while() -> None:
    now = 0.0
    throttle = Throttle(1, lambda: now)
    throttle.attempt("a")
    throttle.attempt("a")
    with pytest.raises(RefusedError):
        throttle.attempt("a")
    now = 1000.0
    throttle.attempt("a")
    throttle.attempt("a")


async def enter(accounts: Accounts, name: str = "lin") -> None:
    await accounts.set_up(await accounts.invite(name), PASSWORD)


async def turn_on(accounts: Accounts, clock: Clock) -> tuple[pyotp.TOTP, list[str]]:
    """Set the second factor of lin up; the authenticator and the recovery codes."""
    await enter(accounts)
    setup = accounts.second_factor.begin()
    phone = pyotp.TOTP(setup.secret)
    assert await accounts.second_factor.confirm("lin", setup, "000000") is None
    codes = await accounts.second_factor.confirm("lin", setup, phone.at(clock.now))
    assert codes
    clock.pass_time(timedelta(seconds=60))
    return phone, codes


async def test_with_a_second_factor_the_password_alone_opens_nothing(accounts: Accounts, clock: Clock) -> None:
    phone, _ = await turn_on(accounts, clock)
    assert await refused(accounts.sign_in("lin", PASSWORD, "here")) == "code_needed"
    assert await refused(accounts.sign_in("lin", "wrong password", "here", phone.at(clock.now))) == "wrong"
    assert await accounts.sign_in("lin", PASSWORD, "here", f" {phone.at(clock.now)} ")


async def test_a_code_opens_once_and_not_when_it_is_old(accounts: Accounts, clock: Clock) -> None:
    phone, _ = await turn_on(accounts, clock)
    code = phone.at(clock.now)
    assert await accounts.sign_in("lin", PASSWORD, "here", code)
    assert await refused(accounts.sign_in("lin", PASSWORD, "here", code)) == "code_wrong"
    clock.pass_time(timedelta(minutes=5))
    assert await refused(accounts.sign_in("lin", PASSWORD, "here", phone.at(clock.now - timedelta(minutes=3)))) == (
        "code_wrong"
    )


async def test_guessing_codes_has_to_wait_also_between_right_passwords(accounts: Accounts, clock: Clock) -> None:
    await turn_on(accounts, clock)
    answers = []
    for code in ("", "111111", "", "222222", "333333"):
        answers.append(await refused(accounts.sign_in("lin", PASSWORD, "here", code)))
    assert answers[-1] == "throttled"


async def test_a_recovery_code_opens_once(accounts: Accounts, clock: Clock) -> None:
    _, codes = await turn_on(accounts, clock)
    assert len(set(codes)) == 8
    assert await accounts.sign_in("lin", PASSWORD, "here", codes[3].upper())
    assert await refused(accounts.sign_in("lin", PASSWORD, "here", codes[3])) == "code_wrong"
    assert await accounts.sign_in("lin", PASSWORD, "here", codes[4].replace("-", " "))


async def test_it_is_turned_off_with_a_code_or_a_new_invitation(accounts: Accounts, clock: Clock) -> None:
    phone, codes = await turn_on(accounts, clock)
    assert not await accounts.second_factor.turn_off("lin", "000000")
    assert await accounts.second_factor.turn_off("lin", phone.at(clock.now))
    assert await accounts.sign_in("lin", PASSWORD, "here")
    await turn_on(accounts, clock)
    await enter(accounts)
    assert not await accounts.second_factor.is_on("lin")
    assert await accounts.sign_in("lin", PASSWORD, "here")
    assert codes


async def test_the_store_holds_neither_the_secret_nor_a_recovery_code(
    accounts: Accounts, clock: Clock, store: Store
) -> None:
    phone, codes = await turn_on(accounts, clock)
    async with store.reading() as tx:
        rows = str((await tx.connection.execute(select(account))).all())
        rows += str((await tx.connection.execute(select(recovery_code))).all())
    assert phone.secret not in rows
    assert not [code for code in codes if code in rows or code.replace("-", "") in rows]


def test_the_picture_is_drawn_here(accounts: Accounts) -> None:
    picture = accounts.second_factor.begin().picture("lin")
    assert picture.startswith("data:image/svg+xml")
