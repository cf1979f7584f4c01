"""How answers are cut into tokens. Figures of different tokens cannot be compared, so each report names them."""

import re
from collections.abc import Callable

import rjieba

from config import Language

Tokens = Callable[[str], list[str]]

TOKENISATION = {
    "characters": "each Chinese character, and each word or number in other letters; no punctuation",
    "words, zh": "cut by jieba (rjieba), lower case; no punctuation",
    "words, en": "letters, digits and apostrophes, lower case; no punctuation",
}
_CHARACTER = re.compile(r"[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]|[^\W_\u3400-\u9fff\uf900-\ufaff]+")
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")


def characters(text: str) -> list[str]:
    """Each Chinese character, and each word or number in other letters."""
    return _CHARACTER.findall(text.lower())


def words(text: str, language: Language) -> list[str]:
    """Words in lower case, without punctuation; Chinese ones as jieba cuts them."""
    if language is Language.ZH:
        return [word for word in rjieba.cut(text.lower()) if any(char.isalnum() for char in word)]
    return _WORD.findall(text.lower().replace("’", "'"))


def units(text: str, language: Language) -> list[str]:
    """What lengths and repetitions are counted in: characters in Chinese, else words."""
    return characters(text) if language is Language.ZH else words(text, language)
