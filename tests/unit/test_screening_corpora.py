"""Labelled texts: one reader for the training texts, the suite, and an operator's own files."""

import json
from pathlib import Path

import pytest

from engine.linear.corpora import CorpusError, hold_back
from engine.screening.corpora import Row, corpus_files, read_rows
from engine.types import About, Category, Level, Role, Turn


def written(folder: Path, *lines: object, name: str = "texts") -> Path:
    path = folder / f"{name}.jsonl"
    path.write_text("\n".join(json.dumps(line, ensure_ascii=False) for line in lines), encoding="utf-8")
    return path


def test_a_row_may_be_short_or_say_everything(tmp_path: Path) -> None:
    whole = {
        "id": "t-1",
        "text": "b",
        "lang": "zh",
        "levels": ["urgent", "emergency"],
        "categories": ["suicide", "self_harm"],
        "about": "other",
        "source": "ward",
        "tags": ["plan"],
    }
    first, second = read_rows([written(tmp_path, {"text": "a", "level": "none"}, whole)])
    assert first == Row("a", "", frozenset({Level.NONE}), source="texts", group="texts", line=1)
    assert (second.id, second.lang, second.category, second.about) == ("t-1", "zh", Category.SUICIDE, About.OTHER)
    assert (second.source, second.group, second.line, second.tags) == ("ward", "texts", 2, ("plan",))
    assert second.levels == {Level.URGENT, Level.EMERGENCY}
    assert second.place == "texts:2"


@pytest.mark.parametrize(
    ("levels", "danger", "dangerous", "calm", "emergency"),
    [
        (["none", "elevated"], False, False, True, False),
        (["elevated", "urgent"], None, False, False, False),
        (["urgent", "emergency"], True, True, False, False),
        (["emergency"], True, True, False, True),
    ],
)
def test_a_label_may_leave_open_whether_there_is_danger(
    tmp_path: Path, levels: list[str], danger: bool | None, dangerous: bool, calm: bool, emergency: bool
) -> None:
    (row,) = read_rows([written(tmp_path, {"text": "a", "levels": levels})])
    assert (row.danger, row.dangerous, row.calm, row.emergency) == (danger, dangerous, calm, emergency)


def test_earlier_texts_come_in_three_shapes(tmp_path: Path) -> None:
    context = ["mine", {"assistant": "the bot's"}, {"role": "counsellor", "text": "a person's"}]
    (row,) = read_rows([written(tmp_path, {"text": "a", "level": "none", "context": context})])
    assert row.context == (
        Turn(Role.USER, "mine"),
        Turn(Role.ASSISTANT, "the bot's"),
        Turn(Role.COUNSELLOR, "a person's"),
    )


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ('{"text": "secret"}', '"level" must be one of none, elevated, urgent, emergency'),
        ('{"text": "secret", "level": "dire"}', '"level" must be one of'),
        ('{"text": "secret", "levels": "none"}', '"levels" must be a list'),
        ('{"text": "secret", "level": "none", "category": "sadness"}', '"category" must be one of'),
        ('{"text": "secret", "level": "none", "about": "us"}', '"about" must be one of'),
        ('{"text": "secret", "level": "none", "context": "secret"}', "earlier texts must be a list"),
        ('{"text": "secret", "level": "none", "context": [{"user": "secret"}]}', "an earlier text must be"),
        ('{"text": 3, "level": "none"}', "must be an object"),
        ('["secret"]', "must be an object"),
        ('{"text": "secret', "is not JSON"),
    ],
)
def test_a_bad_line_is_named_with_what_to_do_and_never_quoted(tmp_path: Path, line: str, advice: str) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(f'{{"text": "fine", "level": "none"}}\n\n{line}\n', encoding="utf-8")
    with pytest.raises(CorpusError, match=r"bad\.jsonl, line 3") as caught:
        read_rows([path])
    assert advice in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"missing\.jsonl"):
        read_rows([tmp_path / "missing.jsonl"])
    (tmp_path / "gbk.jsonl").write_bytes('{"text": "累"}'.encode("gbk"))
    with pytest.raises(CorpusError, match=r"gbk\.jsonl: is not UTF-8"):
        read_rows([tmp_path / "gbk.jsonl"])


def test_a_line_separator_inside_a_text_ends_no_line(tmp_path: Path) -> None:
    (row,) = read_rows([written(tmp_path, {"text": "one\u2028two", "level": "none"})])
    assert row.text == "one\u2028two"


def test_every_fifth_block_of_neighbours_is_held_back(tmp_path: Path) -> None:
    rows = read_rows([written(tmp_path, *({"text": str(n), "level": "none"} for n in range(600)))])
    learned, held = hold_back(rows)
    assert len(learned) == 480
    assert {row.line for row in held} == {*range(1, 61), *range(301, 361)}
    with pytest.raises(CorpusError, match="give more texts"):
        hold_back(rows[:60])


def test_the_projects_own_texts_are_read() -> None:
    rows = read_rows(corpus_files())
    assert len(rows) > 10_000
    assert {row.danger for row in rows} >= {True, False}
