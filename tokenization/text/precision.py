"""Choice of the precision by measured speed, because CPUs can differ a thousandfold."""

from __future__ import annotations

import time
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


_PROBE_SIZE = 256
_WORTHWHILE = 1.2


@cache
def matmul_gflops(device_type: str, dtype: torch.dtype) -> float:
    """Measured speed of a small matrix product, in GFLOP/s, the best of three runs."""
    import torch  # here, because options are checked before it is imported

    left = torch.ones(_PROBE_SIZE, _PROBE_SIZE, dtype=dtype, device=device_type)
    best = 0.0
    with torch.no_grad():
        for _ in range(4):
            start = time.perf_counter()
            product = left @ left
            product[0, 0].item()
            best = max(best, 2 * _PROBE_SIZE**3 / (time.perf_counter() - start) / 1e9)
    return best


def bf16_speedup(device_type: str = "cpu") -> float:
    """Speed of bfloat16 products relative to float32 on this machine; below 1 they are slower."""
    import torch

    if device_type == "cuda":
        return 2.0 if torch.cuda.is_bf16_supported(including_emulation=False) else 0.5
    return matmul_gflops(device_type, torch.bfloat16) / matmul_gflops(device_type, torch.float32)


def bf16_is_worthwhile(device_type: str = "cpu") -> bool:
    """Whether products should run in bfloat16."""
    return bf16_speedup(device_type) >= _WORTHWHILE


def use_bf16(precision: str, device_type: str = "cpu") -> bool:
    """Resolve a `precision` of auto, fp32 or bf16 on this machine.

    Raises:
        ValueError: If it is unknown.
    """
    check_precision(precision)
    return precision == "bf16" or (precision == "auto" and bf16_is_worthwhile(device_type))


PRECISIONS = ("auto", "fp32", "bf16")


def check_precision(precision: str) -> None:
    """Refuse an unknown precision.

    Raises:
        ValueError: If it is not in `PRECISIONS`.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision is {precision!r}; give {', '.join(PRECISIONS)}")
