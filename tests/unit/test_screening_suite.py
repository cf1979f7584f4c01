"""The screener over texts of our own writing: it may not become worse than `tests/screening/suite/floor.json`.

`psyllm evaluate screening tests/screening/suite/*.jsonl` prints what it makes of each group, and with
`--wrong file:GROUP` the cases it gets wrong. Once it has become better, raise the floor with
`--write-floor tests/screening/suite/floor.json` and commit the file.
"""

import re
from collections import Counter
from collections.abc import Callable

import pytest

from engine.screening import load_screener
from engine.screening.corpora import Row, corpus_files, read_rows
from engine.screening.evaluate import evaluate
from engine.screening.floor import fallen, read_floor
from tests.screening.cases import FLOOR, load_cases

CASES = load_cases()
LANGUAGES = {"zh", "en", "ja", "ko", "es", "fr", "de", "pt", "ru", "ar", "hi", "vi", "id"}
EXPLICIT = re.compile(
    r"死|自[杀殺]|不想活|[轻輕]生|[遗遺][书書]|自[残殘]|割腕|[了結结][断斷]自己"
    r"|\b(?:die|dying|dead|death|kill\w*|suicid\w*|overdos\w*|end (?:it all|my life))\b",
    re.IGNORECASE,
)


def test_ids_and_texts_are_unique() -> None:
    ids = Counter(case.id for case in CASES)
    texts = Counter((case.text, case.context) for case in CASES)
    assert [name for name, count in ids.items() if count > 1] == []
    assert [text for text, count in texts.items() if count > 1] == []


def test_cases_are_well_formed() -> None:
    for case in CASES:
        ranks = sorted(level.rank for level in case.levels)
        assert case.text.strip(), case.id
        assert case.lang in LANGUAGES, case.id
        assert case.tags, case.id
        assert case.id.startswith(f"{case.group}-{case.lang}-"), case.id
        assert ranks in ([0], [1], [2], [3], [0, 1], [1, 2], [2, 3]), case.id  # reasonable people differ by one step
        assert (case.category is None) == case.calm, case.id
        assert bool(case.context) == (case.group == "context"), case.id


@pytest.mark.parametrize(
    ("least", "chosen"),
    [
        (2000, lambda case: True),
        (900, lambda case: case.lang == "zh"),
        (900, lambda case: case.lang == "en"),
        (40, lambda case: case.lang not in ("zh", "en")),
        (350, lambda case: case.dangerous and "indirect" in case.tags),
        (300, lambda case: case.emergency),
        (350, lambda case: case.calm and "near_miss" in case.tags),
        (150, lambda case: case.group == "ordinary"),
        (100, lambda case: case.group == "grief_fear"),
        (80, lambda case: case.group == "context"),
    ],
)
def test_there_are_enough_cases(least: int, chosen: Callable[[Row], bool]) -> None:
    assert sum(map(chosen, CASES)) >= least


def test_indirect_texts_hold_no_explicit_word() -> None:
    assert [case.text for case in CASES if "indirect" in case.tags and EXPLICIT.search(case.text)] == []


def test_the_training_texts_do_not_hold_the_cases() -> None:
    """Set phrases that everybody writes are in both; more than those would make the suite an echo of the training."""
    trained = {_letters(row.text) for row in read_rows(corpus_files())}
    whole = [case for case in CASES if not case.context and len(_letters(case.text)) > 5]  # "yes" is nobody's own
    shared = [case.id for case in whole if _letters(case.text) in trained]
    assert len(trained) > 1000
    assert len(shared) <= 0.01 * len(CASES), shared


def _letters(text: str) -> str:
    """The text without what a copy may change: case, spaces, punctuation. An emoji stays itself."""
    return re.sub(r"[^\w\U0001F000-\U0001FFFF]", "", text.lower())


def test_the_screener_is_no_worse_than_before() -> None:
    floor = read_floor(FLOOR)
    assert {"recall", "missed_emergencies", "near_miss_alarms", "macro_f1", "kappa"} <= floor["all"].keys()
    assert fallen(floor, evaluate(CASES, load_screener())) == []
