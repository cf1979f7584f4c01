"""Loading a causal language model from a folder or the hub. Every way it can fail is one sentence for the operator."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
from transformers.utils.hub import cached_file, extract_commit_hash
from transformers.utils.logging import disable_progress_bar

from config.settings import TransformersSettings
from engine.generators.batch import Batch, Row
from engine.generators.int8 import quantize
from engine.generators.sampling import Sampling
from engine.types import GeneratorError

CONTEXT = 3072  # tokens of prompt and answer together; more would only cost memory

_SERVED_LAYERS = frozenset({"full_attention", "sliding_attention"})


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model ready to run, its tokenizer, how much it reads and writes at once, and the ids that end an answer."""

    model: Any
    tokenizer: Any
    context: int
    stop: frozenset[int]
    version: str = ""  # of the weights


def load(settings: TransformersSettings) -> Loaded:
    """Load and check the model; takes seconds to minutes. Raises GeneratorError."""
    if settings.threads:
        torch.set_num_threads(settings.threads)
    disable_progress_bar()  # type: ignore[no-untyped-call]  # the library is not typed there
    name = settings.model
    if looks_like_path(name) and not Path(name).expanduser().is_dir():
        raise GeneratorError(f"transformers.model: there is no folder {name}")
    try:
        config = AutoConfig.from_pretrained(name)
        _refuse_unsupported(name, config)
        tokenizer = AutoTokenizer.from_pretrained(name)
        device = choose_device(settings.device)
        model: Any = AutoModelForCausalLM.from_pretrained(name, dtype=choose_dtype(settings.dtype, device))
        model = model.to(device).eval()
        if settings.quantize == "int8":
            quantize(model)
    except GeneratorError:
        raise
    except (MemoryError, torch.OutOfMemoryError):
        raise GeneratorError(f"{name} does not fit into memory; take a smaller model or another device") from None
    except Exception as error:  # the libraries raise a dozen kinds, down to bare ones from storage backends
        raise GeneratorError(f"{name} could not be loaded: {first_line(error)}") from None
    if settings.prompt == "chat" and not tokenizer.chat_template:
        raise GeneratorError(f"{name} has no chat template; set transformers.prompt to completion")
    version = "-".join(filter(None, (_weights_version(name), settings.quantize.removeprefix("none"))))
    loaded = Loaded(model, tokenizer, _context(config), _stop_tokens(model, tokenizer), version)
    check(loaded)
    return loaded


def _weights_version(name: str) -> str:
    """The hub's commit; for a folder, a digest of its weight files' names, sizes and dates."""
    if not (folder := Path(name).expanduser()).is_dir():
        file = cached_file(name, "config.json", local_files_only=True)  # where it lies names the commit
        return (extract_commit_hash(file, None) or "")[:8]
    files = sorted(path for path in folder.iterdir() if path.suffix in (".safetensors", ".bin"))
    about = [f"{path.name} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in files]
    return hashlib.sha256("\n".join(about).encode()).hexdigest()[:8]


def choose_device(wanted: str, setting: str = "transformers.device") -> torch.device:
    """The device of that name; `auto` takes the best there is. Raises GeneratorError that names the setting."""
    if wanted == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(wanted)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise GeneratorError(f"{setting}: {wanted} cannot be used here: {first_line(error)}") from None
    return device


def choose_dtype(wanted: str, device: torch.device) -> torch.dtype:
    """The type of that name; `auto` takes bfloat16 where the device computes in it, else float32 (float16 on a GPU)."""
    if wanted != "auto":
        return {"bfloat16": torch.bfloat16, "float16": torch.float16, "float32": torch.float32}[wanted]
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    if device.type == "cpu":
        return torch.bfloat16 if torch.ops.mkldnn._is_mkldnn_bf16_supported() else torch.float32
    return torch.float16


def check(loaded: Loaded) -> None:
    """Compare batched rows with the model's own plain pass. Raises GeneratorError if the model cannot be batched so."""
    prompts = [_probe(loaded, 5), _probe(loaded, 9)]
    try:
        plain = _plain_logits(loaded.model, prompts)
        batch = Batch(loaded.model, slots=2, context=16)
        for prompt in prompts:
            batch.add(Row(list(prompt), 1, Sampling(temperature=0)))
        with torch.inference_mode():
            while not all(row.is_fed for row in batch.rows):
                batch.feed_prompts()
            batched = batch.feed()
    except Exception as error:  # whatever an unusual architecture raises
        raise GeneratorError(f"{loaded.model.name_or_path} does not run in batches: {first_line(error)}") from None
    if float(torch.cosine_similarity(plain.float(), batched.float()).min()) < 0.98:
        raise GeneratorError(f"{loaded.model.name_or_path} computes something else in batches; serve it with vLLM")


def _plain_logits(model: Any, prompts: Sequence[list[int]]) -> torch.Tensor:
    """The logits after each prompt, one plain pass each."""
    with torch.inference_mode():
        rows = [model(torch.tensor([p], device=model.device), use_cache=False).logits[0, -1] for p in prompts]
    return torch.stack(rows)


def _probe(loaded: Loaded, length: int) -> list[int]:
    """Some ordinary tokens."""
    size = loaded.model.get_input_embeddings().num_embeddings
    return [(37 * n + 11 * length) % size for n in range(1, length + 1)]


def looks_like_path(name: str) -> bool:
    """Whether a model's name means a folder and not a place on the hub."""
    return name.startswith((".", "/", "~")) or "\\" in name


def _refuse_unsupported(name: str, config: Any) -> None:
    layers = set(getattr(config.get_text_config(), "layer_types", None) or ())
    if other := sorted(layers - _SERVED_LAYERS):
        raise GeneratorError(
            f"{name} mixes attention with {', '.join(other)}, which is not served in this process; "
            "serve it with vLLM or SGLang and set generator to openai"
        )
    if type(config) not in AutoModelForCausalLM._model_mapping:
        raise GeneratorError(f"{name} is a {config.model_type} model, which does not write text by itself")


def _context(config: Any) -> int:
    """How many tokens fit. A sliding window bounds it, as within the window it is ordinary attention."""
    text = config.get_text_config()
    bounds = [CONTEXT, getattr(text, "max_position_embeddings", None)]
    if "sliding_attention" in (getattr(text, "layer_types", None) or ()) or getattr(text, "use_sliding_window", True):
        bounds.append(getattr(text, "sliding_window", None))
    return min(bound for bound in bounds if bound)


def _stop_tokens(model: Any, tokenizer: Any) -> frozenset[int]:
    named = model.generation_config.eos_token_id
    found = [named] if isinstance(named, int) else list(named or ())
    return frozenset(token for token in (*found, tokenizer.eos_token_id) if token is not None)


def first_line(error: BaseException) -> str:
    """What an error says first: the libraries' messages go on for pages."""
    line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return line[:300]
