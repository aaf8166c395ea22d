"""`predict_clicks`, `xcat predict`, and click probabilities of several users and of sessions."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from datasets import Dataset

import xcat_rec
from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.tokenization.sequences.histories import read_histories
from xcat_rec.tokenization.tables.problems import TableError

from ..cli.commands import refused, run
from ..page_blocks import page_blocks
from ..tiny_shop import QUICK, SMALL, save_text_encoder, write_shop
from ..training.tasks.test_click import impressions

HISTORY, SHOWN = ["item-01", "item-08"], ["item-15", "item-16", "item-30"]
CONTEXT = {"price": [10.0, 20.0, 30.0], "device": "phone"}


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> xcat_rec.FitResult:
    folder = tmp_path_factory.mktemp("predict")
    shop = impressions()
    wanted = ["user_id", "item_id", "timestamp", "clicked", "price", "device"]
    tables = {
        "items": shop.items.select("item_id", "title", "brand", "category"),
        "events": shop.events.select(wanted),
    }
    return xcat_rec.fit(
        tables, folder / "model", task="click", dense=["price"], categorical=["device"], card=None, tune_lists=False,
        text_encoder=str(save_text_encoder(folder / "encoder")), **{**SMALL, **QUICK, "num_train_epochs": 2},
    )  # fmt: skip


@pytest.fixture(scope="module")
def log() -> pl.DataFrame:
    return impressions().events.select("user_id", "item_id", "timestamp", "clicked", "price", "device")


def test_a_table_has_the_probabilities_of_the_evaluation(
    fitted: xcat_rec.FitResult, log: pl.DataFrame, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = log.filter(pl.col("clicked").is_not_null()).drop("clicked").sample(fraction=1.0, shuffle=True, seed=1)
    found = xcat_rec.predict_clicks(fitted.output, shown, log)
    assert found.table.drop("probability").equals(shown)
    rows, decode = fitted.prepared.splits["test"], fitted.recommender.vocabulary.decode
    keys = [
        (row["user_id"], item, time)
        for row in rows
        for item, time in zip(decode(row["shown_items"]), row["shown_timestamps"], strict=True)
    ]  # fmt: skip
    by_key = {key[:3]: key[3] for key in found.table.select("user_id", "item_id", "timestamp", "probability").rows()}
    expected = fitted.recommender.click_probabilities(rows)
    np.testing.assert_allclose([by_key[key] for key in keys], expected, atol=1e-6)
    assert len(keys) > 50 and np.ptp(expected) > 0.05
    left = log["clicked"].eq(False).sum()
    note = f"events, column clicked: {left} rows are impressions; they were left out of histories, as in the training"
    assert found.notes == [note]
    shown.write_csv(tmp_path / "shown.csv")
    log.write_csv(tmp_path / "events.csv")
    tables = ["--shown", str(tmp_path / "shown.csv"), "--users", str(tmp_path / "events.csv")]
    told = run(["predict", str(fitted.output), *tables, "--output", str(tmp_path / "found.parquet"), "--json"], capsys)
    assert told == {"output": str(tmp_path / "found.parquet"), "num_rows": shown.height}
    again = ["predict", str(fitted.output), *tables, "--output", str(tmp_path / "found.parquet")]
    refused(again, capsys, ["--output", "holds an earlier result; give another file or --overwrite"])
    with pytest.raises(ValueError, match="holds an earlier result"):
        xcat_rec.predict_clicks(fitted.output, shown, log, output=tmp_path / "found.parquet")
    written = pl.read_parquet(tmp_path / "found.parquet")["probability"].to_numpy()
    np.testing.assert_allclose(written, found.table["probability"].to_numpy(), atol=1e-6)


def test_a_fit_without_lists_names_no_queries(fitted: xcat_rec.FitResult) -> None:
    assert fitted.prepared.ask_sources is not None and fitted.to_dict()["query_sources"] is None


def test_rows_of_another_catalogue_or_context_are_refused(fitted: xcat_rec.FitResult) -> None:
    row = fitted.prepared.splits["test"][0]
    size = len(fitted.recommender.vocabulary)

    def refuses(changes: dict[str, Any], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            fitted.recommender.click_probabilities(Dataset.from_list([{**row, **changes}]))

    count = len(row["shown_items"])
    refuses({"shown_items": [size] * count}, f"rows have the item index {size}, and the catalogue has {size} rows; ")
    refuses({"items": [size + 3] * len(row["items"])}, f"the item index {size + 3}, and the catalogue")
    refuses({"shown_dense": [[1.0, 2.0]] * count}, "rows have 2 dense context columns, and the model .* with price; ")
    refuses({"shown_categorical": None}, "rows have 0 categorical context columns, .* with device; .*predict_clicks")


def test_the_page_encodes_context_as_the_package_does(fitted: xcat_rec.FitResult) -> None:
    (block,) = (block.text for block in page_blocks("docs/click.md") if "logarithms" in block.text)
    code = block.replace('"CONTEXT"', repr(str(fitted.output)))
    for ours, page in zip((HISTORY[0], *SHOWN[:2]), ("B0001", "B0003", "B0004"), strict=True):
        code = code.replace(f'"{page}"', f'"{ours}"')
    found: dict[str, Any] = {}
    exec(code, found)
    expected = fitted.recommender.click_probability(HISTORY[:1], SHOWN[:2], context=found["values"])
    np.testing.assert_allclose(found["logits"].sigmoid().tolist(), expected, atol=1e-6)
    assert found["values"] == {"price": [9.5, None], "device": ["phone", None]} and found["shown"] == SHOWN[:2]


def test_lists_of_a_model_of_impressions_read_none_as_events(
    fitted: xcat_rec.FitResult, log: pl.DataFrame, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {"all": log, "clicks": log.filter(pl.col("clicked").ne_missing(False)).drop("clicked")}
    for name, table in files.items():
        table.write_csv(tmp_path / f"{name}.csv")
    told = [
        run(["recommend", str(fitted.output), "--users", str(tmp_path / f"{name}.csv"), "-k", "2", "--json"], capsys)
        for name in files
    ]
    assert told[0] == told[1]
    assert "impression" in {name for own in read_histories(log).event_types or [] for name in own}


def test_rows_without_a_probability_stay_and_are_counted(fitted: xcat_rec.FitResult, log: pl.DataFrame) -> None:
    shown = pl.DataFrame({
        "user_id": ["user-01", "nobody", None, "user-01"], "item_id": ["item-15", "item-15", "item-15", "no-such"],
        "price": [10.0, None, 10.0, 10.0], "device": ["phone", "watch", "phone", "phone"],
    })  # fmt: skip
    events = log.filter(pl.col("clicked").is_null())
    found = xcat_rec.predict_clicks(fitted.recommender, shown, events)
    values = found.table["probability"].to_list()
    assert [value is None for value in values] == [False, False, True, True]
    assert found.notes[-2:] == [
        "shown: 1 of 3 rows has an item that the catalogue lacks, so without a probability; add the items with xcat "
        "catalogue",
        "shown: 1 of 2 users has no events, so probabilities of new customers",
    ]
    own = events.filter(pl.col("user_id") == "user-01").sort("timestamp")
    of_user = fitted.recommender.click_probability(
        own["item_id"], ["item-15"], timestamps=own["timestamp"], context={"price": 10.0, "device": "phone"}
    )
    of_new = fitted.recommender.click_probability([], ["item-15"], context={"price": None, "device": "watch"})
    np.testing.assert_allclose(values[:2], [of_user[0], of_new[0]], atol=1e-6)
    alone = xcat_rec.predict_clicks(fitted.recommender, shown[:1])
    new = fitted.recommender.click_probability([], ["item-15"], context={"price": 10.0, "device": "phone"})
    np.testing.assert_allclose(alone.table["probability"], new, atol=1e-6)


@pytest.mark.parametrize("time", [[5, 6, 7, 8], [5.25, 5.75, 6.0, 6.5]])
def test_only_events_before_the_time_of_a_row_count(fitted: xcat_rec.FitResult, time: list[float]) -> None:
    start = 1_700_000_000
    moments = pl.Series([int((start + one) * 10**6) for one in time]).cast(pl.Datetime("us"))
    events = pl.DataFrame({"user_id": ["a"] * 4, "item_id": [*HISTORY, *SHOWN[:2]], "timestamp": moments})
    shown = pl.DataFrame({
        "user_id": ["a"] * 5, "item_id": ["item-30"] * 5, "price": [10.0] * 5, "device": ["phone"] * 5,
        "timestamp": pl.concat([moments, pl.Series([moments[-1]]).dt.offset_by("1us")]),
    })  # fmt: skip
    found = xcat_rec.predict_clicks(fitted.recommender, shown, events).table["probability"]
    whole = [int(start + one) for one in time]
    for end in range(5):
        expected = fitted.recommender.click_probability(
            events["item_id"][:end], ["item-30"], timestamps=whole[:end], context={"price": 10.0, "device": "phone"}
        )
        np.testing.assert_allclose(found[end], expected[0], atol=1e-6)


def test_tables_that_cannot_be_used(fitted: xcat_rec.FitResult, log: pl.DataFrame, tmp_path: Path) -> None:
    using, shown = fitted.recommender, log.filter(pl.col("clicked").is_not_null()).drop("clicked")
    with pytest.raises(ValueError, match="shown lacks the column 'device', which the model was trained with; add it"):
        xcat_rec.predict_clicks(using, shown.drop("device"), log)
    with pytest.raises(ValueError, match="shown has a column probability, which the result adds; rename it"):
        xcat_rec.predict_clicks(using, shown.with_columns(probability=0.5), log)
    with pytest.raises(ValueError, match="shown has times, and events of users have none"):
        xcat_rec.predict_clicks(using, shown, log.drop("timestamp"))
    with pytest.raises(TableError, match="- shown, column user_id: the column is missing"):
        xcat_rec.predict_clicks(using, shown.drop("user_id"), log)
    with pytest.raises(TableError, match="- shown, column user_id: 1 row has no value"):
        empty = shown[:2].with_columns(user_id=pl.Series([None, "user-01"]))
        xcat_rec.predict_clicks(using, empty, log, missing_users="error")
    with pytest.raises(ValueError, match=r"is written as parquet; give a name that ends in \.parquet"):
        xcat_rec.predict_clicks(using, shown, log, output=tmp_path / "found.csv")


def test_several_users_get_what_each_gets_alone(fitted: xcat_rec.FitResult) -> None:
    using = fitted.recommender
    contexts: list[Any] = [CONTEXT, {"price": 5, "device": None}, {"price": [], "device": []}]
    found = using.click_probability_many([HISTORY, [], HISTORY], [SHOWN, SHOWN[:1], []], contexts=contexts)
    assert [len(one) for one in found] == [3, 1, 0]
    np.testing.assert_allclose(found[0], using.click_probability(HISTORY, SHOWN, context=CONTEXT), atol=1e-6)
    np.testing.assert_allclose(found[1], using.click_probability([], SHOWN[:1], context=contexts[1]), atol=1e-6)
    assert using.click_probability_many([], []) == []
    with pytest.raises(ValueError, match="items must have one entry per history: 1, got 2"):
        using.click_probability_many([HISTORY], [SHOWN, SHOWN])
    with pytest.raises(ValueError, match="items of history 1: 1 of 1 are not in the catalogue, for example 'no'"):
        using.click_probability_many([HISTORY, []], [SHOWN, ["no"]], contexts=contexts[:2])
    with pytest.raises(ValueError, match="context of history 0 lacks 'price'"):
        using.click_probability_many([HISTORY], [SHOWN])


def test_a_session_predicts_from_its_events(fitted: xcat_rec.FitResult) -> None:
    using = XCatRecommender.from_pretrained(fitted.output)
    session = using.session("anna")
    new = session.click_probability(SHOWN, context=CONTEXT)
    np.testing.assert_array_equal(new, using.click_probability([], SHOWN, context=CONTEXT))
    for place, item in enumerate(HISTORY):
        session.append(item, timestamp=1_700_000_000 + place)
    times = [1_700_000_000, 1_700_000_001]
    expected = using.click_probability(HISTORY, SHOWN, timestamps=times, context=CONTEXT)
    np.testing.assert_array_equal(session.click_probability(SHOWN, context=CONTEXT), expected)
    assert not np.allclose(expected, new)
    before = [item.item_id for item in session.recommend(5)]
    assert session.append(SHOWN[0], timestamp=1_700_000_002, event_type="impression")
    np.testing.assert_array_equal(session.click_probability(SHOWN, context=CONTEXT), expected)
    assert [item.item_id for item in session.recommend(5)] == before and len(session.events) == 3


def test_the_command_for_one_user(
    fitted: xcat_rec.FitResult, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["predict", str(fitted.output), "--context", "price=10", "--context", "device=phone"]
    told = run([*command, "--history", ",".join(HISTORY), "--items", ",".join(SHOWN), "--json"], capsys)
    expected = fitted.recommender.click_probability(HISTORY, SHOWN, context={"price": 10, "device": "phone"})
    assert [one["item_id"] for one in told["predictions"]] == SHOWN
    np.testing.assert_allclose([one["probability"] for one in told["predictions"]], expected, atol=1e-6)
    refused(command, capsys, ["give --items A,B for one user, or --shown FILE for many"])
    refused([*command, "--items", "item-01", "--output", "a.parquet"], capsys, ["--output is for --shown"])
    write_shop(tmp_path)
    events = str(tmp_path / "events.csv")
    refused([*command, "--shown", events], capsys, ["--context is for one user; leave it out, or leave --shown out"])
    refused(["predict", str(fitted.output), "--shown", events], capsys, ["shown lacks the column 'price'"])
    refused(
        ["predict", str(fitted.output), "--items", "item-01"], capsys, ["context lacks 'price'", "add it to --context"]
    )
    unknown = [*command[:2], "--context", "price=", "--context", "device=", "--items", "item-01", "--json"]
    expected = fitted.recommender.click_probability([], ["item-01"], context={"price": None, "device": None})
    assert run(unknown, capsys)["predictions"][0]["probability"] == pytest.approx(expected[0])


def test_context_of_tables_is_read_as_in_training(fitted: xcat_rec.FitResult, log: pl.DataFrame) -> None:
    items = impressions().items.select("item_id", "title", "brand", "category")

    def metrics(price: pl.Expr, **given: Any) -> tuple[dict[str, float], list[str]]:
        found = xcat_rec.evaluate(fitted.output, {"items": items, "events": log.with_columns(price)}, **given)
        return found.report.metrics, [note for note in found.notes if "column" in note]

    dear = pl.col("price") * 1.5
    assert metrics(dear, dense=["price"]) == metrics(dear), "means and deviations are those of the training"
    assert metrics(pl.col("price")) == (fitted.metrics, [])
    assert metrics(dear)[0] != fitted.metrics
    with pytest.raises(ValueError, match=r"dense is \[\], and the checkpoint was trained with \['price'\]"):
        metrics(dear, dense=[])
    with pytest.raises(ValueError, match=r"events, column price: none of .* values is a number"):
        metrics(pl.lit("cheap").alias("price"))
    assert "values of impressions of test are empty" in metrics(pl.lit(None, pl.String).alias("price"))[1][0]
    assert "not among 2 categories of the training" in metrics(pl.lit("watch").alias("device"))[1][0]


def test_unread_context_of_shown_rows_is_counted(fitted: xcat_rec.FitResult) -> None:
    shown = pl.DataFrame({
        "user_id": ["a"] * 4, "item_id": ["item-15"] * 4, "price": [1e300, math.inf, None, 10.0],
        "device": ["watch", "phone", "phone", "phone"],
    })  # fmt: skip
    found = xcat_rec.predict_clicks(fitted.recommender, shown)
    assert found.notes[:2] == [
        "shown, column price: 2 of 3 values of rows read as missing: no number within the range of float32",
        "shown, column device: 1 of 4 values of rows read as missing: not among 2 categories of the training",
    ]
    values = found.table["probability"].to_list()
    assert values[1] == values[2] != values[3] and np.isfinite(values).all()
    large = fitted.recommender.click_probability([], ["item-15"], context={"price": 1e300, "device": "phone"})
    np.testing.assert_allclose(large, values[2], atol=1e-6)
    with pytest.raises(ValueError, match="shown, column price: none of 4 values is a number"):
        xcat_rec.predict_clicks(fitted.recommender, shown.with_columns(price=pl.lit("cheap")))


def test_arguments_of_the_wrong_type_are_named(fitted: xcat_rec.FitResult) -> None:
    using, context = fitted.recommender, pl.DataFrame({"price": [10.0], "device": ["phone"]})
    for frame, kind in ((context, "DataFrame"), ([CONTEXT], "list")):
        with pytest.raises(ValueError, match=f"^context is a value of type {kind}; give a mapping of column names"):
            using.click_probability(HISTORY, SHOWN[:1], context=frame)
    with pytest.raises(ValueError, match=r"^context of history 0 is a value of type DataFrame"):
        using.click_probability_many([HISTORY], [SHOWN[:1]], contexts=[context])
    with pytest.raises(ValueError, match=r"^rows are None; give validation or test rows of split_clicks"):
        using.click_probabilities(None)
    with pytest.raises(ValueError, match=r"^rows have no column shown_items; give validation or test rows"):
        using.click_probabilities(fitted.prepared.splits["test"].remove_columns("shown_items"))


def test_an_evaluation_without_impressions_names_the_column(fitted: xcat_rec.FitResult, log: pl.DataFrame) -> None:
    items = impressions().items.select("item_id", "title", "brand", "category")
    lacking = "there is no column clicked", "all [0-9,]+ values of the column clicked are empty"
    clicked = pl.lit(None, pl.Boolean).alias("clicked")
    for events, why in zip((log.drop("clicked"), log.with_columns(clicked)), lacking, strict=True):
        told = rf"^events: {why}, .*trained with context columns of impressions \(price, device\); give events with"
        with pytest.raises(ValueError, match=told):
            xcat_rec.evaluate(fitted.output, {"items": items, "events": events})
