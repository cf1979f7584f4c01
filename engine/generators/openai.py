"""Language models behind OpenAI-compatible servers (vLLM, SGLang, Ollama, llama-server, clouds), streamed."""

import asyncio
import json
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from config.settings import OpenAISettings
from engine.generators import prompt
from engine.generators.visible import Visible
from engine.types import GeneratorError, Piece, Request

ATTEMPTS = 3
SILENCE_SECONDS = 12.0  # without a byte for so long a server counts as hanging
RETRY_SECONDS = 0.25  # doubled each time, with jitter
FAILURES_TO_REST = 3
REST_SECONDS = 20.0
MAX_CONNECTIONS = 512
SAMPLING = {"temperature": 0.7, "top_p": 0.9}
CHARS_PER_TOKEN = 8  # more text than this for the tokens we asked for is a flood


class _Failed(Exception):
    """One attempt failed. `counts` against the server's health; `again` says whether another attempt may help."""

    def __init__(self, reason: str, *, counts: bool = True, again: bool = True) -> None:
        super().__init__(reason)
        self.counts = counts
        self.again = again


@dataclass(slots=True, eq=False)
class _Server:
    """One server and its health: a circuit breaker that rests after failures, then lets one request try."""

    url: str
    failures: int = 0
    rest_until: float = 0.0
    under_way: int = 0
    strict: bool = False  # refuses parameters beyond OpenAI's own newest ones

    @property
    def name(self) -> str:
        """Host and port, for messages."""
        return urlsplit(self.url).netloc.rpartition("@")[2]

    def may_try(self, now: float) -> bool:
        return now >= self.rest_until

    def begin(self, now: float) -> None:
        self.under_way += 1
        if self.failures >= FAILURES_TO_REST:
            self.rest_until = now + REST_SECONDS  # this request is the trial; others wait for its outcome

    def succeeded(self) -> None:
        self.failures, self.rest_until = 0, 0.0

    def failed(self, now: float) -> None:
        self.failures += 1
        if self.failures >= FAILURES_TO_REST:
            self.rest_until = now + REST_SECONDS


class OpenAIClient:
    """Chat completions from the servers of a settings table, streamed.

    `base_url` may list several servers, separated by commas; the least busy of the healthy ones answers. `table` is
    what the operator calls these settings; `parameters` go with each request unless a server refuses them.
    """

    def __init__(
        self,
        settings: OpenAISettings,
        parameters: Mapping[str, Any],
        table: str = "openai",
        silence_seconds: float = SILENCE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._parameters = parameters
        self._table = table
        self._servers = [_Server(url.strip().rstrip("/")) for url in settings.base_url.split(",") if url.strip()]
        self._silence = silence_seconds
        self._clock = clock
        self._client: httpx.AsyncClient | None = None

    async def start(self) -> None:
        """Open the client. The servers need not be up yet: until they are, requests fail."""
        for server in self._servers:
            if urlsplit(server.url).scheme not in ("http", "https"):
                raise GeneratorError(f"{self._table}.base_url: {server.url!r} must begin with http:// or https://")
        if self._client is None:
            self._client = httpx.AsyncClient(
                timeout=httpx.Timeout(self._silence, connect=self._settings.connect_timeout_seconds),
                limits=httpx.Limits(max_connections=MAX_CONNECTIONS, max_keepalive_connections=MAX_CONNECTIONS),
                headers=self._headers(),
            )

    async def close(self) -> None:
        """Close all connections; requests under way fail."""
        if client := self._client:
            self._client = None
            await client.aclose()

    async def stream(self, messages: Sequence[Mapping[str, str]]) -> AsyncGenerator[str, None]:
        """Yield the answer as it comes. Another attempt is made only while nothing was yielded.

        Raises GeneratorError.
        """
        last: _Server | None = None
        for attempt in range(ATTEMPTS):
            server = self._pick(last)
            if server is last:
                await asyncio.sleep(RETRY_SECONDS * 2**attempt * random.uniform(0.5, 1.5))  # noqa: S311 - jitter
            began = False
            try:
                async for text in self._attempt(server, messages):
                    began = True
                    yield text
                return
            except _Failed as failure:
                if began or not failure.again or attempt == ATTEMPTS - 1:
                    raise GeneratorError(f"{server.name}: {failure}") from None
            last = server

    def _pick(self, last: _Server | None) -> _Server:
        """The least busy server that is not resting; another one than the last where there is one."""
        now = self._clock()
        ready = [server for server in self._servers if server.may_try(now)]
        if not ready:
            raise GeneratorError("all model servers are resting after failures")
        return min(ready, key=lambda server: (server is last, server.under_way))

    async def _attempt(self, server: _Server, messages: Sequence[Mapping[str, str]]) -> AsyncIterator[str]:
        """One request to one server. Raises _Failed."""
        server.begin(self._clock())
        try:
            async for text in self._complete(server, messages):
                yield text
            server.succeeded()
        except _Failed as failure:
            if failure.counts:
                server.failed(self._clock())
            else:
                server.succeeded()
            raise
        except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL) as error:
            server.failed(self._clock())
            raise _Failed(_describe(error)) from None
        finally:
            server.under_way -= 1

    async def _complete(self, server: _Server, messages: Sequence[Mapping[str, str]]) -> AsyncIterator[str]:
        if self._client is None:
            raise _Failed("the generator is closed", counts=False, again=False)
        url, body = f"{server.url}/chat/completions", self._body(server, messages)
        async with self._client.stream("POST", url, json=body) as response:
            if response.status_code in (400, 422) and not server.strict:
                server.strict = True
                raise _Failed("the server refused the request (400)", counts=False)
            self._raise_for_status(response)
            visible, length, finished = Visible(), 0, False
            async for line in response.aiter_lines():
                if (event := _parse(line)) is None:
                    continue
                text, finished = _read(event)
                length += len(text)
                if length > self._settings.max_tokens * CHARS_PER_TOKEN:
                    raise _Failed("the server sends far more than was asked for", again=False)
                if readable := visible.feed(text):
                    yield readable
                if finished:
                    break
        if not finished:
            raise _Failed("the answer broke off")
        if rest := visible.finish():
            yield rest
        if not length:
            raise _Failed("the answer is empty")

    def _body(self, server: _Server, messages: Sequence[Mapping[str, str]]) -> dict[str, Any]:
        body: dict[str, Any] = {"model": self._settings.model, "messages": list(messages), "stream": True}
        if server.strict:
            return body | {"max_completion_tokens": self._settings.max_tokens}
        thinking = {"enable_thinking": False}  # else hybrid models think first, for seconds
        return body | {"max_tokens": self._settings.max_tokens, "chat_template_kwargs": thinking, **self._parameters}

    def _headers(self) -> dict[str, str]:
        key = self._settings.api_key
        return {"Authorization": f"Bearer {key.get_secret_value()}"} if key else {}

    def _raise_for_status(self, response: httpx.Response) -> None:
        status = response.status_code
        if status == httpx.codes.OK:
            return
        if status == httpx.codes.TOO_MANY_REQUESTS:
            raise _Failed("the server is overloaded (429)", counts=False)
        if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise _Failed(f"the server refused the key ({status}); check {self._table}.api_key", again=False)
        if status == httpx.codes.NOT_FOUND:
            raise _Failed(
                f"the server knows no such path or model (404); check {self._table}.base_url and model", again=False
            )
        raise _Failed(f"the server answered {status}", again=status >= httpx.codes.INTERNAL_SERVER_ERROR)


class OpenAIGenerator:
    """Writes answers with a chat model behind an OpenAI-compatible server."""

    trusted = False

    def __init__(
        self,
        settings: OpenAISettings,
        silence_seconds: float = SILENCE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = f"openai:{settings.model}"
        self._client = OpenAIClient(settings, SAMPLING, silence_seconds=silence_seconds, clock=clock)

    async def start(self) -> None:
        """Open the client; see `OpenAIClient.start`."""
        await self._client.start()

    async def close(self) -> None:
        """Close all connections; requests under way fail."""
        await self._client.close()

    async def stream(self, request: Request) -> AsyncIterator[Piece]:
        """Yield the answer as it comes."""
        messages = [{"role": m.role, "content": m.content} for m in prompt.chat(request)]
        async with aclosing(self._client.stream(messages)) as texts:
            async for text in texts:
                yield Piece(text)


def _parse(line: str) -> dict[str, Any] | None:
    """The event of a line of server-sent events; None for blank lines, comments and other fields. Raises _Failed."""
    if not line.startswith("data:"):
        return None
    data = line.removeprefix("data:").strip()
    if data == "[DONE]":
        return {"choices": [{"finish_reason": "done"}]}
    try:
        event = json.loads(data)
    except ValueError:
        raise _Failed("the server sent what is not JSON") from None
    if not isinstance(event, dict) or event.get("error"):
        raise _Failed("the server reported an error in the middle of the answer")
    return event


def _read(event: dict[str, Any]) -> tuple[str, bool]:
    """The text of an event, and whether it is the last one. Raises _Failed."""
    try:
        choices = event.get("choices") or []
        if not choices:
            return "", False  # such as the usage at the end
        text = (choices[0].get("delta") or {}).get("content") or ""
        return str(text), bool(choices[0].get("finish_reason"))
    except (AttributeError, KeyError, IndexError, TypeError):
        raise _Failed("the server's answer has an unknown form") from None


def _describe(error: Exception) -> str:
    """What went wrong, in words that hold no text and no key."""
    if isinstance(error, httpx.ConnectTimeout | httpx.ConnectError):
        return "no connection to the server"
    if isinstance(error, httpx.TimeoutException):
        return "the server did not answer in time"
    return f"the connection failed ({type(error).__name__})"
