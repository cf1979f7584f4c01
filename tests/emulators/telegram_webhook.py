"""Pushing updates to a bot's webhook, as Telegram does: in order inside a chat, again until it answers 2xx."""

import asyncio
import random
import time
from collections import defaultdict, deque
from collections.abc import Callable

import httpx

from tests.emulators.telegram_state import BotState, Json


class WebhookPusher:
    """Delivers a bot's updates to its webhook. `start` and `stop` it in the loop of the server.

    `retry_seconds` is far shorter than Telegram's. While `reorder` is set, the updates that wait are sent in a random
    order and the chats' order is not kept.
    """

    def __init__(self, state: BotState, on_push: Callable[[], None], retry_seconds: float = 0.05) -> None:
        self.retry_seconds = retry_seconds
        self.reorder = False
        self.statuses: list[int] = []  # what the bot answered, 0 for no answer
        self._state = state
        self._on_push = on_push
        self._random = random.Random(7)
        self._queues: dict[object, deque[Json]] = defaultdict(deque)
        self._tasks: dict[object, asyncio.Task[None]] = {}
        self._under_way: set[int] = set()
        self._slots = asyncio.Semaphore(40)
        self._client: httpx.AsyncClient | None = None

    async def start(self) -> None:
        self._client = httpx.AsyncClient(timeout=60, trust_env=False)

    async def stop(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._client:
            await self._client.aclose()

    def push(self, update: Json) -> None:
        """Deliver an update, if a webhook is set and it is not being delivered already."""
        if self._state.webhook is None or self._client is None or update["update_id"] in self._under_way:
            return
        self._under_way.add(update["update_id"])
        lane = object() if self.reorder else _chat_of(update)
        self._queues[lane].append(update)
        if lane not in self._tasks:
            self._tasks[lane] = asyncio.get_running_loop().create_task(self._drain(lane))

    async def _drain(self, lane: object) -> None:
        queue = self._queues[lane]
        try:
            while queue and self._state.webhook:
                if self.reorder:
                    await asyncio.sleep(self._random.random() * 0.02)
                if not await self._post(queue[0]):
                    await asyncio.sleep(self.retry_seconds)
                    continue
                done = queue.popleft()
                self._under_way.discard(done["update_id"])
                if done in self._state.updates:
                    self._state.updates.remove(done)
                self._on_push()
        finally:
            self._under_way.difference_update(update["update_id"] for update in queue)
            del self._tasks[lane], self._queues[lane]

    async def _post(self, update: Json) -> bool:
        """One attempt; whether the bot took the update."""
        hook = self._state.webhook
        if hook is None or self._client is None:
            return False
        headers = {"X-Telegram-Bot-Api-Secret-Token": hook.secret} if hook.secret else {}
        try:
            async with self._slots:
                status = (await self._client.post(hook.url, json=update, headers=headers)).status_code
        except httpx.HTTPError as error:
            status, hook.last_error = 0, type(error).__name__
        self.statuses.append(status)
        if 200 <= status < 300:
            return True
        hook.last_error = hook.last_error if status == 0 else f"Wrong response from the webhook: {status}"
        hook.last_error_date = int(time.time())
        self._on_push()
        return False


def _chat_of(update: Json) -> object:
    """What Telegram keeps in order: the chat of the update."""
    for payload in update.values():
        if isinstance(payload, dict):
            message = payload.get("message", payload)
            return message.get("chat", {}).get("id")
    return None
