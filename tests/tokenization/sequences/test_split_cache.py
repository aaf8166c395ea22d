"""Splits of the same events and options are loaded from the cache; others are computed."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import polars as pl
import pytest

from xcat_rec.tokenization.sequences import split_data
from xcat_rec.tokenization.tables.schema import ShopTables, validate_tables
from xcat_rec.training.preparation.options import PreparationOptions
from xcat_rec.training.preparation.prepare import split_shop
from xcat_rec.training.preparation.windows import training_windows

from ...tiny_shop import events_table, items_table, shop


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Counts how often splits are computed."""
    calls: list[Any] = []
    build = split_data.build_splits

    def counted(*args: Any, **kwargs: Any) -> Any:
        calls.append(kwargs)
        return build(*args, **kwargs)

    monkeypatch.setattr(split_data, "build_splits", counted)
    return calls


def options(folder: Path, **changed: Any) -> PreparationOptions:
    return PreparationOptions(split="leave-one-out", cache_dir=folder, **changed)


def rows(splits: datasets.DatasetDict) -> dict[str, list[str]]:
    return {name: [str(row) for row in part] for name, part in splits.items()}


def test_the_same_splits_are_mapped_from_disk(made, tmp_path):
    first = split_shop(shop(), options(tmp_path)).splits
    second = split_shop(shop(), options(tmp_path)).splits
    assert len(made) == 1 and rows(first) == rows(second)
    datasets.disable_caching()
    try:
        plain = split_shop(shop(), options(tmp_path)).splits
    finally:
        datasets.enable_caching()
    assert len(made) == 2 and rows(plain) == rows(first)
    assert not plain["train"].cache_files
    for name, part in first.items():
        (file,) = part.cache_files
        assert Path(file["filename"]).is_relative_to(tmp_path)
        assert stat.S_IMODE(Path(file["filename"]).stat().st_mode) & 0o044 == 0o044
        assert part._fingerprint == second[name]._fingerprint and part.features == plain[name].features
    windows = [training_windows(splits["train"], 3) for splits in (first, second)]
    assert windows[0].cache_files == windows[1].cache_files and windows[0].cache_files[0]["filename"]


def with_last(column: str, value: Any) -> ShopTables:
    """The data set with another value in its last event."""
    events = events_table()
    last = pl.int_range(pl.len()) == pl.len() - 1
    changed = events.with_columns(pl.when(last).then(pl.lit(value)).otherwise(column).alias(column))
    return validate_tables(items_table(), changed, name="tiny shop")


def test_other_data_and_other_options_give_other_splits(made, tmp_path):
    other = [
        (shop(), options(tmp_path)),
        (with_last("item_id", "item-03"), options(tmp_path)),
        (with_last("rating", 1.0), options(tmp_path)),
        (shop(59), options(tmp_path)),
        (replace(shop(), items=shop().items.reverse()), options(tmp_path)),
        (shop(), options(tmp_path, tie_policy="shuffle")),
        (shop(), options(tmp_path, seed=5)),
        (shop(), options(tmp_path, cold_items=0.2)),
        (shop(), PreparationOptions(split="user-level", cache_dir=tmp_path)),
        (shop(), options(tmp_path / "elsewhere")),
    ]  # fmt: skip
    for number, (tables, wanted) in enumerate(other, start=1):
        split_shop(tables, wanted)
        assert len(made) == number, number
    for tables, wanted in other:
        split_shop(tables, wanted)
    assert len(made) == len(other)


def test_it_is_in_the_cache_of_datasets(made, tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf")
    splits = split_shop(shop(), PreparationOptions(split="leave-one-out")).splits
    assert Path(splits["train"].cache_files[0]["filename"]).is_relative_to(tmp_path / "hf")
