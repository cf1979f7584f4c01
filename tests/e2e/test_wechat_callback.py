"""What the WeChat callback lets in, and how it refuses the rest: one clear line, never a 500, nothing stored."""

import contextlib
import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from xml.sax.saxutils import escape

import httpx
import pytest
import pytest_asyncio

from adapters.wechat.callback import LONGEST_BODY
from tests.e2e.wechat_house import House, house
from tests.emulators import wechat_crypto
from tests.emulators.wechat import Mode, Prepared

pytestmark = pytest.mark.asyncio(loop_scope="module")
MODES: tuple[Mode, ...] = ("plain", "compatible", "aes")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def houses() -> AsyncIterator[dict[Mode, House]]:
    """One account for each mode. Starting servers for each test would take most of the time."""
    async with contextlib.AsyncExitStack() as stack:
        yield {mode: await stack.enter_async_context(house(mode, customer_service=False, hold=0.0)) for mode in MODES}


def fresh(h: House, mode: Mode) -> House:
    h.intake.stored.clear()
    h.platform.mode = mode
    return h


@pytest.fixture(params=MODES)
def any_mode(request: pytest.FixtureRequest, houses: dict[Mode, House]) -> House:
    return fresh(houses[request.param], request.param)


@pytest.fixture
def plain(houses: dict[Mode, House]) -> House:
    return fresh(houses["plain"], "plain")


@pytest.fixture
def aes(houses: dict[Mode, House]) -> House:
    return fresh(houses["aes"], "aes")


def text(h: House, content: str = "你好") -> str:
    return h.platform.message(h.person, "text", Content=content)


def with_query(call: Prepared, **changes: str) -> Prepared:
    return replace(call, query={**call.query, **changes})


async def refused(h: House, call: Prepared, *statuses: int) -> httpx.Response:
    """Make the call; it must be refused with one line and leave nothing behind."""
    before = dict(h.intake.stored)
    response = await h.platform.post(call)
    assert response.status_code in statuses, response.text
    assert len(response.text.splitlines()) == 1
    assert "Traceback" not in response.text
    assert "Error" not in response.text
    assert h.intake.stored == before
    return response


async def test_the_platforms_check_of_the_address(any_mode: House) -> None:
    assert await any_mode.platform.verify()
    assert await any_mode.platform.verify("<b>1</b>")
    token, any_mode.platform.token = any_mode.platform.token, "another"
    assert not await any_mode.platform.verify()
    any_mode.platform.token = token


async def test_a_check_without_its_echo_is_refused(plain: House) -> None:
    async with httpx.AsyncClient() as client:
        response = await client.get(plain.platform.callback, params=plain.platform.prepare("<xml/>").query)
        assert (response.status_code, response.text) == (400, "echostr is missing")
        response = await client.get(plain.platform.callback)
        assert response.status_code == 403


@pytest.mark.parametrize("signature", ["", "0" * 40, "签名", "\x00", "a" * 5000])
async def test_a_wrong_signature(any_mode: House, signature: str) -> None:
    await refused(any_mode, with_query(any_mode.platform.prepare(text(any_mode)), signature=signature), 403)


@pytest.mark.parametrize("parameter", ["signature", "timestamp", "nonce"])
async def test_a_missing_parameter(any_mode: House, parameter: str) -> None:
    call = any_mode.platform.prepare(text(any_mode))
    await refused(any_mode, replace(call, query={k: v for k, v in call.query.items() if k != parameter}), 403)


@pytest.mark.parametrize("offset", [-301, 302, -86_400])
async def test_a_timestamp_more_than_five_minutes_off(any_mode: House, offset: int) -> None:
    call = any_mode.platform.prepare(text(any_mode), at=any_mode.platform.clock() + offset)
    assert "five minutes" in (await refused(any_mode, call, 403)).text


@pytest.mark.parametrize("offset", [-290, 290])
async def test_a_timestamp_within_five_minutes(any_mode: House, offset: int) -> None:
    call = any_mode.platform.prepare(text(any_mode), at=any_mode.platform.clock() + offset)
    assert (await any_mode.platform.post(call)).status_code == 200


@pytest.mark.parametrize("timestamp", ["9" * 4000, "-1", "1e9", "１２３", " 1", "now"])
async def test_a_timestamp_that_is_none(plain: House, timestamp: str) -> None:
    call = plain.platform.prepare(text(plain))
    signature = wechat_crypto.signature(plain.platform.token, timestamp, call.query["nonce"])
    await refused(plain, with_query(call, timestamp=timestamp, signature=signature), 403)


async def test_the_same_call_again_is_the_same_message(any_mode: House) -> None:
    call = any_mode.platform.prepare(text(any_mode))
    for _ in range(3):
        assert (await any_mode.platform.post(call)).text == "success"
    assert len(any_mode.intake.stored) == 1


async def test_a_used_nonce_with_another_body(any_mode: House) -> None:
    platform = any_mode.platform
    first = platform.prepare(text(any_mode))
    await platform.post(first)
    other = platform.prepare(text(any_mode, "伪造的一句"))
    again = dict(first.query)
    if "msg_signature" in again:  # signed as only the platform can
        ciphertext = other.body.decode().rpartition("<Encrypt><![CDATA[")[2].partition("]]>")[0]
        again["msg_signature"] = wechat_crypto.signature(platform.token, again["timestamp"], again["nonce"], ciphertext)
    assert "nonce" in (await refused(any_mode, Prepared(again, other.body), 403)).text


async def test_another_ciphertext_under_the_same_signature(aes: House) -> None:
    first, second = aes.platform.prepare(text(aes)), aes.platform.prepare(text(aes))
    assert "msg_signature" in (await refused(aes, Prepared(first.query, second.body), 403)).text


@pytest.mark.parametrize("msg_signature", ["", "0" * 40])
async def test_a_wrong_signature_of_the_ciphertext(aes: House, msg_signature: str) -> None:
    await refused(aes, with_query(aes.platform.prepare(text(aes)), msg_signature=msg_signature), 403)


async def test_a_ciphertext_for_another_app_id(aes: House) -> None:
    call = aes.platform.prepare(text(aes), app_id="wx_somebody_else")
    assert "another app id" in (await refused(aes, call, 403)).text


@pytest.mark.parametrize("keep", [0, 1, 16, 24, 100, -24, -1])
async def test_a_truncated_ciphertext(aes: House, keep: int) -> None:
    platform = aes.platform
    whole = wechat_crypto.encrypt(platform.aes_key, platform.app_id, text(aes))
    call = platform.prepare(text(aes))
    signature = wechat_crypto.signature(platform.token, call.query["timestamp"], call.query["nonce"], whole[:keep])
    body = f"<xml><Encrypt>{whole[:keep]}</Encrypt></xml>".encode()
    await refused(aes, Prepared({**call.query, "msg_signature": signature}, body), 400)


async def test_a_plain_body_where_encryption_was_agreed(aes: House) -> None:
    aes.platform.mode = "plain"
    assert "aes_key" in (await refused(aes, aes.platform.prepare(text(aes)), 403)).text


async def test_an_encrypted_body_without_the_key(plain: House) -> None:
    plain.platform.mode = "aes"
    assert "aes_key" in (await refused(plain, plain.platform.prepare(text(plain)), 403)).text


BOMB = (
    '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY {chr(98 + i)} "{f"&{chr(97 + i)};" * 10}">' for i in range(9))
    + "]>"
)
EXTERNAL = '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize(("head", "content"), [(BOMB, "&j;"), (EXTERNAL, "&e;"), ("<!DOCTYPE x>", "a")])
async def test_document_types_and_entities(any_mode: House, head: str, content: str) -> None:
    """Also when the bomb is inside the ciphertext."""
    xml = head + text(any_mode).replace("你好", content)
    await refused(any_mode, any_mode.platform.prepare(xml), 400)


async def test_a_text_about_document_types_is_a_text(any_mode: House) -> None:
    written = '<!DOCTYPE html> & <!ENTITY a "b"> &a;'
    assert (await any_mode.platform.post(any_mode.platform.prepare(text(any_mode, written)))).status_code == 200
    (message,) = any_mode.intake.stored.values()
    assert message.text == written


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x00",
        b"hello",
        b"{}",
        b"<xml>",
        b"<xml></xml>",
        b"<xml>text</xml>",
        b"<other><MsgType>text</MsgType></other>",
        "<xml><MsgType>text</MsgType></xml>".encode("utf-16"),
        '<?xml version="1.0" encoding="gbk"?><xml><Content>你好</Content></xml>'.encode("gbk"),
        b"<xml><Content>\xff\xfe</Content></xml>",
        b"<xml>" + b"<a>" * 20_000 + b"</a>" * 20_000 + b"</xml>",
        b"<xml><MsgType>text</MsgType><MsgType>text</MsgType></xml>",
        b"<xml><Encrypt><a/></Encrypt></xml>",
        b"<xml><Encrypt/></xml>",
    ],
    ids=range(15),
)
async def test_a_body_that_is_no_message(any_mode: House, body: bytes) -> None:
    await refused(any_mode, replace(any_mode.platform.prepare(text(any_mode)), body=body), 400, 403)


@pytest.mark.parametrize("field", ["MsgId", "FromUserName", "ToUserName", "CreateTime"])
@pytest.mark.parametrize("value", [None, "", "x" * 200])
async def test_a_message_without_a_field_it_needs(any_mode: House, field: str, value: str | None) -> None:
    before, _, rest = text(any_mode).partition(f"<{field}>")
    _, _, after = rest.partition(f"</{field}>")
    xml = before + (f"<{field}>{value}</{field}>" if value is not None else "") + after
    await refused(any_mode, any_mode.platform.prepare(xml), 400)


async def test_a_message_without_a_type(any_mode: House) -> None:
    xml = text(any_mode).replace("<MsgType>text</MsgType>", "")
    await refused(any_mode, any_mode.platform.prepare(xml), 400)


async def test_a_body_over_the_limit(plain: House) -> None:
    call = plain.platform.prepare(text(plain, "长" * 100_000))
    assert len(call.body) > LONGEST_BODY
    await refused(plain, call, 413)


async def test_the_longest_text_that_can_be_typed(any_mode: House) -> None:
    longest = "长" * 16_000
    assert (await any_mode.platform.post(any_mode.platform.prepare(text(any_mode, longest)))).status_code == 200
    (message,) = any_mode.intake.stored.values()
    assert message.text == longest


@pytest.mark.parametrize(
    ("written", "read"), [("😭🏳️‍🌈", "😭🏳️‍🌈"), ("", ""), ("我\x08想\x1b[0m死\x7f", "我想[0m死\x7f")]
)
async def test_unusual_texts_arrive(any_mode: House, written: str, read: str) -> None:
    body = text(any_mode, "PLACE").replace("PLACE", escape(written))
    assert (await any_mode.platform.post(any_mode.platform.prepare(body))).status_code == 200
    (message,) = any_mode.intake.stored.values()
    assert message.text == read


async def test_other_methods_are_not_served(plain: House) -> None:
    async with httpx.AsyncClient() as client:
        for method in ("PUT", "DELETE", "PATCH"):
            assert (await client.request(method, plain.platform.callback)).status_code == 405


async def test_refusals_show_neither_text_nor_token(any_mode: House, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    call = any_mode.platform.prepare(text(any_mode, "只有我知道的话"))
    for spoilt in (with_query(call, signature="x"), replace(call, body=call.body[:-3])):
        response = await any_mode.platform.post(spoilt)
        for hidden in ("只有我知道的话", any_mode.platform.token, any_mode.platform.aes_key):
            assert hidden not in response.text + caplog.text
    digest = hashlib.sha1(any_mode.platform.token.encode()).hexdigest()
    assert digest not in caplog.text
