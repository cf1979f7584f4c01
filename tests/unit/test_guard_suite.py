"""The guard against answers of our own writing: at least 95 of 100 bad ones caught, 98 of 100 good ones passed.

`tests/guard/bad.jsonl` and `good.jsonl` hold one answer a line. The reviewed library's passages were written by others
and without the guard in mind, so they show what it does to texts that it was not tuned on.
"""

import json
import tomllib
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest

from config import Language, Script
from engine import Request
from engine.guard import Guard

SUITE = Path(__file__).parents[1] / "guard"
GUARD = Guard()
REQUESTS = {
    Language.ZH: Request("我今天心情不太好", Language.ZH, Script.HANS),
    Language.EN: Request("I don't feel good today", Language.EN),
}


def answers(name: str, language: Language) -> list[dict[str, str]]:
    rows = [json.loads(line) for line in (SUITE / name).read_text(encoding="utf-8").splitlines()]
    return [row for row in rows if row["language"] == language]


def passages(language: Language) -> Iterator[str]:
    for file in files("engine.library").joinpath(f"passages/{language}").iterdir():
        yield from (row["text"] for row in tomllib.loads(file.read_text(encoding="utf-8"))["passage"])


@pytest.mark.parametrize("language", list(Language))
def test_bad_answers_are_caught(language: Language) -> None:
    bad = answers("bad.jsonl", language)
    missed = [row["text"] for row in bad if not GUARD.check(row["text"], REQUESTS[language])]
    assert len(bad) >= 280
    assert len(missed) <= 0.05 * len(bad), missed


@pytest.mark.parametrize("language", list(Language))
def test_bad_answers_are_caught_by_the_rule_that_names_them(language: Language) -> None:
    """The counts by rule would mislead otherwise."""
    bad = answers("bad.jsonl", language)
    other = [row for row in bad if row["rule"] not in GUARD.check(row["text"], REQUESTS[language])]
    assert len(other) <= 0.1 * len(bad), other


@pytest.mark.parametrize("language", list(Language))
def test_good_answers_pass(language: Language) -> None:
    good = answers("good.jsonl", language)
    stopped = {row["text"]: rules for row in good if (rules := GUARD.check(row["text"], REQUESTS[language]))}
    assert len(good) >= 180
    assert len(stopped) <= 0.02 * len(good), stopped


@pytest.mark.parametrize("language", list(Language))
def test_reviewed_passages_pass(language: Language) -> None:
    texts = list(passages(language))
    stopped = {text: rules for text in texts if (rules := GUARD.check(text, REQUESTS[language]))}
    assert len(texts) > 300
    assert len(stopped) <= 0.02 * len(texts), stopped


@pytest.mark.parametrize("language", list(Language))
def test_a_bad_sentence_between_good_ones_is_caught(language: Language) -> None:
    good = [row["text"] for row in answers("good.jsonl", language)]
    words = [row for row in answers("bad.jsonl", language) if row["rule"] not in ("language", "repetition", "leak")]
    missed = [
        row["text"]
        for n, row in enumerate(words)
        if not GUARD.check(f"{good[n % len(good)]}\n{row['text']}\n{good[-1 - n % len(good)]}", REQUESTS[language])
    ]
    assert len(missed) <= 0.05 * len(words), missed
