"""WeChat's side of an official account, over real HTTP.

It pushes what people write to the account's callback, waits five seconds, cuts and pushes again as the platform does,
shows what people would see, and serves the API. `python -m tests.emulators.wechat --help` runs it by hand.
"""

import argparse
import asyncio
import contextlib
import itertools
import secrets
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar
from xml.etree import ElementTree
from xml.sax.saxutils import escape

import httpx

from tests.emulators import wechat_crypto
from tests.emulators.wechat_api import ApiFace
from tests.emulators.wechat_serve import serve

_T = TypeVar("_T")
Mode = Literal["plain", "compatible", "aes"]
UNAVAILABLE = "该公众号暂时无法提供服务，请稍后再试"
HOURS_48 = 48 * 3600.0


@dataclass(frozen=True, slots=True)
class Seen:
    """Something on a user's phone: a passive answer, a customer-service message, or the platform's own notice."""

    how: Literal["passive", "service", "notice"]
    text: str


@dataclass(frozen=True, slots=True)
class Prepared:
    """A call to the callback, ready to be sent or spoilt."""

    query: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Attempt:
    """What one push came to. `status` is None if the connection was cut or could not be made."""

    status: int | None
    body: str = ""


@dataclass
class Person:
    """Somebody who follows the account."""

    platform: "WeChatEmulator"
    openid: str
    seen: list[Seen] = field(default_factory=list)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    def writes(self, text: str) -> asyncio.Task[list[Attempt]]:
        """Send a text; the task ends when the platform is done with it."""
        return self.sends("text", Content=text)

    def sends(self, kind: str, **fields: str) -> asyncio.Task[list[Attempt]]:
        """Send a message of any MsgType."""
        self.platform.api.interact(self.openid, 5, HOURS_48)
        return self.platform.push(self, self.platform.message(self, kind, **fields))

    def does(self, event: str, **fields: str) -> asyncio.Task[list[Attempt]]:
        """Cause an event: subscribe, unsubscribe, CLICK, SCAN, VIEW or one that nobody knows."""
        if event in ("subscribe", "CLICK", "SCAN"):
            self.platform.api.interact(self.openid, 3, 60)
        if event == "unsubscribe":
            self.platform.api.windows.pop(self.openid, None)
        return self.platform.push(self, self.platform.event(self, event, **fields))

    async def sees(self, count: int, within: float = 10.0) -> list[Seen]:
        """Wait until at least `count` things stand on the phone; gives all of them."""
        async with asyncio.timeout(within), self._changed:
            await self._changed.wait_for(lambda: len(self.seen) >= count)
        return self.seen

    async def show(self, seen: Seen) -> None:
        async with self._changed:
            self.seen.append(seen)
            self._changed.notify_all()


class WeChatEmulator:
    """One official account on the platform.

    cuts: seconds after which the first, second, ... push of a message is cut; the last value holds for all further
    ones. attempts: how often one message is pushed in all.
    """

    def __init__(
        self,
        *,
        mode: Mode = "aes",
        app_id: str = "wx5823bf96d3bd56c7",
        secret: str = "emulated-app-secret",
        token: str = "emulated-token",
        aes_key: str = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C",
        cuts: tuple[float, ...] = (5.0,),
        attempts: int = 3,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.mode: Mode = mode
        self.app_id = app_id
        self.secret = secret
        self.token = token
        self.aes_key = aes_key
        self.original_id = "gh_emulated0001"
        self.cuts = cuts
        self.attempts = attempts
        self.clock = clock
        self.callback = ""  # the account's server settings: the URL of its callback
        self.api_base = ""
        self.people: dict[str, Person] = {}
        self.api = ApiFace(app_id, secret, self._show_service_message, clock)
        self._ids = itertools.count(23_000_000_000_000_001)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._http = httpx.AsyncClient(timeout=None, limits=httpx.Limits(max_connections=None))

    @contextlib.asynccontextmanager
    async def running(self, port: int = 0) -> AsyncIterator["WeChatEmulator"]:
        """Serve the API; `api_base` says where."""
        async with serve(self.api.app(), port) as self.api_base:
            try:
                yield self
            finally:
                for task in list(self._tasks):
                    task.cancel()
                await asyncio.gather(*self._tasks, return_exceptions=True)
                await self._http.aclose()

    def person(self, openid: str = "o6_bmjrPTlm6_2sgVt7hMZOPfL2M") -> Person:
        """The follower with this id; the same object each time."""
        return self.people.setdefault(openid, Person(self, openid))

    def message(self, person: Person, kind: str, **fields: str) -> str:
        """The XML of a new message."""
        return self._xml(person, MsgType=kind, MsgId=str(next(self._ids)), **fields)

    def event(self, person: Person, event: str, **fields: str) -> str:
        """The XML of a new event."""
        return self._xml(person, MsgType="event", Event=event, **fields)

    def push(self, person: Person, xml: str) -> asyncio.Task[list[Attempt]]:
        """Push a message until the account's server takes it, as the platform does; shows the answer on the phone."""
        return self._spawn(self._push(person, xml))

    def prepare(self, xml: str, *, app_id: str | None = None, at: float | None = None) -> Prepared:
        """A call in the account's mode. `app_id` and `at` (seconds since 1970) stand in for the right ones."""
        timestamp, nonce = str(int(self.clock() if at is None else at)), str(secrets.randbelow(10**10))
        query = {
            "signature": wechat_crypto.signature(self.token, timestamp, nonce),
            "timestamp": timestamp,
            "nonce": nonce,
        }
        if self.mode == "plain":
            return Prepared(query, xml.encode())
        ciphertext = wechat_crypto.encrypt(self.aes_key, app_id or self.app_id, xml)
        query["encrypt_type"] = "aes"
        query["msg_signature"] = wechat_crypto.signature(self.token, timestamp, nonce, ciphertext)
        sealed = f"<Encrypt><![CDATA[{ciphertext}]]></Encrypt></xml>"
        if self.mode == "compatible":
            return Prepared(query, (xml.removesuffix("</xml>") + sealed).encode())
        return Prepared(query, f"<xml><ToUserName><![CDATA[{self.original_id}]]></ToUserName>{sealed}".encode())

    async def post(self, call: Prepared) -> httpx.Response:
        """Make one call to the callback and wait as long as it takes."""
        return await self._http.post(
            self.callback, params=call.query, content=call.body, headers={"Content-Type": "text/xml"}
        )

    async def verify(self, echo: str = "5837397576500011341") -> bool:
        """The check that the platform makes when the server settings are saved."""
        query = {**self.prepare("<xml></xml>").query, "echostr": echo}
        response = await self._http.get(self.callback, params=query)
        return response.status_code == 200 and response.text == echo

    def read_answer(self, call: Prepared, body: str, openid: str) -> str:
        """The text of a passive answer as the platform reads it. Raises ValueError if it is malformed."""
        root = _fields(body)
        if "Encrypt" in root:
            if self.mode == "plain":
                raise ValueError("encrypted although the mode is plain")
            self._check_seal(call, root)
            root = _fields(wechat_crypto.decrypt(self.aes_key, self.app_id, root["Encrypt"]))
        elif self.mode == "aes":
            raise ValueError("not encrypted")
        if (root["ToUserName"], root["FromUserName"]) != (openid, self.original_id):
            raise ValueError("names are swapped or wrong")
        if root["MsgType"] != "text" or not root["CreateTime"].isdigit():
            raise ValueError("not a text")
        if not 0 < len(root["Content"].encode()) <= 2047:
            raise ValueError("empty or too long")
        return root["Content"]

    def _check_seal(self, call: Prepared, envelope: dict[str, str]) -> None:
        if envelope["Nonce"] != call.query["nonce"]:
            raise ValueError("another nonce")
        expected = wechat_crypto.signature(self.token, envelope["TimeStamp"], envelope["Nonce"], envelope["Encrypt"])
        if envelope["MsgSignature"] != expected:
            raise ValueError("wrong signature")

    async def _push(self, person: Person, xml: str) -> list[Attempt]:
        made: list[Attempt] = []
        for attempt in range(self.attempts):
            call = self.prepare(xml)
            try:
                async with asyncio.timeout(self.cuts[min(attempt, len(self.cuts) - 1)]):
                    response = await self.post(call)
            except (TimeoutError, httpx.HTTPError):
                made.append(Attempt(None))
                continue
            made.append(Attempt(response.status_code, response.text))
            if response.status_code == 200:
                await self._show_answer(person, call, response.text)
                return made
        await person.show(Seen("notice", UNAVAILABLE))
        return made

    async def _show_answer(self, person: Person, call: Prepared, body: str) -> None:
        if body in ("", "success"):
            return
        try:
            await person.show(Seen("passive", self.read_answer(call, body, person.openid)))
        except (ValueError, KeyError, ElementTree.ParseError):
            await person.show(Seen("notice", UNAVAILABLE))

    def _show_service_message(self, openid: str, text: str) -> None:
        self._spawn(self.person(openid).show(Seen("service", text)))

    def _spawn(self, work: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _xml(self, person: Person, **fields: str) -> str:
        values = {
            "ToUserName": self.original_id,
            "FromUserName": person.openid,
            "CreateTime": str(int(self.clock())),
            **fields,
        }
        return "<xml>" + "".join(f"<{name}>{escape(value)}</{name}>" for name, value in values.items()) + "</xml>"


def _fields(xml: str) -> dict[str, str]:
    """The elements of an answer. Raises ValueError if one stands twice, ParseError if it is not XML."""
    root = ElementTree.fromstring(xml)
    fields = {element.tag: element.text or "" for element in root}
    if root.tag != "xml" or len(fields) != len(root):
        raise ValueError("an element is missing or stands twice")
    return fields


async def _converse(emulator: WeChatEmulator, port: int) -> None:
    async with emulator.running(port):
        print(f"API on {emulator.api_base}; app id {emulator.app_id}, secret {emulator.secret}")  # noqa: T201
        print(f"token {emulator.token}, AES key {emulator.aes_key}; write, and end with Ctrl-D")  # noqa: T201
        person, shown = emulator.person(), 0
        while line := await asyncio.to_thread(sys.stdin.readline):
            await person.writes(line.strip())
            for seen in person.seen[shown:]:
                print(f"[{seen.how}] {seen.text}")  # noqa: T201
            shown = len(person.seen)


def main() -> None:
    """Talk to a running bot from the terminal."""
    parser = argparse.ArgumentParser(description="A WeChat platform with one user: you.")
    parser.add_argument("--callback", default="http://127.0.0.1:8080/wechat")
    parser.add_argument("--port", type=int, default=8090, help="where the API is served")
    parser.add_argument("--mode", choices=["plain", "compatible", "aes"], default="aes")
    options = parser.parse_args()
    emulator = WeChatEmulator(mode=options.mode)
    emulator.callback = options.callback
    asyncio.run(_converse(emulator, options.port))


if __name__ == "__main__":
    main()
