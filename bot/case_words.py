"""A case in the words of counsellors: what they call a person, what was said, and the packet of a page."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from adapters import Kind
from bot.store import messages
from bot.store.conversations import Conversation
from bot.store.handoffs import Handoff
from config import Counsellor, Texts, load_texts
from engine import Assessment

PACKET_MESSAGES = 6
PACKET_QUOTES = 5
QUOTE = 300  # characters of one message in a page; the desk shows it whole


def packet(
    counsellor: Counsellor,
    person: Conversation,
    handoff: Handoff,
    found: Assessment | None,
    said: Sequence[messages.Stored],
    key: str,
    now: datetime,
) -> str:
    """What a counsellor needs to decide and begin, as one text in their language."""
    words = load_texts(counsellor.languages[0])
    evidence = " / ".join(f"“{short(e.text)}”" for e in found.evidence[:PACKET_QUOTES]) if found else ""
    bot_said = [m for m in said if m.author in (messages.BOT, messages.SYSTEM)]
    fields = {
        "level": words.get(f"level.{handoff.level.value}"),
        "category": words.get(f"category.{handoff.category.value if handoff.category else 'other'}"),
        "name": label(words, person),
        "platform": platform_name(words, person.address.platform),
        "waited": waited(words, now - handoff.created_at),
        "evidence": evidence or "-",
        "said": short(bot_said[-1].text) if bot_said else "-",
        "last": "\n".join(speech(words, m) for m in said[-PACKET_MESSAGES:]) or "-",
    }
    return words.get(key, **{k: v for k, v in fields.items() if k in words.fields(key)})


def label(words: Texts, person: Conversation) -> str:
    """What counsellors call a person: a number, because names are the platform's business."""
    return f"#{person.person_id}"


def platform_name(words: Texts, platform: str) -> str:
    """A platform as counsellors call it."""
    key = f"platform.{platform}"
    return words.get(key) if key in words.keys() else platform  # noqa: SIM118


def speech(words: Texts, message: messages.Stored) -> str:
    """One line of talk for a counsellor."""
    role = {messages.USER: "user", messages.COUNSELLOR: "counsellor"}.get(message.author, "assistant")
    return f"{words.get(f'role.{role}')}: {short(content(words, message))}"


def content(words: Texts, message: messages.Stored) -> str:
    """The text of a message; what was sent instead of text is named."""
    if message.kind in (Kind.TEXT, Kind.COMMAND, Kind.ACTION):
        return f"/{message.text}" if message.kind is not Kind.TEXT else message.text
    key = f"desk.kind.{message.kind.value}"
    named = words.get("desk.attachment", kind=words.get(key if key in words.keys() else "desk.kind.other"))  # noqa: SIM118
    return f"{named} {message.text}".strip()


def waited(words: Texts, time: timedelta) -> str:
    """A waiting time in words, coarse as people say it."""
    seconds = int(time.total_seconds())
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= size:
            return words.get(f"time.{unit}", count=seconds // size)
    return words.get("time.seconds", count=seconds)


def short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= QUOTE else flat[: QUOTE - 1] + "…"
