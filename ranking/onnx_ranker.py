"""A recommender whose behaviour model and text encoder run in ONNX Runtime."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from ..checkpoints.fingerprint import model_digest
from ..exporting.graphs import BEHAVIOR, TEXT, last_events
from ..exporting.runtime import OnnxGraphs
from ..modeling_xcat.configuration_xcat import NUM_SPECIAL_ROWS
from ..modeling_xcat.layout_xcat import SequenceLayout
from ..modeling_xcat.recent_events_xcat import RecentEvents
from ..modeling_xcat.recommending_xcat import ItemRanker
from ..modeling_xcat.text_xcat import XCatTextEncoder

BACKENDS = ("torch", "onnx")
ONNX_FOLDER = "onnx"
"""Folder of the graphs within a checkpoint, unless another is given."""
_OF_LAYOUT = {"position_ids", "query_positions"}


class OnnxItemRanker(ItemRanker):
    """Ranks items with states from the graph `behavior`; everything after the states is computed in torch.

    Args:
        model: The model that was exported.
        vocabulary: Its catalogue.
        graphs: Its graphs.
        policy: Content policy of the catalogue; None for none.

    Raises:
        ValueError: If the graphs were made of another model.
    """

    layout = "right"

    def __init__(
        self, model: Any, vocabulary: Any, graphs: OnnxGraphs, policy: Mapping[str, Any] | None = None
    ) -> None:
        if graphs.manifest.model != model_digest(model):
            raise ValueError(
                f"the graphs in {graphs.folder} were made of other weights than this checkpoint; export it again"
            )
        super().__init__(model, vocabulary, policy=policy)
        self._graphs = graphs
        if TEXT in graphs.manifest.graphs:
            model.model.text = OnnxTextEncoder(model.model.text, graphs)

    def _encoded(self, inputs: dict[str, torch.Tensor]) -> tuple[torch.Tensor, RecentEvents]:
        """States and latest events of histories that are padded on the right, one per row."""
        known = self._graphs.manifest.graphs[BEHAVIOR]["inputs"]
        extra = [
            name for name, value in inputs.items() if name not in known and name not in _OF_LAYOUT and value.numel()
        ]
        if extra:
            raise ValueError(
                f"the graph {BEHAVIOR} has no input {extra[0]!r}: texts and interests of users are not exported; "
                "leave them out, or use backend='torch'"
            )
        item_ids, mask = inputs["item_ids"], inputs["attention_mask"].long()
        if item_ids.numel() and int(item_ids.max()) >= NUM_SPECIAL_ROWS + self._graphs.manifest.num_items:
            raise ValueError(
                f"a history has an item that was added after the graphs in {self._graphs.folder} were exported; "
                "export again, or use backend='torch'"
            )
        layout = SequenceLayout.from_inputs(item_ids, mask, inputs.get("position_ids"))
        queries = last_events(mask)
        given = {name: inputs[name].long() for name in known}
        states = self._graphs.run(BEHAVIOR, {**given, "attention_mask": mask})["states"]
        recent = self.model.model.recent_events(item_ids, layout, queries, inputs.get("event_type_ids"))
        return states.to(item_ids.device), recent


class OnnxTextEncoder(XCatTextEncoder):
    """A text encoder that runs in ONNX Runtime; whitening is computed in torch.

    Args:
        own: The text encoder of the model.
        graphs: The graphs of the model.
    """

    def __init__(self, own: XCatTextEncoder, graphs: OnnxGraphs) -> None:
        nn.Module.__init__(self)
        self.tokens, self.pooling, self.frozen, self.encoder = own.tokens, own.pooling, own.frozen, own.encoder
        self.register_buffer("mean", own.mean)
        self.register_buffer("whitening", own.whitening)
        self._graphs = graphs

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """As `XCatTextEncoder.forward`."""
        found = self._graphs.run(TEXT, {"input_ids": input_ids, "attention_mask": attention_mask})
        return found["states"].to(input_ids.device), found["valid"].bool().to(input_ids.device)


def graphs_folder(backend: str, onnx: str | os.PathLike[str] | None, folder: str | os.PathLike[str]) -> str | None:
    """The folder of the graphs of a checkpoint; None for torch.

    Args:
        backend: "torch" or "onnx".
        onnx: The folder; None for `ONNX_FOLDER` of the checkpoint.
        folder: The checkpoint.

    Raises:
        ValueError: If there is no such backend, or a folder of graphs is given for torch.
    """
    if backend not in BACKENDS:
        raise ValueError(f"backend is {backend!r}; give one of {', '.join(BACKENDS)}")
    if backend == "torch":
        if onnx is not None:
            raise ValueError(f"onnx={os.fspath(onnx)!r} is for backend='onnx'; give it, or leave onnx= out")
        return None
    return os.path.join(folder, ONNX_FOLDER) if onnx is None else os.fspath(onnx)
