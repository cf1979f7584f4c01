"""How answers do in figures: overlap with people's answers, variety, length, repetition, language, and the guard.

ROUGE-L: Lin 2004, F1, the best of several references. BLEU: Papineni et al. 2002, by sacrebleu, smoothed exponentially.
Distinct-n: Li et al. 2016, different n-grams by all n-grams of all answers; longer answers have lower ones.
Overlap says little about how good support is. It is there to compare with the paper; people judge the rest.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics.bleu import BLEU

from config import Language
from engine.evaluation.estimates import Estimate, Row, estimate, mean
from engine.evaluation.tokens import Tokens, characters, units, words
from engine.guard import Guard
from engine.language import detect
from engine.types import Request, Role

_REPEATED = 4  # n-grams of so many units count as repetition
_BLEU_TOKENS = {Language.ZH: "zh", Language.EN: "13a"}


@dataclass(frozen=True, slots=True)
class Judged:
    """One answer with what it answers. `blocked`: rules of the guard that a draft before it broke."""

    request: Request
    reply: str
    references: tuple[str, ...] = ()
    system: str = ""
    blocked: tuple[str, ...] = ()
    stood_in: bool = False  # the library answered because the system could not


@dataclass(frozen=True, slots=True)
class Figures:
    """One system's figures in one language. Every figure is a percentage but for the length; None: nothing to go by."""

    system: str
    language: Language
    answers: int
    with_reference: int
    empty: int
    stood_in: int
    estimates: dict[str, Estimate | None]
    guard_rules: dict[str, int] = field(default_factory=dict)
    bleu_signature: str = ""


def figures(judged: Iterable[Judged], guard: Guard) -> list[Figures]:
    """The figures of each system and language, in the order of their first answers."""
    groups: dict[tuple[str, Language], list[Judged]] = {}
    for one in judged:
        groups.setdefault((one.system, one.request.language), []).append(one)
    return [_figures(system, language, found, guard) for (system, language), found in groups.items()]


def _figures(system: str, language: Language, found: Sequence[Judged], guard: Guard) -> Figures:
    compared = [one for one in found if one.references]
    replies = [units(one.reply, language) for one in found]
    rules = [_rules(one, guard) for one in found]
    bleu = BLEU(tokenize=_BLEU_TOKENS[language])
    estimates = {
        "rouge_l_characters": _rouge(compared, characters) if language is Language.ZH else None,
        "rouge_l_words": _rouge(compared, lambda text: words(text, language)),
        "bleu": _bleu(compared, language),
        "distinct_1": _distinct(replies, 1),
        "distinct_2": _distinct(replies, 2),
        "length": mean([len(reply) for reply in replies]),
        "repetition": _percent([_repetition(one, language) for one in found]),
        "same_answer": _percent(_same(found)),
        "language_match": _percent([_is_in_language(one) for one in found]),
        "guard_hits": _percent([bool(names) for names in rules]),
    }
    return Figures(
        system=system,
        language=language,
        answers=len(found),
        with_reference=len(compared),
        empty=sum(not one.reply.strip() for one in found),
        stood_in=sum(one.stood_in for one in found),
        estimates=estimates,
        guard_rules=dict(Counter(name for names in rules for name in names).most_common()),
        bleu_signature=_signature(bleu, compared),
    )


def _percent(values: Sequence[float]) -> Estimate | None:
    return mean([100 * value for value in values])


class _Tokenizer:
    """A tokenizer as rouge-score asks for it: its own drops every Chinese character."""

    def __init__(self, tokens: Tokens) -> None:
        self.tokenize = tokens


def _rouge(compared: Sequence[Judged], tokens: Tokens) -> Estimate | None:
    scorer = RougeScorer(["rougeL"], tokenizer=_Tokenizer(tokens))
    scores = [scorer.score_multi(one.references, one.reply)["rougeL"].fmeasure for one in compared]
    return _percent(scores)


def _bleu(compared: Sequence[Judged], language: Language) -> Estimate | None:
    """Corpus BLEU from each answer's own counts, so that answers can be resampled."""
    counter = BLEU(tokenize=_BLEU_TOKENS[language], effective_order=True)  # the counts are the same, without a warning
    scores = [counter.sentence_score(one.reply, list(one.references)) for one in compared]
    return estimate([[*s.counts, *s.totals, s.sys_len, s.ref_len] for s in scores], _bleu_of)


def _bleu_of(counts: Row) -> float:
    """BLEU of four counts of right n-grams, four of all n-grams, and the lengths of answers and references."""
    whole = [int(count) for count in np.rint(counts)]
    return float(BLEU.compute_bleu(whole[:4], whole[4:8], whole[8], whole[9], smooth_method="exp").score)


def _signature(bleu: BLEU, compared: Sequence[Judged]) -> str:
    """sacrebleu's own line about how it counted."""
    if not compared:
        return ""
    counts = {len(one.references) for one in compared}
    bleu.num_refs = counts.pop() if len(counts) == 1 else -1  # as sacrebleu marks a varying number
    return str(bleu.get_signature())


def _distinct(replies: Sequence[Sequence[str]], size: int) -> Estimate | None:
    """Without an interval: a resample holds answers twice, which would count as sameness."""
    grams = [gram for reply in replies for gram in _grams(reply, size)]
    return Estimate(100 * len(set(grams)) / len(grams)) if grams else None


def _grams(tokens: Sequence[str], size: int) -> list[tuple[str, ...]]:
    return [tuple(tokens[start : start + size]) for start in range(len(tokens) - size + 1)]


def _repetition(one: Judged, language: Language) -> float:
    """The share of the answer's runs of four units that stood before, in it or in an earlier answer of the talk."""
    earlier = [turn.text for turn in one.request.history if turn.role == Role.ASSISTANT]
    seen = {gram for text in earlier for gram in _grams(units(text, language), _REPEATED)}
    grams = _grams(units(one.reply, language), _REPEATED)
    repeated = 0
    for gram in grams:
        repeated += gram in seen
        seen.add(gram)
    return repeated / len(grams) if grams else 0.0


def _same(found: Sequence[Judged]) -> list[bool]:
    """Which answers were given word for word before, to another text."""
    seen: set[str] = set()
    same = []
    for one in found:
        reply = one.reply.strip()
        same.append(bool(reply) and reply in seen)
        seen.add(reply)
    return same


def _is_in_language(one: Judged) -> bool:
    """Whether the answer is in the language and script of the request."""
    expected = (one.request.language, one.request.script)
    return bool(one.reply.strip()) and detect(one.reply, previous=expected) == expected


def _rules(one: Judged, guard: Guard) -> tuple[str, ...]:
    """The rules of the guard that the answer breaks, or a draft before it broke."""
    return tuple(dict.fromkeys([*one.blocked, *guard.check(one.reply, one.request)]))
