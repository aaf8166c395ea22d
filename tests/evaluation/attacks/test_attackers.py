"""Attackers: exact results on small tables, and properties for all seeds."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xcat_rec.evaluation.attacks import ATTACKS, attack_shop, choose_targets
from xcat_rec.evaluation.attacks.item_texts import KEYWORDS, SWAPS, TEXTS, best_sellers, changed_items
from xcat_rec.evaluation.attacks.profiles import PROFILES, fake_events, item_pool
from xcat_rec.tokenization.tables.schema import ShopTables, validate_tables
from xcat_rec.tokenization.text.hidden_characters import visible_text

from ...tiny_shop import items_table, shop

SHOP = shop()
TARGETS = ("item-05", "item-17")


def test_pools_by_hand() -> None:
    items = pl.DataFrame({"item_id": list("abcdet"), "category": ["x", "y", "x", "y", None, "x"]})
    events = pl.DataFrame({"item_id": list("aaabbcct")})
    pool = item_pool(items, events, ["t"])
    assert pool.items == pool.popular == ["a", "b", "c"] and pool.segment == ["a", "c"]
    many = pl.DataFrame({"item_id": [f"i{n:03d}" for n in range(300) for _ in range(300 - n)]})
    popular = item_pool(pl.DataFrame({"item_id": ["t"]}), many, ["t"]).popular
    assert popular == [f"i{n:03d}" for n in range(15)]  # 5 % of 300


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(list(PROFILES)), st.integers(0, 1_000), st.integers(1, 8))
def test_fake_users_copy_real_ones_and_promote_the_targets(kind: str, seed: int, users: int) -> None:
    found = fake_events(SHOP.items, SHOP.events, kind, TARGETS, users, seed)
    assert found.equals(fake_events(SHOP.items, SHOP.events, kind, TARGETS, users, seed))
    assert found["user_id"].n_unique() == users and not set(found["user_id"]) & set(SHOP.events["user_id"])
    assert found.schema == SHOP.events.schema
    pool = item_pool(SHOP.items, SHOP.events, TARGETS)
    real = {
        tuple(part["timestamp"]): part["event_type"].to_list()
        for part in SHOP.events.sort("timestamp").partition_by("user_id")
    }
    allowed = {"random": pool.items, "popular": pool.popular, "bandwagon": pool.items, "segment": pool.segment}[kind]
    for part in found.partition_by("user_id"):
        profile = part["item_id"].to_list()
        assert real[tuple(part["timestamp"])] == part["event_type"].to_list()
        assert 1 <= sum(item in TARGETS for item in profile) <= len(profile) // 2
        assert len(set(profile)) == len(profile)
        assert profile[0] not in TARGETS and not set(profile[-2:]) & set(TARGETS)
        others = [item for item in profile if item not in TARGETS]
        assert set(others) <= set(allowed)
        if kind == "bandwagon":
            assert sum(item in pool.popular for item in others) >= (len(others) + 1) // 2
        assert all(rating in (None, 5.0) for rating in part["rating"])


def test_held_out_rows_of_a_column_are_not_copied_and_targets_can_be_the_latest() -> None:
    split = ["train"] * 6 + ["valid", "test"]
    events = validate_tables(
        pl.DataFrame({"item_id": list("abcdefghijk")}),
        pl.DataFrame({
            "user_id": ["u"] * 8, "item_id": list("abcdefgh"), "order": range(8), "split": split, "note": ["own"] * 8,
        }),
    ).events  # fmt: skip
    found = fake_events(pl.DataFrame({"item_id": list("abcdefghijk")}), events, "random", ["k"], 30, 0)
    assert found["split"].unique().to_list() == ["train"] and found["note"].null_count() == found.height == 180
    assert set(found.filter(pl.col("item_id") == "k")["order"]) == {1, 2, 3, 4, 5}


def test_titles_by_hand() -> None:
    items = pl.DataFrame({
        "item_id": list("abct"),
        "title": ["Carbon steel kettle", "Carbon steel pan 2x", None, "Plain wooden spoon set"],
    })  # fmt: skip
    events = pl.DataFrame({"item_id": list("aaabbct")})
    sold = best_sellers(items, events, ["t"])
    assert sold.titles == ["Carbon steel kettle", "Carbon steel pan 2x"]
    assert sold.words == ["Carbon", "steel", "kettle"]
    found = {kind: changed_items(items, events, kind, ["t"], seed=3) for kind in TEXTS}
    for table in found.values():
        assert table["title"].to_list()[:3] == items["title"].to_list()[:3]
    title = {kind: table["title"][3] for kind, table in found.items()}
    assert title["keyword-stuffing"] == "Plain wooden spoon set Carbon steel kettle"
    assert title["copied-title"] in sold.titles
    for kind in ("zero-width", "homoglyphs"):
        assert title[kind] not in sold.titles and visible_text(title[kind]) == title["copied-title"]
    assert title["prompt"].startswith("Plain wooden spoon set. Ignore all earlier instructions")
    words = title["token-swap"].split(" ")
    assert len(words) == 4 and words[3] == "set" and set(words[:3]) == {"Carbon", "steel", "kettle"}
    assert (KEYWORDS, SWAPS) == (8, 4)


@pytest.mark.parametrize("kind", ATTACKS)
def test_an_attack_changes_only_its_table_and_has_a_cost(kind: str) -> None:
    before = SHOP.items.clone(), SHOP.events.clone()
    found = attack_shop(SHOP, kind, TARGETS, share=0.05, seed=1)
    assert SHOP.items.equals(before[0]) and SHOP.events.equals(before[1])
    assert found.shop.events[: SHOP.events.height].equals(SHOP.events)
    if kind in PROFILES:
        assert found.cost == {"users": 3, "events": found.shop.events.height - SHOP.events.height}
        assert len(found.fakes) == 3 and found.shop.items.equals(SHOP.items)
    else:
        changed = found.shop.items.filter(pl.col("item_id").is_in(TARGETS))["title"]
        assert found.cost == {"titles": 2, "characters": sum(map(len, changed))} and found.fakes == ()
        assert found.shop.items.filter(~pl.col("item_id").is_in(TARGETS)).equals(
            SHOP.items.filter(~pl.col("item_id").is_in(TARGETS))
        )


def test_targets_are_unpopular_and_drawn_with_the_seed() -> None:
    counts = SHOP.events.group_by("item_id").len()
    half = counts.sort(["len", "item_id"]).head(counts.height // 2)["item_id"].to_list()
    drawn = {choose_targets(SHOP, 3, seed) for seed in range(5)}
    assert len(drawn) > 1 and all(set(targets) <= set(half) and len(targets) == 3 for targets in drawn)
    with pytest.raises(ValueError, match="targets is 99, and the shop has"):
        choose_targets(SHOP, 99)


def test_refusals_name_the_argument() -> None:
    for changed, words in (
        ({"kind": "ddos"}, "kind is 'ddos'; give one of random"),
        ({"targets": ["x"]}, "targets has 'x', which is not an item"),
        ({"share": 0.0}, "share is 0.0; give a share of the real users"),
    ):
        with pytest.raises(ValueError, match=words):
            attack_shop(SHOP, **{"kind": "random", "targets": TARGETS, "share": 0.1, **changed})  # type: ignore[arg-type]
    plain = ShopTables(items_table().select("item_id"), SHOP.events)
    with pytest.raises(ValueError, match="changes titles, and the items have none; give a kind of profiles"):
        attack_shop(plain, "prompt", TARGETS)
    short = SHOP.events.group_by("user_id").head(2)
    with pytest.raises(ValueError, match="no user has 3 training events"):
        fake_events(SHOP.items, short, "random", TARGETS, 1)
    with pytest.raises(ValueError, match="targets is empty"):
        fake_events(SHOP.items, SHOP.events, "random", [], 1)
