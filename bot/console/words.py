"""The console's words in one counsellor's language, and what they say about a case."""

import html
from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from bot.case_words import content, label
from bot.store import messages
from bot.store.conversations import Conversation
from bot.store.handoffs import Handoff
from bot.store.messages import Stored
from config import Counsellor, Language, Texts, load_texts
from engine import Evidence

LANGUAGE_COOKIE = "psyllm_console_language"
THEME_COOKIE = "psyllm_console_theme"


def language_of(counsellor: Counsellor, cookies: dict[str, str]) -> Language:
    """The language chosen in this browser, else the counsellor's first."""
    chosen = cookies.get(LANGUAGE_COOKIE, "")
    return Language(chosen) if chosen in set(Language) else counsellor.languages[0]


class Words:
    """Texts under `console.`, and the names of levels, categories and persons."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self.texts: Texts = load_texts(language)

    def __call__(self, key: str, **fields: str) -> str:
        return self.texts.get(f"console.{key}", **fields)

    def other_language(self) -> tuple[str, str]:
        """Code and name of the language that is not this one."""
        other = Language.EN if self.language is Language.ZH else Language.ZH
        return other.value, self.texts.get(f"button.{other.value}")

    def danger(self, handoff: Handoff) -> str:
        """Level and category; a person asked for without danger is named as that."""
        if handoff.rank == 0:
            return self("asked_for_person")
        category = handoff.category.value if handoff.category else "other"
        return f"{self.texts.get(f'level.{handoff.level.value}')} · {self.texts.get(f'category.{category}')}"

    def called(self, level: str) -> str:
        """What a call says: how urgent it is, and nothing that anybody wrote."""
        return self("call_request") if level == "none" else self("call", level=self.texts.get(f"level.{level}"))

    def person(self, person: Conversation) -> str:
        """Whom it is about, and on which platform."""
        return f"{label(self.texts, person)} · {self.texts.get(f'platform.{person.address.platform}')}"

    def author(self, message: Stored, counsellor: str) -> str:
        """Who wrote a message."""
        if message.author == messages.USER:
            return self("person")
        return counsellor if message.author == messages.COUNSELLOR else self.texts.get("web.bot")

    def listed(self, names: Sequence[str]) -> str:
        """Names one after the other."""
        return ("、" if self.language is Language.ZH else ", ").join(names)

    def topic(self, topic: str) -> str:
        """A topic of ready-made replies; one that a service added stands as it is."""
        key = f"canned.{topic}"
        return self.texts.get(key) if key in self.texts.keys() else topic  # noqa: SIM118

    def actor(self, actor: str, counsellor: str) -> str:
        """Who did something that stands in a record."""
        return {"bot": self.texts.get("web.bot"), "user": self("person")}.get(actor, counsellor)

    def event(self, event: str) -> str:
        """What happened, as a record has it."""
        key = f"console.event.{event}"
        return self.texts.get(key) if key in self.texts.keys() else event.replace("_", " ")  # noqa: SIM118

    def day(self, moment: datetime, zone: str) -> str:
        """A day in a zone: Sat 21 Nov."""
        local = moment.astimezone(ZoneInfo(zone))
        weekday = self.texts.get("console.weekday", local.weekday())
        if self.language is Language.ZH:
            return f"{local.month}月{local.day}日 {weekday}"
        return f"{weekday} {local.day} {local:%b}"

    def span(self, start: datetime, end: datetime, zone: str) -> str:
        """A span of time in a zone, to the minute."""
        return f"{self.moment(start, zone)} – {self.moment(end, zone)}"

    def moment(self, at: datetime, zone: str) -> str:
        """A moment in a zone, to the minute."""
        return f"{self.day(at, zone)} {at.astimezone(ZoneInfo(zone)):%H:%M}"

    def clock(self, at: datetime) -> str:
        """A place for a time; the page fills in the hour of the reader's own zone."""
        return f'<time data-at="{at.isoformat()}"></time>'


def quoted(words: Words, message: Stored, evidence: Sequence[Evidence]) -> str:
    """A message as HTML, with what led to its assessment marked."""
    text = content(words.texts, message)
    if text != message.text:
        return html.escape(text)
    parts, done = [], 0
    for span in sorted(evidence, key=lambda e: e.start):
        if span.start < done or span.end > len(text) or text[span.start : span.end] != span.text:
            continue  # overlaps another, or quotes an earlier message
        parts += [html.escape(text[done : span.start]), f"<mark>{html.escape(span.text)}</mark>"]
        done = span.end
    return "".join([*parts, html.escape(text[done:])])
