"""`xcat recommend`: new customers, times in a history, catalogues without categories, the cold-item boost."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest

from xcat_rec.cli.app import main
from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.tokenization.tables.schema import validate_tables
from xcat_rec.training.preparation.options import PreparationOptions
from xcat_rec.training.preparation.prepare import prepare_training
from xcat_rec.workflows.checkpoint_evaluation import evaluate_checkpoint

from ..tiny_shop import COLD, SMALL, events_table, items_table, save_text_encoder
from .commands import refused, run
from .widths import check_width


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Checkpoints of a catalogue with categories and of one without, and their events."""
    folder = tmp_path_factory.mktemp("recommend")
    encoder = str(save_text_encoder(folder / "encoder"))
    for name, items in (("shop", items_table()), ("plain", items_table().drop("category"))):
        fields = ("title", "brand", "category") if name == "shop" else ("title", "brand")
        options = PreparationOptions(text_encoder=encoder, split="leave-one-out", config=SMALL, text_fields=fields)
        start = prepare_training(validate_tables(items, events_table(), name=name), options)
        start.model.save_pretrained(folder / name)
        start.processor.save_pretrained(folder / name)
    events_table(5).write_csv(folder / "users.csv")
    return folder


def test_a_new_customer_and_one_with_times(folder, capsys):
    command = ["recommend", str(folder / "shop"), "-k", "4", "--json", "--history"]
    popular = run([*command, ""], capsys)
    assert popular == run(command[:-1], capsys), "no history and no query: a new customer"
    assert popular["notes"] == ["popular items of each category: the history is empty"]
    assert (popular["basis"], popular["unknown_items"], len(popular["recommendations"])) == ("popular", 0, 4)
    unknown = run([*command, "kite"], capsys)
    assert unknown["notes"] == ["popular items of each category: its only event has no item of the catalogue"]
    assert unknown == {**popular, "unknown_items": 1, "notes": unknown["notes"]}
    plain = run([*command, "item-03,kite,item-10"], capsys)
    assert (plain["basis"], plain["unknown_items"], plain["gaps_known"]) == ("history", 1, False)
    timed = run([*command, "item-03@1700000000,item-10@1700600000"], capsys)
    assert timed["gaps_known"] is True
    expected = XCatRecommender.from_pretrained(folder / "shop").recommend(
        ["item-03", "item-10"], 4, timestamps=[1_700_000_000, 1_700_600_000]
    )
    assert timed["recommendations"] == expected.to_dict()["recommendations"]


def test_varied_and_filtered_lists(folder, tmp_path, capsys):
    command = ["recommend", str(folder / "shop"), "-k", "4", "--json", "--history", "item-03,item-10"]
    options = ["--explore", "adventurous", "--rerank", "mmr=0.3,max-per=brand:2", "--filter", "price<40", "--filter",
               "brand!=brand 1"]  # fmt: skip
    found = run([*command, *options], capsys)["recommendations"]
    expected = XCatRecommender.from_pretrained(folder / "shop").recommend(
        ["item-03", "item-10"],
        4,
        explore=1.0,
        rerank="mmr=0.3,max-per=brand:2",
        filters=["price<40", "brand!=brand 1"],
    )
    assert found == expected.to_dict()["recommendations"] and found != run(command, capsys)["recommendations"]
    drawn = run([*command, "--rerank", "sample=0.5:7"], capsys)["recommendations"]
    assert all(0 < item["propensity"] < 1 for item in drawn)
    few = run([*command, "--filter", "price<3"], capsys)
    assert "filters keep 2 of them; loosen filters" in few["notes"][0]
    output = tmp_path / "lists.parquet"
    users = [
        "recommend",
        str(folder / "shop"),
        "-k",
        "2",
        "--users",
        str(folder / "users.csv"),
        "--output",
        str(output),
    ]
    assert run([*users, "--json", "--rerank", "sample=0.5", "--filter", "category=tents"], capsys)["num_rows"] == 10
    table = pq.read_table(output).to_pydict()
    assert set(table["category"]) == {"tents"} and all(0 < chance <= 1 for chance in table["propensity"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--filter", "prise<5"], "no column 'prise'"), (["--filter", "cheap"], "'cheap' is not a condition"),
        (["--rerank", "mrm=1"], "'mrm' is not a rule"), (["--explore", "wild"], "wild"),
        (["--rerank", "pin=kite"], "'kite' is not an item"),
    ],
)  # fmt: skip
def test_bad_rules_and_filters(options, message, folder, capsys):
    refused(["recommend", str(folder / "shop"), "--history", "item-03", *options], capsys, [message])


@pytest.mark.parametrize(
    ("option", "argument"),
    [
        (["--cross-category"], "--cross-category"),
        (["--only-category", "tents"], "--only-category"),
        (["--exclude-category", "tents"], "--exclude-category"),
    ],
)
def test_filters_by_category_are_errors_without_categories(folder, option, argument, tmp_path, capsys):
    words = [f"{argument}: no item of the catalogue has a category"]
    command = ["recommend", str(folder / "plain"), *option]
    refused([*command, "--history", "item-03"], capsys, words)
    refused([*command, "--history", ""], capsys, words)
    refused([*command, "--users", str(folder / "users.csv")], capsys, words)
    output = tmp_path / "found.parquet"
    refused([*command, "--users", str(folder / "users.csv"), "--output", str(output)], capsys, words)
    assert not output.exists()
    plain = run(["recommend", str(folder / "plain"), "--history", "", "-k", "3", "--json"], capsys)
    scores = [item["score"] for item in plain["recommendations"]]
    counts = XCatRecommender.from_pretrained(folder / "plain").model.model.items.item_counts
    assert scores == counts.sort(descending=True).values[:3].tolist()  # by popularity alone


def test_the_boost_of_cold_items(folder, tmp_path, capsys):
    command = ["recommend", str(folder / "shop"), "-k", "1", "--cold-boost", "1000"]
    assert run([*command, "--history", "item-03", "--json"], capsys)["recommendations"][0]["item_id"] == f"item-{COLD}"
    output = tmp_path / "found.parquet"
    run([*command, "--users", str(folder / "users.csv"), "--output", str(output), "--json"], capsys)
    refused([*command, "--users", str(folder / "users.csv"), "--output", str(output)], capsys, ["--overwrite"])
    run([*command, "--users", str(folder / "users.csv"), "--output", str(output), "--overwrite", "--json"], capsys)
    found = pq.read_table(output)["item_id"].to_pylist()
    assert found.count(f"item-{COLD}") >= 4  # all but a user who has had it
    items_table().head(1).with_columns(item_id=pl.lit("new")).write_csv(tmp_path / "new.csv")
    catalogue = ["catalogue", str(folder / "shop"), str(tmp_path / "new.csv"), "--output", str(tmp_path / "grown")]
    run([*catalogue, "--cold-boost", "0.75", "--json"], capsys)
    assert XCatRecommender.from_pretrained(tmp_path / "grown").cold_boost == 0.75
    refused([*catalogue, "--cold-boost", "nan", "--overwrite"], capsys, ["--cold-boost is nan; give a number"])
    refused([*command[:-1], "inf", "--history", "item-03"], capsys, ["--cold-boost is inf; give a number"])


def test_the_boost_of_an_evaluation_is_that_of_this_evaluation(folder):
    recommender = XCatRecommender.from_pretrained(folder / "shop")
    shop = validate_tables(items_table(), events_table(), name="shop")
    plain, boosted = (evaluate_checkpoint(recommender, shop, cold_boost=boost) for boost in (None, 1000))
    assert boosted.report.slices["cold"]["recall@10"] == 1.0 > plain.report.slices["cold"]["recall@10"]
    assert recommender.cold_boost == 0.25


def test_the_table_has_a_line_per_item(folder, capsys):
    command = ["recommend", str(folder / "shop"), "-k", "4", "--history", "item-03,item-10"]
    with pytest.raises(SystemExit) as stop:
        main(command)
    printed = capsys.readouterr().out
    lines = [line for line in printed.splitlines() if line.strip()]
    assert stop.value.code == 0 and len(lines) == 2 + 4
    check_width(printed)


def test_notes_of_a_file_are_printed_with_their_numbers_of_users(folder, tmp_path, capsys):
    pl.DataFrame({"user_id": ["a", "a", "b"], "item_id": ["item-03", "kite", "kite"], "order": [1, 2, 1]}).write_csv(
        tmp_path / "users.csv"
    )
    command = ["recommend", str(folder / "shop"), "--users", str(tmp_path / "users.csv"), "-k", "3"]
    for more in ([], ["--output", str(tmp_path / "found.parquet")]):
        with pytest.raises(SystemExit) as stop:
            main([*command, *more])
        assert not stop.value.code
        errors = " ".join(capsys.readouterr().err.split())
        assert "note: 1 of 2 events has an item that is not in the catalogue (1 of 2 users)" in errors
        assert "popular items of each category: its only event has no item" in errors
        assert "not every event has a time" not in errors, "no event has one"
    notes = pq.read_table(tmp_path / "found.parquet")["notes"].to_pylist()
    assert len(notes) == 6 and [len(of_row) for of_row in notes] == [1] * 6
