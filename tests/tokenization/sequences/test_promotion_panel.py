"""Rows of visits and promotions, against a computation row by row."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from xcat_rec.tokenization.sequences.promotion_panel import KINDS, has_store_promotions, promotion_panel
from xcat_rec.tokenization.sources import load_shop
from xcat_rec.tokenization.tables.schema import ShopTables

WEEK, START = 7 * 86_400, 1_700_000_000
WEEKS, USERS, ITEMS, STORES = 14, 12, 6, 3


def tables(seed: int = 0) -> dict[str, pl.DataFrame]:
    """Users visit one of three stores per week; the last store has no promotions."""
    generator = np.random.default_rng(seed)
    promotions = [
        (kind, f"item-{item}", f"store-{store}", START + week * WEEK, START + (week + 1) * WEEK - 1)
        for kind in KINDS for week in range(WEEKS) for item in range(ITEMS) for store in range(STORES - 1)
        if generator.random() < 0.3
    ]  # fmt: skip
    events = []
    for user in range(USERS):
        for week in range(WEEKS):
            store = generator.integers(STORES)
            for item in range(ITEMS):
                if generator.random() < 0.4:
                    time = START + week * WEEK + int(generator.integers(WEEK))
                    events.append((f"user-{user}", f"item-{item}", f"store-{store}", time, 1.0, 2.0 + item, 0.5))
    names = ["user_id", "item_id", "store_id", "timestamp", "quantity", "paid", "discount"]
    return {
        "items": pl.DataFrame({
            "item_id": [f"item-{item}" for item in range(ITEMS)], "title": [f"Item {item}" for item in range(ITEMS)],
            "category": ["a" if item < 3 else "b" for item in range(ITEMS)],
        }),
        "events": pl.DataFrame(events, schema=names, orient="row"),
        "promotions": pl.DataFrame(
            promotions, schema=["kind", "item_id", "store_id", "start", "end"], orient="row"
        ),
    }  # fmt: skip


@pytest.fixture(scope="module")
def given() -> dict[str, pl.DataFrame]:
    return tables()


@pytest.fixture(scope="module")
def shop(given: dict[str, pl.DataFrame]) -> ShopTables:
    return load_shop(given)


def test_rows_are_those_of_a_computation_row_by_row(given: dict[str, pl.DataFrame], shop: ShopTables) -> None:
    panel = promotion_panel(shop, rows=10_000)
    bought: dict[tuple[int, int], list[tuple[int, str]]] = {}
    visits = set()
    origin = given["promotions"]["start"].min()
    for user, item, store, time, *_ in given["events"].iter_rows():
        week = (time - origin) // WEEK
        bought.setdefault((int(user[5:]), int(item[5:])), []).append((week, store))
        visits.add((int(user[5:]), week, store))
    promoted = {
        (kind, int(item[5:]), store, (start - origin) // WEEK)
        for kind, item, store, start, _ in given["promotions"].select(
            "kind", "item_id", "store_id", "start"
        ).with_columns(end=0).iter_rows()
    }  # fmt: skip
    expected = []
    for user, week, store in visits:
        for item in range(ITEMS):
            past = [when for when, _ in bought.get((user, item), []) if when < week]
            if week < 8 or store == f"store-{STORES - 1}" or len(set(past)) < 2:
                continue
            flags = [(kind, item, store, week + step) in promoted for kind in KINDS for step in (0, 1)]
            expected.append((
                user, item, (week, store) in bought[(user, item)], *flags, round(float(np.log(len(past))), 9),
                round(float(np.log(week - max(past))), 9),
            ))  # fmt: skip
    order = [f"user-{user}" for user in range(USERS)]
    names = [int(name[5:]) for name in sorted(order)]
    found = [
        (names[user], item, bool(outcome), *flags, round(times, 9), round(since, 9))
        for user, item, outcome, *flags, times, since in zip(
            panel.users.tolist(), panel.items.tolist(), panel.outcome.tolist(),
            *(part[kind].tolist() for kind in KINDS for part in (panel.treatments, panel.next_treatments)),
            panel.covariates[:, 0].tolist(), panel.covariates[:, 1].tolist(), strict=True,
        )
    ]  # fmt: skip
    assert sorted(found) == sorted(expected) and panel.num_candidates == len(expected) and panel.period_days == 7
    assert len(panel.names) == panel.covariates.shape[1] and np.isfinite(panel.covariates).all()


def test_values_do_not_depend_on_what_comes_later(given: dict[str, pl.DataFrame], shop: ShopTables) -> None:
    """Without the events and promotions of the last weeks, the covariates of earlier rows stay the same."""
    cut = START + 11 * WEEK
    earlier = load_shop({
        "items": given["items"], "events": given["events"].filter(pl.col("timestamp") < cut),
        "promotions": given["promotions"].filter(pl.col("start") < cut),
    })  # fmt: skip
    whole, part = promotion_panel(shop, 10_000), promotion_panel(earlier, 10_000)
    columns = [place for place, name in enumerate(whole.names) if "store's purchases" not in name]
    week = whole.names.index("period")
    rows = whole.covariates[whole.covariates[:, week] < 11][:, columns]
    np.testing.assert_allclose(rows, part.covariates[:, columns], atol=1e-6)


def test_a_draw_is_a_part_of_all_rows(shop: ShopTables) -> None:
    whole, part = promotion_panel(shop, 10_000), promotion_panel(shop, 40, seed=3)
    every = {(user, item, *row) for user, item, row in zip(whole.users, whole.items, whole.covariates, strict=True)}
    drawn = {(user, item, *row) for user, item, row in zip(part.users, part.items, part.covariates, strict=True)}
    assert len(drawn) == len(part.outcome) == 40 and drawn <= every
    known = np.isfinite(whole.other_outcome)
    assert known.any() and set(np.unique(whole.other_outcome[known])) == {0.0, 1.0}


def test_unfit_promotions_are_refused(given: dict[str, pl.DataFrame]) -> None:
    events = given["events"].drop("store_id")
    assert not has_store_promotions(load_shop({**given, "events": events}))
    assert not has_store_promotions(load_shop({"items": given["items"], "events": given["events"]}))
    with pytest.raises(ValueError, match="no store_id in events"):
        promotion_panel(load_shop({**given, "events": events}))
    longer = given["promotions"].with_columns(end=pl.when(pl.int_range(pl.len()) == 0).then("start").otherwise("end"))
    with pytest.raises(ValueError, match="promotions last 1 to 604800 seconds"):
        promotion_panel(load_shop({**given, "promotions": longer}))
    once = given["events"].unique(["user_id", "item_id"])
    with pytest.raises(ValueError, match="bought an item in two periods"):
        promotion_panel(load_shop({**given, "events": once}))
