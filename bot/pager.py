"""Pages: written to counsellors in rounds, by one channel after the other, until somebody takes the case.

Callers hold the lock of the conversation, so nothing here can race. `bot.paging` decides who is called.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from adapters import Button, Page
from bot.case_words import PACKET_MESSAGES, label, packet, platform_name, waited
from bot.desks import CONSOLE, Desks
from bot.operators import Operators
from bot.paging import Round, after, first_channels, is_over, plan
from bot.reopening import lately, same_first
from bot.speak import Buttons, Speaker
from bot.store import Transaction, escalations, handoffs, messages, outbox
from bot.store.conversations import Conversation
from bot.store.escalations import Escalation
from bot.store.handoffs import Handoff
from bot.store.outbox import Outgoing
from bot.waiting import Waiting
from config import Counsellor, Texts, load_texts
from config.channels import Channel
from engine import Assessment, Level


@dataclass(frozen=True, slots=True)
class Pager:
    """Calls counsellors. `public_url`: where people reach this program, empty if unknown."""

    desks: Desks
    speaker: Speaker
    operators: Operators
    waiting: Waiting
    public_url: str

    async def alert(
        self,
        tx: Transaction,
        person: Conversation,
        handoff: Handoff,
        found: Assessment | None,
        key: str,
        step: int = 0,
        count: int = 0,
    ) -> Handoff:
        """Page the counsellors of a step, as `paging.plan` has it; only the holder once it is claimed."""
        state = await escalations.get(tx, handoff.id)
        state = state or await escalations.begin(tx, handoff.id, self.desks.roster.ladder)
        roster = self.desks.roster.with_ladder(state.ladder)
        coming = None if key == "desk.raised" else state.coming(tx.now)
        busy = await escalations.declined(tx, handoff.id) | ({coming} if coming else frozenset())
        planned = plan(roster, handoff.level, step, count, tx.now, busy)
        called = planned.people
        if handoff.state == handoffs.WAITING:
            handoff = replace(handoff, step=planned.step)
            called = same_first(called, await lately(tx, person), roster, tx.now, busy)
        else:
            called = tuple(c for c in roster.counsellors if c.id == handoff.counsellor)
        said = await messages.latest(tx, [person.id], 2 * PACKET_MESSAGES, unsent=True)
        for counsellor in called:
            channels = first_channels(counsellor, roster.ladder[planned.step], handoff.level, self.desks.channels)
            await self._page(tx, person, handoff, counsellor, channels, found, said, key)
        if handoff.state != handoffs.WAITING:
            return handoff
        return await self._wait_for(tx, person, handoff, planned, coming)

    async def _wait_for(
        self, tx: Transaction, person: Conversation, handoff: Handoff, planned: Round, coming: str | None
    ) -> Handoff:
        """Note the round that was written, and when the next one comes."""
        next_step_at = tx.now + _pause(handoff, planned.wait, tx.now)
        await handoffs.change(tx, handoff.id, step=planned.step, next_step_at=next_step_at)
        gone = {} if coming else {"acked_by": None, "acked_until": None}
        await escalations.change(tx, handoff.id, count=planned.count, paged_at=tx.now, **gone)
        if not planned.on_call:
            await self._tell_operators(tx, person, handoff, "nobody_on_call")
        return replace(handoff, next_step_at=next_step_at)

    async def _page(
        self,
        tx: Transaction,
        person: Conversation,
        handoff: Handoff,
        counsellor: Counsellor,
        channels: Sequence[Channel],
        found: Assessment | None,
        said: Sequence[messages.Stored],
        key: str,
    ) -> None:
        """Page one counsellor by these channels. Only chat and console show texts, unless the roster says otherwise."""
        words = load_texts(counsellor.languages[0])
        full = packet(counsellor, person, handoff, found, said, key, tx.now)
        brief = self._brief(words, person, handoff, tx.now)
        about = Page(0, counsellor.id, handoff.id, handoff.level.value, handoff.created_at, self._case_url(handoff))
        rows = []
        for channel in channels:
            if (address := self.desks.address(counsellor, channel)) is None:
                continue
            at_desk = channel in (Channel.TELEGRAM, Channel.CONSOLE)
            text = full if at_desk else f"{full}\n\n{brief}" if counsellor.text_in_pages else brief
            buttons = _buttons(words, handoff) if at_desk and handoff.state == handoffs.WAITING else ()
            for part, under in self.speaker.parts(address, text, buttons):
                rows.append(
                    Outgoing(
                        conversation_id=person.id,
                        address=address,
                        kind=outbox.Kind.ALERT,
                        text=part,
                        buttons=under,
                        counsellor=counsellor.id,
                        handoff_id=handoff.id,
                        transcript=False,
                        page=about,
                    )
                )
        await outbox.add(tx, rows)

    def _case_url(self, handoff: Handoff) -> str:
        return f"{self.public_url}/console/case/{handoff.id}" if self.public_url else ""

    def _brief(self, words: Texts, person: Conversation, handoff: Handoff, now: datetime) -> str:
        """A page that may be read by anybody who sees the counsellor's telephone: no word of the user's."""
        key = "desk.page" if handoff.rank else "desk.page_request"
        fields = {
            "level": words.get(f"level.{handoff.level.value}"),
            "name": label(words, person),
            "platform": platform_name(words, person.address.platform),
            "waited": waited(words, now - handoff.created_at),
        }
        url = self._case_url(handoff)
        where = words.get("desk.page_link", url=url) if url else words.get("desk.page_console")
        return words.get(key, **{k: v for k, v in fields.items() if k in words.fields(key)}) + f"\n{where}"

    async def call_again(self, tx: Transaction, person: Conversation, handoff: Handoff) -> None:
        """Nobody came: page the same step once more, or the next one too. Whoever waits hears how things stand."""
        state = await escalations.get(tx, handoff.id)
        ladder = state.ladder if state else self.desks.roster.ladder
        step, count = after(ladder, handoff.step, state.count if state else 0)
        reached = await outbox.anybody_reached(tx, handoff.id)
        unanswered = is_over(ladder, handoff.step, state.count if state else 0)
        topic = "nobody_reached" if not reached else "nobody_answers" if unanswered else ""
        await self._tell_waiting(tx, person, handoff, topic, reached)
        await outbox.drop_alerts(tx, handoff.id, "called again")
        judged = await self._judged(tx, handoff)
        await self.alert(
            tx, person, handoff, judged, "desk.alert_again" if handoff.rank else "desk.request", step, count
        )
        await handoffs.note(tx, handoff.id, "bot", "called_again", str(step + 1))

    async def start_again(self, tx: Transaction, person: Conversation, handoff: Handoff) -> None:
        """The claim lapsed: page from the first step on."""
        await escalations.change(tx, handoff.id, acked_by=None, acked_until=None)
        key = "desk.alert_again" if handoff.rank else "desk.request"
        await self.alert(tx, person, handoff, await self._judged(tx, handoff), key)

    async def _tell_waiting(
        self, tx: Transaction, person: Conversation, handoff: Handoff, topic: str, reached: bool
    ) -> None:
        """Tell whoever waits how things stand; the first time that something goes wrong, at once and operators too."""
        first = bool(topic) and not await escalations.happened(tx, handoff.id, topic)
        if first:
            await handoffs.note(tx, handoff.id, "bot", topic)
        if topic:
            await self._tell_operators(tx, person, handoff, topic)
        await self.waiting.tell(tx, person, handoff, reached, at_once=first)

    async def _tell_operators(self, tx: Transaction, person: Conversation, handoff: Handoff, topic: str) -> None:
        words = load_texts(self.operators.language)
        fields: dict[str, str | int] = {
            "name": label(words, person),
            "count": max(1, int((tx.now - handoff.created_at).total_seconds() // 60)),
        }
        await self.operators.tell(tx, person.id, topic, fields, handoff.id)

    async def _judged(self, tx: Transaction, handoff: Handoff) -> Assessment | None:
        """What led to the handoff."""
        return (await messages.assessments(tx, [handoff.message_id or 0])).get(handoff.message_id or 0)

    async def page_failed(
        self, tx: Transaction, person: Conversation, handoff_id: int, counsellor_id: str, platform: str, reason: str
    ) -> None:
        """A page did not arrive, for good or for now: the counsellor's next channel is used at once.

        If they have none left, and no page is on its way to anybody, the next step comes at once. `person` is locked.
        """
        found = await handoffs.get(tx, handoff_id)
        state = await escalations.get(tx, handoff_id)
        counsellor = self.desks.roster.counsellor(counsellor_id)
        if found is None or state is None or found.state == handoffs.CLOSED:
            return
        if platform != CONSOLE:
            fields: dict[str, str | int] = {
                "platform": platform_name(load_texts(self.operators.language), platform),
                "reason": reason,
            }
            await self.operators.tell(tx, person.id, "page_failed", fields, f"{platform}:{counsellor_id}")
        reached = await escalations.under_way(tx, handoff_id, state.paged_at)
        if counsellor_id in reached:
            return
        if counsellor and (channel := await self._next_channel(tx, found, state, counsellor)):
            said = await messages.latest(tx, [person.id], 2 * PACKET_MESSAGES, unsent=True)
            key = "desk.alert" if found.rank else "desk.request"
            judged = await self._judged(tx, found)
            await self._page(tx, person, found, counsellor, [channel], judged, said, key)
        elif not reached and found.state == handoffs.WAITING:
            await self._nobody_paged(tx, person, found, state)

    async def _next_channel(
        self, tx: Transaction, handoff: Handoff, state: Escalation, counsellor: Counsellor
    ) -> Channel | None:
        tried = await escalations.tried(tx, handoff.id, counsellor.id, state.paged_at)
        order = counsellor.order(state.ladder[min(handoff.step, len(state.ladder) - 1)].channels)
        return next((c for c in order if c in self.desks.channels and c.value not in tried), None)

    async def _nobody_paged(self, tx: Transaction, person: Conversation, found: Handoff, state: Escalation) -> None:
        """No page of this round arrived: climb at once, or at the top of the ladder say how things stand."""
        if not is_over(state.ladder, found.step, state.count):
            last = len(state.ladder) - 1
            await escalations.change(tx, found.id, count=state.ladder[min(found.step, last)].repeat)
            await handoffs.change(tx, found.id, next_step_at=tx.now)
        elif not await outbox.anybody_reached(tx, found.id):
            await self._tell_waiting(tx, person, found, "nobody_reached", reached=False)


def _buttons(words: Texts, handoff: Handoff) -> Buttons:
    """What can be done with a page. `call_more` holds the step, so that a late press is known as late."""
    answers = {
        "coming": f"coming {handoff.id}",
        "cannot_come": f"cannot {handoff.id}",
        "call_more": f"callmore {handoff.id} {handoff.step}",
    }
    claim = Button(words.get("button.claim"), f"claim {handoff.id}")
    return ((claim,), tuple(Button(words.get(f"button.{key}"), action) for key, action in answers.items()))


def _pause(handoff: Handoff, wait: timedelta, now: datetime) -> timedelta:
    """How long until the next step: the ladder's wait, and below EMERGENCY a tenth of the waiting so far, if longer.

    So nobody is paged every minute for a whole night, and an emergency never gets quieter.
    """
    if handoff.level is Level.EMERGENCY:
        return wait
    return max(wait, (now - handoff.created_at) / 10)
