"""Pages to a program of the operator's: a POST of JSON, signed as Standard Webhooks writes it.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
The signature is HMAC-SHA256 over `id.timestamp.body`; the receiver refuses old timestamps, and what it has seen by id.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx
from pydantic import SecretStr

from adapters.base import (
    Address,
    Capabilities,
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
from adapters.http import network_faults, retry_after
from config.channels import signing_key

_LATER = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class Hook:
    """Where pages go, and the secret that signs them (`whsec_...`)."""

    url: str
    secret: SecretStr


class WebhookAdapter(NoExtras):
    """Posts to `targets`, by the Address.chat that stands for them. timeout: seconds without an answer."""

    platform = "webhook"
    account = "hook"
    capabilities = Capabilities(max_length=20_000, unit=Unit.CHARACTERS)

    def __init__(
        self, targets: Mapping[str, Hook], timeout: float = 10.0, clock: Callable[[], float] = time.time
    ) -> None:
        self._targets = targets
        self._timeout = httpx.Timeout(timeout, connect=5.0)
        self._clock = clock
        self._health = Health()

    async def run(self, receive: Receive) -> None:
        """Nothing comes in this way."""
        await asyncio.Event().wait()

    async def send(self, address: Address, reply: Reply) -> Sent:
        if not (hook := self._targets.get(address.chat)):
            raise Rejected("this counsellor has no webhook any more")
        page = reply.page
        body = {
            "type": "test" if page and page.test else "page" if page and page.handoff else "notice",
            "timestamp": datetime.fromtimestamp(self._clock(), UTC).isoformat(),
            "data": {
                "text": reply.text,
                "counsellor": page.counsellor if page else address.chat,
                "handoff": page.handoff if page else 0,
                "level": page.level if page else "none",
                "waiting_since": page.since.isoformat() if page else None,
                "url": page.url if page else "",
            },
        }
        name = f"page_{page.id}" if page and page.id else f"notice_{time.time_ns()}"
        await self._post(hook, name, json.dumps(body, ensure_ascii=False).encode())
        return Sent(name)

    def health(self) -> Health:
        return self._health

    async def _post(self, hook: Hook, name: str, body: bytes) -> None:
        at = str(int(self._clock()))
        headers = {
            "content-type": "application/json; charset=utf-8",
            "webhook-id": name,
            "webhook-timestamp": at,
            "webhook-signature": sign(hook.secret.get_secret_value(), name, at, body),
        }
        with network_faults("webhook"):
            async with httpx.AsyncClient(timeout=self._timeout) as client:
                response = await client.post(hook.url, content=body, headers=headers)
        status = response.status_code
        if status in _LATER or status == 503:
            raise Retryable(f"webhook: HTTP {status}", retry_after(response))
        if status >= 500:
            raise OutcomeUnknown(f"webhook: HTTP {status}")
        if status >= 300:
            more = "; write the address it points to" if status < 400 else "; check the address and the secret"
            raise Rejected(f"webhook: HTTP {status}{more}")
        self._health = Health(last_contact=datetime.now(UTC))


def sign(secret: str, name: str, at: str, body: bytes) -> str:
    """The header webhook-signature for a body with this id and timestamp (seconds since 1970)."""
    digest = hmac.new(signing_key(secret), f"{name}.{at}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"
