from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
import torch

from xcat_rec.modeling_xcat.text_xcat import fit_whitening
from xcat_rec.tokenization.vocabulary import ItemVocabulary
from xcat_rec.training.catalogue import distinct_texts, feature_codes, nearest_rows, training_counts
from xcat_rec.training.preparation import PreparationOptions, feature_columns, prepare_training

from ..tiny_shop import COLD, SMALL, TWINS, save_text_encoder, shop


def vocabulary(**columns: list[str | None]) -> ItemVocabulary:
    size = len(next(iter(columns.values())))
    return ItemVocabulary(pa.table({"item_id": [str(i) for i in range(size)], **columns}))


def test_items_with_one_text_share_it_and_no_text_is_text_0():
    texts, index = distinct_texts(vocabulary(text=["boots", "", "tent", "boots", None]))
    assert texts == ["", "boots", "tent"]
    assert index.tolist() == [0, 0, 1, 0, 2, 1, 0]


def test_counts_leave_special_rows_out():
    assert training_counts([[2, 3, 1], [3]], 5).tolist() == [0, 0, 1, 2, 0]
    column = pa.chunked_array([pa.array([[2, 3, 1], [3]], pa.list_(pa.int32()))])
    assert training_counts(column, 5).tolist() == [0, 0, 1, 2, 0]


def test_feature_codes_keep_the_order_of_the_catalogue_and_know_missing_values():
    codes = feature_codes(vocabulary(brand=["x", None, "y", "x"]), {"brand": 3})
    assert codes[:, 0].tolist() == [0, 0, 1, 0, 2, 1]


def test_neighbours_are_the_nearest_others():
    states = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.9, 0.1], [0.0, 1.0]])
    found = nearest_rows(states, torch.tensor([0, 0, 1, 2, 3, 1]), neighbours=2, block=2)
    assert found[:2].tolist() == [[0, 0], [0, 0]]
    assert found[2].tolist() == [5, 3]
    assert found[5].tolist() == [2, 3]
    assert found[4].tolist()[0] == 3
    assert all(row not in found[row] for row in range(2, 6))


def test_a_catalogue_smaller_than_the_neighbours_wanted():
    found = nearest_rows(torch.eye(3), torch.tensor([0, 0, 1, 2]), neighbours=4)
    assert found[2].tolist() == [3, 2, 2, 2]


def test_an_item_without_text_is_nobodys_neighbour():
    states = torch.tensor([[0.0, 0.0], [1.0, 0.0], [-1.0, -0.1], [-1.0, 0.1]])
    found = nearest_rows(states, torch.tensor([0, 0, 1, 0, 2, 3, 0]), neighbours=4, block=2)
    assert found[2].tolist() == [5, 4, 2, 2] or found[2].tolist() == [4, 5, 2, 2]
    assert found[3].tolist() == [3, 3, 3, 3]
    assert found[4].tolist() == [5, 2, 4, 4]
    assert found[6].tolist() == [6, 6, 6, 6]


@pytest.mark.parametrize("block", [1, 3, 64])
def test_neighbours_do_not_depend_on_the_block(block):
    generator = torch.Generator().manual_seed(3)
    states = torch.randn(12, 5, generator=generator)
    states[0] = 0
    index = torch.cat([torch.zeros(2, dtype=torch.long), torch.randperm(12, generator=generator)])
    torch.testing.assert_close(nearest_rows(states, index, 4, block), nearest_rows(states, index, 4))


def test_feature_codes_of_a_learned_catalogue_keep_their_meaning():
    codes = feature_codes(vocabulary(brand=["new", "y", None, "x"]), {"brand": 3}, learned={"brand": ["x", "y"]})
    assert codes[:, 0].tolist() == [0, 0, 0, 2, 0, 1]


def test_a_column_of_lists_is_no_feature():
    with pytest.raises(ValueError, match=r"column tags holds list<.*>; a feature is one value an item"):
        feature_codes(ItemVocabulary(pa.table({"item_id": ["a"], "tags": [["x", "y"]]})), {"tags": 3})


def test_whitened_states_have_unit_variance():
    generator = torch.Generator().manual_seed(0)
    states = torch.randn(400, 6, generator=generator) @ torch.randn(6, 6, generator=generator) + 3
    mean, whitening = fit_whitening(states, floor=0.0)
    white = (states - mean) @ whitening
    torch.testing.assert_close(torch.cov(white.T), torch.eye(6), atol=1e-3, rtol=0)
    few, matrix = fit_whitening(states[:3])
    assert ((states[:3] - few) @ matrix).isfinite().all()


def test_preparation_fills_the_item_table(tmp_path):
    options = PreparationOptions(
        text_encoder=str(save_text_encoder(tmp_path)), split="leave-one-out",
        config={**SMALL, "text_tokens_per_item": 3}, item_features=("brand",), cache_dir=tmp_path / "cache",
    )  # fmt: skip
    prepared = prepare_training(shop(), options)
    items, rows = prepared.model.model.items, prepared.processor.catalogue
    first, second = (int(rows.encode([f"item-{i:02d}"])[0]) for i in TWINS)
    assert items.text_index[first] == items.text_index[second] != items.text_index[first + 1]
    assert items.item_counts[rows.encode([f"item-{COLD:02d}"])[0]] == 0
    assert int(items.item_counts.sum()) == sum(map(len, prepared.splits["train"]["items"]))
    assert items.feature_values[2:].min() == 1 and items.feature_values.max() == 3
    assert items.text_states.shape == (40, 3, 16) and items.text_token_mask[1:].all()
    assert np.array_equal(prepared.trained, (items.item_counts > 0).numpy())
    again = prepare_training(shop(), options)
    assert all(
        torch.equal(a, b)
        for a, b in zip(prepared.model.state_dict().values(), again.model.state_dict().values(), strict=True)
    )
    assert len(list((tmp_path / "cache").rglob("*.npz"))) == 1


def test_brands_have_embeddings_where_they_tell_items_apart():
    tables = shop()
    assert feature_columns(tables, PreparationOptions()) == ("brand",)
    assert feature_columns(tables, PreparationOptions(item_features=())) == ()
    assert feature_columns(tables, PreparationOptions(item_features=("category",))) == ("category",)
    for brand in ("one", None):
        one = replace(tables, items=tables.items.with_columns(brand=pl.lit(brand, pl.String)))
        assert feature_columns(one, PreparationOptions()) == ()
    assert feature_columns(replace(tables, items=tables.items.drop("brand")), PreparationOptions()) == ()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"text_fields": ("slogan",)}, "text_fields names 'slogan'.*it has item_id"),
        ({"item_features": ("size",)}, "item_features names 'size'"),
        ({"config": {"depth": 3}}, "'depth' is no field of XCatConfig"),
        ({"config": {"hidden_act": "gello"}}, "hidden_act is 'gello'; give one of gelu"),
        ({"max_text_length": 0}, "max_text_length is 0; give 1 to 64"),
        ({"max_text_length": 65}, "max_text_length is 65; give 1 to 64"),
    ],
)
def test_unknown_columns_and_fields_are_refused(options, message, tmp_path):
    encoder = str(save_text_encoder(tmp_path))
    with pytest.raises(ValueError, match=message):
        prepare_training(shop(), PreparationOptions(text_encoder=encoder, split="leave-one-out", **options))


@pytest.mark.parametrize(
    ("ratings", "buckets"), [((0.0, 0.0), 2), ((-2.0, -1.0), 11), ((0.5, 4.5), 11), ((1.0, 5.0), 6), ((1.0, 99.0), 11)]
)
def test_every_rating_has_a_bucket(ratings, buckets, tmp_path):
    tables = shop(8)
    column = pl.Series("rating", [ratings[i % 2] for i in range(tables.events.height)])
    tables.events = tables.events.with_columns(column)
    options = PreparationOptions(text_encoder=str(save_text_encoder(tmp_path)), split="leave-one-out", config=SMALL)
    prepared = prepare_training(tables, options)
    assert prepared.model.config.num_rating_buckets == buckets
    batch = prepared.processor.collate(list(prepared.splits["train"]), with_labels=True)
    assert 0 < int(batch["rating_ids"].max()) < buckets
    assert prepared.model(**batch).loss.isfinite()


def test_a_shop_without_any_text(tmp_path):
    encoder = str(save_text_encoder(tmp_path))
    options = PreparationOptions(text_encoder=encoder, split="leave-one-out", text_fields=(), config=SMALL)
    prepared = prepare_training(shop(8), options)
    assert prepared.model.config.num_texts == 1
    assert not prepared.model.model.items.text_token_mask.any()
    batch = prepared.processor.collate(list(prepared.splits["train"]), with_labels=True)
    assert prepared.model(**batch).loss.isfinite()
