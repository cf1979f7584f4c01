"""Languages that the bot does not serve, told by their words or their script. The words are data: other_languages.toml.

Whoever writes English or Chinese must never be taken for somebody else, be it in pinyin, with typing errors or mixing
languages: what could be English or pinyin says nothing.
"""

import re
import tomllib
import unicodedata
from collections.abc import Sequence
from pathlib import Path

UNKNOWN = "und"
"""Some other language: what BCP 47 calls undetermined."""

_LEAST = 2  # known words that tell a language; one is enough in a text of no more
_SHARE = 5  # and one in so many words is known

_FOLDED = str.maketrans({"ß": "ss", "ı": "i", "ł": "l", "đ": "d", "ø": "o", "æ": "ae", "œ": "oe"})
_SYLLABLE = (
    "(?:[bpmfdtnlgkhjqxrzcsyw]|[zcs]h)?"
    "(?:a|ai|an|ang|ao|e|ei|en|eng|er|i|ia|ian|iang|iao|ie|in|ing|iong|iu|o|ong|ou|u|ua|uai|uan|uang|ue|ui|un|uo|v|ve)"
)
_SYLLABLES = re.compile(_SYLLABLE)
_TOGETHER = re.compile(f"(?:{_SYLLABLE})+")
_TONED = re.compile("[āēīōūǖǎǐǒǔǚǜ]")

_DATA = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
TELLING = frozenset(word for of in _DATA.values() for word in of["telling"].split())
_WORDS = {code: frozenset(f"{of['telling']} {of['helping']}".split()) for code, of in _DATA.items()}

_SCRIPTS = {
    "ja": re.compile("[\u3041-\u3096\u30a1-\u30fa]{2,}"),
    "ko": re.compile("[\uac00-\ud7a3]{2,}"),
    "ru": re.compile("[\u0400-\u052f]{2,}"),
    "ar": re.compile("[\u0620-\u064a\u066e-\u06d3]{2,}"),
    "hi": re.compile("[\u0904-\u0939\u093e-\u094d]{2,}"),
    "th": re.compile("[\u0e01-\u0e4e]{2,}"),
}
_NOT_OF = {  # letters and words of neighbours that share the script
    "ru": re.compile("[іїєґўђљњћџјѕ]"),
    "ar": re.compile("[پچژگکیٹڈےہھںڑ]"),
    "hi": re.compile("आहे|मला|ळ|छु|छैन"),
}
_VIETNAMESE = re.compile("[ơưạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹ]")
_ANY_WORD = re.compile("[^\\W\\d_\u3131-\u318e\uff61-\uff9f]{2,}")  # single letters of Korean and kana are emoji
_BORROWED = re.compile("[a-z]+é[es]?s?|résumés?|naïve|déjà|señor[a-z]*|jalapeños?|piñatas?|crème|über")  # by English


CODES = frozenset(_WORDS) | frozenset(_SCRIPTS)
"""Every language that can be told."""


def fold(word: str) -> str:
    """A word in lower case without its accents."""
    split = unicodedata.normalize("NFKD", word.lower().translate(_FOLDED))
    return "".join(char for char in split if not unicodedata.combining(char))


def is_pinyin(words: Sequence[str]) -> bool:
    """Whether words could be pinyin: different syllables, or anything in syllables where a tone is marked."""
    toned = any(_TONED.search(word) for word in words)
    if toned:
        return all(_TOGETHER.fullmatch(fold(word)) for word in words)
    return len(set(words)) > 1 and all(_SYLLABLES.fullmatch(word) for word in words)


def is_other(word: str) -> bool:
    """Whether a word, in lower case, says that a text is in another language: a telling one, or one with an accent."""
    return fold(word) in TELLING or (any(char > "\u00bf" for char in word) and not _BORROWED.fullmatch(word))


def name_language(text: str, words: Sequence[str]) -> str | None:
    """The language of a text that is not in a served one, with its Latin words; UNKNOWN if its words tell none.

    None without any word, such as an emoji made of letters.
    """
    letters = {code: sum(map(len, script.findall(text))) for code, script in _SCRIPTS.items()}
    best = max(letters, key=lambda code: letters[code])
    if not letters[best] and not _ANY_WORD.search(text):
        return None
    if letters[best] > sum(map(len, words)):
        return UNKNOWN if best in _NOT_OF and _NOT_OF[best].search(text) else best
    return _by_words(words)


def _by_words(words: Sequence[str]) -> str:
    if any(_VIETNAMESE.search(word) for word in words):
        return "vi"
    known = {code: sum(fold(word) in of for word in words) for code, of in _WORDS.items()}
    first, second = sorted(known, key=lambda code: known[code], reverse=True)[:2]
    least = max(_LEAST if len(words) > _LEAST else 1, known[second] + 1, len(words) / _SHARE)
    return first if known[first] >= least else UNKNOWN
