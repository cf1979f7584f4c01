"""Weights in 8 bits: nearly the same numbers, no answer changed by a neighbour's, refused where it cannot run."""

import asyncio
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st
from torch import nn
from transformers.pytorch_utils import Conv1D

from config import Language, Script, load_settings
from config.errors import ConfigError
from config.settings import TransformersSettings
from engine import GeneratorError, Request
from engine.generators.int8 import Int8Linear, check_supported
from engine.generators.loading import load
from engine.generators.local import LocalGenerator
from engine.generators.sampling import Sampling
from tests.emulators import tiny_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model.save("qwen3", tmp_path_factory.mktemp("qwen3"))


def settings(folder: Path, quantize: str = "int8") -> TransformersSettings:
    values = {"model": str(folder), "dtype": "float32", "max_new_tokens": 24, "quantize": quantize}
    return TransformersSettings.model_validate(values)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_layer_gives_nearly_what_it_gave(dtype: torch.dtype) -> None:
    torch.manual_seed(1)
    linear = nn.Linear(256, 96).to(dtype)
    values = torch.randn(3, 5, 256).to(dtype)
    with torch.inference_mode():
        exact, found = linear(values).float(), Int8Linear(linear)(values)
    assert found.dtype == dtype
    assert found.shape == exact.shape
    assert float((found.float() - exact).norm() / exact.norm()) < 0.02


@settings_of_hypothesis(max_examples=30, deadline=None)
@given(st.integers(1, 20), st.floats(0.001, 10_000.0), st.integers(0, 1000))
def test_a_row_is_the_same_whoever_is_beside_it(neighbours: int, size: float, seed: int) -> None:
    torch.manual_seed(seed)
    layer = Int8Linear(nn.Linear(64, 32))
    row = torch.randn(1, 64)
    beside = torch.cat([row, size * torch.randn(neighbours, 64)])
    assert torch.equal(layer(row)[0], layer(beside)[0])


def test_a_row_of_nothing_stays_nothing() -> None:
    assert not torch.any(Int8Linear(nn.Linear(16, 8, bias=False))(torch.zeros(2, 16)))


@pytest.mark.parametrize("kind", ["qwen3", "gpt2"])
def test_a_models_answers_stay_close(kind: tiny_model.Kind, tmp_path: Path) -> None:
    folder = tiny_model.save(kind, tmp_path)
    exact, small = load(settings(folder, "none")), load(settings(folder))
    tokens = torch.tensor([exact.tokenizer.encode("面试又没过，我觉得自己什么都做不好。")])
    with torch.inference_mode():
        before, after = exact.model(tokens).logits, small.model(tokens).logits
    assert float(torch.cosine_similarity(before, after, dim=-1).min()) > 0.98
    assert small.version == f"{exact.version}-int8"
    assert any(isinstance(module, Int8Linear) for module in small.model.modules())
    assert not any(type(module) in (nn.Linear, Conv1D) for module in small.model.modules())


async def test_answers_come_from_it_alone_and_together_alike(folder: Path) -> None:
    generator = LocalGenerator(settings(folder), Sampling(temperature=0))
    await generator.start()

    async def answer(text: str) -> str:
        request = Request(text, Language.ZH, Script.HANS)
        return "".join([piece.text async for piece in generator.stream(request)])

    texts = ["睡不着", "面试又没过，我觉得自己什么都做不好", "我很累"]
    alone = [await answer(text) for text in texts]
    assert await asyncio.gather(*(answer(text) for text in texts)) == alone
    await generator.close()


def test_where_it_cannot_run_the_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(GeneratorError, match=r"transformers\.quantize"):
        check_supported(torch.device("meta"))
    monkeypatch.delattr(torch, "_int_mm")
    with pytest.raises(GeneratorError, match=r"transformers\.quantize"):
        check_supported(torch.device("cpu"))


@pytest.mark.parametrize(
    ("table", "names"),
    [
        ('quantize = "int8"\ndevice = "cuda"', ["transformers", "quantize", "none"]),
        ('quantize = "int3"', ["transformers.quantize"]),
    ],
)
def test_a_wrong_setting_is_one_sentence(tmp_path: Path, table: str, names: list[str]) -> None:
    file = tmp_path / "psyllm.toml"
    file.write_text(f"[transformers]\n{table}\n")
    with pytest.raises(ConfigError) as caught:
        load_settings(file)
    assert not [name for name in names if name not in str(caught.value)]
    assert "\n" not in str(caught.value)
