"""Batched generation: the same tokens alone and in company, whatever the company does."""

import random
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.generators import bench
from engine.generators.batch import Batch, Row
from engine.generators.sampling import Draw, Sampling, sample
from tests.emulators import tiny_model

GREEDY = Sampling(temperature=0, repetition_penalty=1)
VOCABULARY = 300


@pytest.fixture(scope="module", params=["llama", "qwen3", "gpt2"])
def model(request: pytest.FixtureRequest) -> Any:
    return tiny_model.build(request.param)


def run(batch: Batch) -> None:
    while batch.rows:
        for row, _, is_last in batch.step():
            if is_last:
                batch.remove(row)


def prompt(length: int, seed: int) -> list[int]:
    return [random.Random(seed).randrange(3, VOCABULARY) for _ in range(length)]


def by_generate(model: Any, tokens: list[int], count: int) -> list[int]:
    """What transformers' own loop writes."""
    output = model.generate(
        torch.tensor([tokens]), attention_mask=torch.ones(1, len(tokens)), max_new_tokens=count, do_sample=False
    )
    written: list[int] = output[0, len(tokens) :].tolist()
    return written


def test_greedy_tokens_are_those_of_generate_alone_and_in_a_batch(model: Any) -> None:
    prompts = [prompt(length, length) for length in (1, 5, 40, 300, 17, 2)]
    expected = [by_generate(model, tokens, 12) for tokens in prompts]
    rows = [Row(list(tokens), 12, GREEDY) for tokens in prompts]
    batch = Batch(model, slots=6, context=512)
    for row in rows:
        batch.add(row)
    run(batch)
    assert [row.written for row in rows] == expected


def test_a_kept_prefix_changes_nothing(model: Any) -> None:
    prefix = prompt(30, 1)
    tokens = prefix + prompt(9, 2)
    batch = Batch(model, slots=2, context=128)
    batch.keep_prefix(prefix)
    rows = [Row(list(tokens), 8, GREEDY), Row(prompt(7, 3), 8, GREEDY)]
    for row in rows:
        batch.add(row)
    assert [row.length for row in rows] == [30, 0]
    run(batch)
    assert rows[0].written == by_generate(model, tokens, 8)
    assert rows[1].written == by_generate(model, prompt(7, 3), 8)


@pytest.fixture(scope="module")
def expected() -> dict[int, list[int]]:
    """What generate writes after prompts of these lengths."""
    model = tiny_model.build("llama")
    return {length: by_generate(model, prompt(length, length), 9) for length in (1, 2, 7, 20, 40)}


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    plan=st.lists(
        st.tuples(st.sampled_from([1, 2, 7, 20, 40]), st.integers(1, 9), st.integers(0, 6)), min_size=1, max_size=9
    )
)
def test_rows_that_come_and_go_never_change_one_another(
    plan: list[tuple[int, int, int]], expected: dict[int, list[int]]
) -> None:
    """Each row: length of its prompt, tokens to write, and steps to wait before it comes."""
    batch, finished, step = Batch(tiny_model.build("llama"), slots=3, context=64), 0, 0
    waiting = [(wait, Row(prompt(length, length), new, GREEDY)) for length, new, wait in plan]
    while finished < len(plan):
        for entry in [e for e in waiting if e[0] <= step]:
            if not batch.is_full:
                batch.add(entry[1])
                waiting.remove(entry)
        for row, _, is_last in batch.step() if batch.rows else []:
            if is_last:
                assert row.written == expected[row.prompt_length][: row.max_new]
                batch.remove(row)
                finished += 1
        step += 1


def test_a_seeded_row_draws_the_same_alone_and_in_a_batch(model: Any) -> None:
    def drawn(neighbours: int) -> list[int]:
        batch = Batch(model, slots=8, context=128)
        row = Row(prompt(10, 5), 20, Sampling(temperature=1.0, top_k=30, top_p=0.95), random.Random(11))
        batch.add(row)
        for n in range(neighbours):
            batch.add(Row(prompt(5 + n, n), 9, Sampling(temperature=1.3), random.Random(n)))
        run(batch)
        return row.written

    assert drawn(0) == drawn(6)


def test_an_answer_ends_at_the_context(model: Any) -> None:
    batch = Batch(model, slots=1, context=20)
    row = Row(prompt(15, 1), 50, GREEDY)
    batch.add(row)
    run(batch)
    assert len(row.tokens) == 20


def test_a_stop_token_ends_the_answer_and_is_no_part_of_it(model: Any) -> None:
    tokens = prompt(6, 9)
    written = by_generate(model, tokens, 8)
    batch = Batch(model, slots=1, context=64, stop={written[4]})
    row = Row(list(tokens), 8, GREEDY)
    batch.add(row)
    run(batch)
    assert row.written == written[: written.index(written[4])]


def draw(seed: int, written: tuple[int, ...] = (), **changes: float) -> Draw:
    return Draw(Sampling(**changes), random.Random(seed), written)  # type: ignore[arg-type]  # ints among the floats


def test_top_k_and_top_p_leave_only_the_likely_tokens() -> None:
    logits = torch.tensor([[0.0, 5.0, 4.9, 1.0]])
    assert {sample(logits, [draw(n, temperature=1.0, top_k=2)])[0] for n in range(60)} == {1, 2}
    assert {sample(logits, [draw(n, temperature=1.0, top_p=0.4)])[0] for n in range(60)} == {1}


def test_what_was_written_weighs_less() -> None:
    logits = torch.tensor([[1.0, 1.1, -1.0]])
    assert sample(logits, [draw(0, temperature=0, repetition_penalty=1.5)]) == [1]
    assert sample(logits, [draw(0, (1,), temperature=0, repetition_penalty=1.5)]) == [0]


def test_numbers_that_are_not_finite_are_an_error() -> None:
    with pytest.raises(ArithmeticError):
        sample(torch.tensor([[0.0, torch.nan]]), [draw(0)])


def test_the_benchmark_runs_and_tells_both_rates(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a tiny shape; figures of a machine are never a test's business."""
    sizes = {"vocab_size": 100_000, "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 8}
    monkeypatch.setitem(bench.SHAPES, "tiny", ("llama", sizes | heads))
    result = bench.run("tiny", requests=3, device="cpu", dtype="float32")
    assert result["requests"] == 3
    assert {"ratio", "together, tokens/s", "limit of a lone answer, tokens/s"} <= result.keys()
