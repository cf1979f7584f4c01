"""Finds personal data in a text and puts its kind in its place.

What has a checksum or a numbering plan is looked up in it (mainland identity numbers: GB 11643, bank cards:
ISO/IEC 7812, telephone numbers: the plans in `phonenumbers`). Names and addresses have none: names are found where they
are introduced or stand with a title, addresses where a house number follows a street. A name that merely stands in a
sentence is missed. Telephone numbers of the crisis-line table stay.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator

import phonenumbers
from stdnum import luhn
from stdnum.cn import ric

from config import Language, load_crisis_lines

_SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪范金石廖"
    "贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤"
)
_LABELS = {
    "phone": ("电话", "phone"),
    "identity": ("身份证", "identity number"),
    "card": ("银行卡", "card number"),
    "mail": ("邮箱", "mail"),
    "wechat": ("微信号", "WeChat id"),
    "qq": ("QQ号", "QQ number"),
    "address": ("地址", "address"),
    "name": ("姓名", "name"),
    "link": ("链接", "link"),
}
KINDS = tuple(_LABELS)

_MAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}", re.ASCII)
_LINK = re.compile(r"(?:https?://|www\.)[^\s<>\"'，。；）)]{3,}", re.IGNORECASE)
_DIGITS = re.compile(r"(?<![\d.])\+?\d[\d \-()]{5,24}[\dXx](?!\d)")
_WECHAT = re.compile(
    r"(?:微\s?信|威信|薇信|wechat|weixin|(?<![a-z])(?:v信|wx|vx))(?:号|id|账号)?\s?(?:是|为|is)?\s?[::：]?\s?([a-z][-\w]{5,19}|\d{6,11})",
    re.IGNORECASE | re.ASCII,
)
_QQ = re.compile(r"(?:(?<![a-z])qq|扣扣|企鹅)(?:号|群)?\s?(?:是|为|is)?\s?[::：]?\s?([1-9]\d{4,10})", re.IGNORECASE)
_ADDRESS_ZH = re.compile(
    r"(?:[\u4e00-\u9fff]{2,8}?(?:省|市|区|县|镇|乡)){0,4}[\u4e00-\u9fffA-Za-z0-9]{1,12}?(?:路|街|大道|巷|弄|胡同|村|小区|花园|公寓)"
    r"\s?[0-9一二三四五六七八九十百]{1,5}\s?(?:号|弄|栋|幢|座|楼|单元|室)(?:[0-9A-Za-z一二三四五六七八九十-]{1,6}(?:号楼|栋|幢|座|楼|层|单元|室|户|号)){0,4}"
)
_ADDRESS_EN = re.compile(
    r"\b\d{1,5}[A-Za-z]? (?:[A-Z][a-z]+ ){1,3}"
    r"(?:Street|St|Road|Rd|Avenue|Ave|Lane|Ln|Drive|Dr|Close|Court|Ct|Boulevard|Blvd|Way|Terrace|Place)\b\.?"
    r"(?:,? (?:[A-Z][a-z]+|[A-Z]{2}|\d{5}|[A-Z]{1,2}\d{1,2} ?\d[A-Z]{2}))*"
)
_NAME_ZH = re.compile(
    rf"(?:我叫|名叫|名字是|名字叫|姓名[::：]?\s?|本人叫)([{_SURNAMES}][\u4e00-\u9fff]{{1,2}}?)(?=[，。,.、；！\s的是在今]|$)"
)
_TITLED_ZH = re.compile(
    rf"(?<![\u4e00-\u9fff])([{_SURNAMES}][\u4e00-\u9fff]{{1,2}})(?=先生|女士|老师|医生|教授|经理|同学|律师|警官)"
)
_NAME_EN = re.compile(
    r"\b(?:[Mm]y (?:full )?name is|[Mm]y name's|I am called|I'm called|[Ss]igned,?|[Rr]egards,)\s+"
    r"([A-Z][a-z]+(?:[ -][A-Z][a-z]+){0,2})"
)
_TITLED_EN = re.compile(r"\b(?:Mr|Mrs|Ms|Miss|Dr|Prof)\.? ([A-Z][a-z]+(?: [A-Z][a-z]+)?)")

Finder = Callable[[str], Iterator[tuple[int, int]]]


def redact(text: str, language: Language) -> tuple[str, Counter[str]]:
    """The text with each piece of personal data replaced by its kind in brackets, and how many there were of each."""
    counted: Counter[str] = Counter()
    for kind, find in _FINDERS:
        label = f"[{_LABELS[kind][0 if language is Language.ZH else 1]}]"
        parts, done = [], 0
        for start, end in find(text):
            if start >= done:
                parts += [text[done:start], label]
                done = end
                counted[kind] += 1
        text = "".join([*parts, text[done:]])
    return text, counted


def _matches(*patterns: re.Pattern[str]) -> Finder:
    """Where patterns match; of a pattern with a group, the group."""

    def find(text: str) -> Iterator[tuple[int, int]]:
        return iter(sorted(match.span(match.re.groups) for pattern in patterns for match in pattern.finditer(text)))

    return find


def _identities(text: str) -> Iterator[tuple[int, int]]:
    for match in _DIGITS.finditer(text):
        number = re.sub(r"[ \-()]", "", match.group())
        if len(number) == 18 and ric.is_valid(number):
            yield match.span()


def _cards(text: str) -> Iterator[tuple[int, int]]:
    for match in _DIGITS.finditer(text):
        number = re.sub(r"[ \-()]", "", match.group())
        if 15 <= len(number) <= 19 and number.isdigit() and luhn.is_valid(number):
            yield match.span()


def _phones(text: str) -> Iterator[tuple[int, int]]:
    if not _DIGITS.search(text):
        return
    crisis = load_crisis_lines()
    found = {
        (match.start, match.end)
        for region in ("CN", "US", "GB", "HK", "TW")
        for match in phonenumbers.PhoneNumberMatcher(text, region, leniency=phonenumbers.Leniency.VALID)
        if not crisis.knows(match.raw_string)
    }
    yield from sorted(found)


_FINDERS: tuple[tuple[str, Finder], ...] = (
    ("mail", _matches(_MAIL)),
    ("link", _matches(_LINK)),
    ("wechat", _matches(_WECHAT)),
    ("qq", _matches(_QQ)),
    ("identity", _identities),
    ("card", _cards),
    ("phone", _phones),
    ("address", _matches(_ADDRESS_ZH, _ADDRESS_EN)),
    ("name", _matches(_NAME_ZH, _TITLED_ZH, _NAME_EN, _TITLED_EN)),
)
