"""`xcat evaluate` reports targets that it cannot evaluate: items that the checkpoint does not have."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from xcat_rec.cli.app import main
from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.tokenization.sources import load_shop
from xcat_rec.tokenization.tables.schema import validate_tables
from xcat_rec.training.preparation.options import PreparationOptions
from xcat_rec.training.preparation.prepare import prepare_training
from xcat_rec.workflows.checkpoint_evaluation import evaluate_checkpoint, evaluation_data

from ..tiny_shop import SMALL, events_table, items_table, save_text_encoder, write_shop
from .commands import refused, run

HISTORIES = {
    "ann": "item-01 item-02 item-03 new-1",  # its target is unknown
    "bob": "item-01 new-1 item-03 item-04",  # an event of its history is
    "cid": "item-03 item-04 item-05",
    "dan": "item-03 item-04",  # too short to be evaluated
}
KEYS = ("targets", "all_targets", "users", "all_users", "history_events", "all_history_events")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of 40 items, not trained, with a column of lists."""
    folder = tmp_path_factory.mktemp("checkpoint")
    encoder = str(save_text_encoder(folder / "encoder"))
    items = items_table().with_columns(pl.concat_list("brand", "category").alias("tags"))
    shop = validate_tables(items, events_table(10))
    prepared = prepare_training(shop, PreparationOptions(text_encoder=encoder, config=SMALL))
    prepared.model.save_pretrained(folder / "model")
    prepared.processor.save_pretrained(folder / "model")
    return folder / "model"


def write(folder: Path, histories: dict[str, str], baskets: bool = False) -> str:
    """Tables with one more item, new-1, and with these events; with baskets of two events each."""
    folder.mkdir()
    items = items_table()
    new = items.head(1).with_columns(pl.lit("new-1").alias("item_id"), pl.lit("something new").alias("title"))
    pl.concat([items, new]).write_csv(folder / "items.csv")
    pl.DataFrame([
        {"user_id": user, "item_id": item, "timestamp": 1_700_000_000 + 60 * n}
        | ({"basket_id": f"{user} {n // 2}"} if baskets else {})
        for user, history in histories.items() for n, item in enumerate(history.split())
    ]).write_csv(folder / "events.csv")  # fmt: skip
    return str(folder)


def test_metrics_are_those_of_the_varied_lists(checkpoint, tmp_path, capsys):
    data = str(write_shop(tmp_path / "shop", 30))
    command = ["evaluate", str(checkpoint), data, "-k", "5", "--json"]
    varied = run([*command, "--explore", "adventurous", "--rerank", "mmr=0.8"], capsys)
    expected = evaluate_checkpoint(checkpoint, data, ks=[5], explore="adventurous", rerank="mmr=0.8").report
    assert varied["metrics"] == expected.metrics != run(command, capsys)["metrics"]
    refused([*command, "--rerank", "mrm=1"], capsys, ["'mrm' is not a rule; did you mean mmr"])


def test_every_cut_off_that_is_asked_for_has_its_table(checkpoint, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["evaluate", str(checkpoint), str(write_shop(tmp_path / "shop", 30)), "-k", "3", "-k", "1", "-k", "3"])
    shown = capsys.readouterr()
    assert not stop.value.code, shown.err
    assert [f"recall@{k}" in shown.out for k in (1, 3, 10)] == [True, True, False]
    assert "recall@" not in shown.err  # the table can be kept in a file


@pytest.mark.parametrize("prepared", [False, True], ids=["tables", "prepared"])
def test_items_that_the_checkpoint_lacks_are_counted_and_said(prepared, checkpoint, tmp_path, capsys):
    data = write(tmp_path / "shop", HISTORIES)
    if prepared:
        with pytest.raises(SystemExit) as stop:
            main(["prepare", data, "--output", str(tmp_path / "prepared"), "--split", "leave-one-out"])
        assert not stop.value.code
        data = str(tmp_path / "prepared")
    with pytest.raises(SystemExit) as stop:
        main(["evaluate", str(checkpoint), data, "--json"])
    shown = capsys.readouterr()
    assert not stop.value.code, shown.err
    assert len(shown.out.splitlines()) == 1 and "recall@10" in shown.err
    judged = json.loads(shown.out)
    assert judged["unknown_items"] == dict(zip(KEYS, (1, 3, 1, 3, 1, 5), strict=True))
    assert (judged["num_targets"], judged["num_users"]) == (2, 2)
    note = " ".join(shown.err.split())
    assert "items that the checkpoint lacks: left out for every model: 1 of 3 targets, for example 'new-1'" in note
    assert "read as unknown in the histories: 1 of 5 events; add them with xcat catalogue" in note


def test_a_target_that_is_left_out_of_a_basket_is_counted_too(checkpoint, tmp_path, capsys):
    histories = {"ann": "item-01 item-02 item-03 item-04 item-05 new-1", "bob": HISTORIES["bob"]}
    data = write(tmp_path / "shop", histories, baskets=True)
    judged = run(["evaluate", str(checkpoint), data, "--split", "last-basket", "--json"], capsys)
    assert judged["unknown_items"] == dict(zip(KEYS, (1, 2, 0, 1, 0, 4), strict=True))
    assert (judged["num_targets"], judged["num_users"]) == (1, 1)


def test_roles_of_event_types_can_be_given(checkpoint, tmp_path, capsys):
    data = write(tmp_path / "shop", {"cid": "item-03 item-04 item-05 item-06 item-07"})
    events = pl.read_csv(Path(data) / "events.csv")
    kinds = pl.Series("event_type", ["buy", "buy", "buy", "hold", "buy"])
    events.with_columns(kinds).write_csv(Path(data) / "events.csv")
    run(["evaluate", str(checkpoint), data, "--negative-event-types", "hold", "--json"], capsys)
    recommender = XCatRecommender.from_pretrained(checkpoint)
    saved = recommender.processor.event_settings
    recommender.processor.event_settings = {**saved, "target_event_types": ["buy", "hold"], "negative_event_types": []}
    own = evaluation_data(recommender, load_shop(data))
    assert (own.options.target_event_types, own.options.negative_event_types) == (
        ("buy", "hold"),
        (),
    )
    assert not own.notes
    given = evaluation_data(recommender, load_shop(data), negative_event_types=["hold"])
    assert (given.options.target_event_types, given.options.negative_event_types) == (("buy",), ["hold"])
    assert given.notes == [
        "event types have other roles than in training: now buy (predicted); hold (negative, context only); "
        "in training buy, hold (predicted)"
    ]
    assert not evaluation_data(recommender, load_shop(data), target_event_types=["buy", "hold"]).notes


def test_nothing_is_said_where_every_item_is_known(checkpoint, tmp_path, capsys):
    data = write(tmp_path / "shop", {"cid": HISTORIES["cid"]})
    with pytest.raises(SystemExit):
        main(["evaluate", str(checkpoint), data, "--json"])
    shown = capsys.readouterr()
    counts = json.loads(shown.out.splitlines()[-1])["unknown_items"]
    assert counts == dict(zip(KEYS, (0, 1, 0, 1, 0, 2), strict=True))
    assert "does not have" not in shown.err


@pytest.mark.parametrize(
    ("histories", "words"),
    [
        (
            {"ann": "item-01 item-02 new-1", "bob": "item-03 item-04 new-1"},
            ["none of the 2 targets of test is an item of the checkpoint", "example 'new-1'", "xcat catalogue"],
        ),
        ({"dan": "item-03 item-04"}, ["'leave-one-out' leaves no user in test (2 rows)", "three events", "--split"]),
    ],
    ids=["no known target", "too short"],
)
def test_the_reason_for_no_evaluation_is_reported(histories, words, checkpoint, tmp_path, capsys):
    refused(["evaluate", str(checkpoint), write(tmp_path / "shop", histories)], capsys, words)


def test_a_category_column_of_lists_is_refused_before_the_tables_are_read(checkpoint, tmp_path, capsys):
    shop = write(tmp_path / "shop", HISTORIES)
    (tmp_path / "shop" / "events.csv").write_text("no table")
    command = ["evaluate", str(checkpoint), shop, "--category-column", "tags"]
    refused(command, capsys, ["column tags contains", "list", "choose one of", "brand"])
