"""Many answers written by one model at once: rows come and go between steps, each step serves them all.

A step feeds long prompts in pieces and then one token of every row, so new prompts slow running answers down a little
and never stop them. What many prompts begin with is computed once (`keep_prefix`). Not thread-safe: one thread owns it.
"""

import inspect
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import torch

from engine.generators.kv import Plan, Prefix, SlotCache
from engine.generators.sampling import Draw, Sampling, sample

PREFILL_TOKENS = 256  # of prompts, in a step that also serves running answers
IDLE_PREFILL_TOKENS = 1024  # in a step that keeps nobody waiting
LEAST_FILLED = 0.7  # of a piece; the rest is padding
SHORTEST_PREFIX = 8  # tokens; a shorter one is not worth its copies


@dataclass(slots=True, eq=False)
class Row:
    """One answer under way. `tokens` holds the prompt, then what was written; the first `length` are in the cache."""

    tokens: list[int]
    max_new: int
    sampling: Sampling = field(default_factory=Sampling)
    rng: Random = field(default_factory=Random)
    length: int = 0
    prompt_length: int = field(init=False)

    def __post_init__(self) -> None:
        self.prompt_length = len(self.tokens)

    @property
    def is_fed(self) -> bool:
        """Whether all but the last token are in the cache, so that feeding it gives a new one."""
        return self.length == len(self.tokens) - 1

    @property
    def written(self) -> list[int]:
        """The new tokens."""
        return self.tokens[self.prompt_length :]


class Batch:
    """Up to `slots` rows of at most `context` tokens, prompt and answer together. `stop` are the ids that end one."""

    def __init__(self, model: Any, slots: int, context: int, stop: Collection[int] = ()) -> None:
        self.rows: list[Row] = []
        self.slots = slots
        self.context = context
        self._model = model
        self._stop = frozenset(stop)
        self._cache = SlotCache(slots, context)
        self._prefixes: list[tuple[list[int], Prefix]] = []
        self._device, self._dtype = model.device, model.dtype
        takes = inspect.signature(model.forward).parameters
        self._last_only = {"logits_to_keep": 1} if "logits_to_keep" in takes else {}

    @property
    def is_full(self) -> bool:
        return len(self.rows) == self.slots

    @torch.inference_mode()
    def keep_prefix(self, tokens: Sequence[int]) -> None:
        """Compute what many prompts begin with, once. Only while no rows are under way."""
        if self.rows or len(tokens) < SHORTEST_PREFIX:
            return
        row = Row([*tokens, tokens[-1]], max_new=0)
        self.rows.append(row)
        while row.length < len(tokens):
            self.feed_prompts()
        self.rows.clear()
        self._prefixes.append((list(tokens), self._cache.read(0, len(tokens))))

    @torch.inference_mode()
    def add(self, row: Row) -> None:
        """Take a row on. There must be room, in slots and for the row's prompt."""
        assert not self.is_full
        assert 0 < len(row.tokens) < self.context
        for tokens, prefix in self._prefixes:
            if len(tokens) < len(row.tokens) and row.tokens[: len(tokens)] == tokens:
                self._cache.write(len(self.rows), prefix)
                row.length = len(tokens)
                break
        self.rows.append(row)

    @torch.inference_mode()
    def remove(self, row: Row) -> None:
        """Let a row go; the last one takes its slot."""
        slot, last = self.rows.index(row), self.rows.pop()
        if last is not row:
            self._cache.move(len(self.rows), slot, last.length)
            self.rows[slot] = last

    @torch.inference_mode()
    def step(self) -> list[tuple[Row, int, bool]]:
        """One step for all rows: the rows that got a token, the token, and whether it was the last.

        A stop token is not among the tokens of an answer; the row it ends is told with token -1.
        """
        self.feed_prompts()
        chosen = [index for index, row in enumerate(self.rows) if row.is_fed]
        if not chosen:
            return []
        logits = self.feed()
        rows = [self.rows[index] for index in chosen]
        tokens = sample(logits[chosen], [Draw(row.sampling, row.rng, row.written) for row in rows])
        return [self._take(row, token) for row, token in zip(rows, tokens, strict=True)]

    def _take(self, row: Row, token: int) -> tuple[Row, int, bool]:
        if token in self._stop:
            return row, -1, True
        row.tokens.append(token)
        return row, token, len(row.tokens) >= min(row.prompt_length + row.max_new, self.context)

    def feed(self) -> torch.Tensor:
        """Feed each row's next token; gives the logits after it, [rows, vocabulary]."""
        rows = range(len(self.rows))
        logits = self._forward(list(rows), [[row.tokens[row.length]] for row in self.rows])
        for row in self.rows:
            row.length += 1
        return logits[:, -1]

    def feed_prompts(self) -> None:
        """Feed a piece of the prompts that are not in the cache yet, all but their last tokens.

        The first row behind sets the size; only rows with about as much to feed join it, as padding costs like tokens.
        """
        left = {index: len(row.tokens) - 1 - row.length for index, row in enumerate(self.rows) if not row.is_fed}
        if not left:
            return
        budget = IDLE_PREFILL_TOKENS if len(left) == len(self.rows) else PREFILL_TOKENS
        size = min(next(iter(left.values())), budget)
        group = [index for index, tokens in left.items() if tokens >= LEAST_FILLED * size][: budget // size]
        pieces = [self.rows[index].tokens[self.rows[index].length : -1][:size] for index in group]
        longest = max(map(len, pieces))
        self._forward(group, [piece + [0] * (longest - len(piece)) for piece in pieces])
        for index, piece in zip(group, pieces, strict=True):
            self.rows[index].length += len(piece)

    def _forward(self, slots: list[int], tokens: list[list[int]]) -> torch.Tensor:
        """Run the model on tokens [n, t] of the rows in `slots`, each after what its row has in the cache.

        Padding after a shorter piece writes beyond the row's length, where the row's next tokens overwrite it.
        """
        ids = torch.tensor(tokens, device=self._device)
        lengths = torch.tensor([self.rows[slot].length for slot in slots], device=self._device)
        positions = lengths[:, None] + torch.arange(ids.shape[1], device=self._device)
        seen = min(int(positions.max()) + 1, self.context)
        columns = positions.clamp(max=self.context - 1)
        leading = slots == list(range(len(slots)))
        self._cache.plan = Plan(torch.tensor(slots, device=self._device), columns, seen, leading)
        hidden = torch.arange(seen, device=self._device) > positions[:, :, None]
        mask = torch.zeros(hidden.shape, dtype=self._dtype, device=self._device)
        mask = mask.masked_fill(hidden, torch.finfo(self._dtype).min)[:, None]
        output = self._model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=columns,
            past_key_values=self._cache,
            use_cache=True,
            **self._last_only,
        )
        logits: torch.Tensor = output.logits
        return logits
