"""`psyllm oncall` changes who is on call, shows it, and takes it back; the console and the bot read the same rows."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import structlog
from typer.testing import CliRunner

from bot.cli.main import app
from config import ConfigError

ROSTER = """
counsellors = [{id = "lin", name = "Lin"}, {id = "sam", name = "Sam"}]
ladder = [{who = ["week"]}]

[[rotations]]
id = "week"
people = ["lin"]
start = 2026-01-05T09:00:00
"""


class Shell:
    """Runs psyllm in a house of its own."""

    def __init__(self, folder: Path) -> None:
        (folder / "roster.toml").write_text(ROSTER)
        self._env = {"PSYLLM_DATA_DIR": str(folder), "PSYLLM_HANDOFF__ROSTER": str(folder / "roster.toml")}

    def __call__(self, *words: str, stdin: str = "") -> str:
        result = CliRunner().invoke(app, ["oncall", *words], input=stdin, env=self._env | {"COLUMNS": "160"})
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.stdout


@pytest.fixture
def oncall(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.setattr("bot.app.log", structlog.wrap_logger(structlog.ReturnLogger()))  # else it keeps a closed stderr
    return Shell(tmp_path)


def entry(kind: str, **fields: str) -> str:
    """One entry for the days around now."""
    today = datetime.now(UTC).date()
    days = f"start = {today - timedelta(days=1)}\nend = {today + timedelta(days=1)}\n"
    return f"[[{kind}]]\n" + days + "".join(f'{key} = "{value}"\n' for key, value in fields.items())


def test_a_change_is_shown_at_once_and_gone_when_it_is_taken_back(oncall: Shell) -> None:
    assert "Sam" not in oncall("who")
    assert "1 in force" in oncall("add", "-", stdin=entry("overrides", rotation="week", replace="lin", by="sam"))
    assert "Sam" in oncall("who")
    assert "Lin" not in oncall("who")
    listed = oncall("changes")
    assert "rotation week, replace lin, by sam" in listed
    found = re.search(r"\b(\d+)\b", listed)
    assert found
    oncall("remove", found[1])
    assert "Sam" not in oncall("who")
    with pytest.raises(ConfigError, match="there is no such change"):
        oncall("remove", found[1])


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("", "write .*overrides"),
        ("[[counsellors]]\nid = 'x'", "the rest stays in that file"),
        ("no toml", "is not valid TOML"),
        (entry("leave", who="zoe"), "no counsellor has this id"),
        (entry("leave", nobody="lin"), "leave: "),
        (entry("leave", who="lin"), "nobody is on call .*--accept-gaps"),
    ],
)
def test_what_does_not_fit_is_refused_and_changes_nothing(oncall: Shell, text: str, refusal: str) -> None:
    with pytest.raises(ConfigError, match=refusal):
        oncall("add", "-", stdin=text)
    assert "Lin" in oncall("who")
    assert "lin" not in oncall("changes")


def test_a_gap_is_taken_with_a_yes(oncall: Shell) -> None:
    oncall("add", "-", "--accept-gaps", stdin=entry("leave", who="lin"))
    assert "who lin" in oncall("changes")
