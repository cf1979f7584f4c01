"""HTTP for python-telegram-bot's Bot over aiohttp, telling apart what certainly did not reach Telegram.

python-telegram-bot's own HTTPXRequest hides that difference in the text of a NetworkError. It also costs 1.0 to 2.5 ms
of processor time a send where this costs 0.25 ms (python-telegram-bot 22.8, httpx 0.28, 64 sends under way): httpcore
looks through its whole pool at each request.

telegram.error.TelegramError
+-- SlowDown          429; python-telegram-bot's RetryAfter warns of its own deprecation whenever it is raised
+-- NetworkError
    +-- NotSent       the request did not leave, or was refused before anything was done
    +-- ServerFault   the server failed after it may have done what was asked
"""

import asyncio
import contextlib
import json
import logging
from typing import Any
from urllib.parse import urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from telegram.error import NetworkError, TelegramError, TimedOut
from telegram.request import BaseRequest, RequestData

from config import ConfigError

_CONNECT_SECONDS = 5.0
_KEEP_ALIVE_SECONDS = 30.0  # well below a server's own limit: a request on a dying connection has an unknown outcome
_CONNECTIONS = 128
_DRAIN_SECONDS = 5.0
_NO_CONNECTION = (
    aiohttp.ClientConnectorError,
    aiohttp.ClientConnectorCertificateError,
    aiohttp.ClientHttpProxyError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.InvalidURL,
)

# At level DEBUG python-telegram-bot logs the parameters of calls, so the texts.
logging.getLogger("telegram").setLevel(logging.INFO)


class SlowDown(TelegramError):
    """Telegram refuses calls for the next `seconds`."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"Telegram asks to wait {seconds:g} s")
        self.seconds = seconds


class NotSent(NetworkError):
    """Certainly nothing was done: no connection, or refused at the door."""


class ServerFault(NetworkError):
    """The server answered 5xx."""


_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class AiohttpRequest(BaseRequest):
    """One connection pool for the calls of a bot. No uploads. Errors never hold a URL, because URLs hold the token."""

    __slots__ = ("_closed", "_idle", "_proxy", "_seconds", "_session", "_under_way", "rebuilds")

    def __init__(self, api_base: str, read_seconds: float) -> None:
        self._seconds = read_seconds
        self._proxy = _proxy_for(api_base)
        self._session: aiohttp.ClientSession | None = None
        self._closed = False
        self._under_way = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self.rebuilds = 0  # how often the pool was dropped

    @property
    def read_timeout(self) -> float:
        return self._seconds

    async def initialize(self) -> None:
        """Take requests, again after a shutdown. The pool opens at the first one, inside the loop that uses it."""
        self._closed = False

    async def shutdown(self) -> None:
        """Take no more requests (they raise NotSent), let those under way end, close the pool."""
        self._closed = True
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), _DRAIN_SECONDS)
        await self._drop()

    async def rebuild(self) -> None:
        """Drop every connection and begin anew."""
        self.rebuilds += 1
        await self._drop()

    async def _drop(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def do_request(
        self,
        url: str,
        method: str,
        request_data: RequestData | None = None,
        read_timeout: Any = BaseRequest.DEFAULT_NONE,
        write_timeout: Any = BaseRequest.DEFAULT_NONE,
        connect_timeout: Any = BaseRequest.DEFAULT_NONE,
        pool_timeout: Any = BaseRequest.DEFAULT_NONE,
    ) -> tuple[int, bytes]:
        """Send one request; its status and body. Raises SlowDown, NotSent, ServerFault, TimedOut, NetworkError."""
        seconds = read_timeout if isinstance(read_timeout, int | float) else self._seconds
        body, headers = _written(request_data)
        if self._closed:
            raise NotSent("the bot is stopping")
        self._under_way += 1
        self._idle.clear()
        try:
            status, body = await self._exchange(method, url, body, headers, seconds)
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._idle.set()
        _raise_for_fault(status, body)
        return status, body

    async def _exchange(
        self, method: str, url: str, body: bytes | aiohttp.FormData | None, headers: dict[str, str], seconds: float
    ) -> tuple[int, bytes]:
        timeout = aiohttp.ClientTimeout(total=_CONNECT_SECONDS + seconds, connect=_CONNECT_SECONDS)
        try:
            async with self._open().request(method, url, data=body, headers=headers, timeout=timeout) as response:
                return response.status, await response.read()
        except _NO_CONNECTION as error:
            raise NotSent(f"no connection to Telegram ({type(error).__name__})") from None
        except TimeoutError:
            raise TimedOut("no answer from Telegram in time") from None
        except (aiohttp.ClientError, OSError) as error:
            raise NetworkError(f"the connection to Telegram broke ({type(error).__name__})") from None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=_CONNECTIONS, keepalive_timeout=_KEEP_ALIVE_SECONDS)
            cookies = aiohttp.DummyCookieJar()
            self._session = aiohttp.ClientSession(connector=connector, cookie_jar=cookies, proxy=self._proxy)
        return self._session

    @staticmethod
    def parse_json_payload(payload: bytes) -> dict[str, Any]:
        """As the base class, which would log a payload it cannot read."""
        if (parsed := _object(payload)) is None:
            raise TelegramError("Telegram's answer is not a JSON object")
        return parsed


def _raise_for_fault(status: int, body: bytes) -> None:
    """Raise for 429, and for answers that are not the Bot API's own.

    502 and 503 come from the front server that found nobody behind it, so nothing was done. 500 (such as "Internal
    Server Error: restart") and 504 (nobody answered the front server in time) may come after the message was sent. A
    refusal that is not JSON comes from a proxy: its 403 must not look as if the user had blocked the bot.
    """
    if status < 400:
        return
    answer = _object(body)
    if status == 429 and answer is not None:
        raise SlowDown(_retry_after(answer))
    if status in (502, 503) or (status < 500 and answer is None):
        raise NotSent(f"refused with HTTP status {status} on the way to Telegram")
    if status >= 500:
        raise ServerFault(f"Telegram answered with HTTP status {status}")


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict) else None


def _retry_after(answer: dict[str, Any]) -> float:
    parameters = answer.get("parameters")
    seconds = parameters.get("retry_after") if isinstance(parameters, dict) else None
    return float(seconds) if isinstance(seconds, int | float) and 0 < seconds < 1e6 else 1.0


def _proxy_for(api_base: str) -> str | None:
    """The proxy that the environment names for this server (HTTPS_PROXY, ALL_PROXY, NO_PROXY).

    Raises ConfigError for a kind of proxy that cannot be used.
    """
    parts = urlsplit(api_base)
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy or proxy_bypass(parts.hostname or ""):
        return None
    if not proxy.startswith(("http://", "https://")):
        raise ConfigError(f"environment: {parts.scheme.upper()}_PROXY: Telegram is reached through HTTP proxies only")
    return proxy


def _written(data: RequestData | None) -> tuple[bytes | aiohttp.FormData | None, dict[str, str]]:
    """The body of a request with its headers: a plain form, or one with files."""
    if data is None:
        return None, _FORM
    if not data.contains_files:
        return (urlencode(data.json_parameters).encode() or None), _FORM
    form = aiohttp.FormData(data.json_parameters)
    for name, (filename, content, mime) in (data.multipart_data or {}).items():
        form.add_field(name, content, filename=filename, content_type=mime)
    return form, {}
