"""Second opinions: after its commit each message is judged again, slowly, beside its turn. Only a higher level counts.

Nothing waits for an opinion: neither the alerts and the safety text of intake, nor an answer. Where it finds a higher
level, one transaction does what intake would have done: the handoff, the safety text, the alerts; an answer under way
is dropped. An answer that had left is followed by the safety text.
"""

import asyncio
import uuid
from dataclasses import dataclass, replace
from datetime import timedelta

import structlog
from prometheus_client import Counter, Histogram

from bot.handoff import Handoffs
from bot.store import OPINIONS, Store, Transaction, conversations, handoffs, messages, opinions
from bot.store.conversations import Conversation
from bot.store.messages import Stored
from bot.store.wake import page
from engine import Assessment, OpinionError, SecondOpinion, Turn

log = structlog.get_logger(__name__)
GIVEN = Counter("psyllm_second_opinions", "Second opinions asked for, by what came of them", ["outcome"])
SECONDS = Histogram("psyllm_second_opinion_seconds", "Time to give a second opinion")

CONTEXT = 12  # earlier messages that are shown
TOO_LATE = timedelta(minutes=10)  # what nobody judged by then is given up: crowded out, or nobody there to judge
SLACK = timedelta(seconds=5)  # beyond the timeout, before another process takes over


@dataclass(frozen=True, slots=True)
class Question:
    """A message to be judged again, and what was said before it."""

    message: Stored
    context: tuple[Turn, ...]


class Opinions:
    """Asks for second opinions and raises levels by them."""

    def __init__(
        self, store: Store, opinion: SecondOpinion, handoffs: Handoffs, timeout_seconds: float, poll_seconds: float
    ) -> None:
        self._store = store
        self._opinion = opinion
        self._handoffs = handoffs
        self._timeout = timeout_seconds
        self._lease = timedelta(seconds=timeout_seconds) + SLACK
        self._poll = poll_seconds
        self._owner = uuid.uuid4().hex
        self._tasks: set[asyncio.Task[None]] = set()
        self._ready = False
        self.state = "loading"  # loading, ready, or why there are no opinions, for the operator

    async def run(self) -> None:
        """Work until cancelled; what was under way is then asked again by another process, or at the next start."""
        loading = asyncio.create_task(self._load(), name="load-opinion")
        try:
            while True:
                try:
                    await self.step()
                except Exception as error:
                    log.error("opinions.step_failed", error=type(error).__name__)
                await self._store.wake.wait(OPINIONS, self._poll)
        finally:
            tasks = [loading, *self._tasks]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._opinion.close()

    async def _load(self) -> None:
        """Without the model the bot goes on: the screener stands by itself."""
        try:
            await self._opinion.start()
        except Exception as error:
            self.state = str(error) if isinstance(error, OpinionError) else f"{type(error).__name__} while loading"
            log.error("there will be no second opinions", opinion=self._opinion.name, reason=self.state)
        else:
            self._ready, self.state = True, "ready"
            self._store.wake.ring(OPINIONS)

    async def step(self) -> None:
        """Give up what is too late, claim as much as may be asked at once, and ask."""
        free = self._opinion.at_once - len(self._tasks) if self._ready else 0
        async with self._store.transaction() as tx:
            GIVEN.labels("too_late").inc(await opinions.give_up(tx, tx.now - TOO_LATE))
            claimed = await opinions.claim(tx, self._owner, free, self._lease) if free else []
            questions = [question for i in claimed if (question := await self._question(tx, i))]
        for question in questions:
            task = asyncio.create_task(self._ask(question), name="opinion")
            self._tasks.add(task)
            task.add_done_callback(self._over)

    async def _question(self, tx: Transaction, message_id: int) -> Question | None:
        message = await messages.get(tx, message_id)
        if message is None or message.seq is None:
            return None
        earlier = await messages.before(tx, message.conversation_id, message.seq, CONTEXT)
        return Question(message, tuple(m.turn for m in earlier if m.text))

    def _over(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._store.wake.ring(OPINIONS)

    async def _ask(self, question: Question) -> None:
        """Have one message judged and act on it; never raises."""
        found = await self._found(question)
        try:
            outcome = await self._store.retrying(lambda tx: self._settle(tx, question.message, found))
            GIVEN.labels(outcome).inc()
        except Exception as error:  # the row stays, and is claimed once more
            log.error("opinions.settle_failed", error=type(error).__name__)

    async def _found(self, question: Question) -> Assessment | str:
        """The opinion, or why there is none, for the counter."""
        try:
            async with asyncio.timeout(self._timeout):
                with SECONDS.time():
                    return await self._opinion.assess(question.message.text, question.context)
        except TimeoutError:
            return "timed_out"
        except OpinionError as error:
            log.warning("there is no second opinion on a message", opinion=self._opinion.name, reason=str(error))
        except Exception as error:
            log.error("opinions.assess_failed", opinion=self._opinion.name, error=type(error).__name__)
        return "failed"

    async def _settle(self, tx: Transaction, message: Stored, found: Assessment | str) -> str:
        """Act on an opinion, once; what came of it, for the counter."""
        person = (await conversations.lock(tx, [message.conversation_id])).get(message.conversation_id)
        if person is None or not await opinions.settle(tx, message.id, self._owner):
            return "overtaken"
        if isinstance(found, str):
            return found
        stored = (await messages.assessments(tx, [message.id]))[message.id]
        if found.level <= stored.level:
            return "agreed" if found.level == stored.level else "lower"
        await self._raise(tx, person, message, _completed(found, stored))
        return "raised"

    async def _raise(self, tx: Transaction, person: Conversation, message: Stored, found: Assessment) -> None:
        """Do what intake would have done at this level."""
        await messages.add_assessments(tx, [(message.id, found)], source=f"opinion:{self._opinion.name}")
        person.level = max(person.level, found.level)
        if found.level.needs_human:
            current = await handoffs.open_of(tx, person.id)
            await self._handoffs.open_or_raise(tx, person, found, message.id, current)
        await conversations.save(tx, [person])
        tx.ring(page(person.address))


def _completed(found: Assessment, stored: Assessment) -> Assessment:
    """An opinion that gives only a level takes from the screener what the danger is and whose."""
    return found if found.category else replace(found, category=stored.category, about=stored.about)
