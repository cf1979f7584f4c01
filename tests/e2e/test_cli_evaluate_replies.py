"""`psyllm evaluate replies`: a stable command that other programs rely on."""

import json
from pathlib import Path

import pytest

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


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "replies.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in ROWS), encoding="utf-8")
    return str(path)


def test_each_system_has_a_table_beside_the_papers_figures(tmp_path: Path, file: str) -> None:
    done = psyllm(tmp_path, "evaluate", "replies", file)
    assert done.returncode == 0, done.stderr
    for shown in ("first (zh)", "given (en)", "[second] (zh)", "28.18", "23.56", "from other data", "rjieba", "tok:zh"):
        assert shown in done.stdout
    assert "难熬" not in done.stdout


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


def test_a_wrong_line_is_named_and_nothing_else_is_done(tmp_path: Path) -> None:
    path = tmp_path / "broken.jsonl"
    path.write_text('{"text": "好"}\n\n{"text": "private words", "reply": 3}\n', encoding="utf-8")
    done = psyllm(tmp_path, "evaluate", "replies", str(path))
    assert done.returncode == 2
    assert f"psyllm: {path}: line 3: reply: " in done.stderr
    assert "private" not in done.stderr
    assert not done.stdout


def test_the_configured_model_answers_and_its_perplexity_is_measured(tmp_path: Path) -> None:
    """Its drafts are noise, so the guard stops them, the library answers, and both are counted."""
    model = tiny_model.save("llama", tmp_path / "tiny")
    settings = {
        "PSYLLM_GENERATOR": "transformers",
        "PSYLLM_TRANSFORMERS__MODEL": str(model),
        "PSYLLM_TRANSFORMERS__MAX_NEW_TOKENS": "16",
        "PSYLLM_TRANSFORMERS__DTYPE": "float32",
    }
    text = json.dumps({"text": "我最近总是睡不着", "reference": "睡不着的时候很难熬。"})
    done = psyllm(tmp_path, "evaluate", "replies", "-", "--json", stdin=text, env=settings)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    [system], [measured] = report["systems"], report["models"]
    assert system["system"] == measured["model"] == "transformers:tiny"
    assert system["library_stood_in"] == 1
    assert measured["perplexity"]["value"] > 1
    assert measured["references"] == 1


def test_a_model_that_does_not_load_is_a_sentence(tmp_path: Path, file: str) -> None:
    settings = {"PSYLLM_GENERATOR": "transformers", "PSYLLM_TRANSFORMERS__MODEL": "./nowhere"}
    done = psyllm(tmp_path, "evaluate", "replies", file, env=settings)
    assert done.returncode == 2
    assert "there is no folder ./nowhere" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_extra_is_a_sentence(tmp_path: Path, file: str) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['rouge_score'] = None\n", encoding="utf-8")
    done = psyllm(tmp_path, "evaluate", "replies", file, env={"PYTHONPATH": str(tmp_path)})
    assert done.returncode == 2
    assert "pip install 'psyllm-bot[evaluate]'" in done.stderr
