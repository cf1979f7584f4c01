"""A text in the form that the rules read: one spelling for what looks alike."""

import re
import unicodedata
from functools import cache
from typing import TYPE_CHECKING

from config import Language, Script
from engine.language import detect

if TYPE_CHECKING:
    from opencc import OpenCC

_APOSTROPHES = str.maketrans("’‘ʼ`´", "'''''")
_HAN = re.compile(r"[\u3400-\u9fff]")
_SENTENCES = re.compile(r"[^。！？!?…\n;；]+?(?:\.(?=\s|$)|[。！？!?…\n;；]|$)")


def plain(text: str) -> str:
    """NFKC, simplified characters, lower case, straight apostrophes, single spaces, nothing invisible."""
    text = unicodedata.normalize("NFKC", text).translate(_APOSTROPHES).casefold()
    text = "".join(char for char in text if unicodedata.category(char) != "Cf")
    if _HAN.search(text) and detect(text) == (Language.ZH, Script.HANT):
        text = _to_simplified().convert(text)
    return re.sub(r"[^\S\n]+", " ", text)


@cache
def _to_simplified() -> "OpenCC":
    from opencc import OpenCC  # late, as in engine.language: few need its dictionaries

    return OpenCC("t2s")


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Where the sentences of a plain text begin and end."""
    return [match.span() for match in _SENTENCES.finditer(text)]


def sentences(text: str) -> list[str]:
    """The sentences of a plain text, without the blanks around them."""
    return [found for start, end in sentence_spans(text) if (found := text[start:end].strip())]
