"""ONNX files of graphs: traced, with weights of other types, and with one file of weights for all graphs."""

from __future__ import annotations

import hashlib
import logging
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from .graphs import Graph

WEIGHTS_FILE = "weights.bin"
_LEAST_SHARED = 1024
"""Bytes of the smallest tensor that is stored in the file of weights."""
_ALIGNMENT = 64
_KINDS = {"fp16": "FLOAT16", "bf16": "BFLOAT16"}


def traced(graph: Graph) -> Any:
    """Trace a graph into an ONNX model (`onnx.ModelProto`) whose axes have the names of the graph.

    Args:
        graph: The graph.

    Raises:
        ValueError: If torch cannot trace it.
    """
    shapes: dict[str, Any] = {
        name: dict.fromkeys(range(len(axes)), torch.export.Dim.DYNAMIC) for name, axes in graph.axes.items()
    }
    with torch.no_grad(), _quiet():
        try:
            program = torch.export.export(
                graph.module.eval(), (), kwargs=graph.inputs, dynamic_shapes=shapes, strict=False
            )
            made = torch.onnx.export(program, dynamo=True, verbose=False, output_names=list(graph.outputs))
        except Exception as error:
            raise ValueError(
                f"torch cannot trace the graph {graph.name}: {str(error).strip().splitlines()[0]}"
            ) from error
    assert made is not None
    model = made.model_proto
    _name_axes(model, graph)
    _forget_places(model)
    return model


def _forget_places(model: Any) -> None:
    """Remove the lines of source code, with folders of this machine, that the exporter stores per node."""
    graph = model.graph
    values = (*graph.value_info, *graph.input, *graph.output, *graph.initializer)
    for part in (model, graph, *graph.node, *values):
        del part.metadata_props[:]
        part.doc_string = ""


@contextmanager
def _quiet() -> Iterator[None]:
    """Without progress, and without warnings about packages that are not needed; ONNX Runtime logs to the root."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir", None)]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _name_axes(model: Any, graph: Graph) -> None:
    names: dict[str, str] = {}
    for value in model.graph.input:
        for axis, dimension in zip(graph.axes[value.name], value.type.tensor_type.shape.dim, strict=True):
            names[dimension.dim_param] = axis
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        for dimension in value.type.tensor_type.shape.dim:
            if dimension.dim_param in names:
                dimension.dim_param = names[dimension.dim_param]


def with_weights_of(model: Any, dtype: str) -> Any:
    """The same model with float weights stored as "fp16" or "bf16"; it computes in float32.

    Args:
        model: An ONNX model.
        dtype: "fp16" or "bf16".
    """
    from onnx import TensorProto, helper, numpy_helper

    kind = getattr(TensorProto, _KINDS[dtype])
    stored = helper.tensor_dtype_to_np_dtype(kind)
    casts = []
    for weight in model.graph.initializer:
        values = numpy_helper.to_array(weight) if weight.data_type == TensorProto.FLOAT else None
        if values is None or values.nbytes < _LEAST_SHARED or not _fits(values, stored):
            continue
        name = weight.name
        weight.CopyFrom(
            TensorProto(
                name=f"{name}.{dtype}", data_type=kind, dims=values.shape, raw_data=values.astype(stored).tobytes()
            )
        )
        casts.append(helper.make_node("Cast", [weight.name], [name], to=TensorProto.FLOAT))
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*casts, *nodes])
    return model


def _fits(values: np.ndarray, stored: Any) -> bool:
    import ml_dtypes

    finite = values[np.isfinite(values)]
    return not finite.size or float(np.abs(finite).max()) <= float(ml_dtypes.finfo(stored).max)


def with_int8(model: Any) -> Any:
    """The same model with matrix products in 8 bits: weights per output column, activations at run time.

    Args:
        model: An ONNX model in float32.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with TemporaryDirectory() as place, _quiet():
        import onnx

        before, after = Path(place, "before.onnx"), Path(place, "after.onnx")
        onnx.save_model(model, before, save_as_external_data=True, location="before.bin")
        quantize_dynamic(
            before, after, per_channel=True, weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul", "Gemm"]
        )
        return onnx.load(after)


class SharedWeights:
    """One file of weights for several ONNX files; equal tensors are stored once.

    Args:
        folder: The folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._size = folder, 0
        self._places: dict[bytes, tuple[int, int]] = {}
        (folder / WEIGHTS_FILE).write_bytes(b"")

    def save(self, model: Any, name: str) -> None:
        """Write a model beside the weights.

        Args:
            model: An ONNX model; its large tensors become references.
            name: Name of the file.
        """
        import onnx
        from onnx.external_data_helper import set_external_data

        with (self._folder / WEIGHTS_FILE).open("ab") as file:
            for weight in _tensors(model):
                content = onnx.numpy_helper.to_array(weight).tobytes() if not weight.raw_data else weight.raw_data
                if len(content) < _LEAST_SHARED:
                    continue
                key = hashlib.sha256(content).digest()
                if key not in self._places:
                    padding = -self._size % _ALIGNMENT
                    file.write(b"\0" * padding + content)
                    self._places[key] = self._size + padding, len(content)
                    self._size += padding + len(content)
                offset, length = self._places[key]
                weight.raw_data = b""  # what a reference replaces
                set_external_data(weight, WEIGHTS_FILE, offset, length)
                for field in ("raw_data", "float_data", "int32_data", "int64_data"):
                    weight.ClearField(field)
        (self._folder / name).write_bytes(model.SerializeToString(deterministic=True))


def _tensors(model: Any) -> Iterable[Any]:
    return [weight for weight in model.graph.initializer if weight.data_type]
