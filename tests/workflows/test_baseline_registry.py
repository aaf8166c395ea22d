"""A baseline of another package in `xcat bench`: named with its module, fitted in a process of its own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from xcat_rec import bench, register_baseline
from xcat_rec.workflows.baseline_registry import BASELINES

from ..tiny_shop import write_shop

CODE = '''
import torch
from xcat_rec import register_baseline
from xcat_rec.modeling_baselines.popularity import PopularityConfig, PopularityModel

@register_baseline("own_baselines:latest")
def latest(data):
    """The most popular items among the last events of users."""
    model = PopularityModel(PopularityConfig(num_item_rows=data.num_item_rows))
    return model.fit([items[-1:] for items in data.histories])
'''


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "own_baselines.py").write_text(CODE)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]))
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "own_baselines:latest"
    BASELINES.pop("own_baselines:latest", None)
    sys.modules.pop("own_baselines", None)


def test_a_baseline_of_one_s_own_is_benched_once(package: str, tmp_path: Path) -> None:
    result = bench(write_shop(tmp_path / "shop"), [package], seeds=2, split="leave-one-out")
    assert [run.row["model"] for run in result.runs] == [package]
    assert 0 < result.mean("recall@10")[package] <= 1


def test_names_that_cannot_be_used(package: str, tmp_path: Path) -> None:
    shop = write_shop(tmp_path / "shop")
    with pytest.raises(ValueError, match="there is no module no_such_package; install its package"):
        bench(shop, ["no_such_package.models:latest"])
    with pytest.raises(ValueError, match="which own_baselines does not register; decorate"):
        bench(shop, ["own_baselines:first"])
    with pytest.raises(ValueError, match=r"unknown name, 'latest'; give some of popularity, .*own_baselines:latest"):
        bench(shop, ["latest"])
    with pytest.raises(ValueError, match=r"baseline 'popularity' is .*_popularity already"):
        register_baseline("popularity")(lambda data: None)
