"""Gives somebody's own words back: finds the clause that says most, and turns `I` into `you`.

A wrong echo is worse than none, so in doubt there is none: quotations, second persons, sentences that start in the
middle of a thought, and anything that should not be repeated aloud are passed over.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from config import Language

_MAX_READ = 1500
_MAX_CLAUSES = 12  # of a sentence
_LEAST = 0.5  # below this nothing is given back
_EARLY = 0.5  # what an opening sentence is worth beside a later one
_SECOND = 0.7  # a second clause is given back when it is worth this much of the first


@dataclass(frozen=True, slots=True)
class Echo:
    """A clause in the second person, ready for a frame, and as the user wrote it.

    `question` tells an indirect question from a statement.
    """

    text: str
    source: str
    question: bool = False


class Mirror:
    """Finds the echo of a message in one language."""

    def __init__(self, language: Language, cues: dict[str, Any]) -> None:
        self._unsafe = re.compile(cues["unsafe"], re.IGNORECASE)
        self._generic = re.compile(cues["generic"], re.IGNORECASE)
        self._identity = re.compile(cues["identity"], re.IGNORECASE)
        self._address = re.compile(cues["address"], re.IGNORECASE)
        self._dangling = re.compile(cues["dangling"], re.IGNORECASE)
        self._asking = re.compile(cues["asking"], re.IGNORECASE)
        self._weighty = re.compile(cues["weighty"], re.IGNORECASE)
        self._background = re.compile(cues["background"], re.IGNORECASE)
        self._chinese = language is Language.ZH
        self._longest = _ZH_TWO if self._chinese else _EN_TWO
        persons = "|".join(re.escape(name) for name in cues["persons"])
        self._and_i = re.compile(rf"\bmy ((?:[\w'-]+ )?(?:{persons})) and (?:i|me|myself)\b", re.IGNORECASE)

    def echoes(self, text: str, weight: Callable[[str], float]) -> list[Echo]:
        """The one or two clauses most worth giving back, in the order of the text; a question if there is no statement.

        `weight` scores a clause by what matters in it (cues, feelings).
        """
        sample = text[:_MAX_READ].replace("’", "'")
        found = []
        for number, sentence in enumerate(_sentences_zh(sample) if self._chinese else _sentences_en(sample)):
            spans = (
                _chinese_spans(sentence, self._address) if self._chinese else _english_spans(sentence, self._address)
            )
            scored = [(weight(span) + self._telling(span), span) for span in spans if self._worth(span)]
            score, span = max(scored, default=(0.0, ""))
            if score >= _LEAST:
                found.append((score + (_EARLY if number < 2 else 0.0), number, span))
        if not found:
            question = self._question(sample)
            return [question] if question else []
        best = sorted(found, reverse=True)[:2]
        if len(best) == 2 and not self._go_together(*best):
            del best[1]
        turn = _second_person_zh if self._chinese else self._second_person_en
        return [Echo(turn(span), span) for _, _, span in sorted(best, key=lambda item: item[1])]

    def _go_together(self, first: tuple[float, int, str], second: tuple[float, int, str]) -> bool:
        """Whether two scored clauses are worth giving back together: both telling, not too long, not the same."""
        words = [set(span[2] if self._chinese else span[2].lower().split()) for span in (first, second)]
        overlap = len(words[0] & words[1]) / min(len(words[0]), len(words[1]))
        short = self._size(first[2]) + self._size(second[2]) <= self._longest
        return short and second[0] >= _SECOND * first[0] and overlap < 0.5

    def _size(self, span: str) -> int:
        return len(span) if self._chinese else span.count(" ") + 1

    def _second_person_en(self, span: str) -> str:
        return _second_person_en(self._and_i.sub(r"you and your \1", span))

    def _worth(self, span: str) -> bool:
        if self._unsafe.search(span) or self._generic.search(span) or self._identity.search(span):
            return False
        if self._chinese and self._asking.search(span):
            return False
        return not self._dangling.search(span)

    def _telling(self, span: str) -> float:
        """How much a clause says by its shape, whatever it is about."""
        shape = _chinese_weight(span) if self._chinese else _english_weight(span)
        return shape + 0.5 * bool(self._weighty.search(span)) - 0.8 * bool(self._background.search(span))

    def _question(self, text: str) -> Echo | None:
        turn = _indirect_zh if self._chinese else _indirect_en
        for sentence in re.findall(r"[^。！!？?.\n…]+[？?]", text):
            stripped = _strip(sentence, self._address)
            if not self._unsafe.search(stripped):
                indirect = turn(stripped)
                if indirect:
                    return Echo(indirect, stripped, question=True)
        return None


def _strip(clause: str, address: re.Pattern[str]) -> str:
    """Without greeting, form of address and leading connective, however many there are."""
    clause = clause.strip(" ，,、：:—-\t\"'“”")
    while found := address.match(clause):
        if found.end() == 0:
            break
        clause = clause[found.end() :]
    return clause.strip(" ，,、：:—-")


# Chinese

_ZH_LONGEST = 40
_ZH_SHORTEST = 7
_ZH_TWO = 52  # characters of two clauses together
_ZH_NOT_MINE = re.compile('你|您|[“”"「」『』（(《]|http|\\d{5}')
_ZH_PERSON = re.compile(
    "老公|丈夫|老婆|妻子|男友|女友|朋友|妈|母亲|爸|父亲|父母|婆婆|岳|儿子|女儿|孩子|弟|妹|哥|姐|领导|老板|同事|室友|同学|老师|家人|奶奶|爷爷|外婆|前任"
)


def _sentences_zh(text: str) -> list[str]:
    return [
        part
        for part in re.split("[。！？!?；;\n…~～]+|(?<=[\u3400-\u9fff])[ \u3000]+(?=[\u3400-\u9fff])", text)
        if part.strip()
    ]


def _chinese_spans(sentence: str, address: re.Pattern[str]) -> Iterator[str]:
    clauses = [clause.strip() for clause in re.split("[，,]", sentence) if clause.strip()][:_MAX_CLAUSES]
    for first in range(len(clauses)):
        for last in range(first + 1, min(first + 3, len(clauses)) + 1):
            span = _strip("，".join(clauses[first:last]), address)
            if _ZH_SHORTEST <= len(span) <= _ZH_LONGEST and not _ZH_NOT_MINE.search(span):
                yield span


def _chinese_weight(span: str) -> float:
    score = min(len(span), 26) / 26
    score += 0.5 * ("我" in span) + 0.5 * bool(_ZH_PERSON.search(span))
    return score - 0.4 * span.count("，") * (len(span) > 30)


def _second_person_zh(span: str) -> str:
    """我 becomes 你, except inside words that are no pronoun."""
    flipped = re.sub("咱们?|我们|俺们", "你们", span)
    flipped = re.sub("(?<!自)(?<!忘)我(?!国)|俺|本人", "你", flipped)
    return flipped.strip("，。；;、 ")


_ZH_SHE = re.compile("她|女友|女朋友|老婆|妻子|女儿|妈|母亲|婆婆|闺蜜|姐|妹|奶奶|外婆|姥姥")
_ZH_HE = re.compile(
    "(?<![其吉])他(?![们人乡])|男友|男朋友|老公|丈夫|先生|儿子|爸|父|公公|哥|弟|老头|孙子|男人|爷爷|外公|姥爷|男生|男孩"
)
_ZH_HE_SAID = re.compile("(?<![其吉])他(?![们人乡])")


def of_her(text: str, told: str, earlier: Sequence[str]) -> str:
    """A Chinese passage, which says 他 of whom it does not know, with 她 if the user only speaks of a woman.

    What is told now decides; what was told `earlier` only where it speaks of nobody.
    """
    speaks = next((each for each in (told, "".join(earlier)) if _ZH_SHE.search(each) or _ZH_HE.search(each)), "")
    return text if _ZH_HE.search(speaks) or not speaks else _ZH_HE_SAID.sub("她", text)


def either_gender(text: str) -> tuple[str, ...]:
    """The ways in which `of_her` may write a passage."""
    return (text, _ZH_HE_SAID.sub("她", text)) if "他" in text else (text,)


_ZH_QUESTION = re.compile("为什么|为何|如何|怎样|怎么(?!办|样)|是不是|要不要|该不该|还是")


def _indirect_zh(sentence: str) -> str | None:
    clauses = re.split("[，,]", re.sub("[呢啊呀？?]+$", "", sentence))
    first = next((number for number, clause in enumerate(clauses) if _ZH_QUESTION.search(clause)), None)
    if first is None:
        return None
    question = "，".join(clauses[first:])
    if not 8 <= len(question) <= _ZH_LONGEST or _ZH_NOT_MINE.search(question):
        return None
    if re.search("[吗么]$", question):
        return None
    return _second_person_zh(question)


# English

_EN_LONGEST = 26
_EN_SHORTEST = 5
_EN_TWO = 26  # words of two clauses together
_EN_START = re.compile(
    r"(i|i'm|im|i've|ive|i'd|we|we're|we've|my|our|there (is|are|was)"
    r"|everyone|everybody|nobody|no one|people|someone)\b",
    re.I,
)
_EN_NOT_MINE = re.compile(r"\byou\b|\byour\b|[\"“”(<>*]|http|\d{5}|\.\.", re.I)
_EN_VERB = re.compile(
    r"\b(is|are|was|were|has|have|had|does|do|did|can|can't|will|would|won't|keeps?|says?|said|wants?|thinks?|left|told|feels?|"
    r"makes?|made|gets?|got|goes|went|lost|broke|found|took|gave|knows?|never|always|yells?|treats?|hates?|loves?|tells?|calls?|ignores?|refuses?|blames?|lives?|works?|drinks?|cheats?|lies|talks?|acts?|seems?|comes|takes|uses|asks|needs?|hurts?|screams?|controls?|criticizes?|fights?|argues?|died|passed|don't|doesn't|didn't|\w+ed|\w+n't)\b",
    re.I,
)
_EN_BREAKS_OFF = re.compile(
    r"\b(at the same time|at first|for example|and|but|because|so|although|though|with|to|of|for|at|in|on|from|by"
    r"|that|the|a|an|my|your|when|if|like|as|than|or|says?|said)$"
    r"|\b(so|and|but|because) (when|if|while|since|after|before|as|once)\b[^,]*$|\beither\b(?!.*\bor\b)",
    re.I,
)
_EN_REPORTED = re.compile(  # what follows it may be somebody else's words
    r"\b(he|she|they|who|everyone|people|my \w+) (always |just |even |also |keeps? |still )?"
    r"(says?|said|saying|tells?|told|telling|thinks?|claims?|swears?|insists?)\b",
    re.I,
)
_EN_CUT = re.compile(
    r",\s+|;\s+|\s+(?=but\b|because\b|although\b|even though\b|so\s+i\b|and\s+(?:i|he|she|they|we|it)\b)", re.I
)


def _sentences_en(text: str) -> list[str]:
    """Statements only."""
    parts = re.split(r"(?<=[.!?])[\s\"']+|\n+|(?<=[.!?])(?=[A-Z])", text)
    return [part for part in parts if part.strip() and not part.rstrip(" \"'").endswith("?")]


def _english_spans(sentence: str, address: re.Pattern[str]) -> Iterator[str]:
    cuts = [0, *(found.end() for found in _EN_CUT.finditer(sentence)), len(sentence)][: _MAX_CLAUSES + 1]
    for first in range(len(cuts) - 1):
        if _EN_REPORTED.search(sentence[: cuts[first]]):
            return
        for last in range(first + 1, min(first + 3, len(cuts) - 1) + 1):
            span = re.sub(r"\s+", " ", _strip(sentence[cuts[first] : cuts[last]].strip(" .!;,"), address))
            if _EN_SHORTEST <= span.count(" ") + 1 <= _EN_LONGEST and _is_whole(span):
                yield span


def _is_whole(span: str) -> bool:
    """Whether an English clause starts with a subject, has a verb, is about the writer and does not break off."""
    if not _EN_START.match(span) or _EN_NOT_MINE.search(span) or _EN_BREAKS_OFF.search(span):
        return False
    return bool(re.match(r"(i|we|there)\b", span, re.I) or _EN_VERB.search(span))


def _english_weight(span: str) -> float:
    words = span.count(" ") + 1
    score = min(words, 14) / 14
    score += 0.5 * bool(re.search(r"\b(my|our) \w+", span, re.I))
    return score - 0.3 * (words > 20)


_EN_FLIPS: list[tuple[re.Pattern[str], str]] = [
    (re.compile(pattern, re.I), becomes)
    for pattern, becomes in [
        (r"\b(?:me|myself) and my ([\w-]+)\b", r"you and your \1"),
        (r"\bi (am|was)n't\b", r"you \1@n't"),
        (r"\bi (\w+ly |just |still |also |never |always )?was\b", r"you \1were"),
        (r"\bwas i\b", "were you"),
        (r"(?<!\d )(?<!\d)\bam\b", "are"),
        (r"\bwas@n't\b", "weren't"),
        (r"\bam@n't\b", "aren't"),
        (r"\b(?:i'm|im|we're)\b", "you're"),
        (r"\b(?:i've|ive|we've)\b", "you've"),
        (r"\b(?:i'd|we'd)\b", "you'd"),
        (r"\b(?:i'll|we'll)\b", "you'll"),
        (r"\b(?:i|we|me|us)\b", "you"),
        (r"\b(?:my|our)\b", "your"),
        (r"\b(?:mine|ours)\b", "yours"),
        (r"\bmyself\b", "yourself"),
        (r"\bourselves\b", "yourselves"),
    ]
]


def _second_person_en(span: str) -> str:
    """First person becomes second, and the start loses its capital unless it may be a name."""
    for pattern, becomes in _EN_FLIPS:
        span = pattern.sub(becomes, span)
    first = span.split(" ", 1)[0]
    if first.lower() in (
        "you",
        "your",
        "you're",
        "you've",
        "you'd",
        "there",
        "everyone",
        "everybody",
        "nobody",
        "no",
        "people",
        "someone",
    ):
        span = span[:1].lower() + span[1:]
    return span.strip(" .,;!")


def _indirect_en(sentence: str) -> str | None:
    question = re.sub(r"\s+", " ", sentence).strip(" ?.!")
    if not 3 <= question.count(" ") + 1 <= 20 or _EN_NOT_MINE.search(question):
        return None
    for pattern, becomes in _EN_INDIRECT:
        found = pattern.match(question)
        if found:
            rest = found["rest"].strip()
            return None if len(rest) < 4 else _second_person_en(f"{found.expand(becomes)} {rest}")
    return None


_EN_INDIRECT: list[tuple[re.Pattern[str], str]] = [
    (re.compile(pattern + r" (?P<rest>.+)$", re.I), becomes)
    for pattern, becomes in [
        (r"how (?:do|can|should|could|would|might) (?:i|we)", "how to"),
        (r"what (?:should|can|could|do) (?:i|we) do", "what to do"),
        (r"why (?:do|would|should) (?:i|we)", "why you"),
        (r"why (can't|don't|won't|can) (?:i|we)", r"why you \1"),
        (r"why am i", "why you are"),
        (r"should (?:i|we)", "whether to"),
        (r"(can|could|will) (?:i|we)", r"whether you \1"),
        (r"am i", "whether you are"),
        (r"do i", "whether you"),
        (
            r"is it (wrong|normal|okay|ok|possible|bad|weird|healthy|unhealthy|common|too late|selfish|worth)",
            r"whether it is \1",
        ),
    ]
]
