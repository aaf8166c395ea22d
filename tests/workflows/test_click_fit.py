"""`fit(task="click")`, `xcat fit --task click` and the checkpoint that they write."""

from __future__ import annotations

import contextlib
import io
import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import xcat_rec
from xcat_rec.cli.argument_options import with_options
from xcat_rec.modeling_xcat.modeling_click_xcat import XCatForClickPrediction
from xcat_rec.modeling_xcat.modeling_xcat import XCatForNextItem
from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.tokenization.sequences.click_options import ClickOptions
from xcat_rec.tokenization.sequences.click_rows import split_clicks
from xcat_rec.training.tasks import ClickTask
from xcat_rec.workflows.click_evaluation import label_notes, other_labels

from ..cli.commands import refused, run
from ..tiny_shop import QUICK, SMALL, events_table, items_table, save_text_encoder, write_shop
from ..training.tasks.test_click import impressions

HISTORY, SHOWN = ["item-01", "item-08"], ["item-15", "item-16", "item-30"]
FLOORS = {"candidate-popularity", "category-match"}


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("clicks")
    return str(write_shop(folder / "shop")), str(save_text_encoder(folder / "encoder"))


def fields(encoder: str, epochs: int = 4, **more: Any) -> dict[str, Any]:
    return {**SMALL, **QUICK, "num_train_epochs": epochs, "text_encoder": encoder, **more}


@pytest.fixture(scope="module")
def fitted(places: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> xcat_rec.FitResult:
    data, encoder = places
    output = tmp_path_factory.mktemp("fitted") / "model"
    return xcat_rec.fit(data, output, task="click", negatives="category", eval_negatives=2, **fields(encoder))


def card_probabilities(folder: Path) -> tuple[list[str], list[float]]:
    """Items of the example in a card, and what its code without the package prints for them."""
    code = re.findall(r"^```python\n(.*?)^```", (folder / "README.md").read_text(), re.S | re.M)[-1]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code.replace("path/to/this/folder", str(folder)), {})
    items = re.search(r"encode\((\[.*\])\)", code)
    assert items is not None and "xcat_rec" not in code.replace(str(folder), "")
    return json.loads(items[1]), json.loads(printed.getvalue())


def test_the_card_predicts_clicks_without_the_package(fitted: xcat_rec.FitResult) -> None:
    items, found = card_probabilities(Path(fitted.output))
    assert len(items) == len(found) == 3
    np.testing.assert_allclose(found, fitted.recommender.click_probability(items, items), atol=1e-6)


def test_the_result_has_click_metrics_beside_the_floors(fitted: xcat_rec.FitResult) -> None:
    assert set(fitted.clicks) == {"XCat", *FLOORS}
    report = fitted.clicks["XCat"]
    assert report.kind == "category" and fitted.metrics == report.metrics
    assert report.num_rows == 3 * report.num_positives
    assert report.metrics["gauc"] > max(fitted.clicks[name].metrics["gauc"] for name in FLOORS)
    assert fitted.reports["XCat"].metrics["ndcg@10"] > fitted.reports["popularity"].metrics["ndcg@10"]
    plain = json.loads(json.dumps(fitted.to_dict()))
    assert plain["metrics"]["auc"] == report.metrics["auc"] and set(plain["baselines"]) == FLOORS
    assert plain["next_item"]["metrics"]["ndcg@10"] == fitted.reports["XCat"].metrics["ndcg@10"]


def test_a_loaded_checkpoint_predicts_bit_for_bit_the_same(fitted: xcat_rec.FitResult) -> None:
    loaded = XCatRecommender.from_pretrained(fitted.output)
    assert isinstance(loaded.model, XCatForClickPrediction) and loaded.predicts_clicks
    rows = fitted.prepared.splits["test"]
    np.testing.assert_array_equal(loaded.click_probabilities(rows), fitted.recommender.click_probabilities(rows))
    found = loaded.click_probability(HISTORY, SHOWN)
    np.testing.assert_array_equal(found, fitted.recommender.click_probability(HISTORY, SHOWN))
    assert found.dtype == np.float64 and ((found > 0) & (found < 1)).all() and found.argmax() == 0
    np.testing.assert_allclose(loaded.click_probability(HISTORY, SHOWN[:1]), found[:1], rtol=1e-5)
    assert loaded.click_probability([], SHOWN).shape == (3,) and not len(loaded.click_probability(HISTORY, []))
    saved = loaded.processor.event_settings["clicks"]
    assert saved["kind"] == "category" and saved["options"]["eval_negatives"] == 2
    assert (saved["true_rate"], saved["train_rate"]) == (pytest.approx(1 / 3), 0.5)
    listed = [item.item_id for item in loaded.recommend(HISTORY, 5)]
    assert listed == [item.item_id for item in fitted.recommender.recommend(HISTORY, 5)]


def test_a_checkpoint_of_a_training_in_bf16_has_the_metrics_of_its_fit(
    places: tuple[str, str], tmp_path: Path
) -> None:
    data, encoder = places
    options = fields(encoder, 1, precision="bf16")
    found = xcat_rec.fit(data, tmp_path / "model", task="click", negatives="category", card=None, **options)
    assert xcat_rec.evaluate(tmp_path / "model", data).report.metrics == found.metrics
    loaded = XCatRecommender.from_pretrained(tmp_path / "model").click_probability(HISTORY, SHOWN)
    np.testing.assert_array_equal(found.recommender.click_probability(HISTORY, SHOWN), loaded)


def test_a_later_event_changes_no_probability(fitted: xcat_rec.FitResult) -> None:
    rows = fitted.prepared.splits["test"].select(range(20))
    before = fitted.recommender.click_probabilities(rows)
    poisoned = rows.map(lambda row: {"items": [*row["items"], *row["targets"], 5], "event_types": [
        *row["event_types"], *[1] * (len(row["targets"]) + 1)
    ], "ratings": [*row["ratings"], *[5.0] * (len(row["targets"]) + 1)], "timestamps": [
        *row["timestamps"], *[2_000_000_000] * (len(row["targets"]) + 1)
    ]})  # fmt: skip
    np.testing.assert_allclose(fitted.recommender.click_probabilities(poisoned), before, rtol=0, atol=1e-6)


def test_requests_that_cannot_be_answered(fitted: xcat_rec.FitResult, places: tuple[str, str], tmp_path: Path) -> None:
    recommender = fitted.recommender
    with pytest.raises(ValueError, match=r"items: 1 of 2 are not in the catalogue, for example 'no-such'"):
        recommender.click_probability(HISTORY, ["item-01", "no-such"])
    with pytest.raises(ValueError, match="history is a list of item ids; got a plain string"):
        recommender.click_probability("item-01", SHOWN)
    with pytest.raises(ValueError, match="context has 'price', which the model was not trained with; it has none"):
        recommender.click_probability(HISTORY, SHOWN, context={"price": 3})
    plain = XCatRecommender(XCatForNextItem(recommender.model.config), recommender.processor)
    with pytest.raises(ValueError, match="this model predicts no clicks; train one with task='click'"):
        plain.click_probability(HISTORY, SHOWN)


def test_evaluations_know_the_task_of_the_checkpoint(
    fitted: xcat_rec.FitResult, places: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    data, _ = places
    found = xcat_rec.evaluate(fitted.output, data)
    assert found.report.metrics == fitted.metrics and set(found.baselines) == FLOORS
    assert found.report.kind == "category" and [note[:21] for note in found.notes] == ["left out of test: 3 l"]
    assert found.notes[0].endswith("other ones; fewer than 2 items (eval_negatives) can be category negatives of them")
    assert "| XCat |" in repr(found) and repr(found).endswith(f"note: {found.notes[0]}")
    other = xcat_rec.evaluate(fitted.output, data, negatives="uniform", eval_negatives=1, part="validation")
    assert other.report.kind == "uniform" and other.report.num_rows == 2 * other.report.num_positives
    assert len(other.notes) == 2 and "slightly too good" in other.notes[1]
    assert other.notes[0] == "labels are of the kind uniform, and the checkpoint was trained with category labels"
    ranked = xcat_rec.evaluate(fitted.output, data, task="next-item")
    assert ranked.report.metrics["ndcg@10"] == fitted.reports["XCat"].metrics["ndcg@10"]
    assert ranked.data.notes == [], "rows with sampled negatives are those of next items"
    for name, place in (("by_history", r"report\.slices"), ("by_category", r"report\.categories")):
        with pytest.raises(ValueError, match=f"no argument '{name}'; its result has these metrics in {place}"):
            xcat_rec.evaluate(fitted.output, data, **{name: True})
    assert found.report.slices["history_0_5"]["num_rows"] > 0 and found.report.categories
    with pytest.raises(ValueError, match="rerank and explore are for ranked lists"):
        xcat_rec.evaluate(fitted.output, data, explore="balanced")
    command = ["evaluate", str(fitted.output), data]
    told = run([*command, "--json"], capsys)
    assert told["metrics"]["log_loss"] == found.report.metrics["log_loss"] and told["kind"] == "category"
    assert set(told["baselines"]) == FLOORS and told["part"] == "test"
    told = run([*command, "--task", "next-item", "--json"], capsys)
    assert told["metrics"]["ndcg@10"] == ranked.report.metrics["ndcg@10"]
    told = run([*command, "--negatives", "popularity", "--by-history", "--by-category", "--json"], capsys)
    assert told["kind"] == "popularity"
    refused([*command, "-k", "5"], capsys, ["-k is for ranked lists", "--task next-item"])
    refused([*command, "--explore", "balanced"], capsys, ["--explore is for ranked lists", "--task next-item"])
    refused([*command, "--task", "ranks"], capsys, ["--task is 'ranks'; give click or next-item"])


def test_users_of_another_shop_without_a_known_target_are_counted(
    fitted: xcat_rec.FitResult, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = pl.col("item_id")
    other = pl.when(name < "item-10").then(pl.lit("other-") + name).otherwise(name).alias("item_id")
    log = events_table(30)
    for part, table in (("items", items_table()), ("events", log)):
        table.with_columns(other).write_csv(tmp_path / f"{part}.csv")
    last = log.group_by("user_id").agg(name.last())
    lost = last.filter(name < "item-10").height
    found = xcat_rec.evaluate(fitted.output, tmp_path)
    assert (found.unknown_items["users"], found.unknown_items["all_users"]) == (lost, 30) and 0 < lost < 30
    left = found.to_dict()["left_out"]
    assert found.report.num_users == 30 - lost - left["users"] and left == {"rows": left["users"], "users": 1}
    assert f"and with them {lost} of 30 users without another target" in found.notes[0]
    told = run(["evaluate", str(fitted.output), str(tmp_path), "--json"], capsys)
    assert told["unknown_items"] == found.unknown_items and told["left_out"] == left


def test_the_command_trains_the_same_model(
    fitted: xcat_rec.FitResult, places: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, encoder = places
    words = []
    for name, value in fields(encoder, negatives="category", eval_negatives=2).items():
        words += [f"--{name.replace('_', '-')}", ",".join(map(str, value)) if isinstance(value, list) else str(value)]
    command = ["fit", data, "--output", str(tmp_path / "model"), "--task", "click", *words]
    told = run([*command, "--json"], capsys)
    assert told["metrics"]["log_loss"] == fitted.metrics["log_loss"]
    assert "next_item" in told and told["kind"] == "category"
    card = (tmp_path / "model" / "README.md").read_text()
    assert "--task click" in card and "--negatives category" in card
    refused(
        ["fit", data, "--negatives", "uniform"], capsys,
        ["--negatives is an option of click prediction", "--task click"],
    )  # fmt: skip
    refused(["fit", data, "--task", "click", "--negatives", "hard"], capsys, ["--negatives is 'hard'"])
    page = ["--overwrite", "--next-item-weight", "0", "--report", str(tmp_path / "page.html")]
    refused([*command[:6], *page], capsys, ["--report is a page of ranked lists", "--next-item-weight is 0"])
    adapter = ["--overwrite", "--base", str(fitted.output), "--peft", "lora"]
    refused([*command[:6], *adapter], capsys, ["--peft is 'lora'", "no head for ClickTask"])


def test_a_note_on_left_out_items_names_no_option_of_another_command() -> None:
    data = split_clicks(impressions(), clicks=ClickOptions(min_history=9))
    (note,) = label_notes(data, "test")
    assert note.endswith("; the catalogue lacks them, or they have fewer earlier events than min_history, which is 9")
    assert with_options(note, "evaluate") == note
    assert with_options(note, "fit").endswith("earlier events than --min-history, which is 9")


def test_a_misspelt_option_of_clicks_is_named() -> None:
    with pytest.raises(ValueError, match=r"negative is not a field .*; did you mean negatives or "):
        xcat_rec.fit("no-shop", "no-output", task="click", negative="category")
    with pytest.raises(ValueError, match=r"negative is not a field .*; did you mean negatives or "):
        xcat_rec.bench("no-shop", "din", task="click", negative="category")


def test_items_that_are_added_later_can_be_shown(fitted: xcat_rec.FitResult, tmp_path: Path) -> None:
    new = items_table().head(1).with_columns(item_id=pl.lit("item-99"), title=pl.lit("tents number 9"))
    xcat_rec.add_items(fitted.output, new, tmp_path / "grown")
    grown = XCatRecommender.from_pretrained(tmp_path / "grown")
    found = grown.click_probability(HISTORY, [*SHOWN, "item-99"])
    np.testing.assert_allclose(found[:3], fitted.recommender.click_probability(HISTORY, SHOWN), atol=1e-3)
    assert 0 < found[3] < 1


def test_clicks_alone_and_from_a_base(fitted: xcat_rec.FitResult, places: tuple[str, str], tmp_path: Path) -> None:
    data, encoder = places
    log, told = events_table().with_columns(clicked=pl.lit(None, pl.Boolean)), []
    alone = xcat_rec.fit(
        {"items": items_table(), "events": log}, tmp_path / "alone", task=ClickTask(), next_item_weight=0,
        pairwise_weight=0.5, card=None, tell=told.append, **fields(encoder, 2),
    )  # fmt: skip
    (note,) = (note for note in alone.notes if "column clicked" in note)
    assert f"all {log.height} values are empty, so negatives are sampled (uniform)" in note
    assert f"note: {note}" in told and note in repr(alone) and note in alone.to_dict()["notes"]
    assert alone.reports == {} and alone.clicks["XCat"].kind == "uniform" and alone.to_dict()["next_item"] is None
    quick = {**QUICK, "num_train_epochs": 1}
    ranked = xcat_rec.fit(data, tmp_path / "ranked", base=str(fitted.output), card=None, **quick)
    assert type(ranked.model) is XCatForNextItem and not ranked.clicks
    assert "clicks" not in ranked.recommender.processor.event_settings
    again = xcat_rec.fit(data, tmp_path / "again", base=str(tmp_path / "ranked"), task="click", card=None, **quick)
    assert isinstance(again.model, XCatForClickPrediction) and math.isfinite(again.metrics["log_loss"])


@pytest.fixture(scope="module")
def of_impressions(
    places: tuple[str, str], tmp_path_factory: pytest.TempPathFactory
) -> tuple[xcat_rec.FitResult, Path, list[str]]:
    """A checkpoint of impressions with context, the folder of its tables, and the messages of its training."""
    shop, place = impressions(), tmp_path_factory.mktemp("impressions")
    folder = place / "shown"
    folder.mkdir()
    shop.events.select("user_id", "item_id", "timestamp", "clicked", "price", "device").write_parquet(
        folder / "events.parquet"
    )
    shop.items.select("item_id", "title", "brand", "category").write_parquet(folder / "items.parquet")
    told: list[str] = []
    found = xcat_rec.fit(
        folder, place / "model", task="click", tell=told.append, dense=["price"], categorical=["device"],
        **fields(places[1], 8),
    )  # fmt: skip
    return found, folder, told


def test_impressions_of_a_file_are_learnt_with_their_context(
    of_impressions: tuple[xcat_rec.FitResult, Path, list[str]],
) -> None:
    found, folder, told = of_impressions
    report, lists = found.clicks["XCat"], found.reports["XCat"]
    left = next(note for note in told if note.startswith("note: lists of next items are measured on"))
    assert f"{lists.num_targets:,} of the {report.num_positives:,} clicks in test" in left
    assert lists.num_targets < report.num_positives
    assert "labels: column clicked; lists of next items are measured on the positive ones" in told
    assert repr(found.prepared.data).startswith("ClickData(global-time; 40 items; rows: train ")
    assert repr(found.prepared.data).endswith("; labels: impression)")
    assert (
        report.kind == "impression"
        and report.metrics["auc"] > 0.7 > 0.62 > found.clicks["category-match"].metrics["auc"]
    )
    assert xcat_rec.evaluate(found.output, folder).report.metrics == found.metrics
    chosen = found.recommender.click_probability(
        HISTORY, SHOWN[:2], context={"price": [10, 30], "device": "phone"}
    )  # fmt: skip
    loaded = XCatRecommender.from_pretrained(found.output)
    again = loaded.click_probability(HISTORY, SHOWN[:2], context={"price": pl.Series([10, 30]), "device": "phone"})
    np.testing.assert_array_equal(chosen, again)
    assert chosen[0] > chosen[1]
    items, missing = card_probabilities(Path(found.output))
    expected = found.recommender.click_probability(items, items, context={"price": None, "device": None})
    np.testing.assert_allclose(missing, expected, atol=1e-6)
    assert found.split == "global-time" and "| Split | global-time |" in (found.output / "README.md").read_text()


def test_tables_with_other_labels_or_without_context_say_so(
    of_impressions: tuple[xcat_rec.FitResult, Path, list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fitted, folder, _ = of_impressions
    log = pl.read_parquet(folder / "events.parquet")
    lacking = r"the table of events lacks the column 'device', which the model was trained with; add it"
    tables: dict[str, Any] = {"items": folder / "items.parquet", "events": log.drop("device")}
    with pytest.raises(ValueError, match=lacking):
        xcat_rec.evaluate(fitted.output, **tables)
    log.drop("device").write_csv(tmp_path / "events.csv")
    files = ["--items", str(folder / "items.parquet"), "--events", str(tmp_path / "events.csv")]
    refused(["evaluate", str(fitted.output), *files], capsys, ["lacks the column 'device'", "empty if unknown"])
    ranked = xcat_rec.evaluate(fitted.output, folder, task="next-item")
    assert "the training measured lists on the first positive impressions of each user" in ranked.data.notes[0]
    kind = pl.when(pl.col("clicked").is_null()).then(pl.lit("purchase")).otherwise(pl.lit("shown"))
    clicks = log.filter(pl.col("clicked")).with_columns(event_type=pl.lit("purchase"))
    typed = pl.concat([log.with_columns(event_type=kind), clicks]).drop("clicked")
    found = xcat_rec.evaluate(fitted.output, **{**tables, "events": typed})
    assert found.notes[0].startswith(
        "labels come from event types shown, and those of the training came from column clicked"
    )
    saved = fitted.recommender.processor.event_settings["clicks"]
    assert saved["source"] == "column clicked" and not other_labels(fitted.prepared.data, saved)
    assert not other_labels(found.data, {"kind": "impression"}), "an older checkpoint has no source"
    (note,) = other_labels(split_clicks(impressions(), clicks=ClickOptions(labels="events")), saved)
    assert note.endswith("the checkpoint was trained with impression labels (column clicked)")
