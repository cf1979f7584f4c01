"""Keys and values of all running answers, in slots made once: a step writes in place and copies nothing."""

from dataclasses import dataclass

import torch
from transformers.cache_utils import Cache, CacheLayerMixin

Prefix = list[tuple[torch.Tensor, torch.Tensor]]  # per layer: keys and values, [heads, tokens, dim]


@dataclass(slots=True)
class Plan:
    """Where the next pass writes, `columns` [n, t] of the slots `rows` [n], and that it reads up to `length`."""

    rows: torch.Tensor
    columns: torch.Tensor
    length: int
    leading: bool  # rows are 0..n-1, so that a view does and nothing is gathered


class SlotLayer(CacheLayerMixin):  # type: ignore[no-untyped-call]  # the base class is not typed
    """One layer: [slots, heads, columns, dim]. Made at the first update, when the model shows its shapes."""

    is_sliding = False

    def __init__(self, cache: "SlotCache") -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # the base class is not typed
        self._cache = cache

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Zeros and not uninitialised memory: what is masked must still be finite."""
        self.keys, self.values = self._zeros(key_states), self._zeros(value_states)
        self.is_initialized = True

    def _zeros(self, like: torch.Tensor) -> torch.Tensor:
        _, heads, _, dim = like.shape
        return like.new_zeros((self._cache.slots, heads, self._cache.columns, dim))

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: object, **__: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write the new keys and values as the plan says, and give back all that the rows may look at."""
        if self.keys is None or self.values is None:
            self.lazy_initialization(key_states, value_states)
            assert self.keys is not None
            assert self.values is not None
        plan = self._cache.plan
        at = (plan.rows[:, None], slice(None), plan.columns)
        self.keys[at] = key_states.transpose(1, 2)
        self.values[at] = value_states.transpose(1, 2)
        rows = slice(0, len(plan.rows)) if plan.leading else plan.rows
        return self.keys[rows, :, : plan.length], self.values[rows, :, : plan.length]

    def get_seq_length(self) -> int:
        """How much the next pass sees of the past. Only asked by models that were not told positions."""
        return int(self._cache.plan.columns[0, 0])

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Never needed, as the mask is given."""
        return self._cache.plan.length, 0

    def get_max_length(self) -> int:
        return self._cache.columns


class SlotCache(Cache):
    """The layers of a model over `slots` answers of at most `columns` tokens. Set `plan` before each forward pass."""

    plan: Plan

    def __init__(self, slots: int, columns: int) -> None:
        super().__init__(layer_class_to_replicate=lambda: SlotLayer(self))  # type: ignore[arg-type]  # a factory does
        self.slots = slots
        self.columns = columns

    def read(self, slot: int, length: int) -> Prefix:
        """A copy of a slot's first `length` columns."""
        return [(keys[slot, :, :length].clone(), values[slot, :, :length].clone()) for keys, values in self._tensors()]

    def write(self, slot: int, prefix: Prefix) -> None:
        """Put a copy into a slot's first columns. The layers must exist."""
        for (keys, values), (new_keys, new_values) in zip(self._tensors(), prefix, strict=True):
            length = new_keys.shape[1]
            keys[slot, :, :length] = new_keys
            values[slot, :, :length] = new_values

    def move(self, source: int, target: int, length: int) -> None:
        """Copy the first `length` columns of one slot over another."""
        for keys, values in self._tensors():
            keys[target, :, :length] = keys[source, :, :length]
            values[target, :, :length] = values[source, :, :length]

    def _tensors(self) -> list[tuple[torch.Tensor, torch.Tensor]]:
        made = [layer for layer in self.layers if isinstance(layer, SlotLayer)]
        return [(layer.keys, layer.values) for layer in made if layer.keys is not None and layer.values is not None]
