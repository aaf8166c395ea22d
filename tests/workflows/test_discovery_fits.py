"""What a fit chooses and measures for discovery does not depend on interruptions or on where its data lie."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import xcat_rec

from ..fashion_shop import FASHION, write_fashion_shop

pytestmark = pytest.mark.slow
LONGEST = 300
"""Seconds until a process that saves no checkpoint is ended."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_fashion_shop(tmp_path_factory.mktemp("fashion"))


@pytest.fixture(scope="module")
def uninterrupted(place: Path) -> xcat_rec.FitResult:
    """A fit from the tables, in which every value for discovery is chosen that validation can choose."""
    result = xcat_rec.fit(place / "shop", place / "whole", text_encoder=str(place / "encoder"), card=None, **FASHION)
    config = result.model.config
    assert config.num_segments and config.discover_product_weight and config.discover_candidate_attention
    assert config.discover_neighbor_weight is not None
    assert result.reports["XCat"].discover.metrics["ndcg@10"] > 0.5
    return result


def check_equal(found: xcat_rec.FitResult, expected: xcat_rec.FitResult) -> None:
    """The configuration, and both purposes of every model: metrics, slices and lists."""
    left, right = (
        {name: value for name, value in result.model.config.to_dict().items() if name.startswith("discover_")}
        for result in (found, expected)
    )
    assert left == right and len(left) >= 4
    assert found.reports.keys() == expected.reports.keys()
    for name, report in expected.reports.items():
        for own, other in ((found.reports[name], report), (found.reports[name].discover, report.discover)):
            assert own is not None and other is not None
            assert own.metrics == pytest.approx(other.metrics, abs=1e-6), name
            assert own.slices.keys() == other.slices.keys()
            for part, values in other.slices.items():
                assert own.slices[part] == pytest.approx(values, abs=1e-6, nan_ok=True), (name, part)
            assert own.top.tolist() == other.top.tolist(), name


def test_a_prepared_folder_gives_the_values_of_its_tables(place: Path, uninterrupted: xcat_rec.FitResult) -> None:
    xcat_rec.prepare(place / "shop", place / "prepared", split=FASHION["split"])
    result = xcat_rec.fit(
        place / "prepared", place / "from-prepared", text_encoder=str(place / "encoder"), card=None, **FASHION
    )
    check_equal(result, uninterrupted)
    # A prepared folder has whole histories, so the re-ranker of rates and trends is fitted from it too.
    ours, theirs = result.model.model.discovery_ranker, uninterrupted.model.model.discovery_ranker
    assert theirs.weight.any() and all(
        value.allclose(dict(theirs.named_buffers())[name], atol=1e-6) for name, value in ours.named_buffers()
    )


def test_a_killed_fit_is_resumed_to_the_same_values(place: Path, uninterrupted: xcat_rec.FitResult) -> None:
    output = place / "killed"
    command = ["fit", str(place / "shop"), "--output", str(output), "--text-encoder", str(place / "encoder")]
    for name, value in FASHION.items():
        shown = ",".join(map(str, value)) if isinstance(value, list) else str(value).lower()
        command += [f"--{name.replace('_', '-')}", shown]
    program = [sys.executable, "-c", "from xcat_rec.cli.app import main; main()", *command, "--no-card"]
    with (place / "log").open("wb") as log:
        process = subprocess.Popen(program, stdout=log, stderr=log)
        end = time.monotonic() + LONGEST
        while not list(output.glob("training/checkpoint-*/trainer_state.json")):
            if process.poll() is not None or time.monotonic() > end:
                process.kill()
                pytest.fail((place / "log").read_text()[-2000:])
            time.sleep(0.005)
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    assert not (output / "model.safetensors").exists()
    result = xcat_rec.fit(
        place / "shop", output, resume=True, text_encoder=str(place / "encoder"), card=None, **FASHION
    )
    check_equal(result, uninterrupted)
