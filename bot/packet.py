"""The takeover packet: everything a counsellor needs on taking a case over, as one record built from the store."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from bot.quota import Quota, quota_of
from bot.speak import Speaker
from bot.store import Transaction, dispositions, followups, handoffs, messages, notes, plans
from bot.store.conversations import Conversation
from bot.store.dispositions import Disposition
from bot.store.handoffs import Handoff
from bot.store.messages import Stored
from bot.store.notes import Note
from bot.store.plans import Plan
from bot.wording import Wording
from config import Language, Script
from config.zones import zone_of_country
from engine import About, Assessment, Category, Level
from engine.understanding.known import Known, Line, known

QUOTES = 12
BOT_TEXTS = 6


@dataclass(frozen=True, slots=True)
class Quote:
    """Words of the user that led to the judgement, the rule that found them, and when they were written."""

    text: str
    rule: str
    at: datetime
    message_id: int


@dataclass(frozen=True, slots=True)
class Said:
    """A text of the bot; `sent` False: written, and not on its way yet."""

    text: str
    at: datetime
    sent: bool


@dataclass(frozen=True, slots=True)
class Earlier:
    """An earlier handoff of the same person: how it ended, and what was handed back with it."""

    handoff_id: int
    opened_at: datetime
    closed_at: datetime | None
    level: Level
    counsellor: str | None
    outcome: str | None
    note: str
    disposition: Disposition | None


@dataclass(frozen=True, slots=True)
class Packet:
    """What is known. Times are aware UTC, `local_time` the user's; ids of counsellors stand for their names.

    `zone_told`: the user told their zone; otherwise it is a guess from the country.
    """

    handoff_id: int
    level: Level
    category: Category | None
    about: About
    reason: str
    score: float | None
    version: str
    quotes: tuple[Quote, ...]
    known: tuple[Known, ...]
    bot_said: tuple[Said, ...]
    lines_given: tuple[str, ...]
    lines_country: str
    earlier: tuple[Earlier, ...]
    notes: tuple[Note, ...]
    plan: Plan | None
    language: Language
    script: Script
    country: str
    country_known: bool
    zone: str
    zone_told: bool
    local_time: datetime
    platform: str
    waiting_since: datetime
    looking: tuple[str, ...]
    quota: Quota | None

    @property
    def rules(self) -> tuple[str, ...]:
        """The rules that matched, each once."""
        return tuple(dict.fromkeys(quote.rule for quote in self.quotes))


async def build_packet(
    tx: Transaction,
    found: Handoff,
    person: Conversation,
    said: Sequence[Stored],
    judged: dict[int, Assessment],
    wording: Wording,
    speaker: Speaker,
) -> Packet:
    """The packet of a handoff. `said` is the latest talk, oldest first; `judged` its assessments by message."""
    led = judged.get(found.message_id or 0)
    if led is None and found.message_id:
        led = (await messages.assessments(tx, [found.message_id])).get(found.message_id)
    country = wording.country_of(person)
    clock = await followups.rhythm_of(tx, person.person_id)
    zone = clock.zone if clock else zone_of_country(country)
    bot_said = [m for m in said if m.author in (messages.BOT, messages.SYSTEM)]
    return Packet(
        handoff_id=found.id,
        level=found.level,
        category=found.category,
        about=found.about,
        reason=found.reason,
        score=led.score if led else None,
        version=led.version if led else "",
        quotes=tuple(_quotes(said, judged)[-QUOTES:]),
        known=known([_line(m, judged) for m in said if m.text]),
        bot_said=tuple(Said(m.text, m.at, m.seq is not None) for m in bot_said[-BOT_TEXTS:]),
        lines_given=_lines_in(bot_said, wording),
        lines_country=country,
        earlier=tuple([await _earlier(tx, h) for h in await handoffs.closed_of(tx, person.person_id)]),
        notes=tuple(await notes.about(tx, person.person_id)),
        plan=await plans.newest(tx, person.person_id),
        language=wording.language_of(person),
        script=person.script,
        country=country,
        country_known=person.country is not None,
        zone=zone,
        zone_told=clock is not None and clock.known,
        local_time=tx.now.astimezone(ZoneInfo(zone)),
        platform=person.address.platform,
        waiting_since=found.created_at,
        looking=tuple(await handoffs.looking(tx, person.id)),
        quota=await quota_of(tx, person, speaker.of(person.address)),
    )


def _line(message: Stored, judged: dict[int, Assessment]) -> Line:
    return Line(message.author == messages.USER, message.text, message.at, judged.get(message.id))


def _quotes(said: Sequence[Stored], judged: dict[int, Assessment]) -> list[Quote]:
    """What was quoted from dangerous messages, oldest first."""
    return [
        Quote(span.text, span.rule, message.at, message.id)
        for message in said
        if (found := judged.get(message.id)) and found.level.needs_human
        for span in found.evidence
    ]


def _lines_in(bot_said: Sequence[Stored], wording: Wording) -> tuple[str, ...]:
    """The numbers of the table that the bot has given, each once."""
    given = [m.text for m in bot_said if m.seq is not None]
    numbers = dict.fromkeys(line.number for line in wording.lines.lines)
    return tuple(n for n in numbers if any(re.search(rf"(?<!\d){re.escape(n)}(?!\d)", text) for text in given))


async def _earlier(tx: Transaction, closed: Handoff) -> Earlier:
    handed_back = [e for e in await handoffs.events(tx, closed.id) if e.event == "released"]
    return Earlier(
        handoff_id=closed.id,
        opened_at=closed.created_at,
        closed_at=closed.closed_at,
        level=closed.level,
        counsellor=closed.counsellor,
        outcome=closed.outcome,
        note=handed_back[-1].detail if handed_back else "",
        disposition=await dispositions.get(tx, closed.id),
    )
