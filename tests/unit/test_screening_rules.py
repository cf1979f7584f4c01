"""Every example in the rule files does what it says, and rule files that are wrong are refused."""

from pathlib import Path

import pytest

from engine.screening.normalise import normalise
from engine.screening.patterns import Compiler, PatternError
from engine.screening.rules import RULES, Rule, RuleError, RuleSet, load_rules
from engine.screening.segments import sentences

RULE_SET = load_rules()
HITS = [(rule, text) for rule in RULE_SET.rules for text in rule.hits]
MISSES = [(rule, text) for rule in RULE_SET.rules for text in rule.misses]


def finds(rules: RuleSet, rule: Rule, text: str) -> bool:
    plain = normalise(text).text
    return any(finding.rule is rule and not finding.withheld for finding in rules.find(plain, sentences(plain)))


@pytest.mark.parametrize(("rule", "text"), HITS, ids=[f"{rule.id}: {text}" for rule, text in HITS])
def test_a_rule_finds_its_hits(rule: Rule, text: str) -> None:
    assert finds(RULE_SET, rule, text)


@pytest.mark.parametrize(("rule", "text"), MISSES, ids=[f"{rule.id}: {text}" for rule, text in MISSES])
def test_a_rule_leaves_its_misses(rule: Rule, text: str) -> None:
    assert not finds(RULE_SET, rule, text)


def test_every_rule_has_examples_of_both_kinds() -> None:
    for rule in RULE_SET.rules:
        assert rule.misses, rule.id
        assert rule.hits or rule.level.rank == 0, rule.id


@pytest.mark.parametrize("source", ["a+", "(a", "a)", "(a*)b", "{nothing}", "..", "a?", "\\d"])
def test_a_pattern_outside_the_grammar_is_refused(source: str) -> None:
    with pytest.raises(PatternError):
        Compiler({}).compile(source)


@pytest.mark.parametrize(
    ("source", "yes", "no"),
    [
        ("want .. die", ["want die", "want to die", "want, to just die"], ["wanting die", "want to diet"]),
        ("suicid~", ["suicidal", "suicide"], ["notsuicidal"]),
        ("想(去)?死", ["我想死", "想去死"], ["想活"]),
        ("药..手边", ["药手边", "药就在手边"], ["药在这里。手边没有"]),
        ("^走了$", ["走了"], ["我走了"]),
    ],
)
def test_the_pattern_language(source: str, yes: list[str], no: list[str]) -> None:
    pattern = Compiler({}).compile(source)
    for text in yes:
        assert pattern.regex.search(text)
        assert any(anchor in text for anchor in pattern.anchors)
    for text in no:
        assert not pattern.regex.search(text)


def test_patterns_hold_no_unbounded_repetition() -> None:
    """What makes them safe from catastrophic backtracking."""
    for rule in RULE_SET.rules:
        for pattern in rule.patterns:
            assert "*" not in pattern.source.replace(r"\*", "")
            assert "+" not in pattern.source.replace(r"\+", "")


def test_a_broken_rule_file_is_named(tmp_path: Path) -> None:
    for path in RULES.glob("*.toml"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "extra.toml").write_text(
        '[[rule]]\nid = "x"\nlevel = "dire"\npatterns = ["a"]\nhits = []\nmisses = []\n', encoding="utf-8"
    )
    with pytest.raises(RuleError, match=r"extra\.toml, rule x"):
        load_rules(tmp_path)
