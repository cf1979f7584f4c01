"""The takeover packet in words, section by section: the console shows them as they are, the chat desk joins them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.case_words import platform_name, waited
from bot.packet import Earlier, Packet
from bot.quota import Quota
from bot.store.plans import PLAN_FIELDS
from config import Texts
from engine.understanding.known import ASKED, NOT_ASKED, Known

_SHOWN = 200  # characters of one quoted text

Name = Callable[[str | None], str]
"""Gives a counsellor's name for an id."""


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and its lines."""

    title: str
    lines: tuple[str, ...]


def sections(packet: Packet, words: Texts, now: datetime, name: Name) -> list[Section]:
    """The packet for a reader of `words`; sections without anything to say are left out."""
    made = [
        ("danger", _danger(packet, words, now)),
        ("known", [_known(k, words, now) for k in packet.known if k.answer != NOT_ASKED]),
        ("open", _open(packet, words)),
        ("who", _who(packet, words, name)),
        ("bot_said", _bot_said(packet, words, now)),
        ("earlier", [_earlier(e, words, now, name) for e in packet.earlier]),
        ("notes", [f"{name(n.author)}, {_ago(n.at, words, now)}: {n.text}" for n in packet.notes]),
        ("plan", _plan(packet, words)),
    ]
    return [Section(words.get(f"packet.{key}"), tuple(lines)) for key, lines in made if lines]


def as_text(found: Sequence[Section]) -> str:
    """Sections as one text."""
    return "\n\n".join("\n".join([section.title, *(f"· {line}" for line in section.lines)]) for section in found)


def _danger(packet: Packet, words: Texts, now: datetime) -> list[str]:
    level = words.get(f"level.{packet.level.value}")
    category = words.get(f"category.{packet.category.value if packet.category else 'other'}")
    if packet.reason == "request":
        return [words.get("packet.asked_for")]
    score = f"{packet.score:.2f}" if packet.score is not None else "-"
    return [
        f"{level}: {category}",
        *([words.get("packet.about_other")] if packet.about.value == "other" else []),
        *(f"“{_short(quote.text)}” ({_ago(quote.at, words, now)})" for quote in packet.quotes),
        words.get("packet.score", score=score, version=packet.version or "-", rules=", ".join(packet.rules) or "-"),
    ]


def _known(found: Known, words: Texts, now: datetime) -> str:
    topic, answer = words.get(f"topic.{found.topic}"), words.get(f"answer.{found.answer}")
    if found.answer == ASKED or found.at is None:
        return f"{topic}: {answer}"
    return f"{topic}: {answer} (“{_short(found.quote)}”, {_ago(found.at, words, now)})"


def _open(packet: Packet, words: Texts) -> list[str]:
    missing = [words.get(f"topic.{found.topic}") for found in packet.known if found.answer == NOT_ASKED]
    return [" · ".join(missing)] if missing else []


def _who(packet: Packet, words: Texts, name: Name) -> list[str]:
    country = words.get(f"country.{packet.country}")
    clock = words.get("packet.clock_told" if packet.zone_told else "packet.clock_guess")
    others = ", ".join(name(one) for one in packet.looking)
    return [
        f"{words.get(f'button.{packet.language.value}')}"
        f" · {platform_name(words, packet.platform)}"
        f" · {country if packet.country_known else words.get('packet.country_guess', name=country)}",
        f"{packet.local_time:%H:%M} ({packet.zone}, {clock})",
        *([words.get("packet.looking", name=others)] if others else []),
        *([_quota(packet.quota, words, packet)] if packet.quota else []),
    ]


def _quota(quota: Quota, words: Texts, packet: Packet) -> str:
    if not quota.open or quota.window_ends_at is None:
        return words.get("packet.quota_closed")
    until = quota.window_ends_at.astimezone(packet.local_time.tzinfo)
    return words.get("packet.quota", count=quota.messages_left, time=f"{until:%m-%d %H:%M}")


def _bot_said(packet: Packet, words: Texts, now: datetime) -> list[str]:
    numbers = ", ".join(packet.lines_given)
    country = words.get(f"country.{packet.lines_country}")
    return [
        *([words.get("packet.lines", name=country, number=numbers)] if numbers else []),
        *(
            f"“{_short(said.text)}” ({_ago(said.at, words, now) if said.sent else words.get('packet.unsent')})"
            for said in packet.bot_said
        ),
    ]


def _earlier(found: Earlier, words: Texts, now: datetime, name: Name) -> str:
    ended = words.get(f"outcome.{found.outcome}") if found.outcome else "-"
    fields = found.disposition.fields if found.disposition else {}
    told = [f"{words.get(f'disposition.{field}')}: {text}" for field, text in fields.items()]
    parts = [words.get(f"level.{found.level.value}"), ended, name(found.counsellor), *told, found.note]
    return f"{_ago(found.opened_at, words, now)}: " + " · ".join(part for part in parts if part)


def _plan(packet: Packet, words: Texts) -> list[str]:
    fields = packet.plan.fields if packet.plan else {}
    return [f"{words.get(f'plan.field.{field}')}: {fields[field]}" for field in PLAN_FIELDS if fields.get(field)]


def _ago(at: datetime, words: Texts, now: datetime) -> str:
    return words.get("packet.ago", waited=waited(words, now - at))


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _SHOWN else flat[: _SHOWN - 1] + "…"
