"""Whether the model is being traced into a graph, in which no shape may depend on values."""

from __future__ import annotations

import torch


def is_exporting() -> bool:
    """Whether `torch.export` (or `torch.onnx.export` with `dynamo=True`) is tracing.

    Checks of values and the representation of distinct items only are left out of the graph: whoever runs it feeds it
    what the processor makes, which has the lengths and the rows that the model takes.
    """
    # Of torch 2.7 and later; before that an export counts as a compilation.
    asked = getattr(torch.compiler, "is_exporting", torch.compiler.is_compiling)
    return bool(asked())
