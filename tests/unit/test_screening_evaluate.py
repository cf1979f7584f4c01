"""The figures that judge a screener, the floor under them, and the difference between two versions."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from config import ConfigError
from engine.screening.compare import changes
from engine.screening.corpora import Row
from engine.screening.evaluate import Judged, auroc, by_group, evaluate, figures, grouped, judge, recall_at
from engine.screening.floor import fallen, read_floor, write_floor
from engine.types import Assessment, Category, Evidence, Level, Turn


class Told:
    """A screener that says what a text says: its level and score."""

    version = "told"

    def assess(self, text: str, context: Sequence[Turn] = ()) -> Assessment:
        level, score = text.split()
        return Assessment(Level(level), None, float(score), (Evidence(0, 1, text[:1], "told"),), self.version)


def row(told: str, *levels: Level, lang: str = "zh", source: str = "f", tags: tuple[str, ...] = ()) -> Row:
    category = Category.SUICIDE if Level.URGENT in levels else None
    return Row(told, lang, frozenset(levels), category, source=source, tags=tags, group="f")


ROWS = [
    row("urgent 0.9", Level.URGENT),
    row("none 0.2", Level.EMERGENCY),
    row("urgent 0.6", Level.NONE, lang="en", tags=("near_miss",)),
    row("elevated 0.1", Level.NONE, Level.ELEVATED, lang="ja", source="elsewhere"),
    row("urgent 0.5", Level.ELEVATED, Level.URGENT, lang="en"),
]


def test_figures_of_a_group() -> None:
    whole = evaluate(ROWS, Told())["all"]
    assert (whole.texts, whole.danger, whole.calm) == (5, 2, 2)
    assert (whole.accepted, whole.recall, whole.alarms) == (0.6, 0.5, 0.5)
    assert (whole.near_miss_alarms, whole.missed_emergencies) == (1.0, 1.0)
    assert (whole.auroc, whole.recall_at_1, whole.alarms_at_95) == (0.75, 0.5, 0.5)
    assert whole.confusion == [[0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 2, 0], [1, 0, 0, 0]]
    assert json.dumps(whole.as_dict())


def test_a_group_without_danger_or_calm_has_no_such_figure() -> None:
    only_danger = figures(judge(ROWS[:2], Told()))
    assert (only_danger.alarms, only_danger.near_miss_alarms, only_danger.auroc) == (None, None, None)
    nothing = figures([])
    assert (nothing.texts, nothing.recall, nothing.accepted, nothing.macro_f1) == (0, None, None, None)


def test_groups_are_files_languages_categories_sources_and_tags() -> None:
    names = list(grouped(judge(ROWS, Told())))
    assert names == [
        "all",
        "file:f",
        "lang:en",
        "lang:other",
        "lang:zh",
        "category:none",
        "category:suicide",
        "source:elsewhere",
        "tag:near_miss",
    ]


def test_agreement_is_kappa_with_quadratic_weights() -> None:
    right = [row(f"{level} 0.5", level) for level in Level]
    assert figures(judge(right, Told())).kappa == pytest.approx(1.0)
    assert figures(judge(right, Told())).macro_f1 == pytest.approx(1.0)
    upside_down = [row(f"{called} 0.5", level) for called, level in zip(Level, reversed(Level), strict=True)]
    assert figures(judge(upside_down, Told())).kappa == pytest.approx(-1.0)


def test_reliability_compares_the_score_with_the_share_of_danger() -> None:
    rows = [row("urgent 0.82", Level.URGENT), row("urgent 0.88", Level.NONE), row("none 0.1", Level.NONE)]
    found = figures(judge(rows, Told()))
    low, high = found.reliability
    assert low == pytest.approx({"texts": 1, "score": 0.1, "danger": 0})
    assert high == pytest.approx({"texts": 2, "score": 0.85, "danger": 0.5})
    assert found.calibration_error == pytest.approx((0.1 + 2 * 0.35) / 3)


@pytest.mark.parametrize(
    ("danger", "calm", "area"), [([1, 2], [0, 0.5], 1.0), ([0], [1], 0.0), ([1], [1], 0.5), ([1, 3], [2, 0], 0.75)]
)
def test_auroc(danger: list[float], calm: list[float], area: float) -> None:
    assert auroc(np.array(danger, float), np.array(calm, float)) == area


def test_auroc_of_one_kind_is_unknown() -> None:
    assert auroc(np.array([]), np.array([1.0])) is None


def test_recall_at_a_rate_of_alarms() -> None:
    calm = np.arange(100) / 100
    assert recall_at(np.array([0.945, 0.96, 0.2]), calm, 0.05) == pytest.approx(2 / 3)
    assert recall_at(np.array([0.945, 1.5, 0.2]), calm, 0.0) == pytest.approx(1 / 3)


def test_a_figure_that_falls_under_the_floor_is_named(tmp_path: Path) -> None:
    path = tmp_path / "floor.json"
    path.write_text('{"lang:zh": {"recall": 0.1, "missed_emergencies": 0.1}, "lang:fr": {"recall": 0.1}}')
    before = evaluate(ROWS, Told())
    assert fallen(read_floor(path), before) == [
        "lang:zh: missed_emergencies is 1.0, and was 0.1",
        "lang:fr: recall is None, and was 0.1",
    ]
    write_floor(path, before)
    assert read_floor(path) == {"lang:zh": {"recall": 0.5, "missed_emergencies": 1.0}, "lang:fr": {}}
    assert fallen(read_floor(path), before) == []
    worse = evaluate([replace(ROWS[0], text="none 0.1"), *ROWS[1:]], Told())
    assert fallen(read_floor(path), worse) == ["lang:zh: recall is 0.0, and was 0.5"]


def test_a_new_floor_keeps_every_figure_overall(tmp_path: Path) -> None:
    path = tmp_path / "floor.json"
    write_floor(path, evaluate(ROWS, Told()))
    assert read_floor(path)["all"]["near_miss_alarms"] == 1.0
    assert list(read_floor(path)) == ["all"]


@pytest.mark.parametrize(
    ("content", "advice"),
    [
        ("{", "is not JSON"),
        ("[1]", "must be an object"),
        ('{"all": {"recal": 1}}', "all: recal: must be a number under"),
    ],
)
def test_a_broken_floor_is_named(tmp_path: Path, content: str, advice: str) -> None:
    path = tmp_path / "floor.json"
    path.write_text(content)
    with pytest.raises(ConfigError, match=advice):
        read_floor(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_floor(tmp_path / "none.json")
    with pytest.raises(ConfigError, match="cannot be written"):
        write_floor(tmp_path / "no folder" / "floor.json", evaluate(ROWS, Told()))


def test_two_versions_differ_where_a_level_does() -> None:
    before = judge(ROWS, Told())
    told = ["none 0.1", "urgent 0.8", "none 0.1", "none 0.1", "urgent 0.5"]
    after = [Judged(one.row, Told().assess(text)) for one, text in zip(before, told, strict=True)]
    found = changes(before, after)
    assert [change.verdict for change in found] == ["broken", "moved", "mended", "moved"]
    assert found[0].rules == "told → told"
    assert "text" not in found[0].as_dict()
    assert by_group(after)["all"].recall == 0.5
