"""The graphs of an exported folder, run by ONNX Runtime."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..tokenization.extras import check_packages
from .manifest import Manifest

PACKAGES = ("onnxruntime",)


class OnnxGraphs:
    """Runs the graphs of a folder; a graph is loaded when it is first run.

    Args:
        folder: Result of an export.
        manifest: Its description; None to read it, which checks every file.

    Raises:
        MissingExtraError: If ONNX Runtime is not installed.
        OSError: See `Manifest.load`.
        ValueError: See `Manifest.load`.
    """

    def __init__(self, folder: str | os.PathLike[str], manifest: Manifest | None = None) -> None:
        check_packages("running ONNX graphs", PACKAGES, "onnx")
        self.folder = Path(folder)
        self.manifest = Manifest.load(self.folder) if manifest is None else manifest
        self._sessions: dict[str, Any] = {}

    @cached_property
    def _options(self) -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3
        return options

    def session(self, part: str) -> Any:
        """The `onnxruntime.InferenceSession` of a graph.

        Args:
            part: Name of the graph; see `PARTS`.

        Raises:
            ValueError: If it was not exported.
        """
        if part not in self.manifest.graphs:
            has = ", ".join(self.manifest.graphs)
            raise ValueError(f"{self.folder} has no graph {part!r}; it has {has}; export it, or use backend='torch'")
        if part not in self._sessions:
            import onnxruntime

            file = self.folder / self.manifest.graphs[part]["file"]
            self._sessions[part] = onnxruntime.InferenceSession(
                file, self._options, providers=["CPUExecutionProvider"]
            )
        return self._sessions[part]

    def run(self, part: str, inputs: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Run a graph.

        Args:
            part: Name of the graph.
            inputs: Tensors by name, as in the manifest.

        Returns:
            Outputs by name.
        """
        session = self.session(part)
        given = {name: np.ascontiguousarray(value.cpu().numpy()) for name, value in inputs.items()}
        names = [output.name for output in session.get_outputs()]
        return {name: torch.from_numpy(value) for name, value in zip(names, session.run(names, given), strict=True)}
