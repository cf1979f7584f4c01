"""The model that is trained: one from a folder or the hub, or a new one with a tokenizer learned from its texts."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

from config import ConfigError
from engine.generators.loading import first_line, looks_like_path
from engine.training.settings import Size

END, PAD = "<|endoftext|>", "<|pad|>"


@dataclass(frozen=True, slots=True)
class Base:
    """A model to train, its tokenizer, what it is called, and whether it knows nothing yet."""

    model: Any
    tokenizer: Any
    name: str
    is_new: bool

    @property
    def context(self) -> int:
        """How many tokens it can read at once."""
        return int(getattr(self.model.config.get_text_config(), "max_position_embeddings", None) or 1 << 20)


def load_base(name: str, dtype: torch.dtype) -> Base:
    """A causal model and its tokenizer. Raises ConfigError."""
    if looks_like_path(name) and not Path(name).expanduser().is_dir():
        raise ConfigError(f"--base: there is no folder {name}")
    causal: Any = AutoModelForCausalLM  # not typed
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(name)
        model = causal.from_pretrained(name, dtype=dtype)
    except Exception as error:  # the libraries raise a dozen kinds, down to bare ones from storage backends
        raise ConfigError(
            f"--base: {name} could not be loaded as a causal language model: {first_line(error)}"
        ) from None
    if tokenizer.eos_token_id is None:
        raise ConfigError(f"--base: the tokenizer of {name} has no token that ends a text")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token  # what pads has no label, so it is never learned
    return Base(model, tokenizer, name, is_new=False)


def make_new(name: str, size: Size, texts: Iterable[str], seed: int) -> Base:
    """GPT-2 of that size with weights drawn at random, and a tokenizer for `texts`."""
    tokenizer = train_tokenizer(texts, size.vocabulary)
    config = AutoConfig.for_model(
        "gpt2",
        vocab_size=len(tokenizer),
        n_positions=size.context,
        n_embd=size.width,
        n_layer=size.layers,
        n_head=size.heads,
        # Nothing is dropped at random: training from nothing sees each text a few times, and ends early if it must.
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=tokenizer.eos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(seed)
    causal: Any = AutoModelForCausalLM  # not typed
    return Base(causal.from_config(config, dtype=torch.float32), tokenizer, name, is_new=True)


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> Any:
    """Byte-level BPE (Radford et al. 2019): any text has tokens, those that are common have few."""
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[END, PAD],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    raw.train_from_iterator(texts, trainer)
    wrap: Any = PreTrainedTokenizerFast  # not typed
    return wrap(tokenizer_object=raw, eos_token=END, pad_token=PAD)
