"""What is wrong with a text whatever it says: wrong language or script, repetition, flooding."""

import re
from collections import Counter

from config import Language
from engine.guard.patterns import common
from engine.guard.plain import plain, sentences
from engine.language import detect
from engine.types import Request, Role

MAX_CHARS = {Language.ZH: 900, Language.EN: 2400}
MAX_LINES = 24

_HAN = re.compile(r"[\u3400-\u9fff]")
_LATIN_WORD = re.compile(r"[a-z']+")
_FOREIGN = re.compile(r"[\u0370-\u1dbf\u3040-\u30ff\u31f0-\u31ff\uac00-\ud7af\ufffd]")
_LOOP = re.compile(r"(.{2,60}?)\1{3,}|(\S)\2{9,}", re.DOTALL)
_FILLING = re.compile(r"[\W_]+")
_COMMON = {language: common(language) for language in Language}


def is_wrong_language(text: str, request: Request) -> bool:
    """Whether a plain text is not in the request's language, or in none."""
    found = detect(text)
    han, words = _HAN.findall(text), _LATIN_WORD.findall(text)
    if len(_FOREIGN.findall(text)) >= 2 or (found is None and len(words) >= 5):
        return True
    if found and found[0] != request.language:
        return True
    if request.language == Language.ZH:
        return (len(words) >= 5 and len(han) < 2 * len(words)) or (len(han) >= 30 and _common(han, Language.ZH) < 0.02)
    return (len(han) >= 4 and len(han) > len(words) / 5) or (len(words) >= 12 and _common(words, Language.EN) < 0.05)


def _common(tokens: list[str], language: Language) -> float:
    """Which share of the tokens is common in the language."""
    return sum(token in _COMMON[language] for token in tokens) / len(tokens)


def is_repetitive(text: str, request: Request) -> bool:
    """Whether a plain text goes round in circles, or says again what was said before."""
    if _LOOP.search(_FILLING.sub(" ", text)):
        return True
    said = Counter(key for sentence in sentences(text) if len(key := _key(sentence)) >= 5)
    if any(count >= 3 or (count == 2 and len(key) >= 12) for key, count in said.items()):
        return True
    return bool(said) and _is_old(said, request)


def _is_old(said: Counter[str], request: Request) -> bool:
    """Whether most of it stood in an earlier answer, or is the user's own text given back."""
    earlier = [request.text, *(turn.text for turn in request.history if turn.role == Role.ASSISTANT)]
    old = {key for text in earlier for sentence in sentences(plain(text)) if len(key := _key(sentence)) >= 10}
    repeated = sum(len(key) for key in said if key in old)
    return repeated >= 24 and repeated > 0.6 * sum(map(len, said))


def _key(sentence: str) -> str:
    return _FILLING.sub("", sentence)


def is_flooding(text: str, language: Language) -> bool:
    """Whether a text is far longer than an answer in a chat."""
    return len(text) > MAX_CHARS[language] or text.count("\n") > MAX_LINES
