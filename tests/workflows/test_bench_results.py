"""The file of a benchmark, and the comparisons of its runs."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

from xcat_rec.workflows.bench_request import BenchRun
from xcat_rec.workflows.bench_results import BenchResults
from xcat_rec.workflows.results import compare_models


def row_of(model: str, seed: int) -> dict[str, Any]:
    return {"model": model, "seed": seed, "options": {}}


def test_comparisons_take_the_mean_over_seeds_and_the_best_that_is_not_ours():
    rows = [
        row_of("popularity", 0),
        row_of("xcat", 0),
        row_of("xcat", 1),
        row_of("xcat-no-id", 0),
        row_of("xcat-zero-shot", 0),
        row_of("sasrec", 0),
    ]
    values = {
        "popularity/0": [0, 0, 1, np.nan], "xcat/0": [1, 1, 0, np.nan], "xcat/1": [1, 1, 1, np.nan],
        "xcat-no-id/0": [1, 1, 1, np.nan], "xcat-zero-shot/0": [1, 1, 1, np.nan], "sasrec/0": [1, 0, 1, np.nan],
    }  # fmt: skip
    users = {f"{name}/ndcg@10": np.array(one, dtype=np.float32) for name, one in values.items()}
    found = {one["model"]: one for one in compare_models(rows, users)}
    assert {model: one["baseline"] for model, one in found.items()} == {
        "xcat": "sasrec", "xcat-no-id": "sasrec", "xcat-zero-shot": "sasrec", "sasrec": "popularity",
    }  # fmt: skip
    assert found["xcat"]["difference"] == pytest.approx((0 + 1 - 0.5) / 3) and found["xcat"]["users"] == 3
    assert not compare_models([row_of("xcat", 0)], users)


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    results = BenchResults(tmp_path / "bench.json")
    results.open(False, False, {})
    results.add(BenchRun(row_of("popularity", 0), {"ndcg@10": np.ones(3)}))
    before = results.path.read_bytes()
    monkeypatch.setattr(os, "fsync", lambda file: (_ for _ in ()).throw(OSError("the disk is full")))
    with pytest.raises(OSError, match="the disk is full"):
        results.add(BenchRun(row_of("xcat", 0), {"ndcg@10": np.ones(3)}))
    assert results.path.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bench.json", "bench.users.npz"]
    results.users_path.unlink()
    with pytest.raises(ValueError, match=r"bench\.users\.npz, which belongs to .* is missing"):
        BenchResults(results.path).open(True, False, {})
    results.path.write_text("{}")
    with pytest.raises(ValueError, match="is not a list of runs"):
        BenchResults(results.path).open(True, False, {})
