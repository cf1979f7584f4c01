"""`psyllm study`: from questions and answers to a report, in the documented commands."""

import json
from pathlib import Path

from tests.e2e.test_cli import psyllm


def test_from_questions_to_a_report(tmp_path: Path) -> None:
    asked = [{"id": str(n), "lang": ("en", "zh")[n % 2], "text": f"question {n}"} for n in range(12)]
    (tmp_path / "q.jsonl").write_text("".join(json.dumps(row) + "\n" for row in asked), encoding="utf-8")
    for name in ("library", "human"):
        told = [{"id": row["id"], "text": f"{name} says {row['id']}"} for row in asked]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in told), encoding="utf-8")
    answers = ("--answers", "library=library.jsonl", "--answers", "human=human.jsonl")
    made = psyllm(tmp_path, "study", "make", "q.jsonl", *answers, "--out", "study.csv")
    assert "12 questions, 2 systems" in made.stdout, made.stderr
    psyllm(tmp_path, "study", "simulate", "study.csv", "--raters", "3", "--out", "ratings.csv")
    done = psyllm(tmp_path, "study", "report", "study.csv", "ratings.csv", "--out", "report", "--json")
    assert json.loads(done.stdout)["questions"] == 10, "two of twelve are for training"
    assert "simulated" in (tmp_path / "report" / "report.md").read_text(encoding="utf-8")
    assert "<svg" in (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert (tmp_path / "report" / "means.svg").exists()


def test_a_missing_answer_is_one_clear_sentence(tmp_path: Path) -> None:
    (tmp_path / "q.jsonl").write_text('{"id": "7", "lang": "en", "text": "why?"}\n', encoding="utf-8")
    (tmp_path / "a.jsonl").write_text('{"id": "8", "text": "so"}\n', encoding="utf-8")
    done = psyllm(tmp_path, "study", "make", "q.jsonl", "--answers", "a=a.jsonl", "--out", "s.csv")
    assert done.returncode == 2
    assert "no answer to 7" in done.stderr
    assert "Traceback" not in done.stderr
