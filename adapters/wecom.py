"""Pages by WeCom: to a member, from the company's application, or into a group, by its robot.

https://developer.work.weixin.qq.com/document/path/90236 (application), /path/91770 (robot), /path/90313 (error codes)
The platform wants token and key in the query string; see `adapters.http`.
"""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import httpx

from adapters.base import (
    Address,
    Capabilities,
    DeliveryError,
    Health,
    NoExtras,
    OutcomeUnknown,
    Receive,
    Rejected,
    Reply,
    Retryable,
    Sent,
    Unit,
)
from adapters.http import network_faults
from config.channels import WeCom
from config.settings import WeComSettings

_STALE = frozenset({40014, 42001})
_LATER = {
    -1: ("the platform is busy (-1)", 2.0),
    45009: ("too many calls (45009)", 60.0),  # a robot: 20 a minute
    45033: ("too many calls at the same time (45033)", 2.0),
}
_OPERATOR = {
    40001: "wecom.secret is wrong (40001); copy it again from the application's page",
    40013: "wecom.corp_id is wrong (40013)",
    40056: "wecom.agent_id is wrong (40056)",
    60020: "this machine's address is not among the application's trusted ones (60020); add it there",
    301002: "wecom.agent_id does not belong to wecom.secret (301002)",
}
_NOBODY = frozenset({40003, 60111, 81013, 82001})
_RENEW_EARLY = 300.0


class WeComAdapter(NoExtras):
    """Sends to `targets`, by the Address.chat that stands for them. clock: seconds, for the token's age."""

    platform = "wecom"
    account = "app"
    capabilities = Capabilities(max_length=2048, unit=Unit.BYTES)

    def __init__(
        self, settings: WeComSettings, targets: Mapping[str, WeCom], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings
        self._targets = targets
        self._clock = clock
        self._token = ""
        self._renew_at = 0.0
        self._fetching = asyncio.Lock()
        self._health = Health()

    async def run(self, receive: Receive) -> None:
        """Nothing comes in this way."""
        await asyncio.Event().wait()

    async def send(self, address: Address, reply: Reply) -> Sent:
        if not (target := self._targets.get(address.chat)):
            raise Rejected("this counsellor has no WeCom any more")
        if target.robot_key:
            return await self._to_group(target.robot_key.get_secret_value(), reply.text)
        return await self._to_member(str(target.user), reply.text)

    async def check(self) -> None:
        """Fetch a token, and send nothing. Raises a DeliveryError that says what to mend."""
        await self._fetch_token(stale=self._token)

    def health(self) -> Health:
        return self._health

    async def _to_group(self, key: str, text: str) -> Sent:
        result = await self._call("POST", "/cgi-bin/webhook/send", {"key": key}, _text(text))
        if _code(result) == 93000:
            raise Rejected("the group's robot is gone or its key is wrong (93000); check robot_key_file")
        self._raise_for(_code(result))
        return Sent()

    async def _to_member(self, user: str, text: str) -> Sent:
        body = {"touser": user, "agentid": self._settings.agent_id, **_text(text)}
        token = await self._fetch_token()
        result = await self._call("POST", "/cgi-bin/message/send", {"access_token": token}, body)
        if _code(result) in _STALE:
            token = await self._fetch_token(stale=token)
            result = await self._call("POST", "/cgi-bin/message/send", {"access_token": token}, body)
        self._raise_for(_code(result))
        if result.get("invaliduser") or result.get("unlicenseduser"):
            raise Rejected("the application may not write to this member; add them to its visible range")
        return Sent(str(result.get("msgid", "")))

    async def _fetch_token(self, stale: str = "") -> str:
        """The application's token, kept until shortly before it ends; another one than `stale`."""
        async with self._fetching:
            if self._token and self._token != stale and self._clock() < self._renew_at:
                return self._token
            secret = self._settings.secret.get_secret_value() if self._settings.secret else ""
            query = {"corpid": self._settings.corp_id, "corpsecret": secret}
            try:
                result = await self._call("GET", "/cgi-bin/gettoken", query)
            except OutcomeUnknown as error:  # no page was on its way yet
                raise Retryable(str(error)) from None
            self._raise_for(_code(result))
            token, seconds = result.get("access_token"), result.get("expires_in")
            if not isinstance(token, str) or not token or not isinstance(seconds, int):
                raise Retryable("gettoken: an answer without a token")
            self._token = token
            self._renew_at = self._clock() + max(seconds - _RENEW_EARLY, seconds / 2)
            return token

    async def _call(
        self, method: str, path: str, query: Mapping[str, str], body: Mapping[str, object] | None = None
    ) -> dict[str, Any]:
        timeout = httpx.Timeout(self._settings.timeout_seconds, connect=5.0)
        content = json.dumps(body, ensure_ascii=False).encode() if body else None
        with network_faults(path):
            async with httpx.AsyncClient(base_url=self._settings.api_base, timeout=timeout) as client:
                response = await client.request(method, path, params=query, content=content)
        if response.status_code in (429, 503):
            raise Retryable(f"{path}: HTTP {response.status_code}")
        if 400 <= response.status_code < 500:
            raise self._fault(f"{path}: HTTP {response.status_code}; compare wecom.api_base")
        try:
            result = json.loads(response.content)
        except ValueError:
            result = None
        if response.status_code != 200 or not isinstance(result, dict):
            raise OutcomeUnknown(f"{path}: HTTP {response.status_code} with an answer that is not the platform's")
        return result

    def _raise_for(self, code: int) -> None:
        if code == 0:
            self._health = Health(last_contact=datetime.now(UTC))
            return
        if code in _LATER:
            message, seconds = _LATER[code]
            raise Retryable(message, seconds)
        if code in _OPERATOR:
            raise self._fault(_OPERATOR[code])
        if code in _NOBODY:
            raise Rejected(f"the application cannot write to this member ({code}); check the UserID in the roster")
        raise Rejected(f"errcode {code}")

    def _fault(self, message: str) -> DeliveryError:
        """Nothing goes through until the operator acts; what waits is tried again every minute."""
        self._health = Health(False, message, self._health.last_contact)
        return Retryable(message, 60.0)


def _text(text: str) -> dict[str, object]:
    return {"msgtype": "text", "text": {"content": text}}


def _code(result: Mapping[str, Any]) -> int:
    code = result.get("errcode", 0)
    return code if isinstance(code, int) else -1
