"""The worker that takes occurrences whose time has come, decides what becomes of each, and puts them into the outbox.

One transaction takes a batch of one platform: an occurrence becomes `queued` in the same commit that writes its outbox
row and plans the enrolment's next, so that a process killed at any moment neither loses nor repeats one. A lane that is
full for the next seconds is left alone: what waits, waits here, where its lateness is judged, and not in the outbox.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog
from prometheus_client import Counter, Gauge
from sqlalchemy.exc import DBAPIError

from adapters import Capabilities
from bot.followups import enrolments as enrolments_module
from bot.followups.broadcasts import Broadcasts
from bot.followups.content import Content, Said
from bot.followups.decide import Decision, Fate, Reason, Standing, decide
from bot.followups.enrolments import Enrolments, Refused, clock_of
from bot.store import FOLLOWUPS, Store, Transaction, conversations, followups, outbox
from bot.store.conversations import Conversation
from bot.store.followups import Due, Ended, Planned
from bot.store.outbox import Kind, Outgoing

log = structlog.get_logger(__name__)
ENDED = Counter(
    "psyllm_followups", "Follow-ups decided, by programme, fate and reason", ["programme", "fate", "reason"]
)
BEHIND = Gauge(
    "psyllm_followups_behind_seconds", "How long the oldest follow-up that is due has waited, by platform", ["platform"]
)

HORIZON = timedelta(seconds=30)
"""So far ahead of its pace a platform's lane is filled."""

BATCH = 500


@dataclass(slots=True)
class _Batch:
    """What one transaction writes."""

    sends: list[Outgoing] = field(default_factory=list)
    queued: list[int] = field(default_factory=list)
    held: list[tuple[int, datetime, datetime]] = field(default_factory=list)
    ended: list[Ended] = field(default_factory=list)
    planned: list[Planned] = field(default_factory=list)
    sent: list[tuple[int, int]] = field(default_factory=list)
    persons: dict[int, str] = field(default_factory=dict)  # who gets something, and what it asks them

    def give_up(self, occurrence_id: int) -> None:
        """Nothing of an occurrence leaves; it is over."""
        self.sends = [row for row in self.sends if row.occurrence_id != occurrence_id]
        self.queued = [i for i in self.queued if i != occurrence_id]
        self.ended.append(Ended(occurrence_id, Fate.MISS.value, Reason.FAILED.value))


class FollowUps:
    """Sends what is due, for every platform."""

    def __init__(
        self,
        store: Store,
        enrolments: Enrolments,
        content: Content,
        capabilities: Mapping[str, Capabilities],
        per_second: float,
        poll_seconds: float,
        batch: int = BATCH,
    ) -> None:
        self._store = store
        self._enrolments = enrolments
        self._content = content
        self._capabilities = capabilities
        self._gap = timedelta(seconds=1 / per_second)
        self._poll = poll_seconds
        self._batch = batch

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            try:
                await self.step()
                await self._rest()
            except Exception as error:
                log.error("followups.step_failed", error=type(error).__name__)
                await asyncio.sleep(self._poll)

    async def step(self) -> int:
        """Take everything that is due and fits its lane. Gives how many occurrences were looked at."""
        async with self._store.reading() as tx:
            platforms = await followups.lanes(tx)
        taken = sum([await self._empty(platform) for platform in platforms])
        await self._store.retrying(self._tidy)
        return taken

    async def _empty(self, platform: str) -> int:
        """All batches of a platform."""
        total, more = 0, True
        while more:
            taken, more = await self._store.retrying(lambda tx: self._take(tx, platform))
            total += taken
        return total

    async def _tidy(self, tx: Transaction) -> None:
        """End what waited too long to leave; let those go on whose programme is back."""
        while await followups.expire(tx) == 500:
            pass
        for enrolment in await followups.stalled(tx):
            if self._enrolments.programmes.get(enrolment.programme) is None:
                continue
            person = (await conversations.lock(tx, [enrolment.conversation_id])).get(enrolment.conversation_id)
            if person:
                await self._enrolments.resume(tx, person, enrolment)

    async def _take(self, tx: Transaction, platform: str) -> tuple[int, bool]:
        """Decide one batch: how many, and whether there may be more."""
        free_at = await followups.take_lane(tx, platform)
        start = max(free_at, tx.now) if free_at else tx.now
        limit = min(self._batch, int((tx.now + HORIZON - start) / self._gap))
        if free_at is None or limit <= 0:
            return 0, False
        due = await followups.claim(tx, platform, limit)
        BEHIND.labels(platform).set((tx.now - due[0].due_at).total_seconds() if due else 0.0)
        if not due:
            return 0, False
        batch = await self._decide_all(tx, platform, due, start)
        await self._write(tx, batch)
        if batch.sends:
            await followups.free_lane(tx, platform, start + len(batch.sends) * self._gap)
        return len(due), len(due) == limit

    async def _decide_all(self, tx: Transaction, platform: str, due: Sequence[Due], start: datetime) -> _Batch:
        people = await conversations.lock(tx, {d.enrolment.conversation_id for d in due})
        holds = await followups.holds(tx)
        windows = await self._windows(tx, platform, people)
        texts = await Broadcasts.texts(tx, {-d.day for d in due if d.day < 0})
        batch, last_sent = _Batch(), dict[int, datetime]()
        for one in due:
            person = people[one.enrolment.conversation_id]
            try:
                standing = self._standing(one, person, holds, windows.get(person.id))
                if at := last_sent.get(person.person_id):
                    standing = replace(standing, last_sent_at=at)
                decision = decide(one.due_at, one.latest_at, standing, tx.now)
                if decision.fate is Fate.SEND:
                    leaves = start + len(batch.sends) * self._gap
                    decision = self._send(batch, one, person, standing, leaves, texts)
                if decision.fate is Fate.SEND:
                    last_sent[person.person_id] = tx.now
                await self._note(tx, batch, one, person, decision)
            except DBAPIError:
                raise
            except Exception as error:  # one that cannot be decided must not hold up the others
                log.error("followups.undecidable", enrolment=one.enrolment.id, error=type(error).__name__)
                decision = Decision(Fate.MISS, Reason.FAILED)
                batch.give_up(one.id)
                await followups.change(tx, one.enrolment.id, state=followups.PAUSED, reason=Reason.FAILED.value)
            ENDED.labels(one.enrolment.programme, decision.fate.value, decision.reason or "").inc()
        return batch

    def _standing(
        self, one: Due, person: Conversation, holds: Mapping[str, str], window_until: datetime | None
    ) -> Standing:
        enrolment = one.enrolment
        programme = self._enrolments.programmes.get(enrolment.programme)
        return Standing(
            active=enrolment.state == followups.ACTIVE,
            programme=programme,
            programme_held=programme is not None and holds.get(programme.id) == "paused",
            blocked=person.blocked_at is not None,
            with_human=person.holder != conversations.BOT,
            level=person.level,
            unanswered=_unanswered(enrolment, person),
            rhythm=clock_of(one.rhythm or self._enrolments.default_rhythm(person)),
            last_sent_at=one.rhythm.last_sent_at if one.rhythm else None,
            window_until=window_until,
        )

    async def _windows(
        self, tx: Transaction, platform: str, people: Mapping[int, Conversation]
    ) -> dict[int, datetime | None]:
        """Until when each conversation can be written to, on a platform that closes; empty for one that does not."""
        able = self._capabilities.get(platform)
        if able is None or able.window_hours is None:
            return {}
        used = await followups.heard_window(tx, list(people)) if able.window_messages else {}
        opened = {i: p.last_in_at if used.get(i, 0) < (able.window_messages or 1) else None for i, p in people.items()}
        length = timedelta(hours=able.window_hours)
        return {i: at + length if at else datetime.min.replace(tzinfo=tx.now.tzinfo) for i, at in opened.items()}

    def _send(
        self,
        batch: _Batch,
        one: Due,
        person: Conversation,
        standing: Standing,
        leaves: datetime,
        texts: Mapping[int, tuple[str, str]],
    ) -> Decision:
        """Write the outbox row of an occurrence; a MISS if what it was to say is gone."""
        said = self._said(one, person, standing, texts)
        if said is None:
            return Decision(Fate.MISS, Reason.NO_PROGRAMME)
        batch.sends.append(
            Outgoing(
                conversation_id=person.id,
                address=person.address,
                kind=Kind.FOLLOW_UP,
                text=said.text,
                buttons=said.buttons,
                fence=person.fence,
                due_at=leaves,
                occurrence_id=one.id,
            )
        )
        batch.queued.append(one.id)
        batch.sent.append((one.enrolment.id, standing.unanswered + 1))
        batch.persons[person.person_id] = said.asking
        return Decision(Fate.SEND)

    def _said(
        self, one: Due, person: Conversation, standing: Standing, texts: Mapping[int, tuple[str, str]]
    ) -> Said | None:
        if one.day < 0:
            return self._content.broadcast(person, *texts[-one.day]) if -one.day in texts else None
        programme = standing.programme
        step = programme.step(one.day) if programme else None
        if programme is None or step is None:
            return None
        last = programme.fade_after is not None and standing.unanswered + 1 >= programme.fade_after
        try:
            return self._content.step(person, programme, step, one.id, last)
        except (Refused, KeyError):
            log.error("followups.content_missing", programme=programme.id, day=one.day)
            return None

    async def _note(self, tx: Transaction, batch: _Batch, one: Due, person: Conversation, decision: Decision) -> None:
        """The occurrence's end, and what comes after it."""
        if decision.fate is Fate.HOLD:
            assert decision.until is not None
            assert decision.latest is not None
            batch.held.append((one.id, decision.until, decision.latest))
            return
        if decision.fate is not Fate.SEND:
            batch.ended.append(Ended(one.id, decision.fate.value, decision.reason or ""))
        if one.day < 0 or one.enrolment.state != followups.ACTIVE:
            return
        if decision.reason is Reason.SILENCE:
            await followups.change(tx, one.enrolment.id, state=followups.PAUSED, reason=Reason.SILENCE.value)
        elif (
            decision.reason is Reason.NO_PROGRAMME and self._enrolments.programmes.get(one.enrolment.programme) is None
        ):
            await followups.change(tx, one.enrolment.id, state=followups.STALLED, reason=decision.reason.value)
        else:
            await self._plan_next(tx, batch, one, person)

    async def _plan_next(self, tx: Transaction, batch: _Batch, one: Due, person: Conversation) -> None:
        zone = (one.rhythm or self._enrolments.default_rhythm(person)).zone
        slot = self._enrolments.next_slot(one.enrolment, one.day, zone)
        if slot is None:
            await followups.change(tx, one.enrolment.id, state=followups.DONE, ended_at=tx.now)
        else:
            batch.planned.append(enrolments_module.planned(one.enrolment.id, person.address.platform, slot))

    async def _write(self, tx: Transaction, batch: _Batch) -> None:
        await followups.queue(tx, batch.queued)
        await followups.hold(tx, batch.held)
        await followups.end(tx, batch.ended)
        await followups.plan(tx, batch.planned)
        await followups.note_sent(tx, batch.sent, batch.persons)
        await followups.note_asked(tx, [(person, asked) for person, asked in batch.persons.items() if asked])
        await outbox.add(tx, batch.sends)

    async def _rest(self) -> None:
        """Wait until the next one falls due, at most as long as the safety net says."""
        async with self._store.reading() as tx:
            due = [at for platform in await followups.lanes(tx) if (at := await followups.next_due(tx, platform))]
            seconds = (min(due) - tx.now).total_seconds() if due else self._poll
        await self._store.wake.wait(FOLLOWUPS, min(max(seconds, self._poll / 4), self._poll))


def _unanswered(enrolment: followups.Enrolment, person: Conversation) -> int:
    """How many in a row were sent without a word from the person."""
    if enrolment.last_sent_at and person.last_in_at and person.last_in_at > enrolment.last_sent_at:
        return 0
    return enrolment.unanswered
