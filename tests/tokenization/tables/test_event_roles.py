"""Roles of event types: defaults by name, and their effect on splits, targets and counts."""

from __future__ import annotations

import polars as pl
import pytest

from xcat_rec.modeling_baselines.popularity import RepeatPurchaseConfig, RepeatPurchaseModel
from xcat_rec.tokenization.out_of_core.inputs import PreparationInputs
from xcat_rec.tokenization.out_of_core.prepare import PrepareOptions, prepare_tables
from xcat_rec.tokenization.packing import EventFeatures, pack_histories
from xcat_rec.tokenization.sequences.build import build_splits, target_histories, trained_items
from xcat_rec.tokenization.tables.event_roles import event_roles, saved_roles
from xcat_rec.tokenization.tables.schema import ShopTables, TableColumns, validate_tables
from xcat_rec.tokenization.text.vocabulary_texts import items_table
from xcat_rec.tokenization.vocabulary import ItemVocabulary
from xcat_rec.training.preparation.windows import count_labels, training_windows

from ..out_of_core.test_prepare import rows_of, small_pieces, write  # noqa: F401

DAY = 86_400


@pytest.mark.parametrize(
    ("names", "targets", "negative"),
    [
        (["pv", "fav", "cart", "buy"], ["buy"], []),
        (["view", "addtocart", "transaction"], ["transaction"], []),
        (["view_item", "add_to_cart", "begin_checkout", "purchase", "refund"], ["purchase"], ["refund"]),
        (["addToCart", "orderCancelled", "Order"], ["Order"], ["orderCancelled"]),
        (["interaction", "return"], ["interaction"], ["return"]),
        (["view", "search"], ["view"], []),
        (["click", "view", "hide"], ["click", "view"], ["hide"]),
        (["review", "preview"], ["review"], []),
        (["like", "dislike"], ["like"], ["dislike"]),
        (["浏览", "加购", "购买", "退货"], ["购买"], ["退货"]),
        (["点击", "曝光", "不感兴趣"], ["点击"], ["不感兴趣"]),
        (["1", "2"], ["1", "2"], []),
        (["purchased", "not purchased"], ["purchased"], []),
        (["view", "not_purchased"], ["view"], []),
        (["view", "unpaid", "non-purchase", "noPurchase", "not yet bought", "didn't buy"], ["view"], []),
        (["paid", "un-paid"], ["paid"], []),
        (["浏览", "未购买", "没买", "不购买", "没有下单"], ["浏览"], []),
        (["购买", "未付款", "不喜欢"], ["购买"], ["不喜欢"]),
        (["buy", "not returned", "未退货", "not interested"], ["buy"], ["not interested"]),
        (["view", "like", "not liked"], ["like"], []),
        (["unit", "note", "union"], ["note", "union", "unit"], []),
        (["purchase", "purchase non-member"], ["purchase", "purchase non-member"], []),
    ],
)
def test_names_decide(names, targets, negative):
    roles = event_roles(names)
    assert (list(roles.targets), list(roles.negative)) == (targets, negative)
    assert set(roles.context) == set(names) - set(targets) - set(negative)


@pytest.mark.parametrize(
    "names", [["return"], ["refund", "return"], ["退货"], ["return", "not purchased"], ["not purchased"]]
)
def test_events_of_negative_types_only_are_refused(names):
    with pytest.raises(ValueError, match=rf"no event type is left to predict of {', '.join(sorted(names))}: .* give"):
        event_roles(names)
    assert event_roles(names, names[:1]).targets == (names[0],)


def test_returns_only_are_refused_by_every_function(tmp_path):
    from ...tiny_shop import events_table
    from ...tiny_shop import items_table as shop_items

    events = events_table().with_columns(quantity=-1)
    shop = validate_tables(shop_items(), events)
    with pytest.raises(ValueError, match="no event type is left to predict of return"):
        build_splits(shop, ItemVocabulary(items_table(shop.items)), shop.event_type_names())
    data = write(tmp_path / "shop", shop_items(), events)
    with pytest.raises(ValueError, match="no event type is left to predict of return"):
        prepare_tables(PreparationInputs(data), tmp_path / "out", progress=False)
    options = PrepareOptions(target_event_types=("return",))
    assert prepare_tables(PreparationInputs(data), tmp_path / "out", options, progress=False).roles.targets == (
        "return",
    )


def test_an_option_overrides_the_names():
    roles = event_roles(["purchase", "view", "return"], ["view", "purchase"], [])
    assert (roles.targets, roles.context, roles.negative) == (("purchase", "view"), ("return",), ())
    assert event_roles(["buy", "return"], ["return"]).targets == ("return",)
    with pytest.raises(ValueError, match=r"target_event_types has 'sale', which is not an event type .* have buy"):
        event_roles(["buy"], ["sale"])
    with pytest.raises(ValueError, match="is in target_event_types and in negative_event_types"):
        event_roles(["buy", "view"], ["buy"], ["buy"])
    with pytest.raises(ValueError, match="target_event_types is empty"):
        event_roles(["buy"], [])


def test_an_old_checkpoint_predicts_all_types():
    assert saved_roles(["buy", "return"], {}).targets == ("buy", "return")
    saved = {"target_event_types": ["buy"], "negative_event_types": []}
    assert saved_roles(["buy", "return", "view"], saved) == event_roles(["buy", "return", "view"])
    assert saved_roles(["interaction"], saved).targets == ("interaction",)


def log(rows: list[tuple], **more: object) -> ShopTables:
    """Tables from `(user, item, event type)` in order, one day apart."""
    events = pl.DataFrame(
        [(u, i, k, 1_600_000_000 + DAY * n) for n, (u, i, k) in enumerate(rows)],
        schema=["user_id", "item_id", "event_type", "timestamp"], orient="row",
    ).with_columns(**more)  # fmt: skip
    return validate_tables(pl.DataFrame({"item_id": list("abcdef"), "title": list("ABCDEF")}), events)


def split(shop: ShopTables, name: str = "leave-one-out") -> dict[str, list[tuple]]:
    """Rows of each part with item ids: (items, targets)."""
    vocabulary = ItemVocabulary(items_table(shop.items))
    found = build_splits(shop, vocabulary, shop.event_type_names(), split=name)

    def names(rows) -> str:
        return "".join(vocabulary.decode(rows))

    return {
        part: [(names(row["items"]), names(row.get("targets", ()))) for row in rows] for part, rows in found.items()
    }


USER = [("u", "a", "buy"), ("u", "b", "buy"), ("u", "a", "return"), ("u", "c", "buy"), ("u", "d", "view"),
        ("u", "d", "buy"), ("u", "d", "return"), ("u", "e", "view")]  # fmt: skip


def test_leave_one_out_predicts_the_last_purchase():
    """Later events, its return and a view, are in no history."""
    assert split(log(USER)) == {"train": [("aba", "")], "validation": [("aba", "c")], "test": [("abacd", "d")]}


@pytest.mark.parametrize("name", ["leave-one-out", "last-basket", "global-time", "user-level", "cold-items", "column"])
def test_a_return_is_never_a_target(name):
    """Nor is a view; both are between purchases."""
    rows = [(f"u{n:02d}", item, kind) for _, item, kind in [*USER, ("u", "f", "buy")] for n in range(40)]
    shop = log(rows, split=pl.Series(["train"] * 160 + ["valid"] * 80 + ["test"] * 120))
    vocabulary = ItemVocabulary(items_table(shop.items))
    found = build_splits(shop, vocabulary, shop.event_type_names(), split=name)
    bought = set(vocabulary.encode(list("abcdf")).tolist())
    judged = [row for part in ("validation", "test") for row in found[part]]
    assert judged and all(set(row["targets"]) <= bought for row in judged)
    if name == "column":
        of_test = [vocabulary.decode(row["targets"]) for row in found["test"]]
        assert len(found["validation"]) == 40 and of_test == [["f"]] * 40


def test_last_basket_is_the_basket_of_the_last_purchase():
    """Other events of that basket are excluded, at any position in it."""
    rows = [("u", item, kind) for item, kind in
            [("a", "buy"), ("b", "buy"), ("e", "return"), ("c", "buy"), ("d", "buy"), ("c", "return")]]  # fmt: skip
    shop = log(rows, basket_id=pl.Series(["1", "2", "3", "3", "3", "4"]))
    assert split(shop, "last-basket")["test"] == [("ab", "cd")]


def test_targets_are_purchases():
    shop = log([*USER, ("v", "a", "view"), ("v", "b", "view")])
    vocabulary = ItemVocabulary(items_table(shop.items))
    splits = build_splits(shop, vocabulary, shop.event_type_names())
    assert splits["train"]["user_id"][:] == ["u"] and splits["train"]["event_roles"][0] == [1, 1, -1]
    a, b = vocabulary.encode(["a", "b"]).tolist()
    batch = pack_histories(
        splits["train"].to_list(), max_history=4, features=EventFeatures(use_event_types=True), with_labels=True
    )
    assert batch["labels"].tolist() == [[b, -100, -100, -100]] and batch["item_ids"].tolist() == [[a, b, 0, 0]]
    assert batch["event_type_ids"].tolist() == [[1, 1, 0, 0]] and count_labels(splits["train"], 4) == (1, 1)
    assert target_histories(splits["train"]) == [[a, b]] and trained_items(splits["train"], 8).sum() == 2


def test_windows_without_a_target_are_left_out():
    shop = log([("u", item, "view") for item in "abcd"] + [("u", item, "buy") for item in "abcdef"])
    train = build_splits(shop, ItemVocabulary(items_table(shop.items)), shop.event_type_names())["train"]
    windows = training_windows(train, 2)
    assert [row["event_roles"] for row in windows] == [[1, 1, 1], [0, 1, 1]]


def test_baselines_do_not_count_returns():
    model = RepeatPurchaseModel(RepeatPurchaseConfig(num_item_rows=4)).fit([[2, 3]])
    history = {"items": [2, 3, 2], "event_roles": [1, 1, -1]}
    assert model.score_rows([history]).tolist() == model.score_rows([{"items": [2, 3]}]).tolist()


def test_a_single_type_adds_no_column():
    """A single type is predicted, whatever its name."""
    shop = log([("u", item, "view") for item in "abcd"])
    splits = build_splits(shop, ItemVocabulary(items_table(shop.items)), ["view"])
    assert "event_roles" not in splits["train"].column_names
    assert split(shop) == {"train": [("ab", "")], "validation": [("ab", "c")], "test": [("abc", "d")]}


def test_quantities_below_zero_are_returns():
    events = pl.DataFrame({
        "who": ["u"] * 4, "item_id": list("aabb"), "timestamp": [1_600_000_000 + n for n in range(4)],
        "Quantity": [3, -3, 2, -1], "event_type": ["purchase", "purchase", None, "refund"],
    })  # fmt: skip
    columns = TableColumns(user_id="who", quantity="Quantity")
    shop = validate_tables(pl.DataFrame({"item_id": ["a", "b"], "title": ["A", "B"]}), events, columns)
    assert shop.events["event_type"].to_list() == ["purchase", "return", "interaction", "refund"]
    assert shop.events["quantity"].to_list() == [3, -3, 2, -1]
    found = next(problem for problem in shop.problems if problem.kind == "negative_quantity")
    assert (found.column, found.count, found.fatal) == ("Quantity", 2, False)


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("-1", -1), ("(1)", -1), ("\u22121", -1), ("1-", -1), ("- 1", -1), ("( 2.5 )", -2.5), ("-1,000", None),
        ("(1,000)", None), ("-1 pc", None), ("3", 3), ("+3", 3), ("3 pc", None), ("-", None), ("n/a", None),
    ],
)  # fmt: skip
def test_quantities_below_zero_are_returns_however_they_are_written(written, number):
    """An ambiguous number, such as 1,000, is a return by its sign."""
    events = pl.DataFrame({
        "user_id": ["u"] * 3, "item_id": list("aab"), "timestamp": [1_600_000_000 + n for n in range(3)],
        "quantity": ["2", written, "1"],
    })  # fmt: skip
    shop = validate_tables(pl.DataFrame({"item_id": ["a", "b"], "title": ["A", "B"]}), events)
    returned = (number or 0) < 0 or written in ("-1,000", "(1,000)", "-1 pc")
    assert shop.events["quantity"].to_list() == [2, number, 1]
    assert shop.events["event_type"].to_list() == [
        "interaction",
        "return" if returned else "interaction",
        "interaction",
    ]
    noted = {problem.kind: problem for problem in shop.problems}
    assert ("negative_quantity" in noted) == returned and ("not_numeric" in noted) == (number is None)
    assert number is not None or "are returns only if they begin with a minus sign" in str(noted["not_numeric"])


def test_decimal_commas_below_zero():
    events = pl.DataFrame({
        "user_id": ["u"] * 3, "item_id": list("aab"), "timestamp": [1_600_000_000 + n for n in range(3)],
        "quantity": ["2,5", "1,25-", "(1,234)"],
    })  # fmt: skip
    shop = validate_tables(pl.DataFrame({"item_id": ["a", "b"], "title": ["A", "B"]}), events)
    assert shop.events["quantity"].to_list() == [2.5, -1.25, -1.234]


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("name", ["leave-one-out", "last-basket", "global-time", "user-level", "cold-items"])
def test_out_of_core_makes_the_same_rows(tmp_path, name):
    from ...tiny_shop import events_table
    from ...tiny_shop import items_table as shop_items

    index = pl.int_range(pl.len())
    events = events_table().with_columns(
        event_type=pl.Series(["purchase", "purchase", "view", "purchase"]).gather(
            pl.select(pl.int_range(events_table().height) % 4).to_series()
        ),
        quantity=pl.when(index % 7 == 5).then(-1).otherwise(1),
    )  # fmt: skip
    prepared = prepare_tables(
        PreparationInputs(write(tmp_path / "shop", shop_items(), events)), tmp_path / "out",
        PrepareOptions(name, cold_items=0.1), progress=False,
    )  # fmt: skip
    from ..out_of_core.test_prepare import in_memory

    assert rows_of(prepared.splits()) == rows_of(in_memory(shop_items(), events, PrepareOptions(name, cold_items=0.1)))
    assert prepared.manifest["target_event_types"] == ["purchase"]
    assert prepared.manifest["negative_event_types"] == ["return"]
