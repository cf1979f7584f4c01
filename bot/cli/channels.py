"""Looks at the channels that pages take: for `psyllm doctor`, and `psyllm oncall page-test` sends one by each."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass

import httpx
import typer

from adapters import Adapter, Address, DeliveryError, OutcomeUnknown, Page, Reply
from bot.clock import system_clock
from bot.desks import Desks
from bot.page_channels import emails, hooks, page_adapters, wecoms
from config import ConfigError, Counsellor, Roster, Settings, load_roster, load_settings, load_texts
from config.channels import Channel

PATIENCE = 30.0  # seconds for one send


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of one attempt. `problem` is empty if it went well."""

    about: str
    problem: str = ""


async def check_channels(settings: Settings, roster: Roster) -> AsyncIterator[Tried]:
    """Sign in at the mail server, fetch a WeCom token, reach each webhook's host. Nothing is sent."""
    if emails(settings, roster):
        from adapters.email import EmailAdapter

        yield await _checked("email", EmailAdapter(settings.email, {}).check())
    if any(target.user for target in wecoms(roster).values()):
        from adapters.wecom import WeComAdapter

        yield await _checked("wecom", WeComAdapter(settings.wecom, {}).check())
    for who, hook in hooks(settings, roster).items():
        yield await _reach(f"webhook of {who}", hook.url)


async def _checked(about: str, check: Awaitable[None]) -> Tried:
    try:
        await check
    except DeliveryError as error:
        return Tried(about, str(error))
    return Tried(about)


async def _reach(about: str, url: str) -> Tried:
    """Whether somebody answers at a webhook's address; what they say to a bare question does not matter."""
    try:
        async with httpx.AsyncClient(timeout=10.0) as client:
            answer = await client.options(url)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return Tried(about, f"no answer ({type(error).__name__}); check the address and the network")
    return Tried(about, f"answers with status {answer.status_code}" if answer.status_code >= 500 else "")


def page_test(who: str) -> int:
    """Send a test page by every channel of a counsellor, and say what arrived; 1 if one did not. Raises ConfigError."""
    settings = load_settings()
    roster = load_roster(settings.handoff.roster)
    counsellor = roster.counsellor(who)
    if counsellor is None:
        known = ", ".join(c.id for c in roster.counsellors)
        raise ConfigError(f"oncall page-test: {who}: is not in the roster; there are {known}")
    results = asyncio.run(send_tests(settings, roster, counsellor))
    for result in results:
        typer.echo(f"{result.about}: {result.problem or 'accepted; did it arrive?'}")
    typer.echo("console: shown wherever the counsellor has it open; the console has its own test of sound")
    return 1 if any(result.problem for result in results) else 0


async def send_tests(settings: Settings, roster: Roster, counsellor: Counsellor) -> list[Tried]:
    """A test page by each channel but the console, in the order in which they would be tried."""
    token = settings.telegram.token.get_secret_value() if settings.telegram.token else ""
    desks = Desks(roster, token.partition(":")[0])
    found: dict[str, Adapter] = {adapter.platform: adapter for adapter in page_adapters(settings, roster)}
    text = load_texts(counsellor.languages[0]).get("operator.test", name=counsellor.name)
    results = []
    async with _telegram(settings, found):
        for channel in counsellor.order():
            if channel is Channel.CONSOLE:
                continue
            address = desks.address(counsellor, channel)
            if address is None:
                results.append(Tried(channel.value, "is not set up here; check the settings of this platform"))
            else:
                results.append(await _send(found[address.platform], address, counsellor, text))
    return results


@contextlib.asynccontextmanager
async def _telegram(settings: Settings, adapters: dict[str, Adapter]) -> AsyncIterator[None]:
    """Adds Telegram's adapter, sending only: nothing is polled, so a running bot is not disturbed."""
    if settings.telegram.token is None:
        yield
        return
    from adapters.telegram import TelegramAdapter

    adapter = TelegramAdapter(settings.telegram, settings.language)
    adapters["telegram"] = adapter
    try:
        yield
    finally:
        await adapter.aclose()


async def _send(adapter: Adapter, address: Address, counsellor: Counsellor, text: str) -> Tried:
    page = Page(0, counsellor.id, 0, "none", system_clock(), test=True)
    try:
        async with asyncio.timeout(PATIENCE):
            await adapter.send(address, Reply(text, author="system", page=page))
    except OutcomeUnknown as error:
        return Tried(address.platform, f"nobody knows whether it arrived: {error}")
    except (DeliveryError, TimeoutError) as error:
        return Tried(address.platform, f"not sent: {error}" if str(error) else "not sent: no answer in time")
    return Tried(address.platform)
