"""`xcat recommend --target` and `xcat evaluate --target`: brands, categories and campaigns."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from xcat_rec.cli.app import main
from xcat_rec.modeling_xcat.filters_xcat import Filters
from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.tokenization.tables.schema import validate_tables
from xcat_rec.training.preparation.options import PreparationOptions
from xcat_rec.training.preparation.prepare import prepare_training
from xcat_rec.workflows.checkpoint_evaluation import evaluate_checkpoint

from ..tiny_shop import SMALL, events_table, items_table, save_text_encoder
from .commands import refused, run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that is not trained, and its tables."""
    folder = tmp_path_factory.mktemp("targets")
    encoder = str(save_text_encoder(folder / "encoder"))
    items = items_table().with_columns(
        pl.concat_list(pl.lit("spring"), pl.col("brand")).alias("campaign"), pl.int_range(pl.len()).alias("shelf")
    )
    options = PreparationOptions(text_encoder=encoder, split="leave-one-out", config=SMALL)
    start = prepare_training(validate_tables(items, events_table(), name="shop"), options)
    start.model.save_pretrained(folder / "model")
    start.processor.save_pretrained(folder / "model")
    (folder / "shop").mkdir()
    items.write_parquet(folder / "shop" / "items.parquet")
    events_table().write_parquet(folder / "shop" / "events.parquet")
    events_table(3).write_csv(folder / "users.csv")
    return folder


def test_the_command_gives_the_list_of_the_call(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recommender, command = XCatRecommender.from_pretrained(folder / "model"), ["recommend", str(folder / "model")]
    for target in ("brand", "category", "campaign"):
        given = [*command, "--target", target, "--history", "item-03,item-10", "-k", "3", "--json"]
        found = recommender.recommend_targets(["item-03", "item-10"], target, 3)
        assert run(given, capsys) == found.to_dict()
        kept = recommender.recommend_targets(["item-03", "item-10"], target, 3, filters=Filters(exclude_seen=False))
        assert run([*given, "--include-seen"], capsys) == kept.to_dict()
    assert found.left_out, "campaigns of the history are left out"


def test_a_table_has_names_probabilities_and_reasons(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["recommend", str(folder / "model"), "--target", "brand", "--history", "item-03,item-10"]
    with pytest.raises(SystemExit):
        main([*command, "--include-seen", "--reasons"])
    shown = capsys.readouterr().out
    assert "Recommendations of brand" in shown
    assert "probability" in shown
    assert all(f"brand {number}" in shown for number in range(3))
    assert shown.count("such as ") == 3


def test_an_empty_list_has_a_note_and_no_headings(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["recommend", str(folder / "model"), "--target", "brand", "--history", "item-03,item-10,item-02"])
    shown = capsys.readouterr()
    assert shown.out.strip() == "No values of brand"
    told = " ".join(shown.err.split())
    assert told == "note: no other value of brand: the history has all 3; add --include-seen to list them"


def test_users_of_a_table_have_one_list_each(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = [
        "recommend",
        str(folder / "model"),
        "--target",
        "category",
        "--users",
        str(folder / "users.csv"),
        "--json",
    ]
    rows = run([*command, "-k", "2", "--include-seen"], capsys)["recommendations"]
    assert [row["user_id"] for row in rows] == [f"user-{user:02d}" for user in (0, 0, 1, 1, 2, 2)]
    assert {row["target"] for row in rows} == {"category"}


def test_the_evaluation_of_a_target_is_that_of_the_call(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["evaluate", str(folder / "model"), str(folder / "shop"), "--target", "brand", "-k", "1", "--json"]
    told = run(command, capsys)
    found = evaluate_checkpoint(folder / "model", folder / "shop", ks=[1], target="brand")
    assert told["metrics"] == found.report.metrics
    assert list(told["baselines"]) == ["popularity", "repeat-purchase", "transitions"] == list(found.baselines)
    assert told["discover"] is None, "each user had all brands"
    assert told["num_users"] == found.report.num_users == 60
    low, high = told["intervals"]["recall@1"]
    assert low <= told["metrics"]["recall@1"] <= high
    several = evaluate_checkpoint(folder / "model", folder / "shop", ks=[1], target="campaign").report
    assert several.num_targets == 2 * several.num_users, "both campaigns of a target item"


def test_groups_of_one_item_have_the_metrics_of_items(folder: Path) -> None:
    recommender = XCatRecommender.from_pretrained(folder / "model")
    shelves = evaluate_checkpoint(recommender, folder / "shop", target="shelf").report
    items = evaluate_checkpoint(recommender, folder / "shop").report
    assert shelves.metrics == items.metrics
    assert shelves.discover.metrics == items.discover.metrics
    assert shelves.slices["cold"] == items.slices["cold"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["recommend", "--target", "colour", "--history", "item-03"],
         ["target is 'colour'", "no column 'colour'", "brand, campaign"]),
        (["recommend", "--target", "brand", "--users", "users.csv", "--output", "x.parquet"],
         ["--output is for lists of items", "leave --target brand out"]),
        (["recommend", "--target", "brand", "--cold-boost", "1"], ["--cold-boost is for lists of items"]),
        (["evaluate", "shop", "--target", "price"], ["column price contains double"]),
        (["evaluate", "shop", "--target", "brand", "--by-category"], ["--by-category is for lists of items"]),
        (["evaluate", "shop", "--target", "brand", "--task", "click"], ["task is 'click'", "give one of them"]),
    ],
    ids=lambda value: " ".join(value[:4]),
)  # fmt: skip
def test_bad_targets_are_refused(
    arguments: list[str], words: list[str], folder: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(folder)
    refused([arguments[0], "model", *arguments[1:]], capsys, words)
