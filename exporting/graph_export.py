"""Export of a model: its graphs, verified before they are moved into place."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import torch

from .. import __version__
from ..catalogue.item_table import distinct_texts, place_text_states
from ..checkpoints.fingerprint import model_digest
from ..evaluation.ranker_evaluation import evaluate_ranker
from ..modeling_xcat.modeling_xcat import XCatForNextItem
from ..modeling_xcat.saving_xcat import written_whole
from ..tokenization.digests import catalogue_digest
from ..tokenization.extras import check_packages
from ..tokenization.processing_xcat import XCatProcessor
from .graphs import DISCOVER, SCORES, TEXT, Graph, ScoringGraph, graphs_of
from .manifest import FORMAT, Manifest, file_digest
from .onnx_files import SharedWeights, traced, with_int8, with_weights_of
from .runtime import OnnxGraphs
from .verification import (
    GraphRanker,
    check_graph,
    check_loss,
    check_speed,
    inputs_to_compare,
    relative_speed,
)

if TYPE_CHECKING:
    from datasets import Dataset

PACKAGES = ("onnx", "onnxruntime", "onnxscript")
EXPORT_TYPES = ("fp32", "fp16", "bf16", "int8")
ITEM_IDS = "item_ids.json"
_REAL_HISTORIES, _TEXTS_AT_ONCE = 16, 64
_KINDS = {torch.int64: "int64", torch.float32: "float32"}


@dataclass(frozen=True)
class ExportResult:
    """Result of an export.

    Args:
        folder: The folder.
        manifest: Its description, with the largest differences from torch.
        sizes: Bytes of every file.
    """

    folder: Path
    manifest: Manifest
    sizes: dict[str, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Convert to plain values, for JSON."""
        about = self.manifest
        return {
            "output": str(self.folder), "dtype": about.dtype, "model": about.model, "bytes": sum(self.sizes.values()),
            "files": self.sizes, "checks": about.checks,
            "max_difference": {name: graph["max_difference"] for name, graph in about.graphs.items()},
        }  # fmt: skip


def write_graphs(
    model: XCatForNextItem,
    processor: XCatProcessor,
    folder: str | os.PathLike[str],
    *,
    dtype: str = "fp32",
    rows: Dataset | None = None,
) -> ExportResult:
    """Export the text encoder, the behaviour model and both scoring steps of a model as ONNX files.

    Every graph is run by ONNX Runtime and compared with torch, on random histories and on given ones. Nothing is
    written if a score differs by more than `TOLERANCE` or a list differs. Weights of 16 bits are stored and computed
    with in float32. "int8" quantises the text encoder only, because the graphs of histories do not gain from it.

    Args:
        model: A model that ranks items.
        processor: Its processor.
        folder: Folder for the graphs.
        dtype: "fp32", "fp16", "bf16" or "int8".
        rows: Rows of a validation split, to measure the loss of NDCG@10; "int8" needs them.

    Returns:
        The files and the measured differences.

    Raises:
        MissingExtraError: If the extra onnx is not installed.
        ValueError: If the model cannot be exported, a graph is wrong, or the loss of NDCG is above `MOST_LOSS`.
    """
    check_packages("ONNX export", PACKAGES, "onnx")
    _check_type(model, dtype, rows)
    model = model if model.device.type == "cpu" else deepcopy(model).cpu()
    training = model.training
    try:
        graphs = graphs_of(model.eval())
        with written_whole(folder, (ITEM_IDS,)) as place, TemporaryDirectory() as spare:
            exact = place if dtype == "fp32" else Path(spare)
            manifest = _write(model, processor, graphs, exact, "fp32", rows)
            if dtype != "fp32":
                manifest = _write(model, processor, graphs, place, dtype, rows, OnnxGraphs(exact, manifest))
            manifest.save(place)
    finally:
        model.train(training)
    sizes = {name: (Path(folder) / name).stat().st_size for name in manifest.files}
    return ExportResult(Path(folder), manifest, sizes)


def _check_type(model: XCatForNextItem, dtype: str, rows: Dataset | None) -> None:
    if dtype not in EXPORT_TYPES:
        raise ValueError(f"dtype is {dtype!r}; give one of {', '.join(EXPORT_TYPES)}")
    if dtype == "int8" and model.model.text.encoder is None:
        raise ValueError(
            "dtype is 'int8', which is for the text encoder, and this model has none; give 'fp16' or 'bf16'"
        )
    if dtype == "int8" and rows is None:
        raise ValueError(
            "dtype is 'int8', whose loss is measured on a validation split; give rows of it, or its tables"
        )


def _write(
    model: XCatForNextItem,
    processor: XCatProcessor,
    graphs: Sequence[Graph],
    place: Path,
    dtype: str,
    rows: Dataset | None,
    exact: OnnxGraphs | None = None,
) -> Manifest:
    """Write the graphs of one type and verify them; `exact` are the same graphs in float32, for another type."""
    about: dict[str, dict[str, Any]] = {}
    weights = SharedWeights(place)
    for graph in graphs:
        weights.save(_converted(graph, dtype, exact), f"{graph.name}.onnx")
        about[graph.name] = {"file": f"{graph.name}.onnx", "inputs": _axes_of_inputs(graph)}
    _write_names(processor, place, any(graph.name == TEXT for graph in graphs))
    manifest = Manifest(
        FORMAT, __version__, dtype, model_digest(model), catalogue_digest(processor.catalogue),
        processor.catalogue.num_items, model.config.max_history, about, {}, {},
    )  # fmt: skip
    own = OnnxGraphs(place, manifest)
    real = [] if rows is None else [rows.with_format(None)[place] for place in range(min(_REAL_HISTORIES, len(rows)))]
    for graph in graphs:
        batches = inputs_to_compare(graph, model, processor, real)
        changed = dtype in ("fp16", "bf16") or (dtype == "int8" and graph.name == TEXT)
        about[graph.name]["max_difference"] = check_graph(graph, own, batches, not changed)
        about[graph.name]["outputs"] = _axes_of_outputs(own, graph)
    manifest.checks["histories"] = len(real)
    if exact is not None:
        manifest.checks.update(_losses(model, processor, graphs, rows, exact, own))
    manifest.files.update({path.name: file_digest(path) for path in sorted(place.iterdir())})
    return manifest


def _converted(graph: Graph, dtype: str, exact: OnnxGraphs | None) -> Any:
    """The ONNX model of a graph, traced once for all types."""
    if exact is None:
        return traced(graph)
    import onnx

    model = onnx.load(exact.folder / f"{graph.name}.onnx")
    if dtype == "int8":
        return with_int8(model) if graph.name == TEXT else model
    return with_weights_of(model, dtype)


def _write_names(processor: XCatProcessor, place: Path, has_text: bool) -> None:
    """The item id of every item index, and the tokenizer, for users without this package."""
    ids = ["[PAD]", "[UNK]", *processor.catalogue.column("item_id").to_pylist()]
    (place / ITEM_IDS).write_text(json.dumps(ids, ensure_ascii=False) + "\n", encoding="utf-8")
    if has_text:
        processor.tokenizer.save_pretrained(place)


def _axes_of_inputs(graph: Graph) -> dict[str, Any]:
    return {
        name: {"type": _KINDS[value.dtype], "shape": list(graph.axes[name])} for name, value in graph.inputs.items()
    }


def _axes_of_outputs(graphs: OnnxGraphs, graph: Graph) -> dict[str, Any]:
    outputs = graphs.session(graph.name).get_outputs()
    return {
        output.name: {"type": output.type.removeprefix("tensor(").rstrip(")"), "shape": list(output.shape)}
        for output in outputs
    }


def _losses(
    model: XCatForNextItem,
    processor: XCatProcessor,
    graphs: Sequence[Graph],
    rows: Dataset | None,
    exact: OnnxGraphs,
    own: OnnxGraphs,
) -> dict[str, Any]:
    """Metrics before and after, if there are rows; refuses a loss above the limit and int8 that is not fast."""
    if rows is None:
        return {}
    dtype, checks = own.manifest.dtype, dict[str, Any]()
    scoring = {graph.name: graph for graph in graphs if graph.name in (SCORES, DISCOVER)}
    before = _ndcg(GraphRanker(scoring, processor, None), model, processor, rows)
    parts = {"scores": lambda: GraphRanker(scoring, processor, own)}
    if any(graph.name == TEXT for graph in graphs):
        parts["texts"] = lambda: GraphRanker(_of_texts(model, processor, own), processor, None)
    if dtype == "int8":
        parts.pop("scores")  # its graphs of histories are those in float32
        inputs = dict(processor.tokenize(distinct_texts(processor.catalogue)[0][1:9]))
        checks["speed"] = relative_speed(TEXT, exact, own, inputs)
    for part, ranker in parts.items():
        with _kept_texts(model):
            after = _ndcg(ranker(), model, processor, rows)
        for purpose, value in before.items():
            checks[f"loss of {part}, {purpose}"] = check_loss(f"{part} ({purpose})", dtype, value, after[purpose])
    checks["ndcg@10"] = before
    if dtype == "int8":
        check_speed(TEXT, checks["speed"])
    return checks


def _ndcg(ranker: GraphRanker, model: XCatForNextItem, processor: XCatProcessor, rows: Dataset) -> dict[str, float]:
    """NDCG@10 by purpose."""
    trained = (model.model.items.item_counts > 0).cpu().numpy()
    report = evaluate_ranker(ranker, rows, processor.catalogue, trained=trained, ks=(10,), name="the graphs")
    found = {"next": report.metrics["ndcg@10"]}
    return found if report.discover is None else {**found, "discover": report.discover.metrics["ndcg@10"]}


def _of_texts(model: XCatForNextItem, processor: XCatProcessor, graphs: OnnxGraphs) -> dict[str, Graph]:
    """The scoring steps in torch, with the catalogue's texts encoded by a graph; see `_kept_texts`."""
    texts, _ = distinct_texts(processor.catalogue)
    for start in range(1, len(texts), _TEXTS_AT_ONCE):
        part = texts[start : start + _TEXTS_AT_ONCE]
        states = graphs.run(TEXT, dict(processor.tokenize(part)))["states"]
        place_text_states(model, torch.arange(start, start + len(part)), states)
    return {
        graph.name: Graph(
            graph.name, ScoringGraph(model, graph.name == DISCOVER), graph.inputs, graph.axes, graph.outputs
        )
        for graph in graphs_of(model)
        if graph.name in (SCORES, DISCOVER)
    }


@contextmanager
def _kept_texts(model: XCatForNextItem) -> Iterator[None]:
    """Put the stored text states back afterwards."""
    items = model.model.items
    if not model.config.use_text:
        yield
        return
    before = items.text_states.clone(), items.text_token_mask.clone()
    try:
        yield
    finally:
        items.text_states, items.text_token_mask = before
