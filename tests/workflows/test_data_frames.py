"""Data frames, data sets and dictionaries as tables of every function of the Python face."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import datasets
import numpy as np
import polars as pl
import pytest

import xcat_rec
from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.tokenization.out_of_core.prepared_folder import PreparedFolder

from ..cli.commands import refused, run
from ..tiny_shop import QUICK, SMALL, events_table, items_table, save_text_encoder

NAMES = {"item_id": "sku", "user_id": "customer"}
FORMS: dict[str, Callable[[pl.DataFrame], Any]] = {
    "polars": lambda frame: frame,
    "lazy": lambda frame: frame.lazy(),
    "pandas": lambda frame: frame.to_pandas(),
    "arrow": lambda frame: frame.to_arrow(),
    "dataset": datasets.Dataset.from_polars,
    "lists": lambda frame: frame.to_dict(as_series=False),
    "arrays": lambda frame: {name: column.to_numpy() for name, column in frame.to_dict().items()},
    "series": lambda frame: dict(frame.to_pandas()),
    "columns of a dataset": lambda frame: {name: datasets.Dataset.from_polars(frame)[name] for name in frame.columns},
}


def export(users: int = 60) -> pl.DataFrame:
    """One table of events with the columns of their items, under names that are not ours."""
    joined = events_table(users).join(items_table(), on="item_id", how="left", maintain_order="left")
    return joined.rename(NAMES)


def tables() -> dict[str, pl.DataFrame]:
    return {"items": items_table(), "events": events_table()}


def targets(prepared: PreparedFolder) -> dict[str, list[str]]:
    """Ids of the targets of each user; the item indices depend on the order of the items table."""
    test = prepared.splits()["test"]
    return {row["user_id"]: prepared.vocabulary().decode(row["targets"]) for row in test}


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> xcat_rec.FitResult:
    folder = tmp_path_factory.mktemp("frames")
    fields: dict[str, Any] = {**SMALL, **QUICK, "max_steps": 2, "text_encoder": str(save_text_encoder(folder / "enc"))}
    return xcat_rec.fit(export().to_pandas(), folder / "ckpt", columns=NAMES, card=None, **fields)


@pytest.mark.parametrize("form", FORMS)
def test_one_export_in_any_form_is_read_as_its_file(form, tmp_path):
    export().write_parquet(tmp_path / "export.parquet")
    expected = xcat_rec.load_shop(tmp_path / "export.parquet", columns=NAMES)
    for shop in (
        xcat_rec.load_shop(FORMS[form](export()), columns=NAMES),
        xcat_rec.load_shop(events=FORMS[form](export()), columns=NAMES),
    ):
        assert shop.hashes() == expected.hashes() and shop.items.height == 40
        assert [str(problem) for problem in shop.problems] == [str(problem) for problem in expected.problems]


@pytest.mark.parametrize("form", FORMS)
def test_items_and_events_in_any_form_are_read_as_a_dictionary_of_tables(form):
    given = {name: FORMS[form](table) for name, table in tables().items()}
    assert xcat_rec.load_shop(given).hashes() == xcat_rec.load_shop(**given).hashes()
    assert xcat_rec.load_shop(given).hashes() == xcat_rec.load_shop(**tables()).hashes()


def test_columns_of_a_dictionary_hold_mixed_values_gaps_and_times():
    shop = xcat_rec.load_shop({
        "user_id": [1, 1, "U2"],
        "item_id": np.array(["A", "B", "A"], dtype=object),
        "timestamp": np.array(["2024-01-01", "2024-01-02", "2024-01-03"], dtype="datetime64[ns]"),
        "rating": [4, None, float("nan")],
    })  # fmt: skip
    assert shop.events["user_id"].to_list() == ["1", "1", "U2"] and shop.events["rating"].to_list() == [4, None, None]
    assert shop.events["timestamp"][0] == 1_704_067_200
    assert [problem.column for problem in shop.problems if problem.kind == "mixed_types"] == ["user_id"]


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        ({"user_id": ["U"], "item_id": "A"}, ValueError, "events, column item_id is a str; give a list"),
        ({"user_id": ["U", "V"], "item_id": ["A"]}, ValueError, "column item_id has 1 values, and user_id has 2"),
        ({"item": pl.DataFrame(), "event": pl.DataFrame()}, ValueError, "data has the tables item, event; name the"),
        ({}, ValueError, "no events table was given"),
        (3, TypeError, r"builtins\.int is not a table; give a file, a pandas or polars data frame"),
        (datasets.Dataset.from_dict({"a": [1]}).to_iterable_dataset(), TypeError, "IterableDataset is not a table"),
    ],
)
def test_what_is_not_a_table_is_refused(data, error, words, tmp_path):
    calls = (
        xcat_rec.load_shop, xcat_rec.inspect, xcat_rec.bench, xcat_rec.interests,
        lambda given: xcat_rec.fit(given, tmp_path / "x"), lambda given: xcat_rec.prepare(given, tmp_path / "x"),
    )  # fmt: skip
    for call in calls:
        with pytest.raises(error, match=words):
            call(data)
    with pytest.raises(ValueError, match="either data= or the tables items= and events="):
        xcat_rec.fit(export(), tmp_path / "x", events=export())


def test_fit_and_evaluate_read_a_frame_with_other_column_names(fitted):
    """The checkpoint keeps the column names, so evaluation needs none."""
    expected = fitted.reports["XCat"].metrics
    recommender = XCatRecommender.from_pretrained(fitted.output)
    for given in ({"data": export()}, {"events": export().to_pandas()}, {"data": tables()}, {**tables()}):
        found = xcat_rec.evaluate(recommender, **given).report.metrics
        assert found["ndcg@10"] == pytest.approx(expected["ndcg@10"])
    renamed = export().rename({"sku": "product"})
    found = xcat_rec.evaluate(recommender, renamed, columns={"item_id": "product", "user_id": "customer"})
    assert found.report.metrics["ndcg@10"] == pytest.approx(expected["ndcg@10"])
    lost = pl.concat([export(), export().head(3).with_columns(customer=pl.lit(None, pl.String))])
    with pytest.raises(xcat_rec.TableError, match="column customer: 3 rows have no value"):
        xcat_rec.evaluate(recommender, lost, missing_users="error")
    assert xcat_rec.evaluate(recommender, lost).report.metrics["ndcg@10"] == pytest.approx(expected["ndcg@10"])


def test_inspect_and_prepare_read_frames_as_files(tmp_path):
    folder = tmp_path / "shop"
    folder.mkdir()
    for name, table in tables().items():
        table.write_csv(folder / f"{name}.csv")
    counted = xcat_rec.inspect(folder)
    prepared = xcat_rec.prepare(folder, tmp_path / "from-files")
    for number, given in enumerate((
        {"data": tables()}, {**tables()}, {"data": xcat_rec.load_shop(**tables())},
        {"data": export(), "columns": NAMES}, {"data": export(), "columns": "item_id=sku,user_id=customer"},
    )):  # fmt: skip
        found, again = xcat_rec.inspect(**given), xcat_rec.prepare(output=tmp_path / f"prepared-{number}", **given)
        assert (found.users, found.split_rows) == (counted.users, counted.split_rows)
        assert targets(again) == targets(prepared)
    with pytest.raises(ValueError, match="is already prepared; give the original tables"):
        xcat_rec.prepare(xcat_rec.load_shop(prepared.folder), tmp_path / "twice")
    dates = events_table().with_columns(pl.from_epoch("timestamp").dt.strftime("%d/%m/%Y"))
    for format_, month in (("day-first", "2023-11"), ("%d/%m/%Y", "2023-11")):
        assert month in xcat_rec.inspect(items=items_table(), events=dates, time_format=format_).by_month
    extra = pl.concat([events_table(), events_table().head(2).with_columns(item_id=pl.lit("no such item"))])
    with pytest.raises(xcat_rec.TableError, match="no such item"):
        xcat_rec.inspect(items=items_table(), events=extra)
    assert xcat_rec.inspect(items=items_table(), events=extra, unknown_items="drop").users == counted.users


def test_interests_of_a_frame_are_those_of_its_file(tmp_path, monkeypatch):
    monkeypatch.setenv("XCAT_CACHE", str(tmp_path / "cache"))
    encoder = str(save_text_encoder(tmp_path / "encoder"))
    for name, table in tables().items():
        table.write_csv(tmp_path / f"{name}.csv")
    expected = xcat_rec.interests(tmp_path, ["user-01"], text_encoder=encoder)["user-01"].to_dict()
    for given in ({"data": tables()}, {**tables()}, {"data": export(), "columns": NAMES}):
        found = xcat_rec.interests(user=["user-01"], text_encoder=encoder, **given)["user-01"].to_dict()
        assert json.dumps(found) == json.dumps(expected)


@pytest.mark.slow
def test_bench_writes_frames_for_its_processes(tmp_path, capfd):
    output, told = tmp_path / "bench.json", []
    first = xcat_rec.bench(export().to_pandas(), ["popularity"], columns=NAMES, output=output, tell=told.append)
    assert first.runs[0].row["data"]["name"] == "shop" and told == ["popularity, seed 0 (1 of 1) ..."]
    again = xcat_rec.bench(export(), ["popularity"], columns=NAMES, output=output, resume=True)
    assert again.to_dict() == first.to_dict() and not any(capfd.readouterr())
    parts = xcat_rec.bench(items=items_table(), events=events_table().to_pandas(), models=["popularity"])
    assert parts.mean() == first.mean()


def test_the_commands_have_the_same_arguments(fitted, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("XCAT_CACHE", str(tmp_path / "cache"))
    lost = events_table().head(2).with_columns(item_id=pl.lit("no such item"))
    files = {name: str(tmp_path / f"{name}.csv") for name in ("items", "events")}
    items_table().write_csv(files["items"])
    pl.concat([events_table(), lost]).write_csv(files["events"])
    options = [word for name, file in files.items() for word in (f"--{name}", file)]
    line = ["evaluate", str(fitted.output), *options, "--json"]
    expected = xcat_rec.evaluate(fitted.output, **files).report.metrics
    assert run(line, capsys)["metrics"] == pytest.approx(expected)
    refused([*line, "--unknown-items", "error"], capsys, ["no such item"])
    encoder = str(save_text_encoder(tmp_path / "encoder"))
    told = run(["interests", *options, "--user", "user-01", "--text-encoder", encoder, "--json"], capsys)["profiles"]
    profile = xcat_rec.interests(user=["user-01"], text_encoder=encoder, **files)["user-01"]
    assert told == [json.loads(json.dumps({"user_id": "user-01", **profile.to_dict()}))]
