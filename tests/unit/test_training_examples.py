"""What a model is trained on: which tokens count, whose rows are read, and the n-gram model it is compared with."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config import ConfigError, Language, Script
from engine.evaluation.ngram import CharacterModel
from engine.generators.encoding import Encoder
from engine.training.curve import draw_curve
from engine.training.examples import IGNORED, Example, Tally, chat_examples, plain, preference_rows, text_examples
from engine.training.rows import Dialogue, Edit, Text, Thumb, read_preferences
from engine.types import Request, Role, Turn
from tests.emulators import tiny_model

TURNS = ("我睡不着", "躺下以后在想什么？", "想面试", "听起来很累。")


def dialogue(*said: str) -> Dialogue:
    roles = (Role.USER, Role.ASSISTANT)
    return Dialogue(tuple(Turn(roles[n % 2], text) for n, text in enumerate(said)), Language.ZH, Script.HANS)


def encoder(kind: str) -> Encoder:
    tokenizer = tiny_model.tokenizer()
    tokenizer.chat_template = tiny_model.CHAT_TEMPLATE
    return Encoder(tokenizer, kind)


def learned(example: Example) -> list[str]:
    """The runs of text that count in the loss."""
    runs: list[list[int]] = [[]]
    for label in example.labels:
        if label == IGNORED:
            runs.append([])
        else:
            runs[-1].append(label)
    return [tiny_model.tokenizer().decode(run) for run in runs if run]


def test_of_a_dialogue_written_as_text_the_answers_count_and_what_ends_them() -> None:
    tally = Tally()
    (example,) = chat_examples([dialogue(*TURNS)], encoder("completion"), 500, tally)
    assert learned(example) == ["躺下以后在想什么？\n问：", "听起来很累。<|im_end|>"]
    shown = tiny_model.tokenizer().decode(example.tokens)
    assert shown == "问：我睡不着\n答：躺下以后在想什么？\n问：想面试\n答：听起来很累。<|im_end|>"
    assert example.characters == len(TURNS[1]) + len(TURNS[3]) + 2
    assert (tally.rows, tally.characters, tally.too_long) == (1, example.characters, 0)


def test_by_a_chat_template_each_answer_is_learned_behind_the_prompt_of_service() -> None:
    made = encoder("chat")
    spoken = dialogue(*TURNS)
    examples = list(chat_examples([spoken], made, 3000, Tally()))
    assert [learned(example) for example in examples] == [["躺下以后在想什么？<|im_end|>"], ["听起来很累。<|im_end|>"]]
    for example, (request, _) in zip(examples, spoken.answers(), strict=True):
        served = made.encode(request, 1500)
        assert example.tokens[: len(served)] == served
        assert set(example.labels[: len(served)]) == {IGNORED}


@given(st.lists(st.text(min_size=1, max_size=60).filter(str.strip), min_size=2, max_size=8), st.integers(40, 300))
def test_whatever_is_said_examples_fit_and_only_answers_count(said: list[str], length: int) -> None:
    tally = Tally()
    spoken = dialogue(*said)
    examples = list(chat_examples([spoken], encoder("completion"), length, tally))
    assert all(len(example.tokens) == len(example.labels) <= length for example in examples)
    assert all(label in (IGNORED, token) for each in examples for token, label in zip(each.tokens, each.labels))  # noqa: B905
    answers = sum(1 for _ in spoken.answers())
    assert sum(len(learned(example)) for example in examples) + tally.too_long == answers


def test_every_token_of_a_text_counts_once_however_it_is_cut() -> None:
    tokenizer = tiny_model.tokenizer()
    text = "难过的时候，先让身体慢下来。" * 5
    whole = [*tokenizer.encode(text), tokenizer.eos_token_id]
    tally = Tally()
    examples = list(text_examples([Text(text)], tokenizer, 16, tally))
    assert [label for each in examples for label in each.labels if label != IGNORED] == whole
    assert sum(each.characters for each in examples) == tally.characters == len(text) + 1


def test_what_a_user_writes_never_becomes_a_control_token() -> None:
    row = dialogue("你好<|im_end|>", "好<|im_end|><|endoftext|>的")
    (example,) = chat_examples([row], encoder("completion"), 500, Tally())
    special = set(tiny_model.tokenizer().all_special_ids)
    assert [token for token in example.tokens if token in special] == [tiny_model.tokenizer().eos_token_id]


def test_a_dialogue_as_text_is_written_whole() -> None:
    assert plain(dialogue(*TURNS)) == "问：我睡不着\n答：躺下以后在想什么？\n问：想面试\n答：听起来很累。"
    assert plain(dialogue("在吗", "在", "嗯")) == "问：在吗\n答：在\n问：嗯"


ASKED = [{"role": "user", "content": "难过"}]


def thumbs(count: int = 60) -> Iterator[dict[str, Any]]:
    for n in range(count):
        yield {"messages": ASKED, "answer": f"答{n}", "helpful": True, "consent": True, "person": f"p{n % 20}"}


def write(folder: Path, name: str, rows: list[dict[str, Any]]) -> None:
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


@pytest.mark.parametrize("consent", [False, None, "true", 1, "yes"])
def test_preferences_without_a_clear_consent_are_never_read(consent: Any, tmp_path: Path) -> None:
    write(tmp_path, "thumbs.jsonl", [{**row, "consent": consent} for row in thumbs(5)] + [*thumbs(20)])
    assert read_preferences(tmp_path).without_consent == 5
    write(tmp_path, "thumbs.jsonl", [{**row, "consent": consent} for row in thumbs(5)])
    with pytest.raises(ConfigError, match="5 have no consent"):
        read_preferences(tmp_path)


def test_rows_of_one_person_stay_in_one_split(tmp_path: Path) -> None:
    write(tmp_path, "thumbs.jsonl", list(thumbs()))
    read = read_preferences(tmp_path)
    assert len(read.train) + len(read.valid) == 60
    assert read.valid
    numbers = [
        {int(row.answer[1:]) % 20 for row in part if isinstance(row, Thumb)} for part in (read.train, read.valid)
    ]
    assert not numbers[0] & numbers[1]


def test_faults_of_preferences_name_the_line_and_not_the_words(tmp_path: Path) -> None:
    faults: list[tuple[dict[str, Any], str]] = [
        ({"helpful": "yes"}, "helpful is true or false"),
        ({"answer": ""}, "answer is missing"),
        ({"messages": []}, "messages is missing"),
        ({"messages": [*ASKED, {"role": "assistant", "content": "嗯"}]}, "the last of the messages must be the user's"),
    ]
    for change, said in faults:
        write(tmp_path, "thumbs.jsonl", [next(thumbs()) | change])
        with pytest.raises(ConfigError, match=f"line 1: {said}") as caught:
            read_preferences(tmp_path)
        assert "难过" not in str(caught.value)


def test_preferences_are_asked_as_in_service_and_answers_end() -> None:
    request = Request("难过", Language.ZH, Script.HANS)
    rows = preference_rows([Thumb(request, "好", True), Edit(request, "别想了", "我在听")], encoder("completion"), 200)
    assert rows == [
        {"prompt": "问：难过\n答：", "completion": "好<|im_end|>", "label": True},
        {"prompt": "问：难过\n答：", "chosen": "我在听<|im_end|>", "rejected": "别想了<|im_end|>"},
    ]


def test_ngrams_share_out_all_probability_and_foresee_what_they_read() -> None:
    text = "今天很累，今天很难过。"
    model = CharacterModel([text] * 3, order=3)
    for before in ("", "今", "今天", "没见过"):
        seen = sum(model.chance("\x02\x02" + before, char) for char in set(text))
        unseen = 155_000 - len(set(text))
        assert math.isclose(seen + unseen * model.chance("\x02\x02" + before, "Ω"), 1, rel_tol=1e-9)
    assert model.bits("", text) / len(text) < 1
    assert model.bits("", "完全不同的话") / 6 > 8


def test_kneser_ney_counts_what_a_character_may_follow() -> None:
    # Chen and Goodman's example: "Francisco" is frequent, but follows "San" alone, so elsewhere it is unlikely.
    model = CharacterModel(["圣弗" * 9, "甲乙", "丙乙", "丁乙"], order=2)
    assert model.chance("未", "乙") > model.chance("未", "弗")


def test_the_curve_shows_both_lines_and_needs_nothing_else() -> None:
    picture = draw_curve("a <b>", [(1, 5.0), (2, 4.0)], [(2, 3.5)], "bits per character on the valid split")
    assert "a &lt;b&gt;" in picture
    assert "loss, nats a token: 5.000 to 4.000" in picture
    assert "step 2: 3.500" in picture
    assert "http" not in picture.replace("http://www.w3.org/2000/svg", "")
