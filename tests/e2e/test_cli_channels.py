"""`psyllm oncall page-test` and `psyllm doctor` try every channel at real servers and say what to mend."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.cli.channels import Tried, check_channels, send_tests
from bot.page_channels import page_adapters
from config import ConfigError, Roster, Settings, load_roster
from tests.emulators.hooks import HookReceiver
from tests.emulators.mail import MailServer, serve_mail
from tests.emulators.telegram import TelegramEmulator
from tests.emulators.wechat_serve import serve
from tests.emulators.wecom import AGENT, CORP, SECRET, WeComServer

WHSEC = "whsec_" + "A" * 43 + "="


@dataclass
class World:
    """Every platform, and settings and a roster that point to them."""

    mail: MailServer
    wecom: WeComServer
    hook: HookReceiver
    telegram: TelegramEmulator
    settings: Settings
    roster: Roster

    async def tested(self) -> dict[str, str]:
        """What became of a test page, by channel."""
        return problems(await send_tests(self.settings, self.roster, self.roster.counsellors[0]))

    async def checked(self) -> dict[str, str]:
        """What doctor says, by channel."""
        return problems([tried async for tried in check_channels(self.settings, self.roster)])


def problems(results: list[Tried]) -> dict[str, str]:
    return {tried.about: tried.problem for tried in results}


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setenv("LIN_HOOK", WHSEC)
    wecom, hook = WeComServer(), HookReceiver(WHSEC)
    async with AsyncExitStack() as stack:
        mail = await stack.enter_async_context(serve_mail())
        wecom_url = await stack.enter_async_context(serve(wecom.app()))
        hook_url = await stack.enter_async_context(serve(hook.app()))
        telegram = await stack.enter_async_context(TelegramEmulator())
        telegram.add_chat(900)
        path = tmp_path / "roster.toml"
        path.write_text(
            '[[counsellors]]\nid = "lin"\nname = "Lin"\nlanguages = ["en"]\ntelegram = 900\nemail = "lin@example.org"\n'
            f'wecom = {{ user = "LinYu" }}\nwebhook = {{ url = "{hook_url}/pages", secret_env = "LIN_HOOK" }}\n'
            '[[ladder]]\nwho = ["lin"]\n'
        )
        sender = {"username": "bot", "password": "right", "sender": "bot@example.org"}
        settings = Settings.model_validate(
            {
                "data_dir": tmp_path,
                "handoff": {"roster": path},
                "telegram": {"token": telegram.token, "api_base": telegram.url},
                "email": {"host": "127.0.0.1", "port": mail.port, "security": "none", **sender},
                "wecom": {"corp_id": CORP, "agent_id": AGENT, "secret": SECRET, "api_base": wecom_url},
            }
        )
        yield World(mail, wecom, hook, telegram, settings, load_roster(path))


async def test_a_test_page_goes_by_every_channel(world: World) -> None:
    assert await world.tested() == {"telegram": "", "wecom": "", "webhook": "", "email": ""}
    assert "test page" in world.telegram.texts(900)[0]
    assert "test page" in world.mail.received[0].get_content()
    assert "test page" in world.wecom.to_members[0][1]
    assert world.hook.received[0]["type"] == "test"


async def test_a_channel_that_fails_is_named_with_the_reason(world: World) -> None:
    world.mail.recipient_answers = ["550 no such user"]
    world.wecom.members.clear()
    world.hook.answers = [(410, "")]
    world.telegram.block(900)
    found = await world.tested()
    assert "recipient" in found["email"]
    assert "81013" in found["wecom"]
    assert "410" in found["webhook"]
    assert found["telegram"].startswith("not sent")


async def test_doctor_checks_the_channels_and_sends_nothing(world: World) -> None:
    assert await world.checked() == {"email": "", "wecom": "", "webhook of lin": ""}
    assert world.mail.received == []
    assert world.wecom.to_members == []
    assert world.hook.received == []
    world.mail.password = "changed"
    assert "email.password" in (await world.checked())["email"]


@pytest.mark.parametrize(
    ("line", "setting"), [('email = "lin@example.org"', "email.host"), ('wecom = { user = "LinYu" }', "wecom.corp_id")]
)
def test_a_channel_without_its_settings_stops_the_start_and_names_both(tmp_path: Path, line: str, setting: str) -> None:
    path = tmp_path / "roster.toml"
    path.write_text(f'[[counsellors]]\nid = "lin"\nname = "Lin"\n{line}\n[[ladder]]\nwho = ["lin"]\n')
    with pytest.raises(ConfigError) as caught:
        page_adapters(Settings.model_validate({"handoff": {"roster": path}}), load_roster(path))
    assert str(caught.value).startswith(f"{path}: counsellors.0.{line.split()[0]}: ")
    assert setting in str(caught.value)
