"""Fine-tunes a transformer from the hub or a folder to judge texts by level, for a second opinion after the screener.

Needs torch and transformers (extra `llm`). What comes out is a folder for `AutoModelForSequenceClassification`, with
the levels as its labels. It learns from all but every fifth block of rows, and is judged on those. After each epoch it
keeps what it needs to go on: the same call continues an interrupted run and ends with the same weights. Seeds are
fixed: the same rows on the same machine give the same model.
"""

import hashlib
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils import clip_grad_norm_
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from config import ConfigError
from engine.generators.loading import choose_device, first_line
from engine.linear.corpora import hold_back
from engine.repeatable import repeatable
from engine.screening.corpora import Row
from engine.screening.evaluate import Figures, Judged, by_group
from engine.types import Assessment, Level

Progress = Callable[[str], None]

LEVELS = tuple(Level)
_NEAR = 50  # batches of texts of about the same length are made within so many batches


class FinetuneError(ConfigError):
    """The base model cannot be used. The message says why."""


@dataclass(frozen=True, slots=True)
class FinetuneSettings:
    """How to train."""

    seed: int = 7
    epochs: int = 3
    batch: int = 16
    rate: float = 3e-5
    warm_up: float = 0.1  # share of the steps in which the rate rises to its height; then it falls to nothing
    longest: int = 256  # tokens of a text; the rest is not read
    device: str = "auto"


@dataclass(frozen=True, slots=True)
class Classifier:
    """A model with a label for each level, and its tokenizer."""

    model: Any
    tokenizer: Any
    longest: int

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """Each text as token ids, none longer than `longest`."""
        readable = [text.encode("utf-8", "replace").decode() for text in texts]
        found: list[list[int]] = self.tokenizer(readable, truncation=True, max_length=self.longest)["input_ids"]
        return found

    def logits(self, tokens: Sequence[list[int]]) -> Tensor:
        """A row of level scores for each text."""
        device = self.model.device
        padded = self.tokenizer.pad({"input_ids": list(tokens)}, return_tensors="pt").to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            scores: Tensor = self.model(**padded).logits
        return scores.float()

    def judge(self, rows: Sequence[Row], batch: int) -> list[Judged]:
        """What the model makes of each row."""
        self.model.eval()
        judged: list[Judged] = []
        ordered = sorted(rows, key=lambda row: len(row.text))
        for part in (ordered[at : at + batch] for at in range(0, len(ordered), batch)):
            with torch.inference_mode():
                chances = functional.softmax(self.logits(self.tokens([row.text for row in part])), 1).tolist()
            judged += [Judged(row, assessment(found)) for row, found in zip(part, chances, strict=True)]
        return judged


@dataclass(frozen=True, slots=True)
class Example:
    """A text as tokens; which levels are right; how much it counts."""

    tokens: list[int]
    allowed: tuple[bool, ...]
    weight: float


def finetune(
    base: str,
    rows: Sequence[Row],
    out: Path,
    settings: FinetuneSettings = FinetuneSettings(),
    progress: Progress = lambda _: None,
) -> dict[str, Figures]:
    """Train `base` on `rows`, save it in the folder `out`, and return its figures on the rows held back, by group.

    Rows with context are left out: the classifier reads a text by itself. Raises ConfigError.
    """
    learned, held = hold_back([row for row in rows if not row.context])
    with repeatable():
        classifier = _load(base, settings)
        examples = _examples(learned, classifier)
        progress(f"learning from {len(examples)} texts on {classifier.model.device}, {len(held)} held back")
        out.mkdir(parents=True, exist_ok=True)
        kept = _Kept(out / "interrupted.pt", _fingerprint(base, learned, settings))
        _fit(classifier, examples, kept, settings, progress)
        figures = by_group(classifier.judge(held, settings.batch))
    classifier.model.save_pretrained(out)
    classifier.tokenizer.save_pretrained(out)
    kept.path.unlink(missing_ok=True)
    return figures


def _load(base: str, settings: FinetuneSettings) -> Classifier:
    """The model with a fresh head for the levels, and its tokenizer."""
    torch.manual_seed(settings.seed)  # the head is drawn at random
    models: Any = AutoModelForSequenceClassification  # not typed
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(base)
        model = models.from_pretrained(
            base,
            num_labels=len(LEVELS),
            id2label=dict(enumerate(LEVELS)),
            label2id={level: number for number, level in enumerate(LEVELS)},
            ignore_mismatched_sizes=True,  # a head for other labels is replaced
            dtype=torch.float32,
        )
    except Exception as error:  # the libraries raise a dozen kinds, down to bare ones from storage backends
        raise FinetuneError(f"{base} could not be loaded as a classifier: {first_line(error)}") from None
    return paired(model.to(choose_device(settings.device)), tokenizer, settings.longest)


def paired(model: Any, tokenizer: Any, longest: int) -> Classifier:
    """A loaded model and its tokenizer, ready to read several texts at once."""
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    model.config.pad_token_id = tokenizer.pad_token_id
    return Classifier(model, tokenizer, min(longest, tokenizer.model_max_length))


def _examples(rows: Sequence[Row], classifier: Classifier) -> list[Example]:
    weights = level_weights(rows)
    examples = []
    for row, tokens in zip(rows, classifier.tokens([row.text for row in rows]), strict=True):
        weight = sum(weights[level] for level in row.levels) / len(row.levels)
        examples.append(Example(tokens, tuple(level in row.levels for level in LEVELS), weight))
    return examples


def level_weights(rows: Sequence[Row]) -> dict[Level, float]:
    """How much a row of each level counts, more for the rare ones; a row with several levels counts for each in part.

    By the square root, so that a few emergencies do not outweigh everything else.
    """
    counts = {level: sum(1 / len(row.levels) for row in rows if level in row.levels) for level in LEVELS}
    present = [count for count in counts.values() if count]
    return {level: math.sqrt(len(rows) / (len(present) * count)) if count else 0.0 for level, count in counts.items()}


def _fingerprint(base: str, rows: Sequence[Row], settings: FinetuneSettings) -> str:
    """Tells whether an interrupted run was this one."""
    digest = hashlib.sha256(f"{base} {sorted(asdict(settings).items())}".encode())
    for row in rows:
        digest.update(f"{row.text}\0{row.label}\0".encode("utf-8", "replace"))
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is kept after each epoch, so that an interrupted run can go on."""

    path: Path
    fingerprint: str

    def save(self, epochs: int, model: Any, optimizer: torch.optim.Optimizer) -> None:
        state = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
        partial = self.path.with_suffix(".partial")
        torch.save({"fingerprint": self.fingerprint, "epochs": epochs, **state}, partial)
        partial.replace(self.path)

    def load(self, model: Any, optimizer: torch.optim.Optimizer) -> int:
        """Take up an interrupted run of the same training; the number of epochs that it had finished."""
        if not self.path.exists():
            return 0
        state = torch.load(self.path, map_location=model.device, weights_only=True)
        if state["fingerprint"] != self.fingerprint:
            return 0
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        return int(state["epochs"])


def _fit(
    classifier: Classifier, examples: Sequence[Example], kept: _Kept, settings: FinetuneSettings, progress: Progress
) -> None:
    optimizer = torch.optim.AdamW(classifier.model.parameters(), lr=settings.rate, weight_decay=0.01)
    first = kept.load(classifier.model, optimizer)
    if first:
        progress(f"continuing after epoch {first} of {settings.epochs}")
    for epoch in range(first, settings.epochs):
        # An epoch needs nothing of those before it but the weights.
        torch.manual_seed(settings.seed + epoch)
        batches = _batches(examples, settings.batch, random.Random(settings.seed + epoch))  # noqa: S311
        classifier.model.train()
        for done, batch in enumerate(batches):
            rate = settings.rate * rate_at((epoch + done / len(batches)) / settings.epochs, settings.warm_up)
            loss = _step(classifier, batch, optimizer, rate)
            if (done + 1) * 10 // len(batches) > done * 10 // len(batches):  # at every tenth
                progress(f"epoch {epoch + 1}: {done + 1} of {len(batches)} batches, loss {loss:.3f}")
        kept.save(epoch + 1, classifier.model, optimizer)
        progress(f"epoch {epoch + 1} of {settings.epochs} is done")


def _step(classifier: Classifier, batch: Sequence[Example], optimizer: torch.optim.Optimizer, rate: float) -> float:
    """Learn from a batch; its loss."""
    for group in optimizer.param_groups:
        group["lr"] = rate
    loss = loss_of(classifier.logits([example.tokens for example in batch]), batch)
    optimizer.zero_grad()
    torch.autograd.backward(loss)
    clip_grad_norm_(classifier.model.parameters(), 1.0)
    optimizer.step()
    return loss.item()


def rate_at(share: float, warm_up: float) -> float:
    """The rate, as a part of its height, when `share` of the steps are done."""
    return share / warm_up if share < warm_up else (1 - share) / (1 - warm_up)


def loss_of(logits: Tensor, batch: Sequence[Example]) -> Tensor:
    """Minus the log-probability of the acceptable levels together, weighted."""
    allowed = torch.tensor([example.allowed for example in batch], device=logits.device)
    weights = torch.tensor([example.weight for example in batch], device=logits.device)
    chances = functional.log_softmax(logits, 1).masked_fill(~allowed, -math.inf)
    return -(torch.logsumexp(chances, 1) * weights).sum() / weights.sum()


def _batches(examples: Sequence[Example], size: int, chance: random.Random) -> list[list[Example]]:
    """Batches of texts of about the same length, in random order."""
    order = chance.sample(list(examples), len(examples))
    batches = []
    for start in range(0, len(order), size * _NEAR):
        near = sorted(order[start : start + size * _NEAR], key=lambda example: len(example.tokens))
        batches += [near[at : at + size] for at in range(0, len(near), size)]
    chance.shuffle(batches)
    return batches


def assessment(chances: Sequence[float], threshold: float = 0.5) -> Assessment:
    """The judgement behind the probabilities of the levels: first whether there is danger, then how much."""
    none, elevated, urgent, emergency = chances
    if urgent + emergency >= threshold:
        level = Level.EMERGENCY if emergency >= urgent else Level.URGENT
    else:
        level = Level.ELEVATED if elevated >= none else Level.NONE
    return Assessment(level, None, min(1.0, urgent + emergency))
