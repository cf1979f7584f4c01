"""Pages by e-mail, WeCom and webhook arrive at real servers, and every refusal is told for what it is."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from adapters import Address, OutcomeUnknown, Page, Rejected, Reply, Retryable
from adapters.email import EmailAdapter
from adapters.webhook import Hook, WebhookAdapter
from adapters.wecom import WeComAdapter
from config.channels import WeCom
from config.settings import EmailSettings, WeComSettings
from tests.emulators.hooks import HookReceiver
from tests.emulators.mail import MailServer, certificate, serve_mail
from tests.emulators.wechat_serve import serve
from tests.emulators.wecom import AGENT, CORP, ROBOT, SECRET, WeComServer

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
TEXT = "【危急】需要咨询师\nCase #7"
WHSEC = "whsec_" + "A" * 43 + "="


def mail_settings(server: MailServer, **more: object) -> EmailSettings:
    base = {"host": "127.0.0.1", "port": server.port, "security": "none", "username": "bot", "password": "right"}
    return EmailSettings.model_validate({**base, "sender": "bot@example.org", **more})


def email(server: MailServer, **more: object) -> EmailAdapter:
    return EmailAdapter(mail_settings(server, **more), {"lin": "lin@example.org"})


LIN_MAIL = Address("email", "smtp", "lin")


async def test_a_page_by_email_has_the_first_line_as_its_subject() -> None:
    async with serve_mail() as server:
        sent = await email(server).send(LIN_MAIL, Reply(TEXT))
    [message] = server.received
    assert message["Subject"] == "【危急】需要咨询师"
    assert (message["To"], message["From"]) == ("lin@example.org", "bot@example.org")
    assert message.get_content().splitlines() == TEXT.splitlines()
    assert sent.reference == message["Message-ID"]


async def test_email_is_encrypted_with_starttls_and_only_to_a_server_with_a_good_certificate(tmp_path: Path) -> None:
    theirs, ours = certificate(tmp_path)
    async with serve_mail(theirs) as server:
        settings = mail_settings(server, security="starttls")
        await EmailAdapter(settings, {"lin": "lin@example.org"}, ours).send(LIN_MAIL, Reply(TEXT))
        stranger = EmailAdapter(settings, {"lin": "lin@example.org"})
        with pytest.raises(Retryable, match="certificate"):
            await stranger.send(LIN_MAIL, Reply(TEXT))
    assert len(server.received) == 1


@pytest.mark.parametrize(
    ("recipient", "message", "fault"),
    [
        ("550 no such user", "", Rejected),
        ("450 mailbox busy", "", Retryable),
        ("", "452 not enough storage", Retryable),
        ("", "554 refused", Rejected),
    ],
)
async def test_what_a_mail_server_refuses_is_tried_again_only_if_it_says_so(
    recipient: str, message: str, fault: type[Exception]
) -> None:
    async with serve_mail() as server:
        server.recipient_answers = [recipient] if recipient else []
        server.answers = [message] if message else []
        with pytest.raises(fault) as caught:
            await email(server).send(LIN_MAIL, Reply(TEXT))
    assert type(caught.value) is fault
    assert "lin@example.org" not in str(caught.value)


async def test_a_wrong_mail_password_is_the_operator_s_to_mend_and_health_says_so() -> None:
    async with serve_mail() as server:
        adapter = email(server, password="wrong")
        with pytest.raises(Retryable, match=r"email\.password"):
            await adapter.check()
        assert not adapter.health().ok
        server.password = "wrong"
        await adapter.send(LIN_MAIL, Reply(TEXT))
        assert adapter.health().ok


async def test_no_mail_server_is_retryable_and_somebody_unknown_is_refused() -> None:
    async with serve_mail() as server:
        adapter = email(server)
    with pytest.raises(Retryable, match=r"email\.host"):
        await adapter.send(LIN_MAIL, Reply(TEXT))
    with pytest.raises(Rejected):
        await adapter.send(Address("email", "smtp", "sam"), Reply(TEXT))


@pytest.fixture
def wecom() -> WeComServer:
    return WeComServer()


@pytest.fixture
async def members(wecom: WeComServer) -> AsyncIterator[WeComAdapter]:
    async with serve(wecom.app()) as url:
        settings = WeComSettings(corp_id=CORP, agent_id=AGENT, secret=SecretStr(SECRET), api_base=url)
        robot = WeCom.model_construct(user=None, robot_key=SecretStr(ROBOT))
        gone = WeCom.model_construct(user=None, robot_key=SecretStr("other"))
        targets = {"lin": WeCom(user="LinYu"), "sam": WeCom(user="nobody"), "team": robot, "gone": gone}
        yield WeComAdapter(settings, targets)


def at_wecom(who: str) -> Address:
    return Address("wecom", "app", who)


async def test_wecom_writes_to_a_member_and_to_a_group(wecom: WeComServer, members: WeComAdapter) -> None:
    await members.send(at_wecom("lin"), Reply(TEXT))
    await members.send(at_wecom("lin"), Reply("again"))
    await members.send(at_wecom("team"), Reply(TEXT))
    assert wecom.to_members == [("LinYu", TEXT), ("LinYu", "again")]
    assert wecom.to_group == [TEXT]
    assert len(wecom.tokens) == 1


async def test_a_token_that_wecom_no_longer_takes_is_renewed_once(wecom: WeComServer, members: WeComAdapter) -> None:
    await members.send(at_wecom("lin"), Reply("first"))
    wecom.tokens.append("another process took it")
    await members.send(at_wecom("lin"), Reply("second"))
    assert [text for _, text in wecom.to_members] == ["first", "second"]


@pytest.mark.parametrize(
    ("who", "code", "fault", "seconds"),
    [
        ("lin", 45009, Retryable, 60.0),
        ("lin", -1, Retryable, 2.0),
        ("lin", 60020, Retryable, 60.0),
        ("team", 45009, Retryable, 60.0),
        ("sam", None, Rejected, None),
        ("gone", None, Rejected, None),
        ("stranger", None, Rejected, None),
    ],
)
async def test_wecom_s_refusals(
    wecom: WeComServer, members: WeComAdapter, who: str, code: int | None, fault: type[Exception], seconds: float | None
) -> None:
    wecom.faults = [code] if code else []
    with pytest.raises(fault) as caught:
        await members.send(at_wecom(who), Reply(TEXT))
    assert getattr(caught.value, "retry_after", None) == seconds


async def test_a_wrong_wecom_secret_names_the_setting_and_shows_no_secret(wecom: WeComServer) -> None:
    async with serve(wecom.app()) as url:
        settings = WeComSettings(corp_id=CORP, agent_id=AGENT, secret=SecretStr("wrong"), api_base=url)
        adapter = WeComAdapter(settings, {})
        with pytest.raises(Retryable, match=r"wecom\.secret") as caught:
            await adapter.check()
    assert "wrong (" in str(caught.value)
    assert CORP not in str(caught.value)
    assert not adapter.health().ok


LIN_HOOK = Address("webhook", "hook", "lin")
PAGE = Page(
    id=5, counsellor="lin", handoff=3, level="urgent", since=NOON, url="https://care.example.org/console/case/3"
)


async def test_a_webhook_is_signed_timed_and_says_what_a_program_needs() -> None:
    receiver = HookReceiver(WHSEC)
    async with serve(receiver.app()) as url:
        adapter = WebhookAdapter({"lin": Hook(f"{url}/pages", SecretStr(WHSEC))})
        await adapter.send(LIN_HOOK, Reply(TEXT, page=PAGE))
        await adapter.send(LIN_HOOK, Reply(TEXT, page=PAGE))  # its first outcome was unknown
    [body] = receiver.received
    assert body["type"] == "page"
    assert body["data"] == {
        "text": TEXT,
        "counsellor": "lin",
        "handoff": 3,
        "level": "urgent",
        "waiting_since": NOON.isoformat(),
        "url": PAGE.url,
    }


async def test_a_receiver_with_another_secret_or_clock_refuses() -> None:
    receiver = HookReceiver(WHSEC)
    other = "whsec_" + "B" * 43 + "="
    async with serve(receiver.app()) as url:
        forged = WebhookAdapter({"lin": Hook(f"{url}/pages", SecretStr(other))})
        late = WebhookAdapter({"lin": Hook(f"{url}/pages", SecretStr(WHSEC))}, clock=lambda: 1_000_000.0)
        for adapter in (forged, late):
            with pytest.raises(Rejected, match="401"):
                await adapter.send(LIN_HOOK, Reply(TEXT, page=PAGE))
    assert receiver.refused == ["signature", "old"]


@pytest.mark.parametrize(
    ("status", "wait", "fault", "seconds"),
    [
        (429, "7", Retryable, 7.0),
        (503, "", Retryable, None),
        (500, "", OutcomeUnknown, None),
        (404, "", Rejected, None),
        (302, "", Rejected, None),
    ],
)
async def test_what_a_webhook_answers(status: int, wait: str, fault: type[Exception], seconds: float | None) -> None:
    receiver = HookReceiver(WHSEC)
    receiver.answers = [(status, wait)]
    async with serve(receiver.app()) as url:
        adapter = WebhookAdapter({"lin": Hook(f"{url}/pages", SecretStr(WHSEC))})
        with pytest.raises(fault) as caught:
            await adapter.send(LIN_HOOK, Reply(TEXT))
    assert type(caught.value) is fault
    assert getattr(caught.value, "retry_after", None) == seconds
