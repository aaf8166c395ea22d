"""Events without a user: refused, or dropped and counted, in memory and out of core."""

from __future__ import annotations

import polars as pl
import pytest

from xcat_rec.cli.fit_command import fit_command
from xcat_rec.tokenization.out_of_core import chunks, prepare
from xcat_rec.tokenization.out_of_core.inputs import PreparationInputs
from xcat_rec.tokenization.out_of_core.prepare import prepare_tables
from xcat_rec.tokenization.sequences.histories import read_histories
from xcat_rec.tokenization.sources import load_shop
from xcat_rec.tokenization.tables.schema import TableError, validate_tables
from xcat_rec.workflows.bench_request import BenchRequest

from ...tiny_shop import events_table, items_table
from ..out_of_core.test_prepare import PrepareOptions, in_memory, rows_of, write


def log(*users: str | None) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "user_id": users,
            "item_id": ["a"] * len(users),
            "timestamp": range(1_600_000_000, 1_600_000_000 + len(users)),
            "rating": ["5"] * (len(users) - 1) + ["good"],
            "said": [f"text {row}" for row in range(len(users))],
        },
        schema_overrides={"user_id": pl.String},
    )


ITEMS = pl.DataFrame({"item_id": ["a"], "title": ["tent"]})


@pytest.mark.parametrize("missing", [None, "", "  "])
def test_they_are_dropped_and_counted_and_row_numbers_stay(missing):
    events = log(missing, "u", missing, "u", "v", "u")
    shop = validate_tables(ITEMS, events, missing_users="drop")
    assert shop.events["user_id"].to_list() == ["u", "u", "v", "u"]
    assert shop.events["said"].to_list() == ["text 1", "text 3", "text 4", "text 5"]
    noted = {problem.kind: problem for problem in shop.problems}
    assert str(noted["null_key"]) == "events, column user_id: 2 rows have no value; they were dropped"
    assert noted["not_numeric"].row == 6 and noted["single_event_user"].row is None


def test_the_error_names_the_argument():
    with pytest.raises(TableError, match=r'2 rows have no value; fill .* out: missing_users="drop"'):
        validate_tables(ITEMS, log(None, "u", None, "u"))


@pytest.mark.parametrize("events", [log(None, None), log("u", None).drop("user_id")])
def test_events_without_users_are_refused(events):
    with pytest.raises(TableError, match=r"no event has a user|column user_id: the column is missing"):
        validate_tables(ITEMS, events, missing_users="drop")


def test_an_unknown_choice_is_refused():
    with pytest.raises(ValueError, match="missing_users is 'keep'; give 'error' or 'drop'"):
        validate_tables(ITEMS, log("u", "u"), missing_users="keep")
    with pytest.raises(ValueError, match="missing_users is 'keep'"):
        PreparationInputs("nowhere", missing_users="keep")


def test_prepare_gives_the_rows_of_the_in_memory_code(tmp_path, monkeypatch):
    """One chunk has no user at all."""
    index = pl.int_range(pl.len())
    user = pl.when((index >= 50) & (index < 100) | (index % 7 == 0)).then(None).otherwise(pl.col("user_id"))
    events = events_table().with_columns(user_id=user)
    data = write(tmp_path / "shop", items_table(), events)
    monkeypatch.setattr(prepare, "PARTITION_EVENTS", 100)
    monkeypatch.setattr(prepare, "cut_chunks", lambda paths: chunks.cut_chunks(paths, 50))
    with pytest.raises(TableError, match="missing_users"):
        prepare_tables(PreparationInputs(data), tmp_path / "out", progress=False)
    prepared = prepare_tables(PreparationInputs(data, missing_users="drop"), tmp_path / "out", progress=False)
    shop = load_shop(data=None, items=items_table(), events=events, missing_users="drop")
    kept = events.filter(pl.col("user_id").is_not_null())
    assert rows_of(prepared.splits()) == rows_of(in_memory(items_table(), kept, PrepareOptions()))
    assert shop.events.height == kept.height == prepared.manifest["events"]
    expected = {(p.kind, p.column, p.count) for p in shop.problems}
    assert {(p.kind, p.column, p.count) for p in prepared.problems()} == expected
    assert ("null_key", "user_id", events.height - kept.height) in expected
    assert "--missing-users drop" in fit_command(str(tmp_path / "out"), {})


def test_histories_keep_the_texts_of_their_events(tmp_path):
    log("u", None, "u", None, "v").with_columns(rating=None).write_parquet(tmp_path / "users.parquet")
    with pytest.raises(TableError, match="missing_users"):
        read_histories(tmp_path / "users.parquet")
    found = read_histories(tmp_path / "users.parquet", text_columns=["said"], missing_users="drop")
    assert found.user_ids == ["u", "v"] and found.event_texts == [["text 0", "text 2"], ["text 4"]]


def test_bench_reports_the_choice_only_if_it_was_made():
    assert "missing_users" not in BenchRequest("popular").options
    assert BenchRequest("popular", missing_users="drop").options["missing_users"] == "drop"


def test_the_old_name_of_the_argument_warns_and_works() -> None:
    log = {"user_id": ["u", None, "u"], "item_id": ["A", "B", "C"], "order": [1, 2, 3]}
    with pytest.warns(FutureWarning, match=r"load_shop\(on_missing_users=\) is deprecated .*; use missing_users="):
        assert load_shop(log, on_missing_users="drop").events.height == 2  # type: ignore[call-arg]
    assert load_shop(log, missing_users="drop").events.height == 2
