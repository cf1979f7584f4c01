"""Which ways pages can take in this installation: the adapters that the roster needs, and where operators are told."""

from pathlib import Path

from adapters import Adapter, Address
from adapters.webhook import Hook
from bot.desks import Desks
from bot.operators import OPERATOR, Operators
from config import ConfigError, Roster, Settings
from config.channels import Channel, WeCom, signing_key


def page_adapters(settings: Settings, roster: Roster) -> list[Adapter]:
    """Adapters for the channels that somebody is reached by. Raises ConfigError for one that is not set up."""
    _require_settings(settings, roster)
    found: list[Adapter] = []
    if mails := emails(settings, roster):
        from adapters.email import EmailAdapter

        found.append(EmailAdapter(settings.email, mails))
    if members := wecoms(roster):
        from adapters.wecom import WeComAdapter

        found.append(WeComAdapter(settings.wecom, members))
    if posts := hooks(settings, roster):
        from adapters.webhook import WebhookAdapter

        found.append(WebhookAdapter(posts))
    return found


def make_operators(settings: Settings, desks: Desks) -> Operators:
    """Where operators are told."""
    operator = settings.operator
    addresses = []
    if operator.telegram is not None and desks.telegram_account:
        addresses.append(Address("telegram", desks.telegram_account, str(operator.telegram)))
    if operator.email:
        addresses.append(Address("email", "smtp", OPERATOR))
    if operator.webhook_url:
        addresses.append(Address("webhook", "hook", OPERATOR))
    return Operators(desks, tuple(addresses), settings.language)


def emails(settings: Settings, roster: Roster) -> dict[str, str]:
    """Mail addresses, by whom they reach."""
    found = {c.id: c.email for c in roster.counsellors if c.email}
    return found | ({OPERATOR: settings.operator.email} if settings.operator.email else {})


def wecoms(roster: Roster) -> dict[str, WeCom]:
    """Members and robots of WeCom, by whom they reach."""
    return {c.id: c.wecom for c in roster.counsellors if c.wecom}


def hooks(settings: Settings, roster: Roster) -> dict[str, Hook]:
    """Webhooks, by whom they reach."""
    found = {c.id: Hook(c.webhook.url, c.webhook.secret) for c in roster.counsellors if c.webhook}
    operator = settings.operator
    if operator.webhook_url and operator.webhook_secret:
        found[OPERATOR] = Hook(operator.webhook_url, operator.webhook_secret)
    return found


def _require_settings(settings: Settings, roster: Roster) -> None:
    """A counsellor whom no page can reach must not be found out at night."""
    path = settings.handoff.roster
    for number, counsellor in enumerate(roster.counsellors):
        if counsellor.email and not settings.email.host:
            raise _missing(path, number, Channel.EMAIL, "email.host")
        if counsellor.wecom and counsellor.wecom.user and not settings.wecom.corp_id:
            raise _missing(path, number, Channel.WECOM, "wecom.corp_id")
    if settings.operator.email and not settings.email.host:
        raise ConfigError("operator.email: is set, so email.host is needed too")
    if settings.operator.webhook_secret:
        try:
            signing_key(settings.operator.webhook_secret.get_secret_value())
        except ValueError as error:
            raise ConfigError(f"operator.webhook_{error}") from None


def _missing(path: Path | None, number: int, channel: Channel, setting: str) -> ConfigError:
    return ConfigError(
        f"{path}: counsellors.{number}.{channel.value}: is set, so {setting} is needed in psyllm.toml too"
    )
