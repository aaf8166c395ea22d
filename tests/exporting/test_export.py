"""Export of a fitted model from end to end; needs the extra onnx."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from copy import deepcopy
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import xcat_rec
from xcat_rec.cli.app import main
from xcat_rec.exporting import graph_export, verification
from xcat_rec.exporting.graphs import Graph
from xcat_rec.exporting.manifest import Manifest
from xcat_rec.exporting.runtime import OnnxGraphs
from xcat_rec.modeling_xcat.filters_xcat import Filters
from xcat_rec.ranking.recommender import XCatRecommender

from ..hub.checkpoints import HISTORIES, save_checkpoint
from ..tiny_shop import write_shop

HAS_ONNX = all(map(find_spec, ("onnx", "onnxscript", "onnxruntime")))
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not HAS_ONNX, reason="the extra onnx is needed")]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_checkpoint(tmp_path_factory.mktemp("export") / "checkpoint", seed=3, reads_queries=True)


@pytest.fixture(scope="module", autouse=True)
def traced_once() -> Iterator[None]:
    """Tracing takes most of the time of an export, and all exports here are of one checkpoint."""
    found: dict[str, Any] = {}
    trace = graph_export.traced

    def traced(graph: Graph) -> Any:
        if graph.name not in found:
            found[graph.name] = trace(graph)
        return deepcopy(found[graph.name])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(graph_export, "traced", traced)
        yield


@pytest.fixture(scope="module")
def exported(checkpoint: Path) -> dict[str, Any]:
    """Result of the command; the graphs are in the folder `onnx` of the checkpoint."""
    with pytest.MonkeyPatch.context() as patch:
        found: list[Any] = []
        patch.setattr("xcat_rec.cli.console.print_json", found.append)
        with pytest.raises(SystemExit) as done:
            main(["export", str(checkpoint), "--onnx", str(checkpoint / "onnx"), "--json"])
    assert done.value.code in (0, None)
    return dict(found[0])


def test_files_and_manifest(exported: dict[str, Any], checkpoint: Path) -> None:
    manifest = Manifest.load(checkpoint / "onnx")
    assert exported["model"] == manifest.model and exported["dtype"] == "fp32"
    assert [*manifest.graphs] == ["text_encoder", "behavior", "scores", "discover"]
    assert (
        {"weights.bin", "item_ids.json", "scores.onnx", "tokenizer.json"} <= {*manifest.files} == {*exported["files"]}
    )
    assert max(exported["max_difference"].values()) < 1e-4
    assert manifest.graphs["scores"]["inputs"]["item_ids"] == {"type": "int64", "shape": ["batch", "length"]}
    assert manifest.graphs["discover"]["inputs"]["seen_ids"]["shape"] == ["batch", "seen"]
    assert manifest.graphs["scores"]["outputs"] == {"scores": {"type": "float", "shape": ["batch", "items"]}}
    small = [(checkpoint / "onnx" / f"{name}.onnx").stat().st_size for name in manifest.graphs]
    written = b"".join(path.read_bytes() for path in (checkpoint / "onnx").glob("*.onnx"))
    assert b"user_embeddings" in written and b"xcat_rec" not in written and b".py" not in written, (
        "no folders of this machine"
    )
    with pytest.raises(ValueError, match=r"onnx=.*holds an earlier result; give another folder or overwrite=True"):
        xcat_rec.export(checkpoint, checkpoint / "onnx")
    assert max(small) < (checkpoint / "onnx" / "weights.bin").stat().st_size, "weights are in one file"


def test_scores_by_onnx_runtime_alone(exported: dict[str, Any], checkpoint: Path) -> None:
    import onnxruntime

    recommender = XCatRecommender.from_pretrained(checkpoint)
    ids = json.loads((checkpoint / "onnx" / "item_ids.json").read_text())
    arrays = recommender.processor(HISTORIES, return_tensors="np", padding_side="right")
    for name, seen in (("scores", False), ("discover", True)):
        session = onnxruntime.InferenceSession(checkpoint / "onnx" / f"{name}.onnx")
        given = {one.name: arrays[one.name] for one in session.get_inputs() if one.name in arrays}
        extra = {"seen_ids": arrays["item_ids"]} if seen else {}
        (scores,) = session.run(None, {**given, **extra, "candidate_ids": np.arange(2, len(ids))})
        found = recommender.recommend_many(HISTORIES, 5, filters=Filters(exclude_seen=seen))
        for own, listed in zip(scores, found, strict=True):
            assert [ids[2 + row] for row in (-own).argsort()[:5]] == [item.item_id for item in listed]


def test_the_lists_are_those_of_torch(exported: dict[str, Any], checkpoint: Path) -> None:
    ours = XCatRecommender.from_pretrained(checkpoint)
    theirs = XCatRecommender.from_pretrained(checkpoint, backend="onnx")
    with pytest.raises(ValueError, match=r"the model runs in ONNX Runtime; load the checkpoint with backend='torch'"):
        theirs.export(checkpoint / "again")
    options: list[dict[str, Any]] = [
        {}, {"filters": Filters(exclude_seen=False)}, {"queries": ["maps", None, "boots"]}, {"filters": ["price<20"]},
        {"explore": "balanced"}, {"ratings": [[5, None], [1], [None, 2, 4]]},
    ]  # fmt: skip
    for given in options:
        for own, wanted in zip(
            theirs.recommend_many(HISTORIES, 6, **given), ours.recommend_many(HISTORIES, 6, **given), strict=True
        ):
            assert [item.item_id for item in own] == [item.item_id for item in wanted]
            for one, other in zip(own, wanted, strict=True):
                assert one.score == pytest.approx(other.score, abs=1e-4) and one.words == other.words
                assert [reason.item_id for reason in one.because] == [reason.item_id for reason in other.because]
    rows = ours.processor.history_rows(HISTORIES)
    torch.testing.assert_close(theirs.score_rows(rows), ours.score_rows(rows), atol=1e-4, rtol=0)
    np.testing.assert_allclose(theirs.user_embeddings(HISTORIES), ours.user_embeddings(HISTORIES), atol=1e-4)
    with pytest.raises(ValueError, match="does not read texts of users"):
        theirs.recommend(HISTORIES[0], texts="warm")
    inputs = {name: value.clone() for name, value in theirs.processor.inputs_of(rows, layout="right").items()}
    inputs["item_ids"][0, 0] = 42
    with pytest.raises(ValueError, match=r"an item that was added after the graphs in .* were exported; export again"):
        theirs.ranker.states(inputs)


def test_other_weights_and_damaged_files_are_refused(
    exported: dict[str, Any], checkpoint: Path, tmp_path: Path
) -> None:
    other = save_checkpoint(tmp_path / "other", seed=4)
    with pytest.raises(ValueError, match="were made of other weights than this checkpoint; export it again"):
        XCatRecommender.from_pretrained(other, backend="onnx", onnx=checkpoint / "onnx")
    with pytest.raises(OSError, match=r"has no manifest\.json, so it is not a folder of ONNX graphs"):
        XCatRecommender.from_pretrained(other, backend="onnx")
    copied = shutil.copytree(checkpoint / "onnx", tmp_path / "copied")
    content = bytearray((copied / "weights.bin").read_bytes())
    content[100] ^= 1
    (copied / "weights.bin").write_bytes(content)
    with pytest.raises(ValueError, match=r"weights\.bin is damaged"):
        OnnxGraphs(copied)
    with pytest.raises(ValueError, match=r"has no graph 'clicks'; it has text_encoder, behavior, scores, discover"):
        OnnxGraphs(checkpoint / "onnx").session("clicks")


def test_a_wrong_graph_is_not_written(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = graph_export.traced

    def wrong(graph: Graph) -> Any:
        model = right(graph)
        for weight in model.graph.initializer:
            if graph.name == "behavior" and weight.name.endswith(".bias"):
                weight.raw_data = np.full(weight.dims, 0.01, np.float32).tobytes()
        return model

    monkeypatch.setattr(graph_export, "traced", wrong)
    with pytest.raises(ValueError, match=r"the graph behavior is not written: for item_ids \[1, 1\].* differs by"):
        xcat_rec.export(checkpoint, tmp_path / "graphs")
    assert not (tmp_path / "graphs").exists()


def test_other_types_are_guarded_by_ndcg(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = write_shop(tmp_path / "shop")
    with pytest.raises(
        ValueError, match="dtype is 'int8', whose loss is measured on a validation split; give rows of it"
    ):
        xcat_rec.export(checkpoint, tmp_path / "int8", dtype="int8")
    monkeypatch.setattr(verification, "MOST_LOSS", 1.0)  # what is measured, whatever it is
    halved = xcat_rec.export(checkpoint, tmp_path / "bf16", dtype="bf16", data=str(shop))
    assert halved.manifest.checks["ndcg@10"].keys() == {"next", "discover"}
    assert halved.manifest.checks.keys() >= {"loss of scores, next", "loss of texts, discover"}
    plain = xcat_rec.XCatRecommender.from_pretrained(checkpoint)
    halves = XCatRecommender.from_pretrained(checkpoint, backend="onnx", onnx=tmp_path / "bf16")
    found, wanted = halves.user_embeddings(HISTORIES), plain.user_embeddings(HISTORIES)
    assert 1e-4 < np.abs(found - wanted).max() < 0.2
    full = sum((checkpoint / "onnx" / name).stat().st_size for name in ("weights.bin", "scores.onnx"))
    assert halved.sizes["weights.bin"] + halved.sizes["scores.onnx"] < full
    monkeypatch.setattr(verification, "MOST_LOSS", -1.0)  # no graph is good enough
    with pytest.raises(ValueError, match=r"int8 loses .* of NDCG@10 in texts \(next\).*nothing was written"):
        xcat_rec.export(checkpoint, tmp_path / "int8", dtype="int8", data=str(shop))
    assert not (tmp_path / "int8").exists()
