"""Training language models: every stage runs, repeats, goes on after a kill, and ends in a model that answers."""

import json
import os
import random
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from bot.cli import main
from config import ConfigError, Language, Script
from config.settings import TransformersSettings
from engine.evaluation.measure import held_out_answers, learn_ngrams, measure
from engine.generators.local import LocalGenerator
from engine.training import Size, Stage, TrainingSettings
from engine.training.card import Course
from engine.training.train import CHECKPOINTS, RUN, train
from engine.types import Request
from tests.emulators import tiny_model

NANO = Size(layers=1, width=16, heads=2, context=96, vocabulary=300)
FAST = TrainingSettings(Stage.TEXT, epochs=1, length=64, batch=4, every=3, log_every=1, rate=5e-3, device="cpu")
DIALOGUE = [
    {"role": "user", "content": "我睡不着"},
    {"role": "assistant", "content": "躺下以后在想什么？"},
    {"role": "user", "content": "想面试"},
    {"role": "assistant", "content": "听起来很累。"},
]


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)  # threads cost such small models more than they give


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    rows: list[dict[str, Any]] = [{"text": f"今天第{n}次散步，心里轻了一点。"} for n in range(6)]
    rows += [{"messages": [{**turn, "content": f"{turn['content']}{n}"} for turn in DIALOGUE]} for n in range(12)]
    write(folder / "train.jsonl", rows)
    write(folder / "valid.jsonl", [{"messages": DIALOGUE}])
    return folder


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model.save("gpt2", tmp_path_factory.mktemp("base"), chat=False)  # with dropout, unlike new ones


def losses(course: Course) -> list[tuple[int, float]]:
    return list(course.loss)


async def answer(folder: Path, prompt: Any) -> str:
    generator = LocalGenerator(
        TransformersSettings(model=str(folder), prompt=prompt, device="cpu", dtype="float32", max_new_tokens=8)
    )
    await generator.start()
    try:
        pieces = [piece async for piece in generator.stream(Request("睡不着", Language.ZH, Script.HANS))]
    finally:
        await generator.close()
    return "".join(piece.text for piece in pieces)


async def test_a_new_model_learns_texts_and_then_answers_and_the_generator_loads_it(
    corpus: Path, tmp_path: Path
) -> None:
    said: list[str] = []
    settings = replace(FAST, epochs=6, every=5, rate=2e-2)
    read = train(corpus, tmp_path / "read", settings, new=NANO, progress=lambda line, _: said.append(line))
    assert read.loss[-1][1] < read.loss[0][1] * 0.9
    assert any("left" in line for line in said)
    assert any("bits per character" in line for line in said)
    talks = train(corpus, tmp_path / "talks", replace(settings, stage=Stage.CHAT), base=str(tmp_path / "read"))
    assert talks.best is not None
    assert talks.loss[0][1] < read.loss[0][1]  # it begins with what it knows
    assert isinstance(await answer(tmp_path / "talks", "completion"), str)
    card = (tmp_path / "talks" / "README.md").read_text(encoding="utf-8")
    assert f"PSYLLM_TRANSFORMERS__MODEL={tmp_path / 'talks'}" in card
    assert "PSYLLM_TRANSFORMERS__PROMPT=completion" in card
    assert "| rows to learn from | 12 |" in card
    assert f"{talks.best[1]:.4f} at step {talks.best[0]}" in card
    assert "Nobody has rated" in card
    assert (tmp_path / "talks" / "losses.svg").read_text(encoding="utf-8").startswith("<svg")
    assert not (tmp_path / "talks" / CHECKPOINTS).exists()


async def test_adapters_are_merged_into_a_model_with_a_chat_template(corpus: Path, tmp_path: Path) -> None:
    saved = tiny_model.save("llama", tmp_path / "base", eos=True)
    settings = replace(FAST, stage=Stage.CHAT, length=2000, batch=8, lora=4, steps=2)
    course = train(corpus, tmp_path / "out", settings, base=str(saved))
    assert course.steps == 2
    assert not list((tmp_path / "out").glob("adapter*"))
    assert isinstance(await answer(tmp_path / "out", "chat"), str)


@pytest.mark.parametrize("kind", ["thumbs", "edits"])
def test_preferences_with_consent_move_a_model(kind: str, base: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    thumbs = [
        {
            "messages": [{"role": "user", "content": f"难过{n}"}],
            "answer": "好的",
            "helpful": n % 2 == 0,
            "consent": n > 1,
        }
        for n in range(12)
    ]
    edits = [
        {"messages": [{"role": "user", "content": f"难过{n}"}], "draft": "别想了", "edited": "我在听", "consent": n > 1}
        for n in range(12)
    ]
    write(data / f"{kind}.jsonl", thumbs if kind == "thumbs" else edits)
    settings = replace(FAST, stage=Stage.PREFERENCES, batch=2, steps=3, length=128)
    course = train(data, tmp_path / "out", settings, base=str(base))
    assert course.steps == 3
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert f"| {kind} left out for want of consent | 2 |" in card


def test_the_same_seed_gives_the_same_model_and_another_does_not(corpus: Path, base: Path, tmp_path: Path) -> None:
    settings = replace(FAST, stage=Stage.CHAT)
    first, second, other = (
        train(corpus, tmp_path / name, replace(settings, seed=seed), base=str(base))
        for name, seed in (("a", 7), ("b", 7), ("c", 8))
    )
    assert losses(first) == losses(second)
    assert (tmp_path / "a" / "model.safetensors").read_bytes() == (tmp_path / "b" / "model.safetensors").read_bytes()
    assert losses(first) != losses(other)


_KILLED = """
import os, signal, sys
from pathlib import Path
from dataclasses import replace
import torch
from engine.training.train import train
from tests.unit.test_training import FAST, Stage
torch.set_num_threads(1)
corpus, out, base, step = sys.argv[1:]
def kill(line, _):
    if line.startswith(f"step {step} of") and "loss" in line:
        os.kill(os.getpid(), signal.SIGKILL)
train(Path(corpus), Path(out), replace(FAST, stage=Stage.CHAT, epochs=3, every=2), base=base, progress=kill)
"""


def test_a_killed_training_goes_on_with_the_same_losses_to_the_step(corpus: Path, base: Path, tmp_path: Path) -> None:
    settings = replace(FAST, stage=Stage.CHAT, epochs=3, every=2)  # so that some are kept in the midst of an epoch
    whole = train(corpus, tmp_path / "whole", settings, base=str(base))
    step = random.randint(3, whole.steps - 1)  # after the first checkpoint, at any step
    out = tmp_path / "killed"
    command = [sys.executable, "-c", _KILLED, str(corpus), str(out), str(base), str(step)]
    ended = subprocess.run(command, check=False, capture_output=True, env={**os.environ, "HF_HUB_OFFLINE": "1"})
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    assert not (out / "model.safetensors").exists()
    half = out / CHECKPOINTS / "checkpoint-999"  # what a kill in the midst of writing one leaves
    half.mkdir()
    (half / "model.safetensors").write_bytes(b"half")
    said: list[str] = []
    resumed = train(corpus, out, settings, base=str(base), progress=lambda line, _: said.append(line))
    assert any(line.startswith("going on after step") for line in said)
    assert losses(resumed) == losses(whole)
    assert resumed.valid == whole.valid
    assert (out / "model.safetensors").read_bytes() == (tmp_path / "whole" / "model.safetensors").read_bytes()


def test_it_ends_early_when_the_valid_split_gets_no_better_and_keeps_the_best(
    corpus: Path, base: Path, tmp_path: Path
) -> None:
    settings = replace(FAST, stage=Stage.CHAT, epochs=200, every=1, patience=2, rate=0.5)
    course = train(corpus, tmp_path / "out", settings, base=str(base))
    assert course.steps < course.planned
    assert course.best is not None
    assert course.steps == course.best[0] + 2
    assert course.best[1] < course.valid[-1][1]
    unmoved = replace(settings, epochs=1, steps=1, rate=1e-12)
    (kept,) = train(corpus, tmp_path / "kept", unmoved, base=str(tmp_path / "out")).valid
    assert kept[1] == pytest.approx(course.best[1], rel=1e-3)


@pytest.fixture
def asked(corpus: Path, base: Path, tmp_path: Path) -> dict[str, Any]:
    return {"data": corpus, "out": tmp_path / "out", "settings": FAST, "base": str(base)}


def test_what_cannot_be_trained_is_refused_in_a_sentence(asked: dict[str, Any], tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "train.jsonl").write_text("")
    used = tmp_path / "used"
    used.mkdir()
    (used / RUN).write_text('{"fingerprint": "of another"}')
    wrong = tmp_path / "wrong"
    wrong.mkdir()
    write(wrong / "train.jsonl", [{"text": "好"}, {"messages": [{"role": "stranger", "content": "你好"}]}])
    full = tmp_path / "full"
    full.mkdir()
    (full / "thesis.txt").write_text("mine")
    faults: list[tuple[dict[str, Any], str]] = [
        ({"data": empty}, "holds nothing to learn from"),
        ({"data": wrong}, "line 2: each of the messages has a role"),
        ({"settings": replace(FAST, prompt="chat")}, "has no chat template"),
        ({"settings": replace(FAST, stage=Stage.PREFERENCES)}, "neither thumbs.jsonl nor edits.jsonl"),
        ({"base": str(tmp_path / "nowhere")}, "there is no folder"),
        ({"base": str(empty)}, "could not be loaded as a causal language model"),
        ({"out": used}, "holds a training of other data or settings"),
        ({"out": full}, "is not empty"),
    ]
    for change, said in faults:
        with pytest.raises(ConfigError, match=said):
            train(**{**asked, **change})
        assert not asked["out"].exists()  # so that the next try is not refused for what this one left


def test_the_command_line_says_what_to_do(
    corpus: Path, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*words: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["psyllm", "train", "model", "--data", str(corpus), *words])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0), " ".join(capsys.readouterr().err.split())

    out = ("--out", str(tmp_path / "out"))
    faults = [
        (("--stage", "chat", *out), "by --base, or a size by --new"),
        (("--stage", "chat", "--new", "gpt9", *out), "there are gpt2-small"),
        (("--stage", "sleep", "--new", "gpt2-tiny", *out), "there are text, chat, preferences"),
        (("--stage", "chat", "--new", "gpt2-tiny", "--prompt", "song", *out), "neither chat nor completion"),
        (("--stage", "chat", "--base", str(base), "--out", str(tmp_path / "no" / "out")), "name a folder"),
        (
            ("--stage", "chat", "--base", str(base), "--data", str(tmp_path / "no"), *out),
            "psyllm data prepare makes it",
        ),
        (("--stage", "chat", "--base", str(base), "--data", str(base), *out), "holds no train.jsonl"),
    ]
    for words, said in faults:
        code, told = run(*words)
        assert (code, said in told) == (2, True), told
    monkeypatch.setattr("bot.cli.train._MODEL_NEEDS", ("torch", "trl_of_another_world"))
    code, told = run("--stage", "chat", "--base", str(base), *out)
    assert (code, "pip install 'psyllm-bot[train]'" in told) == (2, True)
    monkeypatch.undo()
    chosen = ("--length", "64", "--batch", "4", "--steps", "2", "--device", "cpu")
    code, told = run("--stage", "chat", "--base", str(base), *chosen, *out)
    assert (code, "trained for 2 steps" in told) == (0, True), told
    assert (tmp_path / "out" / "model.safetensors").exists()


async def test_models_are_measured_beside_ngrams_on_the_same_answers(corpus: Path, base: Path, tmp_path: Path) -> None:
    write(tmp_path / "test.jsonl", [{"messages": DIALOGUE}, {"text": "不算"}])
    pairs = held_out_answers(tmp_path / "test.jsonl")
    assert [answer for _, answer in pairs] == [DIALOGUE[1]["content"], DIALOGUE[3]["content"]]
    generator = LocalGenerator(TransformersSettings(model=str(base), prompt="completion", device="cpu"))
    await generator.start()
    try:
        ngrams, tiny = measure([generator], learn_ngrams(corpus / "train.jsonl"), pairs)
    finally:
        await generator.close()
    assert (ngrams.system, ngrams.answers, tiny.answers) == ("character 5-grams", 2, 2)
    assert (
        ngrams.bits_per_character.value < 4 < tiny.bits_per_character.value
    )  # it read nearly the same; it read nothing
