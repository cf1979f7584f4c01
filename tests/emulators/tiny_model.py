"""Real models of a few thousand weights, built here and written to a folder as a hub would hold them."""

from functools import cache
from pathlib import Path
from typing import Any, Literal

Kind = Literal["llama", "qwen3", "gpt2"]

CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
TEXTS = [
    "你是一个陪人说话的助手。听起来你最近很累，愿意多说一点吗？问：我睡不着。答：躺下以后在想什么呢？",
    "You are an AI that listens. It sounds like a hard week; what weighs most? Question: I cannot sleep. Answer:",
    "面试又没过，我觉得自己什么都做不好。难过的时候，先让身体慢下来。",
]


@cache
def tokenizer() -> Any:
    """A byte-level tokenizer, trained on a few sentences, so that Chinese characters span several tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    wrap: Any = PreTrainedTokenizerFast  # not typed

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=360,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    raw.train_from_iterator(TEXTS, trainer)
    return wrap(tokenizer_object=raw, eos_token="<|im_end|>", pad_token="<|endoftext|>")


def build(kind: Kind, seed: int = 0, eos: bool = False) -> Any:
    """A model with random weights in float32. Without `eos` it never ends by itself."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    models: Any = AutoModelForCausalLM  # not typed

    size = len(tokenizer())
    ends = {"bos_token_id": 0, "eos_token_id": 2 if eos else None, "pad_token_id": 0}
    if kind == "gpt2":
        config = AutoConfig.for_model("gpt2", vocab_size=size, n_positions=4096, n_embd=32, n_layer=2, n_head=4, **ends)
    else:
        config = AutoConfig.for_model(
            kind,
            vocab_size=size,
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=8,
            max_position_embeddings=4096,
            initializer_range=0.3,
            **ends,
        )
    torch.set_num_threads(1)  # threads cost such small models more than they give
    torch.manual_seed(seed)
    return models.from_config(config, dtype=torch.float32).eval()


def save(kind: Kind, folder: Path, *, chat: bool = True, eos: bool = False) -> Path:
    """Write a model with its tokenizer, ready for `from_pretrained`."""
    build(kind, eos=eos).save_pretrained(folder)
    return save_tokenizer(folder, chat=chat)


def save_tokenizer(folder: Path, *, chat: bool = True) -> Path:
    """Write the tokenizer alone, beside a model that was changed first."""
    made = tokenizer()
    made.chat_template = CHAT_TEMPLATE if chat else None
    made.save_pretrained(folder)
    return folder


def save_classifier(folder: Path, texts: list[str]) -> Path:
    """Write a small BERT with random weights that knows the characters of `texts`, as a base for fine-tuning."""
    import torch
    from transformers import AutoConfig, AutoModelForSequenceClassification, BertTokenizer

    models: Any = AutoModelForSequenceClassification  # not typed
    tokenizers: Any = BertTokenizer
    known = sorted({char for text in texts for char in text.lower() if not char.isspace()})
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *known, *(f"##{char}" for char in known)]
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    config = AutoConfig.for_model(
        "bert", vocab_size=len(words), max_position_embeddings=64, initializer_range=0.2, **sizes
    )
    torch.manual_seed(0)
    models.from_config(config).save_pretrained(folder)
    tokenizers(vocab={word: number for number, word in enumerate(words)}, model_max_length=64).save_pretrained(folder)
    return folder
