"""Weights stored with 16 bits per number, and read as float32."""

from __future__ import annotations

from collections.abc import Mapping

import torch

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
"""Types of stored weights by name."""


def stored_type(dtype: str | torch.dtype) -> torch.dtype:
    """The type of stored weights.

    Args:
        dtype: "fp32", "fp16" or "bf16", or the torch type.

    Raises:
        ValueError: If it is another one.

    Example:
        >>> stored_type("bf16"), stored_type(torch.float16)
        (torch.bfloat16, torch.float16)
    """
    found = DTYPES.get(dtype) if isinstance(dtype, str) else dtype
    if found is None or found not in DTYPES.values():
        raise ValueError(f"dtype is {dtype!r}; give one of {', '.join(DTYPES)}")
    return found


def stored_weights(weights: Mapping[str, torch.Tensor], dtype: str | torch.dtype) -> dict[str, torch.Tensor]:
    """Weights in another type; whole numbers, and numbers beyond the range of the type, stay as they are.

    Args:
        weights: Tensors by name.
        dtype: See `stored_type`.

    Example:
        >>> kept = stored_weights({"a": torch.ones(2), "big": torch.tensor([1e6]), "n": torch.ones(1).int()}, "fp16")
        >>> [str(tensor.dtype) for tensor in kept.values()]
        ['torch.float16', 'torch.float32', 'torch.int32']
    """
    wanted = stored_type(dtype)
    largest = torch.finfo(wanted).max
    return {
        name: tensor.to(wanted) if tensor.is_floating_point() and _fits(tensor, largest) else tensor
        for name, tensor in weights.items()
    }


def _fits(tensor: torch.Tensor, largest: float) -> bool:
    finite = tensor[torch.isfinite(tensor)]
    return not finite.numel() or float(finite.abs().max()) <= largest
