"""The console's words and drawings: every key that its code names exists, and nothing that is drawn can be code."""

import re
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from bot.console.rights import Right
from bot.console.shapes import shape
from bot.console.timeline import timeline
from bot.console.words import Words
from config import Counsellor, Language, Leave, Roster, Step, load_texts
from config.rotations import Rotation
from engine import Level

FOLDER = Path(__file__).parents[2] / "bot" / "console"
NAMED = re.compile(r"""\b_?(?:words|_title|_head|_section)\(\s*"([a-z_.]+)\"""")


@pytest.mark.parametrize("language", list(Language))
def test_every_text_that_the_console_names_exists(language: Language) -> None:
    keys = load_texts(language).keys()
    named = {key for path in FOLDER.glob("*.py") for key in NAMED.findall(path.read_text(encoding="utf-8"))}
    assert len(named) > 100
    assert sorted(key for key in named if f"console.{key}" not in keys) == []


@pytest.mark.parametrize("language", list(Language))
def test_what_is_put_together_at_run_time_exists_too(language: Language) -> None:
    keys = load_texts(language).keys()
    wanted = {f"console.right.{right.value}" for right in Right}
    wanted |= {f"console.role.{role}" for role in ("counsellor", "supervisor", "operator")}
    wanted |= {f"console.company.{role}" for role in ("invited", "second", "watching")}
    wanted |= {f"console.board.to_{stage}" for stage in ("paged", "claimed", "first_word")}
    assert wanted <= keys
    assert load_texts(language).variants("console.weekday") == 7


def test_each_level_has_a_sign_of_its_own() -> None:
    assert len({shape(level) for level in Level}) == len(Level)


def test_times_are_written_as_people_do() -> None:
    start, end = datetime(2026, 11, 20, 16, tzinfo=UTC), datetime(2026, 11, 21, 1, tzinfo=UTC)
    assert Words(Language.EN).span(start, end, "Asia/Shanghai") == "Sat 21 Nov 00:00 – Sat 21 Nov 09:00"
    assert Words(Language.ZH).span(start, end, "Europe/London") == "11月20日 周五 16:00 – 11月21日 周六 01:00"


def roster(name: str) -> Roster:
    return Roster(
        zone="Europe/Berlin",
        counsellors=(Counsellor(id="lin", name=name), Counsellor(id="sam", name="Sam")),
        rotations=(Rotation(id="week", people=("lin", "sam"), start=datetime(2026, 3, 2, 9), every="day"),),  # noqa: DTZ001  # local
        leave=(Leave(who="sam", start=date(2026, 3, 27), end=date(2026, 3, 27)),),
        ladder=(Step(who=("week",)), Step(who=("sam",))),
    )


def widths(drawn: str, kind: str) -> list[float]:
    return [float(width) for width in re.findall(rf'class="{kind}" style="left:[\d.]+%;width:([\d.]+)%', drawn)]


def test_the_week_is_filled_on_every_step_also_when_clocks_change() -> None:
    drawn = timeline(Words(Language.EN), roster("Lin"), date(2026, 3, 23), datetime(2026, 3, 24, tzinfo=UTC))
    assert sum(widths(drawn, "shift") + widths(drawn, "bar-gap")) == pytest.approx(200, abs=0.1)
    days = widths(drawn, "day")
    assert sum(days) == pytest.approx(100, abs=0.1)
    assert days[6] == pytest.approx(days[0] * 23 / 24, abs=0.01), "the day on which clocks go forward is shorter"


def test_a_gap_is_loud() -> None:
    drawn = timeline(Words(Language.EN), roster("Lin"), date(2026, 3, 23), datetime(2026, 3, 24, tzinfo=UTC))
    assert len(widths(drawn, "bar-gap")) == 2, "the turn that the leave cuts, and the step of Sam alone"
    assert "Nobody" in drawn


def test_a_name_is_never_code() -> None:
    drawn = timeline(
        Words(Language.EN), roster('<b onclick="x">'), date(2026, 3, 23), datetime(2026, 3, 24, tzinfo=UTC)
    )
    assert "<b" not in drawn
    assert "&lt;b onclick=&quot;x&quot;&gt;" in drawn
