"""What an operator chooses for a training. Nothing here loads a library."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

Prompt = Literal["chat", "completion"]


class Stage(StrEnum):
    """What is learned from. A model usually goes through them in this order."""

    TEXT = "text"  # the domain's texts and dialogues, every word of them
    CHAT = "chat"  # answers to questions and in dialogues; the loss is on the answers alone
    PREFERENCES = "preferences"  # thumbs (KTO) or counsellors' edits (DPO)


@dataclass(frozen=True, slots=True)
class Size:
    """A model made anew: GPT-2's architecture, as WenZhong has it. `vocabulary` is of its byte-level BPE tokenizer."""

    layers: int
    width: int
    heads: int
    context: int
    vocabulary: int


SIZES = {
    "gpt2-small": Size(layers=12, width=768, heads=12, context=1024, vocabulary=50_257),  # WenZhong 110M
    "gpt2-mini": Size(layers=6, width=384, heads=6, context=1024, vocabulary=16_000),
    "gpt2-tiny": Size(layers=4, width=192, heads=4, context=512, vocabulary=6_000),
}


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """How to train. The same settings and data on the same machine give the same model.

    A step learns from `batch` * `accumulate` sequences on each device, of at most `length` tokens. Every `every` steps
    the model is measured on the valid split and kept; training ends early when `patience` such measurements in a row
    brought nothing better, and the best model is what comes out.
    """

    stage: Stage
    seed: int = 7
    epochs: float = 3.0
    steps: int = 0  # if above 0, training ends after so many, whatever `epochs` says
    length: int = 1024
    batch: int = 8
    accumulate: int = 1
    rate: float = 0.0  # the height of the learning rate; 0: as `usual_rate` says
    warm_up: float = 0.03  # share of the steps in which the rate rises; then it falls along a cosine
    lora: int = 0  # the rank of the adapters that are trained in place of all weights; 0: all weights
    beta: float = 0.1  # how closely a model trained on preferences stays with the one it comes from
    every: int = 200
    patience: int = 3
    log_every: int = 10
    prompt: Prompt | None = None  # None: by the chat template where the tokenizer has one
    device: str = "auto"

    def usual_rate(self, is_new: bool) -> float:
        """The learning rate where none is set: lower for weights that know something, higher for adapters."""
        if self.rate:
            return self.rate
        if is_new:
            return 1e-3
        by_stage = {Stage.TEXT: 2e-5, Stage.CHAT: 1e-5, Stage.PREFERENCES: 1e-6}
        return by_stage[self.stage] * (10 if self.lora else 1)
