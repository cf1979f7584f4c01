"""The platform's API over HTTP: the access token, and calls that need it.

The platform wants the token in the query string. So no URL gets into an exception here, and `adapters.http` drops log
records that hold one.
"""

import asyncio
import contextlib
import json
import math
import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import httpx

from adapters.base import Blocked, DeliveryError, Health, OutcomeUnknown, Rejected, Retryable, WindowClosed
from adapters.http import network_faults

_MEDIA = "/cgi-bin/media/get"
_STALE = frozenset({40001, 40014, 42001})
_RENEW_EARLY = 300.0  # the platform hands out the next token five minutes before the old one ends
_FORCE_EVERY = 600.0  # the platform allows 20 forced refreshes a day
_ADDRESS = re.compile(r"invalid ip ([0-9a-fA-F.:]{2,45})")

# Codes as in https://developers.weixin.qq.com/doc/offiaccount/Getting_Started/Global_Return_Code.html
_CLOSED = {
    45015: "the user has not written for 48 hours, or unfollowed (45015)",
    45047: "five messages were sent since the user last wrote (45047)",
    48001: "the account has no customer-service right (48001)",
}
_BLOCKED = {
    43004: "the user does not follow the account (43004)",
    43019: "the user is on the account's black list (43019)",
    48002: "the user refuses the account's messages (48002)",
    50005: "the user does not follow the account (50005)",
}
_LATER = {
    -1: ("the platform is busy (-1)", 2.0),
    45009: ("the day's quota of calls is used up (45009); it starts again at midnight in China", 3600.0),
    45011: ("too many calls in this minute (45011)", 60.0),
    50002: ("the account is restricted (50002); see the platform's notices", 3600.0),
}
_OPERATOR = {
    40013: "the platform does not know app_id (40013)",
    40125: "app_secret is wrong (40125); copy it again from the platform",
    40243: "app_secret is frozen (40243); unfreeze it on the platform",
}


class Api:
    """Calls to one account's API. Raises DeliveryError only; `health` says what an operator must mend.

    timeout: seconds without an answer. clock: seconds, for the token's age.
    """

    def __init__(
        self,
        base: str,
        app_id: str,
        secret: str,
        timeout: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._http = httpx.AsyncClient(base_url=base, timeout=httpx.Timeout(timeout, connect=5.0))
        self._token = _Token(self, app_id, secret, clock)
        self.health = Health()

    async def aclose(self) -> None:
        """Close the connections. Later calls raise Retryable."""
        await self._http.aclose()

    async def call(self, path: str, payload: Mapping[str, object]) -> None:
        """POST `payload`; a token that the platform no longer takes is renewed once and the call repeated."""
        token = await self._token.get()
        code, hint = await self._post(path, payload, token)
        if code in _STALE:
            token = await self._token.renew(stale=token)
            code, hint = await self._post(path, payload, token)
        self._raise_for(code, hint)
        self._note_success()

    async def media(self, media_id: str) -> tuple[bytes, str]:
        """A file that a user sent, and its type. The platform keeps it for three days. Raises a DeliveryError."""
        token = await self._token.get()
        code, response = await self._get_media(media_id, token)
        if code in _STALE:
            code, response = await self._get_media(media_id, await self._token.renew(stale=token))
        if code or response.status_code != 200:
            raise Rejected(f"{_MEDIA}: the platform no longer gives this file ({code or response.status_code})")
        return response.content, response.headers.get("content-type", "").split(";")[0]

    async def _get_media(self, media_id: str, token: str) -> tuple[int, httpx.Response]:
        with network_faults(_MEDIA):
            response = await self._http.get(_MEDIA, params={"access_token": token, "media_id": media_id})
        if not response.content.startswith(b"{"):
            return 0, response  # a file; what the platform refuses it says in JSON, whatever type it names
        with contextlib.suppress(ValueError):
            return _code(json.loads(response.content))[0], response
        return 0, response

    async def fetch(self, path: str, payload: Mapping[str, object]) -> dict[str, Any]:
        """POST without a token. What waits to be sent is not to blame for a fault here, so each one is Retryable."""
        try:
            result = await self._exchange(path, payload, {})
            self._raise_for(*_code(result))
            return result
        except Retryable:
            raise
        except OutcomeUnknown as error:
            raise Retryable(str(error)) from None
        except DeliveryError as error:
            raise self._operator_fault(f"{path}: {error}") from None

    async def _post(self, path: str, payload: Mapping[str, object], token: str) -> tuple[int, str]:
        return _code(await self._exchange(path, payload, {"access_token": token}))

    async def _exchange(self, path: str, payload: Mapping[str, object], query: Mapping[str, str]) -> dict[str, Any]:
        # Not escaped as \uXXXX: the platform counts escapes as text, and shows some raw.
        body = json.dumps(payload, ensure_ascii=False).encode()
        with network_faults(path):
            response = await self._http.post(
                path, content=body, params=query, headers={"Content-Type": "application/json; charset=utf-8"}
            )
        if response.status_code in (429, 503):
            raise Retryable(f"{path}: HTTP {response.status_code}")
        if 400 <= response.status_code < 500:
            raise self._operator_fault(f"{path}: HTTP {response.status_code}; compare api_base")
        try:
            result = json.loads(response.content)
        except ValueError:
            result = None
        if response.status_code != 200 or not isinstance(result, dict):
            raise OutcomeUnknown(f"{path}: HTTP {response.status_code} with an answer that is not the platform's")
        return result

    def _raise_for(self, code: int, hint: str) -> None:
        if code == 0:
            return
        if code == 48001:
            # Not a fault: the bot works, with what passive answers can do.
            self.health.detail = (
                f"{_CLOSED[code]}: a late answer waits until the user writes; set customer_service=false"
            )
        if code in _CLOSED:
            raise WindowClosed(_CLOSED[code])
        if code in _BLOCKED:
            raise Blocked(_BLOCKED[code])
        if code in _LATER:
            message, seconds = _LATER[code]
            raise Retryable(message, seconds)
        if code == 40164:
            address = match[1] if (match := _ADDRESS.search(hint)) else "this machine's address"
            raise self._operator_fault(f"{address} is not on the account's IP list (40164); add it on the platform")
        if code in _STALE:
            raise self._operator_fault(f"the platform refuses a fresh access token ({code}); is app_id the right one?")
        if code in _OPERATOR:
            raise self._operator_fault(_OPERATOR[code])
        raise Rejected("the text is longer than the platform takes (45002)" if code == 45002 else f"errcode {code}")

    def _operator_fault(self, message: str) -> Retryable:
        """Nothing goes through until the operator acts; what waits is tried again every minute."""
        self.health.ok, self.health.detail = False, message
        return Retryable(message, 60.0)

    def _note_success(self) -> None:
        if not self.health.ok:
            self.health.ok, self.health.detail = True, ""
        self.health.last_contact = datetime.now(UTC)


class _Token:
    """The account's access token, fetched once however many callers wait for it.

    From stable_token, which gives the same token to every process of the account while it is valid.
    https://developers.weixin.qq.com/doc/offiaccount/Basic_Information/getStableAccessToken.html
    """

    def __init__(self, api: Api, app_id: str, secret: str, clock: Callable[[], float]) -> None:
        self._api = api
        self._app_id = app_id
        self._secret = secret
        self._clock = clock
        self._lock = asyncio.Lock()
        self._value = ""
        self._renew_at = 0.0
        self._forced_at = -math.inf

    async def get(self) -> str:
        """The token, renewed five minutes before it ends."""
        if not self._value or self._clock() >= self._renew_at:
            async with self._lock:
                if not self._value or self._clock() >= self._renew_at:
                    await self._fetch(force=False)
        return self._value

    async def renew(self, stale: str) -> str:
        """Another token than `stale`, which the platform refused. Raises Retryable if it was forced not long ago.

        Another process of the account may have got a new one already, so asking comes before forcing: forcing takes
        the token away from everybody else.
        """
        async with self._lock:
            if self._value == stale:
                await self._fetch(force=False)
            if self._value == stale:
                if self._clock() - self._forced_at < _FORCE_EVERY:
                    raise Retryable("the platform refuses the access token, and it was renewed just now", 60.0)
                self._forced_at = self._clock()
                await self._fetch(force=True)
            return self._value

    async def _fetch(self, force: bool) -> None:
        result = await self._api.fetch(
            "/cgi-bin/stable_token",
            {
                "grant_type": "client_credential",
                "appid": self._app_id,
                "secret": self._secret,
                "force_refresh": force,
            },
        )
        token, seconds = result.get("access_token"), result.get("expires_in")
        if not isinstance(token, str) or not token or not isinstance(seconds, int):
            raise Retryable("stable_token: an answer without a token")
        self._value = token
        self._renew_at = self._clock() + max(seconds - _RENEW_EARLY, seconds / 2)


def _code(result: Mapping[str, Any]) -> tuple[int, str]:
    """errcode (0 if absent) and errmsg."""
    code = result.get("errcode", 0)
    return (code if isinstance(code, int) else -1), str(result.get("errmsg", ""))
