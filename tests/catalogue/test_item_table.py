from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
import torch

from xcat_rec.catalogue import cold_start
from xcat_rec.catalogue.item_table import (
    distinct_texts,
    feature_codes,
    fill_neighbors,
    nearest_rows,
    place_categories,
    training_counts,
)
from xcat_rec.catalogue.repurchases import count_repurchases
from xcat_rec.catalogue.transitions import strongest_transitions
from xcat_rec.modeling_baselines import regression
from xcat_rec.modeling_baselines.cooccurrence import nearest_by_cosine
from xcat_rec.modeling_baselines.regression import weights_by_regression
from xcat_rec.modeling_xcat.configuration_xcat import XCatConfig
from xcat_rec.modeling_xcat.modeling_xcat import XCatForNextItem
from xcat_rec.modeling_xcat.text_xcat import fit_whitening
from xcat_rec.tokenization.vocabulary import ItemVocabulary
from xcat_rec.training.preparation.options import PreparationOptions
from xcat_rec.training.preparation.prepare import feature_columns, prepare_training

from ..tiny_shop import COLD, NO_CATEGORY, SMALL, TWINS, save_text_encoder, shop, shop_of_returns


def vocabulary(**columns: list[str | None]) -> ItemVocabulary:
    size = len(next(iter(columns.values())))
    return ItemVocabulary(pa.table({"item_id": [str(i) for i in range(size)], **columns}))


def test_items_with_equal_texts_share_a_text_and_an_empty_text_is_number_0():
    texts, index = distinct_texts(vocabulary(text=["boots", "", "tent", "boots", None]))
    assert texts == ["", "boots", "tent"]
    assert index.tolist() == [0, 0, 1, 0, 2, 1, 0]


def test_counts_exclude_special_rows():
    assert training_counts([[2, 3, 1], [3]], 5).tolist() == [0, 0, 1, 2, 0]
    column = pa.chunked_array([pa.array([[2, 3, 1], [3]], pa.list_(pa.int32()))])
    assert training_counts(column, 5).tolist() == [0, 0, 1, 2, 0]


def test_feature_codes_keep_the_order_of_the_catalogue_and_code_missing_values_as_0():
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


def test_a_column_of_lists_cannot_be_a_feature():
    with pytest.raises(ValueError, match=r"column tags has type list<.*>; a feature has one value per item"):
        feature_codes(ItemVocabulary(pa.table({"item_id": ["a"], "tags": [["x", "y"]]})), {"tags": 3})


def test_whitened_states_have_unit_variance():
    generator = torch.Generator().manual_seed(0)
    states = torch.randn(4000, 6, generator=generator) @ torch.randn(6, 6, generator=generator) + 3
    mean, whitening = fit_whitening(states, floor=0.0)
    white = (states - mean) @ whitening
    torch.testing.assert_close(torch.cov(white.T), torch.eye(6), atol=1e-3, rtol=0)
    few, matrix = fit_whitening(states[:3])
    assert ((states[:3] - few) @ matrix).isfinite().all()


def test_whitening_by_hand():
    mean, whitening = fit_whitening(torch.tensor([[3.0, 1.0], [-1.0, 1.0], [1.0, 2.0], [1.0, 0.0]]), floor=0.05)
    variances = torch.tensor([8 / 3, 2 / 3]) + (0.05 + (2 / 4) ** 2) * 5 / 3  # the mean variance is 5 / 3
    assert mean.tolist() == [1.0, 1.0]
    torch.testing.assert_close(whitening @ whitening.T, torch.diag(1 / variances))


@pytest.mark.parametrize("texts", [2, 24, 60])
def test_whitening_few_texts_keeps_their_similarities(texts):
    generator = torch.Generator().manual_seed(0)
    kinds = torch.arange(texts) % 2
    states = 0.7 * torch.randn(texts, 64, generator=generator) + 0.4 * (2.0 * kinds[:, None] - 1)
    mean, whitening = fit_whitening(states)
    white = torch.nn.functional.normalize((states - mean) @ whitening, dim=1)
    same = (kinds[:, None] == kinds) & ~torch.eye(texts, dtype=torch.bool)
    cosines, other = white @ white.T, kinds[:, None] != kinds
    assert texts == 2 or cosines[same].mean() > cosines[other].mean() + 0.05
    new = 0.7 * torch.randn(200, 64, generator=generator) + 0.4
    lengths = [float(((some - mean) @ whitening).norm(dim=1).mean()) for some in (new, states)]
    assert lengths[0] < 2 * lengths[1], "a text outside the fit keeps its size"


TRAIN = [[2, 3], [2], [3, 2, 2], [3], [3]]


def model_of_rows(**config) -> XCatForNextItem:
    """Rows 2 and 3 with texts at right angles and the counts of `TRAIN`, a cold item 4 with the text of 2, and 5."""
    model = XCatForNextItem(XCatConfig(**{
        "num_item_rows": 6, "num_texts": 3, "text_dim": 2, "hidden_size": 4, "intermediate_size": 4,
        "num_attention_heads": 1, "num_neighbors": 3, "soft_target_weight": 0.0, **config,
    }))  # fmt: skip
    items = model.model.items
    items.item_counts.copy_(training_counts(TRAIN, 6))
    if model.config.use_text:
        items.text_states[1:, 0] = torch.tensor([[3.0, 0.0], [0.0, 0.5]])
        items.text_index.copy_(torch.tensor([0, 0, 1, 2, 1, 0]))
    return model


def weights_in(model: XCatForNextItem) -> dict[tuple[int, int], float]:
    memory = model.model.neighbors
    owners, places = memory.similarities.nonzero(as_tuple=True)
    pairs = zip(owners.tolist(), memory.rows[owners, places].tolist(), strict=True)
    return dict(zip(pairs, memory.similarities[owners, places].tolist(), strict=True))


def test_a_cold_item_has_weights_from_its_text_and_from_warm_items(monkeypatch):
    model = model_of_rows()
    fill_neighbors(model, iter(TRAIN))
    # Item 2 is regressed on 3 and 4 by (4 + 5 + 20, 0; 0, 5 + 20) w = (2, 5), 3 and 4 on 2 by 28 w = 2 and 28 w = 5.
    by_text = {(2, 4): 5 / 28, (4, 2): 5 / 25}
    together = {(2, 3): 2 / 28, (3, 2): 2 / 29}
    assert weights_in(model) == pytest.approx({**by_text, **together}), "two warm items are too few"
    with monkeypatch.context() as patch:
        patch.setattr(cold_start, "MIN_WARM_ITEMS", 1)
        fill_neighbors(model, iter(TRAIN))
    # Item 3, at right angles, adds hardly any weight to itself, but adds its weights to and from 2.
    near, far = torch.softmax(torch.tensor([10.0, 0.0]), 0).tolist()
    lent = {(4, 3): far * 0.2 + near * 2 / 28, (3, 4): far * 5 / 27 + near * 2 / 29}
    by_text[2, 4], by_text[4, 2] = max(5 / 28, near * 5 / 28 + far * 2 / 28), max(5 / 25, near * 0.2 + far * 2 / 29)
    assert weights_in(model) == pytest.approx({**by_text, **together, **lent}, abs=1e-6)
    fill_neighbors(model, [])
    assert weights_in(model) == pytest.approx({(2, 4): 5 / 25, (4, 2): 5 / 25}), "earlier weights are gone"
    ids_only = model_of_rows(use_text=False)
    fill_neighbors(ids_only, TRAIN)
    assert weights_in(ids_only) == pytest.approx({(2, 3): 2 / 23, (3, 2): 2 / 24})


@pytest.mark.parametrize("version", [1, 2, 3])
def test_before_format_4_weights_are_cosines_and_cold_items_get_neighbours(version, monkeypatch):
    model = model_of_rows(format_version=version)
    fill_neighbors(model, TRAIN)
    counted = {(2, 3): 2 / 12**0.5, (3, 2): 2 / 12**0.5}
    assert weights_in(model) == pytest.approx(counted), "two warm items are too few"
    monkeypatch.setattr(cold_start, "MIN_WARM_ITEMS", 1)
    fill_neighbors(model, TRAIN)
    near, far = torch.softmax(torch.tensor([10.0, 0.0]), 0).tolist()
    to_two, to_three = near + far * counted[3, 2], far + near * counted[2, 3]
    lent = {(2, 4): to_two, (4, 2): to_two, (3, 4): to_three, (4, 3): to_three}
    assert weights_in(model) == pytest.approx({**counted, **lent}, abs=1e-6)


def test_in_a_catalogue_too_large_to_compare_cold_items_get_neighbours(monkeypatch):
    monkeypatch.setattr(regression, "MOST_COMPARED", 35)
    monkeypatch.setattr(cold_start, "MIN_WARM_ITEMS", 1)
    model = model_of_rows()
    fill_neighbors(model, TRAIN)
    counted = {(2, 3): 2 / 28, (3, 2): 2 / 29}
    near, far = torch.softmax(torch.tensor([10.0, 0.0]), 0).tolist()
    two, three = (5 / (5 + 20 + count) for count in model.model.items.item_counts[2:4].tolist())
    lent = {
        (4, 2): near * 0.2 + far * counted[3, 2], (4, 3): far * 0.2 + near * counted[2, 3],
        (2, 4): near * two + far * counted[2, 3], (3, 4): far * three + near * counted[3, 2],
    }  # fmt: skip
    assert weights_in(model) == pytest.approx({**counted, **lent}, abs=1e-6)


def test_a_model_without_item_to_item_weights_reads_no_histories():
    histories = iter([[2, 99]])
    fill_neighbors(model_of_rows(num_neighbors=0), histories)
    assert next(histories) == [2, 99]


def prepare_tiny_shop(folder, tables=None, **config):
    encoder = folder / "encoder"
    if not encoder.exists():
        save_text_encoder(encoder)
    return prepare_training(
        tables or shop(),
        PreparationOptions(
            text_encoder=str(encoder), split="leave-one-out", config={**SMALL, **config}, cache_dir=folder / "cache"
        ),
    )


def test_preparation_fills_weights_from_interactions_and_texts(tmp_path, monkeypatch):
    prepared = prepare_tiny_shop(tmp_path)
    items, memory = prepared.model.model.items, prepared.model.model.neighbors
    train = prepared.splits["train"].with_format(None)["items"]
    held = weights_in(prepared.model)
    memory.rows, memory.similarities = weights_by_regression(
        train, 42, 50, (items.text_states[:, 0], items.text_index)
    )
    by_text = weights_in(prepared.model)
    cold = int(prepared.processor.catalogue.encode([f"item-{COLD:02d}"])[0])
    trained = items.item_counts > 0
    assert not trained[cold] and any(pair[0] == cold for pair in by_text)
    among = {pair for pair in held if trained[list(pair)].all()}
    assert among == {pair for pair in by_text if trained[list(pair)].all()} != set()
    assert all(held[pair] == by_text[pair] for pair in among)
    assert all(held[pair] >= weight for pair, weight in by_text.items())
    assert len(held) > len(by_text), "and cold items get more neighbours"
    monkeypatch.setattr(regression, "MOST_COMPARED", 1)
    alone = weights_in(prepare_tiny_shop(tmp_path).model)
    assert any(pair[0] == cold for pair in alone) and any(pair[1] == cold for pair in alone)


def test_preparation_fills_transitions(tmp_path):
    prepared = prepare_tiny_shop(tmp_path)
    rows, shares = strongest_transitions(prepared.splits["train"].with_format(None)["items"], 42, 20)
    successors = prepared.model.model.successors
    assert successors.rows.equal(rows) and successors.similarities.equal(shares) and bool(shares.any())
    for fields in ({"num_successors": 0}, {"num_candidates": 0}, {"format_version": 4}):
        assert prepare_tiny_shop(tmp_path, **fields).model.model.successors is None


def test_preparation_counts_repurchases(tmp_path):
    prepared = prepare_tiny_shop(tmp_path, shop_of_returns())
    counts, gaps = count_repurchases(prepared.splits["train"].with_format(None)["items"], 42)
    items = prepared.model.model.items
    assert items.return_counts.equal(counts) and items.return_gaps.equal(gaps) and bool(gaps.any())
    for fields in ({"num_candidates": 0}, {"format_version": 7}):
        assert not hasattr(prepare_tiny_shop(tmp_path, **fields).model.model.items, "return_counts")
    untouched = prepare_tiny_shop(tmp_path).model.model.items
    share, gap = untouched.returns(torch.arange(42))
    assert not share.any() and not gap.any(), "that data set has no repurchases"


def test_preparation_before_format_4_fills_weights_with_cosines(tmp_path):
    prepared = prepare_tiny_shop(tmp_path, format_version=3)
    items, memory = prepared.model.model.items, prepared.model.model.neighbors
    rows, cosines = nearest_by_cosine(prepared.splits["train"].with_format(None)["items"], 42, 50)
    lent = ((items.item_counts == 0)[memory.rows.long()] | (items.item_counts == 0)[:, None]) & (
        memory.similarities > 0
    )
    assert lent.any() and memory.similarities[~lent].sum().item() == pytest.approx(cosines.sum().item(), rel=1e-5)
    trained = items.item_counts > 0
    for row in trained.nonzero().flatten().tolist():
        own = {(int(r), float(s)) for r, s in zip(memory.rows[row], memory.similarities[row], strict=True)}
        assert own >= {(int(r), float(s)) for r, s in zip(rows[row], cosines[row], strict=True) if s}


def test_categories_are_set_for_the_re_ranker(tmp_path):
    prepared = prepare_tiny_shop(tmp_path)
    vocabulary, values = prepared.processor.catalogue, prepared.model.model.items.category_values
    assert values.dtype == torch.int32 and values[:2].tolist() == [0, 0]
    named = {}
    for row in range(2, len(vocabulary)):
        named.setdefault(vocabulary.item(row)["category"], set()).add(int(values[row]))
    assert named.pop(None) == {0} == {int(values[vocabulary.encode([f"item-{NO_CATEGORY:02d}"])[0]])}
    assert sorted(named.values(), key=min) == [{1}, {2}, {3}, {4}]


def test_categories_of_another_vocabulary_replace_the_earlier_ones():
    model = model_of_rows()
    place_categories(model, vocabulary(category=["b", None, "a", "b"]))
    assert model.model.items.category_values.tolist() == [0, 0, 1, 0, 2, 1]
    place_categories(model, vocabulary(category=["z"]))
    assert model.model.items.category_values.tolist() == [0, 0, 1]
    place_categories(model, vocabulary(text=["no", "categories"]))
    assert model.model.items.category_values.tolist() == [0, 0, 0, 0]
    for config in ({"format_version": 3}, {"num_candidates": 0, "num_discovery_candidates": 0}):
        other = model_of_rows(**config)
        before = list(other.state_dict())
        place_categories(other, vocabulary(category=["z"]))
        assert list(other.state_dict()) == before and not any("category" in name for name in before)


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


def test_brands_have_embeddings_if_items_differ_in_them():
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
        ({"text_fields": ("slogan",)}, "text_fields has 'slogan'.*it has item_id"),
        ({"item_features": ("size",)}, "item_features has 'size'"),
        ({"config": {"depth": 3}}, "'depth' is not a field of XCatConfig"),
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


def test_a_data_set_without_any_text(tmp_path):
    encoder = str(save_text_encoder(tmp_path))
    options = PreparationOptions(text_encoder=encoder, split="leave-one-out", text_fields=(), config=SMALL)
    prepared = prepare_training(shop(8), options)
    assert prepared.model.config.num_texts == 1
    assert not prepared.model.model.items.text_token_mask.any()
    batch = prepared.processor.collate(list(prepared.splits["train"]), with_labels=True)
    assert prepared.model(**batch).loss.isfinite()
