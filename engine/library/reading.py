"""What a message is: a plain piece of somebody's story, or a greeting, thanks, a question about the bot, and so on."""

import re
from dataclasses import dataclass
from typing import Any

from config import Language
from engine.library.index import spelled

TALK = "talk"
SILENCE = "silence"
_MAX_FELT = 600  # characters in which feelings are looked for

_HAN = re.compile("[\u3400-\u9fff]")
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_READABLE = re.compile(r"[^\W_]")


@dataclass(frozen=True, slots=True)
class Reading:
    """A message as the policy sees it.

    `intent` is TALK, SILENCE or the name of an intent in the cue file; `asks` what the writer wants to know (advice,
    why, normal, diagnosis and so on); `feelings` in the order in which they come; `person` as the bot would name them
    ("你妈妈", "your mother") or empty; `size` in characters for Chinese and words for English.
    """

    intent: str
    asks: frozenset[str]
    feelings: tuple[str, ...]
    person: str
    size: int


@dataclass(frozen=True, slots=True)
class _Intent:
    name: str
    longest: int
    follows: bool
    pattern: re.Pattern[str]


class Reader:
    """Reads messages of one language by its cue file."""

    def __init__(self, language: Language, cues: dict[str, Any]) -> None:
        self._language = language
        self._intents = [
            _Intent(item["name"], item["longest"], item.get("follows", False), re.compile("|".join(item["patterns"])))
            for item in cues["intent"]
        ]
        self._asks = {name: re.compile(pattern) for name, pattern in cues["asks"].items()}
        self._feelings = {
            name: re.compile(cues["own_feeling"].format(pattern)) for name, pattern in cues["feelings"].items()
        }
        self._words = {name: re.compile(pattern) for name, pattern in cues["feelings"].items()}
        self._any_feeling = re.compile("|".join(cues["feelings"].values()))
        self._negated = re.compile(cues["negated"])
        self._person = _person_pattern(language, cues["persons"])

    def read(self, text: str, follows: bool) -> Reading:
        """Read `text`; `follows` tells whether the bot has said something before it."""
        lower = spelled(text, self._language).strip()
        size = self.size(text)
        return Reading(
            intent=self._intent(lower, size, follows),
            asks=frozenset(name for name, pattern in self._asks.items() if pattern.search(lower)),
            feelings=self._found_feelings(lower[:_MAX_FELT]),
            person=self._found_person(lower),
            size=size,
        )

    def names_feeling(self, text: str) -> bool:
        """Whether a clause, in the first or second person, holds a word for a feeling."""
        return self._any_feeling.search(text.lower()) is not None

    def size(self, text: str) -> int:
        """The length of a text: characters and Latin words for Chinese, words for English."""
        words = len(_WORD.findall(_HAN.sub(" ", text)))
        return words + len(_HAN.findall(text)) if self._language is Language.ZH else len(_WORD.findall(text))

    def _intent(self, lower: str, size: int, follows: bool) -> str:
        if not _READABLE.search(lower):
            return SILENCE
        for intent in self._intents:
            if size > intent.longest or (intent.follows and not follows):
                continue
            found = intent.pattern.search(lower)
            if found and not self._goes_on(intent.name, lower, found):
                return intent.name
        return TALK

    def _goes_on(self, name: str, lower: str, found: re.Match[str]) -> bool:
        """Whether thanks, relief or a farewell are only the polite edge of a message that says more."""
        if name not in ("thanks", "better", "goodbye", "goodnight"):
            return False
        rest = self.size(lower[: found.start()]) + self.size(lower[found.end() :])
        return rest > (9 if self._language is Language.ZH else 7)

    def _found_feelings(self, lower: str) -> tuple[str, ...]:
        places = {}
        for name, pattern in self._feelings.items():
            if not self._words[name].search(lower):  # quick, and mostly so
                continue
            for found in pattern.finditer(lower):
                start = found.start("feeling")
                if not self._negated.search(lower[max(0, start - 16) : start]):
                    places[name] = start
                    break
        return tuple(sorted(places, key=lambda name: places[name]))

    def _found_person(self, lower: str) -> str:
        found = self._person.search(lower)
        if found is None:
            return ""
        return f"你{found[1]}" if self._language is Language.ZH else f"your {found[1]}"


def _person_pattern(language: Language, persons: list[str]) -> re.Pattern[str]:
    names = "|".join(re.escape(name) for name in sorted(persons, key=len, reverse=True))
    return re.compile(f"我(?:的|家|们)?({names})" if language is Language.ZH else rf"\bmy ({names})\b(?!['’])")
