"""Settings that cannot work are one clear sentence at the start, without the secret."""

from typing import Any

import pytest
from pydantic import SecretStr

from adapters import Adapter
from adapters.telegram import TelegramAdapter
from adapters.telegram.transport import AiohttpRequest
from config import ConfigError
from config.settings import TelegramSettings

GOOD: dict[str, Any] = {"token": "42:AAsecret", "api_base": "http://127.0.0.1:1"}
WEBHOOK = GOOD | {"mode": "webhook", "webhook_url": "https://care.example.org", "webhook_secret": "s3cret"}


def build(**settings: Any) -> TelegramAdapter:
    secrets = {key: SecretStr(settings.pop(key)) for key in ("token", "webhook_secret") if key in settings}
    return TelegramAdapter(TelegramSettings(**settings, **secrets))


def test_it_is_an_adapter() -> None:
    adapter: Adapter = build(**GOOD)
    assert (adapter.platform, adapter.account) == ("telegram", "42")
    assert adapter.sendable_now() == frozenset()


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        (GOOD | {"token": ""}, "telegram.token"),
        (GOOD | {"token": "AAsecret"}, "telegram.token"),
        (GOOD | {"token": "42:AAsecret/../x"}, "telegram.token"),
        (WEBHOOK | {"webhook_secret": "AAsecret with blanks"}, "telegram.webhook_secret"),
        (WEBHOOK | {"webhook_url": "care.example.org"}, "telegram.webhook_url"),
    ],
)
def test_what_cannot_work_is_named(settings: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError) as refused:
        build(**settings)
    assert str(refused.value).startswith(f"{key}: ")
    assert "AAsecret" not in str(refused.value)


def test_the_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert AiohttpRequest("https://api.telegram.org", 1)._proxy is None
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:3128")
    assert AiohttpRequest("https://api.telegram.org", 1)._proxy == "http://127.0.0.1:3128"
    monkeypatch.setenv("NO_PROXY", "telegram.org")
    assert AiohttpRequest("https://api.telegram.org", 1)._proxy is None
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.setenv("HTTPS_PROXY", "socks5://127.0.0.1:1080")
    with pytest.raises(ConfigError, match="HTTP proxies only"):
        AiohttpRequest("https://api.telegram.org", 1)
