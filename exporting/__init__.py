"""Floor 3: ONNX graphs of a model: written, verified against torch, and run by ONNX Runtime."""

from __future__ import annotations

from ..lazy_names import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .graph_export import ExportResult as ExportResult
    from .graph_export import write_graphs as write_graphs
    from .manifest import Manifest as Manifest
    from .runtime import OnnxGraphs as OnnxGraphs

_EXPORTS = {
    "ExportResult": ".graph_export",  # what an export wrote and measured
    "Manifest": ".manifest",  # the description of a folder of graphs
    "OnnxGraphs": ".runtime",  # the graphs of a folder, run by ONNX Runtime
    "write_graphs": ".graph_export",  # exports a model
}

__all__ = [*_EXPORTS]
__getattr__, __dir__ = lazy_names(__name__, _EXPORTS)
