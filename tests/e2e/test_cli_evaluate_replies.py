"""`psyllm evaluate replies`: a stable command that other programs rely on."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bot.cli.evaluate_replies import evaluate_replies
from config import ConfigError
from tests.e2e.test_cli import psyllm
from tests.emulators import tiny_model

ROWS = [
    {
        "id": "a",
        "text": "我最近总是睡不着",
        "reference": "睡不着的时候很难熬。",
        "reply": "睡不着很难熬。",
        "system": "first",
    },
    {"id": "b", "text": "考试没考好", "reference": "你已经很努力了。", "reply": "你尽力了。", "system": "first"},
    {
        "id": "c",
        "text": "I cannot sleep",
        "references": ["That is hard.", "How long?"],
        "reply": "How long has it been?",
    },
    {"id": "d", "text": "考试没考好", "reply": "", "system": "[second]", "note": "a field of its own"},
]


@pytest.fixture(autouse=True)
def _terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A wide one; and logs that are set up for a command would outlive it in this process."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr("bot.cli.evaluate_replies.set_up_logs", lambda settings: None)
    with capture_logs():
        yield


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "replies.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in ROWS), encoding="utf-8")
    return str(path)


def test_each_system_has_a_table_beside_the_papers_figures(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    evaluate_replies(file, json=False)
    printed = capsys.readouterr().out
    for shown in ("first (zh)", "given (en)", "[second] (zh)", "28.18", "23.56", "from other data", "rjieba", "tok:zh"):
        assert shown in printed
    assert "难熬" not in printed


def test_figures_for_programs_from_standard_input(tmp_path: Path, file: str) -> None:
    text = Path(file).read_text(encoding="utf-8")
    done = psyllm(tmp_path, "evaluate", "replies", "-", "--json", stdin=text)
    report = json.loads(done.stdout)
    first, given, second = report["systems"]
    assert (first["system"], first["lang"], first["answers"], first["with_reference"]) == ("first", "zh", 2, 2)
    assert first["metrics"]["rouge_l_characters"]["low"] <= first["metrics"]["rouge_l_characters"]["value"]
    assert given["metrics"]["rouge_l_characters"] is None
    assert (second["empty"], second["metrics"]["bleu"]) == (1, None)
    assert report["models"] == []
    assert report["paper"]["figures"]["PanGu 350M"] == {"perplexity": 34.56, "rouge_l": 28.18}


def test_a_wrong_line_is_named_and_nothing_else_is_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "broken.jsonl"
    path.write_text('{"text": "好"}\n\n{"text": "private words", "reply": 3}\n', encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        evaluate_replies(str(path), json=False)
    assert f"{path}: line 3: reply: " in str(refused.value)
    assert "private" not in str(refused.value)
    assert not capsys.readouterr().out


def test_the_library_answers_where_a_reply_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "questions.jsonl"
    path.write_text('{"text": "我最近总是睡不着", "reference": "睡不着的时候很难熬。"}\n', encoding="utf-8")
    evaluate_replies(str(path), json=True)
    [system] = json.loads(capsys.readouterr().out)["systems"]
    assert (system["system"], system["answers"], system["empty"], system["library_stood_in"]) == ("library", 1, 0, 0)


def test_the_configured_model_answers_and_its_perplexity_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its drafts are noise, so the guard stops them, the library answers, and both are counted."""
    model = tiny_model.save("llama", tmp_path / "tiny")
    monkeypatch.setenv("PSYLLM_GENERATOR", "transformers")
    monkeypatch.setenv("PSYLLM_TRANSFORMERS__MODEL", str(model))
    monkeypatch.setenv("PSYLLM_TRANSFORMERS__MAX_NEW_TOKENS", "16")
    monkeypatch.setenv("PSYLLM_TRANSFORMERS__DTYPE", "float32")
    path = tmp_path / "questions.jsonl"
    path.write_text('{"text": "我最近总是睡不着", "reference": "睡不着的时候很难熬。"}\n', encoding="utf-8")
    evaluate_replies(str(path), json=True)
    report = json.loads(capsys.readouterr().out)
    [system], [measured] = report["systems"], report["models"]
    assert system["system"] == measured["model"] == "transformers:tiny"
    assert system["library_stood_in"] == 1
    assert measured["perplexity"]["value"] > 1
    assert measured["references"] == 1


def test_a_model_that_does_not_load_is_a_sentence(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PSYLLM_GENERATOR", "transformers")
    monkeypatch.setenv("PSYLLM_TRANSFORMERS__MODEL", "./nowhere")
    with pytest.raises(ConfigError, match=r"there is no folder \./nowhere"):
        evaluate_replies(file, json=False)


def test_a_missing_extra_is_a_sentence(tmp_path: Path, file: str) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['rouge_score'] = None\n", encoding="utf-8")
    done = psyllm(tmp_path, "evaluate", "replies", file, env={"PYTHONPATH": str(tmp_path)})
    assert done.returncode == 2
    assert "pip install 'psyllm-bot[evaluate]'" in done.stderr
