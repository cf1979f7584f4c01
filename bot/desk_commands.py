"""What a counsellor can do from a chat beside talking: /packet, /note, /transfer, /invite, /canned, /close and their
buttons. A button's action is the command with the number of the case, or of the draft, in front of the rest.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from adapters import Button
from bot.desk import Desk, DeskError
from bot.packet_text import as_text, sections
from bot.speak import Buttons
from bot.store import Transaction, dispositions, handoffs
from bot.store.handoffs import Handoff
from config import Counsellor, Texts
from config.canned import load_canned

MOST_BUTTONS = 20


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said back. An empty text: nothing, because the desk itself told them."""

    text: str = ""
    buttons: Buttons = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """A command of a counsellor about a case, and what stood behind it."""

    counsellor: Counsellor
    words: Texts
    handoff: Handoff
    rest: str


Run = Callable[[Transaction, Asked], Awaitable[Answer]]


class DeskCommands:
    """Runs them in the commit that marks the counsellor's message as handled. Raises DeskError."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._about_case: dict[str, Run] = {
            "accept": self._accept,
            "decline": self._decline,
            "join": self._join,
            "leave": self._leave,
            "packet": self._packet,
            "note": self._note,
            "whisper": self._whisper,
            "plan": self._plan,
            "transfer": self._transfer,
            "invite": self._invite,
            "canned": self._canned,
            "close": self._close,
        }

    @property
    def names(self) -> frozenset[str]:
        """Commands about a case."""
        return frozenset(self._about_case)

    async def run(self, tx: Transaction, name: str, asked: Asked) -> Answer:
        """Run one of `names`."""
        return await self._about_case[name](tx, asked)

    async def decide(self, tx: Transaction, name: str, draft_id: int, counsellor: Counsellor, words: Texts) -> Answer:
        """`approve` or `discard` a draft that waits for review."""
        if name == "approve":
            await self._desk.drafts.approve_within(tx, draft_id, counsellor.id)
            return Answer(words.get("desk.approved"))
        await self._desk.drafts.discard_within(tx, draft_id, counsellor.id)
        return Answer(words.get("desk.discarded"))

    async def _accept(self, tx: Transaction, asked: Asked) -> Answer:
        await self._desk.transfers.accept_within(tx, asked.handoff.id, asked.counsellor.id)
        return Answer()

    async def _decline(self, tx: Transaction, asked: Asked) -> Answer:
        await self._desk.decline_within(tx, asked.handoff.id, asked.counsellor.id)
        return Answer(asked.words.get("desk.declined"))

    async def _join(self, tx: Transaction, asked: Asked) -> Answer:
        await self._desk.company.join_within(tx, asked.handoff.id, asked.counsellor.id)
        return Answer()

    async def _leave(self, tx: Transaction, asked: Asked) -> Answer:
        await self._desk.company.leave_within(tx, asked.handoff.id, asked.counsellor.id)
        return Answer(asked.words.get("desk.left"))

    async def _packet(self, tx: Transaction, asked: Asked) -> Answer:
        case = await self._desk.case_within(tx, asked.handoff.id, asked.counsellor.id)
        return Answer(as_text(sections(case.packet, asked.words, tx.now, self._desk.name)) if case else "")

    async def _note(self, tx: Transaction, asked: Asked) -> Answer:
        await self._desk.records.note_within(tx, asked.handoff.id, asked.counsellor.id, asked.rest)
        return Answer(asked.words.get("desk.noted"))

    async def _whisper(self, tx: Transaction, asked: Asked) -> Answer:
        await self._desk.company.whisper_within(tx, asked.handoff.id, asked.counsellor.id, asked.rest)
        return Answer(asked.words.get("desk.noted"))

    async def _plan(self, tx: Transaction, asked: Asked) -> Answer:
        await self._desk.records.show_plan_within(tx, asked.handoff.id, asked.counsellor.id)
        return Answer(asked.words.get("desk.plan_shown"))

    async def _transfer(self, tx: Transaction, asked: Asked) -> Answer:
        to, _, note = asked.rest.partition(" ")
        if not to:
            targets = [(t.name, t.id) for t in self._desk.transfers.targets(asked.counsellor.id)]
            return self._choice("transfer", asked, targets)
        await self._desk.transfers.offer_within(tx, asked.handoff.id, asked.counsellor.id, to, note)
        return Answer(asked.words.get("desk.asked", name=self._desk.transfers.called(to)))

    async def _invite(self, tx: Transaction, asked: Asked) -> Answer:
        if not asked.rest:
            people = [(c.name, c.id) for c in self._desk.counsellors if c.id != asked.counsellor.id]
            return self._choice("invite", asked, people)
        await self._desk.company.invite_within(tx, asked.handoff.id, asked.counsellor.id, asked.rest)
        return Answer(asked.words.get("desk.asked", name=self._desk.name(asked.rest)))

    async def _canned(self, tx: Transaction, asked: Asked) -> Answer:
        """Without anything the topics, with a topic its replies, with a reply's id that reply, sent."""
        replies = load_canned(await self._desk.language_of(tx, asked.handoff))
        if chosen := next((r for r in replies if r.id == asked.rest), None):
            text = chosen.filled(asked.counsellor.name)
            await self._desk.say_within(tx, asked.handoff.id, asked.counsellor.id, text)
            return Answer()
        if of_topic := [r for r in replies if r.topic == asked.rest]:
            texts = "\n\n".join(f"{n}. {r.filled(asked.counsellor.name)}" for n, r in enumerate(of_topic, 1))
            return Answer(
                texts, self._choice("canned", asked, [(str(n), r.id) for n, r in enumerate(of_topic, 1)]).buttons
            )
        topics = dict.fromkeys(r.topic for r in replies)
        return self._choice("canned", asked, [(asked.words.get(f"canned.{topic}"), topic) for topic in topics])

    async def _close(self, tx: Transaction, asked: Asked) -> Answer:
        """`/close OUTCOME; field; field; note`: the fields that the outcome requires, in their order, then the note."""
        outcome, *texts = [part.strip() for part in asked.rest.replace("；", ";").split(";")]
        if outcome not in handoffs.OUTCOMES:
            outcomes = [(asked.words.get(f"outcome.{name}"), name) for name in handoffs.OUTCOMES]
            return self._choice("close", asked, outcomes)
        required = [field.name for field in dispositions.FIELDS[outcome] if field.required]
        if len(texts) < len(required):
            named = "; ".join(asked.words.get(f"disposition.{name}") for name in required)
            return Answer(asked.words.get("desk.close_how", outcome=outcome, field=named))
        form = dict(zip(required, texts, strict=False))
        note = "; ".join(texts[len(required) :])
        await self._desk.release_within(tx, asked.handoff.id, asked.counsellor.id, note, outcome, form)
        return Answer(asked.words.get("desk.released"))

    def _choice(self, command: str, asked: Asked, choices: Sequence[tuple[str, str]]) -> Answer:
        """Buttons to choose from, one a line."""
        rows = tuple(
            (Button(label, f"{command} {asked.handoff.id} {value}"),) for label, value in choices[:MOST_BUTTONS]
        )
        if not rows:
            raise DeskError("nobody_there", name="-")
        return Answer(asked.words.get("desk.choose"), rows)
