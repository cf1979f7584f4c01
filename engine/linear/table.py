"""Tables of weights: where a piece stands, and how weights are kept in eight bits."""

import numpy as np
from numpy.typing import NDArray

from engine.linear.features import Hashes

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


def slots(found: Hashes, bits: int) -> NDArray[np.uint32]:
    """The place of each piece in a table of 2 ** `bits` rows; place 0 is empty."""
    return found >> np.uint32(32 - bits)


def quantised(values: Floats) -> tuple[NDArray[np.int8], Floats]:
    """Eight-bit values and the scale of each column; the rare outliers are cut off."""
    used = values[np.any(values != 0, axis=1)]
    limit = np.quantile(np.abs(used), 0.9999, axis=0) if len(used) else np.ones(values.shape[1])
    scale = (np.maximum(limit, 1e-6) / 127).astype(np.float32)
    return np.clip(np.round(values / scale), -127, 127).astype(np.int8), scale


def window_sums(values: NDArray[np.int16], begin: Ints, end: Ints) -> Floats:
    """The sum of `values[begin:end]` for each window; `values` has a row for each unit of the text."""
    total = np.zeros((len(values) + 1, values.shape[1]), np.int64)
    np.cumsum(values, axis=0, out=total[1:])
    difference: Floats = (total[end] - total[begin]).astype(np.float32)
    return difference
