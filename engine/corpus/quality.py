"""Says why a text is not worth learning from. The limits count characters, so that they hold for Chinese as well.

The measures follow those of Gopher (arXiv 2112.11446, appendix A.1): length, share of letters, repeated lines and
n-grams; its English word lists are left out.
"""

import re
from collections import Counter

from config import Language
from engine.language import detect, other_language

SHORTEST, LONGEST = 20, 20_000
_MOST_READ = 5000  # characters looked at for repetition
_LETTERS = 0.6  # at least this share of the visible characters are letters
_REPEATED_LINES = 0.3
_REPEATED_GRAMS = 0.3  # share of the most frequent 10-gram's characters
_GRAM = 10
_LINKS = 0.2  # links a sentence, beyond three
_SENTENCE = re.compile(r"[。！？!?\n]|\.(?:\s|$)")
_LINK = re.compile(r"https?://|www\.")
_GARBLED = re.compile("[\ufffd\x00-\x08\x0e-\x1f]|锟斤拷|烫烫烫|Ã©|â€")
_ADVERTISING = re.compile(
    "加微信|加我微信|扫码|优惠|限时|包邮|代购|点击链接|免费领取"
    "|click here|buy now|limited offer|free shipping|subscribe",
    re.IGNORECASE,
)


def fault(text: str, languages: frozenset[Language]) -> str | None:
    """Why a text is left out: `short`, `long`, `garbled`, `language`, `letters`, `repetitive` or `advertising`."""
    visible = re.sub(r"\s", "", text)
    if len(visible) < SHORTEST:
        return "short"
    if len(visible) > LONGEST:
        return "long"
    if len(_GARBLED.findall(text)) > max(1, len(visible) // 500):
        return "garbled"
    if sum(char.isalpha() for char in visible) < _LETTERS * len(visible):
        return "letters"
    found = detect(text)
    if found is None or found[0] not in languages or other_language(text):
        return "language"
    if _is_repetitive(text):
        return "repetitive"
    sentences = max(1, len(_SENTENCE.findall(text)))
    if len(_LINK.findall(text)) > 3 + _LINKS * sentences or len(_ADVERTISING.findall(text)) > 2 + sentences // 10:
        return "advertising"
    return None


def _is_repetitive(text: str) -> bool:
    lines = [line.strip() for line in text[:_MOST_READ].splitlines() if line.strip()]
    if len(lines) > 3 and 1 - len(set(lines)) / len(lines) > _REPEATED_LINES:
        return True
    plain = re.sub(r"\s+", " ", text[:_MOST_READ])
    grams = Counter(plain[place : place + _GRAM] for place in range(max(0, len(plain) - _GRAM)))
    most = max(grams.values(), default=0)
    return most > 3 and most * _GRAM > _REPEATED_GRAMS * len(plain)
