"""What the table of crisis lines promises: each row sourced, dated, in both languages, and never more than is known."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.crisis_lines import CrisisLine, digits, load_crisis_lines
from config.errors import ConfigError
from config.language import Language

TABLE = load_crisis_lines()
EVERY_ROW = pytest.mark.parametrize("line", TABLE.lines, ids=lambda line: line.id)

ROW = """
[[line]]
id = "xx-1"
country = "XX"
kind = "emergency"
name = { zh = "紧急求助", en = "Emergency" }
number = "112"
channel = "call"
hours = { zh = "24 小时", en = "24 hours" }
languages = ["en"]
source = "https://example.org"
verified_on = 2026-01-01
expires_on = 2026-06-30
"""


def test_no_row_stands_twice() -> None:
    assert len({line.id for line in TABLE.lines}) == len(TABLE.lines)
    assert len({(line.country, digits(line.number), line.channel) for line in TABLE.lines}) == len(TABLE.lines)


def test_every_country_has_an_emergency_number() -> None:
    for country in TABLE.countries():
        assert TABLE.of(country, "emergency"), country


def test_emergency_numbers_stand_before_the_crisis_lines_of_their_country() -> None:
    for country in TABLE.countries():
        kinds = [line.kind for line in TABLE.lines if line.country == country]
        assert kinds == sorted(kinds, key=("emergency", "crisis").index), country


def test_rows_of_a_country_stand_together() -> None:
    seen = [line.country for line in TABLE.lines]
    assert [c for i, c in enumerate(seen) if i == 0 or c != seen[i - 1]] == list(TABLE.countries())


@EVERY_ROW
def test_a_row_is_complete(line: CrisisLine) -> None:
    assert re.fullmatch(r"[A-Z]{2}", line.country)
    assert line.id.startswith(line.country.lower() + "-")
    assert all(text.strip() for text in (*line.name.values(), *line.hours.values(), *line.note.values()))
    assert line.languages
    assert line.source.strip()


@EVERY_ROW
def test_a_number_is_written_as_it_is_dialled(line: CrisisLine) -> None:
    assert re.fullmatch(r"\d[\d -]*\d", line.number)


@EVERY_ROW
def test_a_row_is_checked_at_least_twice_a_year(line: CrisisLine) -> None:
    assert timedelta(0) < line.expires_on - line.verified_on <= timedelta(days=180)


@EVERY_ROW
def test_names_and_hours_are_written_in_their_language(line: CrisisLine) -> None:
    assert not re.search(r"[\u4e00-\u9fff]", line.name[Language.EN] + line.hours[Language.EN])
    assert re.search(r"[\u4e00-\u9fff]", line.name[Language.ZH])
    assert re.search(r"[\u4e00-\u9fff]", line.hours[Language.ZH])


@EVERY_ROW
def test_a_line_that_is_not_called_says_so_in_its_name(line: CrisisLine) -> None:
    said = {
        "call": (r"", r""),
        "text": (r"短信", r"(?i)text"),
        "call_text": (r"打电话或发短信", r"call or text"),
        "whatsapp": (r"WhatsApp", r"WhatsApp"),
    }[line.channel]
    assert re.search(said[0], line.name[Language.ZH])
    assert re.search(said[1], line.name[Language.EN])


def test_the_chinese_national_line_never_claims_to_be_open_all_day() -> None:
    [line] = [line for line in TABLE.lines if line.number == "12356"]
    for text in (*line.name.values(), *line.hours.values(), *line.note.values()):
        assert not re.search(r"24|全天|随时|around the clock|all day|any time", text)
    assert "18" in line.hours[Language.ZH]
    assert "18" in line.hours[Language.EN]


def test_the_dead_text_number_of_the_samaritans_is_absent() -> None:
    assert not TABLE.knows("07725 909090")


def test_no_row_is_expired_on_the_day_it_was_checked_and_every_row_is_the_day_after_it_expires() -> None:
    first, last = min(line.expires_on for line in TABLE.lines), max(line.expires_on for line in TABLE.lines)
    assert TABLE.expired(max(line.verified_on for line in TABLE.lines)) == ()
    assert TABLE.expired(first) == ()
    assert TABLE.expired(last + timedelta(days=1)) == TABLE.lines


@EVERY_ROW
def test_a_number_of_the_table_is_known_however_it_is_spaced(line: CrisisLine) -> None:
    assert TABLE.knows(line.number)
    assert TABLE.knows(" ".join(digits(line.number)))
    assert TABLE.knows("-".join(digits(line.number)))


@given(st.text(alphabet="0123456789 -", min_size=1, max_size=16))
def test_no_other_number_is_known(number: str) -> None:
    assert TABLE.knows(number) == (digits(number) in {digits(line.number) for line in TABLE.lines})


def test_an_operator_may_use_a_table_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "lines.toml"
    path.write_text(ROW, encoding="utf-8")
    assert load_crisis_lines(path).countries() == ("XX",)
    assert load_crisis_lines(path).of("ZZ", "emergency") == ()


@pytest.mark.parametrize(
    ("was", "now", "says"),
    [
        ('kind = "emergency"', 'kind = "hotline"', "line 0: .*kind"),
        (', en = "Emergency"', "", "line 0: .*name"),
        ("verified_on = 2026-01-01", "", "line 0: .*verified_on"),
        ('languages = ["en"]', 'languages = ["en"]\ncolour = "red"', "line 0: .*colour"),
        ("[[line]]", "[[row]]", "at least one"),
        ('"112"', '"112', "not valid TOML"),
    ],
)
def test_a_wrong_row_is_refused_by_name(tmp_path: Path, was: str, now: str, says: str) -> None:
    path = tmp_path / "lines.toml"
    path.write_text(ROW.replace(was, now), encoding="utf-8")
    with pytest.raises(ConfigError, match=says):
        load_crisis_lines(path)
