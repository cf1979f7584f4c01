"""Programs by others agree with our side of WeChat: Tencent's encryption, and wechatpy's client."""

import asyncio
import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wechatpy import WeChatClient
from wechatpy.exceptions import WeChatClientException

from adapters.wechat import markup
from adapters.wechat.security import Call, Gate, Refused, sign
from tests.emulators import wechat_crypto
from tests.emulators.wechat import HOURS_48, Seen, WeChatEmulator
from tests.emulators.wechat_api import SEND, TOKEN

NODE = Path(__file__).parents[1] / "emulators" / "node"
TOKEN_TEXT, APP_ID = "emulated-token", "wx5823bf96d3bd56c7"
KEY = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"
TEXTS = [
    "<xml><Content>hello</Content></xml>",
    "<xml><Content>你好，我睡不着</Content></xml>",
    "<xml><Content>😭👨‍👩‍👧‍👦🏳️‍🌈 e\u0301</Content></xml>",
    "<xml><Content><![CDATA[ & < > ]]]]><![CDATA[> ]]></Content></xml>",
    *("<xml>" + "长" * n + "</xml>" for n in (1, 5, 6, 7, 8, 9, 10, 16, 500, 20_000)),
]


def ask(*questions: dict[str, str]) -> list[dict[str, str]]:
    """Have Tencent's library answer."""
    assert shutil.which("node"), (
        "node is missing: install Node.js 20 or later, these tests compare with its @wecom/crypto"
    )
    assert (NODE / "node_modules" / "@wecom" / "crypto").is_dir(), (
        "@wecom/crypto is missing: run `npm ci --prefix tests/emulators/node` (`make test` does)"
    )
    lines = "".join(json.dumps(q) + "\n" for q in questions)
    done = subprocess.run(
        ["node", "crypto.mjs"], cwd=NODE, input=lines, capture_output=True, text=True, encoding="utf-8", timeout=60
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def envelope(ciphertext: str) -> bytes:
    return f"<xml><ToUserName>gh_1</ToUserName><Encrypt>{ciphertext}</Encrypt></xml>".encode()


def gate() -> Gate:
    return Gate(APP_ID, TOKEN_TEXT, KEY, time.time)


def call(ciphertext: str, nonce: str) -> Call:
    now = str(int(time.time()))
    return Call("", now, nonce, sign(TOKEN_TEXT, now, nonce, ciphertext), encrypted=True)


def test_what_tencents_library_encrypts_the_adapter_reads() -> None:
    answers = ask(*({"do": "encrypt", "key": KEY, "text": text, "id": APP_ID} for text in TEXTS))
    for n, (text, answer) in enumerate(zip(TEXTS, answers, strict=True)):
        ciphertext = answer["ciphertext"]
        assert gate().open(call(ciphertext, f"{n}"), envelope(ciphertext)) == text
        assert wechat_crypto.decrypt(KEY, APP_ID, ciphertext) == text


def test_what_the_adapter_seals_tencents_library_reads() -> None:
    sealed = [markup.fields(gate().seal(call("", f"{n}"), text)) for n, text in enumerate(TEXTS)]
    answers = ask(*({"do": "decrypt", "key": KEY, "ciphertext": str(s["Encrypt"])} for s in sealed))
    assert answers == [{"text": text, "id": APP_ID} for text in TEXTS]
    signatures = ask(
        *(
            {
                "do": "sign",
                "token": TOKEN_TEXT,
                "timestamp": str(s["TimeStamp"]),
                "nonce": f"{n}",
                "ciphertext": str(s["Encrypt"]),
            }
            for n, s in enumerate(sealed)
        )
    )
    assert [a["signature"] for a in signatures] == [s["MsgSignature"] for s in sealed]


def test_what_the_emulator_encrypts_tencents_library_reads() -> None:
    answers = ask(
        *({"do": "decrypt", "key": KEY, "ciphertext": wechat_crypto.encrypt(KEY, APP_ID, text)} for text in TEXTS)
    )
    assert answers == [{"text": text, "id": APP_ID} for text in TEXTS]


def test_a_ciphertext_of_tencents_library_for_another_app_is_refused() -> None:
    (answer,) = ask({"do": "encrypt", "key": KEY, "text": TEXTS[0], "id": "wx_another"})
    with pytest.raises(Refused, match="another app id"):
        gate().open(call(answer["ciphertext"], "1"), envelope(answer["ciphertext"]))


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), min_size=1))
@settings(max_examples=200, deadline=None)
def test_adapter_and_emulator_encrypt_alike(text: str) -> None:
    sealed = markup.fields(gate().seal(call("", "1"), text))
    assert wechat_crypto.decrypt(KEY, APP_ID, str(sealed["Encrypt"])) == text
    xml = markup.text_answer("to", "from", text, 1)
    ciphertext = wechat_crypto.encrypt(KEY, APP_ID, xml)
    assert gate().open(call(ciphertext, "1"), envelope(ciphertext)) == xml


class Stranger(WeChatClient):  # type: ignore[misc]  # wechatpy has no types
    """wechatpy's client, pointed at the emulator: its address of the token is fixed in its code."""

    def __init__(self, base: str, app_id: str, secret: str) -> None:
        self.base = base
        self.API_BASE_URL = f"{base}/cgi-bin/"
        super().__init__(app_id, secret, timeout=5)

    def fetch_access_token(self) -> Any:
        return self._fetch_access_token(
            f"{self.base}{TOKEN}",
            {"grant_type": "client_credential", "appid": self.appid, "secret": self.secret},
        )


async def test_wechatpys_client_talks_to_the_emulated_api() -> None:
    platform = WeChatEmulator()
    async with platform.running():
        person = platform.person()
        platform.api.interact(person.openid, 5, HOURS_48)
        platform.api.media["media-1"] = b"#!AMR"
        client = Stranger(platform.api_base, platform.app_id, platform.secret)
        for n in range(5):
            if n == 3:
                platform.api.spoil_token()  # its own retry finds the way back
            result = await asyncio.to_thread(client.message.send_text, person.openid, f"第 {n} 条 😀")
            assert result["errcode"] == 0
        assert await person.sees(5) == [Seen("service", f"第 {n} 条 😀") for n in range(5)]
        with pytest.raises(WeChatClientException, match="45047"):
            await asyncio.to_thread(client.message.send_text, person.openid, "第六条")
        menu = {"button": [{"type": "click", "name": "紧急电话", "key": "crisis"}]}
        assert (await asyncio.to_thread(client.menu.create, menu))["errcode"] == 0
        assert platform.api.menu == menu
        media = await asyncio.to_thread(client.media.download, "media-1")
        assert media.content == b"#!AMR"
        assert platform.api.count(SEND) == 7  # five, the one with the spoilt token, and the sixth
        client._http.close()
