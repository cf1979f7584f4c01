"""`psyllm data prepare` as an operator runs it."""

from pathlib import Path

from tests.e2e.test_cli import psyllm


def test_files_become_a_corpus_with_a_report(tmp_path: Path) -> None:
    page = tmp_path / "talk.txt"
    page.write_text("我叫李小雨，最近总是睡不好，电话13812345678，心里很乱，不知道应该和谁说。", encoding="utf-8")
    done = psyllm(tmp_path, "data", "prepare", str(page), "--out", str(tmp_path / "out"), "--test", "0", "--valid", "0")
    assert done.returncode == 0, done.stderr
    assert "1 kept" in done.stdout
    cleaned = (tmp_path / "out" / "train.jsonl").read_text(encoding="utf-8")
    assert "[姓名]" in cleaned
    assert "[电话]" in cleaned
    assert (tmp_path / "out" / "report.md").read_text(encoding="utf-8").startswith("# The corpus")
    refused = psyllm(tmp_path, "data", "prepare", str(tmp_path / "talk.doc"), "--out", str(tmp_path / "out"))
    assert refused.returncode == 2
    assert "no such file" in refused.stderr
