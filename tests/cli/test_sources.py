"""The commands on every layout of a source: fit, evaluate, compare and report on its tables."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from xcat_rec.cli.app import main
from xcat_rec.workflows.bench import run_model
from xcat_rec.workflows.bench_request import BenchRequest

from ..tiny_shop import save_text_encoder
from ..tokenization.sources.layouts import LAYOUTS, write_tables

OPTIONS = [
    "--hidden-size", "16", "--intermediate-size", "16", "--num-attention-heads", "1", "--max-history", "8",
    "--soft-target-weight", "0", "--num-neighbors", "0", "--num-train-epochs", "1", "--per-device-train-batch-size",
    "16", "--max-steps", "2", "--precision", "fp32", "--use-cpu", "--json", "--disable-tqdm",
]  # fmt: skip


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_text_encoder(tmp_path_factory.mktemp("encoder")))


def run(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[dict[str, Any], str]:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    shown = capsys.readouterr()
    assert not stop.value.code, shown.err
    return json.loads(shown.out.splitlines()[-1]), shown.err


@pytest.mark.parametrize("layout", LAYOUTS)
def test_fit_bench_and_evaluate_take_it(
    layout: str, encoder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, write = LAYOUTS[layout]
    data, output = tmp_path / "data", tmp_path / "checkpoint"
    data.mkdir()
    write(data)
    split = "last-basket" if source == "complete-journey" else "leave-one-out"
    fixed = ["--text-encoder", encoder, "--split", split]
    told, shown = run(["fit", f"{source}:{data}", "--output", str(output), *fixed, *OPTIONS], capsys)
    assert 0 < told["num_users"] <= 15
    assert told["tables"]["rows"]["events"] == 115
    assert f"tables of {told['tables']['name']}: " in " ".join(shown.split())
    kinds = {problem["kind"] for problem in told["tables"]["problems"]}
    assert ("timestamp_unit" in kinds) == (source == "amazon-2023")
    judged, _ = run(["evaluate", str(output), str(data), "--split", split, "--json"], capsys)
    assert judged["metrics"].items() <= told["metrics"].items() and judged["tables"] == told["tables"]
    row = run_model(BenchRequest("popularity", 0, data=str(data), fields={"split": split}), tmp_path).row
    assert row["metrics"]["recall@10"] == told["baselines"]["popularity"]["metrics"]["recall@10"]
    assert len(row["data"]["notes"]) == len(kinds)


def test_filters_are_options(encoder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_tables(tmp_path)
    filters = ["--min-user-events", "4", "--min-item-events", "3", "--repeats", "first"]
    fixed = ["--text-encoder", encoder, "--split", "leave-one-out", *OPTIONS]
    run(["fit", str(tmp_path), "--output", str(tmp_path / "out"), *fixed, *filters], capsys)
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert not re.search(r"(?<![\d.])115(?![\d.])", card), "the card counts what was used"
    fields = {"split": "leave-one-out", "min_item_events": 3, "repeats": "first"}
    data = run_model(BenchRequest("popularity", 0, data=str(tmp_path), fields=fields), tmp_path).row["data"]
    assert 0 < data["events"] < 115 and 0 < data["items"] < 40
    with pytest.raises(SystemExit) as stop:
        main(["fit", str(tmp_path), "--output", str(tmp_path / "no"), *fixed, "--min-item-events", "999"])
    assert stop.value.code == 2 and not (tmp_path / "no").exists()
    assert "make --min-user-events and --min-item-events smaller" in capsys.readouterr().err
