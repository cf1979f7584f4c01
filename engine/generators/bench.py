"""How much faster many conversations are answered together than one after another, with the same model in one run.

Random weights in the shape of a real model: speed does not depend on their values. The limit that no batch size can
pass is the memory: each step reads all weights once, so a lone answer gets at most bandwidth / weights tokens a second.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from engine.generators.batch import Batch, Row
from engine.generators.int8 import quantize
from engine.generators.loading import choose_device, choose_dtype
from engine.generators.sampling import Sampling

SHARED_TOKENS = 256  # the system prompt
OWN_TOKENS = (16, 64)
NEW_TOKENS = 48
ALONE = 4  # requests answered one after another: enough for a rate

_COMMON = {"max_position_embeddings": 8192, "bos_token_id": 0, "eos_token_id": None, "pad_token_id": 0}
SHAPES: dict[str, tuple[str, dict[str, Any]]] = {
    # Qwen3-0.6B, as its card states
    "0.6b": (
        "qwen3",
        {
            "vocab_size": 151936,
            "hidden_size": 1024,
            "intermediate_size": 3072,
            "num_hidden_layers": 28,
            "num_attention_heads": 16,
            "num_key_value_heads": 8,
            "head_dim": 128,
            "tie_word_embeddings": True,
        },
    ),
    # MiniCPM5-1B, solved from the sizes on its card: 1.08 billion parameters
    "1b": (
        "llama",
        {
            "vocab_size": 130560,
            "hidden_size": 1536,
            "intermediate_size": 4608,
            "num_hidden_layers": 24,
            "num_attention_heads": 16,
            "num_key_value_heads": 2,
            "head_dim": 128,
            "tie_word_embeddings": False,
        },
    ),
}


@dataclass(frozen=True, slots=True)
class Result:
    """Tokens a second one after another and together, and how near each comes to what the memory allows."""

    shape: str
    device: str
    dtype: str
    requests: int
    alone_tokens_per_second: float
    together_tokens_per_second: float
    first_token_seconds: float  # until the last of the requests has its first token
    weights_gb: float  # read by each step
    bandwidth_gb_per_second: float

    @property
    def ratio(self) -> float:
        """How many times as fast together."""
        return self.together_tokens_per_second / self.alone_tokens_per_second

    @property
    def alone_limit(self) -> float:
        """Tokens a second of a lone answer if reading the weights were all there is."""
        return self.bandwidth_gb_per_second / self.weights_gb

    def as_dict(self) -> dict[str, float | str]:
        """For a table or JSON."""
        return {
            "shape": self.shape,
            "device": self.device,
            "dtype": self.dtype,
            "requests": self.requests,
            "one after another, tokens/s (generate)": round(self.alone_tokens_per_second, 1),
            "together, tokens/s": round(self.together_tokens_per_second, 1),
            "ratio": round(self.ratio, 2),
            "first token of all, s": round(self.first_token_seconds, 2),
            "weights read per step, GB": round(self.weights_gb, 2),
            "memory bandwidth, GB/s": round(self.bandwidth_gb_per_second, 1),
            "limit of a lone answer, tokens/s": round(self.alone_limit, 1),
            "one after another, share of that limit": round(self.alone_tokens_per_second / self.alone_limit, 2),
            "together, times that limit": round(self.together_tokens_per_second / self.alone_limit, 2),
        }


def run(
    shape: str = "1b", requests: int = 16, device: str = "auto", dtype: str = "auto", quantized: bool = False
) -> dict[str, float | str]:
    """Measure once; takes one to two minutes on two cores. `shape` is a key of SHAPES."""
    target = choose_device(device)
    model = _build(shape, target, choose_dtype(dtype, target))
    if quantized:
        quantize(model)
    shared, prompts = _prompts(requests)
    alone = _alone(model, prompts[:ALONE])
    together, first = _together(model, shared, prompts)
    result = Result(
        shape,
        str(target),
        "int8" if quantized else str(model.dtype).removeprefix("torch."),
        requests,
        alone,
        together,
        first,
        _weights_gb(model),
        _bandwidth(target),
    )
    return result.as_dict()


def _prompts(count: int) -> tuple[list[int], list[list[int]]]:
    """A shared beginning, and prompts that begin with it."""
    rng = random.Random(1)  # noqa: S311 - no secret
    shared = rng.choices(range(1000, 100_000), k=SHARED_TOKENS)
    return shared, [shared + rng.choices(range(1000, 100_000), k=rng.randint(*OWN_TOKENS)) for _ in range(count)]


def _build(shape: str, device: torch.device, dtype: torch.dtype) -> Any:
    kind, sizes = SHAPES[shape]
    models: Any = AutoModelForCausalLM  # not typed
    torch.manual_seed(0)
    return models.from_config(AutoConfig.for_model(kind, **sizes, **_COMMON), dtype=dtype).to(device).eval()


def _alone(model: Any, prompts: list[list[int]]) -> float:
    """Tokens a second of transformers' own generate, one request at a time."""

    def answer(prompt: list[int], count: int) -> Any:
        ids = torch.tensor([prompt], device=model.device)
        return model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=count, do_sample=False)

    answer(prompts[0], 2)
    seconds = _timed(lambda: [answer(prompt, NEW_TOKENS) for prompt in prompts], model.device)
    return len(prompts) * NEW_TOKENS / seconds


def _together(model: Any, shared: list[int], prompts: list[list[int]]) -> tuple[float, float]:
    """Tokens a second of one batch, and when the last request had its first token. The prefix is kept beforehand."""
    batch = Batch(model, len(prompts), SHARED_TOKENS + OWN_TOKENS[1] + NEW_TOKENS + 1)
    batch.keep_prefix(shared)
    greedy = Sampling(temperature=0, repetition_penalty=1)
    began = time.perf_counter()
    for prompt in prompts:
        batch.add(Row(list(prompt), NEW_TOKENS, greedy))
    started: set[Row] = set()
    first = 0.0
    while batch.rows:
        for row, _, is_last in batch.step():
            if row not in started:
                started.add(row)
                first = time.perf_counter() - began
            if is_last:
                batch.remove(row)
    return len(prompts) * NEW_TOKENS / (time.perf_counter() - began), first


def _weights_gb(model: Any) -> float:
    """Gigabytes of weights that a step reads: all, but of untied input embeddings only a row a token."""
    tensors = {id(t): t for t in (*model.parameters(), *model.buffers())}
    embeddings = model.get_input_embeddings().weight
    if model.get_output_embeddings().weight is not embeddings:
        del tensors[id(embeddings)]
    return float(sum(t.numel() * t.element_size() for t in tensors.values())) / 1e9


def _bandwidth(device: torch.device) -> float:
    """Gigabytes a second that the device reads, the best of several sums over a large tensor."""
    numbers = torch.ones(256 * 1024 * 1024 // 4, device=device)
    seconds = min(_timed(lambda: numbers.sum(), device) for _ in range(8))
    return numbers.numel() * 4 / seconds / 1e9


def _timed(work: Callable[[], object], device: torch.device) -> float:
    began = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - began
