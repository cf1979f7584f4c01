"""The command line as somebody at a terminal meets it: stable forms for programs, faults in one sentence."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from config import Language, Script
from engine.language import detect
from tests.support import ROSTER


def psyllm(
    folder: Path, *arguments: str, stdin: str = "", env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the program with a data directory of its own."""
    return subprocess.run(
        [sys.executable, "-c", "from bot.cli import main; main()", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=folder,
        env={**os.environ, "PSYLLM_DATA_DIR": str(folder / "data"), "COLUMNS": "200", **(env or {})},
        timeout=100,
        check=False,
    )


def lines(output: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in output.splitlines()]


def test_screen_answers_each_line_in_order(tmp_path: Path) -> None:
    rows: Sequence[dict[str, object]] = [
        {"id": 1, "text": "我不想活了"},
        {"text": "累死了，今天加班到十点"},
        {"id": "c", "text": "I have the pills here", "context": ["I can't go on"]},
    ]
    done = psyllm(tmp_path, "screen", stdin="\n".join(json.dumps(row) for row in rows))
    found = lines(done.stdout)
    assert [row.get("id") for row in found] == [1, None, "c"]
    assert found[0]["level"] in ("urgent", "emergency")
    assert found[1]["level"] in ("none", "elevated")
    assert found[2]["level"] in ("urgent", "emergency")
    assert set(found[0]) == {"id", "level", "category", "score", "evidence", "version", "micros"}
    evidence = found[0]["evidence"]
    assert isinstance(evidence, list)
    assert set(evidence[0]) == {"start", "end", "text", "rule"}


def test_reply_answers_each_line_in_its_language(tmp_path: Path) -> None:
    file = tmp_path / "in.jsonl"
    rows = [
        {"id": 1, "text": "I can't sleep, my head won't stop"},
        {"text": "最近失恋了，很难受", "history": [{"role": "user", "text": "你好"}]},
        {"text": "我們分手了，我很難過"},
    ]
    file.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    found = lines(psyllm(tmp_path, "reply", str(file)).stdout)
    assert [row["lang"] for row in found] == ["en", "zh", "zh"]
    assert set(found[1]) == {"text", "lang", "level", "generator", "strategy", "passages", "millis"}
    assert found[0]["generator"] == "library"
    assert detect(str(found[2]["text"])) == (Language.ZH, Script.HANT)


@pytest.mark.parametrize("text", ["not json", "[]", '{"no": "text"}', '{"text": 5}'])
def test_a_bad_line_is_named(tmp_path: Path, text: str) -> None:
    done = psyllm(tmp_path, "screen", stdin=f'{{"text": "fine"}}\n{text}\n')
    assert done.returncode == 2
    assert "line 2" in done.stderr
    assert "Traceback" not in done.stderr


def test_chat_answers_over_the_same_path(tmp_path: Path) -> None:
    done = psyllm(
        tmp_path, "chat", "--lang", "en", stdin="hello, I feel anxious\n", env={"PSYLLM_TURN__GATHER_SECONDS": "0"}
    )
    assert done.returncode == 0
    assert len(done.stdout.split()) > 10
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("file", "env", "names"),
    [
        ("[telegram]\ntoken = 'secret'", {}, ["psyllm.toml", "telegram.token", "PSYLLM_TELEGRAM__TOKEN"]),
        ("[web]\nprot = 1", {}, ["psyllm.toml", "web.prot", "no such setting"]),
        ("[web]\nport = 'x'", {}, ["psyllm.toml", "web.port"]),
        ("[web\n", {}, ["psyllm.toml", "TOML"]),
        ("", {"PSYLLM_WEB__PORT": "banana"}, ["PSYLLM_WEB__PORT"]),
        ("", {"PSYLLM_WBE__PORT": "1"}, ["PSYLLM_WBE__PORT", "no such setting"]),
        ("", {"PSYLLM_CONFIG": "nowhere.toml"}, ["nowhere.toml", "cannot be read"]),
        ("", {"PSYLLM_WECHAT__APP_ID": "wx1"}, ["wechat", "token"]),
        ("", {"PSYLLM_SECRET_KEYS": "short"}, ["PSYLLM_SECRET_KEYS", "32 bytes"]),
        (
            "",
            {"PSYLLM_DATABASE_URL": "postgresql+asyncpg://nobody@127.0.0.1:1/x"},
            ["database_url", "cannot be opened"],
        ),
        ("generator = 'openai'", {}, ["openai.base_url"]),
        ("[handoff]\nroster = 'no.toml'", {}, ["no.toml", "handoff.roster"]),
    ],
)
def test_a_wrong_setting_is_one_clear_sentence(
    tmp_path: Path, file: str, env: dict[str, str], names: list[str]
) -> None:
    if file:
        (tmp_path / "psyllm.toml").write_text(file)
    done = psyllm(tmp_path, "run", env=env)
    assert done.returncode == 2
    assert done.stderr.startswith("psyllm: ")
    assert len(done.stderr.strip().splitlines()) == 1
    assert not [name for name in names if name not in done.stderr], done.stderr


def test_a_port_in_use_is_said_before_anything_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = psyllm(tmp_path, "run", env={"PSYLLM_WEB__PORT": str(taken.getsockname()[1])})
    assert done.returncode == 2
    assert "PSYLLM_WEB__PORT" in done.stderr


def test_an_unknown_role_is_named(tmp_path: Path) -> None:
    done = psyllm(tmp_path, "run", "--roles", "web,cook", env={"PSYLLM_WEB__PORT": "0"})
    assert done.returncode == 2
    assert "cook" in done.stderr


def test_the_doctor_names_what_to_do(tmp_path: Path) -> None:
    done = psyllm(tmp_path, "doctor")
    assert "PSYLLM_SECRET_KEYS" in done.stdout
    assert "handoff.roster" in done.stdout
    assert "Traceback" not in done.stderr


def test_the_database_is_made_checked_and_keyed(tmp_path: Path) -> None:
    assert psyllm(tmp_path, "db", "check").returncode == 1
    assert psyllm(tmp_path, "db", "upgrade").returncode == 0
    assert psyllm(tmp_path, "db", "check").returncode == 0
    key = psyllm(tmp_path, "db", "new-key").stdout.strip()
    assert psyllm(tmp_path, "db", "upgrade", env={"PSYLLM_SECRET_KEYS": key}).returncode == 0


def test_what_is_kept_about_a_person_can_be_exported_and_erased(tmp_path: Path) -> None:
    psyllm(tmp_path, "chat", "--lang", "en", stdin="I feel lonely\n", env={"PSYLLM_TURN__GATHER_SECONDS": "0"})
    kept = json.loads(psyllm(tmp_path, "person", "export", "1").stdout)
    assert kept["conversations"][0]["messages"][0]["text"] == "I feel lonely"
    assert psyllm(tmp_path, "person", "erase", "1", "--yes").returncode == 0
    assert psyllm(tmp_path, "person", "export", "1").returncode == 1


def test_the_roster_is_shown_checked_and_opens_the_console(tmp_path: Path) -> None:
    (tmp_path / "roster.toml").write_text(ROSTER)
    (tmp_path / "psyllm.toml").write_text("[handoff]\nroster = 'roster.toml'")
    assert "Lin" in psyllm(tmp_path, "oncall", "who").stdout
    assert psyllm(tmp_path, "oncall", "check").returncode == 0
    assert "/console/setup#" in psyllm(tmp_path, "oncall", "invite", "lin").stdout
    assert "nobody" in psyllm(tmp_path, "oncall", "invite", "nobody").stderr


ABSENT = """
[[leave]]
who = "lin"
start = 2020-01-01
end = 2099-01-01

[[leave]]
who = "sam"
start = 2020-01-01
end = 2099-01-01
"""


def test_a_roster_with_a_gap_starts_only_after_an_explicit_yes(tmp_path: Path) -> None:
    (tmp_path / "psyllm.toml").write_text("[handoff]\nroster = 'roster.toml'\n[web]\nport = 0")
    (tmp_path / "roster.toml").write_text(ROSTER + ABSENT)
    for command in (("run",), ("oncall", "check")):
        refused = psyllm(tmp_path, *command)
        assert refused.returncode == 2
        assert "nobody is on call from " in refused.stderr
        assert "gaps_accepted = true" in refused.stderr
        assert "Traceback" not in refused.stderr
    (tmp_path / "roster.toml").write_text("gaps_accepted = true\n" + ROSTER + ABSENT)
    agreed = psyllm(tmp_path, "oncall", "check")
    assert agreed.returncode == 1
    assert "only the last resort is called" in agreed.stdout
    assert "Lin" in psyllm(tmp_path, "oncall", "who", "--at", "2026-12-24T09:00:00").stdout


def test_the_roster_goes_out_as_a_calendar_and_leave_comes_in(tmp_path: Path) -> None:
    (tmp_path / "roster.toml").write_text(ROSTER)
    (tmp_path / "psyllm.toml").write_text("[handoff]\nroster = 'roster.toml'")
    assert "Lin" in psyllm(tmp_path, "oncall", "shifts").stdout
    assert psyllm(tmp_path, "oncall", "export", "--ics", "sam.ics", "--counsellor", "sam").returncode == 0
    assert "SUMMARY:On call\\, step 2: Sam" in (tmp_path / "sam.ics").read_text()
    brought = psyllm(tmp_path, "oncall", "import", "sam.ics", "--counsellor", "sam").stdout
    (tmp_path / "roster.toml").write_text(ROSTER + brought)
    assert "sam" not in psyllm(tmp_path, "oncall", "shifts").stdout
    assert "nobody" in psyllm(tmp_path, "oncall", "shifts").stdout
    assert "in the roster" in psyllm(tmp_path, "oncall", "import", "sam.ics", "--counsellor", "x").stderr


def test_every_setting_stands_in_the_example(tmp_path: Path) -> None:
    """The example file explains every setting, and reads as a valid configuration with its lines switched on."""
    import re
    import tomllib

    from config import Settings
    from config.settings import secret_keys

    example = (Path(__file__).parents[2] / "psyllm.example.toml").read_text()
    active = re.sub(r"^# ([a-z_]+ = )", r"\1", example, flags=re.MULTILINE)
    named = tomllib.loads(active)
    for name, field in Settings.model_fields.items():
        group = getattr(field.annotation, "model_fields", None)
        for key in group or ():
            assert key in named[name] or f"{key}_file" in named[name], f"{name}.{key}"
        assert group or name in named or f"{name}_file" in named, name
    assert secret_keys()
