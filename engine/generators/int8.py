"""Linear layers in 8 bits on a CPU: half the memory of 16 bits, and less time wherever reading weights takes it.

Each row of numbers is scaled by itself, unlike in PyTorch's own dynamic quantisation, which takes one scale for a whole
batch: there another conversation's outlier blurs this one's answer. A row is computed alike alone and beside others.
"""

from typing import Any

import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from engine.types import GeneratorError

LARGEST = 127
SMALLEST = 1e-6  # a row with nothing in it is divided by this


def quantize(model: Any) -> None:
    """Put every linear layer of a model into 8 bits, in place. Raises GeneratorError where that cannot be run."""
    check_supported(model.device)
    for module in list(model.modules()):
        for name, child in module.named_children():
            if type(child) in (nn.Linear, Conv1D):
                setattr(module, name, Int8Linear(child))


def check_supported(device: torch.device) -> None:
    """Raises GeneratorError, naming the setting, where 8-bit products cannot be computed."""
    if device.type != "cpu":
        raise GeneratorError(f"transformers.quantize: int8 runs on a CPU only, not on {device.type}; set it to none")
    try:
        torch._int_mm(torch.ones(1, 8, dtype=torch.int8), torch.ones(8, 8, dtype=torch.int8))
    except (AttributeError, RuntimeError):
        raise GeneratorError(
            "transformers.quantize: this PyTorch computes no 8-bit products; set it to none, or install a newer torch"
        ) from None


class Int8Linear(nn.Module):
    """A linear layer with 8-bit weights, one scale for each output. Takes and gives the type of number it is given."""

    weight: torch.Tensor
    scale: torch.Tensor

    def __init__(self, linear: nn.Linear | Conv1D) -> None:
        """Conv1D is what GPT-2 calls a linear layer whose weights lie across."""
        super().__init__()
        weight = linear.weight.detach()
        weight, scale = _in_8_bits(weight.t() if isinstance(linear, Conv1D) else weight)
        self.register_buffer("weight", weight.t())
        self.register_buffer("scale", scale[:, 0])
        self.bias = linear.bias

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """The layer's output for each row of `values`."""
        rows, scale = _in_8_bits(values.reshape(-1, values.shape[-1]))
        product = torch._int_mm(rows, self.weight).float() * scale * self.scale
        result = product.to(values.dtype).reshape(*values.shape[:-1], -1)
        return result if self.bias is None else result + self.bias


def _in_8_bits(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows as 8-bit whole numbers, and the scale of each [rows, 1]."""
    rows = rows.float()
    scale = rows.abs().amax(1, keepdim=True).clamp_min(SMALLEST) / LARGEST
    return (rows / scale).round().to(torch.int8), scale
