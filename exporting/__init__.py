"""Floor 3: ONNX graphs of a model: written, verified against torch, and run by ONNX Runtime."""

from __future__ import annotations

from ..lazy_names import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .manifest import Manifest as Manifest
    from .runtime import OnnxGraphs as OnnxGraphs
    from .write_graphs import ExportResult as ExportResult
    from .write_graphs import write_graphs as write_graphs

_EXPORTS = {
    "ExportResult": ".write_graphs",  # what an export wrote and measured
    "Manifest": ".manifest",  # the description of a folder of graphs
    "OnnxGraphs": ".runtime",  # the graphs of a folder, run by ONNX Runtime
    "write_graphs": ".write_graphs",  # exports a model
}

__all__ = [*_EXPORTS]
__getattr__, __dir__ = lazy_names(__name__, _EXPORTS)
