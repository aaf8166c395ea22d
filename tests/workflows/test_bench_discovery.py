"""Both purposes in the results of a benchmark, for every baseline of discovery, with paired intervals."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import pytest

import xcat_rec
from xcat_rec.evaluation.purposes import DISCOVER, DISCOVER_SLICES
from xcat_rec.workflows.baselines import DEFAULT_MODELS
from xcat_rec.workflows.bench_results import comparison_lines

from ..tiny_shop import QUICK, SMALL, save_text_encoder, write_shop

OF_DISCOVERY = ("popularity", "popularity-recent", "item-knn", "item-regression", "text-knn", "sasrec")
TABLES = Path(__file__).parents[2] / "benchmarks" / "tables.py"


@pytest.mark.usefixtures("runs_here")
def test_every_baseline_of_discovery(tmp_path, capsys, monkeypatch):
    assert set(OF_DISCOVERY) <= set(DEFAULT_MODELS)
    fields = {**SMALL, **QUICK, "num_train_epochs": 1, "text_encoder": str(save_text_encoder(tmp_path / "encoder"))}
    file = tmp_path / "bench.json"
    result = xcat_rec.bench(
        str(write_shop(tmp_path / "shop")), [*OF_DISCOVERY, "xcat"], seeds=1, output=file, task="next-item", **fields
    )
    rows = json.loads(file.read_text())
    assert [row["model"] for row in rows] == [*OF_DISCOVERY, "xcat"]
    for row in rows:
        new = row[DISCOVER]
        assert 0 <= new["metrics"]["ndcg@10"] <= 1 and new["metrics"].keys() == row["metrics"].keys()
        assert set(DISCOVER_SLICES) <= new["slices"].keys() and new["num_targets"] == rows[0][DISCOVER]["num_targets"]
        assert "task" not in row["options"], "the default task is not an option of older files"
    compared = {one["model"]: one for one in result.comparisons}
    assert compared.keys() == {"sasrec", "xcat"}
    for one in compared.values():
        for found, start in ((one, ""), (one[DISCOVER], f"{DISCOVER}.")):
            means = result.mean(purpose=DISCOVER) if start else result.mean()
            others = {name: value for name, value in means.items() if name not in ("xcat", one["model"])}
            assert found["baseline"] == max(others, key=lambda name: others[name])
            assert found["difference"] == pytest.approx(means[found["model"]] - others[found["baseline"]], abs=1e-5)
            assert found["low"] <= found["difference"] <= found["high"] and found["metric"] == f"{start}ndcg@10"
    assert len(comparison_lines(result.comparisons)) == 4
    monkeypatch.setattr(sys, "argv", [str(TABLES), str(file), "--against", "xcat"])
    runpy.run_path(str(TABLES), run_name="__main__")
    printed = capsys.readouterr().out
    of_next, of_new = printed.split("\ndiscover:\n")
    for table in (of_next, of_new):
        rows_of = [line for line in table.split("| xcat above |")[1].splitlines() if line.startswith("| ")]
        assert [line.split(" | ")[0].strip("| ") for line in rows_of] == list(OF_DISCOVERY)
        assert "new_category" in table.split("| xcat above |")[1].splitlines()[0]
