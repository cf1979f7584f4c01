"""Telephone numbers and links: only the crisis-line table's may leave."""

import re
from collections.abc import Callable
from itertools import pairwise

_NUMBER = re.compile(r"(?<![\d.])\+?\(?\d(?:[\s().\-–—·]{0,3}\d){4,}(?!\d)")
_DIALLED = re.compile(
    r"(?:拨打|拨|致电|打|呼叫|电话|热线|号码|短信|\bcall|\bdial|\bring|\bphone|\btext|\bhotline|\bline|\bnumber)"
    r"[^\d。！？!?\n]{0,16}?(\d{3,6})(?!\d|\s*(?:遍|次|个|分|秒|小时|天|%|times|minutes|seconds|hours|days|people))"
)
_SPOKEN = re.compile(r"[零〇一二三四五六七八九幺](?:[\s,，、\-]?[零〇一二三四五六七八九幺]){4,}")
_SPOKEN_DIGITS = dict(zip("零〇一二三四五六七八九幺", "001234567891", strict=True))
_ENGLISH = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_ENGLISH_DIGITS = {w: str(n) for n, w in enumerate(_ENGLISH)}
_WORD = "(?:" + "|".join(_ENGLISH_DIGITS) + ")"
_SPOKEN_ENGLISH = re.compile(
    rf"\b(?:call|dial|text|ring|line is|number is)\b[^.!?\n]{{0,16}}?\b((?:{_WORD}[\s,\-]+){{2,}}{_WORD})\b"
)
_SPELLED = re.compile(rf"\b{_WORD}(?:[\s,\-]+(?:hundred[\s,\-]+)?{_WORD}){{5,}}\b")
_LINK = re.compile(
    r"https?:|www\.|[\w.+-]+@[\w-]+\.\w|\b[\w-]+\.(?:com|cn|org|net|io|app|info|me|gov|edu|uk|hk|tw)\b"
    r"|\b\w{3,}\s*(?:点|dot)\s*(?:com|cn|org|net)\b|(?:搜索?|关注)(?:一下)?(?:公众号|微博|抖音|小红书|频道)"
    r"|公众号\s*[“\"']|\b(?:search|look) for the (?:channel|account|page|group)\b"
    r"|(?:加|添加)(?:我|一下)?的?(?:微信|qq|vx)|(?:微信|qq|vx)号?\s*(?:是|[::])\s*\w"
)


def unknown_contacts(text: str, knows: Callable[[str], bool]) -> bool:
    """Whether a plain text holds a link, or a phone-like string that `knows` does not know."""
    return bool(_LINK.search(text)) or any(not knows(number) for number in _numbers(text))


def _numbers(text: str) -> list[str]:
    found = [match.group() for match in _NUMBER.finditer(text) if not _is_count(match.group())]
    found += [match[1] for match in _DIALLED.finditer(text)]
    for match in _SPOKEN.finditer(text):
        number = "".join(_SPOKEN_DIGITS.get(char, "") for char in match.group())
        if not _is_steps(number):
            found.append(number)
    found += [_digits(match[1]) for match in _SPOKEN_ENGLISH.finditer(text)]
    found += [number for match in _SPELLED.finditer(text) if not _is_steps(number := _digits(match.group()))]
    return found


def _digits(words: str) -> str:
    """The digits that English words name."""
    return "".join(_ENGLISH_DIGITS.get(word, "") for word in re.findall(r"[a-z]+", words))


def _is_count(number: str) -> bool:
    """Counting in an exercise, such as 5-4-3-2-1."""
    groups = re.findall(r"\d+", number)
    return all(len(group) == 1 for group in groups) and _is_steps("".join(groups))


def _is_steps(number: str) -> bool:
    """Digits that go up or down one by one."""
    steps = {int(b) - int(a) for a, b in pairwise(number)}
    return steps in ({1}, {-1})
