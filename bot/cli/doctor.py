"""`psyllm doctor`: looks at everything that can be wrong before somebody in need finds out."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx
from rich.console import Console

from bot.app import open_store
from bot.cli.channels import check_channels
from bot.cli.roster import roster_warnings
from bot.page_channels import page_adapters
from bot.store.migrate import HEAD, version
from config import (
    ConfigError,
    Settings,
    load_crisis_lines,
    load_other_languages,
    load_roster,
    load_settings,
    load_texts,
)
from config.language import Language
from config.settings import OpenAISettings

CLOCK_TOLERANCE = 60.0  # seconds; WeChat refuses signatures that are five minutes off
_MARK = {"ok": "[green]ok[/]     ", "warning": "[yellow]warning[/]", "fault": "[red]fault[/]  "}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `grade`: ok, warning or fault."""

    grade: str
    about: str
    detail: str


def examine() -> int:
    """Print every finding; 1 if there is a fault."""
    out = Console(highlight=False)
    faults = 0

    async def run() -> None:
        nonlocal faults
        async for finding in findings(load_settings()):
            out.print(f"{_MARK[finding.grade]} {finding.about}: {finding.detail}")
            faults += finding.grade == "fault"

    asyncio.run(run())
    return 1 if faults else 0


async def findings(settings: Settings) -> AsyncIterator[Finding]:
    """Look at everything, one after the other."""
    yield await _store(settings)
    yield _encryption(settings)
    for finding in _lines():
        yield finding
    for finding in _roster(settings):
        yield finding
    async for finding in _channels(settings):
        yield finding
    for finding in _texts():
        yield finding
    if settings.telegram.token:
        yield await _telegram(settings)
    if settings.wechat.app_id and settings.wechat.app_secret:
        yield await _wechat(settings)
    if settings.generator == "openai":
        yield await _openai("openai", settings.openai)
    if settings.second_opinion == "judge":
        yield await _openai("judge", settings.judge_server)


async def _store(settings: Settings) -> Finding:
    try:
        async with open_store(settings) as store:
            found = await version(store)
    except ConfigError as error:
        return Finding("fault", "database", str(error))
    if found == HEAD:
        return Finding("ok", "database", f"at migration {HEAD}")
    return Finding("warning", "database", f"at migration {found or 'none'}; the next start upgrades it to {HEAD}")


def _encryption(settings: Settings) -> Finding:
    if settings.secret_keys:
        return Finding("ok", "encryption", "texts are encrypted with your key; keep it apart from the backups")
    return Finding("warning", "encryption", "texts are stored in plain: psyllm db new-key, then PSYLLM_SECRET_KEYS")


def _lines() -> list[Finding]:
    lines = load_crisis_lines()
    expired = lines.expired(datetime.now(UTC).date())
    if not expired:
        return [Finding("ok", "crisis lines", f"{len(lines.lines)} numbers, none to be checked again yet")]
    return [
        Finding("fault", "crisis lines", f"{line.id}: last checked {line.verified_on}; check {line.number} again")
        for line in expired
    ]


def _roster(settings: Settings) -> list[Finding]:
    try:
        roster = load_roster(settings.handoff.roster)
    except ConfigError as error:
        return [Finding("fault", "roster", str(error))]
    warnings = [Finding("warning", "roster", line) for line in roster_warnings(roster)]
    if settings.handoff.roster is None:
        warnings.append(Finding("warning", "roster", "none is set, so only the operator is called; set handoff.roster"))
    return warnings or [Finding("ok", "roster", f"{len(roster.counsellors)} counsellors")]


async def _channels(settings: Settings) -> AsyncIterator[Finding]:
    """Each way that pages take, and whether anybody would hear of a dead process."""
    try:
        roster = load_roster(settings.handoff.roster)
        page_adapters(settings, roster)
    except ConfigError as error:
        yield Finding("fault", "channels", str(error))
        return
    async for tried in check_channels(settings, roster):
        yield Finding("fault" if tried.problem else "ok", tried.about, tried.problem or "pages can take this way")
    if settings.operator.heartbeat_url is None:
        advice = (
            "nobody hears of it if this program stops; set operator.heartbeat_url to a monitoring service's address"
        )
        yield Finding("warning", "heartbeat", advice)


def _texts() -> list[Finding]:
    texts = {str(language): load_texts(language) for language in Language} | {"other languages": load_other_languages()}
    return [
        Finding("warning", "texts", f"{name}: no clinician has signed them yet; see docs/safety-texts.md")
        for name, found in texts.items()
        if not found.reviewed_by
    ]


async def _telegram(settings: Settings) -> Finding:
    assert settings.telegram.token
    url = f"{settings.telegram.api_base}/bot{settings.telegram.token.get_secret_value()}/getMe"
    return await _ask("telegram", "GET", url, "the token is accepted", "check PSYLLM_TELEGRAM__TOKEN with @BotFather")


async def _wechat(settings: Settings) -> Finding:
    assert settings.wechat.app_secret
    url = f"{settings.wechat.api_base}/cgi-bin/stable_token"
    body = {
        "grant_type": "client_credential",
        "appid": settings.wechat.app_id,
        "secret": settings.wechat.app_secret.get_secret_value(),
    }
    advice = "check app id and secret, and that this machine's address is on the account's IP list"
    return await _ask("wechat", "POST", url, "the app secret is accepted", advice, body, needs="access_token")


async def _openai(table: str, settings: OpenAISettings) -> Finding:
    key = settings.api_key.get_secret_value() if settings.api_key else ""
    url = f"{settings.base_url.split(',')[0].strip().rstrip('/')}/models"
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return await _ask(table, "GET", url, "the server answers", f"check {table}.base_url and the key", headers=headers)


async def _ask(
    about: str,
    method: str,
    url: str,
    good: str,
    advice: str,
    body: object = None,
    needs: str = "",
    headers: dict[str, str] | None = None,
) -> Finding:
    """Ask a server something harmless. What it says wrong is given without the URL, which may hold a token."""
    try:
        async with httpx.AsyncClient(timeout=10) as client:
            answer = await client.request(method, url, json=body, headers=headers)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return Finding("fault", about, f"no answer ({type(error).__name__}); check the network and the address")
    if answer.status_code >= 400 or needs not in answer.text:
        return Finding("fault", about, f"refused with status {answer.status_code}; {advice}")
    return _clock(about, good, answer.headers.get("date"))


def _clock(about: str, good: str, date: str | None) -> Finding:
    """Compare this machine's clock with a server's."""
    try:
        theirs = datetime.strptime(date or "", "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
    except ValueError:
        return Finding("ok", about, good)
    off = abs((datetime.now(UTC) - theirs).total_seconds())
    if off > CLOCK_TOLERANCE:
        return Finding(
            "fault", about, f"{good}, but this machine's clock is {off:.0f} s off; turn on time synchronisation"
        )
    return Finding("ok", about, good)
