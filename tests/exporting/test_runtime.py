"""Errors about backends and exports that need no ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import pytest

import xcat_rec
from xcat_rec.exporting import graph_export, runtime
from xcat_rec.ranking.onnx_ranker import graphs_folder
from xcat_rec.tokenization.extras import MissingExtraError

from ..modeling_xcat.conftest import tiny_config, tiny_model


def test_a_missing_package_is_named_with_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "PACKAGES", ("onnx_runtime_of_nobody",))
    with pytest.raises(
        MissingExtraError, match=r"running ONNX graphs needs onnx_runtime_of_nobody; pip install .*onnx"
    ):
        runtime.OnnxGraphs(tmp_path)
    monkeypatch.setattr("xcat_rec.workflows.export.PACKAGES", ("onnx_of_nobody",))
    with pytest.raises(MissingExtraError, match="ONNX export needs onnx_of_nobody"):
        xcat_rec.export(tmp_path, tmp_path / "graphs")


def test_types_are_checked_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph_export, "PACKAGES", ())
    with pytest.raises(ValueError, match="dtype is 'int4'; give one of fp32, fp16, bf16, int8"):
        graph_export.write_graphs(tiny_model(), None, tmp_path, dtype="int4")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="dtype is 'int8', which is for the text encoder, and this model has none"):
        plain = tiny_model(tiny_config(text_config=None))
        graph_export.write_graphs(plain, None, tmp_path, dtype="int8")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="dtype is 'int8', whose loss is measured on a validation split"):
        graph_export.write_graphs(tiny_model(), None, tmp_path, dtype="int8")  # type: ignore[arg-type]


def test_backends(tmp_path: Path) -> None:
    assert graphs_folder("torch", None, tmp_path) is None
    assert graphs_folder("onnx", None, tmp_path) == str(tmp_path / "onnx")
    assert graphs_folder("onnx", "graphs", tmp_path) == "graphs"
    with pytest.raises(ValueError, match="backend is 'tensorrt'; give one of torch, onnx"):
        graphs_folder("tensorrt", None, tmp_path)
    with pytest.raises(ValueError, match="onnx='graphs' is for backend='onnx'; give it, or leave onnx= out"):
        graphs_folder("torch", "graphs", tmp_path)
