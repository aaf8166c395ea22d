"""Detection of graph export, in which no shape may depend on values."""

from __future__ import annotations

import torch


def is_exporting() -> bool:
    """Whether `torch.export` (or `torch.onnx.export` with `dynamo=True`) is tracing.

    The graph has no checks of values and represents every item, not only distinct ones. Its inputs come from the
    processor, which ensures valid lengths and item indices.
    """
    # torch 2.7 and later; in earlier versions an export counts as a compilation.
    asked = getattr(torch.compiler, "is_exporting", torch.compiler.is_compiling)
    return bool(asked())
