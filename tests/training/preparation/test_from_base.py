"""A base on another catalogue: what its items keep, and what new ones have."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from xcat_rec.catalogue.change import change_catalogue, ordered_after
from xcat_rec.catalogue.cold_start import TEXT_NEIGHBOR_WEIGHT, drop_cold_start_neighbors, united_neighbors
from xcat_rec.catalogue.item_table import add_repurchases
from xcat_rec.catalogue.repurchases import count_repurchases
from xcat_rec.checkpoints.load import load_base
from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.tokenization.tables.schema import ShopTables, validate_tables
from xcat_rec.tokenization.vocabulary import UNKNOWN_ROW
from xcat_rec.training.preparation import from_base
from xcat_rec.training.preparation.from_base import prepare_from_base
from xcat_rec.training.preparation.options import PreparationOptions
from xcat_rec.training.preparation.prepare import build_vocabulary, prepare_training

from ...tiny_shop import SMALL, events_table, items_table, save_text_encoder, shop, shop_of_returns

HISTORY = [f"item-{i:02d}" for i in (1, 8, 15, 22)]
NEW = {"item_id": "item-new", "title": "maps number 5", "brand": "brand 1", "category": "maps", "price": 2.0}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    save_text_encoder(folder / "encoder")
    options = PreparationOptions(
        text_encoder=str(folder / "encoder"), split="leave-one-out", item_features=("brand",),
        config={**SMALL, "soft_target_weight": 0.2}, cache_dir=folder / "cache",
    )  # fmt: skip
    prepared = prepare_training(shop(), options)
    add_repurchases(prepared.model, [[5, 6, 5, 9, 5], [30, 30]])  # the shop has none
    prepared.model.save_pretrained(folder / "base")
    prepared.processor.save_pretrained(folder / "base")
    return folder / "base"


def changed_shop(items: pl.DataFrame, events: pl.DataFrame | None = None) -> ShopTables:
    return validate_tables(items, events_table() if events is None else events, name="changed")


def grown() -> pl.DataFrame:
    """One item more, in front, and the others the other way round."""
    return pl.concat([pl.DataFrame([NEW], schema=items_table().schema), items_table().reverse()])


def other_shop(new: int) -> ShopTables:
    """The tiny data set with more items."""
    copies = pl.concat([grown().tail(1).with_columns(pl.lit(f"new-{i}").alias("item_id")) for i in range(new)])
    return changed_shop(pl.concat([items_table(), copies]))


def scores(model: Any, processor: Any) -> dict[str, float]:
    recommender = XCatRecommender(model, processor)
    row = processor.history_rows([HISTORY])
    found = recommender.score_rows(row)[0, 2:].tolist()
    return dict(zip(processor.catalogue.decode(range(2, len(processor.catalogue))), found, strict=True))


def test_known_items_keep_their_rows_and_scores(base):
    before = scores(*load_base(base))
    model, processor = load_base(base)
    vocabulary = ordered_after(processor.catalogue, build_vocabulary(changed_shop(grown())))
    assert vocabulary.decode(range(2, 42)) == processor.catalogue.decode(range(2, 42))
    changed = change_catalogue(model, processor, vocabulary)
    assert model.config.num_items == 41 and changed.catalogue.num_items == 41 and processor.catalogue.num_items == 40
    after = scores(model, changed)
    new = after.pop("item-new")
    assert after == pytest.approx(before, abs=1e-5)
    assert new == pytest.approx(new)


def test_a_new_item_has_text_and_features_but_no_id_and_text_based_neighbours(base):
    model, processor = load_base(base)
    changed = change_catalogue(model, processor, build_vocabulary(changed_shop(grown())))
    row = int(changed.catalogue.encode(["item-new"])[0])
    items, memory = model.model.items, model.model.neighbors
    assert row == 2 and items.item_counts[row] == 0 and not items.id_embeddings.weight[row].any()
    assert memory is not None and memory.similarities[row].any()
    assert items.item_counts[memory.rows[row][memory.similarities[row] > 0].long()].all()
    assert (memory.rows[items.item_counts > 0] == row).any()
    assert items.text_states[items.text_index[row]].any()
    twin = int(changed.catalogue.encode(["item-01"])[0])
    assert changed.catalogue.item(twin)["brand"] == "brand 1"
    assert items.feature_values[row].equal(items.feature_values[twin])
    assert model.soft_target_rows.shape == (43, 10) and int(model.soft_target_rows.max()) < 43


@pytest.mark.parametrize(("new", "in_use"), [(1, True), (200, False)])
def test_the_reranker_stays_on_if_the_base_has_half_of_the_catalogue(base, new, in_use):
    model, processor = load_base(base)
    model.config.candidate_attention = True
    change_catalogue(model, processor, build_vocabulary(other_shop(new)))
    assert model.model.items.item_counts.gt(0).sum() * 2 < 40 + 200
    assert model.model.has_second_stage == in_use


@pytest.mark.parametrize(("new", "strange"), [(200, False), (400, True)])
def test_a_catalogue_that_a_base_hardly_knows_is_remembered_by_its_texts(base, new, strange):
    model, processor = load_base(base)
    weight = model.config.neighbor_weight
    change_catalogue(model, processor, build_vocabulary(other_shop(new)))
    assert model.config.neighbor_history == strange
    assert model.config.neighbor_weight == (TEXT_NEIGHBOR_WEIGHT if strange else weight)
    memory, untrained = model.model.neighbors, model.model.items.item_counts == 0
    among = untrained[memory.rows.long()] & (memory.similarities > 0)
    assert bool(among[untrained].any()) == strange


@pytest.mark.parametrize(("options", "weight"), [({}, TEXT_NEIGHBOR_WEIGHT), ({"neighbor_weight": 3.0}, 3.0)])
def test_a_log_or_who_asks_for_it_brings_the_own_weight_back(base, options, weight):
    chosen = PreparationOptions(split="leave-one-out", config=options)
    untrained = prepare_from_base(other_shop(400), chosen, str(base), recount=False)[0].model.config
    assert untrained.neighbor_history and untrained.neighbor_weight == weight
    trained = prepare_from_base(other_shop(400), chosen, str(base))[0].model.config
    own = options.get("neighbor_weight", load_base(base)[0].config.neighbor_weight)
    assert not trained.neighbor_history and trained.neighbor_weight == own


def test_a_shuffled_and_shrunk_catalogue_scores_the_same(base):
    before = scores(*load_base(base))
    model, processor = load_base(base)
    kept = items_table().reverse().filter(pl.col("category") != "stoves")
    vocabulary = build_vocabulary(replace(shop(), items=kept.join(shop().items.select("item_id"), on="item_id")))
    del before["item-22"]  # of the history, and gone
    changed = change_catalogue(model, processor, vocabulary)
    assert len(changed.catalogue) == model.config.num_item_rows == vocabulary.num_items + 2 < 42
    base_model = load_base(base)[0].model
    left = set(changed.catalogue.decode(range(2, len(changed.catalogue))))
    old = processor.catalogue.encode(["item-01"])[0]
    new = changed.catalogue.encode(["item-01"])[0]
    for table, base_table in (
        (model.model.neighbors, base_model.neighbors), (model.model.successors, base_model.successors)
    ):  # fmt: skip
        was = {i: s for i, s in zip(processor.catalogue.decode(base_table.rows[old].tolist()),
                                    base_table.similarities[old].tolist(), strict=True) if s}  # fmt: skip
        now = {i: s for i, s in zip(changed.catalogue.decode(table.rows[new].tolist()),
                                    table.similarities[new].tolist(), strict=True) if s}  # fmt: skip
        assert now == {item: similarity for item, similarity in was.items() if item in left} != {}
    known = load_base(base)[0].model.items()
    order = torch.from_numpy(processor.catalogue.encode(vocabulary.column("item_id")))
    assert UNKNOWN_ROW not in order
    assert torch.allclose(model.eval().model.items()[2:], known[order], atol=1e-6)
    for name in ("return_counts", "return_gaps"):
        was = getattr(base_model.items, name)
        assert was[order].any() and getattr(model.model.items, name)[2:].equal(was[order])


def test_returns_are_those_of_both_or_of_the_base_alone(base):
    old = load_base(base)[0].model.items
    options = PreparationOptions(split="leave-one-out")
    prepared, _ = prepare_from_base(shop_of_returns(30), options, str(base))
    kept, _ = prepare_from_base(shop_of_returns(30), options, str(base), recount=False)
    own = count_repurchases(prepared.splits["train"].with_format(None)["items"], 42)
    for name, found in zip(("return_counts", "return_gaps"), own, strict=True):
        was = getattr(old, name)
        assert was.any() and found.any()
        assert getattr(prepared.model.model.items, name).equal(was + found)
        assert getattr(kept.model.model.items, name).equal(was)


def test_users_of_the_base_weigh_as_users_however_often_they_came_back(base, monkeypatch):
    seen = []
    monkeypatch.setattr(
        from_base, "fill_neighbors", lambda model, histories, elsewhere, weights: seen.append(elsewhere)
    )
    prepare_from_base(shop_of_returns(30), PreparationOptions(split="leave-one-out"), str(base))
    items = load_base(base)[0].model.items
    assert items.return_counts.any() and seen[0].equal(items.item_counts - items.return_counts)


def test_counts_are_those_of_both_or_of_the_base_alone(base):
    old = load_base(base)[0].model.items.item_counts
    options = PreparationOptions(split="leave-one-out")
    prepared, changed = prepare_from_base(shop(30), options, str(base))
    named = torch.bincount(torch.tensor([i for row in prepared.splits["train"]["items"] for i in row]), minlength=42)
    assert not changed and prepared.model.model.items.item_counts.equal(old + named)
    kept, _ = prepare_from_base(shop(30), options, str(base), recount=False)
    assert kept.model.model.items.item_counts.equal(old)
    for name in ("neighbors", "successors"):
        table = getattr(load_base(base)[0].model, name)
        assert getattr(kept.model.model, name).similarities.equal(table.similarities)
        drop_cold_start_neighbors(table, old)  # computed again
        own = table.similarities.sort(dim=1, descending=True).values
        both = getattr(prepared.model.model, name).similarities
        assert not both.equal(own) and bool((both >= own).all())


@given(st.lists(st.tuples(st.integers(2, 6), st.integers(0, 8)), min_size=4, max_size=4), st.integers(1, 4))
def test_united_neighbours_are_those_of_a_dictionary(pairs, count):
    best: dict[int, float] = {}
    for row, value in pairs:
        best[row] = max(best.get(row, 0.0), value / 8)
    expected = sorted((value for value in best.values() if value), reverse=True)[:count]
    rows, values = united_neighbors(
        torch.tensor([[row for row, _ in pairs]] * 3), torch.tensor([[value / 8 for _, value in pairs]] * 3), count, 2
    )
    assert values[2].tolist() == expected + [0.0] * (count - len(expected))
    found = [(row, value) for row, value in zip(rows[2].tolist(), values[2].tolist(), strict=True) if value]
    assert len({row for row, _ in found}) == len(found) and all(best[row] == value for row, value in found)


def test_the_note_counts_new_and_dropped_items(base):
    new = pl.DataFrame([NEW], schema=items_table().schema)
    items = pl.concat([items_table().filter(pl.col("item_id") != "item-39"), new])
    events = events_table().filter(pl.col("item_id") != "item-39")
    prepared, changed = prepare_from_base(
        changed_shop(items, events), PreparationOptions(split="leave-one-out"), str(base)
    )
    assert changed and prepared.notes == ["1 of 40 items is new to the base; 1 of the base's is dropped"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"config": {"hidden_size": 64}}, r"hidden_size is 64, but 32 in the base .*leave it out"),
        ({"config": {"width": 64}}, r"'width' is not a field of XCatConfig"),
        ({"config": {"id_dropout": 2}}, r"id_dropout is 2; give a share"),
        ({"text_encoder": "other/encoder"}, r"text_encoder='other/encoder': the base .* has its own"),
        ({"text_fields": ("title",)}, r"text_fields is \('title',\), but \('title', .*\) in the base"),
        ({"item_features": ("category",)}, r"item_features is \('category',\), but \('brand',\) in the base"),
    ],
)  # fmt: skip
def test_options_that_contradict_the_base_are_refused(base, options, told):
    with pytest.raises(ValueError, match=told):
        prepare_from_base(shop(), PreparationOptions(split="leave-one-out", **options), str(base))


def test_a_loaded_base_has_its_text_encoder_frozen(base):
    prepared, _ = prepare_from_base(shop(), PreparationOptions(split="leave-one-out"), str(base))
    assert not any(p.requires_grad for p in prepared.model.model.text.parameters())
    options = PreparationOptions(split="leave-one-out", config={"freeze_text_encoder": False})
    opened, _ = prepare_from_base(shop(), options, str(base))
    frozen = {name for name, value in opened.model.named_parameters() if not value.requires_grad}
    assert frozen == {f"model.text.encoder.pooler.dense.{kind}" for kind in ("weight", "bias")}  # nothing reads it


def test_new_texts_need_a_text_encoder(base):
    model, processor = load_base(base)
    model.model.text.encoder = None
    with pytest.raises(ValueError, match=r"1 of \d+ texts are new to the model, for example 'kite brand 1 maps'"):
        change_catalogue(
            model, processor, build_vocabulary(changed_shop(pl.concat([
                items_table(), pl.DataFrame([{**NEW, "title": "kite"}], schema=items_table().schema)
            ])))
        )  # fmt: skip
