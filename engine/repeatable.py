"""The same sums in the same order: what makes two runs with one seed equal."""

import contextlib
import os
from collections.abc import Iterator

import torch


@contextlib.contextmanager
def repeatable() -> Iterator[None]:
    """While this lasts, torch adds up in the same order each time, on a GPU too."""
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
